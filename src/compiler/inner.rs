//! The literal that an expression needs somewhere inside: the longest of its outermost sequence.

use regex_syntax::hir::{Hir, HirKind};

use super::ir::Literal;

/// Shorter literals occur too often to be looked for first, in bytes.
const LITERAL_BYTES_MIN: usize = 2;

/// How an expression is found.
pub(super) enum Split {
    /// By one of these literals, and what stands beside it.
    Around(Vec<Branch>),
}

/// A literal, and what precedes and follows it.
pub(super) struct Branch {
    pub(super) before: Hir,
    pub(super) literal: Literal,
    pub(super) after: Hir,
}

/// Cut `hir` at its longest literal; nothing if it needs none.
pub(super) fn split(hir: &Hir) -> Option<Split> {
    let parts = if let HirKind::Concat(parts) = hir.kind() { parts } else { &vec![hir.clone()] };
    let literals = parts.iter().enumerate().filter_map(|(at, part)| {
        let HirKind::Literal(literal) = part.kind() else { return None };
        Some((at, literal.0.to_vec()))
    });
    let (at, bytes) = literals.max_by_key(|(_, bytes)| bytes.len())?;
    if bytes.len() < LITERAL_BYTES_MIN {
        return None;
    }
    let before = Hir::concat(parts[..at].to_vec());
    let after = Hir::concat(parts[at + 1..].to_vec());
    let literal = Literal { bytes, ignore_case: false };
    Some(Split::Around(vec![Branch { before, after, literal }]))
}
