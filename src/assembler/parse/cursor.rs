//! A place in one line of text, and the words and numbers that are read there. White space before
//! a word is skipped.

use super::{Fault, directive::is_bare};
use crate::assembler::insn::{Reg, Width};

/// A place in a line.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

/// A number as it was written.
#[derive(Clone, Copy)]
pub(super) struct Number {
    pub(super) value: i128,
    /// Written with `0x` and without a minus.
    pub(super) hexadecimal: bool,
    pub(super) column: usize,
}

impl Number {
    /// The number as a `T`, or a fault that names the range.
    pub(super) fn fit<T: TryFrom<i128>>(self, range: &str) -> Result<T, Fault> {
        T::try_from(self.value).map_err(|_| self.outside(range))
    }

    /// The number as 32 bits that are a sign-extended immediate. `unsigned` takes what is written
    /// as 32 bits without a sign too.
    pub(super) fn imm(self, unsigned: bool) -> Result<i32, Fault> {
        match u32::try_from(self.value) {
            Ok(value) if unsigned => Ok(value.cast_signed()),
            _ if unsigned => self.fit("-2147483648..=4294967295"),
            _ => self.fit("-2147483648..=2147483647, which is extended to 64 bits with its sign"),
        }
    }

    /// The number as 64 bits, with or without a sign.
    pub(super) fn imm64(self) -> Result<u64, Fault> {
        match i64::try_from(self.value) {
            Ok(value) => Ok(value.cast_unsigned()),
            Err(_) => self.fit("-9223372036854775808..=18446744073709551615"),
        }
    }

    fn outside(self, range: &str) -> Fault {
        let what = format!("expected a number in {range}, found {}", self.value);
        Fault { column: self.column, what }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Bytes of the word that `text` begins with. Whatever is not ASCII ends it.
fn word_bytes(text: &str) -> usize {
    let part_of_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    text.as_bytes().iter().position(|b| !part_of_word(b)).unwrap_or(text.len())
}

/// `text` as it may stand in a message: control characters must not reach a terminal, and a file
/// that is no text at all is not repeated.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let end = text.char_indices().nth(CHARS_MAX).map(|(at, _)| at);
    let cut = if end.is_some() { "…" } else { "" };
    format!("{}{cut}", text[..end.unwrap_or(text.len())].escape_debug())
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self { line, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        if rest.as_bytes().first().is_some_and(u8::is_ascii_graphic) {
            return;
        }
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Where the next word begins, as faults have it: bytes from the start of the line.
    pub(super) fn column(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    /// The byte that the next word begins with.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.rest().as_bytes().first().copied()
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.skip_space();
        self.rest().is_empty()
    }

    /// A fault here: this was expected, and what is there.
    pub(super) fn expected(&mut self, what: &str) -> Fault {
        let column = self.column();
        let rest = self.rest();
        let word = word_bytes(rest);
        let one = rest.chars().next().map_or(0, char::len_utf8);
        let found = match &rest[..word.max(one)] {
            "" => "the end of the line".to_owned(),
            found => format!("`{}`", shown(found)),
        };
        Fault { column, what: format!("expected {what}, found {found}") }
    }

    /// Is `text` next? Skip it. A text that ends like a word must be one.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        self.skip_space();
        let Some(after) = self.rest().strip_prefix(text) else { return false };
        if text.ends_with(is_word) && after.starts_with(is_word) {
            return false;
        }
        self.at += text.len();
        true
    }

    pub(super) fn expect(&mut self, text: &str) -> Result<(), Fault> {
        if self.eat(text) { Ok(()) } else { Err(self.expected(&format!("`{text}`"))) }
    }

    /// The first of `texts` that is next.
    pub(super) fn eat_one_of<T: Copy>(&mut self, texts: &[(&str, T)]) -> Option<T> {
        texts.iter().find(|(text, _)| self.eat(text)).map(|&(_, value)| value)
    }

    /// A word of letters, digits and `_` that does not begin with a digit.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        self.skip_space();
        let rest = self.rest();
        let word = &rest[..word_bytes(rest)];
        if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.at += word.len();
        Some(word)
    }

    /// A name of letters, digits, `_` and `.`.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        self.skip_space();
        let rest = self.rest();
        let name = &rest[..rest.find(|c| !is_bare(c)).unwrap_or(rest.len())];
        self.at += name.len();
        Some(name).filter(|name| !name.is_empty())
    }

    /// A name in quotes, in which `\\u{…}` stands for a character.
    pub(super) fn quoted(&mut self) -> Result<String, Fault> {
        if !self.eat("\"") {
            return Err(self.expected("a name, in quotes if it has more than letters and digits"));
        }
        let mut name = String::new();
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next() else { return Err(self.expected("`\"`")) };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(name),
                '\\' => name.push(self.escaped()?),
                c => name.push(c),
            }
        }
    }

    /// `u{1f}` behind the backslash.
    fn escaped(&mut self) -> Result<char, Fault> {
        let code = self.rest().strip_prefix("u{").and_then(|rest| rest.split_once('}'));
        let found = code.and_then(|(digits, _)| {
            let digits_only = digits.chars().all(|c| c.is_ascii_hexdigit());
            let number = u32::from_str_radix(digits, 16).ok().filter(|_| digits_only)?;
            Some((char::from_u32(number)?, digits.len()))
        });
        let Some((found, digits)) = found else {
            return Err(self.expected("`u{` and the number of a character in hexadecimal, `}`"));
        };
        self.at += "u{}".len() + digits;
        Ok(found)
    }

    /// `7:`.
    pub(super) fn eat_slot_number(&mut self) -> bool {
        self.skip_space();
        let rest = self.rest();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let found = digits > 0 && rest[digits..].starts_with(':');
        if found {
            self.at += digits + 1;
        }
        found
    }

    /// `name:`.
    pub(super) fn eat_label(&mut self) -> Option<&'a str> {
        let mut ahead = self.clone();
        let name = ahead.word()?;
        if !ahead.eat(":") {
            return None;
        }
        *self = ahead;
        Some(name)
    }

    /// `(bf)`, if the line begins with an opcode.
    pub(super) fn opcode_prefix(&mut self) -> Result<Option<u8>, Fault> {
        if !self.eat("(") {
            return Ok(None);
        }
        let digits = self.rest().get(..2).filter(|d| d.chars().all(|c| c.is_ascii_hexdigit()));
        let Some(opcode) = digits.and_then(|d| u8::from_str_radix(d, 16).ok()) else {
            return Err(self.expected("an opcode of two hexadecimal digits"));
        };
        self.at += 2;
        self.expect(")")?;
        Ok(Some(opcode))
    }

    /// `r0` to `r10`, or `w0` to `w10` for its lower half.
    pub(super) fn register(&mut self) -> Option<(Width, Reg)> {
        let mut ahead = self.clone();
        let word = ahead.word()?;
        let (width, number) = match word.split_at_checked(1)? {
            ("r", number) => (Width::W64, number),
            ("w", number) => (Width::W32, number),
            _ => return None,
        };
        if number.len() > 1 && number.starts_with('0') {
            return None;
        }
        let register = Reg::from_number(number.parse().ok()?)?;
        *self = ahead;
        Some((width, register))
    }

    /// A register of this width.
    pub(super) fn register_of(&mut self, width: Width) -> Result<Reg, Fault> {
        let mut ahead = self.clone();
        match ahead.register() {
            Some((found, register)) if found == width => {
                *self = ahead;
                Ok(register)
            }
            _ => Err(self.expected(match width {
                Width::W32 => "a register w0 to w10",
                Width::W64 => "a register r0 to r10",
            })),
        }
    }

    /// This register and no other: the form names it twice.
    pub(super) fn same_register(&mut self, width: Width, must: Reg) -> Result<(), Fault> {
        let mut ahead = self.clone();
        if ahead.register() != Some((width, must)) {
            let letter = if width == Width::W32 { 'w' } else { 'r' };
            return Err(self.expected(&format!("`{letter}{}` once more", must.number())));
        }
        *self = ahead;
        Ok(())
    }

    /// Does a number come next, be it a good one or not?
    pub(super) fn sees_number(&self) -> bool {
        let mut ahead = self.clone();
        let _sign = ahead.eat("-") || ahead.eat("+");
        ahead.skip_space();
        ahead.rest().starts_with(|c: char| c.is_ascii_digit())
    }

    /// A number in any base, with or without a sign.
    pub(super) fn number(&mut self) -> Result<Number, Fault> {
        let column = self.column();
        let mut ahead = self.clone();
        let negative = ahead.eat("-");
        let signed = negative || ahead.eat("+");
        ahead.skip_space();
        let rest = ahead.rest();
        let word = &rest[..word_bytes(rest)];
        let (radix, digits) = match word.split_at_checked(2) {
            Some(("0x" | "0X", digits)) => (16, digits),
            Some(("0o", digits)) => (8, digits),
            Some(("0b", digits)) => (2, digits),
            _ => (10, word),
        };
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(self.expected("a number"));
        }
        // No field has more than 64 bits: this leaves room to say what was too large.
        let magnitude = u64::from_str_radix(digits, radix).map_err(|_| {
            let what = format!("expected a number of at most 64 bits, found {}", shown(word));
            Fault { column, what }
        })?;
        let value = i128::from(magnitude);
        ahead.at += word.len();
        *self = ahead;
        Ok(Number {
            value: if negative { -value } else { value },
            hexadecimal: radix == 16 && !signed,
            column,
        })
    }
}
