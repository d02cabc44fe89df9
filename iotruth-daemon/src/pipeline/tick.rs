//! How long a reader sleeps between two looks at its rings.

use std::time::Duration;

/// Adapts to the traffic: short under load, so that rings never fill; long when all is quiet, so
/// that an idle host is left alone. A BPF ring buffer above its fill mark wakes the reader
/// whatever this says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    now: Duration,
    /// The longest there is.
    longest: Duration,
    /// Records of one look above which the next one comes sooner.
    many: usize,
    /// The last look may have left records, because a program was in the middle of one.
    held_back: bool,
}

impl Tick {
    /// Under full load.
    pub(super) const SHORTEST: Duration = Duration::from_millis(2);
    /// When nothing happens. It bounds how late a stop or a quiet record is noticed.
    pub(super) const LONGEST: Duration = Duration::from_millis(100);
    /// [`Self::many`] where the rings are large. What a look costs beside its records, waking up and
    /// caches that others have used meanwhile, is little for so many; with more at a time the rings
    /// would be fuller, and have less room for a reader that comes late.
    const MOST: usize = 8192;
    /// The part of a ring that is as much as [`Self::many`] records: one that is used less than others is
    /// shorter, and may be full when few were found.
    const FULL: f64 = 0.25;
    /// Less than one of so many parts of either, and the next look comes later.
    const FEW: f64 = 8.0;

    /// For rings that hold so many records each. A look at a small ring never finds many: what
    /// counts is how full it was.
    ///
    /// It begins with the shortest: the host may be as busy as it can be, and where it is quiet a few looks
    /// tell.
    pub(super) fn new(ring_records: usize) -> Self {
        let many = ((ring_records as f64 * Self::FULL) as usize).clamp(1, Self::MOST);
        Self { now: Self::SHORTEST, longest: Self::LONGEST, many, held_back: false }
    }

    /// Where the rings would be full after this time.
    pub(super) fn at_most(self, longest: Duration) -> Self {
        let longest = longest.clamp(Self::SHORTEST, Self::LONGEST);
        Self { now: self.now.min(longest), longest, ..self }
    }

    /// How long to sleep now.
    pub(super) const fn duration(self) -> Duration {
        if self.held_back { Self::SHORTEST } else { self.now }
    }

    /// Takes note of how many records the last look found, how full the fullest ring was, and how far
    /// behind the clock they end, in nanoseconds.
    ///
    /// One that met a program in the middle of a record found little and left the rest where it was: that
    /// says nothing of the traffic, and the rest must not wait for longer than that program takes.
    pub(super) fn found(&mut self, records: usize, fill: f64, behind: u64) {
        self.held_back = u128::from(behind) > Self::SHORTEST.as_nanos();
        if self.held_back {
            return;
        }
        let load = (records as f64 / self.many as f64).max(fill / Self::FULL);
        if load > 1.0 {
            self.now = (self.now / 2).max(Self::SHORTEST);
        } else if load < 1.0 / Self::FEW {
            self.now = (self.now * 2).min(self.longest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Tick;

    #[test]
    fn it_follows_the_traffic_within_its_bounds() {
        let mut tick = Tick::new(60_000);
        assert_eq!(tick.duration(), Tick::SHORTEST, "nothing is known yet");
        become_quiet(&mut tick);
        assert_eq!(tick.duration(), Tick::LONGEST);
        for _ in 0..20 {
            tick.found(100_000, 0.0, 0);
        }
        assert_eq!(tick.duration(), Tick::SHORTEST);
        tick.found(5_000, 0.0, 0);
        assert_eq!(tick.duration(), Tick::SHORTEST);
    }

    fn become_quiet(tick: &mut Tick) {
        for _ in 0..20 {
            tick.found(0, 0.0, 0);
        }
    }

    #[test]
    fn what_a_program_holds_back_is_looked_for_soon() {
        let mut tick = Tick::new(60_000);
        become_quiet(&mut tick);
        tick.found(100_000, 0.0, 1_000_000);
        assert_eq!(tick.duration(), Tick::LONGEST / 2);
        for _ in 0..20 {
            tick.found(0, 0.0, 2_000_001);
            assert_eq!(tick.duration(), Tick::SHORTEST);
        }
        tick.found(5_000, 0.0, 1_000_000);
        assert_eq!(tick.duration(), Tick::LONGEST / 2, "as before");
    }

    #[test]
    fn where_nobody_wakes_the_reader_it_never_sleeps_for_long() {
        let after = |longest| {
            let mut tick = Tick::new(1024).at_most(longest);
            become_quiet(&mut tick);
            tick.duration()
        };
        let some = Duration::from_millis(7);
        assert_eq!(after(some), some);
        assert_eq!(after(Duration::ZERO), Tick::SHORTEST);
        assert_eq!(after(Duration::MAX), Tick::LONGEST);
    }

    #[test]
    fn a_full_ring_is_load_however_small_it_is() {
        let mut tick = Tick::new(30);
        for _ in 0..20 {
            tick.found(30, 0.0, 0);
        }
        assert_eq!(tick.duration(), Tick::SHORTEST);
        tick.found(0, 0.0, 0);
        assert!(tick.duration() > Tick::SHORTEST);
        assert_eq!(Tick::new(0).duration(), Tick::SHORTEST);
    }

    #[test]
    fn a_short_ring_is_never_filled_beside_long_ones_that_are_all_but_empty() {
        let (long, short) = (32_768, 2_048);
        // Of each record there are one in the short ring and two in long ones, at so many a second.
        for rate in [25_000, 50_000, 100_000, 200_000, 400_000] {
            let mut tick = Tick::new(long);
            become_quiet(&mut tick);
            let mut fills = (0..100).map(|_| {
                let records = f64::from(rate) * tick.duration().as_secs_f64();
                let fill = records / f64::from(short);
                tick.found(3 * records as usize, fill, 0);
                fill
            });
            // At first all was quiet.
            let last = fills.by_ref().skip(10).fold(0.0, f64::max);
            assert!(last <= 0.5, "{rate}: {last}");
        }
    }
}
