//! Which kernel this is, for what older ones lawfully do not show.

use std::fs;

/// Whether this kernel is of this version or a later one.
pub(crate) fn since(major: u32, minor: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
    (next(), next()) >= (major, minor)
}

/// Whether `block_io_start` exists: 6.5 has it. Without it the beginning of a plain request is not
/// seen, and that of a flush in `blk_insert_flush`.
pub(crate) fn has_starts() -> bool {
    since(6, 5)
}

/// Whether the kernel skips a program that is running already on the same CPU: 6.1 does.
pub(crate) fn guards_recursion() -> bool {
    since(6, 1)
}

/// Arguments for a daemon whose programs may be interrupted by themselves: where requests end by an
/// interrupt and by threads as well.
pub(crate) const SECOND_PROGRAMS: &[&str] = &["--second-programs", "always"];

/// Whether a task can be preempted while it runs a program of a tracepoint. Between 6.18, which
/// turns that off, and 7.3 nobody looked.
pub(crate) fn preempts_programs() -> bool {
    since(7, 3)
}
