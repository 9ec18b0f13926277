//! What events tell.

use hardwire::{
    assembler::{KernelVersion, Target},
    compiler::{
        Entry, Events, Options,
        event::record::{Direction, Record},
        frequency::Condition,
        ir::{Body, Matcher, Pattern, Report, Scope, Verdict, Verdicts, Window},
    },
    vm::VlanTag,
};

use super::side::Job;
use crate::wire::tcp_frame;

pub(crate) fn matcher(patterns: &[&str], scope: Scope, report: Report) -> Matcher {
    let patterns = (1..).zip(patterns).map(|(id, text)| Pattern::literal(id, *text)).collect();
    let verdicts =
        Verdicts { on_match: Verdict::Drop, on_miss: Verdict::Pass, out_of_scope: Verdict::Pass };
    Matcher { patterns, scope, report, verdicts }
}

pub(crate) fn events(snap: u32) -> Options {
    Options { events: Some(Events { snap, ring_bytes: 1 << 20 }), ..Options::default() }
}

/// A frame with VLAN tags of these types.
pub(crate) fn tagged(frame: &[u8], types: &[u16]) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    for tpid in types {
        out.extend(tpid.to_be_bytes());
        out.extend([0, 5]);
    }
    out.extend(&frame[12..]);
    out
}

/// The transport part of an IPv4 frame, from `source` of an IPv6 network.
pub(crate) fn ipv6(frame: &[u8], source: u8) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    out.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    out.extend(u16::try_from(frame.len() - 34).expect("small").to_be_bytes());
    out.extend([frame[23], 64]);
    out.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, source]);
    out.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    out.extend(&frame[34..]);
    out
}

fn frames() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let long = |before: usize, text: &[u8], behind: usize| {
        [&vec![b'.'; before][..], text, &vec![b'-'; behind]].concat()
    };
    for (name, payload) in [
        ("nothing", b"nothing of that kind in here, and nothing at the end".to_vec()),
        ("empty", Vec::new()),
        ("one", b"a needle in it".to_vec()),
        ("at the end", b"it ends with a needle".to_vec()),
        ("two", b"haystack with a needle, and a needle".to_vec()),
        ("many", b"needle needle haystack needle straw hay barn hay straw needle".to_vec()),
        ("long", long(1200, b"haystack needle", 200)),
        ("in a fragment", long(4000, b"haystack needle", 900)),
        ("far behind", long(8500, b"needle", 400)),
    ] {
        let frame = tcp_frame(&payload);
        all.push((format!("{name}, behind VLAN tags"), tagged(&frame, &[0x88a8, 0x8100])));
        all.push((format!("{name}, in IPv6"), ipv6(&frame, 1)));
        all.push((name.to_owned(), frame));
    }
    all.push(("ARP".to_owned(), {
        let mut arp = vec![0xff; 60];
        arp[12..14].copy_from_slice(&[8, 6]);
        arp[20..26].copy_from_slice(b"needle");
        arp
    }));
    all
}

fn targets() -> Vec<Target> {
    let of = |major, minor| Target::of_version(KernelVersion::new(major, minor));
    vec![
        Target::newest(),
        Target { perfmon: false, ..Target::newest() },
        Target { ringbuf: false, ..Target::newest() },
        of(6, 1),
        of(5, 15),
        of(5, 10),
        Target { ringbuf: false, atomic_fetch: false, ..of(5, 10) },
    ]
}

const ENTRIES: [Entry; 4] =
    [Entry::Xdp, Entry::SocketFilter, Entry::Tc(Direction::Ingress), Entry::Tc(Direction::Egress)];

fn agree(matcher: &Matcher, entry: Entry, target: &Target, options: Options) {
    let (matcher, target) = (matcher.clone(), target.clone());
    for mut side in (Job { matcher, entry, target, options }).sides() {
        for (what, frame) in frames() {
            side.check(&frame, &what);
        }
    }
}

#[test]
fn one_event_comes_of_each_matching_frame_and_says_what_the_reference_says() {
    for target in targets() {
        for entry in ENTRIES {
            let one = matcher(&["needle"], Scope::Payload, Report::First);
            agree(&one, entry, &target, events(64));
            if !target.may_goto {
                continue; // loops with a counter take the verifier long, and end alike
            }
            let one = matcher(&["needle"], Scope::Packet, Report::First);
            agree(&one, entry, &target, events(64));
            let two = matcher(&["needle", "haystack"], Scope::Payload, Report::All);
            agree(&two, entry, &target, events(64));
        }
    }
    let two = matcher(&["needle", "haystack"], Scope::Payload, Report::All);
    agree(&two, Entry::Xdp, &Target::of_version(KernelVersion::new(6, 1)), events(64));
}

#[test]
fn sets_tell_every_pattern_with_its_smallest_end_as_far_as_there_is_room() {
    let few = ["needle", "haystack", "straw", "barn", "needle, and", "hay"];
    let many = ["n", "e", "d", "l", "a", "s", "t", "r", "w", "h", "y", "needle", "st"];
    for (patterns, report) in
        [(&few[..], Report::All), (&few[..], Report::First), (&many[..], Report::All)]
    {
        for target in [Target::newest(), Target::of_version(KernelVersion::new(6, 1))] {
            for entry in [Entry::Xdp, Entry::SocketFilter] {
                agree(&matcher(patterns, Scope::Payload, report), entry, &target, events(96));
            }
        }
    }
}

#[test]
fn programs_joined_by_tail_calls_tell_once_whichever_finds_it() {
    let patterns = ["needle", "haystack", "straw", "barn"];
    for report in [Report::First, Report::All] {
        for entry in [Entry::Xdp, Entry::SocketFilter, Entry::Tc(Direction::Egress)] {
            let options = Options { programs_min: 3, controls: true, ..events(64) };
            let matcher = matcher(&patterns, Scope::Payload, report);
            agree(&matcher, entry, &Target::newest(), options);
        }
    }
}

#[test]
fn as_many_bytes_come_as_were_asked_for() {
    let one = matcher(&["needle"], Scope::Payload, Report::First);
    for snap in [0, 1, 14, 255, 4096, 65_535] {
        for entry in ENTRIES {
            for target in [Target::newest(), Target { ringbuf: false, ..Target::newest() }] {
                agree(&one, entry, &target, events(snap));
            }
        }
    }
}

#[test]
fn conditions_are_told_without_an_end() {
    let window = Window::default();
    let condition = Condition::parse(b"a>=3", false, window).expect("a condition");
    let mut patterns = matcher(&["needle"], Scope::Payload, Report::First);
    patterns.patterns.push(Pattern { id: 2, body: Body::Frequency(condition), window });
    for entry in [Entry::Xdp, Entry::SocketFilter] {
        agree(&patterns, entry, &Target::newest(), events(32));
    }
}

/// The kernel gives test runs no tag that is apart, and none that leave.
#[test]
fn the_tag_that_is_apart_and_the_direction_are_told() {
    let frame = tcp_frame(b"a needle in it");
    for entry in [Entry::SocketFilter, Entry::Tc(Direction::Egress), Entry::Tc(Direction::Ingress)]
    {
        for pkt_type in [0, 3, 4] {
            let one = matcher(&["needle"], Scope::Payload, Report::First);
            let job = Job { matcher: one, entry, target: Target::newest(), options: events(64) };
            let mut vm = job.sides().remove(0);
            vm.pkt_type = pkt_type;
            vm.vlan = Some(VlanTag { tpid: 0x88a8, tci: 0x6005 });
            vm.check(&frame, "with a tag");
            vm.vlan = None;
            vm.check(&frame, "without one");
            let records = vm.run(&frame, 1).records;
            let record = Record::from_bytes(&records[0]).expect("a record");
            let expected = match entry {
                Entry::Tc(direction) => direction,
                Entry::SocketFilter if pkt_type == 4 => Direction::Egress,
                Entry::SocketFilter | Entry::Xdp => Direction::Ingress,
            };
            assert_eq!(record.direction, expected, "{entry:?} {pkt_type}");
        }
    }
}

#[test]
fn the_time_is_that_of_the_machine() {
    let one = matcher(&["needle"], Scope::Payload, Report::First);
    let (entry, target) = (Entry::Xdp, Target::newest());
    for mut side in (Job { matcher: one, entry, target, options: events(0) }).sides() {
        if side.is_vm() {
            side.set_clock(77);
        }
        let before = side.clock();
        let records = side.run(&tcp_frame(b"needle"), 1).records;
        let time = Record::from_bytes(&records[0]).expect("a record").time_ns;
        let after = side.clock();
        assert!(if side.is_vm() { time == 77 } else { (before..=after).contains(&time) });
    }
}
