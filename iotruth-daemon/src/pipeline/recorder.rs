//! The recorder: writes down all that the engines are told, so that it can be judged again.
//!
//! Each reader collects what its engine is told in a chunk of memory, and a thread writes full chunks
//! to the file. Where that thread falls behind, or the file is full, the recording ends there: what
//! it has is whole, and the readers never wait.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::Context as _;
use tracing::{info, warn};

use super::{clock, priority, reader::Source};
use crate::engine::{
    Engine, EngineConfig, Input,
    recording::{self, Ending},
};

/// Words of a chunk above which it is handed to the thread that writes.
const CHUNK: usize = 32 * 1024;

/// Chunks that wait to be written, of all readers together: 16 MiB. Where there is no room for one
/// more, the recording ends.
const QUEUE: usize = 64;

/// How long the thread may take to write what is left.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The running recorder.
#[derive(Debug)]
pub(super) struct Recorder {
    chunks: SyncSender<Vec<u64>>,
    overrun: Arc<AtomicBool>,
    progress: Progress,
    thread: thread::JoinHandle<()>,
}

/// How far a recording is, as a sentence.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Mutex<String>>);

impl Progress {
    /// The sentence.
    pub(super) fn sentence(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, sentence: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sentence;
    }
}

impl Recorder {
    /// Makes the file, in the place of one that is there, and starts the thread that writes it, up to
    /// so many bytes.
    pub(super) fn start(path: &Path, limit: u64) -> anyhow::Result<Self> {
        let tape = Tape::new(path, limit).with_context(|| {
            format!(
                "cannot write the recording {}; name a file with --record in a directory that \
                 exists and that the daemon may write to",
                path.display()
            )
        })?;
        let (chunks, written) = mpsc::sync_channel(QUEUE);
        let (overrun, progress) = (Arc::new(AtomicBool::new(false)), Progress::default());
        let (behind, shown) = (Arc::clone(&overrun), progress.clone());
        progress.say(tape.sentence());
        let thread = thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                priority::raise("the recorder");
                tape.write(&written, &behind, &shown);
            })
            .context("cannot start the recorder thread")?;
        Ok(Self { chunks, overrun, progress, thread })
    }

    /// What keeps all that one reader's engine is told.
    pub(super) fn track(&self, reader: usize) -> Track {
        Track {
            reader,
            chunk: Vec::new(),
            chunks: self.chunks.clone(),
            overrun: Arc::clone(&self.overrun),
        }
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Ends the recording, when every reader has ended; one that is stuck is not waited for.
    pub(super) async fn finish(self) {
        drop(self.chunks);
        let deadline = Instant::now() + PATIENCE;
        while !self.thread.is_finished() {
            if Instant::now() >= deadline {
                warn!("the recording is not finished: its end is missing");
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// An engine, and a recording of all that it is told, where there is one.
#[derive(Debug)]
pub(super) struct Recorded {
    /// To be asked; it is told by [`Self::tell`] alone.
    pub(super) engine: Engine,
    track: Option<Track>,
}

impl Recorded {
    /// An engine that was told nothing yet.
    pub(super) fn new(config: EngineConfig, mut track: Option<Track>) -> Self {
        if let Some(track) = &mut track {
            track.begin(&config);
        }
        Self { engine: Engine::new(config), track }
    }

    /// Tells the engine; says whether anything changed.
    pub(super) fn tell(&mut self, input: &Input<'_>) -> bool {
        if let Some(track) = &mut self.track
            && !track.hear(input)
        {
            self.track = None;
        }
        self.engine.feed(input)
    }

    /// Tells the engine up to `limit` records of a ring, and says how many there were.
    pub(super) fn drain(&mut self, source: &mut impl Source, limit: usize) -> usize {
        let ring = source.ring();
        if self.track.is_none() {
            let mut records = self.engine.records(ring);
            let drained = source.drain(limit, |bytes| records.take(bytes));
            records.finish();
            return drained;
        }
        source.drain(limit, |bytes| {
            self.tell(&Input::Record { ring, bytes });
        })
    }

    /// Hands over what was recorded so far.
    pub(super) fn flush(&mut self) {
        if let Some(track) = &mut self.track
            && !track.flush()
        {
            self.track = None;
        }
    }
}

/// What collects the chunks of one reader.
#[derive(Debug)]
pub(super) struct Track {
    reader: usize,
    /// The frame of a chunk, and what is in it.
    chunk: Vec<u64>,
    chunks: SyncSender<Vec<u64>>,
    overrun: Arc<AtomicBool>,
}

impl Track {
    fn begin(&mut self, config: &EngineConfig) {
        self.chunk.push(0);
        recording::begin(config, &mut self.chunk);
    }

    /// Says whether the recording goes on.
    fn hear(&mut self, input: &Input<'_>) -> bool {
        if self.chunk.is_empty() {
            self.chunk.push(0);
        }
        recording::push(input, &mut self.chunk);
        self.chunk.len() < CHUNK || self.flush()
    }

    /// Says whether the recording goes on.
    fn flush(&mut self) -> bool {
        let words = self.chunk.len();
        if let Some(frame) = self.chunk.first_mut() {
            *frame = recording::frame(self.reader, words - 1);
            let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(words));
            match self.chunks.try_send(chunk) {
                Ok(()) => {}
                Err(mpsc::TrySendError::Full(_)) => {
                    self.overrun.store(true, Ordering::Relaxed);
                    return false;
                }
                Err(mpsc::TrySendError::Disconnected(_)) => return false,
            }
        }
        true
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The file.
#[derive(Debug)]
struct Tape {
    path: PathBuf,
    file: File,
    /// Bytes that are whole.
    bytes: u64,
    limit: u64,
}

impl Tape {
    fn new(path: &Path, limit: u64) -> io::Result<Self> {
        // It has the names of processes, and what they read and wrote when.
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let mut tape = Self { path: path.to_owned(), file, bytes: 0, limit };
        let anchor = clock::anchor();
        let wall = anchor.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        tape.append(&recording::head(anchor.monotonic, wall.as_nanos() as u64))?;
        Ok(tape)
    }

    /// Writes chunks until there are no more, or no more can be written.
    fn write(mut self, chunks: &Receiver<Vec<u64>>, overrun: &AtomicBool, progress: &Progress) {
        let mut ending = Ending::Stopped;
        let mut cause = None;
        for chunk in chunks {
            let room = self.limit.saturating_sub(self.bytes + size_of::<u64>() as u64);
            if size_of_val(chunk.as_slice()) as u64 > room {
                ending = Ending::Full;
            } else if overrun.load(Ordering::Relaxed) {
                ending = Ending::TooSlow;
            } else if let Err(error) = self.append(&chunk) {
                ending = Ending::Failed;
                cause = Some(error);
            }
            if ending != Ending::Stopped {
                break;
            }
            progress.say(self.sentence());
        }
        if let Err(error) = self.end(ending) {
            cause = cause.or(Some(error));
        }
        let why = cause.map_or_else(|| ending.words().to_owned(), |error| error.to_string());
        let (path, bytes) = (self.path.display(), self.bytes);
        let sentence = format!("The recording {path} has ended after {bytes} bytes: {why}.");
        if ending == Ending::Stopped {
            info!("{sentence}");
        } else {
            warn!("{sentence} What it has is whole; the daemon goes on without it.");
        }
        progress.say(sentence);
    }

    fn sentence(&self) -> String {
        let Self { path, bytes, limit, .. } = self;
        format!("Recording into {}: {bytes} of at most {limit} bytes.", path.display())
    }

    fn append(&mut self, words: &[u64]) -> io::Result<()> {
        self.file.write_all(bytemuck::cast_slice(words))?;
        self.bytes += size_of_val(words) as u64;
        Ok(())
    }

    /// Cuts off what is not whole, and says why it ends there.
    fn end(&mut self, ending: Ending) -> io::Result<()> {
        self.file.set_len(self.bytes)?;
        self.file.seek(SeekFrom::Start(self.bytes))?;
        self.append(ending.word().as_slice())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{
        env, fs, process,
        sync::{Arc, atomic::AtomicBool, mpsc},
    };

    use super::{Progress, Tape, Track};
    use crate::engine::{Input, device::DeviceId, recording::Ending};

    #[test]
    fn a_recording_that_is_written_too_slowly_ends() {
        let path = env::temp_dir().join(format!("iotruth-{}.recording", process::id()));
        let (chunks, written) = mpsc::sync_channel(1);
        let overrun = Arc::new(AtomicBool::new(false));
        let behind = Arc::clone(&overrun);
        let mut track = Track { reader: 0, chunk: Vec::new(), chunks, overrun };
        let input = Input::DeviceEnded(DeviceId::default());
        assert!(track.hear(&input) && track.flush());
        assert!(track.hear(&input) && !track.flush(), "nobody has written the first one");
        drop(track);
        let progress = Progress::default();
        Tape::new(&path, 1 << 20).unwrap().write(&written, &behind, &progress);
        let said = progress.sentence();
        assert!(
            said.ends_with("ended after 40 bytes: it was written more slowly than records came.")
        );
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(bytes.ends_with(&Ending::TooSlow.word().unwrap().to_ne_bytes()));
    }
}
