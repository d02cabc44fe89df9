//! What an engine is told once. One list of its fields serves both directions.

use iotruth_common::{counters::MAX_RINGS, layout::Layout};

use super::{
    MAX_READERS,
    item::{self, CONFIG, Raw},
};
use crate::engine::{
    engine::{EngineConfig, Limits},
    flavor::{CommandFlagBits, Flavor, OperationNumbers, RequestFlagBits},
    starts::Starts,
};

/// A field that is one word of the file.
trait Field: Sized {
    fn to_word(&self) -> u64;
    /// `None` where no such field has this word.
    fn from_word(word: u64) -> Option<Self>;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn to_word(&self) -> u64 {
                *self as u64
            }

            fn from_word(word: u64) -> Option<Self> {
                Self::try_from(word).ok()
            }
        }
    )*};
}

number!(u64, u32, u8, usize);

impl Field for bool {
    fn to_word(&self) -> u64 {
        u64::from(*self)
    }

    fn from_word(word: u64) -> Option<Self> {
        match word {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Field for Starts {
    fn to_word(&self) -> u64 {
        *self as u64
    }

    fn from_word(word: u64) -> Option<Self> {
        [Self::None, Self::Flushes, Self::Flagged, Self::All]
            .into_iter()
            .find(|starts| starts.to_word() == word)
    }
}

impl Field for Option<u8> {
    fn to_word(&self) -> u64 {
        self.map_or(u64::MAX, u64::from)
    }

    fn from_word(word: u64) -> Option<Self> {
        if word == u64::MAX { Some(None) } else { u8::from_word(word).map(Some) }
    }
}

impl Field for Option<u64> {
    fn to_word(&self) -> u64 {
        self.unwrap_or(u64::MAX)
    }

    fn from_word(word: u64) -> Option<Self> {
        Some((word != u64::MAX).then_some(word))
    }
}

/// Numbers of rings, in their order: one bit each.
impl Field for Vec<usize> {
    fn to_word(&self) -> u64 {
        self.iter().fold(0, |bits, ring| bits | 1 << ring)
    }

    fn from_word(word: u64) -> Option<Self> {
        let known = word >> MAX_RINGS == 0;
        known.then(|| (0..MAX_RINGS).filter(|ring| word & 1 << ring != 0).collect())
    }
}

/// Writes fields, or reads them.
trait Pass {
    fn field(&mut self, field: &mut impl Field);

    fn fields<'f, F: Field + 'f>(&mut self, fields: impl IntoIterator<Item = &'f mut F>) {
        fields.into_iter().for_each(|field| self.field(field));
    }
}

struct Write<'a>(&'a mut Vec<u64>);

impl Pass for Write<'_> {
    fn field(&mut self, field: &mut impl Field) {
        self.0.push(field.to_word());
    }
}

struct Read<'a> {
    words: &'a [u64],
    sound: bool,
}

impl Pass for Read<'_> {
    fn field(&mut self, field: &mut impl Field) {
        let read = self.words.split_first().and_then(|(word, rest)| {
            self.words = rest;
            Field::from_word(*word)
        });
        match read {
            Some(value) => *field = value,
            None => self.sound = false,
        }
    }
}

/// Every field but the layout, in the order of the file.
fn pass(config: &mut EngineConfig, to: &mut impl Pass) {
    let EngineConfig {
        flavor,
        layout: _,
        limits: Limits { stuck_after, slow_flush_after },
        attached,
        tick,
        starts,
        second_programs,
        rings,
        index,
        engines,
    } = config;
    to.fields([stuck_after, slow_flush_after, attached]);
    to.field(tick);
    to.field(starts);
    to.field(second_programs);
    to.field(rings);
    to.fields([index, engines]);
    let Flavor {
        rqf: RequestFlagBits { flush_seq, timed_out, io_stat },
        req,
        operations,
        status_is_errno,
        statuses_of_6_12,
    } = flavor;
    to.fields([flush_seq, timed_out, io_stat]);
    let CommandFlagBits {
        sync,
        meta,
        prio,
        idle,
        fua,
        preflush,
        rahead,
        background,
        nowait,
        polled,
        swap,
        drv,
    } = req;
    to.fields([
        sync, meta, prio, idle, fua, preflush, rahead, background, nowait, polled, swap, drv,
    ]);
    let OperationNumbers {
        read,
        write,
        flush,
        discard,
        secure_erase,
        write_zeroes,
        zone,
        driver_in,
    } = operations;
    to.fields([read, write, flush, discard, driver_in]);
    to.fields([secure_erase, write_zeroes]);
    to.fields(zone);
    to.fields([status_is_errno, statuses_of_6_12]);
}

/// Appends the item.
pub(super) fn write(config: &EngineConfig, stream: &mut Vec<u64>) {
    let mut words = Vec::new();
    pass(&mut config.clone(), &mut Write(&mut words));
    item::append(CONFIG, 0, &words, bytemuck::bytes_of(&config.layout), stream);
}

/// What the item says; `None` where it is none that [`write`] writes.
pub(super) fn read(raw: Raw<'_>) -> Option<EngineConfig> {
    let fields = raw.payload.len().checked_sub(size_of::<Layout>())?;
    let (words, layout) = raw.payload.split_at_checked(fields)?;
    let mut config = EngineConfig {
        flavor: Flavor::linux_6_12(),
        layout: bytemuck::try_pod_read_unaligned(layout).ok()?,
        limits: Limits { stuck_after: 0, slow_flush_after: 0 },
        attached: 0,
        tick: None,
        starts: Starts::None,
        second_programs: false,
        rings: Vec::new(),
        index: 0,
        engines: 0,
    };
    let mut read = Read { words: bytemuck::try_cast_slice(words).ok()?, sound: true };
    pass(&mut config, &mut read);
    let possible = config.index < config.engines && config.engines <= MAX_READERS;
    (raw.kind == CONFIG && read.sound && read.words.is_empty() && possible).then_some(config)
}
