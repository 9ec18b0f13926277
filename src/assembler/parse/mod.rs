//! Text to instructions: the kernel's dialect back, and a little more.
//!
//! Whatever [`disasm`](super::disasm) and [`listing`](super::listing) print (unless shortened) is
//! read to the bytes it came from, and so is what the verifier log prints of instructions. A line
//! is, each part optional: a slot number (`7:`, not checked: the place in the text counts), labels
//! (`miss:`), an opcode (`(07)`), an instruction, a comment (`;` or `//` anywhere, `#` after white
//! space). `.slot 0x…` gives eight bytes in order, whatever they mean.
//!
//! Beyond the kernel's text: a jump, a call and `subprog[…]` take a label; numbers may be written
//! with `0x`, `0o` and `0b`; `ll` behind the number makes a load wide. One text of the kernel has
//! two meanings, `r1 = NUMBER`. The opcode decides if it is there. Else a hexadecimal number is a
//! wide load of two slots, as the kernel prints it, and any other is one slot if it fits: for
//! `r1 = 0x10` both load the same value.
//!
//! Directives say what is not in the instructions, so that a listing can be saved, edited and
//! assembled to an image again:
//!
//! ```text
//! .program get xdp frags                                  name, type; frags: it reads fragments
//! .map counters percpu_array key 4 value 8 entries 64     r1 = map[counters], or map[0]
//! .data numbers 0x0 0000f03f                              what the map holds at first
//! .licence "Dual MIT/GPL"                                 GPL if it is left away
//! .function twice                                         begins here; `call twice`
//! ; confirm: "GET /adm" [pattern 1, byte 0]               why the instructions below exist
//! ```
//!
//! The last one is a comment to a reader of text and an [`Origin`](super::Origin) to
//! [`assemble`]. It does not widen jumps and does not look at values: what is written is what is
//! encoded.

mod assembled;
mod cursor;
pub(super) mod directive;
mod memory;
mod program;
mod pseudo;
mod statement;

use std::str::FromStr;

use super::{disasm::Code, encode, insn::Insn};

pub use assembled::Assembled;

/// Text that is not a program, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What was expected and what is there.
    pub what: String,
}

/// Read a program, with what its directives and comments say about it.
///
/// # Errors
///
/// The first line that is not understood, and labels that are missing, bound twice or too far.
pub fn assemble(text: &str) -> Result<Assembled, ParseError> {
    assemble_with(text, &|_| None)
}

/// The same, where `kernel_functions` gives the BTF id of a kernel function on the kernel that is
/// meant: `call bpf_dynptr_from_xdp`.
///
/// # Errors
///
/// As [`assemble`].
pub fn assemble_with(
    text: &str,
    kernel_functions: &dyn Fn(&str) -> Option<i32>,
) -> Result<Assembled, ParseError> {
    program::read(text, kernel_functions)
}

/// Read a program, in which raw slots may stand for instructions.
///
/// # Errors
///
/// As [`assemble`].
pub fn parse(text: &str) -> Result<Vec<Code>, ParseError> {
    assemble(text).map(|assembled| assembled.codes)
}

/// Read a program to its slots.
///
/// # Errors
///
/// As [`assemble`].
pub fn parse_slots(text: &str) -> Result<Vec<[u8; 8]>, ParseError> {
    assemble(text).map(|assembled| assembled.slots())
}

impl FromStr for Insn {
    type Err = ParseError;

    /// Reads one instruction, as [`parse`] does. Labels have no place to stand for.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fault = |what: &str| ParseError { line: 1, column: 1, what: what.to_owned() };
        match parse(text)?.as_slice() {
            [Code::Insn(insn)] => Ok(*insn),
            [Code::Slot { .. }] => Err(fault("expected an instruction, found a raw slot")),
            [] => Err(fault("expected an instruction, found nothing")),
            more => Err(fault(&format!("expected one instruction, found {}", more.len()))),
        }
    }
}

/// An error in a line that does not know its number.
#[derive(Debug)]
struct Fault {
    /// Bytes from the start of the line: characters are only counted for a reader.
    column: usize,
    what: String,
}

impl Fault {
    /// The same in line `number`, which is `line`.
    fn at(self, number: usize, line: &str) -> ParseError {
        let before = line.get(..self.column).unwrap_or(line);
        ParseError { line: number, column: before.chars().count() + 1, what: self.what }
    }
}

#[cfg(test)]
mod tests;
