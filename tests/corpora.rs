//! The reference matcher over real traffic with known answers: `tshark` says which frames have a
//! payload, Hyperscan which literals occur in it.
//!
//! The corpora are not part of the repository; without them these tests say so and pass.

use hardwire::capture::Reader;
use hardwire::compiler::ir::{FRAME_BYTES_MAX, Matcher, Outcome, Pattern, Report, Scope, Verdicts};
use hardwire::compiler::{reference, scope::Hook};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;

/// The folder of the corpora, or `None` with a word on stderr.
fn corpora() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    if !folder.is_dir() {
        eprintln!("skipped: no {}", folder.display());
        return None;
    }
    Some(folder)
}

fn matcher(patterns: Vec<Pattern>) -> Matcher {
    let (scope, report) = (Scope::Payload, Report::All);
    Matcher { patterns, scope, report, verdicts: Verdicts::default() }
}

/// Hand every frame of `packets/traffic.pcap` to `each`.
fn traffic(mut each: impl FnMut(u64, &[u8])) {
    let folder = corpora().expect("the caller has looked");
    let file = File::open(folder.join("packets/traffic.pcap")).expect("a readable file");
    let mut reader = Reader::new(file).expect("a capture");
    while let Some(frame) = reader.next_frame().expect("an undamaged capture") {
        each(frame.number, frame.data);
    }
}

#[derive(Deserialize)]
struct InScope {
    frame: u64,
    in_scope: bool,
    status: String,
}

#[test]
fn the_scope_of_every_frame_agrees_with_tshark() {
    let Some(folder) = corpora() else { return };
    let text = fs::read_to_string(folder.join("packets/traffic_scope.jsonl")).expect("a text");
    let truth: Vec<InScope> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let nothing = matcher(Vec::new());
    let mut frames = 0;
    let mut wrong = Vec::new();
    traffic(|number, frame| {
        let expected = &truth[frames];
        assert_eq!(expected.frame, number);
        let Outcome { in_scope, .. } = reference::search(&nothing, frame, Hook::Xdp);
        if in_scope != expected.in_scope {
            wrong.push(format!("frame {number}: {in_scope}, tshark says {}", expected.status));
        }
        frames += 1;
    });
    assert_eq!(frames, truth.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[derive(Deserialize)]
struct Occur {
    frame: u64,
    ids: Vec<u32>,
}

/// The literals of a set: one a line, `\xNN` for bytes.
fn literals(text: &str) -> Vec<Pattern> {
    let unescape = |line: &str| {
        let mut bytes = Vec::new();
        let mut parts = line.split("\\x");
        bytes.extend(parts.next().into_iter().flat_map(str::bytes));
        for part in parts {
            bytes.push(u8::from_str_radix(&part[..2], 16).expect("two hex digits"));
            bytes.extend(part[2..].bytes());
        }
        bytes
    };
    let pattern = |(id, line)| Pattern::literal(id, unescape(line));
    (1..).zip(text.lines()).map(pattern).collect()
}

/// The ids of every frame with a match, and of every `step`th without one, for a set of `count`
/// literals. Without optimisation the reference takes about ten microseconds for a frame and a
/// literal, so the everyday tests leave frames out.
#[track_caller]
fn check_literals(count: usize, step: u64) {
    let Some(folder) = corpora() else { return };
    let read = |name: String| fs::read_to_string(folder.join("literals").join(name)).expect(".");
    let matcher = matcher(literals(&read(format!("set_{count}.txt"))));
    assert_eq!(matcher.patterns.len(), count);
    let mut truth: HashMap<u64, Vec<u32>> = HashMap::new();
    for line in read(format!("truth_{count}.jsonl")).lines() {
        let Occur { frame, ids } = serde_json::from_str(line).expect("a line of JSON");
        truth.insert(frame, ids);
    }
    let mut wrong = Vec::new();
    traffic(|number, frame| {
        if !truth.contains_key(&number) && number % step != 0 {
            return;
        }
        let outcome = reference::search(&matcher, frame, Hook::Xdp);
        let found: Vec<u32> = outcome.matches.iter().map(|found| found.id).collect();
        let expected = truth.remove(&number).unwrap_or_default();
        if found != expected {
            wrong.push(format!("frame {number}: {found:?}, Hyperscan says {expected:?}"));
        }
        assert!(outcome.searched || frame.len() > FRAME_BYTES_MAX.try_into().expect("small"));
    });
    assert!(truth.is_empty(), "frames that the capture does not have: {truth:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reference_finds_thousands_of_literals_where_hyperscan_does() {
    check_literals(10, 1);
    check_literals(100, 1);
    check_literals(1000, 1);
    check_literals(2263, 1);
}
