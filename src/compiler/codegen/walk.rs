//! Walking away from a literal: what must precede it, and what must follow.
//!
//! An occurrence of a needle with a walk is a match if an automaton that reads backwards from the
//! literal finds a start, and one that reads on behind it finds an end. Both usually die within a few
//! bytes, so states jump to states, one byte at a time, with all checks at the head of each. Bytes come
//! from the linear part of the frame, or from scratch memory: first from the window that the literal
//! was found in, then, where the walk leaves that, from a small copy of its own beside it.
//!
//! Why the verifier accepts it: at the head of a state nothing is known but where the slots are. The
//! position is mixed with an unknown zero there, so every way into a state looks like the first; a
//! state that can come back to itself begins with `may_goto`. The walk is reached from one place of a
//! pass and explored once. It uses every register: what comes after it loads its own.
//!
//! Cost: about ten instructions a byte. A literal that occurs everywhere, with a walk that goes far,
//! is quadratic in the frame; where that ends is up to the kernel's bound on `may_goto`, and such a
//! frame is counted as unsearched.

use super::{
    Gen, WINDOW_BYTES,
    direct::OFFSET_MAX,
    frame::{self, AT, OFF, PTR},
    int, off,
};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label, Phase,
        Reg::{self, R0, R1, R2, R3, R4, R6, R10},
        Size,
    },
    compiler::{
        automaton::{Automaton, Direction, Next, decide::Decision},
        ir::Report,
        lower::{Needle, Walk},
        sample,
    },
};

/// Position of the next byte to read (forward), or behind it (backward), in the frame.
const POS: Reg = Reg::R7;
/// The number of the state that wants bytes. Survives the helper that copies them.
const STATE: Reg = Reg::R8;
/// A zero that the verifier does not know.
const ZERO: Reg = Reg::R9;

/// Frames are at most 65,535 bytes.
const FRAME_END_MAX: i32 = 0xffff;
/// Bytes that a walk copies when it leaves the window.
const CHUNK_BYTES: i32 = 256;
/// Bytes of scratch memory that walks need behind those of the windows: the copy, and four numbers.
pub(super) const SCRATCH_BYTES: i32 = CHUNK_BYTES + 16;
/// Behind the copy: what to take from a position for an index of scratch memory, u32.
const ORIGIN: i32 = CHUNK_BYTES;
/// Where the bytes that are there end (forward) or begin (backward), in the frame, u32.
const EDGE: i32 = CHUNK_BYTES + 4;
/// A number that goes through memory, u32.
const PASSED: i32 = CHUNK_BYTES + 8;
/// Offset of the window that was left for a walk, u32.
const WINDOW: i32 = CHUNK_BYTES + 12;

/// Where a walk gets its bytes.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// The linear part of the frame; what lies behind it is asked for at `beyond`, with the position
    /// of the literal in the slot `AT`.
    Linear {
        /// Goes on with windows, or gives up.
        beyond: Label,
    },
    /// Scratch memory: the window that begins at the offset in `OFF`, of `WIN` bytes, and copies.
    Window,
}

/// Where a walk ends. No register holds anything there.
#[derive(Clone, Copy)]
pub(super) struct WalkExits {
    /// The occurrence is no match, or is noted but may not be the last: on behind it.
    pub(super) next: Label,
    /// No later occurrence can add anything.
    pub(super) done: Label,
    /// The walk could not be finished.
    pub(super) lost: Label,
}

/// One automaton on its way.
struct Way<'a> {
    needle: &'a Needle,
    automaton: &'a Automaton,
    source: Source,
    heads: Vec<Label>,
    /// The walk found what it was for; forward: at `POS`.
    found: Label,
    /// A match in front of the byte that was just read; behind it.
    before: Label,
    here: Label,
    refill: Label,
    exits: WalkExits,
}

impl Gen<'_> {
    /// The literal of `needle` stands at the position in the slot `AT`: is it a match? With a
    /// [`Source::Window`], `OFF` is the offset of the window.
    pub(super) fn judge(&mut self, needle: &Needle, walk: &Walk, source: Source, exits: WalkExits) {
        if matches!(source, Source::Window) {
            self.keep_window();
        }
        let ways = [walk.before.as_ref(), walk.after.as_ref()];
        let swapped = match ways {
            [Some(before), Some(after)] => dies_at_once(after) > dies_at_once(before),
            [None, _] | [_, None] => false,
        };
        let order = if swapped { [ways[1], ways[0]] } else { ways };
        for automaton in order.into_iter().flatten() {
            let forward = automaton.direction == Direction::Forward;
            let what =
                if forward { "what follows the literal" } else { "what precedes the literal" };
            self.say_of(Phase::Confirm, needle, what);
            self.way(needle, automaton, source, exits);
            if forward && swapped {
                self.store_slot(frame::NOTED_END, POS);
                // So that the verifier forgets it.
                self.asm.emit(Size::W.store_imm(R10, frame::KEY, 0));
            }
        }
        self.say_of(Phase::Report, needle, "found");
        if swapped {
            self.load_slot(POS, frame::NOTED_END);
        } else if walk.after.is_none() {
            self.load_slot(POS, AT);
            self.add(POS, int(needle.bytes.len()));
        }
        if let Some(end) = needle.window.end() {
            self.load_slot(R0, frame::START);
            self.add(R0, bound(end));
            self.emit_branch(Jmp::Gt.reg(POS, R0, exits.next));
        }
        if self.counters.is_some() {
            self.mov(R2, POS);
            self.load_slot(R0, frame::START);
            self.asm.emit(Alu::Sub.reg(R2, R0));
        }
        self.found_by_walk(needle, walk, exits);
    }

    /// Note the match. What follows the literal has a length of its own, so a later literal may
    /// begin a match that ends first.
    fn found_by_walk(&mut self, needle: &Needle, walk: &Walk, exits: WalkExits) {
        if self.matcher.report == Report::All && walk.after.is_some() {
            self.noted(needle.index);
            self.asm.emit(Size::B.store_imm(R10, frame::FOUND, 1));
            self.goto(exits.next);
        } else {
            self.found(needle.index, exits.done);
        }
    }

    /// Offset in scratch memory of what walks keep there.
    fn walk_slot(&self, at: i32) -> i16 {
        off(self.window_scratch_bytes() + at)
    }

    /// One automaton, from the literal at `AT` on. Goes on behind this code if it matches.
    fn way(&mut self, needle: &Needle, automaton: &Automaton, source: Source, exits: WalkExits) {
        let forward = automaton.direction == Direction::Forward;
        let heads = automaton.states.iter().map(|_| self.asm.label()).collect();
        let way = Way {
            needle,
            automaton,
            source,
            heads,
            found: self.asm.label(),
            before: self.asm.label(),
            here: self.asm.label(),
            refill: self.asm.label(),
            exits,
        };
        self.load_slot(POS, AT);
        if forward {
            self.add(POS, int(needle.bytes.len()));
        }
        match source {
            Source::Linear { .. } => {
                self.load_pointer(R6, frame::CTX);
                self.load_data(R2, R6);
                self.load_data_end(frame::DATA_END, R6);
            }
            Source::Window => self.begin_in_window(forward),
        }
        self.opaque_zero(ZERO, R0);
        let start = self.arrives(&way, automaton.start);
        self.goto(start);
        let circles = circles(automaton);
        for (number, circles) in circles.into_iter().enumerate() {
            self.state_of_way(&way, number, circles);
        }
        self.ends_of_way(&way, forward);
        if self.asm.refers_to(way.refill) {
            self.refill(&way, forward);
        } else {
            self.asm.bind(way.refill);
        }
        self.asm.bind(way.found);
    }

    /// The window serves the first bytes: `ORIGIN` and `EDGE` say so. The offset of the window is kept.
    fn begin_in_window(&mut self, forward: bool) {
        self.load_pointer(R1, frame::SCRATCH);
        self.asm.emit(Size::W.load(R0, R1, self.walk_slot(WINDOW)));
        self.asm.emit(Size::W.store(R1, self.walk_slot(ORIGIN), R0));
        if forward {
            self.load_slot(R3, frame::WIN);
            self.asm.emit(Alu::Add.reg(R0, R3));
        }
        self.asm.emit(Size::W.store(R1, self.walk_slot(EDGE), R0));
    }

    /// Where `next` leads.
    fn arrives(&self, way: &Way, next: Next) -> Label {
        match next {
            Next::State(state) => way.heads[state],
            Next::Dead => way.exits.next,
            Next::MatchBefore => way.before,
            Next::MatchHere => way.here,
        }
    }

    /// One state: is there a byte to read, and where does it lead?
    fn state_of_way(&mut self, way: &Way, number: usize, circles: bool) {
        let state = &way.automaton.states[number];
        self.asm.bind(way.heads[number]);
        if circles {
            let dead = match way.source {
                Source::Linear { .. } => &[R0, R1, R4, R6][..],
                Source::Window => &[R0, R1, R2, R3, R4, R6][..],
            };
            let again = self.asm.label();
            self.loop_head(again, (frame::ROUND, 0), dead, true, way.exits.lost);
        }
        self.asm.emit(Alu::Add.reg(POS, ZERO));
        // Else the zero would make what is known of the position wider with every byte.
        let (far, beyond) = match way.source {
            Source::Linear { beyond } => (OFFSET_MAX, beyond),
            Source::Window => (FRAME_END_MAX, way.exits.lost),
        };
        self.emit_branch(Jmp::Gt.imm(POS, far, beyond));
        let at_end = if state.match_at_end { way.found } else { way.exits.next };
        match way.automaton.direction {
            Direction::Forward => {
                self.load_slot(R0, frame::END);
                self.emit_branch(Jmp::Ge.reg(POS, R0, at_end));
                if let Some(end) = way.needle.window.end() {
                    self.load_slot(R0, frame::START);
                    self.add(R0, bound(end));
                    self.emit_branch(Jmp::Gt.reg(POS, R0, way.exits.next));
                }
            }
            Direction::Backward => {
                self.load_slot(R0, frame::START);
                if way.needle.window.offset > 0 {
                    self.mov(R1, R0);
                    self.add(R1, bound(way.needle.window.offset.into()));
                    self.emit_branch(Jmp::Lt.reg(POS, R1, way.exits.next));
                }
                self.emit_branch(Jmp::Le.reg(POS, R0, at_end));
            }
        }
        self.byte_of_way(way, number);
        let decision = Decision::of(state);
        self.decide(&decision, None, &mut |generation, next| generation.arrives(way, next));
    }

    /// `r0` = the next byte; `POS` moves over it.
    fn byte_of_way(&mut self, way: &Way, number: usize) {
        let forward = way.automaton.direction == Direction::Forward;
        match way.source {
            Source::Linear { beyond } => {
                if !forward {
                    self.add(POS, -1);
                }
                self.mov(PTR, R2);
                self.asm.emit(Alu::Add.reg(PTR, POS));
                self.mov(R4, PTR);
                self.add(R4, 1);
                self.emit_branch(Jmp::Gt.reg(R4, frame::DATA_END, beyond));
            }
            Source::Window => {
                let (there, edge) = (self.asm.label(), self.walk_slot(EDGE));
                self.load_pointer(PTR, frame::SCRATCH);
                self.asm.emit(Size::W.load(R1, PTR, edge));
                let jump = if forward { Jmp::Lt } else { Jmp::Gt };
                self.emit_branch(jump.reg(POS, R1, there));
                // Through memory, so that all states look alike there.
                self.asm.emit(Size::W.store_imm(PTR, self.walk_slot(PASSED), int(number)));
                self.goto(way.refill);
                self.asm.bind(there);
                if !forward {
                    self.add(POS, -1);
                }
                self.mov(R1, POS);
                self.asm.emit(Size::W.load(R4, PTR, self.walk_slot(ORIGIN)));
                self.asm.emit(Alu::Sub.reg32(R1, R4));
                let last = self.scratch_bytes() - 1;
                self.emit_branch(Jmp::Gt.imm(R1, last, way.exits.lost));
                self.asm.emit(Alu::Add.reg(PTR, R1));
            }
        }
        self.asm.emit(Size::B.load(R0, PTR, 0));
        if forward {
            self.add(POS, 1);
        }
    }

    /// Where matches arrive.
    fn ends_of_way(&mut self, way: &Way, forward: bool) {
        let before = self.asm.refers_to(way.before);
        let here = self.asm.refers_to(way.here);
        self.asm.bind(way.before);
        if before && forward {
            self.add(POS, -1);
        }
        if before && (here || self.asm.refers_to(way.refill)) {
            self.goto(way.found);
        }
        self.asm.bind(way.here);
        if here && !forward && way.needle.window.offset > 0 {
            self.load_slot(R0, frame::START);
            self.add(R0, bound(way.needle.window.offset.into()));
            self.emit_branch(Jmp::Lt.reg(POS, R0, way.exits.next));
        }
        if here && self.asm.refers_to(way.refill) {
            self.goto(way.found);
        }
    }

    /// Copy the bytes that the state in `STATE` wants, and go back to it.
    fn refill(&mut self, way: &Way, forward: bool) {
        let (fits, origin, edge) = (self.asm.label(), self.walk_slot(ORIGIN), self.walk_slot(EDGE));
        self.say_of(Phase::Confirm, way.needle, "copy the bytes that the walk needs next");
        // Even states that never come back to themselves come back by this way.
        let dead = [R0, R1, R2, R3, R4, R6];
        self.loop_head(way.refill, (frame::ROUND, 0), &dead, false, way.exits.lost);
        self.load_pointer(R3, frame::SCRATCH);
        self.asm.emit(Size::W.load(STATE, R3, self.walk_slot(PASSED)));
        // r2 = first byte, r4 = how many.
        if forward {
            self.mov(R2, POS);
            self.load_slot(R4, frame::END);
            self.asm.emit(Alu::Sub.reg(R4, POS));
            self.emit_branch(Jmp::Le.imm(R4, CHUNK_BYTES, fits));
            self.set_imm(R4, CHUNK_BYTES);
            self.asm.bind(fits);
            self.mov(R1, R2);
            self.asm.emit(Alu::Add.reg(R1, R4));
            self.asm.emit(Size::W.store(R3, edge, R1));
        } else {
            self.load_slot(R2, frame::START);
            self.mov(R4, POS);
            self.asm.emit(Alu::Sub.reg(R4, R2));
            self.emit_branch(Jmp::Le.imm(R4, CHUNK_BYTES, fits));
            self.set_imm(R4, CHUNK_BYTES);
            self.mov(R2, POS);
            self.add(R2, -CHUNK_BYTES);
            self.asm.bind(fits);
            self.asm.emit(Size::W.store(R3, edge, R2));
        }
        let base = self.window_scratch_bytes();
        self.mov(R1, R2);
        self.add(R1, -base);
        self.asm.emit(Size::W.store(R3, origin, R1));
        self.add(R4, -1);
        self.emit_branch(Jmp::Gt.imm(R4, CHUNK_BYTES - 1, way.exits.lost));
        self.add(R4, 1);
        self.add(R3, base);
        self.load_pointer(R1, frame::CTX);
        self.asm.emit(Insn::call(self.load_bytes()));
        self.emit_branch(Jmp::Ne.imm(R0, 0, way.exits.lost));
        self.tree_of_way(way, 0, way.heads.len());
    }

    /// Back to the state with the number in `STATE`, one of those from `low` to `high`.
    fn tree_of_way(&mut self, way: &Way, low: usize, high: usize) {
        if high - low > 1 {
            let middle = low + (high - low) / 2;
            let right = self.asm.label();
            self.emit_branch(Jmp::Ge.imm32(STATE, int(middle), right));
            self.tree_of_way(way, low, middle);
            self.asm.bind(right);
            self.tree_of_way(way, middle, high);
            return;
        }
        self.goto(way.heads[low]);
    }

    /// Note the offset of the window, in `OFF`, for [`back_in_window`](Self::back_in_window). `r0` is
    /// lost.
    pub(super) fn keep_window(&mut self) {
        self.load_pointer(R0, frame::SCRATCH);
        self.asm.emit(Size::W.store(R0, self.walk_slot(WINDOW), OFF));
    }

    /// `OFF` = offset of the window that the walk left, `INNER` = where in it to go on behind the
    /// literal at `AT`. `r0` is lost.
    pub(super) fn back_in_window(&mut self) {
        self.load_pointer(R0, frame::SCRATCH);
        self.asm.emit(Size::W.load(OFF, R0, self.walk_slot(WINDOW)));
        self.load_slot(frame::INNER, AT);
        self.add(frame::INNER, 1);
        self.asm.emit(Alu::Sub.reg(frame::INNER, OFF));
        self.launder(frame::INNER);
    }
}

/// How likely it is that a walk ends with the first byte it reads: the walk that more likely does so
/// goes first.
fn dies_at_once(automaton: &Automaton) -> usize {
    let Next::State(start) = automaton.start else { return usize::MAX };
    let dies = |byte: &&u8| automaton.states[start].next(**byte) == Next::Dead;
    sample::TEXT.iter().filter(dies).count()
}

/// Which states can come back to themselves.
fn circles(automaton: &Automaton) -> Vec<bool> {
    let count = automaton.states.len();
    let reach = |from: usize| {
        let mut seen = vec![false; count];
        let mut waiting = vec![from];
        while let Some(at) = waiting.pop() {
            for arm in &automaton.states[at].arms {
                if let Next::State(to) = arm.next
                    && !std::mem::replace(&mut seen[to], true)
                {
                    waiting.push(to);
                }
            }
        }
        seen[from]
    };
    (0..count).map(reach).collect()
}

/// A window bound as an immediate: beyond every frame is far enough.
fn bound(value: u64) -> i32 {
    const FAR: u64 = 1 << 20;
    i32::try_from(value.min(FAR)).expect("at most FAR")
}

const _: () = assert!(WINDOW_BYTES > CHUNK_BYTES);
