//! From the bytes of a ring to a typed record, without a copy.

use iotruth_common::{
    probe::{Probe, Program},
    record::{CompleteRecord, RequestRecord, SubmitRecord},
};

/// A record of any shape, where it lies.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// Start, insert, issue.
    Submit(Probe, &'a SubmitRecord),
    /// Complete.
    Complete(&'a CompleteRecord),
    /// Requeue.
    Requeue(&'a RequestRecord),
    /// Merge.
    Merge(&'a RequestRecord),
    /// Remap.
    Remap(&'a RequestRecord),
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than the shortest record, or not aligned to 8 bytes.
    #[error("{0} bytes are no record")]
    Shape(usize),
    /// No program has this number.
    #[error("unknown program {0}")]
    Program(u8),
    /// The size does not fit the probe.
    #[error("{1} bytes are no record of {0:?}")]
    Size(Probe, usize),
}

/// Reads one record in place.
///
/// `bytes` must be aligned to 8, as everything in a ring is.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let shape = |_| DecodeError::Shape(bytes.len());
    let head = bytes.get(..size_of::<RequestRecord>()).ok_or(DecodeError::Shape(bytes.len()))?;
    let head: &RequestRecord = bytemuck::try_from_bytes(head).map_err(shape)?;
    let Some(Program { probe, .. }) = Program::from_wire(head.program) else {
        return Err(DecodeError::Program(head.program));
    };
    let size = |_| DecodeError::Size(probe, bytes.len());
    let plain = || bytemuck::try_from_bytes(bytes).map_err(size);
    Ok(match probe {
        Probe::Start | Probe::Insert | Probe::Issue => {
            Record::Submit(probe, bytemuck::try_from_bytes(bytes).map_err(size)?)
        }
        Probe::Complete => Record::Complete(bytemuck::try_from_bytes(bytes).map_err(size)?),
        Probe::Requeue => Record::Requeue(plain()?),
        Probe::Merge => Record::Merge(plain()?),
        Probe::Remap => Record::Remap(plain()?),
    })
}

impl<'a> Record<'a> {
    /// What every record has.
    #[must_use]
    pub const fn head(&self) -> &'a RequestRecord {
        match self {
            Self::Submit(_, record) => &record.request,
            Self::Complete(record) => &record.request,
            Self::Requeue(record) | Self::Merge(record) | Self::Remap(record) => record,
        }
    }

    /// Which event it is.
    #[must_use]
    pub const fn probe(&self) -> Probe {
        match self {
            Self::Submit(probe, _) => *probe,
            Self::Complete(_) => Probe::Complete,
            Self::Requeue(_) => Probe::Requeue,
            Self::Merge(_) => Probe::Merge,
            Self::Remap(_) => Probe::Remap,
        }
    }

    /// Which program wrote it.
    #[must_use]
    pub const fn program(&self) -> Program {
        match Program::from_wire(self.head().program) {
            Some(program) => program,
            // Decoding has refused it.
            None => Program::first(self.probe()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test says what it expects")]
mod tests {
    use bytemuck::Zeroable;
    use iotruth_common::{
        probe::{Probe, Program},
        record::{CompleteRecord, RequestRecord, SubmitRecord},
    };

    use super::{DecodeError, Record, decode};

    #[test]
    fn each_probe_has_its_shape() {
        let mut submit = SubmitRecord::zeroed();
        submit.request.program = Probe::Issue as u8;
        submit.request.request = 7;
        let record = decode(bytemuck::bytes_of(&submit)).unwrap();
        assert!(matches!(record, Record::Submit(Probe::Issue, _)));
        assert_eq!(record.head().request, 7);

        let mut complete = CompleteRecord::zeroed();
        complete.bytes = 9;
        assert!(matches!(
            decode(bytemuck::bytes_of(&complete)).unwrap(),
            Record::Complete(record) if record.bytes == 9
        ));
        // The first 64 bytes alone are not a completion.
        assert_eq!(
            decode(bytemuck::bytes_of(&complete.request)).unwrap_err(),
            DecodeError::Size(Probe::Complete, 64)
        );
    }

    #[test]
    fn the_program_of_a_record_is_known() {
        let mut plain = RequestRecord::zeroed();
        for program in
            Probe::ALL.map(Program::first).into_iter().chain(Probe::ALL.map(Program::second))
        {
            assert_eq!(Program::from_wire(program.to_wire()), Some(program));
            plain.program = program.to_wire();
            let decoded = decode(bytemuck::bytes_of(&plain));
            if let Ok(record) = decoded {
                assert_eq!(record.program(), program);
            }
        }
    }

    #[test]
    fn no_bytes_are_trusted() {
        let mut plain = RequestRecord::zeroed();
        plain.program = 7;
        assert_eq!(decode(bytemuck::bytes_of(&plain)).unwrap_err(), DecodeError::Program(7));
        for length in 0..64 {
            let bytes = bytemuck::bytes_of(&plain);
            assert_eq!(decode(&bytes[..length]).unwrap_err(), DecodeError::Shape(length));
        }
        plain.program = Probe::Merge as u8;
        let words = [0_u64; 20];
        assert!(decode(&bytemuck::bytes_of(&words)[1..65]).is_err());
        assert!(matches!(decode(bytemuck::bytes_of(&plain)).unwrap(), Record::Merge(_)));
    }
}
