//! How many rings and readers this machine gets, and how large the rings are.

use iotruth_common::counters::MAX_RINGS;

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

/// The largest ring that the kernel takes is 4 GiB; half of it is more than anybody needs.
const LARGEST_RING: u64 = 1 << 31;

impl Plan {
    /// For a machine with so many `cpus` and `page` bytes in a page. `rings` and `readers` are
    /// wishes of the configuration.
    pub(super) fn new(
        cpus: usize,
        page: u64,
        budget: u64,
        rings: Option<usize>,
        readers: Option<usize>,
    ) -> Self {
        let rings = rings
            .unwrap_or_else(|| (2 * cpus).max(LEAST_RINGS))
            .next_power_of_two()
            .clamp(1, MAX_RINGS);
        let share = (budget / rings as u64).clamp(page, LARGEST_RING);
        // The largest power of two that fits.
        let ring_bytes = 1_u32 << share.ilog2();
        let readers = readers.unwrap_or_else(|| cpus.div_ceil(CPUS_PER_READER)).clamp(1, rings);
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

    #[test]
    fn the_budget_is_shared_by_all_rings() {
        let plan = Plan::new(2, 4096, 32 << 20, None, None);
        assert_eq!((plan.rings, plan.ring_bytes), (4, 8 << 20));
        assert_eq!(plan.readers, [[0, 1, 2, 3]]);
        let large = Plan::new(128, 4096, 32 << 20, None, None);
        assert_eq!((large.rings, large.ring_bytes), (16, 2 << 20));
        assert_eq!(large.readers.len(), 8);
        assert_eq!(large.readers[7], [7, 15]);
    }

    #[test]
    fn a_ring_has_at_least_a_page_and_a_power_of_two() {
        let plan = Plan::new(2, 4096, 1, Some(2), Some(9));
        assert_eq!((plan.rings, plan.ring_bytes, plan.readers.len()), (2, 4096, 2));
        let plan = Plan::new(2, 4096, 3 * 5000, Some(2), None);
        assert_eq!(plan.ring_bytes, 4096);
    }
}
