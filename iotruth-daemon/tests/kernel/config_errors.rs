//! Settings that cannot be meant are refused, with the place and the remedy.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::PathBuf};

use crate::harness::{
    daemon::{Daemon, refused},
    nobody::Lent,
    tmpfs::Tmpfs,
    turn::turn,
};

/// A configuration file with this content.
fn config(place: &Tmpfs, content: &str) -> PathBuf {
    let path = place.file("iotruth.toml", 0);
    fs::write(&path, content).expect("a file can be written");
    path
}

/// Starts the daemon with this configuration, which it must refuse.
///
/// The message names the file and this line of it.
fn refused_config(content: &str, line: u32) -> String {
    let place = Tmpfs::new(1);
    let path = config(&place, content);
    let path = path.to_str().expect("a path of our own is plain");
    let (code, message) = refused(&["--config", path], |_| {});
    assert_eq!(code, 2, "it stays wrong:\n{message}");
    let place = format!("{path}:{line}:");
    assert!(message.contains(&place), "{place} is not named:\n{message}");
    message
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_one() {
    let _turn = turn();
    let message = refused_config("# one\n# two\nstart_evnts = true\n", 3);
    assert!(message.contains("start_evnts"), "{message}");
    assert!(message.contains("start_events"), "the nearest key is not named:\n{message}");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused() {
    let _turn = turn();
    let message = refused_config("start_events = \"often\"\n", 1);
    assert!(message.contains("start_events") && message.contains("allowed"), "{message}");
}

#[test]
fn a_file_that_is_not_toml_is_refused() {
    let _turn = turn();
    let message = refused_config("listen = [\n", 1);
    assert!(message.contains("TOML"), "{message}");
}

#[test]
fn a_wrong_environment_is_refused() {
    let _turn = turn();
    let (_, message) = refused(&[], |command| {
        command.env("IOTRUTH_RINGS", "3");
    });
    assert!(message.contains("IOTRUTH_RINGS") && message.contains("allowed"), "{message}");
    let (_, message) = refused(&[], |command| {
        command.env("IOTRUTH_RNGS", "4");
    });
    assert!(message.contains("IOTRUTH_RNGS") && message.contains("IOTRUTH_RINGS"), "{message}");
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let _turn = turn();
    let missing = "/nonexistent/iotruth.toml";
    let (code, message) = refused(&["--config", missing], |_| {});
    assert_eq!(code, 1, "it may come");
    assert!(message.contains(missing) && message.contains("No such file"), "{message}");
    // Nobody, and not even root, can read a directory as a file.
    let (code, message) = refused(&["--config", "/"], |_| {});
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("directory"), "{message}");
}

#[test]
fn a_file_that_is_closed_to_the_user_is_refused() {
    let _turn = turn();
    let place = Tmpfs::new(1);
    let path = config(&place, "rings = 4\n");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).expect("our file can be closed");
    let path = path.to_str().expect("a path of our own is plain");
    // Root may read every file.
    let lent = Lent::new();
    let (code, message) = refused(&["--config", path], |command| lent.as_nobody(command));
    assert_eq!(code, 2, "{message}");
    assert!(message.contains(path), "the path is not named:\n{message}");
    assert!(message.contains("Permission denied"), "the cause is not told:\n{message}");
    assert!(
        message.contains("permissions") && message.contains("--config"),
        "no remedy:\n{message}"
    );
}

#[test]
fn an_unknown_device_is_refused() {
    let _turn = turn();
    let (code, message) = refused(&["--device", "nosuchdisk"], |_| {});
    assert_eq!(code, 1, "it may come");
    assert!(message.contains("nosuchdisk"), "{message}");
    assert!(message.contains("loop0") || message.contains("lsblk"), "no remedy:\n{message}");
}

#[test]
fn an_address_in_use_is_refused() {
    let _turn = turn();
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let (_, message) = refused_at(&address);
    assert!(message.contains(&address), "the address is not named:\n{message}");
    assert!(message.contains("in use"), "{message}");
    assert!(message.contains("--listen"), "no remedy:\n{message}");
}

#[test]
fn a_second_daemon_on_the_same_address_is_refused_and_the_first_goes_on() {
    let _turn = turn();
    let first = Daemon::start(&[]);
    let address = first.address().to_string();
    let (_, message) = refused_at(&address);
    assert!(message.contains(&address) && message.contains("in use"), "{message}");
    assert_eq!(first.ask("/readyz").expect("the first one answers").status, 200);
}

#[test]
fn an_address_that_is_none_is_refused() {
    let _turn = turn();
    let (code, message) = refused_at("nowhere");
    assert!(message.contains("nowhere"), "{message}");
    assert_eq!(code, 2, "a wrong flag is a usage error");
}

/// Starts the daemon at this address instead of a free one.
fn refused_at(address: &str) -> (i32, String) {
    let address = address.to_owned();
    refused(&[], move |command| {
        let mut other = crate::harness::daemon::command();
        other.args(["daemon", "--listen", &address]);
        other.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
        *command = other;
    })
}
