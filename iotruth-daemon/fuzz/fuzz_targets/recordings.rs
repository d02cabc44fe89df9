//! Any bytes as a recording: an error, or something that can be judged, whole and without a record.
#![no_main]

use iotruth_fuzz::engine::recording::{Recording, to_words};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(words) = to_words(bytes) else { return };
    let Ok(recording) = Recording::parse(&words) else { return };
    let records = recording.records().count() as u64;
    let whole = recording.replay();
    let received: u64 = whole.probes.iter().map(|probe| probe.received).sum();
    assert!(received <= records, "{received} of {records}");
    drop(recording.replay_without(0));
});
