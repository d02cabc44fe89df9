//! A logger that keeps what the programs say.

use std::sync::{Mutex, PoisonError};

static MESSAGES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Keep;

impl log::Log for Keep {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("iotruth_ebpf") {
            let mut messages = MESSAGES.lock().unwrap_or_else(PoisonError::into_inner);
            messages.push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// What is logged from now on.
pub(crate) fn capture() -> &'static Mutex<Vec<String>> {
    log::set_logger(&Keep).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    &MESSAGES
}
