//! The annotated listing of a program: why, where, what.
//!
//! Directives say what the program is called and which maps it has; an origin stands as a `; ` line
//! above the run of instructions that it explains; an instruction is its slot number and the
//! kernel's text of it, with maps by name. [`parse::assemble`](super::parse::assemble) reads a
//! listing back to the same image, unless it was shortened: a listing of the result is the same
//! text. [`lines`] gives the instructions as data.
//!
//! It does not check the program and does not change it.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt,
};

use super::{
    Insn, MapSpec, Origin, ProgramImage,
    disasm::{opcode, text_with_target},
    encode,
    flow::target_slot,
    image::LICENCE,
    insn::Imm64,
    label,
    parse::directive::{Name, data_lines, map_line, write_quoted},
};

/// One instruction of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its first slot.
    pub slot: u32,
    /// Its bytes: 8, or 16 if it is wide.
    pub bytes: Vec<u8>,
    /// The kernel's text of it, with the opcode in front: `(bf) r2 = r7`.
    pub text: String,
    /// Why it exists.
    pub origin: &'a Origin,
    /// Does a run of instructions with this origin begin here?
    pub begins_run: bool,
    /// The slot it may jump to, calls or takes the address of.
    pub goes_to: Option<u32>,
    /// Does another instruction jump here?
    pub is_target: bool,
    /// The function that begins here, unless the program is one called `main`.
    pub function: Option<&'a str>,
    /// How many numbers it takes, if it is a global one.
    pub global: Option<u8>,
}

/// The instructions of `image` as lines, in order.
pub fn lines(image: &ProgramImage) -> Vec<Line<'_>> {
    let slots = usize::try_from(image.slot_count()).expect("u32 fits");
    let mut is_target = vec![false; slots];
    for index in 0..image.insns().len() {
        let to = target_slot(image, index).and_then(|to| usize::try_from(to).ok());
        if let Some(target) = to.and_then(|to| is_target.get_mut(to)) {
            *target = true;
        }
    }
    // A program that is one function called `main` need not say so.
    let unnamed = matches!(image.functions(), [only] if only.name == "main" && only.slot == 0);
    let mut functions = if unnamed { &[] } else { image.functions() }.iter();
    let mut next_function = functions.next();
    let mut run = None;
    let mut all = Vec::with_capacity(image.insns().len());
    for (index, insn) in image.insns().iter().enumerate() {
        let slot = image.slot_of(index);
        let (mut function, mut global) = (None, None);
        while let Some(next) = next_function.filter(|f| f.slot <= slot) {
            function = Some(next.name.as_str());
            global = next.global;
            next_function = functions.next();
        }
        let (first, second) = encode::encode(insn);
        let number = Some(image.origin_number(index));
        all.push(Line {
            slot,
            bytes: first.into_iter().chain(second.into_iter().flatten()).collect(),
            text: format!("({:02x}) {insn}", opcode(insn)),
            origin: image.origin(index),
            begins_run: number != run,
            goes_to: target_slot(image, index),
            is_target: is_target[usize::try_from(slot).expect("u32 fits")],
            function,
            global,
        });
        run = number;
    }
    all
}

/// How a listing is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Not at all.
    #[default]
    Plain,
    /// With the escape sequences of ANSI terminals.
    Ansi,
}

/// A part of a listing that has a colour of its own.
#[derive(Clone, Copy)]
enum Part {
    Origin,
    Slot,
    Bytes,
    Name,
    Jump,
}

impl Style {
    fn paint(self, part: Part, text: impl fmt::Display) -> String {
        let code = match part {
            Part::Origin => "32",
            Part::Slot | Part::Bytes => "2",
            Part::Name => "1;33",
            Part::Jump => "36",
        };
        match self {
            Self::Plain => text.to_string(),
            Self::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// The listing of an image; `Display` writes it. By default all instructions, no bytes, no
/// colours, jumps relative as the kernel prints them.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    image: &'a ProgramImage,
    bytes: bool,
    labels: bool,
    slots: bool,
    run_lines_max: usize,
    lines_max: usize,
    style: Style,
}

impl<'a> Listing<'a> {
    /// The listing of `image`.
    pub fn new(image: &'a ProgramImage) -> Self {
        Self {
            image,
            bytes: false,
            labels: false,
            slots: false,
            run_lines_max: usize::MAX,
            lines_max: usize::MAX,
            style: Style::Plain,
        }
    }

    /// Show the bytes of each instruction behind its text.
    #[must_use]
    pub fn bytes(mut self, bytes: bool) -> Self {
        self.bytes = bytes;
        self
    }

    /// Name jump targets (`L9:`, `goto L9`) instead of counting slots (`goto pc+6`), and leave slot
    /// numbers and opcodes away: the form to edit.
    #[must_use]
    pub fn labels(mut self, labels: bool) -> Self {
        self.labels = labels;
        self
    }

    /// Show slot numbers in any case, and behind jumps that have no label the slot that they go to.
    #[must_use]
    pub fn slots(mut self, slots: bool) -> Self {
        self.slots = slots;
        self
    }

    /// Show at most `run_lines_max` instructions for one origin and about `lines_max` in all, and
    /// say how many were left out.
    #[must_use]
    pub fn short(mut self, run_lines_max: usize, lines_max: usize) -> Self {
        self.run_lines_max = run_lines_max;
        self.lines_max = lines_max;
        self
    }

    /// Use these colours.
    #[must_use]
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// The label of each slot that has one. Functions give their name where it can be one.
    fn labels_of(&self, lines: &[Line<'_>]) -> HashMap<u32, Label> {
        let mut labels = HashMap::new();
        let mut used = HashSet::new();
        for line in lines {
            if let Some(name) = line.function.filter(|name| is_label(name) && used.insert(*name)) {
                labels.insert(line.slot, Label::Function(name.to_owned()));
            } else if self.labels && line.is_target {
                labels.insert(line.slot, Label::Place(format!("L{}", line.slot)));
            }
        }
        labels
    }

    /// The text of the instruction, with names for maps and, where wanted, for the target.
    fn text(&self, line: &Line<'_>, names: &Names) -> String {
        let label = line.goes_to.filter(|_| self.labels).and_then(|to| names.labels.get(&to));
        let Some(index) = self.image.index_at(line.slot) else { return line.text.clone() };
        let insn = &self.image.insns()[index];
        if let Some(label) = label {
            return format!("({:02x}) {}", opcode(insn), text_with_target(insn, label.name()));
        }
        let Insn::LoadImm64 { dst, value } = insn else { return line.text.clone() };
        let (index, offset) = match *value {
            Imm64::MapIndex(index) => (index, None),
            Imm64::MapIndexValue { index, offset } => (index, Some(offset)),
            Imm64::Value(_)
            | Imm64::MapFd(_)
            | Imm64::MapValue { .. }
            | Imm64::BtfId { .. }
            | Imm64::Function(_) => return line.text.clone(),
        };
        match usize::try_from(index).ok().and_then(|index| names.maps.get(index)) {
            None => line.text.clone(),
            Some(map) => {
                let offset = offset.map_or_else(String::new, |o| format!("[0]{o:+}"));
                format!("({:02x}) {dst} = map[{map}]{offset}", opcode(insn))
            }
        }
    }

    fn line(
        &self,
        f: &mut fmt::Formatter<'_>,
        line: &Line<'_>,
        names: &Names,
        width: usize,
    ) -> fmt::Result {
        let text = self.text(line, names);
        let columns = text.chars().count();
        let jumps = line.goes_to.is_some();
        if self.labels && !self.slots {
            // Without the opcode too: it would have to be edited with the text.
            let text = text.split_once(") ").map_or(text.as_str(), |(_, text)| text);
            let text = if jumps { self.style.paint(Part::Jump, text) } else { text.to_owned() };
            write!(f, "    {text}")?;
        } else {
            let mark = if line.is_target && !self.labels { '>' } else { ' ' };
            let slot = format!("{mark}{:>width$}:", line.slot, width = width - 1);
            let text = if jumps { self.style.paint(Part::Jump, text) } else { text };
            write!(f, "{} {text}", self.style.paint(Part::Slot, slot))?;
        }
        let mut notes = Vec::new();
        if self.bytes {
            notes.push(spaced_hex(&line.bytes));
        }
        if let Some(to) = line.goes_to.filter(|_| self.slots && !self.labels) {
            notes.push(format!("to {to}"));
        }
        if !notes.is_empty() {
            let pad = 44_usize.saturating_sub(columns);
            let notes = format!("; {}", notes.join(" ; "));
            write!(f, "{:pad$} {}", "", self.style.paint(Part::Bytes, notes))?;
        }
        writeln!(f)
    }

    /// What stands above an instruction: a function, a label.
    fn heads(&self, f: &mut fmt::Formatter<'_>, line: &Line<'_>, names: &Names) -> fmt::Result {
        let label = names.labels.get(&line.slot);
        if let Some(function) = line.function {
            let mut text = ".function ".to_owned();
            match label {
                Some(Label::Function(name)) => text += name,
                // A name that is no label, or one that is taken.
                Some(Label::Place(_)) | None => write_quoted(&mut text, function)?,
            }
            if let Some(numbers) = line.global {
                text += &format!(" global {numbers}");
            }
            writeln!(f, "{}", self.style.paint(Part::Name, text))?;
        }
        match label {
            Some(Label::Place(name)) => {
                writeln!(f, "{}", self.style.paint(Part::Name, format!("{name}:")))
            }
            Some(Label::Function(_)) | None => Ok(()),
        }
    }

    /// The directives that say what is not in the instructions.
    fn header(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = self.image;
        let frags = if image.frags() { " frags" } else { "" };
        let program = format!(".program {} {}{frags}", Name(image.name()), image.kind().name());
        writeln!(f, "{}", self.style.paint(Part::Name, program))?;
        if image.licence() != LICENCE {
            let licence = format!(".licence {}", Name(image.licence()));
            writeln!(f, "{}", self.style.paint(Part::Name, licence))?;
        }
        for (index, spec) in image.maps().iter().enumerate() {
            writeln!(f, "{}", self.style.paint(Part::Name, map_line(spec)))?;
            let contents = image.contents().iter().filter(|contents| contents.map == index);
            let taken = image.maps()[..index].iter().any(|before| before.name == spec.name);
            let name = if taken { index.to_string() } else { spec.name.clone() };
            for line in contents.flat_map(|contents| data_lines(&name, &contents.bytes)) {
                writeln!(f, "{}", self.style.paint(Part::Bytes, line))?;
            }
        }
        Ok(())
    }
}

/// How a place is called in text.
enum Label {
    /// By the directive that begins a function.
    Function(String),
    /// By a label of its own.
    Place(String),
}

impl Label {
    fn name(&self) -> &str {
        match self {
            Self::Function(name) | Self::Place(name) => name,
        }
    }
}

/// What is called by name in one listing.
struct Names {
    labels: HashMap<u32, Label>,
    /// By index: the name, or the index again where the name cannot be used.
    maps: Vec<String>,
}

impl Names {
    fn of(listing: &Listing<'_>, lines: &[Line<'_>]) -> Self {
        let mut used = HashSet::new();
        let maps = listing.image.maps().iter().enumerate().map(|(index, spec)| {
            let name = spec.name.as_str();
            let good = label::is_word(name) && !["fd", "id", "idx"].contains(&name);
            if good && used.insert(name) { name.to_owned() } else { index.to_string() }
        });
        Self { maps: maps.collect(), labels: listing.labels_of(lines) }
    }
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = lines(self.image);
        let names = Names::of(self, &lines);
        let width = self.image.slot_count().to_string().len().max(3) + 1;
        self.header(f)?;
        let mut shown = 0;
        let mut rest = lines.as_slice();
        while !rest.is_empty() {
            if shown >= self.lines_max {
                return elision(f, rest.len(), width);
            }
            let run = 1 + rest[1..].iter().take_while(|line| !line.begins_run).count();
            let (here, after) = rest.split_at(run);
            rest = after;
            let origin = format!("; {}", here[0].origin.comment());
            writeln!(f, "{}", self.style.paint(Part::Origin, origin))?;
            // Never a line that only says that one line is missing.
            let fits = here.len() <= self.run_lines_max.saturating_add(1);
            let count = if fits { here.len() } else { self.run_lines_max };
            for line in &here[..count] {
                self.heads(f, line, &names)?;
                self.line(f, line, &names, width)?;
            }
            if count < here.len() {
                elision(f, here.len() - count, width)?;
            }
            shown += count;
        }
        Ok(())
    }
}

fn elision(f: &mut fmt::Formatter<'_>, count: usize, width: usize) -> fmt::Result {
    writeln!(f, "{:width$}  … {count} more", "")
}

/// Can the function be called by this name in text? `L` and digits name places by their slot.
fn is_label(name: &str) -> bool {
    let ours = name.strip_prefix('L').is_some_and(|n| n.chars().all(|c| c.is_ascii_digit()));
    !ours && label::is_name(name)
}

/// What a map is, in a few words.
pub(super) fn map_text(spec: &MapSpec) -> String {
    let MapSpec { name, kind, key_bytes, value_bytes, entries_max, flags } = spec;
    let flags = if *flags == 0 { String::new() } else { format!(", flags {flags:#x}") };
    let entries = match spec.is_entry_per_cpu() {
        true => "one entry a CPU".to_owned(),
        false => format!("entries {entries_max}"),
    };
    let name = one_line(name);
    let kind = kind.name();
    format!("{name}: {kind}, key {key_bytes}, value {value_bytes}, {entries}{flags}")
}

/// `text` without anything that would end the line or drive a terminal: patterns come from users.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| c.is_control()) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    Cow::Owned(clean)
}

fn spaced_hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    digits.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembler::{
        Alu, Assembler, Branch, Jmp, MapKind, Phase, ProgramKind, Size, Target,
        insn::Reg::{R0, R2, R3, R7, R8},
    };

    /// The program of STYLE.md, section 2.3.
    fn get() -> ProgramImage {
        let mut asm = Assembler::new("get", ProgramKind::Xdp);
        let miss = asm.label();
        asm.origin(Origin::new(Phase::Bounds, "5 bytes"));
        asm.emit(Alu::Mov.reg(R2, R7));
        asm.emit(Alu::Add.imm(R2, 5));
        asm.emit(Jmp::Gt.reg(R2, R8, miss));
        asm.origin(Origin::new(Phase::Confirm, "\"GET \" at +0"));
        asm.emit(Size::W.load(R3, R7, 0));
        asm.emit(Jmp::Ne.imm32(R3, 0x2054_4547, miss));
        asm.origin(Origin::new(Phase::Confirm, "0x2f at +4"));
        asm.emit(Size::B.load(R3, R7, 4));
        asm.emit(Jmp::Ne.imm32(R3, 0x2f, miss));
        asm.origin(Origin::new(Phase::Verdict, "pass\nor\x1b[31m drop"));
        asm.emit(Alu::Mov.imm(R0, 1));
        asm.emit(Insn::Exit);
        asm.bind(miss);
        asm.emit(Alu::Mov.imm(R0, 0));
        asm.emit(Insn::Exit);
        asm.finish(&Target::newest()).expect("a program")
    }

    #[test]
    fn origins_stand_above_what_they_explain_and_targets_are_marked() {
        let image = get();
        let want = "\
.program get xdp
; bounds: 5 bytes
   0: (bf) r2 = r7
   1: (07) r2 += 5
   2: (2d) if r2 > r8 goto pc+6
; confirm: \"GET \" at +0
   3: (61) r3 = *(u32 *)(r7 +0)
   4: (56) if w3 != 0x20544547 goto pc+4
; confirm: 0x2f at +4
   5: (71) r3 = *(u8 *)(r7 +4)
   6: (56) if w3 != 0x2f goto pc+2
; verdict: pass\\nor\\u{1b}[31m drop
   7: (b7) r0 = 1
   8: (95) exit
>  9: (b7) r0 = 0
  10: (95) exit
";
        assert_eq!(Listing::new(&image).to_string(), want);
    }

    #[test]
    fn a_short_listing_says_what_it_leaves_out() {
        let image = get();
        let want = "\
.program get xdp
; bounds: 5 bytes
   0: (bf) r2 = r7
   1: (07) r2 += 5
   2: (2d) if r2 > r8 goto L9
; confirm: \"GET \" at +0
   3: (61) r3 = *(u32 *)(r7 +0)
   4: (56) if w3 != 0x20544547 goto L9
; confirm: 0x2f at +4
   5: (71) r3 = *(u8 *)(r7 +4)
   6: (56) if w3 != 0x2f goto L9
; verdict: pass\\nor\\u{1b}[31m drop
   7: (b7) r0 = 1
   8: (95) exit
      … 2 more
";
        assert_eq!(Listing::new(&image).labels(true).slots(true).short(2, 100).to_string(), want);
        let text = Listing::new(&image).slots(true).to_string();
        assert!(text.contains("goto pc+6                    ; to 9\n"), "{text}");
        let text = Listing::new(&image).short(2, 4).to_string();
        assert!(text.ends_with("goto pc+4\n      … 6 more\n"), "{text}");
    }

    #[test]
    fn functions_and_maps_are_named_and_bytes_are_shown() {
        let mut asm = Assembler::new("two", ProgramKind::Xdp);
        let map = asm.map(MapSpec {
            name: "counters".to_owned(),
            kind: MapKind::PerCpuArray,
            key_bytes: 4,
            value_bytes: 8,
            entries_max: 64,
            flags: 0,
        });
        let twice = asm.label();
        asm.load_map(R2, map);
        asm.emit(Branch::call(twice));
        asm.emit(Insn::Exit);
        asm.function("twice", twice);
        asm.emit(Alu::Mov.imm(R0, 2));
        asm.emit(Insn::Exit);
        let image = asm.finish(&Target::newest()).expect("a program");
        let want = "\
.program two xdp
.map counters percpu_array key 4 value 8 entries 64
; entry: start
.function main
   0: (18) r2 = map[counters]                      ; 18 52 00 00 00 00 00 00 00 00 00 00 00 00 00 00
   2: (85) call twice                              ; 85 10 00 00 01 00 00 00
   3: (95) exit                                    ; 95 00 00 00 00 00 00 00
.function twice
   4: (b7) r0 = 2                                  ; b7 00 00 00 02 00 00 00
   5: (95) exit                                    ; 95 00 00 00 00 00 00 00
";
        assert_eq!(Listing::new(&image).labels(true).slots(true).bytes(true).to_string(), want);
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let image = get();
        let coloured = Listing::new(&image).style(Style::Ansi).to_string();
        let mut plain = String::new();
        for piece in coloured.split('\x1b') {
            let piece = piece.strip_prefix('[').and_then(|p| p.split_once('m'));
            plain.push_str(piece.map_or("", |(_, text)| text));
        }
        assert_eq!(plain, Listing::new(&image).to_string());
    }
}
