//! A kernel that cannot be traced is refused with what it lacks.

use std::{fs, path::Path};

use crate::harness::{
    daemon::{Daemon, refused},
    restrict::{btf_without, in_time_namespace, overlay},
    tmpfs::Tmpfs,
    turn::turn,
};

/// Where the kernel tells of its types.
const BTF: &str = "/sys/kernel/btf/vmlinux";

#[test]
fn a_kernel_without_btf_is_refused() {
    let _turn = turn();
    let empty = Tmpfs::new(1);
    let marker = empty.file("marker", 0);
    let directory = marker.parent().unwrap();
    let (_, message) =
        refused(&[], |command| overlay(command, directory, Path::new("/sys/kernel/btf")));
    assert!(message.contains(BTF), "the file is not named:\n{message}");
    assert!(message.contains("CONFIG_DEBUG_INFO_BTF"), "no remedy:\n{message}");
}

#[test]
fn damaged_btf_is_refused() {
    let _turn = turn();
    let place = Tmpfs::new(16);
    let path = place.file("vmlinux", 0);
    let whole = fs::read(BTF).expect("this kernel has BTF");
    for damaged in [&whole[..0], &whole[..20], &whole[..whole.len() / 2], &[0xff; 4096][..]] {
        fs::write(&path, damaged).unwrap();
        let (_, message) = refused(&[], |command| overlay(command, &path, Path::new(BTF)));
        assert!(message.contains("BTF"), "{} bytes:\n{message}", damaged.len());
    }
}

#[test]
fn a_kernel_without_a_needed_tracepoint_or_field_is_refused() {
    let _turn = turn();
    for (hidden, named) in [
        ("btf_trace_block_rq_issue", "block_rq_issue"),
        ("btf_trace_block_rq_merge", "block_rq_merge"),
        ("__data_len", "__data_len"),
        ("cmd_flags", "cmd_flags"),
    ] {
        let place = Tmpfs::new(16);
        let path = btf_without(&place, hidden);
        let (_, message) = refused(&[], |command| overlay(command, &path, Path::new(BTF)));
        assert!(message.contains(named), "without {hidden}:\n{message}");
    }
}

#[test]
fn a_clock_that_is_not_the_kernels_is_refused() {
    let _turn = turn();
    let (_, message) = refused(&[], in_time_namespace);
    assert!(message.contains("the monotonic clock is 1000 s apart"), "{message}");
    assert!(message.contains("outside of this time namespace"), "no remedy:\n{message}");
}

#[test]
fn a_kernel_without_block_io_start_will_do() {
    let _turn = turn();
    let place = Tmpfs::new(16);
    let path = btf_without(&place, "btf_trace_block_io_start");
    let daemon = Daemon::start_with(&[], |command| overlay(command, &path, Path::new(BTF)));
    let status = daemon.status();
    assert!(status.missing("block_rq_issue").is_none(), "{status:?}");
    // Some kernels let no function be traced, and say so.
    let text = daemon.get("/status?format=text");
    match status.missing("block_io_start") {
        Some(why) => {
            assert!(
                why.starts_with("the kernel does not let its function blk_insert_flush"),
                "{why}"
            );
            assert!(why.contains("(os error "), "{why}");
            assert!(text.contains("of a flush without data only the end is seen"), "{text}");
        }
        None => assert!(text.contains("are traced in its function blk_insert_flush"), "{text}"),
    }
}
