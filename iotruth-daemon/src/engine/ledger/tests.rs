#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::collections::BTreeMap;

use super::{Absent, DeviceAudit, DiskReading, Incomparable, Ledger, REST, Reading};
use crate::engine::{
    account::{Column, Columns, NO_DISK, Ours},
    device::DeviceId,
};

const DISK: DeviceId = DeviceId { number: 7 << 20, sequence: 3 };
const SECOND: u64 = 1_000_000_000;

fn disk(id: DeviceId, columns: Columns) -> DiskReading {
    let object = u64::from(id.number);
    DiskReading {
        id,
        name: "disk".to_owned(),
        object,
        columns,
        in_flight: 0,
        with_driver: 0,
        incomparable: None,
    }
}

fn reads(count: u64) -> Columns {
    let mut columns = Columns::default();
    columns.add(Column::Reads, count);
    columns.add(Column::SectorsRead, 8 * count);
    columns
}

/// A device at rest, and the two sides of it.
fn resting(count: u64) -> Ours {
    Ours { sure: reads(count), seen: reads(count), possible: reads(count), ..Ours::default() }
}

/// A device under load: some are just ending, some are open.
fn busy(sure: u64, seen: u64, open: u64) -> Ours {
    let possible = reads(seen + open);
    let (sure, seen) = (reads(sure), reads(seen));
    Ours { sure, seen, possible, open, last: u64::MAX, ..Ours::default() }
}

/// A ledger that is audited every ten seconds.
struct Bench {
    ledger: Ledger,
    now: u64,
}

impl Bench {
    /// The programs were attached between these two counts of the kernel.
    fn attached(before: u64, after: u64) -> Self {
        let reading =
            |count| Reading { disks: vec![disk(DISK, reads(count))], ..Reading::default() };
        let mut ledger = Ledger::default();
        ledger.attached(&reading(before), &reading(after));
        Self { ledger, now: SECOND }
    }

    /// A device was seen for the first time, when the disks had counted so much.
    fn meet(&mut self, disks: Vec<DiskReading>) {
        self.ledger.meet(&Reading { begin: self.now, end: self.now + 1_000, disks });
    }

    fn disks(&mut self, disks: Vec<DiskReading>, ours: &[(DeviceId, Ours)]) -> Option<DeviceAudit> {
        self.now += 10 * SECOND;
        let reading = Reading { begin: self.now, end: self.now + 1_000, disks };
        let ours: BTreeMap<_, _> = ours.iter().copied().collect();
        self.ledger.audit(&reading, &ours);
        self.ledger.audited().get(&DISK).cloned()
    }

    #[expect(clippy::large_types_passed_by_value, reason = "each is made where it is passed")]
    fn audit(&mut self, kernel: u64, ours: Ours) -> DeviceAudit {
        let in_flight = ours.open;
        let disk = DiskReading { in_flight, ..disk(DISK, reads(kernel)) };
        self.disks(vec![disk], &[(DISK, ours)]).unwrap()
    }
}

#[test]
fn both_sides_agree() {
    let mut bench = Bench::attached(1_000, 1_000);
    for count in [0, 1, 500, 500, 100_000] {
        let audit = bench.audit(1_000 + count, resting(count));
        assert_eq!(audit.coverage, Ok(1.0));
        assert_eq!(audit.residue, [0; 7]);
        assert!(audit.at_rest);
        assert_eq!((audit.kernel, audit.ours), (reads(count), reads(count)));
    }
}

#[test]
fn what_is_missing_at_rest_is_a_residue_at_once() {
    let mut bench = Bench::attached(1_000, 1_000);
    bench.audit(1_100, resting(100));
    let audit = bench.audit(1_300, resting(250));
    assert_eq!(audit.coverage, Ok(0.75));
    assert_eq!(audit.residue[..2], [-50, -400]);
    // It stays, but what is seen from now on is seen.
    let audit = bench.audit(1_400, resting(350));
    assert_eq!(audit.coverage, Ok(1.0));
    assert_eq!(audit.residue[..2], [-50, -400]);
}

#[test]
fn what_is_missing_under_load_must_last_to_be_a_residue() {
    let mut bench = Bench::attached(1_000, 1_000);
    bench.audit(1_100, resting(100));
    let audit = bench.audit(11_100, busy(8_990, 9_000, 100));
    assert_eq!(audit.coverage, Ok(0.9), "100 may have ended unseen: no less is missing");
    assert_eq!(audit.residue, [0; 7]);
    let audit = bench.audit(21_100, busy(18_990, 19_000, 100));
    assert_eq!(audit.residue[0], -1_000);
    // At rest it is known to the last one.
    let audit = bench.audit(21_100, resting(19_000));
    assert_eq!(audit.residue[0], -1_100);
    assert_eq!(audit.coverage, Ok((20_000.0 - 1_100.0) / 20_000.0));
}

#[test]
fn edges_are_no_finding() {
    // The kernel is behind by what is just ending, and what is open may have ended unseen.
    let mut bench = Bench::attached(70, 90);
    let mut random: u64 = 1;
    let mut next = |below: u64| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut ended = 0;
    for round in 0..10_000 {
        ended += next(2_000);
        let (ending, unseen) = (next(20), next(10));
        let open = unseen + next(30);
        let kernel = 80 + ended;
        let seen = ended + next(ending + 1) - unseen.min(ended);
        let sure = (ended - unseen.min(ended)).saturating_sub(next(5));
        let audit = bench.audit(kernel, busy(sure, seen, open));
        assert_eq!((audit.residue, audit.coverage), ([0; 7], Ok(1.0)), "round {round}");
        if round % 100 == 0 {
            let audit = bench.audit(kernel, resting(ended));
            assert_eq!((audit.residue, audit.coverage), ([0; 7], Ok(1.0)), "round {round}");
        }
    }
}

#[test]
fn a_kernel_that_is_late_once_is_no_finding_and_twice_is_one() {
    let mut bench = Bench::attached(0, 0);
    bench.audit(100, resting(100));
    // Somebody is preempted between the end of a request and its accounting.
    let late = bench.audit(199, busy(200, 200, 0));
    assert_eq!((late.residue[0], late.coverage), (0, Ok(1.0)));
    let later = bench.audit(300, busy(300, 300, 0));
    assert_eq!((later.residue[0], later.coverage), (0, Ok(1.0)));
    bench.audit(397, busy(400, 400, 0));
    let wrong = bench.audit(495, busy(500, 500, 0));
    assert_eq!(wrong.coverage, Ok(398.0 / 395.0));
    let wrong = bench.audit(595, busy(600, 600, 0));
    assert_eq!(wrong.residue[0], 3, "what both audits agree on");
}

#[test]
fn attaching_leaves_open_what_was_seen_and_no_more() {
    // Of the 100 that the kernel counted meanwhile, any number was seen.
    for seen in [0, 42, 100] {
        let mut bench = Bench::attached(1_000, 1_100);
        let audit = bench.audit(1_200, resting(100 + seen));
        assert_eq!((audit.coverage, audit.residue[0]), (Ok(1.0), 0), "{seen}");
        // Once it was at rest it is known how many they were.
        let audit = bench.audit(1_300, resting(199 + seen));
        assert_eq!((audit.coverage, audit.residue[0]), (Ok(0.99), -1), "{seen}");
    }
    let audit = Bench::attached(1_000, 1_100).audit(1_200, resting(90));
    assert_eq!(audit.residue[0], -10);
    let audit = Bench::attached(1_000, 1_100).audit(1_200, resting(205));
    assert_eq!(audit.residue[0], 5);
}

#[test]
fn under_load_what_the_attaching_left_open_is_soon_known() {
    let mut bench = Bench::attached(1_000, 2_000);
    for round in 1..=3 {
        // 600 of them were seen.
        let audit =
            bench.audit(1_400 + 10_000 * round, busy(10_000 * round - 10, 10_000 * round, 10));
        assert_eq!(audit.coverage, Ok(1.0));
    }
    let audit = bench.audit(41_400, busy(39_890, 39_900, 10));
    assert!(audit.coverage.unwrap() < 1.0, "{audit:?}");
}

#[test]
fn a_loss_of_the_past_does_not_come_back() {
    let mut bench = Bench::attached(0, 0);
    bench.audit(100, resting(100));
    assert_eq!(bench.audit(10_100, resting(9_100)).coverage, Ok(0.9));
    // What is open hides some of it, and what has ended shows it again.
    let audit = bench.audit(10_300, busy(9_200, 9_290, 64));
    assert_eq!(audit.coverage, Ok(1.0));
    let audit = bench.audit(10_400, resting(9_400));
    assert_eq!((audit.coverage, audit.residue[0]), (Ok(1.0), -1_000));
}

#[test]
fn coverage_is_of_all_requests_since_the_device_was_at_rest() {
    let mut bench = Bench::attached(0, 0);
    bench.audit(100, resting(100));
    // 30 are missing, and as many are open.
    assert_eq!(bench.audit(1_100, busy(1_060, 1_070, 30)).coverage, Ok(1.0));
    // That is known only now, and the next interval alone had only ten requests.
    assert_eq!(bench.audit(1_110, resting(1_080)).coverage, Ok((1_010.0 - 30.0) / 1_010.0));
    assert_eq!(bench.audit(1_120, resting(1_090)).coverage, Ok(1.0));
}

#[test]
fn a_device_that_comes_later_has_its_own_baseline() {
    let mut bench = Bench::attached(0, 0);
    let first = DeviceId { sequence: 4, ..DISK };
    let of = |audits: &Ledger| audits.audited()[&first].clone();
    // The disk was there before, as another device: its statistics go on.
    bench.disks(vec![disk(first, reads(5_000))], &[(first, resting(20))]);
    assert_eq!(of(&bench.ledger).coverage, Err(Absent::FirstInterval));
    bench.disks(vec![disk(first, reads(5_100))], &[(first, resting(120))]);
    assert_eq!((of(&bench.ledger).coverage, of(&bench.ledger).residue), (Ok(1.0), [0; 7]));
    assert_eq!(bench.ledger.audited().len(), 1, "the one before it has gone");
}

#[test]
fn a_number_without_sequence_that_is_used_again_begins_anew() {
    let mut bench = Bench::attached(0, 0);
    assert_eq!(bench.audit(1_000, resting(1_000)).coverage, Ok(1.0));
    assert_eq!(bench.audit(10, resting(10)).coverage, Err(Absent::FirstInterval));
    assert_eq!(bench.audit(60, resting(60)).coverage, Ok(1.0));
}

#[test]
fn a_disk_that_was_first_seen_without_its_sequence_is_the_same() {
    let mut bench = Bench::attached(0, 0);
    let unsequenced = DeviceId { sequence: 0, ..DISK };
    let audit = bench.disks(vec![disk(DISK, reads(9))], &[(unsequenced, resting(9))]).unwrap();
    assert_eq!((audit.coverage, audit.seen), (Ok(1.0), true));
}

#[test]
fn what_two_readers_know_of_one_disk_adds_up_by_whatever_they_know_it() {
    let mut bench = Bench::attached(0, 0);
    let unsequenced = DeviceId { sequence: 0, ..DISK };
    let both = [(unsequenced, resting(4)), (DISK, resting(5))];
    let audit = bench.disks(vec![disk(DISK, reads(9))], &both).unwrap();
    assert_eq!((audit.coverage, audit.residue, audit.ours), (Ok(1.0), [0; 7], reads(9)));
}

#[test]
fn what_is_lost_of_a_new_device_before_its_first_audit_is_missing() {
    // A new disk begins at 0; a loop device goes on where the one before it on its number stopped.
    for (object, old) in [(1, 0), (DISK.number.into(), 5_000)] {
        let mut bench = Bench::attached(0, 0);
        bench.audit(old, resting(old));
        let late = DeviceId { sequence: 4, ..DISK };
        let late_disk = |count| DiskReading { object, ..disk(late, reads(old + count)) };
        bench.meet(vec![late_disk(3)]);
        bench.disks(vec![late_disk(1_000)], &[(late, resting(600))]);
        let audit = bench.ledger.audited()[&late].clone();
        assert_eq!(audit.residue[0], -397, "any number of the first three was seen");
        assert_eq!(audit.coverage, Ok(600.0 / 997.0));
        assert_eq!((audit.kernel, audit.ours), (reads(997), reads(600)));
    }
}

#[test]
fn a_new_device_of_which_all_is_seen_has_no_residue() {
    for seen in [0, 2, 3] {
        let mut bench = Bench::attached(0, 0);
        bench.audit(5_000, resting(5_000));
        // Its first request may have ended before it was met, or not even begun.
        let late = DeviceId { sequence: 4, ..DISK };
        bench.meet(vec![disk(late, reads(5_003))]);
        let (kernel, ours) = (5_003 + 40, seen + 40);
        bench.disks(vec![disk(late, reads(kernel))], &[(late, resting(ours))]);
        let audit = bench.ledger.audited()[&late].clone();
        assert_eq!((audit.coverage, audit.residue), (Ok(1.0), [0; 7]), "{seen}");
    }
}

#[test]
fn only_a_device_that_is_new_is_met() {
    let mut bench = Bench::attached(0, 0);
    let off = |count| DiskReading {
        incomparable: Some(Incomparable::StatisticsOff),
        ..disk(DISK, reads(count))
    };
    bench.disks(vec![off(10)], &[(DISK, resting(100))]);
    // Its statistics are on again, and another device has come. What was seen of it is no news.
    bench.meet(vec![disk(DISK, reads(15)), disk(DeviceId { number: 1, sequence: 9 }, reads(0))]);
    assert_eq!(bench.audit(20, resting(110)).coverage, Err(Absent::FirstInterval));
    assert_eq!(bench.audit(30, resting(120)).residue, [0; 7]);
}

#[test]
fn a_residue_outlasts_statistics_that_are_off() {
    let mut bench = Bench::attached(0, 0);
    assert_eq!(bench.audit(100, resting(90)).residue[0], -10);
    let off =
        DiskReading { incomparable: Some(Incomparable::StatisticsOff), ..disk(DISK, reads(100)) };
    for _ in 0..2 {
        let audit = bench.disks(vec![off.clone()], &[(DISK, resting(500))]).unwrap();
        assert_eq!(audit.residue[0], -10);
    }
    let audit = bench.audit(200, resting(600));
    assert_eq!((audit.coverage, audit.residue[0]), (Err(Absent::FirstInterval), -10));
    let audit = bench.audit(300, resting(698));
    assert_eq!((audit.coverage, audit.residue[0]), (Ok(0.98), -12));
}

#[test]
fn a_device_of_which_nothing_was_seen_has_no_coverage_of_what_it_did() {
    let mut bench = Bench::attached(50, 50);
    let audit = bench.disks(vec![disk(DISK, reads(50))], &[]).unwrap();
    assert_eq!((audit.coverage, audit.seen), (Ok(1.0), false), "both are zero");
    let audit = bench.disks(vec![disk(DISK, reads(60))], &[]).unwrap();
    assert_eq!((audit.coverage, audit.residue[0]), (Ok(0.0), -10));
}

#[test]
fn what_cannot_be_compared_says_why() {
    let mut bench = Bench::attached(0, 0);
    for why in
        [Incomparable::BioBased, Incomparable::StatisticsOff, Incomparable::PassthroughCounted]
    {
        let disk = DiskReading { incomparable: Some(why), ..disk(DISK, reads(77)) };
        let audit = bench.disks(vec![disk], &[(DISK, resting(0))]).unwrap();
        assert_eq!(audit.coverage, Err(Absent::Incomparable(why)));
        assert!(audit.coverage.unwrap_err().sentence().len() > 20);
    }
    // Statistics that are on again have a baseline of their own.
    assert_eq!(bench.audit(90, resting(0)).coverage, Err(Absent::FirstInterval));
    assert_eq!(bench.audit(95, resting(5)).coverage, Ok(1.0));
}

#[test]
fn a_pause_keeps_what_has_lasted_and_nothing_else() {
    let mut bench = Bench::attached(0, 0);
    assert_eq!(bench.audit(10, resting(8)).residue[0], -2);
    bench.ledger.pause();
    assert!(bench.ledger.audited().is_empty());
    bench.ledger.pause();
    let audit = bench.audit(500, resting(20));
    assert_eq!((audit.coverage, audit.residue[0]), (Err(Absent::FirstInterval), -2));
    let audit = bench.audit(510, resting(29));
    assert_eq!((audit.coverage, audit.residue[0]), (Ok(0.9), -3));
}

#[test]
fn rest_is_when_nothing_was_counted_for_a_while() {
    let mut bench = Bench::attached(0, 0);
    let now = bench.now + 10 * SECOND;
    assert!(bench.audit(1, Ours { last: now - REST, ..resting(1) }).at_rest);
    let now = bench.now + 10 * SECOND;
    assert!(!bench.audit(1, Ours { last: now - REST + 1, ..resting(1) }).at_rest);
    let in_flight = DiskReading { in_flight: 1, ..disk(DISK, reads(1)) };
    let audit = bench.disks(vec![in_flight], &[(DISK, resting(1))]).unwrap();
    assert!(!audit.at_rest, "the kernel has one that we have not");
}

#[test]
fn each_operation_has_its_own_residue() {
    let mut bench = Bench::attached(0, 0);
    let kernel = Columns([10, 80, 20, 160, 5, 40, 3]);
    let ours = Columns([10, 80, 19, 152, 6, 40, 3]);
    let own = Ours { sure: ours, seen: ours, possible: ours, ..Ours::default() };
    let audit = bench.disks(vec![disk(DISK, kernel)], &[(DISK, own)]).unwrap();
    assert_eq!(audit.residue, [0, 0, -1, -8, 1, 0, 0]);
    assert_eq!(audit.coverage, Ok(1.0), "of 38 requests as many were counted");
}

#[test]
fn figures_of_two_readers_add_up() {
    let mut both = busy(10, 20, 2);
    both.merge(&busy(1, 2, 3));
    assert_eq!(both, busy(11, 22, 5));
}

#[test]
fn what_hangs_since_before_the_start_is_with_the_driver_by_the_kernels_count_alone() {
    let mut bench = Bench::attached(1_000, 1_000);
    let mut lost = 0;
    let mut not_seen = |kernel: u64, counted: u64, known: u64, nobodys: u64, loses: bool| {
        lost += u64::from(loses);
        let disk = DiskReading { with_driver: counted, ..disk(DISK, reads(kernel)) };
        let own = Ours { open: 40, with_driver: known, ..resting(kernel - 1_000) };
        let others = Ours { with_driver: nobodys, lost, ..Ours::default() };
        let audit = bench.disks(vec![disk], &[(DISK, own), (NO_DISK, others)]).unwrap();
        (audit.not_seen, audit.not_seen_at_most.unwrap())
    };
    assert_eq!(not_seen(1_000, 3, 1, 0, false), (0, 2), "it takes two audits");
    assert_eq!(not_seen(1_000, 4, 1, 0, false), (2, 2), "one more may have just been sent");
    assert_eq!(not_seen(1_000, 3, 1, 0, false), (2, 2), "what else waits is none of these");
    assert_eq!(not_seen(1_010, 4, 1, 0, false), (0, 2), "others ended: these may be new");
    assert_eq!(not_seen(1_020, 5, 1, 0, false), (0, 2), "there never were more");
    assert_eq!(not_seen(1_020, 3, 1, 0, false), (2, 2));
    assert_eq!(not_seen(1_020, 3, 1, 1, false), (1, 2), "one of passthrough may be of this disk");
    assert_eq!(not_seen(1_020, 1, 1, 0, false), (0, 0));
    assert_eq!(not_seen(1_020, 0, 1, 0, false), (0, 0), "what is open here may have ended unseen");
    assert_eq!(not_seen(1_030, 6, 1, 0, false), (0, 0), "these are new for certain");
    assert_eq!(not_seen(1_040, 6, 1, 0, true), (0, 5), "but what was lost may be among them");
    assert_eq!(not_seen(1_050, 4, 1, 0, false), (0, 3));
    assert_eq!(not_seen(1_050, 7, 1, 0, true), (3, 6));
}

#[test]
fn a_clone_that_may_have_been_dropped_hides_neither_rest_nor_what_it_may_have_been() {
    let mut bench = Bench::attached(1_000, 1_000);
    let marked = Ours { dropped: reads(1), ..resting(10) };
    // The kernel has counted it.
    let audit = bench.audit(1_011, marked);
    assert_eq!((audit.at_rest, audit.coverage, audit.residue), (true, Ok(1.0), [0; 7]));
    // And so it was, which is known once its request is used again.
    let audit = bench.audit(1_011, resting(11));
    assert_eq!((audit.at_rest, audit.coverage, audit.residue), (true, Ok(1.0), [0; 7]));
    // Or another one was lost.
    bench.audit(1_021, resting(20));
    let audit = bench.audit(1_021, resting(20));
    assert_eq!(audit.residue[Column::Reads as usize], -1);
}

#[test]
fn after_a_pause_two_audits_tell_what_hangs() {
    let mut bench = Bench::attached(1_000, 1_000);
    let audit = |bench: &mut Bench| {
        let disk = DiskReading { with_driver: 1, ..disk(DISK, reads(1_000)) };
        let audit = bench.disks(vec![disk], &[(DISK, resting(0))]).unwrap();
        (audit.not_seen, audit.not_seen_at_most)
    };
    let (first, then) = ((0, Some(1)), (1, Some(1)));
    assert_eq!([audit(&mut bench), audit(&mut bench)], [first, then]);
    bench.ledger.pause();
    assert_eq!([audit(&mut bench), audit(&mut bench)], [first, then]);
}

/// What is doubtful of a device at rest of which so many reads are certain.
fn doubted(count: u64, doubtful: u64) -> Ours {
    Ours { doubtful: reads(doubtful), ..resting(count) }
}

#[test]
fn what_is_doubtful_is_whatever_the_kernel_has_counted_of_it() {
    for counted in [0, 1, 3] {
        let mut bench = Bench::attached(1_000, 1_000);
        bench.audit(1_010, resting(10));
        let audit = bench.audit(1_020 + counted, doubted(20, 3));
        assert_eq!((audit.residue, audit.ours), ([0; 7], reads(20 + counted)), "{counted}");
        assert_eq!(audit.coverage, Ok(1.0));
        // From now on that is known, and hides nothing.
        let audit = bench.audit(1_031 + counted, doubted(30, 3));
        assert_eq!(audit.residue[Column::Reads as usize], -1, "{counted}");
        let audit = bench.audit(1_041 + counted, doubted(42, 3));
        assert_eq!(audit.residue[Column::Reads as usize], 1, "{counted}");
    }
}

#[test]
fn what_is_doubtful_hides_no_more_than_itself() {
    for (kernel, residue) in [(1_024, -1), (1_019, 1)] {
        let mut bench = Bench::attached(1_000, 1_000);
        bench.audit(1_010, resting(10));
        let audit = bench.audit(kernel, doubted(20, 3));
        assert_eq!(audit.residue[Column::Reads as usize], residue);
    }
}

#[test]
fn what_was_doubtful_before_the_books_began_is_not_asked_again() {
    let mut bench = Bench::attached(1_000, 1_000);
    bench.ledger.pause();
    bench.audit(1_012, doubted(10, 3));
    let audit = bench.audit(1_022, doubted(20, 3));
    assert_eq!(audit.residue, [0; 7]);
    let audit = bench.audit(1_033, doubted(30, 3));
    assert_eq!(audit.residue[Column::Reads as usize], -1);
}

#[test]
fn what_is_doubtful_is_known_of_a_device_that_is_never_at_rest() {
    let mut bench = Bench::attached(1_000, 1_000);
    bench.audit(1_010, resting(10));
    for step in 2..8 {
        let count = 1_000 * step;
        let ours = Ours { doubtful: reads(500), ..busy(count, count + 2, 30) };
        // All of it was merged.
        assert_eq!(bench.audit(1_000 + count + 1, ours).residue, [0; 7]);
    }
    // Had any of it been counted, sixty more would not have come to light.
    let missed = Ours { doubtful: reads(500), ..busy(9_000, 9_002, 30) };
    bench.audit(1_000 + 9_001 + 100, missed);
    let audit = bench.audit(1_000 + 9_001 + 100, missed);
    assert!(audit.residue[Column::Reads as usize] <= -30, "{audit:?}");
}

#[test]
fn what_is_doubtful_before_the_first_rest_leaves_the_books_exact() {
    // The base is known to five requests only.
    let mut bench = Bench::attached(1_000, 1_005);
    assert_eq!(bench.audit(1_010, doubted(7, 1)).residue, [0; 7]);
    let audit = bench.audit(1_021, doubted(17, 1));
    assert_eq!((audit.residue[0], audit.at_rest), (-1, true), "not taken for what is doubtful");
    let audit = bench.audit(1_032, doubted(27, 1));
    assert_eq!(audit.residue[0], -2);
}

#[test]
fn a_kernel_that_is_late_does_not_settle_what_is_doubtful() {
    let mut bench = Bench::attached(1_000, 1_000);
    bench.audit(1_010, resting(10));
    // It has counted what is doubtful, and not yet one that has just ended.
    let ending = Ours { last: u64::MAX, ..doubted(20, 1) };
    assert_eq!(bench.audit(1_020, ending).residue, [0; 7]);
    let audit = bench.audit(1_021, doubted(20, 1));
    assert_eq!((audit.residue, audit.ours), ([0; 7], reads(21)));
}
