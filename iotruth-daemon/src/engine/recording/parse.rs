//! Reading a recording, and telling its engines all of it again.

use super::{END, Ending, FRAME, HEAD, MAGIC, MAX_READERS, VERSION, check, config, halves, item};
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
    /// It has not even a head.
    #[error("this recording is cut off within its first {} bytes", HEAD * 8)]
    NoHead,
    /// It is not what was written.
    #[error("this recording is damaged: what begins at byte {0} is not what was written there")]
    Damaged(usize),
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
    /// Words at its end that were not written to their end, and say nothing.
    pub cut_off: usize,
    streams: Vec<Stream<'a>>,
}

/// The bytes of a file as words; what is no whole word at its end says nothing.
#[must_use]
pub fn to_words(bytes: &[u8]) -> Vec<u64> {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| u64::from_ne_bytes(*word)).collect()
}

impl<'a> Recording<'a> {
    /// Reads a recording.
    pub fn parse(words: &'a [u64]) -> Result<Self, RecordingError> {
        match *words {
            [MAGIC, VERSION, ..] | [MAGIC] => {}
            [MAGIC, version, ..] => return Err(RecordingError::Version(version)),
            _ => return Err(RecordingError::Magic),
        }
        let Some((head, mut rest)) = words.split_first_chunk::<HEAD>() else {
            return Err(RecordingError::NoHead);
        };
        let [.., monotonic, since_1970, sum] = *head;
        if sum != check(&head[..HEAD - 1], &[]) {
            return Err(RecordingError::Damaged(0));
        }
        let at = |rest: &[u64]| (words.len() - rest.len()) * 8;
        let mut streams: [Option<Stream<'a>>; MAX_READERS] = Default::default();
        let mut ending = Ending::Unknown;
        while let Some((&[said, sum], content)) = rest.split_first_chunk::<FRAME>() {
            let damaged = RecordingError::Damaged(at(rest));
            if halves(sum).0 != halves(check(&[said], &[])).0 {
                // The size of a file may be written before what is in it.
                if rest.iter().all(|word| *word == 0) {
                    break;
                }
                return Err(damaged);
            }
            let (reader, number) = halves(said);
            if reader == END {
                if sum != check(&[said], &[]) {
                    return Err(damaged);
                }
                ending = *Ending::NUMBERED.get(number as usize).ok_or(damaged)?;
                rest = &[];
                if !content.is_empty() {
                    return Err(RecordingError::Beyond(at(content)));
                }
                break;
            }
            let Some((items, after)) = content.split_at_checked(number as usize) else { break };
            if sum != check(&[said], items) {
                return Err(damaged);
            }
            let stream = streams.get_mut(reader as usize).ok_or(damaged)?;
            read(items, stream).ok_or(damaged)?;
            rest = after;
        }
        let streams = streams.into_iter().flatten().collect();
        Ok(Self { monotonic, since_1970, ending, cut_off: rest.len(), streams })
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

/// Adds the items of a frame to a stream; `None` where one of them says nothing that is known.
fn read<'a>(mut items: &'a [u64], stream: &mut Option<Stream<'a>>) -> Option<()> {
    while !items.is_empty() {
        let raw = item::take(&mut items)?;
        match stream {
            None => *stream = Some(Stream { config: config::read(raw)?, inputs: Vec::new() }),
            Some(stream) => stream.inputs.push(item::read(raw)?),
        }
    }
    Some(())
}
