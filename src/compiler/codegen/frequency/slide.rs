//! Sliding a window: the number is known for the first one; one byte further, one byte comes and one
//! goes.
//!
//! Eight steps are made at once, exactly. The lanes of the bytes that come less those of the bytes that go
//! are summed from the lowest lane on by one multiplication, so that each lane holds by how much the number
//! has changed after so many steps, plus eight, which keeps it from being negative. Whether it has reached the
//! limit in any of the eight is one addition and one look at the upper bits; where it is too far away for
//! that, not even this is done.
//!
//! Behind the linear part two pieces of the frame are copied for each window, one with the bytes that go and
//! one with those that come: the distance between them is the user's, up to that of a whole frame.

use super::{
    super::{
        Gen, SCRATCH_SLACK, WINDOW_BYTES, broadcast,
        direct::OFFSET_MAX,
        frame::{self, COUNT, PLACE, REGION_END, REGION_START},
    },
    Place, Term, WINDOWS_END_MAX, WORD,
    count::Reach,
};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label,
        Reg::{self, R0, R1, R2, R3, R4, R6, R9},
    },
    compiler::{frequency::gate, ir::Scope, plan::Access},
};

/// Address of the bytes that go.
const GO: Reg = R6;
/// Address of the bytes that come.
const COME: Reg = R4;
/// The number of the window that begins here.
const NUMBER: Reg = R9;
/// Bytes of scratch memory for each of the two pieces.
pub(in super::super) const SLIDE_BYTES: i32 = WINDOW_BYTES + SCRATCH_SLACK;

/// Sliding over one region.
struct Slide<'a> {
    term: &'a Term<'a>,
    /// Bytes of the window.
    n: i32,
    reach: &'a Reach,
    place: Place,
    /// Where the linear part cannot be read although it is there.
    beyond: Label,
}

impl Gen<'_> {
    /// From the first window, whose number is in `COUNT`, to the last. At `reach.then` as soon as a
    /// window has so many; else goes on behind.
    pub(super) fn slide(&mut self, term: &Term, n: i32, reach: &Reach) {
        let (beyond, done) = (self.asm.label(), self.asm.label());
        self.say_count(term.count, format!("are there more than {n} bytes?"));
        self.span(term.count, None);
        self.span_length();
        self.emit_branch(Jmp::Le.imm(R0, n, done));
        self.load_slot(R0, frame::PASS_START);
        self.store_slot(PLACE, R0);
        let linear = n < OFFSET_MAX - 2 * WORD * gate::SLIDE_WORDS;
        match self.access {
            Access::Direct { rest } => {
                if linear {
                    self.slide_linear(term, n, reach, beyond, done);
                }
                self.asm.bind(beyond);
                if rest {
                    self.find_scratch(term.lost);
                    self.slide_windows(term, n, reach, done);
                } else {
                    self.goto(term.lost);
                }
            }
            Access::Windows => {
                self.asm.bind(beyond);
                self.slide_windows(term, n, reach, done);
            }
        }
        self.asm.bind(done);
    }

    fn slide_linear(&mut self, term: &Term, n: i32, reach: &Reach, beyond: Label, done: Label) {
        self.say_count(term.count, "slide in the linear part");
        self.linear_region();
        self.emit_branch(Jmp::Lt.imm(R0, n, beyond));
        self.add(R0, -n);
        self.store_slot(REGION_END, R0);
        self.lane_constants(term.lanes);
        self.slide_region(&Slide { term, n, reach, place: Place::Linear, beyond });
        self.load_slot(R0, PLACE);
        self.add(R0, n);
        self.load_slot(R1, frame::PASS_END);
        self.emit_branch(Jmp::Ge.reg(R0, R1, done));
    }

    /// Slide from `PLACE` on, window by window.
    fn slide_windows(&mut self, term: &Term, n: i32, reach: &Reach, done: Label) {
        let head = self.asm.label();
        self.say_count(term.count, "slide in the next window");
        self.load_slot(R0, PLACE);
        self.store_slot(REGION_START, R0);
        self.loop_counter(frame::ROUND);
        let dead = [R0, R1, R2, R3, R4, Reg::R5, R6];
        self.loop_head(head, (frame::ROUND, gate::COUNTED_WINDOWS), &dead, true, term.lost);
        self.load_slot(R4, frame::PASS_END);
        self.load_slot(R2, REGION_START);
        self.asm.emit(Alu::Sub.reg(R4, R2));
        self.add(R4, -n);
        self.emit_branch(Jmp::SLt.imm(R4, 1, done));
        self.emit_branch(Jmp::Gt.imm(R2, WINDOWS_END_MAX, term.lost));
        self.window_region();
        let go = self.scratch_bytes();
        for (piece, distance) in [(go, 0), (go + SLIDE_BYTES, n)] {
            self.load_slot(R2, REGION_START);
            self.add(R2, distance);
            self.load_pointer(R3, frame::SCRATCH);
            self.add(R3, piece);
            self.copy_region(term.lost);
        }
        self.clear(PLACE);
        self.lane_constants(term.lanes);
        self.slide_region(&Slide { term, n, reach, place: Place::Scratch, beyond: term.lost });
        self.load_slot(R0, REGION_START);
        self.load_slot(R1, REGION_END);
        self.asm.emit(Alu::Add.reg(R0, R1));
        self.store_slot(REGION_START, R0);
        self.goto(head);
    }

    /// Slide from `PLACE` to `REGION_END`, which is where the bytes that go end.
    fn slide_region(&mut self, slide: &Slide) {
        let term = slide.term;
        let mut words = gate::block_words(gate::slide_insns(term.lanes), gate::SLIDE_WORDS);
        let bytes = WORD * words;
        let (head, rest) = (self.asm.label(), self.asm.label());
        let rounds = match slide.place {
            Place::Linear => gate::COUNTED_BYTES / bytes + 2,
            Place::Scratch => WINDOW_BYTES / bytes + 2,
        };
        self.say_count(term.count, format!("blocks of {bytes} steps"));
        self.loop_counter(frame::ROUND_INNER);
        let dead = [R0, R1, R2, R3, R4, R6];
        self.loop_head(head, (frame::ROUND_INNER, rounds), &dead, true, term.lost);
        self.slide_block(slide, words, rest);
        self.goto(head);
        self.asm.bind(rest);
        while words > 1 {
            words /= 2;
            let skip = self.asm.label();
            self.say_count(term.count, format!("a block of {} steps", WORD * words));
            self.slide_block(slide, words, skip);
            self.asm.bind(skip);
        }
        self.last_steps(slide);
    }

    /// Make eight steps for each of `words`; at `none` if there are not so many left.
    fn slide_block(&mut self, slide: &Slide, words: i32, none: Label) {
        let bytes = WORD * words;
        self.load_slot(R2, PLACE);
        self.load_slot(R0, REGION_END);
        self.asm.emit(Alu::Sub.reg(R0, R2));
        self.emit_branch(Jmp::SLt.imm(R0, bytes, none));
        self.slide_pointers(slide, bytes);
        self.load_slot(NUMBER, COUNT);
        for word in 0..words {
            self.come_and_go(slide, WORD * word);
            self.eight_steps(slide);
        }
        self.store_slot(COUNT, NUMBER);
        self.load_slot(R0, PLACE);
        self.add(R0, bytes);
        self.store_slot(PLACE, R0);
    }

    /// `GO`, `COME` = addresses at the place in `r2`, with `bytes` readable.
    fn slide_pointers(&mut self, slide: &Slide, bytes: i32) {
        match slide.place {
            Place::Linear => {
                self.emit_branch(Jmp::Gt.imm(R2, OFFSET_MAX - slide.n - bytes, slide.beyond));
                self.linear_pointers();
                self.asm.emit(Alu::Add.reg(GO, R2));
                self.mov(R0, GO);
                self.add(R0, slide.n + bytes);
                self.emit_branch(Jmp::Gt.reg(R0, R4, slide.term.lost));
                self.mov(COME, GO);
                self.add(COME, slide.n);
            }
            Place::Scratch => {
                self.emit_branch(Jmp::Gt.imm(R2, WINDOW_BYTES, slide.term.lost));
                self.load_pointer(GO, frame::SCRATCH);
                self.add(GO, self.scratch_bytes());
                self.asm.emit(Alu::Add.reg(GO, R2));
                self.mov(COME, GO);
                self.add(COME, SLIDE_BYTES);
            }
        }
    }

    /// The lanes of the two words at `at`: `r3` are those that add, `r2` those that take away.
    fn come_and_go(&mut self, slide: &Slide, at: i32) {
        let lanes = slide.term.lanes;
        let (adds, takes) = if lanes.inverted() { (GO, COME) } else { (COME, GO) };
        self.lanes(lanes, R2, takes, at);
        self.lanes(lanes, R3, adds, at);
    }

    /// Eight steps: is the number reached in one of them? `NUMBER` = the number after the last.
    fn eight_steps(&mut self, slide: &Slide) {
        // What is added to a lane so that bit 7 says that the number is reached in it.
        const REACHED: i32 = 0x80 - WORD;
        let (number, skip) = (slide.reach.number, self.asm.label());
        self.asm.emit(Alu::Sub.reg(R3, R2));
        self.asm.emit(Alu::Mul.reg(R3, super::lanes::ONES));
        self.asm.emit(Insn::load_imm64(R1, broadcast(8)));
        self.asm.emit(Alu::Add.reg(R3, R1));
        // A sum of two, because the verifier ties a copy to its original.
        self.set_imm(R0, REACHED - number);
        self.asm.emit(Alu::Add.reg(R0, NUMBER));
        if number > WORD {
            self.emit_branch(Jmp::SLt.imm(R0, REACHED - WORD, skip));
        }
        self.asm.emit(Alu::Mul.reg(R0, super::lanes::ONES));
        self.asm.emit(Alu::Add.reg(R0, R3));
        self.asm.emit(Insn::load_imm64(R1, broadcast(0x80)));
        self.emit_branch(Jmp::Set.reg(R0, R1, slide.reach.then));
        self.asm.bind(skip);
        self.asm.emit(Alu::Rsh.imm(R3, 56));
        self.asm.emit(Alu::Add.reg(NUMBER, R3));
        self.add(NUMBER, -WORD);
    }

    /// What is left: fewer than eight steps.
    fn last_steps(&mut self, slide: &Slide) {
        let (done, single) = (self.asm.label(), self.asm.label());
        self.say_count(slide.term.count, "fewer than eight steps are left");
        self.load_slot(R2, PLACE);
        self.load_slot(R0, REGION_END);
        self.asm.emit(Alu::Sub.reg(R0, R2));
        self.emit_branch(Jmp::SLt.imm(R0, 1, done));
        if slide.place == Place::Linear {
            self.load_slot(R2, REGION_END);
            self.emit_branch(Jmp::Lt.imm(R2, WORD, single));
            self.add(R2, -WORD);
        }
        self.slide_pointers(slide, WORD);
        self.load_slot(NUMBER, COUNT);
        self.come_and_go(slide, 0);
        // Steps that were made before, or that nobody makes, change nothing.
        self.load_slot(R0, PLACE);
        self.load_slot(R1, REGION_END);
        self.asm.emit(Alu::Sub.reg(R0, R1));
        self.add(R0, WORD);
        self.asm.emit(Alu::Lsh.imm(R0, 3));
        let shift = if slide.place == Place::Linear { Alu::Rsh } else { Alu::Lsh };
        self.asm.emit(shift.reg(R2, R0));
        self.asm.emit(shift.reg(R3, R0));
        self.eight_steps(slide);
        self.store_slot(COUNT, NUMBER);
        self.load_slot(R0, REGION_END);
        self.store_slot(PLACE, R0);
        if slide.place == Place::Linear {
            self.goto(done);
            self.single_steps(slide, single, done);
        } else {
            self.asm.bind(single);
        }
        self.asm.bind(done);
    }

    /// Step by step, where the frame has no eight bytes before the last that goes.
    fn single_steps(&mut self, slide: &Slide, single: Label, done: Label) {
        if self.matcher.scope == Scope::Payload {
            // Behind the headers there are always so many.
            self.asm.bind(single);
            self.goto(slide.term.lost);
            return;
        }
        let head = self.asm.label();
        self.say_count(slide.term.count, "step by step");
        self.asm.bind(single);
        self.loop_counter(frame::ROUND_INNER);
        let counter = (frame::ROUND_INNER, WORD + 1);
        let dead = [R0, R1, R2, R3, R4, R6];
        self.loop_head(head, counter, &dead, true, slide.term.lost);
        self.load_slot(R2, PLACE);
        self.load_slot(R0, REGION_END);
        self.asm.emit(Alu::Sub.reg(R0, R2));
        self.emit_branch(Jmp::SLt.imm(R0, 1, done));
        self.slide_pointers(slide, 1);
        let lanes = slide.term.lanes;
        let (adds, takes) = if lanes.inverted() { (GO, COME) } else { (COME, GO) };
        self.lane(lanes, R2, takes);
        self.lane(lanes, R3, adds);
        self.load_slot(R0, COUNT);
        self.asm.emit(Alu::Add.reg(R0, R3));
        self.asm.emit(Alu::Sub.reg(R0, R2));
        self.store_slot(COUNT, R0);
        self.emit_branch(Jmp::Ge.imm(R0, slide.reach.number, slide.reach.then));
        self.load_slot(R0, PLACE);
        self.add(R0, 1);
        self.store_slot(PLACE, R0);
        self.goto(head);
    }
}
