//! From patterns to what is searched: needles, and automata over the whole scope.
//!
//! A pattern becomes one part or several; each is a way to find it, and together they find it exactly
//! where it occurs. A literal is one needle. An expression that stands for a handful of strings is a
//! needle for each; one that needs a literal somewhere inside is a needle for that literal with a walk
//! to both sides of it; any other is an automaton that reads the scope.
//!
//! It does not: choose how a needle is searched (`plan` does), or know the target.

use super::{
    CompileError,
    automaton::{self, Automaton, Limits},
    frequency::Term,
    ir::{Body, Literal, Matcher, Window},
};

/// What must hold on both sides of a literal, for its occurrence to be a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Reads backwards from the literal's first byte; `None` if nothing is asked of what precedes it.
    pub before: Option<Automaton>,
    /// Reads on behind the literal and gives the end of the match; `None` if the literal ends it.
    pub after: Option<Automaton>,
}

/// A literal to look for, and how its occurrences are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    /// Position of its pattern in [`Matcher::patterns`]: what hits are counted by.
    pub index: usize,
    /// Id of its pattern.
    pub id: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Do ASCII letters match in either case?
    pub ignore_case: bool,
    /// Where the whole match must lie, the literal with it.
    pub window: Window,
    /// What else must hold; `None` if the literal is the match.
    pub walk: Option<Walk>,
}

impl Needle {
    /// A needle that is a pattern.
    pub fn of_literal(index: usize, id: u32, literal: &Literal, window: Window) -> Self {
        let Literal { bytes, ignore_case } = literal.clone();
        Self { index, id, bytes, ignore_case, window, walk: None }
    }

    /// For tests of what looks at bytes alone.
    #[cfg(test)]
    pub(super) fn of_bytes(bytes: &[u8], ignore_case: bool) -> Self {
        let literal = Literal { bytes: bytes.to_vec(), ignore_case };
        Self::of_literal(0, 1, &literal, Window::default())
    }
}

/// An automaton that reads the scope from where the pattern may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Position of its pattern in [`Matcher::patterns`].
    pub index: usize,
    /// Id of its pattern.
    pub id: u32,
    /// Where the whole match must lie.
    pub window: Window,
    /// What reads; forward.
    pub automaton: Automaton,
}

/// A term of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Id of its condition.
    pub id: u32,
    /// The part of the scope that it is about.
    pub window: Window,
    /// What is counted, where, and how often it may be there.
    pub term: Term,
}

/// Everything that is searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lowered {
    /// Literals, of patterns in ascending order.
    pub needles: Vec<Needle>,
    /// Automata, likewise.
    pub scans: Vec<Scan>,
    /// Terms of conditions, likewise.
    pub counts: Vec<Count>,
}

/// Lower the patterns of `matcher`.
///
/// # Errors
///
/// An expression whose automaton passes a limit.
pub fn lower(matcher: &Matcher) -> Result<Lowered, CompileError> {
    let mut lowered = Lowered::default();
    for (index, pattern) in matcher.patterns.iter().enumerate() {
        match &pattern.body {
            Body::Literal(literal) => {
                let needle = Needle::of_literal(index, pattern.id, literal, pattern.window);
                lowered.needles.push(needle);
            }
            Body::Frequency(condition) => {
                let count =
                    |term: &Term| Count { id: pattern.id, window: pattern.window, term: *term };
                lowered.counts.extend(condition.terms.iter().map(count));
            }
            Body::Regex(expression) => {
                let (id, window) = (pattern.id, pattern.window);
                let inside = window.offset > 0;
                let automaton = automaton::scanning(&expression.hir, inside, &Limits::default())
                    .map_err(|source| CompileError::Automaton { id, source })?;
                lowered.scans.push(Scan { index, id, window, automaton });
            }
        }
    }
    Ok(lowered)
}
