//! Replaced again and again while every frame matches and the events become a capture: each match is in it,
//! or was counted as lost; and others read it.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::{Site, at_a_site};

/// Frames a second under load: what a debug build can write into a capture.
const PAUSE: Duration = Duration::from_micros(200);

fn stats(site: &Site) -> Value {
    serde_json::from_str(&site.good(&["stats", "web", "--json"])).expect("JSON")
}

/// What `program` prints, if it is installed.
fn printed(program: &str, words: &[&str], file: &Path) -> Option<String> {
    let ran = Command::new(program).args(words).arg(file).stderr(Stdio::piped()).output();
    let Ok(ran) = ran else {
        eprintln!("{program} is not installed");
        return None;
    };
    assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
    Some(String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[test]
fn a_replacement_while_events_are_written_loses_none_unnoticed() {
    at_a_site(|site| {
        let interface = site.interface();
        let pattern = ["-e", "GET /admin", "--on-match", "drop", "--dry-run", "--events"];
        site.good(&[&["attach", &interface, "--pin", "--name", "web"], &pattern[..]].concat());
        site.send(b"GET /admin HTTP/1.1", 10);
        site.send(b"GET / HTTP/1.1", 5);
        let read = stats(site);
        assert_eq!(
            (&read["counters"]["matched"], &read["more"]["spared"]),
            (&10.into(), &10.into())
        );
        assert_eq!(read["counters"]["verdicts"]["drop"], 0);

        site.good(&["set", "web", "--dry-run", "off"]);
        site.send(b"GET /admin HTTP/1.1", 5);
        assert_eq!(stats(site)["counters"]["verdicts"]["drop"], 5);

        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("web.pcapng");
        let words = ["events", "web", "-w", file.to_str().expect("text")];
        let mut listener = site.inside(|| {
            let mut command = site.command(&words);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary")
        });
        let (sent, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let (to, from) = (site.lab.server.ipv4, site.lab.client.ipv4);
        thread::scope(|scope| {
            scope.spawn(|| {
                let load = || {
                    let socket = UdpSocket::bind((from, 0)).expect("a socket");
                    while !over.load(Ordering::Acquire) {
                        socket.send_to(b"GET /admin HTTP/1.1", (to, 9)).expect("sent");
                        sent.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(PAUSE);
                    }
                };
                site.lab.client.enter(load).expect("the namespace");
            });
            for other in ["POST /login", "PUT /", "DELETE /"] {
                site.good(&["replace", "web", "-e", other, "-e", "GET /admin"]);
                thread::sleep(Duration::from_millis(200));
            }
            over.store(true, Ordering::Release);
        });
        let matched = 15 + sent.into_inner();
        let read = stats(site);
        assert_eq!(read["counters"]["matched"], matched, "{read}");
        assert_eq!(read["counters"]["hits"]["2"], matched, "{read}");
        assert_eq!(read["counters"]["verdicts"]["drop"], matched - 10, "{read}");
        let count = |name: &str| read["more"][name].as_u64().expect("a number");
        let events = count("events");
        assert_eq!(events + count("events_lost"), matched, "{read}");

        // The listener takes what is left and ends with the attachment.
        thread::sleep(Duration::from_millis(500));
        site.good(&["detach", "web"]);
        assert!(listener.wait().expect("a child").success());
        let run = ["run", "--pcap", file.to_str().expect("text"), "-e", "GET /admin", "--json"];
        let read = site.good_here(&run);
        let last = read.lines().last().expect("a summary");
        let summary: Value = serde_json::from_str(last).expect("JSON");
        assert_eq!(summary["summary"]["matched"], events, "{last}");
        if let Some(lines) = printed("tcpdump", &["-n", "-r"], &file) {
            assert_eq!(u64::try_from(lines.lines().count()), Ok(events));
        }
        let fields = ["-T", "fields", "-e", "frame.comment", "-r"];
        if let Some(comments) = printed("tshark", &fields, &file) {
            assert_eq!(u64::try_from(comments.lines().count()), Ok(events));
            assert!(comments.lines().all(|line| line.contains("GET /admin")), "{comments}");
        }
    });
}
