//! What can never hold, and what must.
//!
//! A term alone is judged by how many bytes its span can have. Two terms are judged by what counts in
//! both: where the bytes of one all count in the other, its number is no larger; where no byte counts in
//! both, the numbers share the room. Contradictions of three terms and more are not sought.

use super::{
    super::{
        CompileError,
        ir::{Body, Pattern, Window},
        pattern::shown,
    },
    ByteSet, Span, Term,
    parse::WrittenTerm,
};

/// Two conditions that never hold for the same frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Ids of their patterns.
    pub ids: [u32; 2],
    /// Why, in words.
    pub why: String,
}

/// The first two conditions of `patterns` that contradict each other.
///
/// Only conditions about the same window of the scope are compared.
pub fn conflict(patterns: &[Pattern]) -> Option<Conflict> {
    let condition = |pattern: &Pattern| match &pattern.body {
        Body::Frequency(condition) => Some((pattern.id, pattern.window, condition.terms.clone())),
        Body::Literal(_) | Body::Regex(_) => None,
    };
    let all: Vec<_> = patterns.iter().filter_map(condition).collect();
    for (number, (id, window, terms)) in all.iter().enumerate() {
        for (other, _, others) in all[..number].iter().filter(|(_, same, _)| same == window) {
            for a in others {
                for b in terms {
                    if let Some(why) = contradiction(a, b, *window) {
                        return Some(Conflict { ids: [*other, *id], why });
                    }
                }
            }
        }
    }
    None
}

/// Refuse terms that can never hold, or that always do, alone or with another.
pub(super) fn check(
    text: &[u8],
    terms: &[WrittenTerm],
    window: Window,
) -> Result<(), CompileError> {
    for (number, WrittenTerm { term, at }) in terms.iter().enumerate() {
        let what = || shown(&text[at.clone()]);
        if let Some(why) = never(term, window) {
            return Err(CompileError::Never { what: what(), why, span: at.clone() });
        }
        if let Some(why) = always(term, window) {
            return Err(CompileError::Always { what: what(), why, span: at.clone() });
        }
        for earlier in &terms[..number] {
            if let Some(why) = contradiction(&earlier.term, term, window) {
                let what = format!("{} with {}", what(), shown(&text[earlier.at.clone()]));
                return Err(CompileError::Never { what, why, span: at.clone() });
            }
        }
    }
    Ok(())
}

/// Why no frame satisfies `term`.
fn never(term: &Term, window: Window) -> Option<String> {
    let room = term.bytes_max(window);
    (term.least > room)
        .then(|| format!("it counts in at most {room} bytes and asks for {}", term.least))
}

/// Why every frame satisfies `term`.
fn always(term: &Term, window: Window) -> Option<String> {
    let room = term.bytes_max(window);
    match term.most {
        None => (term.least == 0).then(|| "every count is at least 0".to_owned()),
        Some(most) if term.least == 0 && most >= room => {
            Some(format!("it counts in at most {room} bytes and allows {most}"))
        }
        Some(_) => None,
    }
}

/// Why `a` and `b` never hold together.
fn contradiction(a: &Term, b: &Term, window: Window) -> Option<String> {
    too_many(a, b).or_else(|| too_many(b, a)).or_else(|| no_room(a, b, window))
}

/// All that counts in `small` counts in `large`, but it asks for more than `large` allows.
fn too_many(small: &Term, large: &Term) -> Option<String> {
    let most = large.most.filter(|most| *most < small.least)?;
    let counts = small.set.is_within(&large.set) && inside(small.span, large.span);
    counts.then(|| {
        let least = small.least;
        if small.set == large.set && small.span == large.span {
            format!("the same count would be at least {least} and at most {most}")
        } else {
            format!("what counts {least} times here would count there, where {most} are allowed")
        }
    })
}

/// Is what counts in `small` never more than what counts in `large`?
fn inside(small: Span, large: Span) -> bool {
    match (small, large) {
        (_, Span::Scope) => true,
        (Span::First(a) | Span::Any(a), Span::Any(b)) | (Span::First(a), Span::First(b)) => a <= b,
        (Span::Scope, Span::First(_) | Span::Any(_)) | (Span::Any(_), Span::First(_)) => false,
    }
}

/// No byte counts for both, and together they ask for more than there is room.
fn no_room(a: &Term, b: &Term, window: Window) -> Option<String> {
    let asked = u64::from(a.least) + u64::from(b.least);
    let fixed = !matches!((a.span, b.span), (Span::Any(_), _) | (_, Span::Any(_)));
    let room = a.bytes_max(window).max(b.bytes_max(window));
    let apart = a.set.and(&b.set) == ByteSet::EMPTY;
    (fixed && apart && a.least > 0 && b.least > 0 && asked > u64::from(room))
        .then(|| format!("together they ask for {asked} of at most {room} bytes"))
}
