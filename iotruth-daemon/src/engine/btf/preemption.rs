//! Whether tracepoints leave preemption on.
//!
//! Up to 6.18 a tracepoint turns it off (`preempt_disable_notrace` in `__DECLARE_TRACE`). Since a
//! change for real-time systems its callers are readers of SRCU-fast instead, and whoever takes a
//! program away waits for a grace period of that: `struct tp_transition_snapshot` notes it in a
//! member that came with the change. (The SRCU of idle tasks, up to 6.12, is noted in `srcu`.)

use super::{error::BtfError, index::Index};

/// The structure that notes the grace periods.
pub(super) const SNAPSHOT: &str = "tp_transition_snapshot";

/// Whether a task can be preempted while it runs the programs of a tracepoint.
pub(super) fn tracepoints(index: &Index<'_>) -> Result<bool, BtfError> {
    for snapshot in index.structs(SNAPSHOT) {
        if index.member(snapshot, "srcu_gp")?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
