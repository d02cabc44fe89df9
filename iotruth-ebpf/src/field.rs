//! The only place that reads kernel memory.
//!
//! `tp_btf` programs get typed pointers, and the verifier lets them read a field with one plain
//! load at a constant offset, provided that the offset and the width match the kernel's own type
//! information. The daemon writes the offset into the load. A load from a stale pointer reads zero,
//! because the kernel gives each of these loads an entry in its exception table. Hops that may be NULL
//! are checked all the same: the JIT of Linux 5.10 has no check of its own.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_get_current_task_btf;

use crate::constant::{constant, exists, layout, load_at};

/// Reads a field.
macro_rules! read {
    ($type:ty, $base:expr, $field:ident) => {
        load_at!($type, $base, layout!($field))
    };
}

/// Reads a pointer field; `None` where it is NULL.
macro_rules! hop {
    ($base:expr, $field:ident) => {{
        let pointer = read!(*const c_void, $base, $field);
        if pointer.is_null() { None } else { Some(pointer) }
    }};
}

/// Whether this kernel has the field.
macro_rules! has {
    ($field:ident) => {
        exists(constant!(layout!($field)))
    };
}

/// A `struct request`.
#[derive(Clone, Copy)]
pub(crate) struct Request(*const c_void);

impl Request {
    /// The request at this address, which must be an argument of what the program is attached to.
    #[inline(always)]
    pub(crate) const fn new(address: *const c_void) -> Self {
        Self(address)
    }

    #[inline(always)]
    pub(crate) const fn pointer(self) -> *const c_void {
        self.0
    }

    #[inline(always)]
    pub(crate) fn cmd_flags(self) -> u32 {
        read!(u32, self.0, request_cmd_flags)
    }

    #[inline(always)]
    pub(crate) fn rq_flags(self) -> u32 {
        read!(u32, self.0, request_rq_flags)
    }

    #[inline(always)]
    pub(crate) fn tag(self) -> i32 {
        read!(i32, self.0, request_tag)
    }

    #[inline(always)]
    pub(crate) fn internal_tag(self) -> i32 {
        read!(i32, self.0, request_internal_tag)
    }

    #[inline(always)]
    pub(crate) fn data_len(self) -> u32 {
        read!(u32, self.0, request_data_len)
    }

    #[inline(always)]
    pub(crate) fn sector(self) -> u64 {
        read!(u64, self.0, request_sector)
    }

    /// `state`, an enumeration of 32 bits with three small values.
    #[inline(always)]
    pub(crate) fn state(self) -> u8 {
        read!(u32, self.0, request_state) as u8
    }

    #[inline(always)]
    pub(crate) fn start_time(self) -> u64 {
        read!(u64, self.0, request_start_time)
    }

    /// `timeout`, in ticks; 0 where the kernel does not tell.
    #[inline(always)]
    pub(crate) fn timeout(self) -> u32 {
        if has!(request_timeout) { read!(u32, self.0, request_timeout) } else { 0 }
    }

    #[inline(always)]
    pub(crate) fn segments(self) -> u16 {
        read!(u16, self.0, request_segments)
    }

    #[inline(always)]
    pub(crate) fn has_bio(self) -> bool {
        hop!(self.0, request_bio).is_some()
    }

    #[inline(always)]
    pub(crate) fn queue(self) -> *const c_void {
        read!(*const c_void, self.0, request_queue)
    }

    /// The hardware queue, where one is set.
    #[inline(always)]
    pub(crate) fn hardware_queue(self) -> Option<HardwareQueue> {
        hop!(self.0, request_hctx).map(HardwareQueue)
    }

    /// The disk: of the queue, or on older kernels of the request itself.
    #[inline(always)]
    pub(crate) fn disk(self, queue: *const c_void) -> Option<Disk> {
        let disk =
            if has!(queue_disk) { hop!(queue, queue_disk) } else { hop!(self.0, request_disk) };
        disk.map(Disk)
    }

    /// Cgroup id of the bio, 0 where there is none: right for write-back by kernel workers too.
    ///
    /// The daemon sees to it that either all fields of the chain are known or none.
    #[inline(always)]
    pub(crate) fn cgroup(self) -> u64 {
        if !has!(bio_blkg) {
            return 0;
        }
        let Some(bio) = hop!(self.0, request_bio) else { return 0 };
        let Some(group) = hop!(bio, bio_blkg) else { return 0 };
        let Some(blkcg) = hop!(group, blkg_blkcg) else { return 0 };
        let Some(cgroup) = hop!(blkcg, blkcg_cgroup) else { return 0 };
        let Some(node) = hop!(cgroup, cgroup_kn) else { return 0 };
        read!(u64, node, kn_id)
    }
}

/// A `struct blk_mq_hw_ctx`.
#[derive(Clone, Copy)]
pub(crate) struct HardwareQueue(*const c_void);

impl HardwareQueue {
    #[inline(always)]
    pub(crate) const fn pointer(self) -> *const c_void {
        self.0
    }

    /// `queue_num`, of which no kernel has more than fit 16 bits.
    #[inline(always)]
    pub(crate) fn number(self) -> u16 {
        read!(u32, self.0, hctx_queue_num) as u16
    }
}

/// A `struct gendisk`.
#[derive(Clone, Copy)]
pub(crate) struct Disk(*const c_void);

impl Disk {
    /// The kernel's `dev_t`.
    #[inline(always)]
    pub(crate) fn device(self) -> u32 {
        let major = read!(u32, self.0, disk_major);
        let minor = read!(u32, self.0, disk_first_minor);
        major << 20 | minor
    }

    /// The sequence number of the disk; 0 before Linux 5.15.
    #[inline(always)]
    pub(crate) fn sequence(self) -> u64 {
        if has!(disk_diskseq) { read!(u64, self.0, disk_diskseq) } else { 0 }
    }
}

/// The `struct task_struct` that runs now.
#[derive(Clone, Copy)]
pub(crate) struct Task(*const c_void);

impl Task {
    /// Needs Linux 5.11.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        // SAFETY: the helper has no preconditions; where the kernel lacks it, the verifier has
        // dropped this branch.
        Self(unsafe { bpf_get_current_task_btf() }.cast())
    }

    #[inline(always)]
    pub(crate) fn flags(self) -> u32 {
        read!(u32, self.0, task_flags)
    }

    #[inline(always)]
    pub(crate) fn pid(self) -> u32 {
        read!(u32, self.0, task_pid)
    }

    #[inline(always)]
    pub(crate) fn tgid(self) -> u32 {
        read!(u32, self.0, task_tgid)
    }

    /// The name, as two machine words: the verifier allows any width within an array of `char`.
    #[inline(always)]
    pub(crate) fn comm(self) -> [u64; 2] {
        [read!(u64, self.0, task_comm), load_at!(u64, self.0, layout!(task_comm), 1)]
    }
}
