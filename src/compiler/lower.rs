//! From patterns to what is searched: needles, and automata over the whole scope.
//!
//! A pattern becomes one part or several; each is a way to find it, and together they find it exactly
//! where it occurs. A literal is one needle. An expression that stands for a handful of strings is a
//! needle for each; one that needs a literal somewhere inside is a needle for that literal with a walk
//! to both sides of it; any other is an automaton that reads the scope.
//!
//! It does not: choose how a needle is searched (`plan` does), or know the target.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir};

use super::{
    CompileError,
    automaton::{self, Automaton, BuildError, Limits, Next},
    frequency::Term,
    inner::{Branch, Split, split},
    ir::{Body, Expression, Literal, Matcher, Pattern, Window},
    strategy::Strategy,
};

/// Most states of an automaton that walks away from a literal: each of them is code that begins with
/// checks of its own.
const WALK_STATES_MAX: usize = 1024;

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

/// Lower the patterns of `matcher`, for a strategy if one is asked for.
///
/// # Errors
///
/// An expression whose automaton passes a limit, or that `strategy` cannot search.
pub fn lower(matcher: &Matcher, strategy: Option<Strategy>) -> Result<Lowered, CompileError> {
    let mut lowered = Lowered::default();
    for (index, pattern) in matcher.patterns.iter().enumerate() {
        let one = One { index, pattern, strategy };
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
        let hir = &expression.hir;
        if self.by_automaton() {
            lowered.scans.push(self.scan(hir)?);
            return Ok(());
        }
        match split(hir) {
            Some(Split::Around(branches)) => match self.around(&branches) {
                Ok(needles) => lowered.needles.extend(needles),
                // Too large on one side of the literal: perhaps not as a whole.
                Err(_) if self.strategy.is_none() => lowered.scans.push(self.scan(hir)?),
                Err(error) => return Err(error),
            },
            None => match self.strategy {
                None => lowered.scans.push(self.scan(hir)?),
                Some(strategy) => {
                    let why = "it needs no literal of two bytes or more".to_owned();
                    let id = self.pattern.id;
                    return Err(CompileError::Strategy { strategy, id, why });
                }
            },
        }
        Ok(())
    }

    /// A needle for each branch.
    fn around(&self, branches: &[Branch]) -> Result<Vec<Needle>, CompileError> {
        let limits = Limits { states: WALK_STATES_MAX, ..Limits::default() };
        let too_large = |source| self.too_large(source);
        let mut needles = Vec::new();
        for Branch { before, literal, after } in branches {
            let (first, last) = (literal.bytes[0], literal.bytes[literal.bytes.len() - 1]);
            let before = automaton::in_front_of(before, first, &limits).map_err(too_large)?;
            let after = automaton::behind(after, last, &limits).map_err(too_large)?;
            if before.start == Next::Dead || after.start == Next::Dead {
                continue; // this branch never matches
            }
            let asked =
                |automaton: Automaton| (automaton.start != Next::MatchHere).then_some(automaton);
            let walk = Walk { before: asked(before), after: asked(after) };
            let walk = (walk.before.is_some() || walk.after.is_some()).then_some(walk);
            needles.push(Needle { walk, ..self.needle(literal) });
        }
        Ok(needles)
    }

    fn scan(&self, hir: &Hir) -> Result<Scan, CompileError> {
        let Pattern { id, window, .. } = *self.pattern;
        let inside = window.offset > 0;
        let automaton = automaton::scanning(hir, inside, &Limits::default())
            .map_err(|source| self.too_large(source))?;
        Ok(Scan { index: self.index, id, window, automaton })
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
