//! The flag `u`, which other engines have on: `(?u:…)`.
//!
//! What is written under it is compiled if it means the same over bytes. Of what does not, `.` and
//! classes are refused, and so are letters that ignore case and have relatives outside of ASCII. A
//! word boundary is taken as the one of ASCII, and whoever wrote it is told
//! ([`ascii_boundary`](super::ascii_boundary)): it differs only beside bytes above 0x7f.

use regex_syntax::ast::{
    self, AssertionKind, Ast, Flag, Flags, FlagsItemKind, GroupKind, Literal, LiteralKind, Span,
};

/// What the flag does to an expression.
pub(super) enum Finding {
    /// Nothing.
    Same,
    /// A word boundary is not the one that was written.
    Boundary(Span),
    /// This cannot be compiled.
    Refused(Span),
}

/// Look at all that stands under the flag.
pub(super) fn look(ast: &Ast, ignore_case: bool) -> Finding {
    let search =
        Search { now: Mode { unicode: false, ignore_case }, outer: Vec::new(), boundary: None };
    match ast::visit(ast, search) {
        Ok(None) => Finding::Same,
        Ok(Some(span)) => Finding::Boundary(span),
        Err(span) => Finding::Refused(span),
    }
}

/// The same expression without the flag. Recurses as deep as the parser lets groups nest.
pub(super) fn without_flag(ast: &mut Ast) {
    let unicode = |flags: &mut Flags| {
        flags.items.retain(|item| item.kind != FlagsItemKind::Flag(Flag::Unicode));
        // A minus sign with nothing behind it.
        if flags.items.last().is_some_and(|item| item.kind == FlagsItemKind::Negation) {
            flags.items.pop();
        }
    };
    match ast {
        Ast::Flags(set) => unicode(&mut set.flags),
        Ast::Group(group) => {
            match &mut group.kind {
                GroupKind::NonCapturing(flags) => unicode(flags),
                GroupKind::CaptureIndex(_) | GroupKind::CaptureName { .. } => {}
            }
            without_flag(&mut group.ast);
        }
        Ast::Repetition(repetition) => without_flag(&mut repetition.ast),
        Ast::Alternation(alternation) => alternation.asts.iter_mut().for_each(without_flag),
        Ast::Concat(concat) => concat.asts.iter_mut().for_each(without_flag),
        Ast::Empty(_)
        | Ast::Literal(_)
        | Ast::Dot(_)
        | Ast::Assertion(_)
        | Ast::ClassUnicode(_)
        | Ast::ClassPerl(_)
        | Ast::ClassBracketed(_) => {}
    }
}

#[derive(Clone, Copy)]
struct Mode {
    unicode: bool,
    ignore_case: bool,
}

struct Search {
    now: Mode,
    outer: Vec<Mode>,
    boundary: Option<Span>,
}

impl Search {
    fn set(&mut self, flags: &Flags) {
        self.now.unicode = flags.flag_state(Flag::Unicode).unwrap_or(self.now.unicode);
        let ignore_case = flags.flag_state(Flag::CaseInsensitive);
        self.now.ignore_case = ignore_case.unwrap_or(self.now.ignore_case);
    }

    /// Does the literal stand for the same bytes without the flag?
    fn is_same(&self, literal: &Literal) -> bool {
        let c = literal.c;
        // The Kelvin sign and the long s are a k and an s in other dress.
        let relatives = !c.is_ascii() || "kKsS".contains(c);
        let byte = matches!(literal.kind, LiteralKind::HexFixed(_) | LiteralKind::HexBrace(_));
        !(self.now.ignore_case && relatives || byte && !c.is_ascii())
    }
}

impl ast::Visitor for Search {
    type Output = Option<Span>;
    type Err = Span;

    fn finish(self) -> Result<Option<Span>, Span> {
        Ok(self.boundary)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Span> {
        if let Ast::Group(group) = ast {
            self.outer.push(self.now);
            if let GroupKind::NonCapturing(flags) = &group.kind {
                self.set(flags);
            }
        }
        Ok(())
    }

    fn visit_post(&mut self, ast: &Ast) -> Result<(), Span> {
        let unicode = self.now.unicode;
        match ast {
            Ast::Flags(set) => self.set(&set.flags),
            Ast::Group(_) => self.now = self.outer.pop().expect("pushed when it was entered"),
            Ast::Dot(span) if unicode => return Err(**span),
            Ast::Literal(literal) if unicode && !self.is_same(literal) => return Err(literal.span),
            Ast::ClassUnicode(class) if unicode => return Err(class.span),
            Ast::ClassPerl(class) if unicode => return Err(class.span),
            Ast::ClassBracketed(class) if unicode => return Err(class.span),
            Ast::Assertion(assertion) if unicode => match assertion.kind {
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText => {}
                AssertionKind::WordBoundary
                | AssertionKind::NotWordBoundary
                | AssertionKind::WordBoundaryStart
                | AssertionKind::WordBoundaryEnd
                | AssertionKind::WordBoundaryStartAngle
                | AssertionKind::WordBoundaryEndAngle
                | AssertionKind::WordBoundaryStartHalf
                | AssertionKind::WordBoundaryEndHalf => {
                    self.boundary.get_or_insert(assertion.span);
                }
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
            | Ast::Concat(_) => {}
        }
        Ok(())
    }
}
