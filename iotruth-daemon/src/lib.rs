//! iotruth: follows every block request of a Linux host through its life and says what happened.
//!
//! `engine` is the pure heart: records in, verdicts out. Everything else feeds it or shows what it
//! found. ARCHITECTURE.md at the top of the repository says who may depend on whom.

pub mod cli;
pub mod config;
pub mod engine;
pub mod export;
pub mod http;
pub mod kernel;
pub mod logging;
mod nearest;
pub mod pipeline;
pub mod view;
