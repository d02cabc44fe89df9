//! How many files the daemon may have open at once.

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as it may need: maps, programs and their links, for each reader once more, and connections.
const ENOUGH: u64 = 512;

/// Raises the limit to what may be needed, where it is lower. Else it would fail in the middle of something,
/// with a cause that is none.
pub(super) fn allow() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < ENOUGH) else { return Ok(()) };
    let maximum = limit.maximum.map(|maximum| maximum.max(ENOUGH));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(ENOUGH), maximum });
    ensure!(
        raised.is_ok(),
        "no more than {} files may be open at once, and the daemon needs {ENOUGH}; allow it with \
         LimitNOFILE={ENOUGH} in the unit, or with `ulimit -n {ENOUGH}`",
        limit.maximum.unwrap_or(current)
    );
    Ok(())
}
