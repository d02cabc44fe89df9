//! Lives in a compact notation, played through the little block layer.
//!
//! | token | what happens |
//! | --- | --- |
//! | `s` `i` `d` `q` `m` `r` | start, insert, issue, requeue, merge, remap |
//! | `qt`, `t` | requeue after a timeout; the timeout fires |
//! | `p4096`, `p0!10` | so many bytes are completed, with that status |
//! | `c`, `c!10` | all that is left is completed, with that status |
//! | `z`, `z!10` | `c` as the end of a flush sequence (`blk_flush_restore_request`) |
//! | `e` | the second completion of device mapper |
//! | `fq` `fd` `fc` `fc!10` | the flush of the same hardware queue: requeue, issue, complete |
//! | `g` | bios are merged in front and behind |
//! | `u` | nvme gives it back without having issued it (`nvme_host_path_error`) |
//! | `v` | its bios are taken over by another path (`blk_steal_bios`) |
//! | `x` | freed without an event, and allocated anew |
//!
//! Tokens joined by `+` happen in one call of the kernel, with nothing in between.

use iotruth_common::{
    probe::Probe,
    record::{STATE_COMPLETE, STATE_IDLE},
};

use super::{FLUSH, READ, WRITE};
use crate::engine::{
    flavor::Flavor,
    synthetic::{Kernel, Request, TIMEOUT},
};

/// What is asked of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Read,
    Write,
    /// A write with data and `REQ_PREFLUSH`, on a volatile write cache.
    Preflush,
    /// A write with data and `REQ_FUA`, on a volatile write cache without FUA.
    Fua,
    /// A write with data and `REQ_FUA`, on a device that has it.
    HardwareFua,
    /// What fsync sends.
    Empty,
    Discard,
    WriteZeroes,
    /// A command for a zone: a bio without data.
    Zone,
    Passthrough,
    /// The same without data, and so without a bio.
    Bare,
    /// A read over one path of nvme multipath.
    Multipath,
}

impl Ask {
    /// Whether its start is traced by default.
    pub(super) const fn flagged(self) -> bool {
        !matches!(self, Self::Read | Self::Write | Self::Multipath)
    }
}

/// A life that is being played.
#[derive(Clone, Debug)]
pub(super) struct Player {
    ask: Ask,
    script: &'static str,
    next: usize,
    address: u64,
    rq: Request,
    /// When the flush request was made ready that is under way.
    flush: Option<u64>,
}

/// Distance from a request to the `flush_rq` of its hardware queue.
const FLUSH_RQ: u64 = 1 << 20;

const LEN: u32 = 16_384;

fn allocate(kernel: &Kernel, ask: Ask, address: u64) -> Request {
    let req = Flavor::linux_6_12().req;
    let sector = address * 64;
    match ask {
        Ask::Read => kernel.allocate(address, READ, sector, LEN),
        Ask::Multipath => kernel.allocate(address, READ | req.drv, sector, LEN),
        Ask::Write => kernel.allocate(address, WRITE, sector, LEN),
        Ask::Preflush => kernel.allocate(address, WRITE | req.preflush, sector, LEN),
        Ask::Fua | Ask::HardwareFua => kernel.allocate(address, WRITE | req.fua, sector, LEN),
        Ask::Empty => kernel.allocate(address, WRITE | req.preflush, 0, 0),
        Ask::Discard => kernel.allocate(address, 3, sector, LEN),
        Ask::WriteZeroes => kernel.allocate(address, 9, sector, LEN),
        Ask::Zone => kernel.allocate(address, 17, sector, 0),
        Ask::Passthrough => kernel.allocate(address, 35, u64::MAX, 96),
        Ask::Bare => Request { bio: false, ..kernel.allocate(address, 34, u64::MAX, 0) },
    }
}

impl Player {
    pub(super) fn new(kernel: &Kernel, ask: Ask, script: &'static str, address: u64) -> Self {
        Self { ask, script, next: 0, address, rq: allocate(kernel, ask, address), flush: None }
    }

    /// Plays the next group of tokens; false if there is none.
    pub(super) fn step(&mut self, kernel: &mut Kernel) -> bool {
        let Some(group) = self.script.split_whitespace().nth(self.next) else { return false };
        if self.next == 0 {
            self.rq.allocated = kernel.now;
        }
        self.next += 1;
        for token in group.split('+') {
            self.token(kernel, token);
        }
        true
    }

    /// What happens next, if anything.
    pub(super) fn group(&self) -> &'static str {
        self.script.split_whitespace().nth(self.next).unwrap_or_default()
    }

    /// Whether nothing happens any more.
    pub(super) fn is_last(&self) -> bool {
        self.group().is_empty()
    }

    fn token(&mut self, kernel: &mut Kernel, token: &str) {
        let flavor = Flavor::linux_6_12();
        let (name, status) = token.split_once('!').unwrap_or((token, "0"));
        let status: i32 = status.parse().unwrap_or(0);
        if let Some(name) = name.strip_prefix('f') {
            self.flush(kernel, name, status);
            return;
        }
        let rq = &mut self.rq;
        match name {
            "s" => {
                kernel.start(rq);
                if matches!(self.ask, Ask::Preflush | Ask::Fua | Ask::Empty) {
                    rq.cmd_flags &= !(flavor.req.preflush | flavor.req.fua);
                    rq.rq_flags |= flavor.rqf.flush_seq;
                }
            }
            "i" => kernel.insert(rq),
            "d" => kernel.issue(rq),
            "q" => kernel.plain(Probe::Requeue, rq),
            "qt" => {
                rq.rq_flags |= flavor.rqf.timed_out;
                kernel.plain(Probe::Requeue, rq);
                rq.rq_flags &= !flavor.rqf.timed_out;
            }
            "m" => kernel.plain(Probe::Merge, rq),
            "r" => kernel.plain(Probe::Remap, rq),
            "t" => rq.rq_flags |= flavor.rqf.timed_out,
            "c" => kernel.complete(rq, rq.len, status),
            "e" => kernel.complete(rq, 0, 0),
            "z" => {
                rq.rq_flags &= !flavor.rqf.flush_seq;
                rq.bio = true;
                kernel.complete(rq, rq.len, status);
            }
            "g" => {
                rq.sector -= 8;
                rq.len += 8192;
            }
            "u" => rq.state = STATE_COMPLETE,
            "v" => {
                rq.len = 0;
                rq.bio = false;
            }
            "x" => {
                kernel.drop_clone(rq);
                self.rq = allocate(kernel, self.ask, self.address);
            }
            partial => {
                let bytes = partial.strip_prefix('p').and_then(|bytes| bytes.parse().ok());
                assert!(bytes.is_some(), "unknown token {token}");
                kernel.complete(rq, bytes.unwrap_or(0), status);
            }
        }
    }

    fn flush(&mut self, kernel: &mut Kernel, name: &str, status: i32) {
        let flavor = Flavor::linux_6_12();
        let flags = FLUSH | flavor.req.preflush;
        let mut rq = kernel.allocate(self.address + FLUSH_RQ, flags, u64::MAX, 0);
        rq.allocated = *self.flush.get_or_insert(kernel.now);
        rq.bio = false;
        rq.worker = true;
        rq.rq_flags = flavor.rqf.flush_seq;
        match name {
            "q" => kernel.plain(Probe::Requeue, &mut rq),
            "d" => kernel.issue(&mut rq),
            "c" => {
                self.flush = None;
                (rq.state, rq.timeout) = (1, TIMEOUT);
                kernel.complete(&mut rq, 0, status);
            }
            unknown => assert_eq!(unknown, "d", "unknown token of a flush"),
        }
        debug_assert!(rq.state != STATE_IDLE || name == "q");
    }
}
