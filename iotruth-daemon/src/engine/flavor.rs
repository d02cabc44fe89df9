//! Which numbers this kernel uses for flags, operations and statuses, and what they mean.

use super::{io_error::IoError, operation::Operation};

/// Numbers that the decoder needs and that differ between kernels; from BTF where it has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flavor {
    /// Bits of `request.rq_flags`.
    pub rqf: RequestFlagBits,
    /// Bits of `request.cmd_flags` above the operation; 0 where this kernel lacks the flag.
    pub req: CommandFlagBits,
    /// Numbers of the operations (low 8 bits of `cmd_flags`).
    pub operations: OperationNumbers,
    /// Completions carry a negative errno (5.15 and before) rather than a `blk_status_t`.
    pub status_is_errno: bool,
    /// Statuses above 13 are numbered as since Linux 6.12 rather than as before.
    pub statuses_of_6_12: bool,
}

/// `RQF_*` masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFlagBits {
    /// `RQF_FLUSH_SEQ`: takes part in a flush sequence.
    pub flush_seq: u32,
    /// `RQF_TIMED_OUT`: its timeout has fired.
    pub timed_out: u32,
    /// `RQF_IO_STAT`: counted in the disk's statistics.
    pub io_stat: u32,
}

/// `REQ_*` masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandFlagBits {
    /// `REQ_SYNC`
    pub sync: u32,
    /// `REQ_META`
    pub meta: u32,
    /// `REQ_PRIO`
    pub prio: u32,
    /// `REQ_IDLE`
    pub idle: u32,
    /// `REQ_FUA`
    pub fua: u32,
    /// `REQ_PREFLUSH`
    pub preflush: u32,
    /// `REQ_RAHEAD`
    pub rahead: u32,
    /// `REQ_BACKGROUND`
    pub background: u32,
    /// `REQ_NOWAIT`
    pub nowait: u32,
    /// `REQ_POLLED`
    pub polled: u32,
    /// `REQ_SWAP`
    pub swap: u32,
    /// `REQ_DRV`, with which nvme multipath marks what it may send over another path.
    pub drv: u32,
}

/// `REQ_OP_*` numbers; `None` where this kernel lacks the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationNumbers {
    /// `REQ_OP_READ`
    pub read: u8,
    /// `REQ_OP_WRITE`
    pub write: u8,
    /// `REQ_OP_FLUSH`
    pub flush: u8,
    /// `REQ_OP_DISCARD`
    pub discard: u8,
    /// `REQ_OP_SECURE_ERASE`
    pub secure_erase: Option<u8>,
    /// `REQ_OP_WRITE_ZEROES`
    pub write_zeroes: Option<u8>,
    /// `REQ_OP_ZONE_OPEN`, `_CLOSE`, `_FINISH`, `_APPEND`, `_RESET`, `_RESET_ALL`.
    pub zone: [Option<u8>; 6],
    /// `REQ_OP_DRV_IN`: from this number on, commands are passed through.
    pub driver_in: u8,
}

impl Flavor {
    /// The numbers of Linux 6.12 to 7.3, for tests and synthetic streams.
    #[must_use]
    pub const fn linux_6_12() -> Self {
        Self {
            rqf: RequestFlagBits { flush_seq: 1 << 1, timed_out: 1 << 14, io_stat: 1 << 8 },
            req: CommandFlagBits {
                sync: 1 << 11,
                meta: 1 << 12,
                prio: 1 << 13,
                idle: 1 << 15,
                fua: 1 << 17,
                preflush: 1 << 18,
                rahead: 1 << 19,
                background: 1 << 20,
                nowait: 1 << 21,
                polled: 1 << 22,
                swap: 1 << 24,
                drv: 1 << 25,
            },
            operations: OperationNumbers {
                read: 0,
                write: 1,
                flush: 2,
                discard: 3,
                secure_erase: Some(5),
                write_zeroes: Some(9),
                zone: [Some(11), Some(13), Some(15), Some(7), Some(17), Some(19)],
                driver_in: 34,
            },
            status_is_errno: false,
            statuses_of_6_12: true,
        }
    }
}

impl Flavor {
    /// What the operation in the low 8 bits of `cmd_flags` is.
    #[must_use]
    #[inline]
    pub fn operation(&self, cmd_flags: u32) -> Operation {
        let number = cmd_flags as u8;
        let known = &self.operations;
        if number == known.read {
            Operation::Read
        } else if number == known.write {
            Operation::Write
        } else if number == known.flush {
            Operation::Flush
        } else if number == known.discard {
            Operation::Discard
        } else if Some(number) == known.write_zeroes {
            Operation::WriteZeroes
        } else if Some(number) == known.secure_erase {
            Operation::SecureErase
        } else if known.zone.contains(&Some(number)) {
            Operation::Zone
        } else {
            Operation::Other
        }
    }

    /// Whether the command is passed through the block layer unread.
    #[must_use]
    pub const fn passthrough(&self, cmd_flags: u32) -> bool {
        cmd_flags as u8 >= self.operations.driver_in
    }

    /// Operation and flags in the letters of `blk_fill_rwbs` in the kernel.
    #[must_use]
    pub fn letters(&self, cmd_flags: u32) -> String {
        let mut letters = String::with_capacity(8);
        if cmd_flags & self.req.preflush != 0 {
            letters.push('F');
        }
        letters.push_str(match self.operation(cmd_flags) {
            Operation::Read => "R",
            Operation::Write => "W",
            Operation::Flush => "F",
            Operation::Discard => "D",
            Operation::SecureErase => "DE",
            Operation::WriteZeroes | Operation::Zone | Operation::Other => "N",
        });
        let flags = [
            (self.req.fua, 'F'),
            (self.req.rahead, 'A'),
            (self.req.sync, 'S'),
            (self.req.meta, 'M'),
        ];
        letters.extend(
            flags.into_iter().filter(|(mask, _)| cmd_flags & mask != 0).map(|(_, letter)| letter),
        );
        letters
    }

    /// Operation and flags as words.
    #[must_use]
    pub fn words(&self, cmd_flags: u32) -> Vec<&'static str> {
        let req = &self.req;
        let flags = [
            (req.preflush, "preflush"),
            (req.fua, "fua"),
            (req.sync, "sync"),
            (req.meta, "meta"),
            (req.prio, "prio"),
            (req.idle, "idle"),
            (req.rahead, "rahead"),
            (req.background, "background"),
            (req.nowait, "nowait"),
            (req.polled, "polled"),
            (req.swap, "swap"),
        ];
        std::iter::once(self.operation(cmd_flags).label())
            .chain(
                flags.into_iter().filter(|(mask, _)| cmd_flags & mask != 0).map(|(_, word)| word),
            )
            .collect()
    }

    /// What a raw completion status says; `None` for success.
    #[must_use]
    pub const fn error(&self, status: i32) -> Option<IoError> {
        if status == 0 {
            None
        } else if self.status_is_errno {
            Some(from_errno(status))
        } else {
            Some(from_status(status, self.statuses_of_6_12))
        }
    }
}

/// `blk_status_t`; the numbers above 13 moved in Linux 6.12.
#[expect(clippy::match_same_arms, reason = "in the order of the kernel's numbers")]
const fn from_status(status: i32, of_6_12: bool) -> IoError {
    match status {
        1 => IoError::NotSupported,
        2 => IoError::Timeout,
        3 => IoError::NoSpace,
        4 => IoError::Transport,
        5 => IoError::Target,
        7 => IoError::Medium,
        8 => IoError::Protection,
        10 => IoError::Io,
        12 => IoError::Again,
        9 | 13..=15 => IoError::Resource,
        // Numbered differently on each side of 6.12.
        16 if of_6_12 => IoError::Offline,
        16 => IoError::Resource,
        17 if !of_6_12 => IoError::Offline,
        _ => IoError::Other,
    }
}

/// The errno that `blk_status_to_errno` made of a status, up to Linux 5.15.
const fn from_errno(errno: i32) -> IoError {
    match errno.saturating_neg() {
        5 => IoError::Io,
        11 => IoError::Again,
        12 | 16 => IoError::Resource,
        19 => IoError::Offline,
        28 => IoError::NoSpace,
        61 => IoError::Medium,
        67 => IoError::Transport,
        84 => IoError::Protection,
        95 => IoError::NotSupported,
        110 => IoError::Timeout,
        121 => IoError::Target,
        _ => IoError::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Flavor, IoError};

    #[test]
    fn letters_are_those_of_blktrace() {
        let flavor = Flavor::linux_6_12();
        let req = flavor.req;
        assert_eq!(flavor.letters(1 | req.sync | req.fua | req.preflush), "FWFS");
        assert_eq!(flavor.letters(2 | req.preflush), "FF");
        assert_eq!(flavor.letters(req.rahead | req.meta), "RAM");
        assert_eq!(flavor.letters(34), "N");
        assert_eq!(flavor.words(1 | req.sync), ["write", "sync"]);
    }

    #[test]
    fn statuses_above_13_follow_the_kernel() {
        let new = Flavor::linux_6_12();
        let old = Flavor { statuses_of_6_12: false, ..new };
        let errno = Flavor { status_is_errno: true, ..old };
        assert_eq!(new.error(16), Some(IoError::Offline));
        assert_eq!(old.error(16), Some(IoError::Resource));
        assert_eq!(old.error(17), Some(IoError::Offline));
        assert_eq!(new.error(10), Some(IoError::Io));
        assert_eq!(errno.error(-5), Some(IoError::Io));
        assert_eq!(errno.error(-28), Some(IoError::NoSpace));
        assert_eq!(new.error(0), None);
        assert_eq!(errno.error(i32::MIN), Some(IoError::Other));
    }
}
