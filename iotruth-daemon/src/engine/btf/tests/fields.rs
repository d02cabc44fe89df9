//! Fields: nesting, qualifiers, fallbacks, refusals.

use iotruth_common::layout::{ABSENT, Layout};

use super::kernel::{Is, Kernel};
use crate::engine::btf::BtfError;

fn layout(kernel: &Kernel) -> Layout {
    kernel.resolve().unwrap().layout
}

/// All that a cgroup is found by.
fn cgroup(layout: &Layout) -> [u32; 5] {
    [layout.bio_blkg, layout.blkg_blkcg, layout.blkcg_cgroup, layout.cgroup_kn, layout.kn_id]
}

#[test]
fn every_field_of_a_modern_kernel_is_found() {
    let facts = Kernel::modern().resolve().unwrap();
    let expected = Layout {
        request_argument: [0; 7],
        request_queue: 0,
        request_cmd_flags: 24,
        request_rq_flags: 28,
        request_tag: 32,
        request_internal_tag: 36,
        request_data_len: 44,
        request_sector: 48,
        request_bio: 56,
        request_hctx: 16,
        request_state: 76,
        request_start_time: 64,
        request_segments: 72,
        request_references: 80,
        request_timeout: 84,
        request_deadline: 88,
        request_bytes: 96,
        request_disk: ABSENT,
        queue_disk: 104,
        disk_major: 0,
        disk_first_minor: 4,
        disk_diskseq: 512,
        hctx_queue_num: 364,
        bio_blkg: 72,
        blkg_blkcg: 40,
        blkcg_cgroup: 24,
        cgroup_kn: 256,
        kn_id: 96,
        task_flags: 44,
        task_pid: 1264,
        task_tgid: 1268,
        task_comm: 1752,
    };
    assert_eq!(facts.layout, expected);
    assert!(facts.task_btf_helper);
    assert!(facts.missing_probes.is_empty());
    assert_eq!(facts.notes, [""; 0]);
}

#[test]
fn anonymous_structures_and_unions_add_up() {
    let mut kernel = Kernel::modern();
    kernel.remove("request", "__data_len");
    let inner = vec![("other", Is::Number(4), 0), ("__data_len", Is::Number(4), 4)];
    let middle = vec![("", Is::Anonymous(4, inner), 8), ("word", Is::Number(8), 0)];
    let outer = Is::Qualified(10, Box::new(Is::Anonymous(5, middle)));
    kernel.fields("request").push(("", outer, 128));
    assert_eq!(layout(&kernel).request_data_len, 128 + 8 + 4);
}

#[test]
fn a_named_inner_structure_hides_its_members() {
    let mut kernel = Kernel::modern();
    kernel.remove("request", "__data_len");
    let inner = vec![("__data_len", Is::Number(4), 4)];
    kernel.fields("request").push(("inner", Is::Anonymous(4, inner), 128));
    let missing = BtfError::FieldMissing { of: "request", field: "__data_len" };
    assert_eq!(kernel.resolve(), Err(missing));
}

#[test]
fn qualifiers_typedefs_and_tags_change_nothing() {
    let mut kernel = Kernel::modern();
    let plain = layout(&kernel);
    let queue = Is::Qualified(10, Box::new(Is::Qualified(9, Box::new(Is::To("request_queue")))));
    kernel.change("request", "q", Is::Named("queue_t", Box::new(queue)));
    kernel.change("cgroup", "kn", Is::TaggedTo("kernfs_node"));
    kernel.change("request", "state", Is::Qualified(9, Box::new(Is::Number(4))));
    assert_eq!(layout(&kernel), plain);
}

#[test]
fn the_disk_is_found_through_the_request_on_old_kernels() {
    let mut kernel = Kernel::modern();
    kernel.fields("request").push(("rq_disk", Is::To("gendisk"), 200));
    assert_eq!((layout(&kernel).queue_disk, layout(&kernel).request_disk), (ABSENT, 200));
    kernel.remove("request_queue", "disk");
    assert_eq!((layout(&kernel).queue_disk, layout(&kernel).request_disk), (ABSENT, 200));
    kernel.remove("request", "rq_disk");
    let error = kernel.resolve().unwrap_err().to_string();
    let expected = "struct request_queue: disk (or struct request: rq_disk) is missing";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn the_references_are_found_in_either_type_of_counter() {
    let mut kernel = Kernel::modern();
    let inner = Is::Anonymous(4, vec![("counter", Is::Number(4), 0)]);
    kernel.change("request", "ref", Is::Anonymous(4, vec![("refs", inner, 0)]));
    assert_eq!(layout(&kernel).request_references, 80);
    kernel.remove("request", "ref");
    let missing = BtfError::FieldMissing { of: "request", field: "ref" };
    assert_eq!(kernel.resolve(), Err(missing));
}

/// A kernel that lacks a field which it may lack, and the one note that says what that means.
fn lacking(of: &'static str, field: &'static str) -> (Layout, String) {
    let mut kernel = Kernel::modern();
    kernel.remove(of, field);
    let facts = kernel.resolve().unwrap();
    let [note] = facts.notes.as_slice() else { panic!("{:?}", facts.notes) };
    (facts.layout, note.clone())
}

#[test]
fn without_a_timeout_a_note_says_what_is_not_shown() {
    let (layout, note) = lacking("request", "timeout");
    assert_eq!((layout.request_timeout, layout.request_bytes), (ABSENT, 96));
    assert!(note.contains("late are not shown"), "{note}");
}

#[test]
fn without_a_deadline_a_note_says_what_counts_from_the_last_loss() {
    let (layout, note) = lacking("request", "deadline");
    assert_eq!((layout.request_deadline, layout.request_bytes), (ABSENT, 88));
    assert!(note.ends_with("counts from the last loss."), "{note}");
}

#[test]
fn without_a_disk_sequence_number_a_note_says_so() {
    let (layout, note) = lacking("gendisk", "diskseq");
    assert_eq!(layout.disk_diskseq, ABSENT);
    assert!(note.contains("gendisk.diskseq"), "{note}");
    assert!(note.ends_with("within a second may be taken for it."), "{note}");
}

#[test]
fn the_way_to_a_cgroup_is_whole_or_absent() {
    for (of, field) in [
        ("bio", "bi_blkg"),
        ("blkcg_gq", "blkcg"),
        ("blkcg", "css"),
        ("cgroup_subsys_state", "cgroup"),
        ("cgroup", "kn"),
        ("kernfs_node", "id"),
    ] {
        let mut kernel = Kernel::modern();
        kernel.remove(of, field);
        let facts = kernel.resolve().unwrap();
        assert_eq!(cgroup(&facts.layout), [ABSENT; 5], "without {of}.{field}");
        assert_eq!(facts.notes.len(), 1);
        assert!(facts.notes[0].contains("cgroups"), "{:?}", facts.notes);
    }
}

#[test]
fn a_kernel_without_block_cgroups_starts() {
    let mut kernel = Kernel::modern();
    kernel.remove("bio", "bi_blkg");
    kernel.structs.retain(|(name, _)| !matches!(*name, "blkcg_gq" | "blkcg" | "cgroup"));
    assert_eq!(cgroup(&layout(&kernel)), [ABSENT; 5]);
}

#[test]
fn the_union_that_was_an_id_before_5_5_is_no_id() {
    let mut kernel = Kernel::modern();
    let halves = vec![("ino", Is::Number(4), 0), ("generation", Is::Number(4), 4)];
    let id = vec![("", Is::Anonymous(4, halves), 0), ("id", Is::Number(8), 0)];
    kernel.change("kernfs_node", "id", Is::Anonymous(5, id));
    assert_eq!(cgroup(&layout(&kernel)), [ABSENT; 5]);
}

#[test]
fn each_mandatory_field_names_itself_when_it_is_missing() {
    let optional =
        ["timeout", "deadline", "disk", "diskseq", "bi_blkg", "blkcg", "css", "cgroup", "kn", "id"];
    let mut seen = 0;
    for (of, fields) in Kernel::modern().structs {
        for (field, ..) in fields.into_iter().filter(|(field, ..)| !optional.contains(field)) {
            let mut kernel = Kernel::modern();
            kernel.remove(of, field);
            let error = kernel.resolve().unwrap_err().to_string();
            let expected = format!("struct {of}: {field} is missing; iotruth supports Linux 5.10");
            assert!(error.starts_with(&expected), "{error}");
            seen += 1;
        }
    }
    assert_eq!(seen, 13 + 2 + 1 + 4);
}

#[test]
fn a_missing_structure_is_named() {
    let mut kernel = Kernel::modern();
    kernel.structs.retain(|(name, _)| *name != "blk_mq_hw_ctx");
    kernel.change("request", "mq_hctx", Is::To("blk_mq_hw_ctx"));
    let error = kernel.resolve().unwrap_err();
    // The pointer to it has lost its target too, and is looked at first.
    assert!(matches!(error, BtfError::FieldForm { of: "request", field: "mq_hctx", .. }));
    let mut kernel = Kernel::modern();
    kernel.structs.retain(|(name, _)| *name != "task_struct");
    assert_eq!(kernel.resolve(), Err(BtfError::StructMissing("task_struct")));
}

#[test]
fn bitfields_are_refused_however_they_are_written() {
    for bits in [Is::Bits(4), Is::OldBits(4)] {
        let mut kernel = Kernel::modern();
        kernel.change("request", "state", bits);
        let refused = BtfError::Bitfield { of: "request", field: "state" };
        assert_eq!(kernel.resolve(), Err(refused));
    }
}

#[test]
fn members_beside_a_bitfield_are_found() {
    let mut kernel = Kernel::modern();
    kernel.fields("request").push(("flag", Is::Bits(1), 100));
    assert_eq!(layout(&kernel).request_state, 76);
}

#[test]
fn a_field_of_another_size_is_refused_with_both_sizes() {
    let mut kernel = Kernel::modern();
    kernel.change("request", "__data_len", Is::Number(8));
    let error = kernel.resolve().unwrap_err().to_string();
    let expected =
        "struct request: __data_len should be a number of 4 bytes but is a number of 8 bytes;";
    assert!(error.starts_with(expected), "{error}");
    let mut kernel = Kernel::modern();
    kernel.change("task_struct", "comm", Is::Text(32));
    let error = kernel.resolve().unwrap_err().to_string();
    assert!(error.contains("a text of 16 bytes but is an array of 32 bytes"), "{error}");
}

#[test]
fn a_pointer_to_something_else_is_refused() {
    let mut kernel = Kernel::modern();
    kernel.change("request", "q", Is::To("bio"));
    let error = kernel.resolve().unwrap_err().to_string();
    assert!(error.contains("a pointer to struct request_queue but is"), "{error}");
}

#[test]
fn definitions_of_one_name_must_agree() {
    let mut kernel = Kernel::modern();
    let plain = layout(&kernel);
    let disk = kernel.structs.iter().find(|(name, _)| *name == "gendisk").unwrap().clone();
    kernel.structs.push(disk);
    kernel.structs.push(("gendisk", vec![("unrelated", Is::Number(4), 0)]));
    assert_eq!(layout(&kernel), plain);
    kernel.structs.push(("gendisk", vec![("major", Is::Number(4), 8)]));
    let error = BtfError::Ambiguous("struct gendisk: major".into());
    assert_eq!(kernel.resolve(), Err(error));
}
