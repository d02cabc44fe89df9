//! `engine-bench time [NAME…]`, `engine-bench count NAME`: see `cargo xtask bench engine`.
//! `engine-bench scale SECONDS`: see `cargo xtask bench scale`.

use std::{process::ExitCode, time::Duration};

use iotruth_bench::{
    load::{LOADS, Load},
    memory::Counting,
    sample::{middle_and_least, sound_host},
    scale,
};

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
    if let [word, seconds] = words.as_slice()
        && word == "scale"
        && let Ok(seconds) = seconds.parse()
    {
        scale::show(Duration::from_secs(seconds));
        return ExitCode::SUCCESS;
    }
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
            eprintln!("usage: engine-bench time [NAME…] | list | count NAME | scale SECONDS");
            ExitCode::from(2)
        }
    }
}

/// Prints the time for each event.
fn time(load: &Load) {
    let mut host = sound_host(load);
    let (median, least) = middle_and_least(&mut host, SAMPLES, SAMPLE);
    println!(
        "{:<14} {:>9} {:>8} {:>6} {median:>9.1} {least:>6.1} {:>11}",
        load.name,
        load.open,
        load.devices,
        load.rings,
        host.bytes_per_life()
    );
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
