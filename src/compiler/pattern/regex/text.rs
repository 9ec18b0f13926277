//! A pattern is bytes, the parser takes characters: bytes that are not UTF-8 are given to it as
//! `\xNN`, and the spans of its answer are led back to the bytes.

use std::fmt::Write as _;
use std::ops::Range;

use super::super::CompileError;

/// A pattern as the parser takes it.
pub(super) struct Text {
    /// The characters.
    pub(super) characters: String,
    /// Where in `characters` a byte was written as an escape, ascending. Each made the text longer
    /// by [`GROWTH`].
    escaped: Vec<usize>,
}

/// Bytes of `\xNN`.
const ESCAPE: usize = 4;
/// What an escape is longer than the byte it stands for.
const GROWTH: usize = ESCAPE - 1;

impl Text {
    /// # Errors
    ///
    /// A byte that is not UTF-8 stands behind a backslash: what it meant would be changed.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, CompileError> {
        let mut text = Self { characters: String::with_capacity(bytes.len()), escaped: Vec::new() };
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            text.characters.push_str(chunk.valid());
            at += chunk.valid().len();
            for byte in chunk.invalid() {
                let backslashes = bytes[..at].iter().rev().take_while(|b| **b == b'\\').count();
                if backslashes % 2 == 1 {
                    let what = format!("unknown escape \\\\x{byte:02x}");
                    let hint = "write the byte without a backslash";
                    return Err(CompileError::Syntax { what, span: at - 1..at + 1, hint });
                }
                text.escaped.push(text.characters.len());
                // A string takes everything that is written to it.
                let _ = write!(text.characters, "\\x{byte:02x}");
                at += 1;
            }
        }
        Ok(text)
    }

    /// The bytes of the pattern that `span` of the characters stands for.
    pub(super) fn original(&self, span: Range<usize>) -> Range<usize> {
        self.position(span.start, 0)..self.position(span.end, ESCAPE - 1)
    }

    /// A position inside an escape is that of its byte, or with `round_up` the one behind it.
    fn position(&self, at: usize, round_up: usize) -> usize {
        let mut growth = 0;
        for &start in self.escaped.iter().take_while(|start| **start < at) {
            let into = at - start;
            if into < ESCAPE {
                return start - growth + usize::from(round_up > 0);
            }
            growth += GROWTH;
        }
        at - growth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_text_become_escapes_and_spans_lead_back() {
        let text = Text::new(b"a\xff\xfe(\xc3\xa9\xff").expect("no backslash");
        assert_eq!(text.characters, "a\\xff\\xfe(\u{e9}\\xff");
        let cases =
            [(0..1, 0..1), (1..5, 1..2), (5..9, 2..3), (9..10, 3..4), (2..3, 1..2), (12..16, 6..7)];
        for (span, want) in cases {
            assert_eq!(text.original(span.clone()), want, "{span:?}");
        }
        assert_eq!(text.original(16..16), 7..7, "the end");
    }

    #[test]
    fn a_byte_behind_a_backslash_is_not_silently_something_else() {
        let error = Text::new(b"a\\\xff").err().expect("refused");
        assert_eq!(error.to_string(), "unknown escape \\\\xff at byte 1");
        assert_eq!(error.span(), Some(&(1..3)));
        assert!(Text::new(b"a\\\\\xff").is_ok(), "an escaped backslash is one");
    }
}
