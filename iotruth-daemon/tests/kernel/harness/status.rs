//! What `/status` says.

use std::collections::BTreeMap;

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

    /// How many records came out of each ring.
    pub(crate) fn received_by_ring(&self) -> Vec<u64> {
        let rings = self.json["rings"].as_array().unwrap_or_else(|| panic!("no rings: {self:?}"));
        let number = |ring: &Value, field: &str| {
            ring[field].as_u64().unwrap_or_else(|| panic!("no {field}: {self:?}"))
        };
        let rings = rings.iter().map(|ring| (number(ring, "ring"), number(ring, "received")));
        let rings: BTreeMap<u64, u64> = rings.collect();
        rings.into_values().collect()
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
