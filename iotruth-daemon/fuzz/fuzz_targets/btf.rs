//! The BTF walker on any bytes: facts or an error, never a panic.
#![no_main]

use iotruth_fuzz::engine::btf::resolve;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = resolve(bytes);
});
