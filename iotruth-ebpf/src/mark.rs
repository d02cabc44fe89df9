//! Marks: how the second program of a tracepoint knows whether the first one told an event.
//!
//! Whoever tells an event leaves in [`TOLD`] which request it was of and which event. One request has
//! one event at a time: whoever causes it owns the request until all programs have run. So where the
//! second program finds another event of the same request, the first one cannot have told this one.
//! Where it finds this event, the first one has told it, or else such an event came twice in a row.
//!
//! A mark has one of two places. The first program takes the one that has a mark of this request, else
//! one that was never used, else the second one, whoever's mark is lost. So where the second program
//! finds no mark of the request, only a first place that was never used tells something: that the
//! first program has told nothing of it. Else nothing is known, and it is silent; two requests would
//! have to share both places. If the first one was skipped all the same, that is a counted loss;
//! nothing is ever told twice.

use iotruth_common::{
    probe::{PROBES, Role},
    tuning::{MARK_BITS, MARKS},
};

use crate::{
    emit::{scalar, spread},
    field::Request,
    maps::TOLD,
    probe::Runs,
};

/// In a mark: something was left of the request. The end of a flush sequence, or of a request of
/// device mapper, follows upon the end of the data, and nothing else tells the two apart.
const LEFT: u64 = 8;

const _: () = assert!(PROBES <= LEFT as usize);

/// Leaves the mark of an event, unless the first program has told it or may have; says whether this
/// program shall tell it.
#[inline(always)]
pub(crate) fn leave<P: Runs>(request: Request) -> bool {
    if matches!(P::PROGRAM.role, Role::Only) {
        return true;
    }
    let left = if request.data_len() == 0 { 0 } else { LEFT };
    // Requests are hundreds of bytes apart, so that a mark is of one request alone.
    let request = scalar(request.pointer());
    let mark = request.wrapping_add(P::PROGRAM.probe as u64 + left);
    let hash = spread(request);
    let (Some(first), Some(second)) = (
        TOLD.get_ptr_mut((hash >> (64 - MARK_BITS)) as u32),
        TOLD.get_ptr_mut((hash >> (64 - 2 * MARK_BITS)) as u32 & (MARKS - 1)),
    ) else {
        return matches!(P::PROGRAM.role, Role::First);
    };
    // SAFETY: the place is an aligned word of a map's value; such a load is never torn.
    let told_first = unsafe { first.read_volatile() };
    // SAFETY: as above.
    let told_second = unsafe { second.read_volatile() };
    let ours = |told: u64| told.wrapping_sub(request) < 2 * LEFT;
    let (place, told) = if told_first == 0 || ours(told_first) {
        (first, told_first)
    } else {
        (second, told_second)
    };
    let unknown = told_first != 0 && !ours(told);
    if matches!(P::PROGRAM.role, Role::Second) && (told == mark || unknown) {
        return false;
    }
    // SAFETY: as above, and neither is such a store.
    unsafe { place.write_volatile(mark) };
    true
}
