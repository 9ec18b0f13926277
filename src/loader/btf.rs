//! Type information of the running kernel, as far as calling a kernel function needs it: from a
//! name to a type id.
//!
//! Every length in the file is checked before it is believed; a file that is not what it claims is
//! an error. What is not here: types themselves, modules, writing.

use std::{fs, io};

/// Where the kernel shows its own types.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// First two bytes, in the byte order of the machine.
const MAGIC: u16 = 0xeb9f;

/// `BTF_KIND_FUNC`.
const KIND_FUNC: u32 = 12;

/// Bytes of `struct btf_type`.
const TYPE_BYTES: usize = 12;

/// The BTF id of the kernel function `name`, as a call by id takes it; nothing if the kernel has no
/// such function. That it may be called is another question.
///
/// # Errors
///
/// The kernel shows no types (`NotFound`), or not in a form that is known (`InvalidData`).
pub fn function_id(name: &str) -> io::Result<Option<u32>> {
    let file = fs::read(VMLINUX)?;
    find_function(&file, name.as_bytes())
        .map_err(|what| io::Error::new(io::ErrorKind::InvalidData, format!("{VMLINUX}: {what}")))
}

/// The sections of a BTF file.
struct Sections<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Sections<'a> {
    /// Read `struct btf_header`: magic, version, flags, its length, and offset and length of both
    /// sections, counted from its end.
    fn of(file: &'a [u8]) -> Result<Self, &'static str> {
        let magic = file.first_chunk().map(|b| u16::from_ne_bytes(*b));
        if magic != Some(MAGIC) || file.get(2) != Some(&1) {
            return Err("not BTF of version 1");
        }
        let word = |at| u32_at(file, at).ok_or("a cut header");
        let header = word(4)?;
        let section = |offset: usize| {
            let from = usize_of(header).checked_add(usize_of(word(offset)?));
            let to = from.and_then(|from| from.checked_add(usize_of(word(offset + 4).ok()?)));
            let range = from.zip(to).ok_or("a section out of range")?;
            file.get(range.0..range.1).ok_or("a section out of range")
        };
        Ok(Self { types: section(8)?, strings: section(16)? })
    }

    /// Does the string at `offset` equal `name`?
    fn is_named(&self, offset: u32, name: &[u8]) -> bool {
        let rest = self.strings.get(usize_of(offset)..).unwrap_or_default();
        rest.strip_prefix(name).is_some_and(|end| end.first() == Some(&0))
    }
}

fn find_function(file: &[u8], name: &[u8]) -> Result<Option<u32>, &'static str> {
    let sections = Sections::of(file)?;
    let mut rest = sections.types;
    // Id 0 is void and not in the file.
    let mut id = 1;
    while !rest.is_empty() {
        let (name_at, info) = u32_at(rest, 0).zip(u32_at(rest, 4)).ok_or("a cut type")?;
        let kind = info >> 24 & 0x1f;
        if kind == KIND_FUNC && sections.is_named(name_at, name) {
            return Ok(Some(id));
        }
        let bytes =
            TYPE_BYTES + trailing_bytes(kind, usize_of(info & 0xffff)).ok_or("a new kind")?;
        rest = rest.get(bytes..).ok_or("a cut type")?;
        id += 1;
    }
    Ok(None)
}

/// Bytes behind a `struct btf_type` of this kind with `count` members.
pub(super) const fn trailing_bytes(kind: u32, count: usize) -> Option<usize> {
    Some(match kind {
        // Pointer, forward, typedef, volatile, const, restrict, function, float, type tag.
        2 | 7..=12 | 16 | 18 => 0,
        // Integer, variable, declaration tag.
        1 | 14 | 17 => 4,
        // Array.
        3 => 12,
        // Structure, union, data section, 64-bit enumeration.
        4 | 5 | 15 | 19 => 12 * count,
        // Enumeration, prototype.
        6 | 13 => 8 * count,
        _ => return None,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).expect("u32 fits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two types: an integer and a function named `good`.
    fn file() -> Vec<u8> {
        let types: Vec<u32> = vec![1, 1 << 24, 4, 32, 5, 12 << 24 | 1, 1];
        let strings = b"\0int\0good\0bad\0";
        let mut file = Vec::new();
        file.extend(MAGIC.to_ne_bytes());
        file.extend([1, 0]);
        let lengths = [24, 0, 28, 28, u32::try_from(strings.len()).expect("short")];
        file.extend(lengths.iter().chain(&types).flat_map(|n| n.to_ne_bytes()));
        file.extend(strings);
        file
    }

    #[test]
    fn a_function_is_found_by_its_whole_name_only() {
        assert_eq!(find_function(&file(), b"good"), Ok(Some(2)));
        for name in ["goo", "good2", "int", "bad", ""] {
            assert_eq!(find_function(&file(), name.as_bytes()), Ok(None), "{name:?}");
        }
        assert!(find_function(b"", b"x").is_err());
        assert!(find_function(b"\x7fELF", b"x").is_err());
    }

    #[test]
    fn a_cut_file_is_an_error_or_knows_less() {
        for to in 0..file().len() {
            let _ = find_function(&file()[..to], b"good");
        }
    }

    proptest! {
        #[test]
        fn any_change_of_a_file_is_survived(at in 0_usize..70, byte in any::<u8>(), name: String) {
            let mut file = file();
            let at = at % file.len();
            file[at] = byte;
            let _ = find_function(&file, name.as_bytes());
        }
    }
}
