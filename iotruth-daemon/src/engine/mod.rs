//! The pure heart of iotruth: block request records in, lives, verdicts and figures out.
//!
//! Nothing here reads a clock, a file or the environment, waits, or knows where records come from:
//! the engine is told everything, so live traffic, recordings and synthetic streams are judged by
//! the same code.

#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod btf;
pub mod device;
pub mod flavor;
pub mod histogram;
pub mod io_error;
pub mod kind;
pub mod mismatch;
pub mod operation;
pub mod owner;
pub mod phase;
pub mod snapshot;
pub mod timeline;
