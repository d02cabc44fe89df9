//! For which requests the kernel side tells that they have begun.

/// For which requests their start is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// For none: the kernel is older than 6.5, and `blk_insert_flush` cannot be traced.
    None,
    /// For those that `blk_insert_flush` is given: bios with flush flags. Clones of device mapper and
    /// passthrough are not among them.
    Flushes,
    /// For those with flush flags, and for operations other than read and write.
    Flagged,
    /// For all.
    All,
}

impl Starts {
    /// Whether the start of a request is traced that asks for a flush.
    pub(super) const fn of_flushes(self) -> bool {
        !matches!(self, Self::None)
    }

    /// Whether the start of an operation other than read and write is traced.
    pub(super) const fn of_other_operations(self) -> bool {
        matches!(self, Self::Flagged | Self::All)
    }
}
