//! Reading a recording, and telling its engines all of it again.

use super::{END, Ending, MAGIC, MAX_READERS, VERSION, config, halves, item};
use crate::engine::{
    engine::{Engine, EngineConfig},
    input::Input,
    snapshot::Snapshot,
};

/// Why bytes are not a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// It does not begin as recordings do.
    #[error("this is not a recording of iotruth, or one of a machine of another byte order")]
    Magic,
    /// Another iotruth has written it.
    #[error("this recording has format {0}, and this iotruth reads format {VERSION}")]
    Version(u64),
    /// It ends before a part of it does.
    #[error("this recording is cut off: what begins at byte {0} is longer than the file")]
    CutOff(usize),
    /// There cannot be so many readers.
    #[error("this recording is damaged: reader {reader} at byte {at} cannot be")]
    Reader {
        /// Its number.
        reader: u32,
        /// Where it is.
        at: usize,
    },
    /// An item that is none.
    #[error("this recording is damaged: what begins at byte {0} says nothing that is known")]
    Item(usize),
    /// Something comes after the end.
    #[error("this recording is damaged: it goes on after its end at byte {0}")]
    Beyond(usize),
}

/// What one engine was told.
#[derive(Debug)]
struct Stream<'a> {
    config: EngineConfig,
    inputs: Vec<Input<'a>>,
}

/// A recording.
#[derive(Debug)]
pub struct Recording<'a> {
    /// The moment at which it begins: nanoseconds of `CLOCK_MONOTONIC`.
    pub monotonic: u64,
    /// The same moment in nanoseconds since 1970.
    pub since_1970: u64,
    /// Why it ends.
    pub ending: Ending,
    streams: Vec<Stream<'a>>,
}

/// The bytes of a file as words.
pub fn to_words(bytes: &[u8]) -> Result<Vec<u64>, RecordingError> {
    let (words, rest) = bytes.as_chunks();
    if rest.is_empty() {
        Ok(words.iter().map(|word| u64::from_ne_bytes(*word)).collect())
    } else {
        Err(if bytes.starts_with(&MAGIC.to_ne_bytes()) {
            RecordingError::CutOff(size_of_val(words))
        } else {
            RecordingError::Magic
        })
    }
}

impl<'a> Recording<'a> {
    /// Reads a recording.
    pub fn parse(words: &'a [u64]) -> Result<Self, RecordingError> {
        let Some((&[MAGIC, version], rest)) = words.split_first_chunk() else {
            return Err(RecordingError::Magic);
        };
        if version != VERSION {
            return Err(RecordingError::Version(version));
        }
        let at = |rest: &[u64]| (words.len() - rest.len()) * 8;
        let Some((&[monotonic, since_1970], mut rest)) = rest.split_first_chunk() else {
            return Err(RecordingError::CutOff(at(rest)));
        };
        let mut streams: [Option<Stream<'a>>; MAX_READERS] = Default::default();
        let mut ending = Ending::Unknown;
        while let Some((frame, content)) = rest.split_first() {
            let (reader, length) = halves(*frame);
            if reader == END {
                let number = Ending::NUMBERED.get(length as usize);
                ending = *number.ok_or(RecordingError::Item(at(rest)))?;
                if !content.is_empty() {
                    return Err(RecordingError::Beyond(at(content)));
                }
                break;
            }
            let stream = streams.get_mut(reader as usize);
            let stream = stream.ok_or(RecordingError::Reader { reader, at: at(rest) })?;
            let content = content.split_at_checked(length as usize);
            let (mut items, after) = content.ok_or(RecordingError::CutOff(at(rest)))?;
            while !items.is_empty() {
                let at = at(items) - size_of_val(after);
                let raw = item::take(&mut items).ok_or(RecordingError::CutOff(at))?;
                let understood = match stream {
                    None => config::read(raw).map(|config| {
                        *stream = Some(Stream { config, inputs: Vec::new() });
                    }),
                    Some(stream) => item::read(raw).map(|input| stream.inputs.push(input)),
                };
                understood.ok_or(RecordingError::Item(at))?;
            }
            rest = after;
        }
        let streams = streams.into_iter().flatten().collect();
        Ok(Self { monotonic, since_1970, ending, streams })
    }

    /// All that was told, reader by reader.
    pub fn inputs(&self) -> impl Iterator<Item = &Input<'a>> {
        self.streams.iter().flat_map(|stream| &stream.inputs)
    }

    /// The records, reader by reader: the ring and the bytes of each.
    pub fn records(&self) -> impl Iterator<Item = (usize, &'a [u8])> {
        self.inputs().filter_map(|input| match input {
            Input::Record { ring, bytes } => Some((*ring, *bytes)),
            Input::StreamsCounted(_)
            | Input::Audit(_)
            | Input::Sampled { .. }
            | Input::DeviceNamed { .. }
            | Input::DeviceIdentified { .. }
            | Input::DeviceEnded(_)
            | Input::DeviceTimeout { .. }
            | Input::LookedUp { .. }
            | Input::OpenCounted { .. } => None,
        })
    }

    /// How many readers there were.
    #[must_use]
    pub const fn readers(&self) -> usize {
        self.streams.len()
    }

    /// When the last program was attached: nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub fn attached(&self) -> u64 {
        self.streams.first().map_or(self.monotonic, |stream| stream.config.attached)
    }

    /// What is known when all of it was told.
    #[must_use]
    pub fn replay(&self) -> Snapshot {
        self.replay_without(usize::MAX)
    }

    /// What is known when all but one record was told, by its place among [`Self::records`].
    #[must_use]
    pub fn replay_without(&self, record: usize) -> Snapshot {
        let mut left_out = record;
        let mut all: Option<Snapshot> = None;
        for Stream { config, inputs } in &self.streams {
            let mut engine = Engine::new(config.clone());
            for input in inputs {
                if matches!(input, Input::Record { .. }) {
                    let this = left_out == 0;
                    left_out = left_out.wrapping_sub(1);
                    if this {
                        continue;
                    }
                }
                engine.feed(input);
            }
            let snapshot = engine.snapshot(engine.newest);
            match &mut all {
                Some(all) => all.merge(&snapshot),
                None => all = Some(snapshot),
            }
        }
        all.unwrap_or_default()
    }
}
