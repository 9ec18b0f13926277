//! Classifiers on interfaces, by link and by netlink, in network namespaces of their own.

use std::{net::UdpSocket, os::fd::AsFd, time::Duration};

use hardwire::{
    assembler::{Alu, Insn, ProgramKind, Reg::R0},
    loader::{
        LoadOptions, Program, features,
        link::{Detached, LinkError, TcDirection, TcNetlink, TcxLink, tcx_programs},
    },
    netlink::{Clsact, Lab, NetlinkError},
};

use super::{image, may_load};

const PASS: i32 = -1;
const SHOT: i32 = 2;
const BOTH: [TcDirection; 2] = [TcDirection::Ingress, TcDirection::Egress];

fn lab() -> Option<Lab> {
    may_load().then(|| Lab::new("ltc").expect("two namespaces and a veth pair"))
}

fn load(action: i32) -> Program {
    let image = image(ProgramKind::SchedCls, |asm| {
        asm.emit(Alu::Mov.imm(R0, action));
        asm.emit(Insn::exit());
    });
    Program::load(&image, &LoadOptions::default()).expect("loads")
}

fn id(program: &Program) -> u32 {
    program.info().expect("loaded").id
}

fn has_tcx() -> bool {
    let has = features::TCX.support().is_yes();
    if !has {
        eprintln!("skipped: this kernel has no TCX");
    }
    has
}

/// Does a datagram get from the client to the server (ingress of the server), or the other way (egress)?
fn arrives(lab: &Lab, direction: TcDirection) -> bool {
    let (from, to) = match direction {
        TcDirection::Ingress => (&lab.client, &lab.server),
        TcDirection::Egress => (&lab.server, &lab.client),
    };
    let receiver = to.enter(|| UdpSocket::bind((to.ipv4, 0))).expect("entered").expect("bound");
    receiver.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
    let place = receiver.local_addr().expect("bound");
    let sender = from.enter(|| UdpSocket::bind((from.ipv4, 0))).expect("entered").expect("bound");
    // What egress drops is an error of the sender.
    let _ = sender.send_to(b"hello", place);
    receiver.recv(&mut [0; 16]).is_ok()
}

fn by_link(lab: &Lab, program: &Program, direction: TcDirection) -> Result<TcxLink, LinkError> {
    let link = &lab.server.link;
    lab.server.enter(|| TcxLink::attach(link, program, direction)).expect("entered")
}

fn by_netlink(lab: &Lab, program: &Program, direction: TcDirection) -> TcNetlink {
    let socket = lab.server.namespace.socket().expect("opened");
    TcNetlink::attach(socket, &lab.server.link, program, direction).expect("attached")
}

#[test]
fn a_classifier_of_a_link_acts_in_its_direction_until_the_link_is_dropped() {
    let Some(lab) = lab() else { return };
    if !has_tcx() {
        return;
    }
    let (drops, passes) = (load(SHOT), load(PASS));
    for direction in BOTH {
        let programs = || {
            let link = &lab.server.link;
            lab.server.enter(|| tcx_programs(link, direction)).expect("entered").expect("there")
        };
        let mut link = by_link(&lab, &drops, direction).expect("attached");
        for way in BOTH {
            assert_eq!(arrives(&lab, way), way != direction, "{direction} {way}");
        }
        let info = link.info().expect("there");
        assert_eq!((info.interface, info.program_id), (Some(lab.server.link.index), id(&drops)));
        // Somebody else's program has a place, too, and ours is not disturbed.
        let other = by_link(&lab, &passes, direction).expect("attached");
        let found: Vec<_> = programs().iter().map(|it| it.program_id).collect();
        assert_eq!(found, [id(&drops), id(&passes)]);
        assert_eq!(programs()[0].link_id, Some(info.id));
        let twice = by_link(&lab, &passes, direction).expect_err("the very same");
        assert_eq!(twice.errno(), Some(libc::EEXIST), "{twice}");
        drop(other);
        link.replace(&passes).expect("replaced");
        assert!(arrives(&lab, direction));
        link.detach().expect("detached");
        assert!(programs().is_empty());
    }
}

#[test]
fn a_link_says_what_stands_in_its_way() {
    let Some(lab) = lab() else { return };
    if !has_tcx() {
        return;
    }
    let program = load(PASS);
    let mut link = by_link(&lab, &program, TcDirection::Egress).expect("attached");
    let xdp = super::returning(2);
    let xdp = Program::load(&xdp, &LoadOptions::default()).expect("loads");
    let wrong = link.replace(&xdp).expect_err("another type");
    assert_eq!(wrong.errno(), Some(libc::EINVAL), "{wrong}");
    let wrong = by_link(&lab, &xdp, TcDirection::Ingress).expect_err("another type");
    assert!(wrong.to_string().contains("no classifier"), "{wrong}");
    assert!(wrong.hint().is_some());
    let gone = hardwire::netlink::Link { index: 0x7fff_fff0, ..lab.server.link.clone() };
    let gone = TcxLink::attach(&gone, &program, TcDirection::Ingress).expect_err("no interface");
    assert_eq!(gone.errno(), Some(libc::ENODEV), "{gone}");
}

#[test]
fn a_classifier_by_netlink_acts_in_its_direction_and_takes_its_qdisc_along() {
    let Some(mut lab) = lab() else { return };
    let (drops, passes) = (load(SHOT), load(PASS));
    for direction in BOTH {
        let mut guard = by_netlink(&lab, &drops, direction);
        assert!(guard.made_qdisc());
        for way in BOTH {
            assert_eq!(arrives(&lab, way), way != direction, "{direction} {way}");
        }
        let filter = guard.filter().clone();
        assert_eq!((filter.program_id, filter.direct_action), (Some(id(&drops)), true));
        assert_eq!((filter.kind.as_str(), filter.name.as_deref()), ("bpf", Some("test")));
        assert_eq!(guard.query().expect("there"), [filter]);
        guard.replace(&passes).expect("replaced");
        assert!(arrives(&lab, direction));
        assert_eq!(guard.query().expect("there")[0].program_id, Some(id(&passes)));
        assert_eq!(guard.detach().expect("detached"), Detached::Done);
        let kind = lab.server.netlink.clsact_kind(&lab.server.link).expect("asked");
        assert_eq!(kind, None, "the qdisc is gone");
    }
}

#[test]
fn a_qdisc_that_was_there_or_is_in_use_stays() {
    let Some(mut lab) = lab() else { return };
    let program = load(PASS);
    let link = lab.server.link.clone();
    let made = lab.server.netlink.add_clsact(&link, TcDirection::Egress).expect("made");
    assert_eq!(made, Clsact::Made);
    drop(by_netlink(&lab, &program, TcDirection::Egress));
    let kind = |lab: &mut Lab| lab.server.netlink.clsact_kind(&link).expect("asked");
    assert_eq!(kind(&mut lab).as_deref(), Some("clsact"), "it was there before");
    lab.server.netlink.delete_clsact(&link).expect("deleted");

    // The first to come makes it, and goes before the second.
    let first = by_netlink(&lab, &program, TcDirection::Ingress);
    let second = by_netlink(&lab, &load(PASS), TcDirection::Egress);
    assert!(first.made_qdisc() && !second.made_qdisc());
    first.detach().expect("detached");
    assert_eq!(kind(&mut lab).as_deref(), Some("clsact"), "somebody uses it");
    assert_eq!(second.detach().expect("detached"), Detached::Done);
}

#[test]
fn a_filter_that_somebody_exchanged_is_left_alone() {
    let Some(mut lab) = lab() else { return };
    let (ours, theirs) = (load(PASS), load(PASS));
    let link = lab.server.link.clone();
    let mut guard = by_netlink(&lab, &ours, TcDirection::Ingress);
    let filter = guard.filter().clone();
    let by_them = lab.server.netlink.replace_tc(&link, &filter, theirs.as_fd()).expect("replaced");
    let error = guard.replace(&load(PASS)).expect_err("not ours");
    assert!(error.to_string().contains(&format!("program {}", id(&theirs))), "{error}");
    assert!(error.hint().is_some());
    assert!(guard.detach().is_err());
    let there = lab.server.netlink.tc_filters(&link, TcDirection::Ingress).expect("listed");
    assert_eq!(there, std::slice::from_ref(&by_them));
    lab.server.netlink.detach_tc(&link, &by_them).expect("detached");
    let gone = lab.server.netlink.detach_tc(&link, &by_them).expect_err("twice");
    assert!(matches!(gone, NetlinkError::FilterGone { found: None, .. }), "{gone}");
}

#[test]
fn a_filter_goes_with_its_interface() {
    let Some(mut lab) = lab() else { return };
    let guard = by_netlink(&lab, &load(PASS), TcDirection::Egress);
    lab.server.netlink.delete_link(&lab.server.link.clone()).expect("deleted");
    assert_eq!(guard.detach().expect("nothing to do"), Detached::InterfaceGone);
}

#[test]
fn what_cannot_be_attached_by_netlink_leaves_nothing_behind() {
    let Some(mut lab) = lab() else { return };
    let xdp = Program::load(&super::returning(2), &LoadOptions::default()).expect("loads");
    let socket = lab.server.namespace.socket().expect("opened");
    let link = lab.server.link.clone();
    let error = TcNetlink::attach(socket, &link, &xdp, TcDirection::Ingress).expect_err("XDP");
    assert_eq!(error.errno(), Some(libc::EINVAL), "{error}");
    assert_eq!(lab.server.netlink.clsact_kind(&link).expect("asked"), None);
}
