//! One record removed from a recording: the loss is told, and nothing is told that was not there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
};

use iotruth::engine::{
    kind::{Kind, Severity},
    operation::Operation,
    recording::{Ending, Recording},
    snapshot::{Loss, Snapshot},
};
use iotruth_common::record::RequestRecord;

use super::daemon;

/// Most removals from one recording.
const MOST: usize = 500;

/// Most inputs that are told again for one recording, its removals together: a second or two, on this
/// kernel and in a guest, whose emulator is slow.
const HERE: usize = 20_000_000;
const IN_GUEST: usize = 300_000;

/// A record that is removed.
#[derive(Clone, Copy, Debug)]
struct Record {
    number: usize,
    ring: usize,
    head: RequestRecord,
    /// Whether a later record has the same numbering, so that this one is missed.
    followed: bool,
}

/// Removes records, first those of requests that went wrong, then others by chance. `keep` keeps the
/// recording if something is wrong.
pub(super) fn prove(recording: &Recording<'_>, whole: &Snapshot, keep: impl FnOnce() -> PathBuf) {
    let records = records(recording);
    let most = if daemon::in_guest() { IN_GUEST } else { HERE };
    let chosen = choose(&records, whole, most / recording.inputs().count().max(1));
    let mut wrong = String::new();
    for record in &chosen {
        let without = recording.replay_without(record.number);
        let said = judge(record, whole, &without, recording.ending);
        if !said.is_empty() {
            let number = record.number + 1;
            let _ = writeln!(wrong, "without record {number}, {record:?}:\n{said}");
            let same = |other: &&Record| {
                other.ring == record.ring && other.head.request == record.head.request
            };
            let near = |other: &&Record| other.number.abs_diff(record.number) < 2_000;
            for other in records.iter().filter(same).filter(near).take(24) {
                let _ = writeln!(wrong, "    {}: {:?}", other.number + 1, other.head);
            }
        }
    }
    println!("recording: {} records, {} of them removed", records.len(), chosen.len());
    assert!(wrong.is_empty(), "{wrong}the recording is kept: {}", keep().display());
}

fn records(recording: &Recording<'_>) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for (number, (ring, bytes)) in recording.records().enumerate() {
        // One that its program had begun and not ended when its turn came is told as such.
        let Some(head) = bytes.get(..size_of::<RequestRecord>()) else { continue };
        let head = *bytemuck::from_bytes(head);
        records.push(Record { number, ring, head, followed: false });
    }
    let mut seen = BTreeSet::new();
    for record in records.iter_mut().rev() {
        let RequestRecord { cpu, program, .. } = record.head;
        record.followed = !seen.insert((record.ring, cpu, program));
    }
    records
}

/// At most so many records.
fn choose(records: &[Record], whole: &Snapshot, most: usize) -> Vec<Record> {
    let most = most.clamp(1, MOST);
    let alarming = |of: &Record| {
        whole.mismatches.iter().filter(|entry| entry.kind.row().severity > Severity::Info).any(
            |entry| {
                let begin = entry.timeline.events.first().map_or(entry.first, |event| event.time);
                entry.request == of.head.request && (begin..=entry.last).contains(&of.head.time)
            },
        )
    };
    let (mut first, mut others): (Vec<Record>, Vec<Record>) =
        records.iter().copied().partition(alarming);
    let chance = RandomState::new();
    first.sort_by_key(|record| chance.hash_one(record.number));
    // Where very much went wrong, the rest has its share all the same.
    first.truncate(most.div_ceil(2).max(most.saturating_sub(others.len())));
    others.sort_by_key(|record| chance.hash_one(record.number));
    others.truncate(most - first.len().min(most));
    first.append(&mut others);
    first
}

/// What is wrong with what is told without a record.
fn judge(record: &Record, whole: &Snapshot, without: &Snapshot, ending: Ending) -> String {
    let mut said = String::new();
    let known = told(whole);
    for (what, span) in told(without) {
        if !known.get(&what).is_some_and(|known| known.has(span, what.1)) {
            let _ = writeln!(said, "  was not there: {what:?}, {span:?}");
            let entries = without.mismatches.iter().chain(&whole.mismatches);
            for entry in entries.filter(|entry| entry.request == record.head.request).take(4) {
                let _ = writeln!(said, "    {entry:?}");
            }
        }
    }
    if without.lives.impossible > whole.lives.impossible {
        let _ = writeln!(said, "  an impossible order");
    }
    let lives = &without.lives;
    if lives.opened != lives.ended() + lives.open {
        let _ = writeln!(said, "  lives do not balance: {lives:?}");
    }
    let counted = without.losses.iter().zip(&whole.losses).any(|(less, more)| less > more);
    let unbalanced =
        |of: &Snapshot| of.probes.iter().any(|probe| probe.attempts != probe.received + probe.lost);
    // A ring that refuses others at the same time may have refused this one as well, by its number.
    let certain = record.followed && whole.losses[Loss::RingFull as usize] == 0;
    // One that was cut off may end before its counters were read.
    let told = counted || unbalanced(without) || ending != Ending::Stopped;
    if !told || (certain && !counted) {
        let _ = writeln!(said, "  the loss is not told: {:?}", without.losses);
    }
    said
}

/// When and how often something was told.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: u64,
    last: u64,
    count: u64,
}

impl Span {
    /// What is told of open requests comes with a look at them: after a loss perhaps with a later one.
    fn has(self, other: Self, kind: Kind) -> bool {
        let with_a_look = kind.is_of_the_open() || kind == Kind::RequeueStorm;
        self.first <= other.first
            && (with_a_look || other.last <= self.last)
            && other.count <= self.count
    }
}

/// All that is more than information. A disk is known by its number: the first record that has more
/// may be the one that is missing.
fn told(snapshot: &Snapshot) -> BTreeMap<(u32, Kind, Operation, Option<u64>), Span> {
    let mut told = BTreeMap::new();
    for entry in &snapshot.mismatches {
        if entry.kind.row().severity == Severity::Info {
            continue;
        }
        let what = (entry.device.number, entry.kind, entry.operation, entry.sector);
        let span = told.entry(what).or_insert(Span { first: u64::MAX, last: 0, count: 0 });
        span.first = span.first.min(entry.first);
        span.last = span.last.max(entry.last);
        span.count += entry.count;
    }
    told
}
