//! The flush machinery as seen from outside: who waits for a flush, and which flush is failing.
//!
//! `blk-flush.c` lets several requests wait for one `flush_rq` of their hardware queue. They end
//! inside its completion, with interrupts off and on the same CPU, so that their completions follow
//! the one of the flush in the stream of that CPU and ring, with nothing in between. Other rings tell
//! nothing: they are not read in step.
//!
//! Which flush a request waits for is not always to be seen. A flush takes along all that wait when
//! it is made (`blk_kick_flush`), and its first event comes a little later. One that was sent before
//! a request began to wait is not for it; the first one after that may not be, if the request came
//! just between; the second one is, whatever happened.

use std::collections::BTreeMap;

use super::{life::Life, owner::Owner, table::Key};

/// Flushes that end while a request waits, after which it waits for none of them any more.
const SURELY_FLUSHED: u8 = 2;

/// A hardware queue: address of the queue and number.
pub(super) type HardwareQueue = (u64, u16);

const fn hardware_queue(life: &Life) -> HardwareQueue {
    (life.queue, life.hardware_queue)
}

#[derive(Clone, Copy, Debug)]
struct Failing {
    ring: u8,
    cpu: u16,
    queue: u64,
    /// Its completion is surely over after this time.
    until: u64,
}

/// Requests that wait for a flush, and flushes that are failing right now.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    /// At most one for each open life.
    waiters: BTreeMap<(HardwareQueue, Key), Owner>,
    /// Flushes that the driver has or had, and that have not ended: when each was first seen.
    sent: BTreeMap<HardwareQueue, u64>,
    failing: Vec<Failing>,
}

impl Flushes {
    /// A request begins to wait for a flush.
    pub(super) fn wait(&mut self, life: &mut Life) {
        self.leave(life);
        life.waits_for_flush = true;
        life.flushes = 0;
        self.waiters.insert((hardware_queue(life), life.key), life.owner);
    }

    /// A request waits no longer.
    #[inline]
    pub(super) fn leave(&mut self, life: &mut Life) {
        if std::mem::take(&mut life.waits_for_flush) {
            self.waiters.remove(&(hardware_queue(life), life.key));
        }
    }

    /// For whom a flush is sent: the task of all who wait for it, if it is one and the same.
    pub(super) fn owner(&self, queue: HardwareQueue) -> Owner {
        let mut owners = self.of(queue).map(|(_, owner)| owner);
        let Some(first) = owners.next() else { return Owner::default() };
        owners.fold(*first, |all, owner| Owner {
            task: all.task.filter(|_| owner.task == all.task),
            cgroup: if owner.cgroup == all.cgroup { all.cgroup } else { 0 },
        })
    }

    /// Requests that wait for a flush on this hardware queue.
    pub(super) fn waiting(&self, queue: HardwareQueue) -> Vec<Key> {
        self.of(queue).map(|((_, key), _)| *key).collect()
    }

    fn of(&self, queue: HardwareQueue) -> impl Iterator<Item = (&(HardwareQueue, Key), &Owner)> {
        let first = Key { request: 0, ring: 0 };
        let last = Key { request: u64::MAX, ring: u8::MAX };
        self.waiters.range((queue, first)..=(queue, last))
    }

    /// The driver got a flush.
    pub(super) fn send(&mut self, flush: &Life) {
        self.sent.insert(hardware_queue(flush), flush.first);
    }

    /// The life of a flush is over, whether or not its end was seen.
    pub(super) fn over(&mut self, flush: &Life) {
        self.sent.remove(&hardware_queue(flush));
    }

    /// Whether a request may be waiting for a flush that the driver has.
    pub(super) fn may_hold(&self, life: &Life) -> bool {
        life.waits_for_flush
            && life.flushes < SURELY_FLUSHED
            && self.sent.contains_key(&hardware_queue(life))
    }

    /// A flush ended with an error on this CPU; what ends next to it, `until` then, failed with it.
    pub(super) fn fail(&mut self, ring: u8, cpu: u16, queue: u64, until: u64) {
        self.passed(ring, cpu);
        self.failing.push(Failing { ring, cpu, queue, until });
    }

    /// Whether a request of `queue` that ends with an error on `cpu` at `time` ends inside a failing flush.
    pub(super) fn fails_with(&self, ring: u8, cpu: u16, queue: u64, time: u64) -> bool {
        self.failing.iter().any(|failing| {
            (failing.ring, failing.cpu, failing.queue) == (ring, cpu, queue)
                && time <= failing.until
        })
    }

    /// Whether a flush is failing on any CPU.
    #[inline]
    pub(super) const fn are_failing(&self) -> bool {
        !self.failing.is_empty()
    }

    /// Something else happened on this CPU: the completion of the flush is over.
    #[inline]
    pub(super) fn passed(&mut self, ring: u8, cpu: u16) {
        if !self.failing.is_empty() {
            self.failing.retain(|failing| (failing.ring, failing.cpu) != (ring, cpu));
        }
    }

    /// From now on it may not be told that something else happens on a CPU. Each completion is over at this
    /// time.
    pub(super) fn pass_by(&mut self, time: u64) {
        for failing in &mut self.failing {
            failing.until = failing.until.min(time);
        }
    }

    /// Forgets those of which the completion is surely over at this time.
    pub(super) fn forget_failed(&mut self, time: u64) {
        self.failing.retain(|failing| time <= failing.until);
    }
}
