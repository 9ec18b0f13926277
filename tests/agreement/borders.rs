//! Planted hits: at every offset of an ordinary payload, and at every place where one way of
//! reading hands over to another.

use hardwire::{
    assembler::{KernelVersion, Target},
    compiler::{
        self, Entry, Options,
        ir::{Pattern, Report, Scope},
    },
    engine::{Engine, EngineError, Kernel, Reference, TEST_RUN_LINEAR_BYTES, Vm},
};

use super::support::{
    Side, TC, counted_loops, kernel_tests, literal, matcher, tcp_frame, text, udp_frame,
};

const NEEDLES: [&[u8]; 5] =
    [b"\x01", b"/etc", b"/etc/passwd", b"0123456789abcdef", b"a literal longer than sixteen bytes"];

fn planted(len: usize, needle: &[u8], at: usize) -> Vec<u8> {
    let mut payload = text(len);
    payload[at..at + needle.len()].copy_from_slice(needle);
    payload
}

#[test]
fn a_hit_at_every_offset_of_a_1500_byte_payload_is_found() {
    for needle in NEEDLES {
        let matcher = matcher(vec![literal(needle)], Scope::Payload, Report::All);
        for (entry, target) in [
            (Entry::Xdp, Target::newest()),
            (Entry::SocketFilter, Target::newest()),
            (TC, Target::newest()),
            (TC, counted_loops()),
            (Entry::Xdp, counted_loops()),
        ] {
            let mut side = Side::new(&matcher, entry, &target);
            side.check(&tcp_frame(&text(1500)), || "absent".to_owned());
            // Each needle at every offset through XDP, a third of them through the slower ways.
            let step = if target.may_goto && entry == Entry::Xdp { 1 } else { 3 };
            for at in (0..=1500 - needle.len()).step_by(step).chain([1500 - needle.len()]) {
                side.check(&tcp_frame(&planted(1500, needle, at)), || {
                    format!("{} at {at}", needle.escape_ascii())
                });
            }
        }
    }
}

/// Padding behind the IP total length is not payload.
#[test]
fn a_hit_that_leaves_the_payload_is_none() {
    for needle in NEEDLES {
        let matcher = matcher(vec![literal(needle)], Scope::Payload, Report::All);
        for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
            let mut side = Side::new(&matcher, entry, &Target::newest());
            for len in (0..80).chain([200, 1400]) {
                for inside in 0..=needle.len().min(len) {
                    let mut frame = udp_frame(&text(len));
                    frame.truncate(frame.len() - inside);
                    frame.extend(needle);
                    frame.extend(b"padding");
                    side.check(&frame, || {
                        format!("{} with {inside} of its bytes in {len}", needle.escape_ascii())
                    });
                }
            }
        }
    }
}

/// Offsets around every border: windows of 4,096 bytes, the linear part, fragments of 4,096.
fn near_borders(len: usize, header: usize, needle: usize) -> Vec<usize> {
    let mut borders = vec![0, len - needle];
    for window in (4096..len + 4096).step_by(4096) {
        borders.extend([window, window - header.min(window), window + TEST_RUN_LINEAR_BYTES]);
    }
    borders.push(TEST_RUN_LINEAR_BYTES - header);
    let mut places: Vec<usize> = borders
        .into_iter()
        .flat_map(|border| border.saturating_sub(needle + 2)..border + 3)
        .filter(|at| at + needle <= len)
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[test]
fn a_hit_across_every_border_of_a_large_frame_is_found() {
    for needle in [&b"/etc/passwd"[..], b"a literal longer than sixteen bytes"] {
        for (scope, header) in [(Scope::Raw, 0), (Scope::Payload, 42)] {
            let matcher = matcher(vec![literal(needle)], scope, Report::All);
            let mut side = Side::new(&matcher, Entry::Xdp, &Target::newest());
            for len in [3478, 3500, 9000, 20_000, 60_000] {
                side.check(&udp_frame(&text(len)), || format!("absent in {len}"));
                for at in near_borders(len, header, needle.len()) {
                    side.check(&udp_frame(&planted(len, needle, at)), || {
                        format!("{} at {at} of {len}", needle.escape_ascii())
                    });
                }
            }
        }
    }
}

#[test]
fn a_set_is_found_across_every_border_of_a_large_frame() {
    let words: Vec<Pattern> =
        (0..40).map(|n| literal(format!("needle number {n:02} of the set"))).collect();
    let matcher = matcher(words, Scope::Payload, Report::All);
    let mut side = Side::new(&matcher, Entry::Xdp, &Target::newest());
    let needle = b"needle number 17 of the set";
    for len in [100, 3500, 9000, 30_000] {
        side.check(&udp_frame(&text(len)), || format!("absent in {len}"));
        for at in near_borders(len, 42, needle.len()) {
            side.check(&udp_frame(&planted(len, needle, at)), || format!("at {at} of {len}"));
        }
    }
}

/// TEST_RUN gives socket filters up to about 3,700 bytes; the vm takes more.
#[test]
fn a_socket_filter_finds_hits_at_every_offset() {
    for needle in NEEDLES {
        let matcher = matcher(vec![literal(needle)], Scope::Raw, Report::First);
        let mut side = Side::new(&matcher, Entry::SocketFilter, &Target::newest());
        for len in [needle.len(), 63, 64, 65, 127, 128, 129, 1500, 3600] {
            side.check(&text(len), || format!("absent in {len}"));
            for at in (0..=len.saturating_sub(needle.len())).step_by(1 + len / 400) {
                if at + needle.len() <= len {
                    side.check(&planted(len, needle, at), || {
                        format!("{} at {at} of {len}", needle.escape_ascii())
                    });
                }
            }
        }
    }
}

/// A driver or the stack hands such a program frames in one piece; a test run that cut them would
/// show misses that no interface has.
#[test]
fn a_program_that_takes_no_fragments_finds_a_hit_behind_what_a_test_run_keeps_in_one_piece() {
    let needle = b"/etc/passwd";
    let matcher = matcher(vec![literal(needle)], Scope::Raw, Report::All);
    let target = Target::of_version(KernelVersion::new(6, 6));
    let compiled =
        compiler::compile(&matcher, Entry::Xdp, &target, &Options::default()).expect("compiles");
    assert!(!compiled.image.frags());
    let len = TEST_RUN_LINEAR_BYTES + 100;
    let frame = planted(len, needle, len - needle.len());
    let mut vm = Vm::new(&matcher, Entry::Xdp, &compiled.image).expect("the vm takes it");
    let expected = Reference::new(&matcher, Entry::Xdp).answer(&frame).expect("always");
    assert_eq!(vm.answer(&frame).expect("runs"), expected);
    if kernel_tests() {
        let mut kernel = Kernel::new(&matcher, Entry::Xdp, &compiled.image).expect("loads");
        let refused = kernel.answer(&frame);
        assert!(matches!(refused, Err(EngineError::TooLong { .. })), "{refused:?}");
    }
}

/// Almost the literal, as often as possible: every candidate is compared and fails.
#[test]
fn near_misses_are_no_hits_and_hide_none() {
    for needle in NEEDLES {
        let mut miss = needle.to_vec();
        *miss.last_mut().expect("not empty") ^= 1;
        for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
            let matcher = matcher(vec![literal(needle)], Scope::Raw, Report::All);
            let mut side = Side::new(&matcher, entry, &Target::newest());
            let noise: Vec<u8> = miss.iter().copied().cycle().take(1400).collect();
            side.check(&noise, || format!("near misses of {}", needle.escape_ascii()));
            for at in (0..1400 - needle.len()).step_by(7) {
                let mut input = noise.clone();
                input[at..at + needle.len()].copy_from_slice(needle);
                side.check(&input, || format!("{} at {at} in near misses", needle.escape_ascii()));
            }
        }
    }
}
