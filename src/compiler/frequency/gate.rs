//! The order in which conditions are looked at, and how each is counted.

use super::{ByteSet, Span, lanes::Lanes};
use crate::compiler::{ir::FRAME_BYTES_MAX, lower::Count};

/// One term of a condition, to be looked at before anything is searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Position in [`Lowered::counts`](crate::compiler::lower::Lowered::counts).
    pub count: usize,
    /// How it is counted.
    pub means: Means,
}

/// How the bytes of a term are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// Every byte counts, so there are as many as the span is long.
    Length,
    /// Eight bytes at a time.
    Lanes(Lanes),
}

/// Bytes of a frame whose length is not known yet.
const FRAME_BYTES: u32 = 1500;

/// The terms of all conditions, cheapest first: what comes later is often not looked at. `table`: can
/// a program have a table of bytes?
pub(in crate::compiler) fn gates(counts: &[Count], table: bool) -> Vec<Gate> {
    let gate = |(count, Count { term, .. }): (usize, &Count)| {
        let any = matches!(term.span, Span::Any(_));
        let means = if term.set == ByteSet::ALL {
            Means::Length
        } else {
            // Sliding windows need the word of each byte that comes and goes.
            Means::Lanes(Lanes::of(&term.set, table))
        };
        let bytes = match term.span {
            Span::First(n) => n.min(FRAME_BYTES),
            Span::Scope => FRAME_BYTES,
            Span::Any(n) => 2 * FRAME_BYTES + n.min(FRAME_BYTES),
        };
        let each = match &means {
            Means::Length => 0,
            Means::Lanes(lanes) => 3 + lanes.cost() + usize::from(any),
        };
        (
            usize::try_from(bytes.min(FRAME_BYTES_MAX)).unwrap_or(usize::MAX) * each,
            Gate { count, means },
        )
    };
    let mut gates: Vec<_> = counts.iter().enumerate().map(gate).collect();
    gates.sort_by_key(|(cost, gate)| (*cost, gate.count));
    gates.into_iter().map(|(_, gate)| gate).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Condition;
    use super::*;
    use crate::compiler::ir::Window;

    #[test]
    fn what_costs_least_is_asked_first() {
        let window = Window::default();
        let text = b"a>=2 in any 32, [a-z]>=9, b>=3, c>=1 in 64, [\\x00-\\xff]>=100";
        let condition = Condition::parse(text, false, window).expect("good");
        let counts: Vec<Count> =
            condition.terms.iter().map(|term| Count { id: 1, window, term: *term }).collect();
        let order: Vec<usize> = gates(&counts, true).into_iter().map(|gate| gate.count).collect();
        assert_eq!(order, [4, 3, 2, 1, 0]);
    }
}
