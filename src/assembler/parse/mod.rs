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
//! It does not widen jumps and does not look at values: what is written is what is encoded.

mod cursor;
mod statement;

use std::{collections::HashMap, str::FromStr};

use super::{
    disasm::{Code, opcode},
    encode,
    insn::{Callee, Imm64, Insn},
    label,
};
use cursor::Cursor;
use statement::{Target, statement};

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

/// Read a program, in which raw slots may stand for instructions.
///
/// # Errors
///
/// The first line that is not understood, and labels that are missing, bound twice or too far.
pub fn parse(text: &str) -> Result<Vec<Code>, ParseError> {
    let mut program = Program::default();
    for (index, line) in text.lines().enumerate() {
        program.line(line, index + 1).map_err(|Fault { column, what }| ParseError {
            line: index + 1,
            column,
            what,
        })?;
    }
    program.resolve()
}

/// Read a program to its slots.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_slots(text: &str) -> Result<Vec<[u8; 8]>, ParseError> {
    let mut slots = Vec::new();
    for code in parse(text)? {
        match code {
            Code::Insn(insn) => {
                let (first, second) = encode::encode(&insn);
                slots.push(first);
                slots.extend(second);
            }
            Code::Slot { bytes, .. } => slots.push(bytes),
        }
    }
    Ok(slots)
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
    column: usize,
    what: String,
}

/// A jump to a label that may not be bound yet.
struct Pending {
    index: usize,
    slot: u32,
    label: String,
    line: usize,
    column: usize,
}

/// What was read so far.
#[derive(Default)]
struct Program {
    codes: Vec<Code>,
    slots: u32,
    labels: HashMap<String, u32>,
    pending: Vec<Pending>,
}

impl Program {
    fn line(&mut self, line: &str, number: usize) -> Result<(), Fault> {
        let mut cursor = Cursor::new(without_comment(line));
        cursor.eat(">");
        self.heads(&mut cursor)?;
        if cursor.at_end() {
            return Ok(());
        }
        let prefix_column = cursor.column();
        let prefix = cursor.opcode_prefix()?;
        let (mut code, target) = statement(&mut cursor, prefix)?;
        if !cursor.at_end() {
            return Err(cursor.expected("the end of the line"));
        }
        match target {
            None => {}
            Some(Target::Relative { distance, column }) => {
                code = aim(&code, distance).ok_or_else(|| out_of_reach(column, distance))?;
            }
            Some(Target::Label { name, column }) => self.pending.push(Pending {
                index: self.codes.len(),
                slot: self.slots,
                label: name.to_owned(),
                line: number,
                column,
            }),
        }
        check_prefix(prefix, &code).map_err(|what| Fault { column: prefix_column, what })?;
        self.slots = self.slots.checked_add(code.slots()).ok_or_else(|| Fault {
            column: 1,
            what: format!("the program has more than {} slots", u32::MAX),
        })?;
        self.codes.push(code);
        Ok(())
    }

    /// Slot numbers and labels in front of an instruction.
    fn heads(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        loop {
            let column = cursor.column();
            if cursor.eat_slot_number() {
                continue;
            }
            let Some(name) = cursor.eat_label() else { return Ok(()) };
            if !label::is_name(name) {
                let what = format!("expected a label, found `{name}`, which has a meaning already");
                return Err(Fault { column, what });
            }
            if self.labels.insert(name.to_owned(), self.slots).is_some() {
                let what = format!("the label `{name}` is bound a second time");
                return Err(Fault { column, what });
            }
        }
    }

    fn resolve(mut self) -> Result<Vec<Code>, ParseError> {
        for Pending { index, slot, label, line, column } in self.pending {
            let fault = |what| ParseError { line, column, what };
            let target = *self.labels.get(&label).ok_or_else(|| {
                fault(format!("expected a label of this program, found `{label}`, bound nowhere"))
            })?;
            let distance = i64::from(target) - (i64::from(slot) + 1);
            self.codes[index] = aim(&self.codes[index], distance)
                .ok_or_else(|| fault(out_of_reach(column, distance).what))?;
        }
        Ok(self.codes)
    }
}

/// An opcode that was written must be that of the instruction.
fn check_prefix(prefix: Option<u8>, code: &Code) -> Result<(), String> {
    let Some(prefix) = prefix else { return Ok(()) };
    match code {
        Code::Insn(insn) if opcode(insn) == prefix => Ok(()),
        Code::Insn(insn) => Err(format!(
            "expected an instruction with opcode ({prefix:02x}), found `{insn}`, which has ({:02x})",
            opcode(insn)
        )),
        Code::Slot { .. } => Err("expected no opcode in front of a raw slot".to_owned()),
    }
}

fn out_of_reach(column: usize, distance: i64) -> Fault {
    let what = format!(
        "the target is {distance} slots away; goto, may_goto and if reach -32768..=32767, gotol \
         and call 32 bits"
    );
    Fault { column, what }
}

/// `code` with this distance from the slot behind its first one; nothing if it does not fit.
fn aim(code: &Code, distance: i64) -> Option<Code> {
    let Code::Insn(insn) = code else { return None };
    let mut insn = *insn;
    match &mut insn {
        Insn::Jump { off, .. } | Insn::Goto { off } | Insn::MayGoto { off } => {
            *off = i16::try_from(distance).ok()?;
        }
        Insn::GotoLong { off }
        | Insn::Call(Callee::Local(off))
        | Insn::LoadImm64 { value: Imm64::Function(off), .. } => {
            *off = i32::try_from(distance).ok()?;
        }
        Insn::Alu { .. }
        | Insn::MovSx { .. }
        | Insn::Neg { .. }
        | Insn::Swap { .. }
        | Insn::LoadImm64 { .. }
        | Insn::Load { .. }
        | Insn::Store { .. }
        | Insn::Atomic { .. }
        | Insn::LoadAcquire { .. }
        | Insn::StoreRelease { .. }
        | Insn::LegacyLoad { .. }
        | Insn::Call(_)
        | Insn::Exit => return None,
    }
    Some(Code::Insn(insn))
}

/// `line` up to its comment. `#` begins one only after white space: it also stands in
/// `call bpf_map_lookup_elem#1`.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    let end = line.char_indices().find(|&(at, c)| {
        let comment = match c {
            ';' => true,
            '/' => line[at..].starts_with("//"),
            '#' => before.is_whitespace(),
            _ => false,
        };
        before = c;
        comment
    });
    end.map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests;
