//! Many more busy threads than CPUs: how often does the kernel skip a program?
//!
//! A program that is running already on a CPU is skipped there, and the kernel counts it. A task
//! that is preempted inside a program, which 7.x allows, blinds that program on its CPU until the
//! task runs again. A second program makes up for it there, unless it is blinded too.
//!
//! Whatever such a task holds is held for as long, so the readers must need nothing that others hold.

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    harness::{daemon::Daemon, load::Load, residence::has_memory_of_its_own, turn::turn},
    kernel,
    null_blk::NullBlk,
    strict::{runs_skipped, strict},
};

/// How long the load lasts.
const TIME: Duration = Duration::from_secs(10);

/// Threads that do nothing but keep a CPU busy, and threads that read.
const BUSY: usize = 6;
const READERS: u64 = 8;

#[test]
fn what_the_kernel_skips_is_counted_and_feigns_nothing() {
    let _turn = turn();
    // Completed by a timer interrupt, which may come while a program runs.
    let device =
        NullBlk::new(&[("irqmode", "2"), ("submit_queues", "2"), ("completion_nsec", "1000")]);
    let name = device.name();
    let daemon = Daemon::start(&["--start-events"]);
    has_memory_of_its_own(&daemon);
    let stop = Arc::new(AtomicBool::new(false));
    let spin = || {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                hint::spin_loop();
            }
        })
    };
    let busy: Vec<_> = (0..BUSY).map(|_| spin()).collect();
    let load = Load::start(&device.path(), 64 << 20, READERS);
    thread::sleep(TIME);
    let reads = load.stop();
    stop.store(true, Ordering::Relaxed);
    for thread in busy {
        thread.join().unwrap();
    }

    // Each read is counted, unless all of its events were skipped.
    let scrape = strict(&daemon, &[]);
    scrape.expect(name, "read", reads, reads * 4096);
    let events = scrape.existing("iotruth_event_attempts_total", &[]);
    assert!(events > 1_000, "{events} events are no load");
    let second = ("program", "block_rq_issue_second");
    let attached = scrape.count("iotruth_program_attached", &[second]);
    assert_eq!(attached == 1, kernel::preempts_programs(), "a second program where it is needed");
    let per_million = |count: u64| count as f64 * 1e6 / events as f64;
    println!(
        "\nIOTRUTH-NOTE {:.0} runs skipped per million events ({events}), {:.0} events not made up \
         for",
        per_million(runs_skipped(&scrape)),
        per_million(scrape.skipped)
    );
}
