//! Attach, replace and detach a hundred times under traffic: nothing is lost that should have
//! passed, and nothing is left behind.

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use hardwire::compiler::event::{COUNTERS_MAP, Counter, Counters};
use hardwire::compiler::ir::{Report, Scope, Verdict};
use hardwire::compiler::{self, Entry, Options};
use hardwire::loader::link::{Detached, OnOccupied, XdpLink, XdpMode, XdpNetlink};
use hardwire::loader::{LoadOptions, Program, features};
use hardwire::netlink::lab::Host;
use hardwire::netlink::{Lab, Socket};

use super::gro::set_gro;
use super::program::{PATIENCE, matcher};
use super::wire::set_option;
use super::{descriptors, lab};

const ROUNDS: usize = 100;
const NEEDLE: &[u8] = b"GET /admin";
/// Every so many datagrams carry the pattern.
const MATCHING_EVERY: u64 = 5;
/// Datagrams that should arrive and have not yet: far less than any queue on the way holds.
const ON_THE_WAY_MAX: u64 = 64;
/// Datagrams sent in each state of the interface.
const DATAGRAMS_A_STATE: u64 = 150;

/// Numbered datagrams from one host to the other, for as long as the test lasts.
struct Traffic {
    /// Datagrams without the pattern that were sent.
    sent: AtomicU64,
    /// Datagrams with it that were sent.
    sent_matching: AtomicU64,
    /// Datagrams without the pattern that arrived.
    arrived: AtomicU64,
    /// No more is sent.
    stop: AtomicBool,
    /// No more is on the way, but for what the queues hold.
    all_sent: AtomicBool,
}

/// What arrived, by number.
#[derive(Default)]
struct Arrived {
    without: HashSet<u64>,
    matching: HashSet<u64>,
    twice: u64,
}

impl Traffic {
    /// Send until it is over, never more at once than the queues on the way can hold.
    fn send(&self, from: &UdpSocket, to: SocketAddr) {
        let mut number = 0_u64;
        while !self.stop.load(Ordering::Relaxed) {
            let mut datagram = number.to_le_bytes().to_vec();
            if number.is_multiple_of(MATCHING_EVERY) {
                datagram.extend(NEEDLE);
                from.send_to(&datagram, to).expect("sent");
                self.sent_matching.fetch_add(1, Ordering::Relaxed);
            } else {
                datagram.extend(b"GET /index");
                from.send_to(&datagram, to).expect("sent");
                let sent = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
                self.wait_for(sent.saturating_sub(ON_THE_WAY_MAX));
            }
            number += 1;
        }
    }

    /// Wait until so many datagrams without the pattern have arrived.
    fn wait_for(&self, arrived: u64) {
        let start = Instant::now();
        while self.arrived.load(Ordering::Relaxed) < arrived {
            assert!(
                start.elapsed() < PATIENCE,
                "lost: {} of {} datagrams arrived",
                self.arrived.load(Ordering::Relaxed),
                self.sent.load(Ordering::Relaxed)
            );
            thread::yield_now();
        }
    }

    /// Receive until it is over and everything that was on the way has had its time.
    fn receive(&self, to: &UdpSocket) -> Arrived {
        let mut all = Arrived::default();
        let mut buffer = [0; 64];
        loop {
            let Ok(bytes) = to.recv(&mut buffer) else {
                if self.all_sent.load(Ordering::Relaxed) {
                    return all;
                }
                continue;
            };
            let number = u64::from_le_bytes(*buffer.first_chunk().expect("numbered"));
            let fresh = if buffer[8..bytes] == *NEEDLE {
                all.matching.insert(number)
            } else {
                self.arrived.fetch_add(1, Ordering::Relaxed);
                all.without.insert(number)
            };
            all.twice += u64::from(!fresh);
        }
    }

    /// Let some traffic meet the present state of the interface.
    fn meet(&self) {
        let arrived = self.arrived.load(Ordering::Relaxed);
        self.wait_for(arrived + DATAGRAMS_A_STATE);
    }
}

/// Ends the traffic also if the test fails.
struct Over<'a>(&'a Traffic);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
        self.0.all_sent.store(true, Ordering::Relaxed);
    }
}

fn udp(host: &Host) -> UdpSocket {
    let socket = host.enter(|| UdpSocket::bind((host.ipv4, 0))).expect("entered").expect("bound");
    set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 64 << 20);
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
    socket
}

/// Network namespaces that the threads of this process are in.
fn namespaces() -> HashSet<String> {
    let of = |entry: fs::DirEntry| fs::read_link(entry.path().join("ns/net")).ok();
    let tasks = fs::read_dir("/proc/self/task").expect("mounted");
    tasks.filter_map(|entry| Some(of(entry.ok()?)?.display().to_string())).collect()
}

/// Two programs that drop the pattern, in two ways; cheap to verify, because it is done so often.
struct Images([hardwire::assembler::ProgramImage; 2]);

impl Images {
    fn new() -> Self {
        let target = features::target().expect("probed");
        let options = Options { fragments: false, ..Options::default() };
        let compile = |scope| {
            let verdicts = [Verdict::Drop, Verdict::Pass, Verdict::Pass];
            let matcher = matcher(&[NEEDLE], scope, Report::First, verdicts);
            compiler::compile(&matcher, Entry::Xdp, &target, &options).expect("compiles").image
        };
        Self([compile(Scope::Payload), compile(Scope::Packet)])
    }

    fn load(&self) -> [Program; 2] {
        [0, 1].map(|at| Program::load(&self.0[at], &LoadOptions::default()).expect("loads"))
    }
}

fn matched(program: &Program) -> u64 {
    let values = program.maps()[COUNTERS_MAP].read_array().expect("read");
    let counters = values.entry(0).filter_map(Counters::from_bytes);
    counters.map(|counters| counters.get(Counter::Matched)).sum()
}

/// Attach the first, replace it by the second and that by the first again, and detach.
fn round(number: usize, lab: &mut Lab, programs: &[Program; 2], traffic: &Traffic) {
    let [first, second] = programs;
    let mode = if number.is_multiple_of(2) { XdpMode::Native } else { XdpMode::Generic };
    let server = &lab.server;
    let id = |program: &Program| program.info().expect("loaded").id;
    if number % 4 < 2 {
        let socket = server.namespace.socket().expect("opened");
        let refuse = OnOccupied::Refuse;
        let mut guard =
            XdpNetlink::attach(socket, &server.link, first, mode, refuse).expect("attached");
        traffic.meet();
        guard.replace(second).expect("replaced");
        assert_eq!(guard.query().expect("there").program(mode), Some(id(second)));
        traffic.meet();
        guard.replace(first).expect("replaced");
        if number % 8 < 4 {
            assert_eq!(guard.detach().expect("detached"), Detached::Done);
        } else {
            drop(guard);
        }
    } else {
        let attach = || {
            let mut socket = Socket::open().expect("opened");
            XdpLink::attach(&mut socket, &server.link, first, mode)
        };
        let mut link = server.enter(attach).expect("entered").expect("attached");
        traffic.meet();
        link.replace(second).expect("replaced");
        assert_eq!(link.info().expect("there").program_id, id(second));
        traffic.meet();
        link.replace(first).expect("replaced");
        if number % 8 < 4 {
            link.detach().expect("detached");
        } else {
            drop(link);
        }
    }
    assert!(!lab.server.netlink.xdp(&lab.server.link).expect("there").is_attached());
    traffic.meet();
}

#[test]
fn a_hundred_rounds_under_traffic_lose_nothing_and_leave_nothing_behind() {
    let Some(mut alone) = lab() else { return };
    let lab = &mut alone.lab;
    // Without GRO a veth polls only while a program is attached natively, and when that is detached
    // its driver throws away what another CPU is just putting into its ring (`veth_napi_del()` in
    // `drivers/net/veth.c`): on 6.18 one datagram in about 600 such detaches.
    lab.server.enter(|| set_gro(&lab.server.link.name)).expect("entered");
    let images = Images::new();
    let (from, to) = (udp(&lab.client), udp(&lab.server));
    let address = to.local_addr().expect("bound");
    let (before, spaces) = (descriptors(), namespaces());
    let traffic = Traffic {
        sent: AtomicU64::new(0),
        sent_matching: AtomicU64::new(0),
        arrived: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        all_sent: AtomicBool::new(false),
    };
    let mut seen = Vec::new();
    let mut dropped = 0;
    let start = Instant::now();
    let arrived = thread::scope(|scope| {
        let over = Over(&traffic);
        let sender = scope.spawn(|| traffic.send(&from, address));
        let receiver = scope.spawn(|| traffic.receive(&to));
        for number in 0..ROUNDS {
            let programs = images.load();
            round(number, lab, &programs, &traffic);
            dropped += programs.iter().map(matched).sum::<u64>();
            seen.extend(programs.iter().map(|program| program.info().expect("loaded").id));
        }
        traffic.stop.store(true, Ordering::Relaxed);
        sender.join().expect("the sender has seen no loss");
        drop(over);
        receiver.join().expect("no panic")
    });
    let (sent, sent_matching) = (traffic.sent.into_inner(), traffic.sent_matching.into_inner());
    eprintln!(
        "{ROUNDS} rounds in {:?}, {} datagrams, {dropped} dropped",
        start.elapsed(),
        sent + sent_matching
    );
    let numbers = (0..sent + sent_matching).filter(|n| !n.is_multiple_of(MATCHING_EVERY));
    let lost: Vec<u64> = numbers.filter(|n| !arrived.without.contains(n)).collect();
    assert!(lost.is_empty(), "of {sent} datagrams without the pattern these are lost: {lost:?}");
    assert_eq!(arrived.twice, 0);
    assert_eq!(arrived.matching.len() as u64 + dropped, sent_matching, "counted or delivered");
    assert!(dropped > 0 && !arrived.matching.is_empty());

    assert_eq!(descriptors(), before);
    assert_eq!(namespaces(), spaces);
    nothing_left(seen);
}

/// The kernel frees a program a moment after its last user is gone.
fn nothing_left(mut programs: Vec<u32>) {
    let start = Instant::now();
    while !programs.is_empty() {
        assert!(start.elapsed() < PATIENCE, "programs left behind: {programs:?}");
        let alive = Program::ids().expect("root");
        programs.retain(|id| alive.contains(id));
        thread::sleep(Duration::from_millis(5));
    }
}
