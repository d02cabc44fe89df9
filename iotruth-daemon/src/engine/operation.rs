//! What a request asks of the device.

/// The operations that are told apart in every figure; a closed set of label values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Operation {
    /// `REQ_OP_READ`
    Read,
    /// `REQ_OP_WRITE`; also a write of no bytes, which is how an empty flush is asked for.
    Write,
    /// `REQ_OP_FLUSH`: the flush command that the device gets.
    Flush,
    /// `REQ_OP_DISCARD`
    Discard,
    /// `REQ_OP_WRITE_ZEROES`
    WriteZeroes,
    /// `REQ_OP_SECURE_ERASE`
    SecureErase,
    /// Any `REQ_OP_ZONE_*`.
    Zone,
    /// Everything else, passthrough commands among them.
    Other,
}

/// How many operations there are; the length of every per-operation table.
pub const OPERATIONS: usize = 8;

impl Operation {
    /// Every operation, in the order of their numbers.
    pub const ALL: [Self; OPERATIONS] = [
        Self::Read,
        Self::Write,
        Self::Flush,
        Self::Discard,
        Self::WriteZeroes,
        Self::SecureErase,
        Self::Zone,
        Self::Other,
    ];

    /// The label value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::Discard => "discard",
            Self::WriteZeroes => "write_zeroes",
            Self::SecureErase => "secure_erase",
            Self::Zone => "zone",
            Self::Other => "other",
        }
    }
}
