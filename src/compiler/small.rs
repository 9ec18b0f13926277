//! Small spaces for tests: all haystacks, expressions and windows up to a size.

use std::ops::Range;

/// Every string over `letters` of at most `max_len` bytes.
pub(super) fn haystacks(letters: &[u8], max_len: usize) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..max_len {
        let longest = all[from..].to_vec();
        from = all.len();
        for haystack in longest {
            all.extend(letters.iter().map(|letter| [&haystack[..], &[*letter]].concat()));
        }
    }
    all
}

/// Expressions of one operator over `parts` and atoms.
pub(super) fn composed(parts: &[String], atoms: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for part in parts {
        all.extend(["*", "+", "?", "{2}", "{1,2}"].map(|sign| format!("(?:{part}){sign}")));
        for atom in atoms {
            all.push(format!("(?:{part})(?:{atom})"));
            all.push(format!("(?:{atom})(?:{part})"));
            all.push(format!("(?:{part})|(?:{atom})"));
        }
    }
    all
}

/// Every window that begins and ends at most one byte behind a scope of `len` bytes.
pub(super) fn windows(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..=len + 1).flat_map(move |start| (start..=len + 1).map(move |end| start..end))
}
