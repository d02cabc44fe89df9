//! Times, durations and sizes in the forms that are shown.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Last second that has a year of four digits: 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

/// RFC 3339 in UTC with microseconds.
///
/// Times before 1970 or after 9999 are shown as the nearest of these: a clock that far off says
/// nothing, and must not stop the rest from being shown.
pub(super) fn utc(time: SystemTime) -> String {
    let last = UNIX_EPOCH + Duration::from_secs(LAST_SECOND);
    humantime::format_rfc3339_micros(time.clamp(UNIX_EPOCH, last)).to_string()
}

/// Nanoseconds as microseconds, for JSON.
pub(super) fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

/// A duration for people, such as `12.345 us` or `1.204 ms`: four or more digits that count.
pub(super) fn duration(nanoseconds: u64) -> String {
    let value = nanoseconds as f64;
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => format!("{:.3} us", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.3} ms", value / 1e6),
        1_000_000_000.. => format!("{:.3} s", value / 1e9),
    }
}

/// A size for people: `4 KiB` where that is exact, else `6145 bytes`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    UNITS
        .iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}

/// A name that its owner chose, with control characters escaped: it may be printed on a terminal.
pub(super) fn printable(name: &str) -> String {
    let escape = |letter: char| -> String {
        if letter.is_control() { letter.escape_default().collect() } else { letter.into() }
    };
    name.chars().map(escape).collect()
}

/// `1 mismatch`, `2 mismatches`: a count with its noun.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{duration, microseconds, size, utc};

    #[test]
    fn times_are_utc_with_microseconds_and_never_out_of_range() {
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        assert_eq!(utc(time), "2023-11-14T22:13:20.123456Z");
        assert_eq!(utc(UNIX_EPOCH - Duration::from_secs(5)), "1970-01-01T00:00:00.000000Z");
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(utc(far), "9999-12-31T23:59:59.000000Z");
    }

    #[test]
    fn durations_change_unit_at_a_thousand() {
        assert_eq!(duration(999), "999 ns");
        assert_eq!(duration(1_000), "1.000 us");
        assert_eq!(duration(1_204_000), "1.204 ms");
        assert_eq!(duration(30_000_000_000), "30.000 s");
        assert_eq!(microseconds(12_345).to_string(), "12.345");
    }

    #[test]
    fn sizes_are_rounded_by_nobody() {
        assert_eq!(size(4096), "4 KiB");
        assert_eq!(size(6144), "6 KiB");
        assert_eq!(size(4097), "4097 bytes");
        assert_eq!(size(3 << 20), "3 MiB");
        assert_eq!(size(0), "0 bytes");
    }
}
