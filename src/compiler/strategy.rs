//! The ways to search, by name: for whoever wants another one than the plan would choose.

use std::{fmt, str::FromStr};

/// How patterns are searched. What a strategy cannot express, or a target cannot run, is an error; it
/// is never replaced by another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Each literal by its rarest pair of bytes, eight positions at a time.
    PairSwar,
    /// Each literal by a multiplication at every few positions.
    WindowMultiply,
    /// All literals together, or a long one, by tables of fingerprints on the stack.
    Fingerprint,
    /// All literals together, by a bit table of their first bytes.
    GramSet,
    /// Expressions by a literal that they need, and a walk to both sides of it.
    InnerLiteral,
    /// Every pattern by an automaton, with a dispatcher at the head of one loop.
    Dispatcher,
    /// Every pattern by the places of its expression, all at once as bits and counters.
    BitParallel,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::PairSwar,
        Self::WindowMultiply,
        Self::Fingerprint,
        Self::GramSet,
        Self::InnerLiteral,
        Self::Dispatcher,
        Self::BitParallel,
    ];

    /// Its name, as in plans and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PairSwar => "pair-swar",
            Self::WindowMultiply => "window-multiply",
            Self::Fingerprint => "fingerprint",
            Self::GramSet => "gram-set",
            Self::InnerLiteral => "inner-literal",
            Self::Dispatcher => "dispatcher",
            Self::BitParallel => "bit-parallel",
        }
    }

    /// Does it read every byte, also for literals?
    pub const fn is_automaton(self) -> bool {
        match self {
            Self::Dispatcher | Self::BitParallel => true,
            Self::PairSwar
            | Self::WindowMultiply
            | Self::Fingerprint
            | Self::GramSet
            | Self::InnerLiteral => false,
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|strategy| strategy.name() == name);
        known.ok_or_else(|| UnknownStrategy { name: name.to_owned() })
    }
}

/// A name that no strategy has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no strategy is called {name}")]
pub struct UnknownStrategy {
    name: String,
}
