//! An engine beside the engine, which is told the same and takes no shortcut.

use crate::engine::{Engine, EngineConfig, Input, account::Ours, device::DeviceId};

/// The second engine, and how it has differed.
#[derive(Debug)]
pub(super) struct Twin {
    engine: Engine,
    began: u64,
    differed: Option<String>,
}

impl Twin {
    /// Beside an engine that was told nothing yet. Both keep what they count for an audit.
    pub(super) fn of(engine: &mut Engine, config: EngineConfig, now: u64) -> Self {
        let mut twin = Engine::new(config);
        twin.shortcut.turn_off();
        engine.begin_audit();
        twin.begin_audit();
        Self { engine: twin, began: now, differed: None }
    }

    /// Tells it what the other one was told, which said `changed` to it.
    pub(super) fn feed(&mut self, input: &Input<'_>, changed: bool, other: &Engine, now: u64) {
        let differs = self.engine.feed(input) != changed
            || (matches!(input, Input::Audit(_) | Input::OpenCounted { .. })
                && self.engine.snapshot(now) != other.snapshot(now));
        if differs && self.differed.is_none() {
            self.differed = Some(format!("the shortcut changes what is known at {now}: {input:?}"));
        }
        if matches!(input, Input::Audit(_)) {
            self.engine.take_unnamed();
        }
    }

    /// How the two have differed, at the end of a stream.
    pub(super) fn differs(&mut self, other: &mut Engine, now: u64) -> Option<String> {
        let middle = u64::midpoint(self.began, now);
        let audited = |engine: &mut Engine| -> Option<Vec<(DeviceId, Ours)>> {
            let mut audited = engine.end_audit(middle, middle, middle + 1_000_000)?;
            audited.sort_unstable_by_key(|(id, _)| *id);
            Some(audited)
        };
        let (with, without) = (audited(other), audited(&mut self.engine));
        if with != without {
            return Some(format!("with the shortcut {with:?}, without it {without:?}"));
        }
        if self.engine.snapshot(now) != other.snapshot(now) {
            return Some("the shortcut changes what is known at the end".to_owned());
        }
        self.differed.take()
    }
}
