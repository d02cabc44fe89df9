//! Which devices and how many entries a query asks for.

use std::collections::HashSet;

use super::query::{Query, QueryError};
use crate::{engine::device::DeviceId, nearest::did_you_mean, view::View};

/// Entries that are shown where no limit is given.
pub(super) const DEFAULT_LIMIT: usize = 100;
/// Entries that are shown at most, so that one answer stays in the low megabytes.
const MAX_LIMIT: usize = 1_000;

/// The value of the key `limit`.
pub(super) fn limit(query: &Query<'_>) -> Result<usize, QueryError> {
    let limit = query.number("limit")?.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    Err(QueryError {
        error: format!("limit={limit} is out of range"),
        remedy: format!("limit takes a whole number from 1 to {MAX_LIMIT}"),
    })
}

/// Whether a device is among those that are asked for; no names ask for all.
pub(super) fn includes(names: &[String], name: &str, id: DeviceId) -> bool {
    if names.is_empty() {
        return true;
    }
    // Once and not for each name: a query may name hundreds.
    let number = id.to_string();
    names.iter().any(|asked| *asked == name || *asked == number)
}

/// The devices that are named; one of which the view tells no request is an error.
pub(super) fn devices(query: &Query<'_>, view: &View) -> Result<Vec<String>, QueryError> {
    let mut named = query.list("device").peekable();
    if named.peek().is_none() {
        return Ok(Vec::new());
    }
    let devices = view.snapshot.devices.values().map(|device| (&device.name, device.id));
    let logged = view.snapshot.mismatches.iter().map(|entry| (&entry.device_name, entry.device));
    let not_seen = view.ledger.iter().filter(|(_, audit)| audit.not_seen_at_most != Some(0));
    let not_seen = not_seen.map(|(id, audit)| (&audit.name, *id));
    let known: HashSet<String> = devices
        .chain(logged)
        .chain(not_seen)
        .flat_map(|(name, id)| [name.clone(), id.to_string()])
        .collect();
    named
        .map(|name| name.strip_prefix("/dev/").unwrap_or(name))
        .map(
            |name| {
                if known.contains(name) { Ok(name.to_owned()) } else { Err(unseen(name, view)) }
            },
        )
        .collect()
}

/// The error for a device that has no request in the view.
fn unseen(name: &str, view: &View) -> QueryError {
    let mut names: Vec<&str> =
        view.snapshot.devices.values().map(|device| device.name.as_str()).collect();
    names.sort_unstable();
    let hint = did_you_mean(name, names.iter().copied());
    let remedy = if names.is_empty() {
        "no device that is watched, and whose name has been looked up, has had a request yet"
            .to_owned()
    } else {
        format!("devices with requests are {}", names.join(", "))
    };
    QueryError { error: format!("no request of device={name} was seen{hint}"), remedy }
}
