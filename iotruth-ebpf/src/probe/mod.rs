//! One file for each traced tracepoint.

mod complete;
mod insert;
mod issue;
mod merge;
mod remap;
mod requeue;
mod start;
