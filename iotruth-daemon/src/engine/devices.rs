//! The device table and the figures of each device.

use std::{
    collections::{BTreeMap, HashMap},
    hash::BuildHasherDefault,
    sync::Arc,
};

use super::{
    account::Columns,
    device::DeviceId,
    kind::{KINDS, Kind},
    operation::{OPERATIONS, Operation},
    snapshot::{DeviceFigures, OperationFigures},
    spread::{GOLDEN, Spreader},
};

type Places<K> = HashMap<K, u16, BuildHasherDefault<Spreader>>;

/// Most devices that are followed at the same time.
pub(super) const MAX_DEVICES: usize = 4096;

/// How long a driver is given for a request where nobody says otherwise, in nanoseconds: the default
/// of `blk_mq_init_allocated_queue`.
const DEFAULT_TIMEOUT: u64 = 30_000_000_000;

/// What is to be done with the requests of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Count and judge.
    Follow,
    /// Join, so that the books balance, and show nothing.
    Exclude,
}

/// What a device is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// That is still to be looked up.
    Awaited,
    /// By its number: it was not to be found, and may be later.
    Number,
    /// By its name.
    Name,
}

/// One device of the table.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) id: DeviceId,
    pub(super) name: Arc<str>,
    pub(super) policy: Policy,
    naming: Naming,
    /// Whether it has gone, or another device has its number.
    ended: bool,
    /// Lives that are open.
    pub(super) open: u64,
    /// Whether its name says that its driver is nvme.
    pub(super) nvme: bool,
    /// How long its driver is given for a request, in nanoseconds.
    pub(super) timeout: u64,
    /// Those of its mismatches that are among [`Devices::mismatches`].
    on_host: [u64; KINDS],
    pub(super) figures: DeviceFigures,
}

impl Device {
    /// Whether it is still unknown if it is to be shown.
    fn is_unnamed(&self) -> bool {
        self.naming == Naming::Awaited
    }

    /// Adds those of its mismatches to all of the host that are not among them, unless it is excluded.
    fn add_to(&mut self, all: &mut [u64; KINDS]) {
        if self.policy == Policy::Follow {
            let counts = self.figures.mismatches.iter().zip(&mut self.on_host);
            for ((count, known), all) in counts.zip(all) {
                *all += *count - std::mem::replace(known, *count);
            }
        }
    }

    /// Figures of one operation.
    #[inline]
    pub(super) fn operation(&mut self, operation: Operation) -> &mut OperationFigures {
        // The table has one place for each operation.
        let place = operation as usize % OPERATIONS;
        self.figures.operations[place].get_or_insert_default()
    }
}

/// Devices that are remembered as the last one of all that share a place here.
const RECENT: usize = 512;

/// Where the devices are that records come from, most of the time: without a look into a map.
#[derive(Debug)]
struct Recent(Box<[Option<(DeviceId, u16)>; RECENT]>);

impl Default for Recent {
    fn default() -> Self {
        Self(Box::new([None; RECENT]))
    }
}

impl Recent {
    #[inline]
    const fn index(id: DeviceId) -> usize {
        // Disks are numbered one after the other, and such rows are spread evenly.
        let row = if id.sequence == 0 { id.number as u64 } else { id.sequence };
        (row.wrapping_mul(GOLDEN) >> (64 - RECENT.ilog2())) as usize % RECENT
    }

    #[inline]
    fn get(&self, id: DeviceId) -> Option<u16> {
        self.0[Self::index(id)].filter(|(known, _)| *known == id).map(|(_, place)| place)
    }

    fn put(&mut self, id: DeviceId, place: u16) {
        self.0[Self::index(id)] = Some((id, place));
    }
}

/// Every device that was ever seen, until its place is needed again.
#[derive(Debug, Default)]
pub(super) struct Devices {
    all: Vec<Device>,
    by_id: Places<DeviceId>,
    current: Places<u32>,
    recent: Recent,
    left_out: u64,
    unnamed: Vec<DeviceId>,
    /// See [`Devices::mismatches`].
    mismatches: [u64; KINDS],
    /// Whether disks have sequence numbers on this kernel.
    sequenced: bool,
}

impl Devices {
    /// An empty table; `sequenced` where the kernel gives disks sequence numbers.
    pub(super) fn new(sequenced: bool) -> Self {
        Self { sequenced, ..Self::default() }
    }

    /// The place of a device, which is made if it is new; `None` where the table is full.
    #[inline]
    pub(super) fn place(&mut self, id: DeviceId) -> Option<u16> {
        match self.recent(id) {
            Some(place) => Some(place),
            None => self.find(id),
        }
    }

    /// The place of a device, where it was asked for not long ago.
    #[inline]
    pub(super) fn recent(&self, id: DeviceId) -> Option<u16> {
        self.recent.get(id)
    }

    /// The place of whichever device has this number now, or had it last: the next one makes itself
    /// known by its sequence number.
    pub(super) fn place_of_number(&mut self, number: u32) -> Option<u16> {
        match self.current.get(&number) {
            Some(place) => Some(*place),
            None => self.find(DeviceId { number, sequence: 0 }),
        }
    }

    fn find(&mut self, id: DeviceId) -> Option<u16> {
        let place = match self.by_id.get(&id) {
            Some(place) => {
                let place = *place;
                self.ask_again(place);
                place
            }
            None => self.insert(id)?,
        };
        self.recent.put(id, place);
        Some(place)
    }

    /// Looks for the name of a disk once more that was thought to have gone, because it never was where
    /// disks have names: its driver may use it for long before it gets there.
    fn ask_again(&mut self, place: u16) {
        let Some(device) = self.all.get_mut(usize::from(place)) else { return };
        if device.ended && device.naming != Naming::Name {
            device.ended = false;
            self.unnamed.push(device.id);
        }
    }

    fn insert(&mut self, id: DeviceId) -> Option<u16> {
        // What was seen before the disk's sequence number was known belongs to the same disk.
        if let Some(place) = self.identify(DeviceId { sequence: 0, ..id }, id) {
            return Some(place);
        }
        if let Some(old) = self.current.get(&id.number).copied() {
            let old_id = self.get(old).map(|device| device.id);
            match old_id {
                // A record of a device that has gone already: it keeps its own place.
                Some(old_id) if old_id.sequence > id.sequence => {}
                Some(old_id) => self.end(old_id),
                None => {}
            }
        }
        let name: Arc<str> = id.to_string().into();
        let device = Device {
            id,
            name: Arc::clone(&name),
            policy: Policy::Follow,
            naming: Naming::Awaited,
            ended: false,
            open: 0,
            nvme: false,
            timeout: DEFAULT_TIMEOUT,
            on_host: [0; KINDS],
            figures: DeviceFigures {
                id,
                name: name.to_string(),
                operations: Default::default(),
                requeues: Default::default(),
                mismatches: Default::default(),
                in_flight: 0,
                oldest: None,
                accounted: Columns::default(),
                doubtful: Columns::default(),
                accounted_last: 0,
                unaccounted: 0,
            },
        };
        let place = self.room()?;
        self.recent = Recent::default();
        if let Some(reused) = self.all.get_mut(usize::from(place)) {
            let old = reused.id;
            *reused = device;
            if self.by_id.get(&old) == Some(&place) {
                self.by_id.remove(&old);
            }
            if self.current.get(&old.number) == Some(&place) {
                self.current.remove(&old.number);
            }
        } else {
            self.all.push(device);
        }
        self.by_id.insert(id, place);
        let newest = self
            .current
            .get(&id.number)
            .and_then(|current| self.get(*current))
            .is_none_or(|current| current.id.sequence <= id.sequence);
        if newest {
            self.current.insert(id.number, place);
        }
        self.unnamed.push(id);
        Some(place)
    }

    /// Gives a disk of which nothing but the number is known its sequence number; its place, where it
    /// is there and this is new.
    pub(super) fn identify(&mut self, id: DeviceId, identified: DeviceId) -> Option<u16> {
        if id == identified || self.by_id.contains_key(&identified) {
            return None;
        }
        let place = self.by_id.remove(&id)?;
        let device = self.all.get_mut(usize::from(place))?;
        device.id = identified;
        device.figures.id = identified;
        device.naming = Naming::Awaited;
        self.by_id.insert(identified, place);
        self.recent = Recent::default();
        self.unnamed.push(identified);
        Some(place)
    }

    /// A place for one more: a new one, or that of a device that has gone and has no open life.
    fn room(&mut self) -> Option<u16> {
        if self.all.len() < MAX_DEVICES {
            return Some(self.all.len() as u16);
        }
        let free = self.all.iter().position(|device| device.ended && device.open == 0);
        if free.is_none() {
            self.left_out += 1;
        }
        free.map(|place| place as u16)
    }

    /// A device by its place.
    #[inline]
    pub(super) fn get_mut(&mut self, place: u16) -> Option<&mut Device> {
        self.all.get_mut(usize::from(place))
    }

    fn get(&self, place: u16) -> Option<&Device> {
        self.all.get(usize::from(place))
    }

    /// Counts a mismatch. Of a device that may turn out to be excluded, it is of the host only once that is known.
    pub(super) fn count_mismatch(&mut self, place: u16, kind: Kind) {
        let Some(device) = self.all.get_mut(usize::from(place)) else { return };
        if let Some(count) = device.figures.mismatches.get_mut(kind as usize) {
            *count += 1;
        }
        if device.ended || device.naming == Naming::Name {
            device.add_to(&mut self.mismatches);
        }
    }

    /// Mismatches of all devices that are shown, and that were and have gone.
    pub(super) const fn mismatches(&self) -> [u64; KINDS] {
        self.mismatches
    }

    /// How often a device found no room.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Devices whose names are to be looked up; each is told once.
    pub(super) fn take_unnamed(&mut self) -> Vec<DeviceId> {
        std::mem::take(&mut self.unnamed)
    }

    /// Gives a device its name.
    pub(super) fn name(&mut self, id: DeviceId, name: &str, policy: Policy) {
        if let Some(device) =
            self.by_id.get(&id).and_then(|place| self.all.get_mut(usize::from(*place)))
        {
            device.name = name.into();
            device.nvme = name.starts_with("nvme");
            name.clone_into(&mut device.figures.name);
            device.policy = policy;
            device.naming = if name == id.to_string() { Naming::Number } else { Naming::Name };
            if device.naming == Naming::Name {
                device.add_to(&mut self.mismatches);
            }
        }
    }

    /// Whether it is known of every device if it is to be shown.
    pub(super) fn are_named(&self) -> bool {
        self.all.iter().all(|device| device.ended || !device.is_unnamed())
    }

    /// Whether it is still unknown if this device is to be shown.
    ///
    /// What was noted of it before its sequence number was known still has the number alone.
    pub(super) fn is_unnamed(&self, id: DeviceId) -> bool {
        let known = self.by_id.get(&id);
        let place = known.or_else(|| self.current.get(&id.number).filter(|_| id.sequence == 0));
        place.and_then(|place| self.get(*place)).is_some_and(Device::is_unnamed)
    }

    /// Ends the series of a device that has gone.
    pub(super) fn end(&mut self, id: DeviceId) {
        if let Some(place) = self.by_id.get(&id).copied() {
            if let Some(device) = self.all.get_mut(usize::from(place)) {
                device.ended = true;
                // Nobody will say any more what it was called.
                device.add_to(&mut self.mismatches);
                // Nobody will ask for them any more, and histograms are large.
                device.figures.operations = Default::default();
            }
            // Before Linux 5.15 nothing tells the next device of this number from this one. Since
            // then its number stays its own until another device says that it has it.
            if !self.sequenced && self.current.get(&id.number) == Some(&place) {
                self.current.remove(&id.number);
            }
            if id.sequence == 0 {
                self.by_id.remove(&id);
            }
            self.recent = Recent::default();
        }
    }

    /// Devices that exist, as far as is known.
    pub(super) fn present(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.all.iter().filter(|device| !device.ended).map(|device| device.id)
    }

    /// Devices that have gone and will not come back. Without sequence numbers that is not to be known: the
    /// next device may have the same number.
    pub(super) fn gone(&self) -> Vec<DeviceId> {
        let gone = |device: &&Device| {
            device.ended && device.naming == Naming::Name && device.id.sequence != 0
        };
        self.all.iter().filter(gone).map(|device| device.id).collect()
    }

    /// Says how long the driver of a device is given for a request, in nanoseconds.
    pub(super) fn set_timeout(&mut self, id: DeviceId, timeout: u64) {
        if let Some(device) =
            self.by_id.get(&id).and_then(|place| self.all.get_mut(usize::from(*place)))
        {
            device.timeout = timeout;
        }
    }

    /// Nothing is in flight anywhere, until it is counted.
    pub(super) fn reset_in_flight(&mut self) {
        for device in &mut self.all {
            device.figures.in_flight = 0;
            device.figures.oldest = None;
        }
    }

    /// Counts a request as so many in flight; says whether its device is one that is shown.
    pub(super) fn count_in_flight(&mut self, place: u16, first: u64, weight: u64) -> bool {
        let Some(device) = self.get_mut(place) else { return false };
        device.figures.in_flight += weight;
        let oldest = device.figures.oldest.get_or_insert(first);
        *oldest = first.min(*oldest);
        !device.ended && !device.is_unnamed() && device.policy == Policy::Follow
    }

    /// Devices that exist and are not excluded, as far as is known, with their places.
    pub(super) fn followed(&self) -> impl Iterator<Item = (u16, &Device)> {
        let places = self.all.iter().enumerate().map(|(place, device)| (place as u16, device));
        places.filter(|(_, device)| !device.ended && device.policy == Policy::Follow)
    }

    /// Figures of the devices that are shown.
    pub(super) fn figures(&self) -> BTreeMap<DeviceId, DeviceFigures> {
        self.all
            .iter()
            .filter(|device| {
                !device.ended && !device.is_unnamed() && device.policy == Policy::Follow
            })
            .map(|device| (device.id, device.figures.clone()))
            .collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test says what it expects")]
mod tests {
    use super::{Devices, MAX_DEVICES, Policy};
    use crate::engine::{device::DeviceId, operation::Operation};

    const fn id(number: u32, sequence: u64) -> DeviceId {
        DeviceId { number, sequence }
    }

    #[test]
    fn a_number_that_is_used_again_begins_new_series() {
        let mut devices = Devices::default();
        let first = devices.place(id(7, 1)).unwrap();
        devices.name(id(7, 1), "loop0", Policy::Follow);
        devices.get_mut(first).unwrap().operation(Operation::Read).requests = 5;
        let second = devices.place(id(7, 2)).unwrap();
        devices.name(id(7, 2), "loop0", Policy::Follow);
        assert_ne!(first, second);
        // A late record of the first one does not disturb the second.
        assert_eq!(devices.place(id(7, 1)), Some(first));
        assert_eq!(devices.place_of_number(7), Some(second));
        let figures = devices.figures();
        assert_eq!(figures.keys().copied().collect::<Vec<_>>(), [id(7, 2)]);
        assert!(figures[&id(7, 2)].operations[Operation::Read as usize].is_none());
    }

    #[test]
    fn a_disk_that_was_first_seen_without_its_sequence_number_is_one_disk() {
        let mut devices = Devices::default();
        let before = devices.place_of_number(9).unwrap();
        let after = devices.place(id(9, 4)).unwrap();
        assert_eq!(before, after);
        assert_eq!(devices.take_unnamed(), [id(9, 0), id(9, 4)]);
    }

    #[test]
    fn a_number_is_its_last_devices_until_another_one_says_that_it_has_it() {
        let mut devices = Devices::new(true);
        let first = devices.place(id(7, 1)).unwrap();
        devices.name(id(7, 1), "sda", Policy::Follow);
        devices.end(id(7, 1));
        assert_eq!(devices.place_of_number(7), Some(first));
        assert_eq!((devices.take_unnamed(), devices.present().count()), (vec![id(7, 1)], 0));
        let second = devices.place(id(7, 2)).unwrap();
        assert_ne!(first, second);
        assert_eq!(devices.place_of_number(7), Some(second));
    }

    #[test]
    fn what_has_gone_before_its_sequence_number_was_known_is_nobody_elses() {
        let mut devices = Devices::new(true);
        let first = devices.place_of_number(7).unwrap();
        devices.end(id(7, 0));
        assert_eq!(devices.place_of_number(7), Some(first));
        let second = devices.place(id(7, 2)).unwrap();
        assert_ne!(first, second);
        assert_eq!(devices.place_of_number(7), Some(second));
    }

    #[test]
    fn a_number_is_found_out_to_be_a_disk() {
        let mut devices = Devices::new(true);
        let place = devices.place_of_number(7);
        assert_eq!(devices.identify(id(7, 0), id(7, 4)), place);
        assert_eq!(devices.identify(id(7, 0), id(7, 4)), None, "that is no news");
        assert_eq!((devices.place(id(7, 4)), devices.place_of_number(7)), (place, place));
        assert_ne!(devices.place(id(7, 5)), place);
    }

    #[test]
    fn a_number_without_sequence_is_a_new_device_after_its_end() {
        let mut devices = Devices::default();
        let first = devices.place(id(7, 0)).unwrap();
        devices.name(id(7, 0), "loop0", Policy::Follow);
        devices.end(id(7, 0));
        let second = devices.place(id(7, 0)).unwrap();
        assert_ne!(first, second);
        devices.name(id(7, 0), "loop0", Policy::Follow);
        devices.get_mut(second).unwrap().operation(Operation::Read).requests = 5;
        assert!(devices.figures()[&id(7, 0)].operations[Operation::Read as usize].is_some());
    }

    #[test]
    fn a_disk_that_never_had_a_name_is_asked_for_again_and_one_that_had_is_not() {
        let mut devices = Devices::new(true);
        devices.place(id(7, 1));
        assert_eq!(devices.take_unnamed(), [id(7, 1)]);
        devices.name(id(7, 1), "0:7", Policy::Follow);
        devices.end(id(7, 1));
        assert!(devices.figures().is_empty());
        devices.place(id(7, 1));
        assert_eq!(devices.take_unnamed(), [id(7, 1)]);
        assert_eq!(devices.figures()[&id(7, 1)].name, "0:7");
        devices.name(id(7, 1), "sda", Policy::Follow);
        assert_eq!(devices.figures()[&id(7, 1)].name, "sda");
        devices.end(id(7, 1));
        devices.place(id(7, 1));
        assert!(devices.take_unnamed().is_empty() && devices.figures().is_empty());
    }

    #[test]
    fn only_named_and_followed_devices_are_shown() {
        let mut devices = Devices::default();
        devices.place(id(1, 1));
        devices.place(id(2, 2));
        devices.name(id(2, 2), "zram0", Policy::Exclude);
        assert!(devices.figures().is_empty());
        devices.name(id(1, 1), "sda", Policy::Follow);
        assert_eq!(devices.figures().len(), 1);
        devices.end(id(1, 1));
        assert!(devices.figures().is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_places_of_gone_devices_are_used_again() {
        let mut devices = Devices::default();
        for number in 0..MAX_DEVICES as u32 {
            assert!(devices.place(id(number, 1)).is_some());
        }
        assert_eq!(devices.place(id(99_999, 1)), None);
        assert_eq!(devices.left_out(), 1);
        devices.end(id(17, 1));
        assert_eq!(devices.place(id(99_999, 1)), Some(17));
        assert_eq!(devices.present().count(), MAX_DEVICES);
    }
}
