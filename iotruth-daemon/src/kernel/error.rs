//! What can go wrong between iotruth and the kernel, with the remedy.

use std::io;

/// An error of a library, kept without its type: this module exists without aya too.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why the kernel cannot be traced. Each says cause and remedy.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The feature `kernel` is off.
    #[error(
        "this binary was built without eBPF and cannot trace; build one that can with \
         `cargo xtask build --release`"
    )]
    BuiltWithout,
    /// The process may not load programs.
    #[error(
        "missing {}: run iotruth as root (sudo), or grant what is missing \
         (AmbientCapabilities=CAP_BPF CAP_PERFMON in the systemd unit)",
        missing.join(" and ")
    )]
    Capabilities {
        /// Names of the capabilities.
        missing: Vec<&'static str>,
    },
    /// `/proc` does not say what the process may do.
    #[error("cannot read {path}: {source}; iotruth needs /proc and /sys to be mounted")]
    Proc {
        /// What was read.
        path: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The process runs in a time namespace that shifts its monotonic clock.
    #[error(
        "the monotonic clock is {seconds} s apart from the kernel's own, which events have their time from: \
         start iotruth outside of this time namespace (`unshare --time`, or timeOffsets of a container)"
    )]
    TimeNamespace {
        /// How far.
        seconds: f64,
    },
    /// The kernel does not describe itself.
    #[error(
        "this kernel has no {path}, so its data structures are unknown: boot a kernel that was \
         built with CONFIG_DEBUG_INFO_BTF=y (those of the big distributions are since about 2021)"
    )]
    NoBtf {
        /// Where it should be.
        path: &'static str,
    },
    /// The kernel's own description cannot be read.
    #[error("cannot read the kernel's type information {path}: {source}")]
    ReadBtf {
        /// Where it is.
        path: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The kernel's own description is not understood by the loader.
    #[error("the kernel's type information is not understood: {source}; please report this kernel")]
    ParseBtf {
        /// What the loader says.
        source: Source,
    },
    /// The kernel lacks what the programs are made of.
    #[error("this kernel is too old: it lacks {lacks}; iotruth needs Linux 5.10 or later")]
    TooOld {
        /// The missing feature.
        lacks: &'static str,
    },
    /// The options contradict what rings can be.
    #[error("{what}; choose {choose}")]
    Options {
        /// What is wrong.
        what: String,
        /// What would be right.
        choose: String,
    },
    /// Before Linux 5.11 maps count as locked memory.
    #[error(
        "the limit of locked memory ({limit} bytes) is too small for the rings and cannot be \
         raised: set LimitMEMLOCK=infinity in the systemd unit, or `ulimit -l unlimited` as root"
    )]
    LockedMemory {
        /// The limit that applies.
        limit: u64,
    },
    /// The capabilities are there and count for nothing.
    #[error(
        "the kernel does not permit BPF although CAP_BPF and CAP_PERFMON are there: in a user namespace, \
         as rootless containers have one, they count for nothing, so start iotruth outside of it; else a \
         seccomp filter or a security module must be told to let bpf(2) pass"
    )]
    NotPermitted,
    /// The kernel refused the object's maps.
    #[error("the kernel does not take the eBPF object: {source}")]
    Object {
        /// What the loader says.
        source: Source,
    },
    /// The kernel refused a program; the source has the verifier's words.
    #[error("the kernel refuses the program {program}: {source}; please report this kernel")]
    Program {
        /// Its tracepoint.
        program: &'static str,
        /// What the loader says.
        source: Source,
    },
    /// The object has no such program or map: object and daemon do not fit together.
    #[error("the eBPF object has no {what}; rebuild iotruth from one source tree")]
    Missing {
        /// Name of the program or map.
        what: String,
    },
    /// A field is where no instruction reaches.
    #[error(
        "a field of this kernel is {offset} bytes into its structure, and no eBPF program can read \
         further than 32767; please report this kernel"
    )]
    FarField {
        /// Where it is.
        offset: u32,
    },
    /// A mandatory tracepoint does not exist.
    #[error(
        "this kernel has no tracepoint {tracepoint}: it was built without CONFIG_BLK_DEV_IO_TRACE \
         or CONFIG_TRACEPOINTS, or is older than Linux 5.10"
    )]
    NoTracepoint {
        /// Its name.
        tracepoint: &'static str,
    },
    /// A program was accepted but cannot be attached.
    #[error("cannot attach to the tracepoint {tracepoint}: {source}")]
    Attach {
        /// Its name.
        tracepoint: &'static str,
        /// What the loader says.
        source: Source,
    },
    /// The function in the place of `block_io_start` cannot be traced.
    #[error("the kernel does not let its function {function} be traced: {source}")]
    Function {
        /// Its name.
        function: &'static str,
        /// What the loader says.
        source: Source,
    },
    /// A map cannot be used.
    #[error("cannot use the map {map}: {source}")]
    Map {
        /// Its name.
        map: String,
        /// What the loader says.
        source: Source,
    },
    /// The kernel does not run the program that reads open requests again.
    #[error(
        "the kernel does not run the program that reads open requests again: {source}; before \
         Linux 5.19 that takes CAP_BPF for as long as iotruth runs"
    )]
    Reread {
        /// Why it failed.
        source: io::Error,
    },
    /// The kernel does not tell about a program of ours.
    #[error(
        "the kernel does not tell how often {program} was skipped: {source}; before Linux 5.19 \
         that takes CAP_BPF for as long as iotruth runs"
    )]
    Recursion {
        /// Its tracepoint.
        program: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}
