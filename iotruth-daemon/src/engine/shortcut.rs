//! The shortcut of plain lives: what [`super::join`], [`super::completion`] and [`super::judge`] make of
//! events of which they would make nothing but figures.
//!
//! It has no rules of its own. Before it changes anything it has made sure that every question that
//! those ask of the event has the plain answer, and else leaves it all to them. The tests play every
//! stream without it as well, and compare.

use iotruth_common::{
    probe::Probe,
    record::{CompleteRecord, RequestRecord, STATE_IDLE, SubmitRecord},
};

use super::{
    account::Group,
    device::DeviceId,
    devices::Policy,
    engine::Engine,
    flavor::Flavor,
    join::{LOSS_SLACK, earliest_event, made_after, made_after_dispatch, owner},
    operation::Operation,
    owner::Owner,
    phase::Phase,
    plain::{Path, Plain, Rest},
    table::{Address, Key, Mark, Occupant},
    timeout::TIMER_SLACK,
};

/// Which records can be of a plain life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortcut {
    /// Whether it is used: where read is 0 and write is 1, as on every kernel so far.
    on: bool,
    /// Bits of `cmd_flags` that no plain life has: of operations beyond read and write, and of flags
    /// that mean something to the rules.
    odd_commands: u32,
    /// The same of `rq_flags`.
    odd_requests: u32,
}

impl Shortcut {
    /// For the numbers of this kernel.
    pub(super) const fn new(flavor: &Flavor) -> Self {
        let operations = &flavor.operations;
        Self {
            on: operations.read == 0 && operations.write == 1 && operations.driver_in > 1,
            odd_commands: 0xfe | flavor.req.preflush | flavor.req.drv,
            odd_requests: flavor.rqf.flush_seq | flavor.rqf.timed_out,
        }
    }

    /// None: the rules are applied to every event.
    #[cfg(test)]
    pub(super) const fn turn_off(&mut self) {
        self.on = false;
    }

    #[inline]
    const fn fits(&self, head: &RequestRecord) -> bool {
        self.on
            && head.cmd_flags & self.odd_commands == 0
            && head.rq_flags & self.odd_requests == 0
            && head.sector != u64::MAX
            && head.time > 0
    }
}

impl Engine {
    /// Takes a start, an insert or an issue of a plain life, and says whether it was one.
    #[inline]
    pub(super) fn submit_plain(&mut self, ring: u8, probe: Probe, record: &SubmitRecord) -> bool {
        let head = &record.request;
        if !self.shortcut.fits(head) || head.state != STATE_IDLE || self.flushes.are_failing() {
            return false;
        }
        let id = DeviceId { number: head.device, sequence: record.diskseq };
        let Some(place) = self.devices.recent(id) else { return false };
        let key = Key::new(ring, head);
        if self.table.seek(key).is_none() && self.table.address(key, head.time).is_none() {
            return false;
        }
        let Some(address) = self.table.found() else { return false };
        let counted = head.rq_flags & self.flavor.rqf.io_stat != 0;
        match &mut address.open {
            Occupant::Nobody => {
                let marked = address.last;
                // Perhaps not the clone that the address is marked as.
                let another = |clone: Mark| {
                    clone.device != place
                        || clone.group != self.flavor.group(head.cmd_flags)
                        || made_after_dispatch(record.start_time, marked)
                };
                if address.clone.is_some_and(another) {
                    return false;
                }
                let unbroken = address.lost == (head.ring_lost, self.blind);
                let proved = address.synced
                    || record.start_time >= self.attached
                    || probe == Probe::Start && head.time >= self.attached;
                let whole = unbroken
                    || address.clone.is_none()
                        && earliest_event(probe, record)
                            > self.last_loss(ring).saturating_add(LOSS_SLACK);
                proved && whole && self.begin_plain(probe, record, place, counted)
            }
            Occupant::Plain(plain) => {
                let Some(path) = plain.path.after(probe) else { return false };
                let Some(step) = head.time.checked_sub(address.last) else { return false };
                let lasted = u64::from(plain.lasted) + step;
                let uncounted = path.is_issued() && !counted;
                let started = plain.path == Path::Started;
                if !started && made_after(record, address.last) {
                    return false;
                }
                if !plain.is_extent_of(head) || lasted > u64::from(u32::MAX) || uncounted {
                    return false;
                }
                let Some(rest) = self.rests.get_mut(plain.rest) else { return false };
                address.last = head.time;
                plain.lasted = lasted as u32;
                plain.path = path;
                rest.next(record, path, lasted as u32, counted);
                true
            }
            Occupant::Whole(_) => false,
        }
    }

    /// Opens a plain life on the address that was found last.
    #[inline]
    fn begin_plain(
        &mut self,
        probe: Probe,
        record: &SubmitRecord,
        place: u16,
        counted: bool,
    ) -> bool {
        let head = &record.request;
        let Some(path) = Path::begun(probe) else { return false };
        if path.is_issued() && !counted {
            return false;
        }
        let Some(device) = self.devices.get_mut(place) else { return false };
        let Some(address) = self.table.found() else { return false };
        let Some((number, rest)) = self.rests.room() else { return false };
        rest.begin(probe, record, counted);
        address.last = head.time;
        address.lost = (head.ring_lost, self.blind);
        address.occupy(Plain {
            queue: head.queue,
            sector: head.sector,
            length: head.data_len,
            lasted: 0,
            rest: number,
            device: place,
            operation: head.cmd_flags as u8,
            path,
        });
        device.open += 1;
        self.lives.opened += 1;
        self.lives.open += 1;
        true
    }

    /// Takes the completion that a plain life ends well with, and says whether it was one.
    #[inline]
    pub(super) fn complete_plain(&mut self, ring: u8, record: &CompleteRecord) -> bool {
        let head = &record.request;
        let whole = record.status == 0
            && record.without_bio == 0
            && record.bytes == head.data_len
            && head.data_len > 0
            && head.state != STATE_IDLE;
        if !whole || !self.shortcut.fits(head) || self.flushes.are_failing() {
            return false;
        }
        let Some(address) = self.table.seek(Key::new(ring, head)) else { return false };
        let Address { open: Occupant::Plain(plain), last: issued, lost, .. } = address else {
            return false;
        };
        let plain = *plain;
        let Some(device_time) = head.time.checked_sub(*issued) else { return false };
        if *lost != (head.ring_lost, self.blind)
            || !plain.path.is_issued()
            || !plain.is_extent_of(head)
            || device_time > TIMER_SLACK
        {
            return false;
        }
        let Some(device) = self.devices.get_mut(plain.device) else { return false };
        address.vacate();
        address.last = head.time;
        address.synced |= head.time >= self.attached;
        address.clone = None;
        address.echo = true;
        self.rests.release(plain.rest);
        self.lives.open = self.lives.open.saturating_sub(1);
        self.lives.judged += 1;
        device.open = device.open.saturating_sub(1);
        let (group, operation) = match plain.operation {
            0 => (Group::Read, Operation::Read),
            _ => (Group::Write, Operation::Write),
        };
        let (requests, sectors) = group.columns();
        let length = head.data_len >> 9;
        device.figures.account(sectors, length, head.time);
        device.figures.account(requests, 1, head.time);
        if self.additions.is_kept() {
            if length > 0 {
                self.additions.note(head.time, plain.device, sectors, length, false);
            }
            self.additions.note(head.time, plain.device, requests, 1, false);
        }
        if device.policy == Policy::Exclude {
            return true;
        }
        // No flush is plain.
        let weight = self.sample.stands_for();
        let figures = device.operation(operation);
        figures.requests += weight;
        figures.extrapolated += weight - 1;
        figures.bytes = figures.bytes.wrapping_add(weight * u64::from(head.data_len));
        figures.phase(Phase::Device).record(device_time, weight);
        if plain.path == Path::Issued {
            figures.phase_unknown[Phase::Queue as usize] += weight;
            figures.phase(Phase::Total).record(device_time, weight);
        } else {
            let queued = u64::from(plain.lasted);
            figures.phase(Phase::Queue).record(queued, weight);
            figures.phase(Phase::Total).record(queued + device_time, weight);
        }
        true
    }
}

impl Rest {
    /// Of a life that begins with this event.
    ///
    /// Each field goes where it stays: a whole one that is put together first and then copied costs
    /// more than the rest of the event, because the copy has to wait for all of its parts.
    #[inline]
    fn begin(&mut self, probe: Probe, record: &SubmitRecord, counted: bool) {
        let head = &record.request;
        // At a start it may still be that of the use before.
        self.start_time = if probe == Probe::Start { 0 } else { record.start_time };
        let Owner { task, cgroup } = owner(probe, record);
        self.cgroup = cgroup;
        self.task_known = task.is_some();
        // Nobody asks for it where it is not known.
        self.task.comm = record.comm;
        self.task.pid = record.pid;
        self.task.tgid = record.tgid;
        self.io_stat = (counted || probe != Probe::Start).then_some(counted);
        self.cpus[0] = head.cpu;
        self.hardware_queue = record.hardware_queue;
        self.tag = head.tag;
        self.cmd_flags = head.cmd_flags;
    }

    /// After one more event, an insert or an issue.
    #[inline]
    fn next(&mut self, record: &SubmitRecord, path: Path, lasted: u32, counted: bool) {
        let head = &record.request;
        self.start_time = record.start_time;
        if self.cgroup == 0 {
            self.cgroup = record.cgroup;
        }
        self.io_stat = Some(counted || self.io_stat == Some(true));
        let number = path.count() as usize - 1;
        if let Some(cpu) = self.cpus.get_mut(number) {
            *cpu = head.cpu;
        }
        if number == 1 {
            self.second = lasted;
        }
        self.hardware_queue = record.hardware_queue;
        if head.tag >= 0 {
            self.tag = head.tag;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::{
        Engine, Starts,
        synthetic::{Kernel, Request},
        table::Occupant,
    };

    /// How many open lives are plain, and how many are not.
    fn open(engine: &mut Engine) -> (usize, usize) {
        let (mut plain, mut whole) = (0, 0);
        for (_, address) in engine.table.iter_mut() {
            match &address.open {
                Occupant::Nobody => {}
                Occupant::Plain(_) => plain += 1,
                Occupant::Whole(_) => whole += 1,
            }
        }
        (plain, whole)
    }

    /// After a request that begins with a start and was queued; the disk is known.
    fn queued() -> (Kernel, Request) {
        let mut kernel = Kernel::with(Starts::All);
        kernel.ordinary(64, 0, 8, true);
        let mut rq = kernel.allocate(64, 0, 8, 4096);
        kernel.after(1_000).start(&mut rq);
        kernel.after(1_000).insert(&mut rq);
        (kernel, rq)
    }

    #[test]
    fn an_ordinary_life_is_plain_to_its_end() {
        let (mut kernel, mut rq) = queued();
        assert_eq!(open(&mut kernel.engine), (1, 0));
        kernel.after(1_000).issue(&mut rq);
        assert_eq!(open(&mut kernel.engine), (1, 0));
        kernel.after(1_000).complete(&mut rq, 4096, 0);
        assert_eq!(open(&mut kernel.engine), (0, 0));
        assert_eq!(kernel.engine.lives.judged, 2);
    }

    #[test]
    fn whatever_else_happens_to_it_makes_it_a_whole_one() {
        let (mut kernel, mut rq) = queued();
        // A bio was merged into it.
        rq.len += 4096;
        kernel.after(1_000).issue(&mut rq);
        assert_eq!(open(&mut kernel.engine), (0, 1));
        let (mut kernel, mut rq) = queued();
        kernel.after(1_000).issue(&mut rq);
        kernel.after(1_000).complete(&mut rq, 1024, 0);
        assert_eq!(open(&mut kernel.engine), (0, 1));
    }
}
