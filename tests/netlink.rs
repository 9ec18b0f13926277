//! netlink against the running kernel, in network namespaces of its own.
//!
//! Without the right to create namespaces a test says so and passes; `KERNEL_TESTS=required` turns
//! that into a failure. Last run on Linux 6.18.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use hardwire::netlink::link::READY_WAIT_MS_MAX;
use hardwire::netlink::{
    Lab, LinkEvent, LinkWatch, Namespace, NetlinkError, OnOccupied, Socket, Veth, XdpMode,
};

const WAIT: Duration = Duration::from_millis(READY_WAIT_MS_MAX);

/// The tests of this file run one at a time, so that one can compare the descriptors of the process
/// before and after.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn skip(why: &str) {
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(!required, "KERNEL_TESTS=required, but: {why}");
    eprintln!("skipped: {why}");
}

/// A namespace, or a visible skip if this process may not make one.
fn namespace() -> Option<Namespace> {
    match Namespace::create() {
        Ok(namespace) => Some(namespace),
        Err(error) if error.errno() == Some(libc::EPERM) => {
            skip(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn veth<'a>(name: &'a str, peer_name: &'a str) -> Veth<'a> {
    Veth { name, peer_name, peer_namespace: None, mtu: None }
}

/// Descriptors of this process, as what they refer to.
fn descriptors() -> Vec<String> {
    let mut open: Vec<String> = fs::read_dir("/proc/self/fd")
        .expect("/proc")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .map(|target| target.display().to_string())
        // The directory that is being read.
        .filter(|target| !target.starts_with("/proc/"))
        .collect();
    open.sort();
    open
}

fn link_names(socket: &mut Socket) -> Vec<String> {
    socket.links().expect("links").into_iter().map(|link| link.name).collect()
}

/// Load `r0 = 2; exit` (XDP_PASS) as a program of this type.
#[allow(unsafe_code, reason = "netlink takes any XDP program; loading one here keeps rooms apart")]
fn load_program(prog_type: u32) -> Result<OwnedFd, std::io::Error> {
    const BPF_PROG_LOAD: i32 = 5;
    let insns: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 2, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
    let license = c"GPL";
    #[repr(C)]
    #[derive(Default)]
    struct Attr {
        prog_type: u32,
        insn_cnt: u32,
        insns: u64,
        license: u64,
        rest: [u64; 6],
    }
    let attr = Attr {
        prog_type,
        insn_cnt: 2,
        insns: insns.as_ptr() as u64,
        license: license.as_ptr() as u64,
        rest: [0; 6],
    };
    // SAFETY: `attr` is a prefix of `union bpf_attr` with zeros behind the fields that are set; it
    // points at `insns` and `license`, which outlive the call and are only read.
    let fd =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const attr, size_of::<Attr>()) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).expect("a descriptor is an int");
    // SAFETY: a non-negative return is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

const SOCKET_FILTER: u32 = 1;
const XDP: u32 = 6;

fn xdp_program() -> Option<OwnedFd> {
    match load_program(XDP) {
        Ok(program) => Some(program),
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            skip(&format!("load an XDP program: {error}"));
            None
        }
        Err(error) => panic!("load an XDP program: {error}"),
    }
}

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
        server_udp.set_read_timeout(Some(WAIT)).expect("a timeout");
        let to = server_udp.local_addr().expect("an address");
        client_udp.send_to(b"across", to).expect("send");
        let mut buffer = [0; 16];
        let (length, from) = server_udp.recv_from(&mut buffer).expect("receive");
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

/// One row of the table of refusals: what was tried, errno, and the kernel's text.
type Refusal<'a> = (&'a str, Result<(), NetlinkError>, i32, Option<&'a str>);

#[track_caller]
fn check_refusals(rows: Vec<Refusal<'_>>) {
    for (what, outcome, errno, text) in rows {
        let error = outcome.expect_err(what);
        assert_eq!(error.errno(), Some(errno), "{what}: {error}");
        assert_eq!(error.kernel_text(), text, "{what}: {error}");
    }
}

#[test]
fn xdp_attaches_in_every_mode_of_a_veth_and_the_query_names_it() {
    let _alone = alone();
    let (Some(namespace), Some(program)) = (namespace(), xdp_program()) else { return };
    let mut socket = namespace.socket().expect("a socket");
    socket.create_veth(veth("hwx0", "hwx1")).expect("a pair");
    let link = socket.link_by_name("hwx0").expect("a link");
    let fd = program.as_fd();
    // (asked, found)
    let cases = [
        (XdpMode::Generic, XdpMode::Generic),
        (XdpMode::Native, XdpMode::Native),
        (XdpMode::Auto, XdpMode::Native),
    ];
    for (asked, found) in cases {
        socket.attach_xdp(&link, fd, asked, OnOccupied::Refuse).expect("attach");
        let attachment = socket.xdp(&link).expect("query");
        let modes: Vec<_> = attachment.modes().map(|(mode, _)| mode).collect();
        assert_eq!(modes, [found], "asked for {asked}");
        assert!(attachment.program(found).is_some_and(|id| id > 0));
        socket.detach_xdp(&link, asked, None).expect("detach");
        assert!(!socket.xdp(&link).expect("query").is_attached());
    }
}

#[test]
fn xdp_refusals_carry_the_kernels_text() {
    let _alone = alone();
    let (Some(namespace), Some(program)) = (namespace(), xdp_program()) else { return };
    let other = load_program(XDP).expect("a second program");
    let filter = load_program(SOCKET_FILTER).expect("a socket filter");
    let mut socket = namespace.socket().expect("a socket");
    socket.create_veth(veth("hwx0", "hwx1")).expect("a pair");
    let lo = socket.link_by_name("lo").expect("lo");
    let link = socket.link_by_name("hwx0").expect("a link");
    let peer = socket.link_by_name("hwx1").expect("the peer");
    let (fd, other, filter) = (program.as_fd(), other.as_fd(), filter.as_fd());
    let (refuse, overwrite) = (OnOccupied::Refuse, OnOccupied::Overwrite);

    let error = socket.attach_xdp(&lo, fd, XdpMode::Native, refuse).expect_err("lo has no native");
    assert_eq!(
        error.to_string(),
        "attach XDP to lo (native): EOPNOTSUPP: \
         Underlying driver does not support XDP in native mode",
    );
    check_refusals(vec![
        (
            "a socket filter",
            socket.attach_xdp(&link, filter, XdpMode::Generic, refuse),
            libc::EINVAL,
            None,
        ),
        ("offload", socket.attach_xdp(&link, fd, XdpMode::Offload, refuse), libc::EINVAL, None),
        (
            "replace where nothing is",
            socket.attach_xdp(&link, fd, XdpMode::Generic, OnOccupied::Replace(other)),
            libc::EEXIST,
            Some("Active program does not match expected"),
        ),
    ]);

    socket.attach_xdp(&link, fd, XdpMode::Generic, refuse).expect("attach");
    check_refusals(vec![
        (
            "occupied",
            socket.attach_xdp(&link, other, XdpMode::Generic, refuse),
            libc::EBUSY,
            Some("XDP program already attached"),
        ),
        (
            "native over generic",
            socket.attach_xdp(&link, fd, XdpMode::Native, overwrite),
            libc::EEXIST,
            Some("Native and generic XDP can't be active at the same time"),
        ),
        (
            "replace another one",
            socket.attach_xdp(&link, other, XdpMode::Generic, OnOccupied::Replace(other)),
            libc::EEXIST,
            Some("Active program does not match expected"),
        ),
        (
            "detach another one",
            socket.detach_xdp(&link, XdpMode::Generic, Some(other)),
            libc::EEXIST,
            Some("Active program does not match expected"),
        ),
    ]);
    let before = socket.xdp(&link).expect("query");
    socket
        .attach_xdp(&link, other, XdpMode::Generic, OnOccupied::Replace(fd))
        .expect("replace the right one");
    assert_ne!(socket.xdp(&link).expect("query"), before, "another program is there");
    socket.detach_xdp(&link, XdpMode::Generic, Some(other)).expect("detach");

    socket.set_mtu(&peer, 9000).expect("an MTU");
    check_refusals(vec![(
        "peer MTU",
        socket.attach_xdp(&link, fd, XdpMode::Native, refuse),
        libc::ERANGE,
        Some("veth: Peer MTU is too large to set XDP"),
    )]);
    socket.attach_xdp(&link, fd, XdpMode::Generic, refuse).expect("generic does not mind");
}

#[test]
fn a_detach_in_the_wrong_mode_is_an_error_and_not_a_silent_success() {
    let _alone = alone();
    let (Some(namespace), Some(program)) = (namespace(), xdp_program()) else { return };
    let mut socket = namespace.socket().expect("a socket");
    socket.create_veth(veth("hwx0", "hwx1")).expect("a pair");
    let link = socket.link_by_name("hwx0").expect("a link");

    let error = socket.detach_xdp(&link, XdpMode::Auto, None).expect_err("nothing there");
    assert!(matches!(error, NetlinkError::NotAttached { .. }), "{error}");

    socket
        .attach_xdp(&link, program.as_fd(), XdpMode::Generic, OnOccupied::Refuse)
        .expect("attach");
    let error = socket.detach_xdp(&link, XdpMode::Native, None).expect_err("the wrong mode");
    let text = error.to_string();
    let expected = "detach XDP from hwx0 (native): nothing is attached in this mode; found generic";
    assert!(text.starts_with(expected), "{text}");
    assert!(socket.xdp(&link).expect("query").generic.is_some(), "it is still there");
    socket.detach_xdp(&link, XdpMode::Auto, None).expect("the mode that is in use");

    socket.delete_link(&link).expect("delete");
    let error = socket.detach_xdp(&link, XdpMode::Auto, None).expect_err("the link is gone");
    assert!(matches!(error, NetlinkError::UnknownIndex { .. }), "{error}");
}

#[test]
fn a_watch_sees_that_a_program_was_attached_and_taken_away() {
    let _alone = alone();
    let (Some(namespace), Some(program)) = (namespace(), xdp_program()) else { return };
    let mut socket = namespace.socket().expect("a socket");
    socket.create_veth(veth("hwx0", "hwx1")).expect("a pair");
    let link = socket.link_by_name("hwx0").expect("a link");
    socket.set_up(&link).expect("up");
    let mut watch = namespace.enter(LinkWatch::open).expect("enter").expect("a watch");
    socket.attach_xdp(&link, program.as_fd(), XdpMode::Native, OnOccupied::Refuse).expect("attach");
    socket.detach_xdp(&link, XdpMode::Native, None).expect("detach");
    let mut states = Vec::new();
    while states.last() != Some(&false) || states.len() < 2 {
        let event = watch.wait(WAIT).expect("wait").expect("an event within the limit");
        if let LinkEvent::Changed(changed) = event
            && changed.index == link.index
        {
            states.push(changed.xdp.is_attached());
        }
    }
    states.dedup();
    assert!(states.ends_with(&[true, false]), "{states:?}");
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
