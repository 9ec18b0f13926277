//! Hex strings: `DE AD BE EF`. White space may stand between bytes, not inside one.
//!
//! Wildcards, gaps and alternatives are recognised, so that they are refused by name and place.

use super::{CompileError, of_legal_length};

/// The bytes a hex string stands for; at least one, at most
/// [`LITERAL_BYTES_MAX`](crate::compiler::ir::LITERAL_BYTES_MAX).
///
/// # Errors
///
/// The string is empty or too long, half a byte stands alone, something in it is not a hex digit,
/// or it uses a form that is not compiled yet.
pub fn parse(text: &[u8]) -> Result<Vec<u8>, CompileError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut at = 0;
    while let Some(&first) = text.get(at) {
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let high = digit(first).ok_or_else(|| unexpected(text, at))?;
        let low = match text.get(at + 1) {
            None => return Err(half_a_byte(text, at)),
            Some(second) if second.is_ascii_whitespace() => return Err(half_a_byte(text, at)),
            Some(&second) => digit(second).ok_or_else(|| unexpected(text, at + 1))?,
        };
        bytes.push(high << 4 | low);
        at += 2;
    }
    of_legal_length("the hex string", bytes)
}

/// The value of a hex digit.
pub(in crate::compiler) fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn half_a_byte(text: &[u8], at: usize) -> CompileError {
    let digits = text.iter().filter(|byte| digit(**byte).is_some()).count();
    let what = match digits % 2 {
        1 => format!("odd number of hex digits ({digits}): {} stands alone", char::from(text[at])),
        _ => format!("half a byte: {} stands alone", char::from(text[at])),
    };
    CompileError::Syntax { what, span: at..at + 1, hint: "write two digits for each byte" }
}

fn unexpected(text: &[u8], at: usize) -> CompileError {
    let planned = match text[at] {
        b'?' => Some("a wildcard (?)"),
        b'[' | b']' | b'{' | b'}' => Some("a gap ([N-M])"),
        b'(' | b')' | b'|' => Some("an alternative ((A|B))"),
        _ => None,
    };
    let span = at..at + 1;
    if let Some(what) = planned {
        let hint = "write the bytes as hex digits";
        return CompileError::NotSupported { what: what.to_owned(), span, hint };
    }
    let prefix = text[at].eq_ignore_ascii_case(&b'x') && at > 0 && text[at - 1] == b'0';
    let hint = if prefix {
        "write the digits without 0x"
    } else {
        "write two digits 0-9 or a-f for each byte, with spaces between bytes if you like"
    };
    let what = format!("\"{}\" is not a hex digit", text[at].escape_ascii());
    CompileError::Syntax { what, span, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hex_string_stands_for_its_bytes() {
        let cases: &[(&str, &str, &[u8])] = &[
            ("with spaces", "DE AD BE EF", b"\xde\xad\xbe\xef"),
            ("without", "deadBEEF", b"\xde\xad\xbe\xef"),
            ("spaces anywhere between bytes", "  de\tad  be ef ", b"\xde\xad\xbe\xef"),
            ("one byte", "00", b"\0"),
        ];
        for (what, text, bytes) in cases {
            assert_eq!(parse(text.as_bytes()).as_deref(), Ok(*bytes), "{what}");
        }
    }

    #[test]
    fn a_bad_hex_string_is_refused_with_its_place() {
        let cases: &[(&str, &[u8], &str, Option<usize>)] = &[
            ("nothing", b"", "the hex string is empty", None),
            ("only spaces", b"  ", "the hex string is empty", None),
            ("odd", b"DEA", "odd number of hex digits (3): A stands alone at byte 2", Some(2)),
            (
                "odd in the middle",
                b"DE A BE",
                "odd number of hex digits (5): A stands alone at byte 3",
                Some(3),
            ),
            ("a split byte", b"D E", "half a byte: D stands alone at byte 0", Some(0)),
            ("no digit", b"DE AG", "\"G\" is not a hex digit at byte 4", Some(4)),
            ("a prefix", b"0xDE", "\"x\" is not a hex digit at byte 1", Some(1)),
            ("not UTF-8", b"DE \xff0", "\"\\xff\" is not a hex digit at byte 3", Some(3)),
            ("a wildcard", b"DE ?? EF", "a wildcard (?) at byte 3: not supported yet", Some(3)),
            ("half of one", b"DE B?", "a wildcard (?) at byte 4: not supported yet", Some(4)),
            ("a gap", b"DE [4-6] EF", "a gap ([N-M]) at byte 3: not supported yet", Some(3)),
            (
                "an alternative",
                b"(DE|AD)",
                "an alternative ((A|B)) at byte 0: not supported yet",
                Some(0),
            ),
        ];
        for (what, text, message, at) in cases {
            let error = parse(text).expect_err(what);
            assert_eq!(error.to_string(), *message, "{what}");
            assert_eq!(error.span().map(|span| span.start), *at, "{what}");
            assert!(error.hint().is_some(), "{what}");
        }
    }

    #[test]
    fn a_prefix_is_explained() {
        let error = parse(b"0xDE").expect_err("x is not a digit");
        assert_eq!(error.hint(), Some("write the digits without 0x"));
    }

    #[test]
    fn the_limit_is_the_one_of_literals() {
        assert!(parse("41".repeat(1024).as_bytes()).is_ok());
        let error = parse("41".repeat(1025).as_bytes()).expect_err("one byte more");
        assert_eq!(error.to_string(), "the hex string has 1025 bytes; the limit is 1024");
    }
}
