//! Which mismatches are asked for.

use crate::{
    engine::{
        kind::{Kind, Severity, TABLE},
        mismatch::Mismatch,
    },
    export::{
        query::{Format, Query, QueryError, unknown},
        selection,
    },
    view::View,
};

/// Keys of the query.
pub const KEYS: &[&str] = &["device", "kind", "severity", "since", "limit", "format"];

/// Which mismatches are asked for, and how they shall look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Names or `major:minor` numbers; empty for every device.
    pub devices: Vec<String>,
    /// Empty for every kind.
    pub kinds: Vec<Kind>,
    /// Never empty.
    pub severities: Vec<Severity>,
    /// Only entries that were seen at this time or later, or whose request was open then: nanoseconds of
    /// `CLOCK_MONOTONIC`.
    pub since: u64,
    /// How many are shown, the newest first.
    pub limit: usize,
    /// JSON or text.
    pub format: Format,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            devices: Vec::new(),
            kinds: Vec::new(),
            severities: vec![Severity::Warning, Severity::Critical],
            since: 0,
            limit: selection::DEFAULT_LIMIT,
            format: Format::Json,
        }
    }
}

impl Filter {
    /// Reads a query; devices must be in the view, else a typing error would look like good health.
    pub fn new(pairs: &[(String, String)], view: &View) -> Result<Self, QueryError> {
        let query = Query::new(pairs, KEYS)?;
        let kinds = query.list("kind").map(kind).collect::<Result<Vec<_>, _>>()?;
        let mut severities = Vec::new();
        for word in query.list("severity") {
            match Severity::ALL.iter().find(|severity| severity.label() == word) {
                Some(severity) => severities.push(*severity),
                None if word == "all" => severities.extend(Severity::ALL),
                None => {
                    return Err(unknown("severity", word, &["info", "warning", "critical", "all"]));
                }
            }
        }
        if severities.is_empty() {
            // Who asks for a kind wants to see it, whatever its severity.
            severities =
                if kinds.is_empty() { Self::default().severities } else { Severity::ALL.to_vec() };
        }
        Ok(Self {
            devices: selection::devices(&query, view)?,
            kinds,
            severities,
            since: query.get("since").map_or(Ok(0), |since| self::since(since, view))?,
            limit: selection::limit(&query)?,
            format: query.format()?,
        })
    }

    /// Whether a mismatch is asked for.
    #[must_use]
    pub fn lets_pass(&self, mismatch: &Mismatch) -> bool {
        selection::includes(&self.devices, &mismatch.device_name, mismatch.device)
            && (self.kinds.is_empty() || self.kinds.contains(&mismatch.kind))
            && self.severities.contains(&mismatch.kind.row().severity)
            && mismatch.lasted_until() >= self.since
    }
}

/// The time that `10m` or `2026-05-04T10:01:40Z` stands for.
fn since(text: &str, view: &View) -> Result<u64, QueryError> {
    // A number without a unit would be taken for seconds by some, and for the number of an entry by others.
    let bare = text.bytes().all(|letter| letter.is_ascii_digit());
    if let Ok(age) = humantime::parse_duration(text)
        && !bare
    {
        let age = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        return Ok(view.snapshot.taken.saturating_sub(age));
    }
    let time = humantime::parse_rfc3339(text).map_err(|_| QueryError {
        error: format!("since={text} is no time"),
        remedy: "since takes how long ago, such as 10m, or a time in UTC, such as \
                 2026-05-04T10:01:40Z"
            .to_owned(),
    })?;
    Ok(view.anchor.monotonic_time(time))
}

fn kind(slug: &str) -> Result<Kind, QueryError> {
    TABLE.iter().find(|row| row.slug == slug).map(|row| row.kind).ok_or_else(|| {
        let slugs: Vec<&str> = TABLE.iter().map(|row| row.slug).collect();
        unknown("kind", slug, &slugs)
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::Filter;
    use crate::{
        engine::{
            io_error::IoError,
            kind::{Kind, Severity},
            mismatch::{Mismatch, Outcome},
        },
        export::{query::Format, sample, units::utc},
    };

    const SECOND: u64 = 1_000_000_000;

    fn filter(query: &[(&str, &str)]) -> Result<Filter, String> {
        let pairs: Vec<_> =
            query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Filter::new(&pairs, &sample::busy()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_query_is_the_default() {
        assert_eq!(filter(&[]), Ok(Filter::default()));
    }

    #[test]
    fn every_key_is_read() {
        let read = filter(&[
            ("device", "/dev/nvme0n1,7:3"),
            ("kind", "io_error,timed_out"),
            ("severity", "critical"),
            ("since", "10m"),
            ("limit", "1000"),
            ("format", "text"),
        ]);
        let expected = Filter {
            devices: vec!["nvme0n1".to_owned(), "7:3".to_owned()],
            kinds: vec![Kind::IoError, Kind::TimedOut],
            severities: vec![Severity::Critical],
            since: sample::busy().snapshot.taken - 600 * SECOND,
            limit: 1_000,
            format: Format::Text,
        };
        assert_eq!(read, Ok(expected));
        assert_eq!(filter(&[("severity", "all")]).unwrap().severities, Severity::ALL);
        let info = filter(&[("kind", "partial_completion")]).unwrap();
        assert!(info.lets_pass(&sample::partial()), "a kind that is asked for is shown");
    }

    #[test]
    fn bad_values_are_named_with_what_is_allowed() {
        let bad = [
            ("kind", "io_eror", "kind=io_eror is unknown; did you mean \"io_error\"?: kind takes"),
            ("severity", "bad", "severity takes one of info, warning, critical, all"),
            ("limit", "0", "limit=0 is out of range: limit takes a whole number from 1 to 1000"),
            ("limit", "1001", "from 1 to 1000"),
            ("since", "yesterday", "since=yesterday is no time: since takes how long ago, such as"),
            ("since", "0", "since=0 is no time"),
            (
                "device",
                "nvme0n2",
                "no request of device=nvme0n2 was seen; did you mean \"nvme0n1\"",
            ),
            ("format", "yaml", "format takes one of json, text"),
        ];
        for (key, value, message) in bad {
            let error = filter(&[(key, value)]).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn an_entry_is_not_older_than_its_own_time() {
        let view = sample::busy();
        let read = sample::failed_read();
        for (time, passes) in [(read.last, true), (read.last + 1_000, false)] {
            let since = utc(view.anchor.wall_time(time));
            assert_eq!(filter(&[("since", &since)]).unwrap().lets_pass(&read), passes, "{since}");
        }
        for (time, since) in [("1970-01-01T00:00:00Z", 0), ("300000years", 0)] {
            assert_eq!(filter(&[("since", time)]).map(|filter| filter.since), Ok(since));
        }
    }

    #[test]
    fn what_was_open_is_not_older_than_its_end() {
        let read = sample::failed_read();
        let since = Filter { since: read.last + 10, ..Filter::default() };
        for (outcome, passes) in [
            (Outcome::Open, true),
            (Outcome::Ended(read.last + 9), false),
            (Outcome::Ended(read.last + 10), true),
            (Outcome::Failed(read.last + 11, IoError::Medium), true),
            (Outcome::EndUnseen(read.last + 11), true),
            (Outcome::Unknown, false),
        ] {
            let mismatch = Mismatch { outcome, ..read.clone() };
            assert_eq!(since.lets_pass(&mismatch), passes, "{outcome:?}");
        }
    }

    #[test]
    fn a_long_name_is_refused_without_a_hint() {
        let name = format!("nvme0n1{}", "x".repeat(2_000));
        let error = filter(&[("device", &name)]).unwrap_err();
        let expected = format!("no request of device={name} was seen: devices with requests are");
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn each_condition_holds_back() {
        let read = sample::failed_read();
        assert!(Filter::default().lets_pass(&read));
        assert!(!Filter::default().lets_pass(&sample::partial()), "info is not in the default");
        assert!(!Filter { since: read.last + 1, ..Filter::default() }.lets_pass(&read));
        assert!(Filter { since: read.last, ..Filter::default() }.lets_pass(&read));
        assert!(!Filter { kinds: vec![Kind::TimedOut], ..Filter::default() }.lets_pass(&read));
        let other = Filter { devices: vec!["sda".to_owned()], ..Filter::default() };
        assert!(!other.lets_pass(&read));
        let by_number = Filter { devices: vec!["259:0".to_owned()], ..Filter::default() };
        assert!(by_number.lets_pass(&read));
    }
}
