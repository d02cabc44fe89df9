//! The one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    iotruth::cli::main()
}
