//! The only place that reads kernel memory.
//!
//! `tp_btf` programs get typed pointers, and the verifier lets them read a field with one plain
//! load at a constant offset, provided that the offset and the width match the kernel's own type
//! information. A load from a stale pointer reads zero, because the kernel gives each of these
//! loads an entry in its exception table. Hops that may be NULL are checked all the same: the JIT
//! of Linux 5.10 has no check of its own.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use iotruth_common::layout::ABSENT;

use crate::globals::{LAYOUT, constant};

/// Reads the field at this offset of a kernel structure.
#[inline(always)]
fn load<T: Copy>(base: *const c_void, offset: u32) -> T {
    let field = base.wrapping_byte_add(offset as usize).cast::<T>();
    // SAFETY: the verifier knows the type behind `base` and refuses the program if there is no
    // field of this width at this offset; a fault reads as zero.
    unsafe { field.read() }
}

/// Reads a pointer field that every kernel has; `None` where it is NULL.
#[inline(always)]
fn hop(base: *const c_void, offset: u32) -> Option<*const c_void> {
    let pointer = load::<*const c_void>(base, offset);
    if pointer.is_null() { None } else { Some(pointer) }
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
        load(self.0, constant(&LAYOUT.request_cmd_flags))
    }

    #[inline(always)]
    pub(crate) fn rq_flags(self) -> u32 {
        load(self.0, constant(&LAYOUT.request_rq_flags))
    }

    #[inline(always)]
    pub(crate) fn tag(self) -> i32 {
        load(self.0, constant(&LAYOUT.request_tag))
    }

    #[inline(always)]
    pub(crate) fn internal_tag(self) -> i32 {
        load(self.0, constant(&LAYOUT.request_internal_tag))
    }

    #[inline(always)]
    pub(crate) fn data_len(self) -> u32 {
        load(self.0, constant(&LAYOUT.request_data_len))
    }

    #[inline(always)]
    pub(crate) fn sector(self) -> u64 {
        load(self.0, constant(&LAYOUT.request_sector))
    }

    /// `state`, an enumeration of 32 bits with three small values.
    #[inline(always)]
    pub(crate) fn state(self) -> u8 {
        load::<u32>(self.0, constant(&LAYOUT.request_state)) as u8
    }

    #[inline(always)]
    pub(crate) fn start_time(self) -> u64 {
        load(self.0, constant(&LAYOUT.request_start_time))
    }

    /// `timeout`, in ticks; 0 where the kernel does not tell.
    #[inline(always)]
    pub(crate) fn timeout(self) -> u32 {
        let offset = constant(&LAYOUT.request_timeout);
        if offset == ABSENT { 0 } else { load(self.0, offset) }
    }

    #[inline(always)]
    pub(crate) fn segments(self) -> u16 {
        load(self.0, constant(&LAYOUT.request_segments))
    }

    #[inline(always)]
    pub(crate) fn has_bio(self) -> bool {
        hop(self.0, constant(&LAYOUT.request_bio)).is_some()
    }

    #[inline(always)]
    pub(crate) fn queue(self) -> *const c_void {
        load(self.0, constant(&LAYOUT.request_queue))
    }

    /// The hardware queue, where one is set.
    #[inline(always)]
    pub(crate) fn hardware_queue(self) -> Option<HardwareQueue> {
        hop(self.0, constant(&LAYOUT.request_hctx)).map(HardwareQueue)
    }

    /// The disk: of the queue, or on older kernels of the request itself.
    #[inline(always)]
    pub(crate) fn disk(self, queue: *const c_void) -> Option<Disk> {
        let of_queue = constant(&LAYOUT.queue_disk);
        let disk = if of_queue == ABSENT {
            hop(self.0, constant(&LAYOUT.request_disk))
        } else {
            hop(queue, of_queue)
        };
        disk.map(Disk)
    }

    /// Cgroup id of the bio, 0 where there is none: right for write-back by kernel workers too.
    ///
    /// The daemon sees to it that either all fields of the chain are known or none.
    #[inline(always)]
    pub(crate) fn cgroup(self) -> u64 {
        if constant(&LAYOUT.bio_blkg) == ABSENT {
            return 0;
        }
        let Some(bio) = hop(self.0, constant(&LAYOUT.request_bio)) else { return 0 };
        let Some(group) = hop(bio, constant(&LAYOUT.bio_blkg)) else { return 0 };
        let Some(blkcg) = hop(group, constant(&LAYOUT.blkg_blkcg)) else { return 0 };
        let Some(cgroup) = hop(blkcg, constant(&LAYOUT.blkcg_cgroup)) else { return 0 };
        let Some(node) = hop(cgroup, constant(&LAYOUT.cgroup_kn)) else { return 0 };
        load(node, constant(&LAYOUT.kn_id))
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
        load::<u32>(self.0, constant(&LAYOUT.hctx_queue_num)) as u16
    }
}

/// A `struct gendisk`.
#[derive(Clone, Copy)]
pub(crate) struct Disk(*const c_void);

impl Disk {
    /// The kernel's `dev_t`.
    #[inline(always)]
    pub(crate) fn device(self) -> u32 {
        let major = load::<u32>(self.0, constant(&LAYOUT.disk_major));
        let minor = load::<u32>(self.0, constant(&LAYOUT.disk_first_minor));
        major << 20 | minor
    }

    /// The sequence number of the disk; 0 before Linux 5.15.
    #[inline(always)]
    pub(crate) fn sequence(self) -> u64 {
        let offset = constant(&LAYOUT.disk_diskseq);
        if offset == ABSENT { 0 } else { load(self.0, offset) }
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
        load(self.0, constant(&LAYOUT.task_flags))
    }

    #[inline(always)]
    pub(crate) fn pid(self) -> u32 {
        load(self.0, constant(&LAYOUT.task_pid))
    }

    #[inline(always)]
    pub(crate) fn tgid(self) -> u32 {
        load(self.0, constant(&LAYOUT.task_tgid))
    }

    /// The name, as two machine words: the verifier allows any width within an array of `char`.
    #[inline(always)]
    pub(crate) fn comm(self) -> [u64; 2] {
        let offset = constant(&LAYOUT.task_comm);
        [load(self.0, offset), load(self.0, offset.wrapping_add(8))]
    }
}
