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

use super::{clock, sysfs};
use crate::{
    config::Config,
    engine::{Engine, Policy, device::DeviceId},
};

enum Question {
    /// Devices that were seen for the first time.
    New(Vec<DeviceId>),
    /// Devices that are thought to be there, and those of them that have open requests.
    Look { present: Vec<DeviceId>, busy: Vec<DeviceId> },
}

enum Answer {
    Name(DeviceId, String),
    /// Devices that have gone; and devices that were idle at the look before and still are, with
    /// the time of the look before.
    Looked {
        gone: Vec<DeviceId>,
        idle: Vec<(DeviceId, u64)>,
    },
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
            self.send(Question::Look { present, busy: engine.busy_devices().collect() });
        }
    }

    /// Tells the engine what has been found; says whether anything changed.
    pub(super) fn tell(&mut self, engine: &mut Engine) -> bool {
        let mut changed = false;
        while let Ok(answer) = self.answers.try_recv() {
            match answer {
                Answer::Name(id, name) => {
                    let follow = self.config.watches(&name);
                    let policy = if follow { Policy::Follow } else { Policy::Exclude };
                    engine.name_device(id, &name, policy);
                    changed = true;
                }
                Answer::Looked { gone, idle } => {
                    self.looking = false;
                    for (device, before) in idle {
                        changed |= engine.close_finished(device, before);
                    }
                    changed |= !gone.is_empty();
                    for id in gone {
                        engine.end_device(id);
                    }
                }
            }
        }
        changed
    }

    fn send(&self, question: Question) {
        // The thread ends only when this value does.
        let _ = self.questions.send(question);
    }
}

/// The other side: reads sysfs.
#[derive(Default)]
struct Scout {
    /// Where the devices are; those that were never found are not in it.
    folders: HashMap<DeviceId, PathBuf>,
    /// Devices that were idle at the last look, and when that was.
    idle: HashMap<DeviceId, u64>,
}

impl Scout {
    fn answer(&mut self, question: Question) -> Vec<Answer> {
        match question {
            Question::New(ids) => {
                ids.into_iter().map(|id| Answer::Name(id, self.meet(id))).collect()
            }
            Question::Look { present, busy } => {
                let gone: Vec<DeviceId> =
                    present.into_iter().filter(|id| !self.is_present(*id)).collect();
                for id in &gone {
                    self.folders.remove(id);
                }
                vec![Answer::Looked { gone, idle: self.idle(busy) }]
            }
        }
    }

    /// The name of a new device.
    fn meet(&mut self, id: DeviceId) -> String {
        // It may have gone already; what it did is still told, under its number.
        let Some(folder) = sysfs::find(id) else { return id.to_string() };
        let name = sysfs::name(&folder).unwrap_or_else(|| id.to_string());
        self.folders.insert(id, folder);
        name
    }

    fn is_present(&self, id: DeviceId) -> bool {
        match self.folders.get(&id) {
            Some(folder) => sysfs::is(folder, id),
            // Before Linux 5.15 nothing leads to a hidden disk, so nothing tells that it has gone.
            None => id.sequence == 0 || sysfs::find(id).is_some(),
        }
    }

    /// Devices of which the kernel said, at the look before this one and now, that the driver has
    /// no request, and when the look before was. What was issued before then is over.
    ///
    /// One look would not do: a request whose end waits for a softirq is no longer counted by the
    /// kernel, and its completion is still to be traced.
    fn idle(&mut self, busy: Vec<DeviceId>) -> Vec<(DeviceId, u64)> {
        let mut idle = Vec::new();
        let mut seen = HashMap::new();
        for id in busy {
            let now = clock::monotonic();
            if self.folders.get(&id).is_some_and(|folder| sysfs::is_idle(folder)) {
                idle.extend(self.idle.get(&id).map(|before| (id, *before)));
                seen.insert(id, now);
            }
        }
        self.idle = seen;
        idle
    }
}
