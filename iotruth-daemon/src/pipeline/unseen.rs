//! A completion that nobody sees, for a test of what becomes of its request.
//!
//! A kernel may skip a program without counting that. To be alike in everything, the record is taken
//! out of its ring as if it had never been tried: those that follow in its stream are numbered one
//! less, and so is the counter of attempts.

use std::{
    os::fd::BorrowedFd,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use iotruth_common::{
    counters::MAX_RINGS,
    probe::{Probe, Program},
    record::CompleteRecord,
};

use super::reader::{Counters, Source};
use crate::engine::{Audit, StreamCount};

/// The completion that is not seen is the first one of so many bytes: 37 sectors, which no
/// filesystem asks for.
const BYTES: u32 = 37 * 512;

/// The program that tells of it.
const COMPLETE: Program = Program::first(Probe::Complete);

/// What all readers know of the one completion.
#[derive(Debug, Default)]
struct One {
    taken: AtomicBool,
    /// CPU and ring of its stream.
    stream: OnceLock<(u16, u8)>,
    /// How many attempts of completions were not seen, by ring.
    rings: [AtomicU64; MAX_RINGS],
}

/// Hides one completion among all that is wrapped by it.
#[derive(Clone, Debug, Default)]
pub(super) struct Unseen(Arc<One>);

impl Unseen {
    /// The records of a ring without that one.
    pub(super) fn source<S>(&self, source: S) -> WithoutRecord<S> {
        WithoutRecord { source, one: Arc::clone(&self.0), cpu: None }
    }

    /// The counters without that one.
    pub(super) fn counters<C>(&self, counters: C) -> WithoutAttempt<C> {
        WithoutAttempt { counters, one: Arc::clone(&self.0), streams: Vec::new() }
    }
}

/// A ring.
#[derive(Debug)]
pub(super) struct WithoutRecord<S> {
    source: S,
    one: Arc<One>,
    /// Where the completion happened; its stream is numbered anew.
    cpu: Option<u16>,
}

impl<S: Source> Source for WithoutRecord<S> {
    fn ring(&self) -> usize {
        self.source.ring()
    }

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        self.source.wake()
    }

    fn reached(&self) -> u64 {
        self.source.reached()
    }

    fn take_fill(&mut self) -> f64 {
        self.source.take_fill()
    }

    fn end(&mut self) {
        self.source.end();
    }

    fn had_two_writers(&self) -> bool {
        self.source.had_two_writers()
    }

    fn drain(&mut self, limit: usize, mut take: impl FnMut(&[u8])) -> usize {
        let ring = self.source.ring();
        let Self { source, one, cpu } = self;
        source.drain(limit, |bytes| {
            let completion = bytemuck::try_from_bytes::<CompleteRecord>(bytes).ok();
            let is_one = |record: &&CompleteRecord| record.request.program == COMPLETE.to_wire();
            let Some(record) = completion.filter(is_one) else { return take(bytes) };
            if record.bytes == BYTES && !one.taken.swap(true, Ordering::Relaxed) {
                *cpu = Some(record.request.cpu);
                let _ = one.stream.set((record.request.cpu, ring as u8));
                if let Some(attempts) = one.rings.get(ring) {
                    attempts.fetch_add(1, Ordering::Relaxed);
                }
            } else if *cpu == Some(record.request.cpu) {
                let mut record = *record;
                record.request.attempt = record.request.attempt.wrapping_sub(1);
                take(bytemuck::bytes_of(&record));
            } else {
                take(bytes);
            }
        })
    }
}

/// The counters beside the rings.
#[derive(Debug)]
pub(super) struct WithoutAttempt<C> {
    counters: C,
    one: Arc<One>,
    /// What streams of completions were last counted to be, with that one.
    streams: Vec<StreamCount>,
}

impl<C: Counters> Counters for WithoutAttempt<C> {
    fn read(&mut self, streams: &mut Vec<StreamCount>) -> anyhow::Result<Audit> {
        let before = streams.len();
        let mut audit = self.counters.read(streams)?;
        let attempts = audit.attempts.get_mut(COMPLETE.index()).into_iter().flatten();
        for (attempts, unseen) in attempts.zip(&self.one.rings) {
            *attempts = attempts.saturating_sub(unseen.load(Ordering::Relaxed));
        }
        for stream in streams.iter().skip(before) {
            if stream.program == COMPLETE.to_wire() {
                self.streams.retain(|old| (old.cpu, old.ring) != (stream.cpu, stream.ring));
                self.streams.push(*stream);
            }
        }
        // It may have been taken after its stream was last counted, so that is told again.
        if let Some(one) = self.one.stream.get()
            && let Some(stream) = self.streams.iter().find(|s| (s.cpu, s.ring) == *one)
        {
            let attempts = stream.attempts.wrapping_sub(1);
            streams.push(StreamCount { attempts, ..*stream });
        }
        Ok(audit)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test says what it expects")]

    use bytemuck::Zeroable as _;
    use iotruth_common::record::RequestRecord;

    use super::{
        Audit, BYTES, BorrowedFd, COMPLETE, CompleteRecord, Counters, Source, StreamCount, Unseen,
    };

    /// A ring with completions of these CPUs, numbers and bytes.
    struct Ring(Vec<(u16, u32, u32)>);

    impl Source for Ring {
        fn ring(&self) -> usize {
            2
        }

        fn wake(&self) -> Option<BorrowedFd<'_>> {
            None
        }

        fn reached(&self) -> u64 {
            u64::MAX
        }

        fn take_fill(&mut self) -> f64 {
            0.0
        }

        fn end(&mut self) {}

        fn had_two_writers(&self) -> bool {
            false
        }

        fn drain(&mut self, _limit: usize, mut take: impl FnMut(&[u8])) -> usize {
            for (cpu, attempt, bytes) in &self.0 {
                let request = RequestRecord {
                    cpu: *cpu,
                    attempt: *attempt,
                    program: COMPLETE.to_wire(),
                    ..RequestRecord::zeroed()
                };
                let record = CompleteRecord { request, bytes: *bytes, ..CompleteRecord::zeroed() };
                take(bytemuck::bytes_of(&record));
            }
            self.0.len()
        }
    }

    struct Five;

    impl Counters for Five {
        fn read(&mut self, streams: &mut Vec<StreamCount>) -> anyhow::Result<Audit> {
            let program = COMPLETE.to_wire();
            streams.extend([0, 1].map(|cpu| StreamCount {
                cpu,
                program,
                ring: 2,
                attempts: 2,
                lost: 0,
            }));
            let mut audit = Audit::default();
            audit.attempts[COMPLETE.index()] = [5; _];
            Ok(audit)
        }
    }

    #[test]
    fn it_is_as_if_one_completion_had_never_been_tried() {
        let unseen = Unseen::default();
        let ring = Ring(vec![(0, 1, 4096), (1, 1, BYTES), (0, 2, BYTES), (1, 2, 4096)]);
        let mut source = unseen.source(ring);
        let mut counters = unseen.counters(Five);
        let mut streams = Vec::new();
        let mut attempts = || counters.read(&mut streams).unwrap().attempts[COMPLETE.index()];
        assert_eq!(attempts()[..4], [5, 5, 5, 5]);
        let mut seen = Vec::new();
        source.drain(9, |bytes| {
            let record = bytemuck::from_bytes::<CompleteRecord>(bytes);
            seen.push((record.request.cpu, record.request.attempt, record.bytes));
        });
        assert_eq!(seen, [(0, 1, 4096), (0, 2, BYTES), (1, 1, 4096)]);
        assert_eq!(attempts()[..4], [5, 5, 4, 5]);
        let told: Vec<_> = streams.iter().map(|stream| (stream.cpu, stream.attempts)).collect();
        assert_eq!(told, [(0, 2), (1, 2), (0, 2), (1, 2), (1, 1)]);
    }
}
