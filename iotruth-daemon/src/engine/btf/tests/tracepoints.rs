//! Arguments of the tracepoints.

use iotruth_common::{layout::ABSENT, probe::Probe};

use super::kernel::{Is, Kernel};
use crate::engine::btf::{BtfError, resolve};

fn position(kernel: &Kernel, probe: Probe) -> u32 {
    kernel.resolve().unwrap().layout.request_argument[probe as usize]
}

#[test]
fn early_5_10_passes_the_queue_before_the_request() {
    let mut kernel = Kernel::modern();
    for tracepoint in ["block_rq_insert", "block_rq_issue", "block_rq_requeue", "block_rq_merge"] {
        kernel.arguments(tracepoint).insert(0, Is::To("request_queue"));
    }
    kernel.arguments("block_rq_remap").insert(0, Is::To("request_queue"));
    for probe in [Probe::Insert, Probe::Issue, Probe::Requeue, Probe::Merge, Probe::Remap] {
        assert_eq!(position(&kernel, probe), 1, "{probe:?}");
    }
    assert_eq!(position(&kernel, Probe::Complete), 0);
}

#[test]
fn the_type_of_the_status_tells_its_meaning() {
    let mut kernel = Kernel::modern();
    assert!(!kernel.resolve().unwrap().flavor.status_is_errno);
    kernel.arguments("block_rq_complete")[1] = Is::Number(4);
    assert!(kernel.resolve().unwrap().flavor.status_is_errno);
    kernel.arguments("block_rq_complete")[1] = Is::Number(8);
    let error = kernel.resolve().unwrap_err().to_string();
    let expected = "tracepoint block_rq_complete: the argument after the request is neither";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn a_completion_without_bytes_is_refused() {
    let mut kernel = Kernel::modern();
    kernel.arguments("block_rq_complete").pop();
    let error = kernel.resolve().unwrap_err().to_string();
    assert!(error.contains("not a number of bytes"), "{error}");
}

#[test]
fn block_io_start_may_be_missing() {
    let mut kernel = Kernel::modern();
    kernel.tracepoints.retain(|(name, _)| *name != "btf_trace_block_io_start");
    kernel.functions.clear();
    let facts = kernel.resolve().unwrap();
    assert_eq!(facts.missing_probes, [Probe::Start]);
    assert!(!facts.insert_flush);
    assert_eq!(facts.layout.request_argument, [0, 0, 0, 0, 0, 0, ABSENT]);
    assert!(facts.notes.is_empty(), "{:?}", facts.notes);
}

#[test]
fn blk_insert_flush_is_there_in_the_place_of_block_io_start() {
    let mut kernel = Kernel::modern();
    assert!(!kernel.resolve().unwrap().insert_flush, "where both are, the tracepoint is better");
    kernel.tracepoints.retain(|(name, _)| *name != "btf_trace_block_io_start");
    let facts = kernel.resolve().unwrap();
    assert!(facts.insert_flush);
    assert!(facts.missing_probes.is_empty() && facts.notes.is_empty(), "{facts:?}");
    assert_eq!(position(&kernel, Probe::Start), 0);
    kernel.functions[0].1.insert(0, Is::To("request_queue"));
    assert_eq!(position(&kernel, Probe::Start), 1);
    for other in [vec![], vec![Is::To("bio")]] {
        kernel.functions[0].1 = other;
        let facts = kernel.resolve().unwrap();
        assert!(!facts.insert_flush, "it is given no request");
        assert_eq!(facts.missing_probes, [Probe::Start]);
    }
}

#[test]
fn each_other_tracepoint_is_mandatory() {
    for probe in Probe::ALL.into_iter().filter(|probe| probe.mandatory()) {
        let mut kernel = Kernel::modern();
        let name = format!("btf_trace_{}", probe.tracepoint());
        kernel.tracepoints.retain(|(of, _)| *of != name);
        assert_eq!(kernel.resolve(), Err(BtfError::TracepointMissing(probe.tracepoint())));
    }
}

#[test]
fn a_tracepoint_without_a_request_is_refused() {
    let mut kernel = Kernel::modern();
    *kernel.arguments("block_rq_issue") = vec![Is::To("bio"), Is::Number(8)];
    let error = kernel.resolve().unwrap_err().to_string();
    let expected = "tracepoint block_rq_issue: no argument is a pointer to struct request";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn programs_are_guarded_where_the_kernel_has_the_function_that_counts_skips() {
    let facts = |function| {
        let mut blob = Kernel::modern().blob();
        blob.add(function, 12, 0, &[]);
        resolve(&blob.bytes()).unwrap()
    };
    assert!(facts("bpf_prog_inc_misses_counter").recursion_guard);
    assert!(!facts("bpf_prog_inc_misses_counters").recursion_guard);
}

#[test]
fn tracepoints_are_preemptible_where_their_grace_periods_are_those_of_srcu() {
    let mut kernel = Kernel::modern();
    assert!(!kernel.resolve().unwrap().preemptible_tracepoints);
    let number = |name, at| (name, Is::Number(8), at);
    kernel.structs.push(("tp_transition_snapshot", vec![number("rcu", 0), number("srcu", 8)]));
    assert!(!kernel.resolve().unwrap().preemptible_tracepoints);
    kernel.fields("tp_transition_snapshot")[1] = number("srcu_gp", 8);
    assert!(kernel.resolve().unwrap().preemptible_tracepoints);
}
