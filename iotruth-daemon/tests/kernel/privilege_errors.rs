//! Started without the rights that it needs, the daemon says which ones.

use crate::harness::{
    daemon::{Daemon, refused},
    nobody::Lent,
    restrict::{Capability, in_user_namespace, locked_memory, without},
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
