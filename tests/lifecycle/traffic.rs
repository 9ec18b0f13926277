//! Replacements under load: no frame is lost that should pass, and none is counted twice or never.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::at_a_site;

/// How long there is traffic.
const LOAD: Duration = Duration::from_secs(4);
/// Frames that may be on their way: what the receiver's buffer holds without a doubt.
const WINDOW: u64 = 64;

#[test]
fn a_replacement_under_load_loses_no_frame_and_no_count() {
    at_a_site(|site| {
        let name = site.interface();
        for via in ["link", "netlink"] {
            site.good(&[
                "attach", &name, "-e", "always", "-e", "a", "--pin", "--name", "t", "--via", via,
            ]);
            let (sent, arrived) = (AtomicU64::new(0), AtomicU64::new(0));
            let over = AtomicBool::new(false);
            let (to, from) = (site.lab.server.ipv4, site.lab.client.ipv4);
            let mut replaced = 0_u32;
            thread::scope(|scope| {
                let client = &site.lab.client;
                let receiver = site.inside(|| UdpSocket::bind((to, 7)).expect("a socket"));
                receiver.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
                let (sent, arrived, over) = (&sent, &arrived, &over);
                scope.spawn(move || {
                    let mut buffer = [0; 64];
                    let mut quiet = 0;
                    while !over.load(Ordering::Acquire) || quiet < 3 {
                        match receiver.recv(&mut buffer) {
                            Ok(_) => {
                                arrived.fetch_add(1, Ordering::Release);
                                quiet = 0;
                            }
                            Err(_) => quiet += 1,
                        }
                    }
                });
                scope.spawn(move || {
                    let inside = client.enter(|| {
                        let socket = UdpSocket::bind((from, 0)).expect("a socket");
                        while !over.load(Ordering::Acquire) {
                            let ahead =
                                sent.load(Ordering::Relaxed) - arrived.load(Ordering::Acquire);
                            if ahead >= WINDOW {
                                thread::yield_now();
                                continue;
                            }
                            socket.send_to(b"always", (to, 7)).expect("sent");
                            sent.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                    inside.expect("the namespace");
                });
                let started = Instant::now();
                while started.elapsed() < LOAD {
                    let other = format!("other {replaced}");
                    site.good(&["replace", "t", "-e", &other, "-e", "always", "--report", "all"]);
                    replaced += 1;
                }
                over.store(true, Ordering::Release);
            });
            let (sent, arrived) = (sent.into_inner(), arrived.into_inner());
            let stats = site.good(&["stats", "t", "--json"]);
            let stats: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
            println!("» by {via}: {sent} frames during {replaced} replacements, {arrived} arrived");
            assert!(sent > 1000 && replaced >= 3, "{sent} frames, {replaced} replacements");
            assert_eq!(arrived, sent, "{via}: frames lost");
            assert_eq!(stats["counters"]["frames"], sent, "{via}: {stats}");
            assert_eq!(stats["counters"]["matched"], sent, "{via}: {stats}");
            // Each frame has "always" in it, and is a hit of that or, at first, of "a".
            let hits = stats["counters"]["hits"]["2"].as_u64().expect("a number");
            let before = stats["vanished_hits"].as_u64().expect("a number");
            assert_eq!(hits + before, sent, "{via}: {stats}");
            site.good(&["detach", "t"]);
        }
    });
}
