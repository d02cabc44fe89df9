//! How the threads are scheduled that lose something when they have to wait.

use std::{fs, io::ErrorKind};

use rustix::{io, process::setpriority_process};
use tracing::warn;

use super::process;

/// Where the kernel makes each session a group of its own (`CONFIG_SCHED_AUTOGROUP`): its nice value.
const GROUP: &str = "/proc/self/autogroup";

/// The nice value of the highest priority.
///
/// The kernel's own workers that dispatch requests (`kblockd`) have it as well. When a device sends
/// requests back in a loop they want every CPU, and to a thread with a nice value of 0 they leave one
/// part in ninety: the rings would overflow just when somebody wants to know why.
const FIRST: i32 = -20;

/// Gives the calling thread the highest priority among ordinary threads. Where that is not allowed, a
/// warning says what follows.
pub(super) fn raise(thread: &str) {
    if let Err(error) = set() {
        warn!(
            "{thread} cannot have a nice value of {FIRST} ({error}): on a machine that is busy with \
             dispatching requests it may be given a CPU too late, and what is lost then is counted; \
             allow it with LimitNICE={FIRST} in the unit, which is RLIMIT_NICE, or with CAP_SYS_NICE"
        );
    }
}

/// Gives the daemon's own session the same, where it has one, as a service does: nice values of threads count
/// only within their group. A session that others are in as well, such as that of a shell, is left alone.
///
/// Where a CPU controller has groups for services, neither of both counts; only the configuration of that can
/// give the daemon more.
///
/// Source: `sched(7)`, "The autogroup feature".
pub(super) fn raise_session() {
    if !process::leads_session() {
        return;
    }
    match fs::write(GROUP, FIRST.to_string()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => warn!(
            "the session of the daemon cannot have a nice value of {FIRST} ({error}): on a machine that is \
             busy its readers may be given a CPU too late, and what is lost then is counted"
        ),
    }
}

/// Source: `setpriority(2)`: on Linux, no number means the calling thread, and not its process.
fn set() -> io::Result<()> {
    setpriority_process(None, FIRST)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::thread;

    use rustix::{io::Errno, process::getpriority_process};

    use super::{FIRST, set};

    #[test]
    fn it_is_the_thread_that_is_raised_and_not_the_process() {
        let before = getpriority_process(None).unwrap();
        let raised = thread::spawn(move || {
            let expected = match set() {
                Ok(()) => FIRST,
                Err(Errno::ACCESS | Errno::PERM) => before,
                Err(error) => panic!("{error}"),
            };
            (getpriority_process(None), expected)
        });
        let (raised, expected) = raised.join().unwrap();
        assert_eq!(raised, Ok(expected));
        assert_eq!(getpriority_process(None), Ok(before), "the others stay as they were");
    }
}
