//! Counters of this process, from `/proc/self`.

use std::{fs, time::Duration};

use rustix::time::{ClockId, clock_gettime};

use crate::view::ProcessStatus;

/// Reads the counters; what cannot be read is 0. When the process started is for the caller to know:
/// it never changes.
pub(super) fn status(start: f64) -> ProcessStatus {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let memory = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ProcessStatus {
        cpu: Duration::new(cpu.tv_sec.unsigned_abs(), cpu.tv_nsec.unsigned_abs() as u32),
        resident_anonymous: kilobytes(&memory, "RssAnon:") * 1024,
        resident: kilobytes(&memory, "VmRSS:") * 1024,
        open_files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
        start,
    }
}

fn kilobytes(status: &str, field: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|value| value.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

/// When the process started, in seconds since 1970; 0 where that cannot be read.
///
/// To be read once: `/proc/stat` has every interrupt of every CPU.
pub(super) fn start() -> f64 {
    since_boot().unwrap_or_default()
}

/// Whether this process leads its session, which then is its own.
///
/// Not `getsid(2)`: where the leader is outside of our PID namespace, as after `docker exec`, that is 0, and
/// `rustix` takes it for something that cannot be.
pub(super) fn leads_session() -> bool {
    fs::read_to_string("/proc/self/stat").is_ok_and(|stat| leads(&stat))
}

/// Whether the session, which is field 6 of `stat`, has the process's number.
fn leads(stat: &str) -> bool {
    let process = stat.split_once(' ').map(|(process, _)| process);
    process.is_some() && process == field(stat, 6)
}

/// A field by its number in `proc_pid_stat(5)`, from the third on.
fn field(stat: &str, number: usize) -> Option<&str> {
    // The second is the name in parentheses and may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(number - 3)
}

/// Boot time plus field 22 of `stat`.
fn since_boot() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let ticks: f64 = field(&stat, 22)?.parse().ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 =
        boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + ticks / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::{kilobytes, leads, start, status};

    #[test]
    fn a_field_is_found_by_its_name() {
        let text = "Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t 12 kB\n";
        assert_eq!(kilobytes(text, "RssAnon:"), 12);
        assert_eq!(kilobytes(text, "RssFile:"), 0);
    }

    #[test]
    fn a_session_is_ours_where_its_number_is_ours() {
        assert!(leads("77 (a ) b (7) S 1 77 77 0 -1"));
        assert!(!leads("77 (iotruth) S 1 77 12 0 -1"), "of a shell");
        assert!(!leads("77 (iotruth) S 1 0 0 0 -1"), "its leader is outside of our PID namespace");
        assert!(!leads(""));
    }

    #[test]
    fn this_process_has_memory_files_and_a_start() {
        let status = status(start());
        assert!(status.resident > 0 && status.resident_anonymous > 0);
        assert!(status.open_files > 0);
        assert!(status.start > 1.6e9);
    }
}
