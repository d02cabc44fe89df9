//! A time that may not have come yet, in eight bytes: a life has several.

use std::num::NonZero;

/// Nanoseconds of `CLOCK_MONOTONIC`, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(Option<NonZero<u64>>);

impl Moment {
    /// It has not come.
    pub(super) const NEVER: Self = Self(None);

    /// It came then. No life has an event at the time 0: [`super::life::Life::advance`].
    #[inline]
    pub(super) const fn at(time: u64) -> Self {
        Self(NonZero::new(time))
    }

    /// When it came.
    #[inline]
    pub(super) const fn get(self) -> Option<u64> {
        match self.0 {
            Some(time) => Some(time.get()),
            None => None,
        }
    }

    /// Whether it has come.
    #[inline]
    pub(super) const fn has_come(self) -> bool {
        self.0.is_some()
    }
}
