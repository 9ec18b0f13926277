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

/// More common than anything: a byte of which only some bits matter.
const MASKED: u32 = 1 << 16;

/// How common a position is: a letter in either case counts both.
fn commonness(pattern: &Needle, at: usize) -> u32 {
    let byte = pattern.bytes[at];
    let plain = u32::from(rank(byte));
    match pattern.fold[at] {
        0 => plain,
        0x20 if byte.is_ascii_alphabetic() => plain.max(rank(byte ^ 0x20).into()) + 16,
        _ => MASKED,
    }
}

/// The rarest pair of positions. Equal bytes say less than different ones, because text that
/// repeats one byte repeats it everywhere.
///
/// Positions beyond `reach` are not considered: a far one makes every block need more bytes.
///
/// # Panics
///
/// If the pattern is empty; the front ends refuse that. Somewhere within `reach` it must have a byte
/// that is exact, or a letter.
pub fn rarest_pair(pattern: &Needle, reach: usize) -> Pair {
    let len = pattern.bytes.len().min(reach);
    assert!(len > 0, "an empty literal is refused by the front ends");
    // A byte of which only some bits matter cannot be one of the pair; another one can be both.
    let alone = (0..len).min_by_key(|&at| commonness(pattern, at)).unwrap_or(0);
    let mut best = (MASKED, Pair { first: alone, second: alone });
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
