//! The eBPF programs in the machine's own kernel. Needs root; fails without.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what it expects by failing"
)]

#[path = "../kernel/harness/mod.rs"]
#[expect(dead_code, reason = "no daemon is run here")]
mod harness;

#[path = "../guest/cpu.rs"]
mod cpu;
mod privilege;
mod received;
mod wake;

use std::fs;

use iotruth::{
    engine::btf::{KernelFacts, resolve},
    kernel::{Lanes, LoadOptions, Ring, Tracer, Transport, possible_cpus, preflight, read_btf},
};
use iotruth_common::{
    probe::{PROGRAMS, Probe, Program, Role},
    record::{STATE_COMPLETE, STATE_IDLE, STATE_IN_FLIGHT},
};

use self::{
    cpu::pin,
    harness::{direct_io::DirectFile, loop_device::LoopDevice, turn::turn},
    received::Received,
};

/// Bytes of one read.
const BLOCK: usize = 4096;

/// How many different blocks the tests read.
const BLOCKS: usize = 64;

/// A kernel thread.
const PF_KTHREAD: u32 = 0x0020_0000;

const RINGS: usize = 2;

const OPTIONS: LoadOptions = LoadOptions {
    transport: Transport::RingBuffers { rings: RINGS, ring_bytes: 4 << 20, fill_mark: 2 << 20 },
    start_events: false,
    second_programs: false,
    log: false,
};

fn load(options: &LoadOptions) -> Tracer {
    load_as(options, |_| ())
}

/// Loads for a kernel that `change` makes out of this one.
fn load_as(options: &LoadOptions, change: impl FnOnce(&mut KernelFacts)) -> Tracer {
    preflight().unwrap_or_else(|error| panic!("{error}"));
    let btf = read_btf().unwrap();
    let mut facts = resolve(&btf).unwrap();
    change(&mut facts);
    Tracer::load(options, &facts, &btf).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads so many blocks one by one past the page cache, wrapping around after [`BLOCKS`].
fn read_blocks(device: &LoopDevice, reads: usize) {
    let mut file = DirectFile::open(device.path(), BLOCK);
    for read in 0..reads {
        assert_eq!(file.read((read % BLOCKS * BLOCK) as u64).unwrap(), BLOCK);
    }
}

fn attribute(device: &LoopDevice, attribute: &str) -> String {
    let path = format!("/sys/block/{}/{attribute}", device.name());
    fs::read_to_string(path).unwrap().trim().to_owned()
}

/// The kernel's `dev_t`.
fn number(device: &LoopDevice) -> u32 {
    let text = attribute(device, "dev");
    let (major, minor) = text.split_once(':').unwrap();
    major.parse::<u32>().unwrap() << 20 | minor.parse::<u32>().unwrap()
}

/// Rings of each CPU and program, so many of each, in so many bytes.
fn per_cpu(budget: u64, rings: u32) -> LoadOptions {
    let lanes = Lanes::fit(budget, possible_cpus(), possible_cpus(), rings, false, false).unwrap();
    LoadOptions { transport: Transport::PerCpu(lanes), ..OPTIONS }
}

/// Detaches, so that all that was written can be read.
fn detach(tracer: &mut Tracer, rings: &mut [Ring]) {
    tracer.detach().unwrap();
    rings.iter_mut().for_each(Ring::end);
}

#[test]
fn direct_reads_come_out_as_they_went_in() {
    check_direct_reads(load(&OPTIONS), RINGS, "direct_reads_co");
}

#[test]
fn they_do_so_through_the_rings_of_each_cpu() {
    for rings in [1, 4] {
        let tracer = load(&per_cpu(4 << 20, rings));
        check_direct_reads(tracer, rings as usize, "they_do_so_thro");
    }
}

/// Without `bpf_get_current_task_btf` (before 5.11) the programs ask helpers who runs; without the
/// guard against recursion (before 6.1) they count with atomic additions.
#[test]
fn the_ways_of_older_kernels_lead_to_the_same() {
    let tracer = load_as(&OPTIONS, |facts| {
        facts.task_btf_helper = false;
        facts.recursion_guard = false;
    });
    check_direct_reads(tracer, RINGS, "the_ways_of_old");
}

fn check_direct_reads(mut tracer: Tracer, count: usize, thread_name: &str) {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let mut rings = tracer.take_rings().unwrap();
    assert_eq!(rings.len(), count);
    let attached = tracer.attach().unwrap();
    assert_eq!(attached.programs.len(), Probe::ALL.len());
    assert!(attached.programs.iter().all(|program| program.missing.is_none()), "{attached:?}");
    read_blocks(&device, 100);
    let number = number(&device);
    let sequence = attribute(&device, "diskseq").parse::<u64>().unwrap();
    detach(&mut tracer, &mut rings);

    let mut received = Received::default();
    received.drain(&mut rings);
    // SAFETY: the call has no preconditions.
    let thread = unsafe { libc::gettid() };
    let issues: Vec<_> = received
        .submits
        .iter()
        .filter(|record| record.request.device == number && record.pid == thread as u32)
        .collect();
    assert!(issues.len() >= 99, "{} issues", issues.len());
    for (read, issue) in issues.iter().enumerate() {
        let head = &issue.request;
        assert_eq!(Program::from_wire(head.program), Some(Program::first(Probe::Issue)));
        assert_eq!(head.state, STATE_IDLE);
        assert_eq!(head.data_len as usize, BLOCK);
        assert_eq!(head.sector % 8, 0);
        assert_eq!(head.cmd_flags & 0xff, 0, "a read");
        assert!(head.tag >= 0);
        assert!(head.time > attached.at);
        assert_eq!(head.ring_lost, 0);
        assert!(head.request > 1 << 63 && head.queue > 1 << 63, "kernel addresses");
        assert_eq!(issue.diskseq, sequence);
        assert_eq!(issue.tgid, std::process::id());
        assert_eq!(issue.comm.split(|byte| *byte == 0).next().unwrap(), thread_name.as_bytes());
        assert_eq!(issue.task_flags & PF_KTHREAD, 0);
        assert_eq!(issue.internal_tag, -1, "no scheduler");
        assert_eq!(issue.segments, 1);
        assert_eq!(issue.hardware_queue, 0);
        if issues.len() == 100 {
            assert_eq!(head.sector as usize, read % BLOCKS * 8);
        }
    }
    let completes: Vec<_> =
        received.completes.iter().filter(|record| record.request.device == number).collect();
    assert!(completes.len() >= 99, "{} completions", completes.len());
    for complete in &completes {
        assert_eq!(complete.bytes as usize, BLOCK);
        assert_eq!(complete.status, 0);
        assert_eq!(complete.without_bio, 0);
        assert!([STATE_COMPLETE, STATE_IN_FLIGHT].contains(&complete.request.state));
        assert!(issues.iter().any(|issue| {
            issue.request.request == complete.request.request
                && issue.request.sector == complete.request.sector
                && issue.request.time < complete.request.time
        }));
    }

    let counters = tracer.counters().unwrap().read().unwrap();
    assert_eq!(counters.total_lost(), 0);
    assert_eq!(counters.total_attempts(), received.count());
    for ((cpu, program, ring), attempts) in &received.attempts {
        let element = *cpu as usize * PROGRAMS + program.index();
        let counted = counters.counted[element].rings[*ring].attempts;
        assert_eq!(attempts.last().copied().map(u64::from), Some(counted));
        assert!(attempts.iter().copied().eq(1..=counted as u32), "a gap without a loss");
    }
    for (request, rings) in &received.rings {
        assert_eq!(rings.len(), 1, "request {request:#x} is in rings {rings:?}");
    }
}

/// Where nothing is skipped the second programs have nothing to tell, whatever is between the two.
#[test]
fn what_the_first_program_told_the_second_one_does_not() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let mut tracer = load(&LoadOptions { second_programs: true, ..OPTIONS });
    let mut rings = tracer.take_rings().unwrap();
    let attached = tracer.attach().unwrap();
    assert!(attached.programs.iter().all(|program| program.second), "{attached:?}");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let path = device.path().to_owned();
            std::thread::spawn(move || {
                let mut file = DirectFile::open(&path, BLOCK);
                for read in 0..2_000 {
                    assert_eq!(file.read((read % BLOCKS * BLOCK) as u64).unwrap(), BLOCK);
                }
            })
        })
        .collect();
    let mut received = Received::default();
    for thread in threads {
        thread.join().unwrap();
        received.drain(&mut rings);
    }
    tracer.detach().unwrap();
    received.drain(&mut rings);
    let counters = tracer.counters().unwrap().read().unwrap();
    let told_by = |role| {
        let of = received.attempts.iter().filter(|((_, program, _), _)| program.role == role);
        of.map(|(_, attempts)| attempts.len() as u64).sum::<u64>()
    };
    assert!(told_by(Role::First) > 10_000);
    for probe in Probe::ALL {
        let skipped = counters.recursion[Program::first(probe).index()];
        let made_up = counters.made_up(probe);
        assert!(made_up <= skipped, "{probe:?}: {made_up} made up for, {skipped} skipped");
    }
    assert!(told_by(Role::Second) <= counters.recursion.iter().sum());
}

#[test]
fn what_a_full_ring_refuses_is_counted_exactly() {
    check_full_rings(&LoadOptions {
        transport: Transport::RingBuffers { rings: 1, ring_bytes: 4096, fill_mark: 2 << 20 },
        ..OPTIONS
    });
}

#[test]
fn so_is_what_a_full_ring_of_a_cpu_refuses() {
    // The least that there is.
    let fits = |budget: &u64| {
        Lanes::fit(*budget, possible_cpus(), possible_cpus(), 1, false, false).is_some()
    };
    let least = (16..30).map(|bits| 1 << bits).find(fits).unwrap();
    check_full_rings(&per_cpu(least, 1));
}

#[test]
fn what_a_cpu_without_rings_tells_is_refused_and_counted() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    let cpus: Vec<usize> =
        (0..possible_cpus() as usize).filter(|cpu| allowed.is_set(*cpu)).collect();
    assert!(cpus.len() > 1 && cpus[0] == 0, "this test needs CPU 0 and another one: {cpus:?}");
    let lanes = Lanes::fit(32 << 20, 1, possible_cpus(), 1, false, false).unwrap();
    let mut tracer = load(&LoadOptions { transport: Transport::PerCpu(lanes), ..OPTIONS });
    let mut rings = tracer.take_rings().unwrap();
    let reader = tracer.counters().unwrap();
    tracer.attach().unwrap();
    let mut received = Received::default();
    for cpu in &cpus {
        pin(&[*cpu]);
        read_blocks(&device, 100);
    }
    detach(&mut tracer, &mut rings);
    received.drain(&mut rings);

    assert!(received.count() > 0 && received.attempts.keys().all(|(cpu, _, _)| *cpu == 0));
    let counters = reader.read().unwrap();
    let (highest, refused) = counters.beyond(1).expect("another CPU was used");
    assert!(highest as usize >= cpus[cpus.len() - 1]);
    assert_eq!(counters.total_lost(), refused, "CPU 0 has room");
    assert_eq!(counters.beyond(possible_cpus()), None);
    assert_eq!(counters.total_attempts(), received.count() + counters.total_lost());
    for (index, counted) in counters.counted.iter().enumerate() {
        let of_ring = &counted.rings[0];
        let lost = if index < PROGRAMS { 0 } else { of_ring.attempts };
        assert_eq!(of_ring.lost, lost, "program {} of CPU {}", index % PROGRAMS, index / PROGRAMS);
    }
}

fn check_full_rings(options: &LoadOptions) {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let mut tracer = load(options);
    let mut rings = tracer.take_rings().unwrap();
    let reader = tracer.counters().unwrap();
    tracer.attach().unwrap();
    let mut received = Received::default();
    // Nobody drains: they take far fewer reads. Twice, for gaps within the numbers.
    for _ in 0..2 {
        read_blocks(&device, 1_000);
        // What was just written is held back for a while.
        std::thread::sleep(std::time::Duration::from_millis(20));
        received.drain(&mut rings);
    }
    read_blocks(&device, 3);
    detach(&mut tracer, &mut rings);
    received.drain(&mut rings);

    let counters = reader.read().unwrap();
    assert!(counters.total_lost() > 900, "{}", counters.total_lost());
    assert_eq!(counters.total_attempts(), received.count() + counters.total_lost());
    for program in Probe::ALL.map(Program::first) {
        let missing: u64 = received
            .attempts
            .iter()
            .filter(|((_, of, _), _)| *of == program)
            .map(|(_, attempts)| attempts.len() as u64)
            .sum();
        assert_eq!(counters.attempts(program, 0), missing + counters.lost(program, 0));
    }
    let last = received.completes.last().unwrap();
    assert_eq!(u64::from(last.request.ring_lost), counters.total_lost());
    assert!(received.attempts.values().all(|attempts| attempts.is_sorted_by(|a, b| a < b)));
}

#[test]
fn starts_are_traced_when_asked_for_and_only_then() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    for start_events in [false, true] {
        let mut tracer = load(&LoadOptions { start_events, ..OPTIONS });
        let mut rings = tracer.take_rings().unwrap();
        tracer.attach().unwrap();
        read_blocks(&device, 50);
        tracer.detach().unwrap();
        let mut received = Received::default();
        received.drain(&mut rings);
        let starts = received
            .submits
            .iter()
            .filter(|record| record.request.device == number(&device))
            .filter(|record| record.request.program == Probe::Start as u8)
            .filter(|record| record.tgid == std::process::id())
            .count();
        assert_eq!(starts, if start_events { 50 } else { 0 });
    }
}

#[test]
fn a_ring_wakes_its_reader_above_the_mark() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let mut tracer = load(&LoadOptions {
        transport: Transport::RingBuffers { rings: 1, ring_bytes: 4 << 20, fill_mark: 256 << 10 },
        ..OPTIONS
    });
    let rings = tracer.take_rings().unwrap();
    let poll = wake::Edge::new(&rings[0]);
    tracer.attach().unwrap();
    read_blocks(&device, 50);
    assert!(!poll.woken(), "10 kB are no reason to wake anybody");
    read_blocks(&device, 4_000);
    assert!(poll.woken(), "800 kB are");
    tracer.detach().unwrap();
}

#[test]
fn missing_capabilities_are_named_before_and_while_loading() {
    let btf = read_btf().unwrap();
    let facts = resolve(&btf).unwrap();
    let message = "missing CAP_BPF and CAP_PERFMON: run iotruth as root (sudo)";
    privilege::without(|| {
        let checked = preflight().unwrap_err().to_string();
        assert!(checked.starts_with(message), "{checked}");
        let loaded = Tracer::load(&OPTIONS, &facts, &btf).unwrap_err().to_string();
        assert!(loaded.starts_with(message), "{loaded}");
    });
}

#[test]
fn the_two_capabilities_are_enough() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let number = number(&device);
    privilege::only_bpf_and_perfmon(|| {
        let mut tracer = load(&OPTIONS);
        let mut rings = tracer.take_rings().unwrap();
        tracer.attach().unwrap();
        read_blocks(&device, 50);
        tracer.detach().unwrap();
        let mut received = Received::default();
        received.drain(&mut rings);
        assert!(received.submits.iter().filter(|one| one.request.device == number).count() >= 50);
        assert_eq!(tracer.counters().unwrap().read().unwrap().recursion, [0; PROGRAMS]);
    });
}
