//! Lives for docs/mismatches.md that no real device can be made to have.

use super::{
    script::{Ask, Player},
    snapshot,
};
use crate::engine::{kind::Kind, snapshot::Snapshot, synthetic::Kernel};

/// Kinds whose example is synthetic, and why.
pub(crate) const SYNTHETIC: &[(Kind, &str)] = &[
    (Kind::DoubleStart, BROKEN),
    (Kind::QueuedInFlight, BROKEN),
    (Kind::CompletedWithoutStart, BROKEN),
    (Kind::OverCompletion, BROKEN),
];

const BROKEN: &str = "synthetic: it takes a broken driver";

const ADDRESS: u64 = 0x254_6180;

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
        Some(_) | None => panic!("{kind:?} has a real example"),
    }
}
