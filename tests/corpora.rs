//! The reference matcher over real traffic with known answers: `tshark` says which frames have a
//! payload, Hyperscan which literals occur in it. Conditions, by all engines, against a count of our own.
//!
//! The corpora are not part of the repository; without them these tests say so and pass.

use hardwire::assembler::Target;
use hardwire::capture::Reader;
use hardwire::compiler::frequency::Condition;
use hardwire::compiler::ir::{
    Body, FRAME_BYTES_MAX, Matcher, Outcome, Pattern, Report, Scope, Verdicts, Window,
};
use hardwire::compiler::scope::{Hook, scope_of};
use hardwire::compiler::{self, Entry, Options, reference};
use hardwire::engine::{Engine, Kernel, Reference, Vm};
use hardwire::loader::{Capability, capability};
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

/// How many bytes that count the fullest run of `n` bytes has: every run is counted anew.
fn fullest(payload: &[u8], n: usize, counts: impl Fn(u8) -> bool) -> usize {
    let count = |run: &[u8]| run.iter().filter(|byte| counts(**byte)).count();
    if payload.len() <= n {
        count(payload)
    } else {
        payload.windows(n).map(count).max().unwrap_or(0)
    }
}

type Says = fn(&[u8]) -> bool;

/// Conditions, and the same in other words.
const CONDITIONS: [(&str, Says); 8] = [
    ("e>=20", |p| p.iter().filter(|b| **b == b'e').count() >= 20),
    ("0x00>=8 in 64", |p| p.iter().take(64).filter(|b| **b == 0).count() >= 8),
    ("\\n<=3, [a-z]>=1", |p| {
        p.iter().filter(|b| **b == b'\n').count() <= 3 && p.iter().any(u8::is_ascii_lowercase)
    }),
    ("[^ -~]>=30 in any 32", |p| fullest(p, 32, |b| !(b' '..=b'~').contains(&b)) >= 30),
    ("[0-9]<=6 in any 20", |p| fullest(p, 20, |b| b.is_ascii_digit()) <= 6),
    ("[\\x00-\\xff]>=100, [\\x80-\\xff]=0", |p| p.len() >= 100 && p.is_ascii()),
    ("[aeiou]>=10 in 100", |p| p.iter().take(100).filter(|b| b"aeiou".contains(b)).count() >= 10),
    ("[02468acegikmoqsuwy]>=200 in any 700", |p| {
        fullest(p, 700, |b| b"02468acegikmoqsuwy".contains(&b)) >= 200
    }),
];

/// Goal: conditions say of real frames what counting says, in the reference, the vm and the kernel.
#[test]
fn conditions_agree_with_an_independent_count_over_every_frame() {
    if corpora().is_none() {
        return;
    }
    let may = loads();
    for (number, (text, says)) in CONDITIONS.into_iter().enumerate() {
        let window = Window::default();
        let condition = Condition::parse(text.as_bytes(), false, window).expect("good");
        let pattern = Pattern { id: 1, body: Body::Frequency(condition), window };
        let matcher = matcher(vec![pattern]);
        let (entry, target) = (Entry::Xdp, Target::newest());
        let compiled = compiler::compile(&matcher, entry, &target, &Options::default());
        let image = compiled.expect("compiles").image;
        let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(Reference::new(&matcher, entry))];
        engines.push(Box::new(Vm::new(&matcher, entry, &image).expect("the vm takes it")));
        if may {
            engines.push(Box::new(Kernel::new(&matcher, entry, &image).expect("it loads")));
        }
        let (mut held, mut frames) = (0, 0);
        traffic(|frame, data| {
            frames += 1;
            let payload = scope_of(data, Scope::Payload, Hook::Xdp).map(|range| &data[range]);
            let expected = payload.is_some_and(says);
            held += u32::from(expected);
            for engine in &mut engines {
                // The vm is slow without optimisation; the kernel is asked about every frame.
                if engine.name() == "vm"
                    && !(frame + u64::try_from(number).expect("eight")).is_multiple_of(7)
                {
                    continue;
                }
                let Ok(outcome) = engine.answer(data) else { continue };
                let found = !outcome.matches.is_empty();
                assert_eq!(found, expected, "{}: {text} in frame {frame}", engine.name());
            }
        });
        assert!(held > 0 && held < frames, "{text}: {held} of {frames} say nothing");
    }
}

/// May this process load programs? If not, and it must, panic.
fn loads() -> bool {
    let needed = [Capability::Bpf, Capability::NetAdmin, Capability::Perfmon];
    let missing = capability::missing(&needed);
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(missing.is_empty() || !required, "KERNEL_TESTS=required, but missing {missing:?}");
    if !missing.is_empty() {
        eprintln!("skipped: the kernel engine, for lack of {missing:?}");
    }
    missing.is_empty()
}
