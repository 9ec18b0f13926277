//! What is switched while a program runs, and what takes itself away.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{Site, at_a_site};

fn verdicts(site: &Site, name: &str) -> (u64, u64, u64) {
    let text = site.good(&["stats", name, "--json"]);
    let stats: Value = serde_json::from_str(&text).expect("JSON");
    let of = |value: &Value| value.as_u64().expect("a number");
    let counters = &stats["counters"]["verdicts"];
    (of(&counters["pass"]), of(&counters["drop"]), of(&stats["more"]["spared"]))
}

#[test]
fn a_dry_run_counts_what_it_would_drop_and_is_switched_while_the_program_runs() {
    at_a_site(|site| {
        let iface = site.interface();
        let words = ["attach", &iface, "-e", "abc", "--on-match", "drop", "--dry-run", "--pin"];
        site.good(&words);
        let id = site.attached();
        site.send(b"abc", 3);
        assert_eq!(verdicts(site, &iface), (3, 0, 3));
        let shown = site.good(&["show", &iface]);
        assert!(shown.contains("controls    dry run\n"), "{shown}");
        assert!(site.good(&["set", &iface, "--dry-run", "off"]).ends_with("verdicts hold\n"));
        site.send(b"abc", 2);
        assert_eq!(verdicts(site, &iface), (3, 2, 3));
        // What is switched stays when the program is exchanged.
        site.good(&["set", &iface, "--dry-run", "on"]);
        assert_eq!(site.attached(), id, "the same program all the while");
        site.good(&["replace", &iface, "-e", "abc", "-e", "xyz"]);
        site.send(b"xyz", 4);
        assert_eq!(verdicts(site, &iface), (7, 2, 7));

        let ran = site.run(&["set", &iface, "--rate", "5"]);
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains("was attached without --events"), "{}", ran.err);
        let ran = site.run(&["set", &iface, "--limit-pps", "5"]);
        assert!(ran.err.contains("was attached without --limit-pps"), "{}", ran.err);
        site.good(&["detach", &iface]);
    });
}

#[test]
fn a_limit_for_each_source_is_kept_and_switched_off() {
    at_a_site(|site| {
        let iface = site.interface();
        let words = ["attach", &iface, "-e", "abc", "--on-match", "drop", "--limit-pps", "2"];
        site.good(&[&words[..], &["--pin"]].concat());
        // Within one second or across the turn of one: two or four pass.
        site.send(b"abc", 20);
        let (pass, drop, spared) = verdicts(site, &iface);
        assert!((pass == 2 || pass == 4) && pass + drop == 20, "{pass} passed, {drop} dropped");
        assert_eq!(spared, 0);
        site.good(&["set", &iface, "--limit-pps", "0"]);
        site.send(b"abc", 10);
        assert_eq!(verdicts(site, &iface), (pass, drop + 10, 0));
        site.good(&["detach", &iface]);
    });
}

#[test]
fn a_program_that_comes_in_a_dry_run_drops_nothing_from_its_first_frame_on() {
    use std::sync::atomic::{AtomicBool, Ordering};

    at_a_site(|site| {
        let iface = site.interface();
        for round in 0..5 {
            site.good(&["attach", &iface, "-e", "abc", "--pin", "--events", "--rate", "7"]);
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        site.send(b"abc", 50);
                    }
                });
                let words = ["attach", &iface, "--pin", "--replace", "-e", "abc", "--on-match"];
                let more = ["drop", "--dry-run", "--events"];
                let ran = site.run(&[&words[..], &more].concat());
                over.store(true, Ordering::Relaxed);
                assert_eq!(ran.code, Some(0), "{}", ran.err);
            });
            let (_, dropped, _) = verdicts(site, &iface);
            assert_eq!(dropped, 0, "round {round}");
            // What was not given anew stays.
            let said = site.good(&["set", &iface, "--dry-run", "off"]);
            assert!(said.ends_with("verdicts hold, at most 7 events a second\n"), "{said}");
            site.good(&["detach", &iface]);
        }
    });
}

/// The process that waits for the confirmation of `name` on the bpffs of `site`.
fn watcher(site: &Site, name: &str) -> Option<Pid> {
    let bpffs = site.bpffs.display().to_string();
    let processes = std::fs::read_dir("/proc").expect("proc");
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok()).find_map(
        |pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let words: Vec<_> = line.split(|byte| *byte == 0).collect();
            let ours = words.get(1..3)? == [b"expire".as_slice(), name.as_bytes()]
                && words.get(4)? == &bpffs.as_bytes();
            ours.then(|| Pid::from_raw(pid))
        },
    )
}

fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < limit, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_nobody_confirms_detaches_by_itself() {
    at_a_site(|site| {
        let iface = site.interface();
        let words = ["attach", &iface, "-e", "abc", "--on-match", "drop", "--pin", "--name", "c"];
        let ran = site.run(&[&words[..], &["--confirm", "2"]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.err.contains("`hardwire confirm c --bpffs "), "{}", ran.err);
        assert!(ran.err.contains("` lets it stay"), "{}", ran.err);
        let waits = watcher(site, "c").expect("a process waits");
        let own = nix::unistd::getsid(None).expect("a session");
        let session = nix::unistd::getsid(Some(waits)).expect("a session");
        assert!(session == waits && session != own, "it outlives the shell");
        until("not detached", Duration::from_secs(10), || site.attached().is_none());
        until("something is left", Duration::from_secs(5), || site.left().is_empty());
        until("it still waits", Duration::from_secs(5), || watcher(site, "c").is_none());
    });
}

#[test]
fn what_is_confirmed_stays_and_nobody_waits_any_more() {
    at_a_site(|site| {
        let iface = site.interface();
        let words = ["attach", &iface, "-e", "abc", "--on-match", "drop", "--pin", "--name", "c"];
        site.good(&[&words[..], &["--confirm", "3"]].concat());
        assert_eq!(site.good(&["confirm", "c"]), "c: confirmed, it stays\n");
        until("it still waits", Duration::from_secs(5), || watcher(site, "c").is_none());
        let id = site.attached().expect("attached");
        assert!(site.run(&["confirm", "c"]).err.contains("awaits no confirmation"));
        // A replacement can be on probation, too.
        site.good(&["replace", "c", "-e", "xyz", "--confirm", "1"]);
        assert_ne!(site.attached(), Some(id));
        until("not detached", Duration::from_secs(10), || site.attached().is_none());
        until("something is left", Duration::from_secs(5), || site.left().is_empty());
    });
}

/// The second net: the program itself.
#[test]
fn past_the_deadline_everything_passes_although_the_process_that_waits_was_killed() {
    at_a_site(|site| {
        let iface = site.interface();
        let words = ["attach", &iface, "-e", "abc", "--on-match", "drop", "--pin", "--name", "c"];
        site.good(&[&words[..], &["--confirm", "1"]].concat());
        kill(watcher(site, "c").expect("a process waits"), Signal::SIGKILL).expect("killed");
        thread::sleep(Duration::from_millis(1200));
        let (pass, drop, spared) = verdicts(site, "c");
        site.send(b"abc", 5);
        assert_eq!(verdicts(site, "c"), (pass + 5, drop, spared + 5));
        let said = site.good(&["confirm", "c"]);
        assert!(said.contains("the time was over"), "{said}");
        site.send(b"abc", 5);
        assert_eq!(verdicts(site, "c"), (pass + 5, drop + 5, spared + 5));
        site.good(&["detach", "c"]);
    });
}

#[test]
fn whoever_may_shut_himself_out_is_warned() {
    at_a_site(|site| {
        let iface = site.interface();
        let server = site.lab.server.ipv4;
        let session = format!("192.0.2.1 50022 {server} 22");
        let elsewhere = "192.0.2.1 50022 198.51.100.1 22".to_owned();
        let cases: [(&[&str], &str, Option<&str>); 7] = [
            (&["-e", "x", "--on-miss", "drop"], &session, Some("--on-miss is for its packets")),
            (&["-e", "x", "--out-of-scope", "abort"], &session, Some("--out-of-scope is for its")),
            (&["-e", "x", "--on-match", "drop"], &session, None),
            (&["-e", "x", "--on-miss", "drop"], &elsewhere, None),
            (&["-e", "x", "--on-miss", "drop", "--dry-run"], &session, None),
            (&["-e", "x", "--on-miss", "drop", "--confirm", "60"], &session, None),
            (&["--on-miss", "drop"], &elsewhere, Some("for every frame in scope")),
        ];
        for (words, session, want) in cases {
            let all = [&["attach", &iface, "--pin"], words].concat();
            let ran = site.inside(|| {
                let mut command = site.command(&all);
                command.env("SSH_CONNECTION", session).output().expect("the binary")
            });
            let ran = crate::Ran::from(ran);
            assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.err);
            match want {
                Some(want) => assert!(
                    ran.err.contains(want) && ran.err.contains("--confirm 60"),
                    "{words:?}: {}",
                    ran.err
                ),
                None => assert!(!ran.err.contains("your SSH session"), "{words:?}: {}", ran.err),
            }
            site.good(&["detach", &iface]);
        }
    });
}
