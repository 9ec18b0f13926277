//! The places of an expression, all at once: for expressions whose deterministic automaton explodes.
//!
//! A deterministic automaton has a state for every *set* of places in which a search may be at the
//! same time, and there can be exponentially many. Here the set itself is what is remembered. Its
//! size, and that of the code that moves it on by a byte, is linear in the expression:
//!
//! - A place is a bit: set if a byte may be read there next. Places that follow one another have
//!   neighbouring bits, so that all of them are moved by one shift; what else follows a place
//!   (alternatives, ends of repetitions) is a [`Jump`]. Behind every chain of such bits one is left free,
//!   in which what is shifted out of it ends.
//! - A long count of one class, of which only the first or the last place matters
//!   (`position` says when), is a number: [`Counter`]. So `[^"]{1024,}` costs as
//!   much as `[^"]{64,}`, where it would be sixteen words.
//! - Look-around is resolved as far as the byte that was just read tells: what a [`Step`] does depends
//!   on what look-around takes that byte for. What it asks of the next byte distinguishes bits: one bit
//!   stands for a place *if a line feed or the end follows*, another for the place as such.
//!
//! Distributing alternatives over automata of their own, each of them small, would be another way for
//! some of these expressions. It was left out: each would take a thousand states where a counter takes ten
//! instructions, none would skip (one of 676 states took 1,415 ns for 1,500 bytes, its places, which
//! do, 109), and where counts stand one behind another it does not help.
//!
//! It does not: choose between this and an automaton (`plan` does), or know about code.

mod build;
mod chain;
mod cost;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use build::parallel;

use super::{Arm, Next, State, skip::Skip};

/// Most words of bits, and of counters: each takes some ten instructions for every byte.
pub const WORDS_MAX: usize = 256;
/// Shortest chain of places that is counted. Shorter ones are as cheap as bits.
pub const COUNTED_MIN: usize = 48;

/// Bits by word: ascending, none of them empty.
pub type Bits = Vec<(usize, u64)>;

/// The places of an expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parallel {
    /// How many words of bits there are.
    pub words: usize,
    /// The chains of places that are numbers.
    pub counters: Vec<Counter>,
    /// The class of each byte, as if classes were states.
    pub arms: Vec<Arm>,
    /// Bytes that nothing tells apart.
    pub classes: Vec<Class>,
    /// What follows a byte: one for each kind of byte that look-around tells apart.
    pub steps: Vec<Step>,
    /// Bits that move to the next one when they are read.
    pub links: Bits,
    /// What is pending at the start of the scope.
    pub start: Start,
    /// Bits that are a match if the scope ends.
    pub at_end: Bits,
    /// What must come before anything can be read; a state of its own stands for "nothing was".
    pub skip: Option<Skip>,
}

/// How a search begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// With a match.
    Match,
    /// With these pending.
    Pending(Set),
}

/// Places in which a byte may be read next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Set {
    /// Those that are bits.
    pub bits: Bits,
    /// Those that are numbers: a counter, and the least that it is.
    pub counts: Vec<(usize, u32)>,
}

/// A chain of places as a number: 0 if none of them is pending, else it is the greater the higher the
/// place is, which makes all below it superfluous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counter {
    /// The greatest number.
    pub last: u32,
    /// Do later places make earlier ones superfluous? Then a byte counts up, else down.
    pub up: bool,
    /// Is the last place, of those that count up, followed by itself?
    pub stays: bool,
}

impl Counter {
    /// The number when a byte was read at `value`, which is not 0.
    pub const fn next(self, value: u32) -> u32 {
        match (self.up, value == self.last) {
            (false, _) => value - 1,
            (true, false) => value + 1,
            (true, true) if self.stays => value,
            (true, true) => 0,
        }
    }
}

/// Bytes that no place and no look-around tells apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Class {
    /// Position in [`Parallel::steps`] of what follows.
    pub step: usize,
    /// Bits that are a match in front of such a byte.
    pub late: Bits,
    /// Bits of the places that read it.
    pub reads: Bits,
    /// By counter: do its places read it?
    pub counted: Vec<bool>,
}

/// What follows a byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Does the empty string match here, wherever this is?
    pub found: bool,
    /// Bits that are a match once they are read.
    pub accepts: Bits,
    /// Bits that stay when they are read.
    pub stays: Bits,
    /// What follows other than by a link.
    pub jumps: Vec<Jump>,
    /// What follows places of counters.
    pub exits: Vec<Exit>,
    /// What a search begins with, here as everywhere.
    pub first: Set,
}

/// If any of these is read, those are pending.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Jump {
    /// What is read.
    pub from: Bits,
    /// What is pending then.
    pub to: Set,
}

/// What follows the places of a counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exit {
    /// Position in [`Parallel::counters`].
    pub counter: usize,
    /// The least number for which this holds.
    pub low: u32,
    /// The greatest.
    pub high: u32,
    /// What is pending then; `None` is a match.
    pub to: Option<Set>,
}

/// The bits of `word`.
pub fn mask(bits: &Bits, word: usize) -> u64 {
    bits.binary_search_by_key(&word, |(at, _)| *at).map_or(0, |at| bits[at].1)
}

impl Set {
    /// Is nothing pending?
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty() && self.counts.is_empty()
    }
}

impl Class {
    /// Is none of `set` read?
    pub fn ignores(&self, set: &Set) -> bool {
        set.bits.iter().all(|&(word, bits)| bits & mask(&self.reads, word) == 0)
            && set.counts.iter().all(|&(counter, _)| !self.counted[counter])
    }

    /// Does nothing read it?
    pub fn is_idle(&self) -> bool {
        self.reads.is_empty() && !self.counted.contains(&true)
    }
}

/// What is pending, while it is followed.
struct Pending {
    words: Vec<u64>,
    counts: Vec<u32>,
}

impl Pending {
    fn add(&mut self, set: &Set) {
        for &(word, bits) in &set.bits {
            self.words[word] |= bits;
        }
        for &(counter, value) in &set.counts {
            self.counts[counter] = self.counts[counter].max(value);
        }
    }

    fn any(&self, bits: &Bits) -> bool {
        bits.iter().any(|&(word, bits)| self.words[word] & bits != 0)
    }
}

impl Parallel {
    /// The classes as places where bytes lead, for whoever turns that into compares.
    pub fn as_state(&self) -> State {
        State { arms: self.arms.clone(), match_at_end: false }
    }

    /// Words of memory for what is pending: bits and counters.
    pub fn slots(&self) -> usize {
        self.words + self.counters.len()
    }

    /// If the same is pending wherever nothing was read: that.
    pub fn idle(&self) -> Option<&Set> {
        let (step, rest) = self.steps.split_first()?;
        let same = |other: &Step| other.first == step.first && other.found == step.found;
        (rest.iter().all(same) && !step.found).then_some(&step.first)
    }

    /// May a byte say that a match ended in front of it?
    pub fn late(&self) -> bool {
        self.classes.iter().any(|class| !class.late.is_empty())
    }

    /// The smallest end of a match inside `window`; `scope` is what anchors and look-around see.
    ///
    /// # Panics
    ///
    /// If the classes do not cover all bytes, which the type promises.
    pub fn scan(&self, scope: &[u8], window: Range<usize>) -> Option<usize> {
        let end = window.end.min(scope.len());
        let mut pending =
            Pending { words: vec![0; self.words], counts: vec![0; self.counters.len()] };
        let mut at = match window.start.checked_sub(1) {
            Some(before) => before,
            None => {
                match &self.start {
                    Start::Match => return Some(0),
                    Start::Pending(set) => pending.add(set),
                }
                0
            }
        };
        if window.start > end {
            return None;
        }
        loop {
            let Some(&byte) = scope.get(at) else {
                return (pending.any(&self.at_end) && at <= end).then_some(at);
            };
            let Next::State(class) = self.as_state().next(byte) else {
                unreachable!("classes stand for states")
            };
            let class = &self.classes[class];
            if pending.any(&class.late) {
                return Some(at);
            }
            if at >= end {
                return None;
            }
            at += 1;
            pending = match self.step(&pending, class) {
                Some(pending) => pending,
                None => return Some(at),
            };
        }
    }

    /// What is pending behind a byte of `class`; `None` if a match ends there.
    fn step(&self, pending: &Pending, class: &Class) -> Option<Pending> {
        let step = &self.steps[class.step];
        let words = (0..self.words).map(|w| pending.words[w] & mask(&class.reads, w)).collect();
        let counts = pending.counts.iter().zip(&class.counted);
        let counts = counts.map(|(&value, &reads)| if reads { value } else { 0 }).collect();
        let read = Pending { words, counts };
        if step.found || read.any(&step.accepts) {
            return None;
        }
        let mut next = Pending { words: vec![0; self.words], counts: Vec::new() };
        for word in 0..self.words {
            let carried = match word.checked_sub(1) {
                Some(below) => (read.words[below] & mask(&self.links, below)) >> 63,
                None => 0,
            };
            let moved = (read.words[word] & mask(&self.links, word)) << 1;
            next.words[word] = moved | carried | read.words[word] & mask(&step.stays, word);
        }
        let advanced = |(counter, &value): (&Counter, &u32)| match value {
            0 => 0,
            _ => counter.next(value),
        };
        next.counts = self.counters.iter().zip(&read.counts).map(advanced).collect();
        for exit in &step.exits {
            if (exit.low..=exit.high).contains(&read.counts[exit.counter]) {
                next.add(exit.to.as_ref()?);
            }
        }
        for jump in step.jumps.iter().filter(|jump| read.any(&jump.from)) {
            next.add(&jump.to);
        }
        next.add(&step.first);
        Some(next)
    }
}
