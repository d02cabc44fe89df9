//! What `/status` says.

use std::{collections::BTreeMap, time::SystemTime};

use serde_json::Value;

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    json: Value,
}

impl Status {
    /// Reads the answer.
    pub(crate) fn parse(body: &str) -> Self {
        Self { json: serde_json::from_str(body).expect("/status is JSON") }
    }

    /// Whatever happened before this time is in the figures.
    pub(crate) fn complete_until(&self) -> SystemTime {
        let time = self.json["ledger"]["complete_until"].as_str().expect("the books have a time");
        humantime::parse_rfc3339(time).expect("a time in UTC")
    }

    /// How many records came out of each ring.
    pub(crate) fn received_by_ring(&self) -> Vec<u64> {
        self.by_ring(&["received"])
    }

    /// How many records each ring received or refused.
    pub(crate) fn attempts_by_ring(&self) -> Vec<u64> {
        self.by_ring(&["received", "lost"])
    }

    /// How many records each ring refused.
    pub(crate) fn lost_by_ring(&self) -> Vec<u64> {
        self.by_ring(&["lost"])
    }

    /// Kinds of event of which more was received and lost than tried.
    pub(crate) fn invented_events(&self) -> Vec<&Value> {
        let mut unbalanced = self.unbalanced_events();
        unbalanced.retain(|event| event["difference"].as_i64().is_none_or(|count| count < 0));
        unbalanced
    }

    /// Kinds of event of which attempts are not what was received and what was lost.
    pub(crate) fn unbalanced_events(&self) -> Vec<&Value> {
        let events = self.json["ledger"]["events"].as_array();
        let events = events.unwrap_or_else(|| panic!("no ledger: {self:?}"));
        events.iter().filter(|event| event["balanced"] != true).collect()
    }

    /// Kinds of event of which runs were skipped that are neither told by a second program nor known to
    /// be lost.
    pub(crate) fn unsettled_events(&self) -> Vec<&Value> {
        let events = self.json["ledger"]["events"].as_array();
        let events = events.unwrap_or_else(|| panic!("no ledger: {self:?}"));
        let count = |event: &Value, field: &str| {
            event[field].as_u64().unwrap_or_else(|| panic!("no {field}: {event}"))
        };
        let settled = |event: &&Value| {
            count(event, "recursion") == count(event, "second") + count(event, "unseen")
        };
        events.iter().filter(|event| !settled(event)).collect()
    }

    /// Whether every life that began is somewhere.
    pub(crate) fn lives_balance(&self) -> bool {
        self.json["ledger"]["lives"]["balanced"] == true
    }

    /// What the last audit found of a device; `None` where it is not told of.
    pub(crate) fn audit(&self, device: &str) -> Option<Audit> {
        let all = self.json["ledger"]["devices"].as_array();
        let all = all.unwrap_or_else(|| panic!("no ledger: {self:?}"));
        let books = all.iter().find(|books| books["device"] == device)?;
        let counts = |side: &str| {
            let counts = books[side].as_object().unwrap_or_else(|| panic!("no {side}: {books}"));
            let count = |value: &Value| value.as_i64().unwrap_or_else(|| panic!("{value}"));
            counts.iter().map(|(name, value)| (name.clone(), count(value))).collect()
        };
        Some(Audit {
            coverage: books["coverage"].as_f64(),
            incomparable: books["incomparable"].as_str().map(str::to_owned),
            at_rest: books["at_rest"] == true,
            audits: books["audits"].as_u64().expect("audits are counted"),
            kernel: counts("kernel"),
            ours: counts("ours"),
            residue: counts("residue"),
        })
    }

    fn by_ring(&self, fields: &[&str]) -> Vec<u64> {
        let rings = self.json["rings"].as_array().unwrap_or_else(|| panic!("no rings: {self:?}"));
        let number = |ring: &Value, field: &str| {
            ring[field].as_u64().unwrap_or_else(|| panic!("no {field}: {self:?}"))
        };
        let rings = rings.iter().map(|ring| {
            (number(ring, "ring"), fields.iter().map(|field| number(ring, field)).sum())
        });
        let rings: BTreeMap<u64, u64> = rings.collect();
        rings.into_values().collect()
    }

    /// How records travel.
    pub(crate) fn transport(&self) -> &str {
        self.json["transport"].as_str().unwrap_or_else(|| panic!("no transport: {self:?}"))
    }

    /// What it has to say of itself.
    pub(crate) fn notes(&self) -> Vec<&str> {
        let notes = self.json["notes"].as_array().unwrap_or_else(|| panic!("no notes: {self:?}"));
        notes.iter().filter_map(Value::as_str).collect()
    }

    /// Why a program is not attached; `None` where it is.
    pub(crate) fn missing(&self, tracepoint: &str) -> Option<&str> {
        let programs = self.json["programs"].as_array();
        let programs = programs.unwrap_or_else(|| panic!("no programs: {self:?}"));
        programs
            .iter()
            .find(|program| program["tracepoint"] == tracepoint)
            .unwrap_or_else(|| panic!("no program {tracepoint}: {self:?}"))["missing"]
            .as_str()
    }
}

/// Both sides of a device.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    /// `None` where it cannot be known.
    pub(crate) coverage: Option<f64>,
    /// Why not.
    pub(crate) incomparable: Option<String>,
    /// Whether the figures are exact.
    pub(crate) at_rest: bool,
    /// How many there were before this one.
    pub(crate) audits: u64,
    /// What the kernel counted, by column.
    pub(crate) kernel: BTreeMap<String, i64>,
    /// What the daemon counted.
    pub(crate) ours: BTreeMap<String, i64>,
    /// What is missing on one side.
    pub(crate) residue: BTreeMap<String, i64>,
}

impl Audit {
    /// Whether nothing is missing on either side.
    pub(crate) fn without_residue(&self) -> bool {
        self.residue.values().all(|residue| *residue == 0)
    }
}
