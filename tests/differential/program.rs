//! From a tree of statements to a program image.

use hardwire::assembler::{
    Alu, Assembler, Branch, Helper, Insn, Jmp, Label, MapKind, MapSpec, Operand, ProgramImage,
    ProgramKind, Reg, Reg::*, Size, Target, Width,
};

use super::statement::{
    Condition, FUNCTIONS, KEYS, PACKET_BYTES, SCALARS, Statement, Tree, VALUE_BYTES, WORDS,
};

/// The map whose value is accessed directly and by lookup; the first of the image.
pub(crate) const ARRAY: i32 = 0;
/// The hash; the second.
pub(crate) const HASH: i32 = 1;

/// Where the context is kept.
const CONTEXT: i16 = -8 * (WORDS + 1);
/// Where keys are put for helpers.
const KEY: i16 = -8 * (WORDS + 2);
/// Counters of loops, one below the other.
const COUNTERS: i16 = -8 * (WORDS + 3);

struct Writer {
    asm: Assembler,
    functions: [Label; FUNCTIONS],
    /// Are we in the first function, which has the packet?
    main: bool,
    loops: i16,
}

/// The program of `tree`: registers and words of the stack from the packet, the statements, and all
/// of it back into the packet.
pub(crate) fn image(tree: &Tree) -> ProgramImage {
    let mut asm = Assembler::new("differential", ProgramKind::Xdp);
    if uses_maps(&tree.main) {
        asm.map(spec("array", MapKind::Array, VALUE_BYTES, 1));
        let room = u32::try_from(KEYS - 1).expect("small");
        asm.map(spec("hash", MapKind::Hash, 8, room));
    }
    let functions = std::array::from_fn(|_| asm.label());
    let mut writer = Writer { asm, functions, main: true, loops: 0 };
    writer.main(&tree.main);
    for (at, body) in tree.functions.iter().enumerate() {
        if writer.asm.refers_to(writer.functions[at]) {
            writer.function(at, body);
        }
    }
    writer.asm.finish(&Target::newest()).expect("a program that fits")
}

fn uses_maps(body: &[Statement]) -> bool {
    body.iter().any(|statement| match statement {
        Statement::Value { .. } | Statement::Hash { .. } => true,
        Statement::If { then, otherwise, .. } => uses_maps(then) || uses_maps(otherwise),
        Statement::Loop { body, .. } => uses_maps(body),
        Statement::Plain(_)
        | Statement::Call { .. }
        | Statement::BuffLen
        | Statement::LoadBytes { .. } => false,
    })
}

fn spec(name: &str, kind: MapKind, value_bytes: u32, entries_max: u32) -> MapSpec {
    MapSpec { name: name.to_owned(), kind, key_bytes: 4, value_bytes, entries_max, flags: 0 }
}

/// The words of the stack, from the upper end.
fn words() -> impl Iterator<Item = (i16, i16)> {
    (0..WORDS).map(|word| (72 + 8 * word, -8 * (word + 1)))
}

fn registers() -> impl Iterator<Item = (Reg, i16)> {
    SCALARS.into_iter().zip((0..).step_by(8))
}

impl Writer {
    fn emit(&mut self, insns: impl IntoIterator<Item = Insn>) {
        for insn in insns {
            self.asm.emit(insn);
        }
    }

    fn main(&mut self, body: &[Statement]) {
        let short = self.asm.label();
        self.emit([
            Size::DW.store(R10, CONTEXT, R1),
            Size::W.load(R9, R1, 0),
            Size::W.load(R2, R1, 4),
            Alu::Mov.reg(R3, R9),
            Alu::Add.imm(R3, PACKET_BYTES.into()),
        ]);
        self.asm.emit(Jmp::Gt.reg(R3, R2, short));
        for (at, on_stack) in words() {
            self.emit([Size::DW.load(R0, R9, at), Size::DW.store(R10, on_stack, R0)]);
        }
        self.emit(registers().map(|(reg, at)| Size::DW.load(reg, R9, at)));
        self.body(body);
        self.emit(registers().map(|(reg, at)| Size::DW.store(R9, at, reg)));
        for (at, on_stack) in words() {
            self.emit([Size::DW.load(R8, R10, on_stack), Size::DW.store(R9, at, R8)]);
        }
        self.asm.emit(Insn::Exit);
        self.asm.bind(short);
        self.emit([Alu::Mov.imm(R0, 0), Insn::Exit]);
    }

    /// The function starts with five numbers; all else is made of them.
    fn function(&mut self, at: usize, body: &[Statement]) {
        self.main = false;
        self.loops = 0;
        let name = format!("f{at}");
        self.asm.function(&name, self.functions[at]);
        self.emit([Alu::Mov.reg(R0, R1), Alu::Mov.reg(R6, R2), Alu::Mov.reg32(R7, R3)]);
        self.emit([Alu::Mov.imm(R8, -7), Alu::Xor.reg(R0, R5)]);
        for ((_, on_stack), reg) in words().zip(SCALARS) {
            self.emit([Size::DW.store(R10, on_stack, reg)]);
        }
        self.body(body);
        // What it computed on the stack counts too.
        for (_, on_stack) in words() {
            self.emit([Size::DW.load(R1, R10, on_stack), Alu::Add.reg(R0, R1)]);
        }
        self.asm.emit(Insn::Exit);
    }

    fn body(&mut self, body: &[Statement]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Plain(insns) => self.emit(insns.iter().copied()),
            Statement::If { condition, then, otherwise, long } => {
                let (skip, end) = (self.asm.label(), self.asm.label());
                self.jump(*condition, skip);
                self.body(then);
                if !otherwise.is_empty() {
                    self.asm.emit(Branch::goto(end));
                }
                self.asm.bind(skip);
                self.body(otherwise);
                if *long {
                    // To the next instruction: the form is what counts.
                    self.asm.emit(Insn::GotoLong { off: 0 });
                }
                self.asm.bind(end);
            }
            Statement::Loop { rounds, counter, may_goto, body } => {
                self.repeat(*rounds, *counter, *may_goto, body);
            }
            Statement::Call { function } => {
                self.asm.emit(Branch::call(self.functions[function - 1]));
                self.refill();
            }
            Statement::BuffLen => {
                self.emit([Size::DW.load(R1, R10, CONTEXT), Insn::call(Helper::XdpGetBuffLen)]);
                self.refill();
            }
            Statement::LoadBytes { offset, length } => {
                self.emit([
                    Size::DW.load(R1, R10, CONTEXT),
                    Alu::Mov.imm(R2, *offset),
                    Alu::Mov.reg(R3, R10),
                    Alu::Add.imm(R3, (-8 * WORDS).into()),
                    Alu::Mov.imm(R4, *length),
                    Insn::call(Helper::XdpLoadBytes),
                ]);
                self.refill();
            }
            Statement::Value { base, lookup, insns } => self.value(*base, *lookup, insns),
            Statement::Hash { key, flags } => self.hash(*key, *flags),
        }
    }

    fn jump(&mut self, condition: Condition, to: Label) {
        let Condition { jump, width, dst, src } = condition;
        self.asm.emit(match (width, src) {
            (Width::W64, Operand::Imm(imm)) => jump.imm(dst, imm, to),
            (Width::W64, Operand::Reg(src)) => jump.reg(dst, src, to),
            (Width::W32, Operand::Imm(imm)) => jump.imm32(dst, imm, to),
            (Width::W32, Operand::Reg(src)) => jump.reg32(dst, src, to),
        });
    }

    fn repeat(&mut self, rounds: i32, counter: Reg, may_goto: bool, body: &[Statement]) {
        let place = COUNTERS - 8 * self.loops;
        self.loops += 1;
        self.emit([Size::DW.store_imm(R10, place, 0)]);
        let (again, end) = (self.asm.label(), self.asm.label());
        self.asm.bind(again);
        if may_goto {
            self.asm.emit(Branch::may_goto(end));
        }
        self.body(body);
        self.emit([
            Size::DW.load(counter, R10, place),
            Alu::Add.imm(counter, 1),
            Size::DW.store(R10, place, counter),
        ]);
        self.asm.emit(Jmp::Lt.imm(counter, rounds, again));
        self.asm.bind(end);
    }

    /// Numbers in the registers that a call destroys.
    fn refill(&mut self) {
        for (number, reg) in (1..).zip([R1, R2, R3, R4, R5]) {
            let insn = if self.main {
                Size::DW.load(reg, R9, 8 * number)
            } else {
                Size::DW.load(reg, R10, -8 * number)
            };
            self.asm.emit(insn);
        }
    }

    fn value(&mut self, base: Reg, lookup: bool, insns: &[Insn]) {
        let none = self.asm.label();
        if lookup {
            self.emit([Size::W.store_imm(R10, KEY, 0)]);
            self.asm.load_map(R1, ARRAY);
            self.emit([
                Alu::Mov.reg(R2, R10),
                Alu::Add.imm(R2, KEY.into()),
                Insn::call(Helper::MapLookupElem),
            ]);
            self.refill();
            self.asm.emit(Alu::Mov.reg(base, R0));
            self.asm.emit(Jmp::Eq.imm(base, 0, none));
            self.asm.emit(Alu::Mov.imm(R0, 1));
        } else {
            self.asm.load_map_value(base, ARRAY, 0);
        }
        self.emit(insns.iter().copied());
        self.asm.bind(none);
        // It must not be seen: addresses differ.
        self.emit(
            [Alu::Mov.imm(base, -1), Alu::Mov.imm(R0, 3)][..1 + usize::from(lookup)].to_vec(),
        );
    }

    fn hash(&mut self, key: i32, flags: Option<i32>) {
        self.emit([Size::W.store_imm(R10, KEY, key)]);
        self.asm.load_map(R1, HASH);
        self.emit([Alu::Mov.reg(R2, R10), Alu::Add.imm(R2, KEY.into())]);
        match flags {
            Some(flags) => self.emit([
                Alu::Mov.reg(R3, R10),
                Alu::Add.imm(R3, -8),
                Alu::Mov.imm(R4, flags),
                Insn::call(Helper::MapUpdateElem),
            ]),
            None => self.emit([Insn::call(Helper::MapDeleteElem)]),
        }
        self.refill();
    }
}
