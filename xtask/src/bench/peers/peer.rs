//! Who is compared.

use std::{net::TcpListener, path::Path, str::FromStr};

use anyhow::{Context, Result, bail};

use super::counted::Count;

/// Most that is said of a request by a histogram: the time between two events, by its request.
const BPFTRACE: &str = "tracepoint:block:block_rq_issue { @start[args->dev, args->sector] = nsecs; } \
    tracepoint:block:block_rq_complete /@start[args->dev, args->sector]/ { \
    @usecs = hist((nsecs - @start[args->dev, args->sector]) / 1000); \
    delete(@start[args->dev, args->sector]); }";

/// Nothing at all, on the same two events: what the kernel counts of it, the counting itself takes.
const EMPTY: &str = "tracepoint:block:block_rq_issue { } tracepoint:block:block_rq_complete { }";

/// A program for each of the three events that iotruth needs, which reads the clock where iotruth does and
/// tells nothing.
const CLOCK: &str = "tracepoint:block:block_rq_issue { if (nsecs == 0) { exit(); } } \
    tracepoint:block:block_rq_complete { if (nsecs == 0) { exit(); } } \
    tracepoint:block:block_io_start { }";

/// The name of that peer.
pub(super) const COUNTING: &str = "empty programs";

/// The name of the peer that traces nothing.
pub(super) const NONE: &str = "none";

/// What it does: it is started, waited for and ended as all are. A load right after another one is
/// faster by some percent than a load after a rest.
const REST: [&str; 2] = ["sleep", "infinity"];

/// Where perf writes, in the working directory of all tracers, which is in memory.
pub(super) const PERF_FILE: &str = "perf.data";

/// A tracer, or what stands in for none.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) name: String,
    /// What it does with each request.
    pub(super) about: String,
    pub(super) command: Vec<String>,
    /// Where it says how many requests it saw.
    pub(super) count: Count,
    /// Where it answers over HTTP, if it does.
    pub(super) address: Option<String>,
    /// Whether it is asked for its metrics every second.
    pub(super) scraped: bool,
}

/// A peer that somebody names on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    name: String,
    command: String,
}

impl FromStr for Other {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((name, command)) if !name.trim().is_empty() && !command.trim().is_empty() => {
                Ok(Self { name: name.trim().to_owned(), command: command.trim().to_owned() })
            }
            Some(_) | None => bail!("not NAME=COMMAND"),
        }
    }
}

/// None, iotruth, the peers that are packaged, and those that were named.
pub(super) fn all(daemon: &Path, others: &[Other]) -> Result<Vec<Peer>> {
    let address = || {
        TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map(|address| address.to_string())
            .context("loopback has no free port")
    };
    let [first, second, third] = [address()?, address()?, address()?];
    let daemon = daemon.to_str().context("the path of the daemon is not UTF-8")?;
    let peer = |name: &str, about: &str, count, command: &[&str]| Peer {
        name: name.to_owned(),
        about: about.to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        count,
        address: None,
        scraped: false,
    };
    let iotruth = |name, about, address: String, transport| Peer {
        address: Some(address.clone()),
        ..peer(
            name,
            about,
            Count::Metrics,
            &[
                daemon,
                "daemon",
                "--config",
                "/dev/null",
                "--listen",
                &address,
                "--transport",
                transport,
            ],
        )
    };
    let histograms = Count::Histograms;
    let perf = [
        "perf",
        "record",
        "--all-cpus",
        "--output",
        PERF_FILE,
        "--event",
        "block:block_rq_issue",
        "--event",
        "block:block_rq_complete",
    ];
    let mut peers = vec![
        peer(NONE, "nobody traces; a process that sleeps", Count::Unknown, &REST),
        iotruth(
            "iotruth",
            "every request followed from its first event to its end; rings of each CPU",
            first,
            "per-cpu",
        ),
        iotruth(
            "iotruth, BPF ring buffers",
            "the same, as on older kernels",
            second,
            "ring-buffers",
        ),
        Peer {
            scraped: true,
            ..iotruth(
                "iotruth, scraped",
                "the same as the first, asked for its metrics every second",
                third,
                "per-cpu",
            )
        },
        peer("biolatency", "one histogram, issue to completion", histograms, &["biolatency"]),
        peer("biolatency -Q", "one histogram, with the queue", histograms, &["biolatency", "-Q"]),
        peer(
            "bpftrace",
            "one histogram, by a one-liner",
            histograms,
            &["bpftrace", "-e", BPFTRACE],
        ),
        peer("perf record", "both events of every request into a file", Count::PerfFile, &perf),
        peer(
            COUNTING,
            "two instructions on each of both events, which tell nothing",
            Count::Unknown,
            &["bpftrace", "-e", EMPTY],
        ),
        peer(
            "clock alone",
            "three programs as iotruth has them: two read the clock, one does nothing",
            Count::Unknown,
            &["bpftrace", "-e", CLOCK],
        ),
    ];
    for Other { name, command } in others {
        if peers.iter().any(|peer| peer.name == *name) {
            bail!("{name} is compared already");
        }
        let exec = format!("exec {command}");
        let about = format!("`{command}`");
        peers.push(peer(name, &about, Count::Unknown, &["sh", "-c", &exec]));
    }
    Ok(peers)
}

/// Those of these names and the `others`, which are never left out; all where there is no name.
pub(super) fn chosen(
    mut peers: Vec<Peer>,
    others: &[Other],
    names: &[String],
) -> Result<Vec<Peer>> {
    if let Some(unknown) = names.iter().find(|name| peers.iter().all(|peer| peer.name != **name)) {
        let known: Vec<_> = peers.iter().map(|peer| format!("\"{}\"", peer.name)).collect();
        bail!("no tracer is called \"{unknown}\": there are {}", known.join(", "));
    }
    if !names.is_empty() {
        let others = others.iter().map(|other| &other.name);
        let wanted: Vec<_> = names.iter().chain(others).collect();
        peers.retain(|peer| wanted.contains(&&peer.name));
    }
    Ok(peers)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use anyhow::Result;

    use super::{NONE, Other, all, chosen};

    #[test]
    fn some_are_chosen_by_name_and_a_wrong_one_is_told() -> Result<()> {
        let some = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let peers = chosen(all(Path::new("/x/iotruth"), &[])?, &[], &names)?;
            Ok::<_, anyhow::Error>(peers.into_iter().map(|peer| peer.name).collect::<Vec<_>>())
        };
        assert_eq!(some(&["biolatency", NONE])?, [NONE, "biolatency"]);
        assert_eq!(some(&[])?.len(), all(Path::new("/x/iotruth"), &[])?.len());
        let told = some(&[NONE, "biolatencz"]).map_err(|error| error.to_string());
        assert!(told.is_err_and(|told| told.contains("\"biolatencz\": there are \"none\"")));
        Ok(())
    }

    #[test]
    fn another_peer_has_a_name_and_a_command() -> Result<()> {
        let other: Other = "mine=/opt/mine --fast --level=3".parse()?;
        assert_eq!(other.command, "/opt/mine --fast --level=3");
        assert!("mine".parse::<Other>().is_err());
        assert!("=x".parse::<Other>().is_err());
        let others = std::slice::from_ref(&other);
        let peers = all(Path::new("/x/iotruth"), others)?;
        assert_eq!(peers.first().map(|peer| peer.name.as_str()), Some("none"));
        assert_eq!(peers.last().map(|peer| peer.name.as_str()), Some("mine"));
        assert!(all(Path::new("/x/iotruth"), &[other.clone(), other.clone()]).is_err());
        // Whoever names one wants to see it, also beside few.
        for names in [&["none"][..], &["none", "mine"]] {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let peers = chosen(all(Path::new("/x/iotruth"), others)?, others, &names)?;
            let names: Vec<_> = peers.iter().map(|peer| peer.name.as_str()).collect();
            assert_eq!(names, ["none", "mine"]);
        }
        Ok(())
    }
}
