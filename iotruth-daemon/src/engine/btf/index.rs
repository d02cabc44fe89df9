//! One pass over all types: where each begins, and the few that iotruth asks for by name.

use std::cell::Cell;

use iotruth_common::probe::{INSERT_FLUSH, Probe};

use super::{
    arguments, enumerators,
    error::BtfError,
    layout, preemption,
    reader::{Kind, Sections, Type, word},
    recursion,
};

/// Definitions of one name that are compared. Kernels have one; a build tool that failed to fold
/// equal types leaves more.
const DEFINITIONS: usize = 64;
/// Members that are looked at in all searches together: a kernel needs some ten thousand. Only a
/// forged blob, whose structures contain each other, comes near this.
const STEPS: u32 = 1 << 18;

/// A blob with a table of its types.
#[derive(Debug)]
pub(super) struct Index<'a> {
    pub(super) sections: Sections<'a>,
    /// Where type 1, 2, … begin in the type section.
    starts: Vec<u32>,
    structs: Vec<(&'static str, Type<'a>)>,
    tracepoints: Vec<(Probe, Type<'a>)>,
    /// The function [`INSERT_FLUSH`].
    pub(super) insert_flush: Option<Type<'a>>,
    enumerators: Vec<(&'a [u8], u64)>,
    /// The kernel has the function that counts skips.
    pub(super) recursion_guard: bool,
    steps: Cell<u32>,
}

impl<'a> Index<'a> {
    /// Walks over the blob.
    pub(super) fn build(blob: &'a [u8]) -> Result<Self, BtfError> {
        let sections = Sections::find(blob)?;
        let mut wanted = layout::structs();
        wanted.push(preemption::SNAPSHOT);
        let mut index = Self {
            sections,
            starts: Vec::with_capacity(sections.expected_types()),
            structs: Vec::new(),
            tracepoints: Vec::new(),
            insert_flush: None,
            enumerators: Vec::new(),
            recursion_guard: false,
            steps: Cell::new(STEPS),
        };
        let mut start = 0;
        while let Some((found, next)) = sections.type_at(start)? {
            index.starts.push(start as u32);
            index.pick(&wanted, found);
            start = next;
        }
        Ok(index)
    }

    fn pick(&mut self, wanted: &[&'static str], found: Type<'a>) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are never named")]
        match found.kind {
            Kind::Struct => {
                let name = wanted.iter().find(|name| self.sections.name_is(found.name, name));
                if let Some(name) = name
                    && self.structs(name).count() < DEFINITIONS
                {
                    self.structs.push((name, found));
                }
            }
            Kind::Typedef => {
                if let Some(probe) = arguments::probe_of(&self.sections, found.name) {
                    self.tracepoints.push((probe, found));
                }
            }
            Kind::Function => {
                self.recursion_guard |= recursion::is_guard(&self.sections, found.name);
                if self.sections.name_is(found.name, INSERT_FLUSH) {
                    self.insert_flush = Some(found);
                }
            }
            Kind::Enum => {
                for [n0, n1, n2, n3, v0, v1, v2, v3] in found.elements::<8>() {
                    let value = u32::from_le_bytes([*v0, *v1, *v2, *v3]);
                    self.pick_enumerator(u32::from_le_bytes([*n0, *n1, *n2, *n3]), value.into());
                }
            }
            Kind::Enum64 => {
                for element in found.elements::<12>() {
                    if let [Some(name), Some(low), Some(high)] =
                        [0, 4, 8].map(|at| word(element, at))
                    {
                        self.pick_enumerator(name, u64::from(high) << 32 | u64::from(low));
                    }
                }
            }
            _ => {}
        }
    }

    fn pick_enumerator(&mut self, name: u32, value: u64) {
        if enumerators::PREFIXES.iter().any(|prefix| self.sections.after(name, prefix).is_some())
            && let Some(name) = self.sections.short_name(name)
        {
            self.enumerators.push((name, value));
        }
    }

    /// Type number `id`, named by `from`; `None` is void.
    pub(super) fn get(&self, from: &Type<'_>, id: u32) -> Result<Option<Type<'a>>, BtfError> {
        let Some(place) = (id as usize).checked_sub(1) else { return Ok(None) };
        let found = match self.starts.get(place) {
            Some(start) => self.sections.type_at(*start as usize)?,
            None => None,
        };
        let what = "refers to a type that does not exist";
        found.map(|(found, _)| Some(found)).ok_or(BtfError::Damaged { offset: from.at, what })
    }

    /// All definitions of a structure.
    pub(super) fn structs(&self, name: &str) -> impl Iterator<Item = &Type<'a>> {
        self.structs.iter().filter(move |(of, _)| *of == name).map(|(_, found)| found)
    }

    /// The typedef that gives the arguments of a tracepoint.
    pub(super) fn tracepoint(&self, probe: Probe) -> Option<&Type<'a>> {
        self.tracepoints.iter().find(|(of, _)| *of == probe).map(|(_, found)| found)
    }

    /// The value of an enumerator.
    pub(super) fn enumerator(&self, name: &'static str) -> Result<Option<u64>, BtfError> {
        let mut values = self
            .enumerators
            .iter()
            .filter(|(of, _)| *of == name.as_bytes())
            .map(|(_, value)| *value);
        let first = values.next();
        if values.any(|value| Some(value) != first) {
            return Err(BtfError::Ambiguous(format!("enumerator {name}")));
        }
        Ok(first)
    }

    /// Counts one member that a search looks at.
    pub(super) fn step(&self, of: &Type<'_>) -> Result<(), BtfError> {
        let left = self.steps.get().checked_sub(1).ok_or(BtfError::Damaged {
            offset: of.at,
            what: "its structures contain each other without end",
        })?;
        self.steps.set(left);
        Ok(())
    }
}
