//! The walker against blobs that are built by hand; against a real kernel it is tested in
//! `tests/btf_oracle.rs`, because the engine reads no files.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input shall stop")]

mod blob;
mod damage;
mod fields;
mod kernel;
mod numbers;
mod tracepoints;
