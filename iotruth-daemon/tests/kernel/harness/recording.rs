//! The recording that every daemon under test makes, and what it must tell when it is judged again.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use iotruth::{
    engine::{
        mismatch::Mismatch,
        recording::{Ending, Recording, to_words},
        snapshot::Snapshot,
    },
    export::mismatches::Entry as Exported,
    view::Anchor,
};
use serde_json::Value;

use super::{mismatches::Entry, removal, tmpfs::Tmpfs};

/// Most bytes of a recording: some hundred thousand events. What a scenario does first is enough.
const LIMIT: u64 = 16 << 20;

/// A recording that is being made, in memory: it must not make the traffic that it is about.
#[derive(Debug)]
pub(crate) struct Tape {
    tmpfs: Tmpfs,
}

impl Tape {
    /// Where there is no recording yet.
    pub(crate) fn new() -> Self {
        Self { tmpfs: Tmpfs::new(32) }
    }

    /// What makes a daemon record.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let file = self.file().to_string_lossy().into_owned();
        ["--record".to_owned(), file, "--record-limit".to_owned(), LIMIT.to_string()]
    }

    /// The recording.
    pub(crate) fn file(&self) -> PathBuf {
        self.tmpfs.path().join("recording")
    }

    /// Judges the recording of a daemon that has ended, whole and with one record removed, many times.
    ///
    /// `live` is what the daemon itself showed, all severities and devices, if it was asked.
    pub(crate) fn prove(&self, live: Option<&[Entry]>) {
        let bytes = fs::read(self.file()).expect("the daemon has made a recording");
        let words = to_words(&bytes);
        let recording = Recording::parse(&words).unwrap_or_else(|error| panic!("{error}"));
        let whole = recording.replay();
        if let Some(live) = live {
            same(live, &whole, recording.ending);
        }
        removal::prove(&recording, &whole, || keep(&self.file()));
    }
}

/// What the daemon showed is what its recording shows; entries and all that is in them.
fn same(live: &[Entry], replayed: &Snapshot, ending: Ending) {
    for entry in live {
        let again = replayed.mismatches.iter().find(|again| again.id == entry.id());
        let Some(again) = again else {
            let early = matches!(ending, Ending::Full | Ending::TooSlow);
            assert!(early, "a recording that ended {ending:?} does not know {entry:?}");
            continue;
        };
        // The machine's own disk goes on while the daemon is asked.
        if again.count == entry.count() {
            let (live, again) = (timeless(entry.json()), timeless(&exported(again)));
            assert_eq!(live, again, "live, and replayed");
        }
    }
    let newest = live.iter().map(Entry::id).max().unwrap_or_default();
    let shown: BTreeMap<u64, u64> = live.iter().map(|entry| (entry.id(), entry.count())).collect();
    // The daemon was asked for those that were seen last. When that was, only those tell that were seen
    // once.
    let all = || replayed.mismatches.iter().map(AsRef::as_ref);
    let once = |again: &&Mismatch| shown.get(&again.id) == Some(&1);
    let oldest = all().filter(once).map(|again| again.last).min().unwrap_or(u64::MAX);
    let unknown = all().find(|again| {
        let early = again.id < newest && again.count == 1;
        early && again.last > oldest && !shown.contains_key(&again.id)
    });
    assert_eq!(unknown, None, "only the replay knows this");
}

fn exported(mismatch: &Mismatch) -> Value {
    let anchor = Anchor { monotonic: 0, wall: UNIX_EPOCH };
    serde_json::to_value(Exported::new(mismatch, &anchor)).expect("an entry is JSON")
}

/// An entry without the time on the wall, which is that of the newest look at both clocks. What came
/// how long after what is in the timeline.
fn timeless(entry: &Value) -> Value {
    let mut entry = entry.clone();
    for time in ["first", "last", "ended"] {
        entry[time] = Value::Null;
    }
    entry["timeline"]["start"] = Value::Null;
    entry
}

/// Keeps a recording that shows a bug; says where.
fn keep(file: &Path) -> PathBuf {
    let kept = std::env::temp_dir().join(format!("iotruth-{}.recording", std::process::id()));
    fs::copy(file, &kept).expect("there is room for a copy");
    kept
}
