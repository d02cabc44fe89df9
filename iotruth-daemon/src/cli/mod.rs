//! The command line: one subcommand per file.

mod daemon;
mod replay;

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::config::ConfigError;

/// Exit codes, for `--help`.
const EXIT_CODES: &str = "Exit codes: 0 fine, 1 error, 2 wrong usage or configuration";

/// For what stays wrong until somebody writes something else: there is no use in trying again.
const WRONG: u8 = 2;

/// Tells what really reached the block device.
#[derive(Debug, Parser)]
#[command(name = "iotruth", version, after_help = EXIT_CODES, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Follows every block request of this host and serves what it sees over HTTP.
    #[command(after_help = EXIT_CODES)]
    Daemon(Box<daemon::Flags>),
    /// Judges again what `iotruth daemon --record FILE` has kept, and prints what it found.
    #[command(after_help = EXIT_CODES)]
    Replay(replay::Flags),
}

/// Runs the command that the arguments name, and prints its error once.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // --help and --version come this way too, with exit code 0. If even this cannot be
            // printed, the exit code is all that is left to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG));
        }
    };
    let result = match cli.command {
        Command::Daemon(flags) => daemon::run(*flags),
        Command::Replay(flags) => replay::run(&flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "iotruth: {error:#}");
            match error.downcast_ref::<ConfigError>() {
                Some(error) if error.lasts() => ExitCode::from(WRONG),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
