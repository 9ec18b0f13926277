//! Literals with escapes: `\xNN \n \r \t \0 \\`. Every other byte stands for itself.

use super::{CompileError, of_legal_length};

const HINT: &str = "the escapes are \\xNN, \\n, \\r, \\t, \\0 and \\\\";

/// The bytes a literal stands for; at least one, at most
/// [`LITERAL_BYTES_MAX`](crate::compiler::ir::LITERAL_BYTES_MAX).
///
/// # Errors
///
/// The literal is empty or too long, or an escape in it is unknown or incomplete.
pub fn parse(text: &[u8]) -> Result<Vec<u8>, CompileError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == b'\\' {
            let (escaped, length) = escape(text, at)?;
            bytes.push(escaped);
            at += length;
        } else {
            bytes.push(byte);
            at += 1;
        }
    }
    of_legal_length("the literal", bytes)
}

/// The byte that the escape at `at` stands for, and the length of the escape.
fn escape(text: &[u8], at: usize) -> Result<(u8, usize), CompileError> {
    let simple = match text.get(at + 1) {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'0') => 0,
        Some(b'\\') => b'\\',
        Some(b'x') => return hex_escape(text, at),
        Some(_) => {
            let end = end_of_character(text, at + 1);
            let what = format!("unknown escape {}", shown(&text[at..end]));
            return Err(CompileError::Syntax { what, span: at..end, hint: HINT });
        }
        None => {
            let what = "a backslash with nothing behind it".to_owned();
            let hint = "write \\\\ for a backslash";
            return Err(CompileError::Syntax { what, span: at..at + 1, hint });
        }
    };
    Ok((simple, 2))
}

fn hex_escape(text: &[u8], at: usize) -> Result<(u8, usize), CompileError> {
    let digit = |place: usize| text.get(place).copied().and_then(super::hex::digit);
    if let (Some(high), Some(low)) = (digit(at + 2), digit(at + 3)) {
        return Ok((high << 4 | low, 4));
    }
    let end = (at + 4).min(text.len());
    let what = format!("bad escape {}", shown(&text[at..end]));
    let hint = "write two hex digits behind \\x";
    Err(CompileError::Syntax { what, span: at..end, hint })
}

/// The end of the character that begins at `at`, so that a message does not cut one in two.
fn end_of_character(text: &[u8], at: usize) -> usize {
    let continuing = |byte: &&u8| **byte & 0xc0 == 0x80;
    at + 1 + text[at + 1..].iter().take(3).take_while(continuing).count()
}

/// A piece of a pattern in a message.
pub(in crate::compiler) fn shown(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        Ok(_) | Err(_) => text.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compiler::ir::LITERAL_BYTES_MAX;

    #[test]
    fn a_literal_stands_for_its_bytes() {
        let cases: &[(&str, &[u8], &[u8])] = &[
            ("plain text", b"GET /", b"GET /"),
            ("spaces are verbatim", b"  a ", b"  a "),
            ("every escape", b"\\x00\\xfF\\n\\r\\t\\0\\\\", b"\x00\xff\n\r\t\0\\"),
            ("digits behind an escape are text", b"\\x414\\01", b"A4\x001"),
            ("UTF-8 is its bytes", "\u{e9}".as_bytes(), b"\xc3\xa9"),
            ("what is not UTF-8 is bytes too", b"\xff\xfe", b"\xff\xfe"),
            ("no other character is special", b"$^.*+?()[]{}|\"'#-", b"$^.*+?()[]{}|\"'#-"),
        ];
        for (what, text, bytes) in cases {
            assert_eq!(parse(text).as_deref(), Ok(*bytes), "{what}");
        }
    }

    #[test]
    fn a_bad_literal_is_refused_with_its_place() {
        type Span = Option<std::ops::Range<usize>>;
        let cases: &[(&str, &[u8], &str, Span)] = &[
            ("nothing", b"", "the literal is empty", None),
            ("an unknown letter", b"abc\\q", "unknown escape \\q at byte 3", Some(3..5)),
            ("not one byte long", b"\\\xc3\xa9z", "unknown escape \\\u{e9} at byte 0", Some(0..3)),
            ("not UTF-8", b"\\\xff", "unknown escape \\\\\\xff at byte 0", Some(0..2)),
            ("at the end", b"ab\\", "a backslash with nothing behind it at byte 2", Some(2..3)),
            ("one digit", b"\\x4", "bad escape \\x4 at byte 0", Some(0..3)),
            ("no digit", b"a\\xzzz", "bad escape \\xzz at byte 1", Some(1..5)),
            ("no digits at all", b"\\x", "bad escape \\x at byte 0", Some(0..2)),
        ];
        for (what, text, message, span) in cases {
            let error = parse(text).expect_err(what);
            assert_eq!(error.to_string(), *message, "{what}");
            assert_eq!(error.span(), span.as_ref(), "{what}");
            assert!(error.hint().is_some(), "{what}");
        }
    }

    #[test]
    fn the_longest_literal_is_accepted_and_one_byte_more_names_both_numbers() {
        let longest = vec![b'a'; LITERAL_BYTES_MAX];
        assert_eq!(parse(&longest).as_ref(), Ok(&longest));
        let error = parse(&vec![b'a'; LITERAL_BYTES_MAX + 1]).expect_err("one byte more");
        assert_eq!(error.to_string(), "the literal has 1025 bytes; the limit is 1024");
        let escaped = "\\x41".repeat(LITERAL_BYTES_MAX);
        assert!(parse(escaped.as_bytes()).is_ok(), "the limit counts bytes behind escapes");
    }

    #[test]
    fn escaping_and_parsing_gives_the_same_bytes() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let bytes = [first, second];
                let text: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
                assert_eq!(parse(text.as_bytes()).as_deref(), Ok(&bytes[..]));
            }
        }
    }
}
