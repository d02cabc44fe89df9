//! One file for each traced tracepoint, with its programs.

use iotruth_common::probe::{Probe, Program};

/// Which program runs: known to the compiler, because some constants belong to one program.
pub(crate) trait Runs {
    /// The program.
    const PROGRAM: Program;
}

/// The only program of the probe with this number.
pub(crate) struct Only<const PROBE: u8>;

/// The first program of the probe with this number.
pub(crate) struct First<const PROBE: u8>;

/// The second program of the probe with this number.
pub(crate) struct Second<const PROBE: u8>;

const fn probe(number: u8) -> Probe {
    match Probe::from_wire(number) {
        Some(probe) => probe,
        None => panic!("there is no such probe"),
    }
}

impl<const PROBE: u8> Runs for Only<PROBE> {
    const PROGRAM: Program = Program::only(probe(PROBE));
}

impl<const PROBE: u8> Runs for First<PROBE> {
    const PROGRAM: Program = Program::first(probe(PROBE));
}

impl<const PROBE: u8> Runs for Second<PROBE> {
    const PROGRAM: Program = Program::second(probe(PROBE));
}

/// The programs of one tracepoint, which all do the same, each in its role. The daemon loads the
/// first of them alone, or the others.
macro_rules! programs {
    ($tell:ident($probe:ident), $only:ident, $first:ident, $second:ident) => {
        #[aya_ebpf::macros::btf_tracepoint]
        fn $only(ctx: aya_ebpf::programs::BtfTracePointContext) {
            $tell::<crate::probe::Only<{ Probe::$probe as u8 }>>(&ctx);
        }

        #[aya_ebpf::macros::btf_tracepoint]
        fn $first(ctx: aya_ebpf::programs::BtfTracePointContext) {
            $tell::<crate::probe::First<{ Probe::$probe as u8 }>>(&ctx);
        }

        #[aya_ebpf::macros::btf_tracepoint]
        fn $second(ctx: aya_ebpf::programs::BtfTracePointContext) {
            $tell::<crate::probe::Second<{ Probe::$probe as u8 }>>(&ctx);
        }
    };
}

mod complete;
mod insert;
mod insert_flush;
mod issue;
mod merge;
mod remap;
mod requeue;
mod start;
