//! Many lives at once, of every path, with and without losses.

use proptest::prelude::*;

use super::{
    FLUSH, READ, check_books,
    paths::{PATHS, Path},
    script::Player,
    snapshot,
};
use crate::engine::{
    Sample, Starts,
    kind::{KINDS, Kind, Severity, TABLE},
    operation::Operation,
    phase::Phase,
    snapshot::{LOSSES, Loss::Inferred, Snapshot},
    synthetic::{DISK, Kernel, Skip},
};

/// Request addresses in use, each with a hardware queue and a flush request of its own.
const ADDRESSES: usize = 6;

/// What the scheduler does next.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Which address goes on, and with which path if it is free.
    address: usize,
    path: usize,
    wait: u64,
    cpu: u16,
    /// What is lost of it, if losses of this class are played.
    loss: Loss,
    audit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Nothing,
    /// Refused by the ring.
    Refused,
    /// The program was running already, which is counted and read later.
    Skipped,
    /// Nobody counts it.
    Hidden,
    /// One more step is made to another sample of requests.
    Resampled,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let loss = prop_oneof![
        20 => Just(Loss::Nothing),
        1 => Just(Loss::Refused),
        1 => Just(Loss::Skipped),
        1 => Just(Loss::Hidden),
        1 => Just(Loss::Resampled),
    ];
    let wait = prop_oneof![0_u64..50, 0_u64..4_000_000];
    let turn = (0..ADDRESSES, 0..PATHS.len(), wait, 0_u16..3, loss, prop::bool::weighted(0.03));
    prop::collection::vec(
        turn.prop_map(|(address, path, wait, cpu, loss, audit)| Turn {
            address,
            path,
            wait,
            cpu,
            loss,
            audit,
        }),
        1..400,
    )
}

fn starts() -> impl Strategy<Value = Starts> {
    prop_oneof![Just(Starts::All), Just(Starts::Flagged), Just(Starts::Flushes), Just(Starts::None)]
}

/// What was put into a stream.
#[derive(Debug, Default)]
struct Played {
    /// Lives that end with a completion and could be seen whole.
    whole: u64,
    /// Clones that could not be dispatched.
    dropped: u64,
    kinds: [u64; KINDS],
}

struct Scheduler {
    kernel: Kernel,
    starts: Starts,
    open: [Option<Player>; ADDRESSES],
    /// Whether a record of the life, and of the flush of its hardware queue, was refused.
    refused: [[bool; 2]; ADDRESSES],
    /// Lives that an address must go through until one more of its events may be hidden.
    whole: [u32; ADDRESSES],
    played: Played,
}

impl Scheduler {
    fn new(starts: Starts) -> Self {
        Self::on(Kernel::with(starts), starts)
    }

    fn on(kernel: Kernel, starts: Starts) -> Self {
        let mut scheduler = Self {
            kernel,
            starts,
            open: Default::default(),
            refused: Default::default(),
            whole: [0; ADDRESSES],
            played: Played::default(),
        };
        // Every address and flush is known to be free once.
        for address in 0..ADDRESSES {
            scheduler.place(address);
            for script in ["s d c", "fd fc"] {
                let ask = super::script::Ask::Read;
                let mut player =
                    Player::new(&scheduler.kernel, ask, script, Self::request(address));
                while player.step(scheduler.kernel.after(1_000)) {}
                scheduler.played.whole += 1;
            }
        }
        scheduler.kernel.after(10_000_000);
        scheduler
    }

    const fn request(address: usize) -> u64 {
        0x40 * (address as u64 + 1)
    }

    fn place(&mut self, address: usize) {
        self.kernel.hardware_queue = address as u16;
        self.kernel.ring = address % 2;
    }

    fn play(&mut self, turns: &[Turn], losses: &[Loss]) {
        for turn in turns {
            let loss = if losses.contains(&turn.loss) { turn.loss } else { Loss::Nothing };
            self.turn(turn, loss);
            if turn.audit {
                self.check_events();
                self.kernel.audit();
                check_books(&self.kernel.engine.snapshot(self.kernel.now));
            }
        }
        for address in 0..ADDRESSES {
            while self.open[address].is_some() {
                self.step(address);
            }
        }
    }

    /// However long ago the counters were read, what was received is held against what was tried by then.
    fn check_events(&self) {
        let snapshot = self.kernel.engine.snapshot(self.kernel.now);
        check_books(&snapshot);
        for probe in &snapshot.probes {
            assert_eq!(probe.attempts, probe.received + probe.lost, "{probe:?}");
        }
    }

    fn turn(&mut self, turn: &Turn, loss: Loss) {
        let address = turn.address;
        self.place(address);
        self.kernel.cpu = turn.cpu;
        self.kernel.after(turn.wait);
        if self.open[address].is_none() {
            let path = &PATHS[turn.path];
            let player = Player::new(&self.kernel, path.ask, path.script, Self::request(address));
            self.open[address] = Some(player);
            self.count(path);
            self.whole[address] = self.whole[address].saturating_sub(1);
        }
        match loss {
            Loss::Nothing => {}
            Loss::Refused => self.kernel.refuse = 1,
            Loss::Skipped => self.kernel.skip = Skip::All,
            Loss::Resampled => {
                let one_in = [1, 2, 3, 3, Sample::NONE.one_in][turn.path % 5];
                let salt = 0x1000 * u64::from(turn.cpu % 2);
                self.kernel.resample(Sample { one_in, salt });
            }
            Loss::Hidden => {
                if self.whole[address] == 0 {
                    self.kernel.hide = 1;
                    self.whole[address] = 3;
                }
            }
        }
        self.step(address);
        // A token without an event loses nothing.
        self.kernel.hide = 0;
        self.kernel.refuse = 0;
        self.kernel.skip = Skip::Nothing;
    }

    fn step(&mut self, address: usize) {
        self.place(address);
        let Some(player) = &mut self.open[address] else { return };
        let group = player.group();
        let refuse = self.kernel.refuse;
        let goes_on = player.step(&mut self.kernel);
        let flush = group.starts_with('f');
        let refused = &mut self.refused[address];
        refused[usize::from(flush)] |= self.kernel.refuse < refuse && group != "e";
        if flush && group.starts_with("fc") {
            self.played.whole += u64::from(!std::mem::take(&mut refused[1]));
        }
        match group {
            // Ends merged, and is not judged.
            "m" if player.is_last() => refused[0] = true,
            "x" => {
                self.played.dropped += 1;
                refused[0] = false;
            }
            _ if !goes_on => self.played.whole += u64::from(!std::mem::take(&mut refused[0])),
            _ => {}
        }
        if !goes_on {
            self.open[address] = None;
        }
        if group.starts_with("fc!") && self.starts == Starts::None {
            // Without starts a request that is refused right after a failed flush looks like a
            // part of it; something else on its CPU tells them apart.
            (self.kernel.hide, self.kernel.refuse) = (0, 0);
            let other = 0x4000 + Self::request(address);
            self.kernel.ordinary(other, 0, 8, false);
            self.played.whole += 1;
        }
    }

    fn count(&mut self, path: &Path) {
        for kind in path.shown(self.starts) {
            self.played.kinds[kind as usize] += 1;
        }
    }
}

fn shown(snapshot: &Snapshot) -> [u64; KINDS] {
    snapshot.devices[&DISK].mismatches
}

/// Kinds that were told more often than they happened, other than for information.
fn invented(snapshot: &Snapshot, played: &Played) -> Vec<Kind> {
    let told = shown(snapshot);
    TABLE
        .iter()
        .filter(|row| row.severity > Severity::Info)
        .map(|row| row.kind)
        .filter(|kind| told[*kind as usize] > played.kinds[*kind as usize])
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_loss_everything_is_told_once(turns in turns(), starts in starts()) {
        let mut scheduler = Scheduler::new(starts);
        scheduler.play(&turns, &[]);
        let snapshot = snapshot(&mut scheduler.kernel);
        prop_assert_eq!(snapshot.lives.unjudged, 0);
        prop_assert_eq!(snapshot.lives.open, 0);
        prop_assert_eq!(snapshot.lives.judged, scheduler.played.whole);
        prop_assert_eq!(shown(&snapshot), scheduler.played.kinds);
        prop_assert_eq!(snapshot.devices[&DISK].accounted, scheduler.kernel.statistics);
    }

    #[test]
    fn a_counted_loss_makes_no_mismatch(turns in turns(), starts in starts()) {
        let mut scheduler = Scheduler::new(starts);
        scheduler.play(&turns, &[Loss::Refused, Loss::Skipped]);
        let snapshot = snapshot(&mut scheduler.kernel);
        prop_assert_eq!(invented(&snapshot, &scheduler.played), []);
    }

    #[test]
    fn a_refused_record_is_a_loss_and_nothing_else(turns in turns(), starts in starts()) {
        let mut scheduler = Scheduler::new(starts);
        scheduler.play(&turns, &[Loss::Refused]);
        let snapshot = snapshot(&mut scheduler.kernel);
        prop_assert_eq!(invented(&snapshot, &scheduler.played), []);
        prop_assert_eq!(snapshot.lives.inferred, 0);
        let judged = snapshot.lives.judged;
        prop_assert!(judged <= scheduler.played.whole, "a life with a refused record is judged");
    }

    #[test]
    fn a_loss_that_nobody_counts_makes_no_mismatch(turns in turns(), starts in starts()) {
        let mut scheduler = Scheduler::new(starts);
        scheduler.play(&turns, &[Loss::Hidden]);
        let snapshot = snapshot(&mut scheduler.kernel);
        // Without its start, a request that failed with the flush before it looks like one that
        // was refused: nothing in its completion tells them apart.
        let played = &mut scheduler.played.kinds;
        played[Kind::DispatchFailure as usize] += played[Kind::FlushFailed as usize];
        prop_assert_eq!(invented(&snapshot, &scheduler.played), []);
    }

    #[test]
    fn books_balance_whatever_is_lost(turns in turns(), starts in starts()) {
        let mut scheduler = Scheduler::new(starts);
        scheduler.play(&turns, &[Loss::Refused, Loss::Skipped, Loss::Hidden]);
        let snapshot = snapshot(&mut scheduler.kernel);
        // As above.
        let played = &mut scheduler.played.kinds;
        played[Kind::DispatchFailure as usize] += played[Kind::FlushFailed as usize];
        prop_assert_eq!(invented(&snapshot, &scheduler.played), []);
    }

    #[test]
    fn samples_make_no_mismatch_and_no_loss(turns in turns(), starts in starts()) {
        let mut kernel = Kernel::with(starts);
        kernel.compare();
        let mut scheduler = Scheduler::on(kernel, starts);
        scheduler.play(&turns, &[Loss::Resampled]);
        let snapshot = snapshot(&mut scheduler.kernel);
        prop_assert_eq!(invented(&snapshot, &scheduler.played), []);
        // Whoever does not see that it is a clone finds no end of it where it is dropped.
        prop_assert!(snapshot.lives.inferred <= scheduler.played.dropped);
        let inferred = |loss| if loss == Inferred as usize { snapshot.lives.inferred } else { 0 };
        prop_assert_eq!(snapshot.losses, std::array::from_fn::<_, LOSSES, _>(inferred));
        prop_assert_eq!(scheduler.kernel.difference(), None);
    }

    #[test]
    fn a_life_of_a_sample_counts_for_those_that_it_stands_for(one_in in 1_u32..9, lives in 1_u64..300) {
        let mut kernel = Kernel::with(Starts::None);
        for _ in 0..3 {
            kernel.resample(Sample { one_in, salt: 0 });
        }
        let mut seen = 0;
        for life in 0..lives {
            let (address, flags) = (0x40 * (life % 97 + 1), if life % 5 == 0 { FLUSH } else { READ });
            let mut rq = kernel.after(100_000).allocate(address, flags, life * 8, 4096);
            seen += u64::from(flags == READ && kernel.sample.follows(address, flags));
            kernel.issue(&mut rq);
            kernel.after(3_000).complete(&mut rq, 4096, 0);
        }
        let snapshot = snapshot(&mut kernel);
        let of = |operation: Operation| {
            let figures = snapshot.devices.get(&DISK)?.operations[operation as usize].as_deref()?;
            let device = figures.phases[Phase::Device as usize].as_ref();
            let times = device.map_or((0, 0), |device| (device.count(), device.sum()));
            Some((figures.requests, figures.extrapolated, figures.bytes, times))
        };
        let (weight, flushes) = (u64::from(one_in), lives.div_ceil(5));
        let requests = weight * seen;
        let reads = (requests, requests - seen, requests * 4096, (requests, u128::from(requests) * 3_000));
        prop_assert_eq!(of(Operation::Read).unwrap_or_default(), reads);
        prop_assert_eq!(of(Operation::Flush).map(|flush| (flush.0, flush.1)), Some((flushes, 0)));
    }
}
