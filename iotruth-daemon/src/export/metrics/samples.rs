//! What takes the values of a metric.

use crate::engine::histogram::Histogram;

/// Takes the series of one metric, one after the other, each with the values of its labels.
pub(super) trait Samples {
    /// Adds a series.
    fn value(&mut self, labels: &[&str], value: f64);

    /// Adds a series with a whole number; exact up to 2^53, as everything in Prometheus.
    fn count(&mut self, labels: &[&str], value: u64) {
        self.value(labels, value as f64);
    }

    /// Adds a histogram of nanoseconds as one of seconds.
    fn histogram(&mut self, labels: &[&str], histogram: &Histogram);
}

/// The bound of 2^k nanoseconds: the nearest double prints as its at most ten exact decimals.
pub(super) fn bound(exponent: u32) -> f64 {
    (1_u64 << exponent) as f64 / 1e9
}

/// The sum of the durations, in seconds.
pub(super) fn sum(histogram: &Histogram) -> f64 {
    histogram.sum() as f64 / 1e9
}
