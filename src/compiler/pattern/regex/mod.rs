//! Regular expressions: the syntax of the `regex` crate, over bytes, with Unicode off.
//!
//! An expression becomes a [`Hir`] without groups: what analysis and automata are made of. A
//! character that is not ASCII stands for its UTF-8 bytes, a byte that is not UTF-8 for itself. Every
//! class is one of bytes, but for alternatives of single characters not all of which are ASCII
//! (`é|a`): the parser makes them a class of characters, which stand for their UTF-8 bytes. `.` is any byte but a line feed; `\w \d \s \b` and `-i` know
//! ASCII.
//!
//! What a finite automaton cannot hold (look-around, back-references) is refused, as are Unicode
//! classes and the forms of other dialects that the crate does not have: each with its place and
//! what can be written instead.

mod mistake;
mod text;

use regex_syntax::ast::{self, Ast, Flag, Flags, FlagsItemKind, GroupKind};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::CompileError;
use text::Text;

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
    if text.len() > TEXT_BYTES_MAX {
        let (what, bytes, limit) = ("the regular expression", text.len(), TEXT_BYTES_MAX);
        return Err(CompileError::TooLong { what, bytes, limit });
    }
    let text = Text::new(text)?;
    let ast = ast::parse::ParserBuilder::new()
        .nest_limit(NEST_MAX)
        .build()
        .parse(&text.characters)
        .map_err(|error| mistake::of_syntax(&text, &error))?;
    refuse_unicode_mode(&text, &ast)?;
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

/// `(?u)` asks for what this program does not have, in all that follows.
fn refuse_unicode_mode(text: &Text, ast: &Ast) -> Result<(), CompileError> {
    struct Find<'t>(&'t Text);

    impl Find<'_> {
        fn look(&self, flags: &Flags) -> Result<(), CompileError> {
            if flags.flag_state(Flag::Unicode) != Some(true) {
                return Ok(());
            }
            let unicode = FlagsItemKind::Flag(Flag::Unicode);
            let item = flags.items.iter().find(|item| item.kind == unicode);
            let span = item.map_or(flags.span, |item| item.span);
            Err(mistake::unicode_mode(self.0.original(span.start.offset..span.end.offset)))
        }
    }

    impl ast::Visitor for Find<'_> {
        type Output = ();
        type Err = CompileError;

        fn finish(self) -> Result<(), CompileError> {
            Ok(())
        }

        fn visit_pre(&mut self, ast: &Ast) -> Result<(), CompileError> {
            match ast {
                Ast::Flags(set) => self.look(&set.flags),
                Ast::Group(group) => match &group.kind {
                    GroupKind::NonCapturing(flags) => self.look(flags),
                    GroupKind::CaptureIndex(_) | GroupKind::CaptureName { .. } => Ok(()),
                },
                Ast::Empty(_)
                | Ast::Literal(_)
                | Ast::Dot(_)
                | Ast::Assertion(_)
                | Ast::ClassUnicode(_)
                | Ast::ClassPerl(_)
                | Ast::ClassBracketed(_)
                | Ast::Repetition(_)
                | Ast::Alternation(_)
                | Ast::Concat(_) => Ok(()),
            }
        }
    }

    ast::visit(ast, Find(text))
}

/// The positions of `hir`, with counted repetitions written out.
pub(crate) fn positions(hir: &Hir) -> usize {
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
        HirKind::Alternation(parts) => joined(all(parts)),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(without_groups(&repetition.sub)),
            ..repetition.clone()
        }),
    }
}

/// The alternatives as one expression. If each is a single character, that is a class.
fn joined(parts: Vec<Hir>) -> Hir {
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
