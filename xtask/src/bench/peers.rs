//! `cargo xtask bench peers`: iotruth beside what else traces block requests, in one run.
//!
//! Machines differ, and one machine differs from hour to hour. So nothing is compared with a figure
//! of another run: in each round every tracer has its turn with the same load, and so has none at all, in
//! an order drawn anew; each figure is held against the one without a tracer of the same round.

use std::{
    hash::{BuildHasher as _, RandomState},
    num::NonZero,
};

use anyhow::{Result, bail};
use clap::Args;

use self::{
    measure::{MEASURES, Measure, Measured, Turns},
    peer::{NONE, Other, Peer},
};
use super::{only_one, place::Place};
use crate::{
    apt, build,
    docs::{self, Document},
    privilege, setup,
    steps::Step,
};

mod counted;
mod measure;
mod peer;
mod table;
mod tracer;

/// Debian packages that the comparison needs, and what for.
const PACKAGES: [(&str, &str); 8] = [
    ("bpftrace", "a peer"),
    ("coreutils", "env, for tracers that end at SIGINT wherever they were started"),
    ("fio", "the load"),
    ("libbpf-tools", "a peer: biolatency"),
    ("linux-perf", "a peer"),
    ("mount", "the loop device and what it lies on"),
    ("procps", "kill"),
    ("util-linux", "unshare, for mounts that nobody else sees"),
];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often each tracer has its turn with each measure. The intervals need at least 6.
    #[arg(long, default_value = "11")]
    rounds: NonZero<u32>,
    /// Seconds of load for each figure.
    #[arg(long, default_value = "5")]
    seconds: NonZero<u32>,
    /// Another peer and its command line; may be given more than once. It must run until SIGINT.
    #[arg(long, value_name = "NAME=COMMAND")]
    with: Vec<Other>,
    /// Only these of the tracers, by name, beside those of --with; may be given more than once. So there
    /// is time for more rounds. Without `none` and `biolatency`, what is held against these stays empty.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Write what was measured into docs/performance.md.
    #[arg(long, conflicts_with = "only")]
    write_docs: bool,
}

/// A peer that does not run here.
#[derive(Debug)]
struct Absent {
    name: String,
    reason: String,
}

/// Everything that was measured.
#[derive(Debug)]
struct Run {
    rounds: u32,
    seconds: u32,
    peers: Vec<Peer>,
    /// Those that do not run here, and why.
    absent: Vec<Absent>,
    /// By measure, peer and round.
    figures: Vec<Vec<Vec<Measured>>>,
}

/// Measures, shows, and writes down if it shall.
pub(crate) fn command(options: &Options) -> Result<()> {
    if !privilege::is_root()? {
        bail!(
            "tracing and loop devices take root: sudo --preserve-env=PATH cargo xtask bench peers"
        );
    }
    let daemon = build::daemon(&setup::ensure()?, true, false)?;
    apt::install(&PACKAGES.map(|(package, _reason)| package))?;
    let peers = peer::chosen(peer::all(&daemon, &options.with)?, &options.with, &options.only)?;
    let run = measure_all(options, peers)?;
    let tables = table::render(&run)?;
    println!("\n{tables}");
    if options.write_docs {
        docs::write(Document::Performance, "bench peers", &format!("{tables}\n"))?;
    }
    Ok(())
}

fn measure_all(options: &Options, peers: Vec<Peer>) -> Result<Run> {
    let _turn = only_one()?;
    let (rounds, seconds) = (options.rounds.get(), options.seconds.get());
    // All that it changes is changed back when it is dropped, or when we are killed.
    let place = Place::new("bench-peers")?;
    let step = Step::begin("which peers run on this kernel");
    let (peers, absent) = present(&place, peers)?;
    step.end();
    let mut figures: Vec<Vec<Vec<Measured>>> =
        MEASURES.iter().map(|_| peers.iter().map(|_| Vec::new()).collect()).collect();
    // One load for all rounds: a new one takes its time to be what it will be.
    for (measure, figures) in MEASURES.iter().zip(&mut figures) {
        let step = Step::begin(format!("{}: {rounds} rounds", measure.label()));
        let mut load = Turns::begin(&place, *measure, seconds)?;
        for _ in 0..rounds {
            let mut turns: Vec<_> = peers.iter().zip(&mut *figures).collect();
            // A load remembers what ran before, so nobody may always come after the same one. Each
            // `RandomState` hashes in its own way.
            turns.sort_by_cached_key(|_| RandomState::new().hash_one(()));
            for (peer, figures) in turns {
                let measured = load.take(peer)?;
                println!("{:<14} {measured}", peer.name);
                figures.push(measured);
            }
        }
        step.end();
    }
    place.undo()?;
    Ok(Run { rounds, seconds, peers, absent, figures })
}

/// Lets each peer run for a second, and parts those that do not run or see nothing.
fn present(place: &Place, peers: Vec<Peer>) -> Result<(Vec<Peer>, Vec<Absent>)> {
    let mut running = Vec::new();
    let mut absent = Vec::new();
    for peer in peers {
        let reason = match Turns::begin(place, Measure::Whole, 1)?.take(&peer) {
            Ok(Measured { missed: Some(missed), reads, .. }) if missed >= reads => {
                "it runs and sees no request".to_owned()
            }
            Ok(_) => {
                running.push(peer);
                continue;
            }
            // Without the load itself, nothing can be measured.
            Err(error) if peer.name == NONE => return Err(error),
            Err(error) => format!("{error:#}"),
        };
        println!("{}: {reason}", peer.name);
        absent.push(Absent { name: peer.name, reason });
    }
    Ok((running, absent))
}
