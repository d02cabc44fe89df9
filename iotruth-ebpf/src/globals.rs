//! The two frozen globals: where the fields of this kernel are, and how the programs shall work.
//!
//! The daemon overwrites both before it loads the object, and the map that holds them is frozen and
//! read-only to programs. The verifier therefore takes every value for a known constant: it accepts
//! offsets taken from here as if they were written into the program, and drops branches that they
//! rule out. The compiler must not know the values, hence volatile reads.

use iotruth_common::{
    layout::{ABSENT, Layout},
    per_cpu::Lane,
    probe::{PROBES, PROGRAMS},
    tuning::Tuning,
};

/// Every position and offset is absent until the daemon knows better.
#[unsafe(no_mangle)]
pub(crate) static LAYOUT: Layout = Layout {
    request_argument: [ABSENT; PROBES],
    request_queue: ABSENT,
    request_cmd_flags: ABSENT,
    request_rq_flags: ABSENT,
    request_tag: ABSENT,
    request_internal_tag: ABSENT,
    request_data_len: ABSENT,
    request_sector: ABSENT,
    request_bio: ABSENT,
    request_hctx: ABSENT,
    request_state: ABSENT,
    request_start_time: ABSENT,
    request_segments: ABSENT,
    request_references: ABSENT,
    request_timeout: ABSENT,
    request_deadline: ABSENT,
    request_bytes: 0,
    request_disk: ABSENT,
    queue_disk: ABSENT,
    disk_major: ABSENT,
    disk_first_minor: ABSENT,
    disk_diskseq: ABSENT,
    hctx_queue_num: ABSENT,
    bio_blkg: ABSENT,
    blkg_blkcg: ABSENT,
    blkcg_cgroup: ABSENT,
    cgroup_kn: ABSENT,
    kn_id: ABSENT,
    task_flags: ABSENT,
    task_pid: ABSENT,
    task_tgid: ABSENT,
    task_comm: ABSENT,
};

/// One ring, quiet, every start traced; the fill mark is beyond any ring.
#[unsafe(no_mangle)]
pub(crate) static TUNING: Tuning = Tuning {
    ring_mask: 0,
    fill_mark: u32::MAX,
    start_events: 1,
    start_flags: 0,
    nested: 0,
    task: 0,
    log: 0,
    per_cpu: 0,
    lanes: [Lane { stride: 0, first: 0, mask: 0 }; PROGRAMS],
};

/// Reads a global in a way that the compiler cannot fold.
#[inline(always)]
pub(crate) fn constant(global: &'static u32) -> u32 {
    // SAFETY: a reference to a static is valid, aligned and initialised; the map behind it is
    // frozen, so nobody writes.
    unsafe { core::ptr::read_volatile(global) }
}
