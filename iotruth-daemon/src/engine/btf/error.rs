//! Why the kernel's type information cannot be used.

use thiserror::Error;

/// What is said where the layout is not the expected one: nothing else helps.
macro_rules! layout_remedy {
    () => {
        "iotruth supports Linux 5.10 and later with block devices built in; if `uname -r` says that \
         this is one, its layout is new to iotruth: please report it"
    };
}

/// Why the kernel's type information cannot be used; each says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BtfError {
    /// The bytes do not begin like BTF.
    #[error(
        "not BTF: the magic number is missing; read /sys/kernel/btf/vmlinux, which exists where the \
         kernel was built with CONFIG_DEBUG_INFO_BTF=y"
    )]
    NotBtf,
    /// Written by a machine with the other byte order.
    #[error(
        "this BTF is of a big-endian kernel; iotruth runs on little-endian machines only (x86_64, \
         aarch64), and wants the BTF of the kernel that it runs on"
    )]
    BigEndian,
    /// A version of the format that did not exist when this was written.
    #[error("BTF version {0} is unknown, only version 1 is; a newer iotruth may know it")]
    Version(u8),
    /// The bytes contradict themselves.
    #[error(
        "damaged BTF at byte {offset}: {what}; a copy may have been cut short, \
         /sys/kernel/btf/vmlinux itself never is"
    )]
    Damaged {
        /// Where, from the first byte of the blob.
        offset: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A tracepoint without which iotruth cannot follow a life.
    #[error("tracepoint {0} is missing; {remedy}", remedy = layout_remedy!())]
    TracepointMissing(&'static str),
    /// A tracepoint does not pass what it should.
    #[error("tracepoint {tracepoint}: {what}; {remedy}", remedy = layout_remedy!())]
    Argument {
        /// Which tracepoint.
        tracepoint: &'static str,
        /// What is wrong with its arguments.
        what: &'static str,
    },
    /// A mandatory structure is not there.
    #[error("struct {0} is missing; {remedy}", remedy = layout_remedy!())]
    StructMissing(&'static str),
    /// A structure lacks a mandatory field.
    #[error("struct {of}: {field} is missing; {remedy}", remedy = layout_remedy!())]
    FieldMissing {
        /// The structure.
        of: &'static str,
        /// The field, dotted where it is inside an embedded structure.
        field: &'static str,
    },
    /// A field is not what the programs read.
    #[error(
        "struct {of}: {field} should be {expected} but is {found}; {remedy}",
        remedy = layout_remedy!()
    )]
    FieldForm {
        /// The structure.
        of: &'static str,
        /// The field.
        field: &'static str,
        /// What the programs read.
        expected: String,
        /// What the kernel has.
        found: String,
    },
    /// A field has no address of its own.
    #[error(
        "struct {of}: {field} is a bitfield, which has no byte offset; {remedy}",
        remedy = layout_remedy!()
    )]
    Bitfield {
        /// The structure.
        of: &'static str,
        /// The field.
        field: &'static str,
    },
    /// Two definitions of one name that do not agree.
    #[error("{0} is defined twice, and differently; {remedy}", remedy = layout_remedy!())]
    Ambiguous(String),
    /// A number without which records cannot be decoded.
    #[error("enumerator {0} is missing; {remedy}", remedy = layout_remedy!())]
    EnumeratorMissing(&'static str),
    /// A number that cannot be what its name says.
    #[error("enumerator {name} is {found}, expected {expected}; {remedy}", remedy = layout_remedy!())]
    EnumeratorValue {
        /// Which one.
        name: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: u64,
    },
}

impl BtfError {
    /// Whether the blob itself is bad, so that even an optional look-up must not go on.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::NotBtf | Self::BigEndian | Self::Version(_) | Self::Damaged { .. })
    }
}
