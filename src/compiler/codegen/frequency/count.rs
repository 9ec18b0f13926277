//! Counting a span: blocks in a loop, then what is left in blocks of half the size each, then a last
//! word of which some bytes do not count.
//!
//! The last word is moved back so that it ends with the span (or is read with what stands behind, in
//! scratch memory), and the lanes that do not belong are shifted out. Only where the frame is so short that
//! there are no eight bytes before its end, bytes are counted one by one.

use super::{
    super::{Gen, WINDOW_BYTES, direct::OFFSET_MAX, frame},
    Place, Term, WINDOWS_END_MAX, WORD,
    lanes::ONES,
    span_bytes,
};
use crate::{
    assembler::{
        Alu, Jmp, Label,
        Reg::{self, R0, R1, R2, R3, R4, R6, R9},
    },
    compiler::{
        frequency::{Span, gate},
        ir::Scope,
        plan::Access,
    },
};

/// Where the next block begins: in the frame, or in the window.
const AT: Reg = R9;
/// What the lanes of a block sum up to.
const SUM: Reg = R4;
/// Words whose lanes are summed before their sum might not fit into one.
const SUM_WORDS: i32 = 24;
/// Words of a block for what direct access leaves over, which is rare.
const LOOP_WORDS_OF_REST: i32 = 8;
/// Numbers from which on it is worth a few instructions in each block to see that they will not be
/// reached.
const FAR_LEAST: i32 = 64;

/// A number that settles the matter, and where then.
pub(super) struct Reach {
    pub(super) number: i32,
    pub(super) then: Label,
}

/// Counting one region.
struct Region<'a> {
    term: &'a Term<'a>,
    reach: &'a Reach,
    place: Place,
    /// Words of a block of the loop.
    words: i32,
    /// Where the linear part cannot be read although it is there.
    beyond: Label,
}

impl Gen<'_> {
    /// The slot `COUNT` = bytes that count from `PASS_START` to `PASS_END`. At `reach.then` as soon as
    /// so many are there, at `counted` at the end.
    pub(super) fn count_span(&mut self, term: &Term, reach: &Reach, counted: Label) {
        self.clear(frame::COUNT);
        match self.access {
            Access::Direct { rest } => {
                let beyond = self.asm.label();
                self.say_count(term.count, "count in the linear part");
                self.linear_region();
                self.load_slot(AT, frame::PASS_START);
                if rest {
                    // The linear part may end before the span begins.
                    self.emit_branch(Jmp::Lt.reg(R0, AT, beyond));
                }
                let words = gate::block_words(gate::count_insns(term.lanes), gate::COUNT_WORDS);
                let region = Region { term, reach, place: Place::Linear, words, beyond };
                self.lane_constants(term.lanes);
                self.count_region(&region);
                self.load_slot(R0, frame::REGION_END);
                self.load_slot(R1, frame::PASS_END);
                self.emit_branch(Jmp::Ge.reg(R0, R1, counted));
                self.asm.bind(beyond);
                if rest {
                    self.store_slot(frame::REGION_START, AT);
                    self.find_scratch(term.lost);
                    self.count_windows(term, reach, LOOP_WORDS_OF_REST, None, counted);
                } else {
                    self.goto(term.lost);
                }
            }
            Access::Windows => {
                // A frame that fits into one window was copied when its headers were read.
                let (copy, ready) = (self.asm.label(), self.asm.label());
                self.say_count(term.count, "count in the window that is there");
                self.load_slot(R0, frame::LEN);
                self.emit_branch(Jmp::Gt.imm(R0, WINDOW_BYTES, copy));
                self.load_slot(R4, frame::PASS_END);
                self.window_region();
                self.load_slot(AT, frame::PASS_START);
                self.clear(frame::REGION_START);
                self.loop_counter(frame::ROUND);
                self.goto(ready);
                self.asm.bind(copy);
                self.load_slot(R0, frame::PASS_START);
                self.store_slot(frame::REGION_START, R0);
                self.count_windows(term, reach, gate::COUNT_WORDS, Some(ready), counted);
            }
        }
    }

    /// Count from the offset in `REGION_START` on, window by window; at `ready` the first is there.
    fn count_windows(
        &mut self,
        term: &Term,
        reach: &Reach,
        words: i32,
        ready: Option<Label>,
        counted: Label,
    ) {
        let head = self.asm.label();
        self.say_count(term.count, "count in the next window");
        self.loop_counter(frame::ROUND);
        let dead = [R0, R1, R2, R3, R4, Reg::R5, R6];
        self.loop_head(head, (frame::ROUND, gate::COUNTED_WINDOWS), &dead, true, term.lost);
        self.load_slot(R4, frame::PASS_END);
        self.load_slot(R2, frame::REGION_START);
        self.asm.emit(Alu::Sub.reg(R4, R2));
        self.emit_branch(Jmp::SLt.imm(R4, 1, counted));
        self.emit_branch(Jmp::Gt.imm(R2, WINDOWS_END_MAX, term.lost));
        self.window_region();
        self.load_pointer(R3, frame::SCRATCH);
        self.copy_region(term.lost);
        self.opaque_zero(AT, R0);
        if let Some(ready) = ready {
            if !self.target.may_goto {
                self.goto(ready); // old kernels refuse to fall into a place visited before
            }
            self.asm.bind(ready);
        }
        self.lane_constants(term.lanes);
        let words = gate::block_words(gate::count_insns(term.lanes), words);
        let region = Region { term, reach, place: Place::Scratch, words, beyond: term.lost };
        self.count_region(&region);
        self.load_slot(R0, frame::REGION_START);
        self.load_slot(R1, frame::REGION_END);
        self.asm.emit(Alu::Add.reg(R0, R1));
        self.store_slot(frame::REGION_START, R0);
        self.goto(head);
    }

    /// Count from `AT` to `REGION_END`, and leave the latter in `AT`.
    fn count_region(&mut self, region: &Region) {
        let Region { term, words, .. } = *region;
        let bytes = WORD * words;
        let most = match term.count.term.span {
            Span::Any(n) => span_bytes(term.count, Some(n)),
            Span::First(_) | Span::Scope => span_bytes(term.count, None),
        };
        let most = most.map_or(i32::MAX, super::int_of);
        // Straight code takes what is left of a block, and all of a short span.
        let halves = std::iter::successors(Some(half(words)), |words| Some(half(*words)));
        let mut straight: Vec<i32> = halves.take_while(|words| *words > 0).collect();
        if most < 2 * bytes {
            straight.insert(0, words);
        } else {
            let (head, rest) = (self.asm.label(), self.asm.label());
            let rounds = match region.place {
                Place::Linear => gate::COUNTED_BYTES / bytes + 2,
                Place::Scratch => WINDOW_BYTES / bytes + 2,
            };
            self.say_count(term.count, format!("blocks of {bytes} bytes"));
            self.loop_counter(frame::ROUND_INNER);
            let counter = (frame::ROUND_INNER, rounds);
            self.loop_head(head, counter, &[R0, R1, R2, R3, R4, R6], true, term.lost);
            self.forget(AT);
            self.count_block(region, words, rest);
            self.goto(head);
            self.asm.bind(rest);
        }
        for words in straight.into_iter().filter(|words| most >= WORD * words) {
            let skip = self.asm.label();
            self.say_count(term.count, format!("a block of {} bytes", WORD * words));
            self.launder(AT);
            self.count_block(region, words, skip);
            self.launder(AT);
            self.asm.bind(skip);
        }
        self.last_word(region);
    }

    /// Count `words` words at `AT`, which moves on; at `none` if there are not so many.
    fn count_block(&mut self, region: &Region, words: i32, none: Label) {
        let bytes = WORD * words;
        self.load_slot(R0, frame::REGION_END);
        self.asm.emit(Alu::Sub.reg(R0, AT));
        self.emit_branch(Jmp::SLt.imm(R0, bytes, none));
        self.pointer(region, AT, bytes);
        self.sum_words(region.term, words);
        self.add_sum(region, |generation| generation.add(R0, bytes));
        self.out_of_reach(region, bytes);
        self.add(AT, bytes);
    }

    /// Behind a block of `bytes` bytes at `AT`, with the number in `r0`: can all that is left still
    /// make it as large as is asked for?
    fn out_of_reach(&mut self, region: &Region, bytes: i32) {
        let term = region.term.count.term;
        let asked = super::int_of(term.least);
        let first_of_many = matches!(term.span, Span::Any(_));
        if asked < FAR_LEAST || first_of_many || region.place == Place::Scratch {
            return;
        }
        self.load_slot(R1, frame::PASS_END);
        self.asm.emit(Alu::Sub.reg(R1, AT));
        self.asm.emit(Alu::Add.reg(R1, R0));
        self.emit_branch(Jmp::SLt.imm(R1, asked + bytes, region.term.fails));
    }

    /// `r6` = address of the offset in `from`, with `bytes` readable there.
    fn pointer(&mut self, region: &Region, from: Reg, bytes: i32) {
        match region.place {
            Place::Linear => {
                self.emit_branch(Jmp::Gt.imm(from, OFFSET_MAX - bytes, region.beyond));
                self.linear_pointers();
                self.asm.emit(Alu::Add.reg(R6, from));
                self.mov(R0, R6);
                self.add(R0, bytes);
                self.emit_branch(Jmp::Gt.reg(R0, R4, region.term.lost));
            }
            Place::Scratch => {
                // Of a last word some bytes may stand behind the window.
                let last = WINDOW_BYTES - bytes + WORD;
                self.emit_branch(Jmp::Gt.imm(from, last, region.term.lost));
                self.load_pointer(R6, frame::SCRATCH);
                self.asm.emit(Alu::Add.reg(R6, from));
            }
        }
    }

    /// `SUM` = how many lanes of the words at `r6` say so.
    fn sum_words(&mut self, term: &Term, words: i32) {
        for word in 0..words {
            let fresh = word % SUM_WORDS == 0;
            let dst = if fresh { SUM } else { R2 };
            self.lanes(term.lanes, dst, R6, WORD * word);
            if !fresh {
                self.asm.emit(Alu::Add.reg(SUM, R2));
            }
            if word % SUM_WORDS == SUM_WORDS - 1 || word == words - 1 {
                self.sum_lanes(SUM);
                if word >= SUM_WORDS {
                    self.asm.emit(Alu::Add.reg(SUM, R3));
                }
                if word < words - 1 {
                    self.mov(R3, SUM);
                }
            }
        }
    }

    /// The sum of the lanes of `reg`, which is below 256.
    pub(super) fn sum_lanes(&mut self, reg: Reg) {
        self.asm.emit(Alu::Mul.reg(reg, ONES));
        self.asm.emit(Alu::Rsh.imm(reg, 56));
    }

    /// Add what was counted to `COUNT`: `SUM`, or what `all` adds to `r0` less `SUM`.
    fn add_sum(&mut self, region: &Region, all: impl FnOnce(&mut Self)) {
        self.load_slot(R0, frame::COUNT);
        if region.term.lanes.inverted() {
            all(self);
            self.asm.emit(Alu::Sub.reg(R0, SUM));
        } else {
            self.asm.emit(Alu::Add.reg(R0, SUM));
        }
        self.store_slot(frame::COUNT, R0);
        self.emit_branch(Jmp::Ge.imm(R0, region.reach.number, region.reach.then));
    }

    /// What is left: less than a word.
    fn last_word(&mut self, region: &Region) {
        let (done, single) = (self.asm.label(), self.asm.label());
        self.say_count(region.term.count, "less than a word is left");
        self.load_slot(R0, frame::REGION_END);
        self.asm.emit(Alu::Sub.reg(R0, AT));
        self.emit_branch(Jmp::SLt.imm(R0, 1, done));
        match region.place {
            Place::Linear => {
                self.load_slot(R3, frame::REGION_END);
                self.emit_branch(Jmp::Lt.imm(R3, WORD, single));
                self.add(R3, -WORD);
                self.pointer(region, R3, WORD);
            }
            Place::Scratch => self.pointer(region, AT, WORD),
        }
        self.lanes(region.term.lanes, SUM, R6, 0);
        // How many bits do not belong to the span: of bytes before it, or of bytes behind it.
        self.load_slot(R0, frame::REGION_END);
        self.asm.emit(Alu::Sub.reg(R0, AT));
        self.mov(R3, R0);
        self.set_imm(R1, WORD);
        self.asm.emit(Alu::Sub.reg(R1, R0));
        self.asm.emit(Alu::Lsh.imm(R1, 3));
        let shift = if region.place == Place::Linear { Alu::Rsh } else { Alu::Lsh };
        self.asm.emit(shift.reg(SUM, R1));
        self.sum_lanes(SUM);
        self.add_sum(region, |generation| generation.asm.emit(Alu::Add.reg(R0, R3)));
        if region.place == Place::Linear {
            self.goto(done);
            self.single_bytes(region, single, done);
        } else {
            self.asm.bind(single);
        }
        self.asm.bind(done);
        self.load_slot(AT, frame::REGION_END);
    }

    /// Byte by byte, where the frame has no eight bytes before the end of the span.
    fn single_bytes(&mut self, region: &Region, single: Label, done: Label) {
        if self.matcher.scope == Scope::Payload {
            // Behind the headers there are always so many.
            self.asm.bind(single);
            self.goto(region.term.lost);
            return;
        }
        let head = self.asm.label();
        self.say_count(region.term.count, "byte by byte");
        self.asm.bind(single);
        self.loop_counter(frame::ROUND_INNER);
        let counter = (frame::ROUND_INNER, WORD + 1);
        self.loop_head(head, counter, &[R0, R1, R2, R3, R4, R6], true, region.term.lost);
        self.launder(AT);
        self.load_slot(R0, frame::REGION_END);
        self.asm.emit(Alu::Sub.reg(R0, AT));
        self.emit_branch(Jmp::SLt.imm(R0, 1, done));
        self.pointer(region, AT, 1);
        self.lane(region.term.lanes, SUM, R6);
        self.add_sum(region, |generation| generation.add(R0, 1));
        self.add(AT, 1);
        self.goto(head);
    }
}

/// The largest power of two that is less than `words`, or 0.
fn half(words: i32) -> i32 {
    match words {
        ..=1 => 0,
        _ => 1 << (words - 1).ilog2(),
    }
}
