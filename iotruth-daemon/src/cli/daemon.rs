//! `iotruth daemon`: the always-on service.

use std::{
    env, fs,
    io::ErrorKind,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::{ArgAction, Args, ValueEnum};

use crate::{
    config::{
        Config, ConfigError, Count, CpuLimit, DEFAULT_PATH, Fault, Layer, LogFormat, LogLevel,
        Pattern, SecondPrograms, Transport, check_devices, from_environment, from_file, value,
    },
    logging, pipeline,
};

/// Flags of `iotruth daemon`. Each overrides its variable of the environment, IOTRUTH_ and the name
/// in capitals, which overrides the configuration file.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Configuration file [default: /etc/iotruth.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "IOTRUTH_CONFIG")]
    config: Option<PathBuf>,

    /// Where HTTP listens [default: 127.0.0.1:9947]
    #[arg(long, value_name = "ADDRESS:PORT",
          value_parser = parser(value::listen, value::LISTEN))]
    listen: Option<SocketAddr>,

    /// Kernel memory of all rings together [default: 32MiB]
    #[arg(long, value_name = "SIZE",
          value_parser = parser(value::ring_budget, value::RING_BUDGET))]
    ring_budget: Option<u64>,

    /// How records travel: auto, per-cpu or ring-buffers [default: auto]
    #[arg(long, value_name = "HOW", value_parser = parser(value::transport, value::TRANSPORT))]
    transport: Option<Transport>,

    /// Number of BPF ring buffers: auto, 1, 2, 4, 8 or 16 [default: auto]
    #[arg(long, value_name = "NUMBER", value_parser = parser(value::rings, value::RINGS))]
    rings: Option<Count>,

    /// Number of threads that empty the rings: auto, or 1 to 16 [default: auto]
    #[arg(long, value_name = "NUMBER", value_parser = parser(value::readers, value::READERS))]
    readers: Option<Count>,

    /// Watch only these disks; may be repeated, * and ? are wildcards [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',',
          value_parser = parser(Pattern::new, value::PATTERNS))]
    device: Vec<Pattern>,

    /// Do not watch these disks; may be repeated, replaces the default list [default: zram*, ram*,
    /// sr*, fd*]
    #[arg(long, value_name = "NAME", value_delimiter = ',',
          value_parser = parser(Pattern::new, value::PATTERNS))]
    exclude: Vec<Pattern>,

    /// Trace the start of every request, not only where it is needed [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set)]
    start_events: Option<bool>,

    /// Have a second program on each tracepoint: auto, always or never [default: auto]
    #[arg(long, value_name = "WHEN",
          value_parser = parser(value::second_programs, value::SECOND_PROGRAMS))]
    second_programs: Option<SecondPrograms>,

    /// Let the eBPF programs log what is rare [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set)]
    bpf_log: Option<bool>,

    /// How long a request may be without an event before it is stuck [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = parser(value::stuck_after, value::STUCK_AFTER))]
    stuck_after: Option<Duration>,

    /// How long a device may take for a flush before it is slow [default: 1s]
    #[arg(long, value_name = "TIME",
          value_parser = parser(value::slow_flush_after, value::SLOW_FLUSH_AFTER))]
    slow_flush_after: Option<Duration>,

    /// How often the figures are held against /proc/diskstats [default: 10s]
    #[arg(long, value_name = "TIME",
          value_parser = parser(value::audit_interval, value::AUDIT_INTERVAL))]
    audit_interval: Option<Duration>,

    /// CPU time that the daemon and its programs may use, in percent of one CPU; beyond it less is told,
    /// in steps that /status says, or none for no limit [default: none]
    #[arg(long, value_name = "PERCENT",
          value_parser = parser(value::max_cpu_percent, value::MAX_CPU_PERCENT))]
    max_cpu_percent: Option<CpuLimit>,

    /// Keep all that is judged in this file, for `iotruth replay` [default: nowhere]
    #[arg(long, value_name = "FILE", value_parser = parser(value::record, value::RECORD))]
    record: Option<PathBuf>,

    /// Most bytes of that file; beyond them it ends, and the daemon goes on [default: 256MiB]
    #[arg(long, value_name = "SIZE",
          value_parser = parser(value::record_limit, value::RECORD_LIMIT))]
    record_limit: Option<u64>,

    /// Form of the log: text or json [default: text]
    #[arg(long, value_name = "FORMAT",
          value_parser = parser(value::log_format, value::LOG_FORMAT))]
    log_format: Option<LogFormat>,

    /// What is logged: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL", value_parser = parser(value::log_level, value::LOG_LEVEL))]
    log_level: Option<LogLevel>,

    /// Break something, for tests of what happens then
    #[arg(long, hide = true, value_enum)]
    fault: Option<FaultFlag>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FaultFlag {
    ReaderPanic,
    ReaderStall,
    TwoWriters,
    UnseenCompletion,
}

/// The same reading as in files and the environment, with the same words for what is allowed.
fn parser<T>(
    read: fn(&str) -> Option<T>,
    allowed: &'static str,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| read(text).ok_or_else(|| format!("allowed is {allowed}"))
}

/// Reads the configuration and runs the daemon until it is told to stop.
pub(super) fn run(flags: Flags) -> anyhow::Result<()> {
    let config = configure(flags, env::vars_os().filter_map(utf8))?;
    check_devices(&config.device, &disks()?)?;
    logging::start(config.log_format, config.log_level)?;
    pipeline::start(config)
}

/// All layers over each other.
fn configure(
    flags: Flags,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let file = match &flags.config {
        Some(path) => from_file(path)?,
        // Only a default file that is not there is passed over, not one that cannot be read.
        None => match from_file(Path::new(DEFAULT_PATH)) {
            Err(ConfigError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Layer::default()
            }
            read => read?,
        },
    };
    let fault = flags.fault.map(|fault| match fault {
        FaultFlag::ReaderPanic => Fault::ReaderPanic,
        FaultFlag::ReaderStall => Fault::ReaderStall,
        FaultFlag::TwoWriters => Fault::TwoWriters,
        FaultFlag::UnseenCompletion => Fault::UnseenCompletion,
    });
    let layer = flags.layer().over(from_environment(variables)?).over(file);
    Ok(Config { fault, ..Config::resolve(layer)? })
}

/// Names of the disks of this machine; partitions are not among them.
fn disks() -> anyhow::Result<Vec<String>> {
    let directory = "/sys/block";
    let entries = fs::read_dir(directory).with_context(|| {
        format!("cannot read {directory}; mount it with `mount -t sysfs sysfs /sys`")
    })?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    Ok(names)
}

/// Variables of ours are ASCII; whatever is not text is none of them.
fn utf8((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
}

impl Flags {
    fn layer(self) -> Layer {
        let list = |patterns: Vec<Pattern>| Some(patterns).filter(|patterns| !patterns.is_empty());
        Layer {
            listen: self.listen,
            ring_budget: self.ring_budget,
            transport: self.transport,
            rings: self.rings,
            readers: self.readers,
            device: list(self.device),
            exclude: list(self.exclude),
            start_events: self.start_events,
            second_programs: self.second_programs,
            bpf_log: self.bpf_log,
            stuck_after: self.stuck_after,
            slow_flush_after: self.slow_flush_after,
            audit_interval: self.audit_interval,
            max_cpu_percent: self.max_cpu_percent,
            record: self.record,
            record_limit: self.record_limit,
            log_format: self.log_format,
            log_level: self.log_level,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use clap::Parser;

    use super::{Flags, configure};
    use crate::config::{
        Config, Count, CpuLimit, Fault, LogFormat, LogLevel, SecondPrograms, Transport,
    };

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    fn config(line: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        // An empty file, so that the one of this machine has no say.
        let words = ["iotruth", "--config", "/dev/null"].into_iter().chain(line.split_whitespace());
        let flags = Line::try_parse_from(words).map_err(|error| error.to_string())?.flags;
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        configure(flags, owned).map_err(|error| error.to_string())
    }

    #[test]
    fn every_flag_is_read() {
        assert_eq!(config("", &[]), Ok(Config::default()));
        let read = config(
            "--listen [::1]:80 --ring-budget 64KiB --transport ring-buffers --rings 4 --readers 3 --device nvme*,sda \
             --device sdb --exclude md* --start-events --second-programs always --bpf-log=true --stuck-after 2s \
             --slow-flush-after 3ms --audit-interval 3s --max-cpu-percent 7 --record /a/b --record-limit 64K --log-format json --log-level trace \
             --fault reader-panic",
            &[],
        )
        .unwrap();
        assert_eq!(
            read.device.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["nvme*", "sda", "sdb"]
        );
        assert_eq!(read.exclude.iter().map(ToString::to_string).collect::<Vec<_>>(), ["md*"]);
        let expected = Config {
            listen: "[::1]:80".parse().unwrap(),
            ring_budget: 64 << 10,
            transport: Transport::RingBuffers,
            rings: Count::Exactly(4),
            readers: Count::Exactly(3),
            device: read.device.clone(),
            exclude: read.exclude.clone(),
            start_events: true,
            second_programs: SecondPrograms::Always,
            bpf_log: true,
            stuck_after: Duration::from_secs(2),
            slow_flush_after: Duration::from_millis(3),
            audit_interval: Duration::from_secs(3),
            max_cpu_percent: CpuLimit::Percent(7),
            record: Some("/a/b".into()),
            record_limit: 64 << 10,
            log_format: LogFormat::Json,
            log_level: LogLevel::Trace,
            fault: Some(Fault::ReaderPanic),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn flags_override_the_environment() {
        let variables = [("IOTRUTH_RINGS", "2"), ("IOTRUTH_BPF_LOG", "true")];
        assert_eq!(config("", &variables).unwrap().rings, Count::Exactly(2));
        let read = config("--rings auto --bpf-log=false", &variables).unwrap();
        assert_eq!((read.rings, read.bpf_log), (Count::Auto, false));
    }

    #[test]
    fn bad_values_are_refused_with_what_is_allowed() {
        let bad = [
            ("--rings 3", "allowed is auto, or 1, 2, 4, 8 or 16"),
            ("--ring-budget 1TB", "allowed is a size from 4KiB to 1GiB"),
            ("--transport mail", "allowed is auto, per-cpu or ring-buffers"),
            ("--transport per-cpu --rings 4", "rings is for transport = \"ring-buffers\""),
            ("--listen here", "allowed is an address and a port"),
            ("--stuck-after 5", "allowed is a time from 1s to 1h"),
            ("--log-level loud", "allowed is error, warn, info, debug or trace"),
            ("--device a/b", "allowed is names of disks"),
            ("--log-fromat json", "similar argument exists: '--log-format'"),
        ];
        for (line, message) in bad {
            let error = config(line, &[]).unwrap_err();
            assert!(error.contains(message), "{line}: {error}");
        }
    }
}
