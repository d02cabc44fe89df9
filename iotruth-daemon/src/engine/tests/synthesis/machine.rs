//! The machine: plays plans against each other, in order of time.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use iotruth_common::probe::PROBES;

use super::{
    super::{FLUSH, READ, WRITE},
    case::Case,
    flushing::FlushQueue,
    history::{End, History},
    plan::{Ask, Plan},
    reading::{ATTACH_CALL, ATTACH_STEP, Reading},
    steps::{Step, flushes, length, steps},
    world::{DISKS, Driver, QUEUES, TAGS, World},
};
use crate::engine::{
    Starts,
    flavor::Flavor,
    synthetic::{ATTACHED, BEGIN, Kernel, Request},
};

/// How often the counters are read at the end, and how long after each other.
const READINGS: usize = 24;
const READ_EVERY: u64 = 100_000_000;

/// What is to be done at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// A plan begins.
    Begin(usize),
    /// A request goes on.
    Go(usize),
    /// The reader looks at its rings.
    Read,
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Run<'c> {
    /// Its plan, or the plan of the request that it is a flush for.
    pub(super) plan: &'c Plan,
    /// Whether it is the flush of a hardware queue.
    pub(super) flush: bool,
    /// Who asked for it.
    pub(super) pid: u32,
    pub(super) rq: Request,
    pub(super) steps: Vec<Step>,
    pub(super) next: usize,
    /// Whether it is in a flush sequence.
    pub(super) sequenced: bool,
    /// How many events it has had, for the fates of its plan.
    pub(super) count: usize,
    pub(super) history: History,
}

impl Run<'_> {
    /// What it does after what it does now.
    pub(super) fn upcoming(&self) -> Option<Step> {
        self.steps.get(self.next).copied()
    }
}

/// A kernel that plays a case.
#[derive(Debug)]
pub(super) struct Machine<'c> {
    pub(super) case: &'c Case,
    pub(super) kernel: Kernel,
    /// Every life, with its end.
    pub(super) ended: Vec<(History, End)>,
    pub(super) runs: Vec<Option<Run<'c>>>,
    pub(super) flushes: [[FlushQueue; QUEUES]; DISKS],
    /// Nothing is lost now.
    pub(super) lossless: bool,
    pub(super) reading: Reading,
    agenda: BinaryHeap<Reverse<(u64, usize, Task)>>,
    noted: usize,
    taken: BTreeSet<u64>,
    /// Ring and address of whatever has ended once.
    settled: BTreeSet<(usize, u64)>,
    /// What the engine makes of the records, and would not if it had no shortcut.
    pub(super) difference: Option<String>,
}

impl<'c> Machine<'c> {
    /// Plays a case to its end; with its story, if somebody wants to read it.
    pub(super) fn play(case: &'c Case, story: bool) -> Self {
        // The last program is attached after all others.
        let attached = case.attached.map_or(ATTACHED, |first| {
            BEGIN + first + ATTACH_STEP * (PROBES as u64 - 1) + ATTACH_CALL
        });
        let mut kernel = Kernel::new_with(case.world.starts, attached, case.world.marks);
        kernel.record();
        kernel.compare();
        kernel.unread = Some(Default::default());
        let mut machine = Self {
            case,
            kernel,
            ended: Vec::with_capacity(case.plans.len() * 2),
            runs: Vec::new(),
            flushes: Default::default(),
            lossless: true,
            reading: Reading::default(),
            agenda: BinaryHeap::new(),
            noted: 0,
            taken: BTreeSet::new(),
            settled: BTreeSet::new(),
            difference: None,
        };
        if case.attached.is_none() {
            machine.every_address();
        }
        machine.kernel.story = story.then(Vec::new);
        machine.lossless = false;
        machine.run(&case.plans);
        assert!(machine.runs.iter().all(Option::is_none), "the machine forgot a request");
        machine.lossless = true;
        let story = machine.kernel.story.take();
        machine.every_address();
        machine.kernel.story = story;
        let counters = machine.kernel.counters();
        machine.kernel.settle(&counters);
        // Until it is settled how many events were told by nobody.
        for _ in 0..READINGS {
            machine.kernel.now += READ_EVERY;
            machine.kernel.audit();
        }
        machine.difference = machine.kernel.difference();
        machine
    }

    fn run(&mut self, plans: &'c [Plan]) {
        self.reading.begun = self.kernel.now;
        for (number, plan) in plans.iter().enumerate() {
            self.note(self.kernel.now + plan.at, Task::Begin(number));
        }
        let tick = self.case.world.tick;
        self.note(self.kernel.now + tick, Task::Read);
        while let Some(Reverse((time, _, task))) = self.agenda.pop() {
            self.kernel.now = self.kernel.now.max(time);
            match task {
                Task::Begin(number) => self.begin(number, &plans[number]),
                Task::Go(run) => self.go(run),
                Task::Read => {
                    self.read();
                    if !self.agenda.is_empty() {
                        self.note(self.kernel.now + tick, Task::Read);
                    }
                }
            }
        }
    }

    fn note(&mut self, time: u64, task: Task) {
        self.noted += 1;
        self.agenda.push(Reverse((time, self.noted, task)));
    }

    /// A request on every address, flush requests among them: whatever is open there has ended.
    fn every_address(&mut self) {
        let flags = FLUSH | Flavor::linux_6_12().req.preflush;
        for place in 0..DISKS * QUEUES * (TAGS + 1) {
            let (disk, queue, tag) =
                (place % DISKS, place / DISKS % QUEUES, place / DISKS / QUEUES);
            self.kernel.now += 1_000_000;
            self.place(disk, queue);
            let flush = tag == TAGS;
            let rq = if flush {
                self.flush_request(disk, queue, flags)
            } else {
                let address = self.case.world.request(disk, queue, tag);
                self.kernel.allocate(address, READ, 1 << 30, 4096)
            };
            let mut run = Run {
                plan: &self.case.ordinary,
                flush,
                pid: 42,
                history: self.history(disk, queue, &rq),
                rq,
                steps: Vec::new(),
                next: 0,
                sequenced: false,
                count: 0,
            };
            for step in [Step::Start, Step::Issue, Step::Rest(0)] {
                self.kernel.now += 10_000;
                if !(flush && step == Step::Start) {
                    self.perform(&mut run, step, 0);
                }
            }
            self.end(run.history, End::Completed);
        }
    }

    /// The one flush request of a hardware queue.
    pub(super) fn flush_request(&self, disk: usize, queue: usize, flags: u32) -> Request {
        let address = World::flush_request(disk, queue);
        let mut rq = self.kernel.allocate(address, flags, u64::MAX, 0);
        rq.bio = false;
        rq.worker = true;
        rq.rq_flags = Flavor::linux_6_12().rqf.flush_seq;
        rq
    }

    /// The history of a request that has just been allocated.
    pub(super) fn history(&self, disk: usize, queue: usize, rq: &Request) -> History {
        let ring = self.case.world.ring(disk, queue);
        History {
            device: World::device(disk),
            request: rq.address,
            pid: 0,
            cmd_flags: rq.cmd_flags,
            clone: false,
            proved: self.settled.contains(&(ring, rq.address)),
            events: Vec::with_capacity(6),
            pre_flushed: None,
            data_done: None,
            lost: false,
            flush_lost: false,
        }
    }

    /// Where the next events happen.
    pub(super) fn place(&mut self, disk: usize, queue: usize) {
        self.kernel.queue = World::queue(disk);
        self.kernel.disk = World::device(disk);
        self.kernel.hardware_queue = queue as u16;
        self.kernel.ring = self.case.world.ring(disk, queue);
    }

    fn begin(&mut self, number: usize, plan: &'c Plan) {
        let (disk, queue, first) = plan.place;
        let free = (0..TAGS)
            .map(|more| self.case.world.request(disk, queue, (first + more) % TAGS))
            .find(|address| !self.taken.contains(address));
        let Some(address) = free else {
            // It waits for a tag, of which no event tells.
            self.note(self.kernel.now + 20_000, Task::Begin(number));
            return;
        };
        self.taken.insert(address);
        let facts = self.case.world.disks[disk];
        let rq = self.allocate(plan, address);
        let (before, after) = flushes(plan.ask, facts);
        let pid = 100 + number as u32;
        let mut history = self.history(disk, queue, &rq);
        history.pid = pid;
        // What needs no flush before its data begins with its data.
        self.flushes[disk][queue].data += u32::from(after && !before);
        let run = Run {
            plan,
            flush: false,
            pid,
            rq,
            steps: steps(plan, facts, &self.case.world),
            next: 0,
            sequenced: before || after,
            count: 0,
            history,
        };
        self.start(run, 0);
    }

    /// Sends a request on its way.
    pub(super) fn start(&mut self, run: Run<'c>, wait: u64) {
        let free = self.runs.iter().position(Option::is_none);
        let index = free.unwrap_or(self.runs.len());
        if free.is_none() {
            self.runs.push(None);
        }
        self.runs[index] = Some(run);
        self.note(self.kernel.now + wait, Task::Go(index));
    }

    /// A request as it is allocated.
    pub(super) fn allocate(&self, plan: &Plan, address: u64) -> Request {
        let req = Flavor::linux_6_12().req;
        let flags = match plan.ask {
            Ask::Read => READ,
            Ask::Write => WRITE,
            Ask::Durable { preflush, fua } => {
                WRITE | if preflush { req.preflush } else { 0 } | if fua { req.fua } else { 0 }
            }
            Ask::Empty => WRITE | req.preflush,
            Ask::Discard => 3,
            Ask::Zone => 17,
            Ask::Passthrough => 35,
            Ask::Bare => 34,
        };
        let sector = match plan.ask {
            Ask::Empty => 0,
            Ask::Passthrough | Ask::Bare => u64::MAX,
            Ask::Read | Ask::Write | Ask::Durable { .. } | Ask::Discard | Ask::Zone => {
                64 + plan.sector
            }
        };
        let disk = self.case.world.disks[plan.place.0];
        let data = matches!(plan.ask, Ask::Read | Ask::Write);
        let path = if data && disk.driver == Driver::Path { req.drv } else { 0 };
        let mut rq = self.kernel.allocate(address, flags | path, sector, length(plan));
        rq.bio = plan.ask != Ask::Bare;
        rq.ends_in_flight = plan.ends_in_flight;
        if disk.stale_times {
            rq.allocated = ATTACHED - 1;
        }
        rq
    }

    /// A request goes on until it has to wait.
    fn go(&mut self, index: usize) {
        let Some(mut run) = self.runs.get_mut(index).and_then(Option::take) else { return };
        let Some(step) = run.upcoming() else { return };
        let (disk, queue, _) = run.plan.place;
        self.place(disk, queue);
        let cpu = self.cpu(&run, step);
        run.next += 1;
        if step == Step::Flush {
            self.runs[index] = Some(run);
            self.await_flush(index);
            return;
        }
        self.perform(&mut run, step, cpu);
        if run.flush && run.upcoming().is_none() {
            self.flushed(run, cpu);
            return;
        }
        let data_over = run.sequenced
            && (step == Step::Echo
                || (matches!(step, Step::Rest(_)) && run.upcoming() != Some(Step::Echo)));
        if data_over {
            self.data_done(index, run, step, cpu);
        } else {
            self.later(index, run);
        }
    }

    /// Where a step happens.
    ///
    /// Without starts nothing tells a write that is refused right after a failed flush, on its CPU,
    /// from one that fails with it. There, flushes end on other CPUs than what is refused.
    fn cpu(&self, run: &Run<'_>, step: Step) -> usize {
        let cpu = run.plan.cpus[run.next % 4];
        let ends = matches!(step, Step::Rest(_));
        if !ends || self.case.world.starts != Starts::None {
            cpu
        } else if run.flush {
            cpu % 2
        } else {
            cpu % 2 + 2
        }
    }

    /// What a request does next comes in a while, if there is anything left.
    pub(super) fn later(&mut self, index: usize, run: Run<'c>) {
        if run.upcoming().is_none() {
            self.retire(run);
            return;
        }
        let wait = run.plan.waits[run.next % 4];
        self.runs[index] = Some(run);
        self.note(self.kernel.now + wait, Task::Go(index));
    }

    /// A request is over, and free to be used again.
    pub(super) fn retire(&mut self, run: Run<'c>) {
        self.taken.remove(&run.rq.address);
        let merged = run.steps.last() == Some(&Step::Merge);
        self.end(run.history, if merged { End::Merged } else { End::Completed });
    }

    /// A life is over.
    pub(super) fn end(&mut self, history: History, end: End) {
        if history.events.is_empty() {
            return;
        }
        self.settled.insert((self.kernel.ring, history.request));
        self.ended.push((history, end));
    }
}
