//! Log-linear histogram of durations: 16 buckets per power of two, error at most 6.25 %.
//!
//! Bucket bounds are inclusive above, as `le` is in Prometheus: a duration of exactly 2^k ns is in
//! the last bucket below 2^k, so each exported count equals the count here.

/// Buckets per power of two.
const PER_OCTAVE: usize = 16;
/// Durations of 2^40 ns (18 minutes) and more share the last bucket.
const OCTAVES: usize = 40;
/// Buckets in all: one each for the first 16 ns, then 16 for each power of two.
const BUCKETS: usize = PER_OCTAVE * (OCTAVES - 3);

/// Exported bounds are 2^k nanoseconds, for these k: 1.024 us to 8.6 s.
pub const BOUND_EXPONENTS: std::ops::RangeInclusive<u32> = 10..=33;

/// Durations in nanoseconds, with their exact sum and count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    sum: u128,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS].into_boxed_slice(), count: 0, sum: 0 }
    }
}

impl Histogram {
    /// Adds a duration in nanoseconds, so many times.
    #[inline]
    pub fn record(&mut self, duration: u64, times: u64) {
        if let Some(bucket) = self.buckets.get_mut(index(duration)) {
            *bucket += times;
        }
        self.count += times;
        self.sum += u128::from(duration) * u128::from(times);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *bucket += more;
        }
        self.count += other.count;
        self.sum += other.sum;
    }

    /// How many durations were added.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the durations, in nanoseconds.
    #[must_use]
    pub const fn sum(&self) -> u128 {
        self.sum
    }

    /// How many durations were at most 2^k nanoseconds, for each k of [`BOUND_EXPONENTS`].
    pub fn cumulative(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let mut below = 0;
        let mut next = 0;
        BOUND_EXPONENTS.map(move |exponent| {
            let end = index(1 << exponent) + 1;
            below += self.buckets.get(next..end).unwrap_or_default().iter().sum::<u64>();
            next = end;
            (exponent, below)
        })
    }
}

/// The bucket of a duration: bounds are (lower, upper], hence the step down by one.
#[inline]
fn index(duration: u64) -> usize {
    let value = duration.saturating_sub(1);
    if value < PER_OCTAVE as u64 {
        return value as usize;
    }
    let exponent = value.ilog2();
    let step = (value >> (exponent - 4)) as usize & (PER_OCTAVE - 1);
    let bucket = (exponent as usize - 3) * PER_OCTAVE + step;
    if bucket < BUCKETS { bucket } else { BUCKETS - 1 }
}

#[cfg(test)]
mod tests {
    use super::{BOUND_EXPONENTS, BUCKETS, Histogram, index};

    #[test]
    fn bounds_are_inclusive_above_and_exact() {
        for exponent in BOUND_EXPONENTS {
            let bound = 1_u64 << exponent;
            let mut histogram = Histogram::default();
            histogram.record(bound, 1);
            histogram.record(bound + 1, 1);
            histogram.record(bound - 1, 1);
            let at = histogram.cumulative().find(|(k, _)| *k == exponent).map(|(_, count)| count);
            assert_eq!(at, Some(2), "bound 2^{exponent}");
        }
    }

    #[test]
    fn buckets_are_narrow_and_in_order() {
        let mut last = 0;
        let mut first_of_bucket = 0_u64;
        let mut value = 0_u64;
        while value < 1 << 41 {
            let bucket = index(value);
            assert!(bucket < BUCKETS && bucket >= last);
            if bucket != last {
                first_of_bucket = value;
                last = bucket;
            }
            if bucket + 1 < BUCKETS && first_of_bucket > 16 {
                let width = value - first_of_bucket;
                assert!(width as f64 <= first_of_bucket as f64 * 0.0625 + 1.0, "{value}");
            }
            value += 1 + value / 97;
        }
        assert_eq!(index(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn sums_and_counts_are_exact_and_merge() {
        let mut one = Histogram::default();
        let mut two = Histogram::default();
        one.record(3, 1);
        two.record(5, 1);
        two.record(7_000_000_000_000, 1);
        one.merge(&two);
        assert_eq!((one.count(), one.sum()), (3, 7_000_000_000_008));
    }
}
