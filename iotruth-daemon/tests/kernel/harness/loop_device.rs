//! Loop devices over files in memory.

use std::{
    fs::{self, OpenOptions},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use super::{
    direct_io::DirectFile,
    patience::{soon, wait_for},
    run::run,
    tmpfs::Tmpfs,
};

/// A loop device that is detached with this guard.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    path: PathBuf,
    name: String,
    file: PathBuf,
    /// The I/O scheduler that it had before, which it has again when it is detached: loop devices remember
    /// that of those who used their number before.
    scheduler: String,
    // Unmounted after the device is detached, where it is the device's own.
    _tmpfs: Option<Tmpfs>,
}

impl LoopDevice {
    /// Over a hole of this many mebibytes in a tmpfs of its own, reading and writing it directly:
    /// where the file ends early, the device has a short transfer and an I/O error.
    pub(crate) fn new(mebibytes: u32) -> Self {
        let tmpfs = Tmpfs::new(mebibytes + 1);
        let file = tmpfs.file("disk", u64::from(mebibytes) << 20);
        Self::find(&file, &["--direct-io=on"], Some(tmpfs))
    }

    /// Over this file, with these options of losetup(8).
    pub(crate) fn over(file: &Path, options: &[&str]) -> Self {
        Self::find(file, options, None)
    }

    /// At this very device, which must be free.
    pub(crate) fn at(device: &Path, file: &Path) -> Self {
        let file_name = file.to_str().expect("a path of our own is plain");
        let device_name = device.to_str().expect("device names are plain");
        run("losetup", ["--direct-io=on", device_name, file_name]);
        Self::attached(device.to_owned(), file, None)
    }

    fn find(file: &Path, options: &[&str], tmpfs: Option<Tmpfs>) -> Self {
        let file_name = file.to_str().expect("a path of our own is plain");
        let path = run("losetup", [&["--find", "--show"], options, &[file_name]].concat());
        Self::attached(PathBuf::from(path), file, tmpfs)
    }

    fn attached(path: PathBuf, file: &Path, tmpfs: Option<Tmpfs>) -> Self {
        if Path::new("/run/udev/control").exists() {
            // udev reads new devices, and what it reads is not what a test has asked for.
            run("udevadm", ["settle"]);
        }
        let name = path.file_name().expect("losetup gives a path").to_string_lossy().into_owned();
        let mut device =
            Self { path, name, file: file.to_owned(), scheduler: String::new(), _tmpfs: tmpfs };
        device.scheduler = device.scheduler();
        device.set_scheduler("none");
        device
    }

    /// `/dev/loopN`
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// `loopN`
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its first partition, of so many sectors from `start` on; it goes when the device is detached. Only a
    /// device with `--partscan` takes any.
    pub(crate) fn add_partition(&self, start: u64, sectors: u64) -> PathBuf {
        // Told, not found: a kernel may know no partition table at all.
        let disk = self.path.to_str().expect("device names are plain");
        run("addpart", [disk, "1", &start.to_string(), &sectors.to_string()]);
        let node = PathBuf::from(format!("{disk}p1"));
        wait_for("the node of the partition", || {
            if node.exists() { Ok(()) } else { Err(format!("no {}", node.display())) }
        });
        node
    }

    /// Cuts the file under the device: what lies beyond reads as an I/O error from now on.
    pub(crate) fn truncate(&self, bytes: u64) {
        let file = OpenOptions::new().write(true).open(&self.file).expect("our file is there");
        file.set_len(bytes).expect("our file can be cut");
    }

    /// Switches the I/O scheduler.
    pub(crate) fn set_scheduler(&self, scheduler: &str) {
        self.set("scheduler", scheduler);
    }

    /// The one that it has: the name in brackets.
    fn scheduler(&self) -> String {
        let path = self.queue("scheduler");
        let all = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let marked =
            all.split_whitespace().find_map(|name| name.strip_prefix('[')?.strip_suffix(']'));
        marked.unwrap_or_else(|| panic!("no scheduler in {all}")).to_owned()
    }

    /// Reads so much at once, in pieces of one request each, that every tag of the device and so
    /// every request address is in use at the same time; returns how many requests of 4 KiB that
    /// took.
    ///
    /// A life whose end the kernel did not show is known to have ended when its address is used
    /// again.
    pub(crate) fn use_every_request(&self) -> u64 {
        const BYTES: usize = 4 << 20;
        let limit = self.queue("max_sectors_kb");
        let before = fs::read_to_string(&limit).expect("queues have a limit").trim().to_owned();
        self.set("max_sectors_kb", "4");
        let mut file = DirectFile::open(&self.path, BYTES);
        let read = file.read(0);
        self.set("max_sectors_kb", &before);
        (read.expect("the beginning of our device can be read") / 4096) as u64
    }

    /// Asks for it to be detached at its last close, while it is in use.
    pub(crate) fn detach_when_unused(&self) {
        run("losetup", [Path::new("--detach"), &self.path]);
    }

    /// Writes an attribute of its queue.
    pub(crate) fn set(&self, attribute: &str, value: &str) {
        let path = self.queue(attribute);
        fs::write(&path, value)
            .unwrap_or_else(|error| panic!("{value} to {}: {error}", path.display()));
    }

    fn queue(&self, attribute: &str) -> PathBuf {
        Path::new("/sys/block").join(&self.name).join("queue").join(attribute)
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let attached = Path::new("/sys/block").join(&self.name).join("loop");
        if attached.exists() {
            // It may be detached at any moment, and is gone altogether where a test has removed it.
            drop(fs::write(self.queue("scheduler"), &self.scheduler));
            // One that was to go at its last close may be about to go, and is refused then.
            let done = Command::new("losetup").arg("--detach").arg(&self.path).output();
            done.expect("losetup is installed");
        }
        // A device that is open somewhere is detached at its last close, and what has io_uring may
        // close it later than it ends; what the file lies on can be unmounted only then.
        let gone = || {
            if attached.exists() { Err(format!("{} is there", attached.display())) } else { Ok(()) }
        };
        if !thread::panicking() {
            wait_for("the loop device to let go of its file", gone);
        } else if !soon(|| gone().is_ok()) {
            eprintln!("{} stays attached", self.path.display());
        }
    }
}

/// A loop device number of our own: the device exists as long as this guard.
#[derive(Debug)]
pub(crate) struct Slot {
    number: u32,
}

impl Slot {
    /// A number that nobody uses, above those that `losetup --find` takes.
    pub(crate) fn free_number() -> u32 {
        (100..1000)
            .find(|number| !Path::new(&format!("/sys/block/loop{number}")).exists())
            .expect("there are not that many loop devices")
    }

    /// Adds the device; nothing is attached to it yet.
    pub(crate) fn add(number: u32) -> Self {
        control(LOOP_CTL_ADD, number).expect("a loop device can be added");
        let slot = Self { number };
        let path = slot.path();
        wait_for("the device node", || {
            if path.exists() { Ok(()) } else { Err(format!("no {}", path.display())) }
        });
        slot
    }

    /// `/dev/loopN`
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/dev/loop{}", self.number))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Err(error) = control(LOOP_CTL_REMOVE, self.number) {
            eprintln!("loop{} stays: {error}", self.number);
        }
    }
}

/// `LOOP_CTL_ADD` of `linux/loop.h`
const LOOP_CTL_ADD: libc::c_ulong = 0x4c80;
/// `LOOP_CTL_REMOVE` of `linux/loop.h`
const LOOP_CTL_REMOVE: libc::c_ulong = 0x4c81;

fn control(request: libc::c_ulong, number: u32) -> io::Result<()> {
    let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
    // SAFETY: both requests take a number and touch no memory of ours.
    let done = unsafe { libc::ioctl(control.as_raw_fd(), request, libc::c_ulong::from(number)) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
