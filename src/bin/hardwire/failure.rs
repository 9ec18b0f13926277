//! What is told of a failure: one line with what, where and what to do; its causes; and for a
//! pattern the piece of it that is meant.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::ops::Range;

use hardwire::capture::CaptureError;
use hardwire::compiler::CompileError;
use hardwire::loader::features::{self, ProbeError};
use hardwire::loader::{LoadError, ObjectError, capability};

/// Columns of a pattern that are shown around the underlined piece.
const SNIPPET_COLUMNS_MAX: usize = 72;

/// Why a verb did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Each of them is reported.
    Problems(Vec<Problem>),
    /// The command line contradicts itself, whatever it is applied to.
    Usage(Problem),
    /// Whoever read standard output has enough. That is success.
    ClosedPipe,
}

impl Failure {
    /// The first line of what is told.
    pub(crate) fn headline(&self) -> String {
        match self {
            Self::Problems(problems) => problems.first().map(Problem::headline).unwrap_or_default(),
            Self::Usage(problem) => problem.headline(),
            Self::ClosedPipe => "nobody reads any more".to_owned(),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    what: String,
    place: Option<String>,
    hint: Option<String>,
    causes: Vec<String>,
    snippet: Option<String>,
}

impl Problem {
    /// A problem of which only one line is known.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: None, hint: None, causes: Vec::new(), snippet: None }
    }

    /// An error and all its causes.
    pub(crate) fn of(error: &dyn Error) -> Self {
        Self::new(error.to_string()).because_of(error.source())
    }

    /// `what` went wrong because of `error`.
    pub(crate) fn because(what: impl Into<String>, error: &dyn Error) -> Self {
        Self::new(what).because_of(Some(error))
    }

    fn because_of(mut self, mut cause: Option<&dyn Error>) -> Self {
        while let Some(error) = cause {
            self.causes.push(error.to_string());
            cause = error.source();
        }
        self
    }

    /// A pattern that cannot be compiled: `text` is what the spans of `error` point into.
    pub(crate) fn of_pattern(error: &CompileError, place: String, text: &[u8]) -> Self {
        let mut problem = Self::of(error).at(place).hint_if(error.hint());
        problem.snippet = error.span().map(|span| snippet(text, span));
        problem
    }

    /// A program that cannot be loaded. If rights are missing, all that are needed are told at
    /// once: the kernel stops at the first.
    pub(crate) fn of_load(error: &LoadError) -> Self {
        let hint = if is_forbidden(error) { rights_hint() } else { None };
        let more = || {
            let rejected = error.verifier_log().is_some();
            rejected.then(|| "`hardwire verify` with the same options says more".to_owned())
        };
        let mut problem = Self::of(error).hint_if(hint.or_else(|| error.hint()).or_else(more));
        if error.verifier_log().is_some() {
            // The number that comes with a rejection (EACCES, as a rule) is about no permission.
            problem.causes.clear();
        }
        problem
    }

    /// A capture that cannot be read (any further).
    pub(crate) fn of_capture(error: &CaptureError, place: String) -> Self {
        Self::of(error).at(place).hint(error.hint())
    }

    /// An object that cannot be used.
    pub(crate) fn of_object(error: &ObjectError, place: impl Into<String>) -> Self {
        Self::of(error).at(place).hint_if(error.hint())
    }

    /// A kernel that could not be asked what it can do.
    pub(crate) fn of_probe(error: &ProbeError) -> Self {
        // The hint names all that the verb needs, and what probing lacks is among it.
        if let (ProbeError::Privilege { .. }, Some(hint)) = (error, rights_hint()) {
            return Self::new("this process may not ask the kernel what it can do").hint(hint);
        }
        Self::of(error).hint_if(error.hint())
    }

    /// Patterns that cannot be compiled together.
    pub(crate) fn of_compilation(error: &CompileError) -> Self {
        Self::of(error).hint_if(error.hint())
    }

    /// Where it is.
    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// Where it is, unless that is known better.
    pub(crate) fn at_least_at(mut self, place: &str) -> Self {
        self.place.get_or_insert_with(|| place.to_owned());
        self
    }

    /// One more line below it.
    pub(crate) fn detail(mut self, line: impl Into<String>) -> Self {
        let snippet = self.snippet.get_or_insert_default();
        // A string takes everything that is written to it.
        let _ = writeln!(snippet, "  {}", printable(&line.into()));
        self
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it, if somebody knows.
    pub(crate) fn hint_if(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }

    /// The first line: what, where, what to do.
    pub(crate) fn headline(&self) -> String {
        let parts = [Some(&self.what), self.place.as_ref(), self.hint.as_ref()];
        let parts: Vec<_> = parts.into_iter().flatten().map(|part| printable(part)).collect();
        parts.join(": ")
    }

    /// The lines below it.
    pub(crate) fn details(&self) -> String {
        let mut text = String::new();
        for cause in &self.causes {
            let cause: Vec<_> = cause.lines().map(printable).collect();
            // A string takes everything that is written to it.
            let _ = writeln!(text, "  caused by: {}", cause.join("\n    "));
        }
        text + self.snippet.as_deref().unwrap_or("")
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}

/// Standard output is the one place whose errors need no more words than this.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ClosedPipe;
        }
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        let hint = if full.contains(&error.kind()) {
            "make room where it goes, or redirect it elsewhere"
        } else {
            "redirect it to a file or a pipe that takes it"
        };
        Problem::because("cannot write to standard output", &error).hint(hint).into()
    }
}

/// All capabilities that are missing to attach, and how to get them.
fn rights_hint() -> Option<String> {
    let missing = features::missing_to_attach();
    let names: Vec<_> = missing.iter().map(|capability| capability.name()).collect();
    let (names, setcap) = (names.join(", "), capability::setcap(&missing));
    (!missing.is_empty()).then(|| format!("missing {names}: run as root, or `{setcap}`"))
}

/// Is missing permission at the bottom of `error`, before any verifier looked at the program?
fn is_forbidden(error: &LoadError) -> bool {
    let mut cause = error.verifier_log().is_none().then_some(error as &dyn Error);
    while let Some(error) = cause {
        let forbidden = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        if error.downcast_ref().is_some_and(forbidden) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// `text` without anything that a terminal obeys.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// The bytes of a pattern as they are shown: text as text, the rest as escapes that a pattern may
/// have.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    let escape = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            let _ = write!(text, "\\x{byte:02x}");
        }
    };
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() && !"\n\r\t".contains(character) {
                escape(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push_str(&printable(character.encode_utf8(&mut [0; 4])));
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

/// `text` with the piece at `span` underlined; of a long text the part around it.
fn snippet(text: &[u8], span: &Range<usize>) -> String {
    let (start, end) = (span.start.min(text.len()), span.end.min(text.len()));
    let before = shown(&text[..start]);
    let piece = shown(&text[start..end]);
    let after = shown(&text[end..]);

    let kept = SNIPPET_COLUMNS_MAX / 2;
    let skipped = before.chars().count().saturating_sub(kept);
    let ellipsis = if skipped > 0 { "..." } else { "" };
    let before: String = before.chars().skip(skipped).collect();
    let before = format!("{ellipsis}{before}");
    let piece: String = piece.chars().take(SNIPPET_COLUMNS_MAX).collect();
    let rest = SNIPPET_COLUMNS_MAX.saturating_sub(before.chars().count() + piece.chars().count());
    let more = if after.chars().count() > rest { "..." } else { "" };
    let after: String = after.chars().take(rest).collect();

    let indent = " ".repeat(before.chars().count());
    let line = "^".repeat(piece.chars().count().max(1));
    format!("   |\n   | {before}{piece}{after}{more}\n   | {indent}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_underlined_where_it_is_seen() {
        let cases: &[(&str, &[u8], Range<usize>, &str)] = &[
            ("text", b"abc\\q", 3..5, "   |\n   | abc\\q\n   |    ^^\n"),
            ("the end", b"ab", 2..2, "   |\n   | ab\n   |   ^\n"),
            ("two bytes, one column", "\u{e9}x".as_bytes(), 2..3, "   |\n   | \u{e9}x\n   |  ^\n"),
            ("one byte, four columns", b"\xffx", 1..2, "   |\n   | \\xffx\n   |     ^\n"),
            ("a control character", b"\x1bx", 1..2, "   |\n   | \\x1bx\n   |     ^\n"),
            ("a line feed", b"\nx", 1..2, "   |\n   | \\nx\n   |   ^\n"),
        ];
        for (what, text, span, want) in cases {
            assert_eq!(snippet(text, span), *want, "{what}");
        }
    }

    #[test]
    fn of_a_long_pattern_only_the_part_around_the_mistake_is_shown() {
        let text = vec![b'a'; 5000];
        for span in [0..1, 2500..2502, 4999..5000, 5000..5000] {
            let widest = snippet(&text, &span).lines().map(str::len).max().unwrap_or(0);
            assert!(widest < 90, "{span:?} is {widest} columns wide");
        }
    }

    #[test]
    fn a_message_is_one_line_without_control_characters() {
        let problem = Problem::new("bad\nname").at("in \x1b[31m").hint("rename it");
        assert_eq!(problem.headline(), "bad\\nname: in \\u{1b}[31m: rename it");
    }
}
