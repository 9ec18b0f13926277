//! Reloads under traffic: what is wrong changes nothing, what is right is there at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use crate::at_a_site;

/// Ends the traffic, also if the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Goal: whatever is wrong with a new configuration (it cannot be parsed, compiled, loaded or
/// attached), what ran goes on, says traffic; and a right one is exchanged without a gap.
#[test]
fn a_reload_that_fails_keeps_the_old_program_and_one_that_succeeds_has_no_gap() {
    at_a_site(|site| {
        let good = "patterns = [\"GET /admin\"]\non-match = \"drop\"";
        let next = "patterns = [\"GET /\"]\non-match = \"drop\"";
        site.configure("prometheus = 9464", good);
        let service = site.serve();
        let id = site.attached();
        let long = format!("patterns = [\"{}\"]\non-match = \"drop\"", "x".repeat(1025));
        let over = AtomicBool::new(false);
        let passed = AtomicU64::new(0);
        thread::scope(|scope| {
            let (over, passed, seen) = (&over, &passed, &*site);
            let ends = Ends(over);
            let traffic = scope.spawn(move || {
                let mut harmless = 0;
                while !over.load(Ordering::Acquire) {
                    let arrived = seen.arrive(b"GET /admin", 20);
                    passed.fetch_add(u64::try_from(arrived).expect("few"), Ordering::Relaxed);
                    harmless += seen.arrive(b"harmless", 20);
                    assert_eq!(harmless % 20, 0, "harmless ones arrive");
                }
                harmless
            });
            for (output, attach, told) in [
                ("prometheus = 9464", "patterns = [\"GET", "unclosed"),
                ("prometheus = 9464", "patterns = [\"re:a(\"]", "not closed"),
                ("prometheus = 9464", long.as_str(), "1024"),
                ("prometheus = 9464", "patterns = [\"x\"]\non-match = \"redirect:9999\"", "9999"),
                ("prometheus = 9464", "patterns = [\"x\"]\nhook = \"egress\"", "cannot move"),
                ("prometheus = \"192.0.2.77:80\"", next, "cannot listen"),
                ("capture = \"c.toml\"", next, "is no capture"),
            ] {
                seen.configure(output, attach);
                service.signal(Signal::SIGHUP);
                seen.hear("RELOADING=1");
                let status = seen.hear("READY=1");
                assert!(status.contains("1 attached; the last reload failed: "), "{status}");
                assert!(status.contains(told), "{status}");
                assert!(seen.logged().contains("what ran before goes on"));
            }
            for _ in 0..5 {
                for attach in [next, good] {
                    seen.configure("prometheus = 9464", attach);
                    service.signal(Signal::SIGHUP);
                    seen.hear("RELOADING=1");
                    assert_eq!(seen.hear("READY=1"), "READY=1\nSTATUS=1 attached\n");
                }
            }
            drop(ends);
            let harmless = traffic.join().expect("every harmless one arrives");
            assert!(harmless >= 20, "{harmless}");
        });
        assert_eq!(passed.into_inner(), 0, "none passed at any time");
        assert_ne!(site.attached(), id);
        let frames = site.counter(9464, "hardwire_frames_total");
        let matched = site.counter(9464, "hardwire_outcomes_total outcome=\"matched\"");
        assert!(frames > matched && matched >= 20, "{frames} frames, {matched} matched");
        service.end();
    });
}

/// Goal: a failed reload keeps the very program; attachments come and go with the configuration.
#[test]
fn only_what_has_changed_is_exchanged() {
    at_a_site(|site| {
        let one = "patterns = [\"GET /admin\"]\non-match = \"drop\"";
        let interface = site.interface();
        let second = format!(
            "{one}\n[[attach]]\nname = \"u\"\ninterface = \"{interface}\"\nhook = \
             \"ingress\"\npatterns = [\"POST\"]"
        );
        site.configure("", one);
        let service = site.serve();
        let id = site.attached();
        let reload = |expected: &str| {
            service.signal(Signal::SIGHUP);
            let status = site.hear("READY=1");
            assert!(status.contains(expected), "{status}");
        };
        site.configure("events = \"e\"", &format!("{one}\nevents = false"));
        reload("1 attached\n");
        site.configure("", &second);
        reload("2 attached\n");
        assert!(site.good(&["list"]).contains("ingress"));
        site.configure("", one);
        reload("1 attached\n");
        assert!(!site.good(&["list"]).contains("ingress"));
        site.configure("", &format!("{one}\ndry-run = true"));
        let before = site.arrive(b"GET /admin", 10);
        reload("1 attached, 1 in dry run");
        let spared = site.arrive(b"GET /admin", 10);
        assert_eq!((before, spared), (0, 10));
        site.configure("", one);
        reload("1 attached\n");
        assert_eq!(site.arrive(b"GET /admin", 10), 0);
        // The four programs that t has had: only changes of its own make one.
        assert!(site.good(&["show", "t"]).contains("program number 3"), "{}", site.logged());
        service.end();
        assert_ne!(site.attached(), id);
    });
}

/// Goal: one typo among changes that would detach and exchange: nothing of them happens.
#[test]
fn a_missing_interface_or_a_refused_one_changes_nothing_of_the_rest() {
    at_a_site(|site| {
        let one = "patterns = [\"GET /admin\"]\non-match = \"drop\"";
        let interface = site.interface();
        site.configure("", one);
        let service = site.serve();
        let id = site.attached();
        let text = std::fs::read_to_string(site.path("c.toml")).expect("it is there");
        let second =
            "[[attach]]\nname = \"u\"\nhook = \"ingress\"\npatterns = [\"POST\"]\ninterface";
        for changed in [
            text.replace("\"t\"", "\"v\"").replace(&interface, "vethO"),
            text.replace("admin", "other") + second + " = \"vethO\"\n",
        ] {
            std::fs::write(site.path("c.toml"), changed).expect("a file");
            service.signal(Signal::SIGHUP);
            let status = site.hear("READY=1");
            assert!(status.contains("1 attached; the last reload failed: "), "{status}");
            assert!(status.contains("vethO"), "{status}");
            assert_eq!(site.attached(), id, "{}", site.logged());
            assert_eq!(site.arrive(b"GET /admin", 10), 0);
        }
        // Another name for the same place is no typo.
        std::fs::write(site.path("c.toml"), text.replace("\"t\"", "\"v\"")).expect("a file");
        service.signal(Signal::SIGHUP);
        assert_eq!(site.hear("READY=1"), "READY=1\nSTATUS=1 attached\n", "{}", site.logged());
        assert_eq!(site.arrive(b"GET /admin", 10), 0);
        service.end();
    });
}

/// Goal: whoever detaches one by hand takes the counts of that one only, and a reload brings it back.
#[test]
fn one_that_somebody_detached_is_not_counted_and_a_reload_attaches_it_again() {
    at_a_site(|site| {
        let one = "patterns = [\"GET /admin\"]\non-match = \"drop\"";
        let interface = site.interface();
        let both = format!(
            "{one}\n[[attach]]\nname = \"u\"\ninterface = \"{interface}\"\nhook = \
             \"ingress\"\npatterns = [\"POST\"]"
        );
        site.configure("prometheus = 9464", &both);
        let service = site.serve();
        site.good(&["detach", "t"]);
        assert_eq!(site.arrive(b"GET /admin", 10), 10);
        assert_eq!(site.counter(9464, "hardwire_outcomes_total outcome=\"matched\" name=\"u\""), 0);
        service.signal(Signal::SIGHUP);
        assert_eq!(site.hear("READY=1"), "READY=1\nSTATUS=2 attached\n");
        assert_eq!(site.arrive(b"GET /admin", 10), 0, "{}", site.logged());
        assert_eq!(site.counter(9464, "hardwire_verdicts_total verdict=\"drop\" name=\"t\""), 10);
        service.end();
    });
}

/// Goal: reloads while packets come in leave one readable capture with all of them, and no line is glued to
/// half a line.
#[test]
fn reloads_under_traffic_leave_the_capture_and_the_lines_whole() {
    at_a_site(|site| {
        let output = "capture = \"c.pcapng\"\nevents = \"e\"";
        std::fs::write(site.path("e"), "{\"whole\":1}\n{\"half\":").expect("a file");
        site.configure(output, "patterns = [\"x\"]");
        let service = site.serve();
        for _ in 0..20 {
            site.send(b"x", 20);
            service.signal(Signal::SIGHUP);
            site.send(b"x", 20);
            site.hear("READY=1\nSTATUS=1 attached\n");
        }
        service.end();
        let file = std::fs::read(site.path("c.pcapng")).expect("a capture");
        let mut reader = hardwire::capture::Reader::new(file.as_slice()).expect("a capture");
        let mut frames = 0;
        while reader.next_frame().expect("whole").is_some() {
            frames += 1;
        }
        let lines = crate::lines(&site.path("e"));
        assert_eq!((frames, lines.len()), (800, 801), "{}", site.logged());
        for line in lines {
            serde_json::from_str::<serde_json::Value>(&line).expect("a whole line");
        }
    });
}
