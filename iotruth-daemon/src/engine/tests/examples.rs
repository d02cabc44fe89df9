//! Lives for docs/mismatches.md that no scenario has, or that no real device can be made to have.

use iotruth_common::probe::Probe;

use super::{
    FLUSH, READ,
    script::{Ask, Player},
    snapshot,
};
use crate::engine::{
    kind::Kind,
    snapshot::Snapshot,
    synthetic::{Kernel, QUEUE},
};

/// Kinds whose example is synthetic, and why.
pub(crate) const SYNTHETIC: &[(Kind, &str)] = &[
    (Kind::DoubleStart, BROKEN),
    (Kind::QueuedInFlight, BROKEN),
    (Kind::CompletedWithoutStart, BROKEN),
    (Kind::OverCompletion, BROKEN),
    (Kind::PathFailover, "synthetic: no scenario has an nvme subsystem with two controllers"),
    (Kind::HungInDevice, UNTRIED),
    (Kind::StuckInQueue, UNTRIED),
    (Kind::HungInQueue, UNTRIED),
    (Kind::Late, UNTRIED),
    (Kind::SlowFlush, UNTRIED),
    (Kind::Merged, "synthetic: any scheduler that merges shows it"),
];

const BROKEN: &str = "synthetic: it takes a broken driver";
const UNTRIED: &str = "synthetic: no scenario provokes it yet";

const ADDRESS: u64 = 0x254_6180;
const SECOND: u64 = 1_000_000_000;

/// What is known after a life of this kind; only of the kinds of [`SYNTHETIC`].
pub(crate) fn play(kind: Kind) -> Snapshot {
    let script = |ask, script| {
        let mut kernel = Kernel::new();
        let mut player = Player::new(&kernel, ask, script, ADDRESS);
        while player.step(kernel.after(20_000)) {}
        snapshot(&mut kernel)
    };
    match SYNTHETIC.iter().position(|(synthetic, _)| *synthetic == kind) {
        Some(0) => script(Ask::Read, "s d d c"),
        Some(1) => script(Ask::Write, "s d i c"),
        Some(2) => script(Ask::Read, "s i c"),
        Some(3) => script(Ask::Read, "s d p32768"),
        Some(4) => script(Ask::Multipath, "s d v c"),
        Some(5) => waiting(READ, Probe::Issue, 33 * SECOND, false),
        Some(6) => waiting(READ, Probe::Insert, 6 * SECOND, false),
        Some(7) => waiting(READ, Probe::Insert, 33 * SECOND, false),
        Some(8) => waiting(READ, Probe::Issue, 33 * SECOND, true),
        Some(9) => waiting(FLUSH, Probe::Issue, 2 * SECOND, true),
        Some(10) => script(Ask::Write, "s i m"),
        Some(_) | None => panic!("{kind:?} has a real example"),
    }
}

/// A request that stays where this event brought it, and then ends or is looked at.
fn waiting(cmd_flags: u32, last: Probe, time: u64, ends: bool) -> Snapshot {
    let mut kernel = Kernel::new();
    let flush = cmd_flags == FLUSH;
    let (sector, bytes) = if flush { (u64::MAX, 0) } else { (2048, 4096) };
    let mut rq = kernel.allocate(ADDRESS, cmd_flags, sector, bytes);
    rq.bio = !flush;
    if !flush {
        kernel.after(1_000).insert(&mut rq);
    }
    if last == Probe::Issue {
        kernel.after(20_000).issue(&mut rq);
    }
    kernel.audit();
    kernel.after(time);
    if ends {
        kernel.complete(&mut rq, bytes, 0);
    } else {
        let memory = Kernel::memory(QUEUE, &rq, 1);
        kernel.census(|_| Some(memory.clone()));
    }
    snapshot(&mut kernel)
}
