//! Socket filters on live traffic: linear packets, packets put together from IP fragments,
//! super-packets that were never cut, and VLAN tags that are not in the bytes.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use hardwire::compiler::Entry;
use hardwire::compiler::event::Counter;
use hardwire::compiler::ir::{Match, Matcher, Outcome, Report, Scope, Verdict};
use hardwire::compiler::reference;
use hardwire::compiler::scope::Hook;
use hardwire::loader::link::socket;
use hardwire::netlink::lab::Host;

use super::lab;
use super::program::{Live, PATIENCE, matcher};
use super::wire::{
    PacketSocket, Protocol, Segment, Shape, TCP_HEADERS, UDP_HEADERS, set_option, tagged,
    tcp_frame, text, udp_frame,
};

const NEEDLE: &[u8] = b"/etc/passwd";
/// Time in which a packet on a veth or loopback has long arrived, unless it was dropped.
const SHORT: Duration = Duration::from_millis(20);
/// Bytes of a datagram in each fragment where the MTU is 1,500.
const FRAGMENT_BYTES: usize = 1480;

fn looking_for(needle: &[u8], scope: Scope) -> Matcher {
    matcher(&[needle], scope, Report::All, [Verdict::Pass; 3])
}

/// What a filter for one needle says if it ends at `end`, or is absent.
fn expected(end: Option<usize>) -> Outcome {
    Outcome {
        in_scope: true,
        searched: true,
        verdict: if end.is_some() { Verdict::Pass } else { Verdict::Drop },
        matches: end
            .map(|end| Match { id: 1, end: Some(u32::try_from(end).expect("short")) })
            .into_iter()
            .collect(),
    }
}

/// Every place in `len` bytes where the needle touches or straddles a multiple of one of `borders`
/// (less `header`), the start or the end.
fn places(len: usize, header: usize, borders: &[usize]) -> Vec<usize> {
    let last = len - NEEDLE.len();
    let mut at: Vec<usize> = vec![0, 1, last.saturating_sub(1), last];
    for border in borders {
        for multiple in (*border..len + header).step_by(*border) {
            let middle = multiple.saturating_sub(header);
            at.extend(middle.saturating_sub(NEEDLE.len() + 1)..=middle + 1);
        }
    }
    at.retain(|&at| at <= last);
    at.sort_unstable();
    at.dedup();
    at
}

fn udp(host: &Host, address: Ipv4Addr) -> UdpSocket {
    let socket = host.enter(|| UdpSocket::bind((address, 0))).expect("entered").expect("bound");
    set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 16 << 20);
    set_option(&socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 16 << 20);
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    socket
}

/// Plant the needle in datagrams from `from` to `to`, whose filter sees the UDP header first.
fn datagrams_are_kept_and_dropped(from: &UdpSocket, to: &UdpSocket, lengths: &[usize]) {
    const HEADER: usize = 8;
    let mut live = Live::load(&looking_for(NEEDLE, Scope::Raw), Entry::SocketFilter);
    socket::attach(to, &live.program).expect("attached");
    let address = to.local_addr().expect("bound");
    let mut buffer = vec![0; 1 << 16];
    for &len in lengths {
        let mut payload = text(len);
        let mut ask = |payload: &[u8], at: Option<usize>| {
            from.send_to(payload, address).expect("sent");
            let (outcome, bytes) = live.answer();
            let end = at.map(|at| HEADER + at + NEEDLE.len());
            assert_eq!(outcome, expected(end), "{at:?} of {len}");
            assert_eq!(bytes, (HEADER + len) as u64);
            if at.is_some() {
                // What was dropped before it is not there: the next one is this.
                let received = to.recv(&mut buffer).expect("kept");
                assert!(buffer[..received] == *payload, "{at:?} of {len}: other bytes");
            }
        };
        ask(&payload, None);
        if len < NEEDLE.len() {
            continue;
        }
        for at in places(len, HEADER, &[FRAGMENT_BYTES, 4096]) {
            let harmless = payload[at..at + NEEDLE.len()].to_vec();
            payload[at..at + NEEDLE.len()].copy_from_slice(NEEDLE);
            ask(&payload, Some(at));
            payload[at] ^= 1;
            ask(&payload, None);
            payload[at..at + NEEDLE.len()].copy_from_slice(&harmless);
        }
    }
    socket::detach(to).expect("detached");
    to.set_read_timeout(Some(SHORT)).expect("set");
    assert!(to.recv(&mut buffer).is_err(), "something was kept that should have been dropped");
}

#[test]
fn linear_datagrams_are_filtered_and_those_put_together_from_fragments() {
    let Some(alone) = lab() else { return };
    let (client, server) = (&alone.lab.client, &alone.lab.server);
    let (from, to) = (udp(client, client.ipv4), udp(server, server.ipv4));
    datagrams_are_kept_and_dropped(&from, &to, &[0, 1, 11, 100, 1472, 1473, 9000, 60_000]);
}

#[test]
fn datagrams_that_need_no_fragments_are_filtered() {
    let Some(mut alone) = lab() else { return };
    for host in [&mut alone.lab.client, &mut alone.lab.server] {
        host.netlink.set_mtu(&host.link, 65_535).expect("a veth can");
    }
    let (client, server) = (&alone.lab.client, &alone.lab.server);
    let (from, to) = (udp(client, client.ipv4), udp(server, server.ipv4));
    datagrams_are_kept_and_dropped(&from, &to, &[1472, 9000, 60_000]);
    let local = Ipv4Addr::LOCALHOST;
    let (from, to) = (udp(server, local), udp(server, local));
    datagrams_are_kept_and_dropped(&from, &to, &[0, 1472, 60_000]);
}

/// The linear part of super-packets and of large frames ends at each byte of a needle in turn; and
/// a needle stands at every border of the pages behind it.
#[test]
fn hits_that_straddle_the_linear_part_of_a_packet_are_found() {
    let Some(mut alone) = lab() else { return };
    for host in [&mut alone.lab.client, &mut alone.lab.server] {
        host.netlink.set_mtu(&host.link, 65_535).expect("a veth can");
    }
    let (client, server) = (&alone.lab.client, &alone.lab.server);
    let sender = PacketSocket::shaping_sender(&client.namespace, &client.link);
    let receiver = PacketSocket::receiver(&server.namespace, &server.link);
    let mut live = Live::load(&looking_for(NEEDLE, Scope::Payload), Entry::SocketFilter);
    socket::attach(&receiver, &live.program).expect("attached");
    let receiver = receiver.listen();
    let segment = |protocol, bytes| Some(Segment { protocol, bytes, transport: 34 });
    for (header, frame, len, segment) in [
        (UDP_HEADERS, udp_frame as fn(&[u8]) -> Vec<u8>, 60_000, None),
        (UDP_HEADERS, udp_frame, 42_000, segment(Protocol::Udp, 1400)),
        (TCP_HEADERS, tcp_frame, 60_000, segment(Protocol::Tcp, 1448)),
    ] {
        let mut ask = |payload: &[u8], at: Option<usize>, linear: usize| {
            let frame = frame(payload);
            let linear = u16::try_from(linear).expect("short");
            sender.send_shaped(&frame, Shape { linear, segment });
            let (outcome, bytes) = live.answer();
            let about = || format!("{at:?} of {len}, linear {linear}");
            assert_eq!(outcome, expected(at.map(|at| at + NEEDLE.len())), "{}", about());
            assert_eq!(bytes, frame.len() as u64);
            if at.is_some() {
                let received = receiver.receive(PATIENCE).expect("kept");
                assert_eq!(received.len(), frame.len(), "{}", about());
                assert!(received[header..] == frame[header..], "{}: other bytes", about());
            }
        };
        let mut payload = text(len);
        let mut plant = |at: usize, linears: &mut dyn Iterator<Item = usize>| {
            let harmless = payload[at..at + NEEDLE.len()].to_vec();
            payload[at..at + NEEDLE.len()].copy_from_slice(NEEDLE);
            for linear in linears {
                ask(&payload, Some(at), linear);
            }
            payload[at] ^= 1;
            ask(&payload, None, header + at + 1);
            payload[at..at + NEEDLE.len()].copy_from_slice(&harmless);
        };
        for at in [0, 1, 54, 300, 1389, 4085, len - NEEDLE.len()] {
            let first = (header + at).saturating_sub(1);
            let last = first + NEEDLE.len() + 2;
            plant(at, &mut (first..=last).filter(|linear| *linear < 10_000));
            plant(at, &mut [header].into_iter());
        }
        for at in places(len, header, &[4096]) {
            plant(at, &mut [header].into_iter());
        }
        for at in places(len, 0, &[4096]) {
            plant(at, &mut [header].into_iter());
        }
    }
    assert!(receiver.receive(SHORT).is_none(), "kept, but should have been dropped");
}

/// Two sockets at the same place, one with a filter: it keeps exactly those packets of the other
/// in which the reference finds something.
#[test]
fn super_packets_of_the_kernels_own_stack_are_filtered() {
    const WRITES: usize = 60;
    let Some(alone) = lab() else { return };
    let (client, server) = (&alone.lab.client, &alone.lab.server);
    let all = PacketSocket::receiver(&server.namespace, &server.link).listen();
    let matcher = looking_for(NEEDLE, Scope::Payload);
    let live = Live::load(&matcher, Entry::SocketFilter);
    let filtered = PacketSocket::receiver(&server.namespace, &server.link);
    socket::attach(&filtered, &live.program).expect("attached");
    let filtered = filtered.listen();

    let to = udp(server, server.ipv4);
    let from = udp(client, client.ipv4);
    set_option(&from, libc::SOL_UDP, libc::UDP_SEGMENT, 1400);
    let listener = server.enter(|| TcpListener::bind((server.ipv4, 0))).unwrap().expect("bound");
    let address = listener.local_addr().expect("bound");
    let mut stream = client.enter(|| TcpStream::connect(address)).unwrap().expect("connected");
    let reader = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("connected");
        std::io::copy(&mut stream, &mut std::io::sink()).expect("read")
    });
    for round in 0..WRITES {
        let mut payload = text(42_000);
        if round % 3 != 0 {
            let at = round * 41_989 / WRITES;
            payload[at..at + NEEDLE.len()].copy_from_slice(NEEDLE);
        }
        let datagram = &payload[..40_000];
        from.send_to(datagram, to.local_addr().expect("bound")).expect("sent");
        stream.write_all(&payload).expect("sent");
        // So that every write begins a packet of its own now and then.
        if round % 4 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    drop(stream);
    assert_eq!(reader.join().expect("no panic"), (WRITES * 42_000) as u64);

    let (mut seen, mut longest, mut wanted) = (0, 0, Vec::new());
    while let Some(packet) = all.receive(SHORT * 5) {
        seen += 1;
        longest = longest.max(packet.len());
        let hook = Hook::Skb { vlan_tag: false };
        if !reference::search(&matcher, &packet, hook).matches.is_empty() {
            wanted.push(packet);
        }
    }
    let mut kept = Vec::new();
    while let Some(packet) = filtered.receive(SHORT) {
        kept.push(packet);
    }
    let counters = live.counters();
    assert_eq!(counters.get(Counter::Frames), seen);
    assert_eq!(counters.get(Counter::Unsearched), 0);
    assert!(longest > 40_000, "no super-packets: at most {longest} bytes");
    assert!(wanted.len() > WRITES, "{} hits", wanted.len());
    assert_eq!(kept.len(), wanted.len());
    assert!(kept == wanted, "other packets");
}

/// The outer tag is not in the bytes that a packet socket sees, and counts all the same.
#[test]
fn a_vlan_tag_apart_from_the_bytes_counts_as_a_tag() {
    const CUSTOMER: u16 = 0x8100;
    const SERVICE: u16 = 0x88a8;
    /// Walked as a tag, but never taken out by the kernel.
    const OLD: u16 = 0x9100;
    let Some(alone) = lab() else { return };
    let (client, server) = (&alone.lab.client, &alone.lab.server);
    let sender = PacketSocket::sender(&client.namespace, &client.link);
    let receiver = PacketSocket::receiver(&server.namespace, &server.link);
    let matcher = looking_for(NEEDLE, Scope::Payload);
    let mut live = Live::load(&matcher, Entry::SocketFilter);
    socket::attach(&receiver, &live.program).expect("attached");
    let receiver = receiver.listen();
    let plain = tcp_frame(&[b"GET ", NEEDLE].concat());
    // (tags, in scope)
    let cases: [(&[u16], bool); 14] = [
        (&[], true),
        (&[CUSTOMER], true),
        (&[SERVICE], true),
        (&[OLD], true),
        (&[SERVICE, CUSTOMER], true),
        (&[CUSTOMER, CUSTOMER], true),
        (&[OLD, CUSTOMER], true),
        (&[CUSTOMER, OLD], true),
        (&[CUSTOMER, CUSTOMER, CUSTOMER], false),
        (&[SERVICE, CUSTOMER, CUSTOMER], false),
        (&[SERVICE, SERVICE, OLD], false),
        (&[OLD, OLD, OLD], false),
        (&[OLD, SERVICE, CUSTOMER], false),
        (&[SERVICE, CUSTOMER, CUSTOMER, CUSTOMER], false),
    ];
    for (tags, in_scope) in cases {
        let frame = tagged(&plain, tags);
        sender.send(&frame);
        let (outcome, bytes) = live.answer();
        let apart = matches!(tags.first(), Some(&(CUSTOMER | SERVICE)));
        let seen = tagged(&plain, if apart { &tags[1..] } else { tags });
        assert_eq!(bytes, seen.len() as u64, "{tags:x?}");
        assert_eq!(outcome.in_scope, in_scope, "{tags:x?}");
        let end = in_scope.then_some(4 + NEEDLE.len());
        assert_eq!(outcome, Outcome { in_scope, ..expected(end) }, "{tags:x?}");
        let hook = Hook::Skb { vlan_tag: apart };
        let reference = reference::search(&matcher, &seen, hook);
        assert_eq!((reference.in_scope, reference.matches), (in_scope, outcome.matches));
        if in_scope {
            let received = receiver.receive(PATIENCE).expect("kept");
            assert_eq!(received.len(), seen.len(), "{tags:x?}");
        }
    }
    assert!(receiver.receive(SHORT).is_none(), "kept, but out of scope");
}
