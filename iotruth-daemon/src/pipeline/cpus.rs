//! How many CPUs write records.

use std::fs;

/// CPUs that are online. Not those that this process may use: a container with a quota of one CPU
/// still traces all of them.
pub(super) fn online() -> usize {
    fs::read_to_string("/sys/devices/system/cpu/online")
        .ok()
        .and_then(|list| count(&list))
        .or_else(|| std::thread::available_parallelism().ok().map(Into::into))
        .unwrap_or(1)
}

/// How many numbers are in a list such as `0-3,8-11`.
fn count(ranges: &str) -> Option<usize> {
    ranges.trim().split(',').try_fold(0, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(sum + last.checked_sub(first)? + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::{count, online};

    #[test]
    fn ranges_and_single_numbers_are_counted() {
        assert_eq!(count("0\n"), Some(1));
        assert_eq!(count("0-3,8-11,13\n"), Some(9));
        assert_eq!(count(""), None);
        assert_eq!(count("3-1"), None);
        assert!(online() > 0);
    }
}
