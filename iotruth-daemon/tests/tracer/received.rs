//! Records as they came out of the rings.

use std::collections::BTreeMap;

use iotruth::kernel::Ring;
use iotruth_common::{
    probe::{Probe, Program},
    record::{CompleteRecord, RequestRecord, STATE_IDLE, SubmitRecord},
};

/// Every record, by what it is.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) submits: Vec<SubmitRecord>,
    pub(crate) completes: Vec<CompleteRecord>,
    pub(crate) others: Vec<RequestRecord>,
    /// Attempt numbers in the order in which they came, by CPU, program and ring.
    pub(crate) attempts: BTreeMap<(u16, Program, usize), Vec<u32>>,
    /// In which rings each request was seen.
    pub(crate) rings: BTreeMap<u64, Vec<usize>>,
}

impl Received {
    /// Takes everything out of the rings.
    pub(crate) fn drain(&mut self, rings: &mut [Ring]) {
        for ring in rings {
            let number = ring.number();
            while ring.drain(usize::MAX, |bytes| self.take(number, bytes)) > 0 {}
        }
    }

    fn take(&mut self, ring: usize, bytes: &[u8]) {
        let head: &RequestRecord = bytemuck::from_bytes(&bytes[..size_of::<RequestRecord>()]);
        let program = Program::from_wire(head.program).unwrap();
        match program.probe {
            Probe::Start | Probe::Insert | Probe::Issue => {
                let record: &SubmitRecord = bytemuck::from_bytes(bytes);
                assert_eq!(record.without_owner, 0);
                self.submits.push(*record);
            }
            Probe::Complete => {
                let record: &CompleteRecord = bytemuck::from_bytes(bytes);
                // `blk_add_timer` gives each request one that the driver has.
                assert!(record.timeout > 0 || record.request.state == STATE_IDLE);
                self.completes.push(*record);
            }
            Probe::Requeue | Probe::Merge | Probe::Remap => {
                self.others.push(*bytemuck::from_bytes(bytes));
            }
        }
        self.attempts.entry((head.cpu, program, ring)).or_default().push(head.attempt);
        let rings = self.rings.entry(head.request).or_default();
        if !rings.contains(&ring) {
            rings.push(ring);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        (self.submits.len() + self.completes.len() + self.others.len()) as u64
    }
}
