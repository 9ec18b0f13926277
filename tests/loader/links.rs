//! Attachments, in network namespaces of their own.

use std::{net::UdpSocket, os::fd::AsFd, time::Duration};

use hardwire::{
    assembler::{Alu, Insn, ProgramKind, Reg::R0},
    loader::{
        LoadOptions, Program,
        link::{Detached, OnOccupied, XdpLink, XdpMode, XdpNetlink, socket},
    },
    netlink::{Lab, Veth},
};

use super::{image, may_load, returning};

const DROP: i32 = 1;
const PASS: i32 = 2;

fn lab() -> Option<Lab> {
    if !may_load() {
        return None;
    }
    Some(Lab::new("ldr").expect("two namespaces and a veth pair"))
}

fn load(verdict: i32) -> Program {
    Program::load(&returning(verdict), &LoadOptions::default()).expect("loads")
}

/// Descriptors of this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("mounted").count()
}

/// Does a datagram from the client reach the server?
fn arrives(lab: &Lab) -> bool {
    let server = lab
        .server
        .namespace
        .enter(|| UdpSocket::bind((lab.server.ipv4, 0)))
        .expect("entered")
        .expect("bound");
    server.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
    let to = server.local_addr().expect("bound");
    let client = lab
        .client
        .namespace
        .enter(|| UdpSocket::bind((lab.client.ipv4, 0)))
        .expect("entered")
        .expect("bound");
    client.send_to(b"hello", to).expect("sent");
    server.recv(&mut [0; 16]).is_ok()
}

#[test]
fn a_program_attached_by_netlink_acts_until_its_guard_is_dropped() {
    let Some(lab) = lab() else { return };
    assert!(arrives(&lab));
    let socket = lab.server.namespace.socket().expect("opened");
    let (drop_all, pass_all) = (load(DROP), load(PASS));
    let mut guard =
        XdpNetlink::attach(socket, &lab.server.link, &drop_all, XdpMode::Auto, OnOccupied::Refuse)
            .expect("attached");
    assert_eq!(guard.mode(), XdpMode::Native, "a veth has native mode");
    assert_eq!(guard.program_id(), drop_all.info().expect("loaded").id);
    assert_eq!(guard.query().expect("there").native, Some(guard.program_id()));
    assert!(!arrives(&lab));
    guard.replace(&pass_all).expect("replaced");
    assert_eq!(guard.query().expect("there").native, Some(pass_all.info().expect("loaded").id));
    assert!(arrives(&lab));
    guard.replace(&drop_all).expect("replaced");
    assert!(!arrives(&lab));
    drop(guard);
    assert!(arrives(&lab));
}

#[test]
fn every_mode_of_a_veth_can_be_attached_and_detached() {
    let Some(mut lab) = lab() else { return };
    let program = load(PASS);
    for mode in [XdpMode::Generic, XdpMode::Native] {
        let socket = lab.server.namespace.socket().expect("opened");
        let guard =
            XdpNetlink::attach(socket, &lab.server.link, &program, mode, OnOccupied::Refuse)
                .expect("attached");
        assert_eq!(guard.mode(), mode);
        assert_eq!(guard.detach().expect("detached"), Detached::Done);
        assert!(!lab.server.netlink.xdp(&lab.server.link).expect("there").is_attached());

        let link = lab
            .server
            .namespace
            .enter(|| {
                let mut socket = hardwire::netlink::Socket::open().expect("opened");
                XdpLink::attach(&mut socket, &lab.server.link, &program, mode)
            })
            .expect("entered")
            .expect("attached");
        assert_eq!(link.mode(), mode);
        link.detach().expect("detached");
        assert!(!lab.server.netlink.xdp(&lab.server.link).expect("there").is_attached());
    }
}

#[test]
fn what_stands_in_the_way_is_named_with_id_mode_and_advice() {
    let Some(lab) = lab() else { return };
    let (ours, theirs) = (load(PASS), load(PASS));
    let id = theirs.info().expect("loaded").id;
    let link = &lab.server.link;
    let attach = |program: &Program, mode, occupied: OnOccupied<'_>| {
        let socket = lab.server.namespace.socket().expect("opened");
        XdpNetlink::attach(socket, link, program, mode, occupied)
    };
    let guard = attach(&theirs, XdpMode::Native, OnOccupied::Refuse).expect("attached");

    let e = attach(&ours, XdpMode::Native, OnOccupied::Refuse).expect_err("occupied");
    assert_eq!(e.errno(), Some(libc::EBUSY));
    let text = e.to_string();
    assert!(text.contains(&format!("attach XDP to {} (native)", link.name)), "{text}");
    assert!(text.ends_with(&format!("attached now: native program {id}")), "{text}");
    let hint = e.hint().expect("advice");
    assert!(hint.contains(&format!("hardwire detach {}", link.name)), "{hint}");

    let e = attach(&ours, XdpMode::Generic, OnOccupied::Refuse).expect_err("other mode");
    assert_eq!(e.errno(), Some(libc::EEXIST));
    let wrong = OnOccupied::Replace(ours.as_fd());
    let e = attach(&ours, XdpMode::Native, wrong).expect_err("not the expected one");
    assert_eq!(e.errno(), Some(libc::EEXIST));

    let e = lab
        .server
        .namespace
        .enter(|| {
            let mut socket = hardwire::netlink::Socket::open().expect("opened");
            XdpLink::attach(&mut socket, link, &ours, XdpMode::Native)
        })
        .expect("entered")
        .expect_err("occupied");
    assert_eq!(e.errno(), Some(libc::EBUSY));
    assert!(e.to_string().contains(&format!("native program {id}")), "{e}");
    guard.detach().expect("still theirs");

    // Loopback has no native mode.
    let mut socket = lab.server.namespace.socket().expect("opened");
    let lo = socket.link_by_name("lo").expect("there");
    let e = XdpNetlink::attach(socket, &lo, &ours, XdpMode::Native, OnOccupied::Refuse)
        .expect_err("no native mode");
    assert_eq!(e.errno(), Some(libc::EOPNOTSUPP));
    assert!(e.hint().expect("advice").contains("generic"), "{e}");

    // A socket filter is not an XDP program.
    let filter = Program::load(&keep_all(), &LoadOptions::default()).expect("loads");
    let e = attach(&filter, XdpMode::Native, OnOccupied::Refuse).expect_err("wrong type");
    assert_eq!(e.errno(), Some(libc::EINVAL));
}

#[test]
fn a_guard_does_not_detach_somebody_elses_program() {
    let Some(mut lab) = lab() else { return };
    let (ours, theirs) = (load(PASS), load(PASS));
    let link = lab.server.link.clone();
    let attach = |lab: &Lab, program: &Program, occupied: OnOccupied<'_>| {
        let socket = lab.server.namespace.socket().expect("opened");
        XdpNetlink::attach(socket, &link, program, XdpMode::Native, occupied).expect("attached")
    };
    let guard = attach(&lab, &ours, OnOccupied::Refuse);
    let other = attach(&lab, &theirs, OnOccupied::Overwrite);
    let e = guard.detach().expect_err("not ours any more");
    assert_eq!(e.errno(), Some(libc::EEXIST), "{e}");
    let id = theirs.info().expect("loaded").id;
    assert_eq!(lab.server.netlink.xdp(&link).expect("there").native, Some(id));
    other.keep();
    assert_eq!(lab.server.netlink.xdp(&link).expect("there").native, Some(id), "kept");
}

#[test]
fn a_guard_whose_interface_is_gone_says_so() {
    let Some(mut lab) = lab() else { return };
    let program = load(PASS);
    let socket = lab.server.namespace.socket().expect("opened");
    let guard =
        XdpNetlink::attach(socket, &lab.server.link, &program, XdpMode::Auto, OnOccupied::Refuse)
            .expect("attached");
    let client = lab.client.link.clone();
    lab.client.netlink.delete_link(&client).expect("deleted, and its peer with it");
    assert_eq!(guard.detach().expect("nothing to do"), Detached::InterfaceGone);
}

#[test]
fn a_bpf_link_is_exchanged_in_one_step_and_goes_with_its_descriptor() {
    let Some(mut lab) = lab() else { return };
    let (drop_all, pass_all, other) = (load(DROP), load(PASS), load(PASS));
    let link = lab.server.link.clone();
    let attach = |lab: &Lab| {
        lab.server
            .namespace
            .enter(|| {
                let mut socket = hardwire::netlink::Socket::open().expect("opened");
                XdpLink::attach(&mut socket, &link, &drop_all, XdpMode::Auto)
            })
            .expect("entered")
            .expect("attached")
    };
    let mut held = attach(&lab);
    assert_eq!(held.mode(), XdpMode::Native);
    assert!(!arrives(&lab));
    let info = held.info().expect("there");
    assert_eq!(info.interface, Some(link.index));
    assert_eq!(info.program_id, drop_all.info().expect("loaded").id);
    held.replace(&pass_all).expect("exchanged");
    assert!(arrives(&lab));
    assert_eq!(held.info().expect("there").program_id, pass_all.info().expect("loaded").id);

    // Netlink may not touch what a link holds.
    let socket = lab.server.namespace.socket().expect("opened");
    let e = XdpNetlink::attach(socket, &link, &other, XdpMode::Native, OnOccupied::Overwrite)
        .expect_err("a link holds it");
    assert_eq!(e.errno(), Some(libc::EBUSY));
    drop(held);
    assert!(!lab.server.netlink.xdp(&link).expect("there").is_attached());

    // A link whose interface is gone says so.
    let mut held = attach(&lab);
    let client = lab.client.link.clone();
    lab.client.netlink.delete_link(&client).expect("deleted");
    assert_eq!(held.info().expect("the link itself is there").interface, None);
    let e = held.replace(&pass_all).expect_err("no interface");
    assert_eq!(e.errno(), Some(libc::ENOLINK));
    assert!(e.to_string().contains(&link.name), "{e}");
}

#[test]
fn a_peer_mtu_that_is_too_large_comes_with_advice() {
    let Some(mut lab) = lab() else { return };
    let names = ["ldrmtu0", "ldrmtu1"];
    let server = &mut lab.server;
    server
        .netlink
        .create_veth(Veth {
            name: names[0],
            peer_name: names[1],
            peer_namespace: None,
            mtu: Some(9000),
        })
        .expect("created");
    let link = server.netlink.link_by_name(names[0]).expect("there");
    let program = load(PASS);
    let socket = server.namespace.socket().expect("opened");
    let e = XdpNetlink::attach(socket, &link, &program, XdpMode::Native, OnOccupied::Refuse)
        .expect_err("the peer's frames do not fit");
    assert_eq!(e.errno(), Some(libc::ERANGE), "{e}");
    assert!(e.hint().expect("advice").contains("MTU"), "{e}");
}

fn keep_all() -> hardwire::assembler::ProgramImage {
    filter(-1)
}

fn filter(keep: i32) -> hardwire::assembler::ProgramImage {
    image(ProgramKind::SocketFilter, |asm| {
        asm.emit(Alu::Mov.imm32(R0, keep));
        asm.emit(Insn::exit());
    })
}

#[test]
fn a_socket_filter_acts_until_it_is_detached() {
    let Some(lab) = lab() else { return };
    let receiver = lab.server.namespace.enter(|| UdpSocket::bind("127.0.0.1:0")).expect("entered");
    // The loopback of a new namespace is down, so bind may work but send would not; use the pair.
    drop(receiver);
    let server = lab
        .server
        .namespace
        .enter(|| UdpSocket::bind((lab.server.ipv4, 0)))
        .expect("entered")
        .expect("bound");
    server.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
    let client = lab
        .client
        .namespace
        .enter(|| UdpSocket::bind((lab.client.ipv4, 0)))
        .expect("entered")
        .expect("bound");
    let to = server.local_addr().expect("bound");
    let hears = || {
        client.send_to(b"hello", to).expect("sent");
        server.recv(&mut [0; 16]).ok()
    };
    assert_eq!(hears(), Some(5));
    let nothing = Program::load(&filter(0), &LoadOptions::default()).expect("loads");
    let all = Program::load(&filter(-1), &LoadOptions::default()).expect("loads");
    socket::attach(&server, &nothing).expect("attached");
    drop(nothing);
    assert_eq!(hears(), None, "the filter outlives the program's descriptor");
    socket::attach(&server, &all).expect("replaced");
    assert_eq!(hears(), Some(5));
    socket::detach(&server).expect("detached");
    assert_eq!(hears(), Some(5));

    let e = socket::detach(&server).expect_err("none");
    assert_eq!(e.to_string(), "cannot detach a socket filter: ENOENT: there is none");
    let e = socket::attach(&server, &load(PASS)).expect_err("an XDP program");
    assert_eq!(e.errno(), Some(libc::EINVAL));
    let file = std::fs::File::open("/dev/null").expect("always there");
    let e = socket::attach(&file, &all).expect_err("no socket");
    assert_eq!(e.errno(), Some(libc::ENOTSOCK));
}

#[test]
fn a_hundred_rounds_leave_nothing_behind() {
    let Some(lab) = lab() else { return };
    let before = descriptors();
    let mut seen = Vec::new();
    for round in 0..100 {
        let (first, second) = (load(PASS), load(DROP));
        seen.push(first.info().expect("loaded").id);
        seen.push(second.info().expect("loaded").id);
        if round % 2 == 0 {
            let socket = lab.server.namespace.socket().expect("opened");
            let mode = if round % 4 == 0 { XdpMode::Native } else { XdpMode::Generic };
            let mut guard =
                XdpNetlink::attach(socket, &lab.server.link, &first, mode, OnOccupied::Refuse)
                    .expect("attached");
            guard.replace(&second).expect("replaced");
            guard.detach().expect("detached");
        } else {
            let mut link = lab
                .server
                .namespace
                .enter(|| {
                    let mut socket = hardwire::netlink::Socket::open().expect("opened");
                    XdpLink::attach(&mut socket, &lab.server.link, &first, XdpMode::Auto)
                })
                .expect("entered")
                .expect("attached");
            link.replace(&second).expect("replaced");
            drop(link);
        }
    }
    // Other tests of this process open descriptors meanwhile, but not hundreds.
    assert!(descriptors() < before + 60, "{before} descriptors before, {} now", descriptors());
    // The kernel frees a program a moment after its last user is gone.
    let mut left = seen.clone();
    for _ in 0..100 {
        let alive = Program::ids().expect("root");
        left.retain(|id| alive.contains(id));
        if left.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("programs left behind: {left:?}");
}
