//! Every small expression, on every small haystack: the automata, the reference matcher and the
//! `regex` crate give one answer.

use super::*;
use crate::compiler::pattern::regex::parse;
use crate::compiler::reference::Finder;
use crate::compiler::small::{composed, haystacks, windows};

const ATOMS: &[&str] = &["a", "b", "", ".", "^", "$", "\\b", "\\B", "(?m:^)", "(?m:$)", "[^a]"];

fn expression(text: &str) -> Hir {
    parse(text.as_bytes(), false).expect("an expression of the grammar")
}

/// The answer of the crate, which gives no smallest end, for an expression without look-around: the
/// shortest prefix of the window with a match at its end.
fn crate_first_end(prefix_ends: &regex::bytes::Regex, window: &[u8]) -> Option<usize> {
    (0..=window.len()).find(|end| prefix_ends.is_match(&window[..*end]))
}

fn crate_regex(text: &str) -> regex::bytes::Regex {
    regex::bytes::RegexBuilder::new(text).unicode(false).build().expect("the crate takes it too")
}

#[test]
fn every_small_expression_on_every_small_haystack_in_every_window_has_one_answer() {
    let atoms: Vec<String> = ATOMS.iter().map(|atom| (*atom).to_owned()).collect();
    let mut texts = atoms.clone();
    texts.extend(composed(&atoms, ATOMS));
    let haystacks: Vec<_> = haystacks(b"ab", 5).into_iter().chain(haystacks(b"a\n ", 4)).collect();
    for text in &texts {
        agree(text, &haystacks, true);
    }
}

#[test]
fn every_expression_of_two_operators_has_one_answer() {
    let atoms: Vec<String> = ATOMS.iter().map(|atom| (*atom).to_owned()).collect();
    let texts = composed(&composed(&atoms, ATOMS), &["a", "b", "$", "\\b"]);
    let haystacks: Vec<_> = haystacks(b"ab", 4).into_iter().chain(haystacks(b"a\n ", 3)).collect();
    for text in &texts {
        agree(text, &haystacks, false);
    }
}

fn agree(text: &str, haystacks: &[Vec<u8>], all_windows: bool) {
    let hir = expression(text);
    let [outside, inside] =
        [false, true].map(|inside| scanning(&hir, inside, &Limits::default()).expect("small"));
    let finder = Finder::new(&hir);
    let whole = crate_regex(text);
    let prefix_ends = crate_regex(&format!("(?:{text})\\z"));
    for haystack in haystacks {
        let found = outside.scan(haystack, 0..haystack.len());
        assert_eq!(found.is_some(), whole.is_match(haystack), "{text} in {haystack:?}");
        let every = windows(haystack.len()).filter(|_| all_windows);
        for window in every.chain([0..haystack.len(), 1..haystack.len()]) {
            if window.start > window.end {
                continue;
            }
            let automaton = if window.start == 0 { &outside } else { &inside };
            let found = automaton.scan(haystack, window.clone());
            let expected = finder.first_end(haystack, window.clone());
            assert_eq!(found, expected, "{text} in {haystack:?} within {window:?}: {automaton:#?}");
            if hir.properties().look_set().is_empty() {
                let end = window.end.min(haystack.len());
                let expected = haystack
                    .get(window.start..end)
                    .and_then(|bytes| crate_first_end(&prefix_ends, bytes))
                    .map(|end| window.start + end);
                assert_eq!(found, expected, "{text} in {haystack:?} within {window:?}, the crate");
            }
        }
    }
}

/// Goal: what is left out of a state because something else is above it was superfluous.
#[test]
fn counts_of_every_kind_have_one_answer() {
    let texts = [
        "a[ab]{2}",
        "a[ab]{3}",
        "a[ab]{2,3}",
        "a[ab]{2,}b",
        "a[ab]{1,}ab",
        "a[ab]{0,2}b\n",
        "a[ab]{0,2}ba",
        "b.{1,2}b.{1,2}b",
        "b.{0,2}a.{0,2}a",
        "a.{3}$",
        "a.{2,}$",
        "a.{0,2}\\b",
        "(?m)^.{2}",
        "(?m)^.{2,}$",
        "(?:a.{0,2}b){2}",
        "(?:a[ab]{2}|b[ab]{3})",
        "(?:a|a[ab]{2})b",
        "a{2,}b{2,}",
        "[ab]{2}a{0,2}\n",
        "(?s)a.{2}b?.{2}",
        "(?s).{4}",
        "a[ab]{2}(?:b*|\n)",
        "\\b[ab]{2,3}\\b",
    ];
    let haystacks = haystacks(b"ab\n", 7);
    for text in texts {
        agree(text, &haystacks, false);
    }
}

#[test]
fn counts_take_a_state_for_each_count_and_not_for_each_set_of_them() {
    for (text, states_max) in [
        ("x[^\\n]{100}", 101),
        ("x[^\\n]{100,200}", 101),
        ("x[^\\n]{100,}y", 102),
        ("\\sLSUB\\s[^\\n]{100}", 800),
        ("(?s)x.{0,100}yz", 300),
        ("['\"][^\\n]*:[^\\n]{128}", 132),
    ] {
        let automaton = scanning(&expression(text), false, &Limits::default()).expect("small");
        assert!(automaton.states.len() <= states_max, "{text}: {}", automaton.states.len());
    }
}

/// Goal: walks beside a literal see what is on its other side.
/// Method: `A x B` for every small A and B, against the reference of the whole expression.
#[test]
fn walks_to_both_sides_of_a_literal_give_the_answer_of_the_whole() {
    let mut sides: Vec<String> = ATOMS.iter().map(|atom| (*atom).to_owned()).collect();
    let atoms = sides.clone();
    sides.extend(composed(&atoms, &["a", "\\b", "^"]));
    let texts = haystacks(b"ax ", 5);
    let haystacks: Vec<_> = texts.iter().filter(|text| text.contains(&b'x')).collect();
    let limits = Limits::default();
    for (at, side) in sides.iter().enumerate() {
        // Each side with a few others, and all of them in turn.
        for other in [&sides[at], &sides[(at * 7 + 3) % sides.len()]] {
            let text = format!("(?:{side})x(?:{other})");
            let before = in_front_of(&expression(side), b'x', &limits).expect("small");
            let after = behind(&expression(other), b'x', &limits).expect("small");
            let finder = Finder::new(&expression(&text));
            for haystack in &haystacks {
                for window in [0..haystack.len(), 1..haystack.len(), 1..haystack.len() - 1] {
                    if window.start > window.end {
                        continue;
                    }
                    let starts = window.clone().filter(|at| haystack[*at] == b'x');
                    let ends = starts.filter_map(|at| {
                        before.walk(haystack, at, window.clone())?;
                        after.walk(haystack, at + 1, window.clone())
                    });
                    let expected = finder.first_end(haystack, window.clone());
                    assert_eq!(ends.min(), expected, "{text} in {haystack:?} within {window:?}");
                }
            }
        }
    }
}

#[test]
fn equal_expressions_have_equal_automata_without_a_state_too_many() {
    let build = |text| scanning(&expression(text), false, &Limits::default()).expect("small");
    for (text, states, start) in [
        ("", 0, Next::MatchHere),
        ("a*", 0, Next::MatchHere),
        ("[a&&b]", 0, Next::Dead),
        ("a\\b\\Ba", 0, Next::Dead),
        ("a", 1, Next::State(0)),
        ("abc", 3, Next::State(0)),
        ("^abc", 3, Next::State(0)),
        ("(?s)a.*b", 2, Next::State(0)),
        ("a[bc]{1000}d", 1002, Next::State(0)),
    ] {
        let automaton = build(text);
        assert_eq!((automaton.states.len(), automaton.start), (states, start), "{text}");
    }
    for (one, other) in [("a|ab", "a"), ("(?:a|b)*c", "c"), ("ab|ac", "a[bc]"), ("x+", "x")] {
        assert_eq!(build(one), build(other), "{one} and {other}");
    }
}

#[test]
fn what_is_too_large_is_an_error_with_its_limit() {
    let hir = expression("(?s)a.{40}c");
    let limits = Limits { raw_states: 5000, ..Limits::default() };
    let error = scanning(&hir, false, &limits).expect_err("2^40 states");
    assert_eq!(error.to_string(), "its automaton has 5001 states; the limit is 5000");
    let limits = Limits { steps: 5000, ..Limits::default() };
    let error = scanning(&hir, false, &limits).expect_err("2^40 states");
    assert_eq!(
        error.to_string(),
        "making its automaton deterministic takes more than the 5000 steps that it may"
    );
    let limits = Limits { states: 9, ..Limits::default() };
    let error = scanning(&expression("abcdefghij"), false, &limits).expect_err("ten states");
    assert_eq!(error, BuildError::States { states: 10, limit: 9 });
    let limits = Limits { nondeterministic_bytes: 1000, ..Limits::default() };
    let error = scanning(&expression("a{1000}"), false, &limits).expect_err("a thousand");
    assert!(matches!(error, BuildError::Memory { limit: 1000, .. }), "{error}");
}
