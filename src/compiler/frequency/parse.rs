//! The text of a condition: terms, with commas between them.
//!
//! ```text
//! condition = term *("," term)
//! term      = bytes op count ["in" ["any"] count]
//! bytes     = one printable ASCII character but , [ ' \ and the space | "0x" two hex digits
//!           | escape | "'" (any character | escape) "'" | class
//! class     = "[" ["^"] 1*(byte | byte "-" byte | \d | \s | \w) "]"
//! escape    = \xNN \n \r \t \0 \\, and a backslash in front of any punctuation
//! op        = ">=" | ">" | "<=" | "<" | "=" | "=="
//! ```
//! White space may stand between all of these.

use std::ops::Range;

use super::{
    super::{CompileError, pattern},
    ByteSet, SPAN_BYTES_MAX, Span, TERMS_MAX, Term,
};

/// A term, and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrittenTerm {
    pub(super) term: Term,
    pub(super) at: Range<usize>,
}

const TERM_HINT: &str = "a term is written like a>=2, 0x00>=8 in 64 or [a-z]<=10 in any 32";
const BYTES_HINT: &str =
    "write one byte as a character, 0xNN, \\xNN or ',' in quotes, several as a class: [a-z0-9]";
const OP_HINT: &str = "the comparisons are >=, >, <=, < and =";
const CLASS_HINT: &str = "a class is written like [a-z0-9\\x80-\\xff] or, for all others, [^a-z]";
const ESCAPE_HINT: &str = "the escapes are \\xNN, \\n, \\r, \\t, \\0 and \\\\";
const RAW_HINT: &str = "write bytes above 0x7f as \\xNN: a character of UTF-8 has several";

/// Read the terms; at least one. With `ignore_case` letters stand for both cases, also in a class that is
/// then negated: `[^a]` is neither `a` nor `A`.
pub(super) fn terms(text: &[u8], ignore_case: bool) -> Result<Vec<WrittenTerm>, CompileError> {
    let mut cursor = Cursor { text, at: 0, ignore_case };
    cursor.space();
    if cursor.peek().is_none() {
        return Err(CompileError::Empty { what: "the condition" });
    }
    let mut terms = Vec::new();
    loop {
        let start = cursor.at;
        if matches!(cursor.peek(), None | Some(b',')) {
            let hint = "write a term on both sides of a comma, or ',' for a comma that counts";
            return Err(cursor.error("no term".to_owned(), start..start + 1, hint));
        }
        let term = cursor.term()?;
        terms.push(WrittenTerm { term, at: start..cursor.at });
        if terms.len() > TERMS_MAX {
            let what = format!("more than {TERMS_MAX} terms, the limit of one condition,");
            let hint = "use another --frequency for the rest: all of them must hold";
            return Err(cursor.error(what, start..cursor.at, hint));
        }
        cursor.space();
        match cursor.next() {
            None => return Ok(terms),
            Some(b',') => cursor.space(),
            Some(_) => {
                cursor.at -= 1;
                let what = format!("unexpected {}", cursor.shown());
                let end = cursor.end_of_character();
                return Err(cursor.error(what, cursor.at..end, TERM_HINT));
            }
        }
    }
}

/// How far the text is read.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    ignore_case: bool,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Is `word` next, and if so, it is read.
    fn takes(&mut self, word: &[u8]) -> bool {
        let there = self.text[self.at..].starts_with(word);
        if there {
            self.at += word.len();
        }
        there
    }

    fn error(&self, what: String, span: Range<usize>, hint: &'static str) -> CompileError {
        let end = span.end.min(self.text.len()).max(span.start);
        CompileError::Syntax { what, span: span.start..end, hint }
    }

    /// The end of the character that begins here, so that a message does not cut one in two.
    fn end_of_character(&self) -> usize {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        self.at + 1 + rest.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count()
    }

    /// The character that is next, or the end, in a message.
    fn shown(&self) -> String {
        if self.peek().is_none() {
            return "end".to_owned();
        }
        let end = self.end_of_character().min(self.text.len());
        pattern::shown(&self.text[self.at..end])
    }

    fn term(&mut self) -> Result<Term, CompileError> {
        let start = self.at;
        let set = self.bytes()?;
        let set = self.folded(set);
        self.space();
        let (least, most) = self.limits(start)?;
        self.space();
        let span = self.span()?;
        Ok(Term { set, span, least, most })
    }

    fn folded(&self, set: ByteSet) -> ByteSet {
        if self.ignore_case { set.in_either_case() } else { set }
    }

    /// What counts.
    fn bytes(&mut self) -> Result<ByteSet, CompileError> {
        let start = self.at;
        match self.peek() {
            Some(b'[') => self.class(),
            Some(b'\'') => self.quoted().map(ByteSet::of),
            Some(b'\\') => self.escape().map(ByteSet::of),
            Some(b'0') if matches!(self.text.get(start + 1), Some(b'x' | b'X')) => {
                self.at += 2;
                self.hex_digits(start).map(ByteSet::of)
            }
            Some(byte) if byte.is_ascii_graphic() => {
                self.at += 1;
                Ok(ByteSet::of(byte))
            }
            _ => {
                let what = format!("{} is not one byte", self.shown());
                Err(self.error(what, start..self.end_of_character(), RAW_HINT))
            }
        }
    }

    fn quoted(&mut self) -> Result<u8, CompileError> {
        let start = self.at;
        self.at += 1;
        let byte = match self.peek() {
            Some(b'\\') => Some(self.escape()?),
            Some(byte) if byte.is_ascii() => self.next(),
            Some(_) | None => None,
        };
        match byte {
            Some(byte) if self.takes(b"'") => Ok(byte),
            Some(_) | None => {
                let what = "quotes without exactly one byte in them".to_owned();
                let end = self.text[start + 1..].iter().position(|byte| *byte == b'\'');
                let end = end.map_or(self.text.len(), |end| start + end + 2);
                Err(self.error(what, start..end, BYTES_HINT))
            }
        }
    }

    /// An escape for one byte.
    fn escape(&mut self) -> Result<u8, CompileError> {
        let start = self.at;
        self.at += 1;
        let byte = match self.peek() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'x') => {
                self.at += 1;
                return self.hex_digits(start);
            }
            Some(byte) if byte.is_ascii_punctuation() => byte,
            Some(_) | None => {
                let end = self.end_of_character().min(self.text.len());
                let what = format!("unknown escape {}", pattern::shown(&self.text[start..end]));
                return Err(self.error(what, start..end, ESCAPE_HINT));
            }
        };
        self.at += 1;
        Ok(byte)
    }

    fn hex_digits(&mut self, start: usize) -> Result<u8, CompileError> {
        let digit = |place: usize| self.text.get(place).copied().and_then(pattern::hex::digit);
        match (digit(self.at), digit(self.at + 1)) {
            (Some(high), Some(low)) => {
                self.at += 2;
                Ok(high << 4 | low)
            }
            _ => {
                let end = (start + 4).min(self.text.len());
                let what = format!("bad byte {}", pattern::shown(&self.text[start..end]));
                Err(self.error(what, start..end, "write two hex digits"))
            }
        }
    }

    fn class(&mut self) -> Result<ByteSet, CompileError> {
        let start = self.at;
        self.at += 1;
        let negated = self.takes(b"^");
        let mut set = ByteSet::EMPTY;
        while !self.takes(b"]") {
            if self.peek().is_none() {
                let what = "unclosed class".to_owned();
                return Err(self.error(what, start..self.text.len(), CLASS_HINT));
            }
            set = set.or(&self.item()?);
        }
        let set = self.folded(set);
        let set = if negated { set.complement() } else { set };
        if set.is_empty() {
            let what = "a class without bytes".to_owned();
            return Err(self.error(what, start..self.at, CLASS_HINT));
        }
        Ok(set)
    }

    /// A byte of a class, a range, or a shorthand.
    fn item(&mut self) -> Result<ByteSet, CompileError> {
        let start = self.at;
        if self.takes(b"\\d") {
            return Ok(ByteSet::range(b'0'..=b'9'));
        }
        if self.takes(b"\\s") {
            return Ok(ByteSet::range(b'\t'..=b'\r').or(&ByteSet::of(b' ')));
        }
        if self.takes(b"\\w") {
            let letters = ByteSet::range(b'a'..=b'z').in_either_case();
            return Ok(letters.or(&ByteSet::range(b'0'..=b'9')).or(&ByteSet::of(b'_')));
        }
        let first = self.class_byte()?;
        let is_range =
            self.peek() == Some(b'-') && !matches!(self.text.get(self.at + 1), None | Some(b']'));
        if !is_range {
            return Ok(ByteSet::of(first));
        }
        self.at += 1;
        let last = self.class_byte()?;
        if last < first {
            let what = format!("a range that ends ({last:#04x}) before it begins ({first:#04x})");
            return Err(self.error(what, start..self.at, "write the smaller byte first"));
        }
        Ok(ByteSet::range(first..=last))
    }

    fn class_byte(&mut self) -> Result<u8, CompileError> {
        match self.peek() {
            Some(b'\\') => self.escape(),
            Some(byte) if byte.is_ascii() => {
                self.at += 1;
                Ok(byte)
            }
            _ => {
                let what = format!("{} is not one byte", self.shown());
                Err(self.error(what, self.at..self.end_of_character(), RAW_HINT))
            }
        }
    }

    /// The comparison and its number, as limits.
    fn limits(&mut self, start: usize) -> Result<(u32, Option<u32>), CompileError> {
        let at = self.at;
        let op: &[u8] = [&b">="[..], b"<=", b"==", b"=", b">", b"<"]
            .into_iter()
            .find(|op| self.text[at..].starts_with(op))
            .unwrap_or_default();
        if op.is_empty() {
            let what = format!("{} instead of a comparison", self.shown());
            let one_byte = self.peek().is_none_or(|byte| b"!~".contains(&byte));
            let hint = if one_byte { OP_HINT } else { BYTES_HINT };
            return Err(self.error(what, at..self.end_of_character(), hint));
        }
        self.at += op.len();
        self.space();
        let count = self.number()?;
        match op {
            b">=" => Ok((count, None)),
            b">" => Ok((count.saturating_add(1), None)),
            b"<=" => Ok((0, Some(count))),
            b"<" => match count.checked_sub(1) {
                Some(most) => Ok((0, Some(most))),
                None => Err(CompileError::Never {
                    what: pattern::shown(&self.text[start..self.at]),
                    why: "no count is below 0".to_owned(),
                    span: start..self.at,
                }),
            },
            _ => Ok((count, Some(count))),
        }
    }

    fn span(&mut self) -> Result<Span, CompileError> {
        let start = self.at;
        if !self.word(b"in") {
            return Ok(Span::Scope);
        }
        self.space();
        let any = self.word(b"any");
        self.space();
        let at = self.at;
        let bytes = self.number()?;
        if bytes == 0 || bytes > SPAN_BYTES_MAX {
            let what = format!("a window of {bytes} bytes");
            let hint = "a window has 1 to 65535 bytes; without `in` the whole scope counts";
            return Err(self.error(what, if bytes == 0 { start } else { at }..self.at, hint));
        }
        Ok(if any { Span::Any(bytes) } else { Span::First(bytes) })
    }

    /// Is `word` next, with no letter behind it? If so, it is read.
    fn word(&mut self, word: &[u8]) -> bool {
        let behind = self.text.get(self.at + word.len());
        !behind.is_some_and(u8::is_ascii_alphabetic) && self.takes(word)
    }

    /// A decimal number of at most 32 bits.
    fn number(&mut self) -> Result<u32, CompileError> {
        let start = self.at;
        let mut number = Some(0u32);
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            let ten = number.and_then(|number| number.checked_mul(10));
            number = ten.and_then(|ten| ten.checked_add(u32::from(digit - b'0')));
            self.at += 1;
        }
        if self.at == start {
            let what = format!("{} instead of a number", self.shown());
            return Err(self.error(what, start..self.end_of_character(), TERM_HINT));
        }
        number.ok_or_else(|| {
            let what = format!("a number above {}, the largest", u32::MAX);
            self.error(what, start..self.at, "a frame has at most 65535 bytes")
        })
    }
}
