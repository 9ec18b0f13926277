//! `demo/traffic.pcap` is made here, frame by frame, and compared with what is committed; so is
//! the table in `demo/README.md`, and what it says the reference matcher finds.
//!
//! `UPDATE_GOLDEN=1 cargo test --test demo_capture` writes both anew.

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, IpHeaders, Ipv4Extensions, Ipv4Header,
    PacketBuilder, PacketBuilderStep, TcpHeader, ip_number,
};
use hardwire::capture::{Reader, Resolution, Writer};
use hardwire::compiler::ir::{Matcher, Pattern, Report, Scope, Verdicts};
use hardwire::compiler::{reference, scope::Hook};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the frames of the capture are about.
const PATTERN: &[u8] = b"GET /admin";

/// 2025-01-01 00:00:00 UTC, the time of the first frame; the others follow a millisecond apart.
const START: Duration = Duration::from_secs(1_735_689_600);

const CLIENT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x0a];
const SERVER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x14];
// Addresses that RFC 5737 and RFC 3849 set aside for documentation.
const CLIENT: [u8; 4] = [192, 0, 2, 10];
const SERVER: [u8; 4] = [192, 0, 2, 20];
const CLIENT6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a];
const SERVER6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14];

/// What the default scope, the payload, makes of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    OutOfScope,
    Miss,
    /// With the exclusive end of the first occurrence, from the start of the payload.
    Match(u32),
}

impl Expected {
    fn text(self) -> String {
        match self {
            Self::OutOfScope => "out of scope".to_owned(),
            Self::Miss => "miss".to_owned(),
            Self::Match(end) => format!("**match**, ends at {end}"),
        }
    }
}

/// A packet builder between the client and the server, in either direction.
fn ethernet(from_client: bool) -> PacketBuilderStep<etherparse::Ethernet2Header> {
    let (source, destination) =
        if from_client { (CLIENT_MAC, SERVER_MAC) } else { (SERVER_MAC, CLIENT_MAC) };
    PacketBuilder::ethernet2(source, destination)
}

fn tcp_header(from_client: bool, sequence: u32) -> TcpHeader {
    let (source, destination) = if from_client { (40_000, 80) } else { (80, 40_000) };
    let mut header = TcpHeader::new(source, destination, sequence, 64_240);
    header.ack = true;
    header.psh = true;
    header
}

/// A TCP segment in IPv4 whose header `change` may change.
fn segment(
    from_client: bool,
    sequence: u32,
    payload: &[u8],
    change: impl FnOnce(&mut TcpHeader),
) -> Vec<u8> {
    let mut header = tcp_header(from_client, sequence);
    change(&mut header);
    let (source, destination) = if from_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let mut frame = Vec::new();
    ethernet(from_client)
        .ipv4(source, destination, 64)
        .tcp_header(header)
        .write(&mut frame, payload)
        .expect("a frame fits into memory");
    frame
}

fn request(sequence: u32, payload: &[u8]) -> Vec<u8> {
    segment(true, sequence, payload, |_| {})
}

fn answer(sequence: u32, payload: &[u8]) -> Vec<u8> {
    segment(false, sequence, payload, |_| {})
}

fn datagram(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    ethernet(true)
        .ipv4(CLIENT, SERVER, 64)
        .udp(40_001, 514)
        .write(&mut frame, payload)
        .expect("a frame fits into memory");
    frame
}

fn request6(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    ethernet(true)
        .ipv6(CLIENT6, SERVER6, 64)
        .tcp_header(tcp_header(true, 1))
        .write(&mut frame, payload)
        .expect("a frame fits into memory");
    frame
}

/// A UDP datagram in IPv6 behind these extension headers of 8 bytes, the first one outermost.
fn datagram6(kinds: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    ethernet(true)
        .ipv6(CLIENT6, SERVER6, 64)
        .udp(40_001, 514)
        .write(&mut frame, payload)
        .expect("a frame fits into memory");
    for kind in kinds.iter().rev() {
        // Next header, no further units; then PadN over the rest, or zeros for a fragment that
        // is a whole datagram.
        let pad = if *kind == 44 { [0; 6] } else { [1, 4, 0, 0, 0, 0] };
        let header = [&[frame[20], 0][..], &pad].concat();
        frame[20] = *kind;
        frame.splice(54..54, header);
    }
    let length = u16::try_from(frame.len() - 54).expect("a small frame");
    frame[18..20].copy_from_slice(&length.to_be_bytes());
    frame
}

/// A datagram in IPv4 with 4 bytes of options (no operation) in its IP header.
fn datagram_with_options(payload: &[u8]) -> Vec<u8> {
    let mut header = Ipv4Header::new(0, 64, ip_number::UDP, CLIENT, SERVER).expect("no payload");
    header.options = [1; 4].into();
    let mut frame = Vec::new();
    ethernet(true)
        .ip(IpHeaders::Ipv4(header, Ipv4Extensions::default()))
        .udp(40_001, 514)
        .write(&mut frame, payload)
        .expect("a frame fits into memory");
    frame
}

/// The two IPv4 fragments of a datagram; `first` bytes of it, a multiple of 8, are in the first.
fn fragments(frame: &[u8], first: u16) -> [Vec<u8>; 2] {
    let (header, rest) = Ipv4Header::from_slice(&frame[14..]).expect("an IPv4 frame");
    let (one, two) = rest.split_at(first.into());
    [(one, true, 0), (two, false, first / 8)].map(|(part, more, offset)| {
        let mut header = header.clone();
        header.identification = 7;
        header.dont_fragment = false;
        header.more_fragments = more;
        header.fragment_offset = offset.try_into().expect("13 bits");
        header.set_payload_len(part.len()).expect("a small frame");
        header.header_checksum = header.calc_header_checksum();
        [&frame[..14], &header.to_bytes(), part].concat()
    })
}

/// `frame` with VLAN tags of these TPIDs, the outer one first, in VLANs 100, 101, …
fn tagged(mut frame: Vec<u8>, tpids: &[u16]) -> Vec<u8> {
    let tags = (100_u16..).zip(tpids).flat_map(|(vlan, tpid)| [*tpid, vlan]);
    let tags: Vec<u8> = tags.flat_map(u16::to_be_bytes).collect();
    frame.splice(12..12, tags);
    frame
}

fn arp(reply: bool) -> Vec<u8> {
    let packet = if reply {
        (ArpOperation::REPLY, SERVER_MAC, SERVER, CLIENT_MAC, CLIENT)
    } else {
        (ArpOperation::REQUEST, CLIENT_MAC, CLIENT, [0; 6], SERVER)
    };
    let (operation, mac, address, target_mac, target) = packet;
    let packet = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        operation,
        &mac,
        &address,
        &target_mac,
        &target,
    )
    .expect("lengths of Ethernet and IPv4");
    let mut frame = Vec::new();
    ethernet(!reply).arp(packet).write(&mut frame).expect("a frame fits into memory");
    frame
}

fn ping(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    ethernet(true)
        .ipv4(CLIENT, SERVER, 64)
        .icmpv4_echo_request(1, 1)
        .write(&mut frame, payload)
        .expect("a frame fits into memory");
    frame
}

/// An Ethernet trailer, which no IP length covers.
fn with_trailer(mut frame: Vec<u8>, trailer: &[u8]) -> Vec<u8> {
    frame.extend(trailer);
    frame
}

const ADMIN: &[u8] = b"GET /admin HTTP/1.1\r\nHost: server\r\n\r\n";
const SYSLOG: &[u8] = b"<134>proxy: client=192.0.2.10 request=\"GET /admin\"";

/// All frames: what each one is, what to expect of it, and its bytes.
fn frames() -> Vec<(&'static str, Expected, Vec<u8>)> {
    use Expected::{Match, Miss, OutOfScope};
    let [first, last] = fragments(&datagram(b"the first fragment has GET /admin, but not all"), 48);
    vec![
        ("ARP request", OutOfScope, arp(false)),
        ("ARP reply", OutOfScope, arp(true)),
        (
            "TCP SYN, options and no data: an empty payload",
            Miss,
            segment(true, 0, b"", |tcp| {
                (tcp.syn, tcp.ack, tcp.psh) = (true, false, false);
                tcp.set_options_raw(&[2, 4, 5, 180]).expect("a multiple of 4");
            }),
        ),
        ("TCP SYN and ACK", Miss, segment(false, 0, b"", |tcp| (tcp.syn, tcp.psh) = (true, false))),
        ("TCP ACK", Miss, segment(true, 1, b"", |tcp| tcp.psh = false)),
        ("`GET /`", Miss, request(1, b"GET / HTTP/1.1\r\nHost: server\r\n\r\n")),
        ("its answer", Miss, answer(1, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")),
        ("`GET /admin`", Match(10), request(40, ADMIN)),
        ("its answer", Miss, answer(50, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")),
        (
            "near miss: `get /admin`; a match with `-i`",
            Miss,
            request(80, b"get /admin HTTP/1.1\r\n\r\n"),
        ),
        ("near miss: `GET /admim`, one letter", Miss, request(120, b"GET /admim HTTP/1.1\r\n\r\n")),
        (
            "near miss: `GET  /admin`, two spaces",
            Miss,
            request(160, b"GET  /admin HTTP/1.1\r\n\r\n"),
        ),
        ("near miss: the request ends in `GET /adm` …", Miss, request(200, b"GET /adm")),
        (
            "… and goes on with `in`: streams are not reassembled",
            Miss,
            request(208, b"in HTTP/1.1\r\n\r\n"),
        ),
        (
            "`GET /GET /admin`: a false start right in front",
            Match(15),
            request(240, b"GET /GET /admin HTTP/1.1\r\n\r\n"),
        ),
        (
            "`POST` with 12 bytes of TCP options; the last 10 bytes of its body match",
            Match(58),
            segment(
                true,
                280,
                b"POST /log HTTP/1.1\r\nContent-Length: 16\r\n\r\nentry GET /admin",
                |tcp| {
                    tcp.set_options_raw(&[1; 12]).expect("a multiple of 4");
                },
            ),
        ),
        ("UDP: a line of a log", Match(49), datagram(SYSLOG)),
        ("UDP behind IPv4 options", Match(49), datagram_with_options(SYSLOG)),
        (
            "near miss: `GET /admin` in the Ethernet trailer, behind the IP packet",
            Miss,
            with_trailer(datagram(b"nothing here"), b"GET /admin\0\0"),
        ),
        ("VLAN 100, TCP", Match(10), tagged(request(360, ADMIN), &[0x8100])),
        ("QinQ, VLANs 100 and 101, UDP", Match(49), tagged(datagram(SYSLOG), &[0x88a8, 0x8100])),
        (
            "three VLAN tags: one more than is walked",
            OutOfScope,
            tagged(request(400, ADMIN), &[0x8100; 3]),
        ),
        ("IPv6, TCP", Match(10), request6(ADMIN)),
        ("IPv6, hop-by-hop and destination options, UDP", Match(49), datagram6(&[0, 60], SYSLOG)),
        ("IPv6 with a fragment header", OutOfScope, datagram6(&[44], SYSLOG)),
        ("first fragment of an IPv4 datagram, with `GET /admin`", OutOfScope, first),
        ("its last fragment", OutOfScope, last),
        ("ICMP echo request with `GET /admin`", OutOfScope, ping(b"GET /admin")),
        ("TCP FIN", Miss, segment(true, 440, b"", |tcp| (tcp.fin, tcp.psh) = (true, false))),
    ]
}

fn pcap() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), Resolution::Microseconds).expect("memory");
    for (count, (_, _, frame)) in (0..).zip(frames()) {
        let time = START + Duration::from_millis(count);
        writer.write(&frame, time).expect("memory");
    }
    writer.finish().expect("memory")
}

fn table() -> String {
    let mut table = "| frame | bytes | what | expected |\n|---|---|---|---|\n".to_owned();
    for (number, (what, expected, frame)) in (1..).zip(frames()) {
        let (bytes, expected) = (frame.len(), expected.text());
        writeln!(table, "| {number} | {bytes} | {what} | {expected} |").expect("memory");
    }
    let count = |wanted: fn(Expected) -> bool| {
        frames().into_iter().filter(|(_, expected, _)| wanted(*expected)).count()
    };
    writeln!(
        table,
        "\nTogether: {} frames of {} bytes; {} match, {} miss, {} are out of scope.",
        frames().len(),
        frames().iter().map(|(_, _, frame)| frame.len()).sum::<usize>(),
        count(|expected| matches!(expected, Expected::Match(_))),
        count(|expected| expected == Expected::Miss),
        count(|expected| expected == Expected::OutOfScope),
    )
    .expect("memory");
    table
}

fn demo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo").join(name)
}

fn updating() -> bool {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    assert!(!(update && std::env::var_os("CI").is_some()), "CI never rewrites expectations");
    update
}

#[test]
fn the_committed_capture_is_what_is_made_here() {
    if updating() {
        fs::write(demo("traffic.pcap"), pcap()).expect("demo/ is writable");
    }
    let committed = fs::read(demo("traffic.pcap")).expect("demo/traffic.pcap is committed");
    let advice = "UPDATE_GOLDEN=1 cargo test --test demo_capture writes it";
    assert!(committed == pcap(), "demo/traffic.pcap differs from what is made here; {advice}");
}

#[test]
fn the_readme_lists_every_frame() {
    let text = fs::read_to_string(demo("README.md")).expect("demo/README.md is committed");
    let begin = text.find("| frame |").expect("the table is the end of the file");
    let (prose, committed) = text.split_at(begin);
    if updating() {
        fs::write(demo("README.md"), prose.to_owned() + &table()).expect("demo/ is writable");
        return;
    }
    assert_eq!(committed, table(), "UPDATE_GOLDEN=1 cargo test --test demo_capture writes it");
}

#[test]
fn the_reference_finds_in_the_capture_what_the_readme_says() {
    let pattern = Pattern::literal(1, PATTERN);
    let matcher = Matcher {
        patterns: vec![pattern],
        scope: Scope::Payload,
        report: Report::All,
        verdicts: Verdicts::default(),
    };
    let file = fs::File::open(demo("traffic.pcap")).expect("demo/traffic.pcap is committed");
    let mut reader = Reader::new(file).expect("a capture");
    for (what, expected, _) in frames() {
        let frame = reader.next_frame().expect("undamaged").expect("all frames are there");
        let outcome = reference::search(&matcher, frame.data, Hook::Xdp);
        let found = match (outcome.in_scope, outcome.matches.first()) {
            (false, _) => Expected::OutOfScope,
            (true, None) => Expected::Miss,
            (true, Some(found)) => Expected::Match(found.end.expect("no condition")),
        };
        assert_eq!(found, expected, "frame {}: {what}", frame.number);
    }
    assert!(reader.next_frame().expect("undamaged").is_none());
}
