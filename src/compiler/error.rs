//! Why there is no program.

use super::{automaton::BuildError, strategy::Strategy};
use crate::assembler::AsmError;
use std::ops::Range;

/// A pattern, or a set of them, that cannot be turned into a program.
///
/// `Display` is one line and never repeats its `source()`; [`hint`](Self::hint) says what to do
/// next; [`span`](Self::span) says where in the pattern text to point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The pattern text is malformed.
    #[error("{what} at byte {}", span.start)]
    Syntax {
        /// What was found, in the user's terms: "unknown escape \q".
        what: String,
        /// Bytes of the pattern text, counted from 0.
        span: Range<usize>,
        /// What would be right there.
        hint: &'static str,
    },
    /// A form of pattern that is planned, but that this version does not compile.
    #[error("{what} at byte {}: not supported yet", span.start)]
    NotSupported {
        /// What was found: "a wildcard (?)".
        what: String,
        /// Bytes of the pattern text, counted from 0.
        span: Range<usize>,
        /// What can be written instead.
        hint: &'static str,
    },
    /// A frequency condition that no frame satisfies.
    #[error("{what} can never hold: {why}")]
    Never {
        /// The term, or two of them, as written.
        what: String,
        /// With the numbers that contradict each other.
        why: String,
        /// Bytes of the text of the condition, counted from 0.
        span: Range<usize>,
    },
    /// A frequency condition that every frame satisfies.
    #[error("{what} always holds: {why}")]
    Always {
        /// The term, as written.
        what: String,
        /// With the numbers that make it so.
        why: String,
        /// Bytes of the text of the condition, counted from 0.
        span: Range<usize>,
    },
    /// The pattern has no bytes, so that it would match everything.
    #[error("{what} is empty")]
    Empty {
        /// "the literal", "the hex string".
        what: &'static str,
    },
    /// The pattern is longer than generated code can compare.
    #[error("{what} has {bytes} bytes; the limit is {limit}")]
    TooLong {
        /// "the literal", "the hex string".
        what: &'static str,
        /// Its length after escapes, in bytes.
        bytes: usize,
        /// [`LITERAL_BYTES_MAX`](super::ir::LITERAL_BYTES_MAX).
        limit: usize,
    },
    /// A pattern that becomes too large when it is written out.
    #[error("{what} has {positions} positions; the limit is {limit}")]
    TooManyPositions {
        /// "the regular expression, with its repetitions written out,".
        what: &'static str,
        /// How many bytes, classes and assertions it has.
        positions: usize,
        /// [`POSITIONS_MAX`](super::pattern::regex::POSITIONS_MAX).
        limit: usize,
    },
    /// More patterns than one program can count.
    #[error("{patterns} patterns; the limit of one program is {limit}")]
    TooManyPatterns {
        /// How many there are.
        patterns: usize,
        /// [`PATTERNS_MAX`](super::ir::PATTERNS_MAX).
        limit: usize,
    },
    /// A verdict that means nothing where the program runs.
    #[error("verdict {verdict} on {entry}: {why}")]
    Verdict {
        /// Its word.
        verdict: &'static str,
        /// [`Entry::name`](super::Entry::name).
        entry: &'static str,
        /// What would happen.
        why: &'static str,
    },
    /// The chosen strategy does not fit the target's program size limit.
    #[error("the program needs {needed} slots; the target allows {limit}")]
    ProgramTooLarge {
        /// What the plan came to, in slots.
        needed: usize,
        /// The target's limit, in slots.
        limit: usize,
    },
    /// More programs than tail calls join.
    #[error(
        "searching {patterns} patterns takes {needed} programs or more, joined by tail calls; the limit \
         is {limit}, and they hold about {fit} of these patterns"
    )]
    TooManyPrograms {
        /// How many are to be searched.
        patterns: usize,
        /// How many it came to.
        needed: usize,
        /// [`PROGRAMS_MAX`](super::chain::PROGRAMS_MAX).
        limit: usize,
        /// About how many patterns like these fit.
        fit: usize,
    },
    /// The strategy that was asked for cannot do this.
    #[error("strategy {strategy} cannot search pattern {id}: {why}")]
    Strategy {
        /// Its name.
        strategy: Strategy,
        /// The pattern.
        id: u32,
        /// What it would need.
        why: String,
    },
    /// No strategy can answer the question on this target.
    #[error("{what} cannot be compiled for this target: {why}")]
    Target {
        /// What was asked for: "a search of fragments".
        what: String,
        /// What the target lacks.
        why: String,
    },
    /// An expression is too large for an automaton.
    #[error("pattern {id} cannot become an automaton")]
    Automaton {
        /// Id of the pattern.
        id: u32,
        /// The limit that it passes.
        #[source]
        source: BuildError,
    },
    /// The generated code could not be assembled.
    #[error("the program could not be assembled")]
    Assemble(#[source] AsmError),
}

impl From<AsmError> for CompileError {
    fn from(error: AsmError) -> Self {
        match error {
            AsmError::TooLarge { needed, limit } => Self::ProgramTooLarge {
                needed,
                limit: usize::try_from(limit).unwrap_or(usize::MAX),
            },
            AsmError::UnboundLabel { .. }
            | AsmError::OutOfRange { .. }
            | AsmError::Structure { .. } => Self::Assemble(error),
        }
    }
}

impl CompileError {
    /// The part of the pattern text to underline, in bytes, if any.
    pub fn span(&self) -> Option<&Range<usize>> {
        match self {
            Self::Syntax { span, .. }
            | Self::NotSupported { span, .. }
            | Self::Never { span, .. }
            | Self::Always { span, .. } => Some(span),
            Self::Empty { .. }
            | Self::TooLong { .. }
            | Self::TooManyPositions { .. }
            | Self::TooManyPatterns { .. }
            | Self::Verdict { .. }
            | Self::ProgramTooLarge { .. }
            | Self::TooManyPrograms { .. }
            | Self::Strategy { .. }
            | Self::Target { .. }
            | Self::Automaton { .. }
            | Self::Assemble(_) => None,
        }
    }

    /// One sentence of advice, or nothing. Never a guess.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Syntax { hint, .. } | Self::NotSupported { hint, .. } => Some(hint),
            Self::Never { .. } => Some("lower the number, or count in more bytes"),
            Self::Always { .. } => Some("leave it away, or ask for another number"),
            Self::Empty { .. } => Some("write at least one byte"),
            Self::TooLong { .. } => Some("search for a part of it that is rare enough"),
            Self::TooManyPositions { .. } => Some("repeat fewer times, or write {3,} for {3,9999}"),
            Self::TooManyPatterns { .. } => Some("split the set over several programs"),
            Self::Verdict { .. } => Some("pass lets it go, redirect:IFACE sends it elsewhere"),
            Self::ProgramTooLarge { .. } => Some("split the set over several programs"),
            Self::TooManyPrograms { .. } => Some(
                "search for fewer or shorter patterns at once, or run the rest as programs of their own",
            ),
            Self::Strategy { .. } => Some("leave --strategy away: then one is chosen that can"),
            Self::Target { .. } => {
                Some("compile for a newer kernel, or search for fewer or shorter patterns")
            }
            Self::Automaton { .. } => Some(
                "bound its repetitions, make it shorter, or raise --states-max and --steps-max",
            ),
            Self::Assemble(_) => Some("this is a bug in Hardwire; please report it"),
        }
    }

    /// The same error, about a text in front of which `bytes` more bytes stand.
    #[must_use]
    pub(crate) fn behind(mut self, bytes: usize) -> Self {
        if let Self::Syntax { span, .. } | Self::NotSupported { span, .. } = &mut self {
            *span = span.start + bytes..span.end + bytes;
        }
        self
    }
}
