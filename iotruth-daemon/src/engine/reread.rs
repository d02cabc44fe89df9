//! An open life against the request as it lies in kernel memory now.
//!
//! The address of a request says nothing by itself: it is used again and again. That the request is
//! still the one of the life is told by all that a life knows of it, and by its counter of
//! references, which is 0 from `blk_mq_free_request` to the next allocation.

use bytemuck::Zeroable;
use iotruth_common::{
    layout::{ABSENT, Layout},
    record::{RequestRecord, STATE_IDLE, STATE_IN_FLIGHT},
};

use super::life::{Life, Stage};

/// What was read of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) queue: u64,
    pub(super) cmd_flags: u32,
    pub(super) tag: i32,
    pub(super) data_len: u32,
    pub(super) sector: u64,
    pub(super) state: u32,
    pub(super) start_time: u64,
    pub(super) references: u32,
    /// In ticks; 0 where the kernel does not tell.
    pub(super) timeout: u32,
    /// In ticks since some moment; each issue sets it anew (`blk_add_timer`). `None` where the kernel
    /// does not tell.
    pub(super) deadline: Option<u64>,
}

/// What a request in memory says of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recognised {
    /// It is the request of this life, where the events left it.
    Same,
    /// It may be: its state, extent or tag is another, and an event may be on its way.
    Unclear,
    /// The request is free, or belongs to another life: this one has ended.
    Gone,
}

impl Found {
    /// Takes the fields out of the first bytes of a `struct request`; `None` where they do not reach
    /// that far.
    pub(super) fn decode(layout: &Layout, bytes: &[u8]) -> Option<Self> {
        let word = |offset: u32| -> Option<[u8; 4]> {
            bytes.get(offset as usize..)?.first_chunk().copied()
        };
        let long = |offset: u32| -> Option<[u8; 8]> {
            bytes.get(offset as usize..)?.first_chunk().copied()
        };
        Some(Self {
            queue: u64::from_ne_bytes(long(layout.request_queue)?),
            cmd_flags: u32::from_ne_bytes(word(layout.request_cmd_flags)?),
            tag: i32::from_ne_bytes(word(layout.request_tag)?),
            data_len: u32::from_ne_bytes(word(layout.request_data_len)?),
            sector: u64::from_ne_bytes(long(layout.request_sector)?),
            state: u32::from_ne_bytes(word(layout.request_state)?),
            start_time: u64::from_ne_bytes(long(layout.request_start_time)?),
            references: u32::from_ne_bytes(word(layout.request_references)?),
            timeout: match layout.request_timeout {
                ABSENT => 0,
                offset => u32::from_ne_bytes(word(offset)?),
            },
            deadline: match layout.request_deadline {
                ABSENT => None,
                offset => Some(u64::from_ne_bytes(long(offset)?)),
            },
        })
    }

    /// What this says of a life.
    pub(super) fn recognise(&self, life: &Life) -> Recognised {
        let mut head = RequestRecord::zeroed();
        head.queue = self.queue;
        head.cmd_flags = self.cmd_flags;
        head.sector = self.sector;
        head.data_len = self.data_len;
        // A merge takes over the older of two start times (`attempt_merge`), so that only a newer
        // one belongs to somebody else.
        let later = life.start_time != 0 && self.start_time > life.start_time;
        // Neither ever changes while a request is in use. What is left to transfer does, and not in
        // step with the events: `blk_update_request` traces before it takes off what has ended, and
        // a multipath driver takes the bios away before it ends the request.
        let others = life.queue != self.queue || life.cmd_flags as u8 != self.cmd_flags as u8;
        if self.references == 0 || later || others {
            return Recognised::Gone;
        }
        let is = |state: u8| self.state == u32::from(state);
        let as_left = match life.stage {
            // In state complete its end is on its way, or error handling has it.
            Stage::Issued => is(STATE_IN_FLIGHT) && (life.tag < 0 || life.tag == self.tag),
            Stage::Started | Stage::Queued | Stage::Requeued => is(STATE_IDLE),
            Stage::DataDone => true,
        };
        if as_left && life.can_be(&head) { Recognised::Same } else { Recognised::Unclear }
    }

    /// Whether the time at which the request was made proves by itself that it is this life's: no
    /// two uses of a request have the same one, unless it was not set and is of an earlier use.
    pub(super) const fn made_with(&self, life: &Life, attached: u64) -> bool {
        (life.dated || life.start_time >= attached) && self.start_time == life.start_time
    }
}
