//! Scopes: made frames, cut short and corrupted.

use hardwire::{
    assembler::Target,
    compiler::{
        Entry,
        ir::{Report, Scope},
    },
};

use super::support::{Side, TC, counted_loops, literal, matcher, tcp_frame, udp_frame};

/// Headers of every kind that the walk knows, each in front of a payload with the pattern.
fn frames() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let payload = b"some bytes, the needle, and more bytes";
    let plain =
        [("udp", udp_frame(payload)), ("tcp", tcp_frame(payload)), ("empty", tcp_frame(b""))];
    for (name, frame) in &plain {
        let tags: [&[u16]; 7] =
            [&[], &[0x8100], &[0x88a8], &[0x9100], &[0x88a8, 0x8100], &[0x8100; 2], &[0x8100; 3]];
        for tpids in tags {
            let mut tagged = frame[..12].to_vec();
            for tpid in tpids {
                tagged.extend(tpid.to_be_bytes());
                tagged.extend([0, 5]);
            }
            tagged.extend(&frame[12..]);
            all.push((format!("{name} {tpids:x?}"), tagged));
        }
        for headers in 0..=7 {
            all.push((format!("{name} v6 {headers}"), ipv6(frame, headers)));
        }
    }
    all
}

/// The transport part of an IPv4 frame behind an IPv6 header and `count` extension headers.
fn ipv6(frame: &[u8], count: usize) -> Vec<u8> {
    const KINDS: [u8; 4] = [0, 43, 60, 51];
    let transport = &frame[34..];
    let last = frame[23];
    let mut extensions = Vec::new();
    for number in 0..count {
        let next = if number + 1 == count { last } else { KINDS[(number + 1) % 4] };
        // AH counts in words of four bytes, minus two; the others in units of eight, minus one.
        let units = u8::try_from(number).expect("few");
        let bytes = if KINDS[number % 4] == 51 {
            (usize::from(units) + 2) * 4
        } else {
            (usize::from(units) + 1) * 8
        };
        let start = extensions.len();
        extensions.extend([next, units]);
        extensions.resize(start + bytes, 0xee);
    }
    let mut out = frame[..12].to_vec();
    out.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    let len = u16::try_from(extensions.len() + transport.len()).expect("small");
    out.extend(len.to_be_bytes());
    out.extend([if count == 0 { last } else { KINDS[0] }, 64]);
    out.extend([0x20; 32]);
    out.extend(&extensions);
    out.extend(transport);
    out
}

fn every_frame(entry: Entry, target: &Target) {
    let matcher = matcher(vec![literal("needle")], Scope::Payload, Report::All);
    let mut side = Side::new(&matcher, entry, target);
    for (name, frame) in frames() {
        side.check(&frame, || name.clone());
        for len in 14..frame.len() {
            side.check(&frame[..len], || format!("{name} cut to {len}"));
        }
        let mut padded = frame.clone();
        padded.extend([b'.'; 20]);
        side.check(&padded, || format!("{name} with padding"));
        // One byte of a header changed to each of some values that mean something there.
        for at in 12..frame.len().min(100) {
            for value in [
                0, 1, 5, 6, 7, 8, 17, 20, 28, 43, 44, 51, 60, 0x20, 0x3f, 0x40, 0x4f, 0x60, 0xf0,
                0xff,
            ] {
                let mut changed = frame.clone();
                changed[at] = value;
                side.check(&changed, || format!("{name} with {value:#x} at {at}"));
            }
        }
    }
}

#[test]
fn every_header_is_walked_as_the_design_says_by_xdp() {
    every_frame(Entry::Xdp, &Target::newest());
}

#[test]
fn every_header_is_walked_as_the_design_says_by_a_socket_filter() {
    every_frame(Entry::SocketFilter, &Target::newest());
}

#[test]
fn every_header_is_walked_as_the_design_says_by_a_classifier() {
    every_frame(TC, &Target::newest());
}

#[test]
fn every_header_is_walked_as_the_design_says_without_may_goto() {
    every_frame(Entry::Xdp, &counted_loops());
    every_frame(TC, &counted_loops());
}

#[test]
fn every_header_is_walked_as_the_design_says_without_perfmon() {
    every_frame(Entry::Xdp, &Target { perfmon: false, ..Target::newest() });
}
