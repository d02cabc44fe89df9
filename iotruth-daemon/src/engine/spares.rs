//! Memory of lives that have ended, for those that begin.

use super::life::Life;

/// Most places that are kept: as many as end before as many begin again.
const MAX_SPARES: usize = 1_024;

/// Places of ended lives.
///
/// A life is too large to be moved with every event, so it stays in its place; and lives come and go
/// too often to ask the allocator each time.
#[derive(Debug, Default)]
pub(super) struct Spares {
    #[expect(clippy::vec_box, reason = "what is kept is the places themselves")]
    places: Vec<Box<Life>>,
}

impl Spares {
    /// Puts a life into a place of its own.
    #[inline]
    pub(super) fn fill(&mut self, life: Life) -> Box<Life> {
        match self.places.pop() {
            Some(mut place) => {
                *place = life;
                place
            }
            None => Box::new(life),
        }
    }

    /// Takes the place of a life that has ended.
    #[inline]
    pub(super) fn keep(&mut self, place: Box<Life>) {
        if self.places.len() < MAX_SPARES {
            self.places.push(place);
        }
    }
}
