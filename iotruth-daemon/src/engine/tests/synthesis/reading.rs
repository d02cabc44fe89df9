//! How the machine's reader reads: rings out of step, counters before the records that they count,
//! and now and then a look at what is open.

use iotruth_common::probe::Probe;

use super::{
    machine::Machine,
    plan::{Fate, Plan},
    world::World,
};
use crate::engine::{
    Input,
    synthetic::{Counters, Kernel},
};

/// From the attachment of one program to that of the next, in nanoseconds.
pub(super) const ATTACH_STEP: u64 = 20_000;

/// From the attachment of the last one to when the daemon reads the time: longer than any clock of the world
/// is ahead of another. A call into the kernel returns in between.
pub(super) const ATTACH_CALL: u64 = 500;

/// What the reader remembers.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// When the plans began.
    pub(super) begun: u64,
    round: u64,
    /// Counters that were read, and whose records are still to be taken.
    pub(super) counters: Option<Counters>,
}

impl Machine<'_> {
    /// The reader wakes up.
    pub(super) fn read(&mut self) {
        self.reading.round += 1;
        let round = self.reading.round;
        // Some rings now, the others later: they are in no order with each other.
        for ring in 0..1 << self.case.world.rings {
            if (round >> ring) & 1 == 0 {
                self.kernel.drain(ring);
            }
        }
        if round.is_multiple_of(3) {
            if let Some(counters) = self.reading.counters.take() {
                self.kernel.settle(&counters);
            }
            self.reading.counters = Some(self.kernel.counters());
        }
        if round.is_multiple_of(4) {
            self.look();
        }
    }

    /// A census, which does not wait until lives are old.
    fn look(&mut self) {
        // The counters are read more often than this.
        self.reading.counters = None;
        let counters = self.kernel.counters();
        self.kernel.settle(&counters);
        let now = self.kernel.now;
        for suspect in self.kernel.engine.suspects(u64::MAX) {
            let memory = self.memory(suspect.address());
            self.kernel.feed(&Input::LookedUp { suspect, memory: Some(&memory), at: now });
        }
        self.kernel.feed(&Input::OpenCounted { from: now, now });
    }

    /// What lies at the address of a request: one that is on its way, or one that is free.
    fn memory(&self, address: u64) -> Vec<u8> {
        let on_its_way = self.runs.iter().flatten().find(|run| run.rq.address == address);
        match on_its_way {
            Some(run) => Kernel::memory(World::queue(run.plan.place.0), &run.rq, 1),
            None => Kernel::memory(0, &self.kernel.allocate(address, 0, 0, 0), 0),
        }
    }

    /// What becomes of the record of the event of this number.
    pub(super) fn fate(
        &self,
        plan: &Plan,
        number: usize,
        probe: Probe,
        cpu: usize,
    ) -> Option<Fate> {
        if self.lossless {
            return None;
        }
        // The programs are attached one after the other, in the order of their numbers.
        let attached = self.case.attached.map_or(0, |first| first + ATTACH_STEP * probe as u64);
        if self.kernel.now < self.reading.begun + attached {
            return Some(Fate::Hidden);
        }
        let own = plan.fates.iter().find(|(which, _)| *which == number).map(|(_, fate)| *fate);
        own.or_else(|| {
            let since = self.kernel.now.saturating_sub(self.reading.begun);
            let storms = &self.case.storms;
            let storm = storms.iter().find(|storm| {
                let here = match storm.fate {
                    Fate::Refused => self.kernel.ring == storm.place % (1 << self.case.world.rings),
                    Fate::Skipped | Fate::Caught | Fate::CaughtLate | Fate::Hidden => {
                        cpu == storm.place
                    }
                };
                here && (storm.begin..storm.begin + storm.length).contains(&since)
            });
            storm.map(|storm| storm.fate)
        })
    }
}
