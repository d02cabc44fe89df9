//! `/mismatches?format=text`: what somebody wants to read at three in the morning.

use std::fmt::Write as _;

use super::{
    Filter,
    entry::{address, is_completion, state},
    sentence::sentence,
    summary::summary,
    unjudged,
};
use crate::{
    engine::{
        kind::Severity,
        mismatch::Mismatch,
        phase::Phase,
        snapshot::Unjudged,
        timeline::{Timeline, TimelineEvent},
    },
    export::{
        selection,
        units::{counted, duration, microseconds, printable, utc},
    },
    view::{Anchor, View},
};

/// Most rows of the table above the blocks: all of it fits on a screen.
const MOST_ROWS: usize = 20;

/// The answer as text: what matched in a table, one block for each mismatch, then what the list is based
/// on.
pub(super) fn text(
    view: &View,
    filter: &Filter,
    matched: &[&Mismatch],
    shown: &[&Mismatch],
) -> String {
    let mut out = String::new();
    // One block needs no table.
    if matched.len() > 1 {
        table(&mut out, matched, view);
    }
    for mismatch in shown {
        block(&mut out, mismatch, &view.anchor);
        out.push('\n');
    }
    footer(&mut out, view, filter, matched.len(), shown.len());
    out
}

/// A row for each kind and device.
fn table(out: &mut String, matched: &[&Mismatch], view: &View) {
    let groups = summary(matched);
    let _ = writeln!(
        out,
        "{:<26}{:<10}{:<16}{:>7}{:>10}{:>7}  last seen",
        "kind", "severity", "device", "entries", "seen", "open"
    );
    for group in groups.iter().take(MOST_ROWS) {
        let row = group.kind.row();
        let device = printable(group.device);
        let last = match group.open {
            0 => utc(view.anchor.wall_time(group.last)),
            _ => "still open".to_owned(),
        };
        let _ = writeln!(
            out,
            "{:<26}{:<10}{device:<16}{:>7}{:>10}{:>7}  {last}",
            row.slug,
            row.severity.label(),
            group.entries,
            group.count,
            group.open,
        );
    }
    if let Some(more) = groups.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        let _ = writeln!(out, "and {}", counted(more as u64, "more row", "more rows"));
    }
    fallen_out(out, view);
    out.push('\n');
}

/// What no list has any more.
fn fallen_out(out: &mut String, view: &View) {
    let dropped = view.snapshot.lives.mismatches_dropped;
    if dropped > 0 {
        let dropped = counted(dropped, "older mismatch", "older mismatches");
        let _ =
            writeln!(out, "{dropped} fell out of the log; iotruth_host_mismatches_total has all.");
    }
}

fn line(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "  {name:<10} {value}");
}

fn block(out: &mut String, mismatch: &Mismatch, anchor: &Anchor) {
    let row = mismatch.kind.row();
    let _ = writeln!(out, "{}", sentence(mismatch));
    line(out, "kind", &format!("{} ({}), id {}", row.slug, row.severity.label(), mismatch.id));
    line(out, "meaning", row.meaning);
    line(out, "advice", row.advice);
    let first = utc(anchor.wall_time(mismatch.first));
    if mismatch.count > 1 {
        let last = utc(anchor.wall_time(mismatch.last));
        line(out, "seen", &format!("{} times, first {first}, last {last}", mismatch.count));
    } else {
        line(out, "seen", &first);
    }
    let name = printable(&mismatch.device_name);
    line(out, "device", &format!("{name} ({})", mismatch.device));
    line(out, "operation", &format!("{} ({})", mismatch.letters, mismatch.flags.join(", ")));
    line(out, "sector", &extent(mismatch));
    if let Some((error, code)) = mismatch.error {
        let (words, label) = (error.words(), error.label());
        line(out, "error", &format!("{words} (class {label}, status {code})"));
    }
    line(out, "owner", &owner(mismatch));
    let tag = if mismatch.tag < 0 { "none".to_owned() } else { mismatch.tag.to_string() };
    let (request, queue) = (address(mismatch), mismatch.hardware_queue);
    line(out, "request", &format!("{request}, hardware queue {queue}, tag {tag}"));
    line(out, "phases", &phases(mismatch));
    timeline(out, &mismatch.timeline);
}

/// `12, 4096 bytes, 0 transferred`, or where the last attempt had only the rest, that of both.
fn extent(mismatch: &Mismatch) -> String {
    let place =
        |sector: Option<u64>| sector.map_or_else(|| "none".to_owned(), |sector| sector.to_string());
    let Mismatch { sector, bytes, bytes_done, asked, .. } = mismatch;
    let extent = format!("{}, {bytes} bytes", place(*sector));
    if (*sector, *bytes) == *asked {
        return format!("{extent}, {bytes_done} transferred");
    }
    let (from, all) = (place(asked.0), asked.1);
    format!(
        "{extent} in the last attempt; of {all} from sector {from} on, {bytes_done} transferred"
    )
}

fn owner(mismatch: &Mismatch) -> String {
    let task = mismatch.owner.task.map_or_else(
        || "unknown: only a kernel worker was seen, or nobody looked".to_owned(),
        |task| format!("{}, pid {}, tgid {}", printable(&task.name()), task.pid, task.tgid),
    );
    match mismatch.owner.cgroup {
        0 => format!("{task}, no cgroup"),
        cgroup => format!("{task}, cgroup {cgroup}"),
    }
}

/// `queue 12.345 us + device 1.204 ms = total 1.216 ms`
fn phases(mismatch: &Mismatch) -> String {
    let parts: Vec<String> = [Phase::Queue, Phase::Retry, Phase::Device, Phase::Flush]
        .into_iter()
        .filter_map(|phase| {
            let time = mismatch.phases.get(phase)?;
            Some(format!("{} {}", phase.label(), duration(time)))
        })
        .collect();
    let total = mismatch.phases.total.map(|total| format!("total {}", duration(total)));
    match (parts.is_empty(), total) {
        (true, None) => "unknown".to_owned(),
        (true, Some(total)) => total,
        (false, None) => parts.join(" + "),
        (false, Some(total)) => format!("{} = {total}", parts.join(" + ")),
    }
}

fn timeline(out: &mut String, timeline: &Timeline) {
    if timeline.events.is_empty() {
        line(out, "timeline", "no event was kept");
        return;
    }
    let _ = writeln!(
        out,
        "  {:<10} {:>15}  {:<9}{:>4}  {:<11}{:>10}{:>11}{:>8}",
        "timeline", "offset us", "event", "cpu", "state", "remaining", "completed", "status"
    );
    let start = timeline.events.first().map_or(0, |event| event.time);
    for (number, event) in timeline.events.iter().enumerate() {
        if number == Timeline::FIRST && timeline.left_out > 0 {
            let _ = writeln!(out, "  {:>26}  {} events are left out", "...", timeline.left_out);
        }
        let offset = microseconds(event.time.saturating_sub(start));
        let (completed, status) = if is_completion(event) {
            (event.completed.to_string(), event.status.to_string())
        } else {
            ("-".to_owned(), "-".to_owned())
        };
        let TimelineEvent { probe, cpu, remaining, .. } = event;
        let (event, state) = (probe.label(), state(event.state));
        let _ = writeln!(
            out,
            "  {:<10} {offset:>15.3}  {event:<9}{cpu:>4}  {state:<11}{remaining:>10}\
             {completed:>11}{status:>8}",
            ""
        );
    }
}

fn footer(out: &mut String, view: &View, filter: &Filter, matched: usize, shown: usize) {
    let snapshot = &view.snapshot;
    if matched == 0 {
        let everything = filter.devices.is_empty()
            && filter.kinds.is_empty()
            && filter.since == 0
            && filter.severities.len() >= 2;
        let lives = &snapshot.lives;
        let what = if !everything {
            "Nothing matches this query"
        } else if lives.unjudged > lives.judged {
            "Most requests could not be judged, and of those that could there is nothing to report"
        } else {
            "Nothing to report"
        };
        let _ = writeln!(out, "{what}.");
    } else if shown < matched {
        let _ =
            writeln!(out, "{shown} of {matched} mismatches, the newest first; limit= shows more.");
    } else {
        let matched = counted(matched as u64, "mismatch", "mismatches");
        let _ = writeln!(out, "{matched}, the newest first.");
    }
    let info = Filter { severities: vec![Severity::Info], ..filter.clone() };
    let hidden = snapshot.mismatches.iter().filter(|mismatch| info.lets_pass(mismatch)).count();
    if hidden > 0 && !filter.severities.contains(&Severity::Info) {
        let _ = writeln!(out, "{hidden} more of severity info; severity=all shows them.");
    }
    let since = utc(view.status.attached);
    let judged = counted(snapshot.lives.judged, "request", "requests");
    let _ = writeln!(out, "Watching since {since}; {judged} judged.");
    let [loss, inferred, old] = [Unjudged::Loss, Unjudged::Inferred, Unjudged::PreExisting]
        .map(|why| unjudged(view).get(why as usize).copied().unwrap_or_default());
    if snapshot.lives.unjudged > 0 {
        let mut operations =
            snapshot.devices.values().flat_map(|device| device.operations.iter().flatten());
        let scaled = operations.any(|figures| figures.extrapolated > 0);
        let scaled = if scaled { ", scaled from the sample to all" } else { "" };
        let unjudged = counted(snapshot.lives.unjudged, "request", "requests");
        let _ = if loss + inferred + old == 0 {
            writeln!(out, "{unjudged} could not be judged, none on the devices that are shown now.")
        } else {
            writeln!(
                out,
                "{unjudged} could not be judged; on the devices that are here now{scaled}: {loss} because \
                 events were lost, {inferred} because the end was not seen, {old} because they may have begun \
                 before."
            )
        };
    }
    let doubtful = snapshot.in_flight.doubtful;
    if doubtful > 0 {
        let _ = writeln!(
            out,
            "{} open for long and not told as stuck, because an attempt may be among the events that were \
             lost, have not come or are not followed: /inflight shows {}.",
            counted(doubtful, "request has been", "requests have been"),
            if doubtful == 1 { "it" } else { "them" }
        );
    }
    let asked = view
        .ledger
        .iter()
        .filter(|(id, audit)| selection::includes(&filter.devices, &audit.name, **id));
    let not_seen: u64 = asked.map(|(_, audit)| audit.not_seen).sum();
    if not_seen > 0 {
        let _ = writeln!(
            out,
            "{} in flight at the last audit of which no event was seen: /inflight says where.",
            counted(not_seen, "request was", "requests were")
        );
    }
    // Above, where there is a table.
    if matched < 2 {
        fallen_out(out, view);
    }
    for limit in &view.status.limits {
        let _ = writeln!(out, "{limit}");
    }
    if let Some(why) = &view.status.not_ready {
        let _ = writeln!(out, "Do not trust this list: {why}.");
    }
}
