//! How long a reader sleeps between two looks at its rings.

use std::time::Duration;

/// Adapts to the traffic: short under load, so that rings never fill; long when all is quiet, so
/// that an idle host is left alone. A ring above its fill mark wakes the reader whatever this says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    now: Duration,
}

impl Tick {
    /// Under full load.
    const SHORTEST: Duration = Duration::from_millis(2);
    /// When nothing happens. It bounds how late a stop or a quiet record is noticed.
    pub(super) const LONGEST: Duration = Duration::from_millis(100);
    /// Records of one look above which the next one comes sooner.
    const MANY: usize = 4096;
    /// Records of one look below which the next one comes later.
    const FEW: usize = 512;

    pub(super) const fn new() -> Self {
        Self { now: Self::LONGEST }
    }

    /// How long to sleep now.
    pub(super) const fn duration(self) -> Duration {
        self.now
    }

    /// Takes note of how many records the last look found.
    pub(super) fn found(&mut self, records: usize) {
        if records > Self::MANY {
            self.now = (self.now / 2).max(Self::SHORTEST);
        } else if records < Self::FEW {
            self.now = (self.now * 2).min(Self::LONGEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tick;

    #[test]
    fn it_follows_the_traffic_within_its_bounds() {
        let mut tick = Tick::new();
        for _ in 0..20 {
            tick.found(100_000);
        }
        assert_eq!(tick.duration(), Tick::SHORTEST);
        tick.found(1000);
        assert_eq!(tick.duration(), Tick::SHORTEST);
        for _ in 0..20 {
            tick.found(0);
        }
        assert_eq!(tick.duration(), Tick::LONGEST);
    }
}
