//! BTF, the kernel's type format, from nothing: a writer of types and strings, and what an image
//! says about itself in them.
//!
//! What it guarantees: the bytes depend on the calls and on nothing else; a string is stored once;
//! a type refers only to types that exist. What it does not do: it reads nothing, knows none of the
//! kernel's own types, and has the kinds that a program without source needs: integers, pointers,
//! arrays, structures, functions, variables and data sections.
//!
//! The format: `Documentation/bpf/btf.rst` and `include/uapi/linux/btf.h`.

mod program;

use std::collections::HashMap;

pub use program::{FILE_NAME, FunctionInfo, LineInfo, ProgramTypes, TEXT_BYTES_MAX};

/// First two bytes of BTF, little endian.
pub const MAGIC: u16 = 0xeb9f;

/// The only version there is.
pub const VERSION: u8 = 1;

/// Bytes of `struct btf_header`.
const HEADER_BYTES: u32 = 24;

/// `BTF_KIND_*`.
const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;

/// A type that was written; its number is what other types and records refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u32);

impl TypeId {
    /// `void`, which every program has without writing it.
    pub const VOID: Self = Self(0);

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Who sees a function or variable (`enum btf_func_linkage`, `BTF_VAR_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// Its own object.
    Static,
    /// Everybody.
    Global,
}

impl Linkage {
    const fn number(self) -> u32 {
        match self {
            Self::Static => 0,
            Self::Global => 1,
        }
    }
}

/// A member of a structure, or the argument of a function.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub ty: TypeId,
}

/// A variable in a data section.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// A [variable](Writer::variable).
    pub variable: TypeId,
    /// Its first byte in the section.
    pub offset: u32,
    /// Its bytes.
    pub bytes: u32,
}

/// Collects types and strings.
///
/// Names are taken as they are, up to a NUL byte; see [`identifier`] for what the kernel takes as a
/// name.
#[derive(Clone, Debug)]
pub struct Writer {
    types: Vec<u8>,
    count: u32,
    strings: Vec<u8>,
    /// Where a string is. Only looked up, never walked, so its order does not matter.
    known: HashMap<String, u32>,
}

impl Default for Writer {
    fn default() -> Self {
        // The empty string is at 0, which also means "no name".
        let known = HashMap::from([(String::new(), 0)]);
        Self { types: Vec::new(), count: 0, strings: vec![0], known }
    }
}

impl Writer {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The offset of `text` among the strings.
    ///
    /// # Panics
    ///
    /// Beyond 4 GiB of strings.
    pub fn string(&mut self, text: &str) -> u32 {
        let text = text.split('\0').next().unwrap_or_default();
        if let Some(&at) = self.known.get(text) {
            return at;
        }
        let at = number(self.strings.len());
        self.strings.extend(text.bytes());
        self.strings.push(0);
        self.known.insert(text.to_owned(), at);
        at
    }

    /// Bytes of all strings so far.
    pub fn string_bytes(&self) -> usize {
        self.strings.len()
    }

    /// An integer of `bytes` bytes.
    pub fn int(&mut self, name: &str, bytes: u32, signed: bool) -> TypeId {
        let id = self.head(name, KIND_INT, 0, bytes);
        // Encoding (bit 0 is signed), no offset, bits.
        self.word(u32::from(signed) << 24 | (bytes * 8));
        id
    }

    /// A pointer.
    pub fn pointer(&mut self, to: TypeId) -> TypeId {
        self.head("", KIND_PTR, 0, to.0)
    }

    /// An array; `index` is the integer type that counts its elements.
    pub fn array(&mut self, element: TypeId, index: TypeId, elements: u32) -> TypeId {
        let id = self.head("", KIND_ARRAY, 0, 0);
        for word in [element.0, index.0, elements] {
            self.word(word);
        }
        id
    }

    /// A structure whose members all have `member_bytes` bytes and follow each other.
    pub fn structure(&mut self, name: &str, member_bytes: u32, members: &[Member<'_>]) -> TypeId {
        let count = number(members.len());
        let id = self.head(name, KIND_STRUCT, count, count * member_bytes);
        for (at, member) in (0..).zip(members) {
            self.named(member.name, member.ty);
            self.word(at * member_bytes * 8);
        }
        id
    }

    /// What a function takes and returns.
    pub fn prototype(&mut self, result: TypeId, arguments: &[Member<'_>]) -> TypeId {
        let id = self.head("", KIND_FUNC_PROTO, number(arguments.len()), result.0);
        for argument in arguments {
            self.named(argument.name, argument.ty);
        }
        id
    }

    /// A function.
    pub fn function(&mut self, name: &str, prototype: TypeId, linkage: Linkage) -> TypeId {
        self.head(name, KIND_FUNC, linkage.number(), prototype.0)
    }

    /// A variable.
    pub fn variable(&mut self, name: &str, ty: TypeId, linkage: Linkage) -> TypeId {
        let id = self.head(name, KIND_VAR, 0, ty.0);
        self.word(linkage.number());
        id
    }

    /// A section of an object with the variables in it.
    pub fn data_section(&mut self, name: &str, bytes: u32, variables: &[Placed]) -> TypeId {
        let id = self.head(name, KIND_DATASEC, number(variables.len()), bytes);
        for placed in variables {
            for word in [placed.variable.0, placed.offset, placed.bytes] {
                self.word(word);
            }
        }
        id
    }

    /// The bytes: header, types, strings.
    ///
    /// # Panics
    ///
    /// Beyond 4 GiB.
    pub fn finish(&self) -> Vec<u8> {
        let (types, strings) = (number(self.types.len()), number(self.strings.len()));
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.extend([VERSION, 0]);
        for word in [HEADER_BYTES, 0, types, types, strings] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }

    /// `struct btf_type`.
    fn head(&mut self, name: &str, kind: u32, vlen: u32, last: u32) -> TypeId {
        assert!(vlen <= 0xffff, "a type has at most 65,535 parts, not {vlen}");
        let name = self.string(name);
        for word in [name, kind << 24 | vlen, last] {
            self.word(word);
        }
        self.count += 1;
        TypeId(self.count)
    }

    fn named(&mut self, name: &str, ty: TypeId) {
        let name = self.string(name);
        self.word(name);
        self.word(ty.0);
    }

    fn word(&mut self, word: u32) {
        self.types.extend(word.to_le_bytes());
    }
}

/// Most bytes of a name (`KSYM_NAME_LEN` before Linux 6.1, with its NUL).
const NAME_BYTES_MAX: usize = 127;

/// `name` as the kernel takes names of types and functions: letters, digits and `_`, not beginning
/// with a digit, never empty, at most 127 bytes.
pub fn identifier(name: &str) -> String {
    let legal = |b: u8| if b.is_ascii_alphanumeric() { char::from(b) } else { '_' };
    let mut text: String = name.bytes().take(NAME_BYTES_MAX - 1).map(legal).collect();
    if text.bytes().next().is_none_or(|b| b.is_ascii_digit()) {
        text.insert(0, '_');
    }
    text
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("BTF counts 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written from `Documentation/bpf/btf.rst`.
    #[test]
    fn types_are_as_documented() {
        let mut writer = Writer::new();
        let int = writer.int("int", 4, true);
        let array = writer.array(int, int, 6);
        let pointer = writer.pointer(array);
        let map = writer.structure(
            "",
            8,
            &[Member { name: "type", ty: pointer }, Member { name: "int", ty: pointer }],
        );
        let variable = writer.variable("m", map, Linkage::Global);
        writer.data_section(".maps", 16, &[Placed { variable, offset: 0, bytes: 16 }]);
        let proto = writer.prototype(int, &[Member { name: "ctx", ty: pointer }]);
        let function = writer.function("main", proto, Linkage::Global);
        assert_eq!(function.number(), 8);
        let header: &[u32] = &[24, 0, 160, 160, 27];
        let rows: &[&[u32]] = &[
            header,
            &[1, 0x0100_0000, 4, 0x0100_0020],        // [1] int
            &[0, 0x0300_0000, 0, 1, 1, 6],            // [2] int[6]
            &[0, 0x0200_0000, 2],                     // [3] int (*)[6]
            &[0, 0x0400_0002, 16, 5, 3, 0, 1, 3, 64], // [4] struct { type, int }
            &[10, 0x0e00_0000, 4, 1],                 // [5] m
            &[12, 0x0f00_0001, 16, 5, 0, 16],         // [6] .maps
            &[0, 0x0d00_0001, 1, 18, 3],              // [7] int (int (*ctx)[6])
            &[22, 0x0c00_0001, 7],                    // [8] main
        ];
        let mut want = vec![0x9f, 0xeb, 1, 0];
        want.extend(rows.iter().flat_map(|row| row.iter()).flat_map(|word| word.to_le_bytes()));
        want.extend(b"\0int\0type\0m\0.maps\0ctx\0main\0");
        assert_eq!(writer.finish(), want);
    }

    #[test]
    fn a_string_is_stored_once_and_ends_at_its_nul() {
        let mut writer = Writer::new();
        let first = writer.string("a");
        assert_eq!(writer.string(""), 0);
        assert_eq!(writer.string("a\0b"), first);
        assert_eq!(writer.string("b"), first + 2);
        assert_eq!(writer.string_bytes(), 5);
    }

    #[test]
    fn names_become_identifiers() {
        for (name, want) in
            [("main", "main"), ("7up", "_7up"), ("", "_"), ("a.b-c", "a_b_c"), ("é", "__")]
        {
            assert_eq!(identifier(name), want);
        }
        assert_eq!(identifier(&"x".repeat(500)).len(), 126);
    }
}
