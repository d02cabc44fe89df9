//! Recordings: what they tell again, and what becomes of them where they cannot be written.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime},
};

use iotruth::{
    engine::{
        recording::{Ending, Recording, to_words},
        snapshot::Snapshot,
    },
    export::metrics::metrics,
    view::{Anchor, AuditStatus, CostStatus, ProcessStatus, StartUp, Status, View},
};

use crate::harness::{
    books::quiet,
    daemon::{Daemon, command, refused},
    direct_io::{DirectFile, Offsets},
    loop_device::LoopDevice,
    patience::wait_for,
    tmpfs::Tmpfs,
    turn::turn,
};

/// Reads, of which each has an issue and a completion.
const READS: u64 = 2_000;

/// Some of them, for a recording that is to end soon, but not with its first chunk.
const SOME: u64 = READS / 10;

/// Bytes of the records of some reads, and as many again for what other disks do.
const BYTES: u64 = 2 * SOME * (136 + 88);

fn recorded(file: &Path, arguments: &[&str]) -> Daemon {
    let file = file.to_str().expect("a path of our own is plain");
    Daemon::spawn(&[&["--record", file], arguments].concat(), |_| {}).ready()
}

fn read(device: &LoopDevice, reads: u64) {
    let mut file = DirectFile::open(device.path(), 4096);
    for offset in Offsets::new(7, 16 << 20).take(reads as usize) {
        file.read(offset).expect("our device can be read");
    }
}

fn replay(file: &Path) -> (Snapshot, Ending) {
    let words = to_words(&fs::read(file).unwrap());
    let recording = Recording::parse(&words).unwrap();
    (recording.replay(), recording.ending)
}

/// The command, its exit code and what it printed.
fn replayed(arguments: &[&str]) -> (i32, String, String) {
    let output = command().arg("replay").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_figure_of_a_device_is_the_same_again() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(32);
    let file = tmpfs.path().join("recording");
    let device = LoopDevice::new(16);
    let mut daemon = recorded(&file, &[]);
    read(&device, READS);
    device.truncate(6144);
    let mut cut = DirectFile::open(device.path(), 16384);
    assert!(!matches!(cut.read(0), Ok(16384)), "the read went well");
    quiet(&daemon);
    let live = daemon.get("/metrics");
    assert!(daemon.signal("TERM").success());

    let (snapshot, ending) = replay(&file);
    assert_eq!(ending, Ending::Stopped);
    let status = Status {
        kernel: String::new(),
        attached: SystemTime::UNIX_EPOCH,
        start_up: StartUp::default(),
        programs: Vec::new(),
        transport: "",
        transport_reason: None,
        ring_bytes: 0,
        readers: Vec::new(),
        not_ready: None,
        notes: Vec::new(),
        limits: Vec::new(),
        audits: AuditStatus::default(),
        process: ProcessStatus::default(),
        cost: CostStatus::new(None),
    };
    let view = View {
        snapshot: Arc::new(snapshot),
        status: Arc::new(status),
        ledger: Arc::default(),
        anchor: Anchor { monotonic: 0, wall: SystemTime::UNIX_EPOCH },
    };
    let again = String::from_utf8(metrics(&view).unwrap().to_vec()).unwrap();
    // What is held against /proc/diskstats is not the engine's.
    let of_device = |text: &str| -> Vec<String> {
        let label = format!("device=\"{}\"", device.name());
        let lines = text.lines().filter(|line| {
            line.contains(&label)
                && !line.starts_with("iotruth_coverage")
                && !line.starts_with("iotruth_ledger")
                // As it was at the last look, which comes now and then.
                && !line.starts_with("iotruth_inflight")
        });
        lines.map(str::to_owned).collect()
    };
    let live = of_device(&live);
    assert!(live.iter().any(|line| line.ends_with(&format!(" {}", READS + 1))), "{live:?}");
    assert_eq!(live, of_device(&again));

    // And the same by the command.
    let path = file.to_str().unwrap();
    let (code, text, error) = replayed(&[path]);
    assert_eq!((code, error.as_str()), (0, ""));
    let sentence = format!("on {}, from", device.name());
    assert!(text.contains(&sentence) && text.contains("io_error (critical)"), "{text}");
    assert!(text.contains("0 user queue") && !text.contains("  no\n"), "{text}");
    let (code, json, _) = replayed(&[path, "--json", "--without", "10"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["without"]), (0, &10.into()));
    assert_eq!(json["books"]["lost"]["user_queue"], 1);
    let (code, out, error) = replayed(&[path, "--without", "99999999"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("its records have the numbers 1 to "), "{error}");
}

#[test]
fn a_full_recording_ends_and_the_daemon_goes_on() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(2);
    let file = tmpfs.path().join("recording");
    let device = LoopDevice::new(16);
    let limit = 2 * BYTES;
    let mut daemon = recorded(&file, &["--record-limit", &limit.to_string()]);
    let beginning = daemon.status();
    let notes = beginning.notes();
    assert!(notes.iter().any(|note| note.starts_with("Recording into ")), "{notes:?}");
    let ended = ends(&daemon, || read(&device, SOME));
    assert!(ended.ends_with("it had grown to its limit."), "{ended}");
    let before = quiet(&daemon).requests(device.name(), "read");
    read(&device, READS);
    let after = quiet(&daemon).requests(device.name(), "read");
    assert_eq!(after - before, READS, "the daemon goes on");
    assert!(daemon.signal("TERM").success());
    assert!(daemon.messages().contains("the daemon goes on without it"), "{}", daemon.messages());
    assert!(fs::metadata(&file).unwrap().len() <= limit);
    let (snapshot, ending) = replay(&file);
    assert_eq!(ending, Ending::Full);
    assert!(snapshot.lives.opened >= SOME, "{:?}", snapshot.lives);
}

#[test]
fn a_full_disk_ends_the_recording_and_what_it_has_is_whole() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(1);
    let device = LoopDevice::new(16);
    let file = tmpfs.path().join("recording");
    // No room for all of it.
    fs::write(tmpfs.path().join("other"), vec![1; (1 << 20) - 2 * BYTES as usize]).unwrap();
    let mut daemon = recorded(&file, &[]);
    let ended = ends(&daemon, || read(&device, SOME));
    assert!(ended.contains("No space left on device"), "{ended}");
    quiet(&daemon);
    assert!(daemon.signal("TERM").success());
    let (snapshot, ending) = replay(&file);
    assert_eq!(ending, Ending::Failed);
    assert!(snapshot.lives.opened >= SOME, "{:?}", snapshot.lives);
}

/// Acts until the recording has ended; what is noted then.
fn ends(daemon: &Daemon, act: impl Fn()) -> String {
    wait_for("the recording to end", || {
        act();
        std::thread::sleep(Duration::from_secs(1));
        let status = daemon.status();
        let notes = status.notes();
        let ended = notes.iter().find(|note| note.contains(" has ended after "));
        ended.map(|note| (*note).to_owned()).ok_or_else(|| format!("{notes:?}"))
    })
}

#[test]
fn a_daemon_whose_reader_stands_still_says_so_in_its_recording() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(2);
    let file = tmpfs.path().join("recording");
    let path = file.to_str().unwrap();
    let device = LoopDevice::new(16);
    let mut daemon = Daemon::spawn(&["--record", path, "--fault", "reader-stall"], |_| {});
    wait_for("the daemon to end", || {
        read(&device, 1);
        daemon.ended().ok_or_else(|| "it goes on".to_owned())
    });
    assert_eq!(replay(&file).1, Ending::Blind, "{}", daemon.messages());
}

#[test]
fn a_recording_that_cannot_be_begun_is_a_note_and_the_daemon_goes_on() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(1);
    let file = tmpfs.path().join("recording");
    fs::write(&file, [7; 4096]).unwrap();
    // The name that the old one would have is taken.
    fs::create_dir(tmpfs.path().join("recording.old")).unwrap();
    let mut daemon = recorded(&file, &[]);
    let note = wait_for("the note", || {
        let status = daemon.status();
        let notes = status.notes();
        let note = notes.iter().find(|note| note.starts_with("There is no recording: "));
        note.map(|note| (*note).to_owned()).ok_or_else(|| format!("{notes:?}"))
    });
    assert!(note.contains("recording.old") && note.contains("name another file"), "{note}");
    assert_eq!(fs::read(&file).unwrap(), [7; 4096], "what was there is as it was");
    assert_eq!(daemon.ask("/readyz").unwrap().status, 200);
    assert!(daemon.signal("TERM").success());
}

#[test]
fn a_daemon_that_goes_blind_says_so_and_the_next_one_keeps_its_recording() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(2);
    let file = tmpfs.path().join("recording");
    let path = file.to_str().unwrap();
    let device = LoopDevice::new(16);
    let mut daemon = Daemon::spawn(&["--record", path, "--fault", "reader-panic"], |_| {});
    let ended = wait_for("the daemon to end", || {
        read(&device, 1);
        daemon.ended().ok_or_else(|| "it goes on".to_owned())
    });
    assert_eq!(ended.code(), Some(1), "{}", daemon.messages());
    assert_eq!(replay(&file).1, Ending::Blind);
    let evidence = fs::read(&file).unwrap();

    let mut next = recorded(&file, &[]);
    let old = tmpfs.path().join("recording.old");
    // By the recorder's thread, which nobody waits for.
    let kept = wait_for("the old recording", || fs::read(&old).map_err(|error| error.to_string()));
    assert_eq!(kept, evidence);
    // And then it locks the new one.
    wait_for("the new recording", || match fs::metadata(&file) {
        Ok(new) if new.len() > 0 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    // A third one does not get in its way.
    let (code, message) = refused(&["--record", path], |_| {});
    assert_eq!(code, 1, "{message}");
    assert!(message.contains("another daemon writes it"), "{message}");
    read(&device, SOME);
    quiet(&next);
    assert!(next.signal("TERM").success());
    let (snapshot, ending) = replay(&file);
    assert_eq!(ending, Ending::Stopped);
    assert!(snapshot.lives.opened >= SOME, "{:?}", snapshot.lives);
    assert_eq!(fs::read(&old).unwrap(), evidence);
}

#[test]
fn nothing_but_a_file_is_written() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(1);
    let pipe = tmpfs.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Somebody reads it, so that it can be opened.
    let _reader = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let device = LoopDevice::new(1);
    for path in [pipe.as_path(), device.path()] {
        let path = path.to_str().unwrap();
        let (code, message) = refused(&["--record", path], |_| {});
        assert_eq!(code, 1, "{message}");
        assert!(message.contains(path) && message.contains("no regular file"), "{message}");
    }
}

#[test]
fn a_recording_that_cannot_be_made_is_refused() {
    let _turn = turn();
    for path in ["/nonexistent/recording", "/proc", "/"] {
        let (code, message) = refused(&["--record", path], |_| {});
        assert_eq!(code, 1);
        let begin =
            format!("iotruth: cannot write the recording {path}; name a file with --record");
        assert!(message.contains(&begin), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn what_is_no_recording_is_refused() {
    let tmpfs = Tmpfs::new(1);
    let file = tmpfs.path().join("recording");
    let path = file.to_str().unwrap();
    let (code, _, error) = replayed(&[path]);
    assert_eq!(code, 1);
    assert!(
        error.contains("cannot read the recording") && error.contains("No such file"),
        "{error}"
    );
    // A device that never ends is not read to its end.
    let none = "this is not a recording";
    for (path, cause) in [("/dev/null", none), ("/dev/zero", none), (path, "cut off")] {
        fs::write(&file, "iotruth\n123").unwrap();
        let (code, out, error) = replayed(&[path]);
        assert_eq!((code, out.as_str()), (1, ""), "{error}");
        assert!(error.contains(cause) && error.contains("iotruth daemon --record"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_recording_is_judged_as_far_as_it_is_whole() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(8);
    let file = tmpfs.path().join("recording");
    let path = file.to_str().unwrap();
    let device = LoopDevice::new(16);
    let mut daemon = recorded(&file, &[]);
    for _ in 0..3 {
        read(&device, SOME);
        // It is written whenever what is known is published.
        quiet(&daemon);
    }
    assert!(daemon.signal("TERM").success());
    let bytes = fs::read(&file).unwrap();
    let records = |text: &str| -> u64 {
        let (_, after) = text.split_once("A recording of ").unwrap_or_else(|| panic!("{text}"));
        after.split(' ').next().and_then(|count| count.parse().ok()).unwrap()
    };
    let (_, text, _) = replayed(&[path]);
    let whole = records(&text);
    assert!(text.ends_with(" It ends because the daemon was told to stop.\n"), "{text}");

    // As a machine leaves it that loses its power.
    fs::write(&file, &bytes[..bytes.len() / 2 + 3]).unwrap();
    let (code, text, error) = replayed(&[path]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(text.contains("nothing says why. What would have come next was not written"), "{text}");
    assert!((1..whole).contains(&records(&text)), "{text}");

    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 4;
    fs::write(&file, &damaged).unwrap();
    let (code, out, error) = replayed(&[path]);
    assert_eq!((code, out.as_str()), (1, ""), "{error}");
    assert!(error.contains("this recording is damaged: what begins at byte "), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    fs::write(&file, [&bytes[..], &[0; 3]].concat()).unwrap();
    let (code, out, end) = replayed(&[path]);
    assert_eq!((code, out.as_str()), (1, ""), "{end}");
    assert!(end.contains("it goes on after its end at byte "), "{end}");
    // The remedy does what it says.
    let (_, after) = error.split_once("head --bytes=").unwrap_or_else(|| panic!("{error}"));
    let sound = after.split(' ').next().and_then(|count| count.parse::<usize>().ok()).unwrap();
    assert!(sound <= bytes.len() / 2, "{error}");
    fs::write(&file, &damaged[..sound]).unwrap();
    let (code, text, error) = replayed(&[path]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(text.ends_with(" nothing says why.\n"), "{text}");
    assert!((1..whole).contains(&records(&text)), "{text}");
}
