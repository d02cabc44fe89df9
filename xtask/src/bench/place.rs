//! Where it is measured: a loop device over a file in memory.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};

use super::undo::Undo;
use crate::{command, workspace};

/// Size of the device in mebibytes.
const SIZE: usize = 256;

/// The switch by which the kernel times every BPF program.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// The device, and the folder for what tracers write.
#[derive(Debug)]
pub(super) struct Place {
    device: PathBuf,
    folder: PathBuf,
    undo: Mutex<Undo>,
}

impl Place {
    /// Makes the device; `name` is that of the folder.
    pub(super) fn new(name: &str) -> Result<Self> {
        let folder = workspace::target().join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mount = folder.join("memory");
        fs::create_dir_all(&mount).with_context(|| format!("cannot make {}", mount.display()))?;
        let mut undo = Undo::new()?;
        let group = folder.join("group");
        fs::write(&group, "").with_context(|| format!("cannot write {}", group.display()))?;
        // Mounted twice the size: perf's file lies there as well.
        let size = format!("size={}m", SIZE * 9);
        // If we are killed, the load goes on to its end, and holds the device until then.
        undo.later(&format!(
            "n=0; while mountpoint -q '{0}' && ! umount '{0}' 2>/dev/null; do n=$((n + 1)); \
             [ $n -lt 300 ] || exit 1; sleep 0.2; done",
            mount.display()
        ))?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]);
        command::run(command.arg(&mount))?;
        let file = mount.join("disk");
        fill(&file).with_context(|| format!("cannot fill {}", file.display()))?;
        undo.later(&format!(
            "losetup --associated '{}' --noheadings --output NAME | xargs -r -n1 losetup --detach",
            file.display()
        ))?;
        let mut losetup = Command::new("losetup");
        losetup.args(["--find", "--show", "--direct-io=on"]).arg(&file);
        let device = PathBuf::from(command::output(&mut losetup)?.trim());
        let name = device.file_name().context("losetup gave no device")?.to_string_lossy();
        // Loop devices remember the scheduler of those who used their number before.
        let scheduler = format!("/sys/block/{name}/queue/scheduler");
        let before =
            fs::read_to_string(&scheduler).with_context(|| format!("cannot read {scheduler}"))?;
        let before =
            before.split_whitespace().find_map(|name| name.strip_prefix('[')?.strip_suffix(']'));
        let before = before.with_context(|| format!("{scheduler} names none"))?;
        undo.later(&format!("echo {before} > {scheduler}"))?;
        fs::write(&scheduler, "none").with_context(|| format!("cannot set {scheduler}"))?;
        let before =
            fs::read_to_string(STATISTICS).with_context(|| format!("cannot read {STATISTICS}"))?;
        undo.later(&format!("echo {} > {STATISTICS}", before.trim()))?;
        fs::write(STATISTICS, "0").with_context(|| format!("cannot set {STATISTICS}"))?;
        // Whoever still traces when we end.
        undo.later(&format!(
            "[ ! -s '{0}' ] || kill -s KILL -- \"-$(cat '{0}')\"",
            group.display()
        ))?;
        Ok(Self { device, folder, undo: Mutex::new(undo) })
    }

    /// The device to read from.
    pub(super) fn device(&self) -> &Path {
        &self.device
    }

    /// Where files can lie that stay.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes which process group must not outlive us; 0 for none.
    pub(super) fn note_group(&self, group: u32) -> Result<()> {
        let text = if group == 0 { String::new() } else { group.to_string() };
        fs::write(self.folder.join("group"), text).context("cannot note the tracer")
    }

    /// Changes everything back.
    pub(super) fn undo(&self) -> Result<()> {
        self.undo.lock().unwrap_or_else(PoisonError::into_inner).now()
    }
}

/// Has the kernel time every BPF program, or not.
pub(super) fn time_programs(timed: bool) -> Result<()> {
    fs::write(STATISTICS, if timed { "1" } else { "0" })
        .with_context(|| format!("cannot set {STATISTICS}"))
}

/// Pages that exist: a hole would be read from nowhere.
fn fill(file: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(file)?;
    let mebibyte = vec![0x5a; 1 << 20];
    (0..SIZE).try_for_each(|_| file.write_all(&mebibyte))
}
