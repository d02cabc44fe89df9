//! The recorder: writes down all that the engines are told, so that it can be judged again.
//!
//! Each reader collects what its engine is told in a chunk of memory, and a thread writes full chunks
//! to the file. Where that thread falls behind, or the file is full, the recording ends there: what
//! it has is whole, and the readers never wait.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, Receiver, RecvError, Sender},
    },
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use tracing::{info, warn};

use super::{clock, priority, reader::Source};
use crate::engine::{
    Engine, EngineConfig, Input,
    recording::{self, Ending, FRAME, HEAD},
};

/// Words of a chunk above which it is handed to the thread that writes.
const CHUNK: usize = 32 * 1024;

/// Words that may wait to be written, of all readers together: 16 MiB. Where there is no room for more,
/// the recording ends.
const ROOM: usize = 2 * 1024 * 1024;

/// Bytes of a recording that has nothing but a head and an end.
const NOTHING: u64 = ((HEAD + FRAME) * size_of::<u64>()) as u64;

/// Bytes that end it.
const END: u64 = (FRAME * size_of::<u64>()) as u64;

/// How long the thread may take to write what is left.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the file system may take to open the file.
const OPENED_WITHIN: Duration = Duration::from_secs(2);

/// How long it may take to write a chunk before that is told.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What the thread that writes is given.
#[derive(Debug)]
enum Piece {
    Chunk(Vec<u64>),
    /// What comes before is all.
    End(Ending),
}

/// The running recorder.
#[derive(Debug)]
pub(super) struct Recorder {
    pieces: Sender<Piece>,
    /// Words that wait to be written.
    waiting: Arc<AtomicUsize>,
    progress: Progress,
    /// The file, with its lock.
    locked: Locked,
    thread: thread::JoinHandle<()>,
}

/// The file that is locked, if there is one.
type Locked = Arc<Mutex<Option<File>>>;

/// The file that is to be written: open and locked, with what was in it.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    file: File,
}

impl Place {
    /// Finds out whether the file can be written, without changing what is in it: the daemon may fail to
    /// start. `None` where its file system does not answer, since that may be why the daemon is started.
    pub(super) fn take(path: &Path) -> anyhow::Result<Option<Self>> {
        let (taken, place) = mpsc::channel();
        let path = path.to_owned();
        thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || {
                // Nobody may wait for it any more.
                let _ = taken.send(Self::open(&path));
            })
            .context("cannot start a thread that opens the recording")?;
        place.recv_timeout(OPENED_WITHIN).map_or(Ok(None), |place| place.map(Some))
    }

    fn open(path: &Path) -> anyhow::Result<Self> {
        let place = open(OpenOptions::new().create(true), path).and_then(|file| {
            // A name that only points to it stays what it is.
            Ok(Self { path: fs::canonicalize(path)?, file })
        });
        place.with_context(|| {
            format!(
                "cannot write the recording {}; name a file with --record in a directory that \
                 exists and that the daemon may write to",
                path.display()
            )
        })
    }

    /// Makes it empty. What was in it goes on as a file of the same name that ends in `.old`: what is
    /// started again after a failure must not destroy what shows why.
    fn clear(self) -> anyhow::Result<Self> {
        let Self { path, file } = self;
        if file.metadata()?.len() <= NOTHING {
            file.set_len(0)?;
            return Ok(Self { path, file });
        }
        let mut old = path.clone().into_os_string();
        old.push(".old");
        let file = fs::rename(&path, &old)
            .map_err(anyhow::Error::from)
            .and_then(|()| open(OpenOptions::new().create_new(true), &path))
            .with_context(|| {
                format!(
                    "cannot keep the recording that is there as {}; name another file with --record",
                    old.display()
                )
            })?;
        Ok(Self { path, file })
    }
}

/// Opens a file to be written by us alone. It is to have the names of processes, and what they read and
/// wrote when.
fn open(options: &mut OpenOptions, path: &Path) -> anyhow::Result<File> {
    // Nobody is waited for at the other end of a pipe.
    let nonblocking = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = options.write(true).mode(0o600).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        bail!("it is no regular file");
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!("another daemon writes it"),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let (ours, there) = (file.metadata()?, fs::metadata(path)?);
    if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
        bail!("another daemon has just put a new one into its place");
    }
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// How far a recording is, as a sentence.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Shown>);

#[derive(Debug, Default)]
struct Shown {
    sentence: Mutex<String>,
    /// Since when something is being written, in nanoseconds of `CLOCK_MONOTONIC`; 0 where nothing is.
    writing_since: AtomicU64,
    /// Whether something found no room to wait.
    full: AtomicBool,
}

impl Progress {
    /// The sentence.
    pub(super) fn sentence(&self) -> String {
        let Shown { sentence, writing_since, full } = &*self.0;
        let sentence = sentence.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let since = writing_since.load(Ordering::Relaxed);
        let waits = Duration::from_nanos(clock::monotonic().saturating_sub(since));
        if since == 0 || waits < WRITTEN_WITHIN {
            return sentence;
        }
        let lost = if full.load(Ordering::Relaxed) {
            ", and what comes now is not kept any more"
        } else {
            ""
        };
        format!(
            "{sentence} Nothing could be written for {} s, since its file system does not answer{lost}.",
            waits.as_secs()
        )
    }

    fn say(&self, sentence: String) {
        *self.0.sentence.lock().unwrap_or_else(PoisonError::into_inner) = sentence;
    }

    /// Calls what writes.
    fn during<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.writing_since.store(clock::monotonic(), Ordering::Relaxed);
        let written = write();
        self.0.writing_since.store(0, Ordering::Relaxed);
        written
    }
}

impl Recorder {
    /// Starts the thread that writes the file, up to so many bytes. Where it cannot, the daemon goes on
    /// without it: whoever started it once must not find it ended because a disk has become full.
    pub(super) fn start(place: Place, limit: u64) -> anyhow::Result<Self> {
        let (pieces, written) = mpsc::channel();
        let (waiting, progress) = (Arc::<AtomicUsize>::default(), Progress::default());
        let (of_thread, shown) = (Arc::clone(&waiting), progress.clone());
        let locked: Locked = Arc::new(Mutex::new(place.file.try_clone().ok()));
        let lock = Arc::clone(&locked);
        progress.say(sentence(&place.path, 0, limit));
        let thread = thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                priority::raise("the recorder");
                let keep = |file: Option<File>| {
                    *lock.lock().unwrap_or_else(PoisonError::into_inner) = file;
                };
                let begin = || place.clear().and_then(|place| Ok(Tape::new(place, limit)?));
                match shown.during(begin) {
                    Ok(tape) => {
                        keep(tape.file.try_clone().ok());
                        tape.write(&written, &of_thread, &shown);
                    }
                    Err(error) => {
                        let sentence = format!("There is no recording: {error:#}.");
                        warn!("{sentence} The daemon goes on without it.");
                        shown.say(sentence);
                    }
                }
                keep(None);
            })
            .context("cannot start the recorder thread")?;
        Ok(Self { pieces, waiting, progress, locked, thread })
    }

    /// What keeps all that one reader's engine is told.
    pub(super) fn track(&self, reader: usize) -> Track {
        let (pieces, waiting) = (self.pieces.clone(), Arc::clone(&self.waiting));
        Track { reader, chunk: Vec::new(), pieces, waiting, progress: self.progress() }
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Ends the recording, when every reader has ended; one that is stuck is not waited for. `blind` says
    /// whether that is because they can no longer see, and `again` whether the process goes on.
    pub(super) async fn finish(self, blind: bool, again: bool) {
        // The thread may have ended already.
        let _ = self.pieces.send(Piece::End(if blind { Ending::Blind } else { Ending::Stopped }));
        let deadline = Instant::now() + PATIENCE;
        while !self.thread.is_finished() {
            if Instant::now() >= deadline {
                warn!("the recording is not finished: its end is missing");
                // The thread may be there for as long as a disk hangs, and the process with it. The next
                // daemon must not wait for that, as long as the thread does not go on with it.
                if again {
                    return;
                }
                let locked = self.locked.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(Err(error)) = locked.map(|file| file.unlock()) {
                    warn!("the recording stays locked: {error}");
                }
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
    pieces: Sender<Piece>,
    waiting: Arc<AtomicUsize>,
    progress: Progress,
}

impl Track {
    fn begin(&mut self, config: &EngineConfig) {
        self.chunk.extend([0; FRAME]);
        recording::begin(config, &mut self.chunk);
    }

    /// Says whether the recording goes on.
    fn hear(&mut self, input: &Input<'_>) -> bool {
        if self.chunk.is_empty() {
            self.chunk.extend([0; FRAME]);
        }
        recording::push(input, &mut self.chunk);
        self.chunk.len() < CHUNK || self.flush()
    }

    /// Says whether the recording goes on.
    fn flush(&mut self) -> bool {
        let words = self.chunk.len();
        let Some((frame, stream)) = self.chunk.split_first_chunk_mut() else { return true };
        *frame = recording::frame(self.reader, stream);
        let room = self.waiting.fetch_add(words, Ordering::Relaxed) + words <= ROOM;
        let next = if room { Vec::with_capacity(words) } else { Vec::new() };
        let chunk = std::mem::replace(&mut self.chunk, next);
        if !room {
            self.progress.0.full.store(true, Ordering::Relaxed);
        }
        // What waits already is written all the same.
        let piece = if room { Piece::Chunk(chunk) } else { Piece::End(Ending::TooSlow) };
        self.pieces.send(piece).is_ok() && room
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
    fn new(place: Place, limit: u64) -> io::Result<Self> {
        let mut tape = Self { path: place.path, file: place.file, bytes: 0, limit };
        let anchor = clock::anchor();
        let wall = anchor.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        tape.append(&recording::head(anchor.monotonic, wall.as_nanos() as u64))?;
        Ok(tape)
    }

    /// Writes what comes until its end, or until no more can be written.
    fn write(mut self, pieces: &Receiver<Piece>, waiting: &AtomicUsize, progress: &Progress) {
        let mut cause = None;
        let ending = loop {
            let chunk = match pieces.recv() {
                Ok(Piece::Chunk(chunk)) => chunk,
                Ok(Piece::End(ending)) => break ending,
                // Whoever would have said why has failed.
                Err(RecvError) => break Ending::Blind,
            };
            let room = self.limit.saturating_sub(self.bytes + END);
            if size_of_val(chunk.as_slice()) as u64 > room {
                break Ending::Full;
            }
            if let Err(error) = progress.during(|| self.append(&chunk)) {
                cause = Some(error);
                break Ending::Failed;
            }
            waiting.fetch_sub(chunk.len(), Ordering::Relaxed);
            progress.say(sentence(&self.path, self.bytes, self.limit));
        };
        if let Err(error) = progress.during(|| self.end(ending)) {
            cause = cause.or(Some(error));
        }
        let why = cause.map_or_else(|| ending.words().to_owned(), |error| error.to_string());
        let (path, bytes) = (self.path.display(), self.bytes);
        let sentence = format!("The recording {path} has ended after {bytes} bytes: {why}.");
        match ending {
            Ending::Stopped | Ending::Blind => info!("{sentence}"),
            Ending::Full | Ending::TooSlow | Ending::Failed | Ending::Unknown => {
                warn!("{sentence} What it has is whole; the daemon goes on without it.");
            }
        }
        progress.say(sentence);
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
        self.append(ending.frame().as_slice().as_flattened())
    }
}

/// How far a recording is.
fn sentence(path: &Path, bytes: u64, limit: u64) -> String {
    format!("Recording into {}: {bytes} of at most {limit} bytes.", path.display())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{
        env, fs,
        path::{Path, PathBuf},
        process,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
    };

    use super::{NOTHING, Place, Progress, ROOM, Tape, Track, clock};
    use crate::engine::{Input, device::DeviceId, recording::Ending};

    /// A file that is gone at the end of the test.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str) -> Self {
            Self(env::temp_dir().join(format!("iotruth-{}-{name}", process::id())))
        }

        fn old(&self) -> PathBuf {
            let mut old = self.0.clone().into_os_string();
            old.push(".old");
            old.into()
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
            let _ = fs::remove_file(self.old());
        }
    }

    fn taken(path: &Path) -> Place {
        Place::take(path).unwrap().unwrap()
    }

    #[test]
    fn a_recording_that_cannot_be_written_for_long_says_so() {
        let progress = Progress::default();
        progress.say("Recording into it: 8 of at most 9 bytes.".to_owned());
        let said = |nanoseconds: u64, full: bool| {
            let since = clock::monotonic() - nanoseconds;
            progress.0.writing_since.store(since, Ordering::Relaxed);
            progress.0.full.store(full, Ordering::Relaxed);
            progress.sentence()
        };
        assert!(said(1_000_000, true).ends_with("8 of at most 9 bytes."));
        assert!(
            said(3_100_000_000, false)
                .ends_with("written for 3 s, since its file system does not answer.")
        );
        assert!(
            said(3_100_000_000, true).ends_with("answer, and what comes now is not kept any more.")
        );
        assert_eq!(progress.during(|| 7), 7);
        assert!(progress.sentence().ends_with("8 of at most 9 bytes."), "it has been written");
    }

    #[test]
    fn a_recording_that_is_written_too_slowly_ends_with_what_waits() {
        let file = Temporary::new("slow");
        let (pieces, written) = mpsc::channel();
        let waiting = Arc::<AtomicUsize>::default();
        let track = |reader| Track {
            reader,
            chunk: Vec::new(),
            pieces: pieces.clone(),
            waiting: Arc::clone(&waiting),
            progress: Progress::default(),
        };
        let (mut first, mut second) = (track(0), track(1));
        let input = Input::DeviceEnded(DeviceId::default());
        // Small ones, however many, are no trouble.
        for _ in 0..1_000 {
            assert!(first.hear(&input) && first.flush());
        }
        let words = waiting.swap(ROOM, Ordering::Relaxed);
        assert!(first.hear(&input) && !first.flush(), "there is no room for more");
        waiting.store(words, Ordering::Relaxed);
        assert!(second.hear(&input) && second.flush());
        drop((first, second));
        let progress = Progress::default();
        let tape = Tape::new(taken(&file.0), 1 << 20).unwrap();
        tape.write(&written, &waiting, &progress);
        let said = progress.sentence();
        let bytes = NOTHING as usize + 8 * words;
        let expected =
            format!("ended after {bytes} bytes: it was written more slowly than records came.");
        assert!(said.ends_with(&expected), "{said}");
        let bytes = fs::read(&file.0).unwrap();
        let end = Ending::TooSlow.frame().unwrap();
        assert!(bytes.ends_with(bytemuck::cast_slice(&end)));
    }

    #[test]
    fn what_was_recorded_before_is_kept() {
        let file = Temporary::new("kept");
        let evidence = vec![7; NOTHING as usize + 8];
        fs::write(&file.0, &evidence).unwrap();
        let place = taken(&file.0);
        assert_eq!(fs::read(&file.0).unwrap(), evidence, "nothing is begun yet");
        let again = Place::take(&file.0).unwrap_err();
        assert!(format!("{again:#}").ends_with("another daemon writes it"), "{again:#}");
        let place = place.clear().unwrap();
        assert_eq!(fs::read(&file.0).unwrap(), b"");
        assert_eq!(fs::read(file.old()).unwrap(), evidence);
        assert!(Place::take(&file.0).is_err(), "the new one is ours as well");
        // What has a head and an end has nothing to be kept.
        fs::write(&file.0, vec![7; NOTHING as usize]).unwrap();
        drop(place.clear().unwrap());
        assert_eq!(fs::read(&file.0).unwrap(), b"");
        assert_eq!(fs::read(file.old()).unwrap(), evidence);
    }

    #[test]
    fn a_name_that_points_to_the_file_stays_what_it_is() {
        let file = Temporary::new("target");
        fs::write(&file.0, [7; 64]).unwrap();
        let link = Temporary::new("link");
        std::os::unix::fs::symlink(&file.0, &link.0).unwrap();
        drop(taken(&link.0).clear().unwrap());
        assert_eq!(fs::read_link(&link.0).unwrap(), file.0);
        assert_eq!(fs::read(file.old()).unwrap(), [7; 64]);
        assert_eq!(fs::read(&link.0).unwrap(), b"");
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        for path in ["/dev/null", "/dev/zero"] {
            let error = Place::take(path.as_ref()).unwrap_err();
            assert!(format!("{error:#}").ends_with("it is no regular file"), "{error:#}");
        }
    }
}
