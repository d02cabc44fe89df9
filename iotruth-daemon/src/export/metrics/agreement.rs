//! Proves that whoever takes the values of a metric, the text is the same.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    Shown, catalogue,
    described::Described,
    row::{Row, Type},
    samples::Samples,
    written::Written,
};
use crate::{engine::histogram::Histogram, export::sample, view::View};

/// Names that no kernel gives to a disk; most would break the text if they were not escaped.
const HOSTILE: [&str; 10] = [
    "",
    "\"",
    "\\",
    "\n",
    "a\\\"b\\n\nc\\",
    "\",op=\"read\"} 1\n# TYPE x counter\nx{a=\"",
    "le=\"+Inf\"} 0",
    "Platte größer 磁盘 💾 e\u{301}",
    "\u{0}\t\r\u{7f}\u{85}\u{2028}\u{feff}",
    "{}{0}%s$1",
];

/// What the crate's encoder makes of what `collect` tells.
fn described(row: &Row, collect: &dyn Fn(&mut dyn Samples)) -> String {
    let mut samples = Described::new(row);
    collect(&mut samples);
    let mut text = "before\n".to_owned();
    samples.encode(&mut text).unwrap();
    text
}

/// What is written of the same without the crate.
fn written(row: &Row, collect: &dyn Fn(&mut dyn Samples)) -> String {
    let mut text = "before\n".to_owned();
    let mut samples = Written::new(row, &mut text);
    collect(&mut samples);
    samples.finish();
    text
}

/// Compares every metric with labels of a view, and says how many lines they have.
fn compare(view: &View) -> usize {
    let shown = Shown::new(view);
    let labelled = catalogue().filter(|row| !row.labels.is_empty());
    let lines = labelled.map(|row| {
        let collect = |samples: &mut dyn Samples| (row.collect)(&shown, samples);
        let text = written(row, &collect);
        assert_eq!(text, described(row, &collect), "{}", row.name);
        text.lines().count()
    });
    lines.sum()
}

/// A histogram that has grown by doubling, to sums beyond what 64 bits hold.
fn histogram(durations: &[u64], doublings: u32) -> Histogram {
    let mut histogram = Histogram::default();
    for duration in durations {
        histogram.record(*duration, 1);
    }
    for _ in 0..doublings {
        let same = histogram.clone();
        histogram.merge(&same);
    }
    histogram
}

#[test]
fn every_metric_agrees() {
    assert!(compare(&sample::busy()) > 400);
    assert!(compare(&sample::fresh()) > 20);
}

#[test]
fn every_metric_of_devices_with_hostile_names_agrees() {
    let lines = compare(&sample::busy());
    for name in HOSTILE {
        let mut view = sample::busy();
        let snapshot = Arc::make_mut(&mut view.snapshot);
        for device in snapshot.devices.values_mut() {
            // Two names, or only one of them would be shown.
            device.name = format!("{name}{}", device.name.len());
        }
        snapshot.devices.get_mut(&sample::NVME).unwrap().name = name.to_owned();
        assert_eq!(compare(&view), lines, "{name:?}");
    }
}

#[test]
fn a_metric_without_series_leaves_nothing() {
    for row in catalogue().filter(|row| row.of_devices()) {
        assert_eq!(written(row, &|_| ()), "before\n", "{}", row.name);
        assert_eq!(described(row, &|_| ()), "before\n", "{}", row.name);
    }
}

fn row(kind: Type) -> Row {
    let help = "What \"is\" counted: größer.";
    Row { name: "name", kind, labels: &["device", "op"], unit: "", help, collect: |_, _| () }
}

/// Values of labels, hostile ones among them.
fn label() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        r#"[\\"\na{},=é]{0,12}"#,
        prop::sample::select(&HOSTILE[..]).prop_map(str::to_owned)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_values_agree(
        labels in prop::collection::vec([label(), label()], 1..4),
        value in prop::num::f64::ANY,
        count in any::<u64>(),
        shift in 0_u32..64,
        durations in prop::collection::vec((any::<u64>(), 0_u32..64), 0..40),
        // No more, or the counts leave 64 bits.
        doublings in 0_u32..=58,
    ) {
        let durations: Vec<u64> = durations.iter().map(|(any, shift)| any >> shift).collect();
        let histogram = histogram(&durations, doublings);
        for kind in [Type::Counter, Type::Gauge] {
            let row = row(kind);
            let collect = |samples: &mut dyn Samples| {
                for [device, op] in &labels {
                    samples.value(&[device, op], value);
                    samples.count(&[device, op], count >> shift);
                }
            };
            prop_assert_eq!(written(&row, &collect), described(&row, &collect));
        }
        let row = row(Type::Histogram);
        let collect = |samples: &mut dyn Samples| {
            for [device, op] in &labels {
                samples.histogram(&[device, op], &histogram);
            }
        };
        prop_assert_eq!(written(&row, &collect), described(&row, &collect));
    }
}
