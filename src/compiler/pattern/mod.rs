//! Front ends: what the user wrote, and the bytes it stands for.
//!
//! A [`Written`] pattern keeps the text as it was given, so that an error can point into it;
//! [`Written::lower`] turns it into a [`Pattern`]. Texts are bytes: UTF-8 stands for its bytes, and
//! what is not UTF-8 is taken as it is.
//!
//! It does not: read files (the caller does), choose ids across sources, or know any limit but
//! those of [`ir`](super::ir).

pub mod file;
pub mod hex;
pub mod literal;
pub mod regex;

pub(super) use literal::shown;

use regex_syntax::hir::Hir;

use super::error::CompileError;
use super::frequency::Condition;
use super::ir::{Body, Expression, LITERAL_BYTES_MAX, Literal, Pattern, Window};
use hex::HexString;

/// How a pattern is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// A literal with escapes: `GET /\r\n`.
    Literal,
    /// Hex digits: `DE AD ?? B? [4-6] (BE | EF)`.
    Hex,
    /// A regular expression.
    Regex,
    /// A byte-frequency condition: `a>=2, 0x00>=8 in 64`.
    Frequency,
}

/// A pattern as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Written {
    /// How to read the text.
    pub syntax: Syntax,
    /// The text, without a prefix such as `hex:`.
    pub text: Vec<u8>,
    /// Do ASCII letters match in either case?
    pub ignore_case: bool,
    /// Where an occurrence must lie.
    pub window: Window,
}

impl Written {
    /// A pattern without options.
    pub fn new(syntax: Syntax, text: impl Into<Vec<u8>>) -> Self {
        Self { syntax, text: text.into(), ignore_case: false, window: Window::default() }
    }

    /// The pattern with the number `id`.
    ///
    /// # Errors
    ///
    /// The text is malformed, empty, too long, or of a form that is not compiled yet. Spans count
    /// from the start of [`text`](Self::text).
    pub fn lower(&self, id: u32) -> Result<Pattern, CompileError> {
        let body = match self.syntax {
            Syntax::Literal => self.literal(literal::parse(&self.text)?),
            Syntax::Hex => match hex::parse(&self.text, self.ignore_case)? {
                HexString::Bytes(bytes) => self.literal(bytes),
                HexString::Expression(hir) => self.expression(hir),
            },
            Syntax::Frequency => {
                Body::Frequency(Condition::parse(&self.text, self.ignore_case, self.window)?)
            }
            Syntax::Regex => self.expression(regex::parse(&self.text, self.ignore_case)?),
        };
        Ok(Pattern { id, body, window: self.window })
    }

    fn expression(&self, hir: Hir) -> Body {
        let text = String::from_utf8_lossy(&self.text).into_owned();
        Body::Regex(Expression { hir, text })
    }

    fn literal(&self, bytes: Vec<u8>) -> Body {
        Body::Literal(Literal { bytes, ignore_case: self.ignore_case })
    }
}

/// `bytes`, if a literal may have that many.
fn of_legal_length(what: &'static str, bytes: Vec<u8>) -> Result<Vec<u8>, CompileError> {
    match bytes.len() {
        0 => Err(CompileError::Empty { what }),
        1..=LITERAL_BYTES_MAX => Ok(bytes),
        bytes => Err(CompileError::TooLong { what, bytes, limit: LITERAL_BYTES_MAX }),
    }
}
