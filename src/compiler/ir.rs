//! What is to be found, where, and what then: the input of every engine.

use regex_syntax::hir::Hir;

use super::frequency::Condition;

/// Most bytes of one literal. Keeps every offset of generated code far inside 16 bits.
pub const LITERAL_BYTES_MAX: usize = 1024;
/// Most patterns of one program; bounded by the size of the map that counts their hits.
pub const PATTERNS_MAX: usize = 1 << 16;
/// Longest frame that is searched whole, in bytes.
pub const FRAME_BYTES_MAX: u32 = 65_535;

/// Where in the scope an occurrence must lie: inside `[offset, offset + depth)`, whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Window {
    /// First byte of the scope that may belong to an occurrence.
    pub offset: u32,
    /// Length of the window in bytes; `None` is to the end of the scope.
    pub depth: Option<u32>,
}

impl Window {
    /// The exclusive end of the window, if it has one.
    pub fn end(&self) -> Option<u64> {
        self.depth.map(|depth| u64::from(self.offset) + u64::from(depth))
    }
}

/// A byte string.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Literal {
    /// The bytes to find; never empty, at most [`LITERAL_BYTES_MAX`].
    pub bytes: Vec<u8>,
    /// Do ASCII letters match in either case?
    pub ignore_case: bool,
}

impl Literal {
    /// For each byte the bits that do not matter: the one that tells upper case from lower, in letters
    /// whose case is ignored.
    pub fn folds(&self) -> Vec<u8> {
        let fold =
            |byte: &u8| if self.ignore_case && byte.is_ascii_alphabetic() { 0x20 } else { 0 };
        self.bytes.iter().map(fold).collect()
    }
}

/// A regular language over bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// The expression: over bytes, without captures.
    pub hir: Hir,
    /// As it was written, for listings and messages.
    pub text: String,
}

/// What is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// These bytes.
    Literal(Literal),
    /// What a regular expression, or a hex string with wildcards, stands for.
    Regex(Expression),
    /// Nothing is looked for: bytes are counted. A frame matches only if all conditions of a matcher
    /// hold and, if it has other patterns, one of those occurs.
    Frequency(Condition),
}

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Its number in the order of the command line, from 1.
    pub id: u32,
    /// What is to be found.
    pub body: Body,
    /// Where an occurrence must lie.
    pub window: Window,
}

impl Pattern {
    /// A literal that may lie anywhere in the scope.
    pub fn literal(id: u32, bytes: impl Into<Vec<u8>>) -> Self {
        let literal = Literal { bytes: bytes.into(), ignore_case: false };
        Self { id, body: Body::Literal(literal), window: Window::default() }
    }

    /// The literal, if it is one.
    pub fn as_literal(&self) -> Option<&Literal> {
        match &self.body {
            Body::Literal(literal) => Some(literal),
            Body::Regex(_) | Body::Frequency(_) => None,
        }
    }

    /// The condition, if it is one.
    pub fn as_condition(&self) -> Option<&Condition> {
        match &self.body {
            Body::Frequency(condition) => Some(condition),
            Body::Literal(_) | Body::Regex(_) => None,
        }
    }

    /// The same, for a literal with ASCII letters in either case.
    #[must_use]
    pub fn ignoring_case(mut self, ignore_case: bool) -> Self {
        match &mut self.body {
            Body::Literal(literal) => literal.ignore_case = ignore_case,
            // An expression says for each of its parts whether case matters, a condition for each byte.
            Body::Regex(_) | Body::Frequency(_) => {}
        }
        self
    }

    /// The same, inside `window`.
    #[must_use]
    pub fn within(self, window: Window) -> Self {
        Self { window, ..self }
    }
}

/// Which bytes of a frame are searched. The exact rules: [`scope`](super::scope).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The TCP or UDP payload; frames without one are out of scope.
    Payload,
    /// All bytes of the frame as the hook sees it.
    Packet,
    /// The whole input.
    Raw,
}

impl Scope {
    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Packet => "packet",
            Self::Raw => "raw",
        }
    }
}

/// How much is reported of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Report {
    /// Stop at the first occurrence found; one pattern that really occurs is named.
    First,
    /// The exact set of patterns that occur, each with its smallest exclusive end.
    All,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Up the stack (`XDP_PASS`); a socket filter keeps the packet.
    Pass,
    /// Gone (`XDP_DROP`); a socket filter drops the packet.
    Drop,
    /// Gone, with the tracepoint `xdp_exception` (`XDP_ABORTED`).
    Abort,
    /// Back out of the same interface (`XDP_TX`).
    Tx,
    /// Out of another interface (`XDP_REDIRECT`).
    Redirect {
        /// Index of that interface.
        ifindex: u32,
    },
}

impl Matcher {
    /// The conditions, with their positions in [`patterns`](Self::patterns).
    pub fn conditions(&self) -> impl Iterator<Item = (usize, &Pattern, &Condition)> {
        let all = self.patterns.iter().enumerate();
        all.filter_map(|(at, pattern)| Some((at, pattern, pattern.as_condition()?)))
    }

    /// How many patterns are looked for: all but the conditions.
    pub fn sought(&self) -> usize {
        self.patterns.len() - self.conditions().count()
    }
}

impl Verdict {
    /// The word of the command line and of machine formats, without the interface.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::Abort => "abort",
            Self::Tx => "tx",
            Self::Redirect { .. } => "redirect",
        }
    }

    /// The value an XDP program returns (`enum xdp_action` in `include/uapi/linux/bpf.h`).
    pub const fn xdp_action(self) -> i32 {
        match self {
            Self::Abort => 0,
            Self::Drop => 1,
            Self::Pass => 2,
            Self::Tx => 3,
            Self::Redirect { .. } => 4,
        }
    }
}

/// The verdict for each outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdicts {
    /// For a frame in which a pattern was found.
    pub on_match: Verdict,
    /// For a frame in scope in which none was found, or which could not be searched.
    pub on_miss: Verdict,
    /// For a frame without a scope.
    pub out_of_scope: Verdict,
}

impl Default for Verdicts {
    /// Observe and count.
    fn default() -> Self {
        Self { on_match: Verdict::Pass, on_miss: Verdict::Pass, out_of_scope: Verdict::Pass }
    }
}

/// Everything that determines the answer for a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The patterns, with ascending ids. None at all matches nothing.
    pub patterns: Vec<Pattern>,
    /// Where to look.
    pub scope: Scope,
    /// How much to say.
    pub report: Report,
    /// What then.
    pub verdicts: Verdicts,
}

/// One pattern that occurs, or a condition that holds for a frame that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Match {
    /// The pattern's id.
    pub id: u32,
    /// Exclusive end of an occurrence, counted from the start of the scope; with
    /// [`Report::All`] the smallest of all its occurrences. A condition has none.
    pub end: Option<u32>,
}

/// What an engine says about one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Did the frame have the scope?
    pub in_scope: bool,
    /// Could all of the scope be searched? (A match counts as searched.)
    pub searched: bool,
    /// What becomes of the frame.
    pub verdict: Verdict,
    /// What was found, by id.
    pub matches: Vec<Match>,
}
