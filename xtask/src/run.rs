//! `cargo xtask run`: set-up, release build, and the daemon in the foreground.

use std::{ffi::OsString, os::unix::process::CommandExt, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{build, privilege::Elevation, setup};

/// Where the daemon listens unless it is told otherwise.
const ADDRESS: &str = "127.0.0.1:9947";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Arguments for `iotruth daemon`.
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

/// Becomes the daemon; returns only if that fails.
pub(crate) fn command(options: &Options) -> Result<()> {
    let elevation = Elevation::detect()?;
    if elevation == Elevation::Impossible {
        bail!("the daemon needs root (or CAP_BPF and CAP_PERFMON), and there is no sudo here");
    }
    let binary = build::daemon(&setup::ensure_attended(elevation)?, true, false)?;
    print!("{}", greeting(address(&options.arguments)));
    // Replacing ourselves lets signals and the exit code of the daemon through.
    let mut daemon = start(elevation, &binary);
    let error = daemon.arg("daemon").args(&options.arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", binary.display()))
}

fn start(elevation: Elevation, binary: &Path) -> Command {
    match elevation {
        Elevation::Root | Elevation::Impossible => Command::new(binary),
        // sudo may ask for the password: a person is sitting here.
        Elevation::Sudo | Elevation::SudoAsks => {
            let mut sudo = Command::new("sudo");
            sudo.arg("--").arg(binary);
            sudo
        }
    }
}

/// The address that the arguments name; one in the configuration or the environment stays unseen.
fn address(arguments: &[OsString]) -> &str {
    let mut words = arguments.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        match word.strip_prefix("--listen") {
            Some("") => return words.next().unwrap_or(ADDRESS),
            Some(value) => return value.strip_prefix('=').unwrap_or(ADDRESS),
            None => {}
        }
    }
    ADDRESS
}

fn greeting(address: &str) -> String {
    let url = format!("http://{address}");
    format!(
        "\niotruth is starting on {url} (stop it with Ctrl-C). Try, in another terminal:\n\
         \x20 curl -s {url}/metrics\n\
         \x20 curl -s '{url}/mismatches?format=text'\n\
         \x20 curl -s {url}/status\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_gives_three_lines_that_can_be_pasted() {
        let text = greeting(ADDRESS);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("  curl ")).collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].contains("'http://127.0.0.1:9947/mismatches?format=text'"), "{text}");
    }

    #[test]
    fn the_greeting_follows_the_arguments() {
        let of = |words: &[&str]| {
            address(&words.iter().map(OsString::from).collect::<Vec<_>>()).to_owned()
        };
        assert_eq!(of(&["--device", "sd*", "--listen", "[::1]:80"]), "[::1]:80");
        assert_eq!(of(&["--listen=127.0.0.1:1"]), "127.0.0.1:1");
        assert_eq!(of(&["--bpf-log"]), ADDRESS);
    }
}
