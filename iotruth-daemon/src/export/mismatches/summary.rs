//! What matched, in a row for each kind and device: a disk that hangs has an entry for each of its requests.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::Serialize;

use crate::{
    engine::{
        device::DeviceId,
        kind::Kind,
        mismatch::{Mismatch, Outcome},
    },
    export::units::utc,
    view::Anchor,
};

/// The entries of one kind and device.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) kind: Kind,
    /// As the newest entry has it.
    pub(super) device: &'a str,
    number: u32,
    pub(super) entries: usize,
    /// How often they were seen.
    pub(super) count: u64,
    /// How many of the entries tell of a request that has not ended.
    pub(super) open: usize,
    first: u64,
    pub(super) last: u64,
}

/// One row in the JSON of `/mismatches`; field names and meanings are part of the schema.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    kind: &'static str,
    severity: &'static str,
    device: &'a str,
    device_number: String,
    entries: usize,
    count: u64,
    open: usize,
    first: String,
    last: String,
}

/// A row for each kind and device, the most severe ones first, and of these the newest.
pub(super) fn summary<'a>(newest_first: &[&'a Mismatch]) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(Kind, &str, u32), Group<'a>> = BTreeMap::new();
    for mismatch in newest_first {
        // Another file makes a loop device another one, and to whoever reads this it is the same.
        let place = (mismatch.kind, mismatch.device_name.as_str(), mismatch.device.number);
        let group = groups.entry(place).or_insert_with(|| Group {
            kind: mismatch.kind,
            device: &mismatch.device_name,
            number: mismatch.device.number,
            entries: 0,
            count: 0,
            open: 0,
            first: mismatch.first,
            last: mismatch.last,
        });
        group.entries += 1;
        group.count += mismatch.count;
        group.open += usize::from(mismatch.outcome == Outcome::Open);
        group.first = group.first.min(mismatch.first);
    }
    let mut rows: Vec<Group<'a>> = groups.into_values().collect();
    rows.sort_by_key(|group| Reverse((group.kind.row().severity, group.last)));
    rows
}

impl<'a> Group<'a> {
    pub(super) fn row(&self, anchor: &Anchor) -> Row<'a> {
        let row = self.kind.row();
        Row {
            kind: row.slug,
            severity: row.severity.label(),
            device: self.device,
            device_number: DeviceId { number: self.number, sequence: 0 }.to_string(),
            entries: self.entries,
            count: self.count,
            open: self.open,
            first: utc(anchor.wall_time(self.first)),
            last: utc(anchor.wall_time(self.last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::summary;
    use crate::{
        engine::{
            device::DeviceId,
            kind::Kind,
            mismatch::{Mismatch, Outcome},
        },
        export::sample,
    };

    #[test]
    fn the_most_severe_kind_comes_first_and_its_entries_are_counted() {
        let (newest, partial) = (sample::failed_read(), sample::partial());
        let older = Mismatch { id: 4, first: 5, last: 6, count: 2, ..sample::failed_read() };
        let stuck = |last, outcome| Mismatch {
            kind: Kind::StuckInDevice,
            last,
            outcome,
            ..sample::partial()
        };
        // Over another file.
        let other = DeviceId { sequence: partial.device.sequence + 1, ..partial.device };
        let ended =
            Mismatch { device: other, ..stuck(partial.last + 2, Outcome::Ended(partial.last + 9)) };
        let open = stuck(partial.last + 1, Outcome::Open);
        let rows = summary(&[&newest, &ended, &open, &partial, &older]);
        let told = rows.iter().map(|group| {
            (group.kind, group.entries, group.count, group.open, group.first, group.last)
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                (Kind::IoError, 2, 5, 0, 5, newest.last),
                (Kind::StuckInDevice, 2, 2, 1, partial.first, partial.last + 2),
                (Kind::PartialCompletion, 1, 1, 0, partial.first, partial.last),
            ]
        );
    }
}
