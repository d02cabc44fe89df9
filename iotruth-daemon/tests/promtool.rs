//! The exposition must be what Prometheus itself calls valid and well named, and what docs/metrics.md
//! asks of it must be answered.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    env,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::PathBuf,
    process::{self, Command, Stdio},
};

/// Runs promtool; whether it is content, and what it said.
fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let spawned = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = spawned.unwrap_or_else(|error| {
        panic!("cannot run promtool ({error}): install it with `apt-get install prometheus`")
    });
    promtool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Runs `promtool check metrics` on one exposition and asserts that it has nothing to say.
fn check(exposition: &str) {
    let (content, said) = promtool(&["check", "metrics"], exposition);
    assert!(content, "{said}");
    assert_eq!(said, "");
}

/// A folder that is gone at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = env::temp_dir().join(format!("iotruth-promtool-{}", process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The expressions of docs/metrics.md: each begins at the beginning of a line.
fn documented() -> Vec<String> {
    let text = include_str!("../../docs/metrics.md");
    let (_, rest) = text.split_once("```promql\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let mut expressions: Vec<String> = Vec::new();
    for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with(' ') {
            let expression = expressions.last_mut().unwrap();
            expression.push(' ');
            expression.push_str(line.trim_start());
        } else {
            expressions.push(line.to_owned());
        }
    }
    expressions
}

/// A file of rules with one alert for each expression, called by its number.
fn rules(expressions: &[String]) -> String {
    let mut rules = "groups:\n- name: documented\n  rules:\n".to_owned();
    for (number, expression) in expressions.iter().enumerate() {
        writeln!(rules, "  - alert: a{number}\n    expr: '{expression}'").unwrap();
    }
    rules
}

#[test]
fn what_the_documentation_asks_is_answered() {
    // Each second a read of a millisecond. After ten minutes one of 11 s as well, and all else goes wrong but
    // the process.
    const TEST: &str = "
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - series: 'up{job=\"iotruth\"}'
    values: '1x20'
  - series: 'iotruth_ready'
    values: '1x9 0x10'
  - series: 'process_start_time_seconds{job=\"iotruth\"}'
    values: '0x20'
  - series: 'iotruth_complete_until_timestamp_seconds'
    values: '0+60x10 600x10'
  - series: 'iotruth_request_latency_seconds_bucket{device=\"sda\",op=\"read\",phase=\"total\",le=\"0.001048576\"}'
    values: '0+60x20'
  - series: 'iotruth_request_latency_seconds_bucket{device=\"sda\",op=\"read\",phase=\"total\",le=\"8.589934592\"}'
    values: '0+60x20'
  - series: 'iotruth_request_latency_seconds_bucket{device=\"sda\",op=\"read\",phase=\"total\",le=\"+Inf\"}'
    values: '0+60x9 660+120x10'
  - series: 'iotruth_request_latency_seconds_sum{device=\"sda\",phase=\"total\"}'
    values: '0+720x20'
  - series: 'iotruth_request_latency_seconds_count{device=\"sda\",op=\"read\",phase=\"total\"}'
    values: '0+60x9 660+120x10'
  - series: 'iotruth_inflight_oldest_seconds{device=\"sda\"}'
    values: '0x9 12x10'
  - series: 'iotruth_inflight_not_seen{device=\"sda\"}'
    values: '0x9 1x10'
  - series: 'iotruth_mismatches_total{device=\"new\",severity=\"critical\"}'
    values: '_x10 1x10'
  - series: 'iotruth_host_mismatches_total{severity=\"critical\"}'
    values: '0x9 1x10'
  - series: 'iotruth_events_lost_total{reason=\"ring_full\"}'
    values: '0x9 5x10'
  alert_rule_test:
";
    let folder = Folder::new();
    let expressions = documented();
    let rules = folder.file("rules.yml", &rules(&expressions));
    let (content, said) = promtool(&["check", "rules", &rules], "");
    assert!(content, "{said}");
    // Which are heard after nine minutes, when all is well, and after eleven. The first two always answer.
    let heard = [
        ("histogram_quantile", true, true),
        ("topk", true, true),
        ("sum by (device) (rate", false, true),
        ("iotruth_inflight_oldest_seconds", false, true),
        ("iotruth_inflight_not_seen", false, true),
        ("increase(iotruth_mismatches_total", false, true),
        ("increase(iotruth_host_mismatches_total", false, true),
        ("increase(iotruth_events_lost_total", false, true),
        ("up{", false, true),
        ("changes(process_start_time_seconds", false, false),
        ("time() -", false, true),
    ];
    assert_eq!(expressions.len(), heard.len(), "{expressions:#?}");
    for ((number, expression), (beginning, early, late)) in
        expressions.iter().enumerate().zip(heard)
    {
        assert!(expression.starts_with(beginning), "{expression}");
        for (minute, hears) in [(9, early), (11, late)] {
            let tests = format!("{TEST}  - eval_time: {minute}m\n    alertname: a{number}\n");
            let tests = folder.file("tests.yml", &tests);
            let (silent, said) = promtool(&["test", "rules", &tests], "");
            assert_eq!(silent, !hears, "after {minute} minutes: {expression}\n{said}");
        }
    }
}

// The unit tests of the exporter assert that these files are what it writes.

#[test]
fn a_busy_daemon() {
    check(include_str!("../src/export/golden/metrics.prom"));
}

#[test]
fn a_fresh_daemon() {
    check(include_str!("../src/export/golden/metrics_fresh.prom"));
}

#[test]
#[should_panic(expected = "counter metrics should have \"_total\" suffix")]
fn a_badly_named_metric_is_noticed() {
    check("# HELP iotruth_x X.\n# TYPE iotruth_x counter\niotruth_x 1\n");
}
