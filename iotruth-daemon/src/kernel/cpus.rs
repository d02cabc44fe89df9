//! CPUs that programs can run on.

use std::fs;

const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

/// One more than the highest number a CPU of this machine can get.
#[must_use]
pub fn possible_cpus() -> u32 {
    fs::read_to_string(POSSIBLE).ok().and_then(|text| highest(&text)).map_or(1024, |n| n + 1)
}

/// The last number of a list such as `0-3,8-11`.
fn highest(list: &str) -> Option<u32> {
    list.trim().rsplit(['-', ',']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::highest;

    #[test]
    fn the_highest_cpu_is_the_last_of_the_list() {
        assert_eq!(highest("0-3\n"), Some(3));
        assert_eq!(highest("0\n"), Some(0));
        assert_eq!(highest("0-3,8-11\n"), Some(11));
        assert_eq!(highest(""), None);
    }
}
