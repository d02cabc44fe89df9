//! Verdicts that wait until the counters of lost events have been read after them.

use std::collections::VecDeque;

use super::judge::Ending;

/// Most lives that wait at the same time. They wait for a tenth of a second, or until a record has
/// come that is on its way.
const MAX_HELD: usize = 1 << 16;

/// Ended lives whose mismatch rests on their history.
#[derive(Debug, Default)]
pub(super) struct Held {
    endings: VecDeque<Ending>,
}

impl Held {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.endings.is_empty()
    }

    /// When the oldest one ended.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.endings.front().map(|ending| ending.life.last)
    }

    /// Takes an ending, or gives it back where there is no room.
    pub(super) fn hold(&mut self, ending: Ending) -> Option<Ending> {
        if self.endings.len() >= MAX_HELD {
            return Some(ending);
        }
        self.endings.push_back(ending);
        None
    }

    /// Takes back the oldest ones, in their order.
    pub(super) fn put_back(&mut self, mut oldest: VecDeque<Ending>) {
        oldest.append(&mut self.endings);
        self.endings = oldest;
    }

    /// The oldest ending, if it happened before `time`.
    pub(super) fn before(&mut self, time: u64) -> Option<Ending> {
        if self.endings.front()?.life.last < time { self.endings.pop_front() } else { None }
    }
}
