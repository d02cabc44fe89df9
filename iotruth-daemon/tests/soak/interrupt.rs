//! Ctrl-C: the soak ends early, and everything that it set up is undone.

use std::{
    panic,
    sync::atomic::{AtomicBool, Ordering},
};

static ASKED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_signal: libc::c_int) {
    ASKED.store(true, Ordering::Relaxed);
}

/// From now on the end of who started us asks for our end too.
pub(crate) fn follow_parent() {
    // SAFETY: PR_SET_PDEATHSIG takes a number and touches no memory of ours.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as libc::c_ulong) };
}

/// From now on signals that ask for the end are noted, and do not end us by themselves.
pub(crate) fn heed() {
    let handler = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler only stores into an atomic, which is allowed in a signal handler.
        unsafe { libc::signal(signal, handler) };
    }
}

/// Whether the end was asked for.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Unwinds, without a word, if the end was asked for.
pub(crate) fn leave_if_asked() {
    if asked() {
        panic::resume_unwind(Box::new("interrupted"));
    }
}
