//! A loop device over a file in memory, and direct reads from it.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
    process::Command,
};

/// Bytes of one read, and its alignment.
pub(crate) const BLOCK: usize = 4096;

/// The device ends, and its file is removed, with this value.
pub(crate) struct LoopDevice {
    name: String,
    file: PathBuf,
}

impl LoopDevice {
    /// Over a new file of so many blocks, with the scheduler `none`.
    pub(crate) fn new(tag: &str, blocks: usize) -> Self {
        let file = PathBuf::from(format!("/dev/shm/iotruth-{tag}-{}", std::process::id()));
        File::create(&file).unwrap().set_len((blocks * BLOCK) as u64).unwrap();
        let losetup =
            Command::new("losetup").args(["--find", "--show"]).arg(&file).output().unwrap();
        assert!(losetup.status.success(), "losetup: {losetup:?}; these tests need root");
        let path = String::from_utf8(losetup.stdout).unwrap();
        let name = path.trim().strip_prefix("/dev/").unwrap().to_owned();
        let device = Self { name, file };
        fs::write(device.attribute("queue/scheduler"), "none").unwrap();
        device
    }

    fn attribute(&self, attribute: &str) -> PathBuf {
        PathBuf::from(format!("/sys/block/{}/{attribute}", self.name))
    }

    /// The kernel's `dev_t`.
    pub(crate) fn number(&self) -> u32 {
        let text = fs::read_to_string(self.attribute("dev")).unwrap();
        let (major, minor) = text.trim().split_once(':').unwrap();
        major.parse::<u32>().unwrap() << 20 | minor.parse::<u32>().unwrap()
    }

    pub(crate) fn sequence(&self) -> u64 {
        fs::read_to_string(self.attribute("diskseq")).unwrap().trim().parse().unwrap()
    }

    /// Reads so many blocks one by one past the page cache, wrapping around at the end.
    pub(crate) fn read(&self, reads: usize, blocks: usize) {
        let device = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECT)
            .open(format!("/dev/{}", self.name))
            .unwrap();
        let mut room = vec![0_u8; 2 * BLOCK];
        let start = room.as_ptr().align_offset(BLOCK);
        let block = &mut room[start..start + BLOCK];
        for read in 0..reads {
            device.read_exact_at(block, (read % blocks * BLOCK) as u64).unwrap();
        }
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let path = format!("/dev/{}", self.name);
        let detached = Command::new("losetup").args(["--detach", &path]).status();
        let removed = fs::remove_file(&self.file);
        if !std::thread::panicking() {
            assert!(detached.unwrap().success());
            removed.unwrap();
        }
    }
}
