//! The flush machinery as seen from outside: who waits for a flush, and which flush is failing.
//!
//! `blk-flush.c` lets several requests wait for one `flush_rq` of their hardware queue. They end
//! inside its completion, with interrupts off and on the same CPU, so that their completions follow
//! the one of the flush in the stream of that CPU, with nothing in between.

use super::owner::Owner;

/// Most requests that are remembered as waiting for a flush.
const MAX_WAITERS: usize = 4096;

/// A hardware queue: address of the queue and number.
pub(super) type HardwareQueue = (u64, u16);

#[derive(Clone, Copy, Debug)]
struct Waiter {
    queue: HardwareQueue,
    request: u64,
    owner: Owner,
}

#[derive(Clone, Copy, Debug)]
struct Failing {
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
    pub(super) fn wait(&mut self, queue: HardwareQueue, request: u64, owner: Owner) {
        if self.waiters.len() < MAX_WAITERS {
            self.waiters.push(Waiter { queue, request, owner });
        }
    }

    /// A request waits no longer.
    #[inline]
    pub(super) fn leave(&mut self, request: u64) {
        if !self.waiters.is_empty() {
            self.waiters.retain(|waiter| waiter.request != request);
        }
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
    pub(super) fn waiting(&self, queue: HardwareQueue) -> Vec<u64> {
        self.waiters
            .iter()
            .filter(|waiter| waiter.queue == queue)
            .map(|waiter| waiter.request)
            .collect()
    }

    /// A flush ended with an error on this CPU; what ends next to it failed with it.
    pub(super) fn fail(&mut self, cpu: u16, queue: u64) {
        self.failing.retain(|failing| failing.cpu != cpu);
        self.failing.push(Failing { cpu, queue });
    }

    /// Whether a request of `queue` that ends with an error on `cpu` ends inside a failing flush.
    pub(super) fn fails_with(&self, cpu: u16, queue: u64) -> bool {
        self.failing.iter().any(|failing| failing.cpu == cpu && failing.queue == queue)
    }

    /// Something else happened on this CPU: the completion of the flush is over.
    #[inline]
    pub(super) fn passed(&mut self, cpu: u16) {
        if !self.failing.is_empty() {
            self.failing.retain(|failing| failing.cpu != cpu);
        }
    }
}
