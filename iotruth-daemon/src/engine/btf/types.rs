//! Questions about types: what is behind a name, how large, where is a member.

use super::{
    error::BtfError,
    index::Index,
    reader::{Kind, Type, word},
};

/// Qualifiers, typedefs and array dimensions that are followed. C sources stay below ten.
const CHAIN: usize = 32;
/// A pointer of every kernel that iotruth supports.
const POINTER: u32 = 8;

/// A member of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Bytes from the beginning of the outermost structure.
    pub(super) offset: u32,
    /// Number of its type.
    pub(super) type_id: u32,
    pub(super) bitfield: bool,
}

impl<'a> Index<'a> {
    /// The type behind typedefs and qualifiers; `None` is void.
    pub(super) fn strip(&self, from: &Type<'_>, id: u32) -> Result<Option<Type<'a>>, BtfError> {
        let mut id = id;
        for _ in 0..CHAIN {
            match self.get(from, id)? {
                Some(found) if matches!(found.kind, Kind::Typedef | Kind::Qualifier) => {
                    id = found.word;
                }
                found => return Ok(found),
            }
        }
        Err(BtfError::Damaged { offset: from.at, what: "an endless chain of typedefs" })
    }

    /// Bytes that a value of this type takes; `None` where it has no size.
    pub(super) fn size(&self, of: &Type<'a>) -> Result<Option<u32>, BtfError> {
        let mut of = *of;
        let mut count = 1_u32;
        for _ in 0..CHAIN {
            #[expect(clippy::wildcard_enum_match_arm, reason = "all others have no size")]
            let size = match of.kind {
                Kind::Int
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Float => Some(of.word),
                Kind::Pointer => Some(POINTER),
                Kind::Array => {
                    let element = of.tail_word(0).unwrap_or_default();
                    let length = of.tail_word(2).unwrap_or_default();
                    let what = "an array is larger than memory";
                    count = count
                        .checked_mul(length)
                        .ok_or(BtfError::Damaged { offset: of.at, what })?;
                    let Some(next) = self.strip(&of, element)? else { return Ok(None) };
                    of = next;
                    continue;
                }
                _ => None,
            };
            return Ok(size.and_then(|size| size.checked_mul(count)));
        }
        Err(BtfError::Damaged { offset: of.at, what: "an endless chain of arrays" })
    }

    /// Finds a member by name, through anonymous structures and unions.
    ///
    /// A stack instead of recursion: a forged blob can nest as deep as it likes.
    pub(super) fn member(&self, of: &Type<'a>, name: &str) -> Result<Option<Member>, BtfError> {
        let mut containers = vec![(*of, 0_u32)];
        while let Some((container, base)) = containers.pop() {
            for element in container.elements::<12>() {
                self.step(&container)?;
                let [Some(name_at), Some(type_id), Some(place)] =
                    [0, 4, 8].map(|at| word(element, at))
                else {
                    continue;
                };
                let (bits, width) =
                    if container.flagged { (place & 0x00ff_ffff, place >> 24) } else { (place, 0) };
                let what = "a member lies beyond every structure";
                let bits = base
                    .checked_add(bits)
                    .ok_or(BtfError::Damaged { offset: container.at, what })?;
                if self.sections.name_is(name_at, name) {
                    let bitfield =
                        width != 0 || bits % 8 != 0 || self.partial_int(&container, type_id)?;
                    return Ok(Some(Member { offset: bits / 8, type_id, bitfield }));
                }
                if self.sections.anonymous(name_at)
                    && let Some(inner) = self.strip(&container, type_id)?
                    && matches!(inner.kind, Kind::Struct | Kind::Union)
                {
                    containers.push((inner, bits));
                }
            }
        }
        Ok(None)
    }

    /// Whether this is a number of fewer bits than its bytes have: how bitfields were written
    /// before member offsets carried their width.
    fn partial_int(&self, from: &Type<'a>, type_id: u32) -> Result<bool, BtfError> {
        let Some(found) = self.strip(from, type_id)?.filter(|found| found.kind == Kind::Int) else {
            return Ok(false);
        };
        let encoding = found.tail_word(0).unwrap_or_default();
        let (bits, shift) = (encoding & 0xff, encoding >> 16 & 0xff);
        Ok(shift != 0 || Some(bits) != found.word.checked_mul(8))
    }

    /// Whether this type is a pointer to the structure of this name.
    pub(super) fn points_to(&self, from: &Type<'_>, id: u32, name: &str) -> Result<bool, BtfError> {
        let Some(pointer) = self.strip(from, id)?.filter(|found| found.kind == Kind::Pointer)
        else {
            return Ok(false);
        };
        let target = self.strip(&pointer, pointer.word)?;
        Ok(target.is_some_and(|target| {
            matches!(target.kind, Kind::Struct | Kind::Forward)
                && self.sections.name_is(target.name, name)
        }))
    }
}
