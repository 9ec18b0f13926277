//! From start to end, and to ends that nobody wanted.

use std::process::Stdio;

use hardwire::capture::Reader;
use nix::sys::signal::Signal;

use crate::confined::{CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, bounded_to};
use crate::{at_a_site, eventually, lines};

const CAP_NET_RAW: u32 = 13;
const PORT: u16 = 9464;

/// Goal: events in both forms, counters, and what systemd hears, of one life.
#[test]
fn a_service_tells_systemd_delivers_events_and_counters_and_leaves_nothing() {
    at_a_site(|site| {
        site.configure(
            "events = \"events.jsonl\"\ncapture = \"events.pcapng\"\nprometheus = 9464",
            "patterns = [\"GET /admin\", \"re:ba[rz]+\"]\non-match = \"drop\"\nreport = \"all\"",
        );
        let mut command = site.command();
        command.env("WATCHDOG_USEC", "200000");
        let service = site.serve_by(command);
        site.hear("WATCHDOG=1");
        assert_eq!(site.arrive(b"xx GET /admin bar", 20), 0);
        assert_eq!(site.arrive(b"harmless", 20), 20);
        let events = site.path("events.jsonl");
        eventually("twenty events", || lines(&events).len() == 20);
        let line: serde_json::Value = serde_json::from_str(&lines(&events)[0]).expect("JSON");
        assert_eq!(line["interface"], site.interface());
        assert_eq!((&line["verdict"], &line["dport"]), (&"drop".into(), &9.into()));
        assert_eq!(
            line["matches"],
            serde_json::json!([{"id": 1, "end": 13}, {"id": 2, "end": 17}])
        );
        assert!(site.counter(PORT, "hardwire_frames_total name=\"t\"") >= 40);
        assert_eq!(site.counter(PORT, "hardwire_verdicts_total verdict=\"drop\""), 20);
        assert_eq!(site.counter(PORT, "hardwire_events_total outcome=\"delivered\""), 20);
        assert_eq!(site.counter(PORT, "hardwire_pattern_hits_total id=\"2\""), 20);
        assert_eq!(site.counter(PORT, "hardwire_unwritten_events_total"), 0);
        assert!(site.good(&["list"]).contains("attached"), "others see it");

        service.signal(Signal::SIGHUP);
        let micros = site.hear("RELOADING=1\nMONOTONIC_USEC=");
        assert!(micros.trim_end().rsplit('=').next().expect("a time").parse::<u64>().is_ok());
        site.hear("READY=1\nSTATUS=1 attached");
        site.send(b"GET /admin", 5);
        eventually("five more", || lines(&events).len() == 25);
        service.end();
        site.hear("STOPPING=1");

        let file = std::fs::read(site.path("events.pcapng")).expect("a capture");
        let mut reader = Reader::new(file.as_slice()).expect("a capture");
        let mut frames = 0;
        while let Some(frame) = reader.next_frame().expect("whole") {
            assert!(frame.data.windows(10).any(|window| window == b"GET /admin"));
            frames += 1;
        }
        assert_eq!(frames, 25);
        let comment = b"#1 GET /admin at byte 3, #2 ";
        let found = file.windows(comment.len()).filter(|part| part == comment).count();
        assert_eq!(found, 20, "{}", site.logged());
    });
}

/// Goal: what is killed goes on filtering, and whoever comes next takes it over with its counts.
#[test]
fn a_service_that_was_killed_leaves_its_programs_at_work_and_the_next_one_takes_them_over() {
    at_a_site(|site| {
        let attach = "patterns = [\"GET /admin\"]\non-match = \"drop\"";
        site.configure("prometheus = 9464", attach);
        let first = site.serve();
        assert_eq!(site.arrive(b"GET /admin", 10), 0);
        first.kill();
        let id = site.attached().expect("it goes on");
        assert_eq!(site.arrive(b"GET /admin", 10), 0, "nobody is let through meanwhile");
        let second = site.serve();
        assert_ne!(site.attached(), Some(id), "a program of its own");
        assert_eq!(site.arrive(b"GET /admin", 10), 0);
        assert_eq!(site.counter(PORT, "hardwire_verdicts_total verdict=\"drop\""), 30);
        assert_eq!(site.counter(PORT, "hardwire_pattern_hits_total id=\"1\""), 30);
        second.end();
        assert_eq!(site.arrive(b"GET /admin", 10), 10);
    });
}

#[test]
fn a_second_service_does_not_take_what_a_living_one_has() {
    at_a_site(|site| {
        site.configure("", "patterns = [\"x\"]");
        let first = site.serve();
        let id = site.attached();
        let (code, said) = site.fails();
        assert_eq!(code, Some(1));
        assert!(said.contains("another hardwire serve has the attachment t"), "{said}");
        assert_eq!(site.attached(), id);
        first.end();
    });
}

#[test]
fn a_service_that_cannot_start_leaves_nothing_and_says_why() {
    at_a_site(|site| {
        let interface = site.interface();
        let second = format!("[[attach]]\ninterface = \"{interface}x\"\npatterns = [\"y\"]");
        for (output, attach, part) in [
            ("", format!("patterns = [\"x\"]\n{second}"), "no interface"),
            ("events = \"no/such/folder/e\"", "patterns = [\"x\"]".to_owned(), "cannot write"),
            ("capture = \"c.toml\"", "patterns = [\"x\"]".to_owned(), "is no capture"),
            ("prometheus = \"192.0.2.77:80\"", "patterns = [\"x\"]".to_owned(), "cannot listen"),
        ] {
            site.configure(output, &attach);
            let (code, said) = site.fails();
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains(part), "{said}");
            assert_eq!(site.attached(), None, "{part}");
        }
    });
}

/// Goal: the capabilities of the unit file are enough, and these are the ones it names.
#[test]
fn the_capabilities_of_the_unit_are_enough() {
    let unit = include_str!("../../dist/hardwire.service");
    let named = "CapabilityBoundingSet=CAP_BPF CAP_NET_ADMIN CAP_PERFMON CAP_NET_RAW\n";
    assert!(unit.contains(named));
    at_a_site(|site| {
        site.configure("events = \"e\"", "patterns = [\"GET /admin\"]\non-match = \"drop\"");
        for _ in 0..2 {
            let mut command = site.command();
            bounded_to(&mut command, &[CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_NET_RAW]);
            let service = site.serve_by(command);
            assert_eq!(site.arrive(b"GET /admin", 10), 0);
            let text = std::fs::read_to_string(site.path("c.toml")).expect("it is there");
            std::fs::write(site.path("c.toml"), text.replace("admin", "other")).expect("a file");
            service.signal(Signal::SIGHUP);
            site.hear("READY=1\nSTATUS=1 attached\n");
            assert_eq!(site.arrive(b"GET /other", 10), 0);
            std::fs::write(site.path("c.toml"), text).expect("a file");
            service.end();
        }
    });
}

/// Goal: whoever does not read its events holds up neither traffic nor the end of the service.
#[test]
fn an_output_that_blocks_holds_up_nothing() {
    at_a_site(|site| {
        let attach = "patterns = [\"x\"]\nevents = { snap = 1500 }";
        site.configure("events = \"-\"\nprometheus = 9464", attach);
        let mut command = site.command();
        command.stdout(Stdio::piped());
        let mut service = site.serve_by(command);
        let unread = service.child.stdout.take();
        for _ in 0..50 {
            assert_eq!(site.arrive(&[b'x'; 1400], 40), 40);
        }
        assert_eq!(site.counter(PORT, "hardwire_outcomes_total outcome=\"matched\""), 2000);
        service.end();
        drop(unread);
    });
}

#[test]
fn an_interface_that_comes_back_is_attached_again() {
    at_a_site(|site| {
        site.configure("", "patterns = [\"x\"]");
        let text = std::fs::read_to_string(site.path("c.toml")).expect("it is there");
        let name = "hwserve0";
        let text = text.replace(&site.interface(), name);
        std::fs::write(site.path("c.toml"), text).expect("a file");
        let make = |words: &[&str]| {
            let mut command = std::process::Command::new("ip");
            command.args(["link"]).args(words);
            assert!(site.inside(|| command.status().expect("ip")).success(), "{words:?}");
        };
        make(&["add", name, "type", "veth", "peer", "name", "hwserve1"]);
        let service = site.serve();
        make(&["del", name]);
        site.hear("STATUS=t waits for interface hwserve0");
        make(&["add", name, "type", "veth", "peer", "name", "hwserve1"]);
        site.hear("STATUS=1 attached\n");
        assert!(site.good(&["list"]).contains(name));
        make(&["del", name]);
        site.hear("STATUS=t waits");
        service.end();
    });
}

/// Goal: what people attached by hand, by either means, is neither taken nor detached.
#[test]
fn what_no_service_made_is_not_taken_over() {
    at_a_site(|site| {
        let interface = site.interface();
        site.configure("", "patterns = [\"x\"]");
        for via in ["netlink", "link"] {
            let by_hand = ["attach", &interface, "-e", "GET /admin", "--on-match", "drop"];
            site.good(&[&by_hand[..], &["--pin", "--name", "t", "--via", via]].concat());
            let id = site.attached();
            assert!(id.is_some(), "{via}");
            let (code, said) = site.fails();
            assert_eq!(code, Some(1));
            assert!(said.contains("no service has made it"), "{said}");
            assert_eq!(site.attached(), id, "{via}");
            assert_eq!(site.arrive(b"GET /admin", 10), 0, "{via}");
            site.good(&["detach", "t"]);
        }
    });
}
