//! Whether a program can be interrupted by itself.

use super::reader::Sections;

/// A kernel function that came with the rule that a program never runs inside itself (Linux 6.1): the
/// kernel skips a program on a CPU where that program is running already, and counts that here.
const GUARD: &str = "bpf_prog_inc_misses_counter";

/// Whether this is the name of that function.
pub(super) fn is_guard(sections: &Sections<'_>, name: u32) -> bool {
    sections.name_is(name, GUARD)
}
