//! The pure heart of iotruth: block request records in, lives, verdicts and figures out.
//!
//! Nothing here reads a clock, a file or the environment, waits, or knows where records come from:
//! the engine is told everything, so live traffic, recordings and synthetic streams are judged by
//! the same code.

#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod account;
pub mod btf;
mod census;
mod completion;
pub mod decode;
pub mod device;
mod devices;
#[expect(clippy::module_inception, reason = "the engine itself is the one thing in this file")]
mod engine;
pub mod flavor;
mod flushes;
mod held;
pub mod histogram;
pub mod inflight;
mod input;
pub mod io_error;
mod join;
mod judge;
pub mod kind;
pub mod ledger;
mod life;
mod log;
mod lookahead;
pub mod mismatch;
mod moment;
pub mod operation;
pub mod owner;
pub mod phase;
mod plain;
mod prefetch;
pub mod recording;
mod reread;
mod sample;
mod shortcut;
mod skips;
pub mod snapshot;
mod spares;
mod spread;
mod starts;
mod streams;
#[cfg(test)]
mod synthetic;
mod table;
#[cfg(test)]
pub(crate) mod tests;
pub mod timeline;
mod timeout;
mod watch;

pub use census::Suspect;
pub use devices::Policy;
pub use engine::{Audit, Engine, EngineConfig, Limits};
pub use input::Input;
pub use lookahead::Records;
pub use sample::Sample;
pub use starts::Starts;
pub use streams::StreamCount;
