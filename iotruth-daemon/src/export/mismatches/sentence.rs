//! One plain sentence for a storage engineer: what happened to this very request.

use iotruth_common::probe::Probe;

use crate::{
    engine::{
        kind::Kind,
        mismatch::{Mismatch, Outcome},
        operation::Operation,
    },
    export::units::{duration, printable, size},
};

/// What happened to the request.
#[must_use]
pub fn sentence(mismatch: &Mismatch) -> String {
    let (subject, predicate) = (subject(mismatch), predicate(mismatch));
    let outcome = outcome(mismatch);
    match mismatch.count {
        0 | 1 => format!("{subject} {predicate}.{outcome}"),
        count => format!("{subject} {predicate}.{outcome} The same was seen {count} times."),
    }
}

/// ` It ended 12.034 s later.`: what became of a request that was told of before that was known.
fn outcome(mismatch: &Mismatch) -> String {
    let later = |time: u64| duration(time.saturating_sub(mismatch.last));
    match mismatch.outcome {
        Outcome::Ended(time) | Outcome::Failed(time, _) if time <= mismatch.last => String::new(),
        Outcome::Ended(time) => format!(" It ended {} later.", later(time)),
        Outcome::Failed(time, error) => {
            format!(" It failed ({}) {} later.", error.words(), later(time))
        }
        Outcome::Open => " It has not ended yet.".to_owned(),
        Outcome::EndUnseen(time) => {
            format!(" Its end was not seen: it was over within {}.", later(time))
        }
        Outcome::Unknown => " What became of it is not known.".to_owned(),
    }
}

/// `A write of 4 KiB at sector 8 on sda, from fio (pid 7),`
fn subject(mismatch: &Mismatch) -> String {
    let operation = match mismatch.operation {
        Operation::Read => "read",
        Operation::Write => "write",
        Operation::Flush => "flush",
        Operation::Discard => "discard",
        Operation::WriteZeroes => "write of zeroes",
        Operation::SecureErase => "secure erase",
        Operation::Zone => "zone command",
        Operation::Other => "passthrough or unknown command",
    };
    let length =
        if mismatch.bytes == 0 { String::new() } else { format!(" of {}", size_of(mismatch)) };
    let place = mismatch.sector.map_or_else(String::new, |sector| format!(" at sector {sector}"));
    let owner = mismatch.owner.task.map_or_else(
        || ", whose owner is unknown,".to_owned(),
        |task| format!(", from {} (pid {}),", printable(&task.name()), task.pid),
    );
    format!("A {operation}{length}{place} on {}{owner}", printable(&mismatch.device_name))
}

#[expect(clippy::too_many_lines, reason = "a sentence for each kind")]
fn predicate(mismatch: &Mismatch) -> String {
    let done = size(u64::from(mismatch.bytes_done));
    let after_transfer = if mismatch.bytes_done == 0 {
        String::new()
    } else {
        format!(", though {done} were transferred")
    };
    match mismatch.kind {
        Kind::DoubleStart => {
            "was started by the driver a second time while the driver still had it".to_owned()
        }
        Kind::QueuedInFlight => {
            let what = match mismatch.timeline.events.last().map(|event| event.probe) {
                Some(Probe::Merge) => "was merged into another request",
                Some(
                    Probe::Complete
                    | Probe::Requeue
                    | Probe::Remap
                    | Probe::Issue
                    | Probe::Insert
                    | Probe::Start,
                )
                | None => "was queued again",
            };
            format!("{what} while the driver still had it")
        }
        Kind::CompletedWithoutStart => {
            "completed without error although the driver had never started it".to_owned()
        }
        Kind::RequeueBusyBeforeStart => {
            "was sent back by the driver before it was started, and tried again later".to_owned()
        }
        Kind::RequeueBusyAfterStart => {
            "was started by the driver and sent back without an error, and tried again later"
                .to_owned()
        }
        // Of an error that it may end with, nothing is known to be of this attempt.
        Kind::RequeueRetry => {
            "came back from the device without its data, and was tried again".to_owned()
        }
        Kind::RequeueShortTransfer => {
            format!("was completed in parts, {} first, and the rest was sent again", part(mismatch))
        }
        Kind::RequeueTimeout => {
            "got no answer from the device in time, was taken back and tried again".to_owned()
        }
        Kind::IoError => {
            format!("failed{}{}{after_transfer}", words(mismatch), after(mismatch))
        }
        Kind::IoErrorExpected if mismatch.operation == Operation::Other => {
            format!("failed{}, as whoever sent it was told", words(mismatch))
        }
        Kind::IoErrorExpected => {
            format!("was declined{}, which callers probe for", words(mismatch))
        }
        Kind::PartialCompletion => {
            format!("was completed in parts, {} first", part(mismatch))
        }
        Kind::DispatchFailure => format!(
            "was refused{} before the driver started it: the device never saw it",
            words(mismatch)
        ),
        Kind::FlushFailed => {
            let what = match mismatch.operation {
                Operation::Flush => "failed",
                Operation::Read
                | Operation::Write
                | Operation::Discard
                | Operation::WriteZeroes
                | Operation::SecureErase
                | Operation::Zone
                | Operation::Other => "failed with the flush that it depends on",
            };
            let words = words(mismatch);
            format!("{what}{words}: earlier writes may not have reached stable storage")
        }
        Kind::TimedOut if mismatch.error.is_none() => format!(
            "ran into its timeout{}, and then was found to be done: an interrupt may have been lost",
            after(mismatch),
        ),
        Kind::TimedOut => format!(
            "ran into its timeout{}, and error handling took it away from the device{}",
            after(mismatch),
            words(mismatch)
        ),
        Kind::FlushEmulated => {
            let time = mismatch
                .phases
                .flush
                .map_or_else(String::new, |flush| format!(" {}", duration(flush)));
            format!("waited{time} for a flush of the device's whole write cache")
        }
        Kind::OverCompletion => {
            "was reported as done with more bytes than were left to transfer".to_owned()
        }
        Kind::RequeueStorm => "was sent back over and over without getting anywhere".to_owned(),
        Kind::Recovered => {
            format!("succeeded{}, after an attempt that came to nothing", after(mismatch))
        }
        Kind::PathFailover => {
            "was taken from this path, which failed, and sent again over another one".to_owned()
        }
        Kind::StuckInDevice => {
            format!("had been with the driver{} and was still there", time_in_device(mismatch))
        }
        Kind::HungInDevice => format!(
            "had been with the driver{}, longer than its timeout, and was still there",
            time_in_device(mismatch)
        ),
        Kind::StuckInQueue | Kind::HungInQueue if is_data_done(mismatch) => format!(
            "was still waiting{} for a flush that the driver was not asked for: its data was done",
            after(mismatch)
        ),
        Kind::StuckInQueue => {
            format!("was still in a queue{}: the driver did not have it", after(mismatch))
        }
        Kind::HungInQueue => format!(
            "was still in a queue{}, longer than a driver would be given for it: the driver did \
             not have it",
            after(mismatch)
        ),
        Kind::Late => format!(
            "was with the driver{}, longer than its timeout, which did not end it",
            time_in_device(mismatch)
        ),
        Kind::SlowFlush => format!("kept the device busy{}", time_in_device(mismatch)),
        Kind::Merged => "was merged into a neighbour before it was sent to the driver".to_owned(),
    }
}

/// Whether all that is left of it is the flush after its data.
const fn is_data_done(mismatch: &Mismatch) -> bool {
    // The driver had it, and did not send it back.
    mismatch.phases.device.is_some() && mismatch.phases.flush.is_some()
}

/// `6 KiB of 16 KiB`: what the first completion that was not the whole left over.
fn part(mismatch: &Mismatch) -> String {
    let partial = mismatch.timeline.events.iter().find(|event| {
        event.probe == Probe::Complete && event.completed > 0 && event.completed < event.remaining
    });
    partial.map_or_else(
        || "a part".to_owned(),
        |event| {
            format!("{} of {}", size(u64::from(event.completed)), size(u64::from(event.remaining)))
        },
    )
}

/// ` (critical medium error)`, or nothing where it did not end with an error.
fn words(mismatch: &Mismatch) -> String {
    mismatch.error.map_or_else(String::new, |(error, _)| format!(" ({})", error.words()))
}

/// ` 1.204 ms after it was first seen`, or what is known of that where its beginning was not seen.
fn after(mismatch: &Mismatch) -> String {
    mismatch.phases.total.map_or_else(
        || at_least(mismatch),
        |total| format!(" {} after it was first seen", duration(total)),
    )
}

/// ` for 7.201 s`, or what is known of that where the last issue was not seen.
fn time_in_device(mismatch: &Mismatch) -> String {
    let time = mismatch.phases.device;
    time.map_or_else(|| at_least(mismatch), |time| format!(" for {}", duration(time)))
}

/// ` for at least 7.201 s`, or nothing where nothing is known.
fn at_least(mismatch: &Mismatch) -> String {
    mismatch.waited.map_or_else(String::new, |time| format!(" for at least {}", duration(time)))
}

fn size_of(mismatch: &Mismatch) -> String {
    size(u64::from(mismatch.bytes))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::sentence;
    use crate::{
        engine::{
            io_error::IoError,
            kind::{Kind, TABLE},
            mismatch::{Mismatch, Outcome},
            operation::Operation,
            owner::Task,
        },
        export::{golden, sample},
    };

    /// Every kind, with and without what may be unknown; read the golden file as an operator would.
    #[test]
    fn every_kind_has_a_sentence() {
        let mut text = String::new();
        for row in &TABLE {
            let full = Mismatch { kind: row.kind, bytes_done: 512, ..sample::failed_read() };
            let bare = Mismatch { kind: row.kind, ..sample::failed_flush() };
            let lossy = Mismatch { waited: Some(7_201_000_000), ..bare.clone() };
            let lossy = row.kind.is_of_the_open().then_some(lossy);
            for mismatch in [full, bare].into_iter().chain(lossy) {
                let _ = writeln!(text, "{}\n  {}", row.slug, sentence(&mismatch));
            }
        }
        golden::check("sentences.txt", &text);
    }

    #[test]
    fn what_was_told_before_its_end_says_what_became_of_it() {
        let stuck = Mismatch { kind: Kind::StuckInDevice, ..sample::failed_read() };
        let end = stuck.last + 12_034_000_000;
        for (outcome, expected) in [
            (Outcome::Open, "It has not ended yet."),
            (Outcome::Ended(end), "It ended 12.034 s later."),
            (Outcome::EndUnseen(end), "Its end was not seen: it was over within 12.034 s."),
            (
                Outcome::Failed(end, IoError::Medium),
                "It failed (critical medium error) 12.034 s later.",
            ),
            (Outcome::Unknown, "What became of it is not known."),
        ] {
            let told = sentence(&Mismatch { outcome, count: 1, ..stuck.clone() });
            assert!(told.ends_with(&format!(" and was still there. {expected}")), "{told}");
            let repeated = sentence(&Mismatch { outcome, count: 2, ..stuck.clone() });
            assert_eq!(repeated, format!("{told} The same was seen 2 times."));
        }
    }

    #[test]
    fn every_operation_has_a_word() {
        for operation in Operation::ALL {
            let mismatch = Mismatch { operation, ..sample::failed_read() };
            let sentence = sentence(&mismatch);
            assert!(sentence.starts_with("A ") && !sentence.contains("  "), "{sentence}");
        }
    }

    #[test]
    fn a_name_cannot_play_with_the_terminal() {
        let mut mismatch = sample::failed_read();
        mismatch.owner.task = mismatch
            .owner
            .task
            .map(|task| Task { comm: *b"a\x1b[2Jb\n\0\0\0\0\0\0\0\0\0", ..task });
        let sentence = sentence(&mismatch);
        assert!(sentence.contains("from a\\u{1b}[2Jb\\n (pid 4243)"), "{sentence}");
    }

    #[test]
    fn an_error_is_told_with_place_owner_and_time() {
        assert_eq!(
            sentence(&sample::failed_read()),
            "A read of 4 KiB at sector 123456 on nvme0n1, from fio (pid 4243), failed (critical \
             medium error) 1.216 ms after it was first seen. The same was seen 3 times."
        );
    }
}
