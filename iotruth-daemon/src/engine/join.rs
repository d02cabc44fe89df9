//! The join: which life a record belongs to, and what it makes of it.
//!
//! The transitions are those that the kernel's block layer can make. An event that fits none of
//! them, while `rq->state` is sane, means that an event before it was lost; the request is then
//! taken up again from where it is, and nothing of it is held against the kernel.

use iotruth_common::{
    probe::Probe,
    record::{RequestRecord, STATE_COMPLETE, STATE_IDLE, SubmitRecord},
};

use super::{
    decode::Record,
    device::DeviceId,
    engine::Engine,
    kind::Kind,
    life::{Life, Stage, timeline_event},
    mismatch::Outcome,
    moment::Moment,
    operation::Operation,
    owner::{Owner, Task},
    phase::Phases,
    plain::Plain,
    table::{Key, Mark, Occupant},
};

/// `PF_WQ_WORKER`: the task is a kernel worker, which acts for somebody else.
const PF_WQ_WORKER: u32 = 0x20;

/// How far the clocks of two CPUs may be apart, in nanoseconds. A record reads what its ring has lost
/// before it reads the clock, so a loss that it knows of is no newer than the record.
pub(super) const LOSS_SLACK: u64 = 10_000;

/// How long it takes at most to dispatch a clone, in nanoseconds.
const DISPATCHED: u64 = 1_000_000_000;

/// Classes of requeue, in the order of [`super::snapshot::REQUEUE_CLASSES`].
const REQUEUE_KINDS: [Kind; 5] = [
    Kind::RequeueBusyBeforeStart,
    Kind::RequeueBusyAfterStart,
    Kind::RequeueRetry,
    Kind::RequeueShortTransfer,
    Kind::RequeueTimeout,
];

/// Those of them after which a success is a recovery.
const SETBACKS: [Kind; 2] = [Kind::RequeueRetry, Kind::RequeueTimeout];

impl Engine {
    /// Follows one record.
    #[inline]
    pub(super) fn join(&mut self, ring: u8, record: &Record<'_>) {
        match record {
            Record::Submit(probe, submit) => {
                if !self.submit_plain(ring, *probe, submit) {
                    self.submit(ring, *probe, submit);
                }
            }
            Record::Complete(complete) => {
                if !self.complete_plain(ring, complete) {
                    self.complete(ring, complete);
                }
            }
            Record::Requeue(head) => self.requeue(ring, head),
            Record::Merge(head) => self.merge(ring, head),
            Record::Remap(head) => self.remap(ring, head),
        }
    }

    /// Takes the open life of an address out of the table.
    pub(super) fn take(&mut self, key: Key, time: u64) -> Option<Box<Life>> {
        let life = self.lift(key);
        if let Some(address) = self.table.get_mut(key) {
            address.last = time;
        }
        life
    }

    /// The same without an event.
    pub(super) fn lift(&mut self, key: Key) -> Option<Box<Life>> {
        let address = self.table.get_mut(key)?;
        let (newest, lost) = (address.last, address.lost);
        match std::mem::replace(&mut address.open, Occupant::Nobody) {
            Occupant::Nobody => None,
            Occupant::Plain(plain) => self.unfold(key, &plain, newest, lost),
            Occupant::Whole(life) => Some(life),
        }
    }

    /// Makes a plain life a whole one.
    #[cold]
    fn unfold(
        &mut self,
        key: Key,
        plain: &Plain,
        newest: u64,
        lost: (u32, u32),
    ) -> Option<Box<Life>> {
        let life = plain.unfold(key, self.rests.get(plain.rest)?, newest, lost);
        self.rests.release(plain.rest);
        Some(self.spares.fill(life))
    }

    /// Puts a life back that goes on.
    pub(super) fn keep(&mut self, life: Box<Life>) {
        if let Some(address) = self.table.get_mut(life.key) {
            address.open = Occupant::Whole(life);
        }
    }

    /// Ends a life whose end was not seen: its address is in use again, by another request or `maybe_same`.
    pub(super) fn supersede(&mut self, life: Box<Life>, ring_lost: u32, maybe_same: bool) {
        let clone = self.table.get_mut(life.key).is_some_and(|address| address.clone.is_some());
        // Clones that could not be dispatched are freed without an event (`dm-rq.c:map_request`).
        if clone && matches!(life.stage, Stage::Started | Stage::Requeued) {
            let lost = (life.ring_lost, life.blind);
            let group = self.flavor.group(life.cmd_flags);
            self.account_dropped_clone(Mark { device: life.device, group });
            self.end_merged(life, false, lost);
        } else {
            self.end_unseen(life, ring_lost, maybe_same);
        }
    }

    /// Opens a life; `None` where the address table or the device table is full.
    ///
    /// `earliest` is the time before which the request can have had no event, 0 where the event says
    /// nothing of it.
    pub(super) fn begin(
        &mut self,
        ring: u8,
        probe: Probe,
        head: &RequestRecord,
        place: Option<u16>,
        earliest: u64,
    ) -> Option<Box<Life>> {
        self.lives.opened += 1;
        let after_loss = earliest > self.last_loss(ring).saturating_add(LOSS_SLACK);
        let key = Key::new(ring, head);
        let address = self.table.address(key, head.time);
        let (Some(device), Some(address)) = (place, address) else {
            self.lives.evicted += 1;
            return None;
        };
        address.last = head.time;
        // Its first events may be among what was lost, unless nothing was lost since the address
        // was last free, or the request was made after the loss. What became of a clone, which is made
        // anew when it is dispatched, may be among it as well, and then this is the clone or is not.
        let unbroken = address.lost == (head.ring_lost, self.blind);
        let after_loss = after_loss && address.clone.is_none();
        self.lives.open += 1;
        // The time 0 is none to a moment.
        let time = head.time.max(1);
        let extent = (head.sector, head.data_len);
        let event = timeline_event(probe, head, time, 0, 0);
        let life = Life {
            proved: address.synced || earliest >= self.attached,
            beginning_lost: !unbroken && !after_loss,
            io_stat: self.says_statistics(probe, head),
            tag: head.tag,
            cmd_flags: head.cmd_flags,
            ring_lost: head.ring_lost,
            blind: self.blind,
            ..Life::new(key, device, head.queue, extent, event)
        };
        if let Some(device) = self.devices.get_mut(device) {
            device.open += 1;
        }
        Some(self.spares.fill(life))
    }

    /// The clone that an address is marked as was dropped, where what comes next is another request: a
    /// command to the path itself, such as one that looks whether it is there.
    ///
    /// `start_time` is what the event says of the request's beginning, 0 where it says nothing.
    pub(super) fn drop_clone_before(&mut self, ring: u8, head: &RequestRecord, start_time: u64) {
        let Some(address) = self.table.get_mut(Key::new(ring, head)) else { return };
        let Some(clone) = address.clone.filter(|_| address.open.is_nobody()) else { return };
        let later = made_after_dispatch(start_time, address.last);
        // Its place may be another one once its sequence number is known.
        let disk = self.devices.get_mut(clone.device);
        let elsewhere = disk.is_some_and(|disk| disk.id.number != head.device);
        let another = self.flavor.group(head.cmd_flags) != clone.group;
        if later || elsewhere || another || self.flavor.passthrough(head.cmd_flags) {
            address.clone = None;
            self.account_dropped_clone(clone);
        }
    }

    /// Takes an event's word for it that a life is new, where its first event could not tell.
    const fn prove(&self, life: &mut Life, start_time: u64) {
        life.proved |= start_time >= self.attached;
    }

    /// A life that ends without a completion: merged into another, or a clone that was dropped.
    fn end_merged(&mut self, mut life: Box<Life>, counted: bool, lost: (u32, u32)) {
        self.flushes.leave(&mut life);
        let outcome = if counted { Outcome::Ended(life.last) } else { self.end_unseen_by(&life) };
        self.conclude(&life, outcome);
        self.lives.merged += 1;
        self.lives.open = self.lives.open.saturating_sub(1);
        let operation = self.flavor.operation(life.cmd_flags);
        let weight = self.weight_of(&life);
        if let Some(device) = self.devices.get_mut(life.device) {
            device.open = device.open.saturating_sub(1);
            if counted {
                device.operation(operation).merges += weight;
                self.show_merge(&life, operation);
            }
        }
        self.sync(life.key, lost);
    }

    /// Start, insert, issue.
    fn submit(&mut self, ring: u8, probe: Probe, record: &SubmitRecord) {
        let head = &record.request;
        self.flushes.passed(ring, head.cpu);
        let id = DeviceId { number: head.device, sequence: record.diskseq };
        let device = self.devices.place(id);
        self.drop_clone_before(ring, head, record.start_time);
        let mut life = self.take(Key::new(ring, head), head.time);
        let mut maybe_same = false;
        let over =
            |open: &mut Box<Life>| ends_before(open, probe, record) || open.is_stale(self.attached);
        if let Some(open) = life.take_if(over) {
            // A start is the first event of its request, and so is whatever began after the last
            // event of the open life. Else it may be the same request, whose requeue was not seen.
            maybe_same =
                probe != Probe::Start && record.start_time <= open.last && open.overlaps(head);
            self.supersede(open, head.ring_lost, maybe_same);
        }
        let new = life.is_none();
        let Some(mut life) =
            life.or_else(|| self.begin(ring, probe, head, device, earliest_event(probe, record)))
        else {
            return;
        };
        // A start proves itself: where it is that of `block_io_start`, `blk_account_io_start` sets the
        // field only after the event, which still carries the time of the last use. Only a clone has
        // an event before it.
        let begun = if probe == Probe::Start { head.time } else { record.start_time };
        self.prove(&mut life, begun);
        life.incomplete |= maybe_same;
        if new {
            life.owner = owner(probe, record);
            // Whoever runs the queue issues what others have queued before.
            let queued_unseen = life.beginning_lost
                || !life.proved
                || head.rq_flags & self.flavor.rqf.flush_seq != 0;
            if probe == Probe::Issue && queued_unseen {
                life.owner.task = None;
            }
        } else {
            let time = life.advance(head.time);
            life.events.push(timeline_event(probe, head, time, 0, 0));
            // A requeue may come first, and does not tell. This is of the bio, whoever sends it.
            if life.owner.cgroup == 0 {
                life.owner.cgroup = record.cgroup;
            }
        }
        if head.state != STATE_IDLE {
            if new {
                life.stage = Stage::Issued;
                life.incomplete = true;
            }
            self.wrong_state(probe, &mut life);
            self.keep(life);
            return;
        }
        life.learn_statistics(self.says_statistics(probe, head));
        // On a queue or with the driver, it is past the flush before its data.
        self.flushes.leave(&mut life);
        life.hardware_queue = record.hardware_queue;
        // At a start it may still be that of the use before.
        if probe != Probe::Start {
            life.start_time = record.start_time;
        }
        if head.tag >= 0 {
            life.tag = head.tag;
        }
        life.sector = head.sector;
        life.remaining = head.data_len;
        life.extent = (head.sector, head.data_len);
        if !life.first_issue.has_come() {
            life.asked = life.extent;
        }
        life.flush_sequence |= head.rq_flags & self.flavor.rqf.flush_seq != 0;
        match probe {
            Probe::Start => {
                life.stage = Stage::Started;
                if head.cmd_flags & self.flavor.req.preflush != 0 {
                    self.flushes.wait(&mut life);
                }
            }
            Probe::Issue => {
                life.stage = Stage::Issued;
                life.last_issue = Moment::at(life.last);
                if !life.first_issue.has_come() {
                    life.first_issue = life.last_issue;
                }
                life.done_since_issue = 0;
                if self.flavor.operation(head.cmd_flags) == Operation::Flush {
                    life.owner = self.flush_owner((life.queue, life.hardware_queue), life.first);
                    self.flushes.send(&life);
                }
            }
            Probe::Insert | Probe::Complete | Probe::Merge | Probe::Requeue | Probe::Remap => {
                life.stage = Stage::Queued;
            }
        }
        self.keep(life);
    }

    /// An event that the kernel allows only for an idle request happened to another one.
    ///
    /// It is shown at once: such a request may never end.
    fn wrong_state(&mut self, probe: Probe, life: &mut Life) {
        let kind = match probe {
            Probe::Issue => Kind::DoubleStart,
            Probe::Insert | Probe::Merge => Kind::QueuedInFlight,
            // These belong to a request's own allocation, or do not ask for an idle one.
            Probe::Start | Probe::Remap | Probe::Complete | Probe::Requeue => {
                self.lives.impossible += 1;
                return;
            }
        };
        let time = life.last;
        self.show_open(kind, life, Phases::default(), time);
    }

    /// A request went back to a queue.
    fn requeue(&mut self, ring: u8, head: &RequestRecord) {
        self.flushes.passed(ring, head.cpu);
        self.drop_clone_before(ring, head, 0);
        let mut life = self.take(Key::new(ring, head), head.time);
        let started = head.state != STATE_IDLE;
        let ended = |open: &mut Box<Life>| match open.stage {
            _ if open.is_stale(self.attached) => true,
            Stage::DataDone => true,
            Stage::Issued => !started || !open.can_be(head),
            Stage::Started | Stage::Queued | Stage::Requeued => !open.can_be(head),
        };
        let mut maybe_same = false;
        if let Some(open) = life.take_if(ended) {
            maybe_same = open.overlaps(head);
            self.supersede(open, head.ring_lost, maybe_same);
        }
        let mut life = if let Some(mut life) = life {
            let time = life.advance(head.time);
            life.events.push(timeline_event(Probe::Requeue, head, time, 0, 0));
            // It was started, and the issue was not seen.
            life.incomplete |=
                started && life.stage != Stage::Issued && !self.returns_unsent(head, &life);
            let unseen = life.catch_up(head);
            self.account_sectors(&life, unseen, true);
            life
        } else {
            let place = self.devices.place_of_number(head.device);
            let begun = self.begin(ring, Probe::Requeue, head, place, 0);
            let Some(mut life) = begun else { return };
            life.incomplete |= (started && !self.returns_unsent(head, &life)) || maybe_same;
            life
        };
        let progress = life.done_since_issue > 0;
        let class = if head.rq_flags & self.flavor.rqf.timed_out != 0 {
            4
        } else {
            match head.state {
                0 => 0,
                // ublk ends the part itself, and the request is in flight still.
                _ if progress => 3,
                1 => 1,
                _ => 2,
            }
        };
        let weight = self.weight_of(&life);
        if let Some(device) = self.devices.get_mut(life.device)
            && let Some(count) = device.figures.requeues.get_mut(class)
        {
            *count += weight;
        }
        let setback = REQUEUE_KINDS.get(class).is_some_and(|kind| SETBACKS.contains(kind));
        // Whoever passes a command through is told how it ends, and says how often it is tried.
        let passthrough = self.flavor.passthrough(life.cmd_flags);
        if !(passthrough && setback) {
            life.kinds |= REQUEUE_KINDS.get(class).map_or(0, |kind| kind.bit());
        }
        // A driver that refuses a clone says so to device mapper (`blk_insert_cloned_request`), and
        // nothing ends before.
        let refused = class < 2 && !life.setback && !progress;
        let clone = self.table.get_mut(life.key).is_some_and(|address| address.clone.is_some());
        life.dropped = refused && clone;
        life.setback |= setback;
        let (time, patience) = (life.last, self.limits.stuck_after);
        let watch = life.watch();
        if progress {
            watch.progress();
        }
        watch.requeue(time);
        if watch.storms(patience, time) && !passthrough {
            life.kinds |= Kind::RequeueStorm.bit();
        }
        life.stage = Stage::Requeued;
        life.last_issue = Moment::NEVER;
        self.keep(life);
    }

    /// Whether an nvme driver may give this request back, in state complete, without having issued it:
    /// it does so where the controller cannot be reached (`nvme_host_path_error`, Linux 5.12).
    pub(super) fn returns_unsent(&mut self, head: &RequestRecord, life: &Life) -> bool {
        let multipath = life.cmd_flags & self.flavor.req.drv != 0;
        head.state == STATE_COMPLETE
            && (multipath || self.devices.get_mut(life.device).is_some_and(|device| device.nvme))
    }

    /// A request died because its bios were chained to another one.
    fn merge(&mut self, ring: u8, head: &RequestRecord) {
        self.flushes.passed(ring, head.cpu);
        self.drop_clone_before(ring, head, 0);
        let mut life = self.take(Key::new(ring, head), head.time);
        if let Some(open) = life.take_if(|open| {
            let queued = !matches!(open.stage, Stage::Issued | Stage::DataDone);
            !open.can_be(head)
                || (head.state == STATE_IDLE && !queued)
                || open.is_stale(self.attached)
        }) {
            let maybe_same = open.overlaps(head);
            self.supersede(open, head.ring_lost, maybe_same);
        }
        let mut life = if let Some(mut life) = life {
            let time = life.advance(head.time);
            life.events.push(timeline_event(Probe::Merge, head, time, 0, 0));
            life
        } else {
            let place = self.devices.place_of_number(head.device);
            let begun = self.begin(ring, Probe::Merge, head, place, 0);
            let Some(life) = begun else { return };
            life
        };
        if head.state == STATE_IDLE {
            self.end_merged(life, true, (head.ring_lost, self.blind));
        } else {
            self.wrong_state(Probe::Merge, &mut life);
            self.keep(life);
        }
    }

    /// A request is a clone that device mapper is about to insert: it was allocated just before.
    fn remap(&mut self, ring: u8, head: &RequestRecord) {
        self.flushes.passed(ring, head.cpu);
        let key = Key::new(ring, head);
        if self.table.address(key, head.time).is_none() {
            return;
        }
        let before = self.table.get_mut(key).and_then(|address| address.clone);
        if let Some(open) = self.take(key, head.time) {
            self.supersede(open, head.ring_lost, false);
        } else if let Some(clone) = before {
            // It was dropped, and nothing of it was to be seen.
            self.account_dropped_clone(clone);
        }
        let place = self.devices.place_of_number(head.device).unwrap_or(u16::MAX);
        let clone = Mark { device: place, group: self.flavor.group(head.cmd_flags) };
        let since = self.since(head.request);
        if let Some(address) = self.table.get_mut(key) {
            address.last = head.time;
            address.clone = Some(clone);
            // Nothing of the clone comes before this.
            address.synced |= head.time >= since;
            address.lost = (head.ring_lost, self.blind);
        }
    }

    /// A life ended on this address: whatever comes next is a new one.
    ///
    /// `lost` is what had been lost when it was last known to be there.
    pub(super) fn sync(&mut self, key: Key, lost: (u32, u32)) {
        let since = self.since(key.request);
        if let Some(address) = self.table.get_mut(key) {
            // What follows may have had events before that time which nobody was to tell.
            address.synced |= address.last >= since;
            address.clone = None;
            address.echo = false;
            address.lost = lost;
        }
    }
}

/// Whether an open life must have ended, unseen, before this event of its address.
fn ends_before(life: &Life, probe: Probe, record: &SubmitRecord) -> bool {
    let head = &record.request;
    if life.stage != Stage::Started && made_after(record, life.last) {
        return true;
    }
    if head.state != STATE_IDLE {
        // What is wrong with it is to be told of this very request.
        return !life.can_be(head);
    }
    let next = matches!(
        (life.stage, probe),
        (Stage::Started | Stage::Requeued, Probe::Insert)
            | (Stage::Started | Stage::Queued | Stage::Requeued, Probe::Issue)
    );
    !next || !life.can_be(head)
}

/// Whether the request of a record was made after the last event of an open life on its address, so that
/// it is another one. Not to be asked after a start: `blk_account_io_start` sets the time once more.
///
/// The time may be older than the request: the kernel reads it once for several, and a request that
/// others were merged into has the oldest of theirs.
pub(super) const fn made_after(record: &SubmitRecord, last: u64) -> bool {
    record.start_time > last.saturating_add(LOSS_SLACK)
}

/// The time before which the request of a record can have had no event.
///
/// At a start `start_time_ns` may still be that of the use before, all of which came later than that, and this
/// one later still. And nothing comes before a start but the remap of a clone, which is dispatched at once.
pub(super) const fn earliest_event(probe: Probe, record: &SubmitRecord) -> u64 {
    if matches!(probe, Probe::Start) {
        let dispatched = record.request.time.saturating_sub(DISPATCHED);
        if record.start_time > dispatched { record.start_time } else { dispatched }
    } else {
        record.start_time
    }
}

/// Whether a request was made so long after its address was marked as a clone that it is none: device mapper
/// dispatches that at once (`map_request`), and a task that is preempted there goes on soon.
pub(super) const fn made_after_dispatch(start_time: u64, marked: u64) -> bool {
    start_time > marked.saturating_add(DISPATCHED)
}

/// The owner that a first event tells of.
#[inline]
pub(super) fn owner(probe: Probe, record: &SubmitRecord) -> Owner {
    let worker = record.task_flags & PF_WQ_WORKER != 0
        || (record.task_flags == 0 && record.comm.starts_with(b"kworker/"));
    let task = Task { pid: record.pid, tgid: record.tgid, comm: record.comm };
    // Only at its start a request is still in the hands of whoever submitted it, worker or not.
    let known = (probe == Probe::Start || !worker) && record.without_owner == 0;
    Owner { task: known.then_some(task), cgroup: record.cgroup }
}
