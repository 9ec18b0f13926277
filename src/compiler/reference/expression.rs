//! The obvious way to match an expression: the set of all places in it where a match that has begun
//! may stand, moved on byte by byte.
//!
//! It is the definition written down, and shares nothing with the automata that code is made of: it
//! determinises nothing, resolves look-around by looking, and reads only forwards. A haystack takes
//! time linear in its length, times the size of the expression at worst.

use std::ops::Range;

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};
use regex_syntax::utf8::Utf8Sequences;

/// One place in an expression; numbers are those of other places.
enum Step {
    /// A byte of one of these ranges leads on.
    Byte(Vec<(u8, u8)>, usize),
    /// On to all of them.
    Split(Vec<usize>),
    /// On, if this holds here.
    Look(Look, usize),
    /// A match ends here.
    Match,
}

/// An expression with its repetitions written out.
pub(super) struct Places {
    steps: Vec<Step>,
    start: usize,
}

/// The places where a match may stand, at one position of the haystack.
struct Set {
    places: Vec<usize>,
    contained: Vec<bool>,
}

impl Places {
    /// The places of `hir`: about as many as it has
    /// [positions](crate::compiler::pattern::regex::POSITIONS_MAX).
    pub(super) fn new(hir: &Hir) -> Self {
        let mut places = Self { steps: vec![Step::Match], start: 0 };
        places.start = places.add(hir, 0);
        places
    }

    /// The smallest end of a match that lies inside `window`; anchors and look-around see all of
    /// `scope`.
    pub(super) fn first_end(&self, scope: &[u8], window: Range<usize>) -> Option<usize> {
        let mut now = Set::new(self.steps.len());
        let mut then = Set::new(self.steps.len());
        for at in window.start..=window.end.min(scope.len()) {
            if self.enter(&mut now, self.start, scope, at) {
                return Some(at);
            }
            let (Some(byte), true) = (scope.get(at), at < window.end) else { break };
            for &place in &now.places {
                if let Step::Byte(ranges, next) = &self.steps[place]
                    && ranges.iter().any(|(first, last)| (first..=last).contains(&byte))
                    && self.enter(&mut then, *next, scope, at + 1)
                {
                    return Some(at + 1);
                }
            }
            std::mem::swap(&mut now, &mut then);
            then.clear();
        }
        None
    }

    /// Add `place` and all that is reached from it without reading; is a match among it?
    fn enter(&self, set: &mut Set, place: usize, scope: &[u8], at: usize) -> bool {
        let mut pending = vec![place];
        while let Some(place) = pending.pop() {
            if std::mem::replace(&mut set.contained[place], true) {
                continue;
            }
            set.places.push(place);
            match &self.steps[place] {
                Step::Match => return true,
                Step::Byte(..) => {}
                Step::Split(places) => pending.extend(places),
                Step::Look(look, next) => {
                    if holds(*look, scope, at) {
                        pending.push(*next);
                    }
                }
            }
        }
        false
    }

    fn push(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// Add the places of `hir`, behind which `next` follows; the first of them.
    fn add(&mut self, hir: &Hir, next: usize) -> usize {
        match hir.kind() {
            HirKind::Empty => next,
            HirKind::Literal(literal) => {
                let bytes = literal.0.iter().rev();
                bytes.fold(next, |next, byte| self.push(Step::Byte(vec![(*byte, *byte)], next)))
            }
            HirKind::Class(Class::Bytes(class)) => {
                let ranges = class.ranges().iter().map(|range| (range.start(), range.end()));
                self.push(Step::Byte(ranges.collect(), next))
            }
            HirKind::Class(Class::Unicode(class)) => {
                let sequences = |range: &regex_syntax::hir::ClassUnicodeRange| {
                    Utf8Sequences::new(range.start(), range.end())
                };
                let mut places = Vec::new();
                for sequence in class.ranges().iter().flat_map(sequences) {
                    places.push(sequence.as_slice().iter().rev().fold(next, |next, range| {
                        self.push(Step::Byte(vec![(range.start, range.end)], next))
                    }));
                }
                self.push(Step::Split(places))
            }
            HirKind::Look(look) => self.push(Step::Look(*look, next)),
            HirKind::Capture(capture) => self.add(&capture.sub, next),
            HirKind::Concat(parts) => {
                parts.iter().rev().fold(next, |next, part| self.add(part, next))
            }
            HirKind::Alternation(parts) => {
                let places = parts.iter().map(|part| self.add(part, next)).collect();
                self.push(Step::Split(places))
            }
            HirKind::Repetition(repetition) => self.add_repetition(repetition, next),
        }
    }

    fn add_repetition(&mut self, repetition: &Repetition, next: usize) -> usize {
        let sub = &repetition.sub;
        let mut first = if let Some(max) = repetition.max {
            // One more, and then the others: or none of them.
            (repetition.min..max).fold(next, |then, _| {
                let one_more = self.add(sub, then);
                self.push(Step::Split(vec![one_more, next]))
            })
        } else {
            let again = self.push(Step::Split(Vec::new()));
            let once = self.add(sub, again);
            self.steps[again] = Step::Split(vec![once, next]);
            again
        };
        for _ in 0..repetition.min {
            first = self.add(sub, first);
        }
        first
    }
}

impl Set {
    fn new(places: usize) -> Self {
        Self { places: Vec::new(), contained: vec![false; places] }
    }

    fn clear(&mut self) {
        for place in self.places.drain(..) {
            self.contained[place] = false;
        }
    }
}

/// Does `look` hold between the bytes in front of `at` and those from `at` on?
fn holds(look: Look, scope: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| scope[before]);
    let after = scope.get(at).copied();
    let is_word =
        |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let (word_before, word_after) = (is_word(before), is_word(after));
    match look {
        Look::Start => before.is_none(),
        Look::End => after.is_none(),
        Look::StartLF => matches!(before, None | Some(b'\n')),
        Look::EndLF => matches!(after, None | Some(b'\n')),
        // A carriage return and the line feed behind it are one line end.
        Look::StartCRLF => match before {
            None | Some(b'\n') => true,
            Some(b'\r') => after != Some(b'\n'),
            Some(_) => false,
        },
        Look::EndCRLF => match after {
            None | Some(b'\r') => true,
            Some(b'\n') => before != Some(b'\r'),
            Some(_) => false,
        },
        Look::WordAscii => word_before != word_after,
        Look::WordAsciiNegate => word_before == word_after,
        Look::WordStartAscii => !word_before && word_after,
        Look::WordEndAscii => word_before && !word_after,
        Look::WordStartHalfAscii => !word_before,
        Look::WordEndHalfAscii => !word_after,
        Look::WordUnicode
        | Look::WordUnicodeNegate
        | Look::WordStartUnicode
        | Look::WordEndUnicode
        | Look::WordStartHalfUnicode
        | Look::WordEndHalfUnicode => unreachable!("the front ends refuse Unicode"),
    }
}
