//! Noting matches, counting, and returning the verdict.

use super::{Gen, exit::End, frame};
use crate::{
    assembler::{
        Alu, Branch, Helper, Insn, Jmp, Label, Phase,
        Reg::{R0, R1, R2, R3, R6, R7, R10},
        Size,
    },
    compiler::{
        Entry,
        event::{Counter, HIT_END, HIT_FRAME, HIT_HITS},
        ir::{Report, Verdict},
    },
};

/// Offset of `ifindex` in `struct __sk_buff`.
pub(super) const SKB_IFINDEX: i16 = 40;

impl Gen<'_> {
    pub(super) fn counter_offset(counter: Counter) -> i16 {
        i16::try_from(counter.index() * 8).expect("a dozen counters")
    }

    /// One more of `counter`; `r0` points at the counters and stays, `r1` is lost.
    pub(super) fn count(&mut self, counter: Counter) {
        let at = Self::counter_offset(counter);
        self.asm.emit(Size::DW.load(R1, R0, at));
        self.add(R1, 1);
        self.asm.emit(Size::DW.store(R0, at, R1));
    }

    /// The pattern at `index` occurs and ends at `r2` (from the start of the scope). With
    /// [`Report::First`] this is the end of the program, else of the pass or whatever follows at
    /// `then`. `r0` to `r5` are lost.
    pub(super) fn found(&mut self, index: usize, then: Label) {
        self.noted(index);
        self.after_match(then);
    }

    /// The pattern whose index is in the slot `KEY` occurs and ends at `r2`: as [`found`](Self::found).
    pub(super) fn found_by_key(&mut self, then: Label) {
        if self.hits.is_some() {
            if self.stack_is_full {
                self.point_at_key();
            } else {
                self.load_slot(R1, frame::KEY);
            }
            self.call_note();
        }
        self.after_match(then);
    }

    fn after_match(&mut self, then: Label) {
        match self.matcher.report {
            Report::First => self.goto(self.exits.matched),
            Report::All if !self.several() => {
                self.goto(self.exits.matched);
            }
            Report::All => {
                self.asm.emit(Size::B.store_imm(R10, frame::FOUND, 1));
                self.goto(then);
            }
        }
    }

    /// Note that the pattern at `index` occurs and ends at `r2`. `r0` to `r5` are lost.
    pub(super) fn noted(&mut self, index: usize) {
        if self.hits.is_some() {
            if self.stack_is_full {
                self.name_match(index);
                self.point_at_key();
            } else {
                self.set_imm(R1, super::int(index));
            }
            self.call_note();
        }
    }

    /// The slot `KEY` = the index of a pattern that may occur, where it is noted if it does.
    pub(super) fn name_match(&mut self, index: usize) {
        if self.hits.is_some() {
            self.asm.emit(Size::W.store_imm(R10, frame::KEY, super::int(index)));
        }
    }

    /// `r1` = where the index of the pattern is.
    fn point_at_key(&mut self) {
        self.mov(R1, R10);
        self.add(R1, frame::KEY.into());
    }

    fn call_note(&mut self) {
        self.load_pointer(R3, frame::COUNTERS);
        self.asm.emit(Branch::call(self.note));
    }

    /// The four exits, and the functions: what passes call, and what notes a match.
    pub(super) fn exits(&mut self) {
        let verdicts = self.matcher.verdicts;
        let exits = self.exits;
        self.exit(exits.matched, "matched", Counter::Matched, verdicts.on_match, true);
        self.exit(exits.missed, "missed", Counter::Missed, verdicts.on_miss, false);
        self.exit(exits.unsearched, "unsearched", Counter::Unsearched, verdicts.on_miss, false);
        let (label, verdict) = (exits.out_of_scope, verdicts.out_of_scope);
        self.exit(label, "out of scope", Counter::OutOfScope, verdict, false);
        self.step_functions();
        self.find_functions();
        // The last one, because the others call it.
        if self.counters.is_some() {
            self.note_function();
        }
    }

    fn exit(&mut self, label: Label, what: &str, counter: Counter, verdict: Verdict, keep: bool) {
        // An exit that nothing reaches would be dead code, which the verifier refuses.
        if !self.reached(label) {
            self.asm.bind(label);
            return;
        }
        let word = match (self.entry, keep) {
            (Entry::Xdp | Entry::Tc(_), _) => self.entry.says(verdict),
            (Entry::SocketFilter, true) if self.switches.events.is_some() => "told",
            (Entry::SocketFilter, true) => "keep",
            (Entry::SocketFilter, false) => "drop",
        };
        self.say(Phase::Verdict, format!("{what}: {word}"));
        self.asm.bind(label);
        if keep {
            self.note_conditions();
            self.say(Phase::Verdict, format!("{what}: {word}"));
        }
        let end = End { counter, verdict, matched: keep };
        if self.is_more(end) {
            self.end_frame(end);
            return;
        }
        if self.counters.is_some() {
            let of_verdict = match (self.entry, keep) {
                (Entry::Xdp | Entry::Tc(_), _) => Counter::of_verdict(verdict),
                (Entry::SocketFilter, true) => Counter::Pass,
                (Entry::SocketFilter, false) => Counter::Drop,
            };
            self.load_pointer(R0, frame::COUNTERS);
            self.count(counter);
            self.count(of_verdict);
        }
        match self.entry {
            Entry::Xdp | Entry::Tc(_) => self.return_verdict(verdict),
            // The number of bytes kept: all, or none.
            Entry::SocketFilter => {
                self.asm.emit(Alu::Mov.imm32(R0, if keep { -1 } else { 0 }));
                self.asm.emit(Insn::Exit);
            }
        }
    }

    pub(super) fn return_verdict(&mut self, verdict: Verdict) {
        match (self.entry, verdict) {
            (_, Verdict::Redirect { ifindex }) => {
                self.asm.emit(Alu::Mov.imm32(R1, ifindex.cast_signed()));
                self.set_imm(R2, 0);
                self.asm.emit(Insn::call(Helper::Redirect));
            }
            (Entry::Tc(_), Verdict::Tx) => {
                self.load_pointer(R1, frame::CTX);
                self.asm.emit(Size::W.load(R1, R1, SKB_IFINDEX));
                self.set_imm(R2, 0);
                self.asm.emit(Insn::call(Helper::Redirect));
            }
            (entry, _) => self.set_imm(R0, entry.returned(verdict)),
        }
        self.asm.emit(Insn::Exit);
    }

    pub(super) fn return_without_counting(&mut self) {
        match self.entry {
            Entry::Xdp | Entry::Tc(_) => self.return_verdict(self.matcher.verdicts.out_of_scope),
            Entry::SocketFilter => {
                self.set_imm(R0, 0);
                self.asm.emit(Insn::Exit);
            }
        }
    }

    /// `note(r1 = index, r2 = end, r3 = counters)`: once per frame and pattern one more hit; of
    /// several ends in a frame the smallest stays. Where the caller has taken all of the stack, `r1`
    /// is the address of the index there: the sum of both stacks has one limit.
    ///
    /// The hits are looked up here and not by the caller, because the kernel writes out every lookup
    /// in an array, and moves all that follows each time.
    fn note_function(&mut self) {
        const INDEX: i16 = -4;
        const NOTED_END: i16 = -16;
        const FRAME: i16 = -24;
        let Some(hits) = self.hits else { return };
        if !self.reached(self.note) {
            self.asm.bind(self.note);
            return;
        }
        self.say(Phase::Report, "note a match: hits of the pattern, its end in this frame");
        self.asm.function("note", self.note);
        let frames = Self::counter_offset(Counter::Frames);
        let (out, first, store) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.keep_for_notes();
        if self.stack_is_full {
            self.mov(R6, R2);
            self.asm.emit(Size::DW.load(R7, R3, frames));
            self.mov(R2, R1);
            self.asm.load_map(R1, hits);
            self.asm.emit(Insn::call(Helper::MapLookupElem));
            self.emit_branch(Jmp::Eq.imm(R0, 0, out));
            self.mov(R1, R7);
            self.mov(R2, R6);
        } else {
            self.store_slot(INDEX, R1);
            self.store_pointer(NOTED_END, R2);
            self.asm.emit(Size::DW.load(R3, R3, frames));
            self.store_pointer(FRAME, R3);
            self.mov(R2, R10);
            self.add(R2, INDEX.into());
            self.asm.load_map(R1, hits);
            self.asm.emit(Insn::call(Helper::MapLookupElem));
            self.emit_branch(Jmp::Eq.imm(R0, 0, out));
            self.load_pointer(R1, FRAME);
            self.load_pointer(R2, NOTED_END);
        }
        self.asm.emit(Size::DW.load(R3, R0, HIT_FRAME));
        self.emit_branch(Jmp::Ne.reg(R3, R1, first));
        self.asm.emit(Size::DW.load(R3, R0, HIT_END));
        self.emit_branch(Jmp::Lt.reg(R2, R3, store));
        self.goto(out);
        self.asm.bind(first);
        self.asm.emit(Size::DW.store(R0, HIT_FRAME, R1));
        self.asm.emit(Size::DW.load(R3, R0, HIT_HITS));
        self.add(R3, 1);
        self.asm.emit(Size::DW.store(R0, HIT_HITS, R3));
        self.asm.bind(store);
        self.asm.emit(Size::DW.store(R0, HIT_END, R2));
        self.note_for_event(out);
        self.asm.bind(out);
        self.set_imm(R0, 0);
        self.asm.emit(Insn::Exit);
    }

    /// Does any jump go to `label`?
    fn reached(&self, label: Label) -> bool {
        self.asm.refers_to(label)
    }
}
