//! The one table of mismatch kinds. Lists, labels, sentences and docs come from its rows.

/// How bad a mismatch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Legal and worth knowing; not in the default list.
    Info,
    /// Something is slower or less reliable than it should be.
    Warning,
    /// Data, a device or a driver is in trouble.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The label value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A kind of mismatch; its row is [`Kind::row`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Rule A1.
    DoubleStart,
    /// Rule A2.
    QueuedInFlight,
    /// Rule A3.
    CompletedWithoutStart,
    /// Rule B1, bounced before the driver started it.
    RequeueBusyBeforeStart,
    /// Rule B1, bounced after the driver started it.
    RequeueBusyAfterStart,
    /// Rule B1, came back with an error and is tried again.
    RequeueRetry,
    /// Rule B1, the rest of a short transfer.
    RequeueShortTransfer,
    /// Rule B1, pulled back after a timeout.
    RequeueTimeout,
    /// Rule B3.
    IoError,
    /// Rule B3 for statuses that callers probe for.
    IoErrorExpected,
    /// Rule B5.
    PartialCompletion,
    /// Rule B6.
    DispatchFailure,
    /// A flush that failed, or a request that failed with it.
    FlushFailed,
    /// Rule B7.
    TimedOut,
    /// Rule B9.
    FlushEmulated,
    /// Rule A4.
    OverCompletion,
    /// Rule B2.
    RequeueStorm,
    /// Rule B4.
    Recovered,
    /// Rule B8.
    PathFailover,
    /// Rule C1, beyond the configured limit.
    StuckInDevice,
    /// Rule C1, beyond the queue's own timeout.
    HungInDevice,
    /// Rule C2, beyond the configured limit.
    StuckInQueue,
    /// Rule C2, beyond the queue's own timeout.
    HungInQueue,
    /// Rule C3.
    Late,
    /// Rule C4.
    SlowFlush,
    /// It went into another request.
    Merged,
}

/// How many kinds there are; the length of every per-kind table.
pub const KINDS: usize = 26;

/// What is to be known of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which kind this row describes.
    pub kind: Kind,
    /// The name in URLs, labels and lists.
    pub slug: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// When it is raised.
    pub rule: &'static str,
    /// What it tells the operator.
    pub meaning: &'static str,
    /// What to do about it.
    pub advice: &'static str,
}

/// Every kind, in the order of their numbers.
pub const TABLE: [Row; KINDS] = [
    Row {
        kind: Kind::DoubleStart,
        slug: "double_start",
        severity: Severity::Critical,
        rule: "issued while its state is not idle",
        meaning: "the driver started a request that it had already started",
        advice: "this is a driver bug: look for a warning of blk_mq_start_request in the kernel log and report it with the driver's version",
    },
    Row {
        kind: Kind::QueuedInFlight,
        slug: "queued_in_flight",
        severity: Severity::Critical,
        rule: "inserted or merged while its state is not idle",
        meaning: "a request was queued or merged while the driver still had it",
        advice: "this is a bug of the block layer or the driver: report it with the kernel's version and the scheduler in use",
    },
    Row {
        kind: Kind::CompletedWithoutStart,
        slug: "completed_without_start",
        severity: Severity::Critical,
        rule: "bytes completed without error while its state is idle, and not a flush, a clone or a passthrough command",
        meaning: "data was reported as transferred by a request that the driver never started",
        advice: "this is a driver bug: do not trust the data of this request, and report it with the driver's version",
    },
    Row {
        kind: Kind::RequeueBusyBeforeStart,
        slug: "requeue_busy_before_start",
        severity: Severity::Info,
        rule: "requeued in state idle",
        meaning: "the driver had no room for the request and sent it back before it started it",
        advice: "harmless now and then; if it is frequent, the queue is deeper than the device or its host adapter can serve",
    },
    Row {
        kind: Kind::RequeueBusyAfterStart,
        slug: "requeue_busy_after_start",
        severity: Severity::Info,
        rule: "requeued in state in flight, without a timeout, before any of its bytes had completed",
        meaning: "the driver had started the request and then sent it back, most often because the device was busy",
        advice: "harmless now and then; if it is frequent, lower the queue depth or look at the host adapter",
    },
    Row {
        kind: Kind::RequeueRetry,
        slug: "requeue_retry",
        severity: Severity::Warning,
        rule: "requeued in state complete, without bytes completed since the last issue; not a passthrough command",
        meaning: "the device gave the request back without its data, after an error or because its own queue was full, and it is tried again",
        advice: "look for errors of the device in the kernel log and at its error counters, and whether others fill its queue (a SAN answers TASK SET FULL); retries show as latency outliers",
    },
    Row {
        kind: Kind::RequeueShortTransfer,
        slug: "requeue_short_transfer",
        severity: Severity::Info,
        rule: "requeued after its last issue and after a part of its bytes had completed",
        meaning: "a part of the request was completed, and the rest is sent again",
        advice: "legal; on a loop device it shows that the file ends early",
    },
    Row {
        kind: Kind::RequeueTimeout,
        slug: "requeue_timeout",
        severity: Severity::Critical,
        rule: "requeued after its timeout had fired; not a passthrough command",
        meaning: "the device did not answer in time, and error handling pulled the request back to try it again",
        advice: "check cabling, firmware and the kernel log: a device that stops answering is about to fail",
    },
    Row {
        kind: Kind::IoError,
        slug: "io_error",
        severity: Severity::Critical,
        rule: "ended with an error that no other kind stands for",
        meaning: "the request failed, and whoever asked for it was told so",
        advice: "the sector and the error say what to check; a medium error is a bad block, a transport error a path, and space is missing where the disk keeps its data",
    },
    Row {
        kind: Kind::IoErrorExpected,
        slug: "io_error_expected",
        severity: Severity::Info,
        rule: "ended with notsupp or again; a discard, a write of zeroes or a secure erase with target; a passthrough command with any error",
        meaning: "the device does not support the operation, the caller asked not to wait, or a command that was passed through to the device failed and whoever sent it was told how",
        advice: "legal: callers probe for this and go on without; commands are passed through by tools such as smartctl, multipathd and nvme-cli, which say what went wrong",
    },
    Row {
        kind: Kind::PartialCompletion,
        slug: "partial_completion",
        severity: Severity::Info,
        rule: "some but not all of its bytes completed",
        meaning: "the request was not completed as a whole but in parts",
        advice: "legal; frequent ones point at firmware limits or at a file that is shorter than its loop device",
    },
    Row {
        kind: Kind::DispatchFailure,
        slug: "dispatch_failure",
        severity: Severity::Critical,
        rule: "ended with an error and was never issued; not while it waited for a flush, not a passthrough command",
        meaning: "the request was refused before the driver started it",
        advice: "the device is offline, removed or could not prepare the command: check that it is still there",
    },
    Row {
        kind: Kind::FlushFailed,
        slug: "flush_failed",
        severity: Severity::Critical,
        rule: "a flush ended with an error, or a request of its flush sequence ended with it",
        meaning: "the device could not make its write cache durable, so data that was acknowledged may be lost",
        advice: "treat what was written since the last good flush as lost, and check the space and health of the device",
    },
    Row {
        kind: Kind::TimedOut,
        slug: "timed_out",
        severity: Severity::Critical,
        rule: "ended after its timeout had fired; not a passthrough command",
        meaning: "the device did not answer in time: error handling took the request away from it, or found that it was done without a sign of it",
        advice: "check cabling, firmware and the kernel log: a device that stops answering is about to fail",
    },
    Row {
        kind: Kind::FlushEmulated,
        slug: "flush_emulated",
        severity: Severity::Info,
        rule: "took part in a flush sequence: its data needed a flush of the write cache before or after it, or it was nothing but such a flush",
        meaning: "the request waited for a flush of the device's whole write cache",
        advice: "legal: it is what fsync costs on a device with a volatile write cache and without FUA",
    },
    Row {
        kind: Kind::OverCompletion,
        slug: "over_completion",
        severity: Severity::Warning,
        rule: "more bytes completed than were left to transfer, and not a passthrough command",
        meaning: "the driver reported more bytes than it was asked for",
        advice: "its accounting is wrong: compare what was read with a second read, and report it with the versions of driver and firmware",
    },
    Row {
        kind: Kind::RequeueStorm,
        slug: "requeue_storm",
        severity: Severity::Critical,
        rule: "requeued 1,000 times without a byte transferred, or 10 times over more than stuck_after; not a passthrough command",
        meaning: "the request is sent back over and over and gets nowhere",
        advice: "the class of the requeues says why: a device that stays busy, a path that is down, or an error that is retried for ever; whoever waits for it hangs",
    },
    Row {
        kind: Kind::Recovered,
        slug: "recovered",
        severity: Severity::Info,
        rule: "ended without error after an attempt that came back without data or timed out; not a passthrough command",
        meaning: "an attempt came to nothing, and a later one succeeded: nobody was told, but it took longer",
        advice: "it explains a latency outlier; frequent ones are the early sign of a failing device or path, or of one that is given more than its own queue holds",
    },
    Row {
        kind: Kind::PathFailover,
        slug: "path_failover",
        severity: Severity::Warning,
        rule: "a request of nvme multipath ended without error and without a byte, and its bios were taken away",
        meaning: "the path failed, and the data is sent again over another path",
        advice: "check the path that this device stands for: its controller, its port, its network",
    },
    Row {
        kind: Kind::StuckInDevice,
        slug: "stuck_in_device",
        severity: Severity::Warning,
        rule: "with the driver for longer than stuck_after, since its last event, and kernel memory confirms that it still is; where another attempt may be among lost events, since its deadline in memory was first seen or since the last loss, whichever is longer ago; not a passthrough command",
        meaning: "the driver has had the request for a long time and has not given it back",
        advice: "the device, or what lies under it, is slow or has stopped answering: look at its own statistics and at the kernel log",
    },
    Row {
        kind: Kind::HungInDevice,
        slug: "hung_in_device",
        severity: Severity::Critical,
        rule: "as stuck_in_device, for 2.5 seconds longer than its timeout: the longer one of its own (request.timeout) and its queue's (queue/io_timeout; 30 s where the driver has no timeout handler); not where the kernel does not tell the length of its ticks",
        meaning: "the driver has had the request for longer than its own timeout and nothing has taken it back",
        advice: "drivers without a timeout handler (loop, virtio-blk) wait for ever: find out what holds the layer below; other drivers are in error handling, or broken",
    },
    Row {
        kind: Kind::StuckInQueue,
        slug: "stuck_in_queue",
        severity: Severity::Warning,
        rule: "started, queued or requeued, or its data done and the flush after them not, without any event for longer than stuck_after, or since the last loss that may have hidden one, and kernel memory confirms that it still is; not while the driver is seen to have a flush that it may be waiting for, which is told itself, and not a passthrough command",
        meaning: "the request waits in a queue and the driver is not asked to take it",
        advice: "the queue is frozen or quiesced, starved by other requests, or its tags, or the flush that this one waits for, are held up by requests that are stuck in the device: look at those first",
    },
    Row {
        kind: Kind::HungInQueue,
        slug: "hung_in_queue",
        severity: Severity::Critical,
        rule: "as stuck_in_queue, for 2.5 seconds longer than the timeout of the queue (queue/io_timeout)",
        meaning: "the request has waited in a queue for longer than a driver would be given for it",
        advice: "no timeout will ever end this, because no driver has it: find what froze the queue, or what its tags are held by",
    },
    Row {
        kind: Kind::Late,
        slug: "late",
        severity: Severity::Warning,
        rule: "the driver had it for 2.5 seconds longer than its timeout, as in hung_in_device, and no timeout ended it; not a passthrough command",
        meaning: "the device answered, but only after it should have been given up",
        advice: "the driver extends its timeouts or has none: look for what stalled the device then",
    },
    Row {
        kind: Kind::SlowFlush,
        slug: "slow_flush",
        severity: Severity::Warning,
        rule: "a flush was with the device for longer than slow_flush_after",
        meaning: "the device took long to empty its write cache, and every fsync behind it waited",
        advice: "much dirty data in the device's cache, or a device that is busy with itself; a cache with power-loss protection does not need flushes at all",
    },
    Row {
        kind: Kind::Merged,
        slug: "merged",
        severity: Severity::Info,
        rule: "merged into a neighbour; one entry for each device and operation, with the first request that was",
        meaning: "the scheduler made one request of two: the device sees fewer requests than were made",
        advice: "legal, and what a scheduler is for; iotruth_merges_total counts it, and a benchmark that means to measure single requests should use none",
    },
];

impl Kind {
    /// What is to be known of this kind.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The bit of this kind in a set of kinds.
    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Whether it is told of requests that are still open, which are looked up in kernel memory.
    #[must_use]
    pub const fn is_of_the_open(self) -> bool {
        matches!(
            self,
            Self::StuckInDevice | Self::HungInDevice | Self::StuckInQueue | Self::HungInQueue
        )
    }

    /// Whether it is about how long something took, which differs from request to request.
    pub(super) const fn is_about_time(self) -> bool {
        self.is_of_the_open() || matches!(self, Self::Late | Self::SlowFlush)
    }

    /// Whether one event proves it, so that no lost event can have feigned it.
    ///
    /// The others rest on what went before, and are shown only if nothing of it can be missing.
    #[must_use]
    pub const fn self_evident(self) -> bool {
        match self {
            Self::DoubleStart
            | Self::QueuedInFlight
            | Self::RequeueBusyBeforeStart
            | Self::RequeueTimeout
            | Self::IoError
            | Self::IoErrorExpected
            | Self::PartialCompletion
            | Self::TimedOut
            | Self::OverCompletion
            | Self::Merged => true,
            Self::CompletedWithoutStart
            | Self::RequeueBusyAfterStart
            | Self::RequeueRetry
            | Self::RequeueShortTransfer
            | Self::DispatchFailure
            | Self::FlushFailed
            | Self::FlushEmulated
            | Self::RequeueStorm
            | Self::Recovered
            | Self::PathFailover
            | Self::StuckInDevice
            | Self::HungInDevice
            | Self::StuckInQueue
            | Self::HungInQueue
            | Self::Late
            | Self::SlowFlush => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    #[test]
    fn rows_stand_at_their_numbers_and_slugs_are_unique() {
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, number);
            assert!(
                TABLE.iter().filter(|other| other.slug == row.slug).count() == 1,
                "{}",
                row.slug
            );
        }
    }
}
