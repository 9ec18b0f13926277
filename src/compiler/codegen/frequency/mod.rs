//! Conditions: counting bytes in front of everything else.
//!
//! A term is a span of the frame and a limit that its number must reach or must not pass. The span is
//! counted eight bytes at a time ([`lanes`]) in blocks of straight code ([`count`]); for a sliding window
//! the first one is counted like that, and then slides, again eight steps at a time ([`slide`]).
//!
//! Why the verifier accepts it: a counter in a register would be different on every way through every
//! block, which doubles the ways with each byte. So there are no branches on bytes; the counter is kept in
//! the half of a stack slot that the verifier does not follow, and is unknown whenever it is read.
//! So is the place that a block begins at. Where a block may be skipped, both ways meet in one state.
//!
//! Cost for 1,500 bytes, on the machine of `benches/record`: about 75 ns for one byte, 115 for a range, 240 for
//! three, 290 for a class that needs a table; 250 to 320 for a sliding window. What bounds it is the number of
//! instructions, nine for eight bytes where one byte counts. Counting stops as soon as the limit is reached or
//! can no longer be.
//!
//! What is read: directly, in the linear part of an XDP frame; what lies behind it, and everything where
//! direct access is not allowed, through windows in scratch memory.

mod count;
mod lanes;
mod slide;

use super::{Gen, WINDOW_BYTES, frame};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label, Origin, Phase,
        Reg::{R0, R1, R2, R4, R6, R10},
        Size,
    },
    compiler::{
        frequency::{
            Span,
            gate::{Gate, Means},
            lanes::Lanes,
        },
        lower::Count,
    },
};
use count::Reach;

/// One byte of a window slides at a time, so this is also what is added to the place.
const WORD: i32 = 8;
/// Offsets up to this are read through windows; frames are at most 65,535 bytes.
const WINDOWS_END_MAX: i32 = 0xffff;
/// Where bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the linear part of the frame.
    Linear,
    /// In the first copy in scratch memory.
    Scratch,
}

/// One term, while code is made for it.
struct Term<'a> {
    count: &'a Count,
    lanes: &'a Lanes,
    /// The condition lets the frame through, as far as this term goes.
    holds: Label,
    /// It does not.
    fails: Label,
    /// Something could not be looked at.
    lost: Label,
}

impl Gen<'_> {
    /// All terms of all conditions. Goes on where all of them hold.
    pub(super) fn gates(&mut self, gates: &[Gate]) {
        let lowered = self.lowered;
        let fails = self.asm.label();
        for gate in gates {
            let count = &lowered.counts[gate.count];
            self.say_count(count, format!("{}: where it counts", count.term));
            let (holds, lost) = (self.asm.label(), self.asm.label());
            match &gate.means {
                Means::Length => self.length(count, holds, fails, lost),
                Means::Lanes(lanes) => {
                    self.number(&Term { count, lanes, holds, fails, lost });
                }
            }
            if self.asm.refers_to(lost) {
                self.say_count(count, "a part could not be counted");
                self.asm.bind(lost);
                self.goto(self.exits.unsearched);
            } else {
                self.asm.bind(lost);
            }
            self.asm.bind(holds);
        }
        if gates.is_empty() {
            self.asm.bind(fails);
            return;
        }
        let hold = self.asm.label();
        self.goto(hold);
        self.say(Phase::Count, "a condition does not hold");
        self.asm.bind(fails);
        self.miss();
        self.asm.bind(hold);
    }

    /// Bytes of scratch memory for the two pieces of a frame that a window slides over.
    pub(super) fn slide_bytes(&self) -> i32 {
        let any = self.place.whole.counts.iter().any(|c| matches!(c.term.span, Span::Any(_)));
        if any { 2 * slide::SLIDE_BYTES } else { 0 }
    }

    /// The end of a frame that does not match; of one that is too long to be searched, nothing is said.
    pub(super) fn miss(&mut self) {
        if self.has_windows() {
            self.asm.emit(Size::B.load(R0, R10, frame::TOO_LONG));
            self.emit_branch(Jmp::Ne.imm(R0, 0, self.exits.unsearched));
        }
        self.goto(self.exits.missed);
    }

    /// Conditions are noted for frames that match: before, some other may still not hold.
    pub(super) fn note_conditions(&mut self) {
        let conditions: Vec<usize> = self.matcher.conditions().map(|(index, ..)| index).collect();
        if self.counters.is_none() || conditions.is_empty() {
            return;
        }
        self.say(Phase::Report, "all conditions hold");
        for index in conditions {
            self.set_imm(R2, 0);
            self.noted(index);
        }
    }

    fn say_count(&mut self, count: &Count, text: impl Into<String>) {
        self.asm.origin(Origin::of_pattern(Phase::Count, count.id, text));
    }

    /// The slots with the first byte of the span and its exclusive end, or that of its first `most`
    /// bytes if it has more.
    fn span(&mut self, count: &Count, most: Option<u32>) {
        let offset = int_of(count.window.offset);
        self.load_slot(R0, frame::START);
        self.add(R0, offset);
        self.load_slot(R1, frame::END);
        let inside = self.asm.label();
        // An offset behind the end would make lengths negative further on.
        self.emit_branch(Jmp::Le.reg(R0, R1, inside));
        self.mov(R0, R1);
        self.asm.bind(inside);
        self.store_slot(frame::PASS_START, R0);
        if let Some(most) = span_bytes(count, most) {
            let short = self.asm.label();
            self.load_slot(R0, frame::PASS_START);
            self.add(R0, int_of(most));
            self.emit_branch(Jmp::Le.reg(R1, R0, short));
            self.mov(R1, R0);
            self.asm.bind(short);
        }
        self.store_slot(frame::PASS_END, R1);
    }

    /// `r0` = the length of the span.
    fn span_length(&mut self) {
        self.load_slot(R0, frame::PASS_END);
        self.load_slot(R1, frame::PASS_START);
        self.asm.emit(Alu::Sub.reg(R0, R1));
    }

    /// Every byte counts.
    fn length(&mut self, count: &Count, holds: Label, fails: Label, lost: Label) {
        let term = &count.term;
        self.span(count, None);
        self.span_length();
        if term.least > 0 {
            self.emit_branch(Jmp::Lt.imm(R0, int_of(term.least), fails));
        }
        if let Some(most) = term.most {
            self.emit_branch(Jmp::Gt.imm(R0, int_of(most), fails));
        }
        self.certain(count, holds, lost);
    }

    /// Nothing was found that speaks against the term: does it hold? Bytes that were not seen, of a
    /// frame that is too long, may count, too.
    fn certain(&mut self, count: &Count, holds: Label, lost: Label) {
        if count.term.most.is_some() && self.has_windows() {
            self.asm.emit(Size::B.load(R0, R10, frame::TOO_LONG));
            self.emit_branch(Jmp::Eq.imm(R0, 0, holds));
            if span_bytes(count, None).is_some() {
                self.load_slot(R0, frame::PASS_END);
                self.load_slot(R1, frame::END);
                self.emit_branch(Jmp::Lt.reg(R0, R1, holds));
            }
            self.goto(lost);
        } else {
            self.goto(holds);
        }
    }

    fn number(&mut self, term: &Term) {
        let limits = term.count.term;
        let first = match limits.span {
            Span::Any(n) => Some(n),
            Span::First(_) | Span::Scope => None,
        };
        self.span(term.count, first);
        if limits.least > 0 {
            self.say_count(term.count, "can there be so many?");
            self.span_length();
            self.emit_branch(Jmp::Lt.imm(R0, int_of(limits.least), term.fails));
        }
        // Beyond this number there is nothing more to learn.
        let reach = match limits.most {
            Some(most) => Reach { number: int_of(most) + 1, then: term.fails },
            None => Reach { number: int_of(limits.least), then: term.holds },
        };
        if *term.lanes == Lanes::Table {
            self.byte_table(term);
        }
        let counted = self.asm.label();
        self.count_span(term, &reach, counted);
        self.asm.bind(counted);
        if let Some(n) = first {
            self.slide(term, int_of(n), &reach);
        }
        self.say_count(term.count, "all of it is counted");
        if limits.most.is_none() {
            self.goto(term.fails); // or the number would have been reached
        } else {
            if limits.least > 0 {
                // A sliding window with two limits is two terms: this is the number that counts.
                self.load_slot(R0, frame::COUNT);
                self.emit_branch(Jmp::Lt.imm(R0, int_of(limits.least), term.fails));
            }
            self.certain(term.count, term.holds, term.lost);
        }
    }

    /// Fresh pointers to the linear part: `r6` = its start, `r4` = its end.
    fn linear_pointers(&mut self) {
        self.load_pointer(R1, frame::CTX);
        self.load_data(R6, R1);
        self.load_data_end(R4, R1);
    }

    /// The slot `REGION_END` = the end of the span, or of the linear part if that is first. `r0` is
    /// that, too.
    fn linear_region(&mut self) {
        self.linear_pointers();
        self.mov(R0, R4);
        self.asm.emit(Alu::Sub.reg(R0, R6));
        self.load_slot(R2, frame::PASS_END);
        let linear = self.asm.label();
        self.emit_branch(Jmp::Le.reg(R0, R2, linear));
        self.mov(R0, R2);
        self.asm.bind(linear);
        self.store_slot(frame::REGION_END, R0);
    }

    /// Copy a piece of the packet: from the offset in `r2`, to the address in `r3`, as many bytes as
    /// `REGION_END` says, which is at most a window.
    fn copy_region(&mut self, lost: Label) {
        self.load_slot(R4, frame::REGION_END);
        self.emit_branch(Jmp::SLt.imm(R4, 1, lost));
        self.emit_branch(Jmp::SGt.imm(R4, WINDOW_BYTES, lost));
        self.load_pointer(R1, frame::CTX);
        self.asm.emit(Insn::call(self.load_bytes()));
        self.emit_branch(Jmp::Ne.imm(R0, 0, lost));
    }

    /// The slot `REGION_END` = `r4`, but no more than a window.
    fn window_region(&mut self) {
        let fits = self.asm.label();
        self.emit_branch(Jmp::SLe.imm(R4, WINDOW_BYTES, fits));
        self.set_imm(R4, WINDOW_BYTES);
        self.asm.bind(fits);
        self.store_slot(frame::REGION_END, R4);
    }

    /// The slot is 0, but the verifier does not know that.
    fn clear(&mut self, slot: i16) {
        self.opaque_zero(R0, R1);
        self.store_slot(slot, R0);
    }
}

/// The most bytes of the span of a term, if there is a number.
fn span_bytes(count: &Count, most: Option<u32>) -> Option<u32> {
    let first = match count.term.span {
        Span::First(n) => Some(n),
        Span::Scope | Span::Any(_) => None,
    };
    [first, count.window.depth, most].into_iter().flatten().min()
}

/// A number of bytes as an immediate: beyond every frame is far enough.
fn int_of(bytes: u32) -> i32 {
    const FAR: u32 = 1 << 20;
    i32::try_from(bytes.min(FAR)).expect("at most FAR")
}
