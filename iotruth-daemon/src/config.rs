//! What the daemon was told: defaults, then the file, then the environment, then the flags.
//!
//! Each source is read into a [`Layer`], in which a key is there or not. Layers are laid over each
//! other and resolved once, so nothing else ever asks where a setting came from.

mod device;
mod environment;
mod error;
mod file;
mod key;
mod pattern;
pub mod value;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use iotruth_common::counters::MAX_RINGS;

pub use self::{
    device::check_devices,
    environment::from_environment,
    error::ConfigError,
    file::{DEFAULT_PATH, from_file, from_text},
    key::{KEYS, Key},
    pattern::Pattern,
    value::{Count, CpuLimit, LogFormat, LogLevel, SecondPrograms, Transport},
};

/// Smallest ring: one page of the smallest page size that Linux has.
const MIN_RING: u64 = 4_096;

/// Every setting, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where HTTP listens.
    pub listen: SocketAddr,
    /// Kernel memory of all rings together, in bytes.
    pub ring_budget: u64,
    /// How records travel.
    pub transport: Transport,
    /// How many BPF ring buffers, a power of two.
    pub rings: Count,
    /// How many reader threads.
    pub readers: Count,
    /// Devices to watch; empty for all.
    pub device: Vec<Pattern>,
    /// Devices not to watch, unless they are named in `device` letter by letter.
    pub exclude: Vec<Pattern>,
    /// Whether `block_io_start` is traced for every request, not only where it is needed.
    pub start_events: bool,
    /// When each tracepoint has a second program.
    pub second_programs: SecondPrograms,
    /// Whether the eBPF programs log what is rare.
    pub bpf_log: bool,
    /// How long a request may be without an event before it is stuck.
    pub stuck_after: Duration,
    /// How long a device may take for a flush before it is slow.
    pub slow_flush_after: Duration,
    /// How often the figures of each device are held against the kernel's own.
    pub audit_interval: Duration,
    /// How much CPU time the daemon and its programs may use.
    pub max_cpu_percent: CpuLimit,
    /// The file that all that the engines are told is recorded in, for `iotruth replay`; `None` where
    /// nothing is recorded.
    pub record: Option<PathBuf>,
    /// Most bytes of that file.
    pub record_limit: u64,
    /// Form of the log.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_level: LogLevel,
    /// What shall break, for tests of that.
    pub fault: Option<Fault>,
}

/// A fault that a test wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A reader thread panics after its first records.
    ReaderPanic,
    /// A reader thread stands still after its first records.
    ReaderStall,
    /// Two programs seem to have written into one ring.
    TwoWriters,
    /// One completion is seen by nobody, and nobody counts that.
    UnseenCompletion,
}

/// What one source says; `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is that of `Config`")]
pub struct Layer {
    pub listen: Option<SocketAddr>,
    pub ring_budget: Option<u64>,
    pub transport: Option<Transport>,
    pub rings: Option<Count>,
    pub readers: Option<Count>,
    pub device: Option<Vec<Pattern>>,
    pub exclude: Option<Vec<Pattern>>,
    pub start_events: Option<bool>,
    pub second_programs: Option<SecondPrograms>,
    pub bpf_log: Option<bool>,
    pub stuck_after: Option<Duration>,
    pub slow_flush_after: Option<Duration>,
    pub audit_interval: Option<Duration>,
    pub max_cpu_percent: Option<CpuLimit>,
    pub record: Option<PathBuf>,
    pub record_limit: Option<u64>,
    pub log_format: Option<LogFormat>,
    pub log_level: Option<LogLevel>,
}

impl Layer {
    /// This layer, and `below` where it says nothing. Lists replace each other as a whole.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            listen: self.listen.or(below.listen),
            ring_budget: self.ring_budget.or(below.ring_budget),
            transport: self.transport.or(below.transport),
            rings: self.rings.or(below.rings),
            readers: self.readers.or(below.readers),
            device: self.device.or(below.device),
            exclude: self.exclude.or(below.exclude),
            start_events: self.start_events.or(below.start_events),
            second_programs: self.second_programs.or(below.second_programs),
            bpf_log: self.bpf_log.or(below.bpf_log),
            stuck_after: self.stuck_after.or(below.stuck_after),
            slow_flush_after: self.slow_flush_after.or(below.slow_flush_after),
            audit_interval: self.audit_interval.or(below.audit_interval),
            max_cpu_percent: self.max_cpu_percent.or(below.max_cpu_percent),
            record: self.record.or(below.record),
            record_limit: self.record_limit.or(below.record_limit),
            log_format: self.log_format.or(below.log_format),
            log_level: self.log_level.or(below.log_level),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9947)),
            ring_budget: 32 << 20,
            transport: Transport::Auto,
            rings: Count::Auto,
            readers: Count::Auto,
            device: Vec::new(),
            // Memory, optical and floppy drives. Not loop devices: they carry file systems.
            exclude: ["zram*", "ram*", "sr*", "fd*"]
                .iter()
                .filter_map(|text| Pattern::new(text))
                .collect(),
            start_events: false,
            second_programs: SecondPrograms::Auto,
            bpf_log: false,
            stuck_after: Duration::from_secs(5),
            slow_flush_after: Duration::from_secs(1),
            audit_interval: Duration::from_secs(10),
            max_cpu_percent: CpuLimit::None,
            record: None,
            record_limit: 256 << 20,
            log_format: LogFormat::Text,
            log_level: LogLevel::Info,
            fault: None,
        }
    }
}

impl Config {
    /// The layers of file, environment and flags already laid over each other, over the defaults.
    pub fn resolve(layer: Layer) -> Result<Self, ConfigError> {
        let default = Self::default();
        let config = Self {
            listen: layer.listen.unwrap_or(default.listen),
            ring_budget: layer.ring_budget.unwrap_or(default.ring_budget),
            transport: layer.transport.unwrap_or(default.transport),
            rings: layer.rings.unwrap_or(default.rings),
            readers: layer.readers.unwrap_or(default.readers),
            device: layer.device.unwrap_or(default.device),
            exclude: layer.exclude.unwrap_or(default.exclude),
            start_events: layer.start_events.unwrap_or(default.start_events),
            second_programs: layer.second_programs.unwrap_or(default.second_programs),
            bpf_log: layer.bpf_log.unwrap_or(default.bpf_log),
            stuck_after: layer.stuck_after.unwrap_or(default.stuck_after),
            slow_flush_after: layer.slow_flush_after.unwrap_or(default.slow_flush_after),
            audit_interval: layer.audit_interval.unwrap_or(default.audit_interval),
            max_cpu_percent: layer.max_cpu_percent.unwrap_or(default.max_cpu_percent),
            // An empty path is how a source says that there is to be none.
            record: layer.record.filter(|path| !path.as_os_str().is_empty()),
            record_limit: layer.record_limit.unwrap_or(default.record_limit),
            log_format: layer.log_format.unwrap_or(default.log_format),
            log_level: layer.log_level.unwrap_or(default.log_level),
            fault: None,
        };
        if config.transport == Transport::PerCpu
            && let Some(key) = config.buffers_only()
        {
            return Err(ConfigError::Transport { key });
        }
        let rings = match config.rings {
            Count::Auto => 1,
            Count::Exactly(rings) => rings,
        };
        match config.ring_bytes(rings) {
            Some(_) => Ok(config),
            None => Err(ConfigError::Budget {
                budget: config.ring_budget,
                rings,
                least: rings as u64 * MIN_RING,
            }),
        }
    }

    /// A key that was set and that only BPF ring buffers have a use for.
    #[must_use]
    pub const fn buffers_only(&self) -> Option<&'static str> {
        match self.rings {
            Count::Exactly(_) => Some("rings"),
            Count::Auto => None,
        }
    }

    /// Bytes of each of `rings` rings: the largest power of two with which all fit into the budget;
    /// `None` where that is less than a page.
    #[must_use]
    pub fn ring_bytes(&self, rings: usize) -> Option<u32> {
        let each = self.ring_budget.checked_div(rings as u64)?;
        let bytes = 1_u64 << each.checked_ilog2()?;
        u32::try_from(bytes.min(1 << 30)).ok().filter(|bytes| u64::from(*bytes) >= MIN_RING)
    }

    /// Whether a device with this name is watched.
    ///
    /// Who names a device letter by letter wants it, whatever the exclude list says.
    #[must_use]
    pub fn watches(&self, name: &str) -> bool {
        let named = |pattern: &Pattern| pattern.is_literal() && pattern.matches(name);
        let included =
            self.device.is_empty() || self.device.iter().any(|pattern| pattern.matches(name));
        self.device.iter().any(named)
            || included && !self.exclude.iter().any(|pattern| pattern.matches(name))
    }

    /// What is to be said where fewer disks are watched than by default, or others; `None` where not.
    #[must_use]
    pub fn selection(&self) -> Option<String> {
        let default = Self::default();
        let list = |key: &str, patterns: &[Pattern]| {
            let patterns: Vec<_> = patterns.iter().map(Pattern::to_string).collect();
            format!("{key} = {}", patterns.join(", "))
        };
        let device = (self.device != default.device).then(|| list("device", &self.device));
        let excluding = self.exclude != default.exclude && !self.exclude.is_empty();
        let exclude = excluding.then(|| list("exclude", &self.exclude));
        let set: Vec<_> = device.into_iter().chain(exclude).collect();
        (!set.is_empty()).then(|| {
            format!(
                "Not all disks are watched ({}): nothing is shown of the others, but their requests are among \
                 the events and lives that are counted, and among those that are judged.",
                set.join("; ")
            )
        })
    }
}

const _: () = assert!(MAX_RINGS == 16, "the texts of config::value and deploy/iotruth.toml say so");

#[cfg(test)]
mod tests;
