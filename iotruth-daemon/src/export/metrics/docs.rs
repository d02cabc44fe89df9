//! Keeps the tables of docs/metrics.md equal to the code.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fmt::Write as _, fs, path::Path};

use iotruth_common::probe::{INSERT_FLUSH, Probe, Program};

use super::catalogue;
use crate::{
    engine::{
        io_error::IoError,
        kind::{Severity, TABLE},
        operation::Operation,
        phase::Phase,
        snapshot::{Loss, REQUEUE_CLASSES, Unjudged},
    },
    export::golden,
};

const BEGIN: &str = "<!-- generated: the tests write and check this part -->\n";
const END: &str = "<!-- end of the generated part -->\n";

fn tables() -> String {
    let mut out = String::from(BEGIN);
    out.push_str("\n| name | type | labels | unit | meaning |\n| --- | --- | --- | --- | --- |\n");
    for row in catalogue() {
        let labels: Vec<String> = row.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, unit, help) = (row.name, row.kind.label(), row.unit, row.help);
        let help = help.replace('|', "\\|");
        writeln!(out, "| `{name}` | {kind} | {} | {unit} | {help} |", labels.join(" ")).unwrap();
    }
    out.push_str("\n## Label values\n\n| label | values |\n| --- | --- |\n");
    let mut set = |label: &str, values: Vec<&str>| {
        writeln!(out, "| {label} | {} |", values.join(" ")).unwrap();
    };
    set("`op`", Operation::ALL.iter().map(|value| value.label()).collect());
    set("`phase`", Phase::ALL.iter().map(|value| value.label()).collect());
    set("`error`", IoError::ALL.iter().map(|value| value.label()).collect());
    set(
        "`reason` of `iotruth_events_lost_total`",
        Loss::ALL.iter().map(|value| value.label()).collect(),
    );
    set(
        "`reason` of `iotruth_unjudged_total`",
        Unjudged::ALL.iter().map(|value| value.label()).collect(),
    );
    set("`class`", REQUEUE_CLASSES.to_vec());
    set("`outcome`", vec!["whole", "given_up"]);
    set("`severity`", Severity::ALL.iter().map(|value| value.label()).collect());
    set("`kind` of events", Probe::ALL.iter().map(|value| value.label()).collect());
    let programs =
        [Program::only, Program::second].map(|of| Probe::ALL.map(|probe| of(probe).name()));
    let mut programs = programs.concat();
    programs.push(INSERT_FLUSH);
    set("`program`", programs);
    set("`kind` of mismatches", TABLE.iter().map(|row| row.slug).collect());
    out.push('\n');
    out.push_str(END);
    out
}

#[test]
fn the_documentation_names_every_metric_as_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let file = fs::read_to_string(&path).unwrap();
    let (before, rest) = file.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    golden::check_file(&path, &format!("{before}{}{after}", tables()));
}
