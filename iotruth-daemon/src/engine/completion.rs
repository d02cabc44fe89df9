//! Completions: which of them end a life, and what they say of it.
//!
//! `block_rq_complete` is the first statement of `blk_update_request`, which a request may pass
//! several times: once for each part of its bytes, twice where device mapper ends what its clone has
//! already completed, and twice in a flush sequence, for its data and for its end.

use iotruth_common::{
    layout::ABSENT,
    probe::Probe,
    record::{CompleteRecord, STATE_IDLE},
};

use super::{
    engine::Engine,
    io_error::IoError,
    judge::ErrorAt,
    kind::Kind,
    life::{Events, Life, Stage, timeline_event},
    moment::Moment,
    operation::Operation,
    table::{Address, Key},
};

/// Below this no limit can be exceeded, so that nothing has to be looked up, in nanoseconds.
const SHORTEST_LIMIT: u64 = 1_000_000;

/// How long after the completion of a flush those may come that end inside of it, in nanoseconds: it runs
/// with interrupts off.
pub(super) const FLUSH_END: u64 = 1_000_000;

/// The error of a completion, and its raw number.
type Failure = Option<(IoError, i32)>;

impl Engine {
    /// Some or all bytes of a request ended.
    pub(super) fn complete(&mut self, ring: u8, record: &CompleteRecord) {
        let head = &record.request;
        let key = Key::new(ring, head);
        let error = self.flavor.error(record.status).map(|error| (error, record.status));
        // Exactly what `blk_update_request` returns.
        let is_final = record.without_bio != 0 || record.bytes >= head.data_len;
        let flush = self.flavor.operation(head.cmd_flags) == Operation::Flush;
        if error.is_none() || !self.flushes.fails_with(ring, head.cpu, head.queue, head.time) {
            self.flushes.passed(ring, head.cpu);
        }
        self.drop_clone_before(ring, head, 0);
        let mut open = self.take(key, head.time);
        let mut maybe_same = false;
        let another = |open: &mut Box<Life>| {
            !open.can_complete(head)
                || self.was_never_sent(record, open)
                || open.is_stale(self.attached)
        };
        if let Some(over) = open.take_if(another) {
            maybe_same = over.overlaps(head);
            self.supersede(over, head.ring_lost, maybe_same);
        }
        let known = open.is_some();
        let mut life = if let Some(life) = open {
            life
        } else {
            if self.is_echo(key, record, is_final, error.is_some()) {
                return;
            }
            let place = self.devices.place_of_number(head.device);
            let begun = self.begin(ring, Probe::Complete, head, place, 0);
            let Some(life) = begun else { return };
            life
        };
        life.incomplete |= maybe_same;
        let time = life.advance(head.time);
        let event = timeline_event(Probe::Complete, head, time, record.bytes, record.status);
        let mut unseen = 0;
        if known {
            life.events.push(event);
            unseen = life.catch_up(head);
        } else {
            life.events = Events::new(event);
        }
        self.account_part(record, &mut life, unseen);
        // Without a bio nothing was transferred for anybody: xen-blkfront takes the bios away and ends
        // the request, to send them again after a migration.
        if error.is_none() && record.without_bio == 0 {
            life.done = life.done.saturating_add(record.bytes);
        }
        let passthrough = self.flavor.passthrough(head.cmd_flags);
        if record.bytes > head.data_len && record.without_bio == 0 && !passthrough {
            life.kinds |= Kind::OverCompletion.bit();
        }
        if !is_final {
            self.partial(record, life, error);
            return;
        }
        // Only the end of a flush sequence has a bio and no bytes, after it had some.
        if record.without_bio == 0 && head.data_len == 0 && life.remaining > 0 {
            life.incomplete = true;
            life.done = life.done.saturating_add(life.remaining);
            self.account_sectors(&life, life.remaining, true);
            life.stage = Stage::DataDone;
            life.data_done = Moment::at(time);
        }
        // `blk_flush_restore_request` takes the flag away before the end of a sequence.
        let sequenced = !flush && head.rq_flags & self.flavor.rqf.flush_seq != 0;
        if !(sequenced && life.stage == Stage::DataDone) {
            self.miss_issue(record, &mut life, known, error.is_some());
        }
        if sequenced {
            self.data_done(record, life, error);
        } else {
            self.final_completion(record, life, error);
        }
    }

    /// Whether a completion without a life is the second one of request-based device mapper, which
    /// ends a request whose bytes were all completed by its clone (`dm_end_request`).
    fn is_echo(&mut self, key: Key, record: &CompleteRecord, is_final: bool, failed: bool) -> bool {
        let Some(address) = self.table.get_mut(key) else { return false };
        let echo = std::mem::take(&mut address.echo);
        // The driver of device mapper has it still, so it is not idle.
        let started = record.request.state != STATE_IDLE;
        // One that nvme gives to another path before it issues it looks the same, but for its flag.
        let multipath = record.request.cmd_flags & self.flavor.req.drv != 0;
        echo && !multipath
            && is_final
            && started
            && !failed
            && record.bytes == 0
            && record.without_bio != 0
    }

    /// What misses, or is wrong, where the driver was not known to have the request.
    fn miss_issue(&mut self, record: &CompleteRecord, life: &mut Life, known: bool, failed: bool) {
        let idle = record.request.state == STATE_IDLE;
        match life.stage {
            Stage::DataDone => return,
            // Only a requeue, which was not seen, makes it idle again.
            Stage::Issued => {
                life.incomplete |= idle;
                return;
            }
            // It was started, and the issue was not seen.
            Stage::Started | Stage::Queued | Stage::Requeued
                if (!idle && !self.ends_unsent(record, life))
                    || (idle && self.was_sent_unseen(record, life)) =>
            {
                life.incomplete = true;
                return;
            }
            Stage::Started | Stage::Queued | Stage::Requeued => {}
        }
        // It is another clone, of which nothing was seen until now.
        life.incomplete |= life.dropped && life.stage == Stage::Requeued;
        let head = &record.request;
        let flush = self.flavor.operation(head.cmd_flags) == Operation::Flush;
        let passthrough = self.flavor.passthrough(head.cmd_flags);
        let clone = self.table.get_mut(life.key).is_some_and(|address| address.clone.is_some());
        if record.bytes > 0 && !failed {
            if flush || passthrough || clone {
                life.incomplete |= !known;
            } else {
                life.kinds |= Kind::CompletedWithoutStart.bit();
            }
            return;
        }
        // Refused, or nothing to transfer: it may have had no event before, unless its start is traced.
        // Reads and writes without bytes have no bio left, or else are flushes, which lost their flags
        // (`blk_insert_flush`).
        let emptied = record.bytes == 0 && record.without_bio == 0;
        let begins = if head.cmd_flags as u8 <= 1 {
            emptied && self.starts.of_flushes()
        } else {
            self.starts.of_other_operations()
        };
        // An empty write fails only with the flush command it waited for.
        let empty = failed && emptied && head.cmd_flags as u8 == self.flavor.operations.write;
        let with_flush = self.flushes.fails_with(life.key.ring, head.cpu, head.queue, head.time);
        let alone = empty && !with_flush;
        life.incomplete |= !known && !flush && (begins || alone);
    }

    /// Whether an idle request was with the driver before, and neither its issue nor what sent it back was
    /// seen.
    ///
    /// A request has no timeout when it is allocated (`blk_mq_rq_ctx_init`), and is given one when the
    /// driver starts it (`blk_add_timer`). Drivers set one of their own before that for commands other
    /// than reads and writes; of one that does for those as well (mmc) nothing is told.
    fn was_sent_unseen(&self, record: &CompleteRecord, life: &Life) -> bool {
        let head = &record.request;
        let plain = head.cmd_flags as u8 <= 1 && !self.flavor.passthrough(head.cmd_flags);
        plain && record.timeout > 0 && !life.first_issue.has_come()
    }

    /// Whether what was completed cannot be this life, which the driver had: without a timeout, it was
    /// never with the driver since it was allocated.
    fn was_never_sent(&self, record: &CompleteRecord, life: &Life) -> bool {
        self.layout.request_timeout != ABSENT && record.timeout == 0 && life.first_issue.has_come()
    }

    /// Whether an nvme driver ended it without asking the controller, or gave it to another path.
    fn ends_unsent(&mut self, record: &CompleteRecord, life: &Life) -> bool {
        let told = match self.flavor.error(record.status) {
            Some(error) => error == IoError::Transport,
            None => record.bytes == 0 && record.without_bio != 0,
        };
        told && self.returns_unsent(&record.request, life)
    }

    /// A completion that leaves bytes to transfer.
    fn partial(&mut self, record: &CompleteRecord, mut life: Box<Life>, error: Failure) {
        if life.stage != Stage::Issued {
            life.incomplete = true;
            life.stage = Stage::Issued;
        }
        if record.bytes > 0 {
            life.kinds |= Kind::PartialCompletion.bit();
            life.done_since_issue = life.done_since_issue.saturating_add(record.bytes);
            if life.sector != u64::MAX {
                life.sector = life.sector.saturating_add(u64::from(record.bytes >> 9));
            }
            // Those of its bios that ended here were told of the error, whatever comes of the rest.
            self.fail(record, &mut life, error);
        } else {
            life.setback |= error.is_some();
        }
        life.remaining = record.request.data_len.saturating_sub(record.bytes);
        self.keep(life);
    }

    /// The data phase of a flush sequence is done; a flush may follow, and an end without bytes.
    fn data_done(&mut self, record: &CompleteRecord, mut life: Box<Life>, error: Failure) {
        let head = &record.request;
        life.flush_sequence = true;
        self.fail(record, &mut life, error);
        // Device mapper completes the data a second time, without bytes.
        if life.stage != Stage::DataDone {
            life.stage = Stage::DataDone;
            life.data_done = Moment::at(life.last);
            life.data_idle = head.state == STATE_IDLE;
            life.remaining = 0;
            self.flushes.wait(&mut life);
        }
        life.data_failed |= error.is_some();
        self.keep(life);
    }

    /// Data of a request failed, and its end is still to come.
    fn fail(&self, record: &CompleteRecord, life: &mut Life, error: Failure) {
        if let Some((class, _)) = error {
            life.failed = error;
            life.kinds |= self.data_error_kind(life, self.error_at(record), class).bit();
        }
    }

    fn error_at(&self, record: &CompleteRecord) -> ErrorAt {
        ErrorAt {
            cpu: record.request.cpu,
            bytes: record.bytes,
            idle: record.request.state == STATE_IDLE,
            timed_out: self.timed_out(record),
        }
    }

    const fn timed_out(&self, record: &CompleteRecord) -> bool {
        record.request.rq_flags & self.flavor.rqf.timed_out != 0
    }

    /// The end of a life.
    fn final_completion(&mut self, record: &CompleteRecord, mut life: Box<Life>, error: Failure) {
        let head = &record.request;
        let flush = self.flavor.operation(head.cmd_flags) == Operation::Flush;
        let transferred = record.bytes > 0 && head.state != STATE_IDLE;
        let key = life.key;
        life.data_idle |= head.state == STATE_IDLE;
        match error {
            // The data phase has told it already.
            Some(_) if life.data_failed => {}
            Some((class, _)) => {
                life.kinds |= self.error_kind(&life, self.error_at(record), class).bit();
            }
            None if self.timed_out(record) && !self.flavor.passthrough(head.cmd_flags) => {
                life.kinds |= Kind::TimedOut.bit();
            }
            None => life.kinds |= self.oddities(record, &life),
        }
        let emptied = life.pre_flushed.has_come() && !life.first_issue.has_come();
        if !flush && (life.flush_sequence || emptied) && error.is_none() {
            life.kinds |= Kind::FlushEmulated.bit();
        }
        if flush {
            if error.is_some() {
                // What comes next on this CPU may not be told.
                let until = if self.sample.is_all() {
                    u64::MAX
                } else {
                    head.time.saturating_add(FLUSH_END)
                };
                self.flushes.fail(key.ring, head.cpu, head.queue, until);
            }
            self.flush_done(&life, error.is_some());
        }
        self.account_end(&life, false);
        self.end(life, head.ring_lost, error);
        self.sync(key, (head.ring_lost, self.blind));
        if let Some(address) = self.table.get_mut(key) {
            address.echo = transferred;
        }
    }

    /// What is worth telling of an end without an error, one bit for each kind.
    fn oddities(&mut self, record: &CompleteRecord, life: &Life) -> u32 {
        let mut kinds = 0;
        if self.flavor.passthrough(life.cmd_flags) {
            return kinds;
        }
        if life.setback {
            kinds |= Kind::Recovered.bit();
        }
        // Only requests of a multipath driver have the flag (`REQ_NVME_MPATH`).
        let multipath = life.cmd_flags & self.flavor.req.drv != 0;
        let untouched = life.done == 0 && life.remaining > 0 && life.first_issue.has_come();
        if multipath && untouched && record.bytes == 0 && record.without_bio != 0 {
            kinds |= Kind::PathFailover.bit();
        }
        // The flush after its data is a request of its own.
        let data_end = life.data_done.get().unwrap_or(life.last);
        let Some(device_time) = life.last_issue.get().map(|issue| data_end.saturating_sub(issue))
        else {
            return kinds;
        };
        if device_time > SHORTEST_LIMIT {
            let flush = self.flavor.operation(life.cmd_flags) == Operation::Flush;
            if flush && device_time > self.limits.slow_flush_after {
                kinds |= Kind::SlowFlush.bit();
            }
            let overdue_after = self.overdue_after(life.device, record.timeout);
            if overdue_after.is_some_and(|overdue| device_time > overdue) {
                kinds |= Kind::Late.bit();
            }
        }
        kinds
    }

    /// A flush ended, for which requests of its hardware queue waited.
    fn flush_done(&mut self, flush: &Life, failed: bool) {
        for key in self.flushes.waiting((flush.queue, flush.hardware_queue)) {
            let Some(life) = self.table.get_mut(key).and_then(Address::whole) else { continue };
            let since = life.data_done.get().unwrap_or(life.first);
            life.flush_ended = life.flush_ended.max(flush.last);
            let for_it = flush.first_issue.has_come() && flush.first > since;
            life.flushes = life.flushes.saturating_add(u8::from(for_it));
            // Before its data, that is.
            if life.stage == Stage::Started {
                life.pre_flushed = Moment::at(flush.last.max(life.first));
                life.flush_failed = failed;
            }
        }
    }
}
