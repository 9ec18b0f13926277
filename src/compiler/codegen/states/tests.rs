//! Automata by hand and at random, run by the kernel and the vm, against running them byte by byte.

use super::*;
use crate::{
    assembler::{ProgramImage, Target},
    compiler::{
        Entry, Options,
        automaton::{Arm, Automaton, Direction, State, skip::Skip},
        codegen::{Place, generate},
        event,
        ir::{Matcher, Pattern, Report, Scope, Verdict, Verdicts, Window},
        lower::Lowered,
        plan::{Pass, Plan},
    },
    engine::{Engine, EngineError, Kernel, Vm},
};

/// The program of one automaton.
pub(super) fn image(
    automaton: &Automaton,
    window: Window,
    entry: Entry,
    access: Access,
    counters: bool,
) -> (Matcher, ProgramImage) {
    let target = &Target::newest();
    let verdicts =
        Verdicts { on_match: Verdict::Drop, on_miss: Verdict::Pass, out_of_scope: Verdict::Tx };
    let matcher = Matcher {
        patterns: vec![Pattern::literal(1, "x").within(window)],
        scope: Scope::Raw,
        report: Report::All,
        verdicts,
    };
    let shape = Shape::choose(automaton, 1, access, target).expect("fits");
    let scan = Scan {
        index: 0,
        id: 1,
        window,
        automaton: Some(automaton.clone()),
        parallel: None,
        required: None,
    };
    let lowered = Lowered { scans: vec![scan], ..Lowered::default() };
    let options = Options { counters, ..Options::default() };
    let passes = vec![Pass::States { scan: 0, shape, required: None }];
    let plan = Plan { access, gates: Vec::new(), passes, why: String::new() };
    let place = Place { number: 0, count: 1, whole: &lowered };
    let image = generate(place, &matcher, &lowered, entry, target, &options, &plan);
    (matcher, image.expect("fits"))
}

/// What should be found.
pub(super) fn first_end(automaton: &Automaton, window: Window, scope: &[u8]) -> Option<usize> {
    let size = |n: u64| usize::try_from(n).expect("64 bits");
    let offset = size(window.offset.into());
    if scope.len() < offset {
        return None;
    }
    let end = window.end().map_or(scope.len(), |end| size(end).min(scope.len()));
    let (mut at, mut next) = if offset > 0 {
        (offset - 1, Next::State(automaton.behind.expect("a state behind")))
    } else {
        (0, automaton.start)
    };
    loop {
        match next {
            Next::Dead => return None,
            Next::MatchHere => return (at <= end).then_some(at),
            Next::MatchBefore => return (at - 1 <= end).then_some(at - 1),
            Next::State(state) => {
                let state = &automaton.states[state];
                match scope.get(at) {
                    Some(&byte) => next = state.next(byte),
                    None => return (state.match_at_end && at <= end).then_some(at),
                }
                at += 1;
            }
        }
        if at > end + 1 {
            return None;
        }
    }
}

/// A source of numbers that is the same every time.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % below
    }
}

/// `states` states over few letters, so that short inputs visit many.
pub(super) fn random(
    random: &mut Random,
    states: usize,
    exceptions: usize,
    matches: usize,
) -> Automaton {
    let mut all = Vec::new();
    for number in 0..states {
        let mut table = vec![Next::State(random.below(states)); 256];
        // Every state is reached from the one before.
        table[usize::from(b'a')] = Next::State((number + 1) % states);
        for _ in 0..exceptions {
            let first = random.below(256);
            let last = (first + [0, 0, 0, 3, 25][random.below(5)]).min(255);
            let next = match random.below(matches) {
                0 => Next::MatchHere,
                1 => Next::MatchBefore,
                2 => Next::Dead,
                _ => Next::State(random.below(states)),
            };
            table[first..=last].fill(next);
        }
        table[usize::from(b'a')] = Next::State((number + 1) % states);
        all.push(state(&table, random.below(3) == 0));
    }
    let start = match random.below(20) {
        0 => Next::MatchHere,
        1 => Next::Dead,
        _ => Next::State(random.below(states)),
    };
    let behind = Some(random.below(states));
    Automaton { direction: Direction::Forward, states: all, start, behind }
}

fn state(table: &[Next], match_at_end: bool) -> State {
    let mut arms: Vec<Arm> = Vec::new();
    for (last, &next) in (0..=255).zip(table) {
        if arms.last().is_some_and(|arm| arm.next == next) {
            arms.pop();
        }
        arms.push(Arm { last, next });
    }
    State { arms, match_at_end }
}

/// Where a program runs and how it gets its bytes.
const PLACES: [(Entry, Access); 5] = [
    (Entry::Xdp, Access::Direct { rest: false }),
    (Entry::Xdp, Access::Direct { rest: true }),
    (Entry::Xdp, Access::Windows),
    (Entry::SocketFilter, Access::Windows),
    (Entry::Tc(event::record::Direction::Ingress), Access::Direct { rest: true }),
];

/// May this process load programs? If not, and it must, panic.
fn kernel_tests() -> bool {
    use crate::loader::capability::{Capabilities, Capability};
    let needed = [Capability::Bpf, Capability::NetAdmin, Capability::Perfmon];
    let may = Capabilities::of_process().is_ok_and(|caps| caps.missing(&needed).is_empty());
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(may || !required, "KERNEL_TESTS=required, but capabilities are missing");
    if !may {
        eprintln!("skipped: the kernel engine, for lack of capabilities");
    }
    may
}

/// Run the program of `automaton` on `inputs` everywhere, with linear parts of some lengths.
fn check(what: &str, automaton: &Automaton, window: Window, inputs: &[Vec<u8>], linear: &[usize]) {
    let target = Target::newest();
    for (entry, access) in PLACES {
        let (matcher, image) = image(automaton, window, entry, access, true);
        let mut vm = Vm::new(&matcher, entry, &image).expect("the vm takes it");
        let mut kernel = kernel_tests().then(|| {
            Kernel::new(&matcher, entry, &image).unwrap_or_else(|e| {
                let text = format!("{e:?}").replace("\\n", "\n");
                panic!("{what}: {}", &text[text.len().saturating_sub(3000)..])
            })
        });
        if let Some(kernel) = &kernel {
            let info = kernel.program().info().expect("info");
            let processed = info.verified_insns.map_or(0, u64::from);
            let shape = Shape::choose(automaton, 1, access, &target).expect("fits");
            let cost = shape.cost(automaton, &target);
            let states = automaton.states.len();
            println!(
                "{what} {states} {entry:?} {access:?} {shape:?}: {} {processed} {cost:?}",
                image.slot_count()
            );
        }
        for input in inputs {
            let expected = first_end(automaton, window, input);
            let ask = |engine: &mut dyn Engine, about: usize| {
                let got = match engine.answer(input) {
                    Ok(got) => got,
                    Err(EngineError::TooShort { .. } | EngineError::TooLong { .. }) => return,
                    Err(e) => panic!("{what}: {e:?}"),
                };
                let name = engine.name();
                let about = format!(
                    "{name} {what} {entry:?} {access:?} {window:?} linear {about} {:?}",
                    input.escape_ascii().to_string()
                );
                assert!(got.searched, "{about}");
                let end = got.matches.first().and_then(|m| m.end);
                let end = end.map(|end| usize::try_from(end).expect("64 bits"));
                assert_eq!(end, expected, "{about}");
            };
            ask(&mut vm, usize::MAX);
            if let Some(kernel) = &mut kernel {
                ask(kernel, usize::MAX);
            }
            if access == (Access::Direct { rest: true }) {
                for &bytes in linear {
                    vm.set_linear_bytes(bytes);
                    ask(&mut vm, bytes);
                }
                vm.set_linear_bytes(3520);
            }
        }
    }
}

fn bytes(numbers: &mut Random, len: usize, letters: &[u8]) -> Vec<u8> {
    (0..len).map(|_| letters[numbers.below(letters.len())]).collect()
}

#[test]
fn large_automata_load_and_agree() {
    let mut numbers = Random(1);
    let all: Vec<u8> = (0..=255).collect();
    for (states, exceptions) in [(100, 8), (1000, 8), (4000, 8)] {
        let automaton = random(&mut numbers, states, exceptions, 4_000);
        let inputs: Vec<_> = (0..60)
            .map(|round| bytes(&mut numbers, [14, 40, 1500, 4090][round % 4] + round % 9, &all))
            .collect();
        check("large", &automaton, Window::default(), &inputs, &[1, 100]);
    }
}

/// Goal: no off-by-one in where reading begins and ends, and in what is known one byte late.
/// Method: small automata in every window, on inputs around every border.
#[test]
fn small_automata_agree_in_every_window() {
    let mut numbers = Random(7);
    for number in 0..40 {
        let states = 1 + numbers.below(6);
        let automaton = random(&mut numbers, states, 4, 12);
        let offset = [0, 1, 2, 7, 16][number % 5];
        let depth = [None, Some(0), Some(1), Some(2), Some(5), Some(16), Some(30)][number % 7];
        let window = Window { offset, depth };
        let mut inputs: Vec<_> =
            (0..40).map(|len| bytes(&mut numbers, len, b"aaaaab\n\x80 ")).collect();
        inputs.extend((14..50).map(|len| vec![b'a'; len]));
        check("small", &automaton, window, &inputs, &[1, 14, 15, 16, 17, 18, 33]);
    }
}

/// Goal: the state survives the borders of windows.
#[test]
fn a_state_is_carried_over_the_borders_of_windows() {
    // `ba*` and then any of four bytes, with each kind of end.
    let mut numbers = Random(3);
    for (number, end) in [Next::MatchHere, Next::MatchBefore, Next::Dead].into_iter().enumerate() {
        let mut searching = vec![Next::State(0); 256];
        searching[usize::from(b'b')] = Next::State(1);
        let mut inside = searching.clone();
        inside[usize::from(b'a')] = Next::State(1);
        inside[usize::from(b'c')] = end;
        let automaton = Automaton {
            direction: Direction::Forward,
            states: vec![state(&searching, false), state(&inside, number == 1)],
            start: Next::State(0),
            behind: Some(1),
        };
        let mut inputs = Vec::new();
        for border in [64, 3520, 4096, 8192] {
            for at in border - 3..border + 3 {
                for run in [0, 1, 3, 100] {
                    let mut input = vec![b'.'; at];
                    input.push(b'b');
                    input.extend(vec![b'a'; run]);
                    input.push(b'c');
                    input.extend(bytes(&mut numbers, at % 5, b"ab."));
                    inputs.push(input);
                }
            }
        }
        for window in [Window::default(), Window { offset: 60, depth: Some(4036) }] {
            check("borders", &automaton, window, &inputs, &[1, 62, 64, 4096]);
        }
    }
}

/// Bytes that mostly mean nothing, with pieces that do.
fn sparse(numbers: &mut Random, len: usize, pieces: &[&[u8]]) -> Vec<u8> {
    let mut input = Vec::new();
    while input.len() < len {
        input.extend(vec![b"~,;"[numbers.below(3)]; numbers.below(40)]);
        input.extend(pieces[numbers.below(pieces.len())]);
    }
    input.truncate(len);
    input
}

/// Goal: nothing that matters is skipped, wherever it stands in a round, in a word and at the ends.
/// Method: expressions that wait for something rare, on inputs made of pieces of their matches.
#[test]
fn what_is_skipped_cannot_matter() {
    let mut numbers = Random(11);
    let expressions: [(&str, &[&[u8]]); 12] = [
        (r"[A-Z]{3,8} /[a-z0-9_]{1,30}", &[b"GET /a", b"ABC", b" /", b"AB /x", b"C /", b"/"]),
        (r"(?i)[a-z]+[0-9]{3}x", &[b"a123x", b"A12x", b"X", b"z999", b"x1X", b"777x"]),
        (r"GET /[a-z]+ HTTP/1\.[01]", &[b"GET /a HTTP/1.0", b"GET /", b"G", b" HTTP/1.1", b"/z"]),
        (r"[a-z]{3}[0-9][a-z]{2}!", &[b"abc1de!", b"abc1d!", b"!", b"ab", b"c1de", b"1"]),
        (r"q[^u\r\n]*u[0-9]", &[b"q", b"u7", b"u", b"\n", b"qu", b"5"]),
        (r"(?:foo|bar|qux)[0-9]+", &[b"foo1", b"bar", b"x7", b"qu", b"9", b"o"]),
        (r"[0-9]{5,}", &[b"1234", b"5", b"12345", b"00000", b"x"]),
        (r"(?-u)\x80[\x00-\x1f]z", &[b"\x80\x01z", b"\x80", b"\0z", b"z", b"\x80\x1f"]),
        (r"k$", &[b"k", b"kk", b"j"]),
        (r"k\b", &[b"k", b"ka", b"k~", b"j"]),
        (r"(?m)^k[0-9]$", &[b"k1", b"\nk1", b"\n", b"k1\n", b"1"]),
        (r"a.{9}b", &[b"a", b"b", b"a12345678", b"9b", b"a123456789b"]),
    ];
    let mut skips = 0;
    for (text, pieces) in expressions {
        let hir = crate::compiler::pattern::regex::parse(text.as_bytes(), false).expect(text);
        for offset in [0, 5] {
            let limits = crate::compiler::automaton::Limits::default();
            let automaton = crate::compiler::automaton::scanning(&hir, offset > 0, &limits);
            let automaton = automaton.expect("small");
            skips += usize::from(Skip::find(&automaton).is_some());
            let mut inputs: Vec<_> =
                (0..200).map(|round| sparse(&mut numbers, 20 + 3 * round, pieces)).collect();
            for at in 40..150 {
                let mut input = vec![b'~'; at];
                input.extend(pieces[0]);
                inputs.push(input.clone());
                input.extend(vec![b'~'; at % 90]);
                inputs.push(input);
            }
            for depth in [None, Some(130)] {
                let window = Window { offset, depth };
                check(text, &automaton, window, &inputs, &[1, 70, 130, 131]);
            }
        }
    }
    assert!(skips >= 12, "{skips}");
}

/// Goal: no automaton is skipped wrongly. Method: random ones in which most bytes lead to the same
/// places from everywhere, so that some have a skip.
#[test]
fn random_automata_with_skips_agree() {
    let mut numbers = Random(5);
    let mut skips = 0;
    for number in 0..60 {
        let states = 2 + numbers.below(5);
        let plain: Vec<Next> = (0..256).map(|_| Next::State(numbers.below(states) / 2)).collect();
        let all = (0..states)
            .map(|_| {
                let mut table = vec![Next::State(0); 256];
                table[usize::from(b',')] = plain[0];
                table[usize::from(b';')] = plain[1];
                for letter in *b"`^|}" {
                    table[usize::from(letter)] = match numbers.below(12) {
                        0 => Next::MatchHere,
                        1 => Next::MatchBefore,
                        _ => Next::State(numbers.below(states)),
                    };
                }
                state(&table, numbers.below(4) == 0)
            })
            .collect();
        let automaton = Automaton {
            direction: Direction::Forward,
            states: all,
            start: Next::State(numbers.below(states)),
            behind: Some(numbers.below(states)),
        };
        skips += usize::from(Skip::find(&automaton).is_some());
        let pieces: [&[u8]; 6] = [b"`", b"^", b"|}", b"}", b"`^", b"}|`"];
        let inputs: Vec<_> =
            (0..120).map(|round| sparse(&mut numbers, 60 + 2 * round, &pieces)).collect();
        let window =
            Window { offset: [0, 3][number % 2], depth: [None, Some(150)][number / 2 % 2] };
        check("random skip", &automaton, window, &inputs, &[1, 66, 128]);
    }
    assert!(skips > 5, "{skips}");
}
