//! BTF of an object, as far as maps and lines need it. Every length is checked before it is
//! believed, and every walk is bounded.

use super::{super::btf::trailing_bytes, ObjectError};

/// Bytes of `struct btf_type`.
const TYPE_BYTES: usize = 12;

/// Most steps from a type to what it stands for.
const DEPTH_MAX: usize = 32;

/// Most bytes of a string that is shown; of longer ones, the beginning.
const TEXT_BYTES_MAX: usize = 512;

const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;

/// The types of an object.
#[derive(Debug)]
pub(super) struct Types<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where each type begins; that of the type with id 1 is the first.
    starts: Vec<usize>,
}

/// One type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'a> {
    name: u32,
    kind: u32,
    count: usize,
    /// Size, or another type.
    last: u32,
    rest: &'a [u8],
}

/// A member of a structure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) ty: u32,
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

pub(super) fn wide(number: u32) -> usize {
    usize::try_from(number).expect("u32 fits")
}

/// Check the beginning that `.BTF` and `.BTF.ext` have in common, and return its length.
pub(super) fn header_bytes(bytes: &[u8], section: &str) -> Result<usize, ObjectError> {
    if bytes.get(..3) != Some(&[0x9f, 0xeb, 1]) {
        let what = format!("{section} is no BTF of version 1, little endian");
        return Err(ObjectError::broken(what));
    }
    let header = u32_at(bytes, 4).map(wide).filter(|&len| len >= 24 && len <= bytes.len());
    header.ok_or_else(|| ObjectError::broken(format!("{section} has a header that is cut off")))
}

/// The part of a section that its header gives at `field`: offset and length, behind the header.
pub(super) fn part<'a>(
    bytes: &'a [u8],
    header: usize,
    field: usize,
    section: &str,
) -> Result<&'a [u8], ObjectError> {
    let range = u32_at(bytes, field).zip(u32_at(bytes, field + 4));
    let range = range.map(|(from, length)| (header + wide(from), wide(length)));
    range.and_then(|(from, length)| bytes.get(from..)?.get(..length)).ok_or_else(|| {
        ObjectError::broken(format!("{section} has a part that reaches beyond its end"))
    })
}

impl<'a> Types<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        let header = header_bytes(bytes, ".BTF")?;
        let types = part(bytes, header, 8, ".BTF")?;
        let strings = part(bytes, header, 16, ".BTF")?;
        let mut starts = Vec::new();
        let mut at = 0;
        while at < types.len() {
            let broken =
                |what: &str| ObjectError::broken(format!(".BTF: type {} {what}", starts.len() + 1));
            let info = u32_at(types, at + 4).ok_or_else(|| broken("is cut off"))?;
            let trailing = trailing_bytes(info >> 24 & 0x1f, wide(info & 0xffff));
            let trailing = trailing.ok_or_else(|| broken("is of an unknown kind"))?;
            let next = at + TYPE_BYTES + trailing;
            if next > types.len() {
                return Err(broken("is cut off"));
            }
            starts.push(at);
            at = next;
        }
        Ok(Self { types, strings, starts })
    }

    /// The string at `offset`: its beginning, if it is long. Nothing if there is none.
    pub(super) fn text(&self, offset: u32) -> Option<&'a str> {
        let rest = self.strings.get(wide(offset)..)?;
        let rest = &rest[..rest.len().min(TEXT_BYTES_MAX)];
        let end = rest.iter().position(|&b| b == 0).unwrap_or(rest.len());
        match str::from_utf8(&rest[..end]) {
            Ok(text) => Some(text),
            Err(e) => str::from_utf8(&rest[..e.valid_up_to()]).ok(),
        }
    }

    fn get(&self, id: u32) -> Option<Type<'a>> {
        let at = *self.starts.get(wide(id).checked_sub(1)?)?;
        let (name, info) = u32_at(self.types, at).zip(u32_at(self.types, at + 4))?;
        let last = u32_at(self.types, at + 8)?;
        let (kind, count) = (info >> 24 & 0x1f, wide(info & 0xffff));
        let rest = self.types.get(at + TYPE_BYTES..)?.get(..trailing_bytes(kind, count)?)?;
        Some(Type { name, kind, count, last, rest })
    }

    /// The name and type of each variable in the section `name`.
    pub(super) fn variables(&self, name: &str) -> Vec<(&'a str, u32)> {
        let ids = 1..=u32::try_from(self.starts.len()).unwrap_or(0);
        let is_it = |ty: &Type<'_>| ty.kind == KIND_DATASEC && self.text(ty.name) == Some(name);
        let section = ids.filter_map(|id| self.get(id)).find(is_it);
        let Some(section) = section else { return Vec::new() };
        let variable = |entry: &'a [u8]| {
            let variable = self.get(u32_at(entry, 0)?)?;
            (variable.kind == KIND_VAR).then_some((self.text(variable.name)?, variable.last))
        };
        section.rest.chunks_exact(12).filter_map(variable).collect()
    }

    /// The type that `id` stands for, through typedefs, qualifiers and tags.
    fn resolve(&self, mut id: u32) -> Option<Type<'a>> {
        for _ in 0..DEPTH_MAX {
            let ty = self.get(id)?;
            match ty.kind {
                // Typedef, volatile, const, restrict, type tag.
                8..=11 | 18 => id = ty.last,
                _ => return Some(ty),
            }
        }
        None
    }

    /// The members of the structure `id`.
    pub(super) fn members(&self, id: u32) -> Option<impl Iterator<Item = Member<'a>>> {
        let structure = self.resolve(id).filter(|ty| ty.kind == KIND_STRUCT)?;
        let member = |entry: &'a [u8]| {
            let name = u32_at(entry, 0).and_then(|name| self.text(name))?;
            Some(Member { name, ty: u32_at(entry, 4)? })
        };
        debug_assert!(structure.rest.len() == 12 * structure.count);
        Some(structure.rest.chunks_exact(12).filter_map(member))
    }

    /// What `id` points to.
    pub(super) fn pointee(&self, id: u32) -> Option<u32> {
        self.resolve(id).filter(|ty| ty.kind == KIND_PTR).map(|ty| ty.last)
    }

    /// How many elements the array `id` has.
    pub(super) fn elements(&self, id: u32) -> Option<u32> {
        let array = self.resolve(id).filter(|ty| ty.kind == KIND_ARRAY)?;
        u32_at(array.rest, 8)
    }

    /// Bytes of a value of the type `id`.
    pub(super) fn size(&self, mut id: u32) -> Option<u32> {
        let mut times = 1_u32;
        for _ in 0..DEPTH_MAX {
            let ty = self.resolve(id)?;
            match ty.kind {
                KIND_PTR => return times.checked_mul(8),
                KIND_ARRAY => {
                    times = times.checked_mul(u32_at(ty.rest, 8)?)?;
                    id = u32_at(ty.rest, 0)?;
                }
                // Integer, structure, union, enumeration, float, 64-bit enumeration.
                1 | 4 | 5 | 6 | 16 | 19 => return times.checked_mul(ty.last),
                _ => return None,
            }
        }
        None
    }
}
