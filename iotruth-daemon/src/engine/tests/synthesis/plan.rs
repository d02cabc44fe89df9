//! What one request is to go through. A plan is a list of wishes: what its disk and its kernel cannot
//! do, it does not do, so every plan is legal on every disk.

use proptest::prelude::*;

/// What is asked of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Read,
    Write,
    /// A write with `REQ_PREFLUSH`, `REQ_FUA`, or both.
    Durable {
        preflush: bool,
        fua: bool,
    },
    /// What fsync sends.
    Empty,
    Discard,
    /// A command for a zone: a bio without data.
    Zone,
    Passthrough,
    /// The same without data, and so without a bio.
    Bare,
}

/// An attempt that did not end the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The driver had no room and did not start it.
    Bounced,
    /// The driver could not reach the device, and gave it back as if it were complete.
    Unsent,
    /// The driver started it and gave it back.
    Busy,
    /// Its timeout fired, and it was pulled back.
    TimedOut,
    /// A part of it was transferred, and the rest is sent again.
    Short(u8),
    /// A part of it was transferred, and the driver goes on with the rest.
    Going(u8),
    /// It failed, and is sent again.
    Retry(i32),
    /// A part of it failed, and the rest is sent again.
    PartFailed(u8, i32),
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    Done,
    /// With this status, after the driver had it.
    Failed(i32),
    /// The same, after a completion of no bytes.
    FailedAtLast(i32),
    /// With this status, and the driver never had it in this attempt.
    Refused(i32),
    /// Its timeout fired, and the driver ended it with this status.
    TimedOut(i32),
    /// Merged into another request.
    Merged,
    /// Its bios are taken over by another path.
    Stolen,
    /// The driver could not reach the device.
    Unsent,
}

/// What no correct driver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Rule A1.
    IssuedTwice,
    /// Rule A2.
    InsertedInFlight,
    /// Rule A2.
    MergedInFlight,
    /// Rule A3.
    NeverStarted,
}

/// How a flush goes that this request is the first to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FlushPlan {
    pub(super) bounced: bool,
    pub(super) busy: bool,
    pub(super) status: i32,
}

/// How a clone is dropped before another one takes its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// It could not even be dispatched.
    Started,
    /// The driver did not start it.
    Bounced,
    /// The driver started it and gave it back.
    Busy,
}

/// Why a record is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Refused by the ring.
    Refused,
    /// The programs were running already, which is counted.
    Skipped,
    /// The first program was running already, and the second one was not.
    Caught,
    /// The same, and the counters are read after the one was skipped and before the other one runs.
    CaughtLate,
    /// The kernel did not run the program, and nobody counts it.
    Hidden,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// When it begins, in nanoseconds from the beginning.
    pub(super) at: u64,
    /// Disk, hardware queue, and the tag to try first.
    pub(super) place: (usize, usize, usize),
    pub(super) ask: Ask,
    pub(super) sector: u64,
    /// Length, in sectors.
    pub(super) blocks: u32,
    /// It is put on a queue although it could be issued at once.
    pub(super) queued: bool,
    /// Sectors that are merged in front and behind before it is issued.
    pub(super) grows: Option<(u32, u32)>,
    /// Each with whether it is inserted again.
    pub(super) attempts: Vec<(Attempt, bool)>,
    pub(super) finish: Finish,
    pub(super) wrong: Option<Wrong>,
    pub(super) flush: FlushPlan,
    pub(super) dropped: Vec<Dropped>,
    /// Issued by a kernel worker where it could be.
    pub(super) worker: bool,
    /// The driver ends it without `blk_mq_complete_request`.
    pub(super) ends_in_flight: bool,
    /// Nanoseconds before each of its events, in turn.
    pub(super) waits: [u64; 4],
    /// The CPU of each of its events, in turn.
    pub(super) cpus: [usize; 4],
    /// Which of its records are missing.
    pub(super) fates: Vec<(usize, Fate)>,
}

/// How much may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// Nothing that is worth a warning.
    Calm,
    /// Everything that devices do, and everything that broken drivers do.
    Rough,
}

/// How many statuses there are to fail with.
const STATUSES: u32 = 6;

const fn status(number: u32) -> i32 {
    [10, 7, 4, 3, 16, 5][number as usize % STATUSES as usize]
}

fn asks() -> impl Strategy<Value = Ask> {
    prop_oneof![
        4 => Just(Ask::Read),
        4 => Just(Ask::Write),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(preflush, fua)| Ask::Durable {
            preflush,
            fua: fua || !preflush,
        }),
        2 => Just(Ask::Empty),
        1 => Just(Ask::Discard),
        1 => Just(Ask::Zone),
        1 => Just(Ask::Passthrough),
        1 => Just(Ask::Bare),
    ]
}

fn attempts(mood: Mood) -> BoxedStrategy<Vec<(Attempt, bool)>> {
    let calm = prop_oneof![
        2 => Just(Attempt::Bounced),
        2 => Just(Attempt::Busy),
        1 => any::<u8>().prop_map(Attempt::Short),
        1 => any::<u8>().prop_map(Attempt::Going),
    ];
    let attempt = match mood {
        Mood::Calm => calm.boxed(),
        Mood::Rough => prop_oneof![
            4 => calm,
            1 => Just(Attempt::TimedOut),
            1 => Just(Attempt::Unsent),
            1 => (0..STATUSES).prop_map(|number| Attempt::Retry(status(number))),
            1 => (any::<u8>(), 0..STATUSES)
                .prop_map(|(part, number)| Attempt::PartFailed(part, status(number))),
        ]
        .boxed(),
    };
    let some = prop::collection::vec((attempt, any::<bool>()), 1..4);
    prop_oneof![4 => Just(Vec::new()), 1 => some].boxed()
}

fn finishes(mood: Mood) -> BoxedStrategy<Finish> {
    let expected = prop_oneof![Just(1), Just(12)];
    let calm = prop_oneof![
        20 => Just(Finish::Done),
        1 => expected.prop_map(Finish::Failed),
        1 => Just(Finish::Merged),
    ];
    match mood {
        Mood::Calm => calm.boxed(),
        Mood::Rough => prop_oneof![
            10 => calm,
            1 => Just(Finish::Stolen),
            1 => Just(Finish::Unsent),
            1 => (0..STATUSES).prop_map(|number| Finish::Failed(status(number))),
            1 => (0..STATUSES).prop_map(|number| Finish::FailedAtLast(status(number))),
            1 => (0..STATUSES).prop_map(|number| Finish::Refused(status(number))),
            1 => prop_oneof![Just(0), Just(2)].prop_map(Finish::TimedOut),
        ]
        .boxed(),
    }
}

fn wrongs(mood: Mood) -> BoxedStrategy<Option<Wrong>> {
    match mood {
        Mood::Calm => Just(None).boxed(),
        Mood::Rough => prop_oneof![
            40 => Just(None),
            1 => Just(Some(Wrong::IssuedTwice)),
            1 => Just(Some(Wrong::InsertedInFlight)),
            1 => Just(Some(Wrong::MergedInFlight)),
            1 => Just(Some(Wrong::NeverStarted)),
        ]
        .boxed(),
    }
}

fn flushes(mood: Mood) -> impl Strategy<Value = FlushPlan> {
    let failing = if mood == Mood::Calm { 0.0 } else { 0.2 };
    (prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::bool::weighted(failing)).prop_map(
        |(bounced, busy, fails)| FlushPlan { bounced, busy, status: if fails { 10 } else { 0 } },
    )
}

fn drops() -> impl Strategy<Value = Vec<Dropped>> {
    let dropped = prop_oneof![Just(Dropped::Started), Just(Dropped::Bounced), Just(Dropped::Busy)];
    prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(dropped, 1..3)]
}

/// Which records are lost one by one.
fn fates(fates: &'static [Fate]) -> BoxedStrategy<Vec<(usize, Fate)>> {
    if fates.is_empty() {
        return Just(Vec::new()).boxed();
    }
    let fate = (0_usize..6, prop::sample::select(fates));
    prop_oneof![6 => Just(Vec::new()), 1 => prop::collection::vec(fate, 1..3)].boxed()
}

/// One plan, the plainest first.
pub(super) fn plans(mood: Mood, lost: &'static [Fate]) -> impl Strategy<Value = Plan> {
    let shape = (
        asks(),
        0_u64..4_000,
        prop_oneof![4 => 1_u32..40, 1 => 1_u32..2],
        any::<bool>(),
        prop_oneof![6 => Just(None), 1 => (0_u32..9, 0_u32..9).prop_map(Some)],
    );
    let course = (attempts(mood), finishes(mood), wrongs(mood), flushes(mood), drops());
    // Longer than clocks are apart: else a phase may take no time at all.
    let wait = prop_oneof![40 => 500_u64..3_500, 1 => 500_u64..3_000_000];
    let circumstances = (
        prop_oneof![3 => 0_u64..300_000, 1 => 0_u64..5_000_000],
        (0..super::world::DISKS, 0..super::world::QUEUES, 0..super::world::TAGS),
        any::<bool>(),
        any::<bool>(),
        prop::array::uniform4(wait),
        prop::array::uniform4(0..super::world::CPUS),
        fates(lost),
    );
    (shape, course, circumstances).prop_map(
        |(
            (ask, sector, blocks, queued, grows),
            (attempts, finish, wrong, flush, dropped),
            (at, place, worker, ends_in_flight, waits, cpus, fates),
        )| Plan {
            at,
            place,
            ask,
            sector,
            blocks,
            queued,
            grows,
            attempts,
            finish,
            wrong,
            flush,
            dropped,
            worker,
            ends_in_flight,
            waits,
            cpus,
            fates,
        },
    )
}
