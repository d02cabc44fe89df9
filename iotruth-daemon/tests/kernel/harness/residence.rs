//! What the daemon's threads never wait for: memory that they had already.

use std::fs;

use super::daemon::Daemon;

/// The kernel leaves the daemon's pages alone: it makes no huge ones of them, and pages none of them out
/// where it lets that be said.
pub(crate) fn has_memory_of_its_own(daemon: &Daemon) {
    let read = |file| {
        let path = format!("/proc/{}/{file}", daemon.pid());
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let (status, limits) = (read("status"), read("limits"));
    let huge_pages = value(&status, "THP_enabled:").first().copied();
    assert_eq!(huge_pages, Some("0"), "khugepaged may hold its mmap_lock: {status}");
    let limited = value(&limits, "Max locked memory").first() != Some(&"unlimited");
    let bytes = |name: &str| -> u64 {
        let bytes = value(&status, name).first().and_then(|value| value.parse().ok());
        bytes.unwrap_or_else(|| panic!("no {name} {status}"))
    };
    // What is mapped may be locked, and of it only what is used is in memory.
    let locked = bytes("VmLck:");
    assert_eq!(locked >= bytes("VmRSS:"), !limited, "{status}{limits}");
    let told =
        daemon.messages().contains("the memory of the daemon is not locked (locked memory is");
    assert_eq!(told, limited, "{}", daemon.messages());
}

/// The words behind a name at the beginning of a line.
fn value<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name));
    rest.map(|rest| rest.split_whitespace().collect()).unwrap_or_default()
}
