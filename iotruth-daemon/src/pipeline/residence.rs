//! What keeps a reader from waiting for memory that it had already.

use rustix::{
    mm::{MlockAllFlags, mlockall, munlockall},
    process::{Resource, getrlimit},
    thread::disable_transparent_huge_pages,
};
use tracing::{info, warn};

/// Has the kernel leave the daemon's pages as small as they are.
///
/// `khugepaged` makes large ones of them behind the back of a process, and holds its `mmap_lock`
/// meanwhile (`collapse_huge_page`). It has a nice value of 19: where all CPUs are busy it is preempted
/// within, and every thread that touches one of these pages waits for it, for seconds, whatever its own
/// priority is. Whatever the daemon were to start would inherit this; it starts nothing.
pub(super) fn refuse_huge_pages() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        warn!(
            "the kernel goes on to collect pages of the daemon into huge ones ({error}): where all CPUs \
             are busy the readers may wait for that, and what is lost then is counted"
        );
    }
}

/// Undoes [`stay_in_memory`] before all begins anew, which needs much memory for a moment.
pub(super) fn may_leave_memory() {
    // Where it is not possible nothing was locked, or what is freed stays with the daemon.
    let _ = munlockall();
}

/// Keeps in memory whatever the daemon uses from now on, its code as well: what was paged out comes back
/// from a disk, perhaps from the one that hangs. What it never touches takes no memory all the same.
///
/// Nothing can be given back to the kernel in parts any more, so this comes after all that needs much for
/// a moment. Where locked memory has a limit, later allocations would fail, and nothing is locked.
pub(super) fn stay_in_memory() {
    let limit = getrlimit(Resource::Memlock).current;
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    let why = match limit {
        Some(bytes) => format!("locked memory is limited to {} KiB", bytes / 1024),
        None => match mlockall(all) {
            Ok(()) => return,
            Err(error) => error.to_string(),
        },
    };
    info!(
        "the memory of the daemon is not locked ({why}): under memory pressure it may be paged out, and \
         the readers then wait for the disk that it is on; allow it with LimitMEMLOCK=infinity in the \
         unit, or with `ulimit -l unlimited` as root"
    );
}
