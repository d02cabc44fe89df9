//! A kernel in a few lines, whose structures, tracepoints and numbers tests change at will.

use super::blob::{Blob, Member};
use crate::engine::btf::{BtfError, KernelFacts, resolve};

/// The type of a field or argument.
#[derive(Clone)]
pub(super) enum Is {
    /// A number of so many bytes.
    Number(u32),
    /// An array of so many characters.
    Text(u32),
    /// A pointer to a structure, or to void where the name is empty.
    To(&'static str),
    /// A structure inside this one, by name.
    Embedded(&'static str),
    /// An anonymous structure (4) or union (5).
    Anonymous(u32, Vec<Field>),
    /// Behind a qualifier of this kind: volatile 9, const 10, restrict 11, type tag 18.
    Qualified(u32, Box<Is>),
    /// Behind a typedef.
    Named(&'static str, Box<Is>),
    /// A bitfield of so many bits, as kernels write it now.
    Bits(u32),
    /// A bitfield of so many bits, as it was written before.
    OldBits(u32),
    /// A pointer whose target is tagged (`__rcu`).
    TaggedTo(&'static str),
}

/// A field: name, type, offset in bytes.
pub(super) type Field = (&'static str, Is, u32);

pub(super) struct Kernel {
    pub(super) structs: Vec<(&'static str, Vec<Field>)>,
    pub(super) tracepoints: Vec<(&'static str, Vec<Is>)>,
    pub(super) functions: Vec<(&'static str, Vec<Is>)>,
    pub(super) enums: Vec<Vec<(&'static str, u64)>>,
    /// Write the enums with 64-bit values.
    pub(super) wide: bool,
}

/// One word for each event whose only argument is the request.
const PLAIN: [&str; 5] = [
    "btf_trace_block_rq_insert",
    "btf_trace_block_rq_issue",
    "btf_trace_block_rq_requeue",
    "btf_trace_block_rq_merge",
    "btf_trace_block_io_start",
];

impl Kernel {
    /// Made like Linux 6.12, with offsets that are easy to tell apart.
    pub(super) fn modern() -> Self {
        use Is::{Embedded, Number, Text, To};
        let structs = vec![
            (
                "request",
                vec![
                    ("q", To("request_queue"), 0),
                    ("mq_hctx", To("blk_mq_hw_ctx"), 16),
                    ("cmd_flags", Is::Named("blk_opf_t", Box::new(Number(4))), 24),
                    ("rq_flags", Number(4), 28),
                    ("tag", Number(4), 32),
                    ("internal_tag", Number(4), 36),
                    ("__data_len", Number(4), 44),
                    ("__sector", Number(8), 48),
                    ("bio", To("bio"), 56),
                    ("start_time_ns", Number(8), 64),
                    ("nr_phys_segments", Number(2), 72),
                    ("state", Number(4), 76),
                    ("ref", Is::Anonymous(4, vec![("counter", Number(4), 0)]), 80),
                    ("timeout", Number(4), 84),
                    ("deadline", Number(8), 88),
                ],
            ),
            ("request_queue", vec![("disk", To("gendisk"), 104)]),
            (
                "gendisk",
                vec![
                    ("major", Number(4), 0),
                    ("first_minor", Number(4), 4),
                    ("diskseq", Number(8), 512),
                ],
            ),
            ("blk_mq_hw_ctx", vec![("queue_num", Number(4), 364)]),
            ("bio", vec![("bi_blkg", To("blkcg_gq"), 72)]),
            ("blkcg_gq", vec![("blkcg", To("blkcg"), 40)]),
            ("blkcg", vec![("css", Embedded("cgroup_subsys_state"), 16)]),
            ("cgroup_subsys_state", vec![("cgroup", To("cgroup"), 8)]),
            ("cgroup", vec![("kn", To("kernfs_node"), 256)]),
            ("kernfs_node", vec![("id", Number(8), 96)]),
            (
                "task_struct",
                vec![
                    ("flags", Number(4), 44),
                    ("pid", Number(4), 1264),
                    ("tgid", Number(4), 1268),
                    ("comm", Text(16), 1752),
                ],
            ),
        ];
        let request = || Is::To("request");
        let status = Is::Named("blk_status_t", Box::new(Number(1)));
        let mut tracepoints: Vec<_> = PLAIN.map(|name| (name, vec![request()])).into();
        tracepoints.push(("btf_trace_block_rq_complete", vec![request(), status, Number(4)]));
        tracepoints.push(("btf_trace_block_rq_remap", vec![request(), Number(4), Number(8)]));
        let functions = vec![("blk_insert_flush", vec![request()])];
        Self { structs, tracepoints, functions, enums: numbers_of_6_12(), wide: false }
    }

    pub(super) fn fields(&mut self, of: &str) -> &mut Vec<Field> {
        &mut self.structs.iter_mut().find(|(name, _)| *name == of).unwrap().1
    }

    pub(super) fn remove(&mut self, of: &str, field: &str) {
        let before = self.fields(of).len();
        self.fields(of).retain(|(name, ..)| *name != field);
        assert_eq!(self.fields(of).len() + 1, before, "struct {of} has no {field} to remove");
    }

    pub(super) fn change(&mut self, of: &str, field: &str, to: Is) {
        self.fields(of).iter_mut().find(|(name, ..)| *name == field).unwrap().1 = to;
    }

    pub(super) fn arguments(&mut self, tracepoint: &str) -> &mut Vec<Is> {
        let name = format!("btf_trace_{tracepoint}");
        &mut self.tracepoints.iter_mut().find(|(of, _)| *of == name).unwrap().1
    }

    pub(super) fn remove_enumerators(&mut self, prefix: &str) {
        for values in &mut self.enums {
            values.retain(|(name, _)| !name.starts_with(prefix));
        }
    }

    pub(super) fn resolve(&self) -> Result<KernelFacts, BtfError> {
        resolve(&self.bytes())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.blob().bytes()
    }

    pub(super) fn blob(&self) -> Blob {
        let mut blob = Blob::default();
        let ids: Vec<u32> = self.structs.iter().map(|_| blob.reserve()).collect();
        for ((name, fields), id) in self.structs.iter().zip(&ids) {
            let words = self.structure(&mut blob, &ids, name, 4, fields);
            blob.define(*id, words);
        }
        let data = blob.pointer(0);
        for (name, arguments) in &self.tracepoints {
            let mut parameters = vec![data];
            for argument in arguments {
                parameters.push(self.lay(&mut blob, &ids, argument));
            }
            let prototype = blob.prototype(&parameters);
            let function = blob.pointer(prototype);
            blob.typedef(name, function);
        }
        for (name, arguments) in &self.functions {
            let parameters: Vec<u32> =
                arguments.iter().map(|argument| self.lay(&mut blob, &ids, argument)).collect();
            let prototype = blob.prototype(&parameters);
            blob.add(name, 12, prototype, &[]);
        }
        for values in &self.enums {
            blob.enumeration(self.wide, values);
        }
        blob
    }

    fn structure(
        &self,
        blob: &mut Blob,
        ids: &[u32],
        name: &str,
        kind: u32,
        fields: &[Field],
    ) -> Vec<u32> {
        let members: Vec<Member<'_>> = fields
            .iter()
            .map(|(name, is, offset)| {
                let width = if let Is::Bits(width) = is { *width } else { 0 };
                (*name, self.lay(blob, ids, is), offset * 8, width)
            })
            .collect();
        blob.structure(name, kind, &members)
    }

    /// Writes a type; its number.
    fn lay(&self, blob: &mut Blob, ids: &[u32], is: &Is) -> u32 {
        let by_name = |of: &str| {
            let place = self.structs.iter().position(|(name, _)| *name == of);
            place.map_or(0, |place| *ids.get(place).unwrap())
        };
        match is {
            Is::Number(size) => blob.int("number", *size),
            Is::Text(length) => {
                let letter = blob.int("char", 1);
                blob.array(letter, *length)
            }
            Is::To(of) => blob.pointer(by_name(of)),
            Is::TaggedTo(of) => {
                let tag = blob.add("rcu", 18, by_name(of), &[]);
                blob.pointer(tag)
            }
            Is::Embedded(of) => by_name(of),
            Is::Anonymous(kind, fields) => {
                let words = self.structure(blob, ids, "", *kind, fields);
                let id = blob.reserve();
                blob.define(id, words);
                id
            }
            Is::Qualified(kind, inner) => {
                let inner = self.lay(blob, ids, inner);
                blob.add("", *kind, inner, &[])
            }
            Is::Named(name, inner) => {
                let inner = self.lay(blob, ids, inner);
                blob.typedef(name, inner)
            }
            Is::Bits(_) => blob.int("number", 4),
            Is::OldBits(width) => blob.add("number", 1, 4, &[*width]),
        }
    }
}

fn numbers_of_6_12() -> Vec<Vec<(&'static str, u64)>> {
    vec![
        vec![("MQ_RQ_IDLE", 0), ("MQ_RQ_IN_FLIGHT", 1), ("MQ_RQ_COMPLETE", 2)],
        vec![
            ("REQ_OP_READ", 0),
            ("REQ_OP_WRITE", 1),
            ("REQ_OP_FLUSH", 2),
            ("REQ_OP_DISCARD", 3),
            ("REQ_OP_SECURE_ERASE", 5),
            ("REQ_OP_ZONE_APPEND", 7),
            ("REQ_OP_WRITE_ZEROES", 9),
            ("REQ_OP_ZONE_OPEN", 11),
            ("REQ_OP_ZONE_CLOSE", 13),
            ("REQ_OP_ZONE_FINISH", 15),
            ("REQ_OP_ZONE_RESET", 17),
            ("REQ_OP_ZONE_RESET_ALL", 19),
            ("REQ_OP_DRV_IN", 34),
        ],
        vec![
            ("__REQ_SYNC", 11),
            ("__REQ_META", 12),
            ("__REQ_PRIO", 13),
            ("__REQ_IDLE", 15),
            ("__REQ_FUA", 17),
            ("__REQ_PREFLUSH", 18),
            ("__REQ_RAHEAD", 19),
            ("__REQ_BACKGROUND", 20),
            ("__REQ_NOWAIT", 21),
            ("__REQ_POLLED", 22),
            ("__REQ_SWAP", 24),
            ("__REQ_DRV", 25),
        ],
        vec![
            ("__RQF_FLUSH_SEQ", 1),
            ("__RQF_IO_STAT", 8),
            ("__RQF_ZONE_WRITE_PLUGGING", 13),
            ("__RQF_TIMED_OUT", 14),
        ],
        vec![("BPF_FUNC_get_current_task_btf", 158)],
    ]
}
