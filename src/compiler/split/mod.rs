//! How an expression is best found: by literals, by a literal with walks to both sides of it, or by
//! an automaton that reads everything.
//!
//! Searching a literal is several times as fast as running an automaton, so whatever an expression
//! tells about literals is used:
//!
//! - It stands for a few strings (`GET|POST`): these are searched.
//! - Every match holds a literal in a known place (`GET /[a-z]+ HTTP/1\.[01]` holds ` HTTP/1.`):
//!   that is searched, and at each occurrence automata read backwards and forwards what must stand
//!   on both sides. Of several literals the one expected to be rarest is taken. Alternatives are
//!   looked at one by one.
//! - It is bound to the start of the scope (`^…`): an automaton reads from there, and dies early.
//!
//! A walk may be *repeated*: `x.*L` reads back to the start of the line from every `L`, so a packet
//! full of them costs its length squared. Such a literal is not walked from while there is another
//! way; it is told as *required* beside the automaton, for whoever wants to ask first whether it
//! occurs at all.
//!
//! It does not: know what else is searched at the same time, or what the target can do.

mod element;
mod passes;
mod strings;

use regex_syntax::hir::{Hir, HirKind, Look};

use super::automaton::{
    self, Automaton, BuildError, Limits, Next,
    parallel::{COUNTED_MIN, Parallel, parallel},
};
use super::byte_rank::rank;
use super::ir::{LITERAL_BYTES_MAX, Literal};
use super::lower::Walk;
use element::{Element, Unit, elements, joined};
pub use strings::STRINGS_MAX;

/// Most literals with walks that one expression becomes.
pub const BRANCHES_MAX: usize = 8;
/// Most states of all walks of an expression on one path. In each of them about eight branches wait for
/// the verifier, which remembers 8,192 (`BPF_COMPLEXITY_LIMIT_JMP_SEQ`); the search needs some too.
const WALK_DEPTH_MAX: usize = 900;
/// Automata of so many states every target holds that holds any.
const SMALL_STATES: usize = 512;
/// How rare a literal must be to be worth a search of its own: in one of 2^this positions.
const BITS_MIN: u32 = 10;
/// Longest literal with bits that do not matter: its rare bytes must be near its start.
const MASKED_BYTES_MAX: usize = 48;

/// Longest literal that is looked for in front of an automaton where loops are counted.
const REQUIRED_BYTES_MAX: usize = 16;

/// A literal that occurs in every match of a branch, and what must stand beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inner {
    /// The literal.
    pub literal: Literal,
    /// The bits of each of its bytes that do not matter; [`Literal::folds`] where only case may.
    pub fold: Vec<u8>,
    /// What must hold on both sides; `None` if nothing.
    pub walk: Option<Walk>,
}

/// How an expression is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// It stands for these strings and no others.
    Strings(Vec<Literal>),
    /// A match is an occurrence of one of these literals whose walks succeed, and it ends where the
    /// walk forward does.
    Inner {
        /// One for each branch of the expression.
        branches: Vec<Inner>,
        /// Do the walks together read each byte at most a few times, whatever the packet? If not,
        /// there was no other way.
        linear: bool,
    },
    /// An automaton reads the scope, or what stands for one that would be too large.
    Scan {
        /// It begins at the start of the scope, or, for a pattern with an offset, inside. `None` if it
        /// would be too large.
        automaton: Option<Automaton>,
        /// The places of the expression, if the automaton is not small.
        parallel: Option<Box<Parallel>>,
        /// A literal without which there is no match.
        required: Option<Literal>,
    },
}

/// A literal in a sequence: the elements from `start` on, as many as it has bytes.
struct Candidate {
    start: usize,
    literal: Literal,
    fold: Vec<u8>,
    bits: u32,
}

/// What automata may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Allowed {
    /// One that reads the scope.
    pub scan: Limits,
    /// One that reads on from a literal.
    pub walk: Limits,
    /// One that reads on from a literal, if there is no other way.
    pub last_resort: Limits,
}

/// Split `hir`. `inside`: does the window of the pattern begin behind the start of the scope?
///
/// # Errors
///
/// Neither an automaton for all of it nor those beside a literal keep to `allowed`: the error of the
/// former.
pub fn split(hir: &Hir, inside: bool, allowed: &Allowed) -> Result<Split, BuildError> {
    if let Some(strings) = strings::strings(hir) {
        return Ok(Split::Strings(strings));
    }
    let anchored = hir.properties().look_set_prefix().contains(Look::Start);
    let rare = branches(hir, BITS_MIN);
    if let Some(branches) = rare.as_ref().filter(|_| !anchored)
        && let Some(inner) = all_inner(branches, BITS_MIN, true, &allowed.walk)
    {
        return Ok(Split::Inner { branches: inner, linear: true });
    }
    // Any literal will do, however common, and whatever it costs.
    let last_resort = || {
        let inner = branches(hir, 1)
            .and_then(|branches| all_inner(&branches, 1, false, &allowed.last_resort))?;
        Some(Split::Inner { branches: inner, linear: false })
    };
    // What dies early is faster than any search.
    let required = || rare.as_deref().filter(|_| !anchored).and_then(required);
    let places = || parallel(hir, COUNTED_MIN).ok().map(Box::new);
    match automaton::scanning(hir, inside, &allowed.scan) {
        Ok(automaton) => {
            let parallel = if automaton.states.len() > SMALL_STATES { places() } else { None };
            Ok(Split::Scan { automaton: Some(automaton), parallel, required: required() })
        }
        Err(error) => match places() {
            Some(places) => {
                let parallel = Some(places);
                Ok(Split::Scan { automaton: None, parallel, required: required() })
            }
            None => last_resort().ok_or(error),
        },
    }
}

/// The same without walks.
///
/// # Errors
///
/// An automaton for all of it does not keep to `allowed`.
pub fn without_walks(hir: &Hir, inside: bool, allowed: &Allowed) -> Result<Split, BuildError> {
    if let Some(strings) = strings::strings(hir) {
        return Ok(Split::Strings(strings));
    }
    let anchored = hir.properties().look_set_prefix().contains(Look::Start);
    let rare = branches(hir, BITS_MIN).filter(|_| !anchored);
    if let Some(branches) = &rare
        && let Some(inner) = all_inner(branches, BITS_MIN, true, &allowed.walk)
        && inner.iter().all(|inner| inner.walk.is_none())
    {
        return Ok(Split::Inner { branches: inner, linear: true });
    }
    let automaton = automaton::scanning(hir, inside, &allowed.scan)?;
    let mut required = rare.as_deref().and_then(required);
    if let Some(literal) = &mut required {
        // Every piece of it is required, too, and a short one costs the verifier less.
        literal.bytes.truncate(REQUIRED_BYTES_MAX);
    }
    Ok(Split::Scan { automaton: Some(automaton), parallel: None, required })
}

/// The rarest literal without which there is no match, if one is the same for all ways to match.
fn required(branches: &[Vec<Element>]) -> Option<Literal> {
    let [only] = branches else { return None };
    let plain = |best: &Candidate| best.fold == best.literal.folds();
    candidates(only, BITS_MIN).into_iter().find(plain).map(|best| best.literal)
}

/// The same without an automaton that reads everything, whatever it costs. `None` if there is no
/// such way.
pub fn by_literals(hir: &Hir, allowed: &Allowed) -> Option<Split> {
    if let Some(strings) = strings::strings(hir) {
        return Some(Split::Strings(strings));
    }
    let branches = branches(hir, BITS_MIN)?;
    [true, false].into_iter().find_map(|linear| {
        let branches = all_inner(&branches, BITS_MIN, linear, &allowed.walk)?;
        Some(Split::Inner { branches, linear })
    })
}

/// The alternatives of `hir`, each with a literal that is rare enough, as sequences.
fn branches(hir: &Hir, bits_min: u32) -> Option<Vec<Vec<Element>>> {
    let mut pending = match hir.kind() {
        HirKind::Alternation(parts) => parts.iter().rev().map(elements).collect(),
        HirKind::Empty
        | HirKind::Literal(_)
        | HirKind::Class(_)
        | HirKind::Look(_)
        | HirKind::Repetition(_)
        | HirKind::Capture(_)
        | HirKind::Concat(_) => vec![elements(hir)],
    };
    let mut branches = Vec::new();
    while let Some(sequence) = pending.pop() {
        if !candidates(&sequence, bits_min).is_empty() {
            branches.push(sequence);
        } else {
            pending.extend(multiplied_out(&sequence)?.into_iter().rev());
        }
        if branches.len() + pending.len() > BRANCHES_MAX {
            return None;
        }
    }
    Some(branches)
}

/// `A(B|C)D` as `ABD` and `ACD`, for the first of its alternatives.
fn multiplied_out(sequence: &[Element]) -> Option<Vec<Vec<Element>>> {
    let alternation = |element: &Element| match element {
        Element::Unit(_) => None,
        Element::Other(hir) => match hir.kind() {
            HirKind::Alternation(parts) => Some(parts.iter().map(elements).collect::<Vec<_>>()),
            HirKind::Empty
            | HirKind::Literal(_)
            | HirKind::Class(_)
            | HirKind::Look(_)
            | HirKind::Repetition(_)
            | HirKind::Capture(_)
            | HirKind::Concat(_) => None,
        },
    };
    let mut places = sequence.iter().enumerate();
    let (at, parts) = places.find_map(|(at, element)| Some((at, alternation(element)?)))?;
    let around = |part: Vec<Element>| [&sequence[..at], &part, &sequence[at + 1..]].concat();
    Some(parts.into_iter().map(around).collect())
}

/// A literal with its walks for each branch that can match; with `linear` only such whose walks are.
fn all_inner(
    branches: &[Vec<Element>],
    bits_min: u32,
    linear: bool,
    limits: &Limits,
) -> Option<Vec<Inner>> {
    let inner: Option<Vec<Way>> =
        branches.iter().map(|branch| best_inner(branch, bits_min, linear, limits)).collect();
    let inner = inner?.into_iter().filter_map(|way| match way {
        Way::Inner(inner) => Some(inner),
        Way::Never => None,
    });
    let inner: Vec<Inner> = inner.collect();
    let walks = inner.iter().filter_map(|inner| inner.walk.as_ref());
    let automata = walks.flat_map(|walk| walk.before.iter().chain(&walk.after));
    // The walks of one literal are behind those of the others on the verifier's path.
    let depth: usize = automata.map(passes::depth).sum();
    (depth <= WALK_DEPTH_MAX).then_some(inner)
}

/// How a branch is found.
enum Way {
    Inner(Inner),
    /// It never matches.
    Never,
}

fn best_inner(sequence: &[Element], bits_min: u32, linear: bool, limits: &Limits) -> Option<Way> {
    let way = |Candidate { start, literal, fold, .. }: Candidate| {
        let end = start + literal.bytes.len();
        let (first, last) = (*literal.bytes.first()?, *literal.bytes.last()?);
        let (before, after) = (joined(&sequence[..start]), joined(&sequence[end..]));
        // What stands beside the literal may look at its outermost bytes.
        let seen = |beside: &Hir, at: usize| {
            beside.properties().look_set().is_empty() || looks_one_way(&sequence[at])
        };
        if !seen(&before, start) || !seen(&after, end - 1) {
            return None;
        }
        let before = automaton::in_front_of(&before, first, limits).ok()?;
        let after = automaton::behind(&after, last, limits).ok()?;
        if before.start == Next::Dead || after.start == Next::Dead {
            return Some(Way::Never);
        }
        if passes::depth(&before) + passes::depth(&after) > WALK_DEPTH_MAX {
            return None;
        }
        let stops =
            |automaton: &Automaton| !linear || !passes::passes(automaton, &sequence[start..end]);
        if !stops(&before) || !stops(&after) {
            return None;
        }
        // What matches without reading asks for nothing.
        let asks = |automaton: Automaton| (automaton.start != Next::MatchHere).then_some(automaton);
        let walk = Walk { before: asks(before), after: asks(after) };
        let walk = (walk.before.is_some() || walk.after.is_some()).then_some(walk);
        Some(Way::Inner(Inner { literal, fold, walk }))
    };
    candidates(sequence, bits_min).into_iter().find_map(way)
}

/// Does look-around take all bytes that `element` may be for the same?
fn looks_one_way(element: &Element) -> bool {
    let Element::Unit(unit) = element else { return false };
    let kind = |byte: u8| match byte {
        b'\n' | b'\r' => byte,
        b'_' => b'a',
        _ if byte.is_ascii_alphanumeric() => b'a',
        _ => b' ',
    };
    unit.bytes().all(|byte| kind(byte) == kind(unit.byte))
}

/// The literals of `sequence` that are rare enough, in one of 2^`bits_min` positions, rarest first.
fn candidates(sequence: &[Element], bits_min: u32) -> Vec<Candidate> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < sequence.len() {
        let units: Vec<Unit> = sequence[at..]
            .iter()
            .map_while(|element| match element {
                Element::Unit(unit) => Some(*unit),
                Element::Other(_) => None,
            })
            .collect();
        of_run(at, &units, bits_min, &mut all);
        at += units.len() + 1;
    }
    // Of equally rare ones the first: what stands in front of it is shorter.
    all.sort_by_key(|candidate| (std::cmp::Reverse(candidate.bits), candidate.start));
    all
}

/// Does a byte belong to a literal?
type Fits<'a> = &'a dyn Fn(&Unit) -> bool;

/// The literals of a run of bytes: exact, or with every letter in either case, or with whatever bits
/// of its bytes do not matter.
fn of_run(start: usize, units: &[Unit], bits_min: u32, all: &mut Vec<Candidate>) {
    let exact = |unit: &Unit| unit.fold == 0;
    let folded =
        |unit: &Unit| unit.either_case() || unit.fold == 0 && !unit.byte.is_ascii_alphabetic();
    let masked = |_: &Unit| true;
    let kinds: [(Fits<'_>, usize); 3] =
        [(&exact, LITERAL_BYTES_MAX), (&folded, LITERAL_BYTES_MAX), (&masked, MASKED_BYTES_MAX)];
    for (fits, most) in kinds {
        let mut at = 0;
        for piece in units.split(|unit| !fits(unit)) {
            for (chunk, piece) in piece.chunks(most).enumerate() {
                let start = start + at + chunk * most;
                let bits = piece.iter().map(bits).sum();
                // What fits two ways is met twice: that does no harm.
                if bits >= bits_min && piece.iter().any(|unit| unit.fold == 0 || unit.either_case())
                {
                    let ignore_case = piece.iter().any(|unit| unit.either_case());
                    let literal = literal_of(piece).unwrap_or_else(|| Literal {
                        bytes: piece.iter().map(|unit| unit.byte).collect(),
                        ignore_case,
                    });
                    let fold = piece.iter().map(|unit| unit.fold).collect();
                    all.push(Candidate { start, literal, fold, bits });
                }
            }
            at += piece.len() + 1;
        }
    }
}

/// The literal that `units` are, if their letters are all exact or all in either case.
fn literal_of(units: &[Unit]) -> Option<Literal> {
    let mut letters = units.iter().filter(|unit| unit.byte.is_ascii_alphabetic());
    let ignore_case = units.iter().any(|unit| unit.either_case());
    let alike = letters.all(|unit| unit.either_case() == ignore_case)
        && units.iter().all(|unit| unit.fold == 0 || unit.either_case());
    alike.then(|| Literal { bytes: units.iter().map(|unit| unit.byte).collect(), ignore_case })
}

/// How rare a byte is: about one of 2^this. Text and binary protocols together make the most
/// common bytes one of ten, and those that are in no list one of a thousand.
fn bits(unit: &Unit) -> u32 {
    let rarity = |byte| 3 + u32::from(u8::MAX - rank(byte)) / 36;
    if unit.fold != 0 && !unit.either_case() {
        // Half of what the bits that matter could say: neighbours are about as common.
        unit.fold.count_zeros() / 2
    } else if unit.either_case() {
        rarity(unit.byte).min(rarity(unit.byte.to_ascii_uppercase())).saturating_sub(1)
    } else {
        rarity(unit.byte)
    }
}

#[cfg(test)]
mod tests;
