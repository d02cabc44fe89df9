//! The load.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::place::{Group, Place};
use crate::command;

/// How long a load may take to read something.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a load runs that is ended.
const FOR_EVER: u32 = 1_000_000;

/// What fio shall do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) depth: u32,
    pub(super) jobs: u32,
    pub(super) pace: Pace,
}

/// How fast it reads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// As fast as it can.
    Full,
    /// So many reads a second, by all jobs together. Between two reads fio does not sleep but spins: so what
    /// something else costs is taken from that, and cannot be seen in the CPU time of the machine.
    Rate(u32),
    /// [`BURST`] reads, and then [`PAUSE`].
    Bursts,
}

/// Reads of each job between two pauses, and how long these are.
pub(super) const BURST: u32 = 512;
pub(super) const PAUSE: Duration = Duration::from_millis(8);

/// What it did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Done {
    pub(super) reads: u64,
    pub(super) per_second: f64,
}

impl Load {
    /// Random reads of 4 KiB, past the page cache.
    ///
    /// Everything is in the file: fio ignores options that come after a job file.
    fn file(self, seconds: u32, device: &Path) -> String {
        let Self { depth, jobs, pace } = self;
        let pace = match pace {
            Pace::Full => String::new(),
            Pace::Rate(rate) => format!("rate_iops={}\n", rate / jobs),
            Pace::Bursts => {
                format!("thinktime={}\nthinktime_blocks={BURST}\n", PAUSE.as_micros())
            }
        };
        format!(
            "[reads]\nfilename={}\nrw=randread\nbs=4k\ndirect=1\nioengine=io_uring\n\
             iodepth={depth}\nnumjobs={jobs}\ngroup_reporting=1\nnorandommap=1\n\
             time_based=1\nruntime={seconds}\n{pace}",
            device.display()
        )
    }

    fn write(self, seconds: u32, device: &Path, folder: &Path) -> Result<PathBuf> {
        let file = folder.join("load.fio");
        fs::write(&file, self.file(seconds, device))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// Reads from a device for so long, and says what that was like.
    pub(super) fn run(self, seconds: u32, device: &Path, folder: &Path) -> Result<Done> {
        let file = self.write(seconds, device, folder)?;
        let mut fio = Command::new("fio");
        let said = command::output(fio.arg("--output-format=json").arg(&file))?;
        parse(&said).with_context(|| format!("fio printed no report:\n{said}"))
    }
}

/// A load that goes on; ended with this guard, and with us.
#[derive(Debug)]
pub(super) struct Running<'a> {
    place: &'a Place,
    child: Child,
}

impl<'a> Running<'a> {
    /// Starts it, and waits until it reads.
    pub(super) fn start(load: Load, place: &'a Place) -> Result<Self> {
        let file = load.write(FOR_EVER, place.device(), place.folder())?;
        let before = place.reads()?;
        let mut fio = Command::new("fio");
        fio.arg(&file).process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
        let child = fio.spawn().context("cannot start fio")?;
        let mut running = Self { place, child };
        place.note_group(Group::Load, running.child.id())?;
        let begin = Instant::now();
        while place.reads()? == before {
            running.check()?;
            if begin.elapsed() > PATIENCE {
                bail!("fio has read nothing for {PATIENCE:?}");
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(running)
    }

    /// Fails if it has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("fio ended with {status}"),
            None => Ok(()),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Killed, it would leave its jobs behind.
        let pid = self.child.id().to_string();
        drop(command::output(Command::new("kill").args(["-TERM", &pid])));
        drop(self.child.wait());
        drop(self.place.note_group(Group::Load, 0));
    }
}

/// Reads fio's report, before which it may print notes.
fn parse(said: &str) -> Option<Done> {
    let report = said.get(said.find('{')?..)?;
    let report: Value = serde_json::from_str(report).ok()?;
    let read = report.get("jobs")?.get(0)?.get("read")?;
    Some(Done { reads: read.get("total_ios")?.as_u64()?, per_second: read.get("iops")?.as_f64()? })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Done, Load, Pace, parse};

    #[test]
    fn the_runtime_is_in_the_file() {
        let load = Load { depth: 32, jobs: 2, pace: Pace::Rate(5_000) };
        let file = |pace| Load { pace, ..load }.file(7, Path::new("/dev/loop3"));
        let limited = file(load.pace);
        assert!(limited.ends_with("runtime=7\nrate_iops=2500\n"), "{limited}");
        let bursts = file(Pace::Bursts);
        assert!(bursts.ends_with("runtime=7\nthinktime=8000\nthinktime_blocks=512\n"), "{bursts}");
        assert!(file(Pace::Full).ends_with("runtime=7\n"));
    }

    #[test]
    fn notes_before_the_report_are_passed_over() {
        let text = r#"fio: a note
            {"jobs":[{"read":{"total_ios":12,"iops":3.5}}]}"#;
        assert_eq!(parse(text), Some(Done { reads: 12, per_second: 3.5 }));
        assert_eq!(parse("fio: no such device"), None);
    }
}
