//! Recordings of streams, sound and damaged.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::{
    END, Ending, FRAME, HEAD, MAGIC, Recording, RecordingError, VERSION, check, frame, head,
    to_words, word,
};
use crate::engine::{
    Input, Policy,
    kind::Kind,
    snapshot::{Loss, Snapshot},
    synthetic::{DISK, Kernel},
};

const READ: u32 = 0;
const WRITE: u32 = 1;

/// A kernel on which a bit of everything happened, and was recorded.
fn eventful() -> Kernel {
    let mut kernel = Kernel::new();
    kernel.record();
    for address in 1..4 {
        kernel.ordinary(address, READ, address * 8, address == 2);
    }
    kernel.audit();
    let mut failed = kernel.allocate(9, WRITE, 800, 4096);
    kernel.after(1_000).start(&mut failed);
    kernel.after(1_000).issue(&mut failed);
    kernel.after(1_000).complete(&mut failed, 4096, 10);
    let mut stuck = kernel.allocate(10, READ, 900, 4096);
    kernel.after(1_000).start(&mut stuck);
    kernel.after(1_000).issue(&mut stuck);
    kernel.feed(&Input::DeviceTimeout { id: DISK, timeout: 7_000_000_000 });
    kernel.after(6_000_000_000).audit();
    let memory = Kernel::memory(kernel.queue, &stuck, 1);
    kernel.census(|address| (address == 10).then(|| memory.clone()));
    kernel.ordinary(11, WRITE, 0, false);
    kernel.audit();
    kernel.feed(&Input::DeviceEnded(crate::engine::device::DeviceId { number: 1, sequence: 0 }));
    kernel
}

/// What the reader's engine was told, as it is in the recording.
fn stream(kernel: &Kernel) -> Vec<u64> {
    let words = kernel.recording();
    words[HEAD + FRAME..words.len() - FRAME].to_vec()
}

fn live(kernel: &Kernel) -> Snapshot {
    kernel.engine.snapshot(kernel.engine.newest)
}

#[test]
fn a_replay_knows_what_the_engine_knew() {
    let kernel = eventful();
    let words = kernel.recording();
    let recording = Recording::parse(&words).unwrap();
    let replayed = recording.replay();
    assert_eq!(replayed, live(&kernel));
    assert_eq!(replayed.mismatches.len(), 2, "{:?}", replayed.mismatches);
    assert_eq!(replayed.in_flight.count, 1);
    assert_eq!(recording.ending, Ending::Stopped);
    assert_eq!((recording.readers(), recording.since_1970), (1, 0));
    let received: u64 = replayed.probes.iter().map(|probe| probe.received).sum();
    assert_eq!(recording.records().count() as u64, received);
}

#[test]
fn each_record_can_be_left_out_and_is_missed() {
    let kernel = eventful();
    let words = kernel.recording();
    let recording = Recording::parse(&words).unwrap();
    let whole = recording.replay();
    for record in 0..recording.records().count() {
        let without = recording.replay_without(record);
        let received =
            |of: &Snapshot| -> u64 { of.probes.iter().map(|probe| probe.received).sum() };
        assert_eq!(received(&without) + 1, received(&whole));
        assert!(without.losses[Loss::UserQueue as usize] <= 1);
        assert!(without.mismatches.len() <= whole.mismatches.len());
    }
}

#[test]
fn frames_may_end_after_any_item_and_readers_take_turns() {
    let (first, second) = (eventful(), eventful());
    let (one, two) = (stream(&first), stream(&second));
    // The item that begins a stream says how long it is.
    let begun = 1 + ((one[0] >> 32) as usize).div_ceil(8);
    let mut words = head(5, 6).to_vec();
    for (reader, items) in [(0, &one[..begun]), (3, &two[..]), (0, &[]), (0, &one[begun..])] {
        words.extend(frame(reader, items));
        words.extend_from_slice(items);
    }
    let recording = Recording::parse(&words).unwrap();
    assert_eq!((recording.readers(), recording.ending), (2, Ending::Unknown));
    assert_eq!(recording.cut_off, 0);
    let mut both = live(&first);
    both.merge(&live(&second));
    assert_eq!(recording.replay(), both);
    let (records, half) = (recording.records().count(), recording.records().count() / 2);
    let last = recording.replay_without(records - 1);
    assert_eq!(last.lives.judged + 1, both.lives.judged, "an end, of the second reader");
    let last = recording.replay_without(half - 1);
    assert_eq!(last.lives.judged + 1, both.lives.judged, "the same of the first reader");
}

#[test]
fn what_is_no_recording_says_so() {
    let words = eventful().recording();
    let parse = |words: &[u64]| Recording::parse(words).map(|recording| recording.ending);
    let changed = |place: usize, word: u64| {
        let mut words = words.clone();
        words[place] = word;
        parse(&words)
    };
    assert_eq!(parse(&[]), Err(RecordingError::Magic));
    assert_eq!(changed(0, MAGIC.swap_bytes()), Err(RecordingError::Magic));
    assert_eq!(changed(1, VERSION + 1), Err(RecordingError::Version(VERSION + 1)));
    for length in 1..HEAD {
        assert_eq!(parse(&words[..length]), Err(RecordingError::NoHead));
    }
    assert_eq!(parse(&[&words[..], &[0]].concat()), Err(RecordingError::Beyond(words.len() * 8)));
    let bytes: Vec<u8> = bytemuck::cast_slice(&words).to_vec();
    assert_eq!(to_words(&bytes), words);
    assert_eq!(to_words(&bytes[..43]), words[..5]);
}

/// A head, and one frame that agrees with itself.
fn sealed(said: u64, stream: &[u64]) -> Vec<u64> {
    [&head(1, 2)[..], &[said, check(&[said], stream)], stream].concat()
}

#[test]
fn what_agrees_with_itself_and_says_nothing_is_damaged() {
    let begun = stream(&eventful())[0];
    for (reader, stream) in [(0, &[0][..]), (0, &[begun]), (0, &[u64::MAX]), (16, &[]), (END, &[])]
    {
        let number = if reader == END { 9 } else { stream.len() as u32 };
        let words = sealed(word(reader, number), stream);
        let error = Recording::parse(&words).map(|recording| recording.ending).unwrap_err();
        assert_eq!(error, RecordingError::Damaged(HEAD * 8), "{reader} {stream:?}");
    }
}

#[test]
fn what_is_cut_off_is_judged_as_far_as_it_is_whole() {
    let (first, second) = (eventful(), eventful());
    let (one, two) = (stream(&first), stream(&second));
    let whole = [&head(1, 2)[..], &frame(0, &one), &one].concat();
    let words = [&whole[..], &frame(1, &two), &two].concat();
    for length in HEAD..words.len() {
        let recording = Recording::parse(&words[..length]).unwrap();
        assert_eq!(recording.ending, Ending::Unknown);
        let (readers, kept) = if length < whole.len() { (0, HEAD) } else { (1, whole.len()) };
        assert_eq!((recording.readers(), recording.cut_off), (readers, length - kept));
    }
    assert_eq!(Recording::parse(&words[..words.len() - 1]).unwrap().replay(), live(&first));
    // What was never written reads as zeros.
    let zeros = [&whole[..], &[0; 40]].concat();
    let recording = Recording::parse(&zeros).unwrap();
    assert_eq!((recording.cut_off, recording.replay()), (40, live(&first)));
}

#[test]
fn no_damage_goes_unnoticed() {
    let words = eventful().recording();
    for place in 0..words.len() {
        let mut others = vec![0, 1, u64::MAX, u64::MAX >> 32, u64::MAX << 32];
        others.extend((place % 7..64).step_by(7).map(|bit| words[place] ^ 1 << bit));
        for other in others.into_iter().filter(|other| *other != words[place]) {
            let mut damaged = words.clone();
            damaged[place] = other;
            let error = Recording::parse(&damaged).map(|recording| recording.ending).unwrap_err();
            // Where it begins.
            let end = words.len() - FRAME;
            let begin = [0, HEAD, end].into_iter().filter(|begin| *begin <= place).max().unwrap();
            let told = match error {
                RecordingError::Magic => place == 0,
                RecordingError::Version(_) => place == 1,
                RecordingError::Damaged(at) => at == begin * 8,
                RecordingError::NoHead | RecordingError::Beyond(_) => false,
            };
            assert!(told, "word {place} is {other:#x}: {error:?}");
        }
    }
}

#[test]
fn what_a_record_that_never_came_may_explain_is_not_shown() {
    let mut kernel = Kernel::new();
    kernel.record();
    kernel.ordinary(1, WRITE, 0, true);
    // Nothing else starts on this CPU, so that no later number tells that the start is missing.
    kernel.cpu = 1;
    let preflush = crate::engine::flavor::Flavor::linux_6_12().req.preflush;
    let mut waits = kernel.allocate(1, WRITE | preflush, 64, 512);
    kernel.after(1_000).start(&mut waits);
    kernel.cpu = 0;
    let mut flush = kernel.allocate(2, 2, u64::MAX, 0);
    flush.bio = false;
    kernel.after(1_000).issue(&mut flush);
    kernel.after(1_000).complete(&mut flush, 0, 10);
    waits.cmd_flags = WRITE;
    kernel.after(50).complete(&mut waits, 512, 10);
    kernel.audit();
    kernel.after(3_000_000_000).audit();
    let words = kernel.recording();
    let recording = Recording::parse(&words).unwrap();
    let kinds = |snapshot: Snapshot| -> Vec<Kind> {
        snapshot.mismatches.iter().map(|mismatch| mismatch.kind).collect()
    };
    assert_eq!(kinds(recording.replay()), [Kind::FlushFailed; 2]);
    for record in 0..recording.records().count() {
        let told = kinds(recording.replay_without(record));
        assert!(told.iter().all(|kind| *kind == Kind::FlushFailed), "without {record}: {told:?}");
    }
}

/// What the fuzz target begins with, which must be short. `IOTRUTH_BLESS=1` writes it anew.
#[test]
fn the_seed_of_the_fuzz_target_is_the_stream_of_a_recording() {
    let mut kernel = Kernel::new();
    kernel.record();
    kernel.ordinary(1, READ, 0, true);
    kernel.feed(&Input::DeviceNamed { id: DISK, name: "sda", policy: Policy::Follow });
    let mut failed = kernel.allocate(2, WRITE, 800, 4096);
    kernel.after(1_000).start(&mut failed);
    kernel.after(1_000).issue(&mut failed);
    let from = kernel.now;
    kernel.feed(&Input::OpenCounted { from, now: from });
    kernel.after(1_000).complete(&mut failed, 4096, 10);
    kernel.audit();
    let words = stream(&kernel);
    let bytes: &[u8] = bytemuck::cast_slice(&words);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/recordings/short");
    if std::env::var_os("IOTRUTH_BLESS").is_some() {
        std::fs::write(path, bytes).unwrap();
    }
    let seed = std::fs::read(path).unwrap();
    assert!(seed == bytes, "run the tests with IOTRUTH_BLESS=1");
    assert!(seed.len() <= 4096, "{} bytes are too long", seed.len());
}

#[test]
fn every_ending_is_told_apart() {
    for ending in [Ending::NUMBERED.as_slice(), &[Ending::Unknown]].concat() {
        let end = ending.frame();
        let words = [&head(1, 2)[..], end.as_slice().as_flattened()].concat();
        assert_eq!(Recording::parse(&words).unwrap().ending, ending);
    }
}

#[test]
fn who_is_excluded_stays_so() {
    let mut kernel = Kernel::new();
    kernel.record();
    kernel.ordinary(1, READ, 0, false);
    kernel.feed(&Input::DeviceNamed { id: DISK, name: "zram0", policy: Policy::Exclude });
    let words = kernel.recording();
    assert!(Recording::parse(&words).unwrap().replay().devices.is_empty());
}
