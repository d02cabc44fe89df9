#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use serde_json::Value;

use super::{Filter, mismatches};
use crate::{
    engine::{
        device::DeviceId,
        kind::{Kind, Severity},
        mismatch::{Mismatch, Outcome},
    },
    export::{golden, query::Format, sample},
    view::View,
};

fn everything(format: Format) -> Filter {
    Filter { severities: Severity::ALL.to_vec(), format, ..Filter::default() }
}

fn shown(view: &View, filter: &Filter) -> String {
    String::from_utf8(mismatches(view, filter).to_vec()).unwrap()
}

fn ids(view: &View, filter: &Filter) -> Vec<u64> {
    let answer: Value = serde_json::from_slice(&mismatches(view, filter)).unwrap();
    let entries = answer["mismatches"].as_array().unwrap();
    entries.iter().map(|entry| entry["id"].as_u64().unwrap()).collect()
}

#[test]
fn json_is_as_in_the_golden_file() {
    golden::check("mismatches.json", &shown(&sample::busy(), &everything(Format::Json)));
    golden::check("mismatches_fresh.json", &shown(&sample::fresh(), &Filter::default()));
}

#[test]
fn text_is_as_in_the_golden_file() {
    let text = Filter { format: Format::Text, ..Filter::default() };
    golden::check("mismatches.txt", &shown(&sample::busy(), &everything(Format::Text)));
    golden::check("mismatches_default.txt", &shown(&sample::busy(), &text));
    golden::check("mismatches_fresh.txt", &shown(&sample::fresh(), &text));
}

#[test]
fn newest_first_and_the_limit_keeps_the_newest() {
    let view = sample::busy();
    // Number 7 came again after the others.
    assert_eq!(ids(&view, &everything(Format::Json)), [7, 12, 9, 3]);
    assert_eq!(ids(&view, &Filter::default()), [7, 12, 9]);
    let two = Filter { limit: 2, ..Filter::default() };
    assert_eq!(ids(&view, &two), [7, 12]);
    let answer: Value = serde_json::from_slice(&mismatches(&view, &two)).unwrap();
    assert_eq!((&answer["matched"], &answer["shown"]), (&Value::from(3), &Value::from(2)));
    let text = shown(&view, &Filter { format: Format::Text, ..two });
    assert!(text.contains("2 of 3 mismatches"), "{text}");
}

#[test]
fn a_table_tells_first_what_there_is_of_each_kind_and_device() {
    let mut view = sample::busy();
    let snapshot = Arc::make_mut(&mut view.snapshot);
    let stuck = |number: u64| Mismatch {
        id: 100 + number,
        kind: Kind::StuckInDevice,
        first: number,
        last: number,
        device: DeviceId { number: (7 << 20) + number as u32 % 30, sequence: 1 },
        device_name: format!("loop{}", number % 30),
        outcome: if number < 40 { Outcome::Ended(number + 1) } else { Outcome::Open },
        ..sample::partial()
    };
    snapshot.mismatches.extend((0..60).map(|number| Arc::new(stuck(number))));
    let one = Filter { limit: 1, ..Filter::default() };
    let text = shown(&view, &Filter { format: Format::Text, ..one.clone() });
    let lines: Vec<&str> = text.lines().take(24).collect();
    assert!(lines[1].starts_with("io_error                  critical  nvme0n1 "), "{text}");
    assert!(lines[4].starts_with("stuck_in_device           warning   loop29 "), "{text}");
    assert!(lines[4].ends_with("      2         2      1  still open"), "{text}");
    assert_eq!(lines[21], "and 13 more rows", "{text}");
    assert!(lines[22].starts_with("3 older mismatches fell out of the log"), "{text}");
    let answer: Value = serde_json::from_slice(&mismatches(&view, &one)).unwrap();
    let rows = answer["summary"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "the limit is for both lists: {answer}");
    let single = Filter { kinds: vec![Kind::IoError], format: Format::Text, ..Filter::default() };
    let text = shown(&view, &single);
    assert!(text.starts_with("A read of 4 KiB"), "one needs no table: {text}");
}

#[test]
fn an_empty_list_says_what_it_is_worth() {
    let mut view = sample::busy();
    Arc::make_mut(&mut view.snapshot).mismatches.clear();
    let filter = Filter { format: Format::Text, ..Filter::default() };
    let text = shown(&view, &filter);
    assert!(text.starts_with("Nothing to report.\nWatching since 2026-05-04T09:50:00"), "{text}");
    assert!(
        text.contains(
            "30 requests could not be judged; on the devices that are here now, scaled from the sample to all: 1 \
             because"
        ),
        "{text}"
    );
    assert!(text.contains("Do not trust this list: reader 1 has not moved for 2 s."), "{text}");
    Arc::make_mut(&mut view.status).limits = vec!["One request in 64 is followed.".to_owned()];
    let limited = shown(&view, &filter);
    assert!(limited.contains("\nOne request in 64 is followed.\nDo not trust"), "{limited}");
    let snapshot = Arc::make_mut(&mut view.snapshot);
    snapshot.lives.judged = snapshot.lives.unjudged - 1;
    let blind = shown(&view, &filter);
    assert!(blind.starts_with("Most requests could not be judged, and of those that"), "{blind}");
    let snapshot = Arc::make_mut(&mut view.snapshot);
    Arc::make_mut(&mut snapshot.in_flight).doubtful = 2;
    let doubtful = shown(&view, &filter);
    let expected =
        "\n2 requests have been open for long and not told as stuck, because an attempt may";
    assert!(doubtful.contains(expected), "{doubtful}");
    let json = shown(&view, &Filter { format: Format::Json, ..filter.clone() });
    assert!(json.contains("\"One request in 64 is followed.\""), "{json}");
    let text = shown(&view, &Filter { since: 1, ..filter });
    assert!(text.starts_with("Nothing matches this query.\n"), "{text}");
}
