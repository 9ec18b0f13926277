//! The order in which conditions are looked at, and how each is counted.

use super::{ByteSet, Span, lanes::Lanes};
use crate::compiler::{ir::FRAME_BYTES_MAX, lower::Count, number::small};

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

/// Windows that are counted on targets without `may_goto`, where the verifier explores every round of
/// every window; what lies behind them is counted as unsearched.
pub(in crate::compiler) const COUNTED_WINDOWS: i32 = 3;
/// Bytes that a loop over the linear part covers on those targets.
pub(in crate::compiler) const COUNTED_BYTES: i32 = 9216;

/// Words of a block of straight code where bytes are counted, at most.
pub(in crate::compiler) const COUNT_WORDS: i32 = 48;
/// Words of a block of straight code where a window slides, at most.
pub(in crate::compiler) const SLIDE_WORDS: i32 = 8;
/// Instructions of a block of straight code, about.
const BLOCK_INSNS: usize = 600;
/// Bytes of a word.
const WORD_BYTES: u64 = 8;

/// Words of a block if each takes `insns` instructions, `most` at most.
pub(in crate::compiler) fn block_words(insns: usize, most: i32) -> i32 {
    std::iter::successors(Some(most), |words| Some(words / 2))
        .find(|words| {
            *words == 1 || small(insns).saturating_mul(words.unsigned_abs()) <= small(BLOCK_INSNS)
        })
        .unwrap_or(1)
}

/// Instructions for eight bytes that are counted.
pub(in crate::compiler) fn count_insns(lanes: &Lanes) -> usize {
    lanes.cost() + 1
}

/// Instructions for eight steps of a window.
pub(in crate::compiler) fn slide_insns(lanes: &Lanes) -> usize {
    2 * lanes.cost() + 14
}

/// About how many instructions the verifier processes where loops are counted and each round is explored:
/// `reach` is how many bytes they go over.
pub(in crate::compiler) fn counted_cost(gates: &[Gate], counts: &[Count], reach: u64) -> u64 {
    // Around the words of a block, and of a span.
    const AROUND_BLOCK: u64 = 40;
    const AROUND_SPAN: u64 = 600;
    let rounds = |bytes: u64, insns: usize, most: i32| {
        let words = u64::from(block_words(insns, most).unsigned_abs());
        (bytes / (WORD_BYTES * words) + 2) * (words * u64::from(small(insns)) + AROUND_BLOCK)
    };
    let one = |gate: &Gate| {
        let Means::Lanes(lanes) = &gate.means else { return AROUND_BLOCK };
        let counted = |bytes| rounds(bytes, count_insns(lanes), COUNT_WORDS);
        // Some steps are explored with and without the look at their lanes.
        let slid = || rounds(reach, slide_insns(lanes), SLIDE_WORDS) * 27 / 10;
        AROUND_SPAN
            + match counts[gate.count].term.span {
                Span::Scope => counted(reach),
                Span::First(n) => counted(reach.min(n.into())),
                Span::Any(n) => counted(reach.min(n.into())) + slid(),
            }
    };
    gates.iter().map(one).sum()
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
