//! What the real daemon costs.

use std::{
    net::TcpListener,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    bench::{
        fio::{Load, Pace},
        http::get,
        place::{Group, Place},
        process::{self, Usage},
    },
    command,
};

/// How often it is started.
const STARTS: usize = 11;

/// What it does just after its start is no part of what it costs later.
const SETTLED: Duration = Duration::from_secs(3);

/// From the last event to everything being in what is shown.
const SHOWN: Duration = Duration::from_millis(600);

/// How long it may take to get ready, or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// One start, in microseconds.
#[derive(Clone, Debug)]
pub(super) struct StartUp {
    /// From the making of the process to its first answer.
    pub(super) answered: f64,
    /// What it says itself: the whole, the kernel's types, the maps, the verifier, attaching.
    pub(super) parts: [f64; 5],
    /// What the verifier took for each program.
    pub(super) programs: Vec<(String, f64)>,
}

/// With nothing to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    /// Parts of one CPU.
    pub(super) cpu: f64,
    pub(super) usage: Usage,
}

/// Under load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) reads_per_second: f64,
    pub(super) reads: u64,
    /// Nanoseconds on a CPU.
    pub(super) cpu: u64,
    pub(super) seconds: f64,
    pub(super) usage: Usage,
    pub(super) lost: u64,
}

/// Starts it again and again.
pub(super) fn starts(binary: &Path, place: &Place) -> Result<Vec<StartUp>> {
    (0..STARTS)
        .map(|_| {
            let daemon = Daemon::start(binary, place)?;
            let status = daemon.status()?;
            let answered = daemon.answered.as_secs_f64() * 1e6;
            daemon.stop()?;
            start_up(&status["start_up"], answered).context("/status tells nothing of the start")
        })
        .collect()
}

fn start_up(told: &Value, answered: f64) -> Option<StartUp> {
    let part = |name: &str| told.get(name)?.as_f64();
    let program = |one: &Value| {
        Some((one.get("program")?.as_str()?.to_owned(), one.get("verifier_us")?.as_f64()?))
    };
    Some(StartUp {
        answered,
        parts: [
            part("total_us")?,
            part("types_us")?,
            part("object_us")?,
            part("verifier_us")?,
            part("attach_us")?,
        ],
        programs: told.get("programs")?.as_array()?.iter().map(program).collect::<Option<_>>()?,
    })
}

/// Leaves it alone, for one and a half times as long as a load lasts.
pub(super) fn idle(binary: &Path, place: &Place, seconds: u32) -> Result<Idle> {
    let daemon = Daemon::start(binary, place)?;
    thread::sleep(SETTLED);
    let (before, begin) = (daemon.usage()?, Instant::now());
    thread::sleep(Duration::from_secs(u64::from(seconds)) * 3 / 2);
    let (usage, took) = (daemon.usage()?, begin.elapsed());
    daemon.stop()?;
    let cpu = usage.cpu.saturating_sub(before.cpu) as f64 / took.as_nanos() as f64;
    Ok(Idle { cpu, usage })
}

/// Lets it see so many reads a second, or as many as the machine can do.
pub(super) fn rate(binary: &Path, place: &Place, seconds: u32, rate: Option<u32>) -> Result<Rate> {
    let daemon = Daemon::start(binary, place)?;
    let load = Load { depth: 32, jobs: 2, pace: rate.map_or(Pace::Full, Pace::Rate) };
    let (before, begin) = (daemon.usage()?, Instant::now());
    let done = load.run(seconds, place.device(), place.folder())?;
    let (usage, took) = (daemon.usage()?, begin.elapsed());
    thread::sleep(SHOWN);
    let lost = daemon.status()?["lost"]
        .as_object()
        .context("/status tells nothing of losses")?
        .values()
        .filter_map(Value::as_u64)
        .sum();
    daemon.stop()?;
    Ok(Rate {
        reads_per_second: done.per_second,
        reads: done.reads,
        cpu: usage.cpu.saturating_sub(before.cpu),
        seconds: took.as_secs_f64(),
        usage,
        lost,
    })
}

/// One that runs; killed with this guard, and with us.
#[derive(Debug)]
struct Daemon<'a> {
    place: &'a Place,
    child: Child,
    address: String,
    answered: Duration,
}

impl<'a> Daemon<'a> {
    /// Starts it and waits for its first answer.
    fn start(binary: &Path, place: &'a Place) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("loopback has no free port")?
            .to_string();
        let mut command = Command::new(binary);
        command.args(["daemon", "--config", "/dev/null", "--log-level", "warn"]);
        command.args(["--listen", &address]).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let begin = Instant::now();
        let child = command.spawn().context("cannot start the daemon")?;
        let mut daemon = Self { place, child, address, answered: Duration::ZERO };
        place.note_group(Group::Tracer, daemon.child.id())?;
        while !get(&daemon.address, "/readyz").is_ok_and(|text| text.starts_with("HTTP/1.1 200")) {
            if let Some(status) = daemon.child.try_wait()? {
                bail!("the daemon has ended with {status}");
            }
            if begin.elapsed() > PATIENCE {
                bail!("the daemon is not ready after {PATIENCE:?}");
            }
            thread::sleep(Duration::from_millis(1));
        }
        daemon.answered = begin.elapsed();
        Ok(daemon)
    }

    fn usage(&self) -> Result<Usage> {
        process::usage(self.child.id())
    }

    fn status(&self) -> Result<Value> {
        let answer = get(&self.address, "/status")?;
        let (_, body) = answer.split_once("\r\n\r\n").context("/status has no body")?;
        serde_json::from_str(body).context("/status is no JSON")
    }

    fn stop(mut self) -> Result<()> {
        command::output(Command::new("kill").args(["-INT", &self.child.id().to_string()]))?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the daemon has ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // Where it has ended already, neither does anything.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(self.place.note_group(Group::Tracer, 0));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::start_up;

    #[test]
    fn the_parts_of_a_start_are_read() {
        let mut told = json!({
            "total_us": 9.0, "types_us": 1.0, "object_us": 2.0, "verifier_us": 3.0, "attach_us": 0.5,
            "programs": [{"program": "block_rq_issue", "verifier_us": 2.5}],
        });
        let read = start_up(&told, 11.0).map(|one| (one.answered, one.parts, one.programs));
        let programs = vec![("block_rq_issue".to_owned(), 2.5)];
        assert_eq!(read, Some((11.0, [9.0, 1.0, 2.0, 3.0, 0.5], programs)));
        told["attach_us"] = json!(null);
        assert!(start_up(&told, 11.0).is_none());
    }
}
