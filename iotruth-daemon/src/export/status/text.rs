//! `/status?format=text`: tables for people.

use std::fmt::Write as _;

use super::{
    Answer, Books, LostEntry,
    books::{Counts, EventBooks, LifeBooks},
};
use crate::export::units::{counted, printable, size};

/// The answer as text.
pub(super) fn text(answer: &Answer<'_>) -> String {
    let mut out = String::new();
    head(&mut out, answer);
    programs(&mut out, answer);
    rings(&mut out, answer);
    lost(&mut out, &answer.lost);
    let _ = writeln!(out, "all events until {} are in these figures", answer.ledger.complete_until);
    ledger(&mut out, &answer.ledger.events, &answer.ledger.lives, &answer.lost);
    devices(&mut out, answer);
    statistics(&mut out, answer);
    if !answer.notes.is_empty() {
        out.push('\n');
    }
    for note in answer.notes {
        let _ = writeln!(out, "note: {note}");
    }
    out
}

/// The books alone.
pub(super) fn books(books: &Books) -> String {
    let mut out = String::new();
    lost(&mut out, &books.lost);
    ledger(&mut out, &books.events, &books.lives, &books.lost);
    out
}

fn head(out: &mut String, answer: &Answer<'_>) {
    let (iotruth, kernel, now) = (answer.iotruth, answer.kernel, &answer.now);
    let _ = writeln!(out, "iotruth {iotruth} on Linux {kernel}, {now}");
    match answer.not_ready {
        None => {
            let _ = writeln!(out, "ready, attached since {}", answer.attached_since);
        }
        Some(why) => {
            let _ = writeln!(out, "NOT READY: {why}; attached since {}", answer.attached_since);
        }
    }
    let start = &answer.start_up;
    let _ = writeln!(
        out,
        "it took {:.0} ms to start: {:.0} for the kernel's types, {:.0} for the maps, {:.0} in the \
         verifier, {:.0} to attach",
        start.total_us / 1e3,
        start.types_us / 1e3,
        start.object_us / 1e3,
        start.verifier_us / 1e3,
        start.attach_us / 1e3
    );
    let process = &answer.process;
    let _ = writeln!(
        out,
        "{:.2} s of CPU, {:.1} MiB resident ({:.1} MiB of it anonymous), {} open files",
        process.cpu_seconds,
        process.resident_bytes as f64 / f64::from(1 << 20),
        process.resident_anonymous_bytes as f64 / f64::from(1 << 20),
        process.open_files
    );
    let cost = &answer.cost;
    let limit = cost.limit_cpus.map(|limit| format!(" of {:.0} % that may be", 100.0 * limit));
    let following = (cost.daemon_cpus - cost.answer_cpus).max(0.0);
    let _ = writeln!(
        out,
        "at the moment {:.2} % of a CPU{}: {:.2} % the daemon, {:.2} % its programs; besides, {:.2} % for answers; \
         rings {:.0} % full\n",
        100.0 * (following + cost.program_cpus),
        limit.unwrap_or_default(),
        100.0 * following,
        100.0 * cost.program_cpus,
        100.0 * cost.answer_cpus,
        100.0 * cost.ring_fill_ratio
    );
}

fn programs(out: &mut String, answer: &Answer<'_>) {
    for program in &answer.programs {
        let attached = if program.second { "attached, with a second program" } else { "attached" };
        let state = program
            .missing
            .map_or_else(|| attached.to_owned(), |why| format!("NOT ATTACHED: {why}"));
        let name = program.function.unwrap_or(program.tracepoint);
        let _ = writeln!(out, "{name:<20}{state}");
    }
    out.push('\n');
}

fn rings(out: &mut String, answer: &Answer<'_>) {
    let bytes = size(u64::from(answer.ring_bytes));
    let because = answer.transport_reason.map(|why| format!(": {why}")).unwrap_or_default();
    let _ = writeln!(out, "transport: {}{because}", answer.transport);
    let _ = writeln!(out, "ring of {bytes:<11}{:>14}{:>12}", "received", "lost");
    for ring in &answer.rings {
        let _ = writeln!(out, "ring {:<14}{:>14}{:>12}", ring.ring, ring.received, ring.lost);
    }
    for reader in &answer.readers {
        let lag = reader.lag_us / 1e3;
        let _ = writeln!(
            out,
            "reader {} with {}: the oldest record of its last update was {lag:.3} ms old, where under load \
             200 is normal",
            reader.reader,
            counted(reader.rings as u64, "ring", "rings")
        );
    }
}

fn lost(out: &mut String, lost: &LostEntry) {
    let _ = writeln!(
        out,
        "events lost: {} ring full, {} recursion, {} late, {} user queue, {} inferred\n",
        lost.ring_full, lost.recursion, lost.late, lost.user_queue, lost.inferred
    );
}

fn ledger(out: &mut String, events: &[EventBooks], lives: &LifeBooks, lost: &LostEntry) {
    let _ = writeln!(
        out,
        "{:<10}{:>14}{:>14}{:>12}{:>12}{:>12}{:>12}{:>12}  balanced",
        "event", "attempts", "received", "lost", "recursion", "second", "unseen", "difference"
    );
    for row in events {
        let _ = writeln!(
            out,
            "{:<10}{:>14}{:>14}{:>12}{:>12}{:>12}{:>12}{:>12}  {}",
            row.event,
            row.attempts,
            row.received,
            row.lost,
            row.recursion,
            row.second,
            row.unseen,
            row.difference,
            yes(row.balanced)
        );
    }
    let known = lost.late + lost.user_queue;
    if known > 0 {
        let _ = writeln!(
            out,
            "of the differences {known} are known: they came late, or were lost in the user queue"
        );
    }
    let _ = writeln!(
        out,
        "lives: {} opened = {} judged + {} unjudged + {} merged + {} open + {} evicted + {} given up; \
         difference {}, balanced: {}",
        lives.opened,
        lives.judged,
        lives.unjudged,
        lives.merged,
        lives.open,
        lives.evicted,
        lives.given_up,
        lives.difference,
        yes(lives.balanced)
    );
    let _ = writeln!(
        out,
        "{} lives with an uncounted loss, {} impossible orders, {} devices left out, {} mismatches \
         dropped from the log, {} verdicts dropped\n",
        lives.inferred,
        lives.impossible,
        lives.devices_left_out,
        lives.mismatches_dropped,
        lives.verdicts_dropped
    );
}

fn devices(out: &mut String, answer: &Answer<'_>) {
    if answer.devices.is_empty() {
        let _ = writeln!(
            out,
            "no device that is watched, and whose name has been looked up, has had a request yet"
        );
        return;
    }
    let _ = writeln!(
        out,
        "{:<16}{:<10}{:>14}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "device",
        "number",
        "requests",
        "errors",
        "unjudged",
        "in flight",
        "info",
        "warning",
        "critical"
    );
    for device in &answer.devices {
        let _ = writeln!(
            out,
            "{:<16}{:<10}{:>14}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            printable(device.name),
            device.number,
            device.requests,
            device.errors,
            device.unjudged,
            device.in_flight,
            device.mismatches.info,
            device.mismatches.warning,
            device.mismatches.critical
        );
    }
}

/// Both sides of each device, in the order of `/proc/diskstats`.
fn statistics(out: &mut String, answer: &Answer<'_>) {
    let audits = &answer.ledger.audits;
    let last = match audits.age_seconds {
        Some(age) if audits.whole == 0 => format!("the first one is awaited for {age:.1} s"),
        Some(age) => format!("the last whole one {age:.1} s ago"),
        None => "none while not every request is followed".to_owned(),
    };
    let _ = writeln!(
        out,
        "\n{} audits against /proc/diskstats, {} given up; {last}",
        audits.whole, audits.given_up
    );
    if answer.ledger.devices.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "{:<16}{:<8}{:>13}{:>14}{:>13}{:>14}{:>10}{:>14}{:>10}",
        "coverage", "", "reads", "sectors", "writes", "sectors", "discards", "sectors", "flushes"
    );
    for books in &answer.ledger.devices {
        match (books.coverage, books.incomparable) {
            (Some(coverage), _) => {
                let _ = writeln!(
                    out,
                    "{}: {coverage:.6} after {} audits, {}at rest, {} in flight, {} open; \
                     balanced: {}",
                    printable(books.device),
                    books.audits,
                    if books.at_rest { "" } else { "not " },
                    books.in_flight,
                    books.open,
                    yes(books.balanced)
                );
                counts(out, "kernel", &books.kernel);
                counts(out, "ours", &books.ours);
                if !books.balanced {
                    counts(out, "residue", &books.residue);
                }
            }
            (None, why) => {
                let (name, why) = (printable(books.device), why.unwrap_or_default());
                let _ = writeln!(out, "{name}: not known: {why}");
            }
        }
    }
}

fn counts<T: std::fmt::Display>(out: &mut String, side: &str, counts: &Counts<T>) {
    let _ = writeln!(
        out,
        "{:<16}{side:<8}{:>13}{:>14}{:>13}{:>14}{:>10}{:>14}{:>10}",
        "",
        counts.reads,
        counts.sectors_read,
        counts.writes,
        counts.sectors_written,
        counts.discards,
        counts.sectors_discarded,
        counts.flushes
    );
}

const fn yes(balanced: bool) -> &'static str {
    if balanced { "yes" } else { "no" }
}
