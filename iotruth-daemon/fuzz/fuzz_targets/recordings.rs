//! Any bytes as what a reader's engine was told: an error, or something that can be judged, whole and without
//! a record. What is said about them agrees with them, as nothing else is read at all.
#![no_main]

use iotruth_fuzz::engine::recording::{Recording, frame, head, to_words};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let stream = to_words(bytes);
    let words = [&head(1, 2)[..], &frame(0, &stream), &stream].concat();
    let Ok(recording) = Recording::parse(&words) else { return };
    let records = recording.records().count() as u64;
    let whole = recording.replay();
    let received: u64 = whole.probes.iter().map(|probe| probe.received).sum();
    assert!(received <= records, "{received} of {records}");
    drop(recording.replay_without(0));
});
