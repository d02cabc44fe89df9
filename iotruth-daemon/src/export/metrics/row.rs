//! One metric: what it is called, what it means and where its values come from.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram as HistogramValue, LabelPair, Metric, MetricFamily,
    MetricType,
};

use super::Shown;
use crate::engine::histogram::Histogram;

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

    const fn wire(self) -> MetricType {
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
    pub(super) collect: fn(&Shown<'_>, &mut Samples),
}

impl Row {
    /// The metric with its values; `None` where it has no series at the moment.
    pub(super) fn family(&self, shown: &Shown<'_>) -> Option<MetricFamily> {
        let mut samples = Samples { kind: self.kind, labels: self.labels, metrics: Vec::new() };
        (self.collect)(shown, &mut samples);
        if samples.metrics.is_empty() {
            return None;
        }
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(self.kind.wire());
        family.set_metric(samples.metrics);
        Some(family)
    }
}

/// Collects the series of one metric.
#[derive(Debug)]
pub(super) struct Samples {
    kind: Type,
    labels: &'static [&'static str],
    metrics: Vec<Metric>,
}

impl Samples {
    /// Adds a series with a whole number; exact up to 2^53, as everything in Prometheus.
    pub(super) fn count(&mut self, labels: &[&str], value: u64) {
        self.value(labels, value as f64);
    }

    /// Adds a series.
    pub(super) fn value(&mut self, labels: &[&str], value: f64) {
        let mut metric = Metric::from_label(self.pairs(labels));
        match self.kind {
            Type::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Type::Gauge | Type::Histogram => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        self.metrics.push(metric);
    }

    /// Adds a histogram of nanoseconds as one of seconds.
    pub(super) fn histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        let buckets = histogram.cumulative().map(|(exponent, count)| {
            let mut bucket = Bucket::default();
            // The nearest double to 2^k / 10^9 prints as its at most ten exact decimals.
            bucket.set_upper_bound((1_u64 << exponent) as f64 / 1e9);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut value = HistogramValue::default();
        value.set_bucket(buckets.collect());
        value.set_sample_count(histogram.count());
        value.set_sample_sum(histogram.sum() as f64 / 1e9);
        let mut metric = Metric::from_label(self.pairs(labels));
        metric.set_histogram(value);
        self.metrics.push(metric);
    }

    fn pairs(&self, values: &[&str]) -> Vec<LabelPair> {
        debug_assert_eq!(self.labels.len(), values.len(), "{:?} {values:?}", self.labels);
        self.labels
            .iter()
            .zip(values)
            .map(|(name, value)| {
                let mut pair = LabelPair::default();
                pair.set_name((*name).to_owned());
                pair.set_value((*value).to_owned());
                pair
            })
            .collect()
    }
}
