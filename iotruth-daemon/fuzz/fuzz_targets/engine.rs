//! The whole engine on records that no kernel writes: it may be wrong about them, but it never panics,
//! overflows or loses count.
#![no_main]

use iotruth_fuzz::script::Player;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| {
    let Some((first, script)) = script.split_first() else { return };
    let snapshot = Player::new(*first).play(script);
    let lives = &snapshot.lives;
    assert_eq!(lives.opened, lives.ended() + lives.open, "{lives:?}");
    // Eight request addresses, in two rings.
    assert!(lives.open <= 16, "{lives:?}");
    // All counters were read after all that had ended.
    for device in snapshot.devices.values() {
        for figures in device.operations.iter().flatten() {
            let unjudged: u64 = figures.unjudged.iter().sum();
            assert!(unjudged <= figures.requests, "{figures:?}");
        }
    }
    for mismatch in &snapshot.mismatches {
        assert!(mismatch.first <= mismatch.last && mismatch.count > 0, "{mismatch:?}");
        assert!(mismatch.timeline.events.len() <= 32, "{mismatch:?}");
    }
});
