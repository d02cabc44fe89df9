//! What the daemon shows: pure functions from a [`View`](crate::view::View) to bytes.
//!
//! Nothing here reads a clock, a file or the environment, so every output has a golden file.

mod audit;
pub mod inflight;
pub mod metrics;
pub mod mismatches;
pub mod query;
pub mod ready;
pub mod replay;
mod selection;
pub mod status;
mod units;

#[cfg(test)]
pub(crate) mod golden;
#[cfg(test)]
pub(crate) mod sample;

/// A value as JSON that people can read too.
///
/// Our own types serialize without failing; should one not, the error is shown in its place.
fn json(value: &impl serde::Serialize) -> bytes::Bytes {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_else(|error| {
        serde_json::json!({ "error": error.to_string() }).to_string().into()
    });
    text.push(b'\n');
    text.into()
}
