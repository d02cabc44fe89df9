//! Waiting for something to become true, with an end.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::daemon::in_guest;

/// How long anything may take before a test gives up; in a guest it is four times that. No test asserts
/// how long something took: this only keeps a hang from lasting for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks again and again until there is an answer; what was seen instead goes into the message of
/// the panic when patience is over.
pub(crate) fn wait_for<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    wait(PATIENCE, what, look)
}

/// The same for what takes its time by itself.
pub(crate) fn wait_long_for<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    wait(4 * PATIENCE, what, look)
}

fn wait<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    // Everything takes its time there.
    let patience = if in_guest() { 4 * patience } else { patience };
    loop {
        match look() {
            Ok(answer) => return answer,
            Err(seen) => {
                assert!(begin.elapsed() < patience, "waited in vain for {what}; last seen: {seen}");
            }
        }
        thread::sleep(PAUSE);
    }
}

/// How long is waited where a test has failed already.
const SHORT_PATIENCE: Duration = Duration::from_secs(3);

/// Whether something becomes true within a short time; for guards, which must not panic.
pub(crate) fn soon(is_so: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !is_so() {
        if begin.elapsed() > SHORT_PATIENCE {
            return false;
        }
        thread::sleep(PAUSE);
    }
    true
}
