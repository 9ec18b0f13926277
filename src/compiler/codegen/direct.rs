//! Scanning the linear part of an XDP frame in place.
//!
//! Blocks of 128 positions, then of 32, of which the last is moved back so that it ends with the
//! scope and overlaps what was seen: no byte loop is needed. The offset is a number that the verifier
//! does not know, the pointer is rebuilt from it in every round (pointers that grow do not
//! converge). What the linear part does not hold is left to the window scan, from the same offset.

use super::{
    Gen, PassExits,
    frame::{self, DATA_END, LANE, MASK, OFF, PTR},
    multiply::{self, Looks},
    pair::{BlockExits, LaneCheck, Pending, Sought},
    walk::{Source, WalkExits},
};
use crate::{
    assembler::{
        Alu, Jmp, Label, Phase,
        Reg::{R0, R1, R2, R3, R4, R6},
        Size,
    },
    compiler::{gram_interval::GramInterval, lower::Walk},
};

/// Positions of a full block.
const BLOCK: i32 = 128;
/// Positions of one where full blocks only see what the looks leave over: half the code.
const BLOCK_BEHIND_LOOKS: i32 = 64;
/// Positions of a small block.
const SMALL: i32 = 32;
/// Largest packet offset that the verifier follows, minus what a block reads behind it: offset plus
/// displacement plus size must stay below 0xffff (`check_packet_access()` in
/// `kernel/bpf/verifier.c`).
pub(super) const OFFSET_MAX: i32 = 0xff00;
/// Bytes that a counted loop covers on targets without `may_goto`; the verifier explores each round.
const COUNTED_BYTES: i32 = 9216;

/// The places of one direct scan.
struct Places {
    full: Label,
    small: Label,
    tiny: Label,
    rest: Label,
    hit: Label,
    long_full: Label,
    long_small: Label,
}

/// One direct scan of one literal.
struct Scan<'n> {
    needle: &'n Sought<'n>,
    /// Does the pass end before the linear part may end?
    bounded: bool,
    rest: bool,
    places: Places,
    exits: PassExits,
}

impl Gen<'_> {
    /// A pass of one literal over the linear part and, if `rest`, over what is behind it.
    pub(super) fn direct_pair(
        &mut self,
        needle: &Sought,
        first: bool,
        rest: bool,
        exits: PassExits,
    ) {
        let places = Places {
            full: self.asm.label(),
            small: self.asm.label(),
            tiny: self.asm.label(),
            rest: self.asm.label(),
            hit: self.asm.label(),
            long_full: self.asm.label(),
            long_small: self.asm.label(),
        };
        let bounded = !self.whole_frame(needle.pattern);
        let scan = Scan { needle, bounded, rest, places, exits };
        self.pass_bounds(needle, first, exits);
        self.direct_setup(needle, first);
        if needle.pattern.walk.is_some() {
            self.load_slot(R0, needle.start_slot());
            self.store_slot(frame::FROM, R0);
        }
        let looks = needle.skip.map(|skip| (skip, self.direct_looks(&scan, skip)));
        self.pair_constants(needle);
        let mut pending = self.full_blocks(&scan);
        pending.extend(self.small_blocks(&scan));
        self.candidates(needle, pending);
        if let Some((skip, looks)) = looks {
            self.looked(needle, skip, looks);
        }
        self.direct_hit(&scan);
        self.long(&scan);
        if self.asm.refers_to(scan.places.tiny) {
            self.tiny(&scan);
        } else {
            self.asm.bind(scan.places.tiny);
        }
        if rest {
            self.window_rest(needle, scan.places.rest, exits);
        } else {
            self.asm.bind(scan.places.rest);
            if self.asm.refers_to(scan.places.rest) {
                self.goto(exits.lost);
            }
        }
    }

    /// `OFF` = first byte of the pass; the slots `PASS_START` and `PASS_END`.
    pub(super) fn pass_bounds(&mut self, needle: &Sought, first: bool, exits: PassExits) {
        self.say_of(Phase::Bounds, needle.pattern, "where the pattern may lie");
        let window = needle.pattern.window;
        // Right behind the walk through the headers the start is still in a register, but the verifier
        // may know more of it than it does when a literal was judged and the scan goes on.
        if !first || needle.pattern.walk.is_some() {
            self.load_slot(OFF, frame::START);
        }
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

    fn direct_setup(&mut self, needle: &Sought, first: bool) {
        self.say(Phase::Scan, "the linear part");
        if !first {
            self.load_pointer(R6, frame::CTX);
        }
        // Fresh pointers: paths through the headers have proven different lengths of the old ones.
        self.load_data(R2, R6);
        self.load_data_end(DATA_END, R6);
        if needle.folds() || needle.skip.is_some_and(|skip| skip.fold.is_some()) {
            self.store_pointer(frame::DATA, R2);
        }
    }

    /// `PTR` = address of offset `OFF`. `masked`: is there a mask where its address would be?
    fn direct_pointer(&mut self, masked: bool) {
        if masked {
            self.load_pointer(PTR, frame::DATA);
        } else {
            self.mov(PTR, MASK); // not a mask here: the address of the packet
        }
        self.asm.emit(Alu::Add.reg(PTR, OFF));
    }

    /// The slot `LAST` = where the last block that reads `need` bytes of the pass begins; at `none`
    /// if there is no such block.
    fn last_block(&mut self, needle: &Sought, need: i32, none: Label) {
        self.load_slot(R0, needle.end_slot());
        self.emit_branch(Jmp::Lt.imm(R0, need, none));
        self.add(R0, -need);
        self.store_slot(frame::LAST, R0);
    }

    /// Looks at every few positions, as far as full blocks of them go. Continues behind them where
    /// the pair test is to go on, with nothing left of the constants.
    fn direct_looks(&mut self, scan: &Scan, skip: &GramInterval) -> Looks {
        let needle = scan.needle;
        let need = multiply::need(skip);
        let (head, pairs) = (self.asm.label(), self.asm.label());
        // A short pass is not worth the constants.
        if scan.bounded {
            self.last_block(needle, need, pairs);
        } else {
            self.load_slot(R0, frame::LEN);
            self.emit_branch(Jmp::Lt.imm(R0, need, pairs));
        }
        self.multiply_constants(needle, skip);
        let counter = (frame::ROUND, 0); // only targets with may_goto have such loops
        self.loop_head(head, counter, &[R0, R1, R4, R6], true, scan.exits.lost);
        self.emit_branch(Jmp::Gt.imm(OFF, OFFSET_MAX - need, pairs));
        if scan.bounded {
            self.load_slot(R1, frame::LAST);
            self.emit_branch(Jmp::Gt.reg(OFF, R1, pairs));
        }
        self.direct_proof(skip.fold.is_some(), need, pairs);
        let looks = self.looks(needle, skip, [head, pairs], OFF);
        self.add(OFF, multiply::block(skip));
        self.goto(head);
        self.say(Phase::Scan, "from here on by pairs of bytes");
        self.asm.bind(pairs);
        if skip.fold.is_some() && !needle.folds() {
            self.load_pointer(MASK, frame::DATA); // no mask any more: the address of the packet
        }
        looks
    }

    /// Prove `bytes` behind `PTR`, else `out`.
    fn direct_proof(&mut self, masked: bool, bytes: i32, out: Label) {
        self.direct_pointer(masked);
        self.mov(R4, PTR);
        self.add(R4, bytes);
        self.emit_branch(Jmp::Gt.reg(R4, DATA_END, out));
    }

    /// Where the offset is too large for a packet pointer.
    fn beyond(&self, scan: &Scan) -> Label {
        if scan.rest { scan.places.rest } else { scan.exits.lost }
    }

    fn offset_max(needle: &Sought) -> i32 {
        OFFSET_MAX - BLOCK - needle.len()
    }

    fn block(needle: &Sought) -> i32 {
        if needle.skip.is_some() { BLOCK_BEHIND_LOOKS } else { BLOCK }
    }

    fn full_blocks(&mut self, scan: &Scan) -> Vec<Pending> {
        let needle = scan.needle;
        let block = Self::block(needle);
        let need = block + needle.len() - 1;
        if scan.bounded {
            self.last_block(needle, need, scan.places.small);
        }
        self.loop_counter(frame::ROUND);
        self.say_of(Phase::Scan, needle.pattern, format!("blocks of {block} positions"));
        let dead = [R0, R1, R4, R6];
        self.loop_head(
            scan.places.full,
            (frame::ROUND, COUNTED_BYTES / block + 2),
            &dead,
            true,
            scan.exits.lost,
        );
        self.forget(OFF);
        let beyond = self.beyond(scan);
        self.emit_branch(Jmp::Gt.imm(OFF, Self::offset_max(needle), beyond));
        if scan.bounded {
            self.load_slot(R1, frame::LAST);
            self.emit_branch(Jmp::Gt.reg(OFF, R1, scan.places.small));
        }
        self.direct_proof(needle.folds(), need, scan.places.small);
        let exits = BlockExits { hit: scan.places.hit, long: scan.places.long_full };
        let pending = self.pair_block(needle, 0, block, LaneCheck::None, exits);
        self.add(OFF, block);
        self.goto(scan.places.full);
        pending
    }

    /// What is left when no full block fits. The last block is moved back so that it ends with
    /// the pass; `r3` then says how many of its positions lie before the pass and do not count.
    fn small_blocks(&mut self, scan: &Scan) -> Vec<Pending> {
        let needle = scan.needle;
        let places = &scan.places;
        let need = SMALL + needle.len() - 1;
        self.say_of(Phase::Scan, needle.pattern, format!("blocks of {SMALL} positions"));
        self.asm.bind(places.small);
        let alike = scan.rest || self.several();
        if alike {
            // Ways that lead here know different things of the offset; that is explored once, then.
            self.launder(OFF);
        }
        self.linear_end(scan);
        self.loop_counter(frame::ROUND);
        let head = self.asm.label();
        let rounds = (BLOCK + needle.len()) / SMALL + 3;
        let counter = (frame::ROUND, rounds);
        self.loop_head(head, counter, &[R0, R1, R3, R4, R6], true, scan.exits.lost);
        self.forget(OFF);
        self.load_slot(R0, frame::BLOCKS_END);
        self.mov(R1, OFF);
        self.add(R1, needle.len());
        let (more, fits) = (self.asm.label(), self.asm.label());
        self.emit_branch(Jmp::Le.reg(R1, R0, more));
        if scan.rest {
            // All of the linear part is done; was that all?
            self.load_slot(R1, needle.end_slot());
            self.emit_branch(Jmp::Gt.reg(R1, R0, places.rest));
        }
        self.goto(scan.exits.done);
        self.asm.bind(more);
        self.add(R1, SMALL - 1);
        self.emit_branch(Jmp::Le.reg(R1, R0, fits));
        // Positions before the pass do not count, but they must be there to be read.
        self.emit_branch(Jmp::Lt.imm(R0, need, if scan.rest { places.rest } else { places.tiny }));
        self.add(R0, -need);
        self.mov(OFF, R0);
        if alike {
            self.launder(OFF);
        }
        self.asm.bind(fits);
        let beyond = if scan.rest { places.rest } else { scan.exits.lost };
        self.emit_branch(Jmp::Gt.imm(OFF, Self::offset_max(needle), beyond));
        self.load_pointer(R4, frame::CTX);
        self.load_data_end(R4, R4);
        self.direct_pointer(needle.folds());
        self.mov(R1, PTR);
        self.add(R1, need);
        self.emit_branch(Jmp::Gt.reg(R1, R4, beyond));
        // Literals with walks are all asked in one place; else nothing lies before the frame.
        let check = if scan.bounded && needle.pattern.walk.is_none() {
            self.load_slot(R3, needle.start_slot());
            self.asm.emit(Alu::Sub.reg(R3, OFF));
            LaneCheck::NotBefore
        } else {
            LaneCheck::None
        };
        let exits = BlockExits { hit: places.hit, long: places.long_small };
        let pending = self.pair_block(needle, 0, SMALL, check, exits);
        self.add(OFF, SMALL);
        self.goto(head);
        pending
    }

    /// The slot `BLOCKS_END` = where the pass ends, or the linear part if that is first.
    fn linear_end(&mut self, scan: &Scan) {
        self.mov(R0, DATA_END);
        if scan.needle.folds() {
            self.load_pointer(R1, frame::DATA);
            self.asm.emit(Alu::Sub.reg(R0, R1));
        } else {
            self.asm.emit(Alu::Sub.reg(R0, MASK));
        }
        if scan.bounded || scan.rest {
            let linear = self.asm.label();
            self.load_slot(R1, scan.needle.end_slot());
            self.emit_branch(Jmp::Le.reg(R0, R1, linear));
            self.mov(R0, R1);
            self.asm.bind(linear);
        }
        self.store_slot(frame::BLOCKS_END, R0);
    }

    fn direct_hit(&mut self, scan: &Scan) {
        self.say_of(Phase::Report, scan.needle.pattern, "found");
        self.asm.bind(scan.places.hit);
        if scan.needle.pattern.walk.is_some() {
            return; // every occurrence is judged by the walk
        }
        if let Some(instead) = scan.needle.instead {
            self.goto(instead);
            return;
        }
        if self.counters.is_some() {
            self.load_slot(R2, LANE);
            self.asm.emit(Alu::Add.reg(R2, OFF));
            self.add(R2, scan.needle.len() - 1);
            self.load_slot(R0, frame::START);
            self.asm.emit(Alu::Sub.reg(R2, R0));
        }
        self.found(scan.needle.pattern.index, scan.exits.done);
    }

    /// The first piece of a long literal matched: compare the rest once for all positions, and if
    /// it differs go on one position further.
    fn long(&mut self, scan: &Scan) {
        let (full, small) = (scan.places.long_full, scan.places.long_small);
        if !self.asm.refers_to(full) {
            self.asm.bind(full);
            self.asm.bind(small);
            return;
        }
        if let Some(walk) = &scan.needle.pattern.walk {
            self.asm.bind(small);
            self.direct_walk(scan, walk);
            return;
        }
        let fail = self.asm.label();
        self.say_of(Phase::Confirm, scan.needle.pattern, "the rest of a long literal");
        self.asm.bind(full);
        self.load_slot(R1, LANE);
        self.add(R1, -1);
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
        self.advance(OFF, 0);
        self.goto(scan.places.full);
        // A block that was moved back cannot be restarted further on: it would move back again.
        self.say_of(Phase::Confirm, scan.needle.pattern, "a long literal near the end");
        self.asm.bind(small);
        self.advance(OFF, -1);
        self.goto(if scan.rest { scan.places.rest } else { scan.places.tiny });
    }

    /// A literal with a walk is there, or the first piece of it. Whatever comes of it, the scan goes on
    /// behind it, and what lies before does not count again in a block that is moved back: what such
    /// a block still holds is searched in another way then.
    fn direct_walk(&mut self, scan: &Scan, walk: &Walk) {
        let needle = scan.needle;
        let next = self.asm.label();
        self.say_of(Phase::Confirm, needle.pattern, "the rest of the literal");
        self.join(scan.places.long_full, &[R0, R1, R4, R6], scan.exits.lost);
        self.load_slot(R0, LANE);
        self.asm.emit(Alu::Add.reg(R0, OFF));
        self.add(R0, -1);
        let new = self.asm.label();
        self.load_slot(R1, frame::FROM);
        self.emit_branch(Jmp::Ge.reg(R0, R1, new));
        self.mov(OFF, R1);
        self.goto(if scan.rest { scan.places.rest } else { scan.places.tiny });
        self.asm.bind(new);
        self.store_slot(frame::AT, R0);
        if needle.is_long() {
            self.load_pointer(R6, frame::CTX);
            self.load_data(R2, R6);
            self.load_data_end(DATA_END, R6);
            self.load_slot(R1, frame::AT);
            self.emit_branch(Jmp::Gt.imm(R1, Self::offset_max(needle), scan.exits.lost));
            self.mov(R4, R2);
            self.asm.emit(Alu::Add.reg(R4, R1));
            self.mov(R0, R4);
            self.add(R0, needle.len());
            self.emit_branch(Jmp::Gt.reg(R0, DATA_END, scan.exits.lost));
            for &piece in &needle.pieces[1..] {
                self.compare(needle.pattern, piece, R4, 0, next);
            }
        }
        let beyond = self.asm.label();
        let exits = WalkExits { next, done: scan.exits.done, lost: scan.exits.lost };
        self.judge(needle.pattern, walk, Source::Linear { beyond }, exits);
        self.say_of(Phase::Scan, needle.pattern, "what the walk needs lies behind the linear part");
        self.asm.bind(beyond);
        if self.asm.refers_to(beyond) {
            self.load_slot(OFF, frame::AT);
            self.goto(if scan.rest { scan.places.rest } else { scan.exits.lost });
        }
        self.say_of(Phase::Scan, needle.pattern, "on behind it");
        self.join(next, &[], scan.exits.lost);
        self.load_slot(OFF, frame::AT);
        self.add(OFF, 1);
        self.store_slot(frame::FROM, OFF);
        self.load_slot(OFF, frame::FROM);
        self.direct_setup(needle, false);
        self.pair_constants(needle);
        self.goto(scan.places.full);
    }

    /// Position by position, for ends that are too short for a block. Only where there is no
    /// window scan to do it.
    fn tiny(&mut self, scan: &Scan) {
        let needle = scan.needle;
        let (head, fail) = (self.asm.label(), self.asm.label());
        self.say_of(Phase::Scan, needle.pattern, "position by position");
        self.asm.bind(scan.places.tiny);
        self.load_pointer(R6, frame::CTX);
        self.load_data_end(DATA_END, R6);
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
        self.direct_proof(needle.folds(), needle.len(), scan.exits.done);
        for &piece in &needle.pieces {
            self.compare(needle.pattern, piece, PTR, 0, fail);
        }
        self.asm.emit(Size::W.store_imm(crate::assembler::Reg::R10, LANE, 1));
        let confirmed = needle.pattern.walk.is_none();
        self.goto(if confirmed { scan.places.hit } else { scan.places.long_full });
        self.asm.bind(fail);
        self.add(OFF, 1);
        self.goto(head);
    }
}

/// A window bound as an immediate: beyond every frame is far enough.
pub(super) fn clamp(bound: u64) -> i32 {
    const FAR: u64 = 1 << 20;
    i32::try_from(bound.min(FAR)).expect("at most FAR")
}

impl Sought<'_> {
    /// The slot with the first byte of the pass.
    pub(super) fn start_slot(&self) -> i16 {
        if self.pattern.window.offset > 0 { frame::PASS_START } else { frame::START }
    }

    /// The slot with the exclusive end of the pass.
    pub(super) fn end_slot(&self) -> i16 {
        if self.pattern.window.depth.is_some() { frame::PASS_END } else { frame::END }
    }
}
