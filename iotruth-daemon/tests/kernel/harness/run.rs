//! Running the tools that set devices up.

use std::{ffi::OsStr, process::Command};

/// Runs a tool to its end and returns what it printed, without the last line break; panics with
/// all that it said where it fails or is not installed.
pub(crate) fn run<A: AsRef<OsStr>>(tool: &str, arguments: impl IntoIterator<Item = A>) -> String {
    let mut command = Command::new(tool);
    command.args(arguments);
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{tool} cannot be started: {error}; is it installed?"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
