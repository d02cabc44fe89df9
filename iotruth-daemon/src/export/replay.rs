//! What a recording tells when it is judged again: its mismatches, and its books.

use bytes::Bytes;
use serde::Serialize;

use super::{
    mismatches::{Entry, Filter, mismatches, newest_first},
    query::Format,
    status::Books,
    units::{counted, utc},
};
use crate::{
    engine::{kind::Severity, mismatch::Outcome, recording::Ending},
    view::View,
};

/// Version of the JSON schema; grows when a field is renamed or removed.
const VERSION: u32 = 1;

/// What was replayed.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Records of the recording.
    pub records: usize,
    /// The number of the record that was left out, from 1.
    pub without: Option<usize>,
    /// How many readers there were.
    pub readers: usize,
    /// Why the recording ends.
    pub ending: Ending,
    /// Bytes at its end that were not written to their end.
    pub cut_off: usize,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    version: u32,
    attached_since: String,
    until: String,
    records: usize,
    without: Option<usize>,
    readers: usize,
    ending: &'static str,
    cut_off_bytes: usize,
    books: Books,
    mismatches: Vec<Entry<'a>>,
}

/// Every mismatch, the newest first, and the books.
#[must_use]
pub fn replay(view: &View, source: &Source, format: Format) -> Bytes {
    let books = Books::new(&view.snapshot);
    match format {
        Format::Json => super::json(&Answer {
            version: VERSION,
            attached_since: utc(view.status.attached),
            until: utc(view.anchor.wall_time(view.snapshot.taken)),
            records: source.records,
            without: source.without,
            readers: source.readers,
            ending: source.ending.words(),
            cut_off_bytes: source.cut_off,
            books,
            mismatches: newest_first(view)
                .into_iter()
                .map(|mismatch| Entry::new(mismatch, &view.anchor))
                .collect(),
        }),
        Format::Text => {
            let severities = Severity::ALL.to_vec();
            let all = Filter { severities, limit: usize::MAX, format, ..Filter::default() };
            let list = mismatches(view, &all);
            let list = String::from_utf8_lossy(&list);
            let open = view.snapshot.mismatches.iter().any(|one| one.outcome == Outcome::Open);
            Bytes::from(format!("{list}\n{}{}", books.text(), sentence(source, open)))
        }
    }
}

/// `open` says whether something is told of a request that has not ended.
fn sentence(source: &Source, open: bool) -> String {
    let records = counted(source.records as u64, "record", "records");
    let readers = counted(source.readers as u64, "reader", "readers");
    let without = source.without.map_or_else(String::new, |number| {
        format!(", without record {number}, which is missing in the books")
    });
    let ending = source.ending.words();
    let cut_off = match source.cut_off {
        0 => String::new(),
        bytes => format!(
            " What would have come next was not written to its end: {}.",
            counted(bytes as u64, "byte", "bytes")
        ),
    };
    let open = if open { " What has not ended yet may have ended after that." } else { "" };
    format!(
        "A recording of {records} from {readers}{without}. It ends because {ending}.{cut_off}{open}\n"
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use super::{Source, replay};
    use crate::{
        engine::{
            mismatch::{Mismatch, Outcome},
            recording::Ending,
        },
        export::{golden, query::Format, sample},
    };

    #[test]
    fn both_forms_are_as_in_the_golden_files() {
        let ending = Ending::Unknown;
        let source =
            Source { records: 6_999, without: Some(7), readers: 2, ending, cut_off: 4_104 };
        let text =
            |format| String::from_utf8(replay(&sample::busy(), &source, format).to_vec()).unwrap();
        golden::check("replay.json", &text(Format::Json));
        golden::check("replay.txt", &text(Format::Text));
    }

    #[test]
    fn what_has_not_ended_by_its_end_may_have_ended_later() {
        let source =
            Source { records: 1, without: None, readers: 1, ending: Ending::Unknown, cut_off: 0 };
        let mut view = sample::busy();
        let later = "has not ended yet may have ended after that";
        assert!(!String::from_utf8_lossy(&replay(&view, &source, Format::Text)).contains(later));
        let stuck = Mismatch { outcome: Outcome::Open, ..sample::failed_read() };
        Arc::make_mut(&mut view.snapshot).mismatches.push(Arc::new(stuck));
        assert!(String::from_utf8_lossy(&replay(&view, &source, Format::Text)).contains(later));
    }
}
