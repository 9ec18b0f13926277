use std::ops::Range;

use super::*;
use crate::compiler::pattern::regex::parse;
use crate::compiler::reference::Finder;
use crate::compiler::small::{composed, haystacks, windows};

fn expression(text: &str) -> Hir {
    parse(text.as_bytes(), false).expect("a good expression")
}

/// What the split finds: the definition of its parts, without any strategy.
fn first_end(split: &Split, haystack: &[u8], window: Range<usize>) -> Option<usize> {
    let masked = |literal: &Literal, fold: &[u8]| -> Vec<usize> {
        let len = literal.bytes.len();
        let end = window.end.min(haystack.len());
        let same = |bytes: &[u8]| {
            let wanted = literal.bytes.iter().zip(fold);
            bytes.iter().zip(wanted).all(|(byte, (wanted, fold))| byte | fold == wanted | fold)
        };
        (window.start..end)
            .filter(|start| start + len <= end && same(&haystack[*start..start + len]))
            .collect()
    };
    let starts = |literal: &Literal| masked(literal, &literal.folds());
    let walked = |inner: &Inner, start: usize| {
        let end = start + inner.literal.bytes.len();
        let Some(walk) = &inner.walk else { return Some(end) };
        if let Some(before) = &walk.before {
            before.walk(haystack, start, window.clone())?;
        }
        walk.after.as_ref().map_or(Some(end), |after| after.walk(haystack, end, window.clone()))
    };
    match split {
        Split::Strings(literals) => literals
            .iter()
            .flat_map(|literal| starts(literal).into_iter().map(|at| at + literal.bytes.len()))
            .min(),
        Split::Inner { branches, .. } => branches
            .iter()
            .flat_map(|inner| {
                masked(&inner.literal, &inner.fold).into_iter().filter_map(|s| walked(inner, s))
            })
            .min(),
        Split::Scan { automaton, parallel, required } => {
            let found = match (automaton, parallel) {
                (Some(automaton), _) => automaton.scan(haystack, window.clone()),
                (None, Some(parallel)) => parallel.scan(haystack, window.clone()),
                (None, None) => unreachable!("one of them"),
            };
            let occurs = required.as_ref().is_none_or(|literal| !starts(literal).is_empty());
            assert!(found.is_none() || occurs, "matches without {required:?}");
            found
        }
    }
}

fn agree(text: &str, haystacks: &[Vec<u8>], kinds: &mut [usize; 3]) {
    let hir = expression(text);
    let finder = Finder::new(&hir);
    let [outside, inside] =
        [false, true].map(|inside| split(&hir, inside, &Allowed::default()).expect("small"));
    kinds[match outside {
        Split::Strings(_) => 0,
        Split::Inner { .. } => 1,
        Split::Scan { .. } => 2,
    }] += 1;
    for haystack in haystacks {
        let len = haystack.len();
        for window in windows(len).filter(|window| window.len() >= len.saturating_sub(1)) {
            let split = if window.start == 0 { &outside } else { &inside };
            let found = first_end(split, haystack, window.clone());
            let expected = finder.first_end(haystack, window.clone());
            let shown = haystack.escape_ascii();
            assert_eq!(found, expected, "{text} in {shown} within {window:?}: {split:?}");
        }
    }
}

/// Goal: no split changes what an expression means.
/// Method: all expressions of up to three operators over two rare letters, on all small haystacks.
#[test]
fn every_split_of_small_expressions_finds_what_the_expression_means() {
    let parts = ["ZQ", "QZZ", "(?i:ZQ)", "Z(?i:Q)", "[ZQ]", ".", "\\b", "^", "(?m:$)", "Z|QQ"];
    let parts: Vec<String> = parts.map(str::to_owned).to_vec();
    let mut texts = parts.clone();
    texts.extend(composed(&parts, &["ZQ", "Z", ".", "\\b", "(?i:QQ)"]));
    texts.extend(composed(&texts.clone(), &["QZ", "z?"]));
    let haystacks: Vec<_> = haystacks(b"ZQ", 5).into_iter().chain(haystacks(b"Zqz\n", 4)).collect();
    let mut kinds = [0; 3];
    for text in &texts {
        agree(text, &haystacks, &mut kinds);
    }
    assert!(kinds.iter().all(|kind| *kind > 100), "{kinds:?} of each kind");
}

/// Goal: look-around sees which of its bytes a literal begins and ends with.
#[test]
fn look_around_beside_a_byte_of_which_some_bits_do_not_matter_has_one_answer() {
    let texts = [r"\b[@A]ZQ", r"ZQ[@A]\b", r"(?m)ZQ[\n\x0b]^", r"\b[02]ZQ", r"\B[@`]ZQ[@A]\B"];
    let haystacks = haystacks(b"ZQ@A\n", 4);
    for text in texts {
        agree(text, &haystacks, &mut [0; 3]);
    }
}

/// How a split is told in these tests.
fn told(text: &str) -> String {
    let shown = |literal: &Literal| {
        let text = literal.bytes.escape_ascii().to_string();
        if literal.ignore_case { format!("(?i){text}") } else { text }
    };
    let walks = |inner: &Inner| {
        let walk = inner.walk.as_ref();
        let before = walk.is_some_and(|walk| walk.before.is_some());
        let after = walk.is_some_and(|walk| walk.after.is_some());
        let arrow = |is: bool, sign| if is { sign } else { "" };
        format!("{}{}{}", arrow(before, "<"), shown(&inner.literal), arrow(after, ">"))
    };
    match split(&expression(text), false, &Allowed::default()).expect("within the limits") {
        Split::Strings(literals) => {
            format!("strings {}", literals.iter().map(shown).collect::<Vec<_>>().join(" "))
        }
        Split::Inner { branches, linear } => {
            let kind = if linear { "inner" } else { "quadratic" };
            format!("{kind} {}", branches.iter().map(walks).collect::<Vec<_>>().join(" "))
        }
        Split::Scan { automaton, required, .. } => {
            let kind = if automaton.is_some() { "scan" } else { "places" };
            format!("{kind} {}", required.as_ref().map_or(String::new(), shown)).trim().to_owned()
        }
    }
}

#[test]
fn expressions_of_real_rules_are_split_where_it_pays() {
    let cases = [
        ("GET", "strings GET"),
        ("(?i)GET", "strings (?i)get"),
        ("(?i:g)et", "strings Get get"),
        ("GET|POST|HEAD", "strings GET HEAD POST"),
        ("x[01]{2}y", "strings x00y x01y x10y x11y"),
        ("GET|GET /", "strings GET"),
        ("GET /[a-z]+ HTTP/1\\.[01]", "inner < HTTP/1.1"),
        ("\\x48\\x8b[\\x00-\\xff]\\xc3", "inner H\\x8b\\xff\\xc3"),
        ("[A-Z]{3,8} /[a-z0-9_]{1,30}\\.php", "inner <.php"),
        ("(?i)select.{1,40}from", "inner (?i)select>"),
        ("\\bcmd\\.exe\\b", "inner <cmd.exe>"),
        ("(?m)^USER [^\\n]{100}", "inner <USER >"),
        ("(?:#!x)+d", "scan #!x"),
        ("[a-z]+\\.exe|[0-9]+\\.dll", "inner <.exe <.dll"),
        ("id=(?:foo|barx[0-9]+)", "inner id=foo id=barx>"),
        ("(?s).*union.*", "inner union"),
        // Every walk from the one could read over all of the other.
        ("union.*select", "scan select"),
        ("(?i)union.*select", "scan (?i)select"),
        ("^GET /.*passwd", "scan"),
        ("[a-z]+", "scan"),
        ("e.", "scan"),
        ("", "scan"),
        ("a*", "scan"),
        ("[a&&b]", "scan"),
        ("[a-z]+=[0-9]", "scan"),
        ("\u{e9}|a", "scan"),
        // Too far for the verifier to follow.
        ("(?m)^USER [^\\n]{1000}", "scan USER"),
        ("=([^#]{800}#|[^$]{800}\\$)x", "places"),
        // An automaton for all of it would have 2^50 states.
        ("union.*select[^x]{50}q", "places select"),
    ];
    let told: Vec<_> = cases.iter().map(|(text, _)| format!("{text}: {}", told(text))).collect();
    let want: Vec<_> = cases.iter().map(|(text, want)| format!("{text}: {want}")).collect();
    assert_eq!(told.join("\n"), want.join("\n"));
}

#[test]
fn what_has_no_way_is_an_error() {
    let told = |text: &str| split(&expression(text), false, &Allowed::default());
    let error = told("(?s)[^a].{20000}[^b]");
    assert!(matches!(error, Err(BuildError::States { .. } | BuildError::Work { .. })), "{error:?}");
    let places = told("(?s)[^a].{40}[^b]").expect("places, if no automaton");
    assert!(matches!(places, Split::Scan { automaton: None, parallel: Some(_), .. }), "{places:?}");
}
