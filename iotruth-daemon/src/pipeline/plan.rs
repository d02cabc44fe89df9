//! How many rings and readers this machine gets, and how large the rings are.

use iotruth_common::counters::MAX_RINGS;

use crate::config::{Config, Count};

/// What a machine gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Number of rings: a power of two.
    pub(super) rings: usize,
    /// Bytes of each ring: a power of two, at least a page.
    pub(super) ring_bytes: u32,
    /// The rings of each reader.
    pub(super) readers: Vec<Vec<usize>>,
}

/// The least rings that a machine gets: two busy disks shall rarely share one.
const LEAST_RINGS: usize = 4;

/// CPUs that one reader serves. One reader keeps up with more than 10 million records a second.
const CPUS_PER_READER: usize = 16;

impl Plan {
    /// For a machine with so many `cpus`, and pages of so many bytes.
    pub(super) fn new(config: &Config, cpus: usize, page: u32) -> Self {
        let rings = match config.rings {
            Count::Auto => (2 * cpus).max(LEAST_RINGS),
            Count::Exactly(rings) => rings,
        };
        let rings = rings.next_power_of_two().clamp(1, MAX_RINGS);
        // A budget that is too small for so many rings gives each the least that there is.
        let ring_bytes = config.ring_bytes(rings).unwrap_or(page).max(page);
        let readers = match config.readers {
            Count::Auto => cpus.div_ceil(CPUS_PER_READER),
            Count::Exactly(readers) => readers,
        };
        let readers = readers.clamp(1, rings);
        let readers =
            (0..readers).map(|reader| (reader..rings).step_by(readers).collect()).collect();
        Self { rings, ring_bytes, readers }
    }

    /// Bytes in a ring above which a program wakes its reader.
    pub(super) const fn fill_mark(&self) -> u32 {
        self.ring_bytes / 4
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;
    use crate::config::{Config, Count};

    fn plan(cpus: usize, change: impl FnOnce(&mut Config)) -> Plan {
        let mut config = Config::default();
        change(&mut config);
        Plan::new(&config, cpus, 4096)
    }

    #[test]
    fn the_budget_is_shared_by_all_rings() {
        let small = plan(2, |_| {});
        assert_eq!((small.rings, small.ring_bytes), (4, 8 << 20));
        assert_eq!(small.readers, [[0, 1, 2, 3]]);
        let large = plan(128, |_| {});
        assert_eq!((large.rings, large.ring_bytes), (16, 2 << 20));
        assert_eq!(large.readers.len(), 8);
        assert_eq!(large.readers[7], [7, 15]);
    }

    #[test]
    fn a_ring_has_at_least_a_page() {
        let tight = plan(2, |config| {
            config.rings = Count::Exactly(2);
            config.ring_budget = 100;
        });
        assert_eq!((tight.rings, tight.ring_bytes), (2, 4096));
        let many = plan(2, |config| {
            config.rings = Count::Exactly(2);
            config.readers = Count::Exactly(9);
        });
        assert_eq!(many.readers.len(), 2);
    }
}
