//! How a request failed, in words that do not change between kernels.

/// Classes of failure; a closed set of label values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum IoError {
    /// `BLK_STS_IOERR`: no more is known.
    Io,
    /// `BLK_STS_TIMEOUT`
    Timeout,
    /// `BLK_STS_NOSPC`
    NoSpace,
    /// `BLK_STS_TARGET`
    Target,
    /// `BLK_STS_TRANSPORT`
    Transport,
    /// `BLK_STS_MEDIUM`
    Medium,
    /// `BLK_STS_PROTECTION`
    Protection,
    /// `BLK_STS_RESOURCE`, `BLK_STS_DEV_RESOURCE`, and the zone resources.
    Resource,
    /// `BLK_STS_OFFLINE`
    Offline,
    /// `BLK_STS_NOTSUPP`: the device cannot do this, which callers probe for.
    NotSupported,
    /// `BLK_STS_AGAIN`: the caller asked not to wait.
    Again,
    /// Any other status.
    Other,
}

/// How many classes there are.
pub const IO_ERRORS: usize = 12;

impl IoError {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; IO_ERRORS] = [
        Self::Io,
        Self::Timeout,
        Self::NoSpace,
        Self::Target,
        Self::Transport,
        Self::Medium,
        Self::Protection,
        Self::Resource,
        Self::Offline,
        Self::NotSupported,
        Self::Again,
        Self::Other,
    ];

    /// The label value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Timeout => "timeout",
            Self::NoSpace => "nospc",
            Self::Target => "target",
            Self::Transport => "transport",
            Self::Medium => "medium",
            Self::Protection => "protection",
            Self::Resource => "resource",
            Self::Offline => "offline",
            Self::NotSupported => "notsupp",
            Self::Again => "again",
            Self::Other => "other",
        }
    }

    /// The words for a sentence, as the kernel log has them.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Io => "I/O error",
            Self::Timeout => "timeout",
            Self::NoSpace => "no space on the device",
            Self::Target => "critical target error",
            Self::Transport => "transport error",
            Self::Medium => "critical medium error",
            Self::Protection => "protection error",
            Self::Resource => "lack of a resource",
            Self::Offline => "device offline",
            Self::NotSupported => "operation not supported",
            Self::Again => "would have to wait",
            Self::Other => "unknown error",
        }
    }
}
