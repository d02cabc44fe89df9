//! What the kernel says of running processes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// What the processes of one group use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Nanoseconds on a CPU.
    pub(super) cpu: u64,
    /// Bytes of memory of their own.
    pub(super) anonymous: u64,
    /// Bytes of memory that is mapped and present, rings and buffers among it.
    pub(super) resident: u64,
    /// Bytes of BPF maps and programs, nanoseconds that the programs ran, and how often they did.
    pub(super) bpf: u64,
    pub(super) program_time: u64,
    pub(super) program_runs: u64,
    /// How many files are open.
    pub(super) files: usize,
}

/// Looks at every process of a group.
pub(super) fn usage(group: u32) -> Result<Usage> {
    let mut usage = Usage::default();
    let mut objects: BTreeMap<(u64, u64), [u64; 3]> = BTreeMap::new();
    for process in members(group)? {
        // Processes and threads come and go while we look.
        for thread in children(&process.join("task")) {
            usage.cpu +=
                fs::read_to_string(thread.join("schedstat")).map_or(0, |text| first_number(&text));
        }
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        usage.anonymous += field(&status, "RssAnon:") << 10;
        usage.resident += field(&status, "VmRSS:") << 10;
        for file in children(&process.join("fdinfo")) {
            let info = fs::read_to_string(file).unwrap_or_default();
            usage.files += 1;
            let object = (field(&info, "map_id:"), field(&info, "prog_id:"));
            // A map or a program may be open more than once, and a link names its program too.
            let figures = objects.entry(object).or_default();
            for (figure, name) in figures.iter_mut().zip(["memlock:", "run_time_ns:", "run_cnt:"]) {
                *figure = field(&info, name).max(*figure);
            }
        }
    }
    for [memory, time, runs] in objects.into_values() {
        usage.bpf += memory;
        usage.program_time += time;
        usage.program_runs += runs;
    }
    Ok(usage)
}

fn members(group: u32) -> Result<Vec<PathBuf>> {
    let all = fs::read_dir("/proc").context("cannot read /proc")?;
    let of_group = |path: &PathBuf| {
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        group_of(&stat) == Some(group)
    };
    Ok(all.flatten().map(|entry| entry.path()).filter(of_group).collect())
}

fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

/// The process group in `/proc/PID/stat`. The name before it may have any character in it.
fn group_of(stat: &str) -> Option<u32> {
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(2)?.parse().ok()
}

/// A number in a file of lines with a name in front; 0 where it is missing.
fn field(text: &str, name: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix(name)).map_or(0, first_number)
}

fn first_number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// The CPUs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cpus {
    /// How many are online.
    pub(super) count: u64,
    /// Time in which one of them had nothing to do, or the host took it away, in nanoseconds.
    pub(super) idle: u64,
}

/// Looks at the CPUs.
pub(super) fn cpus() -> Result<Cpus> {
    let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    cpus_in(&text).context("/proc/stat has no line for all CPUs")
}

/// Idle, waiting for I/O, and stolen, in hundredths of a second. The first two are no samples: the
/// kernel measures how long a CPU sleeps.
fn cpus_in(stat: &str) -> Option<Cpus> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let idle = (numbers.get(3)? + numbers.get(4)? + numbers.get(7)?) * 10_000_000;
    let count = stat.lines().filter(|line| line.starts_with("cpu")).count() as u64 - 1;
    Some(Cpus { count, idle })
}

#[cfg(test)]
mod tests {
    use super::{Cpus, cpus_in, field, group_of};

    #[test]
    fn names_may_have_blanks_and_brackets() {
        assert_eq!(group_of("71 (a) (b) c) S 1 70 70 0 -1"), Some(70));
        assert_eq!(group_of("71 (a"), None);
    }

    #[test]
    fn fields_are_found_by_their_names() {
        let info = "pos:\t0\nflags:\t02000002\nmemlock:\t4096\nrun_time_ns:\t812\nrun_cnt:\t3\n";
        assert_eq!((field(info, "memlock:"), field(info, "run_time_ns:")), (4_096, 812));
        assert_eq!(field(info, "run_cnt:"), 3);
        assert_eq!(field(info, "frozen:"), 0);
        assert_eq!(field("RssAnon:\t     128 kB\n", "RssAnon:"), 128);
    }

    #[test]
    fn what_is_stolen_is_no_work_of_ours() {
        let stat = "cpu  10 0 20 400 5 0 0 3 0 0\ncpu0 10 0 20 400 5 0 0 3 0 0\n";
        assert_eq!(cpus_in(stat), Some(Cpus { count: 1, idle: 4_080_000_000 }));
    }
}
