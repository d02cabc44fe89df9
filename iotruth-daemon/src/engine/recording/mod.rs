//! Recordings: all that the engines of a daemon were told, to be judged again later.
//!
//! A recording is a file of 64-bit words in the byte order of its machine:
//!
//! | words | what |
//! | --- | --- |
//! | 5 | [`MAGIC`], [`VERSION`], one moment on both clocks: monotonic and since 1970, in nanoseconds, and a check of these four words |
//! | 2 + n | a frame, any number of times: a reader in the lower half and n in the upper, their check, then n words of that reader's stream |
//! | 2 | the end: [`END`] in the lower half and the number of an [`Ending`] in the upper, and their check |
//!
//! A check is the CRC-32 of the word before it, or of the head, in the lower half, and that of the n words
//! in the upper. The first tells whether n can be believed: a frame that is longer than the file was being
//! written when the daemon or its machine was stopped, and what comes before it is whole.
//!
//! The stream of a reader is a sequence of items, of which the first is its [`EngineConfig`] and all
//! others are an [`Input`] each. Where a frame ends does not matter to them, but no item is in two
//! frames.

mod config;
mod item;
mod parse;

#[cfg(test)]
mod tests;

use iotruth_common::counters::MAX_RINGS;

pub use self::parse::{Recording, RecordingError, to_words};
use super::{engine::EngineConfig, input::Input};

/// What a recording begins with: a word that reads so in a hex dump.
pub const MAGIC: u64 = u64::from_le_bytes(*b"iotruth\n");

/// Version of the format; grows with every change of what an engine is told.
pub const VERSION: u64 = 5;

/// Readers that a recording can have. Each has a ring of its own.
pub const MAX_READERS: usize = MAX_RINGS;

/// In the place of a reader: the recording ends here.
const END: u32 = u32::MAX;

/// How a recording came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The daemon was told to stop: nothing is missing.
    Stopped,
    /// It had grown to its limit.
    Full,
    /// It was written more slowly than records came.
    TooSlow,
    /// It could not be written any more.
    Failed,
    /// The daemon could no longer see, and said so.
    Blind,
    /// Nothing says so: the daemon was killed, or still runs.
    Unknown,
}

impl Ending {
    const NUMBERED: [Self; 5] =
        [Self::Stopped, Self::Full, Self::TooSlow, Self::Failed, Self::Blind];

    /// What it means, as the end of a sentence.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Stopped => "the daemon was told to stop",
            Self::Full => "it had grown to its limit",
            Self::TooSlow => "it was written more slowly than records came",
            Self::Failed => "it could not be written any more",
            Self::Blind => "the daemon could no longer see what happens",
            Self::Unknown => "the daemon was killed, or still runs: nothing says why",
        }
    }

    /// The words that end a recording; `None` where that is known by their absence.
    #[must_use]
    pub fn frame(self) -> Option<[u64; FRAME]> {
        let number = Self::NUMBERED.iter().position(|ending| *ending == self)?;
        let end = word(END, number as u32);
        Some([end, check(&[end], &[])])
    }
}

/// Words before those of a stream.
pub const FRAME: usize = 2;

/// Words of a head.
pub const HEAD: usize = 5;

/// The words that every recording begins with: one moment on both clocks.
#[must_use]
pub fn head(monotonic: u64, since_1970: u64) -> [u64; HEAD] {
    let words = [MAGIC, VERSION, monotonic, since_1970];
    let [magic, version, monotonic, since_1970] = words;
    [magic, version, monotonic, since_1970, check(&words, &[])]
}

/// The words before some of the stream of a reader.
#[must_use]
pub fn frame(reader: usize, stream: &[u64]) -> [u64; FRAME] {
    let word = word(reader as u32, stream.len() as u32);
    [word, check(&[word], stream)]
}

/// What words that are damaged do not agree with: those that say what follows, and those that follow.
fn check(said: &[u64], following: &[u64]) -> u64 {
    let sum = |words: &[u64]| crc32fast::hash(bytemuck::cast_slice(words));
    word(sum(said), sum(following))
}

/// Appends the first item of a stream.
pub fn begin(config: &EngineConfig, stream: &mut Vec<u64>) {
    config::write(config, stream);
}

/// Appends one item to a stream.
#[inline]
pub fn push(input: &Input<'_>, stream: &mut Vec<u64>) {
    item::write(input, stream);
}

const fn word(lower: u32, upper: u32) -> u64 {
    lower as u64 | (upper as u64) << 32
}

const fn halves(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}
