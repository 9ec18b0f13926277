//! What is switched while programs run.

use hardwire::{
    assembler::{KernelVersion, Target},
    compiler::{
        Entry, Events, Options,
        event::{
            Counter::{
                self, Drop, Events as Told, EventsLost, EventsSkipped, Matched, Pass, Spared,
                WithinLimit,
            },
            record::{Direction, Record},
        },
        ir::{Matcher, Report, Scope, Verdict, Verdicts},
    },
};

use super::{
    records::{events, ipv6, matcher, tagged},
    side::{Job, Side},
};
use crate::wire::tcp_frame;

const SECOND: u64 = 1_000_000_000;
const VERDICTS: [Counter; 4] = [Drop, Pass, Spared, WithinLimit];
const EVENTS: [Counter; 4] = [Matched, Told, EventsLost, EventsSkipped];

fn needle() -> Matcher {
    matcher(&["needle"], Scope::Payload, Report::First)
}

/// Programs with all switches, for kernels with and without what they use.
fn sides(matcher: &Matcher, options: Options) -> Vec<Side> {
    let old = Target::of_version(KernelVersion::new(5, 10));
    let targets = [Target::newest(), Target { perfmon: false, ..Target::newest() }, old];
    let mut all = Vec::new();
    for target in targets {
        for entry in [Entry::Xdp, Entry::Tc(Direction::Egress)] {
            let (matcher, target) = (matcher.clone(), target.clone());
            all.extend(Job { matcher, entry, target, options }.sides());
        }
    }
    all
}

/// The next second of the machine's clock, if this one is nearly over.
fn early_in_a_second(side: &Side) {
    let left = SECOND - side.clock() % SECOND;
    if !side.is_vm() && left < SECOND / 2 {
        std::thread::sleep(std::time::Duration::from_nanos(left + 1_000_000));
    }
}

#[test]
fn a_dry_run_lets_everything_pass_and_says_what_it_would_have_done() {
    let options = Options { controls: true, ..events(16) };
    let frame = tcp_frame(b"a needle in it");
    for mut side in sides(&needle(), options) {
        let armed = side.run(&frame, 3);
        assert_eq!(armed.of(&VERDICTS), [3, 0, 0, 0], "{}", side.name);
        side.switch(|control| control.dry_run = true);
        let spared = side.run(&frame, 3);
        assert_eq!(spared.of(&VERDICTS), [0, 3, 3, 0], "{}", side.name);
        assert_ne!(armed.returned, spared.returned, "{}", side.name);
        for (answer, dry) in [(&armed, false), (&spared, true)] {
            assert_eq!(answer.records.len(), 3);
            let record = Record::from_bytes(&answer.records[2]).expect("a record");
            assert_eq!((record.verdict, record.spared), (Verdict::Drop, dry), "{}", side.name);
        }
        side.switch(|control| control.dry_run = false);
        assert_eq!(side.run(&frame, 1).of(&VERDICTS), [1, 0, 0, 0], "{}", side.name);
    }
}

#[test]
fn every_verdict_is_held_back_not_that_for_matches_alone() {
    let verdicts = Verdicts {
        on_match: Verdict::Drop,
        on_miss: Verdict::Abort,
        out_of_scope: Verdict::Redirect { ifindex: 7 },
    };
    let matcher = Matcher { verdicts, ..needle() };
    let options = Options { controls: true, ..Options::default() };
    let mut arp = vec![0; 60];
    arp[12..14].copy_from_slice(&[8, 6]);
    let frames = [
        (tcp_frame(b"a needle"), Counter::Drop),
        (tcp_frame(b"hay"), Counter::Abort),
        (arp, Counter::Redirect),
    ];
    for mut side in sides(&matcher, options) {
        for (frame, counter) in &frames {
            side.switch(|control| control.dry_run = false);
            let armed = side.run(frame, 1);
            assert_eq!(armed.of(&[*counter, Pass, Spared]), [1, 0, 0], "{}", side.name);
            side.switch(|control| control.dry_run = true);
            let spared = side.run(frame, 1);
            assert_eq!(spared.of(&[*counter, Pass, Spared]), [0, 1, 1], "{}", side.name);
        }
    }
}

#[test]
fn past_its_deadline_a_program_lets_everything_pass() {
    let options = Options { controls: true, ..Options::default() };
    let frame = tcp_frame(b"a needle in it");
    for mut side in sides(&needle(), options) {
        let now = side.clock();
        side.switch(|control| control.deadline_ns = now + 3600 * SECOND);
        assert_eq!(side.run(&frame, 1).of(&VERDICTS), [1, 0, 0, 0], "{}", side.name);
        if side.is_vm() {
            side.set_clock(3600 * SECOND - 1);
            assert_eq!(side.run(&frame, 1).of(&VERDICTS), [1, 0, 0, 0], "{}", side.name);
            side.set_clock(3600 * SECOND);
        } else {
            side.switch(|control| control.deadline_ns = now);
        }
        assert_eq!(side.run(&frame, 1).of(&VERDICTS), [0, 1, 1, 0], "{}", side.name);
        side.switch(|control| control.deadline_ns = 0);
        assert_eq!(side.run(&frame, 1).of(&VERDICTS), [1, 0, 0, 0], "{}", side.name);
    }
}

#[test]
fn of_a_sample_the_first_of_so_many_is_told() {
    let options = Options { controls: true, ..events(0) };
    let frame = tcp_frame(b"a needle in it");
    for mut side in sides(&needle(), options) {
        for (sample, frames, told) in [(0, 5, 5), (1, 5, 5), (5, 10, 2), (4, 10, 3)] {
            side.switch(|control| control.sample = sample);
            let answer = side.run(&frame, frames);
            let frames = u64::from(frames);
            assert_eq!(answer.of(&EVENTS), [frames, told, 0, frames - told], "{}", side.name);
            assert_eq!(answer.of(&VERDICTS), [frames, 0, 0, 0], "told or not: {}", side.name);
            assert_eq!(answer.records.len() as u64, told);
        }
    }
}

#[test]
fn no_more_events_than_the_rate_are_made_in_a_second() {
    let options = Options { controls: true, ..events(0) };
    let frame = tcp_frame(b"a needle in it");
    for mut side in sides(&needle(), options) {
        side.switch(|control| control.rate = 3);
        early_in_a_second(&side);
        assert_eq!(side.run(&frame, 10).of(&EVENTS), [10, 3, 0, 7], "{}", side.name);
        side.switch(|control| control.rate = 5);
        assert_eq!(side.run(&frame, 10).of(&EVENTS), [10, 2, 0, 8], "{}", side.name);
        if side.is_vm() {
            side.set_clock(SECOND - 1);
            assert_eq!(side.run(&frame, 10).of(&EVENTS), [10, 0, 0, 10], "{}", side.name);
            side.set_clock(SECOND);
            assert_eq!(side.run(&frame, 10).of(&EVENTS), [10, 5, 0, 5], "{}", side.name);
        }
        side.switch(|control| control.rate = 0);
        assert_eq!(side.run(&frame, 10).of(&EVENTS), [10, 10, 0, 0], "{}", side.name);
    }
}

#[test]
fn what_a_full_ring_does_not_take_is_counted_as_lost() {
    let small = Events { snap: 256, ring_bytes: 4096 };
    let options = Options { events: Some(small), controls: true, ..Options::default() };
    let frame = tcp_frame(&[&b"a needle in it"[..], &[b'.'; 300]].concat());
    for mut side in sides(&needle(), options) {
        side.switch(|control| control.sample = 2);
        let answer = side.run(&frame, 1000);
        let [matched, told, lost, skipped] = answer.of(&EVENTS)[..] else { panic!("four") };
        assert_eq!((matched, told + lost + skipped, skipped), (1000, 1000, 500), "{}", side.name);
        assert_eq!(answer.records.len() as u64, told, "{}", side.name);
        // Perf buffers are larger, those of the vm and those of the reader.
        assert!((1..=500).contains(&told), "{}: {told}", side.name);
        for bytes in &answer.records {
            let record = Record::from_bytes(bytes).expect("a record");
            assert_eq!(record.captured, &frame[..256]);
        }
        assert_eq!(answer.of(&VERDICTS), [1000, 0, 0, 0], "lost or not: {}", side.name);
    }
}

#[test]
fn the_first_frames_of_each_source_in_a_second_are_let_pass() {
    let options = Options { source_limit: true, ..events(0) };
    let frame = tcp_frame(b"a needle in it");
    let mut other = frame.clone();
    other[29] = 9;
    let mut arp = vec![0; 60];
    arp[12..14].copy_from_slice(&[8, 6]);
    arp[20..26].copy_from_slice(b"needle");
    let matcher = Matcher { scope: Scope::Packet, ..needle() };
    for mut side in sides(&matcher, options) {
        assert_eq!(side.run(&frame, 5).of(&VERDICTS), [5, 0, 0, 0], "none: {}", side.name);
        side.switch(|control| control.limit_pps = 3);
        early_in_a_second(&side);
        for (what, frame) in [
            ("IPv4", frame.clone()),
            ("another address", other.clone()),
            ("IPv6", ipv6(&frame, 1)),
            ("another address", ipv6(&frame, 2)),
            ("behind tags", tagged(&ipv6(&frame, 3), &[0x88a8, 0x8100])),
        ] {
            let answer = side.run(&frame, 10);
            assert_eq!(answer.of(&VERDICTS), [7, 3, 0, 3], "{what}: {}", side.name);
            let spared = |bytes: &Vec<u8>| Record::from_bytes(bytes).expect("a record").spared;
            let spared: Vec<bool> = answer.records.iter().map(spared).collect();
            assert_eq!(spared, [&[true; 3][..], &[false; 7]].concat(), "{what}: {}", side.name);
        }
        let known = tagged(&frame, &[0x8100]);
        assert_eq!(side.run(&known, 10).of(&VERDICTS), [10, 0, 0, 0], "known: {}", side.name);
        assert_eq!(side.run(&arp, 10).of(&VERDICTS), [10, 0, 0, 0], "no source: {}", side.name);
        side.switch(|control| control.dry_run = true);
        assert_eq!(side.run(&frame, 2).of(&VERDICTS), [0, 2, 2, 0], "dry: {}", side.name);
        side.switch(|control| control.dry_run = false);
        if side.is_vm() {
            side.set_clock(SECOND);
            assert_eq!(side.run(&frame, 10).of(&VERDICTS), [7, 3, 0, 3], "next: {}", side.name);
        }
    }
}

#[test]
fn a_limit_is_for_matching_frames() {
    let verdicts = Verdicts { on_miss: Verdict::Drop, ..needle().verdicts };
    let matcher = Matcher { verdicts, ..needle() };
    let options = Options { source_limit: true, ..Options::default() };
    for mut side in sides(&matcher, options) {
        side.switch(|control| control.limit_pps = 100);
        let answer = side.run(&tcp_frame(b"hay, and hay alone"), 10);
        assert_eq!(answer.of(&VERDICTS), [10, 0, 0, 0], "{}", side.name);
    }
}

#[test]
fn a_socket_filter_has_events_to_be_limited_and_no_verdict() {
    let options = Options { controls: true, source_limit: true, ..events(16) };
    let matcher = Matcher { verdicts: Verdicts::default(), ..needle() };
    let (entry, target) = (Entry::SocketFilter, Target::newest());
    for mut side in (Job { matcher, entry, target, options }).sides() {
        side.switch(|control| (control.dry_run, control.sample, control.limit_pps) = (true, 2, 1));
        let answer = side.run(&tcp_frame(b"a needle in it"), 10);
        assert_eq!(answer.of(&EVENTS), [10, 5, 0, 5], "{}", side.name);
        assert_eq!(answer.of(&VERDICTS), [0, 10, 0, 0], "{}", side.name);
        assert_eq!(answer.returned, 0);
    }
}
