//! The daemon on a kernel that shows every event: strict equality, nothing unjudged.
//!
//! Runs inside a virtual machine that has nothing but a shell, as root, on `null_blk` devices that
//! are made through configfs. `IOTRUTH_BIN` names the daemon's binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what it expects by failing"
)]

#[path = "../kernel/harness/mod.rs"]
#[expect(dead_code, reason = "there are no loop devices, file systems and fio in the guest")]
mod harness;

mod busy_device;
mod exact_counts;
mod flushes;
mod null_blk;
mod timeouts;
