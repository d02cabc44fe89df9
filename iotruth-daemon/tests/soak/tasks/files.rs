//! Files: what the journal of a file system asks of its device.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use crate::{clock::Clock, harness::run::run as tool, random::Random};

/// So many files at most; the file system has little more room for them.
const FILES: u64 = 24;

/// The longest file.
const LONGEST: u64 = 256 << 10;

pub(super) fn run(directory: &Path, clock: &Clock, mut random: Random) {
    let all = directory.to_str().expect("a path of our own is plain");
    while !clock.is_over() {
        let path = directory.join(format!("file{}", random.below(FILES)));
        let mut file = File::create(&path).expect("a file can be made");
        let bytes = vec![0x5a; random.below(LONGEST) as usize];
        file.write_all(&bytes).expect("a file can be written");
        match random.below(10) {
            0..5 => file.sync_all().expect("a file can be made durable"),
            5..7 => file.sync_data().expect("a file can be made durable"),
            7 => drop(tool("sync", ["--file-system", all])),
            _ => {}
        }
        if random.percent(40) {
            fs::remove_file(&path).expect("our file can be removed");
        }
    }
}
