//! What is said of records that found a ring full.

/// How long nothing more is logged of it, in nanoseconds.
const PAUSE: u64 = 60_000_000_000;

/// Records that found a ring full, as far as that was logged.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    logged: u64,
    at: Option<u64>,
}

impl Refusals {
    /// What is to be logged at `now`, in nanoseconds, if so many records were refused since the start.
    pub(super) fn log(&mut self, refused: u64, now: u64) -> Option<String> {
        let soon = self.at.is_some_and(|at| now.saturating_sub(at) < PAUSE);
        if refused <= self.logged || soon {
            return None;
        }
        let new = refused - self.logged;
        *self = Self { logged: refused, at: Some(now) };
        Some(format!("{new} more records were lost because a ring was full. {REMEDY}"))
    }
}

/// What stands at `/status` if so many records were refused since the start.
pub(super) fn note(refused: u64) -> Option<String> {
    (refused > 0).then(|| {
        format!("{refused} records were lost since the start because a ring was full. {REMEDY}")
    })
}

const REMEDY: &str = "Requests that were open then cannot be judged, and others are in no figure: a larger \
                      ring_budget lasts longer, and the readers need a CPU in time (LimitNICE= in the unit).";

#[cfg(test)]
mod tests {
    use super::{PAUSE, Refusals, note};

    #[test]
    fn what_is_new_is_logged_once_a_minute() {
        let mut refusals = Refusals::default();
        let mut told = |refused, now| {
            let told = refusals.log(refused, now)?;
            Some(told.split_once(' ').map_or_else(String::new, |(count, _)| count.to_owned()))
        };
        assert_eq!(told(0, 1), None);
        assert_eq!(told(7, 2).as_deref(), Some("7"));
        assert_eq!(told(9, PAUSE), None, "too soon");
        assert_eq!(told(19, PAUSE + 2).as_deref(), Some("12"));
        assert_eq!(told(19, 3 * PAUSE), None, "nothing new");
    }

    #[test]
    fn there_is_a_note_where_some_were_lost() {
        assert_eq!(note(0), None);
        assert!(
            note(3).is_some_and(|note| note.starts_with("3 records were lost since the start"))
        );
    }
}
