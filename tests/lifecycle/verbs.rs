//! What each verb says and does.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{Site, at_a_site, is_gone};

fn stats(site: &Site, name: &str) -> Value {
    serde_json::from_str(&site.good(&["stats", name, "--json"])).expect("JSON")
}

#[test]
fn an_attachment_stays_is_found_again_and_goes() {
    at_a_site(|site| {
        let iface = site.interface();
        for via in ["link", "netlink"] {
            let pattern = ["-e", "GET /admin", "-x", "ff fe", "--report", "all"];
            let words = ["attach", &iface, "--pin", "--via", via, "--on-match", "drop"];
            let said = site.good(&[&words[..], &pattern].concat());
            assert!(
                said.contains("stays attached") && said.ends_with(&format!("{via}\n")),
                "{said}"
            );
            let name = format!("{iface}-xdp");
            let id = site.attached().expect("attached");
            site.send(b"GET /admin", 4);
            site.send(b"GET /admin \xff\xfe", 2);
            site.send(b"nothing", 1);

            let read = stats(site, &iface);
            assert_eq!(read["counters"]["frames"], 7);
            assert_eq!(read["counters"]["verdicts"]["drop"], 6);
            assert_eq!(read["counters"]["hits"], serde_json::json!({ "1": 6, "2": 2 }));
            let shown = site.good(&["show", &name]);
            let id_text = format!("program     {id}, tag ");
            for part in
                ["-e 'GET /admin'  (6 hits)", "-x 'ff fe'  (2 hits)", &id_text, "match drop"]
            {
                assert!(shown.contains(part), "{part}: {shown}");
            }
            let list: Value =
                serde_json::from_str(site.good(&["list", "--json"]).lines().next().expect("one"))
                    .expect("JSON");
            assert_eq!((&list["name"], &list["attached"]), (&name.clone().into(), &true.into()));
            assert_eq!(list["program_id"], id);
            assert_eq!(list["via"], via);

            // Nothing takes its place by mistake.
            let again = site.run(&["attach", &iface, "-e", "x", "--pin"]);
            assert_eq!(again.code, Some(1));
            assert!(again.err.contains("there is an attachment called"), "{}", again.err);
            let other = site.run(&["detach", &name, "--id", "1"]);
            assert_eq!(other.code, Some(1));
            assert_eq!(site.attached(), Some(id));

            let said = site.good(&["detach", &name]);
            assert_eq!(said, format!("{name}: detached program {id} from {iface}\n"));
            assert_eq!((site.attached(), site.left().len()), (None, 0));
            assert!(is_gone(id), "{via}: the program is still there");
        }
    });
}

#[test]
fn a_replacement_keeps_what_is_not_given_and_counts_on_unless_told_otherwise() {
    at_a_site(|site| {
        let iface = site.interface();
        let name = format!("{iface}-xdp");
        site.good(&["attach", &iface, "-e", "abc", "--on-match", "drop", "--pin"]);
        let old = site.attached().expect("attached");
        site.send(b"abc", 3);
        let said = site.good(&["replace", &iface, "-e", "xyz", "-e", "abc"]);
        let new = site.attached().expect("attached");
        assert!(said.contains(&format!("took the place of program {old}")), "{said}");
        assert!(old != new && is_gone(old));
        site.send(b"abc", 2);
        let read = stats(site, &name);
        assert_eq!(read["counters"]["hits"], serde_json::json!({ "1": 0, "2": 5 }));
        assert_eq!(read["counters"]["verdicts"]["drop"], 5, "the verdict stayed");
        assert_eq!(read["generation"], 2);

        site.good(&["replace", &name, "--on-match", "pass"]);
        site.send(b"abc", 1);
        let read = stats(site, &name);
        assert_eq!(read["counters"]["hits"]["2"], 6, "the patterns stayed");
        assert_eq!(
            read["counters"]["verdicts"],
            serde_json::json!({
                "pass": 1, "drop": 5, "abort": 0, "tx": 0, "redirect": 0
            })
        );

        site.good(&["replace", &name, "-e", "only", "--reset"]);
        let read = stats(site, &name);
        assert_eq!((&read["counters"]["frames"], &read["vanished_hits"]), (&0.into(), &0.into()));

        // The same by attach, which makes one if there is none.
        site.good(&["attach", &iface, "-e", "abc", "--pin", "--replace"]);
        assert_eq!(stats(site, &name)["generation"], 5);
        site.good(&["detach", &name]);
        site.good(&["attach", &iface, "-e", "abc", "--pin", "--replace"]);
        assert_eq!(stats(site, &name)["generation"], 1);
        site.good(&["detach", &name]);
    });
}

#[test]
fn only_what_is_at_the_place_that_was_named_is_replaced() {
    at_a_site(|site| {
        let iface = site.interface();
        site.good(&["attach", &iface, "-e", "abc", "--pin", "--name", "foo", "--via", "link"]);
        let id = site.attached();
        let mode = site.lab.server.netlink.xdp(&site.lab.server.link).expect("the interface");
        let (mode, _) = mode.modes().next().expect("attached");
        let other = if mode == hardwire::netlink::XdpMode::Generic { "native" } else { "generic" };
        let cases: [(&str, &[&str], &str); 4] = [
            ("lo", &[], "foo is attached at xdp of"),
            (&iface, &["--at", "egress"], "foo is attached at xdp of"),
            (&iface, &["--via", "netlink"], "foo is attached by link"),
            (&iface, &["--mode", other], "foo is attached in"),
        ];
        for (interface, more, want) in cases {
            let words = ["attach", interface, "-e", "x", "--pin", "--name", "foo", "--replace"];
            let ran = site.run(&[&words[..], more].concat());
            assert!(ran.code != Some(0) && ran.err.contains(want), "{more:?}: {}", ran.err);
            assert_eq!(site.attached(), id, "{more:?}");
        }
        let mode = mode.to_string();
        let words = ["attach", &iface, "-e", "x", "--pin", "--name", "foo", "--replace"];
        site.good(&[&words[..], &["--via", "link", "--mode", &mode]].concat());
        assert_ne!(site.attached(), id);
        site.good(&["detach", "foo"]);
    });
}

#[test]
fn an_exchange_that_takes_its_time_keeps_nobody_waiting_and_notices_what_others_did() {
    at_a_site(|site| {
        let iface = site.interface();
        let name = format!("{iface}-xdp");
        let others: [&[&str]; 3] = [
            &["replace", &name, "-e", "theirs"],
            &["detach", &name],
            &["attach", &iface, "--pin", "--replace", "-e", "x"],
        ];
        for words in others {
            site.good(&["attach", &iface, "-e", "abc", "--pin"]);
            let seen = site.inside(|| site.root().open_attachment(&name)).expect("there").release();
            // Somebody compiles now.
            site.good(&["stats", &name]);
            drop(site.inside(|| seen.lock()).expect("the same still"));
            site.good(words);
            let error = site.inside(|| seen.lock()).expect_err("changed").to_string();
            assert_eq!(error, format!("{name} was changed meanwhile, so nothing was done"));
            if site.attached().is_some() {
                site.good(&["detach", &name]);
            }
        }
    });
}

#[test]
fn nothing_is_mounted_or_changed_that_was_not_asked_for() {
    at_a_site(|site| {
        let iface = site.interface();
        let bare = site.bare.display().to_string();
        let run = |words: &[&str]| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hardwire"));
            command.args(words).args(["--bpffs", &bare]);
            let output = site.inside(|| command.output().expect("the binary"));
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code(), text)
        };
        for verb in ["attach", "replace", "show", "stats", "clean", "confirm", "set"] {
            let mut words = vec![verb];
            words.extend((verb != "clean").then_some(iface.as_str()));
            match verb {
                "attach" => words.extend(["-e", "x", "--pin"]),
                "set" => words.extend(["--rate", "1"]),
                _ => {}
            }
            let (code, said) = run(&words);
            assert_eq!(code, Some(1), "{verb}: {said}");
            assert!(said.contains("no bpffs is mounted at"), "{verb}: {said}");
            assert!(said.contains("--mount-bpffs mounts one"), "{verb}: {said}");
        }
        assert_eq!(run(&["list"]).0, Some(0), "nothing stays, but that is no failure");
        assert_eq!(std::fs::read_dir(&site.bare).expect("there").count(), 0);
        let (code, said) = run(&["attach", &iface, "-e", "x", "--pin", "--mount-bpffs"]);
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = run(&["detach", &iface]);
        assert_eq!(code, Some(0), "{said}");
        nix::mount::umount(&site.bare).expect("mounted, and not in use");
    });
}

#[test]
fn what_is_not_hardwires_is_left_alone() {
    at_a_site(|site| {
        let root = site.root().path().to_owned();
        for path in ["", "no%ame", "theirs", "theirs/1"] {
            std::fs::create_dir(root.join(path)).expect("a folder");
        }
        // A pin beside no description: nothing says whose it is.
        let spec = hardwire::assembler::MapSpec {
            name: "theirs".to_owned(),
            kind: hardwire::assembler::MapKind::Array,
            key_bytes: 4,
            value_bytes: 8,
            entries_max: 1,
            flags: 0,
        };
        let map = hardwire::loader::Map::create(&spec).expect("a map");
        map.pin(&root.join("theirs/1/counters")).expect("pinned");
        let said = site.good(&["clean"]);
        assert_eq!(said.matches("left alone").count(), 2, "{said}");
        let listed = site.good(&["list"]);
        assert!(listed.contains("theirs") && listed.contains("strange: nothing says"), "{listed}");
        std::fs::remove_file(root.join("theirs/1/counters")).expect("removed");
        std::fs::remove_dir(root.join("no%ame")).expect("removed");
        // What is empty harms nobody.
        let said = site.good(&["clean"]);
        assert!(said.starts_with("theirs: removed: "), "{said}");
    });
}

#[test]
fn what_is_strange_is_told_and_hides_nothing_else() {
    at_a_site(|site| {
        let iface = site.interface();
        let name = format!("{iface}-xdp");
        site.good(&["attach", &iface, "-e", "x", "--pin"]);
        let root = site.root().path().to_owned();
        for path in ["x", "x/+3", "x/03", "zz"] {
            std::fs::create_dir(root.join(path)).expect("a folder");
        }
        let spec = hardwire::assembler::MapSpec {
            name: "theirs".to_owned(),
            kind: hardwire::assembler::MapKind::Array,
            key_bytes: 4,
            value_bytes: 8,
            entries_max: 1,
            flags: 0,
        };
        let map = hardwire::loader::Map::create(&spec).expect("a map");
        map.pin(&root.join("zz/link")).expect("pinned");

        let listed = site.good(&["list"]);
        assert_eq!(listed.matches("strange: ").count(), 2, "{listed}");
        assert!(listed.contains(&name) && listed.contains("attached"), "{listed}");
        assert_eq!(site.good(&["list", "--json"]).matches("\"strange: ").count(), 2);
        assert!(site.good(&["stats"]).contains(&name));
        stats(site, &iface);
        let cleaned = site.good(&["clean"]);
        assert!(cleaned.starts_with("x: left alone: "), "{cleaned}");
        assert!(cleaned.contains("\nzz: left alone: "), "{cleaned}");

        std::fs::remove_file(root.join("zz/link")).expect("removed");
        for path in ["x/+3", "x/03", "x", "zz"] {
            std::fs::remove_dir(root.join(path)).expect("removed");
        }
        site.good(&["detach", &iface]);
    });
}

#[test]
fn whoever_names_an_interface_waits_for_who_changes_its_attachment_and_touches_nothing_else() {
    at_a_site(|site| {
        let iface = site.interface();
        let name = format!("{iface}-xdp");
        site.good(&["attach", &iface, "-e", "x", "--pin", "--via", "netlink"]);
        let id = site.attached();
        let busy = site.inside(|| site.root().open_attachment(&name)).expect("there");
        let ran = site.run(&["detach", &iface]);
        assert_eq!((ran.code, site.attached()), (Some(1), id), "{}", ran.err);
        assert!(ran.err.contains("another process has been changing"), "{}", ran.err);
        // Another interface is none of its business.
        let started = std::time::Instant::now();
        let ran = site.run(&["stats", "lo"]);
        assert!(ran.err.contains("no attachment is called lo"), "{}", ran.err);
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
        drop(busy);
        site.good(&["detach", &iface]);
    });
}

#[test]
fn an_interface_that_goes_leaves_what_clean_removes() {
    at_a_site(|site| {
        let space = hardwire::netlink::Namespace::create().expect("a namespace");
        let mut socket = space.socket().expect("a socket");
        let veth = hardwire::netlink::Veth {
            name: "going",
            peer_name: "gone",
            peer_namespace: None,
            mtu: None,
        };
        for via in ["link", "netlink"] {
            socket.create_veth(veth).expect("a pair");
            let run = |words: &[&str]| {
                let output = space.enter(|| site.command(words).output().expect("the binary"));
                crate::Ran::from(output.expect("the namespace"))
            };
            let ran = run(&["attach", "going", "-e", "x", "--pin", "--via", via]);
            assert_eq!(ran.code, Some(0), "{}", ran.err);
            // From elsewhere: a link can be asked, an interface cannot.
            let listed = site.good(&["list"]);
            let want = if via == "link" { "attached" } else { "in another network namespace" };
            assert!(listed.contains(want), "{listed}");
            let cleaned = site.good(&["clean"]);
            assert_eq!(cleaned.contains("left alone"), via == "netlink", "{cleaned}");

            let link = socket.link_by_name("going").expect("there");
            socket.delete_link(&link).expect("deleted");
            let listed = run(&["list"]).out;
            assert!(listed.contains("ORPHAN: its interface is gone"), "{listed}");
            let ran = run(&["detach", "going-xdp"]);
            assert_eq!(ran.code, Some(1));
            assert!(ran.err.contains("hardwire clean"), "{}", ran.err);
            let ran = run(&["clean", "--dry-run"]);
            assert!(ran.out.starts_with("going-xdp: would be removed: "), "{}", ran.out);
            assert!(run(&["clean"]).out.starts_with("going-xdp: removed: "));
        }
    });
}

#[test]
fn a_network_namespace_that_goes_leaves_what_clean_removes() {
    at_a_site(|site| {
        let other = hardwire::netlink::Lab::new("gone").expect("another place");
        for at in ["xdp", "egress"] {
            let name = other.server.link.name.clone();
            let words = ["attach", &name, "--pin", "--name", at, "--at", at, "-e", "x", "--events"];
            let output = other.server.enter(|| site.command(&words).output().expect("the binary"));
            let ran = crate::Ran::from(output.expect("the namespace"));
            assert_eq!(ran.code, Some(0), "{}", ran.err);
        }
        assert_eq!(site.listed(), [("egress".to_owned(), true), ("xdp".to_owned(), true)]);
        drop(other);
        // The kernel takes a namespace apart some time after its last user is gone.
        let all_gone = || site.listed().iter().all(|(_, attached)| !attached);
        assert!((0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            all_gone()
        }));
        let listed = site.good(&["list"]);
        assert_eq!(listed.matches("ORPHAN: its interface is gone").count(), 2, "{listed}");
        assert_eq!(site.good(&["clean"]).matches(": removed: ").count(), 2);
    });
}

#[test]
fn a_program_that_somebody_else_attached_is_neither_replaced_nor_detached() {
    at_a_site(|site| {
        let iface = site.interface();
        site.good(&["attach", &iface, "-e", "ours", "--pin", "--via", "netlink"]);
        let ours = site.attached().expect("attached");
        // Somebody forces another program into our place.
        let words = ["attach", &iface, "-e", "theirs", "--force", "--duration", "3600"];
        let mut child = site.inside(|| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hardwire"));
            command.args(words).stderr(std::process::Stdio::null());
            command.stdout(std::process::Stdio::null()).spawn().expect("the binary")
        });
        let theirs = loop {
            match site.attached() {
                Some(id) if id != ours => break id,
                _ => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        };
        let name = format!("{iface}-xdp");
        let set = vec!["set", &name, "--dry-run", "off"];
        for words in [vec!["replace", &name, "-e", "x"], vec!["detach", &name], set] {
            let ran = site.run(&words);
            assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.out);
            assert!(ran.err.contains("is not attached"), "{words:?}: {}", ran.err);
            assert_eq!(site.attached(), Some(theirs), "{words:?}");
        }
        let listed = site.good(&["list"]);
        assert!(listed.contains("ORPHAN") && listed.contains(&theirs.to_string()), "{listed}");
        assert!(site.good(&["clean"]).contains("removed"));
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid")),
            nix::sys::signal::Signal::SIGTERM,
        )
        .expect("a signal");
        child.wait().expect("a child");
    });
}

#[test]
fn what_is_in_the_way_is_named_with_who_holds_it() {
    at_a_site(|site| {
        let iface = site.interface();
        let attach = ["attach", &iface, "-e", "x", "--pin", "--name", "second"];
        site.good(&["attach", &iface, "-e", "x", "--pin"]);
        let ran = site.run(&attach);
        let want =
            format!("`hardwire detach {iface}-xdp --bpffs {}` removes it", site.bpffs.display());
        assert!(ran.code == Some(1) && ran.err.contains(&want), "{}", ran.err);
        assert_eq!(site.listed().len(), 1, "nothing is left of the second");
        site.good(&["detach", &iface]);

        let words = ["attach", &iface, "-e", "x", "--duration", "3600"];
        let mut child = site.inside(|| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hardwire"));
            command.args(words).stderr(std::process::Stdio::null());
            command.stdout(std::process::Stdio::null()).spawn().expect("the binary")
        });
        while site.attached().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        for words in [&attach[..], &["detach", &iface]] {
            let ran = site.run(words);
            let want = format!("which process {} (hardwire) holds: end it", child.id());
            assert!(ran.code == Some(1) && ran.err.contains(&want), "{words:?}: {}", ran.err);
            assert!(ran.err.contains("it is held by bpf_link "), "{}", ran.err);
        }
        let listed = site.good(&["list"]);
        assert!(listed.contains("Programs of others") && listed.contains(&iface), "{listed}");
        child.kill().expect("killed");
        child.wait().expect("a child");
        while site.attached().is_some() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
}

#[test]
fn classifiers_stay_on_both_ways_and_leave_no_qdisc() {
    use hardwire::attachment::Hook;

    at_a_site(|site| {
        let iface = site.interface();
        for via in ["link", "netlink"] {
            for (at, hook) in [("ingress", Hook::Ingress), ("egress", Hook::Egress)] {
                let words = ["attach", &iface, "-e", "abc", "--at", at, "--via", via, "--pin"];
                site.good(&words);
                let name = format!("{iface}-{at}");
                let old = site.attached_at(hook).expect("attached");
                match hook {
                    Hook::Egress => {
                        let back = (site.lab.client.ipv4, 9);
                        site.inside(|| {
                            let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
                            for _ in 0..4 {
                                socket.send_to(b"abc", back).expect("sent");
                            }
                        });
                    }
                    Hook::Xdp | Hook::Ingress => site.send(b"abc", 4),
                }
                assert_eq!(stats(site, &name)["counters"]["hits"]["1"], 4, "{via} {at}");
                assert_eq!(stats(site, &iface)["hook"], at, "found by its interface");
                site.good(&["replace", &name, "-e", "xyz", "-e", "abc", "--on-match", "drop"]);
                assert_ne!(site.attached_at(hook), Some(old));
                assert_eq!(stats(site, &name)["counters"]["hits"]["2"], 4, "{via} {at}");
                // A second attachment of the interface: its name alone says too little then.
                site.good(&["attach", &iface, "-e", "abc", "--pin"]);
                let ran = site.run(&["detach", &iface]);
                assert_eq!(ran.code, Some(1));
                assert!(ran.err.contains("has 2 attachments: "), "{}", ran.err);
                site.good(&["detach", &format!("{iface}-xdp")]);
                site.good(&["detach", &name]);
                assert_eq!((site.attached_at(hook), site.left().len()), (None, 0));
                let host = &mut site.lab.server;
                assert_eq!(host.netlink.clsact_kind(&host.link).expect("asked"), None);
            }
        }
    });
}

#[test]
fn the_qdisc_goes_with_the_last_of_our_filters_whichever_made_it() {
    at_a_site(|site| {
        let iface = site.interface();
        for order in [["ingress", "egress"], ["egress", "ingress"]] {
            for at in ["ingress", "egress"] {
                let words = ["attach", &iface, "-e", "a", "--at", at, "--via", "netlink", "--pin"];
                site.good(&words);
            }
            for at in order {
                let host = &mut site.lab.server;
                assert!(host.netlink.clsact_kind(&host.link).expect("asked").is_some());
                site.good(&["detach", &format!("{iface}-{at}")]);
            }
            let host = &mut site.lab.server;
            assert_eq!(host.netlink.clsact_kind(&host.link).expect("asked"), None);
        }
    });
}

#[test]
fn stats_of_nothing_says_so_and_ctrl_c_is_a_good_end_of_it() {
    at_a_site(|site| {
        let ran = site.run(&["stats"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
        assert!(ran.err.contains("nothing is attached"), "{}", ran.err);
        let ran = site.run(&["stats", "--json"]);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", ""));

        let iface = site.interface();
        site.good(&["attach", &iface, "-e", "abc", "--pin"]);
        for words in
            [&["stats", "--json", "--watch", "60"][..], &["stats", "--json", "--listen", "0"]]
        {
            let mut command = site.command(words);
            command.stdout(Stdio::piped());
            let mut child = site.inside(|| command.spawn().expect("the binary"));
            let mut line = String::new();
            let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
            out.read_line(&mut line).expect("a line when it has begun");
            kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("running");
            let status = child.wait().expect("ended");
            assert_eq!(status.code(), Some(0), "{words:?}: {status:?} after {line}");
        }
        site.good(&["detach", &iface]);
    });
}

#[test]
fn a_hook_that_is_said_is_the_only_one_that_is_detached() {
    use hardwire::attachment::Hook;

    at_a_site(|site| {
        let iface = site.interface();
        for at in ["xdp", "ingress", "egress"] {
            site.good(&["attach", &iface, "-e", "x", "--pin", "--at", at]);
        }
        let ran = site.run(&["detach", &format!("{iface}-xdp"), "--at", "egress"]);
        let want = format!("is on {iface} at xdp, not at egress: nothing was changed");
        assert!(ran.code == Some(1) && ran.err.contains(&want), "{}", ran.err);
        for (at, hook, left) in [("egress", Hook::Egress, 2), ("ingress", Hook::Ingress, 1)] {
            let said = site.good(&["detach", &iface, "--at", at]);
            assert!(said.starts_with(&format!("{iface}-{at}: detached")), "{said}");
            assert_eq!((site.attached_at(hook), site.listed().len()), (None, left));
            let again = site.run(&["detach", &iface, "--at", at]);
            let want = format!("has no filter of ours by netlink on {at}");
            assert!(again.code == Some(1) && again.err.contains(&want), "{}", again.err);
            assert_eq!(site.listed().len(), left);
        }
        site.good(&["detach", &format!("{iface}-xdp"), "--at", "xdp"]);
    });
}

#[test]
fn a_word_that_means_two_things_or_nothing_is_refused() {
    at_a_site(|site| {
        let iface = site.interface();
        let ran = site.run(&["detach", "nope"]);
        assert!(ran.err.contains("no attachment and no interface is called nope"), "{}", ran.err);
        assert!(ran.code == Some(1) && ran.err.contains("`hardwire list --bpffs "), "{}", ran.err);

        let lo = ["attach", "lo", "--at", "ingress", "-e", "x", "--pin", "--name", &iface];
        let ran = site.run(&lo);
        assert!(ran.err.contains(&format!("{iface} is an interface, too")), "{}", ran.err);
        site.good(&["show", &iface]);
        site.good(&["attach", &iface, "-e", "x", "--pin"]);
        for words in [&["detach", &iface][..], &["show", &iface], &["set", &iface, "--rate", "0"]] {
            let ran = site.run(words);
            let want =
                format!("an attachment on lo, and an interface with {iface}-xdp: say lo for");
            assert!(ran.code == Some(1) && ran.err.contains(&want), "{words:?}: {}", ran.err);
        }
        let said = site.good(&["detach", &iface, "--at", "xdp"]);
        assert!(said.starts_with(&format!("{iface}-xdp: detached")), "{said}");
        site.good(&["attach", &iface, "-e", "x", "--pin"]);
        site.good(&["detach", "lo"]);
        site.good(&["detach", &iface]);
    });
}

#[test]
fn what_is_not_there_or_not_said_is_told_as_such() {
    at_a_site(|site| {
        let iface = site.interface();
        let absent = u32::MAX.to_string();
        let foreground = ["attach", &iface, "-e", "x", "--replace", &absent, "--duration", "1"];
        let ran = site.run(&foreground);
        let want = format!("there is no program {absent}: `bpftool prog`");
        assert!(ran.code == Some(1) && ran.err.contains(&want), "{}", ran.err);

        let ran = site.run(&["set", &iface]);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(ran.err.contains("nothing to change: give --dry-run, --sample"), "{}", ran.err);

        site.good(&["attach", &iface, "-e", "x", "--pin"]);
        let ran = site.run(&["attach", &iface, "-e", "x", "--pin"]);
        let want = format!("detach {iface}-xdp --bpffs {}` removes it", site.bpffs.display());
        assert!(ran.code == Some(1) && ran.err.contains(&want), "{}", ran.err);
        site.good(&["detach", &iface]);
    });
}

#[test]
fn a_qdisc_that_a_killed_command_left_is_told_of_once_it_is_empty() {
    use hardwire::attachment::Hook;

    at_a_site(|site| {
        let iface = site.interface();
        let words = ["--at", "egress", "--via", "netlink", "-e", "x", "--duration", "3600"];
        let mut child = site.inside(|| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hardwire"));
            command.args(["attach", &iface]).args(words).stderr(std::process::Stdio::null());
            command.stdout(std::process::Stdio::null()).spawn().expect("the binary")
        });
        while site.attached_at(Hook::Egress).is_none() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.kill().expect("killed");
        child.wait().expect("a child");
        let ran = site.run(&["detach", &iface, "--at", "egress"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.err.contains(&format!("`tc qdisc del dev {iface} clsact`")), "{}", ran.err);
        let host = &mut site.lab.server;
        host.netlink.delete_clsact(&host.link).expect("it was there");
    });
}
