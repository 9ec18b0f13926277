//! Byte-frequency conditions: how often bytes of a class may stand in a part of the scope.
//!
//! A condition is a list of terms that must all hold. A term counts the bytes of a [`ByteSet`] over a
//! [`Span`] and asks for a number between two limits. Over a sliding window the number is that of the
//! fullest window, so that "at least" asks for one window that has so many, and "at most" allows no
//! window to have more.
//!
//! `parse` reads the text of `--frequency`, `feasible` finds what can never or always hold, `lanes`
//! says how eight bytes are judged at once. What a condition means is
//! [`Term::holds`]; it is written to be read and shares nothing with generated code.

mod feasible;
pub mod gate;
pub mod lanes;
mod parse;
mod set;

use std::fmt;

pub use feasible::{Conflict, conflict};
pub use set::ByteSet;

use super::{
    CompileError,
    ir::{FRAME_BYTES_MAX, Window},
};

/// Longest window of a condition, in bytes: the longest frame that is searched.
pub const SPAN_BYTES_MAX: u32 = FRAME_BYTES_MAX;
/// Most terms of one condition.
pub const TERMS_MAX: usize = 64;

/// Where bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Span {
    /// In the first so many bytes of the scope; in fewer if it has fewer. Never 0.
    First(u32),
    /// In all of it.
    Scope,
    /// In every run of so many bytes; what counts is the run with the most. A scope with fewer bytes is
    /// one run. Never 0.
    Any(u32),
}

/// How often bytes of a class may stand in a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// The bytes that count; neither none nor, where only `most` is given, needlessly all.
    pub set: ByteSet,
    /// Where they count.
    pub span: Span,
    /// At least so many.
    pub least: u32,
    /// At most so many; `None` is any number.
    pub most: Option<u32>,
}

/// Terms that must all hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The terms; at least one, at most [`TERMS_MAX`], no two with the same set and span.
    pub terms: Vec<Term>,
}

impl Condition {
    /// Read the text of a condition: `a>=2, 0x00>=8 in 64`. With `ignore_case` letters count in either
    /// case. `window` is the part of the scope that it is about.
    ///
    /// # Errors
    ///
    /// The text is malformed, has more than [`TERMS_MAX`] terms, or a term of it, or all of them
    /// together, can never or must always hold. Spans count from the start of `text`.
    pub fn parse(text: &[u8], ignore_case: bool, window: Window) -> Result<Self, CompileError> {
        let written = parse::terms(text, ignore_case)?;
        feasible::check(text, &written, window)?;
        let mut condition = Self { terms: Vec::with_capacity(written.len()) };
        for parse::WrittenTerm { term, .. } in written {
            condition.add(term);
        }
        Ok(condition)
    }

    /// Add a term, or narrow the one that there is for its set and span.
    fn add(&mut self, term: Term) {
        let same = |old: &&mut Term| old.set == term.set && old.span == term.span;
        match self.terms.iter_mut().find(same) {
            Some(old) => *old = old.and(&term),
            None => self.terms.push(term),
        }
    }

    /// Does the condition hold for `bytes`, the part of the scope that it is about?
    pub fn holds(&self, bytes: &[u8]) -> bool {
        self.terms.iter().all(|term| term.holds(bytes))
    }
}

impl Term {
    /// Both of two terms of the same set and span.
    fn and(&self, other: &Self) -> Self {
        let most = match (self.most, other.most) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { least: self.least.max(other.least), most, ..*self }
    }

    /// Does the term hold for `bytes`?
    pub fn holds(&self, bytes: &[u8]) -> bool {
        let number = self.number(bytes);
        number >= u64::from(self.least) && self.most.is_none_or(|most| number <= u64::from(most))
    }

    /// What is compared: the bytes of the set in the span, or in the fullest window.
    fn number(&self, bytes: &[u8]) -> u64 {
        let count = |bytes: &[u8]| bytes.iter().filter(|byte| self.set.contains(**byte)).count();
        let number = match self.span {
            Span::Scope => count(bytes),
            Span::First(n) => count(&bytes[..bytes.len().min(size(n))]),
            Span::Any(n) if bytes.len() <= size(n) => count(bytes),
            Span::Any(n) => {
                // One window further, one byte comes and one goes.
                let n = size(n);
                let mut now = count(&bytes[..n]);
                let mut most = now;
                for at in n..bytes.len() {
                    now += usize::from(self.set.contains(bytes[at]));
                    now -= usize::from(self.set.contains(bytes[at - n]));
                    most = most.max(now);
                }
                most
            }
        };
        number as u64
    }

    /// The term, or for a sliding window one for each limit: the number of the fullest window is not
    /// known before the last, but that it has reached a limit is. A limit of as many as a window has
    /// bytes is none.
    pub(super) fn parts(&self) -> Vec<Self> {
        match (self.span, self.most) {
            (Span::Any(n), Some(most)) if self.least > 0 && most >= n => {
                vec![Self { most: None, ..*self }]
            }
            (Span::Any(_), Some(_)) if self.least > 0 => {
                vec![Self { least: 0, ..*self }, Self { most: None, ..*self }]
            }
            (Span::Any(_) | Span::First(_) | Span::Scope, _) => vec![*self],
        }
    }

    /// Most bytes that can count in `window` of the scope.
    pub(super) fn bytes_max(&self, window: Window) -> u32 {
        let searched = FRAME_BYTES_MAX.saturating_sub(window.offset);
        let here = window.depth.map_or(searched, |depth| depth.min(searched));
        match self.span {
            Span::Scope => here,
            Span::First(n) | Span::Any(n) => n.min(here),
        }
    }
}

fn size(bytes: u32) -> usize {
    usize::try_from(bytes).expect("Linux has no 16-bit machines")
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scope => Ok(()),
            Self::First(n) => write!(f, " in {n}"),
            Self::Any(n) => write!(f, " in any {n}"),
        }
    }
}

impl fmt::Display for Term {
    /// As it could be written: `a>=2 in 64`; a term with two limits as two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { set, span, least, most } = self;
        match most {
            Some(most) if most == least => write!(f, "{set}={most}{span}"),
            Some(most) if *least > 0 => write!(f, "{set}>={least}{span}, {set}<={most}{span}"),
            Some(most) => write!(f, "{set}<={most}{span}"),
            None => write!(f, "{set}>={least}{span}"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, term) in self.terms.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}{term}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
