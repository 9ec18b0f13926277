//! Hits at every place where the linear part of a frame meets a fragment, and one fragment the
//! next, in XDP on a cable that carries frames of 65,535 bytes.

use hardwire::assembler::{
    Alu, Assembler, Insn, Jmp, MapKind, MapSpec, ProgramKind,
    Reg::{R0, R1, R2, R3},
    Size, Target,
};
use hardwire::compiler::ir::{Match, Matcher, Outcome, Report, Scope, Verdict};
use hardwire::compiler::plan::Access;
use hardwire::compiler::{self, Entry, Options};
use hardwire::loader::link::{OnOccupied, XdpMode, XdpNetlink};
use hardwire::loader::{LoadOptions, Program, features};
use hardwire::netlink::Lab;

use super::lab;
use super::program::{Live, matcher};
use super::wire::{
    PacketSocket, Protocol, Shape, TCP_HEADERS, UDP_HEADERS, tcp_frame, text, udp_frame,
};

const NEEDLE: &[u8] = b"/etc/passwd";
/// Bytes of a page: what the kernel's copies of large frames lie in.
const PAGE_BYTES: usize = 4096;
/// Bytes that one window of a generated program covers.
const WINDOW_BYTES: usize = 4096;
const MTU: u32 = 65_535;

fn widen(lab: &mut Lab) {
    for host in [&mut lab.client, &mut lab.server] {
        host.netlink.set_mtu(&host.link, MTU).expect("a veth can");
    }
}

/// Bytes between `data` and `data_end` of a frame like this one.
fn linear_bytes(lab: &Lab, mode: XdpMode, send: impl FnOnce()) -> usize {
    let mut asm = Assembler::new("linear", ProgramKind::Xdp);
    asm.set_frags(true);
    let map = asm.map(MapSpec {
        name: "linear".to_owned(),
        kind: MapKind::Array,
        key_bytes: 4,
        value_bytes: 8,
        entries_max: 1,
        flags: 0,
    });
    let out = asm.label();
    asm.emit(Size::W.load(R2, R1, 0));
    asm.emit(Size::W.load(R3, R1, 4));
    asm.emit(Alu::Sub.reg(R3, R2));
    asm.load_map_value(R1, map, 0);
    asm.emit(Size::DW.load(R2, R1, 0));
    // The first frame is the one.
    asm.emit(Jmp::Ne.imm(R2, 0, out));
    asm.emit(Size::DW.store(R1, 0, R3));
    asm.bind(out);
    asm.emit(Alu::Mov.imm(R0, 1));
    asm.emit(Insn::exit());
    let image = asm.finish(&Target::newest()).expect("assembles");
    let program = Program::load(&image, &LoadOptions::default()).expect("loads");
    let socket = lab.server.namespace.socket().expect("opened");
    let _guard =
        XdpNetlink::attach(socket, &lab.server.link, &program, mode, OnOccupied::Refuse).unwrap();
    send();
    for _ in 0..1000 {
        let values = program.maps()[0].read_array().expect("read");
        let bytes = u64::from_le_bytes(values.value().try_into().expect("8 bytes"));
        if bytes > 0 {
            return bytes.try_into().expect("short");
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("the frame did not arrive");
}

/// Where a needle in a payload of `len` bytes behind `header` bytes touches or straddles an end of
/// the payload, of the linear part, of a fragment or of a window.
fn places(len: usize, header: usize, linear: usize) -> Vec<usize> {
    let last = len - NEEDLE.len();
    let mut borders = vec![0, last];
    for at in (linear..len + header).step_by(PAGE_BYTES) {
        borders.push(at.saturating_sub(header));
    }
    // The windows begin somewhere in the last round of the direct scan.
    for at in (linear..len + header).step_by(WINDOW_BYTES) {
        borders.extend((64..=320).step_by(64).map(|back| at.saturating_sub(header + back)));
    }
    let mut places: Vec<usize> = borders
        .into_iter()
        .flat_map(|border| border.saturating_sub(NEEDLE.len() + 1)..=border + 1)
        .filter(|&at| at <= last)
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// The cases: how the bytes are reached, and among how many patterns the needle is sought.
struct Case {
    mode: XdpMode,
    scope: Scope,
    /// Only through windows, as without `CAP_PERFMON`.
    windows: bool,
    /// Other patterns, which do not occur.
    others: usize,
    lengths: &'static [usize],
}

impl Case {
    fn matcher(&self) -> Matcher {
        let others: Vec<String> =
            (0..self.others).map(|n| format!("pattern number {n:02} does not occur")).collect();
        let mut patterns: Vec<&[u8]> = vec![NEEDLE];
        patterns.extend(others.iter().map(|other| other.as_bytes()));
        let verdicts = [Verdict::Drop, Verdict::Pass, Verdict::Abort];
        matcher(&patterns, self.scope, Report::All, verdicts)
    }

    fn load(&self, matcher: &Matcher) -> Live {
        let mut target = features::target().expect("probed");
        target.perfmon &= !self.windows;
        let compiled = compiler::compile(matcher, Entry::Xdp, &target, &Options::default());
        let compiled = compiled.expect("compiles");
        assert_eq!(compiled.plan.access == Access::Windows, self.windows);
        assert!(compiled.image.frags(), "takes fragments");
        Live::load_image(matcher, &compiled.image)
    }

    /// Plant the needle at every place of frames of many lengths, live.
    fn check(&self) {
        let Some(mut alone) = lab() else { return };
        widen(&mut alone.lab);
        let sender =
            PacketSocket::shaping_sender(&alone.lab.client.namespace, &alone.lab.client.link);
        let matcher = self.matcher();
        for (kind, header) in [(Protocol::Udp, UDP_HEADERS), (Protocol::Tcp, TCP_HEADERS)] {
            let frame = match kind {
                Protocol::Udp => udp_frame,
                Protocol::Tcp => tcp_frame,
            };
            for &len in self.lengths {
                // In how many pieces the sender has the frame makes no difference to the receiver.
                let shape =
                    Shape { linear: u16::try_from(len % 1500).expect("short"), segment: None };
                let harmless = frame(&text(len));
                let send = || sender.send_shaped(&harmless, shape);
                let linear = linear_bytes(&alone.lab, self.mode, send);
                assert!((1514..4000).contains(&linear), "{linear} of {len}");

                let mut live = self.load(&matcher);
                let guard = live.attach(&alone.lab.server, self.mode);
                let start = if self.scope == Scope::Payload { 0 } else { header };
                let mut ask = |payload: &[u8], place: Option<usize>| {
                    let frame = frame(payload);
                    sender.send_shaped(&frame, shape);
                    let (outcome, bytes) = live.answer();
                    let end = place.map(|at| u32::try_from(start + at + NEEDLE.len()).unwrap());
                    assert_eq!(outcome, expected(end), "{place:?} of {len}, linear {linear}");
                    assert_eq!(bytes, frame.len() as u64);
                };
                let mut payload = text(len);
                ask(&payload, None);
                for at in places(len, header, linear) {
                    let harmless = payload[at..at + NEEDLE.len()].to_vec();
                    payload[at..at + NEEDLE.len()].copy_from_slice(NEEDLE);
                    ask(&payload, Some(at));
                    // One byte less is no hit.
                    payload[at + NEEDLE.len() - 1] ^= 1;
                    ask(&payload, None);
                    payload[at..at + NEEDLE.len()].copy_from_slice(&harmless);
                }
                guard.detach().expect("detached");
            }
        }
    }
}

/// What the program says if the needle ends at `end`, or is absent.
fn expected(end: Option<u32>) -> Outcome {
    Outcome {
        in_scope: true,
        searched: true,
        verdict: if end.is_some() { Verdict::Drop } else { Verdict::Pass },
        matches: end.map(|end| Match { id: 1, end: Some(end) }).into_iter().collect(),
    }
}

const LENGTHS: &[usize] = &[3478, 3500, 9000, 20_000, 60_000];

#[test]
fn native_xdp_finds_hits_that_straddle_fragments() {
    for scope in [Scope::Payload, Scope::Packet] {
        let mode = XdpMode::Native;
        Case { mode, scope, windows: false, others: 0, lengths: LENGTHS }.check();
    }
}

#[test]
fn generic_xdp_finds_hits_that_straddle_fragments() {
    for scope in [Scope::Payload, Scope::Packet] {
        let mode = XdpMode::Generic;
        Case { mode, scope, windows: false, others: 0, lengths: LENGTHS }.check();
    }
}

#[test]
fn xdp_that_reads_through_windows_alone_finds_hits_that_straddle_fragments() {
    for mode in [XdpMode::Native, XdpMode::Generic] {
        let lengths = &[3500, 20_000];
        Case { mode, scope: Scope::Payload, windows: true, others: 0, lengths }.check();
    }
}

#[test]
fn sets_of_patterns_are_found_across_fragments() {
    for windows in [false, true] {
        let (mode, lengths) = (XdpMode::Native, &[3500, 20_000]);
        Case { mode, scope: Scope::Payload, windows, others: 30, lengths }.check();
    }
}
