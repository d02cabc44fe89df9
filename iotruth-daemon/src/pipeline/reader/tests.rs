//! A reader whose surroundings misbehave.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{os::fd::BorrowedFd, sync::Arc, time::Instant};

use super::{
    super::{
        auditor::Auditor,
        clock, fake,
        lookout::{Lookout, PROBE, Surroundings},
        memory::Looked,
        recorder::Recorded,
        samples::Samples,
        sysfs::Places,
        tick::Tick,
    },
    Counters, Memory, Reader, Rounds, Source,
};
use crate::{
    config::Config,
    engine::{Audit, StreamCount, device::DeviceId, snapshot::Snapshot},
};

const SECOND: u64 = 1_000_000_000;

/// What kernel memory answers, whatever is asked.
#[derive(Clone, Copy, Debug)]
enum Answers {
    Error,
    Refused,
    Unmapped,
}

impl Memory for Answers {
    fn read(
        &mut self,
        addresses: &[u64],
        mut take: impl FnMut(usize, Looked<'_>),
    ) -> anyhow::Result<()> {
        for place in 0..addresses.len() {
            match self {
                Self::Error => anyhow::bail!("out of memory"),
                Self::Refused => take(place, Looked::Refused(1)),
                Self::Unmapped => take(place, Looked::Unmapped),
            }
        }
        Ok(())
    }
}

/// There is none: the record of these tests is with the engine already.
enum NoRing {}

impl Source for NoRing {
    fn ring(&self) -> usize {
        match *self {}
    }

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        match *self {}
    }

    fn reached(&self) -> u64 {
        match *self {}
    }

    fn take_fill(&mut self) -> f64 {
        match *self {}
    }

    fn end(&mut self) {
        match *self {}
    }

    fn had_two_writers(&self) -> bool {
        match *self {}
    }

    fn drain(&mut self, _limit: usize, _take: impl FnMut(&[u8])) -> usize {
        match *self {}
    }
}

/// A ring that has nothing but may have what a program is in the middle of, since this long ago.
struct HeldBack(Option<u64>);

impl Source for HeldBack {
    fn ring(&self) -> usize {
        0
    }

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn reached(&self) -> u64 {
        self.0.map_or(u64::MAX, |behind| clock::monotonic() - behind)
    }

    fn take_fill(&mut self) -> f64 {
        0.0
    }

    fn end(&mut self) {}

    fn had_two_writers(&self) -> bool {
        false
    }

    fn drain(&mut self, _limit: usize, _take: impl FnMut(&[u8])) -> usize {
        0
    }
}

struct Still;

impl Counters for Still {
    fn read(&mut self, _streams: &mut Vec<StreamCount>) -> anyhow::Result<Audit> {
        Ok(Audit::default())
    }
}

/// A reader of these rings, and who audits it.
fn reader<S: Source>(sources: Vec<S>, memory: Answers) -> (Reader<S, Still, Answers>, Auditor) {
    let config = Arc::new(Config::default());
    let places = Places::default();
    let (auditor, mut auditees) = Auditor::start(Arc::clone(&config), 1, places.clone()).unwrap();
    let herald = auditor.herald();
    let (lookout, _) =
        Lookout::start(0, Surroundings { config, places, sequenced: true, probe: PROBE, herald })
            .unwrap();
    let recorded = Recorded::new(fake::config(), None);
    let reader = Reader {
        sources,
        tick: Tick::new(4096),
        counters: Still,
        memory,
        recorded,
        lookout,
        samples: Samples::none(),
        auditee: auditees.pop().unwrap(),
        mailbox: Arc::default(),
        stop: Arc::default(),
        fault: None,
    };
    (reader, auditor)
}

/// What a reader with this memory shows and notes, once that is as is hoped or patience is at its
/// end; and it must have been alive all the time.
fn run(memory: Answers, hoped: impl Fn(&Snapshot, Option<&str>) -> bool) {
    let (mut reader, _auditor) = reader(Vec::<NoRing>::new(), memory);
    let device = DeviceId { number: 7 << 20, sequence: 3 };
    fake::issue(&mut reader.recorded.engine, device, 9 * SECOND);
    let (mailbox, stop) = (Arc::clone(&reader.mailbox), Arc::clone(&reader.stop));
    let thread = reader.spawn(0).unwrap();
    let begin = Instant::now();
    while !hoped(&mailbox.snapshot(), mailbox.note().as_deref()) {
        assert!(!thread.is_finished(), "{memory:?}: the reader ended");
        assert!(begin.elapsed().as_secs() < 20, "{memory:?}: {:?}", mailbox.note());
        std::thread::yield_now();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    thread.join().unwrap().unwrap();
}

#[test]
fn memory_that_cannot_be_read_ends_neither_a_life_nor_the_reader() {
    for (memory, why) in [(Answers::Error, "out of memory"), (Answers::Refused, "not permitted")] {
        let first = std::cell::Cell::new(None);
        run(memory, |snapshot, note| {
            let looked = snapshot.in_flight.at;
            if looked == 0 || note.is_none_or(|note| !note.contains(why)) {
                return false;
            }
            assert_eq!((snapshot.lives.open, snapshot.lives.inferred), (1, 0));
            assert_eq!((snapshot.in_flight.count, snapshot.in_flight.unconfirmed), (0, 1));
            assert!(snapshot.mismatches.is_empty());
            // The audit between two censuses is what would end it.
            let before = first.get().unwrap_or(looked);
            first.set(Some(before));
            looked > before
        });
    }
}

#[test]
fn memory_that_is_not_mapped_ends_a_life() {
    run(Answers::Unmapped, |snapshot, note| {
        assert_eq!(note, None);
        (snapshot.lives.open, snapshot.lives.inferred) == (0, 1)
    });
}

#[test]
fn a_look_knows_how_far_it_was_held_back() {
    for behind in [None, Some(5_000_000)] {
        let (mut reader, _auditor) = reader(vec![HeldBack(None), HeldBack(behind)], Answers::Error);
        let mut rounds = Rounds { behind: 7, ..Rounds::default() };
        reader.drain(&mut rounds);
        assert!(rounds.drained);
        assert!(rounds.behind >= behind.unwrap_or(0), "{} ns", rounds.behind);
        assert_eq!(rounds.behind == 0, behind.is_none(), "{} ns", rounds.behind);
    }
}
