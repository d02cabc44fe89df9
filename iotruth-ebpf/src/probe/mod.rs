//! One file for each traced tracepoint.

#![expect(clippy::needless_pass_by_value, reason = "the signature that aya's attribute wants")]

mod complete;
mod insert;
mod issue;
mod merge;
mod remap;
mod requeue;
mod start;
