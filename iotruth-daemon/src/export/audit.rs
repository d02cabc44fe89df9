//! Which audits are shown: those of devices that are shown, and of those that should be.

use std::collections::BTreeMap;

use crate::{
    engine::{
        account::Column,
        device::DeviceId,
        ledger::{Absent, DeviceAudit},
        snapshot::DeviceFigures,
    },
    view::View,
};

/// The audits of `devices` by name; and those of disks of which we saw nothing, although the kernel
/// counted requests or has some in flight, or because there is nothing to see.
pub(super) fn audits<'a>(
    view: &'a View,
    devices: impl IntoIterator<Item = &'a DeviceFigures>,
) -> BTreeMap<&'a str, &'a DeviceAudit> {
    let told = |audit: &&DeviceAudit| {
        counted(audit) || audit.not_seen_at_most.is_some_and(|most| most > 0) || incomparable(audit)
    };
    let unseen = view.ledger.values().filter(|audit| !audit.seen).filter(told);
    let unseen = unseen.map(|audit| (audit.name.as_str(), audit));
    let seen = devices
        .into_iter()
        .filter_map(|device| Some((device.name.as_str(), of_device(view, device.id)?)));
    unseen.chain(seen).collect()
}

/// The audit of a device. One that was first seen without its sequence number has that of its
/// number.
fn of_device(view: &View, id: DeviceId) -> Option<&DeviceAudit> {
    let same = |other: &DeviceId| other.number == id.number && id.sequence == 0;
    view.ledger.get(&id).or_else(|| Some(view.ledger.iter().find(|(other, _)| same(other))?.1))
}

fn incomparable(audit: &DeviceAudit) -> bool {
    matches!(audit.coverage, Err(Absent::Incomparable(_)))
}

fn counted(audit: &DeviceAudit) -> bool {
    Column::REQUESTS.iter().any(|(column, _)| audit.kernel.get(*column) > 0)
}
