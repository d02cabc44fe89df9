//! Looks for what iotruth needs before it starts, to say what is missing in plain words.

use std::{fs, path::Path};

use aya::{maps::MapType, sys};

use super::{KernelError, btf};

/// Capabilities belong to a thread, though as a rule all threads of a process have the same.
const STATUS: &str = "/proc/thread-self/status";

/// How far the clocks of the time namespace are apart from those of the kernel, where there are such.
const OFFSETS: &str = "/proc/self/timens_offsets";

/// Numbers of capabilities, from `linux/capability.h`.
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Fails if this thread on this kernel could not load the programs.
pub fn preflight() -> Result<(), KernelError> {
    capabilities()?;
    let offsets = fs::read_to_string(OFFSETS).unwrap_or_default();
    if let Some(seconds) = monotonic_offset(&offsets) {
        return Err(KernelError::TimeNamespace { seconds });
    }
    if !Path::new(btf::PATH).exists() {
        return Err(KernelError::NoBtf { path: btf::PATH });
    }
    // A probe that fails for another reason is no proof; loading will tell. Who has ring buffers has
    // tracing programs too (Linux 5.5), for which aya's probe would read all types of the kernel.
    new_enough(sys::is_map_supported(MapType::RingBuf).ok())
}

/// Fails if the kernel has no ring buffers; `None` is not known.
fn new_enough(rings: Option<bool>) -> Result<(), KernelError> {
    match rings {
        Some(false) => Err(KernelError::TooOld { lacks: "BPF ring buffers (Linux 5.8)" }),
        Some(true) | None => Ok(()),
    }
}

/// How many seconds the monotonic clock is apart, by `/proc/self/timens_offsets`; `None` where it is not.
fn monotonic_offset(offsets: &str) -> Option<f64> {
    let line = offsets.lines().find_map(|line| line.strip_prefix("monotonic"))?;
    let mut numbers = line.split_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or_default();
    let offset = next() + next() / 1e9;
    (offset != 0.0).then_some(offset)
}

/// Fails if this thread may not load programs.
pub(super) fn capabilities() -> Result<(), KernelError> {
    let status =
        fs::read_to_string(STATUS).map_err(|source| KernelError::Proc { path: STATUS, source })?;
    let missing = missing_capabilities(effective(&status).unwrap_or(0));
    if missing.is_empty() { Ok(()) } else { Err(KernelError::Capabilities { missing }) }
}

/// The set of effective capabilities in `/proc/thread-self/status`.
fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Which of the needed capabilities are not in a set; `CAP_SYS_ADMIN` stands for both.
fn missing_capabilities(set: u64) -> Vec<&'static str> {
    let has = |capability: u32| set >> capability & 1 == 1;
    [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")]
        .into_iter()
        .filter(|(capability, _)| !has(*capability) && !has(CAP_SYS_ADMIN))
        .map(|(_, name)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{KernelError, effective, missing_capabilities, monotonic_offset, new_enough};

    #[test]
    fn missing_capabilities_are_named_one_by_one() {
        assert_eq!(missing_capabilities(0), ["CAP_BPF", "CAP_PERFMON"]);
        assert_eq!(missing_capabilities(1 << 39), ["CAP_PERFMON"]);
        assert_eq!(missing_capabilities(1 << 38), ["CAP_BPF"]);
        assert!(missing_capabilities(1 << 38 | 1 << 39).is_empty());
        assert!(missing_capabilities(1 << 21).is_empty());
    }

    #[test]
    fn a_kernel_is_too_old_only_if_it_says_so() {
        assert!(new_enough(Some(true)).is_ok() && new_enough(None).is_ok());
        let error = new_enough(Some(false)).map_err(|error| error.to_string());
        assert_eq!(
            error.as_ref().map_err(String::as_str),
            Err(
                "this kernel is too old: it lacks BPF ring buffers (Linux 5.8); iotruth needs Linux \
                 5.10 or later"
            )
        );
    }

    #[test]
    fn the_effective_set_is_read_from_status() {
        let status = "Name:\tiotruth\nCapPrm:\t0000000000000000\nCapEff:\t000000c000000000\n";
        assert_eq!(effective(status), Some(3 << 38));
        assert_eq!(effective("Name:\tiotruth\n"), None);
    }

    #[test]
    fn a_clock_that_is_apart_is_found() {
        let offset = |text| monotonic_offset(text).unwrap_or_default().to_string();
        assert_eq!(monotonic_offset(""), None);
        assert_eq!(
            monotonic_offset("monotonic           0         0\nboottime            7         0\n"),
            None
        );
        assert_eq!(
            offset("monotonic       -1000 500000000\nboottime            0         0\n"),
            "-999.5"
        );
        assert_eq!(
            offset("boottime            0         0\nmonotonic           0  20000000\n"),
            "0.02"
        );
    }

    #[test]
    fn the_message_says_cause_and_remedy() {
        let error = KernelError::Capabilities { missing: missing_capabilities(0) };
        assert_eq!(
            error.to_string(),
            "missing CAP_BPF and CAP_PERFMON: run iotruth as root (sudo), or grant what is \
             missing (AmbientCapabilities=CAP_BPF CAP_PERFMON in the systemd unit)"
        );
    }
}
