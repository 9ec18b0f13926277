//! Directives: the name of the program, its maps, its functions. Text of them both ways, so that
//! the two cannot differ.

use std::fmt;

use super::{Fault, cursor::Cursor};
use crate::assembler::{MapKind, MapSpec, ProgramKind, emit};

/// One directive. The column is that of the name.
pub(super) enum Directive<'a> {
    Program {
        column: usize,
        name: String,
        kind: ProgramKind,
        frags: bool,
    },
    Map {
        column: usize,
        spec: MapSpec,
    },
    Function {
        column: usize,
        name: String,
        label: Option<&'a str>,
        /// How many numbers a global function takes.
        global: Option<u8>,
    },
    /// Bytes of the value that a map holds at first, from `offset` on.
    Data {
        column: usize,
        map: String,
        offset: usize,
        bytes: Vec<u8>,
    },
    Licence {
        column: usize,
        name: String,
    },
}

/// The directive that comes next, if one does.
pub(super) fn read<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Directive<'a>>, Fault> {
    if cursor.peek() != Some(b'.') {
        return Ok(None);
    }
    let directive = if cursor.eat(".map") {
        let (column, name, _) = name(cursor)?;
        Directive::Map { column, spec: map(cursor, name)? }
    } else if cursor.eat(".function") {
        let (column, name, bare) = name(cursor)?;
        let numbers = |cursor: &mut Cursor<'a>| cursor.number()?.fit::<u8>("0..=4");
        let global = if cursor.eat("global") { Some(numbers(cursor)?) } else { None };
        if global.is_some_and(|numbers| numbers > 4) {
            return Err(cursor.expected("at most 4 numbers"));
        }
        Directive::Function { column, name, label: bare, global }
    } else if cursor.eat(".program") {
        let (column, name, _) = name(cursor)?;
        let kind = known(cursor, "a program type", ProgramKind::ALL, ProgramKind::name)?;
        Directive::Program { column, name, kind, frags: cursor.eat("frags") }
    } else if cursor.eat(".data") {
        let (column, map, _) = name(cursor)?;
        let offset = cursor.number()?.fit::<u32>("0..=4294967295")?;
        let offset = usize::try_from(offset).expect("u32 fits");
        Directive::Data { column, map, offset, bytes: hexadecimal(cursor)? }
    } else if cursor.eat(".licence") {
        let (column, name, _) = name(cursor)?;
        Directive::Licence { column, name }
    } else if !cursor.clone().eat(".slot") {
        return Err(cursor.expected("a directive (.program .map .data .licence .function .slot)"));
    } else {
        return Ok(None);
    };
    if cursor.at_end() { Ok(Some(directive)) } else { Err(cursor.expected("the end of the line")) }
}

/// A name, its column, and the word that it was written as, if it was not quoted.
fn name<'a>(cursor: &mut Cursor<'a>) -> Result<(usize, String, Option<&'a str>), Fault> {
    let column = cursor.column();
    if let Some(bare) = cursor.name() {
        return Ok((column, bare.to_owned(), Some(bare)));
    }
    Ok((column, cursor.quoted()?, None))
}

/// One of `all` by its name.
fn known<T: Copy>(
    cursor: &mut Cursor<'_>,
    what: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, Fault> {
    all.iter().copied().find(|&one| cursor.eat(name(one))).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|&one| name(one)).collect();
        cursor.expected(&format!("{what} ({})", names.join(" ")))
    })
}

/// `percpu_array key 4 value 8 entries 64 flags 0x80`, commas as one likes.
fn map(cursor: &mut Cursor<'_>, name: String) -> Result<MapSpec, Fault> {
    let kind = known(cursor, "a map type", MapKind::ALL, MapKind::name)?;
    let mut field = |what: &str| {
        cursor.eat(",");
        cursor.expect(what)?;
        cursor.number()?.fit("0..=4294967295")
    };
    let (key_bytes, value_bytes) = (field("key")?, field("value")?);
    let entries_max = field("entries")?;
    let flags = if cursor.at_end() { 0 } else { field_flags(cursor)? };
    Ok(MapSpec { name, kind, key_bytes, value_bytes, entries_max, flags })
}

fn field_flags(cursor: &mut Cursor<'_>) -> Result<u32, Fault> {
    cursor.eat(",");
    cursor.expect("flags")?;
    cursor.number()?.fit("0..=4294967295")
}

/// Digits without anything between them.
fn hexadecimal(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, Fault> {
    let mut ahead = cursor.clone();
    let digits = ahead.name().unwrap_or_default();
    let byte = |pair: &[u8]| {
        let digit = |&d: &u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
        Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)
    };
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    match bytes {
        Some(bytes) if !bytes.is_empty() => {
            *cursor = ahead;
            Ok(bytes)
        }
        _ => Err(cursor.expected("bytes, two hexadecimal digits each")),
    }
}

/// A name as directives have it: as it is, or quoted.
pub(in crate::assembler) struct Name<'a>(pub(in crate::assembler) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.chars().all(is_bare) {
            return f.write_str(self.0);
        }
        write_quoted(f, self.0)
    }
}

/// `name` in quotes, without anything that a reader of lines could take for a comment.
pub(in crate::assembler) fn write_quoted(out: &mut impl fmt::Write, name: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in name.chars() {
        if c.is_alphanumeric() || " _.:,+=-".contains(c) {
            out.write_char(c)?;
        } else {
            write!(out, "\\u{{{:x}}}", u32::from(c))?;
        }
    }
    out.write_char('"')
}

/// Can this character stand in a name without quotes?
pub(super) fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

/// Bytes of one line of contents.
const DATA_BYTES: usize = 32;

/// The lines that say what a map holds at first. Lines of zeros are left away, but for the first.
pub(in crate::assembler) fn data_lines(map: &str, bytes: &[u8]) -> Vec<String> {
    let rows = bytes.chunks(DATA_BYTES).enumerate();
    let shown = rows.filter(|(row, bytes)| *row == 0 || bytes.iter().any(|&b| b != 0));
    shown
        .map(|(row, bytes)| {
            let mut line = format!(".data {} {:#x} ", Name(map), row * DATA_BYTES);
            emit::push_hex(&mut line, bytes);
            line
        })
        .collect()
}

/// The line that declares a map, without its end.
pub(in crate::assembler) fn map_line(spec: &MapSpec) -> String {
    let MapSpec { name, kind, key_bytes, value_bytes, entries_max, flags } = spec;
    let flags = if *flags == 0 { String::new() } else { format!(" flags {flags:#x}") };
    let (name, kind) = (Name(name), kind.name());
    format!(".map {name} {kind} key {key_bytes} value {value_bytes} entries {entries_max}{flags}")
}
