//! Entries of `/inflight`.

use serde::Deserialize;

use super::daemon::Daemon;

/// One open request, as far as tests look at it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Open {
    device: String,
    pub(crate) age_seconds: f64,
    pub(crate) phase: String,
    pub(crate) sector: Option<u64>,
    pub(crate) comm: Option<String>,
    pub(crate) confirmed: bool,
}

#[derive(Deserialize)]
struct Answer {
    requests: Vec<Open>,
}

/// The requests of this device that are open.
pub(crate) fn in_flight(daemon: &Daemon, device: &str) -> Vec<Open> {
    let body = daemon.get("/inflight?limit=1000");
    let answer: Answer = serde_json::from_str(&body).expect("/inflight is JSON");
    answer.requests.into_iter().filter(|open| open.device == device).collect()
}
