//! Loops that the verifier believes to end.
//!
//! With `may_goto` (Linux 6.9) the kernel itself bounds the loop, and the verifier stops exploring
//! as soon as a round begins in a state it has seen: so everything that differs from round to round
//! must be unknown to it (see `frame`), and temporaries that still hold a value must be cleared,
//! which kernels before 6.18 need and later ones do not mind.
//!
//! Without it every round is explored on its own: a counter that the verifier follows exactly says
//! when it ends, and whoever wants more rounds than that is counted as unsearched.

use super::{Gen, frame};
use crate::{
    assembler::{
        Alu, Branch, Jmp, Label, Phase,
        Reg::{self, R0, R10},
        Size,
    },
    compiler::plan::Access,
};

impl Gen<'_> {
    /// Prepare the counter of a loop; before the loop.
    pub(super) fn loop_counter(&mut self, counter: i16) {
        if !self.target.may_goto {
            self.asm.emit(Size::DW.store_imm(R10, counter, 0));
        }
    }

    /// Start a loop here. `dead` are temporaries that hold nothing; after `rounds_max` rounds (or
    /// when the kernel says so) control goes to `out`. `falls_in` says whether the instruction
    /// before may continue here.
    pub(super) fn loop_head(
        &mut self,
        head: Label,
        (counter, rounds_max): (i16, i32),
        dead: &[Reg],
        falls_in: bool,
        out: Label,
    ) {
        if self.target.may_goto {
            self.asm.bind(head);
            for &reg in dead {
                self.set_imm(reg, 0);
            }
            self.asm.emit(Branch::may_goto(out));
        } else {
            // Linux 5.10 and 6.1 refuse an ordinary instruction that falls into a loop head.
            if falls_in {
                self.goto(head);
            }
            self.asm.bind(head);
            self.load_pointer(R0, counter);
            self.asm.emit(Alu::Add.imm(R0, 1));
            self.store_pointer(counter, R0);
            self.emit_branch(Jmp::Gt.imm(R0, rounds_max, out));
        }
    }

    /// Many ways lead here, and from here on they are one: the verifier always compares what it knows
    /// at a `may_goto`, elsewhere only now and then (`is_force_checkpoint()` in
    /// `kernel/bpf/verifier.c`). Without `may_goto` this is a label.
    pub(super) fn join(&mut self, here: Label, dead: &[Reg], out: Label) {
        self.asm.bind(here);
        if self.target.may_goto && self.asm.refers_to(here) {
            if !dead.is_empty() {
                // Most of them come from positions of one block and are alike without that.
                self.asm.emit(Branch::may_goto(out));
            }
            for &reg in dead {
                self.set_imm(reg, 0);
            }
            self.asm.emit(Branch::may_goto(out));
        }
    }

    /// Make the verifier forget what it knows of a 32-bit number, just behind the head of a loop.
    ///
    /// Where loops are counted, its lower bound would grow with every round, and packet offsets with
    /// it. And without `CAP_PERFMON` a round counts as seen only if everything is *equal*, not just
    /// within what was seen (`explore_alu_limits` in `kernel/bpf/verifier.c`): this makes the third
    /// round equal to the second.
    pub(super) fn forget(&mut self, reg: Reg) {
        if !self.target.may_goto || !self.target.perfmon {
            self.launder(reg);
        }
    }

    /// `offset` moves on by what the slot `LANE` holds plus `more`, and the verifier forgets it.
    pub(super) fn advance(&mut self, offset: Reg, more: i32) {
        self.load_slot(Reg::R1, frame::LANE);
        self.asm.emit(Alu::Add.reg(offset, Reg::R1));
        if more != 0 {
            self.add(offset, more);
        }
        self.launder(offset);
    }

    /// The verifier forgets what it knows of a 32-bit number.
    pub(super) fn launder(&mut self, reg: Reg) {
        self.store_slot(frame::LAUNDER, reg);
        self.load_slot(reg, frame::LAUNDER);
    }

    /// From here on the verifier sees one program state, whatever it has come from: a pass begins, and
    /// those before it have left different things behind.
    pub(super) fn slots_alike(&mut self, out: Label) {
        if self.target.may_goto {
            self.slots_filled();
            self.asm.emit(Branch::may_goto(out));
        }
    }

    /// Put a number into each slot that passes write later than in their first round: within a loop
    /// the verifier tells a slot that was written from one that was not.
    pub(super) fn slots_filled(&mut self) {
        self.say(Phase::Scan, "every slot holds a number");
        self.load_slot(R0, frame::LEN);
        for slot in
            [frame::LAUNDER, frame::LANE, frame::BLOCKS_END, frame::AT, frame::LAST, frame::FROM]
        {
            self.store_slot(slot, R0);
        }
        self.store_pointer(frame::DATA, R0);
        self.forget_key();
        if self.access != Access::Windows {
            self.store_slot(frame::WIN, R0);
        }
    }
}
