//! Tests for a guest whose kernel is known and whose devices are ours: `cargo xtask vm` runs them.
//!
//! A plain `cargo test` leaves them out, because no other machine should have its devices made up.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, os::unix::fs::FileTypeExt, path::Path};

#[test]
fn the_guest_is_the_machine_that_the_tests_are_for() {
    let version = fs::read_to_string("/proc/version").unwrap();
    assert!(version.starts_with("Linux version 6.12"), "{version}");

    // The last step of every test in the guest begins with such a device.
    let settings = Path::new("/sys/kernel/config/nullb/nullb0");
    fs::create_dir(settings).unwrap();
    fs::write(settings.join("power"), "1").unwrap();
    let made = fs::metadata("/dev/nullb0").map(|node| node.file_type().is_block_device());
    fs::remove_dir(settings).unwrap();
    assert!(matches!(made, Ok(true)), "{made:?}");
}
