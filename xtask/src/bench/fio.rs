//! The load.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command;

/// What fio shall do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) seconds: u32,
    pub(super) depth: u32,
    pub(super) jobs: u32,
    /// Reads a second, by all jobs together; as many as can be where there is none.
    pub(super) rate: Option<u32>,
}

/// What it did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Done {
    pub(super) reads: u64,
    pub(super) per_second: f64,
    /// From submission to completion as a reader sees it: the mean, in nanoseconds.
    pub(super) latency: f64,
}

impl Load {
    /// Random reads of 4 KiB, past the page cache.
    ///
    /// Everything is in the file: fio ignores options that come after a job file.
    fn file(self, device: &Path) -> String {
        let Self { seconds, depth, jobs, rate } = self;
        let rate = rate.map_or_else(String::new, |rate| format!("rate_iops={}\n", rate / jobs));
        format!(
            "[reads]\nfilename={}\nrw=randread\nbs=4k\ndirect=1\nioengine=io_uring\n\
             iodepth={depth}\nnumjobs={jobs}\nthread=1\ngroup_reporting=1\nnorandommap=1\n\
             time_based=1\nruntime={seconds}\n{rate}",
            device.display()
        )
    }

    /// Reads from a device, and says what that was like.
    pub(super) fn run(self, device: &Path, folder: &Path) -> Result<Done> {
        let file = folder.join("load.fio");
        fs::write(&file, self.file(device))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let mut fio = Command::new("fio");
        let said = command::output(fio.arg("--output-format=json").arg(&file))?;
        parse(&said).with_context(|| format!("fio printed no report:\n{said}"))
    }
}

/// Reads fio's report, before which it may print notes.
fn parse(said: &str) -> Option<Done> {
    let report = said.get(said.find('{')?..)?;
    let report: Value = serde_json::from_str(report).ok()?;
    let read = report.get("jobs")?.get(0)?.get("read")?;
    Some(Done {
        reads: read.get("total_ios")?.as_u64()?,
        per_second: read.get("iops")?.as_f64()?,
        latency: read.get("lat_ns")?.get("mean")?.as_f64()?,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Done, Load, parse};

    #[test]
    fn the_runtime_is_in_the_file() {
        let load = Load { seconds: 7, depth: 32, jobs: 2, rate: Some(5_000) };
        let file = load.file(Path::new("/dev/loop3"));
        assert!(file.contains("runtime=7\n") && file.contains("rate_iops=2500\n"), "{file}");
        assert!(!Load { rate: None, ..load }.file(Path::new("x")).contains("rate"));
    }

    #[test]
    fn notes_before_the_report_are_passed_over() {
        let text = r#"fio: a note
            {"jobs":[{"read":{"total_ios":12,"iops":3.5,"lat_ns":{"mean":812.25}}}]}"#;
        assert_eq!(parse(text), Some(Done { reads: 12, per_second: 3.5, latency: 812.25 }));
        assert_eq!(parse("fio: no such device"), None);
    }
}
