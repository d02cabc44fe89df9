//! What it costs to show much: a scrape of 256 devices, and a full mismatch log, rendered alone and
//! asked for over HTTP. `cargo xtask bench scale` runs it, and reads what it prints.

mod asked;
mod large;

use std::{
    hint::black_box,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use iotruth::{
    export::{
        metrics::metrics,
        mismatches::{Filter, mismatches},
        query::Format,
        status::status,
    },
    view::View,
};

/// Times that each answer is made; the median counts.
const LEAST: usize = 15;

/// Makes an answer, and says how long it is.
type Render<'a> = &'a dyn Fn(&View) -> usize;

/// Bytes that are read at a time.
const ROOM: usize = 1 << 20;

/// Mismatches in one answer: as many as may be asked for.
const SHOWN: &str = "1000";

fn main() -> ExitCode {
    // Cargo adds a flag of its own.
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1);
    match show(Duration::from_secs(seconds)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line for each answer: its name, bytes, and microseconds alone and over HTTP.
fn show(time: Duration) -> anyhow::Result<()> {
    let view = Arc::new(large::view());
    let server = asked::Server::start(&view)?;
    let query = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let pairs = [query("severity", "all"), query("limit", SHOWN)];
    let json = Filter::new(&pairs, &view).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let text = Filter { format: Format::Text, ..json.clone() };
    let all = format!("/mismatches?severity=all&limit={SHOWN}");
    let scrape = |view: &View| metrics(view).map_or(0, |text| text.len());
    let log = |filter: &Filter, view: &View| mismatches(view, filter).len();
    let answers: [(&str, String, Render<'_>); 4] = [
        ("/metrics", "/metrics".to_owned(), &scrape),
        ("/mismatches", all.clone(), &|view| log(&json, view)),
        ("/mismatches?format=text", format!("{all}&format=text"), &|view| log(&text, view)),
        ("/status", "/status".to_owned(), &|view| status(view, Format::Json).len()),
    ];
    let mut room = vec![0; ROOM];
    for (name, path, render) in answers {
        let bytes = render(&view);
        let alone = median(time / 8, || {
            black_box(render(black_box(&view)));
            Ok(())
        })?;
        let over_http = median(time / 8, || server.get(&path, bytes, &mut room))?;
        println!("{name}\t{bytes}\t{alone:.0}\t{over_http:.0}");
    }
    Ok(())
}

/// The median time of something, in microseconds.
fn median(time: Duration, mut what: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < LEAST || begin.elapsed() < time {
        let begin = Instant::now();
        what()?;
        samples.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    samples.sort_by(f64::total_cmp);
    Ok(samples.get(samples.len() / 2).copied().unwrap_or_default())
}
