//! Names, comings and goings of devices, looked up beside the reader.
//!
//! On some kernels a file of sysfs can block for as long as a queue that is being frozen waits for a
//! hung disk. The thread that drains the rings must never wait for that, so it asks another one.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use super::sysfs;
use crate::{
    config::Config,
    engine::{Engine, Input, Policy, device::DeviceId},
};

enum Question {
    /// Devices that were seen for the first time.
    New(Vec<DeviceId>),
    /// Devices that are thought to be there.
    Look(Vec<DeviceId>),
}

enum Answer {
    Name(DeviceId, String),
    /// How long the driver of a device is given for a request, where that is new: nanoseconds.
    Timeout(DeviceId, u64),
    /// Devices that have gone.
    Gone(Vec<DeviceId>),
}

/// The reader's side: asks, and takes what has been answered.
#[derive(Debug)]
pub(super) struct Lookout {
    config: Arc<Config>,
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    /// Whether a look is on its way; a second one is not asked for before.
    looking: bool,
}

impl Lookout {
    /// Starts the thread that answers. It ends with this value.
    pub(super) fn start(config: Arc<Config>) -> std::io::Result<Self> {
        let (questions, asked) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        thread::Builder::new().name("lookout".to_owned()).spawn(move || {
            let mut scout = Scout::default();
            for question in asked {
                for found in scout.answer(question) {
                    if answer.send(found).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Self { config, questions, answers, looking: false })
    }

    /// Asks for the names of new devices, and once in a while for a look at all of them.
    pub(super) fn ask(&mut self, engine: &mut Engine, look: bool) {
        let new = engine.take_unnamed();
        if !new.is_empty() {
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
                Answer::Name(id, name) => {
                    let follow = self.config.watches(&name);
                    let policy = if follow { Policy::Follow } else { Policy::Exclude };
                    tell(&Input::DeviceNamed { id, name: &name, policy });
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
    }

    fn send(&self, question: Question) {
        // The thread ends only when this value does.
        let _ = self.questions.send(question);
    }
}

/// The other side: reads sysfs.
#[derive(Default)]
struct Scout {
    /// Where the devices are, and their timeouts; those that were never found are not in it.
    found: HashMap<DeviceId, Found>,
}

struct Found {
    folder: PathBuf,
    timeout: Option<u64>,
}

impl Scout {
    fn answer(&mut self, question: Question) -> Vec<Answer> {
        match question {
            Question::New(ids) => {
                let mut answers: Vec<Answer> =
                    ids.iter().map(|id| Answer::Name(*id, self.meet(*id))).collect();
                answers.extend(ids.iter().filter_map(|id| self.timeout(*id)));
                answers
            }
            Question::Look(present) => {
                let (here, gone): (Vec<DeviceId>, Vec<DeviceId>) =
                    present.into_iter().partition(|id| self.is_present(*id));
                for id in &gone {
                    self.found.remove(id);
                }
                // An administrator may change it at any time.
                let mut answers: Vec<Answer> =
                    here.iter().filter_map(|id| self.timeout(*id)).collect();
                answers.push(Answer::Gone(gone));
                answers
            }
        }
    }

    /// The name of a new device.
    fn meet(&mut self, id: DeviceId) -> String {
        // It may have gone already; what it did is still told, under its number.
        let Some(folder) = sysfs::find(id) else { return id.to_string() };
        let name = sysfs::name(&folder).unwrap_or_else(|| id.to_string());
        self.found.insert(id, Found { folder, timeout: None });
        name
    }

    /// The timeout of a device, if it is not what it was.
    fn timeout(&mut self, id: DeviceId) -> Option<Answer> {
        let found = self.found.get_mut(&id)?;
        let timeout = sysfs::timeout(&found.folder)?;
        let changed = found.timeout.replace(timeout) != Some(timeout);
        changed.then_some(Answer::Timeout(id, timeout))
    }

    fn is_present(&self, id: DeviceId) -> bool {
        match self.found.get(&id) {
            Some(found) => sysfs::is(&found.folder, id),
            // Before Linux 5.15 nothing leads to a hidden disk, so nothing tells that it has gone.
            None => id.sequence == 0 || sysfs::find(id).is_some(),
        }
    }
}
