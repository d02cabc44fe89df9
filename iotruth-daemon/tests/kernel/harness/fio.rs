//! fio, and what it counted.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// A running fio; killed and reaped with this guard.
#[derive(Debug)]
pub(crate) struct Fio {
    child: Option<Child>,
}

/// What fio says it did, all jobs together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    /// Reads.
    pub(crate) reads: u64,
    /// Bytes read.
    pub(crate) read_bytes: u64,
    /// Writes.
    pub(crate) writes: u64,
    /// Bytes written.
    pub(crate) written_bytes: u64,
}

impl Fio {
    /// Starts one job on a device, past the page cache, with these further options.
    ///
    /// All options stand on the command line: those after a job file would be ignored.
    pub(crate) fn start(device: &Path, options: &[&str]) -> Self {
        let child = Command::new("fio")
            .arg("--name=iotruth")
            .arg(format!("--filename={}", device.display()))
            .args(["--direct=1", "--ioengine=io_uring", "--thread", "--output-format=json"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("fio cannot be started: {error}; is it installed?"));
        Self { child: Some(child) }
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Done {
        let child = self.child.take().expect("nobody else takes it");
        let output = child.wait_with_output().expect("fio can be waited for");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "fio: {}\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        // fio may print notes before its report.
        let report = text.find('{').and_then(|start| text.get(start..)).unwrap_or_default();
        let report: Value = serde_json::from_str(report).expect("fio prints JSON");
        let jobs = report["jobs"].as_array().expect("fio reports its jobs");
        let sum = |direction: &str, field: &str| {
            jobs.iter()
                .map(|job| job[direction][field].as_u64().expect("fio reports a number"))
                .sum()
        };
        Done {
            reads: sum("read", "total_ios"),
            read_bytes: sum("read", "io_bytes"),
            writes: sum("write", "total_ios"),
            written_bytes: sum("write", "io_bytes"),
        }
    }
}

impl Drop for Fio {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
