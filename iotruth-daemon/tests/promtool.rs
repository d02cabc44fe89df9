//! The exposition must be what Prometheus itself calls valid and well named.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// Runs `promtool check metrics` on one exposition and asserts that it has nothing to say.
fn check(exposition: &str) {
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = spawned.unwrap_or_else(|error| {
        panic!("cannot run promtool ({error}): install it with `apt-get install prometheus`")
    });
    promtool.stdin.take().unwrap().write_all(exposition.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    assert_eq!(String::from_utf8_lossy(&said), "");
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
