//! Automata as code: a pass over the scope that follows one automaton, state by state.
//!
//! Every state is code, every byte is read once, and nothing is looked up in a table. This module
//! says where a pass begins and ends and what becomes of a match; in between stand:
//!
//! - [`dispatcher`]: the number of the state in a register, and a tree of compares over it at the
//!   head of one loop. Takes automata of any size, in the linear part or in windows.
//! - [`step`]: the same where there is no `may_goto`: a function takes a step, a counted loop calls it.
//! - [`parallel`]: all places of an expression as bits and counters in scratch memory, for those whose
//!   automaton would be too large.
//! - [`skip`]: in front of both, a look at eight positions at a time for what the automaton waits for.
//!
//! A byte at position `p` can end a match in front of it (at `p`, for look-around) or behind it (at
//! `p + 1`), and a match must end inside the pattern's window. So all bytes in front of the window's
//! end are read and, if a match can be known one byte late, one more; if that one is not there, the
//! state says whether a match ends with the scope.
//!
//! It does not say where a match begins.

mod dispatcher;
mod parallel;
mod skip;
pub(super) mod step;
#[cfg(test)]
mod tests;

use self::skip::Skipping;
use super::{
    Gen, PassExits,
    direct::{OFFSET_MAX, clamp},
    frame::{self, OFF},
};
use crate::{
    assembler::{
        Alu, Jmp, Label, Origin, Phase,
        Reg::{self, R0, R1, R2, R6},
    },
    compiler::{
        automaton::{
            Automaton, Next,
            decide::{Decision, Kind, Test},
            shape::Shape,
            skip::Skip,
        },
        lower::Scan,
        plan::Access,
    },
};

/// The number of the state, which the verifier does not know.
const STATE: Reg = Reg::R7;
/// A zero that the verifier does not know: mixed into [`STATE`], so that all states look alike.
const ZERO: Reg = Reg::R5;
/// Where a skip began, u32.
const LOOKED: i16 = frame::DATA + 4;

/// Where a pass reads, and what becomes of a match.
struct Reader<'a> {
    scan: &'a Scan,
    /// May a byte say that a match ended in front of it?
    late: bool,
    exits: PassExits,
    /// A match ends at the position in `r2`.
    matched: Label,
    /// All bytes were read; their number is in `r2`.
    ended: Label,
}

impl Reader<'_> {
    /// Is the window's end in front of the scope's?
    fn bounded(&self) -> bool {
        self.scan.window.depth.is_some()
    }

    /// The slot with the exclusive end of the bytes that are read.
    fn end_slot(&self) -> i16 {
        if self.bounded() { frame::READ_END } else { frame::END }
    }

    fn origin(&self, phase: Phase, text: impl Into<String>) -> Origin {
        Origin::of_pattern(phase, self.scan.id, text)
    }
}

/// Where a loop over bytes is.
struct Cursor {
    /// What moves with every round.
    at: Reg,
    /// Where it may go at most.
    max: i32,
    /// The slot with where it ends.
    end_slot: i16,
    /// What is added for the position of a byte in the frame: windows have it.
    base: Option<Reg>,
}

impl Cursor {
    /// Of the linear part, or of a window.
    fn new(window: bool) -> Self {
        if window {
            let (at, base) = (dispatcher::INNER, Some(OFF));
            Self { at, max: super::WINDOW_BYTES, end_slot: frame::WIN, base }
        } else {
            Self { at: OFF, max: OFFSET_MAX, end_slot: frame::BLOCKS_END, base: None }
        }
    }
}

/// One pass of one automaton.
struct Run<'a> {
    reader: Reader<'a>,
    automaton: &'a Automaton,
    shape: &'a Shape,
    decisions: Vec<Decision>,
    /// The numbers that the code knows states by; those in which a match ends with the scope are
    /// the last ones.
    number_of: Vec<i32>,
    /// The states by number.
    order: Vec<usize>,
    /// The first number of a state in which a match ends with the scope.
    first_final: usize,
    /// The first number of a state in which something may be skipped; the others follow it.
    first_entry: usize,
}

impl<'a> Run<'a> {
    fn new(
        scan: &'a Scan,
        automaton: &'a Automaton,
        shape: &'a Shape,
        exits: PassExits,
        [matched, ended]: [Label; 2],
    ) -> Self {
        let states = &automaton.states;
        let skip = shape.skip.as_ref();
        let entry = |at: usize| skip.is_some_and(|skip| skip.entries.contains(&at));
        let place = |at: usize| match (states[at].match_at_end, entry(at)) {
            // Those in which something may be skipped stand together, at the front if they can.
            (false, false) => 0,
            (false, true) => 1,
            (true, true) => 2,
            (true, false) => 3,
        };
        let mut order: Vec<usize> = (0..states.len()).collect();
        order.sort_by_key(|&at| place(at));
        let first_final = order.iter().filter(|&&at| !states[at].match_at_end).count();
        let first_entry = order.iter().filter(|&&at| place(at) == 0).count();
        let mut number_of = vec![0; states.len()];
        for (number, &state) in order.iter().enumerate() {
            number_of[state] = super::int(number);
        }
        let late = states.iter().flat_map(|s| &s.arms).any(|arm| arm.next == Next::MatchBefore);
        let decisions = states.iter().map(Decision::of).collect();
        let reader = Reader { scan, late, exits, matched, ended };
        Self { reader, automaton, shape, decisions, number_of, order, first_final, first_entry }
    }

    /// In which states the pass may skip, and in which it is then.
    fn skipping<'s>(&'s self, skip: &'s Skip) -> Skipping<'s> {
        Skipping {
            reader: &self.reader,
            skip,
            first: self.first_entry,
            count: skip.entries.len(),
            number: self.number_of[skip.state],
        }
    }

    fn states(&self) -> usize {
        self.order.len()
    }

    /// Bytes of a round, where rounds are counted.
    fn round(&self) -> i32 {
        self.shape.linear_round.max(self.shape.window_round).into()
    }
}

impl Gen<'_> {
    /// A pass of one automaton.
    pub(super) fn automaton(&mut self, scan: &Scan, shape: &Shape, first: bool, exits: PassExits) {
        let labels = [self.asm.label(), self.asm.label()];
        let automaton = scan.automaton.as_ref().expect("the plan chose one that there is");
        let run = Run::new(scan, automaton, shape, exits, labels);
        self.reads(&run.reader);
        if let Some(start) = self.begin(&run) {
            match self.access {
                _ if !self.target.may_goto => self.stepped(&run, start),
                Access::Direct { rest: true } if shape.linear_round == 0 => {
                    self.find_scratch(exits.lost);
                    self.window_dispatcher(&run, Some((start, false)));
                }
                Access::Direct { rest } => {
                    let beyond = if rest { self.asm.label() } else { exits.lost };
                    self.direct_dispatcher(&run, start, beyond);
                    if rest {
                        self.asm.bind(beyond);
                        self.find_scratch(exits.lost);
                        self.window_dispatcher(&run, None);
                    }
                }
                Access::Windows => self.window_dispatcher(&run, Some((start, first))),
            }
        }
        self.end(&run);
        self.report_end(&run.reader);
    }

    /// The first byte in `OFF`, the end of the window in `PASS_END`, that of the bytes that are read
    /// in `READ_END`.
    fn reads(&mut self, reader: &Reader) {
        let window = reader.scan.window;
        self.asm.origin(reader.origin(Phase::Bounds, "where a match may lie"));
        self.load_slot(OFF, frame::START);
        if window.offset > 0 {
            self.add(OFF, clamp(window.offset.into()));
            self.load_slot(R0, frame::END);
            self.emit_branch(Jmp::Gt.reg(OFF, R0, reader.exits.done));
        }
        if let Some(end) = window.end() {
            let (inside, all) = (self.asm.label(), self.asm.label());
            self.load_slot(R0, frame::START);
            self.add(R0, clamp(end));
            self.load_slot(R1, frame::END);
            self.emit_branch(Jmp::Lt.reg(R0, R1, inside));
            self.store_slot(frame::PASS_END, R1);
            self.store_slot(frame::READ_END, R1);
            self.goto(all);
            self.asm.bind(inside);
            self.store_slot(frame::PASS_END, R0);
            if reader.late {
                self.add(R0, 1);
            }
            self.store_slot(frame::READ_END, R0);
            self.asm.bind(all);
        }
        if window.offset > 0 {
            // The byte in front of the first one that may belong to a match is context.
            self.add(OFF, -1);
        }
        self.launder(OFF);
    }

    /// The state in which the first byte is read; none if no byte is.
    fn begin(&mut self, run: &Run) -> Option<usize> {
        let automaton = run.automaton;
        let start = if run.reader.scan.window.offset > 0 {
            Next::State(automaton.behind.expect("a window with an offset is built with a state"))
        } else {
            automaton.start
        };
        match start {
            Next::State(state) => Some(state),
            Next::Dead => {
                self.goto(run.reader.exits.done);
                None
            }
            Next::MatchHere | Next::MatchBefore => {
                self.mov(R2, OFF);
                self.goto(run.reader.matched);
                None
            }
        }
    }

    /// `STATE` = `state`, and the verifier does not know.
    fn enter(&mut self, run: &Run, state: usize) {
        self.set_imm(STATE, run.number_of[state]);
        self.asm.emit(Alu::Xor.reg(STATE, ZERO));
    }

    /// Go where the byte in `r0` leads: `to` says where that is, and `following` what is bound next, if anything is. `r1` is lost.
    pub(super) fn decide(
        &mut self,
        decision: &Decision,
        following: Option<Label>,
        to: &mut impl FnMut(&mut Self, Next) -> Label,
    ) {
        match decision {
            Decision::Halves { at, low, high } => {
                let label = self.asm.label();
                self.emit_branch(Jmp::Ge.imm32(R0, i32::from(*at), label));
                self.decide(low, None, to);
                self.asm.bind(label);
                self.decide(high, following, to);
            }
            Decision::Chain { tests, otherwise } => {
                for &Test { kind, next } in tests {
                    let label = to(self, next);
                    self.test(kind, label);
                }
                let label = to(self, *otherwise);
                if following != Some(label) {
                    self.goto(label);
                }
            }
        }
    }

    fn test(&mut self, kind: Kind, label: Label) {
        let range = |generation: &mut Self, first: u8, last: u8| {
            generation.asm.emit(Alu::Sub.imm32(R1, i32::from(first)));
            generation.emit_branch(Jmp::Le.imm32(R1, i32::from(last - first), label));
        };
        match kind {
            Kind::Equal(byte) => self.emit_branch(Jmp::Eq.imm32(R0, i32::from(byte), label)),
            Kind::AtMost(byte) => self.emit_branch(Jmp::Le.imm32(R0, i32::from(byte), label)),
            Kind::AtLeast(byte) => self.emit_branch(Jmp::Ge.imm32(R0, i32::from(byte), label)),
            Kind::Range(first, last) => {
                self.mov(R1, R0);
                range(self, first, last);
            }
            Kind::Folded(first, last) => {
                self.mov(R1, R0);
                self.asm.emit(Alu::Or.imm32(R1, 0x20));
                range(self, first, last);
            }
        }
    }

    /// The last byte was read, its position plus one is in `r2`: does a match end with the scope?
    fn end(&mut self, run: &Run) {
        self.asm.origin(run.reader.origin(Phase::Scan, "does a match end with the scope?"));
        self.asm.bind(run.reader.ended);
        if !self.asm.refers_to(run.reader.ended) {
            return;
        }
        if run.first_final < run.states() {
            if run.reader.bounded() {
                // Only the end of the scope is one that look-around sees.
                self.load_slot(R0, frame::PASS_END);
                self.load_slot(R1, frame::END);
                self.emit_branch(Jmp::Lt.reg(R0, R1, run.reader.exits.done));
            }
            if run.first_final == 0 {
                self.goto(run.reader.matched);
            } else {
                let number = super::int(run.first_final);
                self.emit_branch(Jmp::Ge.imm32(STATE, number, run.reader.matched));
            }
        }
        if run.first_final > 0 {
            self.goto(run.reader.exits.done);
        }
    }

    /// A match ends at `r2`: does it lie in the window?
    fn report_end(&mut self, reader: &Reader) {
        self.asm.bind(reader.matched);
        if !self.asm.refers_to(reader.matched) {
            return;
        }
        self.asm.origin(reader.origin(Phase::Report, "found"));
        if reader.bounded() && reader.late {
            self.load_slot(R0, frame::PASS_END);
            self.emit_branch(Jmp::Gt.reg(R2, R0, reader.exits.done));
        }
        if self.counters.is_some() {
            self.load_slot(R0, frame::START);
            self.asm.emit(Alu::Sub.reg(R2, R0));
        }
        self.found(reader.scan.index, reader.exits.done);
    }

    /// `r2` = address of the packet, `r3` = end of its linear part, and the verifier has proven
    /// nothing about them yet.
    fn fresh_pointers(&mut self) {
        self.load_pointer(R6, frame::CTX);
        self.load_data(R2, R6);
        self.load_data_end(frame::DATA_END, R6);
    }
}
