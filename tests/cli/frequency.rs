//! `--frequency`: what it lets through, how it is told, and what is wrong with it.

use serde_json::{Value, json};

use crate::captures::four;
use crate::{may_attach, run, run_with};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// Haystacks of `match` are hex.
fn hex(texts: &[&str]) -> String {
    let line = |text: &&str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    texts.iter().map(line).map(|line| line + "\n").collect()
}

#[test]
fn a_condition_takes_an_id_and_has_no_end() {
    let haystacks = hex(&["aa GET", "a GET", "aa PUT", "GET aaaa", ""]);
    let engines: &[&str] =
        if may_attach() { &["reference", "vm", "kernel", "all"] } else { &["reference", "vm"] };
    for engine in engines {
        let args = ["match", "--json", "--engine", engine, "--report", "all"];
        let patterns = ["-e", "GET", "--frequency", "a>=2", "-e", "a", "--frequency", "[A-Z]<=3"];
        let got = lines(&run_with(&[&args[..], &patterns].concat(), &haystacks).clean());
        let matches: Vec<_> = got.iter().map(|line| line["matches"].clone()).collect();
        let want = [
            json!([{"id": 1, "end": 6}, {"id": 2}, {"id": 3, "end": 1}, {"id": 4}]),
            json!([]),
            json!([{"id": 2}, {"id": 3, "end": 1}, {"id": 4}]),
            json!([{"id": 1, "end": 3}, {"id": 2}, {"id": 3, "end": 5}, {"id": 4}]),
            json!([]),
        ];
        assert_eq!(matches, want, "{engine}");
        let alone = ["match", "--json", "--engine", engine, "--frequency", "a>=2"];
        let got = lines(&run_with(&alone, &haystacks).clean());
        assert_eq!(got[0]["matches"], json!([{"id": 1}]), "{engine}");
        assert_eq!(got[1]["match"], json!(false), "{engine}");
    }
}

#[test]
fn frames_are_told_and_hits_counted() {
    let capture = four();
    let args = ["run", "--frequency", "/>=1", "-e", "admin", "--pcap", capture.name()];
    let text = run(args).clean();
    assert!(text.contains("frame 1: pass: #1 />=1 holds, #2 admin ends at 10\n"), "{text}");
    let all = lines(&run(args.iter().chain(&["--json"])).clean());
    let summary = &all.last().expect("a summary")["summary"];
    assert_eq!(summary["hits"], json!({"1": 1, "2": 1}), "{summary}");
}

#[test]
fn what_can_never_or_always_hold_or_cannot_be_read_is_refused() {
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["--frequency", "0x41>=10 in 4"],
            &[
                "0x41>=10 in 4 can never hold",
                "at most 4 bytes and asks for 10",
                "pattern 1",
                "^^^",
            ],
        ),
        (&["--frequency", "a>=0"], &["a>=0 always holds: every count is at least 0"]),
        (&["--frequency", "x>=9, x<=3"], &["x<=3 with x>=9 can never hold"]),
        (&["--frequency", "a>=9", "--depth", "8"], &["at most 8 bytes and asks for 9"]),
        (
            &["--frequency", "a>=9", "-e", "x", "--frequency", "a<=3"],
            &["conditions 1 and 3 never hold together", "at least 9 and at most 3"],
        ),
        (&["--frequency", "ab>=2"], &["b instead of a comparison at byte 1", "as a class"]),
        (&["--frequency", "a>=2 in 70000"], &["a window of 70000 bytes", "1 to 65535"]),
        (&["--frequency", ""], &["the condition is empty"]),
    ];
    for (args, parts) in cases {
        run(["compile"].iter().chain(*args)).complains(1, parts);
    }
}

#[test]
fn case_and_windows_belong_to_conditions_too() {
    let haystacks = hex(&["Aaxxx", "aaxxx", "xxaAx", "xxxaa"]);
    let answer = |args: &[&str]| run_with(&[&["match"], args].concat(), &haystacks).clean();
    assert_eq!(answer(&["--frequency", "a>=2"]), "0\n1\n0\n1\n");
    assert_eq!(answer(&["--frequency", "a>=2", "-i"]), "1\n1\n1\n1\n");
    assert_eq!(answer(&["-i", "--frequency", "a>=2 in 2", "--offset", "2"]), "0\n0\n1\n0\n");
    assert_eq!(answer(&["-i", "--frequency", "a>=2", "--depth", "3"]), "1\n1\n0\n0\n");
}

#[test]
fn explain_tells_what_is_counted_and_how() {
    let text = run(["explain", "--target", "6.18", "--frequency", "[a-z]>=9, a>=2 in 64"]).clean();
    for part in [
        "condition: [a-z]>=9, a>=2 in 64",
        "frequency: bytes are counted for 2 terms first",
        "count 1: #1 a>=2 in 64, 8 bytes at a time",
        "count 2: #1 [a-z]>=9, 8 bytes at a time",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}
