//! How the engine is told of records and counters, and what is kept of that.

use iotruth_common::{
    counters::MAX_RINGS,
    probe::{PROBES, Program, Role},
    record::{CompleteRecord, RequestRecord, SubmitRecord},
};

use super::{Change, Kernel, config, twin::Twin};
use crate::engine::{Audit, Input, Policy, Sample, StreamCount, recording};

/// A record in a ring.
#[derive(Debug)]
pub(in crate::engine) enum Written {
    Submit(SubmitRecord),
    Complete(CompleteRecord),
    Plain(RequestRecord),
}

impl Written {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Submit(record) => bytemuck::bytes_of(record),
            Self::Complete(record) => bytemuck::bytes_of(record),
            Self::Plain(record) => bytemuck::bytes_of(record),
        }
    }
}

/// The counters at one moment.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Counters {
    pub(in crate::engine) audit: Audit,
    pub(in crate::engine) streams: Vec<StreamCount>,
}

impl Kernel {
    /// The counters are read, as the reader does it every tenth of a second.
    pub(in crate::engine) fn audit(&mut self) {
        let counters = self.counters();
        self.settle(&counters);
    }

    /// What the counters are now.
    pub(in crate::engine) fn counters(&mut self) -> Counters {
        self.now += 1;
        let mut audit = Audit { read: self.now, ..Audit::default() };
        for probe in 0..PROBES {
            audit.lost[probe] = self.refused[probe];
        }
        for ((_, program, ring), attempts) in &self.attempts {
            audit.attempts[program.probe as usize][*ring] += attempts;
            if program.role == Role::Second {
                audit.made_up[program.probe as usize] += attempts;
            }
        }
        audit.recursion = self.recursion;
        audit.second_recursion = self.second_recursion;
        let count = |(key, attempts): (&(u16, Program, usize), &u64)| StreamCount {
            cpu: key.0,
            program: key.1.to_wire(),
            ring: key.2 as u8,
            attempts: *attempts as u32,
            lost: self.refused_of.get(key).copied().unwrap_or_default() as u32,
        };
        let mut streams: Vec<_> = self.attempts.iter().map(count).collect();
        streams.sort_unstable_by_key(|stream| (stream.cpu, stream.program, stream.ring));
        Counters { audit, streams }
    }

    /// One more of the three steps to another sample: the engine leaves out what will no longer be told,
    /// the programs tell of the new sample, the engine follows it.
    pub(in crate::engine) fn resample(&mut self, to: Sample) {
        self.now += 1;
        let since = self.now;
        match self.change.take() {
            None => {
                let both = self.sample.and(to);
                if both != self.sample {
                    self.feed(&Input::Sampled { sample: both, since });
                }
                self.change = Some(Change::Announced(to));
            }
            Some(Change::Announced(sample)) => {
                self.sample = sample;
                self.change = Some(Change::InForce(sample, since));
            }
            Some(Change::InForce(sample, since)) => {
                self.feed(&Input::Sampled { sample, since });
            }
        }
    }

    /// Takes all records, and then the counters that were read before; new devices get their names.
    pub(in crate::engine) fn settle(&mut self, counters: &Counters) {
        (0..MAX_RINGS).for_each(|ring| self.drain(ring));
        self.feed(&Input::StreamsCounted(&counters.streams));
        self.feed(&Input::Audit(&counters.audit));
        for id in self.engine.take_unnamed() {
            self.feed(&Input::DeviceNamed { id, name: "disk", policy: Policy::Follow });
        }
    }

    /// Takes all that is in a ring.
    pub(in crate::engine) fn drain(&mut self, ring: usize) {
        let unread = self.unread.as_mut().and_then(|rings| rings.get_mut(ring));
        let taken = unread.map(std::mem::take).unwrap_or_default();
        let mut records = self.engine.records_ahead(ring);
        for record in &taken {
            records.take(record.bytes());
        }
        records.finish();
        for record in &taken {
            self.note(&Input::Record { ring, bytes: record.bytes() }, true);
        }
    }

    /// Tells the engine, and keeps it for whoever wants a recording.
    pub(in crate::engine) fn feed(&mut self, input: &Input<'_>) {
        let changed = self.engine.feed(input);
        self.note(input, changed);
    }

    /// Keeps what the engine was told, and tells its twin.
    fn note(&mut self, input: &Input<'_>, changed: bool) {
        if let Some(tape) = &mut self.tape {
            recording::push(input, tape);
        }
        if let Some(twin) = &mut self.twin {
            twin.feed(input, changed, &self.engine, self.now);
        }
    }

    /// From now on, when nothing was told yet, the engine is compared with one that applies the rules
    /// to every event.
    pub(in crate::engine) fn compare(&mut self) {
        let config = config(self.starts, self.engine.attached, self.marks.is_some());
        self.twin = Some(Box::new(Twin::of(&mut self.engine, config, self.now)));
    }

    /// How the two have differed, which ends the comparison.
    pub(in crate::engine) fn difference(&mut self) -> Option<String> {
        self.twin.take()?.differs(&mut self.engine, self.now)
    }

    /// Keeps all that the engine is told from now on, when nothing was told yet.
    pub(in crate::engine) fn record(&mut self) {
        let mut tape = Vec::new();
        recording::begin(
            &config(self.starts, self.engine.attached, self.marks.is_some()),
            &mut tape,
        );
        self.tape = Some(tape);
    }

    /// What was kept, as a recording.
    pub(in crate::engine) fn recording(&self) -> Vec<u64> {
        let tape = self.tape.as_deref().unwrap_or_default();
        let end = recording::Ending::Stopped.frame();
        let frame = recording::frame(0, tape);
        let head = recording::head(self.now, 0);
        [&head[..], &frame, tape, end.as_slice().as_flattened()].concat()
    }

    pub(super) fn write(&mut self, record: Written) {
        if self.drop > 0 {
            self.drop -= 1;
            return;
        }
        if self.garble > 0 {
            self.garble -= 1;
            self.feed(&Input::Record { ring: self.ring, bytes: &record.bytes()[..60] });
            return;
        }
        match self.unread.as_mut().and_then(|rings| rings.get_mut(self.ring)) {
            Some(ring) => ring.push_back(record),
            None => self.feed(&Input::Record { ring: self.ring, bytes: record.bytes() }),
        }
    }
}
