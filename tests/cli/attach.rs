//! `attach` and `detach` on interfaces in namespaces that nobody else sees.

use std::io::Read;
use std::net::UdpSocket;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use hardwire::netlink::lab::Host;
use hardwire::netlink::{Lab, XdpMode};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::captures::{pcap, udp};
use crate::{File, Ran, command, finish, may_attach, of};

/// Longest time that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn lab() -> Option<Lab> {
    may_attach().then(|| Lab::new("cli").expect("a lab"))
}

/// Run in the namespace of `host`.
fn run_in(host: &Host, args: &[&str]) -> Ran {
    host.enter(|| finish(command(args))).expect("the namespace")
}

/// A command that runs beside the test; it is killed when the test fails.
struct Running(Option<Child>);

impl Running {
    fn start(host: &Host, args: &[&str]) -> Self {
        let child = host.enter(|| {
            let mut command = command(args);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
        });
        Self(Some(child.expect("the namespace")))
    }

    fn signal(&self, signal: Signal) {
        let child = self.0.as_ref().expect("running");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        kill(pid, signal).expect("a signal");
    }

    /// Wait for the end.
    fn end(mut self) -> Ran {
        let started = Instant::now();
        let child = self.0.as_mut().expect("running");
        while child.try_wait().expect("a child").is_none() {
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        of(&self.0.take().expect("running").wait_with_output().expect("output"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let mut err = String::new();
            let _ = child.stderr.take().map(|mut e| e.read_to_string(&mut err));
            let _ = child.wait();
            eprintln!("killed; it had said: {err}");
        }
    }
}

/// Wait until a program is attached to `host`, or not.
fn wait_until(host: &mut Host, attached: bool) -> Option<(XdpMode, u32)> {
    let started = Instant::now();
    loop {
        let found = host.netlink.xdp(&host.link).expect("the interface");
        if found.is_attached() == attached {
            return found.modes().next();
        }
        assert!(started.elapsed() < PATIENCE, "attached: {found}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Send datagrams from the client to the server.
fn send(lab: &Lab, payloads: &[&[u8]]) {
    let (from, to) = (lab.client.ipv4, lab.server.ipv4);
    let sent = lab.client.enter(|| {
        let socket = UdpSocket::bind((from, 0)).expect("a socket");
        for payload in payloads {
            socket.send_to(payload, (to, 9)).expect("sent");
        }
    });
    sent.expect("the namespace");
}

fn summary(ran: &Ran) -> Value {
    let last = ran.out.lines().last().expect("a last line");
    let value: Value = serde_json::from_str(last).expect("JSON");
    value["summary"].clone()
}

#[test]
fn frames_are_counted_and_a_signal_detaches() {
    let Some(mut lab) = lab() else { return };
    let name = lab.server.link.name.clone();
    for (via, mode, signal) in [
        ("link", "auto", Signal::SIGINT),
        ("netlink", "native", Signal::SIGTERM),
        ("link", "generic", Signal::SIGHUP),
        ("netlink", "generic", Signal::SIGINT),
        ("netlink", "native", Signal::SIGQUIT),
    ] {
        let args = ["attach", &name, "-e", "GET /admin", "-x", "ff", "--report", "all", "--json"];
        let more = ["--via", via, "--mode", mode, "--on-match", "drop"];
        let running = Running::start(&lab.server, &[&args[..], &more].concat());
        wait_until(&mut lab.server, true);
        send(&lab, &[b"GET /admin HTTP/1.1", b"GET / HTTP/1.1", b"\xffGET /admin"]);
        std::thread::sleep(Duration::from_millis(100));
        running.signal(signal);
        let ran = running.end();
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{via} {mode}");
        wait_until(&mut lab.server, false);

        let first: Value = serde_json::from_str(ran.out.lines().next().unwrap()).unwrap();
        assert_eq!(first["attached"]["via"], via);
        let shown = if mode == "auto" { "native" } else { mode };
        assert_eq!(first["attached"]["mode"], shown, "veth has native XDP");
        let summary = summary(&ran);
        let got = ["matched", "missed"].map(|key| summary[key].as_u64().expect("a number"));
        assert_eq!(got, [2, 1], "{via} {mode}: {summary}");
        assert_eq!(summary["hits"], serde_json::json!({ "1": 2, "2": 1 }));
        assert_eq!(summary["verdicts"]["drop"], 2);
    }
}

#[test]
fn it_ends_after_a_time_or_a_number_of_matches() {
    let Some(mut lab) = lab() else { return };
    let name = lab.server.link.name.clone();
    let args = ["attach", &name, "-e", "a", "--duration", "1.3"];
    let ran = Running::start(&lab.server, &args).end();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.starts_with("note: program ") && ran.err.contains("Ctrl-C"), "{}", ran.err);
    assert!(ran.out.starts_with("1 s: "), "one line a second: {}", ran.out);

    let running = Running::start(&lab.server, &["attach", &name, "-e", "a", "--count", "3"]);
    wait_until(&mut lab.server, true);
    send(&lab, &[b"a", b"b", b"a", b"a"]);
    let ran = running.end();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("3 matched, 1 missed"), "{}", ran.out);
    wait_until(&mut lab.server, false);
}

#[test]
fn a_program_that_is_there_already_is_named_and_can_be_replaced_and_detached() {
    let Some(mut lab) = lab() else { return };
    let name = lab.server.link.name.clone();
    let via = ["--via", "netlink", "--mode", "generic"];
    let first = Running::start(&lab.server, &[&["attach", &name, "-e", "a"][..], &via].concat());
    let (_, id) = wait_until(&mut lab.server, true).expect("a program");
    let id = id.to_string();

    let named = format!("generic program {id}");
    let advice = format!("--replace {id} --mode generic");
    for via in ["link", "netlink"] {
        run_in(&lab.server, &["attach", &name, "-e", "b", "--mode", "generic", "--via", via])
            .complains(1, &[&named, &advice, "hardwire detach"]);
    }
    run_in(&lab.server, &["attach", &name, "-e", "b", "--replace", "4294967295"])
        .complains(1, &["there is no program 4294967295", "bpftool prog"]);
    run_in(&lab.server, &["attach", &name, "-e", "b", "--replace", &id, "--via", "link"])
        .complains(2, &["a bpf_link never takes the place", "--via netlink"]);
    assert_eq!(wait_until(&mut lab.server, true).map(|(_, id)| id.to_string()), Some(id.clone()));

    let args = ["attach", &name, "-e", "b", "--replace", &id, "--duration", "0.5", "--json"];
    let second = Running::start(&lab.server, &args);
    let displaced = first.end();
    displaced.complains(1, &["replaced or detached by somebody else", "attached now"]);
    let second = second.end();
    assert_eq!((second.code, second.err.as_str()), (0, ""));
    assert_eq!(wait_until(&mut lab.server, false), None);

    let args = ["attach", &name, "-e", "a", "--via", "netlink"];
    let third = Running::start(&lab.server, &args);
    let (_, id) = wait_until(&mut lab.server, true).expect("a program");
    let wrong = run_in(&lab.server, &["detach", &name, "--mode", "offload"]);
    wrong.complains(1, &[&name, "nothing is attached in this mode", &id.to_string()]);
    let detached = run_in(&lab.server, &["detach", &name, "--id", &id.to_string(), "--json"]);
    assert!(detached.clean().contains(&format!("\"program_id\":{id}")));
    third.end().complains(1, &["replaced or detached by somebody else"]);
    run_in(&lab.server, &["detach", &name]).complains(1, &["has no XDP program"]);
}

#[test]
fn a_program_held_by_a_link_cannot_be_replaced_and_goes_with_its_process() {
    let Some(mut lab) = lab() else { return };
    let name = lab.server.link.name.clone();
    let mut holder = Running::start(&lab.server, &["attach", &name, "-e", "a"]);
    wait_until(&mut lab.server, true);
    run_in(&lab.server, &["attach", &name, "-e", "b", "--force"])
        .complains(1, &["Can't replace active BPF XDP link", "bpf_link"]);
    run_in(&lab.server, &["detach", &name]).complains(1, &["bpf_link"]);
    let mut child = holder.0.take().expect("running");
    child.kill().expect("killed");
    child.wait().expect("ended");
    wait_until(&mut lab.server, false);
}

#[test]
fn an_interface_that_is_unknown_down_or_without_native_mode_is_told_as_such() {
    let Some(mut lab) = lab() else { return };
    let name = lab.server.link.name.clone();
    run_in(&lab.server, &["attach", "nope0", "-e", "a"])
        .complains(1, &["no interface named \"nope0\"", "ip link"]);
    let redirect = ["attach", "nope0", "-e", "a", "--on-match", "redirect:2147483647"];
    run_in(&lab.server, &redirect)
        .complains(1, &["no interface with index 2147483647", "redirect:", "ip link"]);
    run_in(&lab.server, &["detach", "nope0"]).complains(
        1,
        &["no attachment and no interface is called nope0", "hardwire list`", "ip link"],
    );
    run_in(&lab.server, &["attach", "lo", "-e", "a", "--mode", "native"])
        .complains(1, &["lo", "native", "--mode generic"]);
    for via in ["link", "netlink"] {
        let args = ["attach", "lo", "-e", "a", "--mode", "offload", "--via", via];
        run_in(&lab.server, &args).complains(1, &["lo", "offload", "a card", "--mode native"]);
        let args = ["attach", &name, "-e", "a", "--mode", "offload", "--via", via];
        run_in(&lab.server, &args).complains(1, &[&name, "offload", "a card", "--mode native"]);
    }
    // Nothing of it stays.
    for link in lab.server.netlink.links().expect("listed") {
        assert!(!link.xdp.is_attached(), "{}: {}", link.name, link.xdp);
    }
    let loopback = lab.server.netlink.link_by_name("lo").expect("lo");
    lab.server.netlink.set_down(&loopback).expect("down");
    let ran = run_in(&lab.server, &["attach", "lo", "-e", "a", "--duration", "0.1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("warning: lo is down"), "{}", ran.err);
    assert!(ran.err.contains("ip link set lo up"), "{}", ran.err);
}

/// A program for fragments is accepted whatever the MTU; one for kernels without them is not.
#[test]
fn a_peer_with_a_large_mtu_is_told_as_such() {
    let Some(mut lab) = lab() else { return };
    lab.client.netlink.set_mtu(&lab.client.link, 9000).expect("a larger MTU");
    let name = lab.server.link.name.clone();
    let native = ["attach", &name, "-e", "a", "--mode", "native", "--duration", "0.1"];
    for via in ["link", "netlink"] {
        let old = [&native[..], &["--via", via, "--target", "5.10"]].concat();
        run_in(&lab.server, &old).complains(1, &[&name, "MTU", "--mode generic"]);
        let new = run_in(&lab.server, &[&native[..], &["--via", via]].concat());
        assert_eq!(new.code, 0, "{new:?}");
    }
}

/// The kernel chooses native mode by the driver alone; `auto` is what works.
#[test]
fn auto_falls_back_to_generic_mode_where_native_mode_does_not_take_the_program() {
    let Some(mut lab) = lab() else { return };
    lab.client.netlink.set_mtu(&lab.client.link, 9000).expect("a larger MTU");
    let name = lab.server.link.name.clone();
    for via in ["link", "netlink"] {
        let old = ["attach", &name, "-e", "GET /admin", "--json", "--target", "5.10", "--via", via];
        let running = Running::start(&lab.server, &old);
        let mode = wait_until(&mut lab.server, true).map(|(mode, _)| mode);
        assert_eq!(mode, Some(XdpMode::Generic), "{via}");
        send(&lab, &[b"GET /admin", b"GET /"]);
        std::thread::sleep(Duration::from_millis(100));
        running.signal(Signal::SIGINT);
        let ran = running.end();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.err.starts_with("note: ") && ran.err.contains("MTU"), "{}", ran.err);
        assert!(ran.err.contains("generic mode instead"), "{}", ran.err);
        let first: Value = serde_json::from_str(ran.out.lines().next().unwrap()).unwrap();
        assert_eq!(first["attached"]["mode"], "generic");
        let summary = summary(&ran);
        assert_eq!([&summary["matched"], &summary["missed"]], [1, 1], "{via}: {summary}");
        wait_until(&mut lab.server, false);
    }
}

/// Goal: what `run` says of frames is what an interface does with them.
/// Method: the same payloads as datagrams over the wire and as frames in a capture.
#[test]
fn live_traffic_gives_the_counts_that_run_predicts() {
    let Some(mut lab) = lab() else { return };
    for host in [&mut lab.client, &mut lab.server] {
        host.netlink.set_mtu(&host.link, 9000).expect("a larger MTU");
    }
    // Lengths around what fits into the first buffer of a frame, and matches at both ends.
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    for bytes in [0, 1, 9, 64, 1400, 1472, 3400, 3470, 3480, 3520, 4096, 7000, 8900] {
        for (before, after) in [(true, false), (false, true), (false, false)] {
            let mut payload = vec![b'.'; bytes];
            if before {
                payload.splice(..0, *b"GET /admin");
            }
            if after {
                payload.extend(b"GET /admin");
            }
            payloads.push(payload);
        }
    }
    let frames: Vec<_> = payloads.iter().map(|payload| udp(payload)).collect();
    let capture = File::new("sent.pcap", pcap(&frames));
    let question = ["-e", "/admin", "-i", "-e", "GET /", "--report", "all", "--on-match", "drop"];
    let predict = [&["run", "--json", "--pcap", capture.name()], &question[..]].concat();
    let predicted = summary(&crate::run(predict));

    let name = lab.server.link.name.clone();
    for mode in ["native", "generic"] {
        let attach = ["attach", &name, "--json", "--mode", mode];
        let running = Running::start(&lab.server, &[&attach[..], &question].concat());
        wait_until(&mut lab.server, true);
        send(&lab, &payloads.iter().map(Vec::as_slice).collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(100));
        running.signal(Signal::SIGINT);
        assert_eq!(summary(&running.end()), predicted, "{mode}");
    }
}

#[test]
fn an_interface_that_goes_down_is_noticed_and_one_that_disappears_ends_it() {
    for via in ["link", "netlink"] {
        let Some(mut lab) = lab() else { return };
        let name = lab.server.link.name.clone();
        let args = ["attach", &name, "-e", "a", "--via", via];
        let running = Running::start(&lab.server, &args);
        wait_until(&mut lab.server, true);
        send(&lab, &[b"a"]);
        let host = &mut lab.server;
        host.netlink.set_down(&host.link).expect("down");
        std::thread::sleep(Duration::from_millis(100));
        host.netlink.set_up(&host.link).expect("up");
        std::thread::sleep(Duration::from_millis(100));
        host.netlink.delete_link(&host.link).expect("deleted");
        let ran = running.end();
        ran.complains(1, &[&name, "disappeared while attached", "is down", "up again"]);
        assert!(ran.out.contains("1 matched"), "the totals are told: {}", ran.out);
    }
}

#[test]
fn a_closed_pipe_detaches_and_is_success() {
    let Some(mut lab) = lab() else { return };
    let name = lab.server.link.name.clone();
    let mut running =
        Running::start(&lab.server, &["attach", &name, "-e", "a", "--via", "netlink"]);
    wait_until(&mut lab.server, true);
    drop(running.0.as_mut().and_then(|child| child.stdout.take()));
    let ran = running.end();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.err.contains("error"), "{}", ran.err);
    wait_until(&mut lab.server, false);
}
