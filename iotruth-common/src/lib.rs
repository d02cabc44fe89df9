//! What the kernel side and the user side of iotruth agree on.
//!
//! These are the shapes of the records in the rings, of the counters beside them, and of the constants
//! that tell the eBPF programs where the fields of this very kernel are and how they shall work. The one
//! thing here that has behaviour is [`sample`], since both sides must choose the same requests.
#![no_std]

pub mod constant;
pub mod counters;
pub mod layout;
pub mod per_cpu;
pub mod probe;
pub mod record;
pub mod reread;
pub mod sample;
pub mod tuning;
