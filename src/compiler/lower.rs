//! From patterns to what is searched: needles, and automata over the whole scope.
//!
//! A pattern becomes one part or several; each is a way to find it, and together they find it exactly
//! where it occurs. A literal is one needle. An expression that stands for a handful of strings is a
//! needle for each; one that needs a literal somewhere inside is a needle for that literal with a walk
//! to both sides of it; any other is an automaton that reads the scope.
//!
//! It does not: choose how a needle is searched (`plan` does), or know the target.

use std::ops::Range;

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir};

use super::{
    CompileError,
    automaton::{
        self, Automaton, BuildError, Limits,
        parallel::{self, COUNTED_MIN, Parallel},
    },
    frequency::Term,
    ir::{Body, Expression, Literal, Matcher, Pattern, Window},
    split::{self, Allowed, Inner, Split},
    strategy::Strategy,
};

/// Most states of an automaton that walks away from a literal: each of them is code that begins with
/// checks of its own.
const WALK_STATES_MAX: usize = 1024;
/// The same for a walk without which the expression would be refused.
const WALK_STATES_LAST_RESORT: usize = 8192;

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
    /// For each byte the bits that do not matter.
    pub fold: Vec<u8>,
    /// Where the whole match must lie, the literal with it.
    pub window: Window,
    /// What else must hold; `None` if the literal is the match.
    pub walk: Option<Walk>,
}

impl Needle {
    /// A needle that is a pattern.
    pub fn of_literal(index: usize, id: u32, literal: &Literal, window: Window) -> Self {
        let fold = literal.folds();
        let Literal { bytes, ignore_case } = literal.clone();
        Self { index, id, bytes, ignore_case, fold, window, walk: None }
    }

    /// Do bits not matter that have nothing to do with case?
    pub fn is_masked(&self) -> bool {
        let Range { start, end } = self.plain();
        end - start < self.bytes.len()
    }

    /// The longest run of bytes that are exact, or letters in either case if the needle ignores case.
    pub fn plain(&self) -> Range<usize> {
        let plain = |at: &usize| {
            let letter = self.ignore_case && self.bytes[*at].is_ascii_alphabetic();
            self.fold[*at] == if letter { 0x20 } else { 0 }
        };
        let mut best = 0..0;
        let mut start = 0;
        while start < self.bytes.len() {
            let end = (start..self.bytes.len()).find(|at| !plain(at)).unwrap_or(self.bytes.len());
            if end - start > best.len() {
                best = start..end;
            }
            start = end + 1;
        }
        best
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
    /// What reads; forward. `None` if it would be too large.
    pub automaton: Option<Automaton>,
    /// What reads if there is no automaton, or the target cannot hold it; `None` for an automaton that
    /// every target holds. There is one or the other.
    pub parallel: Option<Parallel>,
    /// A literal without which there is no match: worth a search before anything is read.
    pub required: Option<Needle>,
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

impl Lowered {
    /// How many things are looked for: needles and automata.
    pub fn parts(&self) -> usize {
        self.needles.len() + self.scans.len()
    }
}

/// Lower the patterns of `matcher`, for a strategy if one is asked for; `limits` hold for every
/// automaton.
/// `walks`: can the target follow
/// walks from a literal, or is an expression better one automaton?
///
/// # Errors
///
/// An expression whose automaton passes a limit, or that `strategy` cannot search.
pub fn lower(
    matcher: &Matcher,
    strategy: Option<Strategy>,
    limits: Limits,
    walks: bool,
) -> Result<Lowered, CompileError> {
    let mut lowered = Lowered::default();
    for (index, pattern) in matcher.patterns.iter().enumerate() {
        let one = One { index, pattern, strategy, limits, walks };
        match &pattern.body {
            Body::Literal(literal) if one.by_automaton() => {
                lowered.scans.push(one.scan(&as_expression(literal))?);
            }
            Body::Literal(literal) => lowered.needles.push(one.needle(literal)),
            Body::Regex(expression) => one.expression(expression, &mut lowered)?,
            Body::Frequency(condition) => {
                let (id, window) = (pattern.id, pattern.window);
                let terms = condition.terms.iter().flat_map(Term::parts);
                lowered.counts.extend(terms.map(|term| Count { id, window, term }));
            }
        }
    }
    Ok(lowered)
}

/// One pattern on its way.
struct One<'a> {
    index: usize,
    pattern: &'a Pattern,
    strategy: Option<Strategy>,
    limits: Limits,
    walks: bool,
}

impl One<'_> {
    fn by_automaton(&self) -> bool {
        self.strategy.is_some_and(Strategy::is_automaton)
    }

    fn needle(&self, literal: &Literal) -> Needle {
        Needle::of_literal(self.index, self.pattern.id, literal, self.pattern.window)
    }

    fn expression(
        &self,
        expression: &Expression,
        lowered: &mut Lowered,
    ) -> Result<(), CompileError> {
        let Pattern { id, window, .. } = *self.pattern;
        let index = self.index;
        let of = |states: usize| {
            let states = states.min(self.limits.states);
            let raw_states = (8 * states).min(self.limits.raw_states);
            Limits { states, raw_states, ..self.limits }
        };
        let (walk, last_resort) = (of(WALK_STATES_MAX), of(WALK_STATES_LAST_RESORT));
        let allowed = Allowed { scan: self.limits, walk, last_resort };
        let split = match self.strategy {
            None if !self.walks => {
                split::without_walks(&expression.hir, window.offset > 0, &allowed)
                    .map_err(|source| self.no_other_way(&source))?
            }
            None => split::split(&expression.hir, window.offset > 0, &allowed)
                .map_err(|source| self.too_large(source))?,
            Some(strategy) if strategy.is_automaton() => {
                lowered.scans.push(self.scan(&expression.hir)?);
                return Ok(());
            }
            Some(strategy) => split::by_literals(&expression.hir, &allowed).ok_or_else(|| {
                let why = "it needs no literal that is rare enough".to_owned();
                CompileError::Strategy { strategy, id, why }
            })?,
        };
        match split {
            Split::Strings(literals) => {
                lowered.needles.extend(literals.iter().map(|literal| self.needle(literal)));
            }
            Split::Inner { branches, .. } => {
                lowered.needles.extend(branches.into_iter().map(
                    |Inner { literal, fold, walk }| Needle { walk, fold, ..self.needle(&literal) },
                ));
            }
            Split::Scan { automaton, parallel, required } => {
                let required = required.map(|literal| self.needle(&literal));
                let parallel = parallel.map(|parallel| *parallel);
                lowered.scans.push(Scan { index, id, window, automaton, parallel, required });
            }
        }
        Ok(())
    }

    fn scan(&self, hir: &Hir) -> Result<Scan, CompileError> {
        let Pattern { id, window, .. } = *self.pattern;
        let inside = window.offset > 0;
        let (mut automaton, mut parallel) = (None, None);
        let made = if self.strategy == Some(Strategy::BitParallel) {
            parallel::parallel(hir, COUNTED_MIN).map(|made| parallel = Some(made))
        } else {
            automaton::scanning(hir, inside, &self.limits).map(|made| automaton = Some(made))
        };
        made.map_err(|source| self.too_large(source))?;
        Ok(Scan { index: self.index, id, window, automaton, parallel, required: None })
    }

    fn no_other_way(&self, source: &BuildError) -> CompileError {
        CompileError::Target {
            what: format!("pattern {}", self.pattern.id),
            why: format!(
                "{source}, and other ways to search for it than an automaton need may_goto (Linux 6.9)"
            ),
        }
    }

    fn too_large(&self, source: BuildError) -> CompileError {
        CompileError::Automaton { id: self.pattern.id, source }
    }
}

/// A literal as an expression.
fn as_expression(literal: &Literal) -> Hir {
    Hir::concat(
        literal
            .bytes
            .iter()
            .map(|&byte| {
                if literal.ignore_case && byte.is_ascii_alphabetic() {
                    let cases = [byte, byte ^ 0x20].map(|byte| ClassBytesRange::new(byte, byte));
                    Hir::class(Class::Bytes(ClassBytes::new(cases)))
                } else {
                    Hir::literal([byte])
                }
            })
            .collect(),
    )
}
