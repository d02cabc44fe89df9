//! The bytes of a BTF blob: header, sections, and one type after the other, every bound checked.
//!
//! Format: Documentation/bpf/btf.rst and include/uapi/linux/btf.h of the kernel.

use super::error::BtfError;

const MAGIC: u16 = 0xeb9f;
/// Bytes of the header that every version has.
const HEADER: usize = 24;
/// Bytes of a header that also has the layout section.
const HEADER_WITH_LAYOUT: usize = 32;
/// Bytes of a type before what its kind adds.
const TYPE: usize = 12;

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Pointer,
    Array,
    Struct,
    Union,
    Enum,
    Forward,
    Typedef,
    /// `const`, `volatile`, `restrict` or a type tag: changes nothing about layout.
    Qualifier,
    Function,
    Prototype,
    Variable,
    Section,
    Float,
    DeclarationTag,
    Enum64,
    /// Newer than this code, but the blob tells how long it is.
    Unknown,
}

impl Kind {
    fn from_wire(number: u32) -> Self {
        match number {
            1 => Self::Int,
            2 => Self::Pointer,
            3 => Self::Array,
            4 => Self::Struct,
            5 => Self::Union,
            6 => Self::Enum,
            7 => Self::Forward,
            8 => Self::Typedef,
            9..=11 | 18 => Self::Qualifier,
            12 => Self::Function,
            13 => Self::Prototype,
            14 => Self::Variable,
            15 => Self::Section,
            16 => Self::Float,
            17 => Self::DeclarationTag,
            19 => Self::Enum64,
            _ => Self::Unknown,
        }
    }

    /// Bytes that follow the type once, and bytes that follow for each element.
    fn tail(self) -> Option<(usize, usize)> {
        match self {
            Self::Int | Self::Variable | Self::DeclarationTag => Some((4, 0)),
            Self::Array => Some((12, 0)),
            Self::Struct | Self::Union | Self::Section | Self::Enum64 => Some((0, 12)),
            Self::Enum | Self::Prototype => Some((0, 8)),
            Self::Pointer
            | Self::Forward
            | Self::Typedef
            | Self::Qualifier
            | Self::Function
            | Self::Float => Some((0, 0)),
            Self::Unknown => None,
        }
    }

    /// The word for messages.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Int => "a number",
            Self::Pointer => "a pointer",
            Self::Array => "an array",
            Self::Struct => "a struct",
            Self::Union => "a union",
            Self::Enum | Self::Enum64 => "an enum",
            Self::Forward => "an incomplete type",
            Self::Typedef => "a typedef",
            Self::Qualifier => "a qualified type",
            Self::Function | Self::Prototype => "a function",
            Self::Variable => "a variable",
            Self::Section => "a section",
            Self::Float => "a floating-point number",
            Self::DeclarationTag => "a tag",
            Self::Unknown => "a type of an unknown kind",
        }
    }
}

/// One type of the type section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'a> {
    /// Where it begins, from the first byte of the blob; for messages.
    pub(super) at: usize,
    /// Offset of its name in the strings; 0 where it has none.
    pub(super) name: u32,
    pub(super) kind: Kind,
    /// For structures: member offsets carry a bitfield size in their upper 8 bits.
    pub(super) flagged: bool,
    /// Its size in bytes, or the number of the type it refers to: depends on the kind.
    pub(super) word: u32,
    /// What its kind adds: members, parameters, enumerators and the like.
    pub(super) tail: &'a [u8],
}

impl<'a> Type<'a> {
    /// The elements of `N` bytes each: members, parameters or enumerators.
    pub(super) fn elements<const N: usize>(
        &self,
    ) -> impl Iterator<Item = &'a [u8; N]> + use<'a, N> {
        self.tail.as_chunks::<N>().0.iter()
    }

    /// A word of the tail.
    pub(super) fn tail_word(&self, index: usize) -> Option<u32> {
        word(self.tail, index.checked_mul(4)?)
    }
}

/// The little-endian word at this offset.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The sections of a blob.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sections<'a> {
    types: &'a [u8],
    /// Where the type section begins in the blob; for messages.
    types_at: usize,
    strings: &'a [u8],
    /// Since 2026 (`struct btf_layout`): how long types of each kind are, 4 bytes a kind; lets this
    /// code step over kinds that it does not know. Empty in older blobs.
    kinds: &'a [u8],
}

impl<'a> Sections<'a> {
    /// Finds the sections.
    pub(super) fn find(blob: &'a [u8]) -> Result<Self, BtfError> {
        let (Some(magic), Some(version)) = (blob.first_chunk::<2>(), blob.get(2)) else {
            return Err(BtfError::NotBtf);
        };
        match u16::from_le_bytes(*magic) {
            MAGIC => {}
            swapped if swapped == MAGIC.swap_bytes() => return Err(BtfError::BigEndian),
            _ => return Err(BtfError::NotBtf),
        }
        if *version != 1 {
            return Err(BtfError::Version(*version));
        }
        let header = word(blob, 4).map_or(0, |length| length as usize);
        if header < HEADER || header > blob.len() {
            return Err(BtfError::Damaged {
                offset: 4,
                what: "the header has an impossible length",
            });
        }
        let (types, types_at) = section(blob, header, 8, "the types lie outside of the blob")?;
        let (strings, strings_at) =
            section(blob, header, 16, "the strings lie outside of the blob")?;
        // The kernel refuses gaps too. Without this, a wrong length that happens to end between two
        // types would pass, and what lies behind it would look like a feature of another kernel.
        if header == HEADER
            && (types_at != header
                || strings_at != types_at + types.len()
                || strings_at + strings.len() != blob.len())
        {
            let what = "the sections do not fill the blob";
            return Err(BtfError::Damaged { offset: 8, what });
        }
        // With a zero at both ends, offset 0 is the empty name and every name ends.
        if strings.first() != Some(&0) || strings.last() != Some(&0) {
            let what = "the strings do not begin and end with a zero";
            return Err(BtfError::Damaged { offset: strings_at, what });
        }
        let kinds = if header >= HEADER_WITH_LAYOUT {
            section(blob, header, 24, "the lengths of kinds lie outside of the blob")?.0
        } else {
            &[]
        };
        Ok(Self { types, types_at, strings, kinds })
    }

    /// Roughly how many types there are: what to reserve for a table of them.
    pub(super) fn expected_types(&self) -> usize {
        // In kernels a type takes 24 to 30 bytes with its tail.
        self.types.len() / 24
    }

    /// The type at this offset of the type section, and the offset of the next; `None` at the end.
    pub(super) fn type_at(&self, start: usize) -> Result<Option<(Type<'a>, usize)>, BtfError> {
        let Some(rest) = self.types.get(start..).filter(|rest| !rest.is_empty()) else {
            return Ok(None);
        };
        let at = self.types_at + start;
        let cut = BtfError::Damaged { offset: at, what: "a type is cut short" };
        let (Some(name), Some(info), Some(word)) = (word(rest, 0), word(rest, 4), word(rest, 8))
        else {
            return Err(cut);
        };
        // Since 2026 the element count has 24 bits and the kind 7; before, the additional bits
        // had to be zero.
        let elements = (info & 0x00ff_ffff) as usize;
        let number = info >> 24 & 0x7f;
        let kind = Kind::from_wire(number);
        let Some((once, each)) = kind.tail().or_else(|| self.tail_of_kind(number)) else {
            let what = "a type of a kind that is newer than this iotruth, or no kind at all";
            return Err(BtfError::Damaged { offset: at, what });
        };
        // At most 12 + 255 + 255 * 2^24: far from overflow.
        let end = TYPE + once + each * elements;
        let tail = rest.get(TYPE..end).ok_or(cut)?;
        Ok(Some((Type { at, name, kind, flagged: info >> 31 != 0, word, tail }, start + end)))
    }

    /// What the blob itself says about a kind.
    fn tail_of_kind(&self, number: u32) -> Option<(usize, usize)> {
        // Kind 0 is void, which no type can be.
        let [once, each, ..] = self.kinds.as_chunks::<4>().0.get(number as usize)?;
        (number != 0).then_some((usize::from(*once), usize::from(*each)))
    }

    /// Whether this is the name at this offset.
    pub(super) fn name_is(&self, offset: u32, name: &str) -> bool {
        self.after(offset, name).is_some_and(|rest| rest.first() == Some(&0))
    }

    /// What follows a prefix of the name at this offset, up to the end of the strings.
    pub(super) fn after(&self, offset: u32, prefix: &str) -> Option<&'a [u8]> {
        self.strings.get(offset as usize..)?.strip_prefix(prefix.as_bytes())
    }

    /// The name at this offset if it is shorter than 64 bytes, which bounds the work.
    pub(super) fn short_name(&self, offset: u32) -> Option<&'a [u8]> {
        let window = self.strings.get(offset as usize..)?;
        let window = window.get(..64).unwrap_or(window);
        window.get(..window.iter().position(|byte| *byte == 0)?)
    }

    /// Whether there is no name at this offset.
    pub(super) fn anonymous(&self, offset: u32) -> bool {
        self.strings.get(offset as usize) == Some(&0)
    }
}

/// The section whose offset (from the end of the header) and length are at `field` of the header.
fn section<'a>(
    blob: &'a [u8],
    header: usize,
    field: usize,
    what: &'static str,
) -> Result<(&'a [u8], usize), BtfError> {
    let find = || {
        let start = header.checked_add(word(blob, field)? as usize)?;
        let end = start.checked_add(word(blob, field + 4)? as usize)?;
        Some((blob.get(start..end)?, start))
    };
    find().ok_or(BtfError::Damaged { offset: field, what })
}
