//! What must hold of each daemon.

use crate::{
    figures::Figures,
    harness::{
        audits::rest, books::quiet, daemon::Daemon, direct_io::DirectFile, loop_device::LoopDevice,
        metrics::Scrape, status::Audit, witness::Ends,
    },
    options::Room,
    stage::Stage,
};

/// The columns of the ledger that count requests.
const REQUESTS: [&str; 4] = ["reads", "writes", "discards", "flushes"];

/// Nothing is in the list: no error was provoked.
pub(crate) fn nothing_shown(daemon: &Daemon) {
    let shown = daemon.mismatches();
    assert!(shown.is_empty(), "shown, and nobody provoked it: {shown:#?}");
}

/// Both sides of the ledger have every request of a device, as far as is known by now.
pub(crate) fn in_both_books(device: &str, audit: &Audit) {
    assert!(audit.without_residue(), "{device}: {audit:?}");
    assert!(audit.coverage.is_none_or(|coverage| coverage >= 1.0), "{device}: {audit:?}");
}

/// Waits until all is quiet; then everything must add up.
pub(crate) fn closing(daemon: &Daemon, stage: &mut Stage, room: Room) -> Figures {
    let mut audits = at_rest(daemon, stage.nested());
    stage.take_down_nested();
    audits.extend(at_rest(daemon, stage.devices()));
    let scrape = quiet(daemon);
    let mut figures = Figures::read(&scrape);
    losses(&figures, &scrape, room);
    let status = daemon.status();
    assert!(status.unbalanced_events().is_empty(), "{:?}", status.unbalanced_events());
    assert!(status.lives_balance(), "the lives do not balance");
    nothing_shown(daemon);
    nothing_but_information(daemon, &scrape);
    for (device, audit) in &audits {
        if figures.lost() == 0 {
            in_both_books(device, audit);
            assert_eq!(audit.ours, audit.kernel, "{device}: {audit:?}");
            assert_eq!(scrape.unjudged_for(device, "loss"), 0, "{device}: nothing was lost");
        } else {
            figures.missing += missing(device, audit);
        }
        assert_eq!(scrape.unjudged_for(device, "pre_existing"), 0, "{device} was idle before");
    }
    // Each of them has lost one record at least.
    assert!(figures.missing <= figures.lost(), "more is missing than was lost: {figures}");
    figures
}

/// What was inferred is among the ends that no eBPF program can have seen.
pub(crate) fn witnessed(figures: &Figures) {
    let possible = figures.witnessed + figures.doubtful;
    assert!(figures.inferred <= possible, "inferred without a witness: {figures}");
}

/// Each end that no program can have seen is one that was inferred. Where nothing else is lost and
/// each request has one end, without flushes, this is so to the last one.
pub(crate) fn all_inferred(device: &LoopDevice, inferred: u64, sighted: Ends) {
    let range = sighted.certain..=sighted.possible();
    let name = device.name();
    assert!(range.contains(&inferred), "{name}: {inferred} inferred, {sighted:?}");
}

/// An audit of each device that found it at rest, so that its figures are exact.
fn at_rest<'a>(
    daemon: &Daemon,
    devices: impl IntoIterator<Item = &'a LoopDevice>,
) -> Vec<(String, Audit)> {
    let audited = |device: &LoopDevice| {
        // Nothing is said of a device that had no request at all.
        DirectFile::open(device.path(), 4096).read(0).expect("our device can be read");
        (device.name().to_owned(), rest(daemon, device))
    };
    devices.into_iter().map(audited).collect()
}

/// Records are lost where that is to be expected, and nowhere else.
fn losses(figures: &Figures, scrape: &Scrape, room: Room) {
    match room {
        Room::Ample => assert_eq!(figures.refused, 0, "rings with room refused records"),
        Room::Tight => {}
        Room::Scarce => assert!(figures.refused > 0, "nothing was lost, so nothing was tested"),
    }
    for reason in ["late", "user_queue"] {
        let lost = scrape.existing("iotruth_events_lost_total", &[("reason", reason)]);
        assert_eq!(lost, 0, "lost: {reason}");
    }
    // Of mere information there is more than the list has room for.
    for table in ["lives", "devices"] {
        let dropped = scrape.existing("iotruth_capacity_drops_total", &[("table", table)]);
        assert_eq!(dropped, 0, "{table} had no room");
    }
}

/// Not even as information is there anything but what our devices have a reason for: they know no
/// write-through, so the kernel makes flushes out of it, and files in memory know no zeroes, which is
/// tried and refused.
fn nothing_but_information(daemon: &Daemon, scrape: &Scrape) {
    for ((device, kind), count) in scrape.mismatches_by_kind() {
        let known = ["flush_emulated", "io_error_expected"].contains(&kind.as_str());
        if device.starts_with("loop") && !known {
            let shown = daemon.get(&format!("/mismatches?kind={kind}&limit=5&format=text"));
            panic!("{count} times {kind} on {device}, and nobody provoked it:\n{shown}");
        }
    }
}

/// How many requests of a device the daemon has not seen. It never says that there were more than
/// the kernel counted, and what the ledger says to be missing is what is.
fn missing(device: &str, audit: &Audit) -> u64 {
    for (column, residue) in &audit.residue {
        assert!(*residue <= 0, "{device}: too many {column}: {audit:?}");
        let truth = audit.ours[column] - audit.kernel[column];
        assert_eq!(*residue, truth, "{device}: {column}: {audit:?}");
    }
    REQUESTS.iter().map(|column| audit.residue[*column].unsigned_abs()).sum()
}
