//! A file system in memory, for the files under loop devices.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use super::run::run;

/// Number of the next directory of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// An empty directory that goes away with this guard; a place to mount something on.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Makes a new one.
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("iotruth-test-{}-{number}", process::id()));
        fs::create_dir(&path).expect("a new directory can be made");
        Self { path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Only ever removes what is empty: a mount that could not be undone stays as it is.
        if let Err(error) = fs::remove_dir(&self.path) {
            eprintln!("{} stays: {error}", self.path.display());
        }
    }
}

/// Something mounted on a directory of its own.
#[derive(Debug)]
pub(crate) struct Mount {
    directory: Directory,
}

impl Mount {
    /// Mounts `source` with these options of mount(8).
    pub(crate) fn new(source: &str, options: &[&str]) -> Self {
        let directory = Directory::new();
        let target = directory.path().to_str().expect("a path of our own is plain");
        run("mount", [options, &[source, target]].concat());
        Self { directory }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let target = self.path().to_str().unwrap_or_default();
        let done = process::Command::new("umount").arg(target).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("{target} stays mounted");
        }
    }
}

/// A tmpfs of its own, so that its size can be chosen and nobody else fills it.
#[derive(Debug)]
pub(crate) struct Tmpfs {
    mount: Mount,
}

impl Tmpfs {
    /// An empty one of this many mebibytes.
    pub(crate) fn new(mebibytes: u32) -> Self {
        let size = format!("size={mebibytes}m");
        Self { mount: Mount::new("tmpfs", &["-t", "tmpfs", "-o", &size]) }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.mount.path()
    }

    /// A new file of this many bytes, all hole.
    pub(crate) fn file(&self, name: &str, bytes: u64) -> PathBuf {
        let path = self.mount.path().join(name);
        let file = File::create_new(&path).expect("a file can be made in our tmpfs");
        file.set_len(bytes).expect("a file can be all hole");
        path
    }

    /// Leaves no room for a single new page: every write to a hole fails from now on.
    pub(crate) fn seal(&self) {
        let path = self.mount.path().to_str().expect("a path of our own is plain");
        // An empty tmpfs cannot be made smaller: a size of 0 would be no limit at all.
        fs::write(self.mount.path().join("sealed"), [0; 4096]).expect("there is room yet");
        // Blocks in all, free blocks, and their size.
        let figures = run("stat", ["--file-system", "--format=%b %f %S", path]);
        let mut numbers =
            figures.split_whitespace().map(|word| word.parse::<u64>().expect("stat gives numbers"));
        let mut next = || numbers.next().expect("stat gives three numbers");
        let used = (next() - next()) * next();
        run("mount", ["-o", &format!("remount,size={used}"), path]);
    }
}
