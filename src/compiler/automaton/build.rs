//! From an expression to an [`Automaton`]: `regex-automata` determinises, and what it gives is
//! brought into the form that code is made of.
//!
//! That form is canonical: no state can be left out or merged with another, and states are numbered
//! in the order in which they are met from the start. So equal expressions give equal programs.
//!
//! A search stops at the first match it meets, so it does not matter which of several matches would
//! be preferred, and nothing that lies behind a match is kept.

use std::collections::BTreeMap;

use regex_automata::{
    Anchored, MatchKind,
    dfa::{Automaton as _, StartKind, dense},
    nfa::thompson::{self, WhichCaptures},
    util::{primitives::StateID, start},
};
use regex_syntax::hir::Hir;

use super::minimise::minimise;
use super::{Arm, Automaton, Direction, Next, State};

/// How large an automaton may become, and what making it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Most states of the result.
    pub states: usize,
    /// Most bytes of memory for the nondeterministic automaton.
    pub nondeterministic_bytes: usize,
    /// Most bytes of memory while it is made deterministic, and as many again for what that gives.
    pub deterministic_bytes: usize,
}

impl Default for Limits {
    /// A few seconds at worst. Expressions of real rules that have a program stay far below.
    fn default() -> Self {
        Self { states: 1 << 15, nondeterministic_bytes: 32 << 20, deterministic_bytes: 48 << 20 }
    }
}

/// Why there is no automaton.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The result is too large.
    #[error("its automaton has {states} states; the limit is {limit}")]
    States {
        /// How many there are.
        states: usize,
        /// [`Limits::states`].
        limit: usize,
    },
    /// It took too much memory. How much it would have been is not known.
    #[error("{what} takes more than the {limit} bytes that it may")]
    Memory {
        /// "writing its repetitions out", "making its automaton deterministic".
        what: &'static str,
        /// One of the [`Limits`].
        limit: usize,
    },
    /// A form that a finite automaton does not have, which the front ends refuse.
    #[error("a finite automaton cannot hold it: {0}")]
    Form(String),
}

/// Finds matches that begin anywhere: reads the scope from its start, or, if `inside`, from one byte
/// in front of a pattern's window ([`Automaton::behind`]).
///
/// An expression that begins with `^` gives an automaton that dies early.
///
/// # Errors
///
/// A limit is passed.
pub fn scanning(hir: &Hir, inside: bool, limits: &Limits) -> Result<Automaton, BuildError> {
    let dfa = determinise(hir, Direction::Forward, StartKind::Unanchored, limits)?;
    let mut raw = Raw::new(&dfa, Anchored::No);
    // What begins inside the scope never enters at its start, and the other way round.
    let (start, behind) = if inside {
        (Next::Dead, Some(raw.enter_behind_every_byte()))
    } else {
        (raw.enter(None), None)
    };
    raw.finish(Direction::Forward, start, behind, limits)
}

/// Finds matches that begin right behind `byte`.
///
/// # Errors
///
/// A limit is passed.
pub fn behind(hir: &Hir, byte: u8, limits: &Limits) -> Result<Automaton, BuildError> {
    beside(hir, Direction::Forward, byte, limits)
}

/// Finds, backwards, matches that end right in front of `byte`.
///
/// # Errors
///
/// A limit is passed.
pub fn in_front_of(hir: &Hir, byte: u8, limits: &Limits) -> Result<Automaton, BuildError> {
    beside(hir, Direction::Backward, byte, limits)
}

fn beside(
    hir: &Hir,
    direction: Direction,
    byte: u8,
    limits: &Limits,
) -> Result<Automaton, BuildError> {
    let dfa = determinise(hir, direction, StartKind::Anchored, limits)?;
    let mut raw = Raw::new(&dfa, Anchored::Yes);
    let start = raw.enter(Some(byte));
    raw.finish(direction, start, None, limits)
}

fn determinise(
    hir: &Hir,
    direction: Direction,
    start_kind: StartKind,
    limits: &Limits,
) -> Result<dense::DFA<Vec<u32>>, BuildError> {
    let config = thompson::Config::new()
        .utf8(false)
        .reverse(direction == Direction::Backward)
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(limits.nondeterministic_bytes));
    let nfa =
        thompson::Compiler::new().configure(config).build_from_hir(hir).map_err(
            |error| match error.size_limit() {
                Some(limit) => BuildError::Memory { what: "writing its repetitions out", limit },
                None => BuildError::Form(error.to_string()),
            },
        )?;
    let limit = limits.deterministic_bytes;
    let config = dense::Config::new()
        // Nothing behind a match is read, so that which kind it is changes no answer; this one has
        // fewer states behind matches.
        .match_kind(MatchKind::LeftmostFirst)
        .start_kind(start_kind)
        .accelerate(false)
        .determinize_size_limit(Some(limit))
        .dfa_size_limit(Some(limit));
    dense::Builder::new().configure(config).build_from_nfa(&nfa).map_err(|error| {
        if error.is_size_limit_exceeded() {
            BuildError::Memory { what: "making its automaton deterministic", limit }
        } else {
            BuildError::Form(error.to_string())
        }
    })
}

/// States as they are met; [`Next::MatchBefore`] leads to a match of the library's automaton, which
/// knows of a match one byte late.
struct Raw<'d> {
    dfa: &'d dense::DFA<Vec<u32>>,
    anchored: Anchored,
    /// What is known of the library's states: where entering them leads.
    known: BTreeMap<StateID, Next>,
    states: Vec<State>,
    /// The library's number of each state; `None` for those that are ours.
    numbers: Vec<Option<StateID>>,
}

impl<'d> Raw<'d> {
    fn new(dfa: &'d dense::DFA<Vec<u32>>, anchored: Anchored) -> Self {
        Self { dfa, anchored, known: BTreeMap::new(), states: Vec::new(), numbers: Vec::new() }
    }

    /// Where a search begins that has just read `byte`, or nothing.
    fn enter(&mut self, byte: Option<u8>) -> Next {
        let config = start::Config::new().anchored(self.anchored).look_behind(byte);
        let number =
            self.dfa.start_state(&config).expect("built for this start, without quit bytes");
        self.goal(number)
    }

    /// A state of ours that reads one byte and enters.
    fn enter_behind_every_byte(&mut self) -> usize {
        let arms = merged((0..=u8::MAX).map(|byte| (byte, self.enter(Some(byte)))));
        self.states.push(State { arms, match_at_end: false });
        self.numbers.push(None);
        self.states.len() - 1
    }

    /// Where entering the library's state `number` leads. Its arms are filled in later.
    fn goal(&mut self, number: StateID) -> Next {
        if self.dfa.is_dead_state(number) {
            return Next::Dead;
        }
        if self.dfa.is_match_state(number) {
            return Next::MatchBefore;
        }
        if let Some(&known) = self.known.get(&number) {
            return known;
        }
        let match_at_end = self.dfa.is_match_state(self.dfa.next_eoi_state(number));
        let matched = |byte| self.dfa.is_match_state(self.dfa.next_state(number, byte));
        let goal = if match_at_end && (0..=u8::MAX).all(matched) {
            // Whatever comes, a match ended when this state was entered.
            Next::MatchHere
        } else {
            self.states.push(State { arms: Vec::new(), match_at_end });
            self.numbers.push(Some(number));
            Next::State(self.states.len() - 1)
        };
        self.known.insert(number, goal);
        goal
    }

    fn finish(
        mut self,
        direction: Direction,
        start: Next,
        behind: Option<usize>,
        limits: &Limits,
    ) -> Result<Automaton, BuildError> {
        let mut at = 0;
        while at < self.states.len() {
            if let Some(number) = self.numbers[at] {
                let dfa = self.dfa;
                let next = |byte| (byte, self.goal(dfa.next_state(number, byte)));
                self.states[at].arms = merged((0..=u8::MAX).map(next));
            }
            at += 1;
        }
        let automaton = Automaton { direction, states: self.states, start, behind };
        let automaton = numbered(minimise(without_dead_ends(automaton)));
        let (states, limit) = (automaton.states.len(), limits.states);
        if states > limit { Err(BuildError::States { states, limit }) } else { Ok(automaton) }
    }
}

/// Arms from where each byte, in ascending order, leads.
pub(super) fn merged(bytes: impl Iterator<Item = (u8, Next)>) -> Vec<Arm> {
    let mut arms: Vec<Arm> = Vec::new();
    for (last, next) in bytes {
        match arms.last_mut() {
            Some(arm) if arm.next == next => arm.last = last,
            Some(_) | None => arms.push(Arm { last, next }),
        }
    }
    arms
}

/// The same with every target put through `change`.
pub(super) fn redirected(state: &State, change: impl Fn(usize) -> Next) -> State {
    let next = |arm: &Arm| match arm.next {
        Next::State(state) => change(state),
        fixed @ (Next::Dead | Next::MatchBefore | Next::MatchHere) => fixed,
    };
    let arms = merged(state.arms.iter().map(|arm| (arm.last, next(arm))));
    State { arms, match_at_end: state.match_at_end }
}

/// The states that `state` leads to.
pub(super) fn targets(state: &State) -> impl Iterator<Item = usize> {
    state.arms.iter().filter_map(|arm| match arm.next {
        Next::State(state) => Some(state),
        Next::Dead | Next::MatchBefore | Next::MatchHere => None,
    })
}

/// For each state the states that lead to it.
pub(super) fn sources(states: &[State]) -> Vec<Vec<usize>> {
    let mut sources = vec![Vec::new(); states.len()];
    for (from, state) in states.iter().enumerate() {
        for to in targets(state) {
            if sources[to].last() != Some(&from) {
                sources[to].push(from);
            }
        }
    }
    sources
}

/// States from which no match can be reached are not entered.
fn without_dead_ends(automaton: Automaton) -> Automaton {
    let Automaton { direction, states, start, behind } = automaton;
    let matches = |state: &State| {
        let is_match = |arm: &Arm| matches!(arm.next, Next::MatchBefore | Next::MatchHere);
        state.match_at_end || state.arms.iter().any(is_match)
    };
    let sources = sources(&states);
    let mut alive: Vec<bool> = states.iter().map(matches).collect();
    let mut pending: Vec<usize> = (0..states.len()).filter(|&state| alive[state]).collect();
    while let Some(state) = pending.pop() {
        for &source in &sources[state] {
            if !alive[source] {
                alive[source] = true;
                pending.push(source);
            }
        }
    }
    let change = |state| if alive[state] { Next::State(state) } else { Next::Dead };
    let states = states.iter().map(|state| redirected(state, change)).collect();
    let start = if let Next::State(state) = start { change(state) } else { start };
    Automaton { direction, states, start, behind }
}

/// States in the order in which they are met, without those that are not.
fn numbered(automaton: Automaton) -> Automaton {
    let mut order = Vec::new();
    let mut numbers = vec![None; automaton.states.len()];
    let mut meet = |state: usize, order: &mut Vec<usize>| {
        *numbers[state].get_or_insert_with(|| {
            order.push(state);
            order.len() - 1
        })
    };
    let start = match automaton.start {
        Next::State(state) => Next::State(meet(state, &mut order)),
        fixed @ (Next::Dead | Next::MatchBefore | Next::MatchHere) => fixed,
    };
    let behind = automaton.behind.map(|state| meet(state, &mut order));
    let mut at = 0;
    while at < order.len() {
        for target in targets(&automaton.states[order[at]]) {
            meet(target, &mut order);
        }
        at += 1;
    }
    let change = |state: usize| Next::State(numbers[state].expect("met, because its source was"));
    let states = order.iter().map(|&state| redirected(&automaton.states[state], change)).collect();
    Automaton { direction: automaton.direction, states, start, behind }
}

#[cfg(test)]
mod tests;
