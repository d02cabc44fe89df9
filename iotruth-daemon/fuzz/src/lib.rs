//! What the fuzz targets work on: the engine, built alone. It is pure, so it needs a tenth of what
//! the daemon is built from.

pub mod aligned;
#[path = "../../src/engine/mod.rs"]
pub mod engine;
pub mod script;
