//! What the programs of `iotruth-daemon/bench` print.

use anyhow::{Context, Result, ensure};

/// A name and three numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) numbers: [f64; 3],
}

/// Reads them, one a line, with tabs in between; other lines are cargo's.
pub(super) fn lines(text: &str) -> Result<Vec<Line>> {
    let lines: Vec<_> = text.lines().filter(|line| line.contains('\t')).collect();
    ensure!(!lines.is_empty(), "nothing was measured:\n{text}");
    lines.into_iter().map(|text| line(text).with_context(|| text.to_owned())).collect()
}

fn line(text: &str) -> Option<Line> {
    let mut words = text.split('\t');
    let name = words.next()?.to_owned();
    let mut number = || words.next()?.parse().ok();
    Some(Line { name, numbers: [number()?, number()?, number()?] })
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::{Line, lines};

    #[test]
    fn only_what_was_measured_is_read() -> Result<()> {
        let line = Line { name: "open".to_owned(), numbers: [1_000.0, 31.5, 30.0] };
        assert_eq!(lines("Running benches\nopen\t1000\t31.5\t30\n")?, [line]);
        assert!(lines("open\t1000\t31.5\n").is_err());
        assert!(lines("Running benches\n").is_err());
        Ok(())
    }
}
