#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path, time::Duration};

use super::{
    Config, ConfigError, Count, CpuLimit, KEYS, Layer, LogFormat, LogLevel, Pattern,
    SecondPrograms, Transport, from_environment, from_file, from_text,
};

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().filter_map(|text| Pattern::new(text)).collect()
}

fn file(text: &str) -> Result<Layer, String> {
    from_text(Path::new("a.toml"), text).map_err(|error| error.to_string())
}

fn environment(variables: &[(&str, &str)]) -> Result<Layer, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    from_environment(variables).map_err(|error| error.to_string())
}

/// The file that is shipped, with every line that is a setting uncommented.
fn shipped() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/iotruth.toml");
    let text = fs::read_to_string(path).unwrap();
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|letter: char| letter.is_ascii_lowercase()) => {
            format!("{setting}\n")
        }
        Some(_) | None => format!("{line}\n"),
    };
    text.lines().map(uncomment).collect()
}

#[test]
fn the_shipped_file_has_every_key_at_its_default() {
    let text = shipped();
    for key in KEYS {
        let line = format!("\n{} = ", key.name);
        assert_eq!(text.matches(&line).count(), 1, "{}", key.name);
    }
    let layer = from_text(Path::new("deploy/iotruth.toml"), &text).unwrap();
    assert!(layer.listen.is_some() && layer.rings.is_some() && layer.exclude.is_some());
    assert_eq!(Config::resolve(layer).unwrap(), Config::default());
}

#[test]
fn every_key_is_read_from_a_file() {
    let text = "listen = \"[::1]:80\"\nring_budget = 65536\ntransport = \"ring-buffers\"\nrings = 4\nreaders = 3\n\
                device = [\"nvme*\"]\nexclude = \"sd?\"\nstart_events = true\nsecond_programs = \"always\"\nbpf_log = true\n\
                stuck_after = \"2s\"\nslow_flush_after = \"3ms\"\naudit_interval = \"3s\"\nmax_cpu_percent = 7\n\
                record = \"/a/b\"\nrecord_limit = 65536\n\
                log_format = \"json\"\nlog_level = \"trace\"\n";
    let expected = Config {
        listen: "[::1]:80".parse().unwrap(),
        ring_budget: 65_536,
        transport: Transport::RingBuffers,
        rings: Count::Exactly(4),
        readers: Count::Exactly(3),
        device: patterns(&["nvme*"]),
        exclude: patterns(&["sd?"]),
        start_events: true,
        second_programs: SecondPrograms::Always,
        bpf_log: true,
        stuck_after: Duration::from_secs(2),
        slow_flush_after: Duration::from_millis(3),
        audit_interval: Duration::from_secs(3),
        max_cpu_percent: CpuLimit::Percent(7),
        record: Some("/a/b".into()),
        record_limit: 65_536,
        log_format: LogFormat::Json,
        log_level: LogLevel::Trace,
        fault: None,
    };
    assert_eq!(Config::resolve(file(text).unwrap()).unwrap(), expected);
    let variables = [
        ("IOTRUTH_LISTEN", "[::1]:80"),
        ("IOTRUTH_RING_BUDGET", "64KiB"),
        ("IOTRUTH_TRANSPORT", "ring-buffers"),
        ("IOTRUTH_RINGS", "4"),
        ("IOTRUTH_READERS", "3"),
        ("IOTRUTH_DEVICE", "nvme*"),
        ("IOTRUTH_EXCLUDE", "sd?"),
        ("IOTRUTH_START_EVENTS", "true"),
        ("IOTRUTH_SECOND_PROGRAMS", "always"),
        ("IOTRUTH_BPF_LOG", "true"),
        ("IOTRUTH_STUCK_AFTER", "2s"),
        ("IOTRUTH_SLOW_FLUSH_AFTER", "3ms"),
        ("IOTRUTH_AUDIT_INTERVAL", "3s"),
        ("IOTRUTH_MAX_CPU_PERCENT", "7"),
        ("IOTRUTH_RECORD", "/a/b"),
        ("IOTRUTH_RECORD_LIMIT", "64KiB"),
        ("IOTRUTH_LOG_FORMAT", "json"),
        ("IOTRUTH_LOG_LEVEL", "trace"),
    ];
    assert_eq!(variables.len(), KEYS.len());
    assert_eq!(Config::resolve(environment(&variables).unwrap()).unwrap(), expected);
}

#[test]
fn each_source_overrides_the_one_before_it() {
    let file =
        file("rings = 2\nreaders = 2\nlog_level = \"warn\"\ndevice = [\"a\", \"b\"]").unwrap();
    let environment =
        environment(&[("IOTRUTH_RINGS", "4"), ("IOTRUTH_READERS", "auto"), ("HOME", "/")]).unwrap();
    let flags =
        Layer { rings: Some(Count::Exactly(8)), device: Some(Vec::new()), ..Layer::default() };
    let config = Config::resolve(flags.over(environment).over(file)).unwrap();
    assert_eq!(config.rings, Count::Exactly(8), "flag over environment over file");
    assert_eq!(config.readers, Count::Auto, "an explicit auto overrides a number");
    assert_eq!(config.log_level, LogLevel::Warn, "file over default");
    assert_eq!(config.device, [], "lists are replaced, not joined");
    assert_eq!(config.listen, Config::default().listen);
}

#[test]
fn unknown_keys_are_refused_with_line_and_nearest_key() {
    let error = file("# one\nrings = 2\nring_budgt = \"1MiB\"\n").unwrap_err();
    let start =
        "a.toml:3: unknown key \"ring_budgt\"; did you mean \"ring_budget\"? Valid keys are";
    assert!(error.starts_with(start), "{error}");
    let error = file("\n[server]\nlisten = 1\n").unwrap_err();
    assert!(
        error.starts_with("a.toml:2: unknown key \"server\". Valid keys are listen"),
        "{error}"
    );
}

#[test]
fn wrong_values_are_refused_with_line_and_what_is_allowed() {
    let bad = [
        ("listen = 9947", "listen cannot be 9947; allowed is an address and a port"),
        ("listen = \"here\"", "listen cannot be \"here\"; allowed is an address"),
        ("ring_budget = \"32MB\"", "ring_budget cannot be \"32MB\"; allowed is a size from"),
        ("ring_budget = -1", "ring_budget cannot be -1; allowed"),
        ("rings = 3", "rings cannot be 3; allowed is auto, or 1, 2, 4, 8 or 16"),
        ("rings = \"4\"", "rings cannot be \"4\"; allowed"),
        ("readers = 1.5", "readers cannot be 1.5; allowed"),
        ("device = [1]", "device cannot be [1]; allowed is names of disks"),
        ("exclude = [\"a/b\"]", "exclude cannot be [\"a/b\"]; allowed"),
        ("start_events = \"true\"", "start_events cannot be \"true\"; allowed is true or false"),
        ("second_programs = true", "second_programs cannot be true; allowed is auto, always or"),
        ("stuck_after = 5", "stuck_after cannot be 5; allowed is a time from 1s"),
        ("slow_flush_after = \"2h\"", "slow_flush_after cannot be \"2h\"; allowed is a time"),
        ("max_cpu_percent = 0", "max_cpu_percent cannot be 0; allowed is none, or a whole number"),
        ("max_cpu_percent = \"7\"", "max_cpu_percent cannot be \"7\"; allowed is none"),
        ("audit_interval = 10", "audit_interval cannot be 10; allowed is a time from 1s"),
        ("log_level = \"loud\"", "log_level cannot be \"loud\"; allowed is error, warn"),
        ("log_format = {}", "log_format cannot be {}; allowed is text or json"),
    ];
    for (line, message) in bad {
        let error = file(&format!("\n\n{line}\n")).unwrap_err();
        assert!(error.starts_with(&format!("a.toml:3: {message}")), "{error}");
    }
}

#[test]
fn what_is_not_toml_is_refused_with_its_line() {
    let error = file("rings = 2\nlisten = \n").unwrap_err();
    assert!(error.starts_with("a.toml:2: this is not TOML: "), "{error}");
    let error = file("rings = 2\nrings = 4\n").unwrap_err();
    assert!(error.starts_with("a.toml:2: this is not TOML: duplicate key"), "{error}");
}

#[test]
fn unreadable_files_are_named_with_the_cause() {
    let missing = Path::new("/nonexistent/iotruth.toml");
    let error = format!("{:#}", anyhow::Error::from(from_file(missing).unwrap_err()));
    let start = "cannot read the configuration /nonexistent/iotruth.toml; check the path";
    assert!(error.starts_with(start) && error.contains("--config: No such file"), "{error}");
    let directory = from_file(Path::new("/")).unwrap_err();
    assert!(matches!(directory, ConfigError::Read { .. }), "{directory}");
    let endless = from_file(Path::new("/dev/zero")).unwrap_err();
    assert!(endless.lasts());
    let error = format!("{:#}", anyhow::Error::from(endless));
    assert!(error.ends_with("it has a megabyte or more, and is no configuration"), "{error}");
}

#[test]
fn the_environment_is_checked_too() {
    let error = environment(&[("IOTRUTH_RINGS", "many")]).unwrap_err();
    assert_eq!(
        error,
        "environment: IOTRUTH_RINGS cannot be \"many\"; allowed is auto, or 1, 2, 4, 8 or 16"
    );
    let error = environment(&[("IOTRUTH_RING_BUGET", "1MiB")]).unwrap_err();
    assert!(error.ends_with("did you mean IOTRUTH_RING_BUDGET?"), "{error}");
    let kubernetes = [("IOTRUTH_SERVICE_HOST", "10.0.0.1"), ("IOTRUTH_PORT_9947_TCP", "x")];
    assert_eq!(environment(&kubernetes), Ok(Layer::default()));
    assert_eq!(environment(&[("IOTRUTH_CONFIG", "x.toml")]), Ok(Layer::default()));
    let empty = environment(&[("IOTRUTH_EXCLUDE", "")]).unwrap();
    assert_eq!(empty.exclude, Some(Vec::new()), "an empty list is a list");
}

#[test]
fn rings_share_the_budget_in_powers_of_two() {
    let config = Config::default();
    assert_eq!(config.ring_bytes(1), Some(32 << 20));
    assert_eq!(config.ring_bytes(4), Some(8 << 20));
    let odd = Config { ring_budget: 100_000, ..Config::default() };
    assert_eq!((odd.ring_bytes(1), odd.ring_bytes(2)), (Some(65_536), Some(32_768)));
    assert_eq!(
        (odd.ring_bytes(16), odd.ring_bytes(32), odd.ring_bytes(0)),
        (Some(4_096), None, None)
    );
    let error = Config::resolve(file("ring_budget = 8192\nrings = 16").unwrap()).unwrap_err();
    let message = "ring_budget = 8192 is too small for 16 rings; allowed is 65536 or more";
    assert_eq!(error.to_string(), message);
}

#[test]
fn the_exclude_list_yields_to_a_device_that_is_named() {
    let config = Config::default();
    assert!(config.watches("nvme0n1") && config.watches("loop0") && config.watches("dm-0"));
    assert!(!config.watches("zram0") && !config.watches("sr0"));
    let named = Config { device: patterns(&["zram0", "s*"]), ..Config::default() };
    assert!(named.watches("zram0") && named.watches("sda"));
    assert!(!named.watches("zram1") && !named.watches("nvme0n1"));
    assert!(!named.watches("sr0"), "a pattern does not override the exclude list");
}

#[test]
fn which_disks_are_watched_is_said_where_that_is_not_as_by_default() {
    let said = |device: &[&str], exclude: Option<&[&str]>| {
        let mut config = Config { device: patterns(device), ..Config::default() };
        if let Some(exclude) = exclude {
            config.exclude = patterns(exclude);
        }
        config.selection().unwrap_or_default()
    };
    assert_eq!(said(&[], None), "");
    assert_eq!(said(&[], Some(&[])), "", "all are");
    assert!(said(&["nvem*"], None).starts_with("Not all disks are watched (device = nvem*):"));
    let both = said(&["sda", "sdb"], Some(&["sd?"]));
    assert!(both.contains("(device = sda, sdb; exclude = sd?)"), "{both}");
}
