//! Which numbers this kernel uses for flags, operations and statuses.

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
            rqf: RequestFlagBits { flush_seq: 1 << 1, timed_out: 1 << 14 },
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
            },
            operations: OperationNumbers {
                read: 0,
                write: 1,
                flush: 2,
                discard: 3,
                secure_erase: Some(5),
                write_zeroes: Some(9),
                zone: [Some(10), Some(11), Some(12), Some(7), Some(13), Some(15)],
                driver_in: 34,
            },
            status_is_errno: false,
            statuses_of_6_12: true,
        }
    }
}
