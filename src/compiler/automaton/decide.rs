//! How code finds out where a byte leads: compares with immediates, as few as possible.
//!
//! The arms of a state are ranges of bytes. Where most of a range leads to one place, a chain of
//! tests picks out the others and what is left goes there; where a chain would be long, the range
//! is halved first. A letter in either case, as ranges that differ by bit 5 alone, is one test.
//!
//! What the byte is known to be is followed through chain and halves, so that a range that reaches
//! to the end of what is possible is one compare. Nothing here is emitted: a [`Decision`] is a
//! value, so that its size is known before the code is.

use super::{Next, State};
use crate::compiler::sample;

/// Tests of a chain; what would need more is halved.
const CHAIN_MAX: usize = 4;
/// What bit 5 tells apart.
const CASE: u8 = 0x20;

/// One compare of the byte, and where it leads if it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) kind: Kind,
    pub(crate) next: Next,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The byte is this one.
    Equal(u8),
    /// At most this one.
    AtMost(u8),
    /// At least this one.
    AtLeast(u8),
    /// In this range.
    Range(u8, u8),
    /// In this range once bit 5 is set.
    Folded(u8, u8),
}

impl Kind {
    /// Instructions that it takes.
    pub(crate) const fn slots(self) -> usize {
        match self {
            Self::Equal(_) | Self::AtMost(_) | Self::AtLeast(_) => 1,
            Self::Range(..) => 3,
            Self::Folded(..) => 4,
        }
    }

    #[cfg(test)]
    fn holds(self, byte: u8) -> bool {
        match self {
            Self::Equal(b) => byte == b,
            Self::AtMost(b) => byte <= b,
            Self::AtLeast(b) => byte >= b,
            Self::Range(first, last) => (first..=last).contains(&byte),
            Self::Folded(first, last) => (first..=last).contains(&(byte | CASE)),
        }
    }
}

/// How a byte is told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Below `at`, or not.
    Halves { at: u8, low: Box<Decision>, high: Box<Decision> },
    /// The first test that holds decides, or `otherwise`.
    Chain { tests: Vec<Test>, otherwise: Next },
}

/// Bytes that lead to one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u8,
    last: u8,
    next: Next,
}

impl Span {
    fn weight(self) -> u32 {
        weight(self.first, self.last)
    }
}

/// How much of ordinary packets lies in a range of bytes.
pub(crate) fn weight(first: u8, last: u8) -> u32 {
    static COUNTS: std::sync::LazyLock<[u32; 256]> = std::sync::LazyLock::new(|| {
        // No byte is impossible; the least weight is far below one occurrence.
        let mut counts = [1; 256];
        for &byte in sample::TEXT {
            counts[usize::from(byte)] += 64;
        }
        counts
    });
    COUNTS[usize::from(first)..=usize::from(last)].iter().sum()
}

impl Decision {
    /// For the bytes of `state`.
    pub(crate) fn of(state: &State) -> Self {
        let mut first = 0;
        let mut spans = Vec::new();
        for arm in &state.arms {
            spans.push(Span { first, last: arm.last, next: arm.next });
            first = arm.last.saturating_add(1);
        }
        Self::of_spans(&spans)
    }

    fn of_spans(spans: &[Span]) -> Self {
        let chain = Self::chain(spans);
        if let Self::Chain { tests, .. } = &chain
            && tests.len() <= CHAIN_MAX
        {
            return chain;
        }
        let (low, high) = spans.split_at(spans.len() / 2);
        Self::Halves {
            at: high[0].first,
            low: Box::new(Self::of_spans(low)),
            high: Box::new(Self::of_spans(high)),
        }
    }

    fn chain(spans: &[Span]) -> Self {
        let otherwise = most(spans);
        let mut rest: Vec<Span> = spans.iter().copied().filter(|s| s.next != otherwise).collect();
        let (mut least, mut greatest) = (spans[0].first, spans[spans.len() - 1].last);
        let mut tests = Vec::new();
        // What lies at an end is one compare, and moves the end.
        while let Some(at) = rest.iter().position(|s| s.first == least || s.last == greatest) {
            let Span { first, last, next } = rest.remove(at);
            let kind = if first == last {
                Kind::Equal(first)
            } else if first == least {
                Kind::AtMost(last)
            } else {
                Kind::AtLeast(first)
            };
            // If it is both, the rest is empty.
            if first == least {
                least = last.saturating_add(1);
            } else {
                greatest = first.saturating_sub(1);
            }
            tests.push((weight(first, last), Test { kind, next }));
        }
        let ends = tests.len();
        while let Some(span) = rest.pop() {
            let twin = rest.iter().position(|other| is_twin(*other, span));
            if let Some(twin) = twin {
                let other = rest.remove(twin);
                let kind = Kind::Folded(span.first, span.last);
                tests.push((span.weight() + other.weight(), Test { kind, next: span.next }));
            } else {
                let kind = if span.first == span.last {
                    Kind::Equal(span.first)
                } else {
                    Kind::Range(span.first, span.last)
                };
                tests.push((span.weight(), Test { kind, next: span.next }));
            }
        }
        // Those at the ends rely on one another; those between rely on nothing but may not stand
        // behind: the common ones go first, where nothing relies on them.
        let (at_ends, between) = tests.split_at_mut(ends);
        between.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let heavy: u32 = at_ends.iter().map(|(weight, _)| weight).sum();
        let in_front = between.iter().take_while(|(weight, _)| *weight > heavy).count();
        let order = between[..in_front].iter().chain(&*at_ends).chain(&between[in_front..]);
        let tests = order.map(|(_, test)| *test).collect();
        Self::Chain { tests, otherwise }
    }

    /// Slots of its code, with a jump behind every chain.
    pub(crate) fn slots(&self) -> usize {
        match self {
            Self::Halves { low, high, .. } => 1 + low.slots() + high.slots(),
            Self::Chain { tests, .. } => 1 + tests.iter().map(|t| t.kind.slots()).sum::<usize>(),
        }
    }

    /// Where `byte` leads.
    #[cfg(test)]
    pub(crate) fn next(&self, byte: u8) -> Next {
        match self {
            Self::Halves { at, low, high } => {
                if byte < *at {
                    low.next(byte)
                } else {
                    high.next(byte)
                }
            }
            Self::Chain { tests, otherwise } => {
                tests.iter().find(|t| t.kind.holds(byte)).map_or(*otherwise, |t| t.next)
            }
        }
    }
}

/// Where most bytes of ordinary packets lead; of several such places the one with most ranges.
fn most(spans: &[Span]) -> Next {
    let mut places: std::collections::BTreeMap<Next, (usize, u32)> =
        std::collections::BTreeMap::new();
    for span in spans {
        let place = places.entry(span.next).or_default();
        place.0 += 1;
        place.1 += span.weight();
    }
    // A place of many ranges costs a test each if it is not the one that is left over.
    let best = places.iter().max_by_key(|(_, (ranges, weight))| (*ranges, *weight));
    *best.expect("a state has arms").0
}

/// Does bit 5 alone tell `a`, where it is clear, from `b`, where it is set?
fn is_twin(a: Span, b: Span) -> bool {
    let (low, high) = if a.first < b.first { (a, b) } else { (b, a) };
    a.next == b.next
        && low.first & CASE == 0
        && low.last & CASE == 0
        && low.first | CASE == high.first
        && low.last | CASE == high.last
        && low.first & !(CASE - 1) == low.last & !(CASE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compiler::automaton::Arm;

    fn state(arms: &[(u8, usize)]) -> State {
        let arms = arms.iter().map(|&(last, n)| Arm { last, next: Next::State(n) }).collect();
        State { arms, match_at_end: false }
    }

    #[test]
    fn a_decision_leads_where_the_state_does() {
        let mut random = 1u32;
        let mut next = move |below: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) % below
        };
        for round in 0..2_000 {
            let mut arms: Vec<(u8, usize)> = Vec::new();
            let (many, places) = (1 + next(40), 1 + next(5));
            let mut at = 0;
            for _ in 0..many {
                let wide = if next(2) == 0 { 1 } else { 1 + next(30) };
                at += wide;
                if at > 255 {
                    break;
                }
                let to = usize::try_from(next(places)).expect("few");
                if arms.last().is_some_and(|&(_, last)| last == to) {
                    arms.pop();
                }
                arms.push((u8::try_from(at - 1).expect("a byte"), to));
            }
            arms.push((255, 9));
            let state = state(&arms);
            let decision = Decision::of(&state);
            for byte in 0..=255 {
                assert_eq!(
                    decision.next(byte),
                    state.next(byte),
                    "round {round}, {byte}: {state:?}"
                );
            }
        }
    }

    #[test]
    fn usual_classes_take_few_tests() {
        for (what, arms, slots) in [
            ("all bytes", &[(255, 0)][..], 1),
            ("one byte", &[(70, 0), (71, 1), (255, 0)], 2),
            ("[a-z]", &[(96, 0), (122, 1), (255, 0)], 4),
            ("(?i)[a-z]", &[(64, 0), (90, 1), (96, 0), (122, 1), (255, 0)], 5),
            ("[^\\n]", &[(9, 0), (10, 1), (255, 0)], 2),
            ("[\\x80-\\xff]", &[(127, 0), (255, 1)], 2),
        ] {
            assert_eq!(Decision::of(&state(arms)).slots(), slots, "{what}");
        }
    }
}
