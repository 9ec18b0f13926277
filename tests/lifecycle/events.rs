//! `hardwire events`: who listens to an attachment hears every match once, by the name of the pattern of
//! the program that found it, whatever takes its place meanwhile.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Site, at_a_site};

/// The ids in the matches of a line of JSON.
fn ids(line: &str) -> Vec<u64> {
    let value: Value = serde_json::from_str(line).expect("JSON");
    let matches = value["matches"].as_array().expect("matches");
    matches.iter().map(|found| found["id"].as_u64().expect("an id")).collect()
}

fn attach(site: &Site) {
    let interface = site.interface();
    site.good(&["attach", &interface, "--pin", "--name", "web", "-e", "alpha", "--events"]);
}

#[test]
fn a_listener_follows_from_program_to_program_and_ends_with_the_attachment() {
    at_a_site(|site| {
        attach(site);
        let mut listener = site
            .inside(|| site.command(&["events", "web", "--json"]).stdout(Stdio::piped()).spawn())
            .expect("started");
        let mut lines = BufReader::new(listener.stdout.take().expect("piped")).lines();
        let mut next = || lines.next().expect("a line").expect("text");
        site.send(b"an alpha", 3);
        for _ in 0..3 {
            assert_eq!(ids(&next()), [1]);
        }
        site.good(&["replace", "web", "-e", "beta", "-e", "alpha"]);
        site.send(b"an alpha", 2);
        site.send(b"a beta", 1);
        assert_eq!([ids(&next()), ids(&next()), ids(&next())], [[2], [2], [1]]);
        let stats: Value =
            serde_json::from_str(&site.good(&["stats", "web", "--json"])).expect("JSON");
        assert_eq!(
            (&stats["more"]["events"], &stats["more"]["events_lost"]),
            (&6.into(), &0.into())
        );
        site.good(&["detach", "web"]);
        assert_eq!(lines.next().map(|line| line.expect("text")), None);
        assert!(listener.wait().expect("ended").success());
    });
}

#[test]
fn events_wait_for_a_listener_who_may_write_them_as_a_capture() {
    at_a_site(|site| {
        attach(site);
        site.send(b"an alpha", 4);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("hits.pcapng");
        let name = file.to_str().expect("text");
        site.good(&["events", "web", "-c", "3", "-w", name]);
        let read = site.good_here(&["run", "--pcap", name, "-e", "alpha", "--json"]);
        assert!(read.contains("\"frames\":3") && read.contains("\"matched\":3"), "{read}");
        // What was not taken is there for the next one.
        let rest = site.good(&["events", "web", "-c", "1", "--json"]);
        assert_eq!(ids(rest.trim()), [1]);
        site.good(&["detach", "web"]);
    });
}

#[test]
fn who_cannot_listen_is_told_why() {
    at_a_site(|site| {
        let interface = site.interface();
        site.good(&["attach", &interface, "--pin", "--name", "web", "-e", "alpha"]);
        let ran = site.run(&["events", "web"]);
        assert_eq!(ran.code, Some(1));
        assert!(
            ran.err.contains("web makes no events") && ran.err.contains("--events"),
            "{}",
            ran.err
        );
        let ran = site.run(&["events", "other"]);
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains("other"), "{}", ran.err);
        site.good(&["detach", "web"]);
    });
}

#[test]
fn two_do_not_take_events_from_each_other_and_events_are_switched_on_in_place() {
    at_a_site(|site| {
        let interface = site.interface();
        site.good(&["attach", &interface, "--pin", "--name", "web", "-e", "alpha"]);
        site.send(b"an alpha", 2);
        let again = ["--pin", "--name", "web", "--replace", "-e", "alpha"];
        site.good(&[&["attach", &interface, "--events"], &again[..]].concat());
        site.send(b"an alpha", 1);
        let stats: Value =
            serde_json::from_str(&site.good(&["stats", "web", "--json"])).expect("JSON");
        assert_eq!(
            (&stats["counters"]["matched"], &stats["more"]["events"]),
            (&3.into(), &1.into())
        );
        let mut first = site
            .inside(|| site.command(&["events", "web", "--json"]).stdout(Stdio::piped()).spawn())
            .expect("started");
        let mut lines = BufReader::new(first.stdout.take().expect("piped")).lines();
        assert_eq!(ids(&lines.next().expect("a line").expect("text")), [1]);
        let ran = site.run(&["events", "web"]);
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains("web has a listener already"), "{}", ran.err);
        site.good(&["detach", "web"]);
        assert!(first.wait().expect("ended").success());
    });
}

#[test]
fn a_listener_ends_when_it_is_asked_to() {
    at_a_site(|site| {
        attach(site);
        let mut listener = site
            .inside(|| site.command(&["events", "web"]).stderr(Stdio::piped()).spawn())
            .expect("started");
        thread::sleep(Duration::from_millis(300));
        let process = Pid::from_raw(i32::try_from(listener.id()).expect("a process"));
        kill(process, Signal::SIGINT).expect("sent");
        assert!(listener.wait().expect("ended").success());
        site.good(&["detach", "web"]);
    });
}
