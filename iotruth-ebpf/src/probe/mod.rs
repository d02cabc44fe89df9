//! One file for each traced tracepoint, with its programs.

/// The programs of one tracepoint, which all do the same, each in its role. The daemon loads the
/// first of them alone, or the others.
macro_rules! programs {
    ($tell:ident($probe:ident), $only:ident, $first:ident, $second:ident) => {
        #[aya_ebpf::macros::btf_tracepoint]
        fn $only(ctx: aya_ebpf::programs::BtfTracePointContext) {
            $tell(&ctx, Program::only(Probe::$probe));
        }

        #[aya_ebpf::macros::btf_tracepoint]
        fn $first(ctx: aya_ebpf::programs::BtfTracePointContext) {
            $tell(&ctx, Program::first(Probe::$probe));
        }

        #[aya_ebpf::macros::btf_tracepoint]
        fn $second(ctx: aya_ebpf::programs::BtfTracePointContext) {
            $tell(&ctx, Program::second(Probe::$probe));
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
