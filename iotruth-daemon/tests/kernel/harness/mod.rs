//! What every scenario needs: a daemon under test, devices to torment, and figures to compare.
//!
//! Whatever is set up here is undone when its guard is dropped, also when a test fails.

pub(crate) mod audits;
pub(crate) mod books;
pub(crate) mod daemon;
pub(crate) mod direct_io;
pub(crate) mod diskstats;
pub(crate) mod ext4;
pub(crate) mod fio;
pub(crate) mod frozen;
pub(crate) mod http;
pub(crate) mod inflight;
pub(crate) mod load;
pub(crate) mod loop_device;
pub(crate) mod metrics;
pub(crate) mod mismatches;
pub(crate) mod nobody;
pub(crate) mod patience;
pub(crate) mod recording;
mod removal;
pub(crate) mod residence;
pub(crate) mod restrict;
pub(crate) mod run;
pub(crate) mod settle;
pub(crate) mod status;
pub(crate) mod tmpfs;
pub(crate) mod trace_pipe;
pub(crate) mod turn;
pub(crate) mod witness;
