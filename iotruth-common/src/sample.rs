//! Samples: which requests are told of where the daemon has to save.

/// The low bits of `cmd_flags`: the operation.
pub const OPERATION: u32 = 0xff;

/// `REQ_OP_FLUSH`, the same in every kernel.
pub const FLUSH: u32 = 2;

/// What spreads an address, an odd number without a pattern. Not the golden ratio, which tables spread
/// addresses with: what is in a sample by that would lie in a few places of such a table.
const SPREAD: u64 = 0xff51_afd7_ed55_8ccd;

/// What is added to a salt to have the next one: in steps of this, each address comes and goes as evenly as
/// can be.
pub const NEXT_SALT: u64 = 0x3775_ffea_df02_ac69;

/// How many places the addresses are spread over.
const PLACES: u32 = 1 << 31;

/// The first place that is told of, where one request in so many is; those below it are left out. A higher
/// one leaves out these and more. 0 where every request is told of, and beyond all places where none is,
/// which `u32::MAX` stands for.
#[must_use]
pub const fn first_told(one_in: u32) -> u32 {
    match one_in {
        0 | 1 => 0,
        _ => PLACES - PLACES / one_in,
    }
}

/// Whether nothing is told of the request at this address, which a salt has been added to. It is the same
/// for all events of a request.
///
/// Flushes are always told of: others end with them.
#[must_use]
#[expect(clippy::inline_always, reason = "a program would call it with a stack frame of its own")]
#[inline(always)]
pub const fn is_left_out(first_told: u32, salted: u64, cmd_flags: u32) -> bool {
    // Only the bits in the middle of an address differ, and a product moves them to the top.
    cmd_flags & OPERATION != FLUSH && ((salted.wrapping_mul(SPREAD) >> 33) as u32) < first_told
}

#[cfg(test)]
mod tests {
    use super::{FLUSH, NEXT_SALT, SPREAD, first_told, is_left_out};

    /// Addresses as the block layer makes them.
    fn requests() -> impl Iterator<Item = u64> {
        (0..20_000).map(|number| 0xffff_8881_0123_4000 + number * 320)
    }

    #[test]
    fn about_as_many_are_told_of_as_is_said() {
        for (one_in, salt) in [(2, 0), (3, 0x1234_5678_9abc), (10, 77 << 40), (100, 1)] {
            let told = requests()
                .filter(|request| !is_left_out(first_told(one_in), request.wrapping_add(salt), 0));
            let expected = 20_000 / one_in as usize;
            let told = told.count();
            assert!(told.abs_diff(expected) <= expected / 5, "one in {one_in}: {told}");
        }
    }

    #[test]
    fn from_salt_to_salt_each_request_has_its_turn() {
        // Steps of the golden ratio.
        assert_eq!(SPREAD.wrapping_mul(NEXT_SALT), 0x9e37_79b9_7f4a_7c15);
        for request in requests().step_by(1_000) {
            let told = |turn: u64| {
                let salt = NEXT_SALT.wrapping_mul(turn);
                !is_left_out(first_told(8), request.wrapping_add(salt), 0)
            };
            assert!((0..1_000).step_by(13).all(|from| (from..from + 13).any(told)), "{request:x}");
        }
    }

    #[test]
    fn fewer_are_some_of_more() {
        for request in requests() {
            let left_out = |one_in| is_left_out(first_told(one_in), request, 0);
            assert!(!left_out(1));
            for one_in in [2, 3, 4, 7, 50, 4096] {
                assert!(!left_out(one_in) || left_out(one_in + 1));
            }
            assert!(left_out(u32::MAX));
            assert!(!is_left_out(first_told(u32::MAX), request, FLUSH | 0x800));
        }
    }
}
