//! Expressions: every way to search one gives what the reference gives, wherever its matches and its
//! near misses lie.

use hardwire::{
    assembler::{KernelVersion, Target},
    compiler::{
        self, CompileError, Entry, Options, Strategy,
        ir::{Body, Expression, Pattern, Report, Scope, Window},
        pattern::regex,
    },
};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::support::{Side, TC, counted_loops, literal, matcher, tcp_frame, text};

/// Expressions of every kind: with a literal at the front, inside, at the end, in branches; without one;
/// anchored; with look-around on either side; finite; that match the empty string.
const EXPRESSIONS: &[&str] = &[
    r"GET /[a-z]+ HTTP/1\.[01]",
    r"[A-Z]{3,8} /[a-z0-9_]{1,30}\.php",
    r"x[ab]*foo(bar)?b",
    r"[0-9]{2,4}ab[^\n]{5}c",
    r"(?i)host:\s*[a-z.]+\.example",
    r"\x90{4,}[\x80-\xff]shell",
    r"cat|dog|bird",
    r"(?i)Cat|DOG",
    r"colou?r",
    r"ab[0-9]|[0-9]cd",
    r"[0-9]+-[0-9]+",
    r"[a-f]{3}[0-9]{3}",
    r"^GET|POST$",
    r"^[a-z]+:",
    r"\Aab+",
    r"abc\z",
    r"foo$",
    r"(?m)^foo$",
    r"\bfoo\b",
    r"foo\B",
    r"(?s)a.{3}b",
    r"a.{40}zz",
    r"aaa",
    r"(ab)+c",
    r"a*",
    r"",
    r"[^a]",
    r"(?s).{64}",
    r"\x00[\x00-\x1f]{2}\xff",
    r"(?s)\x48\x8b.\xc3",
    r"[\x40-\x4f]key[0-7]=(?i:ab)[01]",
    r"(?s)id=.{20}[\x80-\xff]end.{9}z",
    r"union.*select",
    r"(?i)\sLOGIN\s[^\n]{100}",
];

pub(crate) fn expression(text: &str) -> Pattern {
    let hir = regex::parse(text.as_bytes(), false).expect(text);
    let body = Body::Regex(Expression { hir, text: text.to_owned() });
    Pattern { body, ..literal("") }
}

/// Numbers that look random and are the same every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit.max(1)
    }
}

/// A string that the expression stands for, but for what look-around asks.
pub(crate) fn sample(hir: &Hir, dice: &mut Dice, to: &mut Vec<u8>) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => to.extend(&literal.0[..]),
        HirKind::Class(Class::Bytes(class)) => {
            let ranges = class.ranges();
            if !ranges.is_empty() {
                let range = ranges[dice.below(ranges.len())];
                let wide = usize::from(range.end() - range.start()) + 1;
                to.push(range.start() + u8::try_from(dice.below(wide)).expect("a byte"));
            }
        }
        HirKind::Class(Class::Unicode(_)) => unreachable!("bytes alone"),
        HirKind::Repetition(repetition) => {
            let least = repetition.min;
            let most = repetition.max.unwrap_or(least + 8).min(least + 40);
            let more = dice.below(usize::try_from(most - least).expect("few") + 1);
            for _ in 0..usize::try_from(least).expect("few") + more {
                sample(&repetition.sub, dice, to);
            }
        }
        HirKind::Capture(capture) => sample(&capture.sub, dice, to),
        HirKind::Concat(parts) => parts.iter().for_each(|part| sample(part, dice, to)),
        HirKind::Alternation(ways) => sample(&ways[dice.below(ways.len())], dice, to),
    }
}

/// A payload of `len` bytes: text, with matches and near misses of `hir` in it.
pub(crate) fn haystack(hir: &Hir, len: usize, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = text(len);
    if dice.below(4) == 0 {
        bytes.fill(b'.');
    }
    for _ in 0..dice.below(4) {
        let mut planted = Vec::new();
        sample(hir, dice, &mut planted);
        match dice.below(4) {
            // A whole one; or one with a byte too few, or a wrong one.
            0 => {}
            1 => {
                planted.pop();
            }
            2 if !planted.is_empty() => {
                planted.remove(0);
            }
            _ if !planted.is_empty() => {
                let at = dice.below(planted.len());
                planted[at] ^= 1 << dice.below(8);
            }
            _ => {}
        }
        let at = match dice.below(4) {
            0 => 0,
            1 => len.saturating_sub(planted.len()),
            _ => dice.below(len),
        };
        for (to, from) in bytes.iter_mut().skip(at).zip(planted) {
            *to = from;
        }
    }
    bytes
}

/// Windows that cut, and one that does not.
const WINDOWS: &[Window] = &[
    Window { offset: 0, depth: None },
    Window { offset: 5, depth: None },
    Window { offset: 0, depth: Some(40) },
    Window { offset: 3, depth: Some(21) },
];

/// Every strategy in turn; what one cannot do it must say itself.
fn strategies() -> impl Iterator<Item = Option<Strategy>> {
    [None].into_iter().chain(Strategy::ALL.map(Some))
}

fn check(
    patterns: &[Pattern],
    strategy: Option<Strategy>,
    lengths: &[usize],
    rounds: usize,
) -> bool {
    check_on(&Target::newest(), patterns, strategy, lengths, rounds)
}

fn check_on(
    target: &Target,
    patterns: &[Pattern],
    strategy: Option<Strategy>,
    lengths: &[usize],
    rounds: usize,
) -> bool {
    let mut ran = false;
    for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
        for report in [Report::All, Report::First] {
            let scope = if report == Report::All { Scope::Payload } else { Scope::Raw };
            let matcher = matcher(patterns.to_vec(), scope, report);
            let options = Options { strategy, ..Options::default() };
            match compiler::compile(&matcher, entry, target, &options) {
                Ok(_) => {}
                Err(CompileError::Strategy { .. }) => continue,
                // Found by its literal, it has no automaton of its own.
                Err(CompileError::Automaton { .. }) if strategy.is_some() => continue,
                // Walks and places need may_goto.
                Err(error @ CompileError::Target { .. })
                    if !target.may_goto
                        && (strategy.is_some() || error.to_string().contains("other ways")) =>
                {
                    continue;
                }
                Err(error) => panic!("{error}: {patterns:?}"),
            }
            ran = true;
            let mut side = Side::with_options(&matcher, entry, target, &options);
            let mut dice = Dice(7);
            for &len in lengths {
                for round in 0..rounds {
                    let Body::Regex(it) = &patterns[round % patterns.len()].body else { continue };
                    let payload = haystack(&it.hir, len, &mut dice);
                    let frame = tcp_frame(&payload);
                    side.check(&frame, || {
                        format!("{strategy:?} {:?}", payload.escape_ascii().to_string())
                    });
                }
            }
        }
    }
    ran
}

#[test]
fn every_strategy_finds_what_the_reference_finds() {
    for text in EXPRESSIONS {
        for strategy in strategies() {
            check(&[expression(text)], strategy, &[0, 1, 7, 33, 150, 700], 12);
        }
    }
}

#[test]
fn expressions_are_found_without_may_goto() {
    let oldest = Target::of_version(KernelVersion::OLDEST);
    let mut ran = 0;
    for (number, text) in EXPRESSIONS.iter().enumerate() {
        let (target, strategy) = match number % 3 {
            0 => (&counted_loops(), None),
            1 => (&counted_loops(), Some(Strategy::Dispatcher)),
            _ => (&oldest, Some(Strategy::Dispatcher)),
        };
        let lengths = [0, 1, 7, 33, 150, 700, 1400];
        ran += usize::from(check_on(target, &[expression(text)], strategy, &lengths, 8));
    }
    assert!(ran >= EXPRESSIONS.len() * 9 / 10, "{ran}");
    let patterns: Vec<_> = EXPRESSIONS[..12].iter().map(|text| expression(text)).collect();
    assert!(check_on(&counted_loops(), &patterns, None, &[0, 30, 200, 1400], 20));
}

#[test]
fn windows_of_expressions_cut_without_may_goto_too() {
    let mut ran = 0;
    for (number, text) in EXPRESSIONS.iter().enumerate() {
        let window = WINDOWS[1 + number % 3];
        let (patterns, strategy) = ([expression(text).within(window)], Some(Strategy::Dispatcher));
        let found = check_on(&counted_loops(), &patterns, strategy, &[0, 4, 5, 20, 60], 8);
        ran += usize::from(found);
    }
    assert!(ran >= EXPRESSIONS.len() * 9 / 10, "{ran}");
}

#[test]
fn long_frames_are_searched_across_fragments_and_windows() {
    for text in EXPRESSIONS {
        for strategy in [None, Some(Strategy::InnerLiteral), Some(Strategy::Dispatcher)] {
            check(&[expression(text)], strategy, &[3400, 3600, 4200, 9000], 4);
        }
    }
}

#[test]
fn windows_of_expressions_cut_where_they_should() {
    for text in EXPRESSIONS {
        for &window in &WINDOWS[1..] {
            for strategy in [None, Some(Strategy::InnerLiteral), Some(Strategy::Dispatcher)] {
                check(&[expression(text).within(window)], strategy, &[0, 4, 5, 20, 60], 8);
            }
        }
    }
}

#[test]
fn many_expressions_are_searched_together() {
    let patterns: Vec<_> = EXPRESSIONS.iter().map(|text| expression(text)).collect();
    assert!(check(&patterns, None, &[0, 30, 200, 1400, 5000], 20));
}

#[test]
fn what_a_strategy_cannot_do_it_says() {
    for (strategy, text, can) in [
        (Strategy::InnerLiteral, "[0-9]+[a-z]+", false),
        (Strategy::InnerLiteral, "[0-9]+abcd[a-z]+", true),
        (Strategy::PairSwar, "[0-9]+[a-z]+", false),
        (Strategy::PairSwar, "[0-9]+abcd", true),
        (Strategy::Dispatcher, "[0-9]+[a-z]+", true),
    ] {
        assert_eq!(check(&[expression(text)], Some(strategy), &[30], 2), can, "{strategy} {text}");
    }
}
