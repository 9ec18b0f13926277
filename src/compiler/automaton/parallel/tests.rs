//! Every small expression on every small haystack, and counts at their borders: what is found is what the
//! reference finds, with counters and without.

use super::*;
use crate::compiler::pattern::regex::parse;
use crate::compiler::reference::Finder;
use crate::compiler::small::{composed, haystacks, windows};

fn built(text: &str, counted_min: usize) -> Parallel {
    let hir = parse(text.as_bytes(), false).expect("an expression of the grammar");
    parallel(&hir, counted_min).expect("small")
}

fn agree(text: &str, counted_min: usize, haystacks: &[Vec<u8>], all_windows: bool) {
    let parallel = built(text, counted_min);
    let finder = Finder::new(&parse(text.as_bytes(), false).expect("an expression"));
    for haystack in haystacks {
        let every = windows(haystack.len()).filter(|_| all_windows);
        for window in every.chain([0..haystack.len(), 1..haystack.len()]) {
            if window.start > window.end {
                continue;
            }
            let found = parallel.scan(haystack, window.clone());
            let expected = finder.first_end(haystack, window.clone());
            assert_eq!(found, expected, "{text} in {haystack:?}, {window:?}: {parallel:#?}");
        }
    }
}

const ATOMS: &[&str] = &["a", "b", "", ".", "^", "$", "\\b", "\\B", "(?m:^)", "(?m:$)", "[^a]"];

#[test]
fn every_small_expression_finds_what_it_means() {
    let atoms: Vec<String> = ATOMS.iter().map(|atom| (*atom).to_owned()).collect();
    let mut texts = atoms.clone();
    texts.extend(composed(&atoms, ATOMS));
    let haystacks: Vec<_> = haystacks(b"ab", 5).into_iter().chain(haystacks(b"a\n ", 4)).collect();
    for text in &texts {
        agree(text, COUNTED_MIN, &haystacks, true);
    }
}

#[test]
fn every_expression_of_two_operators_finds_what_it_means() {
    let atoms: Vec<String> = ATOMS.iter().map(|atom| (*atom).to_owned()).collect();
    let texts = composed(&composed(&atoms, ATOMS), &["a", "b", "$", "\\b"]);
    let haystacks: Vec<_> = haystacks(b"ab", 4).into_iter().chain(haystacks(b"a\n ", 3)).collect();
    for text in &texts {
        agree(text, 2, &haystacks, false);
    }
}

/// Goal: a chain is one number without a change of meaning.
/// Method: counts of every kind, with everything around them that could tell their places apart.
#[test]
fn counted_chains_find_what_they_mean() {
    let counts =
        ["a{3}", "a{0,3}", "a{1,3}", "a{3,}", "[ab]{2}", "[ab]{0,3}", "(ba?){2,}", ".{2,4}"];
    let mut texts = Vec::new();
    for count in counts {
        for around in [
            "@",
            "b@",
            "b@b",
            "@b@",
            "(@b)*a",
            "(@,)+",
            "b(@|b)a",
            "(@|b@)b",
            "\\b@",
            "@\\b",
            "(?m)@$",
            "(?m)^@b",
            "(b@)?a@",
            "(?:b|,)@$",
            "(@$|@b)",
            "x(@|b[^b]{2,})b",
        ] {
            texts.push(around.replace('@', count));
        }
    }
    let haystacks: Vec<_> = haystacks(b"ab", 8).into_iter().chain(haystacks(b"ab\n,", 5)).collect();
    let mut counted = 0;
    for text in &texts {
        agree(text, 2, &haystacks, false);
        counted += usize::from(!built(text, 2).counters.is_empty());
    }
    assert!(counted > texts.len() / 2, "{counted} of {} are counted", texts.len());
}

#[test]
fn long_counts_take_a_number_and_not_a_bit_for_each_place() {
    for (text, words, counters) in [
        (r"(?is)\(\s*('[^']{1024,}|\x22[^\x22]{1024,})", 1, 2),
        (r"(?i)%24%7b.{0,200}(%(25)?24|\x24)(%(25)?7b|\x7b).{0,200}(%(25)?3a|\x3a)", 1, 2),
        (r"(?s)a.{200}b", 4, 0),
        (r"a|b", 1, 0),
    ] {
        let parallel = built(text, COUNTED_MIN);
        assert_eq!((parallel.words, parallel.counters.len()), (words, counters), "{text}");
    }
}

#[test]
fn counts_hold_at_their_borders() {
    let x = |n: usize| "x".repeat(n);
    for (text, open, close, least) in [
        ("(?s)\\((?:'[^']{1024,}|\"[^\"]{1024,})", "('", "", 1024),
        ("a[^b]{200}b", "a", "b", 200),
        ("(?s)=.{1,200};c", "=", ";c", 1),
    ] {
        let parallel = built(text, COUNTED_MIN);
        let finder = Finder::new(&parse(text.as_bytes(), false).expect("an expression"));
        for n in [0, 1, 2, least - 1, least, least + 1, 199, 200, 201, 1023, 1025] {
            for front in ["", "..a", "=((\"'"] {
                let haystack = format!("{front}{open}{}{close}{}", x(n), x(3)).into_bytes();
                let window = 0..haystack.len();
                let found = parallel.scan(&haystack, window.clone());
                assert_eq!(found, finder.first_end(&haystack, window), "{text}, {n}");
            }
        }
    }
}
