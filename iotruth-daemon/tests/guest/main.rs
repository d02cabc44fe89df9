//! The daemon on kernels that show every event: strict equality, nothing unjudged.
//!
//! Runs inside a virtual machine that has nothing but a shell, as root, on devices whose every
//! answer can be told beforehand. `IOTRUTH_BIN` names the daemon's binary.
//!
//! Each module with tests is a scenario of `cargo xtask vm`, which has a table of them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what it expects by failing"
)]

#[path = "../kernel/harness/mod.rs"]
#[expect(dead_code, reason = "there are no loop devices, and no fio in the guest")]
mod harness;

mod busy_device;
mod cgroup;
mod cgroup_owners;
mod cpu;
mod cpu_hotplug;
mod cpu_limit;
mod device_gone;
mod disk;
mod elevator_switch;
mod exact_counts;
mod flushes;
mod host_busy;
mod kernel;
mod latency;
mod mapper;
mod medium_error;
mod multipath;
mod null_blk;
mod nvme;
mod nvmet;
mod overcommit;
mod path_failover;
mod scsi_debug;
mod scsi_timeout;
mod short_transfer;
mod slow_probe;
mod strict;
mod stuck;
mod timeouts;
mod virtio_errors;
