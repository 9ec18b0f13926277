//! Ignored case, windows, and random sets of everything.

use hardwire::{
    assembler::Target,
    compiler::{
        Entry,
        ir::{Pattern, Report, Scope, Window},
    },
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::support::{Side, TC, literal, matcher, tcp_frame};

#[test]
fn case_is_ignored_for_letters_and_for_nothing_else() {
    for needle in ["GET /Admin", "a", "{[@`", "Zz09-long-Literal-of-Many-Bytes", "aB3"] {
        let pattern = literal(needle).ignoring_case(true);
        let matcher = matcher(vec![pattern], Scope::Payload, Report::All);
        for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
            let mut side = Side::new(&matcher, entry, &Target::newest());
            for at in [0, 1, 31, 32, 127, 128, 130, 400 - needle.len()] {
                for change in 0..4 {
                    let mut payload = vec![b'.'; 400];
                    let bytes: Vec<u8> = match change {
                        0 => needle.to_ascii_uppercase().into_bytes(),
                        1 => needle.to_ascii_lowercase().into_bytes(),
                        // Flips bit 5 of everything: a match only if all bytes are letters.
                        2 => needle.bytes().map(|b| b ^ 0x20).collect(),
                        _ => needle.bytes().map(|b| b | 0x80).collect(),
                    };
                    payload[at..at + needle.len()].copy_from_slice(&bytes);
                    side.check(&tcp_frame(&payload), || format!("{needle} at {at}, form {change}"));
                }
            }
        }
    }
}

#[test]
fn a_window_holds_whole_occurrences_only() {
    let needle = b"needle";
    for offset in [0, 1, 5, 40, 200, 1000] {
        for depth in [None, Some(0), Some(5), Some(6), Some(7), Some(50), Some(5000)] {
            let mut pattern = literal(*needle);
            pattern.window = Window { offset, depth };
            let matcher = matcher(vec![pattern], Scope::Payload, Report::All);
            for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
                let mut side = Side::new(&matcher, entry, &Target::newest());
                for len in [0, 6, 47, 300] {
                    for at in (0..usize::saturating_sub(len + 1, needle.len())).step_by(1) {
                        let mut payload = vec![b'.'; len];
                        payload[at..at + needle.len()].copy_from_slice(needle);
                        side.check(&tcp_frame(&payload), || {
                            format!("at {at} of {len}, window {offset} {depth:?}")
                        });
                    }
                }
            }
        }
    }
}

#[test]
fn a_window_beyond_every_frame_is_never_hit() {
    let mut pattern = literal("x");
    pattern.window = Window { offset: u32::MAX, depth: Some(u32::MAX) };
    for count in [1, 9] {
        let matcher = matcher(vec![pattern.clone(); count], Scope::Raw, Report::All);
        for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
            let mut side = Side::new(&matcher, entry, &Target::newest());
            side.check(&[b'x'; 300], || format!("{count} patterns"));
        }
    }
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let bytes = prop_oneof![
        4 => prop::collection::vec(prop::sample::select(b"abAB".to_vec()), 1..20),
        1 => prop::collection::vec(any::<u8>(), 1..60),
    ];
    let window = (0u32..40, prop::option::of(0u32..120))
        .prop_map(|(offset, depth)| Window { offset, depth });
    (bytes, any::<bool>(), prop_oneof![3 => Just(Window::default()), 1 => window]).prop_map(
        |(bytes, ignore_case, window)| literal(bytes).ignoring_case(ignore_case).within(window),
    )
}

/// Random sets on random payloads with planted patterns and near misses. The seed is fixed: the
/// same cases every time, and a failure is reproducible.
#[test]
fn random_sets_agree() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let sets = prop::collection::vec(pattern(), 1..14);
    for round in 0..40 {
        let set = sets.new_tree(&mut runner).expect("a set").current();
        let report = if round % 2 == 0 { Report::All } else { Report::First };
        let scope = if round % 3 == 0 { Scope::Packet } else { Scope::Payload };
        let matcher = matcher(set.clone(), scope, report);
        let xdp = &mut Side::new(&matcher, Entry::Xdp, &Target::newest());
        let socket = &mut Side::new(&matcher, Entry::SocketFilter, &Target::newest());
        let tc = &mut Side::new(&matcher, TC, &Target::newest());
        let payloads = (
            prop::collection::vec(prop::sample::select(b"abAB.".to_vec()), 0..500),
            prop::collection::vec((any::<prop::sample::Index>(), 0usize..500, any::<bool>()), 0..4),
        );
        for _ in 0..60 {
            let (mut payload, plants) = payloads.new_tree(&mut runner).expect("bytes").current();
            for (which, at, spoil) in plants {
                let mut bytes = which.get(&set).as_literal().expect("literals").bytes.clone();
                if spoil {
                    *bytes.last_mut().expect("not empty") ^= 1;
                }
                if at + bytes.len() <= payload.len() {
                    payload[at..at + bytes.len()].copy_from_slice(&bytes);
                }
            }
            let frame = tcp_frame(&payload);
            for side in [&mut *xdp, &mut *socket, &mut *tc] {
                side.check(&frame, || format!("{set:?} in {}", payload.escape_ascii()));
            }
        }
    }
}
