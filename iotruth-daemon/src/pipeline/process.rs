//! Counters of this process, from `/proc/self`.

use std::{fs, time::Duration};

use rustix::time::{ClockId, clock_gettime};

use crate::view::ProcessStatus;

/// Reads the counters; what cannot be read is 0. When the process started is for the caller to know:
/// it never changes.
///
/// From where they cost least, since this is done every second for as long as the daemon runs.
pub(super) fn status(start: f64) -> ProcessStatus {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let memory = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let (resident, anonymous) = pages(&memory).unwrap_or_default();
    let page = rustix::param::page_size() as u64;
    ProcessStatus {
        cpu: Duration::new(cpu.tv_sec.unsigned_abs(), cpu.tv_nsec.unsigned_abs() as u32),
        resident_anonymous: anonymous * page,
        resident: resident * page,
        open_files: open_files(),
        start,
    }
}

/// What is resident, and how much of it is anonymous: all but what `statm` calls shared, which is files
/// and shared memory (`task_statm`).
fn pages(statm: &str) -> Option<(u64, u64)> {
    let mut fields = statm.split_whitespace().skip(1).map(str::parse);
    let resident: u64 = fields.next()?.ok()?;
    let shared: u64 = fields.next()?.ok()?;
    Some((resident, resident.checked_sub(shared)?))
}

/// Since Linux 6.2 the size of the folder is the number of open files; before it is 0.
fn open_files() -> u64 {
    const FOLDER: &str = "/proc/self/fd";
    match fs::metadata(FOLDER).map(|folder| folder.len()) {
        Ok(count) if count > 0 => count,
        Ok(_) | Err(_) => fs::read_dir(FOLDER).map_or(0, |files| files.count() as u64),
    }
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
    use std::fs;

    use super::{leads, open_files, pages, start, status};

    #[test]
    fn what_is_not_shared_is_anonymous() {
        assert_eq!(pages("7001 900 650 1200 0 800 0\n"), Some((900, 250)));
        assert_eq!(pages("7001 900\n"), None);
        assert_eq!(pages(""), None);
    }

    #[test]
    fn a_file_that_is_opened_is_counted() {
        // Other tests open and close files meanwhile.
        let more = (0..100)
            .filter(|_| {
                let before = open_files();
                let files = (0..50).map(|_| fs::File::open("/dev/null")).collect::<Vec<_>>();
                files.iter().all(Result::is_ok) && open_files() > before
            })
            .count();
        assert!(more > 50, "{more}");
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
