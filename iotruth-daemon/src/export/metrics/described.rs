//! Series as the crate describes them, for its encoder.

use prometheus::{
    TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram as HistogramValue, LabelPair, Metric, MetricFamily},
};

use super::{
    row::{Row, Type},
    samples::{Samples, bound, sum},
};
use crate::engine::histogram::Histogram;

/// Collects the series of one metric, to be encoded all at once.
#[derive(Debug)]
pub(super) struct Described<'a> {
    row: &'a Row,
    metrics: Vec<Metric>,
}

impl<'a> Described<'a> {
    pub(super) const fn new(row: &'a Row) -> Self {
        Self { row, metrics: Vec::new() }
    }

    /// Appends the metric to `text`, if it has a series.
    pub(super) fn encode(self, text: &mut String) -> Result<(), prometheus::Error> {
        // The encoder refuses a metric without series.
        if self.metrics.is_empty() {
            return Ok(());
        }
        let mut family = MetricFamily::default();
        family.set_name(self.row.name.to_owned());
        family.set_help(self.row.help.to_owned());
        family.set_field_type(self.row.kind.wire());
        family.set_metric(self.metrics);
        TextEncoder::new().encode_utf8(&[family], text)
    }

    fn pairs(&self, values: &[&str]) -> Vec<LabelPair> {
        let names = self.row.labels;
        debug_assert_eq!(names.len(), values.len(), "{names:?} {values:?}");
        names
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

impl Samples for Described<'_> {
    fn value(&mut self, labels: &[&str], value: f64) {
        let mut metric = Metric::from_label(self.pairs(labels));
        match self.row.kind {
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

    // Every histogram is of devices so far, and written; this is what the text is held against.
    fn histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        let buckets = histogram.cumulative().map(|(exponent, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound(exponent));
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut value = HistogramValue::default();
        value.set_bucket(buckets.collect());
        value.set_sample_count(histogram.count());
        value.set_sample_sum(sum(histogram));
        let mut metric = Metric::from_label(self.pairs(labels));
        metric.set_histogram(value);
        self.metrics.push(metric);
    }
}
