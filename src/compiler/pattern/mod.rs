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

use super::error::CompileError;
use super::frequency::Condition;
use super::ir::{Body, LITERAL_BYTES_MAX, Pattern, Window};

/// How a pattern is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// A literal with escapes: `GET /\r\n`.
    Literal,
    /// Hex digits: `DE AD BE EF`.
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
        let bytes = match self.syntax {
            Syntax::Literal => literal::parse(&self.text)?,
            Syntax::Hex => hex::parse(&self.text)?,
            Syntax::Frequency => {
                let condition = Condition::parse(&self.text, self.ignore_case, self.window)?;
                return Ok(Pattern { id, body: Body::Frequency(condition), window: self.window });
            }
            Syntax::Regex => {
                return Err(CompileError::NotSupported {
                    what: "a regular expression".to_owned(),
                    span: 0..self.text.len(),
                    hint: "write a literal (-e) or a hex string (-x)",
                });
            }
        };
        Ok(Pattern::literal(id, bytes).ignoring_case(self.ignore_case).within(self.window))
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
