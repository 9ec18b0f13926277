//! Pattern files: one pattern a line.
//!
//! A line is a literal, or `hex:` and a hex string, or `re:` and a regular expression. Lines that
//! begin with `#` and empty lines are skipped and take no id. A line is verbatim but for its end
//! (LF or CRLF): spaces belong to the literal, and a literal that begins with `#`, `hex:` or `re:`
//! is written with an escape (`\x23`).

use super::{Syntax, Written};
use crate::compiler::CompileError;

/// The mark that some editors put in front of UTF-8 text. It would silently become part of the
/// first pattern.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The same in UTF-16; only with a zero behind them, for they may also begin a literal.
const WIDE_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// A line that holds a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: usize,
    /// The pattern, without options.
    pub pattern: Written,
}

/// A line that does not hold a pattern but should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Its number in the file, from 1.
    pub number: usize,
    /// The whole line, without its end; spans of `error` count from its start.
    pub text: Vec<u8>,
    /// What is wrong with it.
    pub error: CompileError,
}

/// The patterns of a file, in order, each of them well-formed.
///
/// # Errors
///
/// All lines that are not well-formed, at once.
pub fn parse(text: &[u8]) -> Result<Vec<Line>, Vec<LineError>> {
    let mut lines = Vec::new();
    let mut errors = Vec::new();
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let line = without_end(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match pattern(number, line) {
            Ok(pattern) => lines.push(Line { number, pattern }),
            Err(error) => errors.push(LineError { number, text: line.to_vec(), error }),
        }
    }
    if errors.is_empty() { Ok(lines) } else { Err(errors) }
}

/// A carriage return belongs to the end only in front of a line feed.
fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n")).unwrap_or(line)
}

fn pattern(number: usize, line: &[u8]) -> Result<Written, CompileError> {
    if number == 1 && line.starts_with(BYTE_ORDER_MARK) {
        return Err(CompileError::Syntax {
            what: "a byte order mark".to_owned(),
            span: 0..BYTE_ORDER_MARK.len(),
            hint: "save the file without it, or write \\xef\\xbb\\xbf if it is meant",
        });
    }
    let utf_16 = WIDE_MARKS.iter().any(|mark| line.starts_with(mark)) && line.contains(&0);
    if number == 1 && utf_16 {
        return Err(CompileError::Syntax {
            what: "text in UTF-16".to_owned(),
            span: 0..WIDE_MARKS[0].len(),
            hint: "save the file as UTF-8, or write \\xff\\xfe if it is meant",
        });
    }
    let (syntax, prefix) = if line.starts_with(b"hex:") {
        (Syntax::Hex, 4)
    } else if line.starts_with(b"re:") {
        (Syntax::Regex, 3)
    } else {
        (Syntax::Literal, 0)
    };
    let written = Written::new(syntax, &line[prefix..]);
    // Lowered once here, so that a file is either good as a whole or all of its mistakes are told.
    written.lower(1).map_err(|error| error.behind(prefix))?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let lines = parse(text).expect("a good file");
        lines
            .into_iter()
            .map(|line| (line.number, line.pattern.lower(1).expect("a good line")))
            .map(|(number, pattern)| {
                (number, pattern.as_literal().expect("literals").bytes.clone())
            })
            .collect()
    }

    #[test]
    fn a_line_is_a_pattern() {
        type Lines = &'static [(usize, &'static [u8])];
        let cases: &[(&str, &[u8], Lines)] = &[
            ("nothing", b"", &[]),
            ("comments and empty lines", b"# a\n\n\r\n#", &[]),
            ("literals", b"GET\nPOST\n", &[(1, b"GET"), (2, b"POST")]),
            ("the last line needs no end", b"GET", &[(1, b"GET")]),
            ("CRLF", b"GET\r\n\r\nPOST\r\n", &[(1, b"GET"), (3, b"POST")]),
            ("a lone carriage return is text", b"a\rb\nc\r", &[(1, b"a\rb"), (2, b"c\r")]),
            ("spaces are text", b" a \n  \n", &[(1, b" a "), (2, b"  ")]),
            ("a comment only at the start", b"a # b\n #", &[(1, b"a # b"), (2, b" #")]),
            ("an escaped sign", b"\\x23a", &[(1, b"#a")]),
            ("hex", b"hex: DE AD\nhex:00", &[(1, b"\xde\xad"), (2, b"\0")]),
            ("an escaped prefix", b"\\x68ex:00", &[(1, b"hex:00")]),
            ("not UTF-8", b"\xff\xfe", &[(1, b"\xff\xfe")]),
            ("duplicates", b"a\na", &[(1, b"a"), (2, b"a")]),
        ];
        for (what, text, want) in cases {
            let want: Vec<_> = want.iter().map(|(n, bytes)| (*n, bytes.to_vec())).collect();
            assert_eq!(lines(text), want, "{what}");
        }
    }

    #[test]
    fn all_mistakes_of_a_file_are_told_at_once_with_line_and_place() {
        let text = b"good\nbad\\q\n# fine\nhex:DE A\nre:(a\nhex:\n";
        let errors = parse(text).expect_err("four mistakes");
        let got: Vec<_> =
            errors.iter().map(|e| (e.number, e.error.to_string(), e.error.span())).collect();
        let want = [
            (2, "unknown escape \\q at byte 3".to_owned(), Some(&(3..5))),
            (4, "odd number of hex digits (3): A stands alone at byte 7".to_owned(), Some(&(7..8))),
            (5, "a group that is not closed at byte 3".to_owned(), Some(&(3..4))),
            (6, "the hex string is empty".to_owned(), None),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn a_byte_order_mark_is_not_silently_part_of_a_pattern() {
        let errors = parse(b"\xef\xbb\xbfGET\n").expect_err("a mark");
        assert_eq!(errors[0].error.to_string(), "a byte order mark at byte 0");
        assert_eq!(lines(b"a\n\xef\xbb\xbf").len(), 2, "elsewhere it is text");
        let errors = parse(b"\xff\xfea\0b\0\n\0").expect_err("not meant");
        assert_eq!(errors[0].error.to_string(), "text in UTF-16 at byte 0");
    }
}
