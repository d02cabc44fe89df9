//! What the engine costs: time, instructions and memory, on streams that are made up.
//!
//! The engine is built alone, from the daemon's own files and by the daemon's own profile. It is
//! pure, so it needs a tenth of what the daemon is built from. `cargo xtask bench engine` runs it.

#[path = "../../src/engine/mod.rs"]
pub mod engine;
pub mod host;
pub mod load;
pub mod memory;
pub mod sample;
pub mod scale;
pub mod stream;
