//! Why an instruction exists. Every instruction of an image has an origin; the listing prints it
//! above the run that it explains, and the reader of verifier logs names it.

use std::fmt;

/// The part of a generated program that an instruction belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Reading the context, setting up counters and constants.
    Entry,
    /// Finding the scope: walking headers.
    Scope,
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
    /// One lower-case word, as in machine formats.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Scope => "scope",
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
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase, self.text)
    }
}
