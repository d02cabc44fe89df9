//! Series as text: the one that the crate's encoder makes of them, as `agreement.rs` proves.
//!
//! The encoder makes everything anew for every line. Here the labels of a histogram are made once
//! for all its lines, and its bounds once for all; and nothing is kept of a series but its text.

use std::{
    fmt::{Display, Write as _},
    ops::Range,
    sync::LazyLock,
};

use super::{
    row::Row,
    samples::{Samples, bound, sum},
};
use crate::engine::histogram::{BOUND_EXPONENTS, Histogram};

/// The bounds of every histogram.
static BOUNDS: LazyLock<Vec<String>> =
    LazyLock::new(|| BOUND_EXPONENTS.map(|exponent| bound(exponent).to_string()).collect());

/// From here on not every whole number is a double, and the encoder shows the nearest one.
const INEXACT: u64 = 1 << f64::MANTISSA_DIGITS;

/// Appends the series of one metric, which has labels, to a text.
#[derive(Debug)]
pub(super) struct Written<'a> {
    row: &'a Row,
    text: &'a mut String,
    /// Where the lines are that come before the series.
    head: Range<usize>,
}

impl<'a> Written<'a> {
    pub(super) fn new(row: &'a Row, text: &'a mut String) -> Self {
        let begin = text.len();
        for part in ["# HELP ", row.name, " ", row.help, "\n# TYPE ", row.name, " "] {
            text.push_str(part);
        }
        text.push_str(row.kind.label());
        text.push('\n');
        Self { row, head: begin..text.len(), text }
    }

    /// Takes the head back if no series followed.
    pub(super) fn finish(self) {
        if self.text.len() == self.head.end {
            self.text.truncate(self.head.start);
        }
    }

    /// Begins a line; says where in the text its labels are, with the brace before and none after.
    fn begin(&mut self, suffix: &str, values: &[&str]) -> Range<usize> {
        let names = self.row.labels;
        debug_assert_eq!(names.len(), values.len(), "{names:?} {values:?}");
        self.text.push_str(self.row.name);
        self.text.push_str(suffix);
        let begin = self.text.len();
        let mut before = '{';
        for (name, value) in names.iter().zip(values) {
            self.text.push(before);
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.escape(value);
            self.text.push('"');
            before = ',';
        }
        begin..self.text.len()
    }

    /// Begins a line with labels that an earlier one has.
    fn begin_with(&mut self, suffix: &str, labels: Range<usize>) {
        self.text.push_str(self.row.name);
        self.text.push_str(suffix);
        self.text.extend_from_within(labels);
    }

    /// Appends the value of a label.
    fn escape(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '\\' => self.text.push_str(r"\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str(r"\n"),
                plain => self.text.push(plain),
            }
        }
    }

    /// Ends a line whose labels are written.
    fn end(&mut self, value: impl Display) {
        self.text.push_str("} ");
        // Writing into a string does not fail.
        let _ = write!(self.text, "{value}");
        self.text.push('\n');
    }

    /// The same for a whole number, which is shown faster than a double.
    fn end_whole(&mut self, value: u64) {
        if value < INEXACT {
            self.end(value);
        } else {
            self.end(value as f64);
        }
    }
}

impl Samples for Written<'_> {
    fn value(&mut self, labels: &[&str], value: f64) {
        self.begin("", labels);
        self.end(value);
    }

    fn count(&mut self, labels: &[&str], value: u64) {
        self.begin("", labels);
        self.end_whole(value);
    }

    fn histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        let begin = self.text.len();
        let labels = self.begin("_bucket", labels);
        self.text.push_str(",le=\"");
        let bucket = begin..self.text.len();
        for (bound, (_, count)) in BOUNDS.iter().zip(histogram.cumulative()) {
            self.text.push_str(bound);
            self.text.push('"');
            self.end_whole(count);
            self.text.extend_from_within(bucket.clone());
        }
        self.text.push_str("+Inf\"");
        self.end_whole(histogram.count());
        self.begin_with("_sum", labels.clone());
        self.end(sum(histogram));
        self.begin_with("_count", labels);
        self.end_whole(histogram.count());
    }
}
