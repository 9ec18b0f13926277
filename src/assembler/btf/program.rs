//! What an image says about itself: the types of its functions, and for each run of instructions
//! the reason why they exist, in the place where a compiler names a line of source.
//!
//! The kernel prints these lines in the verifier's log, `bpftool prog dump xlated linum` beside the
//! instructions, and both kinds of information let others attach to a function of the program.

use std::collections::BTreeMap;

use super::{Linkage, Member, TypeId, Writer, identifier};
use crate::assembler::{
    Insn, Origin, Phase, ProgramImage, ProgramKind,
    flow::target_offset,
    insn::{Callee, Imm64},
    listing::one_line,
};

/// The file that lines are said to be in.
pub const FILE_NAME: &str = "hardwire";

/// Most bytes of a line's text. Longer ones end with `…`.
pub const TEXT_BYTES_MAX: usize = 160;

/// Most bytes of all texts. The kernel takes 16 MB of BTF; behind this limit a line says only its
/// phase.
const TEXTS_BYTES_MAX: usize = 4 << 20;

/// Most lines: what the 22 bits of a line number count.
const LINE_MAX: u32 = (1 << 22) - 1;

/// Where a function is and what its type is (`struct bpf_func_info`, but with the slot).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its first slot.
    pub slot: u32,
    /// Its type.
    pub ty: TypeId,
    /// Its name, as written in the type.
    pub name: String,
}

/// Where a line of text begins to explain instructions (`struct bpf_line_info`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// The first slot that it explains; never the second half of a wide instruction.
    pub slot: u32,
    /// Where the name of the file is among the strings.
    pub file: u32,
    /// Where the text is.
    pub text: u32,
    /// The number of the line, in the upper 22 bits; the column, 0, in the lower 10.
    pub line_column: u32,
}

/// The types of a program, ready for `BPF_BTF_LOAD`, and what refers to them.
#[derive(Clone, Debug)]
pub struct ProgramTypes {
    writer: Writer,
    functions: Vec<FunctionInfo>,
    lines: Vec<LineInfo>,
}

impl ProgramTypes {
    /// What `image` says about itself.
    ///
    /// Functions are what is called, has its address taken, or is first; the first one is called by
    /// the image's name. Lines begin where the origin changes and at every function; their numbers
    /// ascend.
    pub fn of(image: &ProgramImage) -> Self {
        let mut writer = Writer::new();
        let functions = write_functions(&mut writer, image);
        let lines = write_lines(&mut writer, image, &functions);
        Self { writer, functions, lines }
    }

    /// BTF.
    pub fn btf(&self) -> Vec<u8> {
        self.writer.finish()
    }

    /// The functions, by slot; the first one is at slot 0.
    pub fn functions(&self) -> &[FunctionInfo] {
        &self.functions
    }

    /// The lines, by slot; every function begins with one.
    pub fn lines(&self) -> &[LineInfo] {
        &self.lines
    }

    /// To write more into the same BTF.
    pub(in crate::assembler) fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

/// The structure that the context of a program is called by. The kernel recognises it by its name
/// alone (`btf_get_prog_ctx_type()` in `kernel/bpf/btf.c`), so its members can stay away.
fn context(kind: ProgramKind) -> &'static str {
    match kind {
        ProgramKind::SocketFilter | ProgramKind::SchedCls => "__sk_buff",
        ProgramKind::Xdp => "xdp_md",
    }
}

fn write_functions(writer: &mut Writer, image: &ProgramImage) -> Vec<FunctionInfo> {
    let int = writer.int("int", 4, true);
    let context = writer.structure(context(image.kind()), 4, &[]);
    let context = writer.pointer(context);
    let entry = writer.prototype(int, &[Member { name: "ctx", ty: context }]);
    let (mut inner, mut number) = (None, None);
    let mut functions = Vec::new();
    for (slot, name) in function_names(image) {
        let numbers = image.functions().iter().find(|f| f.slot == slot).and_then(|f| f.global);
        let ty = if slot == 0 {
            writer.function(&name, entry, Linkage::Global)
        } else if let Some(numbers) = numbers {
            let number = *number.get_or_insert_with(|| writer.int("u32", 4, false));
            let names = ["a", "b", "c", "d"].into_iter().take(numbers.into());
            let mut members = vec![Member { name: "ctx", ty: context }];
            members.extend(names.map(|name| Member { name, ty: number }));
            let proto = writer.prototype(int, &members);
            writer.function(&name, proto, Linkage::Global)
        } else {
            // What is not global is verified where it is called, whatever its type says.
            let proto = *inner.get_or_insert_with(|| writer.prototype(int, &[]));
            writer.function(&name, proto, Linkage::Static)
        };
        functions.push(FunctionInfo { slot, ty, name });
    }
    functions
}

/// The functions as the kernel sees them: what is called, has its address taken, or is first.
fn function_names(image: &ProgramImage) -> BTreeMap<u32, String> {
    let known: BTreeMap<u32, &str> =
        image.functions().iter().rev().map(|f| (f.slot, f.name.as_str())).collect();
    let mut names = BTreeMap::from([(0, identifier(image.name()))]);
    for (index, insn) in image.insns().iter().enumerate() {
        let is_function = matches!(
            insn,
            Insn::Call(Callee::Local(_)) | Insn::LoadImm64 { value: Imm64::Function(_), .. }
        );
        let next = i64::from(image.slot_of(index)) + 1;
        let to = target_offset(insn).and_then(|off| u32::try_from(next + off).ok());
        let starts = |slot| image.index_at(slot).is_some_and(|at| image.slot_of(at) == slot);
        if let Some(slot) = to.filter(|&slot| is_function && starts(slot)) {
            names.entry(slot).or_insert_with(|| {
                known.get(&slot).map_or_else(|| format!("function_{slot}"), |name| identifier(name))
            });
        }
    }
    names
}

fn write_lines(
    writer: &mut Writer,
    image: &ProgramImage,
    functions: &[FunctionInfo],
) -> Vec<LineInfo> {
    let file = writer.string(FILE_NAME);
    let mut starts = functions.iter().map(|f| f.slot).peekable();
    let mut texts: Vec<Option<u32>> = vec![None; image.origins().len()];
    let mut lines: Vec<LineInfo> = Vec::new();
    let mut run = None;
    for index in 0..image.insns().len() {
        let slot = image.slot_of(index);
        let begins = starts.next_if(|&start| start <= slot).is_some();
        let number = image.origin_number(index);
        if !begins && run == Some(number) {
            continue;
        }
        run = Some(number);
        let known = &mut texts[usize::try_from(number).expect("an index of this vector")];
        let text = *known.get_or_insert_with(|| {
            let origin = image.origin(index);
            let full = writer.string_bytes() >= TEXTS_BYTES_MAX;
            writer.string(&if full { origin.phase.name().to_owned() } else { line_text(origin) })
        });
        let line = u32::try_from(lines.len() + 1).map_or(LINE_MAX, |line| line.min(LINE_MAX));
        lines.push(LineInfo { slot, file, text, line_column: line << 10 });
    }
    lines
}

/// An origin as one printable line: phase and text, or the text alone where somebody else wrote it.
fn line_text(origin: &Origin) -> String {
    let text = match origin.phase {
        Phase::Text => origin.text.clone(),
        Phase::Entry
        | Phase::Scope
        | Phase::Scan
        | Phase::Bounds
        | Phase::Confirm
        | Phase::Count
        | Phase::Report
        | Phase::Verdict => origin.to_string(),
    };
    let text = one_line(text.trim());
    if text.len() <= TEXT_BYTES_MAX {
        return text.into_owned();
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX - '…'.len_utf8());
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembler::{
        Alu, Assembler, Branch, Reg, Target,
        insn::Reg::{R0, R2},
    };

    fn strings(btf: &[u8]) -> &[u8] {
        let word = |at: usize| u32::from_le_bytes(btf[at..at + 4].try_into().expect("4"));
        let from = usize::try_from(word(4) + word(16)).expect("small");
        &btf[from..]
    }

    fn text_at(btf: &[u8], at: u32) -> String {
        let rest = &strings(btf)[usize::try_from(at).expect("small")..];
        let end = rest.iter().position(|&b| b == 0).expect("ends");
        String::from_utf8(rest[..end].to_vec()).expect("text")
    }

    #[test]
    fn lines_begin_where_the_reason_changes_and_at_every_function() {
        let mut asm = Assembler::new("7.hw", ProgramKind::Xdp);
        let twice = asm.label();
        asm.origin(Origin::new(Phase::Confirm, "match \"GET \" at +0"));
        asm.emit(Insn::LoadImm64 { dst: R2, value: Imm64::Value(7) });
        asm.emit(Alu::Mov.reg(R0, R2));
        asm.emit(Branch::call(twice));
        asm.origin(Origin::new(Phase::Verdict, "pass\n\u{7f}"));
        asm.emit(Insn::Exit);
        asm.function("twice", twice);
        asm.emit(Alu::Mov.imm(Reg::R0, 2));
        asm.emit(Insn::Exit);
        let types = ProgramTypes::of(&asm.finish(&Target::newest()).expect("a program"));
        let btf = types.btf();
        let functions: Vec<_> =
            types.functions().iter().map(|f| (f.slot, f.name.as_str())).collect();
        assert_eq!(functions, [(0, "_7_hw"), (5, "twice")]);
        let lines: Vec<_> = types
            .lines()
            .iter()
            .map(|l| (l.slot, l.line_column >> 10, text_at(&btf, l.text)))
            .collect();
        let verdict = "verdict: pass\\n\\u{7f}".to_owned();
        assert_eq!(
            lines,
            [
                (0, 1, "confirm: match \"GET \" at +0".to_owned()),
                (4, 2, verdict.clone()),
                (5, 3, verdict),
            ]
        );
        assert_eq!(text_at(&btf, types.lines()[0].file), "hardwire");
    }

    #[test]
    fn texts_are_bounded_each_and_together() {
        let mut asm = Assembler::new("long", ProgramKind::Xdp);
        for number in 0..40_000 {
            asm.origin(Origin::new(Phase::Scan, format!("{number} {}", "é".repeat(300))));
            asm.emit(Alu::Mov.imm(Reg::R0, 0));
        }
        asm.emit(Insn::Exit);
        let types = ProgramTypes::of(&asm.finish(&Target::newest()).expect("a program"));
        let btf = types.btf();
        assert!(btf.len() < TEXTS_BYTES_MAX + 4096, "{}", btf.len());
        assert_eq!(types.lines().len(), 40_000);
        let first = text_at(&btf, types.lines()[0].text);
        assert!(first.starts_with("scan: 0 é") && first.ends_with('…'), "{first}");
        assert!(first.len() <= TEXT_BYTES_MAX);
        assert_eq!(text_at(&btf, types.lines()[39_999].text), "scan");
    }
}
