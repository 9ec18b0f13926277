//! Automata as code generation takes them: deterministic, over bytes, for one pattern.
//!
//! An [`Automaton`] reads bytes and says where the *smallest* end of a match is. It stops there, so
//! nothing leads out of a match. Look-around (`$`, `\b`, `(?m)^`) is resolved by looking one byte
//! ahead: such a match is known only when the next byte, or the end of the scope, has been seen.
//!
//! It does not: find where a match begins, hold several patterns, or know about the window of a
//! pattern. Who runs it decides which bytes it is given.

mod build;
pub(super) mod decide;
mod determinise;
mod minimise;
pub mod parallel;
mod position;
mod run;
pub mod shape;
pub mod skip;
mod witness;

pub use build::{BuildError, Limits, behind, in_front_of, scanning};

/// Which way an automaton reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Towards the end of the scope.
    Forward,
    /// Towards its start: what is said of ends then holds of starts.
    Backward,
}

/// Where a byte, or the start of a search, leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Next {
    /// On in the state with this number.
    State(usize),
    /// There is no match, whatever follows.
    Dead,
    /// A match ended *in front of* the byte that was just read.
    MatchBefore,
    /// A match ends right here, behind the byte that was just read.
    MatchHere,
}

/// Bytes that lead to one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arm {
    /// The last byte of the arm; its first is the one behind the last of the arm before, or 0.
    pub last: u8,
    /// Where they lead.
    pub next: Next,
}

/// A state in which more bytes can be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State {
    /// Where each byte leads: ascending, neighbours lead to different places, the last ends with 255.
    pub arms: Vec<Arm>,
    /// If the scope ends here: does a match end with it?
    pub match_at_end: bool,
}

impl State {
    /// Where `byte` leads.
    ///
    /// # Panics
    ///
    /// If the arms do not end with 255, which the type promises.
    pub fn next(&self, byte: u8) -> Next {
        let arm = self.arms.iter().find(|arm| byte <= arm.last);
        arm.expect("the last arm ends with 255").next
    }
}

/// A deterministic automaton for one pattern, or for a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Automaton {
    /// Which way it reads.
    pub direction: Direction,
    /// The states, by number. Every one can be reached from `start` or `behind`.
    pub states: Vec<State>,
    /// Where a search that begins where the builder was told to begins: at the start of the scope,
    /// or next to a byte that is known when the program is compiled.
    pub start: Next,
    /// For scans that begin inside the scope (`--offset`): the state that reads the byte in front of
    /// the first one that may belong to a match, and leads to where the search begins.
    /// `None` for automata that begin at `start`; with it, `start` is [`Next::Dead`].
    pub behind: Option<usize>,
}
