//! `iotruth replay`: judges a recording again.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    num::NonZero,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::{
    engine::recording::{Ending, MAGIC, Recording, RecordingError},
    export::{
        query::Format,
        replay::{Source, replay},
    },
    view::{Anchor, AuditStatus, CostStatus, ProcessStatus, StartUp, Status, View},
};

/// Words that are read at once.
const ROOM: usize = 1 << 17;

/// Flags of `iotruth replay`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// What `iotruth daemon --record` has written
    file: PathBuf,

    /// Leave out one record, by its number from 1, to see what its loss changes
    #[arg(long, value_name = "N")]
    without: Option<NonZero<usize>>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the mismatches of the recording and its books.
pub(super) fn run(flags: &Flags) -> anyhow::Result<()> {
    let file = flags.file.display();
    let (words, no_word) = read(&flags.file).with_context(|| {
        format!("cannot read the recording {file}; check the path and its permissions")
    })?;
    let recording = Recording::parse(&words)
        .and_then(|recording| {
            let ended = recording.ending != Ending::Unknown;
            let beyond = RecordingError::Beyond(size_of_val(words.as_slice()));
            if ended && no_word > 0 { Err(beyond) } else { Ok(recording) }
        })
        .map_err(|error| {
            let context = format!("cannot replay {file}; {}", remedy(error));
            anyhow::Error::from(error).context(context)
        })?;
    let records = recording.records().count();
    let without = flags.without.map(NonZero::get);
    if let Some(number) = without {
        ensure!(
            number <= records,
            "there is no record {number} in {file}; its records have the numbers 1 to {records}"
        );
    }
    let snapshot =
        without.map_or_else(|| recording.replay(), |number| recording.replay_without(number - 1));
    let anchor = Anchor {
        monotonic: recording.monotonic,
        wall: UNIX_EPOCH + Duration::from_nanos(recording.since_1970),
    };
    let status = Status {
        kernel: String::new(),
        attached: anchor.wall_time(recording.attached()),
        start_up: StartUp::default(),
        programs: Vec::new(),
        transport: "",
        transport_reason: None,
        ring_bytes: 0,
        readers: Vec::new(),
        not_ready: None,
        notes: Vec::new(),
        limits: Vec::new(),
        audits: AuditStatus::default(),
        process: ProcessStatus::default(),
        cost: CostStatus::new(None),
    };
    let view = View {
        snapshot: Arc::new(snapshot),
        status: Arc::new(status),
        ledger: Arc::default(),
        anchor,
    };
    let (readers, ending) = (recording.readers(), recording.ending);
    let cut_off = recording.cut_off * size_of::<u64>() + no_word;
    let source = Source { records, without, readers, ending, cut_off };
    let format = if flags.json { Format::Json } else { Format::Text };
    let text = replay(&view, &source, format);
    std::io::stdout().write_all(&text).context("cannot print what was found")
}

/// The words of a file, or the first one where that tells already that it is no recording: a device may never
/// end. And how many bytes at its end are no whole word. A recording may be large, and is there once.
fn read(path: &Path) -> io::Result<(Vec<u64>, usize)> {
    let mut file = File::open(path)?;
    let (mut words, mut bytes) = (vec![0; 1], 0);
    loop {
        let room: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        match file.read(room.get_mut(bytes..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => bytes += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if bytes == size_of_val(words.as_slice()) {
            if !words.starts_with(&[MAGIC]) {
                break;
            }
            words.resize(words.len() + ROOM, 0);
        }
    }
    words.truncate(bytes / size_of::<u64>());
    Ok((words, bytes % size_of::<u64>()))
}

/// What to do about it.
fn remedy(error: RecordingError) -> String {
    match error {
        RecordingError::Magic | RecordingError::Version(_) | RecordingError::NoHead => {
            "name a file that `iotruth daemon --record` of this version has written".to_owned()
        }
        RecordingError::Damaged(0) => "copy it again from where it was written".to_owned(),
        RecordingError::Damaged(at) | RecordingError::Beyond(at) => format!(
            "copy it again from where it was written, or judge what comes before that, which is whole: \
             head --bytes={at} FILE > PART"
        ),
    }
}
