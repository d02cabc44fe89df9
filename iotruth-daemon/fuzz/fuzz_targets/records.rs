//! The record decoder on any bytes: a record that says the same as its bytes, or an error.
#![no_main]

use iotruth_common::{probe::Program, record::RequestRecord};
use iotruth_fuzz::{aligned::Aligned, engine::decode::decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let words = Aligned::new(bytes);
    let Ok(record) = decode(words.bytes()) else { return };
    let head: &RequestRecord = record.head();
    assert_eq!(bytemuck::bytes_of(head), &bytes[..size_of::<RequestRecord>()]);
    assert_eq!(Some(record.program()), Program::from_wire(head.program));
    // What is a record is none at an address that no ring gives out.
    let mut moved = vec![0_u64; bytes.len() / 8 + 2];
    let place = &mut bytemuck::cast_slice_mut(&mut moved)[1..=bytes.len()];
    place.copy_from_slice(bytes);
    assert!(decode(place).is_err());
});
