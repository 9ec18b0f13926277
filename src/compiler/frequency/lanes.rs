//! How eight bytes are judged at once: the recipe, which code is made of elsewhere.
//!
//! Bytes stand in the lanes of a word. A *test* says of each lane whether its byte counts, in bit 7; no
//! carry ever crosses into the next lane, so the answer is exact for each.
//!
//! - A *cube* is `byte & mask == value`: one byte, a letter in either case, `[0-7]`. A byte is mapped to
//!   zero by an exclusive or; `(x & 0x7f) + 0x7f` sets bit 7 iff one of the low seven bits is not zero,
//!   and `| x` adds the eighth. What it says is "does not count".
//! - A *threshold* is `byte >= c` for the low seven bits: `(x & 0x7f) + (0x80 - c)` has it in bit 7. A
//!   set is told by the thresholds at which it begins and ends: the exclusive or of them. Those that
//!   hold in both halves of the byte values are used as they are; those of one half alone are masked
//!   by the eighth bit.
//! - A *table* has one byte for each of 256 values. It beats more than a dozen thresholds.

use super::ByteSet;

/// Thresholds from which on a table takes fewer instructions: a threshold takes three for eight bytes, a
/// table about four for each byte.
const THRESHOLDS_MAX: usize = 10;

/// How the lanes of a word are told whether they count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lanes {
    /// Those with `byte & mask == value`.
    Cube {
        /// Bits that matter.
        mask: u8,
        /// What they must be.
        value: u8,
    },
    /// Those between thresholds.
    Thresholds(Thresholds),
    /// Those whose entry in a table says so.
    Table,
}

/// The exclusive or of thresholds, each of 1 to 127 on the low seven bits of a byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Thresholds {
    /// Whatever the eighth bit.
    pub both: Vec<u8>,
    /// Where the eighth bit is clear.
    pub low: Vec<u8>,
    /// Where it is set.
    pub high: Vec<u8>,
    /// Is the eighth bit one more of them?
    pub eighth: bool,
    /// Is the answer the other way round?
    pub inverted: bool,
}

impl Thresholds {
    fn of(set: &ByteSet) -> Self {
        let [low, high] = [0x00, 0x80].map(|half: u8| -> Vec<u8> {
            let inside = |at: u8| set.contains(half | at);
            (1..=0x7f).filter(|&at| inside(at) != inside(at - 1)).collect()
        });
        let only = |a: &[u8], b: &[u8]| a.iter().copied().filter(|at| !b.contains(at)).collect();
        Self {
            both: low.iter().copied().filter(|at| high.contains(at)).collect(),
            low: only(&low, &high),
            high: only(&high, &low),
            eighth: set.contains(0) != set.contains(0x80),
            inverted: set.contains(0),
        }
    }

    fn len(&self) -> usize {
        self.both.len() + self.low.len() + self.high.len()
    }
}

impl Lanes {
    /// The recipe for `set`. `table`: is a table to be had?
    pub fn of(set: &ByteSet, table: bool) -> Self {
        let thresholds = Thresholds::of(set);
        if let Some(cube) = cube(set)
            && thresholds.len() > 0
        {
            return cube;
        }
        if table && thresholds.len() > THRESHOLDS_MAX {
            return Self::Table;
        }
        Self::Thresholds(thresholds)
    }

    /// Does a set bit 7 say "does not count"?
    pub fn inverted(&self) -> bool {
        match self {
            Self::Cube { .. } => true,
            Self::Thresholds(thresholds) => thresholds.inverted,
            Self::Table => false,
        }
    }

    /// About how many instructions judge eight bytes.
    pub fn cost(&self) -> usize {
        match self {
            Self::Cube { mask, value } => {
                6 + usize::from(*mask != 0xff) * 2 + usize::from(*value != 0)
            }
            Self::Thresholds(thresholds) => {
                let masked = usize::from(!thresholds.low.is_empty())
                    + usize::from(!thresholds.high.is_empty());
                6 + 3 * thresholds.len() + 3 * masked
            }
            Self::Table => 40,
        }
    }
}

/// The set as a cube, if it is one with a bit that matters.
fn cube(set: &ByteSet) -> Option<Lanes> {
    let value = set.bytes().fold(u8::MAX, |all, byte| all & byte);
    let free = set.bytes().fold(0, |any, byte| any | (byte ^ value));
    let whole = 1u32.checked_shl(free.count_ones()) == Some(set.len());
    (whole && free != u8::MAX).then_some(Lanes::Cube { mask: !free, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the generated code computes for one lane.
    fn judged(lanes: &Lanes, byte: u8) -> bool {
        let at_least = |c: &u8| (byte & 0x7f) + (0x80 - c) >= 0x80;
        let odd = |all: &[u8]| all.iter().filter(|c| at_least(c)).count() % 2 == 1;
        let high = byte >= 0x80;
        let bit = match lanes {
            Lanes::Cube { mask, value } => {
                let x = (byte & mask) ^ value;
                ((x & 0x7f) + 0x7f) | x >= 0x80
            }
            Lanes::Thresholds(t) => {
                odd(&t.both) ^ (odd(&t.low) & !high) ^ (odd(&t.high) & high) ^ (t.eighth & high)
            }
            Lanes::Table => panic!("not asked for"),
        };
        bit != lanes.inverted()
    }

    fn check(set: &ByteSet) {
        let lanes = Lanes::of(set, false);
        for byte in 0..=u8::MAX {
            assert_eq!(judged(&lanes, byte), set.contains(byte), "{byte:#04x} in {set}: {lanes:?}");
        }
    }

    #[test]
    fn every_byte_and_every_range_is_judged_exactly() {
        for first in 0..=u8::MAX {
            for last in first..=u8::MAX {
                let range = ByteSet::range(first..=last);
                check(&range);
                check(&range.complement());
                check(&range.in_either_case());
            }
        }
    }

    #[test]
    fn sets_of_any_form_are_judged_exactly() {
        for seed in 1..500u32 {
            let mut state = seed.wrapping_mul(0x9e37_79b9);
            let mut set = ByteSet::EMPTY;
            for byte in 0..=u8::MAX {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if state >> 24 < seed % 256 {
                    set = set.or(&ByteSet::of(byte));
                }
            }
            check(&set);
        }
    }

    #[test]
    fn the_cheapest_recipe_is_chosen() {
        let letter = ByteSet::of(b'e');
        assert_eq!(Lanes::of(&letter, true), Lanes::Cube { mask: 0xff, value: b'e' });
        let either = letter.in_either_case();
        assert_eq!(Lanes::of(&either, true), Lanes::Cube { mask: 0xdf, value: b'E' });
        let digits = ByteSet::range(b'0'..=b'9');
        let Lanes::Thresholds(thresholds) = Lanes::of(&digits, true) else { panic!("a range") };
        assert_eq!(thresholds.low, [b'0', b'9' + 1]);
        let scattered = (0..20).fold(ByteSet::EMPTY, |set, n| set.or(&ByteSet::of(n * 7)));
        assert_eq!(Lanes::of(&scattered, true), Lanes::Table);
        assert!(matches!(Lanes::of(&scattered, false), Lanes::Thresholds(_)));
    }
}
