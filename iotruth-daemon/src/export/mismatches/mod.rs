//! `/mismatches`: every request that failed or behaved oddly, told whole.

mod entry;
mod filter;
mod sentence;
mod summary;
mod text;

use std::cmp::Reverse;

use bytes::Bytes;
use serde::Serialize;

use self::summary::{Row, summary};
pub use self::{
    entry::Entry,
    filter::{Filter, KEYS},
    sentence::sentence,
};
use super::{query::Format, units::utc};
use crate::{
    engine::{
        mismatch::Mismatch,
        snapshot::{UNJUDGED, Unjudged},
    },
    view::View,
};

/// Version of the JSON schema; grows when a field is renamed or removed.
const VERSION: u32 = 1;

/// The whole answer.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    version: u32,
    now: String,
    watching_since: String,
    requests_judged: u64,
    requests_unjudged: UnjudgedCounts,
    log_dropped: u64,
    /// Requests that have been open for long and are not told as stuck, because what was lost may have
    /// been another attempt.
    doubtful: u64,
    /// Which requests nothing is told of meanwhile, each in a sentence.
    limits: &'a [String],
    matched: usize,
    shown: usize,
    /// All that matched, by kind and device; as many rows as mismatches may be shown.
    summary: Vec<Row<'a>>,
    mismatches: Vec<Entry<'a>>,
}

/// Requests that could not be judged. The reasons are counted by device and end with it, so their
/// sum may be less than the total.
#[derive(Debug, Serialize)]
struct UnjudgedCounts {
    total: u64,
    loss: u64,
    inferred: u64,
    pre_existing: u64,
}

/// The mismatches that a filter lets pass, newest first.
#[must_use]
pub fn mismatches(view: &View, filter: &Filter) -> Bytes {
    let mut matched = newest_first(view);
    matched.retain(|mismatch| filter.lets_pass(mismatch));
    let shown = matched.get(..filter.limit.min(matched.len())).unwrap_or_default();
    match filter.format {
        Format::Json => json(view, filter, &matched, shown),
        Format::Text => Bytes::from(text::text(view, filter, &matched, shown)),
    }
}

/// All mismatches, what was seen last first: neither what comes again nor several readers keep to the
/// order of the ids.
pub(super) fn newest_first(view: &View) -> Vec<&Mismatch> {
    let mut mismatches: Vec<&Mismatch> =
        view.snapshot.mismatches.iter().map(AsRef::as_ref).collect();
    mismatches.sort_unstable_by_key(|mismatch| Reverse((mismatch.last, mismatch.id)));
    mismatches
}

fn json(view: &View, filter: &Filter, matched: &[&Mismatch], shown: &[&Mismatch]) -> Bytes {
    let unjudged = unjudged(view);
    let answer = Answer {
        version: VERSION,
        now: utc(view.anchor.wall_time(view.snapshot.taken)),
        watching_since: utc(view.status.attached),
        requests_judged: view.snapshot.lives.judged,
        requests_unjudged: UnjudgedCounts {
            total: view.snapshot.lives.unjudged,
            loss: unjudged[Unjudged::Loss as usize],
            inferred: unjudged[Unjudged::Inferred as usize],
            pre_existing: unjudged[Unjudged::PreExisting as usize],
        },
        log_dropped: view.snapshot.lives.mismatches_dropped,
        doubtful: view.snapshot.in_flight.doubtful,
        limits: &view.status.limits,
        matched: matched.len(),
        shown: shown.len(),
        summary: summary(matched)
            .iter()
            .take(filter.limit)
            .map(|group| group.row(&view.anchor))
            .collect(),
        mismatches: shown.iter().map(|mismatch| Entry::new(mismatch, &view.anchor)).collect(),
    };
    super::json(&answer)
}

/// Requests of the devices that still exist that could not be judged, by [`Unjudged`].
fn unjudged(view: &View) -> [u64; UNJUDGED] {
    let mut sums = [0; UNJUDGED];
    for device in view.snapshot.devices.values() {
        for figures in device.operations.iter().flatten() {
            for (sum, count) in sums.iter_mut().zip(figures.unjudged) {
                *sum += count;
            }
        }
    }
    sums
}

#[cfg(test)]
mod docs;
#[cfg(test)]
mod tests;
