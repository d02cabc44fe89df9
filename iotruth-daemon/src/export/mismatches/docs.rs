//! Writes and checks docs/mismatches.md: a section for each row of the table of kinds.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Filter, mismatches};
use crate::{
    engine::{
        kind::{Row, Severity, TABLE},
        tests::examples::{SYNTHETIC, play},
    },
    export::{golden, query::Format, sample},
    view::View,
};

const INTRODUCTION: &str = "\
# Mismatches

What `/mismatches` can tell of a request: one section for each kind. The tests write this file from the
table in `engine/kind.rs`; the examples are in `docs/examples`.

- **critical**: data, a device or a driver is in trouble. **warning**: something is slower or less
  reliable than it should be. **info**: legal and worth knowing; shown with `?severity=info` or by its
  name (`?kind=`), not in the default list.
- A kind that *one event proves* is shown whatever was lost around it. One that rests on the *history*
  of the request is shown only if no record of it can be missing, after the counters of lost events
  have been read. One that *memory confirms* is shown while the request is still open, after it was
  found in kernel memory where its events had left it.
- What was shown while the request was open goes on with what became of it: `outcome` is `open`, `ended`,
  `failed` (it ended with an error), `end_unseen` (over by the time in `ended`, and nobody saw when) or
  `unknown` (it left the sample of `max_cpu_percent`, or what was lost may be its end and may be something
  else). Where events were lost while a request was stuck, it is known how long that was at least: `waited_us`.
- The answer begins with what there is of each kind and device: `summary` in the JSON, a table in the text.
- Each is counted in `iotruth_mismatches_total{device,kind,severity}`, also where the list has no room, and in
  `iotruth_host_mismatches_total{kind,severity}`, also where the device has gone.
";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// By what a kind is proved.
fn proof(row: &Row) -> &'static str {
    if row.kind.self_evident() {
        "one event"
    } else if row.kind.is_of_the_open() {
        "memory, while the request is open"
    } else {
        "its history"
    }
}

fn section(out: &mut String, row: &Row) {
    let path = folder().join("examples").join(format!("{}.txt", row.slug));
    let example = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; each kind has an example", path.display()));
    let kind = format!("kind       {} ({})", row.slug, row.severity.label());
    assert!(example.contains(&kind), "{} is of another kind", path.display());
    for (name, text) in [("meaning", row.meaning), ("advice", row.advice)] {
        let line = format!("\n  {name:<10} {text}\n");
        assert!(example.contains(&line), "{}: the {name} has changed", path.display());
    }
    let (origin, block) = example.split_once("\n\n").unwrap();
    writeln!(out, "\n### `{}`\n", row.slug).unwrap();
    writeln!(out, "**When**: {}.  ", row.rule).unwrap();
    writeln!(out, "**It tells that** {}.  ", row.meaning).unwrap();
    writeln!(out, "**What to do**: {}.  ", row.advice).unwrap();
    writeln!(out, "**Proved by**: {}.\n", proof(row)).unwrap();
    writeln!(out, "Example ({origin}):\n\n```\n{}\n```", block.trim_end()).unwrap();
}

#[test]
fn synthetic_examples_are_what_the_engine_makes_of_them() {
    for (kind, why) in SYNTHETIC {
        let view = View { snapshot: Arc::new(play(*kind)), ..sample::fresh() };
        let filter = Filter {
            kinds: vec![*kind],
            severities: Severity::ALL.to_vec(),
            format: Format::Text,
            ..Filter::default()
        };
        let answer = String::from_utf8(mismatches(&view, &filter).to_vec()).unwrap();
        let block = answer.split("\n\n").next().unwrap();
        let path = folder().join("examples").join(format!("{}.txt", kind.row().slug));
        golden::check_file(&path, &format!("{why}\n\n{block}\n"));
    }
}

#[test]
fn every_kind_is_documented_with_an_example() {
    let mut text = String::from(INTRODUCTION);
    for severity in Severity::ALL.iter().rev() {
        writeln!(text, "\n## {}", severity.label()).unwrap();
        for row in TABLE.iter().filter(|row| row.severity == *severity) {
            section(&mut text, row);
        }
    }
    golden::check_file(&folder().join("mismatches.md"), &text);
}
