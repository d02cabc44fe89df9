//! Started without the rights that it needs, the daemon says which ones.

use std::process::Command;

use crate::harness::{
    daemon::{Daemon, refused},
    nobody::Lent,
    restrict::{Capability, in_user_namespace, locked_memory, open_files, without},
    turn::turn,
};

#[test]
fn an_ordinary_user_is_told_what_is_missing() {
    let _turn = turn();
    let lent = Lent::new();
    let (_, message) = refused(&[], |command| lent.as_nobody(command));
    assert!(message.contains("missing CAP_BPF and CAP_PERFMON"), "{message}");
    assert!(message.contains("sudo") || message.contains("root"), "no remedy:\n{message}");
}

#[test]
fn each_missing_capability_is_named() {
    let _turn = turn();
    let (_, message) =
        refused(&[], |command| without(command, &[Capability::SysAdmin, Capability::Bpf]));
    assert!(message.contains("missing CAP_BPF:"), "{message}");
    let (_, message) =
        refused(&[], |command| without(command, &[Capability::SysAdmin, Capability::Perfmon]));
    assert!(message.contains("missing CAP_PERFMON:"), "{message}");
}

#[test]
fn capabilities_that_count_for_nothing_are_told_apart_from_missing_ones() {
    let _turn = turn();
    let (code, message) = refused(&[], in_user_namespace);
    assert_eq!(code, 1, "{message}");
    assert!(
        message.contains("does not permit BPF") && message.contains("user namespace"),
        "{message}"
    );
}

#[test]
fn the_two_capabilities_suffice() {
    let _turn = turn();
    let mut daemon = Daemon::start_with(&[], |command| without(command, &[Capability::SysAdmin]));
    assert_eq!(daemon.signal("TERM").code(), Some(0));
}

#[test]
fn locked_memory_that_cannot_be_raised_does_not_matter() {
    let _turn = turn();
    let mut daemon = Daemon::start_with(&[], |command| {
        without(command, &[Capability::SysResource, Capability::IpcLock, Capability::SysAdmin]);
        locked_memory(command, 64 << 10);
    });
    assert_eq!(daemon.signal("TERM").code(), Some(0));
}

#[test]
fn files_that_may_not_be_open_are_told_before_anything_fails_for_want_of_them() {
    let _turn = turn();
    let few = |allowed: u64| {
        move |command: &mut Command| {
            without(command, &[Capability::SysResource, Capability::SysAdmin]);
            open_files(command, 20, allowed);
        }
    };
    let (code, message) = refused(&[], few(100));
    assert_eq!(code, 1, "{message}");
    assert!(message.contains("no more than 100 files may be open at once"), "{message}");
    assert!(message.contains("LimitNOFILE="), "no remedy:\n{message}");
    // It asks for as many as it is allowed.
    let mut daemon = Daemon::start_with(&[], few(512));
    assert_eq!(daemon.signal("TERM").code(), Some(0));
}
