//! What is wrong with an expression, in the user's terms: what stands there, and what can be
//! written instead. Forms that other dialects have are named, since rules are often copied from
//! them.

use std::ops::Range;

use regex_syntax::{ast, hir};

use super::super::CompileError;
use super::text::Text;

const NO_LOOK_AROUND: &str = "write the cases out as alternatives (A|B), or use two patterns; \
     \\b, ^, $, \\A and \\z are there";
const NO_BACK_REFERENCE: &str = "repeat the group itself if any text that it matches will do";
const HEX_DIGITS: &str = "write two hex digits behind \\x, or \\x{…}";
const ESCAPES: &str = "write a character that is not a letter or digit with a backslash, and a \
     byte as \\xNN";
const BRACE: &str = "write \\{ for a brace; a repetition is {3}, {3,} or {3,5}";

/// An expression that the parser does not take.
pub(super) fn of_syntax(text: &Text, error: &ast::Error) -> CompileError {
    use ast::ErrorKind as Kind;

    let span = span_of(error.span());
    let characters = text.characters.as_str();
    let piece = characters.get(span.clone()).unwrap_or("");
    let (what, hint): (String, &'static str) = match error.kind() {
        Kind::UnsupportedLookAround => {
            return syntax(text, span, look_around(piece), NO_LOOK_AROUND);
        }
        Kind::UnsupportedBackreference if piece == "\\0" => {
            ("octal escapes are not supported".into(), "write \\x00 for a zero byte")
        }
        Kind::UnsupportedBackreference => {
            let what = format!("a finite automaton cannot hold the back-reference {piece}");
            (what, NO_BACK_REFERENCE)
        }
        Kind::FlagUnrecognized | Kind::FlagUnexpectedEof => return flag(text, span),
        Kind::EscapeUnrecognized => (format!("unknown escape {piece}"), escape(piece)),
        Kind::ClassEscapeInvalid => (
            format!("{piece} is an assertion, which a class cannot hold"),
            match piece {
                "\\<" => "write < without a backslash",
                "\\>" => "write > without a backslash",
                "\\b" => "write \\x08 for a backspace",
                _ => "write the assertion outside of the class",
            },
        ),
        Kind::EscapeHexEmpty | Kind::EscapeHexInvalid | Kind::EscapeHexInvalidDigit => {
            return syntax(text, back_to('\\', characters, span), "bad escape".into(), HEX_DIGITS);
        }
        Kind::EscapeUnexpectedEof => {
            ("an escape with nothing behind it".into(), "write \\\\ for a backslash")
        }
        Kind::RepetitionMissing => missing_repetition(characters, &span),
        Kind::RepetitionCountUnclosed
        | Kind::RepetitionCountDecimalEmpty
        | Kind::DecimalEmpty
        | Kind::DecimalInvalid => {
            return syntax(text, back_to('{', characters, span), "a bad repetition".into(), BRACE);
        }
        Kind::RepetitionCountInvalid => {
            ("a repetition whose least count is above its most".into(), "swap the two numbers")
        }
        Kind::ClassRangeInvalid => {
            ("a range that ends before it begins".into(), "swap the two, or write - last or as \\-")
        }
        Kind::ClassRangeLiteral => {
            ("a range that does not end with a character".into(), "write \\- for a hyphen")
        }
        Kind::ClassUnclosed => {
            ("a class that is not closed".into(), "close it with ], or write \\[ for a bracket")
        }
        Kind::GroupUnclosed => {
            ("a group that is not closed".into(), "close it with ), or write \\( for a parenthesis")
        }
        Kind::GroupUnopened => (
            "a parenthesis that closes nothing".into(),
            "write \\) for a parenthesis, or open the group",
        ),
        Kind::NestLimitExceeded(limit) => (
            format!("nesting {} levels deep; the limit is {limit}", u64::from(*limit) + 1),
            "write it with fewer groups inside groups",
        ),
        Kind::UnicodeClassInvalid => return unicode_class(text, span),
        Kind::SpecialWordBoundaryUnclosed
        | Kind::SpecialWordBoundaryUnrecognized
        | Kind::SpecialWordOrRepetitionUnexpectedEof => (
            "a bad word boundary".into(),
            "the forms are \\b, \\B, \\b{start}, \\b{end}, \\b{start-half} and \\b{end-half}",
        ),
        Kind::GroupNameEmpty
        | Kind::GroupNameInvalid
        | Kind::GroupNameUnexpectedEof
        | Kind::GroupNameDuplicate { .. } => {
            (error.kind().to_string(), "names say nothing here: write (…)")
        }
        Kind::FlagDanglingNegation
        | Kind::FlagDuplicate { .. }
        | Kind::FlagRepeatedNegation { .. } => {
            (error.kind().to_string(), "the flags are i, m, s, x, U and R, once each")
        }
        // Kinds are added as the syntax grows; what the parser says of them must do.
        other @ (Kind::CaptureLimitExceeded | _) => {
            (other.to_string(), "the syntax is that of the Rust crate regex")
        }
    };
    syntax(text, span, what, hint)
}

/// An expression that is well-formed, but does not stand for bytes.
pub(super) fn of_meaning(text: &Text, error: &hir::Error) -> CompileError {
    use hir::ErrorKind as Kind;

    let span = span_of(error.span());
    match error.kind() {
        Kind::UnicodeNotAllowed
        | Kind::UnicodePropertyNotFound
        | Kind::UnicodePropertyValueNotFound
        | Kind::UnicodePerlClassNotFound
        | Kind::UnicodeCaseUnavailable => unicode_class(text, span),
        // Kinds are added as the syntax grows; what the translator says of them must do.
        other @ (Kind::InvalidUtf8 | Kind::InvalidLineTerminator | _) => {
            let hint = "the syntax is that of the Rust crate regex, over bytes";
            syntax(text, span, other.to_string(), hint)
        }
    }
}

/// Something whose meaning the flag `u` changes.
pub(super) fn unicode_mode(text: &Text, span: &ast::Span) -> CompileError {
    let span = span_of(span);
    let piece = text.characters.get(span.clone()).unwrap_or("");
    let what = format!("{piece} with the flag u is not supported: patterns match bytes");
    let hint = "leave the flag u out; \\w, \\d, \\s and ignoring case know ASCII";
    syntax(text, span, what, hint)
}

fn syntax(text: &Text, span: Range<usize>, what: String, hint: &'static str) -> CompileError {
    CompileError::Syntax { what, span: text.original(span), hint }
}

fn span_of(span: &ast::Span) -> Range<usize> {
    span.start.offset..span.end.offset
}

fn look_around(piece: &str) -> String {
    let name = if piece.starts_with("(?<") { "look-behind" } else { "look-ahead" };
    format!("a finite automaton cannot hold the {name} {piece}…)")
}

/// A class of characters where only classes of bytes are possible.
fn unicode_class(text: &Text, span: Range<usize>) -> CompileError {
    let piece = text.characters.get(span.clone()).unwrap_or("");
    let (what, hint) = if piece.starts_with("\\p") || piece.starts_with("\\P") {
        let what = format!("the Unicode class {piece} is not supported: patterns match bytes");
        (what, "write a class of bytes: [a-zA-Z], [[:alpha:]], [\\x80-\\xff]")
    } else {
        let what = format!("{piece} is more than one byte, and a class holds single bytes");
        (what, "write it as an alternative (a|é), or its bytes as \\xNN")
    };
    syntax(text, span, what, hint)
}

/// `(?` and something that is no flag: most of these are groups of other dialects.
fn flag(text: &Text, span: Range<usize>) -> CompileError {
    let characters = text.characters.as_str();
    let start = characters.get(..span.start).and_then(|before| before.rfind("(?"));
    let start = start.unwrap_or(span.start);
    let group = characters.get(start..).unwrap_or("");
    let named = |prefix: &str| group.starts_with(prefix);
    let digit = group.as_bytes().get(2).is_some_and(u8::is_ascii_digit);
    let (what, hint) = if named("(?P=") {
        ("a finite automaton cannot hold a back-reference (?P=…)", NO_BACK_REFERENCE)
    } else if named("(?>") {
        (
            "a finite automaton cannot hold the atomic group (?>…)",
            "write (?:…), which matches at least as much",
        )
    } else if named("(?#") {
        ("there are no comments (?#…)", "use the flag x: (?x) a # comment")
    } else if named("(?|") {
        ("there are no groups (?|…) that share numbers", "write (?:…): nothing is captured here")
    } else if named("(?(") {
        ("a finite automaton cannot hold a condition (?(…)…)", NO_LOOK_AROUND)
    } else if named("(?&") || named("(?P>") || named("(?+") || digit {
        ("a finite automaton cannot hold recursion", "write the group out where it is called")
    } else if named("(?'") {
        ("there are no names in '…'", "names say nothing here: write (…)")
    } else {
        let hint = "the flags are i, m, s, x, U and R: (?i), (?s-m), (?i:…)";
        let what = format!("unknown flag in {}", characters.get(start..span.end).unwrap_or("(?"));
        return syntax(text, span, what, hint);
    };
    syntax(text, start..span.end, what.to_owned(), hint)
}

/// What to write instead of an escape that other dialects have.
fn escape(piece: &str) -> &'static str {
    match piece {
        "\\Z" => "write \\n?\\z, or \\z for the end itself",
        "\\h" => "write [ \\t]",
        "\\H" => "write [^ \\t]",
        "\\R" => "write (?:\\r\\n|[\\n\\x0b\\f\\r])",
        "\\N" => "write [^\\n]",
        "\\V" => "write [^\\n\\x0b\\f\\r]",
        "\\K" => "leave it out: where a match begins is not reported",
        "\\G" => "write ^ for the start of the scope",
        "\\e" => "write \\x1b",
        "\\c" => "write the control character as \\xNN",
        "\\o" => "write the byte as \\xNN",
        "\\C" => "write (?s:.) for any byte",
        "\\X" => "write (?s:.) for any byte; there are no Unicode characters here",
        "\\Q" | "\\E" => "write each special character with a backslash",
        "\\g" | "\\k" => "this is a back-reference, which a finite automaton cannot hold",
        _ => ESCAPES,
    }
}

/// `span` with all in front of it from the last `opening` on: the parser points at the character
/// that it did not expect.
fn back_to(opening: char, characters: &str, span: Range<usize>) -> Range<usize> {
    let start = characters.get(..span.end).and_then(|before| before.rfind(opening));
    start.unwrap_or(span.start)..span.end
}

fn missing_repetition(characters: &str, span: &Range<usize>) -> (String, &'static str) {
    match characters.get(span.start..).and_then(|rest| rest.chars().next()) {
        Some('{') => ("a repetition of nothing".into(), BRACE),
        Some('*') if characters.get(..span.start).is_some_and(|before| before.ends_with('(')) => {
            ("there are no verbs (*…)".into(), "leave it out, or write \\* for a star")
        }
        Some(sign) => (
            format!("the repetition {sign} has nothing to repeat"),
            "write \\*, \\+ or \\? for the character itself",
        ),
        None => ("a repetition of nothing".into(), BRACE),
    }
}
