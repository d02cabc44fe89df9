//! The census: once a second every open life of some age is looked up in kernel memory.
//!
//! A life whose end nobody saw would stay open for ever, and a request that hangs would look just
//! the same. Only the request itself tells them apart. What is found to have ended is closed as
//! inferred, once every record from before that moment has been taken; what is found as its events
//! left it is in flight, and stuck if that lasts.

use super::{
    devices::Policy,
    engine::Engine,
    inflight::{InFlight, MAX_OPEN_SHOWN, OpenRequest},
    kind::Kind,
    life::{Life, Stage},
    phase::{Phase, Phases},
    reread::{Found, Recognised},
    table::{Address, Key, Occupant},
};

/// Age from which a life counts as in flight only if it was found in kernel memory, in nanoseconds.
/// Nearly every request is younger, and what is read of it would be out of date at once.
const CONFIRM_FROM: u64 = 1_000_000_000;

/// How long two attempts at a request may have the same deadline, in nanoseconds: for a tick of the kernel,
/// and for as long as its hypervisor lets the CPU that counts the ticks stand.
const SAME_DEADLINE: u64 = 1_000_000_000;

/// Most lives that one census looks up, the oldest ones: some milliseconds of work.
const MAX_SUSPECTS: usize = 8_192;

/// A life that is to be looked up.
#[derive(Clone, Copy, Debug)]
pub struct Suspect {
    pub(super) key: Key,
    pub(super) first: u64,
}

impl Suspect {
    /// Address of its `struct request`.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.key.request
    }
}

impl Engine {
    /// Open lives that are old enough to be looked up, the oldest first.
    #[must_use]
    pub fn suspects(&mut self, now: u64) -> Vec<Suspect> {
        let mut suspects: Vec<Suspect> = self
            .table
            .iter_mut()
            .filter_map(|(key, address)| {
                let first = address.first()?;
                (first.saturating_add(CONFIRM_FROM) <= now).then_some(Suspect { key, first })
            })
            .collect();
        suspects.sort_unstable_by_key(|suspect| suspect.first);
        suspects.truncate(MAX_SUSPECTS);
        suspects
    }

    /// Takes what was read at the address of a suspect at the time `at`: the first bytes of a
    /// `struct request`, or `None` where nothing is mapped there any more. Too few bytes say nothing.
    pub fn looked_up(&mut self, suspect: &Suspect, bytes: Option<&[u8]>, at: u64) {
        let Some(mut life) = self.lift(suspect.key) else { return };
        if life.first == suspect.first {
            let found = bytes.and_then(|bytes| Found::decode(&self.layout, bytes));
            let recognised = match (bytes, &found) {
                (None, _) => Some(Recognised::Gone),
                (Some(_), Some(found)) => Some(found.recognise(&life)),
                (Some(_), None) => None,
            };
            match recognised {
                Some(Recognised::Gone) => {
                    let known = life.watch().gone.replace(at).is_some();
                    // Once is enough, however many looks it takes until it is closed.
                    self.gone.extend((!known).then_some(suspect.key));
                }
                None => {}
                Some(Recognised::Unclear) => life.watch().found(at, false),
                Some(Recognised::Same) => {
                    life.watch().found(at, true);
                    if let Some(found) = found {
                        life.dated |= found.made_with(&life, self.attached);
                        self.judge_waiting(&mut life, at, &found);
                    }
                }
            }
        }
        self.keep(life);
    }

    /// Ends, as not seen, the lives that were found to be over before `read`, when the counters were
    /// read: by now every record that was written before then has been taken.
    pub(super) fn close_gone(&mut self, read: u64) {
        for key in std::mem::take(&mut self.gone) {
            let Some(address) = self.table.get_mut(key) else { continue };
            let whole = address.whole().and_then(|life| Some((life.gone()?, life.last)));
            let Some((gone, last)) = whole else { continue };
            // A record that is still being written hides those that come after it in its ring.
            if gone >= read || !self.caught_up(key.ring) {
                self.gone.push(key);
                continue;
            }
            // An event that came after all says more than memory did.
            if last < gone
                && let Some(life) = self.lift(key)
            {
                let ring_lost = self.refused(key.ring);
                self.supersede(life, ring_lost, false);
            } else if let Some(life) = self.table.get_mut(key).and_then(Address::whole) {
                // It may be gone once more.
                life.watch().gone = None;
            }
        }
    }

    /// Counts what is open now: young lives by their records, older ones if they were found in
    /// memory at or after `from`, when this census began.
    pub fn count_open(&mut self, from: u64, now: u64) {
        self.devices.reset_in_flight();
        self.flushes.forget_failed(now);
        let doubtful = std::mem::take(&mut self.doubtful);
        let mut in_flight = InFlight { at: now, doubtful, ..InFlight::default() };
        let mut oldest: Vec<(u64, Key)> = Vec::new();
        for (key, address) in self.table.iter_mut() {
            let Some(first) = address.first() else { continue };
            let (device, weight, watch) = match &address.open {
                Occupant::Nobody => continue,
                // It was not looked up since its last event.
                Occupant::Plain(plain) => {
                    let operation = self.flavor.operation(plain.operation.into());
                    (plain.device, self.sample.weight(operation), None)
                }
                Occupant::Whole(life) => {
                    let operation = self.flavor.operation(life.cmd_flags);
                    let weight = self.sample.weight_of(life, operation);
                    (life.device, weight, life.watch.as_deref())
                }
            };
            let young = first.saturating_add(CONFIRM_FROM) > from;
            if !young && watch.is_none_or(|watch| watch.confirmed < from) {
                in_flight.unconfirmed += u64::from(watch.is_none_or(|watch| watch.gone.is_none()));
                continue;
            }
            if self.devices.count_in_flight(device, first, weight) {
                in_flight.count += weight;
                oldest.push((first, key));
            }
        }
        if oldest.len() > MAX_OPEN_SHOWN {
            oldest.select_nth_unstable(MAX_OPEN_SHOWN);
            oldest.truncate(MAX_OPEN_SHOWN);
        }
        oldest.sort_unstable();
        in_flight.oldest = oldest.into_iter().filter_map(|(_, key)| self.open(key)).collect();
        self.in_flight = in_flight;
    }

    fn open(&mut self, key: Key) -> Option<OpenRequest> {
        let address = self.table.get_mut(key)?;
        let unfolded;
        let life = match &address.open {
            Occupant::Nobody => return None,
            Occupant::Plain(plain) => {
                let rest = self.rests.get(plain.rest)?;
                unfolded = plain.unfold(key, rest, address.last, address.lost);
                &unfolded
            }
            Occupant::Whole(life) => &**life,
        };
        let device = self.devices.get_mut(life.device)?;
        Some(OpenRequest {
            device: device.id,
            device_name: device.name.to_string(),
            operation: self.flavor.operation(life.cmd_flags),
            letters: self.flavor.letters(life.cmd_flags),
            sector: (life.sector != u64::MAX).then_some(life.sector),
            bytes: life.remaining,
            phase: phase(life, self.flushes.may_hold(life)),
            first: life.first,
            last: life.last,
            events: life.events.count(),
            confirmed: life.watch.as_ref().is_some_and(|watch| watch.clear),
            owner: life.owner,
            request: key.request,
            hardware_queue: life.hardware_queue,
            tag: life.tag,
        })
    }

    /// Shows a life that waits for too long, each kind once. Its request was found where its events
    /// left it.
    fn judge_waiting(&mut self, life: &mut Life, at: u64, found: &Found) {
        // Not even losses can make it another one.
        let sure = found.made_with(life, self.attached);
        let missing = self.missing_until(life.key.ring);
        let untouched = missing.is_none()
            && life.proved
            && !life.beginning_lost
            && !life.incomplete
            && life.ring_lost == self.refused(life.key.ring)
            && life.blind == self.blind;
        // Passed through commands, such as a self-test, take as long as they take.
        // A flush that was sent and not seen is seen by nobody who waits for it.
        let known = untouched || (sure && !life.waits_for_flush);
        if self.flavor.passthrough(life.cmd_flags) || !known {
            return;
        }
        // It may have been sent back and sent again in what was lost, or has not come.
        let untold = if life.kept { self.since(life.key.request) } else { 0 };
        let lost = if untouched { 0 } else { self.last_loss(life.key.ring).max(untold) };
        let attempt = Self::attempt_since(life, at, found);
        let seen_from = lost.max(missing.unwrap_or(0)).min(attempt);
        // Up to then every event has been taken, or is known to be lost. A retry since would leave the
        // request just as it was found.
        let at = at.min(self.counters_read());
        let Some(device) = self.devices.get_mut(life.device) else { return };
        if device.policy == Policy::Exclude {
            return;
        }
        if life.watch().storms(self.limits.stuck_after, at) {
            self.tell(Kind::RequeueStorm, life, at, untouched);
        }
        let (since, overdue_after, stuck, hung) = match life.stage {
            Stage::Issued => {
                let since = life.last_issue.get().unwrap_or(life.last);
                let overdue_after = self.overdue_after(life.device, found.timeout);
                (since, overdue_after, Kind::StuckInDevice, Kind::HungInDevice)
            }
            // It waits for a flush that the driver has, which is told itself.
            Stage::Started | Stage::DataDone if self.flushes.may_hold(life) => return,
            Stage::Started | Stage::Queued | Stage::Requeued | Stage::DataDone => {
                let overdue_after = self.overdue_in_queue_after(life.device);
                let since = life.last.max(life.flush_ended);
                (since, overdue_after, Kind::StuckInQueue, Kind::HungInQueue)
            }
        };
        let (waited, patience) = (at.saturating_sub(since.max(seen_from)), self.limits.stuck_after);
        life.watch().waited = (!untouched).then_some(waited);
        if waited > patience {
            self.tell(stuck, life, at, untouched);
        } else if at.saturating_sub(since) > patience && life.told() & stuck.bit() == 0 {
            self.doubtful += 1;
        }
        if overdue_after.is_some_and(|overdue| waited > overdue) {
            self.tell(hung, life, at, untouched);
        }
    }

    /// Since when at the latest the driver has had the request without a break, by what was found in
    /// memory now and before: each attempt has a deadline of its own, but for [`SAME_DEADLINE`].
    ///
    /// Timers that are wound up again (`BLK_EH_RESET_TIMER`) look like another attempt.
    fn attempt_since(life: &mut Life, at: u64, found: &Found) -> u64 {
        match (life.stage, found.deadline) {
            (Stage::Issued, Some(deadline)) => {
                let attempt = (deadline, found.timeout);
                life.watch().attempt(attempt, at).saturating_add(SAME_DEADLINE)
            }
            _ => u64::MAX,
        }
    }

    /// Shows a kind of an open life, if that was not done before; how long it has been in which phase
    /// only where none of its events is missing.
    fn tell(&mut self, kind: Kind, life: &mut Life, at: u64, whole: bool) {
        if life.watch().told & kind.bit() == 0 {
            let phases = if whole { life.phases_until(at) } else { Phases::default() };
            self.show_open(kind, life, phases, at);
        }
    }
}

/// The phase that an open life is in.
const fn phase(life: &Life, flushing: bool) -> Phase {
    // Where none was sent yet, it waits for that.
    let unflushed = life.waits_for_flush && !life.pre_flushed.has_come();
    match life.stage {
        Stage::DataDone => Phase::Flush,
        Stage::Started if flushing || unflushed => Phase::Flush,
        Stage::Started | Stage::Queued if !life.first_issue.has_come() => Phase::Queue,
        Stage::Started | Stage::Queued | Stage::Requeued => Phase::Retry,
        Stage::Issued => Phase::Device,
    }
}
