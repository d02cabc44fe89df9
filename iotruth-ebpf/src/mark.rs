//! Marks: how the second program of a tracepoint knows whether the first one told an event.
//!
//! Whoever tells an event leaves in [`TOLD`] which request it was of and which event. One request has
//! one event at a time: whoever causes it owns the request until all programs have run. So where the
//! second program finds another event of the same request, the first one cannot have told this one.
//! Where it finds this event, the first one has told it, or else such an event came twice in a row;
//! where it finds another request, whose mark has the same place, nothing is known. In both cases it
//! is silent. If the first one was skipped all the same, that is a counted loss; nothing is ever told
//! twice.

use iotruth_common::probe::{PROBES, Program, Role};

use crate::{
    emit::{scalar, spread},
    field::Request,
    maps::TOLD,
};

/// In a mark: something was left of the request. The end of a flush sequence, or of a request of
/// device mapper, follows upon the end of the data, and nothing else tells the two apart.
const LEFT: u64 = 8;

const _: () = assert!(PROBES <= LEFT as usize);

/// Leaves the mark of an event, unless the first program has told it or may have; says whether this
/// program shall tell it.
#[inline(always)]
pub(crate) fn leave(program: Program, request: Request) -> bool {
    if matches!(program.role, Role::Only) {
        return true;
    }
    let left = if request.data_len() == 0 { 0 } else { LEFT };
    // Requests are hundreds of bytes apart, so that a mark is of one request alone.
    let request = scalar(request.pointer());
    let mark = request.wrapping_add(program.probe as u64 + left);
    let Some(place) = TOLD.get_ptr_mut((spread(request) >> 48) as u32) else {
        return matches!(program.role, Role::First);
    };
    if matches!(program.role, Role::Second) {
        // SAFETY: the place is an aligned word of a map's value; such a load is never torn.
        let told = unsafe { place.read_volatile() };
        let same_request = told.wrapping_sub(request) < 2 * LEFT;
        if told == mark || (told != 0 && !same_request) {
            return false;
        }
    }
    // SAFETY: as above, and neither is such a store.
    unsafe { place.write_volatile(mark) };
    true
}
