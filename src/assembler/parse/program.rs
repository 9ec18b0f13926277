//! Line by line to a program: labels are bound as they come and resolved at the end.

use std::collections::HashMap;

use super::{
    Assembled, Fault, ParseError,
    cursor::Cursor,
    directive::{self, Directive},
    pseudo::MapNames,
    statement::{Target, statement},
};
use crate::assembler::{
    Contents, Function, MapSpec, Origin, Phase, ProgramKind,
    disasm::{Code, opcode},
    helper,
    insn::{Callee, Imm64, Insn},
    label,
};

/// Most bytes that all maps together may hold at first. The zeros need not be written, so a short
/// text could ask for any number of them.
const CONTENTS_BYTES_MAX: usize = 64 << 20;

/// Most lines of a text, and most labels: a program of a million slots has no more, even if each
/// has an origin and a label.
pub(super) const LINES_MAX: usize = 4 << 20;

/// Most maps of a text. The kernel takes 64 in one program (`MAX_USED_MAPS` in
/// `kernel/bpf/verifier.c`); searches through them are linear.
pub(super) const MAPS_MAX: usize = 1024;

/// A jump to a label that may not be bound yet.
struct Pending<'a> {
    index: usize,
    slot: u32,
    label: &'a str,
    line: usize,
    column: usize,
}

/// What was read so far.
#[derive(Default)]
struct Program<'a> {
    codes: Vec<Code>,
    lines: Vec<u32>,
    slots: u32,
    labels: HashMap<&'a str, u32>,
    pending: Vec<Pending<'a>>,
    program: Option<(String, ProgramKind, bool)>,
    maps: Vec<MapSpec>,
    map_names: MapNames,
    contents: Vec<Contents>,
    contents_bytes: usize,
    licence: Option<String>,
    functions: Vec<Function>,
    /// Line and column of the last of them.
    last_function: (usize, usize),
    origins: Vec<Origin>,
    origin_numbers: HashMap<Origin, u32>,
    origin: u32,
    origin_of: Vec<u32>,
}

/// Read a program; `kernel_functions` gives BTF ids.
pub(super) fn read(
    text: &str,
    kernel_functions: &dyn Fn(&str) -> Option<i32>,
) -> Result<Assembled, ParseError> {
    let mut program = Program::default();
    for (index, line) in text.lines().enumerate() {
        if index == LINES_MAX {
            let what = format!("the text has more than {LINES_MAX} lines, the limit");
            return Err(ParseError { line: index + 1, column: 1, what });
        }
        program.line(line, index + 1).map_err(|fault| fault.at(index + 1, line))?;
    }
    program.resolve(kernel_functions).map_err(|(number, fault)| {
        fault.at(number, text.lines().nth(number - 1).unwrap_or_default())
    })?;
    if program.origins.is_empty() {
        program.origins.push(unexplained());
    }
    Ok(Assembled {
        codes: program.codes,
        program: program.program,
        maps: program.maps,
        contents: program.contents,
        licence: program.licence,
        functions: program.functions,
        origins: program.origins,
        origin_of: program.origin_of,
        lines: program.lines,
    })
}

/// The origin of instructions above the first comment that is one.
fn unexplained() -> Origin {
    Origin::new(Phase::Text, "as written")
}

impl<'a> Program<'a> {
    fn line(&mut self, line: &'a str, number: usize) -> Result<(), Fault> {
        if let Some(comment) = line.trim_start().strip_prefix(';') {
            if let Some(origin) = Origin::of_comment(comment) {
                self.explain(origin);
            }
            return Ok(());
        }
        let mut cursor = Cursor::new(without_comment(line));
        cursor.eat(">");
        self.heads(&mut cursor)?;
        if cursor.at_end() {
            return Ok(());
        }
        if let Some(directive) = directive::read(&mut cursor)? {
            return self.direct(directive, number);
        }
        let prefix_column = cursor.column();
        let prefix = cursor.opcode_prefix()?;
        let (mut code, target) = statement(&mut cursor, prefix, &self.map_names)?;
        if !cursor.at_end() {
            return Err(cursor.expected("the end of the line"));
        }
        match target {
            None => {}
            Some(Target::Relative { distance, column }) => {
                code = aim(&code, distance).ok_or_else(|| out_of_reach(column, distance))?;
            }
            Some(Target::Label { name: label, column }) => self.pending.push(Pending {
                index: self.codes.len(),
                slot: self.slots,
                label,
                line: number,
                column,
            }),
        }
        check_prefix(prefix, &code).map_err(|what| Fault { column: prefix_column, what })?;
        self.push(code, number);
        Ok(())
    }

    fn push(&mut self, code: Code, line: usize) {
        self.slots += code.slots();
        self.lines.push(u32::try_from(line).expect("fewer than the limit"));
        self.codes.push(code);
        if self.origins.is_empty() {
            self.origins.push(unexplained());
        }
        self.origin_of.push(self.origin);
    }

    /// What follows exists because of `origin`.
    fn explain(&mut self, origin: Origin) {
        let next = u32::try_from(self.origins.len()).expect("fewer than lines");
        self.origin = *self.origin_numbers.entry(origin.clone()).or_insert(next);
        if self.origin == next {
            self.origins.push(origin);
        }
    }

    fn direct(&mut self, directive: Directive<'a>, line: usize) -> Result<(), Fault> {
        match directive {
            Directive::Program { column, name, kind, frags } => {
                if self.program.replace((name, kind, frags)).is_some() {
                    let what = "a second .program: a text is one program".to_owned();
                    return Err(Fault { column, what });
                }
            }
            Directive::Map { column, spec } => {
                if self.maps.len() == MAPS_MAX {
                    let what = format!("the text has more than {MAPS_MAX} maps, the limit");
                    return Err(Fault { column, what });
                }
                let index = i32::try_from(self.maps.len()).expect("MAPS_MAX");
                // The kernel does not mind: the second of a name goes by its index.
                self.map_names.entry(spec.name.clone()).or_insert(index);
                self.maps.push(spec);
            }
            Directive::Function { column, name, label, global } => {
                if self.functions.last().is_some_and(|last| last.slot == self.slots) {
                    let what = "two functions begin at one instruction".to_owned();
                    return Err(Fault { column, what });
                }
                if let Some(label) = label {
                    self.bind(label, column)?;
                }
                self.functions.push(Function { name, slot: self.slots, global });
                self.last_function = (line, column);
            }
            Directive::Data { column, map, offset, bytes } => {
                self.fill(&map, offset, &bytes).map_err(|what| Fault { column, what })?;
            }
            Directive::Licence { column, name } => {
                if self.licence.replace(name).is_some() {
                    let what = "a second .licence: a text is one program".to_owned();
                    return Err(Fault { column, what });
                }
            }
        }
        Ok(())
    }

    /// Put `bytes` into the value that the map called `name` holds at first.
    fn fill(&mut self, name: &str, offset: usize, bytes: &[u8]) -> Result<(), String> {
        let index = match self.map_names.get(name) {
            Some(&index) => usize::try_from(index).ok(),
            None => name.parse().ok(),
        };
        let Some((index, spec)) = index.and_then(|index| Some((index, self.maps.get(index)?)))
        else {
            return Err(format!("expected a map that was declared above, found `{name}`"));
        };
        let size = usize::try_from(spec.value_bytes).expect("u32 fits");
        let end = offset.checked_add(bytes.len()).filter(|&end| end <= size).ok_or_else(|| {
            format!("{} bytes from {offset} on do not fit a value of {size}", bytes.len())
        })?;
        let at = match self.contents.iter().position(|contents| contents.map == index) {
            Some(at) => at,
            None => {
                self.contents_bytes = self.contents_bytes.saturating_add(size);
                if self.contents_bytes > CONTENTS_BYTES_MAX {
                    return Err(format!(
                        "maps hold {} bytes at first; the limit is {CONTENTS_BYTES_MAX}",
                        self.contents_bytes
                    ));
                }
                self.contents.push(Contents { map: index, bytes: vec![0; size] });
                self.contents.len() - 1
            }
        };
        self.contents[at].bytes[offset..end].copy_from_slice(bytes);
        Ok(())
    }

    /// Slot numbers and labels in front of an instruction.
    fn heads(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Fault> {
        loop {
            if cursor.eat_slot_number() {
                continue;
            }
            let before = cursor.clone();
            let Some(name) = cursor.eat_label() else { return Ok(()) };
            self.bind(name, before.clone().column())?;
        }
    }

    fn bind(&mut self, name: &'a str, column: usize) -> Result<(), Fault> {
        if !label::is_name(name) {
            let what = format!("expected a label, found `{name}`, which has a meaning already");
            return Err(Fault { column, what });
        }
        if self.labels.insert(name, self.slots).is_some() {
            let what = format!("the label `{name}` is bound a second time");
            return Err(Fault { column, what });
        }
        if self.labels.len() > LINES_MAX {
            let what = format!("the text has more than {LINES_MAX} labels, the limit");
            return Err(Fault { column, what });
        }
        Ok(())
    }

    /// Find all labels. A fault comes with the number of its line.
    fn resolve(
        &mut self,
        kernel_functions: &dyn Fn(&str) -> Option<i32>,
    ) -> Result<(), (usize, Fault)> {
        if let Some(last) = self.functions.last().filter(|last| last.slot == self.slots) {
            let (line, column) = self.last_function;
            let what = format!("the function `{}` has no instruction", last.name);
            return Err((line, Fault { column, what }));
        }
        for Pending { index, slot, label, line, column } in std::mem::take(&mut self.pending) {
            let fault = |what| (line, Fault { column, what });
            let code = &mut self.codes[index];
            if let Some(&target) = self.labels.get(label) {
                let distance = i64::from(target) - (i64::from(slot) + 1);
                *code =
                    aim(code, distance).ok_or_else(|| (line, out_of_reach(column, distance)))?;
                continue;
            }
            let called = matches!(code, Code::Insn(Insn::Call(_)));
            if let Some(btf_id) = called.then(|| kernel_functions(label)).flatten() {
                *code = Code::Insn(Insn::Call(Callee::Kfunc { btf_id, module: 0 }));
            } else if called && helper::is_kernel_function(label) {
                return Err(fault(format!(
                    "`{label}` is a kernel function, whose number differs from kernel to kernel: \
                     write `{label}#NUMBER`"
                )));
            } else if called && label.starts_with("bpf_") {
                return Err(fault(format!(
                    "expected a helper or kernel function, found `{label}`, which is neither"
                )));
            } else {
                return Err(fault(format!(
                    "expected a label of this program, found `{label}`, bound nowhere"
                )));
            }
        }
        Ok(())
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
        Code::Slot { bytes, .. } if bytes[0] == prefix => Ok(()),
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
        | Insn::AddrSpaceCast { .. }
        | Insn::Neg { .. }
        | Insn::Swap { .. }
        | Insn::LoadImm64 { .. }
        | Insn::Load { .. }
        | Insn::Store { .. }
        | Insn::LoadArgument { .. }
        | Insn::StoreArgument { .. }
        | Insn::Atomic { .. }
        | Insn::LoadAcquire { .. }
        | Insn::StoreRelease { .. }
        | Insn::LegacyLoad { .. }
        | Insn::GotoX { .. }
        | Insn::Call(_)
        | Insn::Exit => return None,
    }
    Some(Code::Insn(insn))
}

/// `line` up to its comment. `#` begins one only after white space: it also stands in
/// `call bpf_map_lookup_elem#1`.
fn without_comment(line: &str) -> &str {
    let bytes = line.as_bytes();
    let begins = |(at, &byte): (usize, &u8)| match byte {
        b';' => true,
        b'/' => bytes.get(at + 1) == Some(&b'/'),
        b'#' => line[..at].chars().next_back().is_none_or(char::is_whitespace),
        _ => false,
    };
    // All three are ASCII, and so stand between characters.
    bytes.iter().enumerate().position(begins).map_or(line, |at| &line[..at])
}
