//! How readers are told which sample of requests is to be followed, and say that they do.

use std::sync::mpsc::{Receiver, Sender, channel};

use crate::engine::Sample;

/// Another sample, to be followed from now on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resampled {
    pub(super) sample: Sample,
    /// Since when what is new in it was told: nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) since: u64,
}

/// How a reader is told of samples.
#[derive(Debug)]
pub(super) struct Samples {
    told: Receiver<Resampled>,
    followed: Sender<()>,
}

impl Samples {
    /// Has the next sample followed, if there is one.
    pub(super) fn follow(&self, follow: impl FnOnce(Resampled)) {
        if let Ok(resampled) = self.told.try_recv() {
            follow(resampled);
            // Nobody waits for it any more when the daemon ends.
            let _ = self.followed.send(());
        }
    }
}

#[cfg(test)]
impl Samples {
    /// Nothing is ever told.
    pub(super) fn none() -> Self {
        Self { told: channel().1, followed: channel().0 }
    }
}

/// The other end.
#[derive(Debug)]
pub(super) struct Teller {
    readers: Vec<Sender<Resampled>>,
    followed: Receiver<()>,
}

impl Teller {
    /// Tells every reader and waits until all follow it; `None` where one has ended, and the daemon with it.
    pub(super) fn tell(&self, resampled: Resampled) -> Option<()> {
        for reader in &self.readers {
            reader.send(resampled).ok()?;
        }
        for _ in &self.readers {
            self.followed.recv().ok()?;
        }
        Some(())
    }
}

/// Both ends, for so many readers.
pub(super) fn channels(readers: usize) -> (Teller, Vec<Samples>) {
    let (done, followed) = channel();
    let (readers, samples) = (0..readers)
        .map(|_| {
            let (reader, told) = channel();
            (reader, Samples { told, followed: done.clone() })
        })
        .unzip();
    (Teller { readers, followed }, samples)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
        time::Duration,
    };

    use super::{Resampled, Sample, channels};

    const HALF: Resampled = Resampled { sample: Sample { one_in: 2, salt: 0 }, since: 7 };

    #[test]
    fn whoever_tells_waits_until_all_follow() {
        let (teller, samples) = channels(2);
        let followed = Arc::new(AtomicUsize::new(0));
        let followers: Vec<_> = samples
            .into_iter()
            .map(|samples| {
                let followed = Arc::clone(&followed);
                thread::spawn(move || {
                    let mut done = false;
                    while !done {
                        samples.follow(|resampled| {
                            // It takes its time, and whoever does not wait is there before.
                            thread::sleep(Duration::from_millis(50));
                            assert_eq!(resampled.sample, HALF.sample);
                            followed.fetch_add(1, Ordering::SeqCst);
                            done = true;
                        });
                        thread::yield_now();
                    }
                })
            })
            .collect();
        assert_eq!(teller.tell(HALF), Some(()));
        assert_eq!(followed.load(Ordering::SeqCst), 2);
        for follower in followers {
            assert!(follower.join().is_ok());
        }
        assert_eq!(teller.tell(HALF), None, "they have ended");
    }

    #[test]
    fn a_reader_that_ends_before_it_follows_is_not_waited_for() {
        let (teller, samples) = channels(1);
        let ended = thread::spawn(move || drop(samples));
        assert_eq!(teller.tell(HALF), None);
        assert!(ended.join().is_ok());
    }
}
