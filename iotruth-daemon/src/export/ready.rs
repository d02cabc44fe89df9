//! `/healthz` and `/readyz`: whether the daemon is alive, and whether its threads run and its programs
//! are attached. Whether its books balance is for `/status`, as is what waits for a hung disk.

use bytes::Bytes;
use serde::Serialize;

use crate::view::View;

/// The body of `/readyz`.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    version: u32,
    ready: bool,
    /// Why not.
    reason: Option<&'a str>,
}

/// Whether all readers run and the programs are attached, and the body of `/readyz` that says so.
///
/// `orphaned` is true where nothing will ever replace this view.
#[must_use]
pub fn ready(view: &View, orphaned: bool) -> (bool, Bytes) {
    let reason = if orphaned {
        Some("there will be no new figures: the part of the daemon that makes them has ended")
    } else {
        view.status.not_ready.as_deref()
    };
    let ready = reason.is_none();
    (ready, super::json(&Answer { version: 1, ready, reason }))
}

/// The body of `/healthz`: that it is answered at all is the answer.
#[must_use]
pub fn healthy() -> Bytes {
    Bytes::from_static(b"{\n  \"version\": 1,\n  \"alive\": true\n}\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Value, json};

    use super::{healthy, ready};
    use crate::export::sample;

    #[test]
    fn a_reason_makes_it_unready() {
        let (is_ready, body) = ready(&sample::busy(), false);
        let body: Value = serde_json::from_slice(&body).unwrap();
        let reason = "reader 1 has not moved for 2 s";
        assert_eq!(
            (is_ready, body),
            (false, json!({"version": 1, "ready": false, "reason": reason}))
        );
        let (is_ready, body) = ready(&sample::fresh(), false);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((is_ready, body), (true, json!({"version": 1, "ready": true, "reason": null})));
    }

    #[test]
    fn the_body_of_healthz_is_json() {
        let body: Value = serde_json::from_slice(&healthy()).unwrap();
        assert_eq!(body, json!({"version": 1, "alive": true}));
    }
}
