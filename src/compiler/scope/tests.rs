//! Frames made by `etherparse`, then changed byte by byte.

use super::*;
use etherparse::PacketBuilder;
use proptest::prelude::*;

const PAYLOAD: &[u8] = b"GET /admin HTTP/1.1\r\n\r\n";
const MACS: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);

fn udp4(payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(MACS.0, MACS.1)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(4000, 80);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

/// A TCP segment with 12 bytes of options.
fn tcp4(payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(MACS.0, MACS.1)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(4000, 80, 1, 64240)
        .options_raw(&[1; 12])
        .unwrap();
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn udp6(payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(MACS.0, MACS.1).ipv6([1; 16], [2; 16], 64).udp(4000, 80);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

/// `frame` with VLAN tags of these TPIDs, the outer one first.
fn tagged(mut frame: Vec<u8>, tpids: &[u16]) -> Vec<u8> {
    for tpid in tpids.iter().rev() {
        let [high, low] = tpid.to_be_bytes();
        frame.splice(12..12, [high, low, 0x20, 5]);
    }
    frame
}

/// An untagged IPv6 `frame` with extension headers of these kinds, the first one outermost, each
/// of `8 + 8 * more` bytes.
fn extended(mut frame: Vec<u8>, kinds: &[u8], more: u8) -> Vec<u8> {
    for kind in kinds.iter().rev() {
        let bytes = 8 + 8 * usize::from(more);
        let count = if *kind == 51 { bytes / 4 - 2 } else { usize::from(more) };
        let mut header = vec![0; bytes];
        header[0] = frame[20];
        header[1] = u8::try_from(count).unwrap();
        frame[20] = *kind;
        frame.splice(54..54, header);
    }
    let length = u16::try_from(frame.len() - 54).unwrap();
    frame[18..20].copy_from_slice(&length.to_be_bytes());
    frame
}

/// `frame` with `bytes` written over what is at `at`.
fn with(mut frame: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.extend([b'p'; 30]);
    frame
}

fn cut(mut frame: Vec<u8>, bytes: usize) -> Vec<u8> {
    frame.truncate(frame.len() - bytes);
    frame
}

fn payload_of(frame: &[u8]) -> Option<&[u8]> {
    scope_of(frame, Scope::Payload, Hook::Xdp).map(|range| &frame[range])
}

#[test]
#[rustfmt::skip] // One frame per line.
fn frames_with_a_payload() {
    let whole = PAYLOAD;
    let arp = with(udp4(whole), 12, &[0x08, 0x06]);
    // (what, frame, payload)
    type Case<'a> = (&'a str, Vec<u8>, Option<&'a [u8]>);
    let cases: Vec<Case> = vec![
        ("UDP in IPv4", udp4(whole), Some(whole)),
        ("TCP in IPv4, options skipped", tcp4(whole), Some(whole)),
        ("UDP in IPv6", udp6(whole), Some(whole)),
        ("an empty datagram", udp4(b""), Some(b"")),
        ("an empty segment", tcp4(b""), Some(b"")),
        ("one tag", tagged(tcp4(whole), &[0x8100]), Some(whole)),
        ("two tags", tagged(udp6(whole), &[0x88a8, 0x8100]), Some(whole)),
        ("two tags of the old TPID", tagged(udp4(whole), &[0x9100, 0x9100]), Some(whole)),
        ("three tags", tagged(udp4(whole), &[0x8100; 3]), None),
        ("an unknown TPID", tagged(udp4(whole), &[0x9200]), None),
        ("ARP", arp, None),
        ("nothing", vec![], None),
        ("13 bytes", udp4(whole)[..13].to_vec(), None),
        ("a header alone", udp4(whole)[..14].to_vec(), None),
        ("a tag cut off", tagged(udp4(whole), &[0x8100])[..17].to_vec(), None),
        ("padding is no payload", padded(udp4(b"x")), Some(b"x")),
        ("padding is no payload in IPv6", padded(udp6(b"x")), Some(b"x")),
        ("padding is no payload in TCP", padded(tcp4(b"")), Some(b"")),

        ("IPv4 of version 5", with(udp4(whole), 14, &[0x55]), None),
        ("IHL of 16 bytes", with(udp4(whole), 14, &[0x44]), None),
        ("total length 0", with(udp4(whole), 16, &[0, 0]), None),
        ("total length below IHL", with(udp4(whole), 16, &[0, 19]), None),
        ("total length is IHL", with(udp4(whole), 16, &[0, 20]), None),
        ("total length beyond the frame", cut(udp4(whole), 1), None),
        ("more fragments", with(udp4(whole), 20, &[0x20, 0]), None),
        ("a last fragment", with(udp4(whole), 20, &[0, 1]), None),
        ("a far fragment", with(udp4(whole), 20, &[0x10, 0]), None),
        ("do not fragment, and the reserved bit", with(udp4(whole), 20, &[0xc0, 0]), Some(whole)),
        ("ICMP", with(udp4(whole), 23, &[1]), None),
        ("AH in IPv4", with(udp4(whole), 23, &[51]), None),

        ("IPv6 of version 4", with(udp6(whole), 14, &[0x40]), None),
        ("payload length 0", with(udp6(whole), 18, &[0, 0]), None),
        ("payload length beyond the frame", cut(udp6(whole), 1), None),
        ("no next header", with(udp6(whole), 20, &[59]), None),
        ("all extension headers", extended(udp6(whole), &[0, 60, 43, 51, 60, 60], 0), Some(whole)),
        ("long extension headers", extended(udp6(whole), &[0, 51], 3), Some(whole)),
        ("seven extension headers", extended(udp6(whole), &[60; 7], 0), None),
        ("a fragment header", extended(udp6(whole), &[44], 0), None),
        ("a fragment header behind others", extended(udp6(whole), &[0, 43, 44], 0), None),
        ("ESP", extended(udp6(whole), &[50], 0), None),
        ("an extension header beyond the packet", with(extended(udp6(b""), &[0], 0), 55, &[2]), None),
        ("an extension header up to its end", with(extended(udp6(b""), &[0], 0), 55, &[1]), None),

        ("data offset of 16 bytes", with(tcp4(whole), 46, &[0x40]), None),
        ("data offset up to the end", with(tcp4(&[b'o'; 28]), 46, &[0xf0]), Some(b"")),
        ("data offset beyond the end", with(tcp4(&[b'o'; 27]), 46, &[0xf0]), None),
        ("UDP length 0", with(udp4(whole), 38, &[0, 0]), None),
        ("UDP length 7", with(udp4(whole), 38, &[0, 7]), None),
        ("UDP length 8", with(udp4(whole), 38, &[0, 8]), Some(b"")),
        ("UDP length below the packet's", with(udp4(whole), 38, &[0, 11]), Some(b"GET")),
        ("UDP length beyond the packet", with(padded(udp4(whole)), 38, &[0, 32]), None),
        ("total length too short for UDP", with(udp4(whole), 16, &[0, 27]), None),
        ("total length too short for TCP", with(tcp4(whole), 16, &[0, 39]), None),
    ];
    for (what, frame, payload) in cases {
        assert_eq!(payload_of(&frame), payload, "{what}");
    }
}

#[test]
fn a_tag_in_metadata_counts_as_a_tag() {
    for (tags, apart, in_scope) in
        [(2, false, true), (3, false, false), (0, true, true), (1, true, true), (2, true, false)]
    {
        let frame = tagged(udp4(PAYLOAD), &vec![0x8100; tags]);
        let scope = scope_of(&frame, Scope::Payload, Hook::Skb { vlan_tag: apart });
        assert_eq!(scope.is_some(), in_scope, "{tags} tags in the bytes, one apart: {apart}");
    }
}

#[test]
fn packet_and_raw_are_the_whole_input_of_any_length() {
    for input in [&b""[..], b"short", &udp4(PAYLOAD)] {
        for scope in [Scope::Packet, Scope::Raw] {
            assert_eq!(scope_of(input, scope, Hook::Xdp), Some(0..input.len()));
        }
    }
}

#[test]
fn a_frame_cut_off_anywhere_has_no_payload_because_its_ip_length_does_not_fit() {
    let frames = [
        tagged(tcp4(PAYLOAD), &[0x88a8, 0x8100]),
        extended(udp6(PAYLOAD), &[0, 43, 60, 51, 0, 0], 1),
    ];
    for frame in frames {
        assert_eq!(payload_of(&frame), Some(PAYLOAD));
        for len in 0..frame.len() {
            assert_eq!(payload_of(&frame[..len]), None, "cut at {len}");
        }
    }
}

proptest! {
    #[test]
    fn made_frames_have_the_payload_that_was_put_in(
        payload in prop::collection::vec(any::<u8>(), 0..200),
        tags in prop::collection::vec(prop::sample::select(vec![0x8100, 0x88a8, 0x9100]), 0..5),
        extensions in prop::collection::vec(prop::sample::select(vec![0, 43, 51, 60]), 0..9),
        more in 0..4_u8,
        kind in 0..3_u8,
        padding in 0..40_usize,
    ) {
        let (mut frame, walked) = match kind {
            0 => (udp4(&payload), 0),
            1 => (tcp4(&payload), 0),
            _ => (extended(udp6(&payload), &extensions, more), extensions.len()),
        };
        frame.extend(vec![0; padding]);
        let frame = tagged(frame, &tags);
        let expected = (tags.len() <= 2 && walked <= 6).then_some(&payload[..]);
        prop_assert_eq!(payload_of(&frame), expected);
    }

    #[test]
    fn any_bytes_have_a_scope_inside_them_or_none(
        changes in prop::collection::vec((0..100_usize, any::<u8>()), 0..12),
        start in 0..3_u8,
        len in 0..200_usize,
    ) {
        let mut frame = match start {
            0 => tagged(tcp4(PAYLOAD), &[0x8100]),
            1 => extended(udp6(PAYLOAD), &[0, 60], 0),
            _ => vec![0; 100],
        };
        for (at, byte) in changes {
            if let Some(place) = frame.get_mut(at) {
                *place = byte;
            }
        }
        frame.truncate(len);
        for vlan_tag in [false, true] {
            if let Some(range) = scope_of(&frame, Scope::Payload, Hook::Skb { vlan_tag }) {
                prop_assert!(range.start <= range.end && range.end <= frame.len());
            }
        }
    }
}
