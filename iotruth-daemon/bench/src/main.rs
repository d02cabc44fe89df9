//! `engine-bench time [NAME…]`, `engine-bench count NAME`: see `cargo xtask bench engine`.

use std::{process::ExitCode, time::Duration};

use iotruth_bench::{
    host::Host,
    load::{LOADS, Load},
    memory::Counting,
};
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Times that each case is measured; the median counts.
const SAMPLES: usize = 15;

/// How long each of these is, at least.
const SAMPLE: Duration = Duration::from_millis(100);

/// Events of which the instructions are counted: with two audits and a snapshot among them.
const COUNTED: u64 = 240_000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let names = words.get(1..).unwrap_or_default();
    let unknown = names.iter().find(|name| LOADS.iter().all(|load| load.name != **name));
    match (words.first().map(String::as_str), unknown) {
        (Some("time"), None) => {
            println!(
                "{:<14} {:>9} {:>8} {:>6} {:>9} {:>6} {:>11}",
                "case", "open", "devices", "rings", "ns/event", "least", "bytes/life"
            );
            LOADS
                .iter()
                .filter(|load| names.is_empty() || names.iter().any(|name| name == load.name))
                .for_each(time);
            ExitCode::SUCCESS
        }
        (Some("list"), None) => {
            LOADS.iter().filter(|load| load.counted).for_each(|load| println!("{}", load.name));
            ExitCode::SUCCESS
        }
        (Some("count"), None) => {
            LOADS.iter().filter(|load| names.iter().any(|name| name == load.name)).for_each(count);
            ExitCode::SUCCESS
        }
        (_, Some(name)) => {
            eprintln!("error: no case is called {name}");
            ExitCode::from(2)
        }
        (_, None) => {
            eprintln!("usage: engine-bench time [NAME…] | list | count NAME");
            ExitCode::from(2)
        }
    }
}

/// Prints the time for each event.
fn time(load: &Load) {
    let mut host = sound_host(load);
    let mut samples: Vec<f64> = (0..SAMPLES).map(|_| sample(&mut host)).collect();
    samples.sort_by(f64::total_cmp);
    let median = samples.get(SAMPLES / 2).copied().unwrap_or_default();
    let least = samples.first().copied().unwrap_or_default();
    println!(
        "{:<14} {:>9} {:>8} {:>6} {median:>9.1} {least:>6.1} {:>11}",
        load.name,
        load.open,
        load.devices,
        load.rings,
        host.bytes_per_life()
    );
}

fn sample(host: &mut Host) -> f64 {
    let mut spent = Duration::ZERO;
    let mut events = 0;
    while spent < SAMPLE {
        events += host.fill();
        let begin = on_cpu();
        host.measured();
        spent += on_cpu().saturating_sub(begin);
    }
    spent.as_nanos() as f64 / events as f64
}

/// How long this thread has run: what others do on the same CPU meanwhile is not in it.
fn on_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

/// Lets `Host::measured` run over a fixed stream, for somebody who counts its instructions, and
/// prints how many events that were and what each open life takes up.
fn count(load: &Load) {
    let mut host = sound_host(load);
    println!("open {}", host.bytes_per_life());
    let mut events = 0;
    while events < COUNTED {
        events += host.fill();
        host.measured();
    }
    println!("events {events}");
}

/// A host whose every request was understood, or the figures would be of something else.
fn sound_host(load: &Load) -> Host {
    let host = Host::new(*load);
    let (open, wrong) = host.books();
    assert!(open.abs_diff(load.open) <= 1 && wrong == 0, "{open} open, {wrong} not judged");
    host
}
