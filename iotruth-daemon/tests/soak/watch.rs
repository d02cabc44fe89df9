//! The daemon under load: what is wrong is told at once, with all that the daemon says.

use std::time::Duration;

use crate::{
    clock::Clock, demands, harness::daemon::Daemon, options::Room, phase::Phase, stage::Stage,
};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks now and then, until the clock has run out.
pub(crate) fn under_load(daemon: &Daemon, stage: &Stage, room: Room, clock: &Clock) {
    while !clock.is_over() {
        clock.pause(PAUSE);
        demands::nothing_shown(daemon);
        // Where records may have been lost, it is known only at rest which.
        if room == Room::Ample {
            let status = daemon.status();
            for device in stage.devices() {
                if let Some(audit) = status.audit(device.name()) {
                    demands::in_both_books(device.name(), &audit);
                }
            }
        }
    }
}

/// Prints what the daemon says of itself when this is dropped by a failure.
#[derive(Debug)]
pub(crate) struct LastWords<'a> {
    pub(crate) daemon: &'a Daemon,
    pub(crate) phase: &'a Phase,
}

impl Drop for LastWords<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() || crate::interrupt::asked() {
            return;
        }
        eprintln!("--- in phase {}, {}", self.phase.number, self.phase);
        for target in ["/status?format=text", "/mismatches?limit=20&format=text"] {
            match self.daemon.ask(target) {
                Ok(answer) => eprintln!("--- {target}\n{}---", answer.body),
                Err(error) => eprintln!("--- {target}: {error}"),
            }
        }
    }
}
