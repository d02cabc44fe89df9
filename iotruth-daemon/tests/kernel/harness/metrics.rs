//! The figures of `/metrics`, read as a scraper reads them.

use std::collections::{BTreeMap, BTreeSet};

/// The operations of the label `op`.
const OPERATIONS: [&str; 8] =
    ["read", "write", "flush", "discard", "write_zeroes", "secure_erase", "zone", "other"];

/// The kind that is no mismatch of a device: how often it is told is up to the scheduler.
pub(crate) const MERGED: &str = "merged";

/// One line: a name, its labels, a value.
#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// All figures of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Scrape {
    families: BTreeSet<String>,
    samples: Vec<Sample>,
}

impl Scrape {
    /// Reads the text format; panics on a line that is not in it.
    pub(crate) fn parse(text: &str) -> Self {
        let mut families = BTreeSet::new();
        let mut samples = Vec::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                families.extend(rest.split(' ').next().map(str::to_owned));
            } else if !line.starts_with('#') && !line.is_empty() {
                samples.push(sample(line).unwrap_or_else(|| panic!("not a sample: {line}")));
            }
        }
        Self { families, samples }
    }

    /// Sum of all series of this name with these labels; 0 where there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// As [`Self::sum`], for a counter of whole things.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.sum(name, labels).round() as u64
    }

    /// As [`Self::count`], but the series must exist: 0 means 0 and not a misspelt name.
    pub(crate) fn existing(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        assert!(
            self.matching(name, labels).next().is_some(),
            "no series {name} {labels:?}; families: {:?}",
            self.families
        );
        self.count(name, labels)
    }

    /// Whether any series is about this device.
    pub(crate) fn knows(&self, device: &str) -> bool {
        self.samples.iter().any(|sample| has(sample, "device", device))
    }

    /// Lives of this device and operation that ended.
    pub(crate) fn requests(&self, device: &str, op: &str) -> u64 {
        self.count("iotruth_requests_total", &[("device", device), ("op", op)])
    }

    /// Bytes that they transferred.
    pub(crate) fn bytes(&self, device: &str, op: &str) -> u64 {
        self.count("iotruth_request_bytes_total", &[("device", device), ("op", op)])
    }

    /// Requests that were merged into others.
    pub(crate) fn merges(&self, device: &str, op: &str) -> u64 {
        self.count("iotruth_merges_total", &[("device", device), ("op", op)])
    }

    /// Samples in the histogram of a phase.
    pub(crate) fn measured(&self, device: &str, op: &str, phase: &str) -> u64 {
        let labels = [("device", device), ("op", op), ("phase", phase)];
        self.count("iotruth_request_latency_seconds_count", &labels)
    }

    /// Nanoseconds in the histogram of a phase.
    pub(crate) fn nanoseconds(&self, device: &str, op: &str, phase: &str) -> f64 {
        let labels = [("device", device), ("op", op), ("phase", phase)];
        self.sum("iotruth_request_latency_seconds_sum", &labels) * 1e9
    }

    /// Lives of this device and operation that could not be judged, for whatever reason.
    pub(crate) fn unjudged(&self, device: &str, op: &str) -> u64 {
        self.count("iotruth_unjudged_total", &[("device", device), ("op", op)])
    }

    /// Lives of this device that could not be judged for this reason.
    pub(crate) fn unjudged_for(&self, device: &str, reason: &str) -> u64 {
        self.count("iotruth_unjudged_total", &[("device", device), ("reason", reason)])
    }

    /// Judged lives without a sample in a phase.
    pub(crate) fn phase_unknown(&self, device: &str, op: &str, phase: &str) -> u64 {
        let labels = [("device", device), ("op", op), ("phase", phase)];
        self.count("iotruth_phase_unknown_total", &labels)
    }

    /// Mismatches of this device, of every kind but merges.
    pub(crate) fn mismatches(&self, device: &str) -> u64 {
        self.count("iotruth_mismatches_total", &[("device", device)]) - self.told_merges(device)
    }

    /// How many merges are told; whatever the scheduler likes to merge.
    pub(crate) fn told_merges(&self, device: &str) -> u64 {
        self.count("iotruth_mismatches_total", &[("device", device), ("kind", MERGED)])
    }

    /// How many mismatches of each device and kind there are, without those that there are not, and
    /// without merges.
    pub(crate) fn mismatches_by_kind(&self) -> BTreeMap<(String, String), u64> {
        let mut counts = BTreeMap::new();
        for sample in self.matching("iotruth_mismatches_total", &[]).filter(|s| s.value > 0.0) {
            let label = |name| sample.labels.get(name).cloned().unwrap_or_default();
            if label("kind") != MERGED {
                *counts.entry((label("device"), label("kind"))).or_insert(0) += sample.value as u64;
            }
        }
        counts
    }

    /// Events that never reached the engine and that some counter told of.
    pub(crate) fn counted_losses(&self) -> u64 {
        self.losses().iter().filter(|(reason, _)| *reason != "inferred").map(|(_, lost)| lost).sum()
    }

    /// Events that never reached the engine, by reason.
    pub(crate) fn losses(&self) -> [(&'static str, u64); 5] {
        ["ring_full", "recursion", "late", "user_queue", "inferred"].map(|reason| {
            (reason, self.existing("iotruth_events_lost_total", &[("reason", reason)]))
        })
    }

    /// Every pair of device and operation that has requests.
    pub(crate) fn streams(&self) -> Vec<(String, &'static str)> {
        let devices: BTreeSet<&String> = self
            .matching("iotruth_requests_total", &[])
            .filter_map(|sample| sample.labels.get("device"))
            .collect();
        devices
            .into_iter()
            .flat_map(|device| OPERATIONS.map(|op| (device.clone(), op)))
            .filter(|(device, op)| self.requests(device, op) > 0)
            .collect()
    }

    fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| {
            sample.name == name && labels.iter().all(|(label, value)| has(sample, label, value))
        })
    }
}

fn has(sample: &Sample, label: &str, value: &str) -> bool {
    sample.labels.get(label).is_some_and(|found| found == value)
}

/// `name{label="value",…} 1.5`; the label values of iotruth have no quotes and no commas.
fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, rest)) = series.split_once('{') else {
        return Some(Sample { name: series.to_owned(), labels: BTreeMap::new(), value });
    };
    let labels = rest
        .strip_suffix('}')?
        .split("\",")
        .map(|label| {
            let (label, value) = label.split_once("=\"")?;
            Some((label.to_owned(), value.trim_end_matches('"').to_owned()))
        })
        .collect::<Option<_>>()?;
    Some(Sample { name: name.to_owned(), labels, value })
}
