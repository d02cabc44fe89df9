//! One column of the books of one device.

use crate::engine::account::{Columns, Ours};

/// The range of what we have more than the kernel, without what is doubtful.
pub(super) fn range(kernel: &Columns, ours: &Ours, column: usize) -> (i128, i128) {
    let kernel = i128::from(kernel.0[column]);
    let low = i128::from(ours.sure.0[column]) - kernel;
    let possible = i128::from(ours.possible.0[column]) + i128::from(ours.dropped.0[column]);
    let high = possible - kernel;
    (low, high.max(low))
}

/// One column of one device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Balance {
    /// What we have more than the kernel for as long as both sides count the same.
    base: (i128, i128),
    /// How far the difference has left the base.
    drift: i128,
    /// How much too high it was at the last audit, without being at rest.
    above: i128,
    /// What of the drift has persisted.
    residue: i128,
    /// See [`Ours::doubtful`], at the last audit.
    doubtful: u64,
    /// How much of what has become doubtful since the device was last at rest the kernel has counted: the least
    /// and the most that the audits allow.
    counted: (i128, i128),
    /// The same of what had become doubtful before, at least.
    settled: i128,
}

impl Balance {
    /// A balance that begins with such a difference.
    pub(super) fn begun(base: (i128, i128), doubtful: u64) -> Self {
        Self { base, doubtful, ..Self::default() }
    }

    /// What we have more than the kernel for as long as both sides count the same, at most.
    pub(super) const fn base(&self) -> i128 {
        self.base.1
    }

    /// How far the difference has left the base.
    pub(super) const fn drift(&self) -> i128 {
        self.drift
    }

    /// What of the drift has persisted.
    pub(super) const fn residue(&self) -> i128 {
        self.residue
    }

    /// How much of what is doubtful the kernel must have counted.
    pub(super) fn counted(&self) -> u64 {
        u64::try_from(self.settled + self.counted.0).unwrap_or_default()
    }

    /// Takes the range of another audit.
    pub(super) fn audit(&mut self, range: (i128, i128), doubtful: u64, rest: bool) {
        let (from, to) = (self.base.0 + self.drift, self.base.1 + self.drift);
        let (low, high) = self.settle(range, (from, to), doubtful, rest);
        let before = self.drift;
        if high < from {
            // The kernel never counts what has not ended, so this is certain.
            self.drift += high - from;
            self.above = 0;
        } else if low > to {
            // It may be late with what has, so this must last.
            let above = low - to;
            let certain = if rest { above } else { above.min(self.above) };
            self.drift += certain;
            self.above = above - certain;
        } else {
            self.above = 0;
        }
        self.residue = if rest { self.drift } else { lasting(before, self.drift) };
        if rest && range.0 == range.1 {
            // With what the kernel has counted of what is doubtful, whatever that is.
            let exact = range.0 - self.drift;
            self.base = (exact, exact);
            self.settled += std::mem::take(&mut self.counted).0;
        } else if self.drift == before && self.above == 0 && high > low {
            // What the attaching left open is soon known better. As at a late baseline, the lower
            // end is not trusted to the last request.
            let known = (low - (high - low) - before, high - before);
            let narrowed = (self.base.0.max(known.0), self.base.1.min(known.1));
            if narrowed.0 <= narrowed.1 {
                self.base = narrowed;
            }
        }
    }

    /// Adds to a range what the kernel has counted of what is doubtful. How much that is is known from the
    /// difference: what both sides have counted for certain makes none.
    fn settle(
        &mut self,
        (low, high): (i128, i128),
        (from, to): (i128, i128),
        doubtful: u64,
        rest: bool,
    ) -> (i128, i128) {
        let (least, most) = self.counted;
        let most = most + i128::from(doubtful.saturating_sub(self.doubtful));
        self.doubtful = doubtful;
        let least = (from - high).clamp(least, most);
        // The kernel may be late with what has ended, and nothing says by how much where the range is one number.
        let most = match (rest, low == high) {
            (true, _) => (to - low).clamp(least, most),
            (false, false) => (to - (low - (high - low))).clamp(least, most),
            (false, true) => most,
        };
        self.counted = (least, most);
        (low + self.counted.0, high + self.counted.1)
    }
}

/// What two audits agree on.
fn lasting(before: i128, now: i128) -> i128 {
    if before.signum() != now.signum() {
        0
    } else if before.abs() < now.abs() {
        before
    } else {
        now
    }
}
