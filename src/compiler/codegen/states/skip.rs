//! Skipping what cannot matter: eight positions at a time, until what [`Skip`] names is there.
//!
//! A lane holds a byte of a class if it is not below the first and not above the last. With `x` the
//! byte without bit 7, `x + (0x80 - first)` and `x + (0x7f - last)` carry into bit 7 if `x >= first`
//! and if `x > last`, and never into a neighbour; so bit 7 of their exclusive or says that `x` is
//! between. Single bytes are compared as the pair test of literals does. Bytes with bit 7 set count as
//! those without: more is found, never less.
//!
//! The verifier sees a loop over an unknown offset with nothing else that lives from round to
//! round: constants are loaded in front of it, the state waits in a stack slot. Each word has a branch of its
//! own, because where something was found is where following the automaton begins again.

use super::{Cursor, Gen, LOOKED, Reader, STATE, ZERO};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label, Phase,
        Reg::{self, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9},
        Size,
    },
    compiler::{
        automaton::skip::{Class, Skip},
        codegen::{broadcast, frame, frame::PTR, int, off},
    },
};

/// Words of a round.
const WORDS: i32 = 8;
/// Positions of a round.
const BLOCK: i32 = 8 * WORDS;

/// How bytes are told: what is kept in registers, in eight copies each.
#[derive(Clone, Copy)]
enum Told {
    /// One byte.
    Byte { mask: Reg, value: Reg },
    /// A range: what is added to reach bit 7 from its first byte on, and behind its last.
    Range { mask: Reg, from: Reg, behind: Reg },
}

/// The test of one word.
struct Look {
    first: Told,
    then: Option<(i32, Told)>,
    /// Bit 7 of each byte, if a register is left for it.
    high: Option<Reg>,
}

/// What is skipped, and when.
pub(super) struct Skipping<'a> {
    pub(super) reader: &'a Reader<'a>,
    pub(super) skip: &'a Skip,
    /// The number of the first state in which something may be skipped.
    pub(super) first: usize,
    /// How many of them there are; their numbers follow one another.
    pub(super) count: usize,
    /// The number of the state behind what was skipped.
    pub(super) number: i32,
}

/// Bytes behind the cursor that a round of `skip` reads.
fn need(skip: &Skip) -> i32 {
    BLOCK + i32::from(skip.reach())
}

impl Gen<'_> {
    /// At the head of a loop: skip if there is room for it and the state allows it. Goes on behind it
    /// with `STATE`, `ZERO` and the pointers as they were, or as they have to be.
    ///
    /// The skip stands in line because the verifier goes straight on first: what it learns behind
    /// a skip, where it knows least, holds for the ways around it, too.
    pub(super) fn skip(&mut self, run: &Skipping, code: &Cursor) {
        let skip = run.skip;
        let follow = self.asm.label();
        self.asm.origin(run.reader.origin(Phase::Scan, "can something be skipped?"));
        self.load_slot(R1, code.end_slot);
        self.add(R1, -need(skip));
        self.emit_branch(Jmp::SGt.reg(code.at, R1, follow));
        self.may_begin(run, follow);
        self.asm.origin(run.reader.origin(Phase::Scan, "skip what cannot matter"));
        self.store_slot(frame::LANE, STATE);
        self.store_slot(LOOKED, code.at);
        if let Some(base) = code.base {
            self.store_slot(frame::PASS_START, base);
        }
        let look = self.look_constants(code, skip);
        let (head, rest, stop) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.loop_head(head, (frame::ROUND, 0), &[R0, R1, R4, R6], true, run.reader.exits.lost);
        self.forget(code.at);
        self.emit_branch(Jmp::Gt.imm(code.at, code.max - need(skip), stop));
        self.load_slot(R1, code.end_slot);
        self.add(R1, -need(skip));
        self.emit_branch(Jmp::SGt.reg(code.at, R1, rest));
        self.skip_pointer(run, code, code.at, need(skip));
        let found: Vec<Label> = (0..WORDS).map(|_| self.asm.label()).collect();
        for (word, &label) in (0..).zip(&found) {
            self.look(&look, 8 * word, label);
        }
        self.add(code.at, BLOCK);
        self.goto(head);
        self.last_look(run, code, &look, (rest, stop));
        for (word, label) in (0..WORDS).zip(found).rev() {
            self.asm.bind(label);
            if word > 0 {
                self.add(code.at, 8 * word);
                self.goto(stop);
            }
        }
        self.asm.bind(stop);
        self.stop(run, code);
        self.asm.bind(follow);
    }

    /// To `not` unless the state is one in which a stretch may begin.
    fn may_begin(&mut self, run: &Skipping, not: Label) {
        let Skipping { first, count, .. } = *run;
        if first == 0 {
            self.emit_branch(Jmp::Ge.imm32(STATE, int(count), not));
        } else {
            self.mov(R1, STATE);
            self.asm.emit(Alu::Sub.imm32(R1, int(first)));
            self.emit_branch(Jmp::Ge.imm32(R1, int(count), not));
        }
    }

    /// Less than a round is left: look at the last positions that are a full one. If nothing is there,
    /// and no match ends with the scope, that was all.
    fn last_look(
        &mut self,
        run: &Skipping,
        code: &Cursor,
        look: &Look,
        (rest, stop): (Label, Label),
    ) {
        let skip = run.skip;
        self.asm.bind(rest);
        if code.base.is_none() && skip.silent {
            // What lies behind the linear part is another matter.
            self.load_slot(R1, code.end_slot);
            self.load_slot(R0, run.reader.end_slot());
            self.emit_branch(Jmp::Ne.reg(R0, R1, stop));
            self.add(R1, -need(skip));
            self.emit_branch(Jmp::Gt.imm(R1, code.max - need(skip), stop));
            self.mov(R4, R1);
            self.skip_pointer(run, code, R4, need(skip));
            for word in 0..WORDS {
                self.look(look, 8 * word, stop);
            }
            self.goto(run.reader.exits.done);
        } else {
            self.goto(stop);
        }
    }

    /// What was looked for is at the cursor, or may be: the automaton is followed from there on.
    fn stop(&mut self, run: &Skipping, code: &Cursor) {
        let skip = run.skip;
        let (nothing, known) = (self.asm.label(), self.asm.label());
        if let Some(base) = code.base {
            self.load_slot(base, frame::PASS_START);
        }
        self.opaque_zero(ZERO, R0);
        self.load_slot(R1, LOOKED);
        self.emit_branch(Jmp::Eq.reg(code.at, R1, nothing));
        // At least a word was skipped, which is more than goes back.
        if skip.back > 0 {
            self.add(code.at, -i32::from(skip.back));
        }
        self.set_imm(STATE, run.number);
        self.goto(known);
        self.asm.bind(nothing);
        self.load_slot(STATE, frame::LANE);
        self.asm.bind(known);
        self.asm.emit(Alu::Xor.reg(STATE, ZERO));
        self.launder(code.at);
        if code.base.is_none() {
            self.fresh_pointers();
        } else {
            self.launder(frame::OFF);
            self.set_imm(R2, 0);
            self.set_imm(R3, 0);
        }
        for reg in [R0, R1, R4, R6] {
            self.set_imm(reg, 0);
        }
    }

    /// `PTR` = address of the offset `at`, `need` bytes readable.
    fn skip_pointer(&mut self, run: &Skipping, code: &Cursor, at: Reg, need: i32) {
        if code.base.is_some() {
            self.load_pointer(PTR, frame::SCRATCH);
            self.asm.emit(Alu::Add.reg(PTR, at));
            return;
        }
        self.load_pointer(R1, frame::CTX);
        self.load_data(PTR, R1);
        self.load_data_end(R1, R1);
        self.asm.emit(Alu::Add.reg(PTR, at));
        self.mov(R0, PTR);
        self.add(R0, need);
        self.emit_branch(Jmp::Gt.reg(R0, R1, run.reader.exits.lost));
    }

    /// Load what the test needs. In a window the offset of the window gives up its register.
    fn look_constants(&mut self, code: &Cursor, skip: &Skip) -> Look {
        let spare = if code.base.is_some() { R9 } else { R8 };
        let mut free = [R2, R3, R5, R7, spare].into_iter();
        let mut known: Vec<(u8, Reg)> = Vec::new();
        let mut constant = |generation: &mut Self, value: u8| {
            if let Some(&(_, reg)) = known.iter().find(|(there, _)| *there == value) {
                return reg;
            }
            let reg = free.next().expect("CONSTANTS_MAX");
            generation.asm.emit(Insn::load_imm64(reg, broadcast(value)));
            known.push((value, reg));
            reg
        };
        let mut told = |generation: &mut Self, class: Class| {
            let mask = constant(generation, class.mask);
            if class.is_byte() {
                return Told::Byte { mask, value: constant(generation, class.first) };
            }
            let from = constant(generation, 0x80 - class.first);
            Told::Range { mask, from, behind: constant(generation, 0x7f - class.last) }
        };
        let first = told(self, skip.class);
        let then = skip.then.map(|(gap, class)| (i32::from(gap), told(self, class)));
        let high = free.next().inspect(|&reg| {
            self.asm.emit(Insn::load_imm64(reg, broadcast(0x80)));
        });
        Look { first, then, high }
    }

    /// To `found` if it stands at one of the eight positions from `at` on.
    fn look(&mut self, look: &Look, at: i32, found: Label) {
        match (look.first, look.then) {
            (Told::Byte { mask, value }, Some((gap, Told::Byte { mask: same, value: then })))
                if mask == same =>
            {
                self.asm.emit(Size::DW.load(R1, PTR, off(at)));
                self.asm.emit(Size::DW.load(R4, PTR, off(at + gap)));
                self.asm.emit(Alu::Xor.reg(R1, value));
                self.asm.emit(Alu::Xor.reg(R4, then));
                self.asm.emit(Alu::Or.reg(R1, R4));
                self.asm.emit(Alu::And.reg(R1, mask));
                self.zero_bytes(look, R0, R1);
            }
            (first, then) => {
                self.told(look, first, (R0, R1), at);
                if let Some((gap, then)) = then {
                    self.told(look, then, (R1, R4), at + gap);
                    self.asm.emit(Alu::And.reg(R0, R1));
                }
            }
        }
        let high = look.high.unwrap_or_else(|| {
            self.asm.emit(Insn::load_imm64(R1, broadcast(0x80)));
            R1
        });
        self.emit_branch(Jmp::Set.reg(R0, high, found));
    }

    /// Bit 7 of the bytes of `to` = is that byte of `of` zero? `of` has no bit 7 anywhere.
    fn zero_bytes(&mut self, look: &Look, to: Reg, of: Reg) {
        // 0x80 - x has bit 7 only if x is 0, and borrows from nobody.
        match look.high {
            Some(high) => self.mov(to, high),
            None => self.asm.emit(Insn::load_imm64(to, broadcast(0x80))),
        }
        self.asm.emit(Alu::Sub.reg(to, of));
    }

    /// Bit 7 of the bytes of `to` = is the byte at `at` one of these?
    fn told(&mut self, look: &Look, told: Told, (to, temp): (Reg, Reg), at: i32) {
        match told {
            Told::Byte { mask, value } => {
                self.asm.emit(Size::DW.load(temp, PTR, off(at)));
                self.asm.emit(Alu::Xor.reg(temp, value));
                self.asm.emit(Alu::And.reg(temp, mask));
                self.zero_bytes(look, to, temp);
            }
            Told::Range { mask, from, behind } => {
                self.asm.emit(Size::DW.load(to, PTR, off(at)));
                self.asm.emit(Alu::And.reg(to, mask));
                self.mov(temp, to);
                self.asm.emit(Alu::Add.reg(to, from));
                self.asm.emit(Alu::Add.reg(temp, behind));
                self.asm.emit(Alu::Xor.reg(to, temp));
            }
        }
    }
}
