//! Every path that the block layer can take a request along, with and without start events.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::collections::BTreeMap;

use super::{
    figures,
    script::{
        Ask::{
            self, Bare, Discard, Empty, Fua, HardwareFua, Multipath, Passthrough, Preflush, Read,
            Write, WriteZeroes, Zone,
        },
        Player,
    },
    snapshot,
};
use crate::engine::{
    Starts,
    histogram::Histogram,
    kind::Kind::{
        self, CompletedWithoutStart, DispatchFailure, DoubleStart, FlushEmulated, FlushFailed,
        IoError, IoErrorExpected, Merged, OverCompletion, PartialCompletion, PathFailover,
        QueuedInFlight, Recovered, RequeueBusyAfterStart, RequeueBusyBeforeStart, RequeueRetry,
        RequeueShortTransfer, RequeueTimeout, TimedOut,
    },
    operation::Operation,
    phase::Phase,
    synthetic::{DISK, Kernel},
};

/// A path and what is to be told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// What it is, and where the kernel takes it.
    pub(super) name: &'static str,
    pub(super) ask: Ask,
    pub(super) script: &'static str,
    /// Every kind that is shown, in order of their numbers.
    pub(super) kinds: &'static [Kind],
    /// Bytes of the one request that is counted; `None` if it is counted as merged.
    bytes: Option<u32>,
    /// Phases that have a sample where its start is traced, by first letter, and where it is not.
    phases: [&'static str; 2],
}

const fn path(
    name: &'static str,
    ask: Ask,
    script: &'static str,
    kinds: &'static [Kind],
    bytes: u32,
    phases: [&'static str; 2],
) -> Path {
    Path { name, ask, script, kinds, bytes: Some(bytes), phases }
}

const fn merged(name: &'static str, script: &'static str) -> Path {
    Path { name, ask: Write, script, kinds: &[Merged], bytes: None, phases: ["", ""] }
}

const ALL: u32 = 16_384;
const EMULATED: &[Kind] = &[FlushEmulated];
const FAILED: &[Kind] = &[FlushFailed, FlushFailed];

pub(super) const PATHS: &[Path] = &[
    path("P1 direct issue", Read, "s d c", &[], ALL, ["qdt", "dt"]),
    path("P2, P3 queued", Write, "s i d c", &[], ALL, ["qdt", "qdt"]),
    path("P4 bios merged", Write, "s i g d c", &[], ALL + 8192, ["qdt", "qdt"]),
    merged("P5 merged at insert", "s m"),
    merged("P6 merged after insert", "s i m"),
    path("P7 busy, bypass", Read, "s d q d c", &[RequeueBusyAfterStart], ALL, ["qrdt", "rdt"]),
    path("P8 bounced", Read, "s q q d c", &[RequeueBusyBeforeStart], ALL, ["qdt", "dt"]),
    path("P9 not started", Read, "s i q d c", &[RequeueBusyBeforeStart], ALL, ["qdt", "qdt"]),
    path("P9 started", Read, "s i d q d c", &[RequeueBusyAfterStart], ALL, ["qrdt", "qrdt"]),
    path("P10 direct", Write, "s d q i d c", &[RequeueBusyAfterStart], ALL, ["qrdt", "rdt"]),
    path("P10 grown", Write, "s i d q i g d c", &[RequeueBusyAfterStart], 24_576, ["qrdt"; 2]),
    path(
        "P13 short transfer",
        Read,
        "s i d p6144 q i d c",
        &[RequeueShortTransfer, PartialCompletion],
        ALL,
        ["qrdt", "qrdt"],
    ),
    path("P14 retry", Read, "s d p0!10 q i d c", &[RequeueRetry, Recovered], ALL, ["qrdt", "rdt"]),
    path(
        "P14 retry in vain",
        Read,
        "s d p0!10 q i d c!10",
        &[RequeueRetry, IoError],
        0,
        ["qrdt", "rdt"],
    ),
    path("P15 medium error", Read, "s d p0 c!7", &[IoError], 0, ["qdt", "dt"]),
    path(
        "P15 a part failed",
        Read,
        "s d p4096!7 q d c",
        &[RequeueShortTransfer, IoError, PartialCompletion],
        12_288,
        ["qrdt", "rdt"],
    ),
    path("P15 not supported", Discard, "s d c!1", &[IoErrorExpected], 0, ["qdt", "dt"]),
    path("P15 unknown command", Discard, "s d p0 c!5", &[IoErrorExpected], 0, ["qdt", "dt"]),
    path("P19 no such command", WriteZeroes, "s c!5", &[IoErrorExpected], 0, ["qt", ""]),
    path("P15 bad target", Write, "s d c!5", &[IoError], 0, ["qdt", "dt"]),
    path("P15 not now", Read, "s d c!12", &[IoErrorExpected], 0, ["qdt", "dt"]),
    path(
        "P16 timeout, again",
        Read,
        "s d qt d c",
        &[RequeueTimeout, Recovered],
        ALL,
        ["qrdt", "rdt"],
    ),
    path("P17 timeout, failed", Read, "s d t c!2", &[TimedOut], 0, ["qdt", "dt"]),
    path("P17 timeout, answered", Read, "s d t c", &[TimedOut], ALL, ["qdt", "dt"]),
    path("P19 refused", Read, "s c!16", &[DispatchFailure], 0, ["qt", ""]),
    path("P19 refused, queued", Read, "s i c!16", &[DispatchFailure], 0, ["qt", "qt"]),
    path("P19 zone, refused", Zone, "s c!16", &[DispatchFailure], 0, ["qt", ""]),
    path("P19 zone, queued", Zone, "s i c!16", &[DispatchFailure], 0, ["qt", "qt"]),
    path("P15 zone, failed", Zone, "s d c!10", &[IoError], 0, ["qdt", "dt"]),
    path("P1 zone", Zone, "s d c", &[], 0, ["qdt", "dt"]),
    path("P19b refused, started", Read, "s d c!10", &[IoError], 0, ["qdt", "dt"]),
    path(
        "P19 refused at the second attempt",
        Read,
        "s i d q c!16",
        &[RequeueBusyAfterStart, IoError],
        0,
        ["qrt", "qrt"],
    ),
    path("P20 clone", Read, "r s d c", &[], ALL, ["qdt", "dt"]),
    path("P20 clone, busy", Read, "r s d q x r s d c", &[], ALL, ["qdt", "dt"]),
    path("P20 clone, bounced", Read, "r s q x r s d c", &[], ALL, ["qdt", "dt"]),
    path("P20 clone, dropped", Read, "r s x r s d c", &[], ALL, ["qdt", "dt"]),
    path("P21 original", Read, "s i d c e", &[], ALL, ["qdt", "qdt"]),
    path(
        "P21 original, partial",
        Read,
        "s i d p4096 q i d c e",
        &[RequeueShortTransfer, PartialCompletion],
        ALL,
        ["qrdt", "qrdt"],
    ),
    path("P21 busy", Read, "s i d q d c e", &[RequeueBusyAfterStart], ALL, ["qrdt", "qrdt"]),
    path("P21 in a flush sequence", Fua, "s i d c e fd fc+z", EMULATED, ALL, ["qdft", "qdft"]),
    path("P22 failover", Multipath, "s d v c", &[PathFailover], 0, ["qdt", "dt"]),
    path("nvme, unreachable", Multipath, "s u c!4", &[IoError], 0, ["qt", ""]),
    path("nvme, queued, unreachable", Multipath, "s i u c!4", &[IoError], 0, ["qt", "qt"]),
    path(
        "nvme, unreachable for a while",
        Multipath,
        "s u q i u q i d c",
        &[RequeueRetry, Recovered],
        ALL,
        ["qdt", "dt"],
    ),
    path("P22 failover, unreachable", Multipath, "s u v c", &[], 0, ["qt", ""]),
    path("P22 failover, never issued", Multipath, "s v c", &[], 0, ["qt", ""]),
    path("P22 bios taken by somebody else", Read, "s d v c", &[], 0, ["qdt", "dt"]),
    path("P23 empty flush", Empty, "s fd fc+z", EMULATED, 0, ["ft", ""]),
    path("P23 empty flush fails", Empty, "s fd fc!10+z!10", FAILED, 0, ["ft", ""]),
    path("P24 nothing to flush", Empty, "s z", &[], 0, ["qt", ""]),
    path("P25 flush before", Preflush, "s fd fc i d c+z", EMULATED, ALL, ["qdft", "qdft"]),
    path("P25' flush before", Preflush, "s fd fc d c+z", EMULATED, ALL, ["qdft", "dft"]),
    path("P25 on both sides", Preflush, "s fd fc i d c fd fc+z", EMULATED, ALL, ["qdft"; 2]),
    path("P25 it fails", Preflush, "s fd fc!10+z!10", FAILED, 0, ["ft", ""]),
    path("P25 data fails", Preflush, "s fd fc i d c!10+z!10", &[IoError], 0, ["qdft", "qdft"]),
    path("P25 data refused", Preflush, "s fd fc i c!16+z!16", &[DispatchFailure], 0, ["qft"; 2]),
    path("P25' data refused", Preflush, "s fd fc c!16+z!16", &[DispatchFailure], 0, ["qft", ""]),
    path(
        "P25 busy",
        Preflush,
        "s fd fc i d q d c+z",
        &[RequeueBusyAfterStart, FlushEmulated],
        ALL,
        ["qrdft", "qrdft"],
    ),
    path("P26 flush after", Fua, "s i d c fd fc+z", EMULATED, ALL, ["qdft", "qdft"]),
    path("P26' flush after", Fua, "s d c fd fc+z", EMULATED, ALL, ["qdft", "dft"]),
    path("P26 it fails", Fua, "s d c fd fc!10+z!10", FAILED, ALL, ["qdft", "dft"]),
    path("P27 FUA", HardwareFua, "s i d c", &[], ALL, ["qdt", "qdt"]),
    path("P27' FUA", HardwareFua, "s d c", &[], ALL, ["qdt", "dt"]),
    path("P28 passthrough", Passthrough, "s d c", &[], 96, ["qdt", "dt"]),
    path("P28 queued", Passthrough, "s i d c", &[], 96, ["qdt", "qdt"]),
    path("P28 busy", Passthrough, "s d q d c", &[RequeueBusyAfterStart], 96, ["qrdt", "rdt"]),
    path("P28 without data", Bare, "s d c", &[], 0, ["qdt", "dt"]),
    path("P28 failed", Passthrough, "s d c!5", &[IoErrorExpected], 0, ["qdt", "dt"]),
    path("P28 check condition", Bare, "s d c!10", &[IoErrorExpected], 0, ["qdt", "dt"]),
    path("P28 refused", Bare, "s c!16", &[IoErrorExpected], 0, ["qt", ""]),
    path("P28 data refused", Passthrough, "s c!16", &[IoErrorExpected], 0, ["qt", ""]),
    path("P28 timeout", Passthrough, "s d t c!2", &[IoErrorExpected], 0, ["qdt", "dt"]),
    path("P28 timeout, answered", Bare, "s d t c", &[], 0, ["qdt", "dt"]),
    path("P28 timeout, again", Bare, "s d qt d c", &[], 0, ["qrdt", "rdt"]),
    path("P28 retry", Passthrough, "s d p0!10 q d c", &[], 96, ["qrdt", "rdt"]),
    path(
        "P29 flush bounced",
        Empty,
        "s fq fd fc+z",
        &[RequeueBusyBeforeStart, FlushEmulated],
        0,
        ["ft", ""],
    ),
    path("A1", Read, "s d d c", &[DoubleStart], ALL, ["qdt", "dt"]),
    path("A2 insert", Read, "s d i c", &[QueuedInFlight], ALL, ["qdt", "dt"]),
    path("A2 merge", Read, "s d m c", &[QueuedInFlight], ALL, ["qdt", "dt"]),
    path("A3", Read, "s c", &[CompletedWithoutStart], ALL, ["qt", ""]),
    path("A4", Read, "s d p32768", &[OverCompletion], 32_768, ["qdt", "dt"]),
    path("A3 queued", Read, "s i c", &[CompletedWithoutStart], ALL, ["qt", "qt"]),
];

impl Path {
    /// Which kinds are shown; an empty flush whose start is not traced shows nothing of its flush.
    pub(super) fn shown(&self, starts: Starts) -> Vec<Kind> {
        let alone = self.ask == Empty && starts == Starts::None;
        self.kinds.iter().copied().filter(|kind| !(alone && *kind == FlushEmulated)).collect()
    }

    fn traced(&self, starts: Starts) -> bool {
        match starts {
            Starts::All => true,
            Starts::Flagged => self.ask.flagged(),
            Starts::Flushes => matches!(self.ask, Preflush | Fua | HardwareFua | Empty),
            Starts::None => false,
        }
    }
}

#[test]
fn every_path_is_told_as_it_is() {
    for starts in [Starts::All, Starts::Flagged, Starts::Flushes, Starts::None] {
        for path in PATHS {
            // Twice on one address: the second time it is known that the address was free.
            let mut kernel = Kernel::with(starts);
            for round in 1..=2 {
                // Before its first end only an event with a start time proves that a life is new.
                if round == 1 {
                    kernel.ordinary(0x40, 0, 0, false);
                }
                let mut player = Player::new(&kernel, path.ask, path.script, 0x40);
                while player.step(kernel.after(1_000)) {}
            }
            let told = format!("{} {starts:?}", path.name);
            let snapshot = snapshot(&mut kernel);
            assert_eq!(snapshot.lives.unjudged, 0, "{told}");
            assert_eq!(snapshot.lives.open, 0, "{told}");
            // What is told of a request while it is open has an entry for each round.
            let mut counts = BTreeMap::<_, u64>::new();
            for entry in &snapshot.mismatches {
                *counts.entry((entry.kind, entry.letters.clone(), entry.bytes)).or_default() +=
                    entry.count;
            }
            let shown: Vec<_> = counts.keys().map(|(kind, ..)| *kind).collect();
            assert_eq!(shown, path.shown(starts), "{told}");
            assert!(counts.values().all(|count| *count == 2), "{told}");

            let operation = match path.ask {
                Read | Multipath => Operation::Read,
                Write | Preflush | Fua | HardwareFua | Empty => Operation::Write,
                Discard => Operation::Discard,
                WriteZeroes => Operation::WriteZeroes,
                Zone => Operation::Zone,
                Passthrough | Bare => Operation::Other,
            };
            let figures = figures(&snapshot, operation);
            let ordinary = u64::from(operation == Operation::Read);
            let requests = if path.bytes.is_some() { 2 } else { 0 };
            assert_eq!(figures.requests, requests + ordinary, "{told}");
            assert_eq!(figures.merges, 2 - requests, "{told}");
            let bytes = u64::from(path.bytes.unwrap_or(0)) * 2;
            assert_eq!(figures.bytes, bytes + ordinary * 4096, "{told}");
            let expected = path.phases[usize::from(!path.traced(starts))];
            for phase in Phase::ALL {
                let samples = figures.phases[phase as usize].as_ref().map_or(0, Histogram::count);
                let of_ordinary =
                    if matches!(phase, Phase::Device | Phase::Total) { ordinary } else { 0 };
                let present = expected.contains(&phase.label()[..1]);
                assert_eq!(samples, of_ordinary + 2 * u64::from(present), "{told} {phase:?}");
            }
        }
    }
}

#[test]
fn the_owner_is_who_asked_and_never_a_guess() {
    let mut kernel = Kernel::with(Starts::None);
    kernel.ordinary(0x40, 0, 0, false);
    for script in ["d c!10", "i d c!10"] {
        let mut player = Player::new(&kernel, Read, script, 0x40);
        while player.step(kernel.after(1_000)) {}
    }
    // The insert is refused, and whoever runs the queue issues it.
    let mut player = Player::new(&kernel, Write, "i d c!10", 0x40);
    kernel.refuse = 1;
    while player.step(kernel.after(1_000)) {}
    let snapshot = snapshot(&mut kernel);
    let owner = |operation| {
        let found = snapshot.mismatches.iter().find(|entry| entry.operation == operation);
        found.unwrap().owner.task.map(|task| task.pid)
    };
    assert_eq!(owner(Operation::Read), Some(42));
    assert_eq!(owner(Operation::Write), None);
    assert_eq!(snapshot.devices[&DISK].mismatches[IoError as usize], 3);
}

/// A request that is sent back before anything else is seen of it has its group all the same.
#[test]
fn the_group_is_known_from_whatever_event_tells_it() {
    for script in ["d c!10", "q d c!10", "q i d c!10"] {
        let mut kernel = Kernel::with(Starts::None);
        kernel.ordinary(0x40, 0, 0, false);
        let mut player = Player::new(&kernel, Write, script, 0x40);
        while player.step(kernel.after(1_000)) {}
        let snapshot = snapshot(&mut kernel);
        let error = snapshot.mismatches.iter().find(|entry| entry.kind == IoError);
        assert_eq!(error.unwrap().owner.cgroup, 77, "{script}");
    }
}
