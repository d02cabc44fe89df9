//! `cargo xtask vm`: boots a Debian kernel in QEMU and runs the guest tests in it.
//!
//! The machine's own kernel may lack drivers, and on some machines tracing programs do not run on
//! every thread. In the guest nothing is missing and nothing is skipped, so there the books have to
//! balance exactly.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{apt, build, command, setup, steps::Step, toolchain::Toolchain, workspace};

mod artifact;
mod initrd;
mod kernel;
mod modules;
mod qemu;
mod verdict;

/// The kernel that `cargo xtask test` boots.
pub(crate) const DEFAULT_KERNEL: &str = "6.12";

/// Debian packages that the guest needs on the host, and what for.
const PACKAGES: [(&str, &str); 4] = [
    ("cpio", "packs the initial file system"),
    ("kmod", "depmod: which module needs which"),
    ("qemu-system-x86", "the machine itself"),
    ("xz-utils", "the modules are compressed"),
];

/// Without hardware help a boot takes seconds and a test a few more; ten minutes is a hang.
const TIMEOUT: Duration = Duration::from_mins(10);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The kernel series to boot, as in Debian's package names.
    #[arg(long, default_value = DEFAULT_KERNEL)]
    kernel: String,
}

/// Sets everything up and runs the guest.
pub(crate) fn command(options: &Options) -> Result<()> {
    boot_and_test(&setup::ensure()?, &options.kernel)
}

/// Builds the guest's programs and file system, boots it, and judges what it said.
pub(crate) fn boot_and_test(toolchain: &Toolchain, series: &str) -> Result<()> {
    let step = Step::begin(format!("tests of the daemon in a guest, kernel {series}"));
    if std::env::consts::ARCH != "x86_64" {
        bail!("the guest is an x86_64 machine, and this is {}", std::env::consts::ARCH);
    }
    apt::install(&PACKAGES.map(|(package, _reason)| package))?;
    let folder = workspace::target().join("vm").join(series);
    let kernel = kernel::fetch(series, &folder)?;
    let payload = programs(toolchain)?;
    let initrd = initrd::build(&kernel, &payload, &folder)?;
    let log = workspace::target().join("vm").join(format!("{series}.log"));
    println!("booting {} (console in {})", kernel.image.display(), log.display());
    let console = qemu::boot(&kernel.image, &initrd, &log, TIMEOUT)?;
    match verdict::judge(&console) {
        verdict::Verdict::Passed { tests } => println!("guest {series}: {tests} tests passed"),
        verdict::Verdict::Failed(why) => {
            println!("the last lines of the guest's console:");
            for line in verdict::tail(&console.lines) {
                println!("  {line}");
            }
            bail!("guest {series}: {why}; everything it said is in {}", log.display());
        }
    }
    step.end();
    Ok(())
}

/// Builds what runs in the guest: statically linked, for there are no libraries.
fn programs(toolchain: &Toolchain) -> Result<initrd::Payload> {
    let mut cargo = build::cargo(toolchain)?;
    cargo.args(["test", "--no-run", "--package", "iotruth-daemon", "--test", "guest", "--release"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    build::link_statically(&mut cargo)?;
    println!("+ {}", command::show(&cargo));
    cargo.stderr(Stdio::inherit());
    let messages = command::output(&mut cargo)?;
    let find = |name| artifact::executable(&messages, name).map(PathBuf::from);
    Ok(initrd::Payload {
        busybox: apt::tool("busybox-static", "busybox")?,
        daemon: find("iotruth").context("cargo did not say where the daemon is")?,
        guest: find("guest").context("cargo did not say where the guest's tests are")?,
    })
}
