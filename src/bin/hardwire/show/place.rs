//! Where in the scope a match begins. Events tell where it ends.
//!
//! A literal has a length, and so have many expressions. Of the others the shortest occurrence with
//! that end is looked for with the reference matcher, if the expression is small and the bytes were
//! captured; else the start stays unknown.

use std::ops::Range;

use hardwire::compiler::ir::{Body, Pattern, Window};
use hardwire::compiler::pattern::regex;
use hardwire::compiler::reference;

/// Most positions of an expression whose start is looked for: a few microseconds an event.
const POSITIONS_MAX: usize = 512;
/// Most bytes in front of an end in which the start is looked for.
const REACH_BYTES_MAX: usize = 2048;

/// How the start of a pattern is found from its end.
#[derive(Debug)]
pub(super) enum Start {
    /// So many bytes in front of it.
    Length(usize),
    /// By looking for it.
    Search(Pattern),
    /// Not at all.
    Unknown,
    /// There is no place: bytes were counted.
    Nowhere,
}

impl Start {
    /// How it is for `pattern`.
    pub(super) fn of(pattern: &Pattern) -> Self {
        let expression = match &pattern.body {
            Body::Literal(literal) => return Self::Length(literal.bytes.len()),
            Body::Frequency(_) => return Self::Nowhere,
            Body::Regex(expression) => expression,
        };
        let properties = expression.hir.properties();
        match (properties.minimum_len(), properties.maximum_len()) {
            (Some(least), Some(most)) if least == most => Self::Length(least),
            _ if regex::positions(&expression.hir) <= POSITIONS_MAX => {
                Self::Search(pattern.clone())
            }
            _ => Self::Unknown,
        }
    }

    /// Where the match begins that ends at `end`; `scope` are the bytes of the scope that were
    /// captured. Counted from the start of the scope.
    pub(super) fn start(&mut self, scope: &[u8], end: usize) -> Option<usize> {
        let pattern = match self {
            Self::Length(bytes) => return end.checked_sub(*bytes),
            Self::Unknown | Self::Nowhere => return None,
            Self::Search(pattern) => pattern,
        };
        if end > scope.len() {
            return None;
        }
        let given = pattern.window;
        let first = usize::try_from(given.offset).ok()?.max(end.saturating_sub(REACH_BYTES_MAX));
        let mut ends_from = |start: usize| {
            let depth = u32::try_from(end.saturating_sub(start)).ok()?;
            pattern.window = Window { offset: u32::try_from(start).ok()?, depth: Some(depth) };
            reference::first_end(pattern, scope)
        };
        let start = last(first..end + 1, |start| ends_from(start).is_some());
        // With `--report first` the end is not always the smallest: another one may lie in front of it.
        let start = start.filter(|start| ends_from(*start) == Some(end));
        pattern.window = given;
        start
    }
}

/// The last number for which `holds`, which is true up to some number and false from there on.
fn last(range: Range<usize>, mut holds: impl FnMut(usize) -> bool) -> Option<usize> {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low.checked_sub(1).filter(|found| *found >= range.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardwire::compiler::pattern::{Syntax, Written};

    fn start(syntax: Syntax, text: &str, scope: &[u8], end: usize) -> Option<usize> {
        let pattern = Written::new(syntax, text).lower(1).expect("a good pattern");
        Start::of(&pattern).start(scope, end)
    }

    #[test]
    fn the_start_is_that_of_the_shortest_occurrence_with_this_end() {
        for (syntax, text, scope, end, expected) in [
            (Syntax::Literal, "GET", "x GET y", 5, Some(2)),
            (Syntax::Literal, "GET", "", 5000, Some(4997)),
            (Syntax::Literal, "GET", "GET", 2, None),
            (Syntax::Hex, "47 ?? 54", "x GET y", 5, Some(2)),
            (Syntax::Regex, "[a-z]{3}", "ABCdef", 6, Some(3)),
            (Syntax::Regex, "GET /[a-z]+", "x GET /admin", 8, Some(2)),
            (Syntax::Regex, "a.*b", "a a b b", 5, Some(2)),
            (Syntax::Regex, "a*", "bbb", 0, Some(0)),
            (Syntax::Regex, r"\bx+y", "xxy", 3, Some(0)),
            (Syntax::Regex, "a+b", "xx", 9, None),
            (Syntax::Regex, "a.{3000,}b", "a b", 3, None),
            (Syntax::Frequency, "a>=2", "aaa", 0, None),
        ] {
            assert_eq!(start(syntax, text, scope.as_bytes(), end), expected, "{text} in {scope}");
        }
    }

    #[test]
    fn a_window_holds_for_the_start_too() {
        let pattern = Written {
            window: Window { offset: 3, depth: None },
            ..Written::new(Syntax::Regex, "a.*b")
        };
        let mut found = Start::of(&pattern.lower(1).expect("good"));
        assert_eq!(found.start(b"a..a.b", 6), Some(3));
        assert_eq!(found.start(b"a....b", 6), None);
    }
}
