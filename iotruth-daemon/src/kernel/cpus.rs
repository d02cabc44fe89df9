//! CPUs that programs can run on.

use std::fs;

const POSSIBLE: &str = "/sys/devices/system/cpu/possible";
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// One more than the highest number a CPU of this machine can get.
#[must_use]
pub fn possible_cpus() -> u32 {
    fs::read_to_string(POSSIBLE).ok().and_then(|list| highest(&list)).map_or(1024, |n| n + 1)
}

/// One more than the highest number of a CPU that is online.
#[must_use]
pub fn online_below() -> u32 {
    fs::read_to_string(ONLINE)
        .ok()
        .and_then(|list| highest(&list))
        .map_or_else(possible_cpus, |n| n + 1)
}

/// CPUs that are online. Not those that this process may use: a container with a quota of one CPU
/// still traces all of them.
#[must_use]
pub fn online_cpus() -> usize {
    fs::read_to_string(ONLINE)
        .ok()
        .and_then(|list| count(&list))
        .or_else(|| std::thread::available_parallelism().ok().map(Into::into))
        .unwrap_or(1)
}

/// The last number of a list such as `0-3,8-11`.
fn highest(list: &str) -> Option<u32> {
    list.trim().rsplit(['-', ',']).next()?.parse().ok()
}

/// How many numbers are in such a list.
fn count(ranges: &str) -> Option<usize> {
    ranges.trim().split(',').try_fold(0, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(sum + last.checked_sub(first)? + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::{count, highest, online_below, online_cpus, possible_cpus};

    #[test]
    fn the_highest_cpu_is_the_last_of_the_list() {
        assert_eq!(highest("0-3\n"), Some(3));
        assert_eq!(highest("0\n"), Some(0));
        assert_eq!(highest("0-3,8-11\n"), Some(11));
        assert_eq!(highest(""), None);
    }

    #[test]
    fn ranges_and_single_numbers_are_counted() {
        assert_eq!(count("0\n"), Some(1));
        assert_eq!(count("0-3,8-11,13\n"), Some(9));
        assert_eq!(count(""), None);
        assert_eq!(count("3-1"), None);
        assert!(online_cpus() > 0);
        assert!((online_cpus() as u32..=possible_cpus()).contains(&online_below()));
    }
}
