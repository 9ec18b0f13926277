//! Verdicts that do something: what is dropped is gone, what is sent back or elsewhere arrives.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use hardwire::compiler::Entry;
use hardwire::compiler::event::Counter;
use hardwire::compiler::ir::{Matcher, Report, Scope, Verdict};
use hardwire::loader::link::{OnOccupied, XdpMode, XdpNetlink};
use hardwire::netlink::link::READY_WAIT_MS_MAX;
use hardwire::netlink::{Lab, Link, Namespace, Veth};

use super::exceptions::Exceptions;
use super::program::{Live, PATIENCE, matcher};
use super::wire::{PacketSocket, tagged, tcp_frame, text, udp_frame};
use super::{lab, skip};

const NEEDLE: &[u8] = b"GET /admin";
/// Time in which a packet on a veth has long arrived, unless it was dropped.
const SHORT: Duration = Duration::from_millis(50);
const MODES: [XdpMode; 2] = [XdpMode::Native, XdpMode::Generic];

fn on_match(verdict: Verdict) -> Matcher {
    let verdicts = [verdict, Verdict::Pass, Verdict::Pass];
    matcher(&[NEEDLE], Scope::Payload, Report::First, verdicts)
}

/// A second cable between the hosts of `lab`, which is up: the server's end and the client's. With
/// `arp` its hosts ask each other for their addresses, as hosts do.
fn second_cable(lab: &mut Lab, arp: bool) -> (Link, Link) {
    let (client, server) = (&mut lab.client, &mut lab.server);
    let veth = Veth {
        name: "second-s",
        peer_name: "second-c",
        peer_namespace: Some(std::os::fd::AsFd::as_fd(&client.namespace)),
        mtu: None,
    };
    server.netlink.create_veth(veth).expect("created");
    let limit = Duration::from_millis(READY_WAIT_MS_MAX);
    let mut ends = [(&mut server.netlink, "second-s"), (&mut client.netlink, "second-c")]
        .map(|(netlink, name)| (netlink.link_by_name(name).expect("there"), netlink));
    for (link, netlink) in &mut ends {
        netlink.set_no_automatic_ipv6(link).expect("set");
        if !arp {
            netlink.set_no_arp(link).expect("set");
        }
        netlink.set_up(link).expect("up");
    }
    let [s, c] = ends.map(|(link, netlink)| netlink.wait_until_running(&link, limit).unwrap());
    (s, c)
}

/// A program that lets everything pass, native on an end of a cable: a veth takes redirected frames
/// only if the other end polls, and this makes it poll.
fn polling(namespace: &Namespace, link: &Link) -> (XdpNetlink, Live) {
    let nothing = matcher(&[], Scope::Packet, Report::First, [Verdict::Pass; 3]);
    let live = Live::load(&nothing, Entry::Xdp);
    let socket = namespace.socket().expect("opened");
    let guard =
        XdpNetlink::attach(socket, link, &live.program, XdpMode::Native, OnOccupied::Refuse);
    (guard.expect("attached"), live)
}

/// Frames that match, of several lengths and kinds.
fn matching_frames() -> Vec<Vec<u8>> {
    let long = [&text(1400), NEEDLE].concat();
    vec![
        udp_frame(NEEDLE),
        tcp_frame(&[b"x", NEEDLE].concat()),
        tcp_frame(&long),
        tagged(&udp_frame(NEEDLE), &[0x8100]),
    ]
}

/// Send frames that match and one that does not: the former arrive at `receiver`, whole.
fn only_matches_arrive(sender: &PacketSocket, receiver: &PacketSocket, live: &mut Live) {
    for frame in matching_frames() {
        sender.send(&frame);
        live.answer();
        let received = receiver.receive(PATIENCE).expect("delivered");
        // A packet socket sees the frame without its outer tag.
        let seen = if frame[12] == 0x81 { udp_frame(NEEDLE) } else { frame };
        assert_eq!(received, seen);
    }
    sender.send(&udp_frame(b"GET /index"));
    live.answer();
    assert_eq!(receiver.receive(SHORT), None, "what does not match goes up the stack");
}

#[test]
fn tx_sends_frames_back() {
    let Some(alone) = lab() else { return };
    let (client, server) = (&alone.lab.client, &alone.lab.server);
    let _polling = polling(&client.namespace, &client.link);
    let sender = PacketSocket::sender(&client.namespace, &client.link);
    let back = PacketSocket::receiver(&client.namespace, &client.link).listen();
    for mode in MODES {
        let mut live = Live::load(&on_match(Verdict::Tx), Entry::Xdp);
        let guard = live.attach(server, mode);
        only_matches_arrive(&sender, &back, &mut live);
        guard.detach().expect("detached");
        let counters = live.counters();
        assert_eq!((counters.get(Counter::Tx), counters.get(Counter::Pass)), (4, 1), "{mode}");
    }
}

#[test]
fn redirect_sends_frames_out_of_another_interface() {
    let Some(mut alone) = lab() else { return };
    let (out, other_end) = second_cable(&mut alone.lab, false);
    let (client, server) = (&alone.lab.client, &alone.lab.server);
    let sender = PacketSocket::sender(&client.namespace, &client.link);
    let receiver = PacketSocket::receiver(&client.namespace, &other_end).listen();
    let _polling = polling(&client.namespace, &other_end);
    for mode in MODES {
        let redirect = Verdict::Redirect { ifindex: out.index };
        let mut live = Live::load(&on_match(redirect), Entry::Xdp);
        let guard = live.attach(server, mode);
        only_matches_arrive(&sender, &receiver, &mut live);
        guard.detach().expect("detached");
        let counters = live.counters();
        assert_eq!((counters.get(Counter::Redirect), counters.get(Counter::Pass)), (4, 1));
    }
}

#[test]
fn dropped_and_aborted_datagrams_do_not_arrive_and_aborts_are_exceptions() {
    let Some(alone) = lab() else { return };
    let (client, server) = (&alone.lab.client, &alone.lab.server);
    let to = server.enter(|| UdpSocket::bind((server.ipv4, 0))).expect("entered").expect("bound");
    to.set_read_timeout(Some(PATIENCE)).expect("set");
    let from = client.enter(|| UdpSocket::bind((client.ipv4, 0))).expect("entered").expect("bound");
    let address = to.local_addr().expect("bound");
    for (verdict, counter) in [(Verdict::Drop, Counter::Drop), (Verdict::Abort, Counter::Abort)] {
        for mode in MODES {
            let live = Live::load(&on_match(verdict), Entry::Xdp);
            let id = live.program.info().expect("loaded").id;
            let exceptions = Exceptions::of_program(id);
            let guard = live.attach(server, mode);
            let mut buffer = [0; 64];
            for round in 0..10_u8 {
                from.send_to(&[NEEDLE, &[round]].concat(), address).expect("sent");
                from.send_to(&[round], address).expect("sent");
                assert_eq!(to.recv(&mut buffer).expect("this one arrives"), 1);
                assert_eq!(buffer[0], round);
            }
            guard.detach().expect("detached");
            let counters = live.counters();
            assert_eq!((counters.get(counter), counters.get(Counter::Pass)), (10, 10), "{mode}");
            let expected = if verdict == Verdict::Abort { 10 } else { 0 };
            match exceptions {
                Ok(exceptions) => assert_eq!(exceptions.count(), expected, "{mode}"),
                Err(why) => skip(&format!("counting exceptions: {why}")),
            }
        }
    }
}

#[test]
fn out_of_scope_drop_drops_arp_and_then_nothing_arrives() {
    const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
    const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
    let Some(mut alone) = lab() else { return };
    let (server_end, client_end) = second_cable(&mut alone.lab, true);
    let (client, server) = (&mut alone.lab.client, &mut alone.lab.server);
    client.netlink.add_address(&client_end, IpAddr::V4(CLIENT), 24).expect("added");
    server.netlink.add_address(&server_end, IpAddr::V4(SERVER), 24).expect("added");
    let to = server.enter(|| UdpSocket::bind((SERVER, 0))).expect("entered").expect("bound");
    let from = client.enter(|| UdpSocket::bind((CLIENT, 0))).expect("entered").expect("bound");
    let address = to.local_addr().expect("bound");
    for mode in MODES {
        let verdicts = [Verdict::Pass, Verdict::Pass, Verdict::Drop];
        let matcher = matcher(&[NEEDLE], Scope::Payload, Report::First, verdicts);
        let live = Live::load(&matcher, Entry::Xdp);
        let socket = server.namespace.socket().expect("opened");
        let refuse = OnOccupied::Refuse;
        let guard = XdpNetlink::attach(socket, &server_end, &live.program, mode, refuse);
        let guard = guard.expect("attached");
        to.set_read_timeout(Some(SHORT)).expect("set");
        from.send_to(b"hello", address).expect("queued behind the question");
        assert!(to.recv(&mut [0; 16]).is_err(), "{mode}: nobody knows where the server is");
        let counters = live.counters();
        let asked = counters.get(Counter::OutOfScope);
        assert!(asked >= 1, "{mode}: the question");
        assert_eq!(counters.get(Counter::Frames), asked, "{mode}: nothing but questions");
        assert_eq!(counters.get(Counter::Drop), asked, "{mode}");
        guard.detach().expect("detached");
        // The kernel asks again every second.
        to.set_read_timeout(Some(PATIENCE)).expect("set");
        assert_eq!(to.recv(&mut [0; 16]).expect("delivered now"), 5, "{mode}");
        // Forget the answer: an interface that was down knows nobody.
        client.netlink.set_down(&client_end).expect("down");
        client.netlink.set_up(&client_end).expect("up");
        let limit = Duration::from_millis(READY_WAIT_MS_MAX);
        client.netlink.wait_until_running(&client_end, limit).expect("up");
    }
}
