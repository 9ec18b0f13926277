//! Links, addresses, namespaces, the watch and the lab.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, getsockname, sendto,
    socket,
};

use hardwire::netlink::message::Header;
use hardwire::netlink::{Lab, LinkEvent, LinkWatch, Namespace, NetlinkError, Socket, Veth};

use crate::helpers::{WAIT, alone, become_nobody, link_names, namespace, veth};
use crate::open::descriptors;

#[test]
fn a_new_namespace_has_only_loopback_and_it_is_down() {
    let _alone = alone();
    let Some(namespace) = namespace() else { return };
    let mut socket = namespace.socket().expect("a socket");
    let links = socket.links().expect("links");
    assert_eq!(links.len(), 1);
    let lo = &links[0];
    assert_eq!((lo.name.as_str(), lo.index), ("lo", 1));
    assert!(lo.is_loopback() && !lo.is_up() && !lo.is_running());
    assert!(!lo.xdp.is_attached());
    socket.set_up(lo).expect("lo up");
    let lo = socket.wait_until_running(lo, WAIT).expect("lo runs");
    assert!(lo.is_up() && lo.is_running());
    socket.set_down(&lo).expect("lo down");
    assert!(!socket.link_by_index(1).expect("lo").is_up());
}

#[test]
fn lookups_of_what_does_not_exist_say_so() {
    let _alone = alone();
    let mut socket = Socket::open().expect("a socket needs no privilege");
    // (name, message)
    let cases = [
        ("no-such-link0", "no interface named \"no-such-link0\" in this network namespace"),
        ("", "\"\" cannot be an interface name: it is empty"),
        (
            "a-name-of-more-than-15-bytes",
            "no interface named \"a-name-of-more-than-15-bytes\" in this network namespace",
        ),
    ];
    for (name, message) in cases {
        let error = socket.link_by_name(name).expect_err("nothing has this name");
        assert_eq!(error.to_string(), message);
    }
    for index in [0, 0x7fff_fff0, u32::MAX] {
        let error = socket.link_by_index(index).expect_err("nothing has this index");
        assert!(matches!(error, NetlinkError::UnknownIndex { .. }), "{error}");
    }
    let lo = socket.link_by_name("lo").expect("the socket is still usable");
    assert_eq!(socket.link_by_index(lo.index).expect("lo").name, "lo");
}

#[test]
fn a_veth_pair_is_created_across_two_namespaces_moved_and_deleted() {
    let _alone = alone();
    let (Some(near), Some(far)) = (namespace(), namespace()) else { return };
    let mut near_socket = near.socket().expect("a socket");
    let mut far_socket = far.socket().expect("a socket");
    let pair = Veth { peer_namespace: Some(far.as_fd()), mtu: Some(1400), ..veth("hwn0", "hwf0") };
    near_socket.create_veth(pair).expect("a pair");
    assert_eq!(link_names(&mut near_socket), ["lo", "hwn0"]);
    assert_eq!(link_names(&mut far_socket), ["lo", "hwf0"]);

    let near_end = near_socket.link_by_name("hwn0").expect("near end");
    let far_end = far_socket.link_by_name("hwf0").expect("far end");
    assert_eq!((near_end.mtu, far_end.mtu), (1400, 1400));
    assert_eq!(near_end.kind.as_deref(), Some("veth"));
    assert_eq!(near_end.peer_index, Some(far_end.index));
    assert!(near_end.mac().is_some());

    // One end up is not enough for a carrier.
    near_socket.set_up(&near_end).expect("up");
    let short = Duration::from_millis(20);
    let error = near_socket.wait_until_running(&near_end, short).expect_err("no carrier");
    assert_eq!(error.to_string(), "wait for a carrier on hwn0: nothing after 20 ms");
    far_socket.set_up(&far_end).expect("up");
    near_socket.wait_until_running(&near_end, WAIT).expect("a carrier");

    near_socket.set_mtu(&near_end, 9000).expect("an MTU");
    assert_eq!(near_socket.link_by_name("hwn0").expect("near end").mtu, 9000);
    let error = near_socket.set_mtu(&near_end, 1).expect_err("too small");
    assert_eq!(
        error.to_string(),
        "set MTU of hwn0 (1 bytes): EINVAL: mtu less than device minimum"
    );

    let error = near_socket.create_veth(veth("hwn0", "hwn1")).expect_err("the name is taken");
    assert_eq!(error.errno(), Some(libc::EEXIST), "{error}");
    assert_eq!(link_names(&mut near_socket), ["lo", "hwn0"], "no half of a pair is left");

    near_socket.move_link(&near_end, far.as_fd()).expect("move");
    assert_eq!(link_names(&mut near_socket), ["lo"]);
    let moved = far_socket.link_by_name("hwn0").expect("it is there now");
    assert!(!moved.is_up());
    far_socket.delete_link(&moved).expect("delete");
    assert_eq!(link_names(&mut far_socket), ["lo"], "both ends go");
    let error = far_socket.delete_link(&moved).expect_err("it is gone");
    assert_eq!(error.errno(), Some(libc::ENODEV), "{error}");
}

#[test]
fn addresses_are_added_listed_and_deleted() {
    let _alone = alone();
    let Some(namespace) = namespace() else { return };
    let mut socket = namespace.socket().expect("a socket");
    socket.create_veth(veth("hwa0", "hwa1")).expect("a pair");
    let link = socket.link_by_name("hwa0").expect("a link");
    let addresses = [("192.0.2.1", 24), ("198.51.100.7", 32), ("2001:db8::1", 64)];
    for (ip, prefix_bits) in addresses {
        socket.add_address(&link, ip.parse().expect("an address"), prefix_bits).expect("add");
    }
    let listed: Vec<_> =
        socket.addresses(&link).expect("list").iter().map(|a| (a.ip, a.prefix_bits)).collect();
    assert_eq!(
        listed,
        addresses.map(|(ip, bits)| (ip.parse::<IpAddr>().expect("an address"), bits))
    );
    let ip = "192.0.2.1".parse().expect("an address");
    let error = socket.add_address(&link, ip, 24).expect_err("twice");
    assert_eq!(error.errno(), Some(libc::EEXIST));
    assert!(error.to_string().starts_with("add 192.0.2.1/24 to hwa0: EEXIST: "), "{error}");
    let error = socket.add_address(&link, ip, 33).expect_err("too long");
    assert!(error.to_string().contains("at most 32 bits"), "{error}");
    socket.delete_address(&link, ip, 24).expect("delete");
    assert_eq!(socket.addresses(&link).expect("list").len(), 2);
    let error = socket.delete_address(&link, ip, 24).expect_err("it is gone");
    assert_eq!(error.errno(), Some(libc::EADDRNOTAVAIL), "{error}");
}

#[test]
fn in_a_lab_udp_and_tcp_cross_over_ipv4_and_ipv6() {
    let _alone = alone();
    if namespace().is_none() {
        return;
    }
    let lab = Lab::new("hw").expect("a lab");
    for (client_ip, server_ip) in [
        (IpAddr::from(lab.client.ipv4), IpAddr::from(lab.server.ipv4)),
        (IpAddr::from(lab.client.ipv6), IpAddr::from(lab.server.ipv6)),
    ] {
        let server_udp = lab.server.enter(|| UdpSocket::bind((server_ip, 0))).expect("enter");
        let server_udp = server_udp.expect("bind");
        let client_udp = lab.client.enter(|| UdpSocket::bind((client_ip, 0))).expect("enter");
        let client_udp = client_udp.expect("bind");
        server_udp.set_read_timeout(Some(WAIT / 5)).expect("a timeout");
        let to = server_udp.local_addr().expect("an address");
        let mut buffer = [0; 16];
        // A datagram may be lost, on a busy machine above all; five in a row are not.
        let received = (0..5).find_map(|_| {
            client_udp.send_to(b"across", to).expect("send");
            server_udp.recv_from(&mut buffer).ok()
        });
        let (length, from) = received.expect("one of five datagrams arrives");
        assert_eq!((&buffer[..length], from.ip()), (&b"across"[..], client_ip));

        let listener = lab.server.enter(|| TcpListener::bind((server_ip, 0))).expect("enter");
        let listener = listener.expect("listen");
        let to = listener.local_addr().expect("an address");
        let client = lab.client.enter(|| TcpStream::connect_timeout(&to, WAIT)).expect("enter");
        let mut client = client.expect("connect");
        let (mut accepted, _) = listener.accept().expect("accept");
        client.write_all(b"hello").expect("write");
        drop(client);
        let mut text = String::new();
        accepted.read_to_string(&mut text).expect("read");
        assert_eq!(text, "hello");
    }
    // Loopback works in both.
    for host in [&lab.client, &lab.server] {
        let echo = host.enter(|| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.send_to(b"x", socket.local_addr()?)?;
            socket.set_read_timeout(Some(WAIT))?;
            socket.recv_from(&mut [0; 4])
        });
        assert_eq!(echo.expect("enter").expect("loopback").0, 1);
    }
}

#[test]
fn a_socket_opened_inside_a_namespace_stays_there() {
    let _alone = alone();
    let Some(inner) = namespace() else { return };
    let mut outside = Socket::open().expect("a socket");
    let before = link_names(&mut outside);
    let mut inside = inner.socket().expect("a socket");
    inside.create_veth(veth("hwstay0", "hwstay1")).expect("a pair");
    assert_eq!(link_names(&mut outside), before, "the test's own namespace is untouched");
    // The socket alone keeps the namespace alive.
    drop(inner);
    assert_eq!(link_names(&mut inside).len(), 3);

    let not_one = Namespace::at(std::path::Path::new("/dev/null")).expect("it opens");
    let error = not_one.enter(|| ()).expect_err("not a namespace");
    assert_eq!(error.to_string(), "enter a network namespace: EINVAL: Invalid argument");
    let current = Namespace::current().expect("the current one");
    let names = current.enter(|| link_names(&mut Socket::open().expect("a socket")));
    assert_eq!(names.expect("enter"), before);
}

#[test]
fn a_panic_inside_a_namespace_is_passed_on() {
    let _alone = alone();
    let Some(namespace) = namespace() else { return };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        namespace.enter(|| panic!("from inside"))
    }));
    let panic = outcome.expect_err("the panic");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"from inside"));
}

#[test]
fn a_watch_tells_when_a_link_goes_down_and_disappears() {
    let _alone = alone();
    let Some(namespace) = namespace() else { return };
    let mut socket = namespace.socket().expect("a socket");
    let mut watch = namespace.enter(LinkWatch::open).expect("enter").expect("a watch");
    let short = Duration::from_millis(20);
    assert_eq!(watch.wait(short).expect("wait"), None, "nothing happened yet");
    assert_eq!(watch.take().expect("take"), None);

    socket.create_veth(veth("hww0", "hww1")).expect("a pair");
    let link = socket.link_by_name("hww0").expect("a link");
    socket.set_up(&link).expect("up");
    socket.set_down(&link).expect("down");
    socket.delete_link(&link).expect("delete");

    let mut ups = Vec::new();
    loop {
        match watch.wait(WAIT).expect("wait").expect("an event within the limit") {
            LinkEvent::Changed(changed) if changed.index == link.index => ups.push(changed.is_up()),
            LinkEvent::Changed(_) => {}
            LinkEvent::Gone { index, name } if index == link.index => {
                assert_eq!(name, "hww0");
                break;
            }
            LinkEvent::Gone { .. } => {}
            LinkEvent::Lost => panic!("six notifications fit into the buffer"),
        }
    }
    ups.dedup();
    assert_eq!(ups, [false, true, false]);
}

#[test]
fn a_watch_that_is_not_read_says_that_it_lost_events() {
    let _alone = alone();
    let Some(namespace) = namespace() else { return };
    let mut socket = namespace.socket().expect("a socket");
    let mut watch = namespace.enter(LinkWatch::open).expect("enter").expect("a watch");
    let lo = socket.link_by_name("lo").expect("lo");
    let mut lost = false;
    // A notification takes a few KiB of the receive buffer, which has one or two MiB.
    for _ in 0..4_000 {
        socket.set_up(&lo).expect("up");
        socket.set_down(&lo).expect("down");
    }
    while let Some(event) = watch.take().expect("take") {
        lost |= event == LinkEvent::Lost;
    }
    assert!(lost);
    socket.set_up(&lo).expect("up");
    let event = watch.wait(WAIT).expect("wait").expect("it goes on");
    assert!(matches!(event, LinkEvent::Changed(_)), "{event:?}");
}

#[test]
fn nothing_is_left_behind() {
    let _alone = alone();
    if namespace().is_none() {
        return;
    }
    let mut outside = Socket::open().expect("a socket");
    let links = link_names(&mut outside);
    let open = descriptors();
    for _ in 0..3 {
        let mut lab = Lab::new("hw").expect("a lab");
        let bound: SocketAddr = lab
            .server
            .enter(|| UdpSocket::bind(("192.0.2.2", 9)).and_then(|socket| socket.local_addr()))
            .expect("enter")
            .expect("bind");
        assert_eq!(bound.port(), 9);
        assert!(lab.client.netlink.as_fd().as_raw_fd() > 0);
        assert_eq!(link_names(&mut lab.client.netlink).len(), 2);
    }
    assert_eq!(descriptors(), open);
    assert_eq!(link_names(&mut outside), links);
}

#[test]
fn a_namespace_vanishes_with_its_last_descriptor() {
    let _alone = alone();
    let (Some(near), Some(far)) = (namespace(), namespace()) else { return };
    let mut near_socket = near.socket().expect("a socket");
    let pair = Veth { peer_namespace: Some(far.as_fd()), ..veth("hwv0", "hwv1") };
    near_socket.create_veth(pair).expect("a pair");
    let mut watch = far.enter(LinkWatch::open).expect("enter").expect("a watch");
    // Closing is all that happens when a process is killed.
    drop((near, near_socket));
    // The kernel takes namespaces down in the background, one after the other.
    let event = watch.wait(4 * WAIT).expect("wait").expect("the other end goes with it");
    assert!(matches!(&event, LinkEvent::Gone { name, .. } if name == "hwv1"), "{event:?}");
}

#[test]
fn dropping_a_lab_cuts_the_cable_even_while_a_socket_is_open_in_it() {
    let _alone = alone();
    if namespace().is_none() {
        return;
    }
    let lab = Lab::new("hw").expect("a lab");
    let mut left = lab.server.namespace.socket().expect("a socket");
    assert_eq!(link_names(&mut left).len(), 2);
    drop(lab);
    assert_eq!(link_names(&mut left), ["lo"]);
}

#[test]
fn without_privileges_listing_works_and_changing_names_the_capability() {
    let _alone = alone();
    let Some(namespace) = namespace() else { return };
    let (links, change, create) = namespace
        .enter(|| {
            become_nobody();
            let mut socket = Socket::open().expect("opening needs no privilege");
            let lo = socket.link_by_name("lo").expect("lo");
            (link_names(&mut socket), socket.set_up(&lo), Namespace::create().map(drop))
        })
        .expect("enter");
    assert_eq!(links, ["lo"]);
    let error = change.expect_err("no CAP_NET_ADMIN");
    assert_eq!(error.to_string(), "set up lo: EPERM: Operation not permitted");
    assert!(error.hint().is_some_and(|hint| hint.contains("CAP_NET_ADMIN")), "{error:?}");
    let error = create.expect_err("no CAP_SYS_ADMIN");
    assert_eq!(error.to_string(), "create a network namespace: EPERM: Operation not permitted");
    assert!(error.hint().is_some_and(|hint| hint.contains("CAP_SYS_ADMIN")), "{error:?}");
}

#[test]
fn messages_that_other_processes_forge_are_not_believed() {
    let _alone = alone();
    let Some(namespace) = namespace() else { return };
    let mut watch = namespace.enter(LinkWatch::open).expect("enter").expect("a watch");
    let forger = namespace
        .enter(|| {
            let kind = (SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute);
            socket(AddressFamily::Netlink, kind.0, kind.1, kind.2)
        })
        .expect("enter")
        .expect("a socket");
    let watch_at = getsockname::<NetlinkAddr>(watch.as_fd().as_raw_fd()).expect("an address");
    // "lo is gone", well-formed but for its sender.
    let header = Header { length: 40, kind: libc::RTM_DELLINK, flags: 0, sequence: 0, port: 0 };
    let mut gone = header.encode().to_vec();
    gone.extend([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    gone.extend([7, 0, 3, 0, b'l', b'o', 0, 0]);
    // And one that would make a careless reader grow its buffer.
    let long = [&gone[..], &[0; 100_000]].concat();
    for forged in [&gone, &long, &gone] {
        sendto(forger.as_raw_fd(), forged, &watch_at, MsgFlags::empty()).expect("send");
    }
    assert_eq!(watch.take().expect("take"), None);

    let mut socket = namespace.socket().expect("a socket");
    let lo = socket.link_by_name("lo").expect("lo");
    socket.set_up(&lo).expect("up");
    let event = watch.wait(WAIT).expect("wait").expect("an event of the kernel");
    assert!(matches!(event, LinkEvent::Changed(lo) if lo.is_up()));
}

#[test]
fn on_the_wire_of_a_lab_is_only_what_was_sent() {
    let _alone = alone();
    if namespace().is_none() {
        return;
    }
    let mut lab = Lab::new("hw").expect("a lab");
    let received = |lab: &mut Lab| {
        let link = lab.server.netlink.link_by_index(lab.server.link.index).expect("the link");
        // The lab has tried the cable itself before it was ready.
        link.counts.rx_frames - lab.server.link.counts.rx_frames
    };
    // The kernel would report multicast groups within a second.
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(received(&mut lab), 0);
    for ip in [IpAddr::from(lab.server.ipv4), IpAddr::from(lab.server.ipv6)] {
        let server = lab.server.enter(|| UdpSocket::bind((ip, 0))).expect("enter").expect("bind");
        let to = server.local_addr().expect("an address");
        let sent = lab.client.enter(|| {
            let any = if ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            UdpSocket::bind(any)?.send_to(b"one", to)
        });
        assert_eq!(sent.expect("enter").expect("send"), 3);
        server.set_read_timeout(Some(WAIT)).expect("a timeout");
        server.recv_from(&mut [0; 8]).expect("receive");
    }
    assert_eq!(received(&mut lab), 2);
}
