#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{catalogue, metrics};
use crate::{
    engine::{device::DeviceId, kind::KINDS},
    export::{golden, sample},
    view::View,
};

fn text(view: &View) -> String {
    String::from_utf8(metrics(view).unwrap().to_vec()).unwrap()
}

/// The samples of one metric: labels and value.
fn samples(text: &str, name: &str) -> Vec<(String, String)> {
    let found = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let whole = labels.is_empty() || labels.starts_with('{');
        whole.then(|| (labels.to_owned(), value.to_owned()))
    });
    found.collect()
}

#[test]
fn a_busy_view_is_as_in_the_golden_file() {
    golden::check("metrics.prom", &text(&sample::busy()));
    assert_eq!(text(&sample::busy()), text(&sample::busy()), "same order every time");
}

#[test]
fn a_fresh_view_has_loss_series_at_zero() {
    let text = text(&sample::fresh());
    golden::check("metrics_fresh.prom", &text);
    for name in ["iotruth_events_lost_total", "iotruth_events_total", "iotruth_lives_ended_total"] {
        let samples = samples(&text, name);
        assert!(!samples.is_empty() && samples.iter().all(|(_, value)| value == "0"), "{name}");
    }
}

#[test]
fn a_known_device_has_its_mismatch_and_requeue_series_at_zero() {
    let text = text(&sample::busy());
    for (name, series) in [("iotruth_mismatches_total", KINDS), ("iotruth_requeues_total", 5)] {
        let of_the_idle_device: Vec<_> =
            samples(&text, name).into_iter().filter(|(labels, _)| labels.contains("odd")).collect();
        assert_eq!(of_the_idle_device.len(), series, "{name}");
        assert!(of_the_idle_device.iter().all(|(_, value)| value == "0"), "{name}");
    }
}

#[test]
fn requests_are_samples_plus_unjudged_plus_unknown_phase() {
    let text = text(&sample::busy());
    let sum = |name: &str, labels: &[&str]| -> f64 {
        samples(&text, name)
            .iter()
            .filter(|(found, _)| labels.iter().all(|label| found.contains(label)))
            .map(|(_, value)| value.parse::<f64>().unwrap())
            .sum()
    };
    for op in ["op=\"read\"", "op=\"write\""] {
        for phase in ["phase=\"queue\"", "phase=\"device\"", "phase=\"total\""] {
            let requests = sum("iotruth_requests_total", &[op]);
            let measured = sum("iotruth_request_latency_seconds_count", &[op, phase]);
            let unjudged = sum("iotruth_unjudged_total", &[op]);
            let unknown = sum("iotruth_phase_unknown_total", &[op, phase]);
            assert!((requests - measured - unjudged - unknown).abs() < 0.5, "{op} {phase}");
        }
    }
}

#[test]
fn bounds_are_printed_exactly() {
    let text = text(&sample::busy());
    let mut bounds: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("_bucket{") && line.contains("op=\"read\",phase=\"device\""))
        .filter_map(|line| line.split("le=\"").nth(1)?.split('"').next())
        .collect();
    assert_eq!(bounds.pop(), Some("+Inf"));
    assert_eq!(bounds.len(), 24);
    for (bound, exponent) in bounds.iter().zip(10..) {
        let nanoseconds = 1_u64 << exponent;
        let (whole, part) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        assert_eq!(*bound, format!("{whole}.{part:09}"));
    }
}

#[test]
fn no_series_appears_twice_even_while_a_device_is_replaced() {
    let mut view = sample::busy();
    let snapshot = Arc::make_mut(&mut view.snapshot);
    let newer = DeviceId { sequence: sample::NVME.sequence + 1, ..sample::NVME };
    let mut replacement = snapshot.devices[&sample::ODD].clone();
    replacement.id = newer;
    replacement.name = "nvme0n1".to_owned();
    snapshot.devices.insert(newer, replacement);

    let text = text(&view);
    let mut seen = HashSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(seen.insert(line.rsplit_once(' ').unwrap().0), "{line}");
    }
    let mismatches: HashMap<_, _> =
        samples(&text, "iotruth_mismatches_total").into_iter().collect();
    let of_newest = "{device=\"nvme0n1\",kind=\"io_error\",severity=\"critical\"}";
    assert_eq!(mismatches[of_newest], "0", "the newest device of this name");
}

#[test]
fn every_metric_of_the_catalogue_is_in_the_busy_view_and_explained() {
    let text = text(&sample::busy());
    let mut names = HashSet::new();
    for row in catalogue() {
        assert!(names.insert(row.name), "{} is there twice", row.name);
        assert!(row.help.ends_with('.') && row.help.len() > 20, "{}", row.name);
        let kind = format!("# TYPE {} {}\n", row.name, row.kind.label());
        assert!(text.contains(&kind), "{}", row.name);
    }
}
