//! Metrics that prove the others: what the kernel saw, what was lost and how every life ended.

use iotruth_common::probe::Probe;

use super::row::{Row, Type};
use crate::engine::{account::Column, snapshot::Loss};

/// The metrics of this file.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "iotruth_event_attempts_total",
        kind: Type::Counter,
        labels: &["kind"],
        unit: "events",
        help: "Events that the eBPF programs tried to hand over, as they count them. At any moment, attempts = iotruth_events_total + the records that the rings refused + those that are missing, or on their way.",
        collect: |shown, samples| {
            for (probe, figures) in Probe::ALL.iter().zip(shown.view.snapshot.probes) {
                samples.count(&[probe.label()], figures.attempts);
            }
        },
    },
    Row {
        name: "iotruth_events_total",
        kind: Type::Counter,
        labels: &["kind"],
        unit: "events",
        help: "Events that reached the engine.",
        collect: |shown, samples| {
            for (probe, figures) in Probe::ALL.iter().zip(shown.view.snapshot.probes) {
                samples.count(&[probe.label()], figures.received);
            }
        },
    },
    Row {
        name: "iotruth_events_lost_total",
        kind: Type::Counter,
        labels: &["reason"],
        unit: "events",
        help: "Events that never reached the engine: ring_full (no room in a ring), recursion (the kernel skipped a program that was running already, and no second one told the event; on kernels with second programs known a second or two later), late (too late to be joined, or unreadable), user_queue (dropped by the daemon), inferred (counted by nobody, but missing from a life).",
        collect: |shown, samples| {
            for (loss, count) in Loss::ALL.iter().zip(shown.view.snapshot.losses) {
                samples.count(&[loss.label()], count);
            }
        },
    },
    Row {
        name: "iotruth_coverage_ratio",
        kind: Type::Gauge,
        labels: &["device"],
        unit: "ratio",
        help: "Requests that iotruth accounted for, of each that the kernel counted in /proc/diskstats (reads, writes, discards and flushes together): from the last audit at which the device was at rest, or at most six audits back, to the last audit. 1 unless both sides differ by more than the requests that were just beginning or ending can explain, and where both counted none. Absent where it cannot be known: before the first audit interval is over, for devices that are built on bios, and where the kernel does not count; /status says why.",
        collect: |shown, samples| {
            for (device, audit) in &shown.audits {
                if let Ok(ratio) = audit.coverage {
                    samples.value(&[device], ratio);
                }
            }
        },
    },
    Row {
        name: "iotruth_ledger_residue_requests",
        kind: Type::Gauge,
        labels: &["device", "op"],
        unit: "requests",
        help: "Requests that iotruth counted and the kernel did not or, negative, the other way round, since the device was first audited: what lasted over two audits, or was seen while the device was at rest. 0 unless records were lost (iotruth_events_lost_total) or one side is wrong. Op is as in /proc/diskstats, where writes of zeroes and secure erases are writes.",
        collect: |shown, samples| {
            for (device, audit) in &shown.audits {
                if audit.coverage.is_ok() {
                    for (column, op) in Column::REQUESTS {
                        samples.value(&[device, op], audit.residue[column as usize] as f64);
                    }
                }
            }
        },
    },
    Row {
        name: "iotruth_ledger_residue_sectors",
        kind: Type::Gauge,
        labels: &["device", "op"],
        unit: "sectors of 512 bytes",
        help: "The same for the sectors that ended, with or without an error.",
        collect: |shown, samples| {
            for (device, audit) in &shown.audits {
                if audit.coverage.is_ok() {
                    for (column, op) in Column::SECTORS {
                        samples.value(&[device, op], audit.residue[column as usize] as f64);
                    }
                }
            }
        },
    },
    Row {
        name: "iotruth_audits_total",
        kind: Type::Counter,
        labels: &["outcome"],
        unit: "audits",
        help: "Audits against /proc/diskstats: whole, or given_up, because a reader did not answer in time, had more to remember than it can, or missed records that the counters have, or the file could not be read, or a sample of requests began or ended meanwhile. The next one after that is about the time of both.",
        collect: |shown, samples| {
            let audits = &shown.view.status.audits;
            samples.count(&["whole"], audits.whole);
            samples.count(&["given_up"], audits.given_up);
        },
    },
    Row {
        name: "iotruth_audit_age_seconds",
        kind: Type::Gauge,
        labels: &[],
        unit: "seconds",
        help: "Time since the last whole audit, and before the first one since audits began. Coverage and residues are as old as this, so alert where it is several times the audit_interval. Absent, as they are, while iotruth_sampling_ratio is below 1.",
        collect: |shown, samples| {
            if let Some(age) = shown.view.status.audits.age {
                samples.value(&[], age.as_secs_f64());
            }
        },
    },
    Row {
        name: "iotruth_lives_opened_total",
        kind: Type::Counter,
        labels: &[],
        unit: "lives",
        help: "Lives of requests that began, on all devices. Opened = iotruth_lives_ended_total of every end + iotruth_lives_open.",
        collect: |shown, samples| samples.count(&[], shown.view.snapshot.lives.opened),
    },
    Row {
        name: "iotruth_lives_ended_total",
        kind: Type::Counter,
        labels: &["end"],
        unit: "lives",
        help: "Lives of requests that are over: judged, unjudged, merged (into another request), evicted (forgotten while open, because the table was full), given_up (while open, because the request was no longer followed, see iotruth_sampling_ratio).",
        collect: |shown, samples| {
            let lives = &shown.view.snapshot.lives;
            samples.count(&["judged"], lives.judged);
            samples.count(&["unjudged"], lives.unjudged);
            samples.count(&["merged"], lives.merged);
            samples.count(&["evicted"], lives.evicted);
            samples.count(&["given_up"], lives.given_up);
        },
    },
    Row {
        name: "iotruth_lives_open",
        kind: Type::Gauge,
        labels: &[],
        unit: "lives",
        help: "Lives of requests that have not ended, those that may have begun before iotruth was attached among them.",
        collect: |shown, samples| samples.count(&[], shown.view.snapshot.lives.open),
    },
    Row {
        name: "iotruth_lives_inferred_total",
        kind: Type::Counter,
        labels: &[],
        unit: "lives",
        help: "Lives of which a record was missing that nobody had counted as lost.",
        collect: |shown, samples| samples.count(&[], shown.view.snapshot.lives.inferred),
    },
    Row {
        name: "iotruth_impossible_orders_total",
        kind: Type::Counter,
        labels: &[],
        unit: "events",
        help: "Orders of events that neither the kernel nor any loss can explain: each one is a bug of iotruth, please report it.",
        collect: |shown, samples| samples.count(&[], shown.view.snapshot.lives.impossible),
    },
    Row {
        name: "iotruth_capacity_drops_total",
        kind: Type::Counter,
        labels: &["table"],
        unit: "entries",
        help: "What did not fit into a table of bounded size: lives (open ones that were forgotten), devices (their requests are counted nowhere else), mismatches (entries that fell out of the log; they stay counted in iotruth_host_mismatches_total), verdicts (lives that could not wait for the counters of lost events and are unjudged, with the reason loss).",
        collect: |shown, samples| {
            let lives = &shown.view.snapshot.lives;
            samples.count(&["lives"], lives.evicted);
            samples.count(&["devices"], lives.devices_left_out);
            samples.count(&["mismatches"], lives.mismatches_dropped);
            samples.count(&["verdicts"], lives.verdicts_dropped);
        },
    },
];
