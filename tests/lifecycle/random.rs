//! The binary under `kill -9` at times that nobody chose, with traffic all the while.

use std::thread;
use std::time::{Duration, Instant};

use crate::{Site, at_a_site};

/// How often each verb is killed.
const ROUNDS: u64 = 15;

/// Run a verb and kill it after a while; did it end by itself?
fn killed_after(site: &Site, words: &[&str], limit: Duration) -> bool {
    site.inside(|| {
        let mut command = site.command(words);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().expect("the binary");
        let started = Instant::now();
        while started.elapsed() < limit {
            if child.try_wait().expect("a child").is_some() {
                return true;
            }
            thread::sleep(Duration::from_micros(200));
        }
        let _ = child.kill();
        child.wait().expect("a child");
        false
    })
}

#[test]
fn a_kill_at_any_time_leaves_all_or_nothing_and_no_count_is_lost() {
    at_a_site(|site| {
        let name = site.interface();
        // How long one takes here, undisturbed.
        let started = Instant::now();
        site.good(&["attach", &name, "-e", "abc", "--pin", "--name", "t"]);
        let whole = started.elapsed();
        let mut sent = 0_u64;
        let mut killed = 0;
        for round in 0..ROUNDS {
            let part = whole.mul_f64(round as f64 / ROUNDS as f64 * 1.2);
            let other = if round % 2 == 0 { "xyz" } else { "uvw" };
            let words = ["replace", "t", "-e", "abc", "-e", other];
            killed += u32::from(!killed_after(site, &words, part));
            site.send(b"abc", 7);
            sent += 7;
            let stats = site.good(&["stats", "t", "--json"]);
            let stats: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
            assert_eq!(stats["counters"]["frames"], sent, "round {round}: {stats}");
            assert_eq!(stats["counters"]["hits"]["1"], sent, "round {round}: {stats}");
        }
        site.good(&["detach", "t"]);
        for round in 0..ROUNDS {
            let part = whole.mul_f64(round as f64 / ROUNDS as f64 * 1.2);
            let words = ["attach", &name, "-e", "abc", "--pin", "--name", "t"];
            let ended = killed_after(site, &words, part);
            killed += u32::from(!ended);
            site.good(&["clean"]);
            let listed = site.listed();
            assert_eq!(listed.is_empty(), site.attached().is_none(), "round {round}: {listed:?}");
            assert!(!ended || !listed.is_empty(), "round {round}: it had ended well");
            if !listed.is_empty() {
                assert_eq!(listed, [("t".to_owned(), true)]);
                killed_after(site, &["detach", "t"], part);
                site.run(&["detach", "t"]);
                site.good(&["clean"]);
            }
            assert_eq!(site.left(), Vec::<String>::new(), "round {round}");
        }
        println!("» killed at random times: {killed} of {} runs before their end", 2 * ROUNDS);
    });
}
