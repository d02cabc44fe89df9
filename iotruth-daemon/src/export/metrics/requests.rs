//! Metrics of the requests of each device.

use super::{
    Shown,
    row::{Row, Type},
};
use crate::engine::{
    io_error::IoError,
    kind::TABLE,
    ledger::Absent,
    operation::Operation,
    phase::Phase,
    snapshot::{OperationFigures, REQUEUE_CLASSES, Unjudged},
};

/// Phases that every life has, so that a missing sample is worth a count.
const ALWAYS: [Phase; 3] = [Phase::Queue, Phase::Device, Phase::Total];

/// The metrics of this file.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "iotruth_requests_total",
        kind: Type::Counter,
        labels: &["device", "op"],
        unit: "requests",
        help: "Block requests that ended, whether their end was seen or is inferred. Requests that were merged into another one are counted in iotruth_merges_total only; one that was waiting for a scheduler when events of it were lost may have been, and is counted here. For every device and op, requests = count of iotruth_request_latency_seconds + iotruth_unjudged_total + iotruth_phase_unknown_total, for each of the phases queue, device and total.",
        collect: |shown, samples| {
            each(shown, |device, op, figures| samples.count(&[device, op], figures.requests));
        },
    },
    Row {
        name: "iotruth_requests_extrapolated_total",
        kind: Type::Counter,
        labels: &["device", "op"],
        unit: "requests",
        help: "Those of iotruth_requests_total that were not seen, because requests were sampled: others stand for them, in all other counters of requests and in iotruth_inflight too, which are estimates then. Mismatches are never scaled. Absent where every request was to be seen.",
        collect: |shown, samples| {
            each(shown, |device, op, figures| {
                if figures.extrapolated > 0 {
                    samples.count(&[device, op], figures.extrapolated);
                }
            });
        },
    },
    Row {
        name: "iotruth_request_bytes_total",
        kind: Type::Counter,
        labels: &["device", "op"],
        unit: "bytes",
        help: "Bytes that the ended requests transferred without an error. Where the end of a request was not seen and is inferred, what it still had to transfer counts as transferred.",
        collect: |shown, samples| {
            each(shown, |device, op, figures| samples.count(&[device, op], figures.bytes));
        },
    },
    Row {
        name: "iotruth_request_errors_total",
        kind: Type::Counter,
        labels: &["device", "op", "error"],
        unit: "requests",
        help: "Requests that ended with an error, by class of the error. Notsupp and again are answers that callers probe for. An end that is inferred has no known error and is not counted here.",
        collect: |shown, samples| {
            each(shown, |device, op, figures| {
                for (error, count) in IoError::ALL.iter().zip(figures.errors) {
                    samples.count(&[device, op, error.label()], count);
                }
            });
        },
    },
    Row {
        name: "iotruth_request_latency_seconds",
        kind: Type::Histogram,
        labels: &["device", "op", "phase"],
        unit: "seconds",
        help: "Time that judged requests spent in each phase: queue (start or insert to first issue), retry (first to last issue), device (last issue to the completion of the data), flush (flushes before and after the data), total (their sum). Retry and flush have samples only where they happened. Unjudged requests have no samples.",
        collect: |shown, samples| {
            each(shown, |device, op, figures| {
                for (phase, histogram) in Phase::ALL.iter().zip(&figures.phases) {
                    if let Some(histogram) = histogram {
                        samples.histogram(&[device, op, phase.label()], histogram);
                    }
                }
            });
        },
    },
    Row {
        name: "iotruth_unjudged_total",
        kind: Type::Counter,
        labels: &["device", "op", "reason"],
        unit: "requests",
        help: "Ended requests that could not be judged: loss (a record of theirs may be among the counted losses), inferred (their end was never seen, but their request is in use again) or pre_existing (they may have begun before iotruth was attached).",
        collect: |shown, samples| {
            each(shown, |device, op, figures| {
                for (reason, count) in Unjudged::ALL.iter().zip(figures.unjudged) {
                    samples.count(&[device, op, reason.label()], count);
                }
            });
        },
    },
    Row {
        name: "iotruth_phase_unknown_total",
        kind: Type::Counter,
        labels: &["device", "op", "phase"],
        unit: "requests",
        help: "Judged requests without a sample in this phase, because the event that begins or ends it does not exist for them: a direct issue without a traced start has no queue phase.",
        collect: |shown, samples| {
            each(shown, |device, op, figures| {
                for (phase, count) in Phase::ALL.iter().zip(figures.phase_unknown) {
                    if ALWAYS.contains(phase) {
                        samples.count(&[device, op, phase.label()], count);
                    }
                }
            });
        },
    },
    Row {
        name: "iotruth_merges_total",
        kind: Type::Counter,
        labels: &["device", "op", "type"],
        unit: "requests",
        help: "Requests that were merged into another request. Merges of a bio into a request are not traced: the merges of /proc/diskstats are the sum of both.",
        collect: |shown, samples| {
            each(shown, |device, op, figures| {
                samples.count(&[device, op, "request"], figures.merges);
            });
        },
    },
    Row {
        name: "iotruth_requeues_total",
        kind: Type::Counter,
        labels: &["device", "class"],
        unit: "events",
        help: "Requests that were sent back to a queue, by what was known then: busy_before_start, busy_after_start, retry (without its data, after an error or because the device had no room), short_transfer (the rest of what was completed in part), timeout. One request may be sent back often.",
        collect: |shown, samples| {
            for device in &shown.devices {
                for (class, count) in REQUEUE_CLASSES.iter().zip(device.requeues) {
                    samples.count(&[&device.name, class], count);
                }
            }
        },
    },
    Row {
        name: "iotruth_inflight",
        kind: Type::Gauge,
        labels: &["device"],
        unit: "requests",
        help: "Requests that had begun and not ended when this was looked at, once a second. Those older than a second are counted only if they were found open in kernel memory then.",
        collect: |shown, samples| {
            for device in &shown.devices {
                samples.count(&[&device.name], device.in_flight);
            }
        },
    },
    Row {
        name: "iotruth_inflight_oldest_seconds",
        kind: Type::Gauge,
        labels: &["device"],
        unit: "seconds",
        help: "Age of the oldest of these requests when they were looked at; 0 where there is none.",
        collect: |shown, samples| {
            let at = shown.view.snapshot.in_flight.at;
            for device in &shown.devices {
                let age = device.oldest.map_or(0, |oldest| at.saturating_sub(oldest));
                samples.value(&[&device.name], age as f64 / 1e9);
            }
        },
    },
    Row {
        name: "iotruth_inflight_not_seen",
        kind: Type::Gauge,
        labels: &["device"],
        unit: "requests",
        help: "Requests that the driver had at the last audit, by the kernel's own count in /sys/block/*/inflight, and of which no event was seen: they began before iotruth was attached, wait where no event tells of it, or their events were lost. They are in neither iotruth_inflight nor iotruth_inflight_oldest_seconds. Known only where nothing ended on the device between the last two audits, as where it hangs; 0 else.",
        collect: |shown, samples| {
            for (device, audit) in &shown.audits {
                if !matches!(audit.coverage, Err(Absent::Incomparable(_))) {
                    samples.count(&[device], audit.not_seen);
                }
            }
        },
    },
    Row {
        name: "iotruth_inflight_unconfirmed",
        kind: Type::Gauge,
        labels: &[],
        unit: "lives",
        help: "Lives older than a second that are open by their records and could not all be looked up in kernel memory: they are in neither iotruth_inflight nor iotruth_inflight_oldest_seconds. Other than 0 where the kernel does not let its memory be read, see /status, or where very many requests hang.",
        collect: |shown, samples| {
            samples.count(&[], shown.view.snapshot.in_flight.unconfirmed);
        },
    },
    Row {
        name: "iotruth_mismatches_total",
        kind: Type::Counter,
        labels: &["device", "kind", "severity"],
        unit: "mismatches",
        help: "Mismatches found, repeats included, by kind; /mismatches tells each one whole. A request that could not be judged raises none, except for kinds that one event proves by itself.",
        collect: |shown, samples| {
            for device in &shown.devices {
                for (row, count) in TABLE.iter().zip(device.mismatches) {
                    samples.count(&[&device.name, row.slug, row.severity.label()], count);
                }
            }
        },
    },
    Row {
        name: "iotruth_host_mismatches_total",
        kind: Type::Counter,
        labels: &["kind", "severity"],
        unit: "mismatches",
        help: "The same of all devices together, and of those that have gone: a disk that fails and is gone before the next scrape is in here alone.",
        collect: |shown, samples| {
            for (row, count) in TABLE.iter().zip(shown.view.snapshot.mismatches_told) {
                samples.count(&[row.slug, row.severity.label()], count);
            }
        },
    },
];

/// Calls `f` with name, operation and figures, for every operation that occurred on a device.
fn each(shown: &Shown<'_>, mut f: impl FnMut(&str, &str, &OperationFigures)) {
    for device in &shown.devices {
        for (operation, figures) in Operation::ALL.iter().zip(&device.operations) {
            if let Some(figures) = figures {
                f(&device.name, operation.label(), figures);
            }
        }
    }
}
