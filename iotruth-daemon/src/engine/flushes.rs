//! The flush machinery as seen from outside: who waits for a flush, and which flush is failing.
//!
//! `blk-flush.c` lets several requests wait for one `flush_rq` of their hardware queue. They end
//! inside its completion, with interrupts off and on the same CPU, so that their completions follow
//! the one of the flush in the stream of that CPU and ring, with nothing in between. Other rings tell
//! nothing: they are not read in step.

use super::{owner::Owner, table::Key};

/// Most requests that are remembered as waiting for a flush.
const MAX_WAITERS: usize = 4096;

/// A hardware queue: address of the queue and number.
pub(super) type HardwareQueue = (u64, u16);

#[derive(Clone, Copy, Debug)]
struct Waiter {
    queue: HardwareQueue,
    key: Key,
    owner: Owner,
}

#[derive(Clone, Copy, Debug)]
struct Failing {
    ring: u8,
    cpu: u16,
    queue: u64,
}

/// Requests that wait for a flush, and flushes that are failing right now.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    waiters: Vec<Waiter>,
    failing: Vec<Failing>,
}

impl Flushes {
    /// A request began to wait for a flush.
    pub(super) fn wait(&mut self, queue: HardwareQueue, key: Key, owner: Owner) {
        if self.waiters.len() < MAX_WAITERS {
            self.waiters.push(Waiter { queue, key, owner });
        }
    }

    /// A request waits no longer.
    #[inline]
    pub(super) fn leave(&mut self, key: Key) {
        if !self.waiters.is_empty() {
            self.waiters.retain(|waiter| waiter.key != key);
        }
    }

    /// Whether a request waits for a flush.
    pub(super) fn is_waiting(&self, key: Key) -> bool {
        self.waiters.iter().any(|waiter| waiter.key == key)
    }

    /// For whom a flush is sent: the task of all who wait for it, if it is one and the same.
    pub(super) fn owner(&self, queue: HardwareQueue) -> Owner {
        let mut owners =
            self.waiters.iter().filter(|waiter| waiter.queue == queue).map(|waiter| waiter.owner);
        let Some(first) = owners.next() else { return Owner::default() };
        let rest: Vec<Owner> = owners.collect();
        Owner {
            task: first.task.filter(|_| rest.iter().all(|owner| owner.task == first.task)),
            cgroup: if rest.iter().all(|owner| owner.cgroup == first.cgroup) {
                first.cgroup
            } else {
                0
            },
        }
    }

    /// Requests that wait for a flush on this hardware queue.
    pub(super) fn waiting(&self, queue: HardwareQueue) -> Vec<Key> {
        self.waiters
            .iter()
            .filter(|waiter| waiter.queue == queue)
            .map(|waiter| waiter.key)
            .collect()
    }

    /// A flush ended with an error on this CPU; what ends next to it failed with it.
    pub(super) fn fail(&mut self, ring: u8, cpu: u16, queue: u64) {
        self.passed(ring, cpu);
        self.failing.push(Failing { ring, cpu, queue });
    }

    /// Whether a request of `queue` that ends with an error on `cpu` ends inside a failing flush.
    pub(super) fn fails_with(&self, ring: u8, cpu: u16, queue: u64) -> bool {
        self.failing
            .iter()
            .any(|failing| (failing.ring, failing.cpu, failing.queue) == (ring, cpu, queue))
    }

    /// Something else happened on this CPU: the completion of the flush is over.
    #[inline]
    pub(super) fn passed(&mut self, ring: u8, cpu: u16) {
        if !self.failing.is_empty() {
            self.failing.retain(|failing| (failing.ring, failing.cpu) != (ring, cpu));
        }
    }
}
