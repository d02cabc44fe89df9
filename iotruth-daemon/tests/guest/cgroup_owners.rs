//! Whose requests they are: two control groups write past the page cache and through it.
//!
//! Every request is made to have an entry in the list: a busy host refuses each second command,
//! and an entry names the owner.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    process,
};

use crate::{
    cgroup::Cgroup,
    disk::Disk,
    harness::{
        daemon::Daemon,
        direct_io::DirectFile,
        diskstats::DiskStats,
        mismatches::{self, Entry},
        patience::wait_long_for,
        tmpfs::Mount,
        turn::turn,
    },
    scsi_debug::{self, HOST_BUSY, ScsiDebug},
    strict::strict,
};

const PAGE: u64 = 4096;

/// Pages of each file. No two neighbours are used, so that nothing merges.
const PAGES: u64 = 1024;

/// Pages of each file that are written back.
const WRITTEN_BACK: u64 = PAGES / 8;

/// Right ones of both groups together, at the least.
const ENTRIES: u64 = 1000;

/// A file of a group.
struct Owned {
    cgroup: Cgroup,
    path: PathBuf,
}

/// How many entries name the right owner, none, and a wrong one.
#[derive(Debug, Default)]
struct Tally {
    right: u64,
    unknown: u64,
    wrong: u64,
}

#[test]
fn requests_belong_to_the_group_that_caused_them() {
    let _turn = turn();
    let hosts = ScsiDebug::new(1);
    let disk = hosts.disk(0);
    copy(&Disk::of_serial("ext4"), disk);
    let mount = Mount::new(disk.path().to_str().unwrap(), &["-t", "ext4", "-o", "noatime"]);
    // Workers write back soon, and all of it.
    fs::write("/proc/sys/vm/dirty_writeback_centisecs", "20").unwrap();
    fs::write("/proc/sys/vm/dirty_expire_centisecs", "20").unwrap();
    let owned = ["one", "two"].map(|name| {
        let owned = Owned { cgroup: Cgroup::new(name), path: mount.path().join(name) };
        owned.cgroup.enter(|| fill(&owned.path));
        owned
    });
    let owners = owned.iter().flat_map(Owned::sectors).collect::<BTreeMap<u64, u64>>();

    let daemon = Daemon::start(&[]);
    scsi_debug::inject(HOST_BUSY, 2);
    let mut seen =
        Seen { daemon: &daemon, disk, owners: &owners, newest: None, tally: BTreeMap::new() };
    let before = DiskStats::of(disk.name());
    for Owned { cgroup, path } in &owned {
        cgroup.enter(|| {
            // Workers write these: this only makes pages dirty.
            let file = File::options().write(true).open(path).unwrap();
            for page in (0..PAGES).step_by(8) {
                file.write_all_at(&[1; PAGE as usize], page * PAGE).unwrap();
            }
        });
    }
    wait_long_for("workers to write all back", || {
        let written = DiskStats::of(disk.name()).since(before).writes;
        if written >= 2 * WRITTEN_BACK { Ok(()) } else { Err(format!("{written} writes")) }
    });
    seen.take("write-back", |entry| entry.owner().is_none());
    let this = u64::from(process::id());
    for Owned { cgroup, path } in &owned {
        cgroup.enter(|| {
            let mut file = DirectFile::open(path, PAGE as usize);
            for page in (0..PAGES).step_by(8) {
                file.write(page * PAGE).unwrap();
                file.read((page + 2) * PAGE).unwrap();
                file.write((page + 4) * PAGE).unwrap();
                file.read((page + 6) * PAGE).unwrap();
            }
        });
        // The task is not known of what a busy queue sent back before anything else was seen of it.
        seen.take("direct", |entry| entry.owner().is_none_or(|(process, _)| process == this));
    }
    scsi_debug::behave();

    let Tally { right, unknown, wrong } = seen.total();
    assert_eq!(wrong, 0, "{:?}", seen.tally);
    assert!(unknown * 1000 <= right + unknown, "{:?}", seen.tally);
    assert!(right >= ENTRIES, "too few entries: {:?}", seen.tally);
    // Each group, and each way of writing, is among them.
    assert_eq!(seen.tally.len(), 4, "{:?}", seen.tally);
    println!("\nIOTRUTH-NOTE {right} owners right, {unknown} unknown, {wrong} wrong");
    drop(mount);
    let any = 1..=u64::MAX;
    let name = disk.name();
    let provoked = [
        (name, "requeue_busy_after_start", any),
        (name, "requeue_busy_before_start", 0..=u64::MAX),
        // Unmounting flushes the disk.
        (name, "flush_emulated", 0..=16),
    ];
    strict(&daemon, &provoked);
}

impl Owned {
    /// Each sector at which a page of the file begins, with the id of its group.
    fn sectors(&self) -> Vec<(u64, u64)> {
        let file = File::open(&self.path).unwrap();
        let sector = |page| {
            let mut block = page as libc::c_int;
            // SAFETY: FIBMAP reads a block number there and writes one.
            let result = unsafe { libc::ioctl(file.as_raw_fd(), FIBMAP, &raw mut block) };
            assert!(result == 0 && block > 0, "page {page}: {}", std::io::Error::last_os_error());
            block as u64 * (PAGE / 512)
        };
        (0..PAGES).map(|page| (sector(page), self.cgroup.id())).collect()
    }
}

/// `_IO(0x00, 1)`: which block of the device holds a block of a file.
const FIBMAP: libc::Ioctl = 1;

/// Entries that were looked at.
struct Seen<'a> {
    daemon: &'a Daemon,
    disk: &'a Disk,
    owners: &'a BTreeMap<u64, u64>,
    /// Number and time of the newest.
    newest: Option<(u64, String)>,
    /// By group and by what was done.
    tally: BTreeMap<(u64, &'static str), Tally>,
}

impl Seen<'_> {
    /// Takes the entries since the last time.
    fn take(&mut self, what: &'static str, task_is_right: impl Fn(&Entry) -> bool) {
        // The kernel also writes what belongs to the file system itself.
        let of_files =
            |entry: &&Entry| entry.sector().is_some_and(|sector| self.owners.contains_key(&sector));
        crate::harness::books::quiet(self.daemon);
        let (last, since) = self.newest.clone().unwrap_or((0, "1970-01-01T00:00:00Z".to_owned()));
        let query = format!(
            "/mismatches?severity=all&kind=requeue_busy_after_start&limit=1000&device={}&since={since}",
            self.disk.name(),
        );
        let entries = mismatches::parse(&self.daemon.get(&query));
        assert!(entries.len() < 1000, "there may be more");
        for entry in entries.iter().filter(|entry| entry.id() > last).filter(of_files) {
            let group = self.owners[&entry.sector().unwrap()];
            let tally = self.tally.entry((group, what)).or_default();
            match entry.cgroup() {
                Some(id) if id == group && task_is_right(entry) => tally.right += 1,
                None => tally.unknown += 1,
                Some(_) => tally.wrong += 1,
            }
        }
        if let Some(newest) = entries.iter().max_by_key(|entry| entry.id()) {
            let time = newest.json()["last"].as_str().unwrap();
            self.newest = Some((newest.id(), time.to_owned()));
        }
    }

    fn total(&self) -> Tally {
        self.tally.values().fold(Tally::default(), |sum, tally| Tally {
            right: sum.right + tally.right,
            unknown: sum.unknown + tally.unknown,
            wrong: sum.wrong + tally.wrong,
        })
    }
}

/// Makes a file whose pages are all on the disk.
fn fill(path: &Path) {
    let mut file = File::create_new(path).unwrap();
    file.write_all(&vec![0; (PAGES * PAGE) as usize]).unwrap();
    file.sync_all().unwrap();
}

/// Copies a whole disk to another one of the same size.
fn copy(from: &Disk, to: &Disk) {
    assert_eq!(from.attribute("size"), to.attribute("size"));
    let mut from = File::open(from.path()).unwrap();
    let mut to = File::options().write(true).open(to.path()).unwrap();
    std::io::copy(&mut from, &mut to).unwrap();
    to.sync_all().unwrap();
}
