//! Hex strings: `DE AD ?? B? [4-6] (BE | EF)`. White space may stand between bytes, not inside one.
//!
//! A byte is two digits, each of which may be `?` for any; `~` in front of it means any other byte.
//! A gap `[4-6]`, `[4]`, `[10-]` or `[-]` stands for so many bytes of any value, and `(A|B)` for one
//! of several hex strings. A string of bytes alone is a literal; any other is an expression.

use std::ops::Range;

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Dot, Hir, Repetition};

use super::regex::{POSITIONS_MAX, positions};
use super::{CompileError, of_legal_length};
use crate::compiler::ir::FRAME_BYTES_MAX;

/// Deepest nesting of alternatives.
pub const NEST_MAX: usize = 100;

const TWO_DIGITS: &str = "write two digits for each byte, or ? for a digit that may be any";
const GAP: &str = "write [4], [4-6], [4-] or [-]";

/// What a hex string stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HexString {
    /// These bytes; at least one, at most [`LITERAL_BYTES_MAX`](crate::compiler::ir::LITERAL_BYTES_MAX).
    Bytes(Vec<u8>),
    /// More than one string.
    Expression(Hir),
}

/// What `text` stands for. With `ignore_case` the letters of an expression match in either case:
/// those that are written as whole bytes, not those that a `?` covers.
///
/// # Errors
///
/// The string is empty or too long, half a byte stands alone, something in it is not a hex digit, a
/// gap has nothing on one side, is reversed or too long, or an alternative is empty or not closed.
pub fn parse(text: &[u8], ignore_case: bool) -> Result<HexString, CompileError> {
    let mut reader = Reader { text, at: 0, ignore_case };
    let items = reader.sequence(0)?;
    if reader.at < text.len() {
        let (what, hint) = match text[reader.at] {
            b'|' => ("a | outside of an alternative", "write (A|B), with parentheses"),
            _ => ("a parenthesis that closes nothing", "open the alternative: (A|B)"),
        };
        return Err(reader.error(what, reader.at..reader.at + 1, hint));
    }
    let bytes: Option<Vec<u8>> = items.iter().map(Item::byte).collect();
    if let Some(bytes) = bytes {
        return of_legal_length("the hex string", bytes).map(HexString::Bytes);
    }
    let hir = reader.joined(items);
    let (positions, limit) = (positions(&hir), POSITIONS_MAX);
    if positions > limit {
        let what = "the hex string, with its gaps written out,";
        return Err(CompileError::TooManyPositions { what, positions, limit });
    }
    Ok(HexString::Expression(hir))
}

/// A piece of a hex string, and where it stands.
enum Item {
    Byte(u8),
    Expression(Hir),
    Gap(Hir, Range<usize>),
}

impl Item {
    fn byte(&self) -> Option<u8> {
        match self {
            Self::Byte(byte) => Some(*byte),
            Self::Expression(_) | Self::Gap(..) => None,
        }
    }
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    ignore_case: bool,
}

impl Reader<'_> {
    /// Items up to the end of the text, of an alternative, or of all of them.
    fn sequence(&mut self, depth: usize) -> Result<Vec<Item>, CompileError> {
        let mut items = Vec::new();
        while let Some(&first) = self.text.get(self.at) {
            let item = match first {
                b'|' | b')' => break,
                b'(' => self.alternatives(depth)?,
                b'[' => self.gap()?,
                space if space.is_ascii_whitespace() => {
                    self.at += 1;
                    continue;
                }
                _ => self.byte()?,
            };
            items.push(item);
        }
        for (item, side) in [(items.first(), "begins"), (items.last(), "ends")] {
            if let Some(Item::Gap(_, span)) = item {
                let what = format!("what {side} here is a gap, which asks for nothing");
                return Err(self.error(
                    what,
                    span.clone(),
                    "leave it out, or write ?? for each byte",
                ));
            }
        }
        Ok(items)
    }

    fn joined(&self, items: Vec<Item>) -> Hir {
        let hir = |item| match item {
            Item::Byte(byte) if self.ignore_case && byte.is_ascii_alphabetic() => {
                class([byte.to_ascii_uppercase(), byte.to_ascii_lowercase()].into_iter())
            }
            Item::Byte(byte) => Hir::literal([byte]),
            Item::Expression(hir) | Item::Gap(hir, _) => hir,
        };
        Hir::concat(items.into_iter().map(hir).collect())
    }

    /// `(A|B)`.
    fn alternatives(&mut self, depth: usize) -> Result<Item, CompileError> {
        let start = self.at;
        if depth == NEST_MAX {
            let what = format!("nesting {} levels deep; the limit is {NEST_MAX}", depth + 1);
            return Err(self.error(what, start..start + 1, "write it with fewer groups"));
        }
        let mut parts = Vec::new();
        loop {
            self.at += 1;
            let from = self.at;
            let items = self.sequence(depth + 1)?;
            let Some(&end) = self.text.get(self.at) else {
                let hint = "close it with )";
                return Err(self.error(
                    "an alternative that is not closed",
                    start..start + 1,
                    hint,
                ));
            };
            if items.is_empty() {
                let hint = "write at least one byte on each side of |";
                return Err(self.error("an empty alternative", from..self.at + 1, hint));
            }
            parts.push(self.joined(items));
            if end == b')' {
                self.at += 1;
                return Ok(Item::Expression(super::regex::any_of(parts)));
            }
        }
    }

    /// `[N]`, `[N-M]`, `[N-]`, `[-]`.
    fn gap(&mut self) -> Result<Item, CompileError> {
        let start = self.at;
        let rest = &self.text[start..];
        let Some(len) = rest.iter().position(|byte| *byte == b']') else {
            let hint = "close it with ]";
            return Err(self.error("a gap that is not closed", start..start + 1, hint));
        };
        let span = start..start + len + 1;
        let inside = rest[1..len].trim_ascii();
        let mut ends = inside.splitn(2, |byte| *byte == b'-').map(<[u8]>::trim_ascii);
        let (least, most) = (ends.next().unwrap_or_default(), ends.next());
        let number = |digits: &[u8], otherwise| match digits {
            [] => Some(otherwise),
            digits => std::str::from_utf8(digits).ok()?.parse::<u64>().ok(),
        };
        let bad = || self.error("a bad gap", span.clone(), GAP);
        if inside.is_empty()
            || inside.iter().any(|byte| !byte.is_ascii_digit() && !b"- \t".contains(byte))
        {
            return Err(bad());
        }
        let longest = u64::from(FRAME_BYTES_MAX);
        let least = number(least, 0).unwrap_or(u64::MAX);
        let most = match most {
            None => Some(least),
            Some([]) => None,
            Some(digits) if digits.contains(&b'-') => return Err(bad()),
            Some(digits) => Some(number(digits, 0).unwrap_or(u64::MAX)),
        };
        let most_asked = most.unwrap_or(least).max(least);
        let (Ok(min), Ok(max)) = (u32::try_from(least), most.map(u32::try_from).transpose()) else {
            return Err(self.too_long(most_asked, span));
        };
        if most_asked > longest {
            return Err(self.too_long(most_asked, span));
        }
        if max.is_some_and(|max| max < min) {
            let what = "a gap whose least is above its most";
            return Err(self.error(what, span, "swap the two numbers"));
        }
        self.at = span.end;
        let sub = Box::new(Hir::dot(Dot::AnyByte));
        Ok(Item::Gap(Hir::repetition(Repetition { min, max, greedy: false, sub }), span))
    }

    fn too_long(&self, bytes: u64, span: Range<usize>) -> CompileError {
        let what = format!("a gap of {bytes} bytes; the limit is {FRAME_BYTES_MAX}");
        self.error(what, span, "write [4-] for a gap without a limit")
    }

    /// Two digits or question marks, perhaps with `~` in front.
    fn byte(&mut self) -> Result<Item, CompileError> {
        let start = self.at;
        let negated = self.text[start] == b'~';
        self.at += usize::from(negated);
        let high = self.nibble()?;
        let low = self.nibble_behind(self.at - 1)?;
        let span = start..self.at;
        let fits = |byte: u8| {
            high.is_none_or(|high| byte >> 4 == high) && low.is_none_or(|low| byte & 15 == low)
        };
        match (high, low, negated) {
            (Some(high), Some(low), false) => Ok(Item::Byte(high << 4 | low)),
            (None, None, true) => {
                let hint = "write a byte or half of one behind ~";
                Err(self.error("~?? is no byte at all", span, hint))
            }
            _ => Ok(Item::Expression(class((0..=u8::MAX).filter(|byte| fits(*byte) != negated)))),
        }
    }

    /// The first half of a byte; nothing for `?`.
    fn nibble(&mut self) -> Result<Option<u8>, CompileError> {
        let Some(&first) = self.text.get(self.at) else {
            let hint = "write the byte that must not be there: ~00";
            return Err(self.error("a ~ with nothing behind it", self.at - 1..self.at, hint));
        };
        self.at += 1;
        if first == b'?' {
            return Ok(None);
        }
        digit(first).map(Some).ok_or_else(|| unexpected(self.text, self.at - 1))
    }

    /// The second half of the byte whose first half is at `first`.
    fn nibble_behind(&mut self, first: usize) -> Result<Option<u8>, CompileError> {
        let second = self.text.get(first + 1).copied();
        self.at = first + 2;
        match second {
            Some(b'?') => Ok(None),
            None | Some(b'[' | b'(' | b'|' | b')' | b'~') => Err(half_a_byte(self.text, first)),
            Some(space) if space.is_ascii_whitespace() => Err(half_a_byte(self.text, first)),
            Some(second) => digit(second).map(Some).ok_or_else(|| unexpected(self.text, first + 1)),
        }
    }

    fn error(
        &self,
        what: impl Into<String>,
        span: Range<usize>,
        hint: &'static str,
    ) -> CompileError {
        CompileError::Syntax { what: what.into(), span, hint }
    }
}

fn class(bytes: impl Iterator<Item = u8>) -> Hir {
    let ranges = bytes.map(|byte| ClassBytesRange::new(byte, byte));
    Hir::class(Class::Bytes(ClassBytes::new(ranges)))
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
    // Digits inside of gaps are others: then how many there are says nothing.
    let digits = text.iter().filter(|byte| digit(**byte).is_some()).count();
    let plain = text.iter().all(|byte| digit(*byte).is_some() || byte.is_ascii_whitespace());
    let sign = char::from(text[at]);
    let what = if plain && digits % 2 == 1 {
        format!("odd number of hex digits ({digits}): {sign} stands alone")
    } else {
        format!("half a byte: {sign} stands alone")
    };
    CompileError::Syntax { what, span: at..at + 1, hint: TWO_DIGITS }
}

fn unexpected(text: &[u8], at: usize) -> CompileError {
    let prefix = text[at].eq_ignore_ascii_case(&b'x') && at > 0 && text[at - 1] == b'0';
    let hint = match text[at] {
        _ if prefix => "write the digits without 0x",
        b'{' | b'}' => "write the string without braces; a gap is [4-6]",
        b']' => GAP,
        _ => "write two digits 0-9 or a-f for each byte, with spaces between bytes if you like",
    };
    let what = format!("\"{}\" is not a hex digit", text[at].escape_ascii());
    CompileError::Syntax { what, span: at..at + 1, hint }
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
            let want = Ok(HexString::Bytes(bytes.to_vec()));
            assert_eq!(parse(text.as_bytes(), false), want, "{what}");
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
            ("half a wildcard", b"DE ? EF", "half a byte: ? stands alone at byte 3", Some(3)),
            ("half before a gap", b"DE E[2] 00", "half a byte: E stands alone at byte 3", Some(3)),
            ("nothing to negate", b"00 ~", "a ~ with nothing behind it at byte 3", Some(3)),
            ("no byte", b"~??", "~?? is no byte at all at byte 0", Some(0)),
            (
                "a gap in front",
                b" [2] 00",
                "what begins here is a gap, which asks for nothing at byte 1",
                Some(1),
            ),
            (
                "a gap at the end",
                b"(00 | 11 [2]) 22",
                "what ends here is a gap, which asks for nothing at byte 9",
                Some(9),
            ),
            ("a bad gap", b"00 [x] 11", "a bad gap at byte 3", Some(3)),
            ("two hyphens", b"00 [1-2-3] 11", "a bad gap at byte 3", Some(3)),
            ("an empty gap", b"00 [] 11", "a bad gap at byte 3", Some(3)),
            ("an open gap", b"00 [4", "a gap that is not closed at byte 3", Some(3)),
            ("backwards", b"00[6-4]11", "a gap whose least is above its most at byte 2", Some(2)),
            (
                "a long gap",
                b"00 [1-65536] 11",
                "a gap of 65536 bytes; the limit is 65535 at byte 3",
                Some(3),
            ),
            (
                "a number that no machine holds",
                b"00 [99999999999999999999999] 11",
                "a gap of 18446744073709551615 bytes; the limit is 65535 at byte 3",
                Some(3),
            ),
            (
                "an open alternative",
                b"00 (11",
                "an alternative that is not closed at byte 3",
                Some(3),
            ),
            ("an empty one", b"(00|)", "an empty alternative at byte 4", Some(4)),
            ("none at all", b"()", "an empty alternative at byte 1", Some(1)),
            ("closed twice", b"(00))", "a parenthesis that closes nothing at byte 4", Some(4)),
            ("no parentheses", b"00|11", "a | outside of an alternative at byte 2", Some(2)),
            ("braces", b"{ 00 }", "\"{\" is not a hex digit at byte 0", Some(0)),
        ];
        for (what, text, message, at) in cases {
            let error = parse(text, false).expect_err(what);
            assert_eq!(error.to_string(), *message, "{what}");
            assert_eq!(error.span().map(|span| span.start), *at, "{what}");
            assert!(error.hint().is_some(), "{what}");
        }
    }

    #[test]
    fn a_prefix_is_explained() {
        let error = parse(b"0xDE", false).expect_err("x is not a digit");
        assert_eq!(error.hint(), Some("write the digits without 0x"));
    }

    #[test]
    fn the_limit_is_the_one_of_literals() {
        assert!(parse("41".repeat(1024).as_bytes(), false).is_ok());
        let error = parse("41".repeat(1025).as_bytes(), false).expect_err("one byte more");
        assert_eq!(error.to_string(), "the hex string has 1025 bytes; the limit is 1024");
    }

    #[test]
    fn wildcards_gaps_and_alternatives_are_expressions() {
        let cases: &[(&str, &str)] = &[
            ("DE ?? EF", r"(?s-u)\xDE.\xEF"),
            (
                "DE B? ?F",
                r"(?-u)\xDE[\xB0-\xBF][\x0F\x1F\x2F\x3F\x4F\x5F\x6F\x7F\x8F\x9F\xAF\xBF\xCF\xDF\xEF\xFF]",
            ),
            ("00 [4-6] 11", r"(?s-u)\x00.{4,6}?\x11"),
            ("00[4]11", r"(?s-u)\x00.{4}?\x11"),
            ("00 [10-] 11", r"(?s-u)\x00.{10,}?\x11"),
            ("00 [ - ] 11", r"(?s-u)\x00.*?\x11"),
            ("00 [-3] 11", r"(?s-u)\x00.{0,3}?\x11"),
            ("61 (62 | 63 64) 65", "a(?:b|cd)e"),
            ("61 (62 | (63 | 64 ??) 65)", r"(?s-u)a(?:b|(?:c|d.)e)"),
            ("~00 61", r"(?-u)[^\x00]a"),
            ("~6? 61", r"(?-u)[^\x60-\x6F]a"),
            ("(c3a9|c3bc)", "\u{e9}|\u{fc}"),
        ];
        for (text, want) in cases {
            let want = super::super::regex::parse(want.as_bytes(), false).expect("an expression");
            assert_eq!(parse(text.as_bytes(), false), Ok(HexString::Expression(want)), "{text}");
        }
    }

    #[test]
    fn case_is_ignored_in_whole_bytes_of_an_expression() {
        let want = super::super::regex::parse(br"(?s-u)[Aa].1[\x40-\x4f]", false);
        let want = HexString::Expression(want.expect("an expression"));
        assert_eq!(parse(b"61 ?? 31 4?", true), Ok(want));
    }

    #[test]
    fn limits_of_expressions_are_told_with_both_numbers() {
        let deep = |levels: usize| "(".repeat(levels) + "00|??" + &")".repeat(levels);
        assert!(parse(deep(100).as_bytes(), false).is_ok());
        let error = parse(deep(101).as_bytes(), false).expect_err("one level more");
        assert_eq!(error.to_string(), "nesting 101 levels deep; the limit is 100 at byte 100");
        let error = parse(b"00 [40000] 11 [40000] 22", false).expect_err("longer than a frame");
        assert_eq!(
            error.to_string(),
            "the hex string, with its gaps written out, has 80003 positions; the limit is 65536"
        );
    }
}
