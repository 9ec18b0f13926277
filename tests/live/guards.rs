//! What the guards of attachments say when the world changes under them: the interface disappears,
//! moves or goes down, somebody else's program takes our place, or ours is taken away.

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use hardwire::compiler::Entry;
use hardwire::compiler::event::Counter;
use hardwire::compiler::ir::{Report, Scope, Verdict};
use hardwire::loader::Program;
use hardwire::loader::link::{Detached, OnOccupied, XdpLink, XdpMode, XdpNetlink};
use hardwire::netlink::{Lab, LinkEvent, LinkWatch, Socket};

use super::lab;
use super::program::{Live, PATIENCE, matcher};

const MODES: [XdpMode; 2] = [XdpMode::Native, XdpMode::Generic];

fn counting() -> Live {
    let matcher = matcher(&[b"GET /admin"], Scope::Payload, Report::First, [Verdict::Pass; 3]);
    Live::load(&matcher, Entry::Xdp)
}

fn id(program: &Program) -> u32 {
    program.info().expect("loaded").id
}

fn by_link(lab: &Lab, program: &Program, mode: XdpMode) -> XdpLink {
    let attach = || {
        let mut socket = Socket::open().expect("opened");
        XdpLink::attach(&mut socket, &lab.server.link, program, mode)
    };
    lab.server.enter(attach).expect("entered").expect("attached")
}

fn overwrite(lab: &Lab, program: &Program, mode: XdpMode) -> XdpNetlink {
    let socket = lab.server.namespace.socket().expect("opened");
    XdpNetlink::attach(socket, &lab.server.link, program, mode, OnOccupied::Overwrite)
        .expect("attached")
}

/// One datagram; does it arrive?
fn arrives(lab: &Lab) -> bool {
    let (client, server) = (&lab.client, &lab.server);
    let to = server.enter(|| UdpSocket::bind((server.ipv4, 0))).expect("entered").expect("bound");
    to.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
    let from = client.enter(|| UdpSocket::bind((client.ipv4, 0))).expect("entered").expect("bound");
    from.send_to(b"hello", to.local_addr().expect("bound")).expect("sent");
    to.recv(&mut [0; 16]).is_ok()
}

/// Wait for the news that the server's interface is gone.
fn wait_until_gone(lab: &Lab, watch: &mut LinkWatch) {
    loop {
        match watch.wait(PATIENCE).expect("watched").expect("news in time") {
            LinkEvent::Gone { index, name } => {
                assert_eq!((index, name), (lab.server.link.index, lab.server.link.name.clone()));
                return;
            }
            LinkEvent::Changed(_) | LinkEvent::Lost => {}
        }
    }
}

#[test]
fn an_interface_that_disappears_is_told_by_both_kinds_of_guard_and_the_counts_stay() {
    for (mode, is_link) in MODES.iter().flat_map(|mode| [(*mode, false), (*mode, true)]) {
        let Some(mut alone) = lab() else { return };
        let lab = &mut alone.lab;
        let (live, other) = (counting(), counting());
        let mut watch = lab.server.enter(LinkWatch::open).expect("entered").expect("opened");
        let guard = (!is_link).then(|| live.attach(&lab.server, mode));
        let link = is_link.then(|| by_link(lab, &live.program, mode));
        assert!(arrives(lab));
        lab.client.netlink.delete_link(&lab.client.link).expect("deleted, and its peer with it");
        wait_until_gone(lab, &mut watch);
        if let Some(mut guard) = guard {
            assert!(guard.query().expect_err("gone").to_string().contains("no interface"));
            assert!(guard.replace(&other.program).is_err());
            assert_eq!(guard.detach().expect("nothing to do"), Detached::InterfaceGone);
        }
        if let Some(mut link) = link {
            assert_eq!(link.info().expect("the link itself is there").interface, None);
            let error = link.replace(&other.program).expect_err("gone");
            assert_eq!(error.errno(), Some(libc::ENOLINK), "{error}");
            link.detach().expect("nothing to do");
        }
        assert_eq!(live.counters().get(Counter::Frames), 1, "{mode}");
    }
}

#[test]
fn a_program_attached_over_ours_is_named_and_left_alone() {
    let Some(mut alone) = lab() else { return };
    let lab = &mut alone.lab;
    for mode in MODES {
        let (ours, theirs) = (counting(), counting());
        let mut guard = ours.attach(&lab.server, mode);
        let other = overwrite(lab, &theirs.program, mode);
        assert!(arrives(lab));
        assert_eq!(ours.counters().get(Counter::Frames), 0, "ours is gone at once");
        assert_eq!(theirs.counters().get(Counter::Frames), 1);

        let now = guard.query().expect("there").program(mode);
        assert_eq!(now, Some(id(&theirs.program)));
        let named = format!("attached now: {mode} program {}", id(&theirs.program));
        let error = guard.replace(&ours.program).expect_err("not ours any more");
        assert_eq!(error.errno(), Some(libc::EEXIST));
        assert!(error.to_string().ends_with(&named), "{error}");
        let error = guard.detach().expect_err("not ours any more");
        assert_eq!(error.errno(), Some(libc::EEXIST));
        assert!(error.to_string().ends_with(&named), "{error}");
        let found = lab.server.netlink.xdp(&lab.server.link).expect("there");
        assert_eq!(found.program(mode), Some(id(&theirs.program)), "theirs stays");
        other.detach().expect("detached");
    }
}

#[test]
fn a_program_that_somebody_else_took_away_is_told_as_such() {
    let Some(mut alone) = lab() else { return };
    let lab = &mut alone.lab;
    for mode in MODES {
        let (ours, other) = (counting(), counting());
        let mut guard = ours.attach(&lab.server, mode);
        lab.server.netlink.detach_xdp(&lab.server.link, mode, None).expect("detached");
        assert!(arrives(lab));
        assert_eq!(ours.counters().get(Counter::Frames), 0);
        assert!(!guard.query().expect("there").is_attached());
        assert!(guard.replace(&other.program).is_err(), "a replacement is not an attachment");
        let error = guard.detach().expect_err("nothing to detach").to_string();
        assert!(error.contains(&lab.server.link.name), "{error}");
        assert!(error.contains("nothing is attached in this mode"), "{error}");
    }
}

#[test]
fn a_bpf_link_cannot_be_displaced_and_can_be_detached_by_its_holder_alone() {
    let Some(mut alone) = lab() else { return };
    let lab = &mut alone.lab;
    for mode in MODES {
        let (ours, theirs) = (counting(), counting());
        let link = by_link(lab, &ours.program, mode);
        let socket = lab.server.namespace.socket().expect("opened");
        let (at, overwrite) = (&lab.server.link, OnOccupied::Overwrite);
        let error = XdpNetlink::attach(socket, at, &theirs.program, mode, overwrite)
            .expect_err("a link holds it");
        assert_eq!(error.errno(), Some(libc::EBUSY));
        assert!(error.to_string().contains("Can't replace active BPF XDP link"), "{error}");
        let error = lab.server.netlink.detach_xdp(at, mode, None).expect_err("a link holds it");
        assert_eq!(error.errno(), Some(libc::EBUSY));
        assert!(arrives(lab));
        assert_eq!(ours.counters().get(Counter::Frames), 1);
        link.detach().expect("detached");
        assert!(!lab.server.netlink.xdp(&lab.server.link).expect("there").is_attached());
    }
}

#[test]
fn an_interface_that_goes_down_and_up_keeps_its_program() {
    let Some(mut alone) = lab() else { return };
    let lab = &mut alone.lab;
    for mode in MODES {
        let ours = counting();
        let mut guard = ours.attach(&lab.server, mode);
        lab.server.netlink.set_down(&lab.server.link).expect("down");
        assert_eq!(guard.query().expect("there").program(mode), Some(guard.program_id()));
        lab.server.netlink.set_up(&lab.server.link).expect("up");
        lab.wait_until_carrying().expect("up");
        let before = ours.counters().get(Counter::Frames);
        assert!(arrives(lab));
        assert_eq!(ours.counters().get(Counter::Frames), before + 1);
        lab.server.netlink.set_down(&lab.server.link).expect("down");
        assert_eq!(guard.detach().expect("detached"), Detached::Done);
        lab.server.netlink.set_up(&lab.server.link).expect("up");
        lab.wait_until_carrying().expect("up");
    }
}

/// An interface takes its program along to another network namespace. What was attached by netlink
/// is out of reach then, and the guard says no more than that the interface is gone from here.
#[test]
fn an_interface_that_moves_away_is_out_of_reach_for_netlink_and_not_for_a_link() {
    for (mode, is_link) in MODES.iter().flat_map(|mode| [(*mode, false), (*mode, true)]) {
        let Some(mut alone) = lab() else { return };
        let lab = &mut alone.lab;
        let ours = counting();
        let guard = (!is_link).then(|| ours.attach(&lab.server, mode));
        let link = is_link.then(|| by_link(lab, &ours.program, mode));
        let mut watch = lab.server.enter(LinkWatch::open).expect("entered").expect("opened");
        lab.server
            .netlink
            .move_link(&lab.server.link, lab.client.namespace.as_fd())
            .expect("moved");
        wait_until_gone(lab, &mut watch);
        let moved = lab.client.netlink.link_by_name(&lab.server.link.name).expect("there");
        assert_eq!(moved.xdp.program(mode), Some(id(&ours.program)), "taken along");
        if let Some(guard) = guard {
            assert_eq!(guard.detach().expect("nothing within reach"), Detached::InterfaceGone);
            lab.client.netlink.detach_xdp(&moved, mode, None).expect("still there");
        }
        if let Some(link) = link {
            assert_eq!(link.info().expect("held").interface, Some(moved.index));
            link.detach().expect("detached");
        }
        assert!(!lab.client.netlink.xdp(&moved).expect("there").is_attached());
    }
}
