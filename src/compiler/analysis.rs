//! What a literal offers to a search: its rarest bytes.

use super::{byte_rank::rank, lower::Needle};

/// Positions of the two bytes that are looked for first, ascending; equal only for one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The first position.
    pub first: usize,
    /// The second position.
    pub second: usize,
}

/// How common a position is: a letter in either case counts both.
fn commonness(pattern: &Needle, at: usize) -> u32 {
    let byte = pattern.bytes[at];
    let plain = u32::from(rank(byte));
    if pattern.ignore_case && byte.is_ascii_alphabetic() {
        plain.max(rank(byte ^ 0x20).into()) + 16
    } else {
        plain
    }
}

/// The rarest pair of positions. Equal bytes say less than different ones, because text that
/// repeats one byte repeats it everywhere.
///
/// Positions beyond `reach` are not considered: a far one makes every block need more bytes.
///
/// # Panics
///
/// If the pattern is empty; the front ends refuse that.
pub fn rarest_pair(pattern: &Needle, reach: usize) -> Pair {
    let len = pattern.bytes.len().min(reach);
    assert!(len > 0, "an empty literal is refused by the front ends");
    let mut best = (u32::MAX, Pair { first: 0, second: len - 1 });
    for first in 0..len {
        for second in first + 1..len {
            let same = if pattern.bytes[first] == pattern.bytes[second] { 256 } else { 0 };
            let cost = commonness(pattern, first) + commonness(pattern, second) + same;
            if cost < best.0 {
                best = (cost, Pair { first, second });
            }
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(bytes: &[u8]) -> Pair {
        rarest_pair(&Needle::of_bytes(bytes, false), 64)
    }

    #[test]
    fn rare_bytes_are_preferred_and_one_byte_pairs_with_itself() {
        assert_eq!(pair(b"x"), Pair { first: 0, second: 0 });
        assert_eq!(pair(b" e\xd1 \xd2e"), Pair { first: 2, second: 4 });
        assert_eq!(pair(b"\xd1\xd1e"), Pair { first: 0, second: 2 });
    }
}
