//! The keys of the configuration: one row each, for the file and the environment.

use super::{Layer, Pattern, value};

/// A key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in the file; in the environment `IOTRUTH_` and the same in capitals.
    pub name: &'static str,
    /// What its value may be.
    pub allowed: &'static str,
    /// Puts a value into a layer; `None` where it is not allowed.
    pub(super) set: fn(&mut Layer, &Given<'_>) -> Option<()>,
}

/// A value as a source gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given<'a> {
    /// A variable of the environment, which has no type.
    Untyped(&'a str),
    /// A string of the file.
    Text(&'a str),
    /// A whole number of the file.
    Integer(i64),
    /// A boolean of the file.
    Boolean(bool),
    /// A list of strings of the file.
    List(Vec<&'a str>),
    /// What no key takes: a fraction, a date, a table, a mixed list.
    Other,
}

/// Every key, in the order of the documentation.
pub const KEYS: [Key; 18] = [
    Key {
        name: "listen",
        allowed: value::LISTEN,
        set: |layer, given| put(&mut layer.listen, value::listen(given.text()?)),
    },
    Key {
        name: "ring_budget",
        allowed: value::RING_BUDGET,
        set: |layer, given| put(&mut layer.ring_budget, given.size().and_then(value::budget)),
    },
    Key {
        name: "transport",
        allowed: value::TRANSPORT,
        set: |layer, given| put(&mut layer.transport, value::transport(given.text()?)),
    },
    Key {
        name: "rings",
        allowed: value::RINGS,
        set: |layer, given| put(&mut layer.rings, value::rings(&given.count()?)),
    },
    Key {
        name: "readers",
        allowed: value::READERS,
        set: |layer, given| put(&mut layer.readers, value::readers(&given.count()?)),
    },
    Key {
        name: "device",
        allowed: value::PATTERNS,
        set: |layer, given| put(&mut layer.device, given.patterns()),
    },
    Key {
        name: "exclude",
        allowed: value::PATTERNS,
        set: |layer, given| put(&mut layer.exclude, given.patterns()),
    },
    Key {
        name: "start_events",
        allowed: value::BOOLEAN,
        set: |layer, given| put(&mut layer.start_events, given.boolean()),
    },
    Key {
        name: "second_programs",
        allowed: value::SECOND_PROGRAMS,
        set: |layer, given| put(&mut layer.second_programs, value::second_programs(given.text()?)),
    },
    Key {
        name: "bpf_log",
        allowed: value::BOOLEAN,
        set: |layer, given| put(&mut layer.bpf_log, given.boolean()),
    },
    Key {
        name: "stuck_after",
        allowed: value::STUCK_AFTER,
        set: |layer, given| put(&mut layer.stuck_after, value::stuck_after(given.text()?)),
    },
    Key {
        name: "slow_flush_after",
        allowed: value::SLOW_FLUSH_AFTER,
        set: |layer, given| {
            put(&mut layer.slow_flush_after, value::slow_flush_after(given.text()?))
        },
    },
    Key {
        name: "audit_interval",
        allowed: value::AUDIT_INTERVAL,
        set: |layer, given| put(&mut layer.audit_interval, value::audit_interval(given.text()?)),
    },
    Key {
        name: "max_cpu_percent",
        allowed: value::MAX_CPU_PERCENT,
        set: |layer, given| {
            put(&mut layer.max_cpu_percent, value::max_cpu_percent(&given.count()?))
        },
    },
    Key {
        name: "record",
        allowed: value::RECORD,
        set: |layer, given| put(&mut layer.record, value::record(given.text()?)),
    },
    Key {
        name: "record_limit",
        allowed: value::RECORD_LIMIT,
        set: |layer, given| put(&mut layer.record_limit, given.size().and_then(value::recording)),
    },
    Key {
        name: "log_format",
        allowed: value::LOG_FORMAT,
        set: |layer, given| put(&mut layer.log_format, value::log_format(given.text()?)),
    },
    Key {
        name: "log_level",
        allowed: value::LOG_LEVEL,
        set: |layer, given| put(&mut layer.log_level, value::log_level(given.text()?)),
    },
];

fn put<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    *place = Some(value?);
    Some(())
}

impl Given<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Untyped(text) | Self::Text(text) => Some(text),
            Self::Integer(_) | Self::Boolean(_) | Self::List(_) | Self::Other => None,
        }
    }

    fn number(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Untyped(_) | Self::Text(_) | Self::Boolean(_) | Self::List(_) | Self::Other => {
                None
            }
        }
    }

    /// A number of bytes, with or without a unit.
    fn size(&self) -> Option<u64> {
        match self.number() {
            Some(number) => u64::try_from(number).ok(),
            None => value::size(self.text()?),
        }
    }

    /// A number, or a word such as `auto`; not a number in quotes.
    fn count(&self) -> Option<String> {
        match self {
            Self::Integer(number) => Some(number.to_string()),
            Self::Untyped(text) => Some((*text).to_owned()),
            Self::Text(text) => text.parse::<i64>().is_err().then(|| (*text).to_owned()),
            Self::Boolean(_) | Self::List(_) | Self::Other => None,
        }
    }

    fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            Self::Untyped(text) => value::boolean(text),
            Self::Text(_) | Self::Integer(_) | Self::List(_) | Self::Other => None,
        }
    }

    fn patterns(&self) -> Option<Vec<Pattern>> {
        match self {
            Self::List(texts) => texts.iter().map(|text| Pattern::new(text)).collect(),
            Self::Untyped(text) => value::patterns(text),
            Self::Text(text) => Pattern::new(text).map(|pattern| vec![pattern]),
            Self::Integer(_) | Self::Boolean(_) | Self::Other => None,
        }
    }
}
