//! One use of a request address, from its first event to its end.

use iotruth_common::{
    probe::Probe,
    record::{RequestRecord, STATE_IDLE},
};

use super::{
    io_error::IoError,
    kind::Kind,
    moment::Moment,
    owner::Owner,
    phase::Phases,
    table::Key,
    timeline::{Timeline, TimelineEvent},
    watch::Watch,
};

/// Where a life is. That a request is free is told by the absence of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Accounted, not queued yet; a request that waits for a flush before its data is here.
    Started,
    /// On a software or scheduler queue.
    Queued,
    /// With the driver.
    Issued,
    /// Sent back.
    Requeued,
    /// Its data is on the device; the flush after it is not done yet.
    DataDone,
}

/// What is known of one open life.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub(super) struct Life {
    /// Where it is.
    pub(super) stage: Stage,
    /// Which event opened it.
    pub(super) begin: Probe,
    /// Whether it is known to have begun after the programs were attached.
    pub(super) proved: bool,
    /// Whether its first events may be among records that were lost.
    pub(super) beginning_lost: bool,
    /// Whether an event of it is missing that no counter tells of.
    pub(super) incomplete: bool,
    /// Whether the kernel counts it in the statistics of its disk; `None` while no event could tell.
    pub(super) io_stat: Option<bool>,
    /// Whether it was ever part of a flush sequence.
    pub(super) flush_sequence: bool,
    /// Whether the data phase of a flush sequence failed.
    pub(super) data_failed: bool,
    /// Whether the request was idle when its data was done: the driver never had it.
    pub(super) data_idle: bool,
    /// Whether the flush before its data failed.
    pub(super) flush_failed: bool,
    /// Whether it waits for a flush of its hardware queue, before its data or after it.
    pub(super) waits_for_flush: bool,
    /// Flushes of its hardware queue that were sent while it waited for one, and have ended.
    pub(super) flushes: u8,
    /// Whether an attempt failed that was not the last one.
    pub(super) setback: bool,
    /// Whether it is a clone that the driver gave back at once, which device mapper drops.
    pub(super) dropped: bool,
    /// Whether the time at which its request was made is that of this use, and was found in memory.
    pub(super) dated: bool,
    /// Whether it hung when it left the sample. It is known by the time at which it was made, as long as that is
    /// found in memory; its events may not have been told since.
    pub(super) kept: bool,
    /// The error that a part of its data ended with, or the data phase of a flush sequence.
    pub(super) failed: Option<(IoError, i32)>,
    /// Its request, and the ring that all its records come through.
    pub(super) key: Key,
    /// Kinds of mismatch that it has shown so far, one bit each.
    pub(super) kinds: u32,
    /// Number in the device table.
    pub(super) device: u16,
    /// Hardware queue.
    pub(super) hardware_queue: u16,
    /// The driver's tag, -1 where none was seen.
    pub(super) tag: i32,
    /// `cmd_flags` of its first event, which still has the flush flags.
    pub(super) cmd_flags: u32,
    /// Records that the ring had refused at its first event.
    pub(super) ring_lost: u32,
    /// The engine's count of blind intervals at its first event.
    pub(super) blind: u32,
    /// Bytes still to be transferred, as last seen.
    pub(super) remaining: u32,
    /// First sector still to be transferred, as last seen.
    pub(super) sector: u64,
    /// Sector and length at the last issue or queueing, for people.
    pub(super) extent: (u64, u32),
    /// The same before its first issue: what was asked for, merges included.
    pub(super) asked: (u64, u32),
    /// Bytes that were transferred without error.
    pub(super) done: u32,
    /// Of these, since the last issue.
    pub(super) done_since_issue: u32,
    /// Address of the queue.
    pub(super) queue: u64,
    /// Time of the first event.
    pub(super) first: u64,
    /// Time of the last event.
    pub(super) last: u64,
    /// First issue.
    pub(super) first_issue: Moment,
    /// Last issue; never again after a requeue: that attempt did not end at the device.
    pub(super) last_issue: Moment,
    /// When the flush before its data was done.
    pub(super) pre_flushed: Moment,
    /// When a flush last ended while it waited for one; 0 if none did.
    pub(super) flush_ended: u64,
    /// When its data was done, in a flush sequence.
    pub(super) data_done: Moment,
    /// Who asked for it.
    pub(super) owner: Owner,
    /// `start_time_ns` of its request; 0 where no event told it.
    pub(super) start_time: u64,
    /// What is kept of it because it lasts long or was sent back.
    pub(super) watch: Option<Box<Watch>>,
    /// What happened.
    pub(super) events: Events,
}

impl Life {
    /// A life of which nothing is known but its first event, and that it was about these bytes.
    #[inline]
    pub(super) fn new(
        key: Key,
        device: u16,
        queue: u64,
        extent: (u64, u32),
        event: TimelineEvent,
    ) -> Self {
        let (sector, remaining) = extent;
        Self {
            stage: Stage::Started,
            begin: event.probe,
            proved: false,
            beginning_lost: false,
            incomplete: false,
            io_stat: None,
            flush_sequence: false,
            data_failed: false,
            data_idle: false,
            flush_failed: false,
            waits_for_flush: false,
            flushes: 0,
            setback: false,
            dropped: false,
            dated: false,
            kept: false,
            failed: None,
            key,
            kinds: 0,
            device,
            hardware_queue: 0,
            tag: -1,
            cmd_flags: 0,
            ring_lost: 0,
            blind: 0,
            remaining,
            sector,
            extent,
            asked: extent,
            done: 0,
            done_since_issue: 0,
            queue,
            first: event.time,
            last: event.time,
            first_issue: Moment::NEVER,
            last_issue: Moment::NEVER,
            pre_flushed: Moment::NEVER,
            flush_ended: 0,
            data_done: Moment::NEVER,
            owner: Owner::default(),
            start_time: 0,
            watch: None,
            events: Events::new(event),
        }
    }

    /// Time of an event, never before the one that went before it: clocks of two CPUs may differ by
    /// a few nanoseconds, and the phases must add up.
    pub(super) fn advance(&mut self, time: u64) -> u64 {
        self.last = self.last.max(time);
        self.last
    }

    /// Whether a record can be of this life, by its queue, its operation and its extent.
    ///
    /// Merges make a request longer, on either side, until it is issued; nothing makes it shorter
    /// but a completion (`blk_update_request`), which takes from its front.
    pub(super) fn can_be(&self, head: &RequestRecord) -> bool {
        if self.queue != head.queue || self.cmd_flags as u8 != head.cmd_flags as u8 {
            return false;
        }
        if self.sector == u64::MAX || head.sector == u64::MAX {
            return self.sector == head.sector;
        }
        if !sized(head) {
            return true;
        }
        let end = |sector: u64, bytes: u32| sector.saturating_add(u64::from(bytes >> 9));
        let (own, other) = (end(self.sector, self.remaining), end(head.sector, head.data_len));
        match self.stage {
            Stage::Issued | Stage::DataDone => other == own && head.data_len <= self.remaining,
            Stage::Started | Stage::Queued | Stage::Requeued => {
                head.sector <= self.sector && other >= own
            }
        }
    }

    /// Takes an event's word for it whether the kernel counts the request; it stays so.
    pub(super) fn learn_statistics(&mut self, says: Option<bool>) {
        if let Some(counted) = says {
            self.io_stat = Some(counted || self.io_stat == Some(true));
        }
    }

    /// Whether a record is about what this life is about, wherever either of them stands.
    pub(super) fn overlaps(&self, head: &RequestRecord) -> bool {
        if self.queue != head.queue || self.cmd_flags as u8 != head.cmd_flags as u8 {
            return false;
        }
        let end = |sector: u64, bytes: u32| sector.saturating_add(u64::from(bytes >> 9));
        head.sector <= end(self.sector, self.remaining)
            && self.sector <= end(head.sector, head.data_len)
    }

    /// Whether a completion can be of this life.
    pub(super) fn can_complete(&self, head: &RequestRecord) -> bool {
        let idle = head.state == STATE_IDLE;
        // Nothing is left of a request whose data is done, or whose bios a multipath driver took
        // over (`blk_steal_bios`).
        let emptied = head.data_len == 0
            && self.queue == head.queue
            && self.cmd_flags as u8 == head.cmd_flags as u8;
        match self.stage {
            // `blk_mq_start_request` leaves no request idle. Only a requeue does, and if that was
            // not seen the same extent tells that this is still the same request.
            Stage::Issued if idle => {
                head.data_len > 0 && head.sector == self.sector && self.can_be(head)
            }
            // Nobody touches the state between the data and the end of a flush sequence.
            Stage::DataDone => idle == self.data_idle && emptied,
            Stage::Issued | Stage::Started | Stage::Queued | Stage::Requeued => {
                emptied || self.can_be(head)
            }
        }
    }

    /// Takes over how much is left, and notices a partial completion that was not seen: returns the
    /// bytes that it had.
    pub(super) fn catch_up(&mut self, head: &RequestRecord) -> u32 {
        if !sized(head) || head.sector == u64::MAX || head.data_len == 0 {
            return 0;
        }
        let mut unseen = 0;
        if self.stage == Stage::Issued && head.data_len < self.remaining {
            unseen = self.remaining - head.data_len;
            self.done = self.done.saturating_add(unseen);
            self.done_since_issue = self.done_since_issue.saturating_add(unseen);
            self.incomplete = true;
        }
        self.remaining = head.data_len;
        self.sector = head.sector;
        unseen
    }

    /// Whether it was found in memory where its events left it, and will be known there. One that waits for a
    /// flush is not: memory does not tell what it waits for.
    pub(super) fn hangs(&self) -> bool {
        let found = self.watch.as_ref().is_some_and(|watch| watch.clear && watch.gone.is_none());
        found && self.dated && !self.waits_for_flush && self.stage != Stage::DataDone
    }

    /// Whether events of it may be missing that nobody was to tell, and it was not found in memory since all are
    /// told again, at `attached`: what comes next on its address may be of another one.
    pub(super) fn is_stale(&self, attached: u64) -> bool {
        let found = |watch: &Watch| watch.gone.is_none() && watch.confirmed >= attached;
        self.kept && !self.watch.as_ref().is_some_and(|watch| found(watch))
    }

    /// What is kept of a life that is watched, from now on.
    pub(super) fn watch(&mut self) -> &mut Watch {
        self.watch.get_or_insert_default()
    }

    /// When its request was found to be free or somebody else's.
    pub(super) fn gone(&self) -> Option<u64> {
        self.watch.as_ref().and_then(|watch| watch.gone)
    }

    /// Kinds that were shown while it was open, one bit each.
    pub(super) fn told(&self) -> u32 {
        self.watch.as_ref().map_or(0, |watch| watch.told)
    }

    /// See [`Mismatch::waited`](super::mismatch::Mismatch::waited).
    pub(super) fn waited(&self) -> Option<u64> {
        self.watch.as_ref().and_then(|watch| watch.waited)
    }

    /// The entry that tells of this kind of it, where it was shown while it was open.
    pub(super) fn entry(&self, kind: Kind) -> Option<u64> {
        let entries = self.watch.as_ref().map_or(&[][..], |watch| &watch.entries);
        entries.iter().find(|(other, _)| *other == kind).map(|(_, id)| *id)
    }

    /// Durations of the phases of a life that ended with its last event.
    pub(super) fn phases(&self) -> Phases {
        self.phases_until(self.last)
    }

    /// Durations of the phases of a life that ends, or is looked at, at `end`.
    ///
    /// The phases that are given add up to the total, whatever happened in between.
    pub(super) fn phases_until(&self, end: u64) -> Phases {
        // The clock of another CPU may be a little ahead of the one of whoever looks.
        let end = end.max(self.last);
        let since_begin = matches!(self.begin, Probe::Start | Probe::Insert);
        let Some(first_issue) = self.first_issue.get() else {
            // Never issued: all of it was a flush, or waiting for a driver that never took it.
            if !since_begin {
                return Phases::default();
            }
            let total = end - self.first;
            let flush = match (self.pre_flushed.get(), self.data_done.get()) {
                (None, None) => None,
                // It goes on, and was only flushed.
                (Some(flushed), None) if end > self.last => Some(flushed.min(end) - self.first),
                (Some(_), None) => Some(total),
                // Its data was refused in the middle of a flush sequence.
                (flushed, Some(done)) => {
                    Some(flushed.map_or(0, |flushed| flushed.min(done) - self.first) + end - done)
                }
            };
            let queue = Some(total - flush.unwrap_or(0)).filter(|_| flush != Some(total));
            return Phases { queue, flush, total: Some(total), ..Phases::default() };
        };
        let pre_flush = self
            .pre_flushed
            .get()
            .filter(|_| since_begin)
            .map(|flushed| flushed.min(first_issue) - self.first);
        let post_flush = self.data_done.get().map(|done| end - done);
        let flush = match (pre_flush, post_flush) {
            (None, None) => None,
            (before, after) => Some(before.unwrap_or(0) + after.unwrap_or(0)),
        };
        let data_end = self.data_done.get().unwrap_or(end);
        let retried = self.last_issue != self.first_issue;
        let attempts_end = self.last_issue.get().unwrap_or(data_end);
        Phases {
            queue: since_begin.then(|| first_issue - self.first - pre_flush.unwrap_or(0)),
            retry: retried.then(|| attempts_end - first_issue),
            device: self.last_issue.get().map(|issue| data_end - issue),
            flush,
            total: Some(end - if since_begin { self.first } else { first_issue }),
        }
    }
}

/// Whether `__data_len` counts sectors of the device with every driver: of reads and writes alone.
fn sized(head: &RequestRecord) -> bool {
    head.cmd_flags as u8 <= 1
}

/// Events of a life, kept without an allocation for the ordinary ones.
#[derive(Debug)]
pub(super) struct Events {
    inline: [TimelineEvent; Self::INLINE],
    count: u32,
    more: Option<Box<More>>,
}

/// The events beyond the inline ones: the first few, then a ring of the last ones.
#[derive(Debug, Default)]
struct More {
    first: Vec<TimelineEvent>,
    last: Vec<TimelineEvent>,
}

impl Events {
    const INLINE: usize = 3;

    /// With the first event.
    pub(super) fn new(event: TimelineEvent) -> Self {
        Self { inline: [event; Self::INLINE], count: 1, more: None }
    }

    /// Adds an event.
    pub(super) fn push(&mut self, event: TimelineEvent) {
        let number = self.count as usize;
        self.count = self.count.saturating_add(1);
        if let Some(place) = self.inline.get_mut(number) {
            *place = event;
            return;
        }
        let more = self.more.get_or_insert_default();
        if number < Timeline::FIRST {
            more.first.push(event);
        } else if more.last.len() < Timeline::LAST {
            more.last.push(event);
        } else if let Some(place) = more.last.get_mut((number - Timeline::FIRST) % Timeline::LAST) {
            *place = event;
        }
    }

    /// How many there were.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// As it is shown to people.
    pub(super) fn timeline(&self) -> Timeline {
        let count = self.count as usize;
        let mut events = self.inline.get(..count.min(Self::INLINE)).unwrap_or_default().to_vec();
        let mut left_out = 0;
        if let Some(more) = &self.more {
            events.extend_from_slice(&more.first);
            let beyond = count.saturating_sub(Timeline::FIRST);
            if beyond > Timeline::LAST {
                let (newest, oldest) = more.last.split_at(beyond % Timeline::LAST);
                events.extend_from_slice(oldest);
                events.extend_from_slice(newest);
                left_out = (beyond - Timeline::LAST) as u32;
            } else {
                events.extend_from_slice(&more.last);
            }
        }
        Timeline { events, left_out }
    }
}

/// The line of a record in a timeline.
pub(super) fn timeline_event(
    probe: Probe,
    head: &RequestRecord,
    time: u64,
    completed: u32,
    status: i32,
) -> TimelineEvent {
    TimelineEvent {
        time,
        probe,
        state: head.state,
        cpu: head.cpu,
        remaining: head.data_len,
        completed,
        status,
    }
}

#[cfg(test)]
mod tests {
    use iotruth_common::probe::Probe;

    use super::{Events, TimelineEvent};

    fn event(time: u64) -> TimelineEvent {
        TimelineEvent {
            time,
            probe: Probe::Requeue,
            state: 0,
            cpu: 0,
            remaining: 0,
            completed: 0,
            status: 0,
        }
    }

    #[test]
    fn a_timeline_keeps_the_first_8_and_the_last_24() {
        for count in [1_u64, 2, 3, 4, 8, 9, 31, 32, 33, 60, 1000] {
            let mut events = Events::new(event(0));
            (1..count).for_each(|time| events.push(event(time)));
            let timeline = events.timeline();
            let times: Vec<u64> = timeline.events.iter().map(|event| event.time).collect();
            let expected: Vec<u64> =
                (0..count).filter(|time| *time < 8 || *time + 24 >= count).collect();
            assert_eq!(times, expected, "{count} events");
            assert_eq!(u64::from(timeline.left_out) + times.len() as u64, count);
        }
    }
}
