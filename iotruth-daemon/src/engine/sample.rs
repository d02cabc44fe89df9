//! Samples: while the daemon has to save, one request in so many is followed.
//!
//! Which ones is decided by the address of the request, so that a life is followed as a whole or not at
//! all. Each ended life then counts for all those that it stands for. Flushes are always followed, because
//! others end with them.
//!
//! The programs and the engines decide it each for themselves, by the same rule, and change the sample
//! at different times. Nobody is misled by that if whatever is in between is followed by neither: an engine
//! leaves out what will no longer be told before the programs do, and takes up what is told once it is
//! certain that they do. It then trusts nothing of what was made before: what makes it safe to attach
//! programs to a busy kernel makes this safe too.

use iotruth_common::{
    probe::Probe,
    record::RequestRecord,
    sample::{first_told, is_left_out},
};

use super::{
    completion::FLUSH_END, engine::Engine, flushes::HardwareQueue, join::LOSS_SLACK, life::Life,
    mismatch::Outcome, operation::Operation, owner::Owner, table::Occupant,
};

/// How long a request may have waited for a flush that is sent, in nanoseconds, so that it is not known
/// where it was not followed.
const LONG_FLUSH: u64 = 10_000_000_000;

/// Which requests are followed, flushes aside: one in so many, chosen by address and salt.
///
/// Of two samples with the same salt, the smaller one is a part of the larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// One request in so many; 1 is every one.
    pub one_in: u32,
    /// Which of them.
    pub salt: u64,
}

impl Sample {
    /// Every request.
    pub const ALL: Self = Self { one_in: 1, salt: 0 };

    /// None.
    pub const NONE: Self = Self { one_in: u32::MAX, salt: 0 };

    /// Most requests that one may stand for.
    pub const MOST: u32 = 1 << 12;

    /// Whether every request is followed.
    #[must_use]
    #[inline]
    pub const fn is_all(self) -> bool {
        self.one_in <= 1
    }

    /// What both have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self.is_all() {
            other
        } else if other.is_all() {
            self
        } else if self.salt == other.salt {
            Self { one_in: self.one_in.max(other.one_in), ..self }
        } else {
            Self::NONE
        }
    }

    /// Whether the other one has all that this one has.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        other.is_all()
            || self.one_in == Self::NONE.one_in
            || (self.salt == other.salt && self.one_in >= other.one_in)
    }

    /// Whether the request at this address is followed, whatever it is.
    #[inline]
    const fn has(self, request: u64) -> bool {
        self.follows(request, 0)
    }

    /// Whether a request is followed.
    #[inline]
    pub(super) const fn follows(self, request: u64, cmd_flags: u32) -> bool {
        !is_left_out(first_told(self.one_in), request.wrapping_add(self.salt), cmd_flags)
    }

    /// How many requests stands one for that is no flush. Where none is followed, none stands for others.
    #[inline]
    pub(super) const fn stands_for(self) -> u64 {
        if self.one_in <= Self::MOST { self.one_in as u64 } else { 1 }
    }

    /// How many requests one of this operation stands for.
    pub(super) fn weight(self, operation: Operation) -> u64 {
        if operation == Operation::Flush { 1 } else { self.stands_for() }
    }

    /// How many the one of a life of this operation stands for: one that is not in the sample, for itself.
    pub(super) fn weight_of(self, life: &Life, operation: Operation) -> u64 {
        if life.kept { 1 } else { self.weight(operation) }
    }
}

impl Engine {
    /// From now on this sample is followed. Where it has requests that the one before had not, the
    /// programs tell of them since then, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) fn follow(&mut self, sample: Sample, since: u64) {
        let before = std::mem::replace(&mut self.sample, sample);
        self.first_told = first_told(sample.one_in);
        if !before.is_within(sample) {
            self.give_up();
            self.flushes.pass_by(self.newest.saturating_add(FLUSH_END));
        }
        if !sample.is_within(before) {
            // Records of later than that may have been passed over.
            self.attached = since.max(self.newest).saturating_add(LOSS_SLACK);
            self.waiters_known_from = self.attached.saturating_add(LONG_FLUSH);
        }
    }

    /// For whom a flush is sent that was first seen at this time.
    pub(super) fn flush_owner(&self, queue: HardwareQueue, first: u64) -> Owner {
        // Who waits for a flush before its data is known by its start alone, and by nothing where it is not
        // followed.
        let known =
            self.starts.of_flushes() && self.sample.is_all() && first >= self.waiters_known_from;
        if known { self.flushes.owner(queue) } else { Owner::default() }
    }

    /// Gives up what is open and no longer followed, and forgets what is known of its addresses: nobody
    /// may say when it ends, and what comes next. But what hangs is found in memory for as long as it does.
    fn give_up(&mut self) {
        let sample = self.sample;
        let mut table = std::mem::take(&mut self.table);
        for (key, address) in table.iter_mut().filter(|(key, _)| !sample.has(key.request)) {
            // Else the next life there would be taken for one that was seen from its beginning.
            address.synced = false;
            let flush = matches!(&address.open,
                Occupant::Whole(life) if sample.follows(key.request, life.cmd_flags));
            if flush {
                continue;
            }
            let device = match &mut address.open {
                Occupant::Nobody => {
                    address.forget();
                    continue;
                }
                Occupant::Plain(plain) => {
                    self.rests.release(plain.rest);
                    plain.device
                }
                Occupant::Whole(life) if life.hangs() => {
                    (life.kept, life.proved) = (true, false);
                    continue;
                }
                Occupant::Whole(life) => {
                    self.flushes.leave(life);
                    self.conclude(life, Outcome::Unknown);
                    life.device
                }
            };
            address.forget();
            self.lives.open = self.lives.open.saturating_sub(1);
            self.lives.given_up += 1;
            if let Some(device) = self.devices.get_mut(device) {
                device.open = device.open.saturating_sub(1);
            }
        }
        self.table = table;
    }

    /// Whether the request of a record is followed.
    #[inline]
    pub(super) const fn follows(&self, head: &RequestRecord) -> bool {
        self.first_told == 0
            || !is_left_out(
                self.first_told,
                head.request.wrapping_add(self.sample.salt),
                head.cmd_flags,
            )
    }

    /// Takes a record of a request that is not followed.
    #[cold]
    pub(super) fn pass_over(&mut self, ring: u8, probe: Probe, head: &RequestRecord) {
        if let Some(count) = self.passed_over.get_mut(probe as usize) {
            *count += 1;
        }
        self.flushes.passed(ring, head.cpu);
    }

    /// Since when every event of this address has been told, whatever the requests were that used it:
    /// nanoseconds of `CLOCK_MONOTONIC`; never, where only some of them are followed.
    #[inline]
    pub(super) const fn since(&self, request: u64) -> u64 {
        if self.sample.is_all() || self.sample.has(request) { self.attached } else { u64::MAX }
    }

    /// How many requests the one of a life stands for.
    pub(super) fn weight_of(&self, life: &Life) -> u64 {
        self.sample.weight_of(life, self.flavor.operation(life.cmd_flags))
    }
}
