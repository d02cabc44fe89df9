//! `/metrics`: what a Prometheus server scrapes.
//!
//! Each metric is one [`Row`]: its name, labels, help and the function that reads its values. The
//! table in docs/metrics.md is checked against the rows. What reads the values does not know who
//! takes them: the crate's types for its encoder (`described`), or the text itself (`written`).

mod books;
mod daemon;
mod described;
mod requests;
mod row;
mod samples;
mod written;

use std::collections::BTreeMap;

use bytes::Bytes;

pub use self::row::{Row, Type};
use super::audit::audits;
use crate::{
    engine::{ledger::DeviceAudit, snapshot::DeviceFigures},
    view::View,
};

/// Content type of [`metrics`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A view, and the devices of it that are exported.
struct Shown<'a> {
    view: &'a View,
    devices: Vec<&'a DeviceFigures>,
    audits: BTreeMap<&'a str, &'a DeviceAudit>,
}

impl<'a> Shown<'a> {
    fn new(view: &'a View) -> Self {
        let devices = one_per_name(view);
        let audits = audits(view, devices.iter().copied());
        Self { view, devices, audits }
    }
}

/// Every metric, in the order in which they are exported.
pub fn catalogue() -> impl Iterator<Item = &'static Row> {
    requests::ROWS.iter().chain(books::ROWS).chain(daemon::ROWS)
}

/// The whole exposition in Prometheus' text format.
pub fn metrics(view: &View) -> Result<Bytes, prometheus::Error> {
    let shown = Shown::new(view);
    let mut text = String::new();
    for row in catalogue() {
        row.write(&shown, &mut text)?;
    }
    Ok(Bytes::from(text))
}

/// The devices by name; of several with one name only the newest.
///
/// While a device is replaced by another of the same name, the engine may know both for a moment.
/// Two series with equal labels would make Prometheus refuse the whole scrape, and adding them up
/// would give the new device the past of the old one.
fn one_per_name(view: &View) -> Vec<&DeviceFigures> {
    let mut names: BTreeMap<&str, &DeviceFigures> = BTreeMap::new();
    for device in view.snapshot.devices.values() {
        names
            .entry(&device.name)
            .and_modify(|kept| {
                if device.id.sequence > kept.id.sequence {
                    *kept = device;
                }
            })
            .or_insert(device);
    }
    names.into_values().collect()
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod tests;
