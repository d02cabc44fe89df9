//! Whether a program can be interrupted by itself.

use super::{index::Index, reader::Sections};

/// A kernel function that came with the rule that a program never runs inside itself (Linux 6.1).
const GUARD: &str = "bpf_prog_inc_misses_counter";

/// Whether this is the name of that function.
pub(super) fn is_guard(sections: &Sections<'_>, name: u32) -> bool {
    sections.name_is(name, GUARD)
}

/// Whether the kernel skips a program on a CPU where that program is running already.
pub(super) const fn guarded(index: &Index<'_>) -> bool {
    index.recursion_guard
}
