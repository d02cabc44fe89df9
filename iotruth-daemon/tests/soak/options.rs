//! How a daemon is started.

use std::fmt;

use crate::random::Random;

/// Instead of a number of BPF ring buffers: each CPU and program has rings of its own.
const PER_CPU: &str = "per CPU";

/// How much room the rings have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// For all that can come in a second, for which no reader has to wait for a CPU: nothing may be
    /// refused.
    Ample,
    /// For what comes at most times; some of these are what a daemon has by default.
    Tight,
    /// For some thirty to a few hundred records: most are refused under load.
    Scarce,
}

impl Room {
    /// Numbers of BPF ring buffers, or [`PER_CPU`], and budgets for them. An ample ring buffer has 32
    /// MiB.
    const fn rings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Ample => &[
                ("1", "32MiB"),
                ("2", "64MiB"),
                ("auto", "128MiB"),
                ("8", "256MiB"),
                ("16", "512MiB"),
                (PER_CPU, "128MiB"),
                (PER_CPU, "256MiB"),
                (PER_CPU, "512MiB"),
            ],
            Self::Tight => &[
                (PER_CPU, "32MiB"),
                (PER_CPU, "32MiB"),
                (PER_CPU, "2MiB"),
                ("auto", "32MiB"),
                ("1", "8MiB"),
                ("16", "32MiB"),
                ("1", "1MiB"),
                ("4", "1MiB"),
            ],
            Self::Scarce => &[
                ("1", "4KiB"),
                ("2", "32KiB"),
                ("4", "64KiB"),
                ("16", "64KiB"),
                (PER_CPU, "128KiB"),
                (PER_CPU, "256KiB"),
            ],
        }
    }
}

/// The options of one daemon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// How much room its rings have.
    pub(crate) room: Room,
    rings: &'static str,
    ring_budget: &'static str,
    readers: &'static str,
    start_events: bool,
    second_programs: bool,
}

impl Options {
    /// Draws some.
    pub(crate) fn draw(room: Room, random: &mut Random) -> Self {
        let (rings, ring_budget) = random.pick(room.rings());
        let readers = random.pick(&["auto", "2", "4"]);
        // There is no room for several.
        let scarce = rings == PER_CPU && room == Room::Scarce;
        let readers = if scarce { "auto" } else { readers };
        let start_events = random.percent(40);
        let second_programs = random.percent(25);
        Self { room, rings, ring_budget, readers, start_events, second_programs }
    }

    /// As arguments of `iotruth daemon`.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let per_cpu = self.rings == PER_CPU;
        vec![
            format!("--transport={}", if per_cpu { "per-cpu" } else { "ring-buffers" }),
            format!("--rings={}", if per_cpu { "auto" } else { self.rings }),
            format!("--ring-budget={}", self.ring_budget),
            format!("--readers={}", self.readers),
            format!("--start-events={}", self.start_events),
            format!("--second-programs={}", if self.second_programs { "always" } else { "auto" }),
            // As often as can be: each is a chance to find something missing.
            "--audit-interval=1s".to_owned(),
        ]
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { room: _, rings, ring_budget, readers, start_events, second_programs } = self;
        write!(f, "rings {rings} of {ring_budget}, readers {readers}")?;
        f.write_str(if *start_events { ", starts" } else { "" })?;
        f.write_str(if *second_programs { ", second programs" } else { "" })
    }
}
