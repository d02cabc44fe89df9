//! Using every request of a disk once.

use crate::{
    cpu::pin,
    harness::direct_io::{DirectFile, Offsets},
    kernel,
};

/// Reads on each CPU that take every tag of its hardware queue at least once: no queue here is
/// deeper than 256, and a CPU takes tag after tag (`sbitmap`).
const READS: usize = 600;

/// Reads until the daemon has seen a life end on every request, where that makes a difference.
///
/// Before 6.5 an empty flush has no event but its end. On a request that was not used since the
/// daemon came, that may be the end of something older, and is not judged.
pub(crate) fn warm_up(file: &mut DirectFile) {
    warm_up_few(file, READS);
}

/// As [`warm_up`], of a disk whose requests so few reads on each CPU use.
pub(crate) fn warm_up_few(file: &mut DirectFile, reads: usize) {
    if kernel::has_starts() {
        return;
    }
    for cpu in [0, 1] {
        pin(&[cpu]);
        for offset in Offsets::new(7, 1 << 20).take(reads) {
            file.read(offset).expect("the disk can be read");
        }
    }
    pin(&[0, 1]);
}
