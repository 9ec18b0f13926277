//! Searches that are split over several programs give the answers of one.

use std::time::{Duration, Instant};

use hardwire::{
    assembler::{KernelVersion, Target},
    compiler::{
        self, CompileError, Compiled, Entry, Options, Strategy,
        event::{COUNTERS_MAP, Counter, Counters},
        frequency::Condition,
        ir::{Body, Matcher, Pattern, Report, Scope, Window},
    },
    engine::{Engine, Kernel},
    loader::{LoadOptions, Program},
    vm::{Context, Machine},
};

use crate::{
    expressions::expression,
    support::{Side, TC, kernel_tests, literal, matcher, text, udp_frame},
};

/// Literals of all lengths, in windows and with case ignored, and expressions of both kinds.
fn patterns(count: usize) -> Vec<Pattern> {
    let windows = [
        Window::default(),
        Window { offset: 20, depth: None },
        Window { offset: 5, depth: Some(400) },
    ];
    let one = |number: usize| match number % 8 {
        0 => literal(vec![b'#', u8::try_from(number % 200).expect("below 200") + 1]),
        1 => expression(&format!("k{number}=[0-9]+;")),
        2 => expression(["[a-f]{3}[k-z]", "[a-f]{3}[m-z]", "[a-f]{3}[z]"][number / 8 % 3]),
        _ => {
            let name = format!("pattern number {number:03} of a long list");
            let length = 8 + number * 5 % (name.len() - 8);
            literal(&name.as_bytes()[name.len() - length..]).ignoring_case(number.is_multiple_of(3))
        }
    };
    let all = (0..count).map(|number| one(number).within(windows[number % windows.len()]));
    all.collect()
}

/// Something that a pattern of [`patterns`] matches.
fn sample(pattern: &Pattern) -> Vec<u8> {
    match &pattern.body {
        Body::Literal(literal) => literal.bytes.clone(),
        Body::Regex(expression) if expression.text.starts_with('k') => {
            let name = expression.text.split('=').next().expect("a name");
            format!("{name}=0451;").into_bytes()
        }
        Body::Regex(_) | Body::Frequency(_) => b"fadz".to_vec(),
    }
}

/// Payloads with nothing, with one pattern each, and with many.
fn payloads(patterns: &[Pattern], length: usize) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new(), text(length)];
    let place = |payload: &mut Vec<u8>, at: usize, bytes: &[u8]| {
        if let Some(to) = payload.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    };
    for (number, pattern) in patterns.iter().enumerate() {
        let mut payload = text(length);
        place(&mut payload, (number * 37) % length.max(1), &sample(pattern));
        all.push(payload);
    }
    let mut full = text(length);
    for (number, pattern) in patterns.iter().enumerate() {
        place(&mut full, number * 31 + 3, &sample(pattern));
        place(&mut full, number * 31 + length / 2, &sample(pattern));
    }
    all.push(full);
    all
}

fn split(matcher: &Matcher, entry: Entry, target: &Target, programs: usize) -> (Compiled, Options) {
    let options = Options { programs_min: programs, ..Options::default() };
    let compiled = compiler::compile(matcher, entry, target, &options).expect("compiles");
    (compiled, options)
}

/// All payloads through a search in so many programs.
fn agree(count: usize, programs: usize, entry: Entry, target: &Target, length: usize) {
    for report in [Report::First, Report::All] {
        for scope in [Scope::Payload, Scope::Packet] {
            let matcher = matcher(patterns(count), scope, report);
            let (compiled, options) = split(&matcher, entry, target, programs);
            assert_eq!(compiled.programs().count(), programs);
            let mut side = Side::with_options(&matcher, entry, target, &options);
            for (number, payload) in payloads(&matcher.patterns, length).iter().enumerate() {
                side.check(&udp_frame(payload), || format!("{programs}: payload {number}"));
            }
            side.check(&[0; 60], || "no scope".to_owned());
        }
    }
}

#[test]
fn several_programs_find_what_one_finds() {
    let newest = Target::newest();
    let without_perfmon = Target { perfmon: false, ..newest.clone() };
    for programs in [2, 3] {
        agree(9, programs, Entry::Xdp, &newest, 700);
        agree(9, programs, Entry::SocketFilter, &newest, 700);
        agree(9, programs, TC, &newest, 700);
        agree(9, programs, Entry::Xdp, &without_perfmon, 700);
    }
}

#[test]
fn as_many_programs_as_there_may_be_find_what_one_finds() {
    for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
        agree(34, 34, entry, &Target::newest(), 1400);
    }
}

#[test]
fn several_programs_search_fragments() {
    agree(6, 3, Entry::Xdp, &Target::newest(), 9000);
}

/// Without `may_goto` a program holds a handful of literals, a chain the more.
#[test]
fn loops_with_a_counter_hold_more_literals_in_several_programs() {
    let names = (0..9).map(|number| literal(format!("name {number:02}")));
    let matcher = matcher(names.collect(), Scope::Payload, Report::All);
    let target = Target { xdp_frags: true, ..Target::of_version(KernelVersion::new(6, 1)) };
    // As a set they would need one program only.
    let options = Options { strategy: Some(Strategy::PairSwar), ..Options::default() };
    let compiled = compiler::compile(&matcher, Entry::Xdp, &target, &options).expect("compiles");
    assert!(!compiled.tails.is_empty(), "{}", compiled.plan.why);
    let mut side = Side::with_options(&matcher, Entry::Xdp, &target, &options);
    for payload in payloads(&matcher.patterns, 300) {
        side.check(&udp_frame(&payload), || format!("{payload:?}"));
    }
    let alone = Target { tail_calls: false, ..target };
    let refused = compiler::compile(&matcher, Entry::Xdp, &alone, &options);
    assert!(matches!(refused, Err(CompileError::Target { .. })), "{refused:?}");
}

#[test]
fn conditions_are_looked_at_once_and_noted_by_the_program_that_finds() {
    let mut all = patterns(8);
    let condition = Condition::parse(b"'#'>=1", false, Window::default()).expect("a condition");
    let body = Body::Frequency(condition);
    all.push(Pattern { id: 0, body, window: Window::default() });
    let matcher = matcher(all, Scope::Payload, Report::All);
    for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
        let (compiled, options) = split(&matcher, entry, &Target::newest(), 3);
        assert_eq!(compiled.programs().map(|part| part.plan.gates.len()).sum::<usize>(), 1);
        let mut side = Side::with_options(&matcher, entry, &Target::newest(), &options);
        for payload in payloads(&matcher.patterns[..8], 500) {
            side.check(&udp_frame(&payload), || format!("{payload:?}"));
        }
    }
}

/// Small programs are forced: the search is split because of its size.
#[test]
fn a_search_that_is_too_large_for_one_program_is_split_and_says_why() {
    let names = (0..300).map(|number| literal(format!("one of the names, {number:03}")));
    let matcher = matcher(names.collect(), Scope::Payload, Report::First);
    let one = compiler::compile(&matcher, Entry::Xdp, &Target::newest(), &Options::default());
    let one = one.expect("compiles");
    assert!(one.tails.is_empty());
    let half = Target { slots_max: one.image.slot_count() * 2 / 3, ..Target::newest() };
    let more = compiler::compile(&matcher, Entry::Xdp, &half, &Options::default()).expect("fits");
    let count = more.programs().count();
    // Two would do if a program had no constant part.
    assert!((2..=4).contains(&count), "{count}");
    for (number, part) in (1..).zip(more.programs()) {
        let says =
            format!("program {number} of {count}, joined by tail calls: as one, slots would be");
        assert!(part.plan.why.contains(&says), "{}", part.plan.why);
        assert!(part.image.slot_count() <= half.slots_max);
    }
    let tiny = Target { slots_max: 2_000, ..Target::newest() };
    let many = compiler::compile(&matcher, Entry::Xdp, &tiny, &Options::default());
    match many {
        Ok(many) => assert!(many.programs().all(|part| part.image.slot_count() <= 2_000)),
        Err(CompileError::TooManyPrograms { needed, limit: 34, .. }) => assert!(needed > 34),
        Err(other) => panic!("{other}"),
    }
}

/// What is not there any more is not searched, and that is said.
#[test]
fn a_frame_whose_next_program_is_gone_is_counted_as_unsearched() {
    let names = [literal("present"), literal("absent and longer")];
    for report in [Report::First, Report::All] {
        let matcher = matcher(names.to_vec(), Scope::Payload, report);
        let (compiled, _) = split(&matcher, Entry::Xdp, &Target::newest(), 2);
        // The longer one is looked for first.
        for (payload, unsearched, matched) in
            [("present", 1, 0), ("absent and longer", 0, 1), ("nothing", 1, 0)]
        {
            let frame = udp_frame(payload.as_bytes());
            let mut machine =
                Machine::from_insns(compiled.image.insns(), compiled.image.maps()).expect("takes");
            machine.run(Context::xdp(&frame, frame.len(), 1)).expect("no trap");
            let bytes = machine.maps().at(COUNTERS_MAP, 0).expect("there");
            let counters = Counters::from_bytes(bytes).expect("whole");
            assert_eq!(counters.get(Counter::Unsearched), unsearched, "{payload} {report:?}");
            assert_eq!(counters.get(Counter::Matched), matched, "{payload} {report:?}");
            if !kernel_tests() {
                continue;
            }
            let mut kernel = Kernel::new(&matcher, Entry::Xdp, &compiled.image).expect("loads");
            let array = compiled.image.tails_map().expect("one").0;
            kernel.program().maps()[array].delete(&0_u32.to_ne_bytes()).expect("it is there");
            let outcome = kernel.answer(&frame).expect("an answer");
            assert_eq!(outcome.searched, unsearched == 0, "{payload} {report:?}");
            assert_eq!(outcome.matches.len(), usize::from(matched == 1), "{payload} {report:?}");
        }
    }
}

#[test]
fn nothing_of_a_chain_is_left_behind() {
    if !kernel_tests() {
        return;
    }
    let matcher = matcher(patterns(10), Scope::Payload, Report::All);
    let (compiled, _) = split(&matcher, Entry::Xdp, &Target::newest(), 5);
    let program = Program::load(&compiled.image, &LoadOptions::default()).expect("loads");
    assert_eq!(program.tails().len(), 4);
    let ids: Vec<u32> =
        program.programs().map(|program| program.info().expect("told").id).collect();
    drop(program);
    // The kernel empties program arrays a little later.
    let deadline = Instant::now() + Duration::from_secs(20);
    while ids.iter().any(|id| Program::by_id(*id).is_ok()) {
        assert!(Instant::now() < deadline, "programs {ids:?} are still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}
