//! Blobs that are not what they should be: an error for each, a panic for none.

use proptest::prelude::*;

use super::{
    blob::Blob,
    kernel::{Is, Kernel},
};
use crate::engine::btf::{BtfError, resolve};

/// What is said to be wrong with a damaged blob.
fn damage(blob: &[u8]) -> &'static str {
    match resolve(blob) {
        Err(BtfError::Damaged { what, .. }) => what,
        other => panic!("not seen as damaged: {other:?}"),
    }
}

#[test]
fn what_is_not_btf_is_told() {
    for bytes in [&b""[..], b"\x9f", b"\x9f\xeb", b"\x7fELF\x02\x01\x01"] {
        assert_eq!(resolve(bytes), Err(BtfError::NotBtf));
    }
    let error = BtfError::NotBtf.to_string();
    assert!(error.contains("CONFIG_DEBUG_INFO_BTF"), "{error}");
}

#[test]
fn the_other_byte_order_is_refused_by_name() {
    let error = resolve(b"\xeb\x9f\x01\x00\x00\x00\x00\x18").unwrap_err().to_string();
    assert!(error.contains("big-endian"), "{error}");
}

#[test]
fn another_version_is_refused() {
    let mut bytes = Kernel::modern().bytes();
    bytes[2] = 2;
    assert_eq!(resolve(&bytes), Err(BtfError::Version(2)));
}

#[test]
fn a_blob_that_is_cut_short_anywhere_is_an_error() {
    let whole = Kernel::modern().bytes();
    assert!(resolve(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(resolve(&whole[..length]).is_err(), "accepted the first {length} bytes");
    }
}

#[test]
fn types_that_are_cut_short_are_told_with_their_place() {
    let whole = Kernel::modern().bytes();
    let types = u32::from_le_bytes(whole[12..16].try_into().unwrap()) as usize;
    let (mut torn, mut incomplete) = (0, 0);
    for length in 0..types {
        let end = 24 + length;
        let mut bytes = whole[..end].to_vec();
        bytes.extend_from_slice(&whole[24 + types..]);
        bytes[12..16].copy_from_slice(&(length as u32).to_le_bytes());
        bytes[16..20].copy_from_slice(&(length as u32).to_le_bytes());
        match resolve(&bytes) {
            Err(BtfError::Damaged { offset, what: "a type is cut short" }) => {
                assert!((24..end).contains(&offset), "cut at {end}, told at {offset}");
                torn += 1;
            }
            // Cut between two types: a blob of a smaller kernel, or one that refers to what is gone.
            _ => incomplete += 1,
        }
    }
    // The shortest types have 12 bytes, so at most one cut in twelve is between two.
    assert!(torn >= 11 * incomplete && incomplete > 0, "{torn} torn, {incomplete} incomplete");
}

#[test]
fn sections_that_leave_a_gap_are_refused() {
    let whole = Kernel::modern().bytes();
    let types = u32::from_le_bytes(whole[12..16].try_into().unwrap());
    for length in 0..types {
        let mut bytes = whole.clone();
        bytes[12..16].copy_from_slice(&length.to_le_bytes());
        assert_eq!(damage(&bytes), "the sections do not fill the blob");
    }
    let mut longer = whole;
    longer.push(0);
    assert_eq!(damage(&longer), "the sections do not fill the blob");
}

#[test]
fn strings_must_begin_and_end_with_a_zero() {
    let mut bytes = Kernel::modern().bytes();
    *bytes.last_mut().unwrap() = b'x';
    assert_eq!(damage(&bytes), "the strings do not begin and end with a zero");
    let mut bytes = Kernel::modern().bytes();
    let strings = u32::from_le_bytes(bytes[20..24].try_into().unwrap()) as usize;
    bytes[20..24].fill(0);
    bytes.truncate(bytes.len() - strings);
    assert_eq!(damage(&bytes), "the strings do not begin and end with a zero");
}

#[test]
fn impossible_headers_are_refused() {
    for (field, what) in [
        (4, "the header has an impossible length"),
        (8, "the types lie outside of the blob"),
        (16, "the strings lie outside of the blob"),
    ] {
        let mut bytes = Kernel::modern().bytes();
        bytes[field..field + 4].fill(0xff);
        assert_eq!(damage(&bytes), what);
    }
}

#[test]
fn structures_that_contain_each_other_end() {
    let mut blob = Kernel::modern().blob();
    let forged = blob.reserve();
    let words = blob.structure("gendisk", 4, &[("", forged, 0, 0), ("", forged, 0, 0)]);
    blob.define(forged, words);
    assert_eq!(damage(&blob.bytes()), "its structures contain each other without end");
}

#[test]
fn typedefs_of_each_other_end() {
    let mut blob = Kernel::modern().blob();
    let forged = blob.reserve();
    let name = blob.name("btf_trace_block_rq_issue");
    blob.define(forged, vec![name, 8 << 24, forged]);
    // Every definition of the name is the same to the walker, so the first counts.
    assert!(resolve(&blob.bytes()).is_ok());
    let mut kernel = Kernel::modern();
    kernel.tracepoints.retain(|(name, _)| *name != "btf_trace_block_rq_issue");
    let mut blob = kernel.blob();
    let forged = blob.reserve();
    let name = blob.name("btf_trace_block_rq_issue");
    blob.define(forged, vec![name, 8 << 24, forged]);
    assert_eq!(damage(&blob.bytes()), "an endless chain of typedefs");
}

#[test]
fn arrays_of_themselves_and_of_impossible_size_end() {
    for (length, what) in
        [(1, "an endless chain of arrays"), (1 << 20, "an array is larger than memory")]
    {
        let mut kernel = Kernel::modern();
        kernel.structs.retain(|(name, _)| *name != "task_struct");
        let mut blob = kernel.blob();
        let number = blob.int("int", 4);
        let array = blob.reserve();
        blob.define(array, vec![0, 3 << 24, 0, array, array, length]);
        let task = blob.reserve();
        let numbers = ["flags", "pid", "tgid"].map(|name| (name, number, 0, 0));
        let [flags, pid, tgid] = numbers;
        let words = blob.structure("task_struct", 4, &[flags, pid, tgid, ("comm", array, 0, 0)]);
        blob.define(task, words);
        assert_eq!(damage(&blob.bytes()), what);
    }
}

#[test]
fn members_outside_of_their_structure_are_refused() {
    let mut kernel = Kernel::modern();
    for (offset, right) in [(4092, true), (4093, false), (1 << 20, false)] {
        kernel.remove("request", "__data_len");
        kernel.fields("request").push(("__data_len", Is::Number(4), offset));
        assert_eq!(kernel.resolve().is_ok(), right, "at {offset}");
    }
    assert_eq!(damage(&kernel.bytes()), "a member lies outside of its structure");
}

#[test]
fn a_type_that_does_not_exist_is_refused() {
    let mut blob = Kernel::modern().blob();
    let disk = blob.reserve();
    let words = blob.structure("gendisk", 4, &[("major", 1_000_000, 0, 0)]);
    blob.define(disk, words);
    assert_eq!(damage(&blob.bytes()), "refers to a type that does not exist");
}

/// A modern kernel with one type of a kind that no kernel has yet, before all others.
fn with_kind_30(kinds: &[u8]) -> Vec<u8> {
    let mut blob: Blob = Kernel::modern().blob();
    let future = blob.reserve();
    blob.define(future, vec![0, 30 << 24 | 2, 0, 11, 22, 33]);
    let last = blob.int("last", 4);
    assert_eq!(last, future + 1);
    blob.kinds = kinds.to_vec();
    blob.bytes()
}

#[test]
fn a_kind_of_the_future_is_stepped_over_where_the_blob_tells_its_length() {
    let mut kinds = vec![0; 31 * 4];
    // 4 bytes once, and 4 for each of its two elements.
    kinds[30 * 4..].copy_from_slice(&[4, 4, 0, 0]);
    let facts = resolve(&with_kind_30(&kinds)).unwrap();
    assert_eq!(Ok(facts), Kernel::modern().resolve());
    for untold in [&kinds[..30 * 4], &[]] {
        assert!(damage(&with_kind_30(untold)).contains("newer than this iotruth"));
    }
}

/// Words that are likely to lead astray: zero, small ids, the largest of everything.
fn nasty_word() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        Just(u32::MAX),
        0..200_u32,
        any::<u32>(),
        (0..20_u32, 0..8_u32).prop_map(|(kind, count)| kind << 24 | count),
        (0..20_u32).prop_map(|kind| 1 << 31 | kind << 24 | 0xffff),
    ]
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..16)
    ) {
        let mut bytes = small_kernel();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let _ = resolve(&bytes);
    }

    #[test]
    fn changed_words_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), nasty_word()), 1..16)
    ) {
        let mut bytes = small_kernel();
        for (place, value) in changes {
            let place = place.index(bytes.len() / 4) * 4;
            bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
        }
        let _ = resolve(&bytes);
    }
}

/// A kernel with something of each kind in it.
fn small_kernel() -> Vec<u8> {
    let mut kernel = Kernel::modern();
    kernel.remove("request", "state");
    let state = vec![("state", Is::Qualified(9, Box::new(Is::Number(4))), 0)];
    kernel.fields("request").push(("", Is::Anonymous(5, state), 76));
    kernel.fields("request").push(("flag", Is::Bits(1), 100));
    kernel.change("cgroup", "kn", Is::TaggedTo("kernfs_node"));
    kernel.wide = true;
    kernel.bytes()
}
