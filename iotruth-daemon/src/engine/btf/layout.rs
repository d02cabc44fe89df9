//! Where the fields are: one row for each field that the programs read.

use bytemuck::Zeroable;
use iotruth_common::layout::{ABSENT, Layout};

use self::Form::{Number, Pointer, Text};
use super::{
    error::BtfError,
    index::Index,
    reader::{Kind, Type},
    types::Member,
};

/// What a program loads from a field.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// An integer or enum of so many bytes.
    Number(u32),
    /// An array of so many characters.
    Text(u32),
    /// A pointer to the structure of this name.
    Pointer(&'static str),
}

/// A field of the kernel, and its place in [`Layout`].
struct Row {
    of: &'static str,
    /// Dotted where it is inside an embedded structure.
    field: &'static str,
    form: Form,
    slot: fn(&mut Layout) -> &mut u32,
}

const fn row(
    of: &'static str,
    field: &'static str,
    form: Form,
    slot: fn(&mut Layout) -> &mut u32,
) -> Row {
    Row { of, field, form, slot }
}

/// Without these iotruth does not start.
const MANDATORY: &[Row] = &[
    row("request", "q", Pointer("request_queue"), |l| &mut l.request_queue),
    row("request", "cmd_flags", Number(4), |l| &mut l.request_cmd_flags),
    row("request", "rq_flags", Number(4), |l| &mut l.request_rq_flags),
    row("request", "tag", Number(4), |l| &mut l.request_tag),
    row("request", "internal_tag", Number(4), |l| &mut l.request_internal_tag),
    row("request", "__data_len", Number(4), |l| &mut l.request_data_len),
    row("request", "__sector", Number(8), |l| &mut l.request_sector),
    row("request", "bio", Pointer("bio"), |l| &mut l.request_bio),
    row("request", "mq_hctx", Pointer("blk_mq_hw_ctx"), |l| &mut l.request_hctx),
    row("request", "state", Number(4), |l| &mut l.request_state),
    row("request", "start_time_ns", Number(8), |l| &mut l.request_start_time),
    row("request", "nr_phys_segments", Number(2), |l| &mut l.request_segments),
    row("gendisk", "major", Number(4), |l| &mut l.disk_major),
    row("gendisk", "first_minor", Number(4), |l| &mut l.disk_first_minor),
    row("blk_mq_hw_ctx", "queue_num", Number(4), |l| &mut l.hctx_queue_num),
    row("task_struct", "flags", Number(4), |l| &mut l.task_flags),
    row("task_struct", "pid", Number(4), |l| &mut l.task_pid),
    row("task_struct", "tgid", Number(4), |l| &mut l.task_tgid),
    row("task_struct", "comm", Text(16), |l| &mut l.task_comm),
];

/// The way to the disk: the first that the kernel has. 5.15 has both, and counts a request for the disk
/// that it names itself: none for much passthrough.
const DISK: [Row; 2] = [
    row("request", "rq_disk", Pointer("gendisk"), |l| &mut l.request_disk),
    row("request_queue", "disk", Pointer("gendisk"), |l| &mut l.queue_disk),
];

/// The counter of references: a `refcount_t` up to Linux 5.15, an `atomic_t` in 6.1.
const REFERENCES: [Row; 2] = [
    row("request", "ref.counter", Number(4), |l| &mut l.request_references),
    row("request", "ref.refs.counter", Number(4), |l| &mut l.request_references),
];

const DISKSEQ: Row = row("gendisk", "diskseq", Number(8), |l| &mut l.disk_diskseq);

const TIMEOUT: Row = row("request", "timeout", Number(4), |l| &mut l.request_timeout);

const DEADLINE: Row = row("request", "deadline", Number(8), |l| &mut l.request_deadline);

/// From a bio to the id of its cgroup: a chain that is of use only as a whole.
const CGROUP: &[Row] = &[
    row("bio", "bi_blkg", Pointer("blkcg_gq"), |l| &mut l.bio_blkg),
    row("blkcg_gq", "blkcg", Pointer("blkcg"), |l| &mut l.blkg_blkcg),
    row("blkcg", "css.cgroup", Pointer("cgroup"), |l| &mut l.blkcg_cgroup),
    row("cgroup", "kn", Pointer("kernfs_node"), |l| &mut l.cgroup_kn),
    // Before 5.5 a union of the same size, whose halves mean something else.
    row("kernfs_node", "id", Number(8), |l| &mut l.kn_id),
];

/// The structures that the rows name, each once.
pub(super) fn structs() -> Vec<&'static str> {
    let mut names = Vec::new();
    for row in MANDATORY.iter().chain(&DISK).chain([&DISKSEQ]).chain(CGROUP) {
        if !names.contains(&row.of) {
            names.push(row.of);
        }
    }
    names
}

/// Resolves every field; adds a sentence to `notes` for each thing that is off without one.
///
/// The arguments of the tracepoints stay [`ABSENT`].
pub(super) fn resolve(index: &Index<'_>, notes: &mut Vec<String>) -> Result<Layout, BtfError> {
    let mut layout = Layout::zeroed();
    bytemuck::cast_slice_mut::<Layout, u32>(std::slice::from_mut(&mut layout)).fill(ABSENT);
    for row in MANDATORY {
        *(row.slot)(&mut layout) = offset(index, row)?;
    }
    let disk = "disk (or struct request: rq_disk)";
    first_of(index, &DISK, ("request_queue", disk), &mut layout)?;
    first_of(index, &REFERENCES, ("request", "ref"), &mut layout)?;
    match optional(index, &TIMEOUT)? {
        Some(found) => *(TIMEOUT.slot)(&mut layout) = found,
        None => notes.push(
            "struct request: timeout is not as expected, so it is not known how long a driver is \
             given for a request: hung_in_device and late are not shown."
                .into(),
        ),
    }
    match optional(index, &DEADLINE)? {
        Some(found) => *(DEADLINE.slot)(&mut layout) = found,
        None => notes.push(
            "struct request: deadline is not as expected, so while events are lost nothing tells one \
             attempt at a request from the next: how long it has been with its driver counts from the \
             last loss."
                .into(),
        ),
    }
    layout.request_bytes = request_bytes(&layout);
    match optional(index, &DISKSEQ)? {
        Some(found) => *(DISKSEQ.slot)(&mut layout) = found,
        None => notes.push(
            "This kernel does not number its disks (gendisk.diskseq came with Linux 5.15): a disk \
             that takes over the device number of a removed one within a second may be taken \
             for it."
                .into(),
        ),
    }
    cgroup(index, &mut layout, notes)?;
    Ok(layout)
}

/// Resolves the first of `rows` that this kernel has; `missing` is what the error calls them.
fn first_of(
    index: &Index<'_>,
    rows: &[Row],
    (of, field): (&'static str, &'static str),
    layout: &mut Layout,
) -> Result<(), BtfError> {
    for row in rows {
        match offset(index, row) {
            Err(BtfError::FieldMissing { .. }) => {}
            found => {
                *(row.slot)(layout) = found?;
                return Ok(());
            }
        }
    }
    Err(BtfError::FieldMissing { of, field })
}

/// The end of the last field by which a request is known again.
fn request_bytes(layout: &Layout) -> u32 {
    let fields = [
        (layout.request_queue, 8),
        (layout.request_cmd_flags, 4),
        (layout.request_rq_flags, 4),
        (layout.request_tag, 4),
        (layout.request_data_len, 4),
        (layout.request_sector, 8),
        (layout.request_state, 4),
        (layout.request_start_time, 8),
        (layout.request_references, 4),
    ];
    let optional = [(layout.request_timeout, 4), (layout.request_deadline, 8)];
    let optional = optional.iter().filter(|(offset, _)| *offset != ABSENT);
    let fields = fields.iter().chain(optional);
    fields.map(|(offset, size)| offset.saturating_add(*size)).max().unwrap_or_default()
}

fn cgroup(index: &Index<'_>, layout: &mut Layout, notes: &mut Vec<String>) -> Result<(), BtfError> {
    let mut offsets = Vec::with_capacity(CGROUP.len());
    for row in CGROUP {
        let Some(found) = optional(index, row)? else {
            notes.push(format!(
                "Requests are not assigned to cgroups: struct {}: {} is not as expected (kernels \
                 built without CONFIG_BLK_CGROUP do not have it).",
                row.of, row.field
            ));
            return Ok(());
        };
        offsets.push(found);
    }
    for (row, found) in CGROUP.iter().zip(offsets) {
        *(row.slot)(layout) = found;
    }
    Ok(())
}

/// Looks for a field that may be missing or different; a damaged blob is still an error.
fn optional(index: &Index<'_>, row: &Row) -> Result<Option<u32>, BtfError> {
    match offset(index, row) {
        Err(error) if error.is_damage() => Err(error),
        found => Ok(found.ok()),
    }
}

/// The byte offset of a field whose form is as expected.
///
/// Definitions of the same name that lack the field belong to somebody else; those that have it
/// must agree, because nothing says which of them the kernel means.
fn offset(index: &Index<'_>, row: &Row) -> Result<u32, BtfError> {
    let Row { of, field, .. } = *row;
    let mut defined = false;
    let mut agreed = None;
    for definition in index.structs(of) {
        defined = true;
        let Some((container, member)) = walk(index, definition, field)? else { continue };
        if member.bitfield {
            return Err(BtfError::Bitfield { of, field });
        }
        check(index, row, definition, &container, &member)?;
        if agreed.is_some_and(|offset| offset != member.offset) {
            return Err(BtfError::Ambiguous(format!("struct {of}: {field}")));
        }
        agreed = Some(member.offset);
    }
    match agreed {
        Some(offset) => Ok(offset),
        None if defined => Err(BtfError::FieldMissing { of, field }),
        None => Err(BtfError::StructMissing(of)),
    }
}

/// Follows a dotted path; the last member, with its offset from the outermost structure, and the
/// structure that it was found in.
fn walk<'a>(
    index: &Index<'a>,
    definition: &Type<'a>,
    path: &str,
) -> Result<Option<(Type<'a>, Member)>, BtfError> {
    let mut container = *definition;
    let mut base = 0_u32;
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let Some(member) = index.member(&container, name)? else { return Ok(None) };
        let what = "a member lies beyond every structure";
        let offset = base
            .checked_add(member.offset)
            .ok_or(BtfError::Damaged { offset: container.at, what })?;
        if names.peek().is_none() {
            return Ok(Some((container, Member { offset, ..member })));
        }
        match index.strip(&container, member.type_id)? {
            Some(inner) if inner.kind == Kind::Struct && !member.bitfield => container = inner,
            _ => return Ok(None),
        }
        base = offset;
    }
    Ok(None)
}

/// Refuses a field that a program would misread.
fn check(
    index: &Index<'_>,
    row: &Row,
    definition: &Type<'_>,
    container: &Type<'_>,
    member: &Member,
) -> Result<(), BtfError> {
    let found = index.strip(container, member.type_id)?;
    let size = match &found {
        Some(found) => index.size(found)?,
        None => None,
    };
    let kind = found.map(|found| found.kind);
    let right = match row.form {
        Number(bytes) => {
            matches!(kind, Some(Kind::Int | Kind::Enum | Kind::Enum64)) && size == Some(bytes)
        }
        Text(bytes) => kind == Some(Kind::Array) && size == Some(bytes),
        Pointer(name) => index.points_to(container, member.type_id, name)?,
    };
    if right {
        let end = size.and_then(|size| member.offset.checked_add(size));
        if end.is_some_and(|end| end <= definition.word) {
            return Ok(());
        }
        let what = "a member lies outside of its structure";
        return Err(BtfError::Damaged { offset: definition.at, what });
    }
    let expected = match row.form {
        Number(bytes) => format!("a number of {bytes} bytes"),
        Text(bytes) => format!("a text of {bytes} bytes"),
        Pointer(name) => format!("a pointer to struct {name}"),
    };
    let found = match (kind, size) {
        (Some(Kind::Pointer), _) => "a pointer to something else".to_owned(),
        (Some(kind), Some(size)) => format!("{} of {size} bytes", kind.word()),
        (Some(kind), None) => kind.word().to_owned(),
        (None, _) => "void".to_owned(),
    };
    Err(BtfError::FieldForm { of: row.of, field: row.field, expected, found })
}
