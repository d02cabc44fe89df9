//! Whether the devices that are named exist.

use super::{ConfigError, Pattern};
use crate::nearest::nearest_all;

/// Names that are suggested at most.
const SUGGESTIONS: usize = 5;

/// Checks that each device that is named letter by letter is one of `names`.
///
/// Patterns need not match anything yet: they are how one says which devices that come later shall
/// be watched.
pub fn check_devices(patterns: &[Pattern], names: &[String]) -> Result<(), ConfigError> {
    for pattern in patterns.iter().filter(|pattern| pattern.is_literal()) {
        if names.iter().any(|name| pattern.matches(name)) {
            continue;
        }
        let name = pattern.to_string();
        // A partition is counted with its disk, so the disk is what is meant.
        let disk = names
            .iter()
            .filter(|disk| name.starts_with(disk.as_str()))
            .max_by_key(|disk| disk.len());
        let mut close: Vec<&str> = disk.map(String::as_str).into_iter().collect();
        for name in nearest_all(&name, names.iter().map(String::as_str)) {
            if !close.contains(&name) {
                close.push(name);
            }
        }
        close.truncate(SUGGESTIONS);
        let known = match (close.is_empty(), names.is_empty()) {
            (false, _) => format!("the nearest names are {}", close.join(", ")),
            (true, false) => format!("the devices here are {}", names.join(", ")),
            (true, true) => "this machine has no block device".to_owned(),
        };
        return Err(ConfigError::NoDevice { name, known });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{Pattern, check_devices};

    fn check(pattern: &str) -> Result<(), String> {
        let names = ["loop0", "nvme0n1", "nvme1n1", "sda"].map(str::to_owned);
        check_devices(&[Pattern::new(pattern).unwrap()], &names).map_err(|error| error.to_string())
    }

    #[test]
    fn names_must_exist_and_patterns_need_not() {
        assert_eq!(check("sda"), Ok(()));
        assert_eq!(check("/dev/sda"), Ok(()));
        assert_eq!(check("vd*"), Ok(()));
    }

    #[test]
    fn the_nearest_names_are_told() {
        let message = "there is no device nvme2n1; the nearest names are nvme0n1, nvme1n1";
        assert_eq!(check("nvme2n1").unwrap_err(), message);
        let message = "there is no device sda1; the nearest names are sda";
        assert_eq!(check("sda1").unwrap_err(), message, "partitions are counted with their disk");
        let message = "there is no device nvme1n1p12; the nearest names are nvme1n1";
        assert!(check("nvme1n1p12").unwrap_err().starts_with(message));
        let message = "there is no device mmcblk0; the devices here are loop0, nvme0n1";
        assert!(check("mmcblk0").unwrap_err().starts_with(message));
        let none = check_devices(&[Pattern::new("sda").unwrap()], &[]).unwrap_err().to_string();
        assert_eq!(none, "there is no device sda; this machine has no block device");
    }
}
