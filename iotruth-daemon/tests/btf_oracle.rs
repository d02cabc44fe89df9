//! The facts about the machine's own kernel, against the crate btfparse as an oracle.
//!
//! A machine without BTF fails this test: nothing of iotruth works there.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its input shall stop")]
#![expect(clippy::wildcard_enum_match_arm, reason = "the oracle has a variant for each kind")]
#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the oracle does not export the type whose method it is"
)]

use btfparse::{Integer32Value, Integer64Value, Offset, Readable, TypeInformation, TypeVariant};
use iotruth::engine::{
    btf::{KernelFacts, resolve},
    flavor::{CommandFlagBits, Flavor, OperationNumbers, RequestFlagBits},
};
use iotruth_common::{
    layout::{ABSENT, Layout},
    probe::Probe,
};

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

struct Blob(Vec<u8>);

impl Readable for Blob {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> btfparse::Result<()> {
        let start = usize::try_from(offset).unwrap();
        buffer.copy_from_slice(&self.0[start..start + buffer.len()]);
        Ok(())
    }
}

struct Oracle(TypeInformation);

impl Oracle {
    /// Number of the structure of this name; other types may have the same one.
    fn structure(&self, name: &str) -> Option<u32> {
        self.0.get().iter().find_map(|(id, found)| match found {
            TypeVariant::Struct(found) if found.name().as_deref() == Some(name) => Some(*id),
            _ => None,
        })
    }

    /// Offset and size of a field.
    fn field(&self, of: &str, path: &str) -> Option<(u32, usize)> {
        let (id, offset) = self.0.offset_of(self.structure(of)?, path).ok()?;
        match offset {
            Offset::ByteOffset(offset) => Some((offset, self.0.size_of(id).unwrap())),
            Offset::BitOffsetAndSize(..) => None,
        }
    }

    /// Types of the arguments of a tracepoint, without the one that programs do not get.
    fn arguments(&self, tracepoint: &str) -> Option<Vec<u32>> {
        let name = format!("btf_trace_{tracepoint}");
        let typedef = self.0.get().values().find_map(|found| match found {
            TypeVariant::Typedef(found) if found.name().as_deref() == Some(&name) => Some(found),
            _ => None,
        })?;
        let prototype = self.0.pointee_tid(*typedef.tid()).unwrap();
        let Some(TypeVariant::FuncProto(prototype)) = self.0.from_id(prototype) else {
            panic!("{name} is no function");
        };
        Some(prototype.parameter_list().iter().skip(1).map(|it| it.tid()).collect())
    }

    fn request_argument(&self, probe: Probe) -> u32 {
        let instead = || self.parameters("blk_insert_flush").filter(|_| probe == Probe::Start);
        let arguments = self.arguments(probe.tracepoint()).or_else(instead);
        let Some(arguments) = arguments else { return ABSENT };
        let request = self.structure("request").unwrap();
        let place = arguments.iter().position(|id| self.0.pointee_tid(*id).ok() == Some(request));
        u32::try_from(place.unwrap()).unwrap()
    }

    fn enumerator(&self, name: &str) -> Option<u64> {
        self.0.get().values().find_map(|found| match found {
            TypeVariant::Enum(found) => {
                let value = found.named_value_list().iter().find(|value| value.name == name)?;
                Some(match value.value {
                    Integer32Value::Signed(value) => u64::try_from(value).unwrap(),
                    Integer32Value::Unsigned(value) => value.into(),
                })
            }
            TypeVariant::Enum64(found) => {
                let value = found.named_value_list().iter().find(|value| value.name == name)?;
                Some(match value.value {
                    Integer64Value::Signed(value) => u64::try_from(value).unwrap(),
                    Integer64Value::Unsigned(value) => value,
                })
            }
            _ => None,
        })
    }

    /// Types of the arguments of a function.
    fn parameters(&self, name: &str) -> Option<Vec<u32>> {
        let prototype = self.0.get().values().find_map(|found| match found {
            TypeVariant::Func(found) if found.name().as_deref() == Some(name) => {
                Some(*found.prototype_tid())
            }
            _ => None,
        })?;
        let Some(TypeVariant::FuncProto(prototype)) = self.0.from_id(prototype) else {
            panic!("{name} is no function");
        };
        Some(prototype.parameter_list().iter().map(|it| it.tid()).collect())
    }

    fn function(&self, name: &str) -> bool {
        self.0.get().values().any(|found| match found {
            TypeVariant::Func(found) => found.name().as_deref() == Some(name),
            _ => false,
        })
    }

    fn mask(&self, name: &str) -> u32 {
        self.enumerator(name).map_or(0, |bit| 1 << bit)
    }

    fn number(&self, name: &str) -> Option<u8> {
        self.enumerator(name).map(|number| u8::try_from(number).unwrap())
    }
}

#[test]
fn the_own_kernel_is_read_as_the_oracle_reads_it() {
    let blob = std::fs::read(VMLINUX)
        .unwrap_or_else(|error| panic!("{VMLINUX}: {error}; this test needs a kernel with BTF"));
    let facts = resolve(&blob).unwrap();
    let oracle = Oracle(TypeInformation::new(&Blob(blob)).unwrap());
    fields(&facts.layout, &oracle);
    arguments(&facts, &oracle);
    numbers(&facts.flavor, &oracle);
    let helper = oracle.enumerator("BPF_FUNC_get_current_task_btf");
    assert_eq!(facts.task_btf_helper, helper.is_some());
    assert_eq!(facts.recursion_guard, oracle.function("bpf_prog_inc_misses_counter"));
}

fn fields(layout: &Layout, oracle: &Oracle) {
    // Destructured, so that a new field cannot be forgotten here.
    let Layout {
        request_argument: _,
        request_queue,
        request_cmd_flags,
        request_rq_flags,
        request_tag,
        request_internal_tag,
        request_data_len,
        request_sector,
        request_bio,
        request_hctx,
        request_state,
        request_start_time,
        request_segments,
        request_references,
        request_timeout,
        request_deadline,
        request_bytes,
        request_disk,
        queue_disk,
        disk_major,
        disk_first_minor,
        disk_diskseq,
        hctx_queue_num,
        bio_blkg,
        blkg_blkcg,
        blkcg_cgroup,
        cgroup_kn,
        kn_id,
        task_flags,
        task_pid,
        task_tgid,
        task_comm,
    } = *layout;
    for (ours, of, path, size) in [
        (request_queue, "request", "q", 8),
        (request_cmd_flags, "request", "cmd_flags", 4),
        (request_rq_flags, "request", "rq_flags", 4),
        (request_tag, "request", "tag", 4),
        (request_internal_tag, "request", "internal_tag", 4),
        (request_data_len, "request", "__data_len", 4),
        (request_sector, "request", "__sector", 8),
        (request_bio, "request", "bio", 8),
        (request_hctx, "request", "mq_hctx", 8),
        (request_state, "request", "state", 4),
        (request_start_time, "request", "start_time_ns", 8),
        (request_segments, "request", "nr_phys_segments", 2),
        (disk_major, "gendisk", "major", 4),
        (disk_first_minor, "gendisk", "first_minor", 4),
        (hctx_queue_num, "blk_mq_hw_ctx", "queue_num", 4),
        (task_flags, "task_struct", "flags", 4),
        (task_pid, "task_struct", "pid", 4),
        (task_tgid, "task_struct", "tgid", 4),
        (task_comm, "task_struct", "comm", 16),
    ] {
        assert_eq!(Some((ours, size)), oracle.field(of, path), "struct {of}: {path}");
    }
    assert_eq!(Some((request_timeout, 4)), oracle.field("request", "timeout"));
    assert_eq!(Some((request_deadline, 8)), oracle.field("request", "deadline"));
    let references = oracle.field("request", "ref.counter");
    let references = references.or_else(|| oracle.field("request", "ref.refs.counter"));
    assert_eq!(Some((request_references, 4)), references);
    let whole = oracle.0.size_of(oracle.structure("request").unwrap()).unwrap();
    assert!(request_bytes > request_sector && request_bytes as usize <= whole);
    let of_request = oracle.field("request", "rq_disk");
    let of_queue = oracle.field("request_queue", "disk").filter(|_| of_request.is_none());
    assert!(of_queue.is_some() || of_request.is_some());
    assert_eq!(queue_disk, of_queue.map_or(ABSENT, |(offset, _)| offset));
    assert_eq!(request_disk, of_request.map_or(ABSENT, |(offset, _)| offset));
    let diskseq = oracle.field("gendisk", "diskseq");
    assert_eq!(disk_diskseq, diskseq.map_or(ABSENT, |(offset, _)| offset));
    let chain = [
        oracle.field("bio", "bi_blkg"),
        oracle.field("blkcg_gq", "blkcg"),
        oracle.field("blkcg", "css.cgroup"),
        oracle.field("cgroup", "kn"),
        oracle.field("kernfs_node", "id"),
    ];
    let whole = chain.iter().all(Option::is_some);
    let chain = chain.map(|found| found.filter(|_| whole).map_or(ABSENT, |(offset, _)| offset));
    assert_eq!([bio_blkg, blkg_blkcg, blkcg_cgroup, cgroup_kn, kn_id], chain);
}

fn arguments(facts: &KernelFacts, oracle: &Oracle) {
    for probe in Probe::ALL {
        let ours = facts.layout.request_argument[probe as usize];
        assert_eq!(ours, oracle.request_argument(probe), "{}", probe.tracepoint());
        assert_eq!(facts.missing_probes.contains(&probe), ours == ABSENT);
    }
    assert_eq!(facts.insert_flush, oracle.arguments("block_io_start").is_none());
    let place = facts.layout.request_argument[Probe::Complete as usize] as usize;
    let types = oracle.arguments("block_rq_complete").unwrap();
    let sizes: Vec<usize> = types.iter().map(|id| oracle.0.size_of(*id).unwrap()).collect();
    let status = if facts.flavor.status_is_errno { 4 } else { 1 };
    assert_eq!(sizes[place + 1..], [status, 4]);
}

fn numbers(flavor: &Flavor, oracle: &Oracle) {
    let enumerated = oracle.enumerator("__RQF_FLUSH_SEQ").is_some();
    let expected = Flavor {
        rqf: RequestFlagBits {
            flush_seq: if enumerated { oracle.mask("__RQF_FLUSH_SEQ") } else { 1 << 4 },
            timed_out: if enumerated { oracle.mask("__RQF_TIMED_OUT") } else { 1 << 21 },
            io_stat: if enumerated { oracle.mask("__RQF_IO_STAT") } else { 1 << 13 },
        },
        req: CommandFlagBits {
            sync: oracle.mask("__REQ_SYNC"),
            meta: oracle.mask("__REQ_META"),
            prio: oracle.mask("__REQ_PRIO"),
            idle: oracle.mask("__REQ_IDLE"),
            fua: oracle.mask("__REQ_FUA"),
            preflush: oracle.mask("__REQ_PREFLUSH"),
            rahead: oracle.mask("__REQ_RAHEAD"),
            background: oracle.mask("__REQ_BACKGROUND"),
            nowait: oracle.mask("__REQ_NOWAIT"),
            polled: oracle.mask("__REQ_POLLED") | oracle.mask("__REQ_HIPRI"),
            swap: oracle.mask("__REQ_SWAP"),
            drv: oracle.mask("__REQ_DRV"),
        },
        operations: OperationNumbers {
            read: 0,
            write: 1,
            flush: 2,
            discard: 3,
            secure_erase: oracle.number("REQ_OP_SECURE_ERASE"),
            write_zeroes: oracle.number("REQ_OP_WRITE_ZEROES"),
            zone: [
                oracle.number("REQ_OP_ZONE_OPEN"),
                oracle.number("REQ_OP_ZONE_CLOSE"),
                oracle.number("REQ_OP_ZONE_FINISH"),
                oracle.number("REQ_OP_ZONE_APPEND"),
                oracle.number("REQ_OP_ZONE_RESET"),
                oracle.number("REQ_OP_ZONE_RESET_ALL"),
            ],
            driver_in: oracle
                .number("REQ_OP_SCSI_IN")
                .or_else(|| oracle.number("REQ_OP_DRV_IN"))
                .unwrap(),
        },
        // Checked with the arguments.
        status_is_errno: flavor.status_is_errno,
        statuses_of_6_12: oracle.enumerator("__RQF_ZONE_WRITE_PLUGGING").is_some(),
    };
    assert_eq!(*flavor, expected);
}
