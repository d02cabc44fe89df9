//! Started without the rights that it needs, the daemon says which ones.

use std::{fs, os::unix::fs::PermissionsExt, os::unix::process::CommandExt, process::Command};

use crate::harness::{
    daemon::{self, Daemon, refused},
    restrict::{Capability, locked_memory, without},
    tmpfs::Directory,
    turn::turn,
};

#[test]
fn an_ordinary_user_is_told_what_is_missing() {
    let _turn = turn();
    // The build directory may be closed to others, so the binary is lent to them.
    let directory = Directory::new();
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let binary = directory.path().join("iotruth");
    fs::copy(daemon::command().get_program(), &binary).unwrap();
    let lent = binary.clone();
    let (_, message) = refused(&[], move |command| {
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut other = Command::new(lent);
        other.args(arguments).stdout(std::process::Stdio::null());
        other.stderr(std::process::Stdio::piped()).current_dir("/").uid(65_534).gid(65_534);
        *command = other;
    });
    fs::remove_file(&binary).unwrap();
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
