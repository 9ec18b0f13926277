//! Scanning the linear part of an XDP frame in place.
//!
//! Blocks of 128 positions, then of 32, then one more block of 32 that ends with the scope and
//! overlaps what was seen, so that no byte loop is needed. The offset is a number that the verifier
//! does not know, the pointer is rebuilt from it in every round (pointers that grow do not
//! converge). What the linear part does not hold is left to the window scan, from the same offset.

use super::{
    Gen, PassExits,
    entry::{XDP_DATA, XDP_DATA_END},
    frame::{self, DATA_END, LANE, MASK, OFF, PTR},
    pair::{BlockExits, LaneCheck, Needle, Pending},
};
use crate::assembler::{
    Alu, Jmp, Label, Phase,
    Reg::{R0, R1, R2, R3, R4, R6},
    Size,
};

/// Positions of a full block.
const BLOCK: i32 = 128;
/// Positions of a small block.
const SMALL: i32 = 32;
/// Largest packet offset that the verifier follows, minus what a block reads behind it: offset plus
/// displacement plus size must stay below 0xffff (`check_packet_access()` in
/// `kernel/bpf/verifier.c`).
const OFFSET_MAX: i32 = 0xff00;
/// Bytes that a counted loop covers on targets without `may_goto`; the verifier explores each round.
const COUNTED_BYTES: i32 = 9216;

/// The places of one direct scan.
struct Places {
    full: Label,
    middle: Label,
    tail: Label,
    tiny: Label,
    rest: Label,
    hit: Label,
    long_full: Label,
    long_middle: Label,
    long_tail: Label,
}

/// One direct scan of one literal.
struct Scan<'n> {
    needle: &'n Needle<'n>,
    /// Does the pass end before the linear part may end?
    bounded: bool,
    rest: bool,
    places: Places,
    exits: PassExits,
}

impl Gen<'_> {
    pub(super) fn direct_pair(&mut self, index: usize, rest: bool, exits: PassExits) {
        let matcher = self.matcher;
        let needle = Needle::new(index, &matcher.patterns[index], self.target);
        let places = Places {
            full: self.asm.label(),
            middle: self.asm.label(),
            tail: self.asm.label(),
            tiny: self.asm.label(),
            rest: self.asm.label(),
            hit: self.asm.label(),
            long_full: self.asm.label(),
            long_middle: self.asm.label(),
            long_tail: self.asm.label(),
        };
        let bounded = !self.whole_frame(needle.pattern);
        let scan = Scan { needle: &needle, bounded, rest, places, exits };
        self.pass_bounds(&needle, exits);
        self.direct_setup(&needle);
        let mut pending = self.full_blocks(&scan);
        pending.extend(self.middle_blocks(&scan));
        pending.extend(self.tail_block(&scan));
        self.candidates(&needle, pending);
        self.direct_hit(&scan);
        self.long(&scan);
        if self.asm.refers_to(scan.places.tiny) {
            self.tiny(&scan);
        } else {
            self.asm.bind(scan.places.tiny);
        }
        if rest {
            self.window_rest(&needle, scan.places.rest, exits);
        } else {
            self.asm.bind(scan.places.rest);
            if self.asm.refers_to(scan.places.rest) {
                self.goto(exits.lost);
            }
        }
    }

    /// `OFF` = first byte of the pass; the slots `PASS_START` and `PASS_END`.
    pub(super) fn pass_bounds(&mut self, needle: &Needle, exits: PassExits) {
        self.say_of(Phase::Bounds, needle.pattern, "where the pattern may lie");
        let window = needle.pattern.window;
        self.load_slot(OFF, frame::START);
        if window.offset > 0 {
            self.add(OFF, clamp(u64::from(window.offset)));
            self.store_slot(frame::PASS_START, OFF);
        }
        if let Some(end) = window.end() {
            let end_first = self.asm.label();
            self.load_slot(R0, frame::START);
            self.add(R0, clamp(end));
            self.load_slot(R1, frame::END);
            self.emit_branch(Jmp::Lt.reg(R0, R1, end_first));
            self.mov(R0, R1);
            self.asm.bind(end_first);
            self.store_slot(frame::PASS_END, R0);
        }
        if window.offset > 0 {
            // An offset behind the end would make lengths negative further on.
            self.load_slot(R0, needle.end_slot());
            self.emit_branch(Jmp::Gt.reg(OFF, R0, exits.done));
            self.load_slot(OFF, frame::PASS_START);
        }
    }

    fn direct_setup(&mut self, needle: &Needle) {
        self.say(Phase::Scan, "the linear part");
        self.load_pointer(R6, frame::CTX);
        self.asm.emit(Size::W.load(R2, R6, XDP_DATA));
        self.asm.emit(Size::W.load(DATA_END, R6, XDP_DATA_END));
        if needle.folds() {
            self.store_pointer(frame::DATA, R2);
        }
        self.pair_constants(needle);
    }

    /// `PTR` = address of offset `OFF`.
    fn direct_pointer(&mut self, needle: &Needle) {
        if needle.folds() {
            self.load_pointer(PTR, frame::DATA);
        } else {
            self.mov(PTR, MASK); // not a mask here: the address of the packet
        }
        self.asm.emit(Alu::Add.reg(PTR, OFF));
    }

    /// Prove `bytes` behind `PTR`, else `out`.
    fn direct_proof(&mut self, needle: &Needle, bytes: i32, out: Label) {
        self.direct_pointer(needle);
        self.mov(R4, PTR);
        self.add(R4, bytes);
        self.emit_branch(Jmp::Gt.reg(R4, DATA_END, out));
    }

    /// Where the offset is too large for a packet pointer.
    fn beyond(&self, scan: &Scan) -> Label {
        if scan.rest { scan.places.rest } else { scan.exits.lost }
    }

    fn offset_max(needle: &Needle) -> i32 {
        OFFSET_MAX - BLOCK - needle.len()
    }

    fn full_blocks(&mut self, scan: &Scan) -> Vec<Pending> {
        let needle = scan.needle;
        let need = BLOCK + needle.len() - 1;
        self.loop_counter(frame::ROUND);
        self.say_of(Phase::Scan, needle.pattern, format!("blocks of {BLOCK} positions"));
        let dead = [R0, R1, R4, R6];
        self.loop_head(
            scan.places.full,
            (frame::ROUND, COUNTED_BYTES / BLOCK + 2),
            &dead,
            true,
            scan.exits.lost,
        );
        self.forget(OFF);
        let beyond = self.beyond(scan);
        self.emit_branch(Jmp::Gt.imm(OFF, Self::offset_max(needle), beyond));
        if scan.bounded {
            self.load_slot(R0, needle.end_slot());
            self.mov(R1, OFF);
            self.add(R1, need);
            self.emit_branch(Jmp::Gt.reg(R1, R0, scan.places.middle));
        }
        self.direct_proof(needle, need, scan.places.middle);
        let exits = BlockExits { hit: scan.places.hit, long: scan.places.long_full };
        let pending = self.pair_block(needle, 0, BLOCK, LaneCheck::None, exits);
        self.add(OFF, BLOCK);
        self.goto(scan.places.full);
        pending
    }

    fn middle_blocks(&mut self, scan: &Scan) -> Vec<Pending> {
        let needle = scan.needle;
        let need = SMALL + needle.len() - 1;
        self.say_of(Phase::Scan, needle.pattern, format!("blocks of {SMALL} positions"));
        if !self.target.may_goto {
            // The loop head wants a counter of its own; it is set where the loop is entered.
            let inner = self.asm.label();
            self.asm.bind(scan.places.middle);
            self.loop_counter(frame::ROUND_INNER);
            self.middle_head(scan, inner);
            return self.middle_body(scan, need, inner);
        }
        self.middle_head(scan, scan.places.middle);
        self.middle_body(scan, need, scan.places.middle)
    }

    fn middle_head(&mut self, scan: &Scan, head: Label) {
        let rounds = (BLOCK + scan.needle.len()) / SMALL + 2 + scan.needle.len();
        let dead = [R0, R1, R4, R6];
        let falls_in = !self.target.may_goto;
        let counter = (frame::ROUND_INNER, rounds);
        self.loop_head(head, counter, &dead, falls_in, scan.exits.lost);
        self.forget(OFF);
    }

    fn middle_body(&mut self, scan: &Scan, need: i32, head: Label) -> Vec<Pending> {
        let needle = scan.needle;
        let beyond = self.beyond(scan);
        self.emit_branch(Jmp::Gt.imm(OFF, Self::offset_max(needle), beyond));
        if scan.bounded {
            self.load_slot(R0, needle.end_slot());
            self.mov(R1, OFF);
            self.add(R1, need);
            self.emit_branch(Jmp::Gt.reg(R1, R0, scan.places.tail));
        }
        let out = if scan.rest && scan.bounded { scan.places.rest } else { scan.places.tail };
        self.direct_proof(needle, need, out);
        let exits = BlockExits { hit: scan.places.hit, long: scan.places.long_middle };
        let pending = self.pair_block(needle, 0, SMALL, LaneCheck::None, exits);
        self.add(OFF, SMALL);
        self.goto(head);
        pending
    }

    /// What is left is shorter than a small block.
    fn tail_block(&mut self, scan: &Scan) -> Vec<Pending> {
        let needle = scan.needle;
        let (exits, places) = (scan.exits, &scan.places);
        let need = SMALL + needle.len() - 1;
        self.say_of(
            Phase::Scan,
            needle.pattern,
            format!("the last {SMALL} positions, overlapping"),
        );
        self.asm.bind(places.tail);
        self.linear_length(needle);
        if scan.bounded {
            self.load_slot(R0, needle.end_slot());
        } else if scan.rest {
            self.load_slot(R0, frame::LEN);
        } else {
            self.mov(R0, R4);
        }
        self.mov(R1, OFF);
        self.add(R1, needle.len());
        self.emit_branch(Jmp::Gt.reg(R1, R0, exits.done));
        let small = if scan.rest { places.rest } else { places.tiny };
        if scan.rest {
            self.emit_branch(Jmp::Gt.reg(R0, R4, places.rest));
        }
        self.emit_branch(Jmp::Lt.imm(R0, need, small));
        // Positions before the pass (the start of the scope, or of a window) do not count.
        self.load_slot(R3, needle.start_slot());
        self.asm.emit(Alu::Sub.reg(R3, R0));
        self.add(R3, need);
        self.mov(R1, R0);
        self.add(R1, -need);
        // The verifier must not connect the new offset with the length.
        self.store_slot(frame::LAUNDER, OFF);
        self.mov(OFF, R1);
        let beyond = if scan.rest { places.rest } else { exits.lost };
        let back = self.asm.label();
        let fine = self.asm.label();
        self.emit_branch(Jmp::Le.imm(OFF, Self::offset_max(needle), fine));
        self.asm.bind(back);
        self.load_slot(OFF, frame::LAUNDER);
        self.goto(beyond);
        self.asm.bind(fine);
        self.load_pointer(R4, frame::CTX);
        self.asm.emit(Size::W.load(R4, R4, XDP_DATA_END));
        self.direct_pointer(needle);
        self.mov(R1, PTR);
        self.add(R1, need);
        self.emit_branch(Jmp::Gt.reg(R1, R4, back));
        let block_exits = BlockExits { hit: places.hit, long: places.long_tail };
        let pending = self.pair_block(needle, 0, SMALL, LaneCheck::NotBefore, block_exits);
        self.goto(exits.done);
        pending
    }

    /// `r4` = bytes of the linear part.
    fn linear_length(&mut self, needle: &Needle) {
        self.mov(R4, DATA_END);
        if needle.folds() {
            self.load_pointer(R1, frame::DATA);
            self.asm.emit(Alu::Sub.reg(R4, R1));
        } else {
            self.asm.emit(Alu::Sub.reg(R4, MASK));
        }
    }

    fn direct_hit(&mut self, scan: &Scan) {
        self.say_of(Phase::Report, scan.needle.pattern, "found");
        self.asm.bind(scan.places.hit);
        if self.counters.is_some() {
            self.load_slot(R2, LANE);
            self.asm.emit(Alu::Add.reg(R2, OFF));
            self.add(R2, scan.needle.len());
            self.load_slot(R0, frame::START);
            self.asm.emit(Alu::Sub.reg(R2, R0));
        }
        self.found(scan.needle.index, scan.exits.done);
    }

    /// The first piece of a long literal matched: compare the rest once for all positions, and if
    /// it differs go on one position further.
    fn long(&mut self, scan: &Scan) {
        for (label, again) in [
            (scan.places.long_full, scan.places.full),
            (scan.places.long_middle, scan.places.middle),
        ] {
            if !self.asm.refers_to(label) {
                self.asm.bind(label);
                continue;
            }
            let fail = self.asm.label();
            self.say_of(Phase::Confirm, scan.needle.pattern, "the rest of a long literal");
            self.asm.bind(label);
            self.load_slot(R1, LANE);
            self.emit_branch(Jmp::Gt.imm(R1, BLOCK - 1, scan.exits.lost));
            self.mov(R4, PTR);
            self.asm.emit(Alu::Add.reg(R4, R1));
            self.mov(R0, R4);
            self.add(R0, scan.needle.len());
            self.emit_branch(Jmp::Gt.reg(R0, DATA_END, scan.exits.lost));
            for &piece in &scan.needle.pieces[1..] {
                self.compare(scan.needle.pattern, piece, R4, 0, fail);
            }
            self.goto(scan.places.hit);
            self.asm.bind(fail);
            self.load_slot(R1, LANE);
            self.asm.emit(Alu::Add.reg(OFF, R1));
            self.add(OFF, 1);
            self.goto(again);
        }
        let label = scan.places.long_tail;
        if !self.asm.refers_to(label) {
            self.asm.bind(label);
            return;
        }
        // In the last block: from that position on by the way for short ends.
        self.say_of(Phase::Confirm, scan.needle.pattern, "a long literal near the end");
        self.asm.bind(label);
        self.load_slot(R1, LANE);
        self.asm.emit(Alu::Add.reg(OFF, R1));
        self.load_pointer(R6, frame::CTX);
        self.asm.emit(Size::W.load(DATA_END, R6, XDP_DATA_END));
        self.goto(if scan.rest { scan.places.rest } else { scan.places.tiny });
    }

    /// Position by position, for ends that are too short for a block. Only where there is no
    /// window scan to do it.
    fn tiny(&mut self, scan: &Scan) {
        let needle = scan.needle;
        let (head, fail) = (self.asm.label(), self.asm.label());
        self.say_of(Phase::Scan, needle.pattern, "position by position");
        self.asm.bind(scan.places.tiny);
        self.loop_counter(frame::ROUND);
        let dead = [R0, R1, R4, R6];
        let rounds = SMALL + needle.len() + 2;
        self.loop_head(head, (frame::ROUND, rounds), &dead, true, scan.exits.lost);
        self.forget(OFF);
        self.emit_branch(Jmp::Gt.imm(OFF, Self::offset_max(needle), scan.exits.lost));
        if scan.bounded {
            self.load_slot(R0, needle.end_slot());
            self.mov(R1, OFF);
            self.add(R1, needle.len());
            self.emit_branch(Jmp::Gt.reg(R1, R0, scan.exits.done));
        }
        self.direct_proof(needle, needle.len(), scan.exits.done);
        for &piece in &needle.pieces {
            self.compare(needle.pattern, piece, PTR, 0, fail);
        }
        self.asm.emit(Size::W.store_imm(crate::assembler::Reg::R10, LANE, 0));
        self.goto(scan.places.hit);
        self.asm.bind(fail);
        self.add(OFF, 1);
        self.goto(head);
    }
}

/// A window bound as an immediate: beyond every frame is far enough.
fn clamp(bound: u64) -> i32 {
    const FAR: u64 = 1 << 20;
    i32::try_from(bound.min(FAR)).expect("at most FAR")
}

impl Needle<'_> {
    /// The slot with the first byte of the pass.
    pub(super) fn start_slot(&self) -> i16 {
        if self.pattern.window.offset > 0 { frame::PASS_START } else { frame::START }
    }

    /// The slot with the exclusive end of the pass.
    pub(super) fn end_slot(&self) -> i16 {
        if self.pattern.window.depth.is_some() { frame::PASS_END } else { frame::END }
    }
}
