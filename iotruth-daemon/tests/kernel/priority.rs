//! Readers come before others, and a session that is the daemon's own with them.

use std::{fs, os::unix::process::CommandExt as _, path::Path};

use crate::harness::{
    daemon::Daemon, patience::wait_for, residence::has_memory_of_its_own, turn::turn,
};

/// The nice value of the thread of this folder, which is the 19th field.
fn nice(thread: &Path) -> i32 {
    let stat = fs::read_to_string(thread.join("stat")).expect("it runs");
    let field = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(16));
    field.and_then(|field| field.parse().ok()).expect("a nice value")
}

#[test]
fn readers_come_before_others() {
    let _turn = turn();
    let daemon = Daemon::start_with(&[], |command| {
        // SAFETY: the call is safe between fork and exec: it allocates nothing and takes no lock.
        unsafe { command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into)) };
    });
    let nice_of = |thread| daemon.thread(thread).map(|thread| nice(&thread));
    assert_eq!(nice_of("reader/0"), Some(-20));
    // It waits for nothing but work, and may run for the first time when the daemon is ready already.
    wait_for("the recorder to come first", || match nice_of("recorder") {
        Some(-20) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let ours = nice(Path::new("/proc/thread-self"));
    assert_eq!(nice_of("iotruth"), Some(ours), "the rest of it stays as it was");
    has_memory_of_its_own(&daemon);
    // Only where the kernel has such groups.
    if let Ok(group) = fs::read_to_string(format!("/proc/{}/autogroup", daemon.pid())) {
        assert!(group.ends_with("nice -20\n"), "{group}");
    }
}

#[test]
fn the_session_of_others_is_left_alone() {
    let _turn = turn();
    let before = fs::read_to_string("/proc/self/autogroup").unwrap_or_default();
    let daemon = Daemon::start(&[]);
    assert_eq!(daemon.thread("reader/0").map(|thread| nice(&thread)), Some(-20));
    assert_eq!(fs::read_to_string("/proc/self/autogroup").unwrap_or_default(), before);
}
