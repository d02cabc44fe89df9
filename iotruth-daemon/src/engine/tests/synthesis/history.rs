//! What really happened to one request, whatever the engine gets to see of it.

use iotruth_common::{probe::Probe, record::STATE_IDLE};

use crate::engine::{device::DeviceId, flavor::Flavor, operation::Operation};

/// One event that a program would write a record of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) probe: Probe,
    /// As its record says, but never before the one that went before it.
    pub(super) time: u64,
    pub(super) state: u8,
    /// First sector and bytes that are left.
    pub(super) extent: (u64, u32),
    pub(super) timed_out: bool,
    pub(super) sequenced: bool,
    /// Its record is missing.
    pub(super) missing: bool,
    /// What ended with it, if it is a completion.
    pub(super) completed: Completed,
}

/// What a completion says, and what it is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Completed {
    pub(super) bytes: u32,
    pub(super) status: i32,
    pub(super) of: Of,
}

/// What a completion is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Of {
    /// A part of the data.
    #[default]
    Part,
    /// All that was left of it.
    Data,
    /// The flush that the request waited for; its data, if it has any, is not the matter.
    Flush,
    /// The second completion of device mapper, or the end of a flush sequence whose data has ended.
    Nothing,
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Merged,
    /// A clone that was dropped.
    Dropped,
}

/// One life.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub(super) struct History {
    pub(super) device: DeviceId,
    pub(super) request: u64,
    /// Who asked for it; 0 where it is for several.
    pub(super) pid: u32,
    /// As it was asked for.
    pub(super) cmd_flags: u32,
    pub(super) clone: bool,
    /// Whether it can be known to have begun after the programs were attached.
    pub(super) proved: bool,
    pub(super) events: Vec<Event>,
    /// When the flush before its data was done.
    pub(super) pre_flushed: Option<u64>,
    /// When its data was done, if a flush or the end of a sequence came after it.
    pub(super) data_done: Option<u64>,
    /// A record of it is missing.
    pub(super) lost: bool,
    /// A record of a flush that it waited for is missing.
    pub(super) flush_lost: bool,
}

impl History {
    pub(super) fn operation(&self) -> Operation {
        Flavor::linux_6_12().operation(self.cmd_flags)
    }

    pub(super) fn is_flush(&self) -> bool {
        self.operation() == Operation::Flush
    }

    pub(super) fn is_passthrough(&self) -> bool {
        Flavor::linux_6_12().passthrough(self.cmd_flags)
    }

    /// Its completions.
    pub(super) fn completions(&self) -> impl Iterator<Item = (&Event, Completed)> {
        self.events
            .iter()
            .filter(|event| event.probe == Probe::Complete)
            .map(|event| (event, event.completed))
    }

    /// Its issues, those of a broken driver not among them.
    pub(super) fn issues(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter().filter(|event| event.probe == Probe::Issue && event.state == STATE_IDLE)
    }

    /// Bytes that were transferred.
    pub(super) fn transferred(&self) -> u32 {
        let good = self.completions().filter(|(_, completed)| completed.status == 0);
        good.map(|(_, completed)| completed.bytes).sum()
    }

    /// The status that it ended with: that of its end, or else of the newest part that failed.
    pub(super) fn status(&self) -> i32 {
        self.completions()
            .filter(|(_, completed)| completed.status != 0)
            .filter(|(_, completed)| completed.bytes > 0 || completed.of != Of::Part)
            .last()
            .map_or(0, |(_, completed)| completed.status)
    }
}
