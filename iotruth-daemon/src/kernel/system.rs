//! The calls of libc that the standard library lacks.

use super::online_cpus;

/// Raises the limit of locked memory to what the maps may need; the limit that holds afterwards,
/// `None` where there is none.
///
/// From Linux 5.11 on maps do not count as locked memory, so failing is no error here.
pub(super) fn raise_locked_memory() -> Option<u64> {
    let unlimited = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the pointer is to a live, initialised struct that the call only reads.
    if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const unlimited) } == 0 {
        return None;
    }
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live struct that the call only writes.
    if unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) } != 0 {
        return Some(0);
    }
    // Without the privilege to go beyond it, the hard limit is as far as it goes.
    let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
    // SAFETY: as for the first call.
    if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const raised) } == 0 {
        limit = raised;
    }
    (limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// Gives freed memory back to the kernel: parsing its type information takes 24 MB for a moment.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call has no preconditions; it takes the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Bytes of a page.
pub(super) fn page_bytes() -> u32 {
    // SAFETY: the call has no preconditions.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u32::try_from(bytes).unwrap_or(4096)
}

/// Nanoseconds of `CLOCK_MONOTONIC`, which is also the clock of the records.
pub(super) fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live struct that the call only writes; the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Waits until programs that were running when this was called have ended; says whether that is certain.
///
/// Neither detaching nor a new setting waits for those on other CPUs. A tracing program runs between
/// `rcu_read_lock` and `rcu_read_unlock` (`__bpf_trace_run`, `__bpf_prog_enter`), so the grace period
/// behind `membarrier` (`synchronize_rcu`) waits for it, even where it can be preempted. That is
/// refused where CPUs run without ticks (`nohz_full`) and does nothing where only one CPU is online;
/// there, the pause is a thousand times as long as a program runs.
pub(super) fn wait_for_programs() -> bool {
    // SAFETY: the call takes a command, flags and a CPU number, and touches no memory.
    let refused = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
    std::thread::sleep(std::time::Duration::from_millis(1));
    refused == 0 && online_cpus() > 1
}
