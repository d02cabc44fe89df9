//! Writes the constants of this machine into the instructions of the programs, see
//! [`iotruth_common::constant`].

use std::ops::Range;

use iotruth_common::{
    constant::{NUMBER, OFFSET, OFFSET_WORD},
    layout::{ABSENT, Layout},
    probe::PROBES,
    tuning::Tuning,
};
use object::{Object as _, ObjectSection as _, SectionFlags};

use super::KernelError;

/// Bytes of an instruction.
const INSTRUCTION: usize = 8;
/// `BPF_LD | BPF_IMM | BPF_DW`: the one instruction that is two long.
const LOAD_NUMBER: u8 = 0x18;
/// `BPF_ALU64 | BPF_MOV | BPF_K`
const MOVE_NUMBER: u8 = 0xb7;
/// `BPF_LDX | BPF_MEM` of 4, 2, 1 and 8 bytes.
const LOADS: [u8; 4] = [0x61, 0x69, 0x71, 0x79];

/// An eBPF object in memory of its own, where what it is made of is aligned.
#[derive(Debug)]
pub(super) struct Object(Vec<u64>);

impl Object {
    /// The object, with these constants in the place of what stood for them.
    pub(super) fn new(
        object: &[u8],
        layout: &Layout,
        tuning: &Tuning,
    ) -> Result<Self, KernelError> {
        let mut words = vec![0; object.len().div_ceil(size_of::<u64>())];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        if let Some(start) = bytes.get_mut(..object.len()) {
            start.copy_from_slice(object);
        }
        let constants = constants(layout, tuning);
        for section in programs(bytes)? {
            if let Some(section) = bytes.get_mut(section) {
                write(section, &constants)?;
            }
        }
        Ok(Self(words))
    }

    /// The object as a loader wants it; there may be a few zeros at its end.
    pub(super) fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// All constants, in their order.
fn constants(layout: &Layout, tuning: &Tuning) -> Vec<u32> {
    let words = [bytemuck::bytes_of(layout), bytemuck::bytes_of(tuning)];
    words.map(bytemuck::cast_slice::<u8, u32>).concat()
}

/// Where in the object its instructions are.
fn programs(object: &[u8]) -> Result<Vec<Range<usize>>, KernelError> {
    let unreadable = |source: object::Error| KernelError::Object { source: Box::new(source) };
    let file = object::File::parse(object).map_err(unreadable)?;
    let executable = |flags| {
        let SectionFlags::Elf { sh_flags } = flags else { return false };
        sh_flags & u64::from(object::elf::SHF_EXECINSTR) != 0
    };
    let sections = file.sections().filter(|section| executable(section.flags()));
    let ranges = sections.filter_map(|section| section.file_range());
    Ok(ranges.map(|(begin, length)| begin as usize..(begin + length) as usize).collect())
}

/// Writes constants into instructions.
fn write(instructions: &mut [u8], constants: &[u32]) -> Result<(), KernelError> {
    let mut second_half = false;
    for instruction in instructions.as_chunks_mut::<INSTRUCTION>().0 {
        let [code, _, offset @ .., i0, i1, i2, i3] = instruction;
        let code = *code;
        if second_half {
            second_half = false;
            continue;
        }
        second_half = code == LOAD_NUMBER;
        let number = u32::from_ne_bytes([*i0, *i1, *i2, *i3]);
        if code == MOVE_NUMBER && (NUMBER..NUMBER + OFFSET_WORD).contains(&number) {
            [*i0, *i1, *i2, *i3] = constant(constants, number - NUMBER)?.to_ne_bytes();
        } else if LOADS.contains(&code)
            && let at = i16::from_ne_bytes(*offset)
            && let Ok(at) = u16::try_from(at)
            && let Some(at) = u32::from(at).checked_sub(OFFSET)
        {
            *offset = load_at(constants, at)?.to_ne_bytes();
        }
    }
    Ok(())
}

/// The constant with this number.
fn constant(constants: &[u32], number: u32) -> Result<u32, KernelError> {
    constants
        .get(number as usize)
        .copied()
        .ok_or_else(|| KernelError::Missing { what: format!("constant number {number}") })
}

/// The offset that a load shall have, by the one that stands there, less [`OFFSET`].
fn load_at(constants: &[u32], stands: u32) -> Result<i16, KernelError> {
    let (words, number) = (stands / OFFSET_WORD, stands % OFFSET_WORD);
    let offset = match constant(constants, number)? {
        // The kernel never gets to see it, or drops it.
        ABSENT => return Ok(0),
        // Which argument it is; each takes eight bytes.
        argument if (number as usize) < PROBES => argument.saturating_mul(8),
        offset => offset,
    };
    let offset = offset.saturating_add(8 * words);
    i16::try_from(offset).map_err(|_| KernelError::FarField { offset })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

    use std::mem::offset_of;

    use bytemuck::Zeroable as _;
    use iotruth_common::constant::{of_layout, of_tuning};

    use super::{
        ABSENT, INSTRUCTION, KernelError, LOAD_NUMBER, LOADS, Layout, MOVE_NUMBER, NUMBER, OFFSET,
        OFFSET_WORD, Object, Tuning, constants, programs, write,
    };
    use crate::kernel::tracer::OBJECT;

    type Instruction = [u8; INSTRUCTION];

    fn instruction(code: u8, offset: u32, number: u32) -> Instruction {
        let [o0, o1] = u16::try_from(offset).unwrap().to_ne_bytes();
        let [i0, i1, i2, i3] = number.to_ne_bytes();
        [code, 0x21, o0, o1, i0, i1, i2, i3]
    }

    fn written(
        layout: &Layout,
        tuning: &Tuning,
        instructions: &[Instruction],
    ) -> Result<Vec<Instruction>, KernelError> {
        let mut bytes = instructions.concat();
        write(&mut bytes, &constants(layout, tuning))?;
        Ok(bytes.as_chunks().0.to_vec())
    }

    #[test]
    fn constants_are_written_where_they_belong_and_nowhere_else() {
        let mut layout = Layout::zeroed();
        let mut tuning = Tuning::zeroed();
        layout.request_argument[1] = 1;
        layout.task_comm = 3000;
        layout.disk_diskseq = ABSENT;
        tuning.ring_mask = 7;
        let comm = of_layout(offset_of!(Layout, task_comm));
        let diskseq = of_layout(offset_of!(Layout, disk_diskseq));
        let ring_mask = of_tuning(offset_of!(Tuning, ring_mask));
        let argument = of_layout(offset_of!(Layout, request_argument) + 4);
        let mut given = Vec::new();
        let mut wanted = Vec::new();
        let mut expect = |before, after| {
            given.push(before);
            wanted.push(after);
        };
        let moved = |number| instruction(MOVE_NUMBER, 0, number);
        expect(moved(NUMBER + ring_mask), moved(7));
        expect(moved(NUMBER + diskseq), moved(u32::MAX));
        for load in LOADS {
            expect(instruction(load, OFFSET + comm, 0), instruction(load, 3000, 0));
        }
        let load = |offset| instruction(LOADS[3], offset, 0);
        expect(load(OFFSET + OFFSET_WORD + comm), load(3008));
        expect(load(OFFSET + argument), load(8));
        expect(load(OFFSET + 2 * OFFSET_WORD + argument), load(24));
        expect(load(OFFSET + diskseq), load(0));
        for other in [
            moved(NUMBER - 1),
            moved(NUMBER + OFFSET_WORD),
            load(OFFSET - 1),
            // Below the stack pointer.
            load(0xfff8),
            // A store, and the second half of a number of 64 bits.
            instruction(0x7b, OFFSET + comm, 0),
            instruction(LOAD_NUMBER, 0, 0),
            moved(NUMBER + ring_mask),
        ] {
            expect(other, other);
        }
        assert_eq!(written(&layout, &tuning, &given).unwrap(), wanted);
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let mut layout = Layout::zeroed();
        layout.task_comm = 32_760;
        let tuning = Tuning::zeroed();
        let comm = of_layout(offset_of!(Layout, task_comm));
        let load = |words| [instruction(LOADS[3], OFFSET + words * OFFSET_WORD + comm, 0)];
        assert!(written(&layout, &tuning, &load(0)).is_ok());
        let error = written(&layout, &tuning, &load(1)).unwrap_err();
        assert!(matches!(error, KernelError::FarField { offset: 32_768 }), "{error}");
        layout.task_comm = ABSENT - 1;
        let error = written(&layout, &tuning, &load(1)).unwrap_err();
        assert!(matches!(error, KernelError::FarField { .. }), "{error}");
        let unknown = [instruction(MOVE_NUMBER, 0, NUMBER + 0xff)];
        let error = written(&layout, &tuning, &unknown).unwrap_err().to_string();
        assert!(error.contains("no constant number 255"), "{error}");
        let error = Object::new(b"no object", &layout, &tuning).unwrap_err();
        assert!(matches!(error, KernelError::Object { .. }), "{error}");
    }

    /// The constants of the programs that stand in their instructions, by number.
    fn standing(object: &[u8]) -> Vec<bool> {
        let mut standing = vec![false; constants(&Layout::zeroed(), &Tuning::zeroed()).len()];
        for section in programs(object).unwrap() {
            for number in 0..standing.len() {
                // One that is too far is told where it stands, and only there.
                let mut far = vec![0; standing.len()];
                far[number] = 40_000;
                let mut instructions = object[section.clone()].to_vec();
                let before = instructions.clone();
                let refused = write(&mut instructions, &far).is_err();
                let mut without = before;
                write(&mut without, &vec![0; standing.len()]).unwrap();
                standing[number] |= refused || instructions != without;
            }
        }
        standing
    }

    #[test]
    fn the_programs_have_no_constant_left_once_they_are_written() {
        let before = standing(OBJECT);
        let known = |offset| before[of_layout(offset) as usize];
        assert!(known(offset_of!(Layout, request_sector)) && known(offset_of!(Layout, task_comm)));
        assert!(before[of_tuning(offset_of!(Tuning, plain)) as usize]);
        let object = Object::new(OBJECT, &Layout::zeroed(), &Tuning::zeroed()).unwrap();
        assert_eq!(object.bytes().len().div_ceil(8), OBJECT.len().div_ceil(8));
        assert!(!standing(object.bytes()).contains(&true));
    }
}
