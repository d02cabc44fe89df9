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
    engine::{Engine, Policy, device::DeviceId},
};

/// After so long without an answer a device is shown under its number.
const PATIENCE: Duration = Duration::from_secs(2);

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
                let mut scout = Scout { surroundings, found: HashMap::new(), answer, lists };
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

    /// Tells the engine what has been found; says whether anything changed.
    pub(super) fn tell(&mut self, engine: &mut Engine) -> bool {
        let mut changed = false;
        while let Ok(answer) = self.answers.try_recv() {
            match answer {
                Answer::Name(id, name, sequence) => {
                    self.unnamed.retain(|(other, _)| *other != id);
                    let follow = self.config.watches(&name);
                    let policy = if follow { Policy::Follow } else { Policy::Exclude };
                    engine.name_device(id, &name, policy);
                    if let Some(sequence) = sequence {
                        engine.identify_device(id, sequence);
                    }
                    changed = true;
                }
                Answer::Timeout(id, timeout) => engine.set_timeout(id, timeout),
                Answer::Gone(gone) => {
                    self.looking = false;
                    changed |= !gone.is_empty();
                    for id in gone {
                        engine.end_device(id);
                    }
                }
            }
        }
        self.show_numbers(engine) || changed
    }

    /// Shows devices under their numbers that have been without a name for too long; says whether
    /// there were any. A number is none of the names that are to be watched, where only those are.
    fn show_numbers(&mut self, engine: &mut Engine) -> bool {
        let late = self.unnamed.extract_if(.., |(_, asked)| asked.elapsed() >= PATIENCE);
        let mut any = false;
        for (id, _) in late.filter(|(id, _)| self.config.watches(&id.to_string())) {
            engine.name_device(id, &id.to_string(), Policy::Follow);
            any = true;
        }
        any
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
    answer: Sender<Answer>,
    lists: SyncSender<Folders>,
}

impl Scout {
    fn answer(&mut self, question: Question) {
        match question {
            Question::New(ids) => {
                let met = ids.into_iter().map(|id| self.meet(id)).collect();
                self.surroundings.herald.met();
                self.ask_timeouts(met);
            }
            Question::Look(present) => {
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

    /// Tells the name of a new device; gives what it is known by from now on.
    fn meet(&mut self, id: DeviceId) -> DeviceId {
        let Some(folder) = self.surroundings.places.find(id) else {
            // It may have gone already; what it did is still told, under its number.
            self.say(Answer::Name(id, id.to_string(), None));
            return id;
        };
        let name = sysfs::name(&folder).unwrap_or_else(|| id.to_string());
        let sequence = (id.sequence == 0).then(|| sysfs::sequence(&folder)).flatten();
        self.say(Answer::Name(id, name, sequence));
        let id = DeviceId { sequence: sequence.unwrap_or(id.sequence), ..id };
        self.found.insert(id, folder);
        id
    }

    fn ask_timeouts(&self, ids: Vec<DeviceId>) {
        let folders = ids.into_iter().filter_map(|id| Some((id, self.found.get(&id)?.clone())));
        // Where it is full, the next look asks for these as well.
        let _ = self.lists.try_send(folders.collect());
    }

    fn is_present(&self, id: DeviceId) -> bool {
        match self.found.get(&id) {
            Some(folder) => sysfs::is(folder, id),
            // Before Linux 5.15 nothing leads to a hidden disk, so nothing tells that it has gone.
            None if id.sequence == 0 => !self.surroundings.sequenced,
            None => self.surroundings.places.find(id).is_some(),
        }
    }

    fn say(&self, answer: Answer) {
        // Nobody listens any more when the reader ends.
        let _ = self.answer.send(answer);
    }
}

#[cfg(test)]
mod tests;
