//! What the made-up hosts do: the cases that are measured.

/// Which events a life has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Issue, complete: no I/O scheduler, a free tag. Nearly all of them on a fast disk.
    Direct,
    /// Insert, issue, complete.
    Queued,
    /// Start, issue, complete: with `start_events`.
    Started,
}

/// One host and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// What it is called.
    pub name: &'static str,
    /// Which events each life has.
    pub path: Path,
    /// Requests that are open at any time.
    pub open: u64,
    /// Disks that they are spread over.
    pub devices: u64,
    /// Hardware queues that they go through.
    pub queues: u64,
    /// Rings that the records of these queues come through.
    pub rings: u64,
    /// Whether its instructions are counted in CI.
    pub counted: bool,
}

/// The plainest host, of which the others are made.
pub const PLAIN: Load = Load {
    name: "plain",
    path: Path::Direct,
    open: 1_000,
    devices: 1,
    queues: 1,
    rings: 1,
    counted: false,
};

/// The host that all of this is for: many disks, all busy.
pub const LARGE: Load = Load {
    name: "large",
    open: 100_000,
    devices: 256,
    queues: 16,
    rings: 16,
    counted: true,
    ..PLAIN
};

/// Every case.
pub const LOADS: [Load; 13] = [
    Load { counted: true, ..PLAIN },
    Load { name: "plain-100k", open: 100_000, counted: true, ..PLAIN },
    Load { name: "plain-1m", open: 1_000_000, ..PLAIN },
    Load { name: "queued", path: Path::Queued, counted: true, ..PLAIN },
    Load { name: "queued-100k", path: Path::Queued, open: 100_000, ..PLAIN },
    Load { name: "started", path: Path::Started, counted: true, ..PLAIN },
    Load { name: "started-100k", path: Path::Started, open: 100_000, ..PLAIN },
    Load { name: "devices-16", devices: 16, ..PLAIN },
    Load { name: "devices-256", devices: 256, ..PLAIN },
    Load { name: "rings-4", queues: 4, rings: 4, ..PLAIN },
    Load { name: "rings-16", queues: 16, rings: 16, ..PLAIN },
    LARGE,
    Load { name: "large-queued", path: Path::Queued, counted: false, ..LARGE },
];
