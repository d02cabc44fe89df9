//! What a value may be, and how it is read from text. The same for files, environment and flags.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use super::Pattern;

/// Values of `listen`.
pub const LISTEN: &str = "an address and a port, such as 127.0.0.1:9947 or [::1]:9947";
/// Values of `ring_budget`.
pub const RING_BUDGET: &str = "a size from 4KiB to 1GiB, such as 32MiB";
/// Values of `transport`.
pub const TRANSPORT: &str = "auto, per-cpu or ring-buffers";
/// Values of `rings`.
pub const RINGS: &str = "auto, or 1, 2, 4, 8 or 16";
/// Values of `readers`.
pub const READERS: &str = "auto, or a whole number from 1 to 16";
/// Values of `device` and `exclude`.
pub const PATTERNS: &str = "names of disks, in which * stands for any letters and ? for one";
/// Values of `second_programs`.
pub const SECOND_PROGRAMS: &str = "auto, always or never";
/// Values of `start_events` and `bpf_log`.
pub const BOOLEAN: &str = "true or false";
/// Values of `stuck_after`.
pub const STUCK_AFTER: &str = "a time from 1s to 1h, such as 5s";
/// Values of `slow_flush_after`.
pub const SLOW_FLUSH_AFTER: &str = "a time from 1ms to 1h, such as 1s";
/// Values of `audit_interval`.
pub const AUDIT_INTERVAL: &str = "a time from 1s to 1h, such as 10s";
/// Values of `max_cpu_percent`.
pub const MAX_CPU_PERCENT: &str =
    "none, or a whole number from 1 to 10000, of which 100 is one CPU";
/// Values of `record`.
pub const RECORD: &str = "the path of a file, or nothing";
/// Values of `record_limit`.
pub const RECORD_LIMIT: &str = "a size from 64KiB to 64GiB, such as 256MiB";
/// Values of `log_format`.
pub const LOG_FORMAT: &str = "text or json";
/// Values of `log_level`.
pub const LOG_LEVEL: &str = "error, warn, info, debug or trace";

/// How records get from the kernel to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In rings of each CPU and program where that is known to be right, else in BPF ring buffers.
    Auto,
    /// In rings of each CPU and program.
    PerCpu,
    /// In BPF ring buffers.
    RingBuffers,
}

/// When each tracepoint has a second program, which tells what the kernel skips the first one for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondPrograms {
    /// Where the kernel is known to skip programs often.
    Auto,
    /// Wherever it skips programs at all.
    Always,
    /// Nowhere.
    Never,
}

/// How many of something there shall be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// As many as suit the machine.
    #[default]
    Auto,
    /// So many.
    Exactly(usize),
}

/// How much CPU time may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CpuLimit {
    /// As much as it takes.
    #[default]
    None,
    /// So much of one CPU, in percent.
    Percent(u32),
}

impl CpuLimit {
    /// The same in CPUs.
    #[must_use]
    pub fn cpus(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Percent(percent) => Some(f64::from(percent) / 100.0),
        }
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The mildest messages that are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What ends the daemon or makes it blind.
    Error,
    /// What makes it know less.
    Warn,
    /// Start, stop and what it found on this machine.
    Info,
    /// What its parts do.
    Debug,
    /// Everything.
    Trace,
}

/// Reads a `listen`.
#[must_use]
pub fn listen(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

/// Reads a `ring_budget`.
#[must_use]
pub fn ring_budget(text: &str) -> Option<u64> {
    budget(size(text)?)
}

/// Reads a `max_cpu_percent`.
#[must_use]
pub fn max_cpu_percent(text: &str) -> Option<CpuLimit> {
    match text.trim() {
        "none" => Some(CpuLimit::None),
        number => {
            let percent = number.parse().ok().filter(|percent| (1..=10_000).contains(percent));
            percent.map(CpuLimit::Percent)
        }
    }
}

/// Reads a `record`.
#[must_use]
pub fn record(text: &str) -> Option<PathBuf> {
    Some(text.into())
}

/// Reads a `record_limit`.
#[must_use]
pub fn record_limit(text: &str) -> Option<u64> {
    recording(size(text)?)
}

/// Reads a size: bytes, or a number with a unit.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Checks a `ring_budget` in bytes.
#[must_use]
pub fn budget(bytes: u64) -> Option<u64> {
    (4 << 10..=1 << 30).contains(&bytes).then_some(bytes)
}

/// Checks a `record_limit` in bytes.
#[must_use]
pub fn recording(bytes: u64) -> Option<u64> {
    (64 << 10..=64 << 30).contains(&bytes).then_some(bytes)
}

/// Reads a `transport`.
#[must_use]
pub fn transport(text: &str) -> Option<Transport> {
    match text {
        "auto" => Some(Transport::Auto),
        "per-cpu" => Some(Transport::PerCpu),
        "ring-buffers" => Some(Transport::RingBuffers),
        _ => None,
    }
}

/// Reads a `rings`.
#[must_use]
pub fn rings(text: &str) -> Option<Count> {
    auto_or(text, |number| number.is_power_of_two() && number <= 16)
}

/// Reads a `readers`.
#[must_use]
pub fn readers(text: &str) -> Option<Count> {
    auto_or(text, |number| (1..=16).contains(&number))
}

/// Reads a list of patterns, separated by commas; an empty text is an empty list.
#[must_use]
pub fn patterns(text: &str) -> Option<Vec<Pattern>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    text.split(',').map(Pattern::new).collect()
}

/// Reads a boolean.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Reads a `second_programs`.
#[must_use]
pub fn second_programs(text: &str) -> Option<SecondPrograms> {
    match text {
        "auto" => Some(SecondPrograms::Auto),
        "always" => Some(SecondPrograms::Always),
        "never" => Some(SecondPrograms::Never),
        _ => None,
    }
}

/// Reads a `stuck_after`.
#[must_use]
pub fn stuck_after(text: &str) -> Option<Duration> {
    // Younger requests are not looked up.
    time(text, Duration::from_secs(1)..=HOUR)
}

/// Reads a `slow_flush_after`.
#[must_use]
pub fn slow_flush_after(text: &str) -> Option<Duration> {
    time(text, Duration::from_millis(1)..=HOUR)
}

/// Reads an `audit_interval`.
#[must_use]
pub fn audit_interval(text: &str) -> Option<Duration> {
    time(text, Duration::from_secs(1)..=HOUR)
}

/// Reads a `log_format`.
#[must_use]
pub fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}

/// Reads a `log_level`.
#[must_use]
pub fn log_level(text: &str) -> Option<LogLevel> {
    match text {
        "error" => Some(LogLevel::Error),
        "warn" => Some(LogLevel::Warn),
        "info" => Some(LogLevel::Info),
        "debug" => Some(LogLevel::Debug),
        "trace" => Some(LogLevel::Trace),
        _ => None,
    }
}

const HOUR: Duration = Duration::from_hours(1);

fn time(text: &str, allowed: RangeInclusive<Duration>) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|time| allowed.contains(time))
}

fn auto_or(text: &str, valid: fn(usize) -> bool) -> Option<Count> {
    if text == "auto" {
        return Some(Count::Auto);
    }
    text.parse().ok().filter(|number| valid(*number)).map(Count::Exactly)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        Count, audit_interval, boolean, listen, log_level, readers, record_limit, ring_budget,
        rings, slow_flush_after, stuck_after,
    };

    #[test]
    fn sizes_have_units_and_bounds() {
        assert_eq!(ring_budget("32MiB"), Some(32 << 20));
        assert_eq!(ring_budget(" 8 MiB "), Some(8 << 20));
        assert_eq!(ring_budget("4096"), Some(4_096));
        assert_eq!(ring_budget("4K"), Some(4_096));
        assert_eq!(ring_budget("1GiB"), Some(1 << 30));
        for bad in ["", "MiB", "32MB", "-1", "4095", "2GiB", "99999999999999999999", "1e6"] {
            assert_eq!(ring_budget(bad), None, "{bad}");
        }
        assert_eq!(record_limit("2GiB"), Some(2 << 30));
        assert_eq!((record_limit("65535"), record_limit("65GiB")), (None, None));
    }

    #[test]
    fn counts_are_auto_or_in_range() {
        assert_eq!(rings("auto"), Some(Count::Auto));
        assert_eq!(rings("16"), Some(Count::Exactly(16)));
        for bad in ["0", "3", "32", "-1", "Auto", ""] {
            assert_eq!(rings(bad), None, "{bad}");
        }
        assert_eq!(readers("3"), Some(Count::Exactly(3)));
        assert_eq!((readers("0"), readers("17")), (None, None));
    }

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(stuck_after("1500ms"), Some(Duration::from_millis(1_500)));
        assert_eq!(slow_flush_after("1ms"), Some(Duration::from_millis(1)));
        assert_eq!(slow_flush_after("1h"), Some(Duration::from_hours(1)));
        for bad in ["", "5", "999ms", "61m", "-1s", "1 parsec"] {
            assert_eq!(stuck_after(bad), None, "{bad}");
            assert_eq!(audit_interval(bad), None, "{bad}");
        }
    }

    #[test]
    fn words_are_exact() {
        assert_eq!((boolean("true"), boolean("yes")), (Some(true), None));
        assert!(log_level("debug").is_some() && log_level("DEBUG").is_none());
        assert!(listen("127.0.0.1:0").is_some() && listen("[::1]:80").is_some());
        assert!(listen("localhost:80").is_none() && listen("127.0.0.1").is_none());
    }
}
