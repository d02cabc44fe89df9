//! Between the engine and Linux: loads and attaches the eBPF programs, and hands out their rings
//! and counters. The only place that names aya.
//!
//! Without the cargo feature `kernel` everything here exists, and every way in answers
//! [`KernelError::BuiltWithout`]: who calls it needs no conditions of its own.

mod cpus;
mod error;
mod lanes;
mod options;

#[cfg(feature = "kernel")]
mod attach;
#[cfg(feature = "kernel")]
mod btf;
#[cfg(feature = "kernel")]
mod buffer;
#[cfg(feature = "kernel")]
mod constants;
#[cfg(feature = "kernel")]
mod counters;
#[cfg(feature = "kernel")]
mod logger;
#[cfg(any(feature = "kernel", test))]
mod mapped;
#[cfg(any(feature = "kernel", test))]
mod per_cpu;
#[cfg(feature = "kernel")]
mod preflight;
#[cfg(feature = "kernel")]
mod recursion;
#[cfg(feature = "kernel")]
mod reread;
#[cfg(feature = "kernel")]
mod ring;
#[cfg(feature = "kernel")]
mod sampler;
#[cfg(feature = "kernel")]
mod system;
#[cfg(feature = "kernel")]
mod tracer;
#[cfg(feature = "kernel")]
mod verify;

#[cfg(not(feature = "kernel"))]
mod absent;

#[cfg(not(feature = "kernel"))]
pub use absent::{CounterReader, LogReader, Rereader, Ring, Sampler, Tracer, preflight, read_btf};
#[cfg(feature = "kernel")]
pub use {
    btf::read_btf, counters::CounterReader, logger::LogReader, preflight::preflight,
    reread::Rereader, ring::Ring, sampler::Sampler, tracer::Tracer,
};
pub use {
    cpus::{online_below, online_cpus, possible_cpus},
    error::KernelError,
    lanes::Lanes,
    options::{Attached, Counters, LONGEST_RUN, LoadOptions, LoadTimes, Transport},
};
