//! One metric: what it is called, what it means and where its values come from.

use prometheus::proto::MetricType;

use super::{Shown, described::Described, samples::Samples, written::Written};

/// Kinds of metric that are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only grows while the daemon runs.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets with sum and count.
    Histogram,
}

impl Type {
    /// The word in the exposition.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    /// What the crate calls it.
    pub(super) const fn wire(self) -> MetricType {
        match self {
            Self::Counter => MetricType::COUNTER,
            Self::Gauge => MetricType::GAUGE,
            Self::Histogram => MetricType::HISTOGRAM,
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Type,
    /// Names of its labels, in the order of their values.
    pub labels: &'static [&'static str],
    /// What one unit of the value is.
    pub unit: &'static str,
    /// What is counted, and what is not.
    pub help: &'static str,
    /// Reads its values.
    pub(super) collect: fn(&Shown<'_>, &mut dyn Samples),
}

impl Row {
    /// Appends the metric with its values to `text`; nothing where it has no series at the moment.
    ///
    /// The crate's types take an allocation for each name and value of a label, and its encoder
    /// makes labels and bounds anew for each line. That is nothing for most metrics; but those of
    /// devices have 137,000 lines on a host with 256 disks, and are written as they are collected.
    pub(super) fn write(
        &self,
        shown: &Shown<'_>,
        text: &mut String,
    ) -> Result<(), prometheus::Error> {
        if self.of_devices() {
            let mut samples = Written::new(self, text);
            (self.collect)(shown, &mut samples);
            samples.finish();
            Ok(())
        } else {
            let mut samples = Described::new(self);
            (self.collect)(shown, &mut samples);
            samples.encode(text)
        }
    }

    /// Whether the number of its series grows with the host.
    pub(super) fn of_devices(&self) -> bool {
        self.labels.contains(&"device")
    }
}
