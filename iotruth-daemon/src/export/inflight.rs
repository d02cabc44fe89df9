//! `/inflight`: every request that has begun and not ended, the oldest first.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use serde::Serialize;

use super::{
    query::{Format, Query, QueryError},
    selection,
    units::{duration, printable, size, utc},
};
use crate::{
    engine::{
        inflight::{MAX_OPEN_SHOWN, OpenRequest},
        ledger::{Absent, DeviceAudit},
    },
    view::View,
};

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
    /// What the kernel had in flight beyond these at the last audit, on the devices that are asked for;
    /// `null` while nothing is known of that.
    not_seen: Option<Vec<NotSeen<'a>>>,
    /// Why there may be more of that than was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_seen_unknown: Option<&'static str>,
    /// How long ago that was; `null` where there is none.
    audit_age_seconds: Option<f64>,
    /// Which requests nothing is told of meanwhile, each in a sentence.
    limits: &'a [String],
    /// On the devices that are asked for.
    matched: u64,
    shown: usize,
    requests: Vec<Entry<'a>>,
}

/// Why audits do not tell what the kernel has in flight of which no event was seen; `None` where they do.
fn unaudited(view: &View) -> Option<&'static str> {
    let audits = &view.status.audits;
    if view.status.cost.one_in > 1 && audits.age.is_none() {
        Some(
            "Whether the kernel has more in flight, of which no event was seen, is not known while not every \
             request is followed.",
        )
    } else if audits.unbroken < 2 || audits.age.is_none() {
        Some(
            "Whether the kernel has more in flight, of which no event was seen, is not known yet: that takes two \
             audits.",
        )
    } else if audits.lost_since {
        Some(
            "Events were lost since the last audit: whether what began among them is in flight is not known \
             before the next one.",
        )
    } else {
        None
    }
}

/// Requests of a device that are in flight by the kernel's own count, and of which nothing was seen.
#[derive(Debug, Serialize)]
struct NotSeen<'a> {
    device: &'a str,
    /// So many for certain.
    requests: u64,
    /// So many at most; `null` where the kernel does not count.
    at_most: Option<u64>,
    /// Why that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<&'static str>,
}

impl<'a> NotSeen<'a> {
    fn new(audit: &'a DeviceAudit) -> Self {
        let DeviceAudit { name, not_seen, not_seen_at_most, coverage, .. } = audit;
        let unknown = coverage.err().map(Absent::sentence).filter(|_| not_seen_at_most.is_none());
        Self { device: name, requests: *not_seen, at_most: *not_seen_at_most, unknown }
    }

    /// `sda (up to 3)`, where nothing is known but how many there may be.
    fn possible(&self) -> Option<String> {
        let most = self.at_most.filter(|_| self.requests == 0)?;
        Some(format!("{} (up to {most})", printable(self.device)))
    }

    /// What is known, where that is more.
    fn sentence(&self, age: Option<Duration>) -> String {
        let ago = ago(age);
        let device = printable(self.device);
        match self.requests {
            0 => {
                let why = self.unknown.unwrap_or("it has not been audited");
                format!("Whether more is in flight on {device} is not known: {why}.")
            }
            requests => format!(
                "{requests} more in flight on {device}{ago} by the kernel's own count, without any event: begun \
                 before iotruth was attached or while it did not follow every request, waiting where no event \
                 tells of it, or with events that were lost."
            ),
        }
    }
}

/// How old the last audit is.
fn ago(age: Option<Duration>) -> String {
    age.map_or_else(String::new, |age| format!(" {} s ago", age.as_secs()))
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
    let looked = &view.snapshot.in_flight;
    let matched = if devices.is_empty() {
        looked.count
    } else {
        let known = view.snapshot.devices.values();
        known
            .filter(|device| selection::includes(&devices, &device.name, device.id))
            .map(|device| device.in_flight)
            .sum()
    };
    let shown: Vec<&OpenRequest> = looked
        .oldest
        .iter()
        .filter(|open| selection::includes(&devices, &open.device_name, open.device))
        .take(limit)
        .collect();
    let unaudited = unaudited(view);
    let audits = view.ledger.iter().filter(|(_, audit)| audit.not_seen_at_most != Some(0));
    let not_seen = audits
        .filter(|(id, audit)| selection::includes(&devices, &audit.name, **id))
        .map(|(_, audit)| NotSeen::new(audit))
        // One audit alone tells nothing but how many there may be.
        .filter(|one| one.requests > 0 || unaudited.is_none())
        .collect();
    let body = match format {
        Format::Json => json(view, matched, &shown, not_seen, unaudited),
        Format::Text => {
            let all = shown.len() == limit || looked.oldest.len() < MAX_OPEN_SHOWN;
            Bytes::from(text(view, matched, &shown, all, &not_seen, unaudited))
        }
    };
    Ok((format, body))
}

fn json(
    view: &View,
    matched: u64,
    shown: &[&OpenRequest],
    not_seen: Vec<NotSeen<'_>>,
    unaudited: Option<&'static str>,
) -> Bytes {
    let looked = &view.snapshot.in_flight;
    super::json(&Answer {
        version: VERSION,
        at: (looked.at != 0).then(|| utc(view.anchor.wall_time(looked.at))),
        in_flight: looked.count,
        unconfirmed: looked.unconfirmed,
        not_seen: (unaudited.is_none() || !not_seen.is_empty()).then_some(not_seen),
        not_seen_unknown: unaudited,
        audit_age_seconds: view.status.audits.age.map(|age| age.as_secs_f64()),
        limits: &view.status.limits,
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

/// `all` says whether more could be shown only with a greater limit.
fn text(
    view: &View,
    matched: u64,
    shown: &[&OpenRequest],
    all: bool,
    not_seen: &[NotSeen<'_>],
    unaudited: Option<&'static str>,
) -> String {
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
        0 if unaudited.is_none() && not_seen.is_empty() && view.status.limits.is_empty() => {
            writeln!(out, "Nothing was in flight at {at}.")
        }
        0 if unaudited.is_none() && not_seen.is_empty() => {
            writeln!(out, "Nothing that is followed was in flight at {at}.")
        }
        0 => writeln!(out, "Nothing that was seen was in flight at {at}."),
        count if count == matched => {
            writeln!(out, "{count} in flight at {at}; {} shown.", shown.len())
        }
        count => {
            let shown = shown.len();
            writeln!(
                out,
                "{count} in flight on all devices at {at}, {matched} on those asked for; {shown} shown."
            )
        }
    };
    if !all {
        let _ = writeln!(out, "Only the {MAX_OPEN_SHOWN} oldest of all devices can be shown.");
    }
    if looked.unconfirmed > 0 {
        let _ = writeln!(
            out,
            "{} more are open by their records and could not all be looked up.",
            looked.unconfirmed
        );
    }
    if let Some(why) = unaudited {
        let _ = writeln!(out, "{why}");
    }
    let age = view.status.audits.age;
    // One line of every disk that is in use, and else nobody would read the others.
    let mut possible = Vec::new();
    for one in not_seen {
        match one.possible() {
            Some(disk) => possible.push(disk),
            None => {
                let _ = writeln!(out, "{}", one.sentence(age));
            }
        }
    }
    if !possible.is_empty() {
        let _ = writeln!(
            out,
            "Where requests kept ending or events were lost, it could not be told{} whether more was in flight of \
             which no event was seen: {}.",
            ago(age),
            possible.join(", ")
        );
    }
    for line in &view.status.limits {
        let _ = writeln!(out, "{line}");
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

    use std::sync::Arc;

    use super::inflight;
    use crate::{
        engine::{
            device::DeviceId,
            inflight::{MAX_OPEN_SHOWN, OpenRequest},
        },
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
        assert!(one.contains("; 1 shown."), "{one}");
        let none = answer(&sample::busy(), &[("device", "7:3"), ("format", "text")]).unwrap();
        assert!(none.contains("on all devices at") && none.contains("; 0 shown."), "{none}");
        assert!(!none.contains("Only the"), "{none}");
    }

    #[test]
    fn a_device_whose_requests_are_too_young_to_be_shown_has_them_all_the_same() {
        let mut view = sample::busy();
        let snapshot = Arc::make_mut(&mut view.snapshot);
        let young = snapshot.devices.values_mut().find(|device| device.name == "nvme0n1").unwrap();
        young.in_flight = 312;
        let looked = Arc::make_mut(&mut snapshot.in_flight);
        let old = OpenRequest { device_name: "sdq".to_owned(), ..looked.oldest[0].clone() };
        let old = OpenRequest { device: DeviceId { number: 1, sequence: 0 }, ..old };
        looked.oldest = vec![old; MAX_OPEN_SHOWN];
        looked.count = 2_000;
        let query = [("device", "nvme0n1"), ("format", "text")];
        let text = answer(&view, &query).unwrap();
        assert!(text.starts_with("2000 in flight on all devices at "), "{text}");
        assert!(
            text.contains(", 312 on those asked for; 0 shown.\nOnly the 1024 oldest"),
            "{text}"
        );
        let json = answer(&view, &query[..1]).unwrap();
        assert!(json.contains("\"matched\": 312,\n  \"shown\": 0,"), "{json}");
    }

    #[test]
    fn what_nothing_is_told_of_is_said() {
        let mut view = sample::busy();
        let limits = vec!["One request in 64 is followed.".to_owned()];
        Arc::make_mut(&mut view.status).limits = limits;
        let text = answer(&view, &[("format", "text")]).unwrap();
        assert!(text.ends_with("\nOne request in 64 is followed.\n"), "{text}");
        assert!(answer(&view, &[]).unwrap().contains("\"One request in 64 is followed.\""));
    }

    #[test]
    fn what_only_the_kernel_has_in_flight_is_said_of_its_disk() {
        let sdz = ("device", "sdz");
        let text = answer(&sample::busy(), &[sdz, ("format", "text")]).unwrap();
        assert!(
            text.contains("\n2 more in flight on sdz 3 s ago by the kernel's own count, "),
            "{text}"
        );
        let json = answer(&sample::busy(), &[sdz]).unwrap();
        assert!(
            json.contains("\"device\": \"sdz\",\n      \"requests\": 2,\n      \"at_most\": 2\n"),
            "{json}"
        );
        let other = answer(&sample::busy(), &[("device", "nvme0n1"), ("format", "text")]).unwrap();
        assert!(
            other.contains(
                "it could not be told 3 s ago whether more was in flight of which no event was seen: nvme0n1 \
                 (up to 1).\n"
            ),
            "{other}"
        );
        let all = answer(&sample::busy(), &[("format", "text")]).unwrap();
        assert!(all.contains("\nWhether more is in flight on odd\"na\\me is not known: "), "{all}");
        assert!(!json.contains("not_seen_unknown"), "{json}");
        // What is certain stays so after a loss.
        let mut view = sample::busy();
        Arc::make_mut(&mut view.status).audits.lost_since = true;
        let json = answer(&view, &[]).unwrap();
        let certain = "\"not_seen\": [\n    {\n      \"device\": \"sdz\",\n      \"requests\": 2,\n      \
                       \"at_most\": 2\n    }\n  ],\n  \"not_seen_unknown\": \"Events were lost since";
        assert!(json.contains(certain), "{json}");
        // Where nothing else is in flight, that is not said of what was not seen.
        let mut view = sample::fresh();
        Arc::make_mut(&mut Arc::make_mut(&mut view.snapshot).in_flight).at = 1;
        let nothing = "Nothing that was seen was in flight at ";
        let text = answer(&view, &[("format", "text")]).unwrap();
        assert!(text.starts_with(nothing) && text.contains("is not known yet"), "{text}");
        assert!(answer(&view, &[]).unwrap().contains("\"not_seen\": null"));
        Arc::make_mut(&mut view.status).audits = sample::busy().status.audits;
        Arc::make_mut(&mut view.status).audits.unbroken = 1;
        assert_eq!(
            answer(&view, &[("format", "text")]).unwrap(),
            text,
            "the first one after a pause"
        );
        Arc::make_mut(&mut view.status).audits.unbroken = 2;
        let text = answer(&view, &[("format", "text")]).unwrap();
        assert!(text.starts_with("Nothing was in flight at "), "{text}");
        Arc::make_mut(&mut view.status).audits.lost_since = true;
        let lost = answer(&view, &[("format", "text")]).unwrap();
        assert!(
            lost.starts_with(nothing) && lost.contains("\nEvents were lost since the"),
            "{lost}"
        );
        Arc::make_mut(&mut view.status).audits.lost_since = false;
        view.ledger = sample::busy().ledger;
        Arc::make_mut(&mut view.status).audits.unbroken = 1;
        let first = answer(&view, &[("format", "text")]).unwrap();
        assert!(
            first.contains("\n2 more in flight on sdz ") && !first.contains("(up to"),
            "{first}"
        );
        Arc::make_mut(&mut view.status).audits.unbroken = 2;
        let text = answer(&view, &[("format", "text")]).unwrap();
        assert!(text.starts_with(nothing) && !text.contains("is not known yet"), "{text}");
    }

    #[test]
    fn bad_values_are_refused() {
        let error = answer(&sample::busy(), &[("kind", "io_error")]).unwrap_err();
        assert_eq!(error, "unknown key \"kind\": the keys here are device, limit, format");
        assert!(answer(&sample::busy(), &[("limit", "0")]).unwrap_err().contains("out of range"));
        assert!(answer(&sample::busy(), &[("device", "sdq")]).is_err());
    }
}
