//! The mismatch log: bounded, and fair to what is rare.

use std::{
    collections::{BTreeMap, VecDeque},
    mem::{Discriminant, discriminant},
    sync::Arc,
};

use super::{
    device::DeviceId,
    io_error::IoError,
    kind::Kind,
    mismatch::{Mismatch, Outcome},
    operation::Operation,
};

/// Most entries of the log. When it is full, the kind and device with the most entries gives up its
/// oldest one, so that a storm cannot push out the one entry of another kind.
pub(super) const MAX_ENTRIES: usize = 4096;

/// How many of the newest entries of a kind and device a repeat is looked for in.
const FOLD_WITHIN: usize = 64;

/// What makes two mismatches the same one.
type Same =
    (Operation, Option<u64>, u32, Option<(IoError, i32)>, Option<u32>, Discriminant<Outcome>);

/// Entries by kind and device.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: BTreeMap<(Kind, DeviceId), VecDeque<Arc<Mismatch>>>,
    count: usize,
    next_id: u64,
    id_step: u64,
    dropped: u64,
}

impl Log {
    /// Whose ids are `first`, `first + step`, and so on: the logs of several engines are shown as
    /// one, and no id may stand twice in it.
    pub(super) fn new(first: u64, step: u64) -> Self {
        Self { next_id: first, id_step: step, ..Self::default() }
    }

    /// Adds a mismatch, or folds it into the entry of the same request, where that is given, or else into the
    /// newest one that is the same and whose own request is not open any more. Returns its id.
    pub(super) fn add(&mut self, mut mismatch: Mismatch, own: Option<u64>) -> u64 {
        let own = own.and_then(|id| self.place(mismatch.kind, mismatch.device, id));
        let key = own.map_or((mismatch.kind, mismatch.device), |(key, _)| key);
        let entries = self.entries.entry(key).or_default();
        let place = own.map(|(_, place)| place).or_else(|| {
            if mismatch.kind.is_about_time() {
                return None;
            }
            let is_over = |known: &Mismatch| known.outcome != Outcome::Open;
            let folds = |known: &Mismatch| is_over(known) && same(known) == same(&mismatch);
            let first = entries.len().saturating_sub(FOLD_WITHIN);
            (first..entries.len())
                .rev()
                .find(|place| entries.get(*place).is_some_and(|one| folds(one)))
        });
        if let Some(known) = place.and_then(|place| entries.get_mut(place)) {
            let known = Arc::make_mut(known);
            // Two rings are in no order with each other.
            *known = Mismatch {
                id: known.id,
                first: known.first.min(mismatch.first),
                last: known.last.max(mismatch.last),
                count: known.count + mismatch.count,
                device: known.device,
                ..mismatch
            };
            return known.id;
        }
        let id = self.next_id;
        mismatch.id = id;
        self.next_id += self.id_step;
        entries.push_back(Arc::new(mismatch));
        self.count += 1;
        if self.count > MAX_ENTRIES {
            self.drop_one();
        }
        id
    }

    /// Where an entry is: what was told before the sequence number of a disk was known has its number alone.
    fn place(&self, kind: Kind, device: DeviceId, id: u64) -> Option<((Kind, DeviceId), usize)> {
        [device, DeviceId { sequence: 0, ..device }].into_iter().find_map(|device| {
            let entries = self.entries.get(&(kind, device))?;
            let place = entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
            Some(((kind, device), place))
        })
    }

    /// Counts one more of a kind of which there is one entry for each device and operation; says
    /// whether there is one.
    pub(super) fn repeat(
        &mut self,
        kind: Kind,
        device: DeviceId,
        operation: Operation,
        time: u64,
    ) -> bool {
        let entries = self.entries.get_mut(&(kind, device)).into_iter().flatten();
        let Some(known) = entries.into_iter().find(|known| known.operation == operation) else {
            return false;
        };
        let known = Arc::make_mut(known);
        known.first = known.first.min(time);
        known.last = known.last.max(time);
        known.outcome = Outcome::Ended(known.last);
        known.count += 1;
        true
    }

    /// Says what became of the request that an entry tells of, where that was open.
    pub(super) fn conclude(&mut self, kind: Kind, device: DeviceId, id: u64, outcome: Outcome) {
        let Some((key, place)) = self.place(kind, device, id) else { return };
        let entries = self.entries.get_mut(&key);
        if let Some(entry) = entries.and_then(|entries| entries.get_mut(place)) {
            Arc::make_mut(entry).outcome = outcome;
        }
    }

    fn drop_one(&mut self) {
        let largest = self.entries.iter().max_by_key(|(_, entries)| entries.len());
        let Some(key) = largest.map(|(key, _)| *key) else { return };
        let Some(entries) = self.entries.get_mut(&key) else { return };
        if entries.pop_front().is_some() {
            self.count -= 1;
            self.dropped += 1;
        }
        if entries.is_empty() {
            self.entries.remove(&key);
        }
    }

    /// Gives the entries of a device its name.
    pub(super) fn rename(&mut self, id: DeviceId, name: &str) {
        for ((_, device), entries) in &mut self.entries {
            for entry in entries.iter_mut().filter(|_| is_of(*device, id)) {
                name.clone_into(&mut Arc::make_mut(entry).device_name);
            }
        }
    }

    /// Moves what was noted of a device to what it is known as from now on.
    pub(super) fn identify(&mut self, id: DeviceId, identified: DeviceId) {
        let kinds: Vec<Kind> = self
            .entries
            .keys()
            .filter(|(_, device)| *device == id)
            .map(|(kind, _)| *kind)
            .collect();
        for kind in kinds {
            let moved = self.entries.remove(&(kind, id)).unwrap_or_default();
            let entries = self.entries.entry((kind, identified)).or_default();
            for mut entry in moved {
                Arc::make_mut(&mut entry).device = identified;
                entries.push_back(entry);
            }
            entries.make_contiguous().sort_unstable_by_key(|entry| entry.id);
        }
    }

    /// Takes out what was noted of a device that turned out to be excluded.
    pub(super) fn forget(&mut self, id: DeviceId) {
        let count = &mut self.count;
        self.entries.retain(|(_, device), entries| {
            let keep = !is_of(*device, id);
            if !keep {
                *count -= entries.len();
            }
            keep
        });
    }

    /// Entries that fell out because the log was full.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The entries of the devices that are `shown`, in the order of the ids.
    pub(super) fn entries(&self, shown: impl Fn(DeviceId) -> bool) -> Vec<Arc<Mismatch>> {
        let of_shown = self.entries.iter().filter(|((_, device), _)| shown(*device));
        let mut entries: Vec<_> = of_shown.flat_map(|(_, entries)| entries).cloned().collect();
        entries.sort_unstable_by_key(|entry| entry.id);
        entries
    }
}

/// Whether what was noted of `device` is about the device `id`: what was noted before the sequence
/// number of a disk was known has its number alone.
fn is_of(device: DeviceId, id: DeviceId) -> bool {
    device == id || device == DeviceId { sequence: 0, ..id }
}

fn same(mismatch: &Mismatch) -> Same {
    let process = mismatch.owner.task.map(|task| task.tgid);
    let outcome = discriminant(&mismatch.outcome);
    (mismatch.operation, mismatch.sector, mismatch.bytes, mismatch.error, process, outcome)
}

#[cfg(test)]
mod tests {
    use super::{Log, MAX_ENTRIES};
    use crate::engine::{
        device::DeviceId,
        io_error::IoError,
        kind::Kind,
        mismatch::{Mismatch, Outcome},
        operation::Operation,
        owner::{Owner, Task},
        phase::Phases,
        timeline::Timeline,
    };

    fn mismatch(kind: Kind, sector: u64, time: u64) -> Mismatch {
        Mismatch {
            id: 0,
            kind,
            first: time,
            last: time,
            count: 1,
            device: DeviceId::default(),
            device_name: String::new(),
            operation: Operation::Read,
            letters: String::new(),
            flags: Vec::new(),
            sector: Some(sector),
            bytes: 4096,
            bytes_done: 0,
            asked: (Some(sector), 4096),
            error: None,
            owner: Owner::default(),
            outcome: if kind.is_of_the_open() || kind == Kind::QueuedInFlight {
                Outcome::Open
            } else {
                Outcome::Ended(time)
            },
            request: 0,
            hardware_queue: 0,
            tag: 0,
            timeline: Timeline::default(),
            phases: Phases::default(),
            waited: None,
        }
    }

    #[test]
    fn a_storm_cannot_push_out_what_is_rare() {
        let mut log = Log::new(1, 1);
        log.add(mismatch(Kind::TimedOut, 0, 0), None);
        for sector in 0..2 * MAX_ENTRIES as u64 {
            log.add(mismatch(Kind::PartialCompletion, sector, sector), None);
        }
        let entries = log.entries(|_| true);
        assert_eq!(entries.len(), MAX_ENTRIES);
        assert_eq!(entries[0].kind, Kind::TimedOut);
        assert_eq!(log.dropped(), MAX_ENTRIES as u64 + 1);
        assert!(entries.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn repeats_fold_into_first_last_and_count() {
        let mut log = Log::new(1, 1);
        for time in [6, 9, 5] {
            log.add(mismatch(Kind::IoError, 8, time), None);
        }
        log.add(mismatch(Kind::IoError, 16, 10), None);
        let entries = log.entries(|_| true);
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].first, entries[0].last, entries[0].count), (5, 9, 3));
    }

    #[test]
    fn what_is_frequent_has_one_entry_for_each_operation() {
        let mut log = Log::new(1, 1);
        let device = DeviceId::default();
        assert!(!log.repeat(Kind::Merged, device, Operation::Read, 6));
        log.add(mismatch(Kind::Merged, 8, 6), None);
        for time in [9, 5] {
            assert!(log.repeat(Kind::Merged, device, Operation::Read, time));
        }
        assert!(!log.repeat(Kind::Merged, device, Operation::Write, 9));
        let entries = log.entries(|_| true);
        assert_eq!((entries[0].first, entries[0].last, entries[0].count), (5, 9, 3));
    }

    #[test]
    fn an_open_request_has_an_entry_of_its_own() {
        let mut log = Log::new(1, 1);
        let device = DeviceId::default();
        let stuck = |time| mismatch(Kind::StuckInDevice, 8, time);
        let [one, two] = [1, 2].map(|time| log.add(stuck(time), None));
        assert_ne!(one, two, "both are open");
        assert_eq!(log.add(stuck(3), Some(one)), one, "told once more");
        let told = |log: &Log| -> Vec<(u64, u64, Outcome)> {
            let entries = log.entries(|_| true);
            entries.iter().map(|entry| (entry.id, entry.count, entry.outcome)).collect()
        };
        for kind in [Kind::StuckInQueue, Kind::StuckInDevice] {
            log.conclude(kind, device, two, Outcome::Ended(4));
        }
        assert_eq!(told(&log), [(one, 2, Outcome::Open), (two, 1, Outcome::Ended(4))]);
        let three = log.add(stuck(5), None);
        let all = [(one, 2, Outcome::Open), (two, 1, Outcome::Ended(4)), (three, 1, Outcome::Open)];
        assert_eq!(told(&log), all, "how long it took is of that one alone");
    }

    #[test]
    fn neither_a_duration_nor_an_owner_is_written_over() {
        let mut log = Log::new(1, 1);
        let of = |kind, time, tgid| {
            let task = Some(Task { pid: tgid, tgid, comm: [0; 16] });
            Mismatch { owner: Owner { task, cgroup: 0 }, ..mismatch(kind, 8, time) }
        };
        for kind in [Kind::SlowFlush, Kind::Late] {
            let [one, two] = [1, 2].map(|time| log.add(of(kind, time, 7), None));
            assert_ne!(one, two, "{kind:?}");
        }
        let ids = [(3, 7), (4, 8), (5, 7)]
            .map(|(time, tgid)| log.add(of(Kind::IoError, time, tgid), None));
        assert_ne!(ids[0], ids[1]);
        assert_eq!(ids[0], ids[2], "another thread of the first one");
        let mut failed = of(Kind::IoError, 6, 7);
        failed.outcome = Outcome::Failed(6, IoError::Medium);
        assert_ne!(log.add(failed, None), ids[0], "what became of it differs");
    }

    #[test]
    fn what_was_told_under_a_number_is_found_under_the_sequence_number() {
        let mut log = Log::new(1, 1);
        let id = log.add(mismatch(Kind::QueuedInFlight, 8, 1), None);
        let identified = DeviceId { sequence: 7, ..DeviceId::default() };
        log.conclude(Kind::QueuedInFlight, identified, id, Outcome::Unknown);
        assert_eq!(log.entries(|_| true)[0].outcome, Outcome::Unknown);
    }

    #[test]
    fn an_excluded_device_leaves_nothing_behind() {
        let mut log = Log::new(1, 1);
        log.add(mismatch(Kind::IoError, 8, 1), None);
        log.forget(DeviceId::default());
        assert!(log.entries(|_| true).is_empty());
        log.add(mismatch(Kind::IoError, 8, 2), None);
        log.rename(DeviceId::default(), "sda");
        assert_eq!(log.entries(|_| true)[0].device_name, "sda");
    }
}
