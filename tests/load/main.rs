//! The whole binary under all the traffic that the machine makes: attached, exchanged, detached while
//! millions of frames a second arrive.
//!
//! `cargo test` does a few seconds of it; `scripts/load` five minutes, in a release build, and prints the
//! figures. What must hold is exact in both: every frame sent is counted by exactly one program or by the
//! queue that had no room for it; what a program lets pass arrives in the stack; every match is an event,
//! or an event that is counted as lost; nothing is left behind.

#[path = "../support/descriptors.rs"]
mod descriptors;
#[path = "../support/frames.rs"]
mod frames;
mod generator;
#[path = "../support/gro.rs"]
mod gro;
mod kernel;
#[path = "../support/private_mounts.rs"]
mod private_mounts;
mod server;

use std::time::{Duration, Instant};
use std::{env, thread};

use hardwire::loader::{Capability, capability};
use hardwire::netlink::Lab;

use generator::Generator;
use kernel::Holdings;
use server::Server;

/// Patterns of which one is in the frames that match.
const MATCHING: &[u8] = b"GET /admin HTTP/1.1\r\n";
/// Frames between being counted as seen and as matched or not, while the counters are copied.
const UNDERWAY_MAX: u64 = 1024;
const OTHER: &[u8] = b"GET /index HTTP/1.1\r\n";

/// How long each part goes on.
fn duration() -> Duration {
    let seconds = env::var("HARDWIRE_LOAD_SECONDS").ok();
    let seconds = seconds.map(|text| text.parse().expect("HARDWIRE_LOAD_SECONDS is a number"));
    Duration::from_secs_f64(seconds.unwrap_or(1.5))
}

fn may_load() -> bool {
    let missing = capability::missing(&[
        Capability::Bpf,
        Capability::NetAdmin,
        Capability::Perfmon,
        Capability::SysAdmin,
    ]);
    if missing.is_empty() {
        return true;
    }
    let required = env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(!required, "KERNEL_TESTS=required, but missing {missing:?}");
    eprintln!("skipped: missing {missing:?}");
    false
}

/// A figure, as `scripts/operations` collects them.
fn say(text: &str) {
    println!("» {text}");
}

/// A number as people read it.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// One test, because the parts share the machine: two at once would measure each other.
#[test]
fn under_full_load_nothing_is_lost_miscounted_or_left() {
    if !may_load() {
        return;
    }
    let before = Holdings::now();
    {
        private_mounts::with_bpffs(|bpffs, _| {
            let lab = Lab::new("load").expect("two namespaces and a veth pair");
            let server = Server::new(&lab.server, bpffs);
            replaced_under_load(&lab, &server);
            churned_under_load(&lab, &server);
            events_under_load(&lab, &server);
        });
    }
    let after = Holdings::settled(&before);
    say(&format!("before: {before}; after: {after}"));
    after.assert_same(&before);
}

/// Exchange the program again and again: no frame is seen by none or by two, and none that should pass
/// is lost.
fn replaced_under_load(lab: &Lab, server: &Server<'_>) {
    // What the stack receives, counted behind XDP.
    server.run(&["attach", "--pin", "--at", "ingress", "--name", "stack", "-e", "\\xff no such"]);
    server.run(&["attach", "--pin", "--name", "load", "-e", "GET /admin", "--on-match", "drop"]);
    let generator =
        Generator::new(&lab.client, vec![frames::tcp_frame(MATCHING), frames::tcp_frame(OTHER)]);
    let received = server.link();
    let mut replaced = 0_u64;
    let sent = thread::scope(|scope| {
        let running = generator.start(scope);
        let start = Instant::now();
        while start.elapsed() < duration() {
            let pattern = if replaced.is_multiple_of(2) { "GET /adm" } else { "GET /admin" };
            server.run(&["replace", "load", "-e", pattern, "--on-match", "drop"]);
            replaced += 1;
        }
        running.end()
    });
    let counted = server.settled("load");
    let stack = server.settled("stack");
    let after = server.link();
    let (seen, full) = (
        after.counts.rx_frames - received.counts.rx_frames,
        after.counts.rx_dropped - received.counts.rx_dropped,
    );
    say(&format!(
        "replace: {} frames sent at {:.2} M/s, {replaced} exchanges: {} counted, {} not taken by the full \
         queue of the interface; {} matched and were dropped, {} passed, {} arrived in the stack",
        grouped(sent.frames),
        sent.per_second / 1e6,
        grouped(counted.frames),
        grouped(full),
        grouped(counted.matched),
        grouped(counted.pass),
        grouped(stack.frames),
    ));
    assert_eq!(seen + full, sent.frames, "every frame arrived or found the queue full");
    assert_eq!(counted.frames, seen, "every frame that arrived was counted once");
    assert_eq!(counted.matched + counted.missed, counted.frames);
    assert_eq!((counted.matched, counted.missed), (counted.drop, counted.pass));
    assert_eq!(stack.frames, counted.pass, "what passed arrived in the stack");
    assert!(replaced > 0 && counted.matched > 0 && counted.missed > 0);
    server.run(&["detach", "load"]);
    server.run(&["detach", "stack"]);
}

/// Attach, exchange and detach, over and over.
fn churned_under_load(lab: &Lab, server: &Server<'_>) {
    let generator =
        Generator::new(&lab.client, vec![frames::tcp_frame(MATCHING), frames::tcp_frame(OTHER)]);
    let mut rounds = 0_u64;
    let sent = thread::scope(|scope| {
        let running = generator.start(scope);
        let start = Instant::now();
        while start.elapsed() < duration() {
            let via = if rounds.is_multiple_of(2) { "link" } else { "netlink" };
            let attach = ["attach", "--pin", "--name", "load", "-e", "GET /admin", "--via", via];
            server.run(&attach);
            server.run(&["replace", "load", "-e", "GET /index", "--on-match", "drop"]);
            let counted = server.counted("load");
            assert!(counted.frames > 0, "traffic was counted in round {rounds}");
            // Read while frames are counted, so not to the frame; what is settled is, above.
            let outcomes =
                counted.matched + counted.missed + counted.out_of_scope + counted.unsearched;
            assert!(
                counted.frames.abs_diff(outcomes) <= UNDERWAY_MAX,
                "{} frames, {outcomes} outcomes in round {rounds}",
                counted.frames
            );
            server.run(&["detach", "load"]);
            rounds += 1;
        }
        running.end()
    });
    assert!(!server.link().xdp.is_attached());
    say(&format!(
        "churn: {} frames sent at {:.2} M/s, {rounds} times attached, exchanged and detached",
        grouped(sent.frames),
        sent.per_second / 1e6,
    ));
}

/// Every match is an event that arrives, or one that is counted as lost.
fn events_under_load(lab: &Lab, server: &Server<'_>) {
    let generator =
        Generator::new(&lab.client, vec![frames::tcp_frame(MATCHING), frames::tcp_frame(OTHER)]);
    let events = server.start_events();
    let sent = thread::scope(|scope| {
        let running = generator.start(scope);
        thread::sleep(duration());
        running.end()
    });
    let told = events.end();
    say(&format!(
        "events: {} frames sent at {:.2} M/s: {} matched = {} events + {} lost; {} lines",
        grouped(sent.frames),
        sent.per_second / 1e6,
        grouped(told.matched),
        grouped(told.events),
        grouped(told.lost),
        grouped(told.lines),
    ));
    assert_eq!(told.events + told.lost + told.skipped, told.matched, "no match without an account");
    assert_eq!(told.lines, told.events, "what was handed over was printed");
    assert!(told.events > 0);
}
