//! Regular expressions: the syntax of the `regex` crate, over bytes, with Unicode off.
//!
//! An expression becomes a [`Hir`] without groups: what analysis and automata are made of. A
//! character that is not ASCII stands for its UTF-8 bytes, a byte that is not UTF-8 for itself. Every
//! class is one of bytes, but for alternatives of single characters not all of which are ASCII
//! (`é|a`): the parser makes them a class of characters, which stand for their UTF-8 bytes. `.` is any byte but a line feed; `\w \d \s \b` and `-i` know
//! ASCII.
//!
//! The flag `u` is taken where it changes nothing; the word boundary under it is the one of ASCII
//! ([`ascii_boundary`]).
//!
//! What a finite automaton cannot hold (look-around, back-references) is refused, as are Unicode
//! classes and the forms of other dialects that the crate does not have: each with its place and
//! what can be written instead.

mod mistake;
mod text;
mod unicode;

use std::ops::Range;

use regex_syntax::ast::{self, Ast};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::CompileError;
use text::Text;
use unicode::Finding;

/// Most bytes of the text of an expression.
pub const TEXT_BYTES_MAX: usize = 1 << 16;
/// Deepest nesting of groups, classes and repetitions.
pub const NEST_MAX: u32 = 250;
/// Most positions of an expression: bytes, classes and assertions, with counted repetitions written
/// out. A frame has no more bytes than this.
pub const POSITIONS_MAX: usize = 1 << 16;

/// The expression that `text` stands for.
///
/// # Errors
///
/// The text is malformed, uses a form that cannot be compiled, or is past one of the limits of this
/// module. Spans count from the start of `text`.
pub fn parse(text: &[u8], ignore_case: bool) -> Result<Hir, CompileError> {
    let (text, mut ast) = read(text)?;
    if let Finding::Refused(span) = unicode::look(&ast, ignore_case) {
        return Err(mistake::unicode_mode(&text, &span));
    }
    unicode::without_flag(&mut ast);
    let hir = TranslatorBuilder::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(ignore_case)
        .build()
        .translate(&text.characters, &ast)
        .map_err(|error| mistake::of_meaning(&text, &error))?;
    let positions = positions(&hir);
    if positions > POSITIONS_MAX {
        let what = "the regular expression, with its repetitions written out,";
        return Err(CompileError::TooManyPositions { what, positions, limit: POSITIONS_MAX });
    }
    Ok(without_groups(&hir))
}

/// Where `text`, which [`parse`] takes, asks for a word boundary of Unicode and gets the one of
/// ASCII: to be told to whoever wrote it.
pub fn ascii_boundary(text: &[u8]) -> Option<Range<usize>> {
    let (text, ast) = read(text).ok()?;
    match unicode::look(&ast, false) {
        Finding::Boundary(span) => Some(text.original(span.start.offset..span.end.offset)),
        Finding::Same | Finding::Refused(_) => None,
    }
}

fn read(text: &[u8]) -> Result<(Text, Ast), CompileError> {
    if text.len() > TEXT_BYTES_MAX {
        let (what, bytes, limit) = ("the regular expression", text.len(), TEXT_BYTES_MAX);
        return Err(CompileError::TooLong { what, bytes, limit });
    }
    let text = Text::new(text)?;
    let mut parser = ast::parse::ParserBuilder::new().nest_limit(NEST_MAX).build();
    let ast = parser.parse(&text.characters).map_err(|error| mistake::of_syntax(&text, &error))?;
    Ok((text, ast))
}

/// The positions of `hir`, with counted repetitions written out.
pub fn positions(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty => 0,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(_) | HirKind::Look(_) => 1,
        HirKind::Capture(capture) => positions(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(positions).fold(0, usize::saturating_add)
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            positions(&repetition.sub).saturating_mul(times)
        }
    }
}

/// The same language without capturing groups; what they separated is joined.
fn without_groups(hir: &Hir) -> Hir {
    let all = |parts: &[Hir]| parts.iter().map(without_groups).collect();
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) => hir.clone(),
        HirKind::Class(class) => of_bytes(class),
        HirKind::Capture(capture) => without_groups(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => any_of(all(parts)),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(without_groups(&repetition.sub)),
            ..repetition.clone()
        }),
    }
}

/// The alternatives as one expression. If each is a single character, that is a class.
pub(super) fn any_of(parts: Vec<Hir>) -> Hir {
    let hir = Hir::alternation(parts);
    if let HirKind::Class(class) = hir.kind() { of_bytes(class) } else { hir }
}

fn of_bytes(class: &Class) -> Hir {
    let bytes = match class {
        Class::Unicode(characters) => characters.to_byte_class().map(Class::Bytes),
        Class::Bytes(_) => None,
    };
    Hir::class(bytes.unwrap_or_else(|| class.clone()))
}

#[cfg(test)]
mod tests;
