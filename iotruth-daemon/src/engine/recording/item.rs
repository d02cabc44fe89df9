//! One item: a word with its kind, a number and the bytes that follow, which are padded to words.

use super::{halves, word};
use crate::engine::{
    census::Suspect, device::DeviceId, devices::Policy, engine::Audit, input::Input,
    sample::Sample, table::Key,
};

/// Kind of the item that begins a stream.
pub(super) const CONFIG: u8 = 1;
const RECORD: u8 = 2;
const AUDIT: u8 = 3;
const NAMED: u8 = 4;
const ENDED: u8 = 5;
const TIMEOUT: u8 = 6;
const LOOKED_UP: u8 = 7;
const NOT_MAPPED: u8 = 8;
const OPEN_COUNTED: u8 = 9;
const IDENTIFIED: u8 = 10;
const COUNTED: u8 = 11;
const SAMPLED: u8 = 12;

/// More events, or nanoseconds, than ever were: at a million a second, two thousand years of them.
const MOST: u64 = 1 << 56;

/// An item of which nothing is understood yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) kind: u8,
    /// A ring, or a policy.
    number: u8,
    pub(super) payload: &'a [u8],
}

/// Takes the first item off the words; `None` where they end before it does.
pub(super) fn take<'a>(words: &mut &'a [u64]) -> Option<Raw<'a>> {
    let (first, rest) = words.split_first()?;
    let (lower, length) = halves(*first);
    let [kind, number, _, _] = lower.to_le_bytes();
    let length = length as usize;
    let (payload, rest) = rest.split_at_checked(length.div_ceil(8))?;
    *words = rest;
    Some(Raw { kind, number, payload: bytemuck::cast_slice(payload).get(..length)? })
}

/// Appends an item: some words, then some bytes.
#[inline]
pub(super) fn append(kind: u8, number: u8, words: &[u64], bytes: &[u8], stream: &mut Vec<u64>) {
    let length = size_of_val(words) + bytes.len();
    stream.push(word(u32::from_le_bytes([kind, number, 0, 0]), length as u32));
    stream.extend_from_slice(words);
    let (whole, rest) = bytes.as_chunks();
    stream.extend(whole.iter().map(|bytes| u64::from_ne_bytes(*bytes)));
    if !rest.is_empty() {
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        stream.push(u64::from_ne_bytes(last));
    }
}

/// Appends what an engine is told.
#[inline]
pub(super) fn write(input: &Input<'_>, stream: &mut Vec<u64>) {
    let device = |id: DeviceId| [u64::from(id.number), id.sequence];
    match *input {
        Input::Record { ring, bytes } => append(RECORD, ring as u8, &[], bytes, stream),
        Input::StreamsCounted(counts) => {
            append(COUNTED, 0, &[], bytemuck::cast_slice(counts), stream);
        }
        Input::Sampled { sample, since } => {
            append(SAMPLED, 0, &[sample.one_in.into(), sample.salt, since], &[], stream);
        }
        Input::Audit(audit) => append(AUDIT, 0, &[], bytemuck::bytes_of(audit), stream),
        Input::DeviceNamed { id, name, policy } => {
            let policy = match policy {
                Policy::Follow => 0,
                Policy::Exclude => 1,
            };
            append(NAMED, policy, &device(id), name.as_bytes(), stream);
        }
        Input::DeviceIdentified { id, sequence } => {
            append(IDENTIFIED, 0, &[u64::from(id.number), id.sequence, sequence], &[], stream);
        }
        Input::DeviceEnded(id) => append(ENDED, 0, &device(id), &[], stream),
        Input::DeviceTimeout { id, timeout } => {
            append(TIMEOUT, 0, &[u64::from(id.number), id.sequence, timeout], &[], stream);
        }
        Input::LookedUp { suspect: Suspect { key, first }, memory, at } => {
            let kind = if memory.is_some() { LOOKED_UP } else { NOT_MAPPED };
            let words = [key.request, first, at];
            append(kind, key.ring, &words, memory.unwrap_or_default(), stream);
        }
        Input::OpenCounted { from, now } => append(OPEN_COUNTED, 0, &[from, now], &[], stream),
    }
}

/// What an item says; `None` where it is none of those that [`write`] writes.
pub(super) fn read(raw: Raw<'_>) -> Option<Input<'_>> {
    let Raw { kind, number, mut payload } = raw;
    let mut next = || -> Option<u64> {
        let (word, rest) = payload.split_first_chunk()?;
        payload = rest;
        Some(u64::from_ne_bytes(*word))
    };
    let mut device = || -> Option<DeviceId> {
        Some(DeviceId { number: u32::try_from(next()?).ok()?, sequence: next()? })
    };
    let input = match kind {
        RECORD => Input::Record { ring: usize::from(number), bytes: std::mem::take(&mut payload) },
        COUNTED => {
            let counts = bytemuck::try_cast_slice(std::mem::take(&mut payload)).ok()?;
            Input::StreamsCounted(counts)
        }
        SAMPLED => {
            let sample = Sample { one_in: u32::try_from(next()?).ok()?, salt: next()? };
            let known =
                (1..=Sample::MOST).contains(&sample.one_in) || sample.one_in == Sample::NONE.one_in;
            known.then_some(Input::Sampled { sample, since: next()? })?
        }
        AUDIT => Input::Audit(audit(std::mem::take(&mut payload))?),
        NAMED => {
            let id = device()?;
            let policy = match number {
                0 => Policy::Follow,
                1 => Policy::Exclude,
                _ => return None,
            };
            let name = str::from_utf8(std::mem::take(&mut payload)).ok()?;
            Input::DeviceNamed { id, name, policy }
        }
        IDENTIFIED => Input::DeviceIdentified { id: device()?, sequence: next()? },
        ENDED => Input::DeviceEnded(device()?),
        TIMEOUT => Input::DeviceTimeout { id: device()?, timeout: next()? },
        LOOKED_UP | NOT_MAPPED => {
            let (request, first, at) = (next()?, next()?, next()?);
            let suspect = Suspect { key: Key { request, ring: number }, first };
            let memory = (kind == LOOKED_UP).then(|| std::mem::take(&mut payload));
            Input::LookedUp { suspect, memory, at }
        }
        OPEN_COUNTED => Input::OpenCounted { from: next()?, now: next()? },
        _ => return None,
    };
    payload.is_empty().then_some(input)
}

/// Counters, if they can be: no machine has counted beyond [`MOST`], and sums of less never overflow.
fn audit(bytes: &[u8]) -> Option<&Audit> {
    let counters: &[u64] = bytemuck::try_cast_slice(bytes).ok()?;
    counters.iter().all(|count| *count < MOST).then(|| bytemuck::try_from_bytes(bytes).ok())?
}
