//! A tracer that runs.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{
    counted::{self, Count},
    peer::{PERF_FILE, Peer},
};
use crate::{
    bench::{
        http::get,
        place::{Group, Place},
        process::{self, Usage},
    },
    command,
    workspace::search_path,
};

/// For how long the number of open files must not change for a tracer to be ready: programs, maps
/// and events are files.
const SETTLED: Duration = Duration::from_millis(700);

/// How long it may take to get ready, or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// After which time a tracer is asked again to end: bpftrace 0.17 was seen to miss a SIGINT.
const ASKED_AGAIN: Duration = Duration::from_secs(2);

/// From the last event to everything being in what is shown.
const SHOWN: Duration = Duration::from_millis(600);

/// What tracers that read the formats of events need, in a mount namespace of their own. What is
/// mounted already stays as it is.
const MOUNTS: &str = "for kind in debug tracing; do mountpoint -q /sys/kernel/$kind || \
    case $kind in debug) mount -t debugfs none /sys/kernel/debug 2>/dev/null;; \
    tracing) mount -t tracefs none /sys/kernel/tracing;; esac; done; exec \"$@\"";

/// What a tracer saw of the load.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Requests; `None` where nobody knows.
    pub(super) requests: Option<u64>,
    /// Events that it says that it lost.
    pub(super) told_lost: Option<u64>,
}

/// A running tracer; killed with this guard, and with us.
#[derive(Debug)]
pub(super) struct Tracer<'a> {
    place: &'a Place,
    peer: &'a Peer,
    child: Child,
    output: PathBuf,
    folder: PathBuf,
}

impl<'a> Tracer<'a> {
    /// Starts a tracer and waits until it is ready.
    pub(super) fn start(place: &'a Place, peer: &'a Peer) -> Result<Self> {
        let output = place.folder().join("tracer.log");
        let log =
            File::create(&output).with_context(|| format!("cannot write {}", output.display()))?;
        let folder = place.folder().join("memory");
        // Where we run in the background, SIGINT is ignored, and so it would be by all that we start.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT", "unshare", "--mount", "sh", "-c", MOUNTS, "sh"]);
        command.args(&peer.command);
        command.env("PATH", search_path()?).current_dir(&folder).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot start env")?;
        let mut tracer = Self { place, peer, child, output, folder };
        place.note_group(Group::Tracer, tracer.child.id())?;
        tracer.wait_until_ready()?;
        Ok(tracer)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        let (mut files, mut since) = (0, begin);
        loop {
            self.check()?;
            let now = self.usage()?.files;
            if now != files {
                (files, since) = (now, Instant::now());
            } else if since.elapsed() >= SETTLED {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                bail!("it is not ready after {PATIENCE:?}");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Fails if it has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let said = fs::read_to_string(&self.output).unwrap_or_default();
            bail!("it ended with {status}: {}", last_words(&said));
        }
        Ok(())
    }

    /// What it uses now.
    pub(super) fn usage(&self) -> Result<Usage> {
        process::usage(self.child.id())
    }

    /// Ends it.
    pub(super) fn end(mut self) -> Result<()> {
        self.interrupt()?;
        // It may be large, and all lie in the same memory.
        match fs::remove_file(self.folder.join(PERF_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).context("cannot remove what perf has written")
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Ends it and says what it saw.
    pub(super) fn stop(mut self) -> Result<Seen> {
        self.check()?;
        let mut seen = Seen::default();
        if let Some(address) = &self.peer.address {
            thread::sleep(SHOWN);
            let metrics = get(address, "/metrics")?;
            seen.requests = Some(counted::in_metrics(&metrics));
            seen.told_lost = Some(counted::lost_in_metrics(&metrics));
        }
        self.interrupt()?;
        match self.peer.count {
            Count::Unknown | Count::Metrics => {}
            Count::Histograms => {
                let said = fs::read_to_string(&self.output)?;
                seen.requests = Some(counted::in_histograms(&said));
            }
            Count::PerfFile => seen.requests = perf_file(&self.folder)?,
        }
        Ok(seen)
    }

    fn interrupt(&mut self) -> Result<()> {
        // The group: a shell in front of the tracer would keep the signal to itself.
        let group = format!("-{}", self.child.id());
        let (begin, mut sent) = (Instant::now(), None::<Instant>);
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > PATIENCE {
                bail!("{} does not end {PATIENCE:?} after SIGINT", self.peer.name);
            }
            if sent.is_none_or(|sent| sent.elapsed() > ASKED_AGAIN) {
                sent = Some(Instant::now());
                command::output(Command::new("kill").args(["-INT", "--", &group]))?;
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.place.note_group(Group::Tracer, 0)
    }
}

impl Drop for Tracer<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = format!("-{}", self.child.id());
            drop(command::output(Command::new("kill").args(["-KILL", "--", &group])));
            drop(self.child.wait());
            drop(self.place.note_group(Group::Tracer, 0));
        }
    }
}

/// Counts what is in the file of perf, and removes it.
fn perf_file(folder: &Path) -> Result<Option<u64>> {
    let file = folder.join(PERF_FILE);
    let mut perf = Command::new("perf");
    perf.args(["report", "--stats", "--force", "--input"]).arg(&file);
    let text = command::output(&mut perf)?;
    fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    Ok(counted::in_perf_statistics(&text))
}

/// The last line that says something.
fn last_words(said: &str) -> &str {
    said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it says nothing")
}

#[cfg(test)]
mod tests {
    use super::last_words;

    #[test]
    fn the_reason_is_the_last_line() {
        assert_eq!(last_words("starting\nno such tracepoint\n\n"), "no such tracepoint");
        assert_eq!(last_words("\n"), "it says nothing");
    }
}
