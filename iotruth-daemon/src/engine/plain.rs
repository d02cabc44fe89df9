//! Plain lives: what is kept of an open life of which nothing is to be told but figures.
//!
//! Nearly every request is a read or a write that is started, queued and issued, each once or not at
//! all, and then completed as a whole. Of such a life it is enough to know which of these events it had,
//! in half a cache line of the table, and in another line what only people ask for. Whatever else happens
//! to it, it is first unfolded to the [`Life`] that it would have been all along.

use iotruth_common::{
    probe::Probe,
    record::{RequestRecord, STATE_IDLE},
};

use super::{
    life::{Life, Stage},
    moment::Moment,
    owner::{Owner, Task},
    table::Key,
    timeline::TimelineEvent,
};

/// The events that a plain life has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// Start.
    Started,
    /// Insert.
    Queued,
    /// Start, insert.
    StartedQueued,
    /// Issue.
    Issued,
    /// Start, issue.
    StartedIssued,
    /// Insert, issue.
    QueuedIssued,
    /// Start, insert, issue.
    All,
}

impl Path {
    /// Of a life that begins with this event, where a plain one can.
    #[inline]
    pub(super) const fn begun(probe: Probe) -> Option<Self> {
        match probe {
            Probe::Start => Some(Self::Started),
            Probe::Insert => Some(Self::Queued),
            Probe::Issue => Some(Self::Issued),
            Probe::Complete | Probe::Merge | Probe::Requeue | Probe::Remap => None,
        }
    }

    /// After one more event, where it is the next one of a plain life.
    #[inline]
    pub(super) const fn after(self, probe: Probe) -> Option<Self> {
        match (self, probe) {
            (Self::Started, Probe::Insert) => Some(Self::StartedQueued),
            (Self::Started, Probe::Issue) => Some(Self::StartedIssued),
            (Self::Queued, Probe::Issue) => Some(Self::QueuedIssued),
            (Self::StartedQueued, Probe::Issue) => Some(Self::All),
            (
                Self::Started
                | Self::Queued
                | Self::StartedQueued
                | Self::Issued
                | Self::StartedIssued
                | Self::QueuedIssued
                | Self::All,
                _,
            ) => None,
        }
    }

    /// Whether the driver has it.
    #[inline]
    pub(super) const fn is_issued(self) -> bool {
        matches!(self, Self::Issued | Self::StartedIssued | Self::QueuedIssued | Self::All)
    }

    /// The first event, and those after it.
    const fn probes(self) -> (Probe, &'static [Probe]) {
        match self {
            Self::Started => (Probe::Start, &[]),
            Self::Queued => (Probe::Insert, &[]),
            Self::StartedQueued => (Probe::Start, &[Probe::Insert]),
            Self::Issued => (Probe::Issue, &[]),
            Self::StartedIssued => (Probe::Start, &[Probe::Issue]),
            Self::QueuedIssued => (Probe::Insert, &[Probe::Issue]),
            Self::All => (Probe::Start, &[Probe::Insert, Probe::Issue]),
        }
    }

    /// How many events that are.
    pub(super) const fn count(self) -> u32 {
        self.probes().1.len() as u32 + 1
    }
}

/// What the end of a plain life is judged by; it lies in the table.
///
/// Three things more are those of its address: the time of its last event, what had been lost at its
/// first, and its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    /// Address of the queue.
    pub(super) queue: u64,
    /// First sector.
    pub(super) sector: u64,
    /// Bytes, which no event has changed.
    pub(super) length: u32,
    /// From its first event to its last one, in nanoseconds.
    pub(super) lasted: u32,
    /// Where the rest of it is.
    pub(super) rest: u32,
    /// Number in the device table.
    pub(super) device: u16,
    /// Operation in the numbers of the kernel: a read or a write.
    pub(super) operation: u8,
    /// Which events it had.
    pub(super) path: Path,
}

/// What nobody looks at where a plain life ends well. One cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Rest {
    /// See [`Life::start_time`].
    pub(super) start_time: u64,
    /// Cgroup id of the bio; 0 where there is none.
    pub(super) cgroup: u64,
    /// Who asked for it.
    pub(super) task: Task,
    /// Whether that is known.
    pub(super) task_known: bool,
    /// See [`Life::io_stat`]. One that is issued and plain is counted.
    pub(super) io_stat: Option<bool>,
    /// Where each of its events happened.
    pub(super) cpus: [u16; 3],
    /// Hardware queue.
    pub(super) hardware_queue: u16,
    /// The driver's tag, -1 where none was seen.
    pub(super) tag: i32,
    /// `cmd_flags` of its first event.
    pub(super) cmd_flags: u32,
    /// From its first event to its second one, in nanoseconds.
    pub(super) second: u32,
}

const _: () = assert!(size_of::<Plain>() == 32);
const _: () = assert!(size_of::<Rest>() == 64);

impl Rest {
    /// Of nobody.
    const EMPTY: Self = Self {
        start_time: 0,
        cgroup: 0,
        task: Task { pid: 0, tgid: 0, comm: [0; 16] },
        task_known: false,
        io_stat: None,
        cpus: [0; 3],
        hardware_queue: 0,
        tag: -1,
        cmd_flags: 0,
        second: 0,
    };

    /// Who asked for it.
    pub(super) fn owner(&self) -> Owner {
        Owner { task: self.task_known.then_some(self.task), cgroup: self.cgroup }
    }
}

/// The rests of all plain lives that are open, and room for more: one for each address at most.
#[derive(Debug, Default)]
pub(super) struct Rests {
    places: Vec<Rest>,
    free: Vec<u32>,
}

impl Rests {
    /// Room for one more, with its number. What is in it is of a life that has ended.
    #[inline]
    pub(super) fn room(&mut self) -> Option<(u32, &mut Rest)> {
        let number = match self.free.pop() {
            Some(number) => number,
            None => self.grow(),
        };
        Some((number, self.places.get_mut(number as usize)?))
    }

    #[cold]
    fn grow(&mut self) -> u32 {
        if self.places.len() == self.places.capacity() {
            // Twice as much, as a vector takes by itself, would be mostly for nothing.
            self.places.reserve_exact(self.places.len() / 16 + 32);
        }
        self.places.push(Rest::EMPTY);
        (self.places.len() - 1) as u32
    }

    /// Looks at a rest.
    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Rest> {
        self.places.get_mut(place as usize)
    }

    /// Looks at a rest of which nothing changes.
    pub(super) fn get(&self, place: u32) -> Option<&Rest> {
        self.places.get(place as usize)
    }

    /// A life has ended, or is plain no longer.
    #[inline]
    pub(super) fn release(&mut self, place: u32) {
        self.free.push(place);
    }
}

impl Plain {
    /// Where it is.
    pub(super) const fn stage(&self) -> Stage {
        match self.path {
            Path::Started => Stage::Started,
            Path::Queued | Path::StartedQueued => Stage::Queued,
            Path::Issued | Path::StartedIssued | Path::QueuedIssued | Path::All => Stage::Issued,
        }
    }

    /// Whether a record is about the same bytes of the same queue, in the same direction.
    #[inline]
    pub(super) fn is_extent_of(&self, head: &RequestRecord) -> bool {
        self.queue == head.queue
            && self.sector == head.sector
            && self.length == head.data_len
            && self.operation == head.cmd_flags as u8
    }

    /// The life as it would be had it never been plain. `newest` is the time of its last event, and
    /// `lost` what had been lost at its first one.
    pub(super) fn unfold(&self, key: Key, rest: &Rest, newest: u64, lost: (u32, u32)) -> Life {
        let first = newest - u64::from(self.lasted);
        // The second event of two is the last one.
        let second = if self.path == Path::All { first + u64::from(rest.second) } else { newest };
        let times = [first, second, newest];
        let event = |probe: Probe, time: u64, cpu: u16| TimelineEvent {
            time,
            probe,
            state: STATE_IDLE,
            cpu,
            remaining: self.length,
            completed: 0,
            status: 0,
        };
        let (begin, then) = self.path.probes();
        let issue = if self.path.is_issued() { Moment::at(newest) } else { Moment::NEVER };
        let extent = (self.sector, self.length);
        let opening = event(begin, first, rest.cpus[0]);
        let mut life = Life {
            stage: self.stage(),
            proved: true,
            io_stat: rest.io_stat,
            hardware_queue: rest.hardware_queue,
            tag: rest.tag,
            cmd_flags: rest.cmd_flags,
            ring_lost: lost.0,
            blind: lost.1,
            last: newest,
            first_issue: issue,
            last_issue: issue,
            owner: rest.owner(),
            start_time: rest.start_time,
            ..Life::new(key, self.device, self.queue, extent, opening)
        };
        for (probe, (time, cpu)) in then.iter().zip(times.into_iter().zip(rest.cpus).skip(1)) {
            life.events.push(event(*probe, time, cpu));
        }
        life
    }
}
