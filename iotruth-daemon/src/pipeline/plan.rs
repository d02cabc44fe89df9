//! How records travel on this machine, in rings of which size, and to how many readers.

use std::{fs, time::Duration};

use iotruth_common::{counters::MAX_RINGS, record::SubmitRecord};

use super::{sysfs::Places, tick::Tick};
use crate::{
    config::{Config, Count, SecondPrograms, Transport as Chosen},
    engine::btf::KernelFacts,
    kernel::{KernelError, Lanes, Transport, online_below, online_cpus, possible_cpus},
};

/// What counts of a machine.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// CPUs that are online.
    pub(super) cpus: usize,
    /// One more than the highest number of a CPU that is online, or was found to run programs.
    pub(super) below: u32,
    /// One more than the highest number that a CPU can get.
    pub(super) possible: u32,
    /// Bytes of a page.
    pub(super) page: u32,
    /// What the kernel reads the time from; empty where that is not known.
    pub(super) clock: String,
    /// Whether a program is never interrupted by itself.
    pub(super) recursion_guard: bool,
    /// Whether the kernel may skip programs often.
    pub(super) skips: bool,
}

impl Machine {
    /// This one. `seen` is one more than the highest number of a CPU that was found to run programs, and
    /// `multipath` says that requests were found to be passed on.
    pub(super) fn here(facts: &KernelFacts, seen: u32, multipath: bool) -> Self {
        let clock = fs::read_to_string(CLOCK).unwrap_or_default();
        Self {
            cpus: online_cpus(),
            below: online_below().max(seen),
            possible: possible_cpus(),
            page: rustix::param::page_size() as u32,
            clock: clock.trim().to_owned(),
            recursion_guard: facts.recursion_guard,
            skips: facts.preemptible_tracepoints || multipath || Places::default().maps_requests(),
        }
    }
}

const CLOCK: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Clocks that are the same on all CPUs and fine enough for the order of events.
const CLOCKS: [&str; 4] = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "xen"];

/// What a machine gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// How records travel.
    pub(super) transport: Transport,
    /// Why they do not travel in the cheaper way, where that was not asked for.
    pub(super) because: Option<String>,
    /// The rings of each reader.
    pub(super) readers: Vec<Vec<usize>>,
    /// Whether each tracepoint has a second program.
    pub(super) second_programs: bool,
    /// Whether it shall have one as soon as requests are passed on to other disks.
    pub(super) awaits_multipath: bool,
}

/// The least BPF ring buffers that a machine gets: two busy disks shall rarely share one.
const LEAST_RINGS: usize = 4;

/// CPUs that one reader serves. One reader keeps up with more than 10 million records a second.
const CPUS_PER_READER: usize = 16;

/// The least slots of a busy CPU and program, in all of its rings: they last for 13 milliseconds at the
/// highest rate. A reader that has to share its CPU needs that long at times.
const LEAST_SLOTS: u32 = 4096;

/// The least in each of several: all that one CPU does on one disk is in the same ring, but then not all
/// CPUs are busy.
const LEAST_OF_SEVERAL: u32 = 1024;

/// Requests that a CPU may take in a second before a reader that found nothing looks again.
const FASTEST: u32 = 300_000;

/// Bytes that the largest record takes up in a BPF ring buffer.
const RECORD: usize = size_of::<SubmitRecord>() + 8;

impl Plan {
    /// For a machine like this.
    pub(super) fn new(config: &Config, machine: &Machine) -> Result<Self, KernelError> {
        let second_programs = machine.recursion_guard
            && match config.second_programs {
                SecondPrograms::Always => true,
                SecondPrograms::Never => false,
                SecondPrograms::Auto => machine.skips,
            };
        let possible = PerCpu::of(config, machine, second_programs);
        let (lanes, because) = match (config.transport, possible) {
            (Chosen::RingBuffers, _) => (None, None),
            (_, PerCpu::Right(lanes)) | (Chosen::PerCpu, PerCpu::Doubtful(lanes, _)) => {
                (Some(lanes), None)
            }
            (Chosen::Auto, PerCpu::Doubtful(_, why) | PerCpu::Impossible(why)) => (None, Some(why)),
            (Chosen::PerCpu, PerCpu::Impossible(why)) => {
                return Err(KernelError::Options {
                    what: format!("transport = \"per-cpu\" is not possible: {why}"),
                    choose: "transport = \"auto\" or \"ring-buffers\"".into(),
                });
            }
        };
        let (transport, readers) = match lanes {
            Some(lanes) => {
                (Transport::PerCpu(lanes), shares(lanes.rings(), readers(config, machine)))
            }
            None => buffers(config, machine),
        };
        let awaits_multipath = machine.recursion_guard
            && !second_programs
            && config.second_programs == SecondPrograms::Auto;
        Ok(Self { transport, because, readers, second_programs, awaits_multipath })
    }

    /// Bytes of each ring; those of all CPUs and programs with the same number are one.
    pub(super) fn ring_bytes(&self) -> u32 {
        match self.transport {
            Transport::RingBuffers { ring_bytes, .. } => ring_bytes,
            Transport::PerCpu(lanes) => {
                u32::try_from(lanes.bytes() / lanes.rings() as u64).unwrap_or(u32::MAX)
            }
        }
    }

    /// How often a reader looks.
    pub(super) fn tick(&self) -> Tick {
        match self.transport {
            Transport::RingBuffers { ring_bytes, .. } => Tick::new(ring_bytes as usize / RECORD),
            // Nobody wakes it, so it looks before the fastest CPU can have filled its longest rings. What
            // was written last is left in them. Shorter ones are for what is rarer; where it is not, they
            // may be full once before the reader has seen that.
            Transport::PerCpu(lanes) => {
                let slots = lanes.slots();
                let full = Duration::from_secs(1) * slots / FASTEST;
                Tick::new(slots as usize).at_most(full.saturating_sub(Duration::from_millis(1)))
            }
        }
    }

    /// The rings in words.
    pub(super) fn rings(&self) -> String {
        match self.transport {
            Transport::RingBuffers { rings, ring_bytes, .. } => {
                let because = self.because.as_ref().map(|why| format!(" ({why})"));
                let kilobytes = ring_bytes / 1024;
                format!(
                    "{rings} BPF ring buffers of {kilobytes} KiB{}",
                    because.unwrap_or_default()
                )
            }
            Transport::PerCpu(lanes) => {
                format!("rings of each CPU and program, {} KiB in all", lanes.bytes() / 1024)
            }
        }
    }

    /// What is to be said of CPUs that may come and have no rings.
    pub(super) fn note(&self) -> Option<String> {
        let Transport::PerCpu(lanes) = self.transport else { return None };
        (lanes.without_rings() > 0).then(|| {
            format!(
                "ring_budget has room for rings of the first {} CPUs. {} more are possible: should one of \
                 them come, what happens there is lost, and within a few seconds all begins anew, as after \
                 a restart.",
                lanes.cpus(),
                lanes.without_rings(),
            )
        })
    }
}

/// Whether each CPU and program can have a ring of its own.
enum PerCpu {
    Right(Lanes),
    /// Only where somebody asks for it, since this speaks against it.
    Doubtful(Lanes, String),
    /// This is why not.
    Impossible(String),
}

impl PerCpu {
    fn of(config: &Config, machine: &Machine, second_programs: bool) -> Self {
        if !cfg!(target_arch = "x86_64") {
            return Self::Impossible("only x86-64 is known to keep stores in their order".into());
        }
        if !machine.recursion_guard {
            return Self::Impossible("programs of this kernel can interrupt themselves".into());
        }
        let (budget, possible) = (config.ring_budget, machine.possible);
        // At least one for each reader.
        let rings = readers(config, machine).next_power_of_two() as u32;
        let (starts, least) = (config.start_events, (LEAST_SLOTS / rings).max(LEAST_OF_SEVERAL));
        let fit = |budget, cpus| Lanes::fit(budget, cpus, possible, rings, starts, second_programs);
        let long = |budget, cpus| fit(budget, cpus).filter(|lanes| lanes.slots() >= least);
        // Better for all that may come, else for those that are there: virtual machines often have many
        // times as many possible CPUs.
        let choices = [possible, machine.below];
        let Some(lanes) = choices.into_iter().find_map(|cpus| long(budget, cpus)) else {
            let cpus = machine.below;
            let enough =
                (20..=30).map(|bits| 1 << bits).find(|budget| long(*budget, cpus).is_some());
            let enough =
                enough.map_or_else(String::new, |enough| format!(": {}MiB would do", enough >> 20));
            let why = format!("ring_budget = {budget} is too small for {cpus} CPUs{enough}");
            return match fit(budget, cpus) {
                Some(lanes) => Self::Doubtful(lanes, why),
                None => Self::Impossible(why),
            };
        };
        if let Some(key) = config.buffers_only() {
            return Self::Doubtful(lanes, format!("{key} is set"));
        }
        let clock = machine.clock.as_str();
        if !CLOCKS.contains(&clock) {
            return Self::Doubtful(lanes, format!("the clock source {clock:?} may be too coarse"));
        }
        Self::Right(lanes)
    }
}

/// How many readers there shall be.
fn readers(config: &Config, machine: &Machine) -> usize {
    let readers = match config.readers {
        Count::Auto => machine.cpus.div_ceil(CPUS_PER_READER),
        Count::Exactly(readers) => readers,
    };
    readers.clamp(1, MAX_RINGS)
}

/// Which of so many rings each reader has; no reader is without one.
fn shares(rings: usize, readers: usize) -> Vec<Vec<usize>> {
    let readers = readers.min(rings);
    (0..readers).map(|reader| (reader..rings).step_by(readers).collect()).collect()
}

/// BPF ring buffers, and which reader has which.
fn buffers(config: &Config, machine: &Machine) -> (Transport, Vec<Vec<usize>>) {
    let rings = match config.rings {
        Count::Auto => (2 * machine.cpus).max(LEAST_RINGS),
        Count::Exactly(rings) => rings,
    };
    let rings = rings.next_power_of_two().clamp(1, MAX_RINGS);
    // A budget that is too small for so many rings gives each the least that there is.
    let ring_bytes = config.ring_bytes(rings).unwrap_or(machine.page).max(machine.page);
    let readers = shares(rings, readers(config, machine));
    // A program wakes its reader above this.
    let fill_mark = ring_bytes / 4;
    (Transport::RingBuffers { rings, ring_bytes, fill_mark }, readers)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test says what it expects")]

    use super::{Machine, Plan};
    use crate::{
        config::{Config, Count, SecondPrograms, Transport as Chosen},
        kernel::Transport,
    };

    fn machine(cpus: usize) -> Machine {
        Machine {
            cpus,
            below: cpus as u32,
            possible: cpus as u32,
            page: 4096,
            clock: "tsc".into(),
            recursion_guard: true,
            skips: false,
        }
    }

    fn config(change: impl FnOnce(&mut Config)) -> Config {
        let mut config = Config::default();
        change(&mut config);
        config
    }

    fn buffers(cpus: usize, change: impl FnOnce(&mut Config)) -> (usize, u32, Vec<Vec<usize>>) {
        let config = Config { transport: Chosen::RingBuffers, ..config(change) };
        let plan = Plan::new(&config, &machine(cpus)).unwrap();
        match plan.transport {
            Transport::RingBuffers { rings, ring_bytes, .. } => (rings, ring_bytes, plan.readers),
            Transport::PerCpu(lanes) => panic!("{lanes:?}"),
        }
    }

    /// Why there are BPF ring buffers although nobody has asked for them.
    fn because(machine: &Machine, change: impl FnOnce(&mut Config)) -> Option<String> {
        let plan = Plan::new(&config(change), machine).unwrap();
        assert_eq!(
            plan.because.is_none(),
            matches!(plan.transport, Transport::PerCpu(_)),
            "{plan:?}"
        );
        plan.because
    }

    #[test]
    fn the_budget_is_shared_by_all_rings() {
        assert_eq!(buffers(2, |_| {}), (4, 8 << 20, vec![vec![0, 1, 2, 3]]));
        let (rings, ring_bytes, readers) = buffers(128, |_| {});
        assert_eq!((rings, ring_bytes, readers.len()), (16, 2 << 20, 8));
        assert_eq!(readers[7], [7, 15]);
    }

    #[test]
    fn a_ring_has_at_least_a_page() {
        let tight = buffers(2, |config| {
            config.rings = Count::Exactly(2);
            config.ring_budget = 100;
        });
        assert_eq!((tight.0, tight.1), (2, 4096));
        let many = buffers(2, |config| {
            config.rings = Count::Exactly(2);
            config.readers = Count::Exactly(9);
        });
        assert_eq!(many.2.len(), 2);
    }

    #[test]
    fn each_cpu_has_rings_of_its_own_where_that_is_right() {
        assert_eq!(because(&machine(2), |_| {}), None);
        assert_eq!(because(&machine(16), |_| {}), None);
        assert_eq!(because(&machine(64), |config| config.ring_budget = 128 << 20), None);
        let says = |machine: &Machine, change: fn(&mut Config), words: &str| {
            let because = because(machine, change).unwrap();
            assert!(because.contains(words), "{because}");
        };
        says(&machine(64), |_| {}, "too small for 64 CPUs: 128MiB would do");
        says(&machine(2), |config| config.rings = Count::Exactly(4), "rings is set");
        says(&Machine { clock: "hpet".into(), ..machine(2) }, |_| {}, "clock source \"hpet\"");
        let old = Machine { recursion_guard: false, ..machine(2) };
        says(&old, |_| {}, "can interrupt themselves");
    }

    #[test]
    fn cpus_that_may_come_have_rings_only_where_there_is_room_for_them() {
        let with_rings = |below, possible| {
            let machine = Machine { below, possible, ..machine(4) };
            let plan = Plan::new(&Config::default(), &machine).unwrap();
            let Transport::PerCpu(lanes) = plan.transport else { panic!("{plan:?}") };
            assert_eq!(plan.note().is_some(), lanes.cpus() < possible, "{plan:?}");
            lanes.cpus()
        };
        assert_eq!(with_rings(4, 16), 16);
        assert_eq!(with_rings(4, 128), 4);
        assert_eq!(with_rings(9, 128), 9, "one of those was seen");
        let many = Machine { below: 64, possible: 128, ..machine(64) };
        let because = because(&many, |_| {}).unwrap();
        assert!(because.contains("too small for 64 CPUs: 128MiB would do"), "{because}");
        // Whoever asks for them all the same gets the longest.
        let asked = config(|config| {
            config.transport = Chosen::PerCpu;
            config.ring_budget = 6 << 20;
        });
        let plan = Plan::new(&asked, &Machine { below: 4, possible: 128, ..machine(4) }).unwrap();
        let Transport::PerCpu(lanes) = plan.transport else { panic!("{plan:?}") };
        assert_eq!((lanes.cpus(), lanes.slots()), (4, 2048));
    }

    #[test]
    fn what_is_asked_for_is_done_or_refused() {
        let asked = Config { transport: Chosen::PerCpu, ..Config::default() };
        let coarse = Machine { clock: "jiffies".into(), ..machine(2) };
        let plan = Plan::new(&asked, &coarse).unwrap();
        assert!(matches!(plan.transport, Transport::PerCpu(_)) && plan.readers == [[0]]);
        let old = Machine { recursion_guard: false, ..machine(2) };
        let error = Plan::new(&asked, &old).unwrap_err().to_string();
        assert!(error.contains("transport = \"per-cpu\" is not possible"), "{error}");
        let tiny = Config { ring_budget: 4096, ..asked };
        let error = Plan::new(&tiny, &machine(2)).unwrap_err().to_string();
        assert!(error.contains("too small for 2 CPUs: 4MiB would do"), "{error}");
    }

    #[test]
    fn each_reader_has_rings_of_its_own() {
        let shares = |cpus, readers| {
            let config = Config { transport: Chosen::PerCpu, readers, ..Config::default() };
            let plan = Plan::new(&config, &machine(cpus)).unwrap();
            let Transport::PerCpu(lanes) = plan.transport else { panic!("{plan:?}") };
            (lanes.rings(), plan.readers)
        };
        assert_eq!(shares(16, Count::Auto), (1, vec![vec![0]]));
        assert_eq!(shares(17, Count::Auto), (2, vec![vec![0], vec![1]]));
        assert_eq!(shares(2, Count::Exactly(3)), (4, vec![vec![0, 3], vec![1], vec![2]]));
        assert_eq!(shares(64, Count::Exactly(1)), (1, vec![vec![0]]));
    }

    #[test]
    fn second_programs_are_where_much_is_skipped_or_they_are_asked_for() {
        let second = |chosen, machine: &Machine| {
            let config = config(|config| config.second_programs = chosen);
            Plan::new(&config, machine).unwrap().second_programs
        };
        let skips = Machine { skips: true, ..machine(2) };
        assert!(!second(SecondPrograms::Auto, &machine(2)));
        assert!(second(SecondPrograms::Auto, &skips));
        assert!(second(SecondPrograms::Always, &machine(2)));
        assert!(!second(SecondPrograms::Never, &skips));
        let old = Machine { recursion_guard: false, ..skips.clone() };
        assert!(!second(SecondPrograms::Always, &old), "nothing is skipped there");
        let awaits = |chosen, machine: &Machine| {
            let config = config(|config| config.second_programs = chosen);
            Plan::new(&config, machine).unwrap().awaits_multipath
        };
        assert!(awaits(SecondPrograms::Auto, &machine(2)));
        assert!(!awaits(SecondPrograms::Auto, &skips) && !awaits(SecondPrograms::Auto, &old));
        assert!(!awaits(SecondPrograms::Always, &machine(2)));
        assert!(!awaits(SecondPrograms::Never, &machine(2)));
    }
}
