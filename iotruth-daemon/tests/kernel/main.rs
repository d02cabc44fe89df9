//! The daemon on the real kernel: devices are made, tormented and measured, as root.
//!
//! Without root, BTF or the tools that set devices up these tests fail; they are never skipped.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what it expects by failing"
)]

#[expect(dead_code, reason = "a few parts of it are for the guest alone")]
mod harness;

mod batched_writes;
mod books_under_load;
mod bpf_log;
mod busy_start;
mod config_errors;
mod cost;
mod coverage;
mod cpu_limit;
mod dead_reader;
mod elevator_switch;
mod exact_counts;
mod exposition;
mod failed_flush;
mod filters;
mod fsync_owners;
mod full_speed;
mod http_errors;
mod hung_recording;
mod kernel_errors;
mod loss_storm;
mod phases;
mod priority;
mod privilege_errors;
mod recording;
mod recreated_device;
mod start_up;
mod starved_reader;
mod stop_under_load;
mod stuck_device;
mod tiny_ring;
mod truncated_file;
mod two_rings;
mod two_writers;
mod unseen_end;
