//! Taking things away from the daemon: rights, limits, kernel files.

use std::{
    ffi::{CStr, CString},
    fs, io,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use super::tmpfs::Tmpfs;

/// A capability by its number in `linux/capability.h`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Capability {
    /// Locking memory.
    IpcLock = 14,
    /// Nearly everything.
    SysAdmin = 21,
    /// Raising limits.
    SysResource = 24,
    /// Tracing.
    Perfmon = 38,
    /// eBPF.
    Bpf = 39,
}

/// Starts the command without these capabilities, though as root.
pub(crate) fn without(command: &mut Command, capabilities: &'static [Capability]) {
    let drop_them = move || {
        for capability in capabilities {
            let number = *capability as libc::c_ulong;
            // SAFETY: PR_CAPBSET_DROP takes a number and touches no memory of ours.
            check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number) })?;
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls, which is allowed between fork and exec.
    unsafe { command.pre_exec(drop_them) };
}

/// Starts the command with so much locked memory at most, in bytes.
pub(crate) fn locked_memory(command: &mut Command, bytes: u64) {
    limit(command, libc::RLIMIT_MEMLOCK, bytes, bytes);
}

/// Starts the command with so many open files at most, and so many where it asks for them.
pub(crate) fn open_files(command: &mut Command, at_first: u64, allowed: u64) {
    limit(command, libc::RLIMIT_NOFILE, at_first, allowed);
}

fn limit(command: &mut Command, what: libc::__rlimit_resource_t, soft: u64, hard: u64) {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: setrlimit reads the limit, which lives as long as the closure.
    let set = move || check(unsafe { libc::setrlimit(what, &raw const limit) });
    // SAFETY: the closure only makes a system call, which is allowed between fork and exec.
    unsafe { command.pre_exec(set) };
}

/// Starts the command as `nohup` does, or so that SIGHUP does what it does by itself, however the tests
/// were started.
pub(crate) fn hangups(command: &mut Command, ignored: bool) {
    let handler = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    let set = move || {
        // SAFETY: nothing but what the kernel does with the signal is changed.
        let before = unsafe { libc::signal(libc::SIGHUP, handler) };
        if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: the closure only makes a system call, which is allowed between fork and exec.
    unsafe { command.pre_exec(set) };
}

/// Starts the command as the root of a user namespace: with all capabilities, which count in there alone.
pub(crate) fn in_user_namespace(command: &mut Command) {
    in_namespace(command, libc::CLONE_NEWUSER, c"/proc/self/uid_map", b"0 0 1");
}

/// Starts the command where the monotonic clock is a thousand seconds ahead.
pub(crate) fn in_time_namespace(command: &mut Command) {
    in_namespace(command, libc::CLONE_NEWTIME, c"/proc/self/timens_offsets", b"monotonic 1000 0");
}

/// Starts the command in a new namespace, which is told by this file what it is like.
fn in_namespace(
    command: &mut Command,
    namespace: libc::c_int,
    path: &'static CStr,
    text: &'static [u8],
) {
    let unshare = move || {
        // SAFETY: unshare takes flags only.
        check(unsafe { libc::unshare(namespace) })?;
        // SAFETY: the path ends with NUL.
        let file = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY) };
        check(file)?;
        // SAFETY: so many bytes are there.
        let written = unsafe { libc::write(file, text.as_ptr().cast(), text.len()) };
        check(written as libc::c_int)?;
        // SAFETY: closes the file that was just opened.
        check(unsafe { libc::close(file) })
    };
    // SAFETY: the closure only makes system calls, which is allowed between fork and exec.
    unsafe { command.pre_exec(unshare) };
}

/// Starts the command where `target` shows what is at `source`; nobody else sees that.
pub(crate) fn overlay(command: &mut Command, source: &Path, target: &Path) {
    let source = CString::new(source.as_os_str().as_bytes()).expect("paths have no NUL");
    let target = CString::new(target.as_os_str().as_bytes()).expect("paths have no NUL");
    let mount_it = move || {
        // SAFETY: unshare takes flags only.
        check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
        mount(None, c"/", libc::MS_REC | libc::MS_PRIVATE)?;
        mount(Some(&source), &target, libc::MS_BIND)
    };
    // SAFETY: the closure only makes system calls and does not allocate: allowed after fork.
    unsafe { command.pre_exec(mount_it) };
}

fn mount(source: Option<&CString>, target: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    let source = source.map_or(std::ptr::null(), |source| source.as_ptr());
    let none = std::ptr::null();
    // SAFETY: both strings end with NUL and live; file system type and data are not needed here.
    let done = unsafe { libc::mount(source, target.as_ptr(), none, flags, none.cast()) };
    check(done)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The kernel's BTF with one name changed, as if this kernel did not have it: a file in `place`.
pub(crate) fn btf_without(place: &Tmpfs, name: &str) -> PathBuf {
    let mut btf = fs::read("/sys/kernel/btf/vmlinux").expect("this kernel has BTF");
    let whole = format!("\0{name}\0").into_bytes();
    let mut start = 0;
    while let Some(at) = find(btf.get(start..).unwrap_or_default(), &whole) {
        // Names lie in one table; the last letter is changed, the length is not.
        if let Some(letter) = btf.get_mut(start + at + name.len()) {
            *letter = b'X';
        }
        start += at + 1;
    }
    assert_ne!(start, 0, "{name} is not in this kernel's BTF");
    let path = place.file("vmlinux", 0);
    fs::write(&path, btf).expect("there is room for a BTF");
    path
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
