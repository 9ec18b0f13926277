//! Many literals at once where loops have counters: a function that looks at a block of positions, and a
//! loop that calls it.
//!
//! The look is that of `set`: a bit table of grams on the stack, a tree of compares over them, then each
//! literal. In a counted loop the verifier would explore all of that in every round; in a *global* function
//! (see `states::step`) it does so once. `find(ctx, position, start, end)` looks at 64 positions and gives
//! back where to go on, or stops at the first position where a literal may begin, compares the literals
//! of that gram there, and goes on behind it. So every candidate costs a round, and what more of them than there
//! are rounds leave over is counted as unsearched; frames of 4,096 bytes are searched whole, whatever they hold.
//!
//! The function fills its table each time, which costs about a sixth of the looks. Where the packet is read through
//! windows it copies the block, and then the bytes of a candidate, to scratch memory. The stacks of the loop,
//! of the function and of the one that notes a match must together keep to 512 bytes, each rounded up to 32.
//!
//! Whether something was found is collected in a register without a branch: else one would wait in every
//! round, and the verifier remembers 8,192.

use super::{
    Gen, PassExits,
    confirm::pieces,
    direct::{OFFSET_MAX, clamp},
    frame::{self, OFF, PTR},
    int, off,
    set::Grams,
};
use crate::{
    assembler::{
        Alu, Branch, Helper, Insn, Jmp, Label, Phase,
        Reg::{self, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10},
        Size,
    },
    compiler::{
        ir::Report,
        lower::Needle,
        plan::{Access, COUNTED_SET_ROUNDS, Gram},
    },
};

/// Positions that one call looks at.
const BLOCK: i32 = 64;
/// Frames are at most 65,535 bytes.
const FRAME_END_MAX: i32 = 0xffff;
/// The loop: which round it is, followed by the verifier on purpose.
const ROUND: Reg = R8;
/// The loop: was anything found?
const FOUND: Reg = R7;

/// The function: start of the scope.
const START: Reg = R7;
/// The function: end of the scope.
const END: Reg = R8;
/// The function: the position.
const POS: Reg = R9;

/// What the function gives back beside the position.
const GO_ON: i32 = 0;
const A_MATCH: i32 = 1;
const LOST: i32 = 2;

/// A function that is still to be written.
pub(super) struct Find {
    gram: Gram,
    members: Vec<usize>,
    label: Label,
}

/// Where the function ends, with the result in `r0`.
#[derive(Clone, Copy)]
struct Ends {
    back: Label,
    lost: Label,
}

impl Gen<'_> {
    /// A pass over all literals of one gram size.
    pub(super) fn set_counted(&mut self, gram: Gram, members: &[usize], exits: PassExits) {
        let find = self.asm.label();
        self.finds.push(Find { gram, members: members.to_vec(), label: find });
        let (head, more, on, end) =
            (self.asm.label(), self.asm.label(), self.asm.label(), self.asm.label());
        let collects = self.matcher.report == Report::All && self.several();
        self.say(Phase::Scan, format!("rounds of {BLOCK} positions, counted"));
        self.load_pointer(R6, frame::CTX);
        self.load_slot(OFF, frame::START);
        self.launder(OFF);
        self.opaque_zero(FOUND, R0);
        self.set_imm(ROUND, 0);
        // Linux 5.10 and 6.1 refuse an ordinary instruction that falls into a loop head.
        self.goto(head);
        self.asm.bind(head);
        self.add(ROUND, 1);
        self.emit_branch(Jmp::Gt.imm(ROUND, COUNTED_SET_ROUNDS + 1, exits.lost));
        self.load_slot(R4, frame::END);
        self.mov(R0, OFF);
        self.add(R0, int(gram.bytes()));
        self.emit_branch(Jmp::Le.reg(R0, R4, more));
        self.goto(end);
        self.asm.bind(more);
        self.mov(R1, R6);
        self.mov(R2, OFF);
        self.load_slot(R3, frame::START);
        self.asm.emit(Branch::call(find));
        self.mov(OFF, R0);
        self.asm.emit(Alu::Rsh.imm(OFF, 32));
        self.asm.emit(Alu::Mov.reg32(R0, R0));
        if collects {
            self.emit_branch(Jmp::Lt.imm32(R0, LOST, on));
            self.goto(exits.lost);
            self.asm.bind(on);
            self.asm.emit(Alu::Or.reg(FOUND, R0));
        } else {
            self.emit_branch(Jmp::Eq.imm32(R0, GO_ON, on));
            self.emit_branch(Jmp::Ne.imm32(R0, A_MATCH, exits.lost));
            self.goto(self.exits.matched);
            self.asm.bind(on);
        }
        self.goto(head);
        self.asm.bind(end);
        if collects {
            self.emit_branch(Jmp::Eq.imm(FOUND, 0, exits.done));
            self.asm.emit(Size::B.store_imm(R10, frame::FOUND, 1));
        }
        self.goto(exits.done);
    }

    /// The functions that passes call.
    pub(super) fn find_functions(&mut self) {
        for (number, find) in (1..).zip(std::mem::take(&mut self.finds)) {
            let lowered = self.lowered;
            let grams = Grams::new(&lowered.needles, find.gram, &find.members);
            let text = format!("{BLOCK} positions: may one of {} begin here?", find.members.len());
            self.say(Phase::Scan, text);
            self.asm.global_function(&format!("find_{number}"), find.label, 3);
            self.find_function(&grams);
        }
    }

    /// Binary logarithm of the bits of the table.
    fn find_bits(&self) -> u32 {
        if self.access == Access::Windows { 10 } else { 11 }
    }

    /// Where the table is in the stack: below the slots that the function uses.
    fn find_table(&self) -> i16 {
        let below = if self.access == Access::Windows { frame::SCRATCH } else { frame::COUNTERS };
        below - off(1 << (self.find_bits() - 3))
    }

    /// `find(r1 = context, r2 = position, r3 = start, r4 = end)`.
    fn find_function(&mut self, grams: &Grams) {
        let ends = Ends { back: self.asm.label(), lost: self.asm.label() };
        let candidate = self.asm.label();
        let span = BLOCK - 1 + grams.bytes();
        self.store_pointer(frame::CTX, R1);
        self.asm.emit(Alu::Mov.reg32(POS, R2));
        self.asm.emit(Alu::Mov.reg32(START, R3));
        self.asm.emit(Alu::Mov.reg32(END, R4));
        let windows = self.access == Access::Windows;
        let far = if windows { FRAME_END_MAX } else { OFFSET_MAX - span };
        self.emit_branch(Jmp::Gt.imm(POS, far, ends.lost));
        if windows {
            self.find_scratch(ends.lost);
        }
        self.mov(R0, POS);
        self.add(R0, span);
        self.emit_branch(Jmp::Gt.reg(R0, END, candidate));
        if windows {
            self.set_imm(R4, span);
            self.copy_of_find(ends.lost);
        } else {
            self.in_place(PTR, span, ends.lost);
        }
        self.fill_table_of(grams, self.find_bits(), self.find_table());
        self.say(Phase::Scan, "the looks");
        let hits: Vec<(i32, Label)> = (0..BLOCK)
            .map(|at| {
                let hit = self.asm.label();
                self.probe_table(grams, at, (self.find_bits(), self.find_table()), hit);
                (at, hit)
            })
            .collect();
        self.add(POS, BLOCK);
        self.set_imm(R0, GO_ON);
        self.goto(ends.back);
        self.say(Phase::Scan, "a literal may begin here");
        for (at, hit) in hits {
            self.asm.bind(hit);
            if at > 0 {
                self.add(POS, at);
            }
            self.goto(candidate);
        }
        self.find_candidate(grams, candidate, ends);
        self.say(Phase::Scan, "back, with the position");
        self.asm.bind(ends.lost);
        self.set_imm(R0, LOST);
        self.asm.bind(ends.back);
        self.asm.emit(Alu::Lsh.imm(POS, 32));
        self.asm.emit(Alu::Or.reg(R0, POS));
        self.asm.emit(Insn::Exit);
    }

    /// `dst` = address of `POS`, with `bytes` readable behind it. `r0` and `r1` are lost.
    fn in_place(&mut self, dst: Reg, bytes: i32, none: Label) {
        self.load_pointer(R1, frame::CTX);
        self.load_data(dst, R1);
        self.load_data_end(R1, R1);
        self.asm.emit(Alu::Add.reg(dst, POS));
        self.mov(R0, dst);
        self.add(R0, bytes);
        self.emit_branch(Jmp::Gt.reg(R0, R1, none));
    }

    /// `PTR` = copy of `r4` bytes from `POS` on.
    fn copy_of_find(&mut self, lost: Label) {
        self.load_pointer(R1, frame::CTX);
        self.mov(R2, POS);
        self.load_pointer(PTR, frame::SCRATCH);
        self.mov(R3, PTR);
        self.asm.emit(Insn::call(self.load_bytes()));
        self.emit_branch(Jmp::Ne.imm(R0, 0, lost));
    }

    /// A literal may begin at `POS`: which?
    fn find_candidate(&mut self, grams: &Grams, candidate: Label, ends: Ends) {
        let (miss, pass) = (self.asm.label(), self.asm.label());
        self.asm.bind(candidate);
        // All ways here look alike, so that what follows is explored once.
        self.launder(POS);
        if self.access == Access::Windows {
            let fits = self.asm.label();
            let most = grams.longest();
            self.mov(R4, END);
            self.asm.emit(Alu::Sub.reg(R4, POS));
            self.emit_branch(Jmp::Le.imm(R4, most, fits));
            self.set_imm(R4, most);
            self.asm.bind(fits);
            self.emit_branch(Jmp::Lt.imm(R4, grams.bytes(), ends.lost));
            self.copy_of_find(ends.lost);
        } else {
            let far = OFFSET_MAX - grams.longest();
            self.emit_branch(Jmp::Gt.imm(POS, far, ends.lost));
            self.in_place(PTR, grams.bytes(), ends.lost);
        }
        self.gram(grams, 0);
        // Now it says whether anything was found.
        self.set_imm(R5, 0);
        self.store_slot(frame::NOTED_END, R5);
        self.by_gram(grams, miss, pass, |generator, needle| generator.find_member(needle, ends));
        self.say(Phase::Scan, "on behind the position");
        self.asm.bind(miss);
        self.add(POS, 1);
        self.set_imm(R0, GO_ON);
        self.goto(ends.back);
        self.asm.bind(pass);
        self.add(POS, 1);
        self.load_slot(R0, frame::NOTED_END);
        self.goto(ends.back);
    }

    /// Compare one literal at `POS`, and note it.
    fn find_member(&mut self, needle: &Needle, ends: Ends) {
        let next = self.asm.label();
        let len = int(needle.bytes.len());
        self.say_of(Phase::Bounds, needle, format!("{len} bytes left, inside the window"));
        self.mov(R1, END);
        self.asm.emit(Alu::Sub.reg(R1, POS));
        self.emit_branch(Jmp::SLt.imm(R1, len, next));
        let window = needle.window;
        if window.offset > 0 || window.depth.is_some() {
            self.mov(R2, POS);
            self.asm.emit(Alu::Sub.reg(R2, START));
            if window.offset > 0 {
                let offset = clamp(u64::from(window.offset));
                self.emit_branch(Jmp::SLt.imm(R2, offset, next));
            }
            if let Some(end) = window.end() {
                self.emit_branch(Jmp::SGt.imm(R2, clamp(end) - len, next));
            }
        }
        if self.access != Access::Windows {
            self.in_place(R4, len, next);
        } else {
            self.load_pointer(R4, frame::SCRATCH);
        }
        for piece in pieces(needle) {
            self.compare(needle, piece, R4, 0, next);
        }
        self.say_of(Phase::Report, needle, "found");
        if let Some(counters) = self.counters {
            self.asm.emit(Size::W.store_imm(R10, frame::KEY, 0));
            self.mov(R2, R10);
            self.add(R2, frame::KEY.into());
            self.asm.load_map(R1, counters);
            self.asm.emit(Insn::call(Helper::MapLookupElem));
            self.emit_branch(Jmp::Eq.imm(R0, 0, ends.lost));
            self.store_pointer(frame::COUNTERS, R0);
            self.mov(R2, POS);
            self.asm.emit(Alu::Sub.reg(R2, START));
            self.add(R2, len);
            self.noted(needle.index);
        }
        if self.matcher.report == Report::First {
            self.set_imm(R0, A_MATCH);
            self.goto(ends.back);
        } else {
            self.set_imm(R0, A_MATCH);
            self.store_slot(frame::NOTED_END, R0);
        }
        self.asm.bind(next);
    }
}
