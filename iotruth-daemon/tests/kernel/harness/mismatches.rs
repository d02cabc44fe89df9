//! Entries of `/mismatches`.

use std::collections::BTreeMap;

use serde_json::Value;

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    json: Value,
}

/// Reads the whole answer.
pub(crate) fn parse(body: &str) -> Vec<Entry> {
    let answer: Value = serde_json::from_str(body).expect("/mismatches is JSON");
    let list = answer["mismatches"].as_array().unwrap_or_else(|| panic!("no list: {body}"));
    list.iter().map(|json| Entry { json: json.clone() }).collect()
}

impl Entry {
    /// All of it.
    pub(crate) fn json(&self) -> &Value {
        &self.json
    }

    /// Its number; later entries have greater ones.
    pub(crate) fn id(&self) -> u64 {
        self.number("id")
    }

    /// Such as `loop0`.
    pub(crate) fn device(&self) -> &str {
        self.text("device")
    }

    /// Its slug.
    pub(crate) fn kind(&self) -> &str {
        self.text("kind")
    }

    /// `info`, `warning` or `critical`.
    pub(crate) fn severity(&self) -> &str {
        self.text("severity")
    }

    /// Such as `read`.
    pub(crate) fn operation(&self) -> &str {
        self.text("operation")
    }

    /// First sector; `None` for a flush.
    pub(crate) fn sector(&self) -> Option<u64> {
        self.json["sector"].as_u64()
    }

    /// Length in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.number("bytes")
    }

    /// How often the same was seen.
    pub(crate) fn count(&self) -> u64 {
        self.number("count")
    }

    /// Process id and name of the owner, where it is known.
    pub(crate) fn owner(&self) -> Option<(u64, &str)> {
        let owner = &self.json["owner"];
        Some((owner["tgid"].as_u64()?, owner["comm"].as_str()?))
    }

    /// Id of the owner's cgroup; `None` where it is not known.
    pub(crate) fn cgroup(&self) -> Option<u64> {
        self.json["owner"]["cgroup"].as_u64().filter(|id| *id != 0)
    }

    /// What became of it: `open`, `ended`, `failed`, `end_unseen` or `unknown`.
    pub(crate) fn outcome(&self) -> &str {
        self.text("outcome")
    }

    /// Microseconds of each phase that was measured.
    pub(crate) fn phases(&self) -> BTreeMap<&str, f64> {
        let phases =
            self.json["phases_us"].as_object().unwrap_or_else(|| panic!("no phases: {self:?}"));
        phases.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?))).collect()
    }

    /// The names of its events, in order.
    pub(crate) fn events(&self) -> Vec<&str> {
        let events = self.json["timeline"]["events"].as_array();
        let events = events.unwrap_or_else(|| panic!("no timeline: {self:?}"));
        events.iter().map(|event| event["event"].as_str().unwrap_or_default()).collect()
    }

    fn text(&self, field: &str) -> &str {
        self.json[field].as_str().unwrap_or_else(|| panic!("no text {field}: {self:?}"))
    }

    fn number(&self, field: &str) -> u64 {
        self.json[field].as_u64().unwrap_or_else(|| panic!("no number {field}: {self:?}"))
    }
}
