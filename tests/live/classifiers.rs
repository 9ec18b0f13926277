//! Classifiers on both ways through an interface: by TCX links and by clsact, over socket buffers of every
//! shape, with super-packets of TCP and UDP.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use hardwire::compiler::Entry;
use hardwire::compiler::event::{Counter, record::Direction};
use hardwire::compiler::ir::{Match, Matcher, Outcome, Report, Scope, Verdict};
use hardwire::compiler::reference::Obvious;
use hardwire::compiler::scope::Hook;
use hardwire::loader::features;
use hardwire::loader::link::{TcDirection, TcNetlink, TcxLink, tcx_programs};
use hardwire::netlink::lab::Host;

use super::program::{Live, matcher};
use super::wire::{
    PacketSocket, Shape, TCP_HEADERS, UDP_HEADERS, set_option, tagged, tcp_frame, text, udp_frame,
};
use super::{Alone, lab};

const NEEDLE: &[u8] = b"/etc/passwd";
const WAYS: [TcDirection; 2] = [TcDirection::Ingress, TcDirection::Egress];

/// What holds a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    Tcx,
    Clsact,
}

/// Those that this kernel has.
fn vias() -> Vec<Via> {
    if features::TCX.support().is_yes() { vec![Via::Tcx, Via::Clsact] } else { vec![Via::Clsact] }
}

/// Puts a payload into a frame.
type Make = fn(&[u8]) -> Vec<u8>;

#[allow(dead_code, reason = "held until they are detached")]
enum Guard {
    Tcx(TcxLink),
    Clsact(Box<TcNetlink>),
}

impl Guard {
    fn attach(live: &Live, host: &Host, direction: TcDirection, via: Via) -> Self {
        let program = &live.program;
        match via {
            Via::Tcx => {
                let attach = || TcxLink::attach(&host.link, program, direction);
                Self::Tcx(host.enter(attach).expect("entered").expect("attached"))
            }
            Via::Clsact => {
                let socket = host.namespace.socket().expect("opened");
                let attached = TcNetlink::attach(socket, &host.link, program, direction);
                Self::Clsact(Box::new(attached.expect("attached")))
            }
        }
    }

    fn replace(&mut self, live: &Live) {
        match self {
            Self::Tcx(link) => link.replace(&live.program).expect("replaced"),
            Self::Clsact(filter) => filter.replace(&live.program).expect("replaced"),
        }
    }

    fn detach(self) {
        match self {
            Self::Tcx(link) => link.detach().expect("detached"),
            Self::Clsact(filter) => drop(filter.detach().expect("detached")),
        }
    }
}

fn entry(direction: TcDirection) -> Entry {
    Entry::Tc(match direction {
        TcDirection::Ingress => Direction::Ingress,
        TcDirection::Egress => Direction::Egress,
    })
}

fn looking(scope: Scope, on_match: Verdict) -> Matcher {
    let verdicts = [on_match, Verdict::Pass, Verdict::Pass];
    matcher(&[NEEDLE], scope, Report::All, verdicts)
}

/// Nothing of ours is there any more.
fn is_clean(alone: &mut Alone) {
    for host in [&mut alone.lab.client, &mut alone.lab.server] {
        assert_eq!(host.netlink.clsact_kind(&host.link).expect("asked"), None);
        if features::TCX.support().is_yes() {
            for direction in WAYS {
                let link = &host.link;
                let there = host.namespace.enter(|| tcx_programs(link, direction));
                assert_eq!(there.expect("entered").expect("asked"), []);
            }
        }
    }
}

fn counted(live: &Live, counter: Counter) -> u64 {
    live.counters().get(counter)
}

#[test]
fn datagrams_are_dropped_on_their_way_in_and_on_their_way_out() {
    let Some(mut alone) = lab() else { return };
    for (via, direction) in vias().into_iter().flat_map(|via| WAYS.map(|way| (via, way))) {
        let live = Live::load(&looking(Scope::Payload, Verdict::Drop), entry(direction));
        let (from, to) = (&alone.lab.client, &alone.lab.server);
        let at = if direction == TcDirection::Ingress { to } else { from };
        let guard = Guard::attach(&live, at, direction, via);
        let receiver = to.enter(|| UdpSocket::bind((to.ipv4, 0))).expect("entered").expect("bound");
        receiver.set_read_timeout(Some(Duration::from_millis(300))).expect("set");
        let place = receiver.local_addr().expect("bound");
        let sender = from.enter(|| UdpSocket::bind((from.ipv4, 0))).expect("entered");
        let sender = sender.expect("bound");
        for text in ["harmless", "cat /etc/passwd", "the end"] {
            // What egress drops may be an error of the sender.
            let _ = sender.send_to(text.as_bytes(), place);
        }
        let mut arrived = Vec::new();
        let mut buffer = [0; 64];
        while let Ok(bytes) = receiver.recv(&mut buffer) {
            arrived.push(String::from_utf8_lossy(&buffer[..bytes]).into_owned());
        }
        assert_eq!(arrived, ["harmless", "the end"], "{via:?} {direction}");
        let all = [Counter::Matched, Counter::Missed, Counter::Drop].map(|it| counted(&live, it));
        assert_eq!(all, [1, 2, 1], "{via:?} {direction}");
        guard.detach();
    }
    is_clean(&mut alone);
}

/// Where a needle meets a border: the start, ends of the linear part and of windows, the end.
fn places(len: usize, header: usize, linear: usize) -> Vec<usize> {
    let last = len - NEEDLE.len();
    let mut borders = vec![0, last];
    borders.extend((linear..len + header).step_by(4096).map(|at| at.saturating_sub(header)));
    let near = |border: usize| border.saturating_sub(NEEDLE.len() + 1)..=border + 1;
    let mut all: Vec<usize> = borders.into_iter().flat_map(near).filter(|&at| at <= last).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Whatever of a frame is linear: nothing but the Ethernet header, half a header, all headers, more.
#[test]
fn hits_are_found_at_every_border_of_socket_buffers_of_every_shape() {
    let Some(mut alone) = lab() else { return };
    for host in [&mut alone.lab.client, &mut alone.lab.server] {
        host.netlink.set_mtu(&host.link, 65_535).expect("a veth can");
    }
    let sender = PacketSocket::shaping_sender(&alone.lab.client.namespace, &alone.lab.client.link);
    for (direction, scope) in [
        (TcDirection::Ingress, Scope::Payload),
        (TcDirection::Egress, Scope::Payload),
        (TcDirection::Egress, Scope::Packet),
    ] {
        // What egress drops is an error of the sender.
        let (on_match, at) = match direction {
            TcDirection::Ingress => (Verdict::Drop, &alone.lab.server),
            TcDirection::Egress => (Verdict::Pass, &alone.lab.client),
        };
        let mut live = Live::load(&looking(scope, on_match), entry(direction));
        let guard = Guard::attach(&live, at, direction, vias()[0]);
        let frames: [(usize, Make); 2] = [(UDP_HEADERS, udp_frame), (TCP_HEADERS, tcp_frame)];
        for ((header, frame), linear, len) in frames
            .into_iter()
            .flat_map(|it| [14, 30, 66, 400].map(|linear| (it, linear)))
            .flat_map(|(it, linear)| [5000, 30_000].map(|len| (it, linear, len)))
        {
            let shape = Shape { linear, segment: None };
            let start = if scope == Scope::Payload { 0 } else { header };
            for at in places(len, header, usize::from(linear)) {
                let mut payload = text(len);
                payload[at..at + NEEDLE.len()].copy_from_slice(NEEDLE);
                for hit in [true, false] {
                    sender.send_shaped(&frame(&payload), shape);
                    let end = u32::try_from(start + at + NEEDLE.len()).expect("short");
                    let found = hit.then_some(Match { id: 1, end: Some(end) });
                    let expected = Outcome {
                        in_scope: true,
                        searched: true,
                        verdict: if hit { on_match } else { Verdict::Pass },
                        matches: found.into_iter().collect(),
                    };
                    let about = format!("{direction} {scope:?} {at} of {len}, linear {linear}");
                    assert_eq!(live.answer().0, expected, "{about}");
                    payload[at + NEEDLE.len() - 1] ^= 1;
                }
            }
        }
        guard.detach();
    }
    is_clean(&mut alone);
}

#[test]
fn what_a_connection_sends_at_once_is_searched_as_one() {
    let Some(mut alone) = lab() else { return };
    let (server, client) = (&alone.lab.server, &alone.lab.client);
    let out = Live::load(&looking(Scope::Payload, Verdict::Pass), entry(TcDirection::Egress));
    let into = Live::load(&looking(Scope::Payload, Verdict::Pass), entry(TcDirection::Ingress));
    let listener = server.enter(|| TcpListener::bind((server.ipv4, 0))).expect("entered");
    let listener = listener.expect("bound");
    let place = listener.local_addr().expect("bound");
    let mut stream = client.enter(|| TcpStream::connect(place)).expect("entered").expect("there");
    let (mut other, _) = listener.accept().expect("accepted");
    stream.set_nodelay(true).expect("set");
    let guards = [
        Guard::attach(&out, client, TcDirection::Egress, vias()[0]),
        Guard::attach(&into, server, TcDirection::Ingress, Via::Clsact),
    ];
    const BYTES: usize = 8000;
    let mut sent = 0;
    for at in (0..=BYTES - NEEDLE.len()).step_by(61).chain([BYTES - NEEDLE.len()]) {
        let mut payload = text(BYTES);
        payload[at..at + NEEDLE.len()].copy_from_slice(NEEDLE);
        stream.write_all(&payload).expect("sent");
        // Not before all of it is there: so each is a packet of its own.
        other.read_exact(&mut payload).expect("arrived");
        sent += 1;
    }
    for live in [&out, &into] {
        assert_eq!((counted(live, Counter::Matched), live.hits()), (sent, vec![sent]));
        assert_eq!(counted(live, Counter::Unsearched), 0);
        let (frames, bytes) = (counted(live, Counter::Frames), counted(live, Counter::Bytes));
        assert!(frames <= 2 * sent + 4 && bytes > 8000 * sent, "{frames} frames, {bytes} bytes");
    }
    guards.into_iter().for_each(Guard::detach);
    is_clean(&mut alone);
}

#[test]
fn datagrams_that_the_interface_would_cut_are_searched_as_one() {
    const UDP_SEGMENT: i32 = 103;
    const SEGMENT: i32 = 1000;
    let Some(mut alone) = lab() else { return };
    let (server, client) = (&alone.lab.server, &alone.lab.client);
    let live = Live::load(&looking(Scope::Payload, Verdict::Pass), entry(TcDirection::Egress));
    let receiver = server.enter(|| UdpSocket::bind((server.ipv4, 0))).expect("entered");
    let receiver = receiver.expect("bound");
    let sender = client.enter(|| UdpSocket::bind((client.ipv4, 0))).expect("entered");
    let sender = sender.expect("bound");
    set_option(&sender, libc::SOL_UDP, UDP_SEGMENT, SEGMENT);
    let guard = Guard::attach(&live, client, TcDirection::Egress, vias()[0]);
    let mut sent = 0;
    for at in (0..20_000 - NEEDLE.len()).step_by(331).chain([995, 1995, 18_995]) {
        let mut payload = text(20_000);
        payload[at..at + NEEDLE.len()].copy_from_slice(NEEDLE);
        sender.send_to(&payload, receiver.local_addr().expect("bound")).expect("sent");
        sent += 1;
    }
    let all = [Counter::Frames, Counter::Matched, Counter::Bytes].map(|it| counted(&live, it));
    assert_eq!(all, [sent, sent, sent * 20_042]);
    guard.detach();
    is_clean(&mut alone);
}

#[test]
fn a_vlan_tag_counts_wherever_the_kernel_keeps_it() {
    let Some(mut alone) = lab() else { return };
    let matcher = looking(Scope::Payload, Verdict::Drop);
    let obvious = Obvious::new(&matcher);
    let sender = PacketSocket::sender(&alone.lab.client.namespace, &alone.lab.client.link);
    let mut live = Live::load(&matcher, entry(TcDirection::Ingress));
    let guard = Guard::attach(&live, &alone.lab.server, TcDirection::Ingress, vias()[0]);
    for tags in [&[][..], &[0x8100], &[0x88a8, 0x8100], &[0x8100, 0x8100, 0x8100]] {
        for payload in [&b"cat /etc/passwd"[..], b"nothing to be found here"] {
            let frame = udp_frame(payload);
            sender.send(&tagged(&frame, tags));
            // On its way in the kernel takes the first one off.
            let left = tagged(&frame, tags.get(1..).unwrap_or_default());
            let expected = obvious.search(&left, Hook::Skb { vlan_tag: !tags.is_empty() });
            assert_eq!(live.answer().0, expected, "{tags:x?}");
        }
    }
    guard.detach();
    is_clean(&mut alone);
}

#[test]
fn attaching_replacing_and_detaching_under_traffic_leaves_nothing() {
    let Some(mut alone) = lab() else { return };
    let sender = PacketSocket::sender(&alone.lab.client.namespace, &alone.lab.client.link);
    let harmless = udp_frame(b"nothing");
    for via in vias() {
        for round in 0..20 {
            let direction = WAYS[round % 2];
            let host = match direction {
                TcDirection::Ingress => &alone.lab.server,
                TcDirection::Egress => &alone.lab.client,
            };
            let [first, second] = [Verdict::Pass, Verdict::Drop]
                .map(|verdict| Live::load(&looking(Scope::Payload, verdict), entry(direction)));
            let mut guard = Guard::attach(&first, host, direction, via);
            for _ in 0..5 {
                sender.send(&harmless);
            }
            first.wait_for(5);
            guard.replace(&second);
            for _ in 0..5 {
                sender.send(&harmless);
            }
            second.wait_for(5);
            assert_eq!(counted(&first, Counter::Frames), 5, "{via:?} {direction}");
            // Half of them are dropped and not detached.
            if round % 4 < 2 { guard.detach() } else { drop(guard) }
        }
        is_clean(&mut alone);
    }
}
