//! Expressions that stand for a handful of strings.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, Hir, HirKind};

use super::element::Unit;
use super::literal_of;
use crate::compiler::ir::{LITERAL_BYTES_MAX, Literal};

/// Most strings that are searched instead of an automaton.
pub const STRINGS_MAX: usize = 16;
/// Fewest bytes of each, if there are several: shorter ones occur everywhere.
const SEVERAL_BYTES_MIN: usize = 2;

/// The strings that `hir` stands for, without those that contain another of them: where they occur
/// the other ends no later. `None` if there are too many, if one is empty or too long, or if it
/// takes more than bytes to tell a match.
pub(super) fn strings(hir: &Hir) -> Option<Vec<Literal>> {
    let maximum = hir.properties().maximum_len()?;
    if maximum > LITERAL_BYTES_MAX || !hir.properties().look_set().is_empty() {
        return None;
    }
    let mut literals: BTreeSet<(Vec<u8>, bool)> = BTreeSet::new();
    for units in unit_strings(hir)? {
        for units in of_one_kind(units)? {
            let Literal { bytes, ignore_case } = literal_of(&units)?;
            literals.insert((bytes, ignore_case));
        }
    }
    let all: Vec<_> = literals.iter().collect();
    let contains_another =
        |one: &(Vec<u8>, bool)| all.iter().any(|other| *other != one && occurs_in(other, one));
    let kept: Vec<Literal> = all
        .iter()
        .filter(|one| !contains_another(one))
        .map(|(bytes, ignore_case)| Literal { bytes: bytes.clone(), ignore_case: *ignore_case })
        .collect();
    let long_enough = |literal: &Literal| literal.bytes.len() >= SEVERAL_BYTES_MIN;
    let legal = match kept.as_slice() {
        [] => false,
        [only] => !only.bytes.is_empty(),
        several => several.len() <= STRINGS_MAX && several.iter().all(long_enough),
    };
    legal.then_some(kept)
}

/// Does `needle` occur wherever `haystack` does?
fn occurs_in(needle: &(Vec<u8>, bool), haystack: &(Vec<u8>, bool)) -> bool {
    let same = |wanted: &u8, byte: &u8| match (needle.1, haystack.1) {
        (true, _) => wanted.eq_ignore_ascii_case(byte),
        (false, true) => wanted == byte && !byte.is_ascii_alphabetic(),
        (false, false) => wanted == byte,
    };
    let equal =
        |window: &[u8]| needle.0.iter().zip(window).all(|(wanted, byte)| same(wanted, byte));
    needle.0.is_empty() || haystack.0.windows(needle.0.len()).any(equal)
}

/// Every string of `hir`, at most [`STRINGS_MAX`].
fn unit_strings(hir: &Hir) -> Option<Vec<Vec<Unit>>> {
    let strings = match hir.kind() {
        HirKind::Empty => vec![Vec::new()],
        HirKind::Literal(literal) => {
            vec![literal.0.iter().map(|&byte| Unit::exact(byte)).collect()]
        }
        HirKind::Class(class) => of_class(class)?,
        HirKind::Look(_) => return None,
        HirKind::Capture(capture) => unit_strings(&capture.sub)?,
        HirKind::Concat(parts) => {
            let mut strings = vec![Vec::new()];
            for part in parts {
                strings = product(&strings, &unit_strings(part)?)?;
            }
            strings
        }
        HirKind::Alternation(parts) => {
            let mut strings = Vec::new();
            for part in parts {
                strings.extend(unit_strings(part)?);
            }
            strings
        }
        HirKind::Repetition(repetition) => {
            let sub = unit_strings(&repetition.sub)?;
            let (min, max) = (repetition.min, repetition.max?);
            let mut power = vec![Vec::new()];
            let mut strings = if min == 0 { power.clone() } else { Vec::new() };
            for times in 1..=max {
                power = product(&power, &sub)?;
                if times >= min {
                    strings.extend(power.iter().cloned());
                }
                if strings.len() > STRINGS_MAX {
                    return None;
                }
            }
            strings
        }
    };
    (strings.len() <= STRINGS_MAX).then_some(strings)
}

fn of_class(class: &Class) -> Option<Vec<Vec<Unit>>> {
    if let Some(unit) = Unit::of_class(class).filter(|unit| unit.either_case()) {
        return Some(vec![vec![unit]]);
    }
    let Class::Bytes(class) = class else { return None };
    let bytes = class.ranges().iter().flat_map(|range| range.start()..=range.end());
    let strings: Vec<_> = bytes.take(STRINGS_MAX + 1).map(|byte| vec![Unit::exact(byte)]).collect();
    (strings.len() <= STRINGS_MAX).then_some(strings)
}

fn product(firsts: &[Vec<Unit>], seconds: &[Vec<Unit>]) -> Option<Vec<Vec<Unit>>> {
    if firsts.len() * seconds.len() > STRINGS_MAX {
        return None;
    }
    let pair = |first: &Vec<Unit>, second: &Vec<Unit>| [&first[..], &second[..]].concat();
    Some(firsts.iter().flat_map(|f| seconds.iter().map(|s| pair(f, s))).collect())
}

/// The same strings, each of which is one literal: if only some of its letters may have either
/// case, those are written out.
fn of_one_kind(units: Vec<Unit>) -> Option<Vec<Vec<Unit>>> {
    if literal_of(&units).is_some() {
        return Some(vec![units]);
    }
    let mut strings = vec![Vec::new()];
    for unit in units {
        let mut choices = vec![vec![Unit::exact(unit.byte)]];
        if unit.either_case() {
            choices.push(vec![Unit::exact(unit.byte.to_ascii_uppercase())]);
        }
        strings = product(&strings, &choices)?;
    }
    Some(strings)
}
