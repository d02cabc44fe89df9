//! What the programs are told while they run: how much to tell.

use std::{
    mem::offset_of,
    sync::atomic::Ordering::{Relaxed, Release},
};

use iotruth_common::{counters::Shared, sample::first_told};

use super::{LONGEST_RUN, mapped::Mapped, system};
use crate::engine::Sample;

/// Name of the map.
pub(super) const MAP: &str = "SHARED";

/// Tells the programs how much to tell.
#[derive(Debug)]
pub struct Sampler {
    shared: Mapped,
    /// What the programs take off from every address.
    origin: u64,
}

impl Sampler {
    /// `origin` is what the programs take off from every address.
    pub(super) fn new(shared: Mapped, origin: u64) -> Self {
        let sampler = Self { shared, origin };
        sampler.set_salt(0);
        sampler
    }

    /// Has the programs look up who asks for a request, or not. It is in each record which of both.
    pub fn look_up_owners(&self, owners: bool) {
        let [first_told, _] = self.settings();
        self.set([first_told, u32::from(!owners)]);
    }

    /// Has the programs tell of this sample of requests.
    ///
    /// Where the sample before has others that this one has not, nobody may still count on them; where
    /// this one has others, nothing is certain of them before [`Self::in_force`].
    pub fn tell_of(&self, sample: Sample) {
        let [_, without_owners] = self.settings();
        // Another one comes only after none was told of, so that a program which goes by the new number of
        // requests and still the old salt misleads nobody before the sample is in force.
        self.set_salt(sample.salt);
        self.set([first_told(sample.one_in), without_owners]);
    }

    /// Waits until no program runs any more that may not have seen the last change, and returns since when
    /// that is so, in nanoseconds of `CLOCK_MONOTONIC`: it may be still to come.
    #[must_use]
    pub fn in_force(&self) -> u64 {
        let proved = system::wait_for_programs();
        system::monotonic() + if proved { 0 } else { LONGEST_RUN }
    }

    fn set_salt(&self, salt: u64) {
        let salted = salt.wrapping_add(self.origin);
        self.shared.word(offset_of!(Shared, salt)).store(salted, Release);
    }

    /// Both settings, which are one word.
    fn settings(&self) -> [u32; 2] {
        bytemuck::cast(self.shared.word(SETTINGS).load(Relaxed))
    }

    fn set(&self, settings: [u32; 2]) {
        self.shared.word(SETTINGS).store(bytemuck::cast(settings), Release);
    }
}

/// Offset of the word that has the settings.
const SETTINGS: usize = offset_of!(Shared, first_told);

const _: () = assert!(SETTINGS.is_multiple_of(8));

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test says what it expects")]

    use std::{mem::offset_of, sync::atomic::Ordering::Relaxed};

    use iotruth_common::counters::Shared;

    use super::{Mapped, Sample, Sampler};

    #[test]
    fn each_setting_leaves_the_other_one() {
        let shared = Mapped::anonymous(size_of::<Shared>()).unwrap();
        let sampler = Sampler::new(shared, 1_000);
        assert_eq!(sampler.settings(), [0, 0]);
        sampler.look_up_owners(false);
        sampler.tell_of(Sample { one_in: 4, salt: 7 });
        assert_eq!(sampler.settings(), [(1 << 31) / 4 * 3, 1]);
        assert_eq!(sampler.shared.word(offset_of!(Shared, salt)).load(Relaxed), 1_007);
        sampler.look_up_owners(true);
        assert_eq!(sampler.settings(), [(1 << 31) / 4 * 3, 0]);
        sampler.tell_of(Sample::ALL);
        assert_eq!(sampler.settings(), [0, 0]);
        let before = crate::kernel::system::monotonic();
        assert!(sampler.in_force() > before);
    }
}
