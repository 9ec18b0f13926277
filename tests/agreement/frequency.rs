//! Conditions: counting in the whole of a small space, at every border between ways of reading, and for
//! every kind of class.

use hardwire::{
    assembler::Target,
    compiler::{
        Entry,
        frequency::Condition,
        ir::{Body, Pattern, Report, Scope, Window},
    },
    engine::TEST_RUN_LINEAR_BYTES,
};

use super::support::{Side, TC, counted_loops, literal, matcher, tcp_frame};

fn condition(text: &str) -> Pattern {
    within(text, Window::default())
}

fn within(text: &str, window: Window) -> Pattern {
    let condition = Condition::parse(text.as_bytes(), false, window);
    let condition = condition.unwrap_or_else(|error| panic!("{text}: {error}"));
    Pattern { id: 0, body: Body::Frequency(condition), window }
}

fn ways() -> [(Entry, Target); 6] {
    let without_perfmon = Target { perfmon: false, ..Target::newest() };
    [
        (Entry::Xdp, Target::newest()),
        (Entry::SocketFilter, Target::newest()),
        (TC, Target::newest()),
        (Entry::Xdp, counted_loops()),
        (Entry::SocketFilter, counted_loops()),
        (Entry::Xdp, without_perfmon),
    ]
}

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.0.to_be_bytes()[0]
    }

    fn below(&mut self, limit: usize) -> usize {
        let bytes: [u8; 4] = std::array::from_fn(|_| self.byte());
        usize::try_from(u32::from_be_bytes(bytes)).expect("64 bits") % limit
    }
}

/// Goal: no off-by-one in a limit, a window, or at the end of a payload.
/// Method: every payload of up to seven bytes of two kinds.
#[test]
fn every_small_payload_is_judged_as_the_reference_judges_it() {
    let mut texts = Vec::new();
    for k in [1, 2, 4] {
        for op in [">=", "<=", "="] {
            texts.push(format!("b{op}{k}"));
            for n in [1, 3, 5, 6] {
                if k < n || (k == n && op != "<=") {
                    texts.push(format!("b{op}{k} in {n}"));
                    texts.push(format!("b{op}{k} in any {n}"));
                }
            }
        }
    }
    texts.push("b=0".to_owned());
    texts.push("[\\x00-\\xff]>=3, [\\x00-\\xff]<=5".to_owned());
    for span in ["in 3", "in any 3"] {
        for limit in [">=2", ">=3", "=1", "=3", "<=2"] {
            texts.push(format!("[\\x00-\\xff]{limit} {span}"));
        }
    }
    for (number, text) in texts.iter().enumerate() {
        let matcher = matcher(vec![condition(text)], Scope::Payload, Report::All);
        for (way, (entry, target)) in ways().into_iter().enumerate() {
            if way > 1 && number % 4 != 0 {
                continue; // the loops differ, not what is counted
            }
            let mut side = Side::new(&matcher, entry, &target);
            for len in 0..=7u32 {
                for word in 0..1u32 << len {
                    let payload: Vec<u8> =
                        (0..len).map(|at| b"ab"[usize::from(word >> at & 1 == 1)]).collect();
                    side.check(&tcp_frame(&payload), || {
                        format!("{text}: {}", payload.escape_ascii())
                    });
                }
            }
        }
    }
}

/// The whole input counts, and it may be shorter than a word.
#[test]
fn inputs_without_headers_are_counted_from_their_first_byte() {
    for text in ["b>=2", "b<=1 in 5", "b>=2 in any 3", "b<=1 in any 2", "b=2", "[a-b]>=2 in 6"] {
        for window in [Window::default(), Window { offset: 2, depth: Some(9) }] {
            let matcher = matcher(vec![within(text, window)], Scope::Raw, Report::All);
            for (entry, target) in ways() {
                let mut side = Side::new(&matcher, entry, &target);
                for len in (0..=12).chain([20, 33]) {
                    for start in 0..=len {
                        for end in start..=len {
                            let mut input = vec![b'.'; len];
                            input[start..end].fill(b'b');
                            side.check(&input, || format!("{text}: {}", input.escape_ascii()));
                        }
                    }
                }
            }
        }
    }
}

/// Goal: every block, half of a block and rest of a word counts each of its bytes once.
#[test]
fn one_byte_more_or_less_tells_at_every_length() {
    let mut random = Numbers(1);
    for (text, k) in [
        ("b>=9", 9),
        ("b<=9", 9),
        ("b=9", 9),
        ("[b-d]>=9 in 64", 9),
        ("b>=9 in 300", 9),
        ("b>=9 in any 40", 9),
        ("b<=9 in any 333", 9),
        ("b>=200", 200),
        ("b>=200 in any 255", 200),
        ("[^b]<=9", 9),
    ] {
        let matcher = matcher(vec![condition(text)], Scope::Payload, Report::All);
        for (way, (entry, target)) in ways().into_iter().enumerate() {
            let mut side = Side::new(&matcher, entry, &target);
            for len in (k..800).step_by(if way == 0 { 1 } else { 7 }).chain([1400, 1460]) {
                for count in [k - 1, k, k + 1] {
                    let mut payload = vec![b'.'; len];
                    let spread = len.min(k + 2 + random.below(len));
                    let from = random.below(len - spread + 1);
                    let mut placed = 0;
                    while placed < count.min(spread) {
                        let at = from + random.below(spread);
                        placed += usize::from(payload[at] != b'b');
                        payload[at] = b'b';
                    }
                    if text.starts_with("[^") {
                        for byte in &mut payload {
                            *byte ^= b'b' ^ b'.';
                        }
                    }
                    side.check(&tcp_frame(&payload), || format!("{text}: {count} of {len}"));
                }
            }
        }
    }
}

/// Goal: nothing is lost or counted twice where one way of reading hands over to another.
#[test]
fn bytes_around_every_border_count_once() {
    for (text, k, reach) in [
        ("b>=6", 6, 40),
        ("b<=6", 6, 40),
        ("b>=6 in any 16", 6, 16),
        ("b<=6 in any 16", 6, 16),
        ("b>=6 in any 700", 6, 690),
        ("b>=6 in any 5000", 6, 4990),
        ("b<=6 in any 5000", 6, 4990),
        ("b>=6 in 5000", 6, 40),
    ] {
        let matcher = matcher(vec![condition(text)], Scope::Payload, Report::All);
        for (entry, target) in [
            (Entry::Xdp, Target::newest()),
            (Entry::SocketFilter, Target::newest()),
            (Entry::Xdp, Target { perfmon: false, ..Target::newest() }),
        ] {
            let mut side = Side::new(&matcher, entry, &target);
            let frame = tcp_frame(&[]).len();
            for len in [3600, 9001, 20_000] {
                for border in [TEST_RUN_LINEAR_BYTES, 4096, TEST_RUN_LINEAR_BYTES + 4096, 8192] {
                    for shift in [0, 1, 3, 8, reach / 2, reach - 1] {
                        let start = (border - frame).saturating_sub(shift);
                        if start + reach > len {
                            continue;
                        }
                        for count in [k - 1, k, k + 1] {
                            let mut payload = vec![b'.'; len];
                            // The first and the last byte of a window, and some between them.
                            for number in 0..count {
                                payload[start + number * (reach - 1) / count.max(2)] = b'b';
                            }
                            payload[start + reach - 1] = b'b';
                            side.check(&tcp_frame(&payload), || {
                                format!("{text}: {count} from {start} on in {len}")
                            });
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn classes_of_every_kind_are_counted() {
    let classes = [
        "a",
        "\\x00",
        "\\xff",
        "\\x80",
        "[aA]",
        "[0-7]",
        "[a-z]",
        "[a-zA-Z0-9_]",
        "[^ -~]",
        "[\\x80-\\xff]",
        "[\\x00-\\x7f]",
        "[\\x70-\\x90]",
        "[\\x01-\\xfe]",
        "[0-9\\xb0-\\xb9]",
        "[0-9\\xb0-\\xb5\\xf0-\\xff]",
        "[acegikmoqsuwy]",
        "[\\x00\\x03\\x07\\x0c\\x12\\x19\\x21\\x2a\\x34\\x81\\x90\\xa3\\xc5\\xd0\\xf0]",
    ];
    let mut random = Numbers(1);
    for class in classes {
        let all = condition(&format!("{class}>=1"));
        let Body::Frequency(condition_of) = &all.body else { panic!("a condition") };
        let set = condition_of.terms[0].set;
        // About half of all payloads have so many.
        let mean = |n: u32| (n * set.len()).div_ceil(256).max(1);
        for text in [
            format!("{class}>={}", mean(300)),
            format!("{class}<={} in 100", mean(100).min(99)),
            format!("{class}>={} in any 32", (mean(32) + 3).min(32)),
            format!("{class}<={} in any 50", (mean(50) + 4).min(49)),
        ] {
            let matcher = matcher(vec![condition(&text)], Scope::Payload, Report::All);
            for (entry, target) in ways() {
                let mut side = Side::new(&matcher, entry, &target);
                for len in [7, 31, 290, 300, 310, 301] {
                    for _ in 0..12 {
                        let payload: Vec<u8> = (0..len).map(|_| random.byte()).collect();
                        side.check(&tcp_frame(&payload), || {
                            format!("{text}: {}", payload.escape_ascii())
                        });
                    }
                }
            }
        }
    }
}

#[test]
fn a_window_of_the_scope_holds_what_counts() {
    for offset in [0, 1, 40, 300] {
        for depth in [None, Some(9), Some(40), Some(1000)] {
            for text in ["b>=4", "b<=3", "b>=4 in 8", "b>=4 in any 8", "b<=3 in any 8"] {
                let pattern = within(text, Window { offset, depth });
                let matcher = matcher(vec![pattern], Scope::Payload, Report::All);
                for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
                    let mut side = Side::new(&matcher, entry, &Target::newest());
                    for len in [0, 1, 5, 39, 44, 49, 52, 80, 305, 350] {
                        for at in (0..len).step_by(if len > 60 { 9 } else { 1 }) {
                            let mut payload = vec![b'.'; len];
                            let end = len.min(at + 4);
                            payload[at..end].fill(b'b');
                            side.check(&tcp_frame(&payload), || {
                                format!("{text} at {at} of {len}, window {offset} {depth:?}")
                            });
                        }
                    }
                }
            }
        }
    }
}

/// A condition lets through or not; what is looked for must be there, too.
#[test]
fn conditions_and_patterns_combine() {
    let sets: [Vec<Pattern>; 6] = [
        vec![condition("a>=2"), literal("xyz")],
        vec![literal("xyz"), condition("a>=2"), condition("b<=3 in any 9")],
        vec![condition("a>=2"), condition("b>=1")],
        vec![condition("a>=2, b>=1 in 12"), literal("xyz"), literal("no such thing")],
        (0..9)
            .map(|n| if n == 4 { condition("a>=2") } else { literal(format!("xyz{n}")) })
            .collect(),
        vec![literal("xyz").within(Window { offset: 3, depth: Some(20) }), condition("a>=2 in 8")],
    ];
    for patterns in sets {
        for report in [Report::First, Report::All] {
            let matcher = matcher(patterns.clone(), Scope::Payload, report);
            for (entry, target) in ways() {
                if patterns.len() > 3 && !target.may_goto {
                    continue; // too many for its loops
                }
                let mut side = Side::new(&matcher, entry, &target);
                for payload in [
                    &b""[..],
                    b"a",
                    b"aa",
                    b"aab",
                    b"xyz",
                    b"aaxyz",
                    b"..........................aaxyz",
                    b"aaxyz3 xyz4 xyz5 b",
                    b"aabbbbxyz1",
                    b"aab....xyz no such thing",
                    b"xyzaab",
                ] {
                    side.check(&tcp_frame(payload), || payload.escape_ascii().to_string());
                }
            }
        }
    }
}

/// Goal: a limit that bytes nobody has seen may pass is not said to hold.
#[test]
fn of_frames_that_are_too_long_only_what_is_certain_is_said() {
    let limit = 65_535;
    for text in [
        "b>=2",
        "b<=1",
        "b<=1 in 100",
        "b<=1 in 65535",
        "b=1",
        "b>=2 in any 60000",
        "b<=1 in any 60000",
        "b<=1 in any 9",
        "[\\x00-\\xff]<=29000",
        "[\\x00-\\xff]<=29000, b>=1",
    ] {
        for window in [Window::default(), Window { offset: 40, depth: Some(30_000) }] {
            let matcher = matcher(vec![within(text, window)], Scope::Raw, Report::All);
            for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
                let mut side = Side::new(&matcher, entry, &Target::newest());
                for len in [limit - 1, limit, limit + 1, limit + 3000] {
                    for places in [[50, 60], [50, 30_000], [50, limit - 2], [10, limit + 1]] {
                        let mut input = vec![b'.'; len];
                        for at in places {
                            if let Some(byte) = input.get_mut(at) {
                                *byte = b'b';
                            }
                        }
                        side.check(&input, || format!("{text} at {places:?} of {len}, {window:?}"));
                    }
                }
            }
        }
    }
}

#[test]
fn as_many_terms_as_a_condition_may_have_load() {
    let term = |n: usize| format!("[{0}\\x{1:02x}-\\xf0]>=1 in any {2}", n % 10, n + 0x30, n + 9);
    let text: Vec<String> = (0..64).map(term).collect();
    let matcher = matcher(vec![condition(&text.join(", "))], Scope::Payload, Report::All);
    for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
        let mut side = Side::new(&matcher, entry, &Target::newest());
        for payload in [&b""[..], b"0123456789", &[0xef; 300], &[0x2f; 300]] {
            side.check(&tcp_frame(payload), || payload.escape_ascii().to_string());
        }
    }
}
