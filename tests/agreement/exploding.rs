//! Expressions whose automaton would be too large: matches and near misses at the borders of their
//! counts, in one piece, across fragments and windows, together with others and in chains.

use hardwire::{
    assembler::Target,
    compiler::{
        self, Entry, Options, Strategy,
        automaton::Limits,
        ir::{Pattern, Report, Scope, Window},
    },
};

use super::expressions::{Dice, expression, haystack};
use super::support::{Side, literal, matcher, tcp_frame};

/// Expressions, what stands in front of what is counted, what behind it, and the least count that matters.
const EXPLODING: &[(&str, &str, &str, usize)] = &[
    (r"(?is)\(\s*('[^']{1024,}|\x22[^\x22]{1024,})", "( '", "", 1024),
    (r"(?s)<(a[^>]{1000}|b[^;]{1000})", "<b", "", 1000),
    (
        r"(?i)%24%7b.{0,200}(%(25)?24|\x24)(%(25)?7b|\x7b).{0,200}(%(25)?3a|:)j",
        "%24%7B",
        "${:j",
        200,
    ),
    (r"(?is)[ip].{200}[qz]", "i", "q", 200),
    (r"(?s)a.{199}[^b]x\b", "a", "yx.", 199),
    (r"(?m)[ab][^\n]{100}c$", "b", "c\n", 100),
];

/// Where determinising gives up soon: that it would is not what is tested.
fn options() -> Options {
    let limits = Limits { steps: 1 << 17, ..Limits::default() };
    Options { limits, ..Options::default() }
}

/// `front`, so many bytes and `back`, somewhere in a payload.
fn payload(at: usize, front: &str, count: usize, back: &str, rest: usize) -> Vec<u8> {
    let filler = |len: usize| b"...,-".iter().copied().cycle().take(len);
    let mut bytes: Vec<u8> = filler(at).collect();
    bytes.extend(front.bytes());
    bytes.extend(std::iter::repeat_n(b'=', count));
    bytes.extend(back.bytes());
    bytes.extend(filler(rest));
    bytes
}

fn agree(patterns: &[Pattern], options: &Options, ats: &[usize]) {
    let target = Target::newest();
    for (entry, report) in [(Entry::Xdp, Report::All), (Entry::SocketFilter, Report::First)] {
        let matcher = matcher(patterns.to_vec(), Scope::Payload, report);
        let mut side = Side::with_options(&matcher, entry, &target, options);
        for &(text, front, back, least) in EXPLODING {
            for count in [0, 1, least - 1, least, least + 1, 2 * least] {
                for &at in ats {
                    for rest in [0, 30] {
                        let bytes = payload(at, front, count, back, rest);
                        side.check(&tcp_frame(&bytes), || format!("{text} {count} at {at}"));
                    }
                }
            }
        }
    }
}

#[test]
fn counts_hold_at_their_borders() {
    for &(text, ..) in EXPLODING {
        agree(&[expression(text)], &options(), &[0, 7, 1300, 3500]);
    }
}

#[test]
fn windows_cut_where_they_should() {
    for &(text, ..) in EXPLODING {
        for (offset, depth) in [(5, None), (0, Some(204)), (3, Some(1027))] {
            let pattern = expression(text).within(Window { offset, depth });
            agree(&[pattern], &options(), &[0, 3, 6]);
        }
    }
}

#[test]
fn several_are_searched_together_and_in_chains() {
    let mut patterns: Vec<Pattern> = EXPLODING.iter().map(|(text, ..)| expression(text)).collect();
    patterns.push(literal("${:j"));
    patterns.push(expression("[=]{3}[^=]x?"));
    for programs_min in [1, 3] {
        let options = Options { programs_min, ..options() };
        agree(&patterns, &options, &[0, 40]);
    }
}

#[test]
fn without_fragments_there_is_memory_for_places_all_the_same() {
    let options = Options { fragments: false, ..options() };
    let patterns = [expression(EXPLODING[0].0), expression(EXPLODING[3].0)];
    agree(&patterns, &options, &[0, 40]);
}

#[test]
fn what_explodes_is_searched_by_its_places_and_everything_can_be() {
    let strategy = |text: &str, strategy| {
        let matcher = matcher(vec![expression(text)], Scope::Raw, Report::All);
        let options = Options { strategy, ..Options::default() };
        compiler::compile(&matcher, Entry::Xdp, &Target::newest(), &options)
            .map(|compiled| compiled.plan.strategy())
            .map_err(|error| error.to_string())
    };
    for &(text, ..) in EXPLODING {
        assert_eq!(strategy(text, None), Ok("bit-parallel"), "{text}");
        let error = strategy(text, Some(Strategy::Dispatcher)).expect_err(text);
        assert!(error.contains("cannot become an automaton"), "{error}");
    }
    for text in ["[a-z]+[0-9]", "", "^a|b$", r"(?m)\bx^"] {
        assert_eq!(strategy(text, Some(Strategy::BitParallel)), Ok("bit-parallel"), "{text}");
    }
}

#[test]
fn chance_finds_nothing_else() {
    let target = Target::newest();
    for &(text, ..) in EXPLODING {
        let pattern = expression(text);
        let hardwire::compiler::ir::Body::Regex(it) = &pattern.body else { unreachable!() };
        let hir = it.hir.clone();
        let matcher = matcher(vec![pattern], Scope::Payload, Report::All);
        let mut side = Side::with_options(&matcher, Entry::Xdp, &target, &options());
        let mut dice = Dice(11);
        for round in 0..60 {
            let bytes = haystack(&hir, [40, 300, 1400, 2500][round % 4], &mut dice);
            side.check(&tcp_frame(&bytes), || bytes.escape_ascii().to_string());
        }
    }
}
