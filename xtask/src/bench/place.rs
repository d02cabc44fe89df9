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

/// Processes that must not outlive us.
#[derive(Clone, Copy, Debug)]
pub(super) enum Group {
    Tracer,
    Load,
}

impl Group {
    /// The file that has their process group.
    const fn file(self) -> &'static str {
        match self {
            Self::Tracer => "tracer.group",
            Self::Load => "load.group",
        }
    }

    /// What ends them. Fio's jobs are in sessions of their own and outlive fio, unless it can end them.
    const fn signal(self) -> &'static str {
        match self {
            Self::Tracer => "KILL",
            Self::Load => "TERM",
        }
    }
}

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
        let groups = [Group::Tracer, Group::Load].map(|of| (of, folder.join(of.file())));
        for (_, file) in &groups {
            fs::write(file, "").with_context(|| format!("cannot write {}", file.display()))?;
        }
        // Many times the size: perf's file lies there as well.
        let size = format!("size={}m", SIZE * 9);
        // If we are killed, a load that ends by itself goes on to its end, and holds the device until then.
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
        // Whoever still traces or reads when we end.
        for (of, file) in groups {
            undo.later(&format!(
                "[ ! -s '{0}' ] || kill -s {1} -- \"-$(cat '{0}')\"",
                file.display(),
                of.signal()
            ))?;
        }
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

    /// How many reads the device has answered.
    pub(super) fn reads(&self) -> Result<u64> {
        let name = self.device.file_name().context("the device has no name")?.to_string_lossy();
        let file = format!("/sys/block/{name}/stat");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
        reads_in(&text).with_context(|| format!("{file} has no reads"))
    }

    /// Notes which process group must not outlive us; 0 for none.
    pub(super) fn note_group(&self, of: Group, group: u32) -> Result<()> {
        let text = if group == 0 { String::new() } else { group.to_string() };
        let file = self.folder.join(of.file());
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Changes everything back.
    pub(super) fn undo(&self) -> Result<()> {
        self.undo.lock().unwrap_or_else(PoisonError::into_inner).now()
    }
}

/// Those that reached the device, and those that were merged into them.
fn reads_in(stat: &str) -> Option<u64> {
    let mut numbers = stat.split_whitespace().map_while(|word| word.parse::<u64>().ok());
    Some(numbers.next()? + numbers.next()?)
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

#[cfg(test)]
mod tests {
    use super::reads_in;

    #[test]
    fn a_read_that_was_merged_is_one_as_well() {
        assert_eq!(reads_in("   1200  3   9624   11 0 0 0 0 0 12 11\n"), Some(1_203));
        assert_eq!(reads_in("1200"), None);
    }
}
