//! The frames of a capture, sent through a cable: the program at the other end counts what the vm
//! and the reference predict.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hardwire::capture::Reader;
use hardwire::compiler::Entry;
use hardwire::compiler::event::{Counter, Counters};
use hardwire::compiler::ir::{Matcher, Report, Scope, Verdict};
use hardwire::engine::{Engine, Reference, Vm};
use hardwire::loader::link::XdpMode;
use hardwire::netlink::Lab;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::lab;
use super::program::{Live, image, matcher};
use super::wire::PacketSocket;

/// Frames in flight: the ring of a veth in native mode holds 256.
const BATCH: usize = 128;
/// Longest frame that an interface with an MTU of 1,500 sends.
const FRAME_BYTES_MAX: usize = 1514;

const PATTERNS: [&[u8]; 7] =
    [b"GET /admin", b"HTTP/1.1", b"\r\n", b"\0\0\0\0\0\0", b"e", b"\x01\x02", b"no such text"];

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/traffic.pcap")
}

/// Up to `limit` frames of a capture that fit the cable, spread over all of it.
fn frames(path: &Path, limit: usize) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(File::open(path).expect("a readable file")).expect("a capture");
    let mut all = Vec::new();
    while let Some(frame) = reader.next_frame().expect("an undamaged capture") {
        if (14..=FRAME_BYTES_MAX).contains(&frame.data.len()) {
            all.push(frame.data.to_vec());
        }
    }
    let step = all.len().div_ceil(limit);
    all.into_iter().step_by(step).collect()
}

/// What the reference says about all frames together: an account kept apart from the programs'.
fn predicted(matcher: &Matcher, frames: &[Vec<u8>]) -> (Counters, Vec<u64>) {
    let mut reference = Reference::new(matcher, Entry::Xdp);
    let mut counters = Counters::default();
    let mut hits = vec![0; matcher.patterns.len()];
    for frame in frames {
        let outcome = reference.answer(frame).expect("answers always");
        let kind = match (outcome.in_scope, outcome.searched, outcome.matches.is_empty()) {
            (false, _, _) => Counter::OutOfScope,
            (true, _, false) => Counter::Matched,
            (true, true, true) => Counter::Missed,
            (true, false, true) => Counter::Unsearched,
        };
        counters.add(Counter::Frames, 1);
        counters.add(Counter::Bytes, frame.len() as u64);
        counters.add(kind, 1);
        counters.add(Counter::of_verdict(outcome.verdict), 1);
        for found in outcome.matches {
            hits[found.id as usize - 1] += 1;
        }
    }
    (counters, hits)
}

fn send_all(lab: &Lab, frames: &[Vec<u8>], mut arrived: impl FnMut(usize)) {
    let sender = PacketSocket::sender(&lab.client.namespace, &lab.client.link);
    let mut sent = 0;
    for batch in frames.chunks(BATCH) {
        for frame in batch {
            sender.send(frame);
        }
        sent += batch.len();
        arrived(sent);
    }
}

/// Native and generic mode, payload and packet scope.
fn counts_are_predicted(path: &Path, limit: usize) {
    let Some(alone) = lab() else { return };
    let lab = &alone.lab;
    let frames = frames(path, limit);
    let verdicts = [Verdict::Drop, Verdict::Pass, Verdict::Abort];
    for scope in [Scope::Payload, Scope::Packet] {
        let matcher = matcher(&PATTERNS, scope, Report::All, verdicts);
        let (counters, hits) = predicted(&matcher, &frames);
        let image = image(&matcher, Entry::Xdp);
        let mut vm = Vm::new(&matcher, Entry::Xdp, &image).expect("the vm takes it");
        for frame in &frames {
            vm.answer(frame).expect("no trap");
        }
        assert_eq!((vm.counters().expect("counted"), vm.hits()), (counters, hits.clone()));
        for mode in [XdpMode::Native, XdpMode::Generic] {
            let live = Live::load(&matcher, Entry::Xdp);
            let guard = live.attach(&lab.server, mode);
            send_all(lab, &frames, |sent| live.wait_for(sent as u64));
            guard.detach().expect("detached");
            let counted = (live.counters(), live.hits());
            assert_eq!(counted, (counters, hits.clone()), "{mode} {scope:?}");
        }
    }
}

#[test]
fn the_frames_of_the_demo_capture_are_counted_on_a_cable_as_predicted() {
    counts_are_predicted(&demo(), usize::MAX);
}

#[test]
fn thousands_of_captured_frames_are_counted_on_a_cable_as_predicted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora/packets/traffic.pcap");
    if !path.is_file() {
        eprintln!("skipped: no {}", path.display());
        return;
    }
    counts_are_predicted(&path, 4000);
}

/// The whole program twice: `run` over the capture, `attach` on the interface.
#[test]
fn attach_counts_what_run_predicts() {
    const OPTIONS: [&str; 12] = [
        "-e",
        "GET /admin",
        "-e",
        "HTTP/1.1",
        "-x",
        "0d 0a",
        "--report",
        "all",
        "--on-match",
        "drop",
        "--json",
        "--color=never",
    ];
    let Some(alone) = lab() else { return };
    let lab = &alone.lab;
    let program = env!("CARGO_BIN_EXE_hardwire");
    let ran = Command::new(program)
        .args(["run", "--pcap"])
        .arg(demo())
        .args(OPTIONS)
        .output()
        .expect("started");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout).expect("JSON");
    let expected: Value = serde_json::from_str(text.lines().last().expect("a summary")).unwrap();
    let frames = frames(&demo(), usize::MAX);

    for mode in ["native", "generic"] {
        let spawn = || {
            Command::new(program)
                .args(["attach", &lab.server.link.name, "--mode", mode])
                .args(OPTIONS)
                .stdout(Stdio::piped())
                .spawn()
        };
        let mut child = lab.server.enter(spawn).expect("entered").expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let attached: Value =
            serde_json::from_str(&lines.next().expect("a line").unwrap()).unwrap();
        assert_eq!(attached["attached"]["mode"], mode);
        send_all(lab, &frames, |_| ());
        // All frames went through `send`, and are at the latest behind this.
        std::thread::sleep(std::time::Duration::from_millis(50));
        let pid = Pid::from_raw(child.id().cast_signed());
        kill(pid, Signal::SIGTERM).expect("running");
        let last = lines.map(|line| line.unwrap()).last().expect("a summary");
        let counted: Value = serde_json::from_str(&last).unwrap();
        assert!(child.wait().expect("ended").success(), "{counted}");
        assert_eq!(counted, expected, "{mode}");
    }
}
