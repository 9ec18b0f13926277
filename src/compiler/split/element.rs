//! An expression as a sequence: single bytes, and whatever lies between them.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition};

/// Bytes that one repetition may add to a run by being written out.
const WRITTEN_OUT_MAX: usize = 64;

/// A byte that stands in every match, or one of those that differ from it in some bits only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Unit {
    /// The byte; bits of `fold` are set in it, so of a letter in either case it is the lower one.
    pub(super) byte: u8,
    /// The bits that do not matter.
    pub(super) fold: u8,
}

/// A piece of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// One byte.
    Unit(Unit),
    /// Anything else.
    Other(Hir),
}

impl Unit {
    /// What `class` stands for, if its bytes are all that differ in some bits only.
    pub(super) fn of_class(class: &Class) -> Option<Self> {
        let Class::Bytes(class) = class else { return None };
        let bytes = || class.ranges().iter().flat_map(|range| range.start()..=range.end());
        let (all, any) = bytes().fold((!0, 0), |(all, any), byte| (all & byte, any | byte));
        let fold = all ^ any;
        let complete = 1_usize << fold.count_ones();
        (bytes().count() == complete).then_some(Self { byte: any, fold })
    }

    pub(super) const fn exact(byte: u8) -> Self {
        Self { byte, fold: 0 }
    }

    /// Is it a letter in either case?
    pub(super) const fn either_case(self) -> bool {
        self.fold == 0x20 && self.byte.is_ascii_lowercase()
    }

    /// The bytes that it stands for.
    pub(super) fn bytes(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |byte| byte | self.fold == self.byte)
    }

    fn hir(self) -> Hir {
        if self.fold == 0 {
            return Hir::literal([self.byte]);
        }
        let ranges = self.bytes().map(|byte| ClassBytesRange::new(byte, byte));
        Hir::class(Class::Bytes(ClassBytes::new(ranges)))
    }
}

/// The elements of `hir`. A repetition of something that has units, and occurs at least once, is
/// written out so far that they are seen.
pub(super) fn elements(hir: &Hir) -> Vec<Element> {
    match hir.kind() {
        HirKind::Empty => Vec::new(),
        HirKind::Literal(literal) => {
            literal.0.iter().map(|&byte| Element::Unit(Unit::exact(byte))).collect()
        }
        HirKind::Class(class) => match Unit::of_class(class) {
            Some(unit) => vec![Element::Unit(unit)],
            None => vec![Element::Other(hir.clone())],
        },
        HirKind::Look(_) | HirKind::Alternation(_) => vec![Element::Other(hir.clone())],
        HirKind::Capture(capture) => elements(&capture.sub),
        HirKind::Concat(parts) => parts.iter().flat_map(elements).collect(),
        HirKind::Repetition(repetition) => repeated(hir, repetition),
    }
}

fn repeated(hir: &Hir, repetition: &Repetition) -> Vec<Element> {
    let once = elements(&repetition.sub);
    let units = once.iter().filter(|element| matches!(element, Element::Unit(_))).count();
    if repetition.min == 0 || units == 0 {
        return vec![Element::Other(hir.clone())];
    }
    let wanted = usize::try_from(repetition.min).unwrap_or(usize::MAX);
    let copies = if units == once.len() { wanted.min(WRITTEN_OUT_MAX / units).max(1) } else { 1 };
    let mut all = Vec::new();
    for _ in 0..copies {
        all.extend(once.iter().cloned());
    }
    let copies = u32::try_from(copies).expect("at most `min`, which is one");
    let rest = Hir::repetition(Repetition {
        min: repetition.min - copies,
        max: repetition.max.map(|max| max - copies),
        ..repetition.clone()
    });
    if *rest.kind() != HirKind::Empty {
        all.push(Element::Other(rest));
    }
    all
}

/// The expression that `elements` are a sequence of.
pub(super) fn joined(elements: &[Element]) -> Hir {
    Hir::concat(elements.iter().map(Element::hir).collect())
}

impl Element {
    fn hir(&self) -> Hir {
        match self {
            Self::Unit(unit) => unit.hir(),
            Self::Other(hir) => hir.clone(),
        }
    }
}
