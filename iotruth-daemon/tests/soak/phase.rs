//! One daemon: devices under load, then everything must add up.

use std::{fmt, thread, time::Duration};

use crate::{
    clock::{Alarm, Clock},
    demands,
    figures::Figures,
    harness::{daemon::Daemon, witness::Witness},
    interrupt,
    mix::Mix,
    options::Options,
    random::Random,
    stage::Stage,
    watch::{self, LastWords},
};

/// What happens in it.
#[derive(Debug)]
pub(crate) struct Phase {
    /// The first one is 1.
    pub(crate) number: usize,
    /// What the devices have to stand.
    pub(crate) mix: Mix,
    /// For how long.
    pub(crate) load: Duration,
    /// How its daemon is started.
    pub(crate) options: Options,
    /// What the rest is drawn from.
    pub(crate) random: Random,
}

impl Phase {
    /// Goes through it; fails where something is not as it must be.
    pub(crate) fn run(&self, witness: &Witness) -> Figures {
        interrupt::leave_if_asked();
        let mut stage = Stage::new();
        let before = witness.all_sighted();
        let arguments = self.options.arguments();
        let daemon = Daemon::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let _last_words = LastWords { daemon: &daemon, phase: self };
        let ends = witness.sighted(stage.direct.name());
        self.load(&stage, &daemon);
        interrupt::leave_if_asked();
        let mut figures = demands::closing(&daemon, &mut stage, self.options.room);
        if self.mix == Mix::Speed && figures.lost() == 0 {
            let inferred = daemon.scrape().unjudged_for(stage.direct.name(), "inferred");
            let sighted = witness.sighted(stage.direct.name()).since(ends);
            demands::all_inferred(&stage.direct, inferred, sighted);
        }
        let sighted = witness.all_sighted().since(before);
        (figures.witnessed, figures.doubtful) = (sighted.certain, sighted.doubtful);
        demands::witnessed(&figures);
        figures
    }

    /// Does what the mix has to do, and looks at the daemon meanwhile.
    fn load(&self, stage: &Stage, daemon: &Daemon) {
        let mut random = self.random.clone();
        let clock = Clock::start(self.load);
        thread::scope(|scope| {
            for task in self.mix.tasks(stage, &mut random) {
                let (clock, random) = (&clock, random.fork());
                scope.spawn(move || {
                    let _alarm = Alarm(clock);
                    task(clock, random);
                });
            }
            let _alarm = Alarm(&clock);
            watch::under_load(daemon, stage, self.options.room, &clock);
        });
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {:.0} s, {}", self.mix.name(), self.load.as_secs_f64(), self.options)
    }
}
