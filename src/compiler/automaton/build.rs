//! From an expression to an [`Automaton`], in the form that code is made of.
//!
//! `regex-automata` turns the expression into a nondeterministic automaton. It is made deterministic
//! here, because the question allows what a general library cannot do: a search stops at the first
//! match it meets, so nothing behind a match is kept, nor what leads to later matches only
//! ([`position`](super::position)). Expressions with counts, of which real rules have many, have a
//! small automaton only so.
//!
//! The result is canonical: no state can be left out or merged with another, and states are numbered
//! in the order in which they are met from the start. So equal expressions give equal programs.

use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_syntax::hir::Hir;

use super::determinise::Subsets;
use super::minimise::minimise;
use super::position::Positions;
use super::{Arm, Automaton, Direction, Next, State};

/// How large an automaton may become, and what making it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Most states of the result.
    pub states: usize,
    /// Most states before those that are alike are merged.
    pub raw_states: usize,
    /// Most bytes of memory for the nondeterministic automaton.
    pub nondeterministic_bytes: usize,
    /// Most places of the expression that are put into sets while states are made of them. Bounds
    /// time (a second for some ten million) and, with eight bytes each, memory.
    pub steps: usize,
}

impl Default for Limits {
    /// A second or so at worst. Expressions of real rules that have a program stay far below.
    fn default() -> Self {
        Self {
            states: 1 << 15,
            raw_states: 1 << 17,
            nondeterministic_bytes: 32 << 20,
            steps: 1 << 23,
        }
    }
}

/// Why there is no automaton.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The result is too large.
    #[error("its automaton has {states} states; the limit is {limit}")]
    States {
        /// How many there are, at least.
        states: usize,
        /// [`Limits::states`] or [`Limits::raw_states`].
        limit: usize,
    },
    /// Making it takes too much memory. How much it would have been is not known.
    #[error("{what} takes more than the {limit} bytes that it may")]
    Memory {
        /// "writing its repetitions out".
        what: &'static str,
        /// [`Limits::nondeterministic_bytes`].
        limit: usize,
    },
    /// Making it takes too long. How long it would have been is not known.
    #[error("{what} takes more than the {limit} steps that it may")]
    Work {
        /// "making its automaton deterministic".
        what: &'static str,
        /// [`Limits::steps`].
        limit: usize,
    },
    /// It has too many places to keep track of.
    #[error("its places take {words} words; the limit is {limit}")]
    Places {
        /// How many words of 64 bits they take.
        words: usize,
        /// [`WORDS_MAX`](super::parallel::WORDS_MAX).
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
    let positions = positions(hir, Direction::Forward, limits)?;
    let mut subsets = Subsets::new(&positions, Direction::Forward, true, limits);
    // What begins inside the scope never enters at its start, and the other way round.
    let (start, behind) = if inside {
        (Next::Dead, Some(subsets.enter_behind_every_byte()?))
    } else {
        (subsets.enter(None)?, None)
    };
    finish(subsets, Direction::Forward, start, behind, limits)
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
    let positions = positions(hir, direction, limits)?;
    let mut subsets = Subsets::new(&positions, direction, false, limits);
    let start = subsets.enter(Some(byte))?;
    finish(subsets, direction, start, None, limits)
}

pub(super) fn positions(
    hir: &Hir,
    direction: Direction,
    limits: &Limits,
) -> Result<Positions, BuildError> {
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
    Positions::new(&nfa, limits.steps)
}

pub(super) fn finish(
    mut subsets: Subsets<'_>,
    direction: Direction,
    start: Next,
    behind: Option<usize>,
    limits: &Limits,
) -> Result<Automaton, BuildError> {
    subsets.complete()?;
    let automaton = Automaton { direction, states: subsets.states, start, behind };
    let automaton = numbered(minimise(without_delay(without_dead_ends(automaton))));
    let (states, limit) = (automaton.states.len(), limits.states);
    if states > limit { Err(BuildError::States { states, limit }) } else { Ok(automaton) }
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

/// A state that tells of a match whatever comes next need not wait for it.
fn without_delay(automaton: Automaton) -> Automaton {
    let Automaton { direction, states, start, behind } = automaton;
    let certain = |state: &State| {
        let [arm] = state.arms.as_slice() else { return false };
        state.match_at_end && arm.next == Next::MatchBefore
    };
    let change = |state: usize| {
        if certain(&states[state]) { Next::MatchHere } else { Next::State(state) }
    };
    let changed = states.iter().map(|state| redirected(state, change)).collect();
    let start = if let Next::State(state) = start { change(state) } else { start };
    Automaton { direction, states: changed, start, behind }
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
