//! The kernel's own figures of a disk.

use std::fs;

/// One moment of `/sys/block/NAME/stat`, since the device was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskStats {
    /// Reads that were completed.
    pub(crate) reads: u64,
    /// Bios and requests that were merged into another read.
    pub(crate) read_merges: u64,
    /// Bytes read.
    pub(crate) read_bytes: u64,
    /// Writes that were completed.
    pub(crate) writes: u64,
    /// Bios and requests that were merged into another write.
    pub(crate) write_merges: u64,
    /// Bytes written.
    pub(crate) written_bytes: u64,
    /// Discards that were completed.
    pub(crate) discards: u64,
    /// Flush commands that were completed.
    pub(crate) flushes: u64,
}

impl DiskStats {
    /// Reads them now.
    pub(crate) fn of(device: &str) -> Self {
        let path = format!("/sys/block/{device}/stat");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let fields: Vec<u64> =
            text.split_whitespace().map(|word| word.parse().expect("stat has numbers")).collect();
        // Milliseconds and what is in flight are of no use here.
        let [reads, read_merges, read_sectors, _, writes, write_merges, written_sectors, rest @ ..] =
            fields.as_slice()
        else {
            panic!("{path} has too few fields: {text}");
        };
        let [_, _, _, _, discards, _, _, _, flushes, _] = rest else {
            panic!("{path} has other fields than expected: {text}");
        };
        Self {
            reads: *reads,
            read_merges: *read_merges,
            read_bytes: read_sectors * 512,
            writes: *writes,
            write_merges: *write_merges,
            written_bytes: written_sectors * 512,
            discards: *discards,
            flushes: *flushes,
        }
    }

    /// What was added since an earlier moment.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            reads: self.reads - earlier.reads,
            read_merges: self.read_merges - earlier.read_merges,
            read_bytes: self.read_bytes - earlier.read_bytes,
            writes: self.writes - earlier.writes,
            write_merges: self.write_merges - earlier.write_merges,
            written_bytes: self.written_bytes - earlier.written_bytes,
            discards: self.discards - earlier.discards,
            flushes: self.flushes - earlier.flushes,
        }
    }
}
