//! The grammar: what the block layer makes of a plan on a disk, step by step.
//!
//! The paths are those that Linux 5.10 to 7.x can take a request along. With `s` start, `i` insert,
//! `d` issue, `q` requeue, `p` a part completed, `c` the rest completed, and `F` a flush of the same
//! hardware queue in between:
//!
//! ```text
//! life      = [ r ] s ( merged | empty | data | failover )
//! merged    = [ i ] m                             with a scheduler
//! empty     = [ F ] z                             without a cache there is nothing to flush
//! data      = [ F ] attempt* last [ F z ]         F and z with a volatile cache
//! attempt   = [ i ] ( q | u q | d q | d t q | d p q | d p+ | d p0 q )
//! last      = [ i ] ( d c [ e ] | d p0 c | d t c | c | u c )
//! failover  = [ i ] ( d | u ) v c                  u: nvme gives it back and never issued it
//! clone     = ( r s [ q | d q ] x )* life
//! ```

use super::{
    plan::{Ask, Attempt, Dropped, Finish, Plan, Wrong},
    world::{Cache, Disk, Driver, World},
};

/// What happens to a request next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Start,
    Remap,
    Insert,
    /// Sectors are merged in front and behind.
    Grow(u32, u32),
    Issue,
    Requeue,
    Merge,
    /// So many bytes end, with this status.
    Part(u32, i32),
    /// All that is left ends, with this status.
    Rest(i32),
    /// The second completion of device mapper.
    Echo,
    /// The timeout fires.
    Timeout,
    /// The driver gives it back without having started it (`nvme_host_path_error`).
    Unsent,
    /// The bios are taken over by another path.
    Steal,
    /// It is freed without an event, and allocated anew.
    Vanish,
    /// It waits for a flush.
    Flush,
    /// The end of a flush sequence.
    End,
}

/// Whether what is asked needs a flush before and after its data, on this disk.
pub(super) fn flushes(ask: Ask, disk: Disk) -> (bool, bool) {
    match (ask, disk.cache) {
        (Ask::Empty, Cache::Volatile | Cache::VolatileFua) => (true, false),
        (Ask::Durable { preflush, fua }, Cache::Volatile) => (preflush, fua),
        (Ask::Durable { preflush, .. }, Cache::VolatileFua) => (preflush, false),
        (_, Cache::None)
        | (Ask::Read | Ask::Write | Ask::Discard | Ask::Zone | Ask::Passthrough | Ask::Bare, _) => {
            (false, false)
        }
    }
}

/// Whether the plan is about a clone of device mapper.
pub(super) fn is_clone(plan: &Plan, disk: Disk) -> bool {
    let data = matches!(plan.ask, Ask::Read | Ask::Write);
    disk.driver == Driver::Lower && data && !plan.queued
}

/// Bytes of a request with this plan when it is allocated.
pub(super) const fn length(plan: &Plan) -> u32 {
    match plan.ask {
        Ask::Empty | Ask::Zone | Ask::Bare => 0,
        Ask::Passthrough => 96,
        Ask::Read | Ask::Write | Ask::Discard | Ask::Durable { .. } => plan.blocks * 512,
    }
}

/// A plan that is being made into steps.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
struct Course<'p> {
    plan: &'p Plan,
    disk: Disk,
    steps: Vec<Step>,
    /// Bytes that are left.
    left: u32,
    /// Whether its next attempt begins with an insert.
    insert: bool,
    /// Whether it was issued before.
    issued: bool,
    /// Whether the driver goes on with what is left.
    going: bool,
    /// Whether bios can still be merged with it.
    grows: bool,
}

/// All steps of a plan.
pub(super) fn steps(plan: &Plan, disk: Disk, world: &World) -> Vec<Step> {
    let (before, after) = flushes(plan.ask, disk);
    let sequenced = before || after;
    let clone = is_clone(plan, disk);
    let mergeable = !clone && matches!(plan.ask, Ask::Read | Ask::Write);
    let inserted = if sequenced {
        // A flush before the data sends it through the requeue list.
        world.inserts_sequences && (before || plan.queued || disk.scheduler)
    } else {
        // Up to 6.4, what has flush flags goes past the scheduler, and what is passed through may be
        // plugged.
        match plan.ask {
            Ask::Passthrough | Ask::Bare => plan.queued && !world.inserts_sequences,
            Ask::Durable { .. } if !world.inserts_sequences => false,
            Ask::Read
            | Ask::Write
            | Ask::Durable { .. }
            | Ask::Empty
            | Ask::Discard
            | Ask::Zone => !clone && (plan.queued || disk.scheduler),
        }
    };
    let mut course = Course {
        plan,
        disk,
        steps: Vec::with_capacity(8),
        left: length(plan),
        insert: inserted,
        issued: false,
        going: false,
        grows: mergeable,
    };
    if clone {
        course.drops();
    }
    course.steps.push(Step::Start);
    if mergeable && disk.scheduler && plan.finish == Finish::Merged {
        if plan.queued {
            course.steps.push(Step::Insert);
        }
        course.steps.push(Step::Merge);
        return course.steps;
    }
    if before {
        course.steps.push(Step::Flush);
    }
    if plan.ask != Ask::Empty {
        course.attempts(sequenced, clone);
        course.last(sequenced, clone);
    }
    if after {
        course.steps.push(Step::Flush);
    }
    if sequenced || plan.ask == Ask::Empty {
        course.steps.push(Step::End);
    }
    course.steps
}

impl Course<'_> {
    fn drops(&mut self) {
        for dropped in &self.plan.dropped {
            self.steps.extend([Step::Remap, Step::Start]);
            match dropped {
                Dropped::Started => {}
                Dropped::Bounced => self.steps.push(Step::Requeue),
                Dropped::Busy => self.steps.extend([Step::Issue, Step::Requeue]),
            }
            self.steps.push(Step::Vanish);
        }
        self.steps.push(Step::Remap);
    }

    /// On its way to the driver.
    fn queue(&mut self) {
        if self.going {
            return;
        }
        if std::mem::take(&mut self.insert) {
            self.steps.push(Step::Insert);
        } else if self.issued {
            // Nobody merges with what waits on a dispatch list.
            return;
        }
        // After a requeue only the lists of a queue without a scheduler allow it.
        if self.grows
            && !(self.issued && self.disk.scheduler)
            && let Some((front, back)) = self.plan.grows
        {
            self.steps.push(Step::Grow(front, back));
            self.left += (front + back) * 512;
            self.grows = false;
        }
    }

    fn issue(&mut self) {
        self.queue();
        if !std::mem::take(&mut self.going) {
            self.steps.push(Step::Issue);
        }
        self.issued = true;
    }

    /// A number of bytes that leaves some.
    fn part(&mut self, wish: u8) -> Option<u32> {
        let sectors = self.left / 512;
        (sectors > 1).then(|| {
            let bytes = 512 * (1 + u32::from(wish) % (sectors - 1));
            self.left -= bytes;
            bytes
        })
    }

    fn attempts(&mut self, sequenced: bool, clone: bool) {
        let bare = matches!(self.plan.ask, Ask::Zone | Ask::Bare);
        let sized = !bare && !matches!(self.plan.ask, Ask::Passthrough | Ask::Discard);
        let plain = matches!(self.plan.ask, Ask::Read | Ask::Write);
        let path = plain && self.disk.driver == Driver::Path;
        for (attempt, again) in &self.plan.attempts {
            match *attempt {
                // Device mapper drops a clone that is sent back at once.
                Attempt::Bounced | Attempt::Busy if clone => continue,
                // Without data the first completion is the last one.
                Attempt::Retry(_) if bare => continue,
                Attempt::TimedOut if self.disk.driver == Driver::Mapper => continue,
                Attempt::Bounced => {
                    self.queue();
                    self.going = false;
                    self.steps.push(Step::Requeue);
                }
                Attempt::Unsent if !path => continue,
                Attempt::Unsent => {
                    self.queue();
                    self.going = false;
                    self.steps.extend([Step::Unsent, Step::Requeue]);
                }
                Attempt::Busy => {
                    self.issue();
                    self.steps.push(Step::Requeue);
                }
                Attempt::TimedOut => {
                    self.issue();
                    self.steps.extend([Step::Timeout, Step::Requeue]);
                }
                Attempt::Retry(status) => {
                    self.issue();
                    self.steps.extend([Step::Part(0, status), Step::Requeue]);
                }
                // The driver of nvme ends a request as a whole (`nvme_end_req`).
                Attempt::Short(_) | Attempt::PartFailed(..) | Attempt::Going(_) if path => continue,
                Attempt::Short(wish) | Attempt::PartFailed(wish, _) | Attempt::Going(wish) => {
                    if !sized || self.left < 1024 {
                        continue;
                    }
                    self.issue();
                    let Some(bytes) = self.part(wish) else { continue };
                    let status =
                        if let Attempt::PartFailed(_, status) = attempt { *status } else { 0 };
                    self.steps.push(Step::Part(bytes, status));
                    if matches!(attempt, Attempt::Going(_)) {
                        self.going = true;
                        continue;
                    }
                    self.steps.push(Step::Requeue);
                }
            }
            let passthrough = matches!(self.plan.ask, Ask::Passthrough | Ask::Bare);
            self.insert = *again && !passthrough && !sequenced;
        }
    }

    fn last(&mut self, sequenced: bool, clone: bool) {
        let passthrough = matches!(self.plan.ask, Ask::Passthrough | Ask::Bare);
        let bare = matches!(self.plan.ask, Ask::Zone | Ask::Bare);
        // Request-based device mapper takes no zoned devices.
        let mapper = self.disk.driver == Driver::Mapper && !passthrough && !bare;
        let plain = matches!(self.plan.ask, Ask::Read | Ask::Write);
        let fresh = !self.issued && self.plan.attempts.is_empty();
        match (self.plan.wrong, self.plan.finish) {
            (Some(Wrong::NeverStarted), _)
                if plain && !sequenced && fresh && self.disk.driver != Driver::Lower =>
            {
                self.queue();
                self.steps.push(Step::Rest(0));
                return;
            }
            (_, Finish::Stolen) if plain && self.disk.driver == Driver::Path && fresh => {
                self.queue();
                self.steps.push(if self.plan.worker { Step::Issue } else { Step::Unsent });
                self.steps.extend([Step::Steal, Step::Rest(0)]);
                return;
            }
            (_, Finish::Unsent) if plain && self.disk.driver == Driver::Path => {
                self.queue();
                self.steps.extend([Step::Unsent, Step::Rest(4)]);
                return;
            }
            // Nobody completes a clone that is refused at once.
            (_, Finish::Refused(status)) if !(clone && fresh) => {
                self.queue();
                self.steps.push(Step::Rest(status));
                return;
            }
            (_, _) => {}
        }
        self.issue();
        match self.plan.wrong {
            Some(Wrong::IssuedTwice) => self.steps.push(Step::Issue),
            Some(Wrong::InsertedInFlight) => self.steps.push(Step::Insert),
            Some(Wrong::MergedInFlight) => self.steps.push(Step::Merge),
            Some(Wrong::NeverStarted) | None => {}
        }
        match self.plan.finish {
            Finish::FailedAtLast(status) if !bare => {
                self.steps.extend([Step::Part(0, 0), Step::Rest(status)]);
            }
            Finish::Failed(status) | Finish::FailedAtLast(status) | Finish::Refused(status) => {
                self.steps.push(Step::Rest(status));
            }
            Finish::TimedOut(status) if !mapper => {
                self.steps.extend([Step::Timeout, Step::Rest(status)]);
            }
            Finish::Done
            | Finish::TimedOut(_)
            | Finish::Merged
            | Finish::Stolen
            | Finish::Unsent => {
                self.steps.push(Step::Rest(0));
                if mapper {
                    self.steps.push(Step::Echo);
                }
            }
        }
    }
}
