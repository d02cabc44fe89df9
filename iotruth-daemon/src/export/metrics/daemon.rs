//! Metrics of the daemon itself.

use std::time::{Duration, UNIX_EPOCH};

use iotruth_common::probe::{Probe, Program};

use super::row::{Row, Type};

/// The metrics of this file.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "iotruth_ready",
        kind: Type::Gauge,
        labels: &[],
        unit: "boolean",
        help: "1 as soon as each reader has begun, while every thread runs and no reader waits for seconds for a CPU or in the kernel, as /readyz checks, else 0; /status says why. Programs that the daemon cannot do without are attached, or it ends; of the others see iotruth_program_attached.",
        collect: |shown, samples| {
            samples.count(&[], u64::from(shown.view.status.not_ready.is_none()));
        },
    },
    Row {
        name: "iotruth_program_attached",
        kind: Type::Gauge,
        labels: &["program"],
        unit: "boolean",
        help: "1 where the eBPF program of this tracepoint is attached, else 0; /status says why not. Before Linux 6.5 there is a program of the function blk_insert_flush instead of block_io_start. Where programs can be preempted, with multipath, and where second_programs is always, each tracepoint has a second program, whose name ends in _second.",
        collect: |shown, samples| {
            for program in &shown.view.status.programs {
                let attached = u64::from(program.missing.is_none());
                samples.count(&[program.name()], attached);
                if program.second {
                    samples.count(&[Program::second(program.probe).name()], attached);
                }
            }
        },
    },
    Row {
        name: "iotruth_program_skipped_total",
        kind: Type::Counter,
        labels: &["program"],
        unit: "events",
        help: "Runs of this eBPF program that the kernel skipped, because it was running already on that CPU. Only what no program told is lost: iotruth_events_lost_total has that, with the reason recursion.",
        collect: |shown, samples| {
            for program in &shown.view.status.programs {
                let figures = shown.view.snapshot.probes[program.probe as usize];
                samples.count(&[program.name()], figures.recursion);
                if program.second {
                    let name = Program::second(program.probe).name();
                    samples.count(&[name], figures.second_recursion);
                }
            }
        },
    },
    Row {
        name: "iotruth_ring_bytes",
        kind: Type::Gauge,
        labels: &[],
        unit: "bytes",
        help: "Kernel memory of the rings, all together.",
        collect: |shown, samples| {
            let rings = shown.view.snapshot.rings.len() as u64;
            samples.count(&[], rings * u64::from(shown.view.status.ring_bytes));
        },
    },
    Row {
        name: "iotruth_reader_lag_seconds",
        kind: Type::Gauge,
        labels: &[],
        unit: "seconds",
        help: "Age of the oldest record that the newest snapshot was the first to show, for the reader that is furthest behind: time in the ring included. Under load a snapshot comes each fifth of a second, so 0.2 is as it should be; a reader that is given no CPU shows nothing new here, see iotruth_complete_until_timestamp_seconds.",
        collect: |shown, samples| {
            let lag = shown.view.status.readers.iter().map(|reader| reader.lag).max();
            samples.value(&[], lag.unwrap_or(Duration::ZERO).as_secs_f64());
        },
    },
    Row {
        name: "iotruth_complete_until_timestamp_seconds",
        kind: Type::Gauge,
        labels: &[],
        unit: "seconds",
        help: "What happened before this time, in seconds since 1970, is in all figures or counted as lost: less than two seconds ago as a rule.",
        collect: |shown, samples| {
            let until = shown.view.anchor.wall_time(shown.view.snapshot.complete_until);
            let until = until.duration_since(UNIX_EPOCH).unwrap_or_default();
            samples.value(&[], until.as_secs_f64());
        },
    },
    Row {
        name: "iotruth_ring_fill_ratio",
        kind: Type::Gauge,
        labels: &[],
        unit: "ratio",
        help: "How full the fullest ring was found since the snapshot before, which is a fifth of a second old while there is traffic. At 1 records are lost; of BPF ring buffers it is what was taken until nothing was left, and may be 1 before.",
        collect: |shown, samples| {
            samples.value(&[], shown.view.status.ring_fill());
        },
    },
    Row {
        name: "iotruth_program_seconds_total",
        kind: Type::Counter,
        labels: &["program"],
        unit: "seconds",
        help: "Time that the eBPF programs of this name ran on the CPUs of whoever did I/O, as far as one run in 1,024 tells, which is timed and counts for 33 microseconds at most. What it takes to call a program, and runs that have nothing to tell (starts of plain reads and writes, and nearly all runs of second programs), are not in it.",
        collect: |shown, samples| {
            let cost = &shown.view.status.cost;
            for program in &shown.view.status.programs {
                let run_time = |of: Program| cost.run_times[of.index()].as_secs_f64();
                let (first, second) =
                    (Program::first(program.probe), Program::second(program.probe));
                if program.missing.is_none() {
                    samples.value(&[program.name()], run_time(first));
                }
                if program.second {
                    samples.value(&[second.name()], run_time(second));
                }
            }
        },
    },
    Row {
        name: "iotruth_cpus",
        kind: Type::Gauge,
        labels: &["part"],
        unit: "CPUs",
        help: "CPUs that following the requests used in the last second: the daemon itself, and its eBPF programs as far as one run in 1,024 tells.",
        collect: |shown, samples| {
            samples.value(&["daemon"], shown.view.status.cost.daemon);
            samples.value(&["programs"], shown.view.status.cost.programs);
        },
    },
    Row {
        name: "iotruth_cpus_answers",
        kind: Type::Gauge,
        labels: &[],
        unit: "CPUs",
        help: "Those of iotruth_cpus{part=\"daemon\"} that its main thread used, which puts answers together and gives them: to follow fewer requests would save nothing of them, so max_cpu_percent is for the rest.",
        collect: |shown, samples| samples.value(&[], shown.view.status.cost.answers),
    },
    Row {
        name: "iotruth_cpus_limit",
        kind: Type::Gauge,
        labels: &[],
        unit: "CPUs",
        help: "CPUs that following the requests may use, answers aside: max_cpu_percent. Absent where that is none.",
        collect: |shown, samples| {
            if let Some(limit) = shown.view.status.cost.limit {
                samples.value(&[], limit);
            }
        },
    },
    Row {
        name: "iotruth_sampling_ratio",
        kind: Type::Gauge,
        labels: &[],
        unit: "ratio",
        help: "The part of requests that is followed, flushes aside, which are all followed: 1 unless max_cpu_percent has others left out. Below 1, counters of requests are estimates, see iotruth_requests_extrapolated_total.",
        collect: |shown, samples| {
            samples.value(&[], 1.0 / f64::from(shown.view.status.cost.one_in.max(1)));
        },
    },
    Row {
        name: "iotruth_owners_known",
        kind: Type::Gauge,
        labels: &[],
        unit: "boolean",
        help: "1 while it is looked up who asks for a request, 0 while that is left out for max_cpu_percent.",
        collect: |shown, samples| {
            samples.count(&[], u64::from(shown.view.status.cost.owners));
        },
    },
    Row {
        name: "iotruth_events_left_out_total",
        kind: Type::Counter,
        labels: &["event", "by"],
        unit: "events",
        help: "Events of requests that were not followed, because max_cpu_percent had them left out: by the programs, which have counted them and told nothing, or by the daemon, which was told of them while the sample changed.",
        collect: |shown, samples| {
            let (status, snapshot) = (&shown.view.status, &shown.view.snapshot);
            for probe in Probe::ALL {
                let event = probe.label();
                samples.count(&[event, "programs"], status.cost.left_out[probe as usize]);
                samples.count(&[event, "daemon"], snapshot.probes[probe as usize].passed_over);
            }
        },
    },
    Row {
        name: "iotruth_build_info",
        kind: Type::Gauge,
        labels: &["version", "kernel"],
        unit: "always 1",
        help: "Version of iotruth and release of the kernel that it runs on; the value is always 1.",
        collect: |shown, samples| {
            samples.count(&[env!("CARGO_PKG_VERSION"), &shown.view.status.kernel], 1);
        },
    },
    Row {
        name: "iotruth_resident_anonymous_bytes",
        kind: Type::Gauge,
        labels: &[],
        unit: "bytes",
        help: "Memory of the daemon without mapped files and rings (RssAnon).",
        collect: |shown, samples| {
            samples.count(&[], shown.view.status.process.resident_anonymous);
        },
    },
    Row {
        name: "process_cpu_seconds_total",
        kind: Type::Counter,
        labels: &[],
        unit: "seconds",
        help: "User and system time of the daemon. The eBPF programs run on the time of whoever does I/O and are not in it.",
        collect: |shown, samples| {
            samples.value(&[], shown.view.status.process.cpu.as_secs_f64());
        },
    },
    Row {
        name: "process_resident_memory_bytes",
        kind: Type::Gauge,
        labels: &[],
        unit: "bytes",
        help: "Resident memory of the daemon, mapped rings included.",
        collect: |shown, samples| samples.count(&[], shown.view.status.process.resident),
    },
    Row {
        name: "process_open_fds",
        kind: Type::Gauge,
        labels: &[],
        unit: "file descriptors",
        help: "Open file descriptors of the daemon.",
        collect: |shown, samples| samples.count(&[], shown.view.status.process.open_files),
    },
    Row {
        name: "process_start_time_seconds",
        kind: Type::Gauge,
        labels: &[],
        unit: "seconds",
        help: "When the daemon started, in seconds since 1970.",
        collect: |shown, samples| samples.value(&[], shown.view.status.process.start),
    },
];
