//! XDP attachment: every row of the table of refusals, and the detach that is checked.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use hardwire::netlink::message::Request;
use hardwire::netlink::{
    Link, LinkEvent, LinkWatch, NetlinkError, OnOccupied, Operation, Socket, XdpMode,
};

use crate::helpers::{
    HAS_FRAGS, SOCKET_FILTER, WAIT, XDP, alone, link_program, load_program, namespace, veth,
    xdp_program,
};

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
    let other = load_program(XDP, 0).expect("a second program");
    let filter = load_program(SOCKET_FILTER, 0).expect("a socket filter");
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
    socket.detach_xdp(&link, XdpMode::Generic, None).expect("detach");
    let fragments = load_program(XDP, HAS_FRAGS).expect("a program for fragments");
    socket
        .attach_xdp(&link, fragments.as_fd(), XdpMode::Native, refuse)
        .expect("a program for fragments does not mind");
}

/// Set `IFLA_XDP` with any descriptor and any flags, also those that the library has no words for.
fn set_raw(socket: &mut Socket, link: &Link, fd: i32, flags: u32) -> Result<(), NetlinkError> {
    const IFLA_XDP: u16 = 43;
    const FD: u16 = 1;
    const FLAGS: u16 = 3;
    let mut request = Request::new(libc::RTM_SETLINK, 0, &link_header(link));
    request.attributes().nest(IFLA_XDP, |xdp| {
        xdp.put_i32(FD, fd).put_u32(FLAGS, flags);
    });
    socket.change(&Operation::on("set XDP of", &link.name), request)
}

/// `struct ifinfomsg` with only the index set.
fn link_header(link: &Link) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&link.index.to_ne_bytes());
    header
}

#[test]
fn flags_that_the_library_cannot_express_are_refused_by_the_kernel() {
    const GENERIC: u32 = 2;
    const NATIVE: u32 = 4;
    const REPLACE: u32 = 16;
    const UNKNOWN: u32 = 1 << 10;
    let _alone = alone();
    let (Some(namespace), Some(program)) = (namespace(), xdp_program()) else { return };
    let mut socket = namespace.socket().expect("a socket");
    socket.create_veth(veth("hwx0", "hwx1")).expect("a pair");
    let link = socket.link_by_name("hwx0").expect("a link");
    let fd = program.as_raw_fd();
    for (what, flags) in [
        ("replace without what is expected", REPLACE),
        ("two modes", GENERIC | NATIVE),
        ("an unknown flag", UNKNOWN),
    ] {
        let error = set_raw(&mut socket, &link, fd, flags).expect_err(what);
        assert_eq!(error.errno(), Some(libc::EINVAL), "{what}: {error}");
    }
    assert!(!socket.xdp(&link).expect("query").is_attached());

    // Why a detach has to be checked: the kernel says yes to the wrong mode and does nothing.
    set_raw(&mut socket, &link, fd, GENERIC).expect("attach");
    set_raw(&mut socket, &link, -1, NATIVE).expect("the kernel says yes");
    assert!(socket.xdp(&link).expect("query").generic.is_some(), "and does nothing");
}

#[test]
fn a_refused_attribute_is_named_by_its_offset() {
    const IFLA_MTU: u16 = 4;
    let _alone = alone();
    let Some(namespace) = namespace() else { return };
    let mut socket = namespace.socket().expect("a socket");
    let lo = socket.link_by_name("lo").expect("lo");
    let mut request = Request::new(libc::RTM_SETLINK, 0, &link_header(&lo));
    request.attributes().put_u32(IFLA_MTU, 1500).put(IFLA_MTU, &[0; 2]);
    let error = socket.change(&Operation::on("set MTU of", "lo"), request).expect_err("too short");
    // Message header, link header, the first attribute.
    assert_eq!(error.kernel_offset(), Some(16 + 16 + 8), "{error}");
    assert!(error.kernel_text().is_some(), "{error}");
}

#[test]
fn a_bpf_link_cannot_be_replaced_or_detached_by_netlink() {
    const TEXT: Option<&str> = Some("Can't replace active BPF XDP link");
    let _alone = alone();
    let (Some(namespace), Some(program)) = (namespace(), xdp_program()) else { return };
    let mut socket = namespace.socket().expect("a socket");
    socket.create_veth(veth("hwx0", "hwx1")).expect("a pair");
    let link = socket.link_by_name("hwx0").expect("a link");
    let fd = program.as_fd();
    let bpf_link: OwnedFd = namespace
        .enter(|| link_program(fd, link.index))
        .expect("enter")
        .expect("attach by bpf_link");
    assert!(socket.xdp(&link).expect("query").native.is_some());
    check_refusals(vec![
        (
            "replace",
            socket.attach_xdp(&link, fd, XdpMode::Native, OnOccupied::Overwrite),
            libc::EBUSY,
            TEXT,
        ),
        ("detach", socket.detach_xdp(&link, XdpMode::Native, None), libc::EBUSY, TEXT),
        ("detach what there is", socket.detach_xdp(&link, XdpMode::Auto, None), libc::EBUSY, TEXT),
    ]);
    drop(bpf_link);
    assert!(!socket.xdp(&link).expect("query").is_attached(), "the link is gone with its fd");
}

#[test]
fn an_attachment_stays_when_the_program_and_the_socket_are_closed() {
    let _alone = alone();
    let (Some(namespace), Some(program)) = (namespace(), xdp_program()) else { return };
    let mut socket = namespace.socket().expect("a socket");
    socket.create_veth(veth("hwx0", "hwx1")).expect("a pair");
    let link = socket.link_by_name("hwx0").expect("a link");
    socket.attach_xdp(&link, program.as_fd(), XdpMode::Auto, OnOccupied::Refuse).expect("attach");
    drop((program, socket));
    let mut socket = namespace.socket().expect("another socket");
    assert!(socket.xdp(&link).expect("query").is_attached());
    socket.detach_xdp(&link, XdpMode::Auto, None).expect("detach");
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
