//! Many literals at once: every set in one program, all of them reported.

use hardwire::{
    assembler::{KernelVersion, Target},
    compiler::{
        Entry, Options, Strategy,
        ir::{Matcher, Pattern, Report, Scope, Window},
    },
};

use super::support::{Side, TC, counted_loops, literal, matcher, tcp_frame, text};

/// Numbers that look random and are always the same (`splitmix64`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 11).expect("53 bits") % limit
    }

    /// A literal of `len` bytes from `alphabet`.
    fn bytes(&mut self, len: usize, alphabet: &[u8]) -> Vec<u8> {
        (0..len).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

const PRINTABLE: &[u8] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 /.-_=&?%<>";

fn all_bytes() -> Vec<u8> {
    (0..=255).collect()
}

/// Sets of different kinds; what they are called.
fn sets() -> Vec<(&'static str, Vec<Pattern>)> {
    let mut numbers = Numbers(4);
    let mut random = |count: usize, least: usize, most: usize, alphabet: &[u8]| -> Vec<Pattern> {
        (0..count)
            .map(|_| {
                let len = least + numbers.below(most - least + 1);
                literal(numbers.bytes(len, alphabet))
            })
            .collect()
    };
    let binary = all_bytes();
    let mut mixed = random(40, 3, 40, PRINTABLE);
    for (number, pattern) in (0..).zip(&mut mixed) {
        *pattern = pattern.clone().ignoring_case(number % 3 == 0);
        if number % 4 == 1 {
            pattern.window =
                Window { offset: number * 7, depth: (number % 8 == 1).then_some(number * 20) };
        }
    }
    let mut twice = random(12, 5, 9, PRINTABLE);
    twice.extend(twice.clone());
    let alike = (1..=300).map(|number| literal(format!("pat{number}"))).collect();
    let nested = (1..=30).map(|len| literal(vec![b'a'; len])).collect();
    vec![
        ("ten of eight bytes and more", random(10, 8, 16, PRINTABLE)),
        ("a hundred", random(100, 8, 16, PRINTABLE)),
        ("long ones", random(20, 30, 90, PRINTABLE)),
        ("short ones", random(30, 1, 4, PRINTABLE)),
        ("binary ones", random(50, 4, 30, &binary)),
        ("bytes from 0x80 on", random(15, 3, 12, &binary[128..])),
        ("zeros", random(12, 4, 9, b"\x00\x01")),
        ("case and windows", mixed),
        ("each twice", twice),
        ("alike", alike),
        ("one inside the other", nested),
    ]
}

fn sides<'a>(matcher: &'a Matcher, options: &Options) -> Vec<Side<'a>> {
    sides_on(&Target::newest(), matcher, options)
}

fn sides_on<'a>(target: &Target, matcher: &'a Matcher, options: &Options) -> Vec<Side<'a>> {
    [Entry::Xdp, Entry::SocketFilter, TC]
        .map(|entry| Side::with_options(matcher, entry, target, options))
        .into()
}

fn forced() -> Options {
    Options { strategy: Some(Strategy::Fingerprint), ..Options::default() }
}

#[test]
fn all_small_needles_together_are_found_in_every_small_haystack() {
    let words = |len: usize| {
        (0..1_usize << len)
            .map(move |bits| (0..len).map(|at| b"ab"[bits >> at & 1]).collect::<Vec<u8>>())
    };
    for shortest in 1..=3 {
        let needles: Vec<Pattern> = (shortest..=4).flat_map(words).map(literal).collect();
        for report in [Report::All, Report::First] {
            let matcher = matcher(needles.clone(), Scope::Payload, report);
            for mut side in sides(&matcher, &forced()) {
                for len in 0..=8 {
                    for haystack in words(len) {
                        side.check(&tcp_frame(&haystack), || {
                            format!("from {shortest}: {}", haystack.escape_ascii())
                        });
                    }
                }
            }
        }
    }
}

#[test]
fn members_of_sets_are_found_wherever_they_stand_and_near_misses_are_not() {
    members_are_found(&Target::newest(), &Options::default(), sets(), 120);
}

#[test]
fn members_of_sets_are_found_without_may_goto() {
    let grams = Options { strategy: Some(Strategy::GramSet), ..Options::default() };
    let mut sets = sets();
    members_are_found(&counted_loops(), &grams, sets.clone(), 60);
    sets.retain(|(what, _)| ["long ones", "case and windows"].contains(what));
    let few = sets[0].1[..3].to_vec();
    members_are_found(&counted_loops(), &Options::default(), vec![("few", few)], 60);
    let oldest = Target::of_version(KernelVersion::OLDEST);
    members_are_found(&oldest, &Options::default(), sets, 60);
}

fn members_are_found(
    target: &Target,
    options: &Options,
    sets: Vec<(&'static str, Vec<Pattern>)>,
    rounds: usize,
) {
    let mut numbers = Numbers(9);
    for (what, patterns) in sets {
        for report in [Report::All, Report::First] {
            let matcher = matcher(patterns.clone(), Scope::Payload, report);
            for mut side in sides_on(target, &matcher, options) {
                for round in 0..rounds {
                    let len = [0, 7, 40, 100, 131, 400, 1400][round % 7];
                    let mut payload = match round % 3 {
                        0 => text(len),
                        1 => numbers.bytes(len, &all_bytes()),
                        _ => vec![0; len],
                    };
                    for _ in 0..round % 5 {
                        let pattern = &matcher.patterns[numbers.below(matcher.patterns.len())];
                        let mut bytes = pattern.as_literal().expect("a literal").bytes.clone();
                        if bytes.len() > len {
                            continue;
                        }
                        let at = match numbers.below(4) {
                            0 => 0,
                            1 => len - bytes.len(),
                            _ => numbers.below(len - bytes.len() + 1),
                        };
                        let wrong = numbers.below(bytes.len());
                        match numbers.below(4) {
                            0 => bytes[wrong] ^= 0x20,
                            1 => bytes[wrong] ^= 0x01,
                            _ => {}
                        }
                        payload[at..at + bytes.len()].copy_from_slice(&bytes);
                    }
                    side.check(&tcp_frame(&payload), || format!("{what}, round {round}"));
                }
            }
        }
    }
}

/// Behind the IP packet there may be padding, and before the payload there are headers: what stands
/// there is not found, and what reaches into it neither.
#[test]
fn what_lies_outside_the_payload_is_no_hit() {
    let patterns: Vec<Pattern> =
        ["abcdefgh", "bcdefghi", "12345678", "xy", "\x05\x06\x07"].map(literal).into();
    let matcher = matcher(patterns, Scope::Payload, Report::All);
    for mut side in sides(&matcher, &forced()) {
        for len in (0..60).chain([200, 1400]) {
            for cut in 0..=8.min(len) {
                let mut frame = tcp_frame(&text(len));
                frame.truncate(frame.len() - cut);
                frame.extend(b"abcdefghixy12345678");
                side.check(&frame, || format!("{len} bytes, {cut} of the literal inside"));
            }
        }
    }
}

#[test]
fn members_of_sets_are_found_across_every_border_of_a_large_frame() {
    let mut numbers = Numbers(77);
    let patterns: Vec<Pattern> =
        (0..30).map(|number| literal(numbers.bytes(4 + number, PRINTABLE))).collect();
    for scope in [Scope::Raw, Scope::Payload] {
        let matcher = matcher(patterns.clone(), scope, Report::All);
        for mut side in sides(&matcher, &Options::default()) {
            let len = 12_400;
            for border in [3000, 3500, 3520, 4042, 4054, 4096, 4150, 8138, 8192, 12_234, 12_400] {
                for back in [0, 1, 2, 3, 5, 9, 14, 20, 31, 33, 40] {
                    let pattern = &matcher.patterns[numbers.below(matcher.patterns.len())];
                    let bytes = &pattern.as_literal().expect("a literal").bytes;
                    let at = (border - back).min(len - bytes.len());
                    let mut payload = text(len);
                    payload[at..at + bytes.len()].copy_from_slice(bytes);
                    side.check(&tcp_frame(&payload), || format!("{scope:?} at {at}"));
                }
            }
        }
    }
}
