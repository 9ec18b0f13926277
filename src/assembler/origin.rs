//! Why an instruction exists. Every instruction of an image has an origin; the listing prints it
//! above the run that it explains, and the reader of verifier logs names it.

use std::fmt;

use super::listing::one_line;

/// The part of a generated program that an instruction belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Reading the context, setting up counters and constants.
    Entry,
    /// Finding the scope: walking headers.
    Scope,
    /// Counting bytes, for a condition.
    Count,
    /// Looking for candidates.
    Scan,
    /// Proving to the verifier that bytes are readable.
    Bounds,
    /// Comparing a candidate with the pattern.
    Confirm,
    /// Noting a match.
    Report,
    /// Counting and returning the verdict.
    Verdict,
    /// Written by hand or read from text.
    Text,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Entry,
        Self::Scope,
        Self::Count,
        Self::Scan,
        Self::Bounds,
        Self::Confirm,
        Self::Report,
        Self::Verdict,
        Self::Text,
    ];

    /// One lower-case word, as in machine formats.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Scope => "scope",
            Self::Count => "count",
            Self::Scan => "scan",
            Self::Bounds => "bounds",
            Self::Confirm => "confirm",
            Self::Report => "report",
            Self::Verdict => "verdict",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an instruction exists.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The part of the program.
    pub phase: Phase,
    /// The id of the pattern it serves, if it serves one.
    pub pattern: Option<u32>,
    /// The first byte of the pattern it is about, if it is about bytes.
    pub byte: Option<u32>,
    /// A few words in the user's terms: `match "GET " at +0`.
    pub text: String,
}

impl Origin {
    /// An origin that is not about one pattern.
    pub fn new(phase: Phase, text: impl Into<String>) -> Self {
        Self { phase, pattern: None, byte: None, text: text.into() }
    }

    /// An origin for `pattern`.
    pub fn of_pattern(phase: Phase, pattern: u32, text: impl Into<String>) -> Self {
        Self { phase, pattern: Some(pattern), byte: None, text: text.into() }
    }

    /// The same, about the byte at `byte` of the pattern.
    #[must_use]
    pub fn at_byte(mut self, byte: u32) -> Self {
        self.byte = Some(byte);
        self
    }

    /// The line of a listing, without its `;`: `confirm: "GET /adm" [pattern 1, byte 0]`.
    pub(super) fn comment(&self) -> String {
        let mut line = one_line(&self.to_string()).into_owned();
        if let Some(pattern) = self.pattern {
            line += &format!(" [pattern {pattern}");
            if let Some(byte) = self.byte {
                line += &format!(", byte {byte}");
            }
            line.push(']');
        }
        line
    }

    /// What such a line says; nothing if the comment is about something else.
    pub(super) fn of_comment(comment: &str) -> Option<Self> {
        let (phase, text) = comment.trim_start().split_once(": ")?;
        let phase = Phase::ALL.into_iter().find(|p| p.name() == phase)?;
        let plain = || Self::new(phase, text);
        let Some((words, ids)) = text.strip_suffix(']').and_then(|t| t.rsplit_once(" [pattern "))
        else {
            return Some(plain());
        };
        let (pattern, byte) = match ids.split_once(", byte ") {
            Some((pattern, byte)) => (pattern, Some(byte)),
            None => (ids, None),
        };
        let (Ok(pattern), byte) = (pattern.parse(), byte.map(str::parse).transpose()) else {
            return Some(plain());
        };
        let Ok(byte) = byte else { return Some(plain()) };
        Some(Self { byte, ..Self::of_pattern(phase, pattern, words) })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_of_a_listing_is_read_back() {
        for origin in [
            Origin::new(Phase::Entry, "context"),
            Origin::new(Phase::Text, ""),
            Origin::of_pattern(Phase::Confirm, 7, "\"GET \" at +0"),
            Origin::of_pattern(Phase::Confirm, 7, "0x2f: at +4").at_byte(4),
            Origin::new(Phase::Scan, "[pattern x]"),
        ] {
            assert_eq!(Origin::of_comment(&origin.comment()), Some(origin.clone()), "{origin:?}");
        }
        for other in ["", "a comment", "map[0] counters: array", "note: this"] {
            assert_eq!(Origin::of_comment(other), None, "{other}");
        }
    }
}
