//! The middle of some figures, and how sure it is.

/// How often an interval shall hold the true median.
const CONFIDENCE: f64 = 0.95;

/// A median, and the interval that holds the true one at least 95 times in 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Median {
    pub(super) value: f64,
    /// `None` where there are too few figures to say: fewer than six.
    pub(super) interval: Option<(f64, f64)>,
}

impl Median {
    /// Of figures in any order; `None` of no figures.
    ///
    /// The interval lies between two of the figures. How many of them are below the true median is
    /// binomial with one half, whatever they are spread like, so nothing is assumed of the spread.
    pub(super) fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let upper = *sorted.get(count / 2)?;
        let lower = *sorted.get((count - 1) / 2)?;
        let interval = rank(count).and_then(|rank| {
            Some((*sorted.get(rank)?, *sorted.get(count.checked_sub(1 + rank)?)?))
        });
        Some(Self { value: f64::midpoint(lower, upper), interval })
    }
}

/// How many figures may be left out at either end.
fn rank(count: usize) -> Option<usize> {
    let mut probability = 0.5_f64.powi(i32::try_from(count).ok()?);
    let mut outside = 0.0;
    let mut rank = None;
    for number in 0..count / 2 {
        outside += 2.0 * probability;
        if outside > 1.0 - CONFIDENCE {
            break;
        }
        rank = Some(number);
        probability *= (count - number) as f64 / (number + 1) as f64;
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::{Median, rank};

    #[test]
    fn the_middle_is_that_of_the_sorted_figures() {
        let value = |figures: &[f64]| Median::of(figures).map(|median| median.value);
        assert_eq!(value(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(value(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(value(&[]), None);
    }

    #[test]
    fn ranks_are_those_of_the_tables() {
        // As every table of the sign test has them.
        let ranks: Vec<_> = [5, 6, 8, 9, 11, 12, 15, 20].map(rank).into();
        let expected = [None, Some(0), Some(0), Some(1), Some(1), Some(2), Some(3), Some(5)];
        assert_eq!(ranks, expected);
    }

    #[test]
    fn the_interval_lies_between_two_figures() {
        let figures: Vec<f64> = (1..=11).map(f64::from).collect();
        let median = Median { value: 6.0, interval: Some((2.0, 10.0)) };
        assert_eq!(Median::of(&figures), Some(median));
        assert_eq!(Median::of(&[1.0, 2.0]).and_then(|median| median.interval), None);
    }
}
