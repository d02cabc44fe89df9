//! The join: which life a record belongs to, and what it makes of it.
//!
//! The transitions are those that the kernel's block layer can make. An event that fits none of
//! them, while `rq->state` is sane, means that an event before it was lost; the request is then
//! taken up again from where it is, and nothing of it is held against the kernel.

use iotruth_common::{
    probe::Probe,
    record::{CompleteRecord, RequestRecord, STATE_IDLE, SubmitRecord},
};

use super::{
    decode::Record,
    device::DeviceId,
    engine::Engine,
    io_error::IoError,
    judge::ErrorAt,
    kind::Kind,
    life::{Events, Life, Stage, timeline_event},
    operation::Operation,
    owner::{Owner, Task},
    phase::Phases,
};

/// `PF_WQ_WORKER`: the task is a kernel worker, which acts for somebody else.
const PF_WQ_WORKER: u32 = 0x20;

/// How far the clocks of two CPUs and the counting of a loss may be apart, in nanoseconds.
const LOSS_SLACK: u64 = 1_000_000;

/// Classes of requeue, in the order of [`super::snapshot::REQUEUE_CLASSES`].
const REQUEUE_KINDS: [Kind; 5] = [
    Kind::RequeueBusyBeforeStart,
    Kind::RequeueBusyAfterStart,
    Kind::RequeueRetry,
    Kind::RequeueShortTransfer,
    Kind::RequeueTimeout,
];

impl Engine {
    /// Follows one record.
    #[inline]
    pub(super) fn join(&mut self, ring: u8, record: &Record<'_>) {
        match record {
            Record::Submit(probe, submit) => self.submit(ring, *probe, submit),
            Record::Complete(complete) => self.complete(ring, complete),
            Record::Requeue(head) => self.requeue(ring, head),
            Record::Merge(head) => self.merge(ring, head),
            Record::Remap(head) => self.remap(head),
        }
    }

    /// Takes the open life of an address out of the table.
    fn take(&mut self, head: &RequestRecord, ring: u8) -> Option<Life> {
        let address = self.table.get_mut(head.request)?;
        address.last = head.time;
        let life = address.life.take()?;
        if life.ring == ring {
            return Some(life);
        }
        // A life never leaves its hardware queue, and a hardware queue never changes its ring.
        self.lives.impossible += 1;
        self.end_unseen(head.request, life, head.ring_lost);
        None
    }

    /// Puts a life back that goes on.
    fn keep(&mut self, request: u64, life: Life) {
        if let Some(address) = self.table.get_mut(request) {
            address.life = Some(life);
        }
    }

    /// Opens a life; `None` where the address table or the device table is full.
    ///
    /// `start_time` is what the event says of the request's beginning, 0 where it says nothing.
    fn begin(
        &mut self,
        ring: u8,
        probe: Probe,
        head: &RequestRecord,
        place: Option<u16>,
        start_time: u64,
    ) -> Option<Life> {
        self.lives.opened += 1;
        let after_loss = start_time > self.last_loss(ring).saturating_add(LOSS_SLACK);
        let address = self.table.address(head.request, head.time);
        let (Some(device), Some(address)) = (place, address) else {
            self.lives.evicted += 1;
            return None;
        };
        address.last = head.time;
        // Its first events may be among what was lost, unless nothing was lost since the address
        // was last free, or the request was made after the loss.
        let unbroken = address.lost == (head.ring_lost, self.blind);
        self.lives.open += 1;
        let life = Life {
            stage: Stage::Started,
            begin: probe,
            proved: address.synced || start_time >= self.attached,
            beginning_lost: !unbroken && !after_loss,
            incomplete: false,
            flush_sequence: false,
            data_failed: false,
            ring,
            kinds: 0,
            device,
            hardware_queue: 0,
            tag: head.tag,
            cmd_flags: head.cmd_flags,
            ring_lost: head.ring_lost,
            blind: self.blind,
            remaining: head.data_len,
            sector: head.sector,
            extent: (head.sector, head.data_len),
            asked: (head.sector, head.data_len),
            done: 0,
            done_since_issue: 0,
            queue: head.queue,
            first: head.time,
            last: head.time,
            first_issue: None,
            last_issue: None,
            pre_flushed: None,
            data_done: None,
            owner: Owner::default(),
            events: Events::new(timeline_event(probe, head, head.time, 0, 0)),
        };
        if life.proved
            && let Some(device) = self.devices.get_mut(device)
        {
            device.open += 1;
        }
        Some(life)
    }

    /// Takes an event's word for it that a life is new, where its first event could not tell.
    fn prove(&mut self, life: &mut Life, start_time: u64) {
        if !life.proved && start_time >= self.attached {
            life.proved = true;
            if let Some(device) = self.devices.get_mut(life.device) {
                device.open += 1;
            }
        }
    }

    /// A life that ends without a completion: merged into another, or a clone that was dropped.
    fn end_merged(&mut self, request: u64, life: &Life, counted: bool) {
        self.flushes.leave(request);
        self.lives.merged += 1;
        self.lives.open = self.lives.open.saturating_sub(1);
        let operation = self.flavor.operation(life.cmd_flags);
        if let Some(device) = self.devices.get_mut(life.device) {
            if life.proved {
                device.open = device.open.saturating_sub(1);
            }
            if counted {
                device.operation(operation).merges += 1;
            }
        }
    }

    /// Start, insert, issue.
    fn submit(&mut self, ring: u8, probe: Probe, record: &SubmitRecord) {
        let head = &record.request;
        self.flushes.passed(head.cpu);
        let id = DeviceId { number: head.device, sequence: record.diskseq };
        let device = self.devices.place(id);
        let mut life = self.take(head, ring);
        if let Some(open) = life.take_if(|open| ends_before(open, probe, record)) {
            let clone = self.table.get_mut(head.request).is_some_and(|address| address.clone);
            if clone && matches!(open.stage, Stage::Started | Stage::Requeued) {
                self.end_merged(head.request, &open, false);
            } else {
                self.flushes.leave(head.request);
                self.end_unseen(head.request, open, head.ring_lost);
                self.sync(head.request, head.ring_lost);
            }
        }
        let new = life.is_none();
        let Some(mut life) =
            life.or_else(|| self.begin(ring, probe, head, device, record.start_time))
        else {
            return;
        };
        if new {
            life.owner = owner(probe, record);
        } else {
            self.prove(&mut life, record.start_time);
            let time = life.advance(head.time);
            life.events.push(timeline_event(probe, head, time, 0, 0));
        }
        if head.state != STATE_IDLE {
            if new {
                life.stage = Stage::Issued;
                life.incomplete = true;
            }
            self.wrong_state(head.request, probe, &life);
            self.keep(head.request, life);
            return;
        }
        life.hardware_queue = record.hardware_queue;
        if head.tag >= 0 {
            life.tag = head.tag;
        }
        life.sector = head.sector;
        life.remaining = head.data_len;
        life.extent = (head.sector, head.data_len);
        if life.first_issue.is_none() {
            life.asked = life.extent;
        }
        life.flush_sequence |= head.rq_flags & self.flavor.rqf.flush_seq != 0;
        let queue = (head.queue, record.hardware_queue);
        match probe {
            Probe::Start => {
                life.stage = Stage::Started;
                if head.cmd_flags & self.flavor.req.preflush != 0 {
                    self.flushes.wait(queue, head.request, life.owner);
                }
            }
            Probe::Issue => {
                life.stage = Stage::Issued;
                life.first_issue.get_or_insert(life.last);
                life.last_issue = Some(life.last);
                life.done_since_issue = 0;
                self.flushes.leave(head.request);
                if new && self.flavor.operation(head.cmd_flags) == Operation::Flush {
                    life.owner = self.flushes.owner(queue);
                }
            }
            Probe::Insert | Probe::Complete | Probe::Merge | Probe::Requeue | Probe::Remap => {
                life.stage = Stage::Queued;
            }
        }
        self.keep(head.request, life);
    }

    /// An event that the kernel allows only for an idle request happened to another one.
    ///
    /// It is shown at once: such a request may never end.
    fn wrong_state(&mut self, request: u64, probe: Probe, life: &Life) {
        let kind = match probe {
            Probe::Issue => Kind::DoubleStart,
            Probe::Insert | Probe::Merge => Kind::QueuedInFlight,
            // These belong to a request's own allocation, or do not ask for an idle one.
            Probe::Start | Probe::Remap | Probe::Complete | Probe::Requeue => {
                self.lives.impossible += 1;
                return;
            }
        };
        self.show(kind, request, life, None, Phases::default());
    }

    /// A request went back to a queue.
    fn requeue(&mut self, ring: u8, head: &RequestRecord) {
        self.flushes.passed(head.cpu);
        let mut life = self.take(head, ring);
        let started = head.state != STATE_IDLE;
        let ended = |open: &mut Life| match open.stage {
            Stage::DataDone => true,
            Stage::Issued => !started || open.queue != head.queue,
            Stage::Started | Stage::Queued | Stage::Requeued => open.queue != head.queue,
        };
        if let Some(open) = life.take_if(ended) {
            self.flushes.leave(head.request);
            self.end_unseen(head.request, open, head.ring_lost);
            self.sync(head.request, head.ring_lost);
        }
        let mut life = if let Some(mut life) = life {
            let time = life.advance(head.time);
            life.events.push(timeline_event(Probe::Requeue, head, time, 0, 0));
            // It was started, and the issue was not seen.
            life.incomplete |= started && life.stage != Stage::Issued;
            life
        } else {
            let place = self.devices.place_of_number(head.device);
            let begun = self.begin(ring, Probe::Requeue, head, place, 0);
            let Some(mut life) = begun else { return };
            life.incomplete = started;
            life
        };
        let progress = life.done_since_issue > 0 || head.data_len < life.extent.1;
        let class = if head.rq_flags & self.flavor.rqf.timed_out != 0 {
            4
        } else {
            match head.state {
                0 => 0,
                1 => 1,
                _ if progress => 3,
                _ => 2,
            }
        };
        if let Some(device) = self.devices.get_mut(life.device)
            && let Some(count) = device.figures.requeues.get_mut(class)
        {
            *count += 1;
        }
        life.kinds |= REQUEUE_KINDS.get(class).map_or(0, |kind| kind.bit());
        life.stage = Stage::Requeued;
        self.keep(head.request, life);
    }

    /// A request died because its bios were chained to another one.
    fn merge(&mut self, ring: u8, head: &RequestRecord) {
        self.flushes.passed(head.cpu);
        let mut life = self.take(head, ring);
        if let Some(open) = life.take_if(|open| {
            head.state == STATE_IDLE && matches!(open.stage, Stage::Issued | Stage::DataDone)
        }) {
            self.end_unseen(head.request, open, head.ring_lost);
            self.sync(head.request, head.ring_lost);
        }
        let life = if let Some(mut life) = life {
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
            self.end_merged(head.request, &life, true);
            self.sync(head.request, head.ring_lost);
        } else {
            self.wrong_state(head.request, Probe::Merge, &life);
            self.keep(head.request, life);
        }
    }

    /// A request is a clone that device mapper is about to insert.
    fn remap(&mut self, head: &RequestRecord) {
        self.flushes.passed(head.cpu);
        let Some(address) = self.table.address(head.request, head.time) else { return };
        address.last = head.time;
        address.clone = true;
        // Clones that could not be dispatched are freed without an event.
        if let Some(open) = address.life.take() {
            if matches!(open.stage, Stage::Started | Stage::Requeued) {
                self.end_merged(head.request, &open, false);
            } else {
                self.end_unseen(head.request, open, head.ring_lost);
            }
        }
    }

    /// Some or all bytes of a request ended.
    fn complete(&mut self, ring: u8, record: &CompleteRecord) {
        let head = &record.request;
        let error = self.flavor.error(record.status).map(|error| (error, record.status));
        let is_final = record.without_bio != 0 || record.bytes >= head.data_len;
        let operation = self.flavor.operation(head.cmd_flags);
        if error.is_none() || !self.flushes.fails_with(head.cpu, head.queue) {
            self.flushes.passed(head.cpu);
        }
        let open = self.take(head, ring);
        let known = open.is_some();
        let mut life = if let Some(life) = open {
            life
        } else {
            if self.is_echo(record, is_final, error.is_some()) {
                return;
            }
            let place = self.devices.place_of_number(head.device);
            let begun = self.begin(ring, Probe::Complete, head, place, 0);
            let Some(life) = begun else { return };
            life
        };
        let time = life.advance(head.time);
        let event = timeline_event(Probe::Complete, head, time, record.bytes, record.status);
        if known {
            life.events.push(event);
        } else {
            life.events = Events::new(event);
        }
        life.flush_sequence |=
            operation != Operation::Flush && head.rq_flags & self.flavor.rqf.flush_seq != 0;
        if error.is_none() {
            life.done = life.done.saturating_add(record.bytes);
        }
        if !is_final {
            partial(record, &mut life);
            self.keep(head.request, life);
            return;
        }
        let sequenced = head.rq_flags & self.flavor.rqf.flush_seq != 0;
        if life.stage == Stage::Issued && sequenced && operation != Operation::Flush {
            life.stage = Stage::DataDone;
            life.data_done = Some(time);
            life.data_failed = error.is_some();
            life.remaining = 0;
            self.flushes.wait((life.queue, life.hardware_queue), head.request, life.owner);
            self.keep(head.request, life);
            return;
        }
        self.final_completion(record, life, known, error);
    }

    /// Whether a completion without a life is the second one of request-based device mapper, which
    /// ends a request whose bytes were all completed by its clone.
    fn is_echo(&mut self, record: &CompleteRecord, is_final: bool, failed: bool) -> bool {
        let head = &record.request;
        let Some(address) = self.table.get_mut(head.request) else { return false };
        let echo = std::mem::take(&mut address.echo);
        echo && is_final && !failed && record.bytes == 0 && record.without_bio != 0
    }

    /// The end of a life.
    fn final_completion(
        &mut self,
        record: &CompleteRecord,
        mut life: Life,
        known: bool,
        error: Option<(IoError, i32)>,
    ) {
        let head = &record.request;
        let operation = self.flavor.operation(head.cmd_flags);
        let flush = operation == Operation::Flush;
        let idle = head.state == STATE_IDLE;
        let issued = life.stage == Stage::Issued;
        self.flushes.leave(head.request);
        let clone = self.table.get_mut(head.request).is_some_and(|address| address.clone);
        let transferred = record.bytes > 0 && error.is_none();
        match life.stage {
            Stage::Issued | Stage::DataDone => {}
            Stage::Started | Stage::Queued | Stage::Requeued => {
                if transferred
                    && idle
                    && !flush
                    && !clone
                    && !self.flavor.passthrough(head.cmd_flags)
                {
                    life.kinds |= Kind::CompletedWithoutStart.bit();
                } else if !idle {
                    // It was started, and the issue was not seen.
                    life.incomplete = true;
                }
            }
        }
        if !known {
            self.judge_lone_completion(record, &mut life, error.is_some());
        }
        if let Some((error, _)) = error {
            let at = ErrorAt {
                cpu: head.cpu,
                bytes: record.bytes,
                idle,
                timed_out: head.rq_flags & self.flavor.rqf.timed_out != 0,
            };
            life.kinds |= self.error_kind(&life, at, error).bit();
        } else if head.rq_flags & self.flavor.rqf.timed_out != 0 {
            life.kinds |= Kind::TimedOut.bit();
        }
        let emptied = life.pre_flushed.is_some() && life.first_issue.is_none();
        if !flush && (life.flush_sequence || emptied) && error.is_none() {
            life.kinds |= Kind::FlushEmulated.bit();
        }
        if flush {
            let queue = (life.queue, life.hardware_queue);
            if error.is_some() {
                self.flushes.fail(head.cpu, head.queue);
            }
            self.pre_flush_done(queue, life.last);
        }
        self.end(head.request, life, head.ring_lost, error);
        self.sync(head.request, head.ring_lost);
        if let Some(address) = self.table.get_mut(head.request) {
            address.echo = issued;
        }
    }

    /// A completion of a request that was not known: what is missing before it?
    fn judge_lone_completion(&mut self, record: &CompleteRecord, life: &mut Life, failed: bool) {
        let head = &record.request;
        let idle = head.state == STATE_IDLE;
        let wants_start = self.starts_traced && head.cmd_flags & self.flavor.req.preflush != 0;
        // Never issued and refused, or an empty flush where starts are not traced: nothing misses.
        let whole = idle && (failed || record.bytes == 0) && !wants_start;
        life.incomplete |= !whole && life.kinds & Kind::CompletedWithoutStart.bit() == 0;
    }

    /// The flush that requests of this hardware queue waited for before their data is done.
    fn pre_flush_done(&mut self, queue: (u64, u16), time: u64) {
        for request in self.flushes.waiting(queue) {
            if let Some(life) =
                self.table.get_mut(request).and_then(|address| address.life.as_mut())
                && life.stage == Stage::Started
            {
                life.pre_flushed = Some(time.max(life.first));
            }
        }
    }

    /// A life ended on this address: whatever comes next is a new one.
    fn sync(&mut self, request: u64, ring_lost: u32) {
        if let Some(address) = self.table.get_mut(request) {
            address.synced = true;
            address.clone = false;
            address.echo = false;
            address.lost = (ring_lost, self.blind);
        }
    }

    /// Ends, as not seen, what a device has been done with.
    ///
    /// `device` had nothing in flight at `idle_at`, by the kernel's own count, and every record
    /// that was written before then has been taken. Says whether there was anything to end.
    pub fn close_finished(&mut self, device: DeviceId, idle_at: u64) -> bool {
        let Some(place) = self.devices.place(device) else { return false };
        let flavor = self.flavor;
        let finished: Vec<u64> = self
            .table
            .iter_mut()
            .filter(|(_, address)| {
                address.life.as_ref().is_some_and(|life| {
                    // The kernel counts neither its own flushes nor passthrough commands.
                    let counted = !flavor.passthrough(life.cmd_flags)
                        && flavor.operation(life.cmd_flags) != Operation::Flush;
                    counted
                        && life.device == place
                        && life.stage == Stage::Issued
                        && life.last < idle_at
                })
            })
            .map(|(request, _)| request)
            .collect();
        for request in finished.iter().copied() {
            let life = self.table.get_mut(request).and_then(|address| address.life.take());
            if let Some(life) = life {
                let ring_lost = self.refused(life.ring);
                self.end_unseen(request, life, ring_lost);
                self.sync(request, ring_lost);
            }
        }
        !finished.is_empty()
    }
}

/// A completion that leaves bytes to transfer.
fn partial(record: &CompleteRecord, life: &mut Life) {
    if life.stage != Stage::Issued {
        life.incomplete = true;
        life.stage = Stage::Issued;
    }
    if record.bytes > 0 {
        life.kinds |= Kind::PartialCompletion.bit();
        life.done_since_issue = life.done_since_issue.saturating_add(record.bytes);
        if life.sector != u64::MAX {
            life.sector += u64::from(record.bytes >> 9);
        }
    }
    life.remaining = record.request.data_len.saturating_sub(record.bytes);
}

/// Whether an open life must have ended, unseen, before this event of its address.
fn ends_before(life: &Life, probe: Probe, record: &SubmitRecord) -> bool {
    let head = &record.request;
    if head.state != STATE_IDLE {
        return false;
    }
    let next = matches!(
        (life.stage, probe),
        (Stage::Started | Stage::Requeued, Probe::Insert)
            | (Stage::Started | Stage::Queued | Stage::Requeued, Probe::Issue)
    );
    !next || !same_request(life, record)
}

/// Whether the request of an event can be the one of an open life, further on.
///
/// Merges make a request longer, on either side; nothing makes it shorter but a completion.
fn same_request(life: &Life, record: &SubmitRecord) -> bool {
    let head = &record.request;
    if life.queue != head.queue || life.cmd_flags as u8 != head.cmd_flags as u8 {
        return false;
    }
    if life.sector == u64::MAX || head.sector == u64::MAX {
        return life.sector == head.sector;
    }
    // Only reads and writes have a length that counts sectors on every driver.
    if head.cmd_flags as u8 > 1 {
        return true;
    }
    let end = |sector: u64, bytes: u32| sector.saturating_add(u64::from(bytes >> 9));
    head.sector <= life.sector
        && end(head.sector, head.data_len) >= end(life.sector, life.remaining)
}

/// The owner that a first event tells of.
fn owner(probe: Probe, record: &SubmitRecord) -> Owner {
    let worker = record.task_flags & PF_WQ_WORKER != 0
        || (record.task_flags == 0 && record.comm.starts_with(b"kworker/"));
    let task = Task { pid: record.pid, tgid: record.tgid, comm: record.comm };
    // Only at its start a request is still in the hands of whoever submitted it, worker or not.
    let known = probe == Probe::Start || !worker;
    Owner { task: known.then_some(task), cgroup: record.cgroup }
}
