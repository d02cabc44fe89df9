//! How the machine's reader reads: rings out of step, counters before the records that they count,
//! and now and then a look whether the devices are idle.

use iotruth_common::{probe::Probe, record::STATE_IDLE};

use super::{
    machine::Machine,
    plan::{Fate, Plan},
    world::{DISKS, World},
};
use crate::engine::Audit;

/// From the attachment of one program to that of the next, in nanoseconds.
pub(super) const ATTACH_STEP: u64 = 20_000;

/// What the reader remembers.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// When the plans began.
    pub(super) begun: u64,
    /// Whether the record of the current event is missing.
    pub(super) missing: bool,
    round: u64,
    /// Counters that were read, and whose records are still to be taken.
    counters: Option<Audit>,
    /// When a device was idle at the last look.
    idle: [Option<u64>; DISKS],
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

    /// A device that the kernel called idle twice has been idle in between, or was used anew.
    fn look(&mut self) {
        let mut idle = [Some(self.kernel.now); DISKS];
        for run in self.runs.iter().flatten() {
            if run.rq.state != STATE_IDLE {
                idle[run.plan.place.0] = None;
            }
        }
        // The counters are read more often than this.
        self.reading.counters = None;
        let counters = self.kernel.counters();
        self.kernel.settle(&counters);
        let before = std::mem::replace(&mut self.reading.idle, idle);
        for (disk, before) in before.iter().enumerate() {
            if let (Some(before), Some(_)) = (before, idle[disk]) {
                self.kernel.engine.close_finished(World::device(disk), *before);
            }
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
                    Fate::Skipped | Fate::Hidden => cpu == storm.place,
                };
                here && (storm.begin..storm.begin + storm.length).contains(&since)
            });
            storm.map(|storm| storm.fate)
        })
    }
}
