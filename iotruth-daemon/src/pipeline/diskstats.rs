//! `/proc/diskstats`: what the kernel itself has counted of each disk.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use super::{
    clock,
    sysfs::{self, Places},
};
use crate::{
    config::Config,
    engine::{
        account::{Column, Columns},
        device::DeviceId,
        ledger::{DiskReading, Incomparable, Reading},
    },
};

/// The disks whose statistics are to be read.
#[derive(Debug)]
pub(super) struct Disks<'a> {
    places: &'a Places,
    disks: Vec<Disk>,
}

/// One of them.
#[derive(Debug)]
struct Disk {
    name: String,
    sequence: Option<u64>,
    /// Which of the disks that had this name or sequence number: its inode in sysfs.
    object: u64,
    with_driver: u64,
    incomparable: Option<Incomparable>,
}

/// The text, and when it was read.
#[derive(Debug)]
pub(super) struct Statistics {
    pub(super) begin: u64,
    pub(super) end: u64,
    text: String,
}

impl<'a> Disks<'a> {
    /// Looks for the disks that are watched, and whether their statistics are about requests.
    ///
    /// This may block behind a hung disk, as the files of its queue do: it is done before there is
    /// any hurry.
    pub(super) fn look(places: &'a Places, config: &Config) -> Self {
        let folders = fs::read_dir(&places.disks).into_iter().flatten().flatten();
        let disks = folders.filter_map(|folder| {
            let name = folder.file_name().into_string().ok().filter(|name| config.watches(name))?;
            let folder = folder.path();
            Some(Disk {
                name,
                incomparable: incomparable(&folder),
                object: fs::metadata(&folder).ok()?.ino(),
                // Before the statistics: of what it has now, every event is known when they are compared.
                with_driver: sysfs::with_driver(&folder).unwrap_or(0),
                sequence: sysfs::sequence(&folder),
            })
        });
        Self { disks: disks.collect(), places }
    }

    /// Reads the statistics of all disks.
    pub(super) fn read(&self) -> std::io::Result<Statistics> {
        let begin = clock::monotonic();
        let text = fs::read_to_string(&self.places.statistics)?;
        Ok(Statistics { begin, end: clock::monotonic(), text })
    }

    /// Whose the statistics are.
    pub(super) fn assign(&self, statistics: &Statistics) -> Reading {
        let disks = statistics.text.lines().filter_map(|line| {
            let line = parse(line)?;
            // Files of sysfs have no / in their names, and the disks of ATA over Ethernet do.
            let name = line.name.replace('/', "!");
            // Partitions are counted with their disk, and have no folder of their own.
            let disk = self.disks.iter().find(|disk| disk.name == name)?;
            // Another disk has taken its place meanwhile, and nobody knows whose line this is.
            if sysfs::sequence(&self.places.disks.join(&name)) != disk.sequence {
                return None;
            }
            Some(DiskReading {
                id: DeviceId { number: line.number, sequence: disk.sequence.unwrap_or(0) },
                name,
                object: disk.object,
                columns: line.columns,
                in_flight: line.in_flight,
                with_driver: disk.with_driver,
                incomparable: disk.incomparable,
            })
        });
        Reading { begin: statistics.begin, end: statistics.end, disks: disks.collect() }
    }
}

/// All of it at once; this may block as [`Disks::look`] does.
pub(super) fn read(places: &Places, config: &Config) -> std::io::Result<Reading> {
    let disks = Disks::look(places, config);
    Ok(disks.assign(&disks.read()?))
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
    use super::{Columns, Line, Places, parse, read};
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
    fn a_name_with_a_slash_is_found() {
        let folder = std::env::temp_dir().join(format!("iotruth-disks-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("etherd!e0.0")).unwrap();
        let statistics = folder.join("diskstats");
        std::fs::write(
            &statistics,
            "152 0 etherd/e0.0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n",
        )
        .unwrap();
        let places = Places { statistics, disks: folder.clone(), ..Places::default() };
        let reading = read(&places, &Config::default()).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        let names: Vec<_> = reading.disks.iter().map(|disk| disk.name.as_str()).collect();
        assert_eq!(names, ["etherd!e0.0"]);
    }

    #[test]
    fn every_line_of_this_machine_is_read() {
        let places = Places::default();
        let text = std::fs::read_to_string(places.statistics.clone()).unwrap();
        assert!(text.lines().all(|line| parse(line).is_some()), "{text}");
        let config = Config { exclude: Vec::new(), ..Config::default() };
        let reading = read(&places, &config).unwrap();
        assert!(reading.begin <= reading.end);
        for disk in reading.disks {
            assert!(text.contains(&format!(" {} ", disk.name.replace('!', "/"))));
        }
    }
}
