//! Writes BTF blobs.

/// A blob under construction.
#[derive(Default)]
pub(super) struct Blob {
    types: Vec<Vec<u32>>,
    strings: Vec<u8>,
    /// Bytes of the layout section, one group of four for each kind.
    pub(super) kinds: Vec<u8>,
}

/// A member: name, type, offset in bits, bits of a bitfield or 0.
pub(super) type Member<'n> = (&'n str, u32, u32, u32);

impl Blob {
    pub(super) fn name(&mut self, name: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        if name.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        at
    }

    /// A number for a type that is defined later.
    pub(super) fn reserve(&mut self) -> u32 {
        self.types.push(Vec::new());
        self.types.len() as u32
    }

    pub(super) fn define(&mut self, id: u32, words: Vec<u32>) {
        *self.types.get_mut(id as usize - 1).unwrap() = words;
    }

    pub(super) fn add(&mut self, name: &str, kind: u32, word: u32, tail: &[u32]) -> u32 {
        self.add_counted(name, kind, 0, word, tail)
    }

    fn add_counted(&mut self, name: &str, kind: u32, count: u32, word: u32, tail: &[u32]) -> u32 {
        let id = self.reserve();
        let mut words = vec![self.name(name), kind << 24 | count, word];
        words.extend_from_slice(tail);
        self.define(id, words);
        id
    }

    pub(super) fn int(&mut self, name: &str, size: u32) -> u32 {
        self.add(name, 1, size, &[size * 8])
    }

    pub(super) fn pointer(&mut self, to: u32) -> u32 {
        self.add("", 2, to, &[])
    }

    pub(super) fn array(&mut self, of: u32, length: u32) -> u32 {
        self.add("", 3, 0, &[of, of, length])
    }

    pub(super) fn typedef(&mut self, name: &str, to: u32) -> u32 {
        self.add(name, 8, to, &[])
    }

    /// The words of a structure (kind 4) or union (kind 5), of 4,096 bytes where it has a name and
    /// else just large enough for members of 8. Member offsets carry widths where one
    /// of them has a width.
    pub(super) fn structure(&mut self, name: &str, kind: u32, members: &[Member<'_>]) -> Vec<u32> {
        let flagged = members.iter().any(|(_, _, _, width)| *width != 0);
        let count = members.len() as u32;
        let end = members.iter().map(|(_, _, bits, _)| bits / 8 + 8).max().unwrap_or(0);
        let size = if name.is_empty() { end } else { 4096 };
        let mut words = vec![self.name(name), u32::from(flagged) << 31 | kind << 24 | count, size];
        for (name, of, bits, width) in members {
            words.extend([self.name(name), *of, width << 24 | bits]);
        }
        words
    }

    /// An enum of 4 bytes, or of 8 where `wide`.
    pub(super) fn enumeration(&mut self, wide: bool, values: &[(&str, u64)]) -> u32 {
        let mut tail = Vec::new();
        for (name, value) in values {
            tail.push(self.name(name));
            tail.push(*value as u32);
            if wide {
                tail.push((*value >> 32) as u32);
            }
        }
        let (kind, size) = if wide { (19, 8) } else { (6, 4) };
        self.add_counted("", kind, values.len() as u32, size, &tail)
    }

    /// The prototype of functions with these parameters.
    pub(super) fn prototype(&mut self, parameters: &[u32]) -> u32 {
        let tail: Vec<u32> = parameters.iter().flat_map(|id| [0, *id]).collect();
        self.add_counted("", 13, parameters.len() as u32, 0, &tail)
    }

    pub(super) fn bytes(mut self) -> Vec<u8> {
        self.name("");
        let types: Vec<u8> =
            self.types.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        let header = if self.kinds.is_empty() { 24 } else { 32 };
        let mut words = vec![
            header,
            0,
            types.len() as u32,
            types.len() as u32 + self.kinds.len() as u32,
            self.strings.len() as u32,
        ];
        if !self.kinds.is_empty() {
            words.extend([types.len() as u32, self.kinds.len() as u32]);
        }
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        bytes.extend(words.into_iter().flat_map(u32::to_le_bytes));
        bytes.extend(types);
        bytes.extend(self.kinds);
        bytes.extend(self.strings);
        bytes
    }
}
