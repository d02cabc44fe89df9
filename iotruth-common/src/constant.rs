//! Constants that are known where the programs are loaded, and not before: where the fields of this
//! kernel are, and how the programs shall work.
//!
//! The daemon writes them into the instructions. A program says where one belongs by an instruction that
//! means nothing else: a move of a number, or a load at an offset, from a range that no program has a use
//! for. So a field of the kernel's structures is read by one instruction, as if its offset had been known
//! to the compiler, and to the verifier all of this is as constant as it gets: what it rules out is not
//! in the program any more when that runs.
//!
//! A constant is a word of [`Layout`] or of [`Tuning`] and has a number here.

use core::mem::size_of;

use crate::{layout::Layout, tuning::Tuning};

const LAYOUT_WORDS: usize = size_of::<Layout>() / size_of::<u32>();
const TUNING_WORDS: usize = size_of::<Tuning>() / size_of::<u32>();

/// The number that stands for the first constant where one is moved into a register; the others follow.
pub const NUMBER: u32 = 0x696f_0000;

/// The offset that stands for the first constant where a load shall be at that many bytes.
pub const OFFSET: u32 = 0x7000;

/// Added to an offset once for each word of eight bytes beyond the constant.
pub const OFFSET_WORD: u32 = 0x100;

const _: () = assert!(LAYOUT_WORDS + TUNING_WORDS <= OFFSET_WORD as usize);

/// The constant at this offset of [`Layout`].
#[must_use]
pub const fn of_layout(offset: usize) -> u32 {
    (offset / size_of::<u32>()) as u32
}

/// The constant at this offset of [`Tuning`].
#[must_use]
pub const fn of_tuning(offset: usize) -> u32 {
    (LAYOUT_WORDS + offset / size_of::<u32>()) as u32
}
