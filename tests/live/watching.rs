//! `watch` and `attach --events` on a cable: which packets come out, how they look in a capture, and
//! what happens if the reader is slow, the disk full, the pipe closed or the interface gone.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hardwire::capture::Reader;
use hardwire::netlink::lab::Host;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::confined::{CAP_BPF, CAP_NET_RAW, as_user_with};
use super::wire::{PacketSocket, tagged, tcp_frame, udp_frame};
use super::{Alone, lab, skip};

const BIN: &str = env!("CARGO_BIN_EXE_hardwire");
const NEEDLE: &[u8] = b"needle";
/// How long the command may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// The command, in the namespace of `host`, when it watches.
fn start(host: &Host, args: &[&str]) -> Child {
    start_as(host, command(args))
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(BIN);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start_as(host: &Host, mut command: Command) -> Child {
    let before = listening(host);
    let mut child = host.enter(|| command.spawn()).expect("entered").expect("started");
    let begin = Instant::now();
    while listening(host) == before {
        if child.try_wait().expect("asked").is_some() {
            let output = child.wait_with_output().expect("ended");
            panic!("{}", String::from_utf8_lossy(&output.stderr));
        }
        assert!(begin.elapsed() < PATIENCE, "it does not begin to watch");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

/// Packet sockets that receive, and XDP programs, in the namespace of `host`.
fn listening(host: &Host) -> usize {
    host.enter(|| {
        let packets = fs::read_to_string("/proc/thread-self/net/packet").expect("mounted");
        let sockets = packets.lines().skip(1);
        let sockets = sockets.filter(|line| line.split_whitespace().nth(5) == Some("1")).count();
        let mut netlink = hardwire::netlink::Socket::open().expect("opened");
        let links = netlink.links().expect("listed");
        sockets + links.iter().filter(|link| link.xdp.is_attached()).count()
    })
    .expect("entered")
}

/// End it as Ctrl-C does, and hear what it says.
fn end(child: Child) -> Output {
    std::thread::sleep(Duration::from_millis(50));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("running");
    child.wait_with_output().expect("ended")
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::str::from_utf8(&output.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// An interface without a link layer, in the namespace of the calling thread. It goes with the file.
#[allow(unsafe_code, reason = "nix does not know TUNSETIFF")]
fn tun(name: &str) -> Option<File> {
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    const TUN_WITHOUT_HEADER: libc::c_short = 0x1001;
    let file = fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun").ok()?;
    let mut bytes = [0; libc::IFNAMSIZ];
    for (to, from) in bytes.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    let flags = libc::__c_anonymous_ifr_ifru { ifru_flags: TUN_WITHOUT_HEADER };
    let request = libc::ifreq { ifr_name: bytes, ifr_ifru: flags };
    // SAFETY: the kernel reads and writes the request, which outlives the call.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw const request) };
    (done == 0).then_some(file)
}

/// The frames of a capture, and their times; they must be in order.
fn captured(path: &Path) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(File::open(path).expect("there")).expect("a capture");
    let (mut frames, mut last) = (Vec::new(), Duration::ZERO);
    while let Some(frame) = reader.next_frame().expect("whole blocks") {
        let time = frame.timestamp.expect("a time");
        assert!(time >= last && time.as_secs() > 1_600_000_000, "{time:?} after {last:?}");
        last = time;
        frames.push(frame.data.to_vec());
    }
    frames
}

/// Frames of all kinds; of each whether it has the needle.
fn frames() -> Vec<(Vec<u8>, bool)> {
    let mut all = Vec::new();
    for size in [6, 7, 60, 1400] {
        for at in [0, 1, size / 2, size - NEEDLE.len()] {
            let mut payload = vec![b'.'; size];
            if at + NEEDLE.len() <= size {
                payload[at..at + NEEDLE.len()].copy_from_slice(NEEDLE);
            }
            let has = payload.windows(NEEDLE.len()).any(|part| part == NEEDLE);
            for frame in [udp_frame(&payload), tcp_frame(&payload)] {
                all.push((tagged(&frame, &[0x8100]), has));
                all.push((tagged(&frame, &[0x88a8, 0x8100]), has));
                all.push((frame, has));
            }
            all.push((udp_frame(&vec![b'n'; size]), false));
        }
    }
    all
}

fn sender(alone: &Alone) -> PacketSocket {
    PacketSocket::sender(&alone.lab.client.namespace, &alone.lab.client.link)
}

#[test]
fn exactly_the_packets_with_a_pattern_are_written_with_the_tags_they_were_sent_with() {
    let Some(alone) = lab() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (client, server) = (&alone.lab.client, &alone.lab.server);
    // Received by one end and sent by the other: each sees it once.
    for (host, direction) in [(server, 1_u32), (client, 2)] {
        let path = folder.path().join("watched.pcapng");
        let file = path.to_str().expect("text");
        let child = start(host, &["watch", &host.link.name, "-e", "needle", "-w", file]);
        let sender = sender(&alone);
        let mut wanted = Vec::new();
        for (frame, has) in frames() {
            sender.send(&frame);
            if has {
                wanted.push(frame);
            }
        }
        let output = end(child);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && output.stdout.is_empty(), "{said}");
        let tail = format!("{0} matched: {0} written, 0 lost; 0 unsearched", wanted.len());
        assert!(said.contains(&tail), "{said}");
        let got = captured(&path);
        assert_eq!(got.len(), wanted.len());
        for (got, wanted) in got.iter().zip(&wanted) {
            assert!(got == wanted, "{got:x?} is not {wanted:x?}");
        }
        let bytes = fs::read(&path).expect("there");
        let comments = bytes.windows(9).filter(|part| *part == b"#1 needle").count();
        assert_eq!(comments, wanted.len());
        // The option epb_flags: code 2, four bytes.
        let flags = [&[2, 0, 4, 0][..], &direction.to_le_bytes()].concat();
        let flagged = bytes.windows(8).filter(|part| *part == flags).count();
        assert_eq!(flagged, wanted.len(), "direction {direction}");
    }
}

#[test]
fn json_lines_say_what_was_found_and_the_last_one_what_was_counted() {
    let Some(alone) = lab() else { return };
    let server = &alone.lab.server;
    let name = &server.link.name;
    // XDP of Linux 5.10 has no helper that fills a record for a ring: a perf buffer takes its place.
    let attach = ["attach", name, "--events", "--mode", "generic"];
    let by_perf = [&attach[..], &["--target", "5.10"]].concat();
    for verb in [&["watch", name][..], &attach, &by_perf] {
        let patterns = ["-e", "needle", "-e", "hay", "--report", "all", "--json"];
        let child = start(server, &[verb, &patterns].concat());
        let sender = sender(&alone);
        for payload in [&b"a needle in hay"[..], b"nothing", b"more hay"] {
            sender.send(&udp_frame(payload));
        }
        let lines = lines(&end(child));
        let events: Vec<_> = lines.iter().filter(|line| line.get("time").is_some()).collect();
        let matches: Vec<_> = events.iter().map(|event| event["matches"].to_string()).collect();
        assert_eq!(
            matches,
            [r#"[{"end":8,"id":1},{"end":15,"id":2}]"#, r#"[{"end":8,"id":2}]"#],
            "{verb:?}"
        );
        assert_eq!((&events[0]["src"], &events[0]["dport"]), (&"198.51.100.1".into(), &53.into()));
        let summary = &lines.last().expect("a summary")["summary"];
        assert_eq!(summary["matched"], 2, "{summary}");
        let of = ["events", "events_lost", "events_skipped"].map(|key| summary[key].clone());
        assert_eq!(of, [2, 0, 0].map(Value::from), "{summary}");
        let decides = verb[0] == "attach";
        assert_eq!(summary.get("verdicts").is_some(), decides, "{summary}");
    }
}

#[test]
fn a_number_of_packets_a_duration_a_sample_and_a_rate_end_or_limit_it() {
    let Some(alone) = lab() else { return };
    let server = &alone.lab.server;
    let name = server.link.name.as_str();
    let sender = sender(&alone);
    let watch = |more: &[&str]| {
        let child = start(server, &[&["watch", name, "-e", "needle", "--json"], more].concat());
        for _ in 0..100 {
            sender.send(&udp_frame(NEEDLE));
        }
        child
    };
    let child = watch(&["-c", "3"]);
    let told = lines(&child.wait_with_output().expect("ended"));
    assert_eq!(told.len(), 4, "three packets and a summary: {told:?}");
    let child = watch(&["--duration", "0.3"]);
    assert_eq!(lines(&child.wait_with_output().expect("ended")).len(), 101);
    for (limit, most) in [(["--sample", "1/10"], 20), (["--rate", "5"], 12)] {
        let told = lines(&end(watch(&limit)));
        let summary = &told.last().expect("a summary")["summary"];
        let of = |key: &str| summary[key].as_u64().expect("a number");
        assert_eq!(of("matched"), 100, "{limit:?}");
        assert_eq!(of("events") + of("events_lost") + of("events_skipped"), 100, "{limit:?}");
        assert!((1..=most).contains(&of("events")), "{limit:?}: {summary}");
        assert_eq!(told.len() as u64 - 1, of("events"));
    }
}

/// Nobody reads what is printed while many frames come: they arrive all the same, and what is missing
/// was counted.
#[test]
fn a_slow_reader_holds_up_no_frame_and_every_event_is_delivered_or_counted_as_lost() {
    const FRAMES: u64 = 60_000;
    let Some(alone) = lab() else { return };
    let server = &alone.lab.server;
    let name = server.link.name.as_str();
    let sender = sender(&alone);
    for verb in [
        &["watch", name, "--ring", "64"][..],
        &["attach", name, "--events", "--snap", "65535", "--mode", "generic"],
    ] {
        let child = start(server, &[verb, &["-e", "needle", "--json"]].concat());
        let mut netlink = server.namespace.socket().expect("opened");
        let received = |netlink: &mut hardwire::netlink::Socket| {
            netlink.link_by_index(server.link.index).expect("there").counts.rx_frames
        };
        let before = received(&mut netlink);
        let mut payload = vec![b'.'; 600];
        payload[..NEEDLE.len()].copy_from_slice(NEEDLE);
        let frame = udp_frame(&payload);
        for _ in 0..FRAMES {
            sender.send(&frame);
        }
        assert_eq!(received(&mut netlink) - before, FRAMES, "{verb:?}: frames were held up");
        let pid = Pid::from_raw(child.id().cast_signed());
        kill(pid, Signal::SIGINT).expect("running");
        let told = lines(&child.wait_with_output().expect("ended"));
        let summary = &told.last().expect("a summary")["summary"];
        let of = |key: &str| summary[key].as_u64().expect("a number");
        assert_eq!(of("matched"), FRAMES, "{verb:?}: {summary}");
        assert_eq!(of("events") + of("events_lost") + of("events_skipped"), FRAMES, "{summary}");
        assert!(of("events_lost") > 0, "{verb:?}: the ring held {FRAMES} frames");
        let delivered = told.iter().filter(|line| line.get("time").is_some()).count();
        assert_eq!(delivered as u64, of("events"), "{verb:?}");
    }
}

#[test]
fn a_full_disk_is_an_error_with_bytes_and_the_packets_before_it_are_whole() {
    let Some(alone) = lab() else { return };
    let server = &alone.lab.server;
    let folder = tempfile::tempdir().expect("a folder");
    let small = folder.path().join("small");
    let copy = folder.path().join("copy.pcapng");
    fs::create_dir(&small).expect("made");
    let script = "mount -t tmpfs -o size=512k none \"$1\" || exit 99; \
                  \"$2\" watch \"$3\" -e needle -w \"$1/x.pcapng\"; status=$?; \
                  cp \"$1/x.pcapng\" \"$4\"; exit $status";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(&small).arg(BIN);
    command.arg(&server.link.name).arg(&copy).stderr(Stdio::piped()).stdout(Stdio::piped());
    let child = start_as(server, command);
    let sender = sender(&alone);
    let mut payload = vec![b'.'; 1300];
    payload[..NEEDLE.len()].copy_from_slice(NEEDLE);
    let frame = udp_frame(&payload);
    for _ in 0..1000 {
        sender.send(&frame);
    }
    let output = child.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(99) {
        return skip(&format!("no tmpfs: {said}"));
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("x.pcapng") && said.contains("bytes were written"), "{said}");
    let kept = captured(&copy);
    assert!(kept.len() > 100 && kept.iter().all(|got| *got == frame), "{} packets", kept.len());
}

#[test]
fn a_closed_pipe_is_an_end_and_no_error() {
    let Some(alone) = lab() else { return };
    let server = &alone.lab.server;
    let name = server.link.name.as_str();
    let sender = sender(&alone);
    for verb in [&["watch", name, "-w", "-"][..], &["watch", name], &["attach", name, "-w", "-"]] {
        let mut child = start(server, &[verb, &["-e", "needle"]].concat());
        let mut out = child.stdout.take().expect("piped");
        let mut some = [0; 4];
        sender.send(&udp_frame(NEEDLE));
        out.read_exact(&mut some).expect("written at once");
        drop(out);
        let begin = Instant::now();
        let status = loop {
            sender.send(&udp_frame(NEEDLE));
            if let Some(status) = child.try_wait().expect("asked") {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE, "{verb:?} goes on");
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "{verb:?}: {status}");
        let left = server.enter(hardwire::netlink::Socket::open).unwrap();
        let now = left.and_then(|mut socket| socket.link_by_index(server.link.index));
        assert!(!now.expect("there").xdp.is_attached(), "{verb:?}");
    }
}

#[test]
fn an_interface_that_disappears_ends_it_and_what_came_before_is_kept() {
    let Some(mut alone) = lab() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kept.pcapng");
    let server = &alone.lab.server;
    let file = path.to_str().expect("text");
    let child = start(server, &["watch", &server.link.name, "-e", "needle", "-w", file]);
    sender(&alone).send(&udp_frame(NEEDLE));
    std::thread::sleep(Duration::from_millis(50));
    let Host { netlink, link, .. } = &mut alone.lab.client;
    netlink.delete_link(link).expect("deleted");
    let output = child.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("disappeared") && said.contains("1 matched: 1 written"), "{said}");
    assert_eq!(captured(&path), [udp_frame(NEEDLE)]);
}

#[test]
fn two_capabilities_are_enough_and_without_them_they_are_named() {
    let Some(alone) = lab() else { return };
    let server = &alone.lab.server;
    let folder = tempfile::tempdir().expect("a folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("ours");
    let binary = folder.path().join("hardwire");
    fs::hard_link(BIN, &binary).or_else(|_| fs::copy(BIN, &binary).map(drop)).expect("a copy");
    let as_user = |capabilities: &'static [u32]| {
        let mut command = Command::new(&binary);
        command.args(["watch", &server.link.name, "-e", "needle", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        as_user_with(&mut command, 65_534, capabilities);
        command
    };
    let child = start_as(server, as_user(&[CAP_BPF, CAP_NET_RAW]));
    sender(&alone).send(&udp_frame(NEEDLE));
    let told = lines(&end(child));
    assert_eq!(told.len(), 2, "{told:?}");
    let mut command = as_user(&[CAP_BPF]);
    let output = server.enter(|| command.output()).expect("entered").expect("started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("watching takes CAP_NET_RAW: run as root, or `setcap"), "{said}");
}

/// Frames of a tunnel begin with IP: there is no Ethernet header to skip, and captures say so.
#[test]
fn a_tunnel_is_watched_as_whole_packets_and_its_payload_is_refused() {
    let Some(alone) = lab() else { return };
    let server = &alone.lab.server;
    let Some(mut tunnel) = server.enter(|| tun("tun7")).expect("entered") else {
        return skip("no /dev/net/tun");
    };
    let mut netlink = server.namespace.socket().expect("opened");
    let link = netlink.link_by_name("tun7").expect("made");
    netlink.set_up(&link).expect("set up");
    for verb in ["watch", "attach"] {
        let mut refused = command(&[verb, "tun7", "-e", "needle"]);
        let output = server.enter(|| refused.output()).expect("entered").expect("started");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("tun7 have no Ethernet header") && said.contains("--in packet"),
            "{said}"
        );
    }

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tunnel.pcapng");
    let file = path.to_str().expect("text");
    let args = ["watch", "tun7", "--in", "packet", "-e", "needle", "--json", "--print", "-w", file];
    let child = start(server, &args);
    let packet = udp_frame(b"a needle").split_off(14);
    tunnel.write_all(&packet).expect("taken");
    let told = lines(&end(child));
    assert_eq!(told.len(), 2, "{told:?}");
    let of = |key: &str| told[0][key].clone();
    assert_eq!((of("src"), of("dport")), ("198.51.100.1".into(), 53.into()));
    assert_eq!(of("matches")[0]["end"], 36);
    let bytes = fs::read(&path).expect("there");
    assert!(bytes.windows(packet.len()).any(|part| part == packet), "not in the capture");
    // The block of the interface: type 1, its length, and LINKTYPE_RAW.
    let block = bytes.windows(10).find(|part| part[..4] == [1, 0, 0, 0] && part[4] == 0x28);
    assert_eq!(block.map(|block| &block[8..]), Some(&[101, 0][..]));
}

#[test]
fn on_loopback_every_packet_is_shown_once() {
    let Some(alone) = lab() else { return };
    let server = &alone.lab.server;
    let child = start(server, &["watch", "lo", "-e", "needle", "--json"]);
    let socket = server.enter(|| std::net::UdpSocket::bind("127.0.0.1:0")).unwrap().unwrap();
    let to = socket.local_addr().expect("bound");
    for _ in 0..3 {
        socket.send_to(NEEDLE, to).expect("sent");
    }
    assert_eq!(lines(&end(child)).len(), 4, "three packets and a summary");
}
