//! `.BTF.ext` of an object: which lines explain which instructions, and what would have to be
//! relocated by type (CO-RE).

use std::{collections::HashMap, fmt};

use super::{
    ObjectError,
    types::{Types, header_bytes, part, u32_at, wide},
};
use crate::assembler::{
    btf::{FILE_NAME, TEXT_BYTES_MAX},
    listing::one_line,
};

/// A line of source. `Display` is one printable line of at most 160 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLine<'a> {
    /// The file, as the compiler was called with it.
    pub file: &'a str,
    /// The text: its beginning, if it is very long.
    pub text: &'a str,
    /// The number of the line in the file.
    pub number: u32,
}

impl SourceLine<'_> {
    /// Is it of an object that we wrote, where lines are origins?
    pub(super) fn is_ours(&self) -> bool {
        self.file == FILE_NAME
    }
}

impl fmt::Display for SourceLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.trim();
        let text = if self.is_ours() {
            text.to_owned()
        } else {
            let file = self.file.rsplit('/').next().unwrap_or_default();
            format!("{file}:{}: {text}", self.number)
        };
        let text = one_line(&text);
        f.write_str(&text[..text.floor_char_boundary(TEXT_BYTES_MAX)])
    }
}

/// Where a line begins to explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The first byte, in its section.
    pub(super) offset: u32,
    pub(super) source: SourceLine<'a>,
}

/// By section, by offset.
#[derive(Debug, Default)]
pub(super) struct Extension<'a> {
    pub(super) lines: HashMap<&'a str, Vec<Line<'a>>>,
    /// Where an instruction depends on the layout of types in the running kernel.
    pub(super) by_type: HashMap<&'a str, Vec<u32>>,
    /// How many functions have a type.
    pub(super) functions: usize,
}

const NAME: &str = ".BTF.ext";

impl<'a> Extension<'a> {
    pub(super) fn read(bytes: &'a [u8], types: &Types<'a>) -> Result<Self, ObjectError> {
        let header = header_bytes(bytes, NAME)?;
        let mut extension = Self::default();
        records(part(bytes, header, 8, NAME)?, 8, types, |_, _| extension.functions += 1)?;
        let lines = &mut extension.lines;
        records(part(bytes, header, 16, NAME)?, 16, types, |section, record| {
            let word = |at| u32_at(record, at).unwrap_or_default();
            let source = SourceLine {
                file: types.text(word(4)).unwrap_or_default(),
                text: types.text(word(8)).unwrap_or_default(),
                number: word(12) >> 10,
            };
            let all = lines.entry(section).or_default();
            // What the compiler made up has no line, and columns are not told apart.
            let says_something = source.number != 0 || !source.text.is_empty();
            if says_something && all.last().is_none_or(|last| last.source != source) {
                all.push(Line { offset: word(0), source });
            }
        })?;
        if header >= 32 {
            let by_type = &mut extension.by_type;
            records(part(bytes, header, 24, NAME)?, 16, types, |section, record| {
                by_type.entry(section).or_default().push(u32_at(record, 0).unwrap_or_default());
            })?;
        }
        extension.lines.values_mut().for_each(|lines| lines.sort_by_key(|line| line.offset));
        extension.by_type.values_mut().for_each(|offsets| offsets.sort_unstable());
        Ok(extension)
    }

    /// The lines of the section `name`.
    pub(super) fn lines(&self, name: &str) -> &[Line<'a>] {
        self.lines.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// A place between `from` and `to` of the section `name` that depends on types of the kernel.
    pub(super) fn by_type_in(&self, name: &str, from: u64, to: u64) -> Option<u32> {
        let offsets = self.by_type.get(name)?;
        let first = offsets.partition_point(|&at| u64::from(at) < from);
        offsets.get(first).copied().filter(|&at| u64::from(at) < to)
    }
}

/// Walk the records of one kind: their size, then for each section its name, a count, and as many.
fn records<'a>(
    bytes: &'a [u8],
    bytes_min: usize,
    types: &Types<'a>,
    mut each: impl FnMut(&'a str, &'a [u8]),
) -> Result<(), ObjectError> {
    let broken = |what: &str| ObjectError::broken(format!("{NAME}: {what}"));
    if bytes.is_empty() {
        return Ok(());
    }
    let record = u32_at(bytes, 0).map(wide).filter(|&size| size >= bytes_min && size % 4 == 0);
    let record = record.ok_or_else(|| broken("records of an impossible size"))?;
    let mut rest = &bytes[4..];
    while !rest.is_empty() {
        let head = u32_at(rest, 0).zip(u32_at(rest, 4));
        let (name, count) = head.ok_or_else(|| broken("a section that is cut off"))?;
        let name = types.text(name).ok_or_else(|| broken("a section without a name"))?;
        let length = wide(count).checked_mul(record);
        let all = length.and_then(|length| rest[8..].get(..length));
        let all = all.ok_or_else(|| broken(&format!("{count} records of {name:?}, cut off")))?;
        all.chunks_exact(record).for_each(|one| each(name, one));
        rest = &rest[8 + all.len()..];
    }
    Ok(())
}
