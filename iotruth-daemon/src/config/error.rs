//! What can be wrong with a configuration.

use std::{
    io::{self, ErrorKind},
    path::PathBuf,
};

use thiserror::Error;

use super::KEYS;

/// What is wrong with the configuration, where, and what to do.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration {}; check the path and its permissions, or name another \
         file with --config",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{}:{line}: this is not TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// The file has a key that does not exist.
    #[error("{}:{line}: unknown key \"{key}\"{hint} Valid keys are {}", path.display(), keys())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// The key.
        key: String,
        /// The nearest valid key, as the middle of the sentence.
        hint: String,
    },
    /// A variable looks like one of ours, but is not.
    #[error("the environment variable {variable} is unknown; did you mean {nearest}?")]
    UnknownVariable {
        /// The variable.
        variable: String,
        /// The nearest one that exists.
        nearest: String,
    },
    /// A key has a value that it does not take.
    #[error("{place}: {key} cannot be {value}; allowed is {allowed}")]
    Value {
        /// File and line, or the environment.
        place: String,
        /// The key or the variable.
        key: String,
        /// The value, as it was written.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The rings would be smaller than a page.
    #[error("ring_budget = {budget} is too small for {rings} rings; allowed is {least} or more")]
    Budget {
        /// Bytes for all rings.
        budget: u64,
        /// How many rings.
        rings: usize,
        /// Bytes that are enough.
        least: u64,
    },
    /// A key is set that this transport has no use for.
    #[error("{key} is for transport = \"ring-buffers\"; with \"per-cpu\" leave it at \"auto\"")]
    Transport {
        /// The key.
        key: &'static str,
    },
    /// A device is named that does not exist.
    #[error("there is no device {name}; {known}")]
    NoDevice {
        /// The name.
        name: String,
        /// Which devices are meant, or which there are.
        known: String,
    },
}

impl ConfigError {
    /// Whether it stays as it is for as long as nobody changes the configuration. A device may come, and so
    /// may the file.
    #[must_use]
    pub fn lasts(&self) -> bool {
        match self {
            Self::Read { source, .. } => {
                use ErrorKind::{InvalidData, IsADirectory, PermissionDenied};
                matches!(source.kind(), PermissionDenied | IsADirectory | InvalidData)
            }
            Self::NoDevice { .. } => false,
            Self::Syntax { .. }
            | Self::UnknownKey { .. }
            | Self::UnknownVariable { .. }
            | Self::Value { .. }
            | Self::Budget { .. }
            | Self::Transport { .. } => true,
        }
    }
}

fn keys() -> String {
    KEYS.map(|key| key.name).join(", ")
}
