//! Named steps and the seconds that each took.

use std::time::Instant;

/// One step of a longer command.
#[derive(Debug)]
pub(crate) struct Step {
    name: String,
    start: Instant,
}

impl Step {
    /// Says what begins.
    pub(crate) fn begin(name: impl Into<String>) -> Self {
        let name = name.into();
        println!("== {name}");
        Self { name, start: Instant::now() }
    }

    /// Says how long it took.
    pub(crate) fn end(self) {
        println!("== {}: {:.1} s", self.name, self.start.elapsed().as_secs_f64());
    }
}
