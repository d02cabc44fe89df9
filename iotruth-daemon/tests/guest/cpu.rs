//! Which CPUs a thread runs on.

use std::mem;

/// Runs this thread on these CPUs only.
pub(crate) fn pin(cpus: &[usize]) {
    // SAFETY: all zeros is an empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    for cpu in cpus {
        // SAFETY: the set is ours, and CPU numbers here are far below its size.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    // SAFETY: 0 is this thread, and the kernel reads the set by its size.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    assert_eq!(result, 0, "this thread can be pinned");
}
