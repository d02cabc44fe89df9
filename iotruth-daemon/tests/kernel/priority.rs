//! Readers come before others, and a session that is the daemon's own with them.

use std::{fs, os::unix::process::CommandExt as _};

use crate::harness::{
    daemon::Daemon, patience::wait_for, residence::has_memory_of_its_own, turn::turn,
};

/// The nice value of a thread, which is the 19th field; `None` while there is no thread of that name.
fn nice(pid: u32, thread: &str) -> Option<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    // One that ends meanwhile is none that is looked for.
    let stats = threads.flat_map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")));
    let mut ours = stats.filter(|stat| stat.contains(&format!("({thread})")));
    let stat = ours.next()?;
    let field = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(16));
    Some(field.and_then(|field| field.parse().ok()).expect("a nice value"))
}

#[test]
fn readers_come_before_others() {
    let _turn = turn();
    let daemon = Daemon::start_with(&[], |command| {
        // SAFETY: the call is safe between fork and exec: it allocates nothing and takes no lock.
        unsafe { command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into)) };
    });
    let ours = nice(std::process::id(), &test_thread());
    assert_eq!(nice(daemon.pid(), "reader/0"), Some(-20));
    // It waits for nothing but work, and may run for the first time when the daemon is ready already.
    wait_for("the recorder to come first", || match nice(daemon.pid(), "recorder") {
        Some(-20) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(nice(daemon.pid(), "iotruth"), ours, "the rest of it stays as it was");
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
    assert_eq!(nice(daemon.pid(), "reader/0"), Some(-20));
    assert_eq!(fs::read_to_string("/proc/self/autogroup").unwrap_or_default(), before);
}

fn test_thread() -> String {
    let stat = fs::read_to_string("/proc/thread-self/stat").expect("a thread of ours");
    let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    name.expect("a name in parentheses").0.to_owned()
}
