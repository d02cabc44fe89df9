//! `/proc/diskstats`: what the kernel itself has counted of each disk.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use super::{clock, sysfs};
use crate::{
    config::Config,
    engine::{
        account::{Column, Columns},
        device::DeviceId,
        ledger::{DiskReading, Incomparable, Reading},
    },
};

/// Where the kernel shows it.
const PATH: &str = "/proc/diskstats";

/// Reads the statistics of every disk that is watched.
///
/// This may block behind a hung disk, as every file of sysfs may.
pub(super) fn read(config: &Config) -> std::io::Result<Reading> {
    let sequences = || -> Vec<(String, Option<u64>)> {
        let disks = fs::read_dir(sysfs::DISKS).into_iter().flatten().flatten();
        let disks = disks.filter_map(|disk| {
            let name = disk.file_name().into_string().ok()?;
            config.watches(&name).then(|| (name, sysfs::sequence(&disk.path())))
        });
        disks.collect()
    };
    let before = sequences();
    let begin = clock::monotonic();
    let text = fs::read_to_string(PATH)?;
    let end = clock::monotonic();
    let after = sequences();
    let disks = text.lines().filter_map(|line| {
        let line = parse(line)?;
        // Partitions are counted with their disk, and have no folder of their own.
        let known = before.iter().find(|(name, _)| name == line.name)?;
        // Another disk has taken its place meanwhile, and nobody knows whose line this is.
        if !after.contains(known) {
            return None;
        }
        let folder = Path::new(sysfs::DISKS).join(line.name);
        Some(DiskReading {
            id: DeviceId { number: line.number, sequence: known.1.unwrap_or(0) },
            name: line.name.to_owned(),
            object: fs::metadata(&folder).ok()?.ino(),
            columns: line.columns,
            in_flight: line.in_flight,
            incomparable: incomparable(&folder),
        })
    });
    Ok(Reading { begin, end, disks: disks.collect() })
}

/// Why the statistics of the disk in this folder say nothing about requests.
fn incomparable(folder: &Path) -> Option<Incomparable> {
    // Only a disk that is built on requests has hardware queues (`blk_mq_sysfs_register`).
    if !folder.join("mq").exists() {
        return Some(Incomparable::BioBased);
    }
    let is = |file: &str, value: &str| {
        fs::read_to_string(folder.join(file)).is_ok_and(|text| text.trim() == value)
    };
    if !is("queue/iostats", "1") {
        Some(Incomparable::StatisticsOff)
    } else if is("queue/iostats_passthrough", "1") {
        Some(Incomparable::PassthroughCounted)
    } else {
        None
    }
}

/// A line.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    number: u32,
    name: &'a str,
    columns: Columns,
    in_flight: u64,
}

/// Reads a line as `diskstats_show` writes it since Linux 5.5.
fn parse(line: &str) -> Option<Line<'_>> {
    let mut words = line.split_ascii_whitespace();
    let major: u32 = words.next()?.parse().ok()?;
    let minor: u32 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let numbers: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    let mut columns = Columns::default();
    for (column, place) in [
        (Column::Reads, 0),
        (Column::SectorsRead, 2),
        (Column::Writes, 4),
        (Column::SectorsWritten, 6),
        (Column::Discards, 11),
        (Column::SectorsDiscarded, 13),
        (Column::Flushes, 15),
    ] {
        columns.add(column, *numbers.get(place)?);
    }
    Some(Line { number: major << 20 | minor, name, columns, in_flight: *numbers.get(8)? })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test says what it expects")]
mod tests {
    use super::{Columns, Line, PATH, parse, read};
    use crate::config::Config;

    #[test]
    fn each_column_is_where_the_kernel_writes_it() {
        let line = " 259       7 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17";
        let columns = Columns([1, 3, 5, 7, 12, 14, 16]);
        let expected = Line { number: 259 << 20 | 7, name: "nvme0n1", columns, in_flight: 9 };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(parse(" 259 7 nvme0n1 1 2 3 4 5 6 7 8 9 10 11"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn every_line_of_this_machine_is_read() {
        let text = std::fs::read_to_string(PATH).unwrap();
        assert!(text.lines().all(|line| parse(line).is_some()), "{text}");
        let config = Config { exclude: Vec::new(), ..Config::default() };
        let reading = read(&config).unwrap();
        assert!(reading.begin <= reading.end);
        for disk in reading.disks {
            assert!(text.contains(&format!(" {} ", disk.name)));
        }
    }
}
