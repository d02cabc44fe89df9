//! The machine: boots, and its console is listened to until it is off.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    Guest,
    console::{self, Console},
};
use crate::workspace;

/// Hardware help is left aside even where it is offered: nested machines cannot run these kernels.
/// One thread for all processors and no AVX, because this emulator's patching of kernel text and its
/// vector state break newer kernels otherwise.
const MACHINE: &str = "-accel tcg,thread=single -cpu max,-avx,-avx2 -m 1024 -smp 2 -nographic \
                       -no-reboot -nic none";

/// Where it is set, the scenarios print what is in the list of mismatches.
const EXAMPLES: &str = "IOTRUTH_EXAMPLES";

/// How records travel in the daemons of the scenarios.
const TRANSPORT: &str = "TRANSPORT";

/// An error of the kernel ends the machine at once instead of leaving it standing.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 oops=panic rdinit=/init";

/// What the kernel does not know, and has a value, becomes a variable of the guest's environment.
fn kernel_arguments(transport: &str) -> String {
    let examples =
        std::env::var_os(EXAMPLES).map_or_else(String::new, |_| format!(" {EXAMPLES}=1"));
    format!("{KERNEL_ARGUMENTS} {TRANSPORT}={transport}{examples}")
}

/// Boots and returns everything that the console said, which is written to `log` too.
pub(super) fn boot(guest: &Guest, log: &Path, limit: Duration) -> Result<Console> {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(MACHINE.split_whitespace()).args(&guest.disks);
    qemu.arg("-kernel").arg(&guest.image).arg("-initrd").arg(&guest.initrd);
    qemu.args(["-append", &kernel_arguments(&guest.transport)])
        .env("PATH", workspace::search_path()?);
    let mut child = qemu
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start qemu-system-x86_64")?;
    let output = child.stdout.take().context("QEMU has no output")?;
    let mut log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let (sender, lines) = channel();
    // Reading blocks, and the limit has to hold all the same.
    let reader = thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    let console = console::listen(&lines, &mut log, limit);
    end(&mut child)?;
    drop(lines);
    // It has nothing to return, and a panic of it was already seen as the end of the console.
    drop(reader.join());
    console
}

/// Ends the machine if it is still on.
fn end(child: &mut Child) -> Result<()> {
    if child.try_wait()?.is_none() {
        // It may be on its way off; killing it then fails, and that is as good.
        drop(child.kill());
    }
    child.wait().context("QEMU cannot be waited for")?;
    Ok(())
}
