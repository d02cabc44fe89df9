//! The unit in deploy/ is understood by systemd and leaves the daemon little to do harm with.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const EXEC: &str = "ExecStart=/usr/bin/iotruth ";

/// The unit, with a program that is on every machine: systemd refuses one that is missing.
fn unit() -> PathBuf {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/iotruth.service"));
    let text = text.unwrap();
    assert!(text.contains(&format!("{EXEC}daemon\n")), "{text}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unit");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("iotruth.service");
    // Both tests write the same; by renaming, neither sees the other's half.
    let draft = folder.join(format!("draft-{:?}", std::thread::current().id()));
    fs::write(&draft, text.replace(EXEC, "ExecStart=/bin/sh ")).unwrap();
    fs::rename(&draft, &path).unwrap();
    path
}

fn analyze(arguments: &[&str]) -> (Output, String) {
    let output = Command::new("systemd-analyze").args(arguments).arg(unit()).output().unwrap();
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output, said)
}

#[test]
fn systemd_understands_every_line() {
    let (output, said) = analyze(&["verify"]);
    // A key or value that it does not know is only a warning to it.
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn the_unit_exposes_little() {
    // In tenths of systemd's own scale: 0 is a sealed box, 100 is root without limits.
    let (output, said) = analyze(&["security", "--offline=yes", "--threshold=20"]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Overall exposure level"), "{said}");
}
