//! What every scenario demands at its end.

use std::{
    collections::BTreeMap,
    ops::{Deref, RangeInclusive},
};

use iotruth_common::probe::{INSERT_FLUSH, Probe};

use crate::{
    harness::{books::quiet, daemon::Daemon, metrics::Scrape, patience::wait_for},
    kernel,
};

/// A mismatch that was provoked: the disk, the kind, and how often.
pub(crate) type Provoked<'a> = (&'a str, &'a str, RangeInclusive<u64>);

/// So often, neither more nor less.
pub(crate) fn exactly(count: u64) -> RangeInclusive<u64> {
    count..=count
}

/// Figures of which nothing is lost but what the kernel itself says that it skipped.
#[derive(Debug)]
pub(crate) struct Figures {
    scrape: Scrape,
    /// Events that no program told, because the kernel skipped them: they were running already on
    /// that CPU.
    pub(crate) skipped: u64,
}

impl Deref for Figures {
    type Target = Scrape;

    fn deref(&self) -> &Scrape {
        &self.scrape
    }
}

impl Figures {
    /// So many requests were counted, and transferred so many bytes.
    ///
    /// A request can be missing only if all of its events were skipped.
    pub(crate) fn expect(&self, device: &str, op: &str, requests: u64, bytes: u64) {
        let counted = self.requests(device, op);
        let what = format!("{device} {op}: {counted} of {requests}, {} skipped", self.skipped);
        assert!(counted <= requests && counted + self.skipped >= requests, "{what}");
        self.equal(&what, self.bytes(device, op), bytes);
    }

    /// Two figures are the same; less is right only where something was skipped.
    pub(crate) fn equal(&self, what: &str, found: u64, expected: u64) {
        let less = self.skipped > 0 && found <= expected;
        let skipped = self.skipped;
        assert!(found == expected || less, "{what}: {found}, not {expected}; {skipped} skipped");
    }
}

/// Nothing is lost, nothing is unjudged, nothing is left open, and the mismatches are these.
pub(crate) fn strict(daemon: &Daemon, provoked: &[Provoked<'_>]) -> Figures {
    let figures = whole_but(daemon, 0, false);
    shown(daemon, &figures, provoked);
    figures
}

/// As [`strict`], and so many requests of drivers themselves have no end.
pub(crate) fn strict_but(daemon: &Daemon, provoked: &[Provoked<'_>], endless: u64) -> Figures {
    let figures = whole_but(daemon, endless, false);
    shown(daemon, &figures, provoked);
    figures
}

/// Nothing is lost, nothing is unjudged, and nothing is left open, where a disk may have gone and its series
/// with it.
///
/// A kernel skips a program that is running already on the same CPU and counts that. Where a task can
/// be preempted inside a program, the second one may be skipped as well, and between the two nobody
/// knows yet whether it will be: there, and only where the kernel says so, requests may be unjudged; the
/// line of the scenario then says so too.
pub(crate) fn whole(daemon: &Daemon) -> Figures {
    whole_but(daemon, 0, true)
}

/// As [`whole`], and so many requests of drivers themselves have no end: they are open still, or
/// their addresses were used again. `gone` says whether a disk may have gone.
fn whole_but(daemon: &Daemon, endless: u64, gone: bool) -> Figures {
    let scrape = wait_for("every life to end", || {
        quiet(daemon);
        let status = daemon.status();
        let unsettled = status.unsettled_events();
        if !unsettled.is_empty() {
            return Err(format!("not settled: {unsettled:?}"));
        }
        let scrape = daemon.scrape();
        let open = scrape.existing("iotruth_lives_open", &[]);
        let without_end = open + scrape.existing("iotruth_lives_inferred_total", &[]);
        if without_end == endless || (skipped(&scrape) > 0 && open <= endless) {
            Ok(scrape)
        } else {
            Err(format!("{open} open, {without_end} without an end; {}", events(&scrape)))
        }
    });
    let lost = |reason| scrape.existing("iotruth_events_lost_total", &[("reason", reason)]);
    let skipped = skipped(&scrape);
    for reason in ["ring_full", "late", "user_queue"] {
        let status = || daemon.get("/status?format=text");
        assert_eq!(lost(reason), 0, "lost: {reason}\n{}", status());
    }
    assert_eq!(scrape.count("iotruth_capacity_drops_total", &[]), 0);
    let all = scrape.existing("iotruth_lives_ended_total", &[("end", "unjudged")]);
    let runs = runs_skipped(&scrape);
    if runs > skipped {
        let caught = runs - skipped;
        println!("\nIOTRUTH-NOTE the kernel skipped {runs} runs, {caught} were made up for");
    }
    if skipped == 0 {
        let inferred = scrape.existing("iotruth_lives_inferred_total", &[]);
        let unjudged = |reason| scrape.count("iotruth_unjudged_total", &[("reason", reason)]);
        assert_eq!(unjudged("pre_existing"), 0, "{}", nonzero(daemon, "pre_existing"));
        // What was unjudged on a disk that has gone is in no series, and only in the sum.
        let seen = unjudged("loss");
        let distrusted = if gone { seen.max(all.saturating_sub(inferred)) } else { seen };
        if distrusted > 0 {
            assert!(kernel::preempts_programs() && runs > 0, "{distrusted} unjudged as a loss");
            println!(
                "\nIOTRUTH-NOTE {distrusted} requests unjudged, while tasks were preempted between the \
                 two programs"
            );
        }
        assert_eq!((all, lost("inferred")), (inferred + distrusted, inferred), "unjudged, lost");
    } else {
        assert!(kernel::preempts_programs(), "{skipped} skipped and not made up for");
        println!("\nIOTRUTH-NOTE {skipped} events skipped: {all} requests unjudged");
    }
    Figures { scrape, skipped }
}

/// The series of this reason that are not zero.
fn nonzero(daemon: &Daemon, reason: &str) -> String {
    let metrics = daemon.get("/metrics");
    let lines = metrics.lines().filter(|line| line.contains(reason) && !line.ends_with(" 0"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Runs of first programs that the kernel skipped.
pub(crate) fn runs_skipped(scrape: &Scrape) -> u64 {
    let of = |probe: &Probe| {
        let function = *probe == Probe::Start && !kernel::has_starts();
        let name = if function { INSERT_FLUSH } else { probe.tracepoint() };
        scrape.existing("iotruth_program_skipped_total", &[("program", name)])
    };
    Probe::ALL.iter().map(of).sum()
}

/// Events that no program told, because the kernel skipped them.
fn skipped(scrape: &Scrape) -> u64 {
    scrape.existing("iotruth_events_lost_total", &[("reason", "recursion")])
}

/// How many events of each kind there were.
fn events(scrape: &Scrape) -> String {
    let kinds = ["start", "insert", "issue", "requeue", "merge", "complete"];
    let count = |kind| scrape.existing("iotruth_events_total", &[("kind", kind)]);
    kinds.map(|kind| format!("{} {kind}", count(kind))).join(", ")
}

/// The mismatches are these, by the figures and in the list.
fn shown(daemon: &Daemon, figures: &Figures, provoked: &[Provoked<'_>]) {
    let list = || daemon.get("/mismatches?severity=all&limit=4&format=text");
    let counted = figures.mismatches_by_kind();
    for ((device, kind), count) in &counted {
        let known = provoked.iter().any(|(disk, slug, _)| disk == device && slug == kind);
        assert!(known, "{count} times {kind} on {device}, which nobody provoked: {}", list());
    }
    for (device, kind, times) in provoked {
        let key = ((*device).to_owned(), (*kind).to_owned());
        let count = counted.get(&key).copied().unwrap_or(0);
        // What rests on more than one event is not shown where one may have been skipped.
        let least = if figures.skipped > 0 { 0 } else { *times.start() };
        let right = (least..=*times.end()).contains(&count);
        assert!(right, "{count} times {kind} on {device}, not {times:?}: {}", list());
    }
    // What is not mere information is in the list too, and never in thousands here.
    let mut listed = BTreeMap::new();
    for entry in daemon.mismatches() {
        let key = (entry.device().to_owned(), entry.kind().to_owned());
        *listed.entry(key).or_insert(0) += entry.count();
    }
    for (key, count) in &listed {
        assert_eq!(counted.get(key), Some(count), "{key:?}: {}", list());
    }
}
