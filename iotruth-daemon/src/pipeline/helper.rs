//! Threads beside the readers: whether they live, and whether they get answers.
//!
//! They exist because files of sysfs can block for as long as a disk hangs. One that blocks does no
//! harm to what is counted, but something is missing without it, and that must be seen.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use super::clock;

/// From when on an errand is told to take long: each is a matter of milliseconds, but for audits
/// and samples, which wait for readers some seconds at most.
const LONG: Duration = Duration::from_secs(10);

/// How a helper is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It waits for something to do, or has done so lately.
    Well,
    /// It has been on one errand for so long.
    Blocked(Duration),
    /// It has panicked and is no more.
    Dead,
}

/// What both sides share.
#[derive(Debug, Default)]
struct State {
    /// When it went on its errand: nanoseconds of `CLOCK_MONOTONIC`; 0 while it has none.
    since: AtomicU64,
    dead: AtomicBool,
}

/// A helper, as others see it.
#[derive(Clone, Debug)]
pub(super) struct Helper {
    name: String,
    without: &'static str,
    state: Arc<State>,
}

impl Helper {
    /// Starts a thread of this name; `without` says what is missing while it does nothing.
    pub(super) fn start(
        name: String,
        without: &'static str,
        run: impl FnOnce(&Errands) + Send + 'static,
    ) -> io::Result<Self> {
        let state = Arc::<State>::default();
        let errands = Errands(Arc::clone(&state));
        thread::Builder::new().name(name.clone()).spawn(move || run(&errands))?;
        Ok(Self { name, without, state })
    }

    /// How it is doing at this time, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) fn health(&self, now: u64) -> Health {
        if self.state.dead.load(Ordering::Relaxed) {
            return Health::Dead;
        }
        let since = self.state.since.load(Ordering::Relaxed);
        let blocked = Duration::from_nanos(now.saturating_sub(since));
        if since != 0 && blocked >= LONG { Health::Blocked(blocked) } else { Health::Well }
    }

    /// What there is to tell of it: why `/readyz` must fail, or a mere note.
    pub(super) fn tell(&self, now: u64) -> Told {
        let Self { name, without, .. } = self;
        match self.health(now) {
            Health::Well => Told::Nothing,
            Health::Blocked(time) => Told::Note(format!(
                "the thread {name} has had no answer for {} s, as a file of sysfs gives none while \
                 its disk hangs, or a reader that is given no CPU: {without}",
                time.as_secs()
            )),
            Health::Dead => Told::Reason(format!("the thread {name} has panicked: {without}")),
        }
    }
}

/// What there is to tell of a helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// All is well.
    Nothing,
    /// It may yet go on.
    Note(String),
    /// It never will.
    Reason(String),
}

/// The helper's own side.
pub(super) struct Errands(Arc<State>);

impl Errands {
    /// Does something that may block.
    pub(super) fn run<T>(&self, errand: impl FnOnce() -> T) -> T {
        self.0.since.store(clock::monotonic(), Ordering::Relaxed);
        let done = errand();
        self.0.since.store(0, Ordering::Relaxed);
        done
    }
}

impl Drop for Errands {
    fn drop(&mut self) {
        self.0.dead.store(thread::panicking(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Errands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Errands").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test says what it expects")]

    use std::{sync::mpsc, thread, time::Instant};

    use super::{Errands, Health, Helper, LONG, Told, clock};

    const SECOND: u64 = 1_000_000_000;

    fn helper(run: impl FnOnce(&Errands) + Send + 'static) -> Helper {
        Helper::start("helper".to_owned(), "no help", run).unwrap()
    }

    /// Waits until it is so.
    fn until(hoped: impl Fn() -> bool) {
        let begin = Instant::now();
        while !hoped() {
            assert!(begin.elapsed().as_secs() < 20);
            thread::yield_now();
        }
    }

    #[test]
    fn an_errand_that_takes_long_is_a_note() {
        let (done, wait) = mpsc::channel::<()>();
        let helper = helper(move |errands| errands.run(|| wait.recv().unwrap_or_default()));
        let long = LONG.as_nanos() as u64;
        let late = || clock::monotonic() + long + 3 * SECOND;
        until(|| helper.health(late()) != Health::Well);
        let Told::Note(note) = helper.tell(late()) else { panic!("{:?}", helper.tell(late())) };
        assert!(note.contains("helper") && note.ends_with("given no CPU: no help"), "{note}");
        assert_eq!(helper.tell(clock::monotonic()), Told::Nothing, "it is not long yet");
        drop(done);
        until(|| helper.health(late()) == Health::Well);
    }

    #[test]
    fn only_who_panics_is_dead() {
        let ended = helper(|_| {});
        let dead = helper(|errands| errands.run(|| panic!("a test wants it")));
        until(|| dead.health(0) == Health::Dead);
        assert_eq!(
            dead.tell(0),
            Told::Reason("the thread helper has panicked: no help".to_owned())
        );
        assert_eq!(ended.tell(clock::monotonic()), Told::Nothing);
    }
}
