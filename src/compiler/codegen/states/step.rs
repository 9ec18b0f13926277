//! The dispatcher where loops have counters: a function that takes one step, and a loop that calls it.
//!
//! Without `may_goto` the verifier explores every round of a loop on its own, and an automaton in it
//! once more for each. A *global* function is different: it is explored once, for any position and
//! any state, and its result is a number that the caller knows nothing of. So the states, for all bytes of
//! a round, stand in a function `step(ctx, position, state, end)`; the loop is some fifteen instructions, which
//! the verifier can follow for as many rounds as the longest frame has.
//!
//! What comes back is the next position in the upper half and the state in the lower; three numbers behind
//! those of the states say that the automaton is dead, that a match ends at the position, and that bytes
//! could not be read. In the linear part the function reads in place; elsewhere it copies the bytes of one
//! round to its own stack, so it needs no scratch memory.
//!
//! At every branch of the loop the way out stands first, because the verifier goes straight on first:
//! else one branch a round would wait, and it remembers 8,192.

use super::{Gen, OFF, Run, STATE, dispatcher::Loop};
use crate::{
    assembler::{
        Alu, Branch, Insn, Jmp, Label, Phase,
        Reg::{self, R0, R1, R2, R3, R4, R5, R6, R8, R10},
        Size,
    },
    compiler::{
        automaton::shape::Shape,
        codegen::{
            PassExits,
            direct::OFFSET_MAX,
            frame::{self, PTR},
            int,
        },
        plan::Access,
    },
};

/// The loop: which round it is, followed by the verifier on purpose.
const ROUND: Reg = R8;
/// Frames are at most 65,535 bytes.
const FRAME_END_MAX: i32 = 0xffff;
/// The function: end of the linear part.
const DATA_END: Reg = R5;

/// A function that is still to be written.
pub(in crate::compiler::codegen) struct Step {
    /// Position in `Lowered::scans`.
    scan: usize,
    shape: Shape,
    label: Label,
}

/// What a function gives back instead of a state.
struct Codes {
    dead: i32,
    matched: i32,
    lost: i32,
}

impl Codes {
    fn of(run: &Run) -> Self {
        let states = int(run.states());
        Self { dead: states, matched: states + 1, lost: states + 2 }
    }
}

impl Gen<'_> {
    /// The scope from `OFF` on, in the state `start`.
    pub(super) fn stepped(&mut self, run: &Run, start: usize) {
        let step = self.asm.label();
        let scan = self.lowered.scans.iter().position(|scan| std::ptr::eq(scan, run.reader.scan));
        let scan = scan.expect("an automaton of this program");
        self.steps.push(Step { scan, shape: run.shape.clone(), label: step });
        let (head, more, on, lost) =
            (self.asm.label(), self.asm.label(), self.asm.label(), self.asm.label());
        let codes = Codes::of(run);
        let round = run.round();
        self.asm
            .origin(run.reader.origin(Phase::Scan, format!("rounds of {round} bytes, counted")));
        self.load_pointer(R6, frame::CTX);
        self.set_imm(STATE, run.number_of[start]);
        self.launder(STATE);
        self.set_imm(ROUND, 0);
        // Linux 5.10 and 6.1 refuse an ordinary instruction that falls into a loop head.
        self.goto(head);
        self.asm.bind(head);
        self.add(ROUND, 1);
        let rounds = i32::try_from(run.shape.rounds_max).expect("at most one for each byte");
        self.emit_branch(Jmp::Gt.imm(ROUND, rounds, run.reader.exits.lost));
        self.load_slot(R4, run.reader.end_slot());
        self.emit_branch(Jmp::Lt.reg(OFF, R4, more));
        self.mov(R2, OFF);
        self.goto(run.reader.ended);
        self.asm.bind(more);
        self.mov(R1, R6);
        self.mov(R2, OFF);
        self.mov(R3, STATE);
        self.asm.emit(Branch::call(step));
        self.asm.emit(Alu::Mov.reg32(STATE, R0));
        self.mov(OFF, R0);
        self.asm.emit(Alu::Rsh.imm(OFF, 32));
        self.emit_branch(Jmp::Lt.imm32(STATE, codes.dead, on));
        self.emit_branch(Jmp::Eq.imm32(STATE, codes.dead, run.reader.exits.done));
        self.emit_branch(Jmp::Ne.imm32(STATE, codes.matched, lost));
        self.mov(R2, OFF);
        self.goto(run.reader.matched);
        self.asm.bind(lost);
        self.goto(run.reader.exits.lost);
        self.asm.bind(on);
        self.goto(head);
    }

    /// The functions that passes call.
    pub(in crate::compiler::codegen) fn step_functions(&mut self) {
        for Step { scan, shape, label } in std::mem::take(&mut self.steps) {
            let lowered = self.lowered;
            let exits = PassExits { done: self.asm.label(), lost: self.asm.label() };
            let labels = [self.asm.label(), self.asm.label()];
            let sought = &lowered.scans[scan];
            let automaton = sought.automaton.as_ref().expect("a pass follows it");
            let run = Run::new(sought, automaton, &shape, exits, labels);
            let round = run.round();
            self.asm.origin(run.reader.origin(Phase::Scan, format!("a step of {round} bytes")));
            self.asm.global_function(&format!("step_{}", scan + 1), label, 3);
            self.step_function(&run, round);
        }
    }

    /// `step(r1 = context, r2 = position, r3 = state, r4 = end)`.
    fn step_function(&mut self, run: &Run, round: i32) {
        let code = self.new_loop(run, round, false);
        let codes = Codes::of(run);
        let (tail, back) = (self.asm.label(), self.asm.label());
        self.asm.emit(Alu::Mov.reg32(STATE, R3));
        self.asm.emit(Alu::Mov.reg32(OFF, R2));
        let far = if self.access == Access::Windows { FRAME_END_MAX } else { OFFSET_MAX };
        self.emit_branch(Jmp::Gt.imm(OFF, far - round, run.reader.exits.lost));
        if self.access != Access::Windows {
            self.load_data(PTR, R1);
            self.load_data_end(DATA_END, R1);
            self.asm.emit(Alu::Add.reg(PTR, OFF));
        }
        if round > 1 {
            self.mov(R0, OFF);
            self.add(R0, round);
            self.emit_branch(Jmp::Gt.reg(R0, R4, tail));
            self.bytes_of_step(round, run.reader.exits.lost);
            self.head_tree(run, &code, 0, run.states());
            self.asm.origin(run.reader.origin(Phase::Scan, "the last bytes, one by one"));
            self.asm.bind(tail);
            self.bytes_of_step(1, run.reader.exits.lost);
            self.asm.emit(Size::B.load(R0, PTR, 0));
            self.tail_tree(run, &code, 0, run.states());
        } else {
            self.asm.bind(tail);
            self.bytes_of_step(1, run.reader.exits.lost);
            self.head_tree(run, &code, 0, run.states());
        }
        self.blocks_of_states(run, &code);
        self.asm
            .origin(run.reader.origin(Phase::Scan, "the step is over: the state, and where it is"));
        for state in run.order.iter().copied() {
            self.asm.bind(code.over[state]);
            if self.asm.refers_to(code.over[state]) {
                self.set_imm(R0, run.number_of[state]);
                self.goto(back);
            }
        }
        self.ends_of_step(run, &code, &codes, back);
    }

    /// `PTR` = address of `OFF`, with `bytes` readable behind it; `OFF` moves behind them.
    fn bytes_of_step(&mut self, bytes: i32, lost: Label) {
        if self.access == Access::Windows {
            let at = -((bytes + 7) & !7);
            self.mov(R2, OFF);
            self.mov(R3, R10);
            self.add(R3, at);
            self.set_imm(R4, bytes);
            self.asm.emit(Insn::call(self.load_bytes()));
            self.emit_branch(Jmp::Ne.imm(R0, 0, lost));
            self.mov(PTR, R10);
            self.add(PTR, at);
        } else {
            self.mov(R0, PTR);
            self.add(R0, bytes);
            self.emit_branch(Jmp::Gt.reg(R0, DATA_END, lost));
        }
        self.add(OFF, bytes);
    }

    /// How the function ends; `back` with the state in `r0`.
    fn ends_of_step(&mut self, run: &Run, code: &Loop, codes: &Codes, back: Label) {
        let exits = [(run.reader.exits.done, codes.dead), (run.reader.exits.lost, codes.lost)];
        for (label, number) in exits {
            self.asm.bind(label);
            if self.asm.refers_to(label) {
                self.set_imm(R0, number);
                self.goto(back);
            }
        }
        for (end, label) in (0..).zip(&code.ends) {
            self.asm.bind(*label);
            if self.asm.refers_to(*label) {
                if end != code.round {
                    self.add(OFF, end - code.round);
                }
                self.set_imm(R0, codes.matched);
                self.goto(back);
            }
        }
        self.asm.bind(back);
        self.asm.emit(Alu::Lsh.imm(OFF, 32));
        self.asm.emit(Alu::Or.reg(R0, OFF));
        self.asm.emit(Insn::Exit);
        for label in [run.reader.matched, run.reader.ended] {
            self.asm.bind(label);
        }
    }
}
