//! Names, comings and goings of devices, looked up beside the reader.
//!
//! On some kernels a file of sysfs can block for as long as a queue that is being frozen waits for a
//! hung disk. The thread that drains the rings must never wait for that, so it asks others: one for
//! what is never known to block, names and presence, and one for the timeouts, which lie with the
//! queue and do.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender, SyncSender},
    },
    time::{Duration, Instant},
};

use super::{
    auditor::Herald,
    helper::Helper,
    sysfs::{self, Places},
};
use crate::{
    config::Config,
    engine::{Engine, Input, Policy, device::DeviceId},
};

/// After so long without an answer a device is shown under its number.
const PATIENCE: Duration = Duration::from_secs(2);

/// For so long a disk that has no name is thought to be one that its driver is finding: one that has to
/// spin up is given 100 s (`sd_spinup_disk`).
pub(super) const PROBE: Duration = Duration::from_mins(2);

/// Lists of devices whose timeouts are still to be read. What finds no room is asked for again with
/// the next look.
const LISTS: usize = 4;

enum Question {
    /// Devices that were seen for the first time.
    New(Vec<DeviceId>),
    /// Devices that are thought to be there.
    Look(Vec<DeviceId>),
}

enum Answer {
    /// What a device is called; and its sequence number, where only its number was known.
    Name(DeviceId, String, Option<u64>),
    /// How long the driver of a device is given for a request: nanoseconds.
    Timeout(DeviceId, u64),
    /// Devices that have gone.
    Gone(Vec<DeviceId>),
}

/// Devices and their folders.
type Folders = Vec<(DeviceId, PathBuf)>;

/// The reader's side: asks, and takes what has been answered.
#[derive(Debug)]
pub(super) struct Lookout {
    config: Arc<Config>,
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    /// Whether a look is on its way; a second one is not asked for before.
    looking: bool,
    /// Devices whose names have been asked for, and when.
    unnamed: Vec<(DeviceId, Instant)>,
}

/// What a lookout goes by.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) config: Arc<Config>,
    pub(super) places: Places,
    /// Whether this kernel gives disks sequence numbers.
    pub(super) sequenced: bool,
    /// For how long a disk that has no name is thought to be there; [`PROBE`].
    pub(super) probe: Duration,
    /// Who is to know of new devices.
    pub(super) herald: Herald,
}

impl Lookout {
    /// Starts the threads that answer the reader with this number. They end with this value.
    pub(super) fn start(
        reader: usize,
        surroundings: Surroundings,
    ) -> std::io::Result<(Self, [Helper; 2])> {
        let config = Arc::clone(&surroundings.config);
        let (questions, asked) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let (lists, listed) = mpsc::sync_channel::<Folders>(LISTS);
        let to_reader = answer.clone();
        let timeouts = Helper::start(
            format!("timeouts/{reader}"),
            "what is hung is told by the timeouts that were last known, or by 30 s",
            move |errands| {
                for (id, folder) in listed.into_iter().flatten() {
                    let timeout = errands.run(|| sysfs::timeout(&folder));
                    let answer = timeout.map(|timeout| Answer::Timeout(id, timeout));
                    if answer.is_some_and(|answer| to_reader.send(answer).is_err()) {
                        return;
                    }
                }
            },
        )?;
        let scout = Helper::start(
            format!("lookout/{reader}"),
            "new devices are shown under their numbers, and gone ones stay",
            move |errands| {
                let mut scout = Scout {
                    surroundings,
                    found: HashMap::new(),
                    missed: HashMap::new(),
                    answer,
                    lists,
                };
                for question in asked {
                    errands.run(|| scout.answer(question));
                }
            },
        )?;
        let lookout = Self { config, questions, answers, looking: false, unnamed: Vec::new() };
        Ok((lookout, [scout, timeouts]))
    }

    /// Asks for the names of new devices, and once in a while for a look at all of them.
    pub(super) fn ask(&mut self, engine: &mut Engine, look: bool) {
        let new = engine.take_unnamed();
        if !new.is_empty() {
            self.unnamed.extend(new.iter().map(|id| (*id, Instant::now())));
            self.send(Question::New(new));
        }
        if look && !self.looking {
            self.looking = true;
            let present = engine.present_devices().filter(|id| id.number != 0).collect();
            self.send(Question::Look(present));
        }
    }

    /// Tells what has been found.
    pub(super) fn tell(&mut self, mut tell: impl FnMut(&Input<'_>)) {
        while let Ok(answer) = self.answers.try_recv() {
            match answer {
                Answer::Name(id, name, sequence) => {
                    self.unnamed.retain(|(other, _)| *other != id);
                    let follow = self.config.watches(&name);
                    let policy = if follow { Policy::Follow } else { Policy::Exclude };
                    tell(&Input::DeviceNamed { id, name: &name, policy });
                    if let Some(sequence) = sequence {
                        tell(&Input::DeviceIdentified { id, sequence });
                    }
                }
                Answer::Timeout(id, timeout) => tell(&Input::DeviceTimeout { id, timeout }),
                Answer::Gone(gone) => {
                    self.looking = false;
                    for id in gone {
                        tell(&Input::DeviceEnded(id));
                    }
                }
            }
        }
        self.show_numbers(tell);
    }

    /// Shows devices under their numbers that have been without a name for too long. A number is none
    /// of the names that are to be watched, where only those are.
    fn show_numbers(&mut self, mut tell: impl FnMut(&Input<'_>)) {
        let late = self.unnamed.extract_if(.., |(_, asked)| asked.elapsed() >= PATIENCE);
        for (id, _) in late.filter(|(id, _)| self.config.watches(&id.to_string())) {
            tell(&Input::DeviceNamed { id, name: &id.to_string(), policy: Policy::Follow });
        }
    }

    fn send(&self, question: Question) {
        // The thread ends before this value does only by a panic, which its helper tells.
        let _ = self.questions.send(question);
    }
}

/// The other side: reads sysfs, but for what lies with the queue.
struct Scout {
    surroundings: Surroundings,
    /// Where the devices are; those that were never found are not in it.
    found: HashMap<DeviceId, PathBuf>,
    /// Devices that are not where disks have names, and since when they were looked for.
    missed: HashMap<DeviceId, Instant>,
    answer: Sender<Answer>,
    lists: SyncSender<Folders>,
}

impl Scout {
    fn answer(&mut self, question: Question) {
        match question {
            Question::New(ids) => {
                let met = ids.into_iter().filter_map(|id| self.meet(id)).collect();
                self.surroundings.herald.met();
                self.ask_timeouts(met);
            }
            Question::Look(present) => {
                self.missed.retain(|id, _| present.contains(id));
                let (here, gone): (Vec<DeviceId>, Vec<DeviceId>) =
                    present.into_iter().partition(|id| self.is_present(*id));
                for id in &gone {
                    self.found.remove(id);
                }
                self.say(Answer::Gone(gone));
                // An administrator may change it at any time.
                self.ask_timeouts(here);
            }
        }
    }

    /// Tells the name of a new device, unless it may get one later; gives what it is known by from now on.
    fn meet(&mut self, id: DeviceId) -> Option<DeviceId> {
        let met = self.find(id);
        // Where another disk has its number, the next look finds it gone.
        if met.is_none() && !self.tell_succeeded(id) {
            if self.may_be_found_later(id) {
                self.missed.insert(id, Instant::now());
            } else {
                // What it did is still told, under its number.
                self.say(Answer::Name(id, id.to_string(), None));
            }
        }
        met
    }

    /// Tells the name of a disk that was never found, where another one has its number; says whether that is so.
    fn tell_succeeded(&self, id: DeviceId) -> bool {
        let name = self.surroundings.places.name_of_succeeded(id);
        name.is_some_and(|name| {
            self.say(Answer::Name(id, name, None));
            true
        })
    }

    /// Whether a disk that is not in sysfs may get there: its driver uses it before that (`sd_probe`).
    ///
    /// One without a number is another one once it has a number, and a number alone may be the next disk's
    /// by then.
    fn may_be_found_later(&self, id: DeviceId) -> bool {
        id.number != 0 && (id.sequence != 0 || !self.surroundings.sequenced)
    }

    /// Tells the name of a device that was not found before; gives what it is known by from now on.
    fn find(&mut self, id: DeviceId) -> Option<DeviceId> {
        let folder = self.surroundings.places.find(id)?;
        let name = sysfs::name(&folder).unwrap_or_else(|| id.to_string());
        let sequence = (id.sequence == 0).then(|| sysfs::sequence(&folder)).flatten();
        self.say(Answer::Name(id, name, sequence));
        let id = DeviceId { sequence: sequence.unwrap_or(id.sequence), ..id };
        self.found.insert(id, folder);
        Some(id)
    }

    fn ask_timeouts(&self, ids: Vec<DeviceId>) {
        let folders = ids.into_iter().filter_map(|id| Some((id, self.found.get(&id)?.clone())));
        // Where it is full, the next look asks for these as well.
        let _ = self.lists.try_send(folders.collect());
    }

    /// Whether a device is there; one that was not there before has its name told as well.
    fn is_present(&mut self, id: DeviceId) -> bool {
        if let Some(folder) = self.found.get(&id) {
            return sysfs::is(folder, id);
        }
        if !self.may_be_found_later(id) {
            return false;
        }
        if self.find(id).is_some() {
            self.missed.remove(&id);
            self.surroundings.herald.met();
            return true;
        }
        if self.tell_succeeded(id) {
            self.missed.remove(&id);
            return false;
        }
        if self.missed.get(&id).is_some_and(|since| since.elapsed() < self.surroundings.probe) {
            return true;
        }
        if self.missed.remove(&id).is_some() {
            self.say(Answer::Name(id, id.to_string(), None));
        }
        // Before Linux 5.15 nothing leads to a hidden disk, so nothing tells that it has gone.
        !self.surroundings.sequenced
    }

    fn say(&self, answer: Answer) {
        // Nobody listens any more when the reader ends.
        let _ = self.answer.send(answer);
    }
}

#[cfg(test)]
mod tests;
