//! `cargo xtask vm`: boots Debian's kernels in QEMU and runs the guest scenarios in each.
//!
//! The machine's own kernel may lack drivers, and on some machines tracing programs do not run on
//! every thread. In the guests nothing is missing and nothing is skipped, so there the books have to
//! balance exactly.

use std::{
    fs,
    num::NonZero,
    path::PathBuf,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use self::{
    console::Console,
    matrix::Row,
    scenario::{SCENARIOS, Scenario},
    series::{Choice, MATRIX, Series},
};
use crate::{apt, build, setup, steps::Step, toolchain::Toolchain, workspace};

mod archive;
mod console;
mod disks;
mod docs;
mod initrd;
mod kernel;
mod matrix;
mod modules;
mod qemu;
mod scenario;
mod series;
mod verdict;

/// Debian packages that the guests need on the host, and what for.
const PACKAGES: [(&str, &str); 6] = [
    ("cpio", "packs the initial file system"),
    ("debian-archive-keyring", "the keys of the archives that have the kernels"),
    ("e2fsprogs", "mkfs.ext4, for the guest's disk with a file system"),
    ("kmod", "depmod: which module needs which"),
    ("qemu-system-x86", "the machine itself"),
    ("xz-utils", "the modules are compressed"),
];

/// Without hardware help all scenarios take a few minutes; this is a hang.
const TIMEOUT: Duration = Duration::from_mins(40);

/// The console of a guest that ran every scenario.
const WHOLE: &str = "console.log";

/// The console of a guest that ran some scenarios after that.
const PART: &str = "part.log";

#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Boot only this kernel: a series of the matrix, or a version of one.
    #[arg(long)]
    kernel: Option<String>,
    /// Run only this scenario; may be given more than once.
    #[arg(long)]
    scenario: Vec<String>,
    /// How records travel: per-cpu or ring-buffers. Without it some kernels have the one and some the
    /// other.
    #[arg(long, value_parser = ["per-cpu", "ring-buffers"])]
    transport: Option<String>,
    /// How many guests run at once; as many as there are CPUs, unless told.
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
    /// Run nothing, and write each scenario's last result on each kernel into
    /// docs/reliability.md.
    #[arg(long, conflicts_with_all = ["kernel", "scenario", "transport", "jobs"])]
    write_docs: bool,
}

/// Sets everything up and runs the guests, or writes down what they did.
pub(crate) fn command(options: &Options) -> Result<()> {
    if options.write_docs {
        return docs::write(&MATRIX.iter().map(last_row).collect::<Result<Vec<_>>>()?);
    }
    run(&setup::ensure()?, options)
}

/// What the tests run: every scenario on every kernel.
pub(crate) fn for_tests(toolchain: &Toolchain) -> Result<()> {
    run(toolchain, &Options::default())
}

fn run(toolchain: &Toolchain, options: &Options) -> Result<()> {
    let step = Step::begin("tests of the daemon in guests");
    let kernels = series::choose(options.kernel.as_deref())?;
    let scenarios = scenario::choose(&options.scenario)?;
    if std::env::consts::ARCH != "x86_64" {
        bail!("the guests are x86_64 machines, and this is {}", std::env::consts::ARCH);
    }
    apt::install(&PACKAGES.map(|(package, _reason)| package))?;
    let payload = programs(toolchain)?;
    // Fetching uses one apt, and is quick where it was done before.
    let guests = kernels
        .iter()
        .map(|choice| {
            let transport = options.transport.as_deref().unwrap_or(choice.series.transport);
            prepare(choice, transport, &scenarios, &payload)
        })
        .collect::<Result<Vec<_>>>()?;
    let jobs = options.jobs.or_else(|| thread::available_parallelism().ok());
    let rows = at_once(jobs.map_or(1, NonZero::get), &guests, |guest| guest.test(&scenarios))?;
    println!("\nkernel and scenario:");
    for row in &rows {
        row.print_lines();
    }
    step.end();
    let failed: usize = rows.iter().map(Row::failures).sum();
    if failed > 0 {
        bail!("{failed} of the scenarios failed; what the guests said is above");
    }
    Ok(())
}

/// Where everything of a kernel is kept.
fn folder(version: &str) -> PathBuf {
    workspace::target().join("vm").join(version)
}

/// The results of the last time that a kernel ran every scenario, and of those that it ran again.
fn last_row(series: &'static Series) -> Result<Row> {
    let folder = folder(series.version);
    let whole = Console::read(&folder.join(WHOLE));
    let whole = whole.with_context(|| format!("run every scenario on {} first", series.name))?;
    let mut row = Row::judge(series, &whole, &scenario::choose(&[])?);
    if let Ok(part) = Console::read(&folder.join(PART)) {
        let again = SCENARIOS.iter().filter(|scenario| verdict::began(&part, scenario.name));
        row.replace(Row::judge(series, &part, &again.collect::<Vec<_>>()));
    }
    row.print_lines();
    match row.failures() {
        0 => Ok(row),
        failed => bail!("{failed} scenarios failed when {} last ran them", series.name),
    }
}

/// One guest, ready to boot.
#[derive(Debug)]
struct Guest {
    series: &'static Series,
    transport: String,
    folder: PathBuf,
    image: PathBuf,
    initrd: PathBuf,
    disks: Vec<String>,
}

/// Fetches a kernel and makes the file systems of its guest.
fn prepare(
    choice: &Choice,
    transport: &str,
    scenarios: &[&'static Scenario],
    payload: &initrd::Payload,
) -> Result<Guest> {
    let series = choice.series;
    let folder = folder(&choice.version);
    let kernel = kernel::fetch(choice, &folder)?;
    let present: Vec<_> = scenarios
        .iter()
        .filter(|scenario| scenario.absent(series.name).is_none())
        .map(|scenario| scenario.name)
        .collect();
    let initrd = initrd::build(&kernel, payload, &present, &folder)?;
    let disks = disks::arguments(&folder)?;
    let transport = transport.to_owned();
    Ok(Guest { series, transport, folder, image: kernel.image, initrd, disks })
}

impl Guest {
    /// Boots it and judges what it said of each scenario.
    fn test(&self, scenarios: &[&'static Scenario]) -> Result<Row> {
        let step = Step::begin(format!("guest {}, {}", self.series.name, self.transport));
        let whole = scenarios.len() == SCENARIOS.len();
        let log = self.folder.join(if whole { WHOLE } else { PART });
        if whole && self.folder.join(PART).is_file() {
            fs::remove_file(self.folder.join(PART))?;
        }
        println!("booting {} (console in {})", self.image.display(), log.display());
        let console = qemu::boot(self, &log, TIMEOUT)?;
        let row = Row::judge(self.series, &console, scenarios);
        row.print();
        step.end();
        Ok(row)
    }
}

/// Does so many at a time; the emulator uses one CPU for each guest. The results are in the order of
/// the items.
fn at_once<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    act: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let (sender, results) = channel();
    thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number) else { break };
                    // Nobody stops listening before all have ended.
                    drop(sender.send((number, act(item))));
                }
            });
        }
    });
    drop(sender);
    let mut results: Vec<_> = results.into_iter().collect();
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Builds what runs in the guests: statically linked, for there are no libraries.
fn programs(toolchain: &Toolchain) -> Result<initrd::Payload> {
    let build::Programs { daemon, test } = build::programs(toolchain, "guest")?;
    Ok(initrd::Payload { busybox: apt::tool("busybox-static", "busybox")?, daemon, guest: test })
}

#[cfg(test)]
mod tests {
    use super::{Result, at_once, bail};

    #[test]
    fn all_is_done_and_in_order_whatever_the_number_of_jobs() -> Result<()> {
        for jobs in [1, 2, 9] {
            let squares = at_once(jobs, &[1, 2, 3, 4], |number| Ok(number * number))?;
            assert_eq!(squares, [1, 4, 9, 16]);
        }
        Ok(())
    }

    #[test]
    fn one_failure_is_the_failure_of_all() {
        let odd = |number: &u32| if number % 2 == 1 { Ok(*number) } else { bail!("{number}") };
        let error = at_once(2, &[1, 2, 3], odd).map_err(|error| error.to_string());
        assert_eq!(error, Err("2".to_owned()));
    }
}
