//! `/inflight`: every request that has begun and not ended, the oldest first.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Serialize;

use super::{
    query::{Format, Query, QueryError},
    selection,
    units::{duration, printable, size, utc},
};
use crate::{engine::inflight::OpenRequest, view::View};

/// Keys of the query.
const KEYS: &[&str] = &["device", "limit", "format"];

/// Version of the JSON schema; grows when a field is renamed or removed.
const VERSION: u32 = 1;

/// The whole answer.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    version: u32,
    /// When the requests were looked at; `null` before that was done for the first time.
    at: Option<String>,
    /// On all devices, whatever is asked for.
    in_flight: u64,
    unconfirmed: u64,
    matched: usize,
    shown: usize,
    requests: Vec<Entry<'a>>,
}

/// One request; field names and meanings are part of the schema.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    device: &'a str,
    device_number: String,
    age_seconds: f64,
    /// Since its last event.
    waiting_seconds: f64,
    phase: &'static str,
    operation: &'static str,
    letters: &'a str,
    sector: Option<u64>,
    bytes: u32,
    pid: Option<u32>,
    comm: Option<String>,
    cgroup: Option<u64>,
    request: String,
    hardware_queue: u16,
    tag: Option<i32>,
    events: u32,
    confirmed: bool,
}

/// Requests in flight that a query asks for; devices must be in the view.
pub fn inflight(view: &View, pairs: &[(String, String)]) -> Result<(Format, Bytes), QueryError> {
    let query = Query::new(pairs, KEYS)?;
    let devices = selection::devices(&query, view)?;
    let limit = selection::limit(&query)?;
    let format = query.format()?;
    let matched: Vec<&OpenRequest> = view
        .snapshot
        .in_flight
        .oldest
        .iter()
        .filter(|open| selection::includes(&devices, &open.device_name, open.device))
        .collect();
    let shown = matched.get(..limit.min(matched.len())).unwrap_or_default();
    let body = match format {
        Format::Json => json(view, matched.len(), shown),
        Format::Text => Bytes::from(text(view, matched.len(), shown)),
    };
    Ok((format, body))
}

fn json(view: &View, matched: usize, shown: &[&OpenRequest]) -> Bytes {
    let looked = &view.snapshot.in_flight;
    super::json(&Answer {
        version: VERSION,
        at: (looked.at != 0).then(|| utc(view.anchor.wall_time(looked.at))),
        in_flight: looked.count,
        unconfirmed: looked.unconfirmed,
        matched,
        shown: shown.len(),
        requests: shown.iter().map(|open| Entry::new(open, looked.at)).collect(),
    })
}

impl<'a> Entry<'a> {
    fn new(open: &'a OpenRequest, at: u64) -> Self {
        let seconds = |since: u64| at.saturating_sub(since) as f64 / 1e9;
        Self {
            device: &open.device_name,
            device_number: open.device.to_string(),
            age_seconds: seconds(open.first),
            waiting_seconds: seconds(open.last),
            phase: open.phase.label(),
            operation: open.operation.label(),
            letters: &open.letters,
            sector: open.sector,
            bytes: open.bytes,
            pid: open.owner.task.map(|task| task.pid),
            comm: open.owner.task.map(|task| task.name()),
            cgroup: Some(open.owner.cgroup).filter(|cgroup| *cgroup != 0),
            request: format!("{:#018x}", open.request),
            hardware_queue: open.hardware_queue,
            tag: Some(open.tag).filter(|tag| *tag >= 0),
            events: open.events,
            confirmed: open.confirmed,
        }
    }
}

fn text(view: &View, matched: usize, shown: &[&OpenRequest]) -> String {
    let looked = &view.snapshot.in_flight;
    if looked.at == 0 {
        return "Not looked at yet: that is done once a second.\n".to_owned();
    }
    let mut out = String::new();
    if !shown.is_empty() {
        let _ = writeln!(
            out,
            "{:<14}{:>12}{:>12}  {:<8}{:<8}{:>14}{:>12}  {:<11}owner",
            "device", "age", "waiting", "phase", "op", "sector", "left", "confirmed"
        );
    }
    for open in shown {
        let age = |since: u64| duration(looked.at.saturating_sub(since));
        let _ = writeln!(
            out,
            "{:<14}{:>12}{:>12}  {:<8}{:<8}{:>14}{:>12}  {:<11}{}",
            printable(&open.device_name),
            age(open.first),
            age(open.last),
            open.phase.label(),
            open.letters,
            open.sector.map_or_else(|| "-".to_owned(), |sector| sector.to_string()),
            size(u64::from(open.bytes)),
            if open.confirmed { "yes" } else { "-" },
            owner(open)
        );
    }
    if !shown.is_empty() {
        out.push('\n');
    }
    let at = utc(view.anchor.wall_time(looked.at));
    let _ = match looked.count {
        0 => writeln!(out, "Nothing was in flight at {at}."),
        count => writeln!(out, "{count} in flight at {at}; {} of {matched} shown.", shown.len()),
    };
    if looked.unconfirmed > 0 {
        let _ = writeln!(
            out,
            "{} more are open by their records and could not all be looked up.",
            looked.unconfirmed
        );
    }
    out
}

fn owner(open: &OpenRequest) -> String {
    let task = open.owner.task;
    task.map_or_else(
        || "unknown".to_owned(),
        |task| format!("{} (pid {})", printable(&task.name()), task.pid),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::inflight;
    use crate::{
        export::{golden, sample},
        view::View,
    };

    fn answer(view: &View, query: &[(&str, &str)]) -> Result<String, String> {
        let pairs: Vec<_> =
            query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        inflight(view, &pairs)
            .map(|(_, body)| String::from_utf8(body.to_vec()).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_are_as_in_the_golden_files() {
        golden::check("inflight.json", &answer(&sample::busy(), &[]).unwrap());
        golden::check("inflight.txt", &answer(&sample::busy(), &[("format", "text")]).unwrap());
        let fresh = answer(&sample::fresh(), &[("format", "text")]).unwrap();
        assert_eq!(fresh, "Not looked at yet: that is done once a second.\n");
    }

    #[test]
    fn a_device_and_a_limit_hold_back() {
        let one = answer(&sample::busy(), &[("limit", "1"), ("format", "text")]).unwrap();
        assert!(one.contains("1 of 2 shown"), "{one}");
        let none = answer(&sample::busy(), &[("device", "7:3"), ("format", "text")]).unwrap();
        assert!(none.contains("0 of 0 shown"), "{none}");
    }

    #[test]
    fn bad_values_are_refused() {
        let error = answer(&sample::busy(), &[("kind", "io_error")]).unwrap_err();
        assert_eq!(error, "unknown key \"kind\": the keys here are device, limit, format");
        assert!(answer(&sample::busy(), &[("limit", "0")]).unwrap_err().contains("out of range"));
        assert!(answer(&sample::busy(), &[("device", "sdq")]).is_err());
    }
}
