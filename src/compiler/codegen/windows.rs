//! Scanning through windows: a helper function copies a part of the packet into this CPU's scratch
//! memory, which the program may read at any offset.
//!
//! Every window but the last is full and overlaps the next by the longest literal less one byte.
//! Behind the last one's valid bytes stand bytes of earlier packets; they can make candidates,
//! and a candidate counts only if it ends inside the valid bytes. Whether the window is finished is
//! asked before whether its bytes are exhausted: the other order would lose hits in later windows.

use super::{
    Gen, PassExits, WINDOW_BYTES,
    frame::{self, INNER, LANE, OFF, PTR},
    multiply::{self, Looks},
    pair::{BlockExits, LaneCheck, Sought},
    walk::{Source, WalkExits},
};
use crate::{
    assembler::{
        Alu, Helper, Insn, Jmp, Label, Phase,
        Reg::{self, R0, R1, R2, R3, R4, R6, R10},
        Size,
    },
    compiler::{Entry, gram_interval::GramInterval, lower},
};

/// Positions of one round where windows are all there is.
const BLOCK: i32 = 128;
/// Positions of one round for what direct access leaves over, which is rare: half the code.
const BLOCK_OF_REST: i32 = 64;
/// Positions between two looks at how many bytes are left.
const STEP: i32 = 64;
/// Offsets up to this are searched; frames are at most 65,535 bytes.
const OFFSET_MAX: i32 = 0xffff;

/// Windows that are searched on targets without `may_goto`, where the verifier explores every round
/// of every window; what lies behind them is counted as unsearched.
const COUNTED_WINDOWS: i32 = 3;

/// What the two loops of a window scan need to know.
pub(super) struct Walk {
    /// Shortest literal, in bytes.
    pub(super) shortest: i32,
    /// Slot with the exclusive end of the pass.
    pub(super) end_slot: i16,
    /// The loop over windows.
    pub(super) window: Label,
    /// The loop inside a window.
    pub(super) inner: Label,
    /// A window is finished.
    pub(super) next: Label,
    pub(super) exits: PassExits,
}

impl Gen<'_> {
    pub(super) fn load_bytes(&self) -> Helper {
        match self.entry {
            Entry::Xdp => Helper::XdpLoadBytes,
            Entry::SocketFilter | Entry::Tc(_) => Helper::SkbLoadBytes,
        }
    }

    /// Bytes that are copied for a full window.
    pub(super) fn window_bytes(&self) -> i32 {
        WINDOW_BYTES + self.longest() - 1
    }

    /// The slot `SCRATCH` = this CPU's scratch memory. Loses `r0` to `r5`.
    pub(super) fn find_scratch(&mut self, lost: Label) {
        let Some(map) = self.scratch else { return };
        self.say(Phase::Entry, "scratch memory of this CPU");
        self.asm.emit(Size::W.store_imm(R10, frame::KEY, 0));
        self.mov(R2, R10);
        self.add(R2, frame::KEY.into());
        self.asm.load_map(R1, map);
        self.asm.emit(Insn::call(Helper::MapLookupElem));
        self.emit_branch(Jmp::Eq.imm(R0, 0, lost));
        self.store_pointer(frame::SCRATCH, R0);
    }

    /// Before the scope is known: copy the start of the packet, so that headers and the payload of
    /// an ordinary frame come in one copy. `r2` = scratch, `r6`, `r7`, `r8` as at entry.
    pub(super) fn first_window(&mut self) {
        self.find_scratch(self.exits.unsearched);
        self.say(Phase::Entry, "copy the first window");
        let (clamped, copied) = (self.asm.label(), self.asm.label());
        // A helper refuses to copy nothing; then there is nothing to find either.
        self.load_slot(R4, frame::LEN);
        self.asm.emit(Size::W.store_imm(R10, frame::WIN, 0));
        self.emit_branch(Jmp::SLt.imm(R4, 1, copied));
        let bytes = self.window_bytes();
        self.emit_branch(Jmp::Le.imm(R4, bytes, clamped));
        self.set_imm(R4, bytes);
        self.asm.bind(clamped);
        self.store_slot(frame::WIN, R4);
        self.mov(R1, R6);
        self.set_imm(R2, 0);
        self.load_pointer(R3, frame::SCRATCH);
        self.asm.emit(Insn::call(self.load_bytes()));
        self.emit_branch(Jmp::Ne.imm(R0, 0, self.exits.unsearched));
        self.asm.bind(copied);
        self.load_pointer(R2, frame::SCRATCH);
    }

    /// Windows from offset `OFF` on. Ends inside the inner loop with `PTR` at its block; the caller
    /// emits the block, and goes to `next` when `INNER` has left the window. `falls_in`: may the
    /// instruction before continue here?
    pub(super) fn windows(&mut self, walk: &Walk, falls_in: bool) {
        if falls_in {
            self.loop_counter(frame::ROUND);
        }
        self.say(Phase::Scan, "next window");
        let dead = [R0, R1, R2, R3, R4, Reg::R5, R6];
        let counter = (frame::ROUND, COUNTED_WINDOWS);
        self.loop_head(walk.window, counter, &dead, falls_in, walk.exits.lost);
        self.forget(OFF);
        let clamped = self.asm.label();
        let bytes = self.window_bytes();
        self.load_slot(R4, walk.end_slot);
        self.asm.emit(Alu::Sub.reg(R4, OFF));
        self.emit_branch(Jmp::SLt.imm(R4, walk.shortest, walk.exits.done));
        self.emit_branch(Jmp::Gt.imm(OFF, OFFSET_MAX, walk.exits.lost));
        self.emit_branch(Jmp::Le.imm(R4, bytes, clamped));
        self.set_imm(R4, bytes);
        self.asm.bind(clamped);
        self.store_slot(frame::WIN, R4);
        self.load_pointer(R1, frame::CTX);
        self.mov(R2, OFF);
        self.load_pointer(R3, frame::SCRATCH);
        self.asm.emit(Insn::call(self.load_bytes()));
        self.emit_branch(Jmp::Ne.imm(R0, 0, walk.exits.lost));
        self.opaque_zero(INNER, R0);
    }

    /// Head of the loop inside a window: `PTR` = the block at `INNER`, of `block` positions.
    pub(super) fn inner_head(&mut self, walk: &Walk, block: i32, rounds: i32, dead: &[Reg]) {
        self.loop_head(walk.inner, (frame::ROUND_INNER, rounds), dead, true, walk.exits.lost);
        self.forget(INNER);
        self.emit_branch(Jmp::Gt.imm(INNER, WINDOW_BYTES - block, walk.next));
        self.load_slot(R0, frame::WIN);
        self.asm.emit(Alu::Sub.reg(R0, INNER));
        self.emit_branch(Jmp::SLt.imm(R0, walk.shortest, walk.exits.done));
        self.load_pointer(PTR, frame::SCRATCH);
        self.asm.emit(Alu::Add.reg(PTR, INNER));
    }

    /// After the last round of a window: the next one starts where this one stopped.
    pub(super) fn next_window(&mut self, walk: &Walk) {
        self.say(Phase::Scan, "this window is finished");
        self.asm.bind(walk.next);
        self.asm.emit(Alu::Add.reg(OFF, INNER));
        self.launder(OFF);
        self.goto(walk.window);
    }

    /// A pass of one literal where the packet can only be read through windows.
    pub(super) fn window_pair(&mut self, needle: &Sought, first: bool, exits: PassExits) {
        self.pass_bounds(needle, first, exits);
        let start = self.asm.label();
        if first {
            self.reuse_first_window(needle.end_slot());
            self.loop_counter(frame::ROUND);
            self.goto(start);
        }
        self.window_scan(needle, needle.skip, BLOCK, first.then_some(start), exits);
    }

    /// Looks at every few positions of the window, as far as full blocks of them go.
    fn window_looks(&mut self, needle: &Sought, skip: &GramInterval, lost: Label) -> Looks {
        let need = multiply::need(skip);
        let (head, pairs) = (self.asm.label(), self.asm.label());
        // A short window is not worth the constants.
        self.load_slot(R0, frame::WIN);
        self.emit_branch(Jmp::Lt.imm(R0, need, pairs));
        self.multiply_constants(needle, skip);
        let counter = (frame::ROUND_INNER, 0); // only targets with may_goto have such loops
        self.loop_head(head, counter, &[R0, R1, R4, R6], true, lost);
        self.forget(INNER);
        self.emit_branch(Jmp::Gt.imm(INNER, WINDOW_BYTES - multiply::block(skip), pairs));
        self.load_slot(R0, frame::WIN);
        self.asm.emit(Alu::Sub.reg(R0, INNER));
        self.emit_branch(Jmp::SLt.imm(R0, need, pairs));
        self.load_pointer(PTR, frame::SCRATCH);
        self.asm.emit(Alu::Add.reg(PTR, INNER));
        let looks = self.looks(needle, skip, [head, pairs], INNER);
        self.add(INNER, multiply::block(skip));
        self.goto(head);
        self.say(Phase::Scan, "from here on by pairs of bytes");
        self.asm.bind(pairs);
        // Ways that lead here know different things of the offset; that is explored once, then.
        self.launder(INNER);
        looks
    }

    /// The first window is in scratch memory already: `INNER` = start of the pass in it, `OFF` = 0,
    /// and the valid bytes end with the pass.
    pub(super) fn reuse_first_window(&mut self, end_slot: i16) {
        self.say(Phase::Scan, "the first window is there already");
        let fits = self.asm.label();
        self.load_slot(R0, frame::WIN);
        self.load_slot(R1, end_slot);
        self.emit_branch(Jmp::Le.reg(R0, R1, fits));
        self.store_slot(frame::WIN, R1);
        self.asm.bind(fits);
        self.store_slot(frame::LAUNDER, OFF);
        self.load_slot(INNER, frame::LAUNDER);
        self.opaque_zero(OFF, R0);
        if self.target.may_goto {
            self.launder(OFF);
        }
    }

    /// The rest of a frame whose linear part was scanned directly, from offset `OFF` on.
    pub(super) fn window_rest(&mut self, needle: &Sought, rest: Label, exits: PassExits) {
        self.say_of(Phase::Scan, needle.pattern, "the rest of the frame");
        self.asm.bind(rest);
        // Ways that lead here know different things of the offset; that is explored once, then.
        self.launder(OFF);
        if self.target.may_goto {
            self.slots_filled();
        }
        self.find_scratch(exits.lost);
        self.window_scan(needle, needle.skip, BLOCK_OF_REST, None, exits);
    }

    fn window_scan(
        &mut self,
        needle: &Sought,
        skip: Option<&GramInterval>,
        block: i32,
        ready: Option<Label>,
        exits: PassExits,
    ) {
        let walk = Walk {
            shortest: needle.len(),
            end_slot: needle.end_slot(),
            window: self.asm.label(),
            inner: self.asm.label(),
            next: self.asm.label(),
            exits,
        };
        let (hit, long) = (self.asm.label(), self.asm.label());
        self.windows(&walk, ready.is_none());
        self.launder(INNER);
        if let Some(ready) = ready {
            if !self.target.may_goto {
                // Kernels of then refuse an ordinary instruction that falls into a loop.
                self.goto(ready);
            }
            self.asm.bind(ready);
        }
        let looks = skip.map(|skip| (skip, self.window_looks(needle, skip, exits.lost)));
        self.pair_constants(needle);
        self.loop_counter(frame::ROUND_INNER);
        self.say_of(
            Phase::Scan,
            needle.pattern,
            format!("blocks of {block} positions in the window"),
        );
        let rounds = WINDOW_BYTES / block + 2;
        self.inner_head(&walk, block, rounds, &[R0, R1, R4, R6]);
        let block_exits = BlockExits { hit, long };
        let mut pending = self.pair_block(needle, 0, STEP, LaneCheck::None, block_exits);
        if block > STEP {
            self.load_slot(R0, frame::WIN);
            self.asm.emit(Alu::Sub.reg(R0, INNER));
            self.emit_branch(Jmp::SLt.imm(R0, STEP + needle.len(), exits.done));
            let rest = self.pair_block(needle, STEP, block - STEP, LaneCheck::None, block_exits);
            pending.extend(rest);
        }
        self.add(INNER, block);
        self.goto(walk.inner);
        self.next_window(&walk);
        self.candidates(needle, pending);
        if let Some((skip, looks)) = looks {
            self.looked(needle, skip, looks);
        }
        self.window_long(needle, long, hit, &walk);
        self.window_hit(needle, hit, exits);
    }

    /// The bytes are there; do all of them belong to the packet?
    fn window_hit(&mut self, needle: &Sought, hit: Label, exits: PassExits) {
        self.say_of(Phase::Bounds, needle.pattern, "stale bytes behind the packet do not count");
        self.asm.bind(hit);
        if needle.pattern.walk.is_some() {
            return; // every occurrence is judged by the walk
        }
        self.load_slot(R0, frame::WIN);
        self.asm.emit(Alu::Sub.reg(R0, INNER));
        self.load_slot(R2, LANE);
        self.add(R2, needle.len() - 1);
        // Candidates come in order, so those behind this one do not count either.
        self.emit_branch(Jmp::SGt.reg(R2, R0, exits.done));
        if let Some(instead) = needle.instead {
            self.goto(instead);
            return;
        }
        self.say_of(Phase::Report, needle.pattern, "found in a window");
        if self.counters.is_some() {
            self.asm.emit(Alu::Add.reg(R2, OFF));
            self.asm.emit(Alu::Add.reg(R2, INNER));
            self.load_slot(R0, frame::START);
            self.asm.emit(Alu::Sub.reg(R2, R0));
        }
        self.found(needle.pattern.index, exits.done);
    }

    fn window_long(&mut self, needle: &Sought, long: Label, hit: Label, walk: &Walk) {
        if !self.asm.refers_to(long) {
            self.asm.bind(long);
            return;
        }
        if let Some(ways) = &needle.pattern.walk {
            self.join(long, &[R0, R1, R4, R6], walk.exits.lost);
            self.window_walk(needle, ways, walk);
            return;
        }
        let fail = self.asm.label();
        self.say_of(Phase::Confirm, needle.pattern, "the rest of a long literal");
        self.asm.bind(long);
        self.load_slot(R1, LANE);
        self.add(R1, -1);
        self.emit_branch(Jmp::Gt.imm(R1, BLOCK - 1, walk.exits.lost));
        self.mov(R4, PTR);
        self.asm.emit(Alu::Add.reg(R4, R1));
        for &piece in &needle.pieces[1..] {
            self.compare(needle.pattern, piece, R4, 0, fail);
        }
        self.goto(hit);
        self.asm.bind(fail);
        self.advance(INNER, 0);
        self.goto(walk.inner);
    }

    /// A literal with a walk is there, or the first piece of a long one. Whatever comes of it, the scan goes on
    /// behind it.
    fn window_walk(&mut self, needle: &Sought, ways: &lower::Walk, walk: &Walk) {
        let next = self.asm.label();
        self.say_of(Phase::Confirm, needle.pattern, "the rest of the literal");
        self.load_slot(R1, LANE);
        self.asm.emit(Alu::Add.reg(R1, INNER));
        self.add(R1, -1);
        self.mov(R0, R1);
        self.asm.emit(Alu::Add.reg(R0, OFF));
        self.store_slot(frame::AT, R0);
        // Stale bytes behind the packet do not count, and neither do candidates behind these.
        self.store_slot(frame::LAUNDER, R1);
        self.load_slot(R1, frame::LAUNDER);
        self.load_slot(R0, frame::WIN);
        self.asm.emit(Alu::Sub.reg(R0, R1));
        self.emit_branch(Jmp::SLt.imm(R0, needle.len(), walk.exits.done));
        if needle.is_long() {
            self.emit_branch(Jmp::Gt.imm(R1, WINDOW_BYTES, walk.exits.lost));
            self.load_pointer(R4, frame::SCRATCH);
            self.asm.emit(Alu::Add.reg(R4, R1));
            // The code behind the walk asks for the offset of the window in any case.
            self.keep_window();
            for &piece in &needle.pieces[1..] {
                self.compare(needle.pattern, piece, R4, 0, next);
            }
        }
        let exits = WalkExits { next, done: walk.exits.done, lost: walk.exits.lost };
        self.judge(needle.pattern, ways, Source::Window, exits);
        self.say_of(Phase::Scan, needle.pattern, "on behind it");
        self.join(next, &[], walk.exits.lost);
        self.back_in_window();
        self.pair_constants(needle);
        self.goto(walk.inner);
    }
}
