//! Where the fields are in this very kernel.
//!
//! The daemon fills it from `/sys/kernel/btf/vmlinux` and writes it into the programs' instructions before
//! it loads them ([`constant`](crate::constant)), so each read is one plain load.

use crate::probe::PROBES;

/// Offset of a field that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// Byte offsets of the fields that the programs read, and the positions of their arguments.
///
/// A field that may be [`ABSENT`] says so; all others are mandatory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Layout {
    /// Which argument of each tracepoint is the request, by probe, or of the function in its place;
    /// [`ABSENT`] where the kernel has neither. For `block_rq_complete` status and bytes are the next two.
    pub request_argument: [u32; PROBES],
    /// `request.q`
    pub request_queue: u32,
    /// `request.cmd_flags`
    pub request_cmd_flags: u32,
    /// `request.rq_flags`
    pub request_rq_flags: u32,
    /// `request.tag`
    pub request_tag: u32,
    /// `request.internal_tag`
    pub request_internal_tag: u32,
    /// `request.__data_len`
    pub request_data_len: u32,
    /// `request.__sector`
    pub request_sector: u32,
    /// `request.bio`
    pub request_bio: u32,
    /// `request.mq_hctx`
    pub request_hctx: u32,
    /// `request.state`
    pub request_state: u32,
    /// `request.start_time_ns`
    pub request_start_time: u32,
    /// `request.nr_phys_segments`
    pub request_segments: u32,
    /// `request.ref`, its counter: 0 where the request is free.
    pub request_references: u32,
    /// `request.timeout`; may be [`ABSENT`].
    pub request_timeout: u32,
    /// `request.deadline`; may be [`ABSENT`].
    pub request_deadline: u32,
    /// How much of a request is read again: the end of the last field above that the daemon compares.
    pub request_bytes: u32,
    /// `request.rq_disk`; [`ABSENT`] since Linux 5.17.
    pub request_disk: u32,
    /// `request_queue.disk`; [`ABSENT`] where the request names its disk itself.
    pub queue_disk: u32,
    /// `gendisk.major`
    pub disk_major: u32,
    /// `gendisk.first_minor`
    pub disk_first_minor: u32,
    /// `gendisk.diskseq`; [`ABSENT`] before Linux 5.15.
    pub disk_diskseq: u32,
    /// `blk_mq_hw_ctx.queue_num`
    pub hctx_queue_num: u32,
    /// `bio.bi_blkg`; [`ABSENT`] without block cgroups, and then the four below are too.
    pub bio_blkg: u32,
    /// `blkcg_gq.blkcg`; may be [`ABSENT`].
    pub blkg_blkcg: u32,
    /// `blkcg.css.cgroup`; may be [`ABSENT`].
    pub blkcg_cgroup: u32,
    /// `cgroup.kn`; may be [`ABSENT`].
    pub cgroup_kn: u32,
    /// `kernfs_node.id`; may be [`ABSENT`].
    pub kn_id: u32,
    /// `task_struct.flags`
    pub task_flags: u32,
    /// `task_struct.pid`
    pub task_pid: u32,
    /// `task_struct.tgid`
    pub task_tgid: u32,
    /// `task_struct.comm`
    pub task_comm: u32,
}

const _: () = assert!(core::mem::size_of::<Layout>() == 4 * (PROBES + 31));
