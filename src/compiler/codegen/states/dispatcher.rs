//! The dispatcher: one loop for all states, for automata of any size.
//!
//! At the head of the loop a tree of compares over the number of the state leads to the code of
//! the state, which reads the first byte of the round and goes on to the code of the next state for
//! the second byte, and so on; after the last byte of the round the number of the state goes into
//! a register and the loop begins again. What is left of the scope when no round fits is read by a
//! second loop, byte by byte; it shares the code behind the last byte of a round.
//!
//! Why the verifier accepts it at any size: nothing that is remembered differs from round to round.
//! The number of the state is mixed with an unknown zero, so every state looks like every other;
//! the offset is unknown from the start, the pointer is rebuilt from it. So the head is explored once,
//! and the code of each state once for each byte of the round: the cost is linear in the code, whatever
//! the automaton looks like. A way through it crosses at most one tree and one round before it
//! comes to the head, so only few branches wait at a time.
//!
//! Cost: as many compares as the tree is deep for each round, then what each state needs to tell its bytes
//! apart; on large automata every one of them is mispredicted, which is what bounds the speed.

use super::{Cursor, Gen, LOOKED, Reader, Run, STATE, ZERO};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label, Phase,
        Reg::{self, R0, R1, R2, R3, R4, R6},
        Size,
    },
    compiler::{
        automaton::{Next, shape::is_earlier},
        codegen::{
            WINDOW_BYTES,
            direct::OFFSET_MAX,
            frame::{self, DATA_END, OFF, PTR},
            int, off,
        },
    },
};

/// Where in the window the next byte is read. Survives calls of helpers.
pub(super) const INNER: Reg = Reg::R8;
/// Offsets up to this are read; frames are at most 65,535 bytes.
const WINDOWS_END_MAX: i32 = 0xffff;
/// Slots that skips use.
pub(super) const SLOTS: [i16; 3] = [frame::LANE, frame::PASS_START, LOOKED];

/// Where the code of the states gets its bytes, and the loops that it belongs to.
pub(super) struct Loop {
    /// Bytes of a round.
    pub(super) round: i32,
    /// The loop over rounds.
    head: Label,
    cursor: Cursor,
    /// The states in which a byte may be read: by its place in the round.
    reached: Vec<Vec<bool>>,
    /// The state is known, its byte is at `PTR + k`: by state, then `k`.
    blocks: Vec<Vec<Label>>,
    /// The last byte of the round is in `r0`: by state.
    last: Vec<Label>,
    /// The round is over: by state.
    pub(super) over: Vec<Label>,
    /// A match ends so many bytes behind where the round began.
    pub(super) ends: Vec<Label>,
}

impl Gen<'_> {
    pub(super) fn new_loop(&mut self, run: &Run, round: i32, window: bool) -> Loop {
        let states = run.states();
        let mut labels = |count: i32| (0..count).map(|_| self.asm.label()).collect::<Vec<_>>();
        let blocks = (0..states).map(|_| labels(round)).collect();
        let ends = labels(round + 1);
        let (last, over) = (labels(int(states)), labels(int(states)));
        let reached = reached(run, round);
        let cursor = Cursor::new(window);
        let head = self.asm.label();
        Loop { round, head, cursor, reached, blocks, last, over, ends }
    }

    /// The linear part, from `OFF` on in the state `start`; what lies behind it is read at `beyond`, from
    /// `OFF` on in `STATE`.
    pub(super) fn direct_dispatcher(&mut self, run: &Run, start: usize, beyond: Label) {
        self.asm.origin(run.reader.origin(Phase::Scan, "the linear part"));
        self.fresh_pointers();
        self.linear_read_end(&run.reader);
        self.opaque_zero(ZERO, R0);
        self.enter(run, start);
        self.write_slots(&SLOTS);
        let round = run.shape.linear_round.into();
        let code = self.new_loop(run, round, false);
        let (tail, linear_end) = (self.asm.label(), self.asm.label());
        self.asm.origin(run.reader.origin(Phase::Scan, format!("rounds of {round} bytes")));
        let dead = [R0, R1, R4, R6];
        self.loop_head(code.head, (frame::ROUND, 0), &dead, true, run.reader.exits.lost);
        if let Some(skip) = &run.shape.skip {
            self.skip(&run.skipping(skip), &code.cursor);
        }
        self.emit_branch(Jmp::Gt.imm(OFF, OFFSET_MAX - round, beyond));
        self.direct_round(round, tail, run.reader.exits.lost);
        self.head_tree(run, &code, 0, run.states());
        if round > 1 {
            self.asm.origin(run.reader.origin(Phase::Scan, "the last bytes, one by one"));
            self.loop_head(tail, (frame::ROUND, 0), &dead, false, run.reader.exits.lost);
            self.emit_branch(Jmp::Gt.imm(OFF, OFFSET_MAX - 1, beyond));
            self.direct_round(1, linear_end, run.reader.exits.lost);
            self.asm.emit(Size::B.load(R0, PTR, 0));
            self.tail_tree(run, &code, 0, run.states());
        } else {
            self.asm.bind(tail);
        }
        self.asm.bind(linear_end);
        // All of the linear part is read; is that all?
        self.load_slot(R0, run.reader.end_slot());
        self.emit_branch(Jmp::Lt.reg(OFF, R0, beyond));
        self.mov(R2, OFF);
        self.goto(run.reader.ended);
        self.states(run, &code);
    }

    /// Write to slots that a loop writes to, before it does: a round counts as seen only if the same slots
    /// were written (`stacksafe()` in `kernel/bpf/verifier.c`).
    pub(super) fn write_slots(&mut self, slots: &[i16]) {
        for &slot in slots {
            self.store_slot(slot, OFF);
        }
    }

    /// The slot `BLOCKS_END` = where the bytes that are read end, or the linear part if that is first.
    pub(super) fn linear_read_end(&mut self, reader: &Reader) {
        let linear = self.asm.label();
        self.mov(R0, DATA_END);
        self.asm.emit(Alu::Sub.reg(R0, R2));
        self.load_slot(R1, reader.end_slot());
        self.emit_branch(Jmp::Le.reg(R0, R1, linear));
        self.mov(R0, R1);
        self.asm.bind(linear);
        self.store_slot(frame::BLOCKS_END, R0);
    }

    /// `PTR` = address of `OFF`, with `bytes` readable behind it, else `none`; `OFF` moves behind them.
    pub(super) fn direct_round(&mut self, bytes: i32, none: Label, lost: Label) {
        self.load_slot(R1, frame::BLOCKS_END);
        self.add(R1, -bytes);
        self.emit_branch(Jmp::SGt.reg(OFF, R1, none));
        self.mov(PTR, R2);
        self.asm.emit(Alu::Add.reg(PTR, OFF));
        self.mov(R4, PTR);
        self.add(R4, bytes);
        self.emit_branch(Jmp::Gt.reg(R4, DATA_END, lost));
        self.add(OFF, bytes);
    }

    /// The frame from `OFF` on through windows, in `STATE`; or, if `start` says so, from the
    /// beginning in that state, and the window that the walk copied is used if the pass is the first.
    pub(super) fn window_dispatcher(&mut self, run: &Run, start: Option<(usize, bool)>) {
        let round = run.shape.window_round.into();
        let code = self.new_loop(run, round, true);
        let (window, next, tail, ready) =
            (self.asm.label(), self.asm.label(), self.asm.label(), self.asm.label());
        self.asm.origin(run.reader.origin(Phase::Scan, "windows of the frame"));
        self.write_slots(&SLOTS);
        if !matches!(start, Some((_, true))) {
            self.write_slots(&[frame::WIN]);
        }
        let first = match start {
            Some((start, first)) => {
                self.opaque_zero(ZERO, R0);
                self.enter(run, start);
                first
            }
            None => false,
        };
        if first {
            self.reuse_window(&run.reader);
            self.goto(ready);
        }
        let dead = [R0, R1, R2, R3, R4, ZERO, R6, INNER];
        self.loop_head(window, (frame::ROUND, 0), &dead, !first, run.reader.exits.lost);
        self.copy_window(&run.reader);
        self.asm.bind(ready);
        // All ways to the loop look alike, so that it is explored once.
        self.launder(OFF);
        self.launder(INNER);
        self.opaque_zero(ZERO, R0);
        self.asm.origin(
            run.reader.origin(Phase::Scan, format!("rounds of {round} bytes of the window")),
        );
        let dead = [R0, R1, R4, R6];
        self.loop_head(code.head, (frame::ROUND_INNER, 0), &dead, true, run.reader.exits.lost);
        if let Some(skip) = &run.shape.skip {
            self.skip(&run.skipping(skip), &code.cursor);
        }
        self.window_round(round, tail, next);
        self.head_tree(run, &code, 0, run.states());
        if round > 1 {
            self.asm
                .origin(run.reader.origin(Phase::Scan, "the last bytes of the window, one by one"));
            self.loop_head(tail, (frame::ROUND_INNER, 0), &dead, false, run.reader.exits.lost);
            self.window_round(1, next, next);
            self.asm.emit(Size::B.load(R0, PTR, 0));
            self.tail_tree(run, &code, 0, run.states());
        } else {
            self.asm.bind(tail);
        }
        self.asm.origin(run.reader.origin(Phase::Scan, "this window is finished"));
        self.asm.bind(next);
        self.asm.emit(Alu::Add.reg(OFF, INNER));
        self.goto(window);
        self.states(run, &code);
    }

    /// The slot `WIN` = bytes of the frame that are in scratch memory from offset `OFF` on; at `ended`
    /// if there are no more. `INNER` = 0.
    pub(super) fn copy_window(&mut self, reader: &Reader) {
        let (more, clamped) = (self.asm.label(), self.asm.label());
        self.launder(OFF);
        self.load_slot(R4, reader.end_slot());
        self.asm.emit(Alu::Sub.reg(R4, OFF));
        self.emit_branch(Jmp::SGt.imm(R4, 0, more));
        self.mov(R2, OFF);
        self.goto(reader.ended);
        self.asm.bind(more);
        self.emit_branch(Jmp::Gt.imm(OFF, WINDOWS_END_MAX, reader.exits.lost));
        self.emit_branch(Jmp::Le.imm(R4, WINDOW_BYTES, clamped));
        self.set_imm(R4, WINDOW_BYTES);
        self.asm.bind(clamped);
        self.store_slot(frame::WIN, R4);
        self.load_pointer(R1, frame::CTX);
        self.mov(R2, OFF);
        self.load_pointer(R3, frame::SCRATCH);
        self.asm.emit(Insn::call(self.load_bytes()));
        self.emit_branch(Jmp::Ne.imm(R0, 0, reader.exits.lost));
        self.opaque_zero(INNER, R0);
    }

    /// The first window is in scratch memory already: `INNER` = the first byte in it, `OFF` = 0.
    pub(super) fn reuse_window(&mut self, reader: &Reader) {
        let fits = self.asm.label();
        self.asm.origin(reader.origin(Phase::Scan, "the first window is there already"));
        self.load_slot(R0, frame::WIN);
        self.load_slot(R1, reader.end_slot());
        self.emit_branch(Jmp::Le.reg(R0, R1, fits));
        self.store_slot(frame::WIN, R1);
        self.asm.bind(fits);
        self.store_slot(frame::LAUNDER, OFF);
        self.load_slot(INNER, frame::LAUNDER);
        self.opaque_zero(OFF, R0);
    }

    /// `PTR` = address of `INNER`, if `bytes` of the window are there, else `short`; `INNER` moves
    /// behind them. At `next` if they would lie beyond what a window holds.
    pub(super) fn window_round(&mut self, bytes: i32, short: Label, next: Label) {
        self.forget(INNER);
        self.emit_branch(Jmp::Gt.imm(INNER, WINDOW_BYTES - bytes, next));
        self.load_slot(R1, frame::WIN);
        self.add(R1, -bytes);
        self.emit_branch(Jmp::SGt.reg(INNER, R1, short));
        self.load_pointer(PTR, frame::SCRATCH);
        self.asm.emit(Alu::Add.reg(PTR, INNER));
        self.add(INNER, bytes);
    }

    /// Find the state with the number in `STATE`, of those from `low` to `high`, and run it.
    pub(super) fn head_tree(&mut self, run: &Run, code: &Loop, low: usize, high: usize) {
        if high - low > 1 {
            let middle = low + (high - low) / 2;
            let right = self.asm.label();
            self.emit_branch(Jmp::Ge.imm32(STATE, int(middle), right));
            self.head_tree(run, code, low, middle);
            self.asm.bind(right);
            self.head_tree(run, code, middle, high);
            return;
        }
        self.goto(code.blocks[run.order[low]][0]);
    }

    /// The same for a byte that is in `r0` already.
    pub(super) fn tail_tree(&mut self, run: &Run, code: &Loop, low: usize, high: usize) {
        if high - low > 2 {
            let middle = low + (high - low) / 2;
            let right = self.asm.label();
            self.emit_branch(Jmp::Ge.imm32(STATE, int(middle), right));
            self.tail_tree(run, code, low, middle);
            self.asm.bind(right);
            self.tail_tree(run, code, middle, high);
            return;
        }
        if high - low == 2 {
            let label = code.last[run.order[low + 1]];
            self.emit_branch(Jmp::Eq.imm32(STATE, int(low + 1), label));
        }
        self.goto(code.last[run.order[low]]);
    }

    /// The code of all states for all bytes of a round.
    pub(super) fn blocks_of_states(&mut self, run: &Run, code: &Loop) {
        for state in run.order.iter().copied() {
            self.asm.origin(run.reader.origin(Phase::Scan, format!("state {state}")));
            for at in 0..code.round {
                self.state(run, code, state, at);
            }
        }
    }

    /// The same, and what becomes of the state and of a match behind it.
    fn states(&mut self, run: &Run, code: &Loop) {
        self.blocks_of_states(run, code);
        self.asm.origin(run.reader.origin(Phase::Scan, "the round is over: note the state"));
        for state in run.order.iter().copied() {
            self.asm.bind(code.over[state]);
            if self.asm.refers_to(code.over[state]) {
                self.enter(run, state);
                self.goto(code.head);
            }
        }
        self.asm.origin(run.reader.origin(Phase::Scan, "a match: where does it end?"));
        for (end, label) in (0..).zip(&code.ends) {
            self.asm.bind(*label);
            if self.asm.refers_to(*label) {
                self.mov(R2, code.cursor.at);
                if let Some(base) = code.cursor.base {
                    self.asm.emit(Alu::Add.reg(R2, base));
                }
                if end != code.round {
                    self.add(R2, end - code.round);
                }
                self.goto(run.reader.matched);
            }
        }
    }

    /// Kernels before 6.18 compare registers that nobody reads any more, as long as a loop is not
    /// explored to its end (`regsafe()` in `kernel/bpf/verifier.c`): what told states and bytes apart on the
    /// way here is cleared, or every way would be explored on.
    fn forget_dead(&mut self, state: bool) {
        if !self.target.may_goto || !is_earlier(self.target) {
            return;
        }
        self.set_imm(R1, 0);
        if state {
            self.set_imm(STATE, 0);
        }
    }

    /// The code of one state for one byte of a round.
    fn state(&mut self, run: &Run, code: &Loop, state: usize, at: i32) {
        let index = usize::try_from(at).expect("a position in a round");
        let last = at + 1 == code.round;
        self.asm.bind(code.blocks[state][index]);
        let reached = code.reached[index][state];
        if reached {
            self.forget_dead(index == 0);
            self.asm.emit(Size::B.load(R0, PTR, off(at)));
        }
        if last {
            self.asm.bind(code.last[state]);
            self.forget_dead(true);
        }
        // The bytes behind the last round are read in any state.
        if !reached && !last {
            return;
        }
        let following = code.blocks[state].get(index + 1).copied();
        let following = following.filter(|_| code.reached[index + 1][state]);
        self.decide(&run.decisions[state], following, &mut |_, next| match next {
            Next::State(next) if last => code.over[next],
            Next::State(next) => code.blocks[next][index + 1],
            Next::Dead => run.reader.exits.done,
            Next::MatchBefore => code.ends[index],
            Next::MatchHere => code.ends[index + 1],
        });
    }
}

/// In which states may each byte of a round be read? The first in any.
fn reached(run: &Run, round: i32) -> Vec<Vec<bool>> {
    let states = &run.automaton.states;
    let mut reached = vec![vec![true; states.len()]];
    for at in 1..usize::try_from(round).expect("bytes of a round") {
        let mut next = vec![false; states.len()];
        for (state, _) in states.iter().zip(&reached[at - 1]).filter(|(_, reached)| **reached) {
            for arm in &state.arms {
                if let Next::State(to) = arm.next {
                    next[to] = true;
                }
            }
        }
        reached.push(next);
    }
    reached
}
