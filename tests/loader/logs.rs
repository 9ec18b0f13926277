//! The verifier's words: each kind of bad program is loaded on the running kernel, and what the
//! reader makes of the log is compared with what is wrong with the program.
//!
//! `tests/golden/verifier_log` keeps such logs of several kernels with what is to be read in them.
//! `UPDATE_GOLDEN=1 cargo test --test loader logs` records those of the running kernel and rewrites
//! the readings of all; review the diff like any other change.

use std::{fmt::Write, fs, path::PathBuf};

use hardwire::{
    assembler::{Phase, ProgramImage},
    loader::{LoadError, LoadOptions, Program, VerifierLog, host, verifier_log::BRANCHES_MAX},
};
use proptest::prelude::*;

use super::{
    bad::{BAD, Bad, RAW},
    may_load,
};

fn golden_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/verifier_log")
}

/// Are the golden logs here? Not where the test runs without its sources, as in a guest.
fn have_golden() -> bool {
    let have = golden_dir().is_dir();
    if !have {
        assert!(!PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml").exists());
        eprintln!("skipped: the golden logs are not here");
    }
    have
}

fn updating() -> bool {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    assert!(!(update && std::env::var_os("CI").is_some()), "CI never rewrites expectations");
    update
}

/// Lines of a path that are recorded.
const PATH_LINES: usize = 6;

/// Bytes of a log that are kept: the end is what counts.
const KEPT_BYTES_MAX: usize = 4096;

/// What is read in a log, as the head of a golden file.
fn reading(kernel: &str, program: &str, log: &VerifierLog) -> String {
    let mut out = String::new();
    let mut line = |key: &str, value: &str| {
        writeln!(out, "{key}: {value}").expect("a string");
    };
    line("kernel", kernel);
    line("program", program);
    let registers: Vec<_> =
        log.registers.iter().map(|r| format!("{}={}", r.name, r.value)).collect();
    let all = registers.join(" ");
    line("slot", &log.slot.map_or("-".to_owned(), |slot| slot.to_string()));
    line("insn", log.insn.as_deref().unwrap_or("-"));
    line("registers", if registers.is_empty() { "-" } else { &all });
    line("reason", &log.reason);
    line("explanation", log.explanation.as_deref().unwrap_or("-"));
    line("advice", log.advice.as_deref().unwrap_or("-"));
    for (name, words) in log.registers_in_words() {
        line("words", &format!("{name} is {words}"));
    }
    for step in &log.path[log.path.len().saturating_sub(PATH_LINES)..] {
        let (slot, insn, to, times) = (step.slot, &step.insn, step.to, step.times);
        line("path", &format!("{slot}: {insn}, to {to}, {times} times"));
    }
    let around: Vec<_> = log.window.iter().map(|line| line.slot.to_string()).collect();
    line("window", &around.join(" "));
    line("processed", &log.stats.processed.map_or("-".to_owned(), |n| n.to_string()));
    out
}

fn header<'a>(file: &'a str, key: &str) -> &'a str {
    file.lines()
        .take_while(|line| *line != "---")
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
        .unwrap_or_default()
}

#[test]
fn logs_of_several_kernels_are_read_as_recorded() {
    if !have_golden() {
        return;
    }
    let update = updating();
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(golden_dir()).expect("there are golden logs") {
        let path = entry.expect("readable").path();
        let file = fs::read_to_string(&path).expect("text");
        let (expected, text) = file.split_once("---\n").unwrap_or_else(|| panic!("{path:?}"));
        let log = VerifierLog::read(text, true, None);
        let actual = reading(header(&file, "kernel"), header(&file, "program"), &log);
        if update {
            fs::write(&path, format!("{actual}---\n{text}")).expect("written");
        } else if actual != expected {
            failures.push(format!("{}:\nexpected\n{expected}\nread\n{actual}", path.display()));
        }
        count += 1;
    }
    assert!(count > 0);
    assert!(
        failures.is_empty(),
        "{}\nto accept: UPDATE_GOLDEN=1 cargo test --test loader logs",
        failures.join("\n")
    );
}

#[test]
fn what_is_wrong_with_each_bad_program_is_found_in_the_log() {
    if !may_load() {
        return;
    }
    let mut failures = Vec::new();
    for bad in BAD {
        let image = (bad.image)();
        let e = Program::load(&image, &LoadOptions::default()).expect_err(bad.what);
        let Some(log) = e.verifier_log() else { panic!("{}: {e:?}", bad.what) };
        failures.extend(wrong(bad, &image, Some(&e), log));
        if updating() {
            record(bad, log);
        }
    }
    for (bad, load) in RAW {
        let image = (bad.image)();
        let text = load(&image).expect_err(bad.what);
        let log = VerifierLog::read(&text, true, Some(&image));
        failures.extend(wrong(bad, &image, None, &log));
        if updating() {
            record(bad, &log);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is not as it should be in the reading of one log.
fn wrong(bad: &Bad, image: &ProgramImage, e: Option<&LoadError>, log: &VerifierLog) -> Vec<String> {
    let mut failures = Vec::new();
    let mut expect = |good: bool, what: &str| {
        if !good {
            let tail =
                &log.whole[log.whole.floor_char_boundary(log.whole.len().max(1500) - 1500)..];
            failures.push(format!(
                "{}: {what}\n  slot {:?} reason {:?}\n  explanation {:?}\n{tail}",
                bad.what, log.slot, log.reason, log.explanation
            ));
        }
    };
    if bad.slot.is_some() {
        expect(log.slot == bad.slot, &format!("stops at {:?}", bad.slot));
    }
    expect(bad.reason.iter().any(|r| log.reason.contains(r)), "the reason is another");
    let explained = log.explanation.as_deref().unwrap_or_default();
    expect(explained.contains(bad.explanation), &format!("explains {:?}", bad.explanation));
    expect(log.stats.processed.is_some(), "has statistics");
    expect(log.whole.contains(log.reason.split("; ").next().unwrap_or_default()), "quotes");
    expect(log.advice.as_deref().is_some_and(|advice| !advice.is_empty()), "says what to try");
    let text = e.map_or_else(|| log.to_string(), ToString::to_string);
    expect(!text.contains('\n') && text.contains(&log.reason), "one line");
    if let Some(slot) = log.slot {
        expect(log.window.iter().any(|line| line.slot == slot), "shows the instruction");
    }
    let origin = log.slot.and_then(|slot| image.index_at(slot)).map(|at| image.origin(at));
    expect(log.origin.as_ref() == origin, "the origin of the slot");
    failures
}

fn record(bad: &Bad, log: &VerifierLog) {
    let release = host::release().expect("proc is mounted");
    let version = host::version().expect("proc is mounted");
    let from = log.whole.len().saturating_sub(KEPT_BYTES_MAX);
    // Whole lines, so that the first one is not a half.
    let from = if from == 0 { 0 } else { from + log.whole[from..].find('\n').unwrap_or(0) + 1 };
    let text = &log.whole[from..];
    let kept = VerifierLog::read(text, true, None);
    let path = golden_dir().join(format!("{version}-{}.txt", bad.what));
    fs::create_dir_all(golden_dir()).expect("made");
    fs::write(path, format!("{}---\n{text}", reading(&release, bad.what, &kept))).expect("written");
}

#[test]
fn a_rejection_names_the_pattern_and_its_byte() {
    if !may_load() {
        return;
    }
    let bad = BAD.iter().find(|bad| bad.what == "no-bounds-check").expect("in the table");
    let e = Program::load(&(bad.image)(), &LoadOptions::default()).expect_err("rejected");
    let log = e.verifier_log().expect("by the verifier");
    let origin = log.origin.as_ref().expect("known");
    assert_eq!((origin.phase, origin.pattern, origin.byte), (Phase::Confirm, Some(1), Some(0)));
    let text = e.to_string();
    assert!(
        text.starts_with(
            "the verifier rejected program \"test\" at slot 2 (confirm: match \"G\" at +0; pattern 1, \
             byte 0): invalid access to packet, off=0 size=1, R2(id=0,off=0,r=0); R2 "
        ),
        "{text}"
    );
    assert!(log.register("R2").expect("printed").starts_with("pkt("));
    let said = [log.explanation.as_deref(), log.advice.as_deref()].map(Option::unwrap_or_default);
    assert_eq!(e.hint(), Some(said.join(": ")));
}

/// All golden logs as one text each, for tests that cut and garble them.
fn golden_texts() -> Vec<String> {
    fs::read_dir(golden_dir())
        .expect("there are golden logs")
        .map(|entry| fs::read_to_string(entry.expect("readable").path()).expect("text"))
        .collect()
}

/// What holds of every reading, whatever the text was.
fn check_limits(log: &VerifierLog) {
    // A line is cut at 400 bytes; words stand around a piece of it.
    const LINE_BYTES_MAX: usize = 1_000;
    let mut lines = vec![&log.reason];
    lines.extend(log.insn.iter().chain(&log.source).chain(&log.explanation).chain(&log.advice));
    lines.extend(log.path.iter().map(|branch| &branch.insn));
    lines
        .extend(log.window.iter().flat_map(|line| [Some(&line.text), line.why.as_ref()]).flatten());
    let words = log.registers_in_words();
    lines.extend(words.iter().map(|(_, words)| words));
    for line in lines {
        assert!(line.len() < LINE_BYTES_MAX && !line.contains('\n'), "{line:?}");
    }
    assert!(!log.reason.is_empty());
    assert!(log.path.len() <= BRANCHES_MAX && log.window.len() <= 10 && words.len() <= 11);
    assert!(log.registers.len() <= 11 + 512, "{}", log.registers.len());
    assert!(!log.to_string().contains('\n'));
}

#[test]
fn a_log_cut_anywhere_is_still_read() {
    if !have_golden() {
        return;
    }
    for text in golden_texts() {
        for at in (0..text.len()).filter(|&at| text.is_char_boundary(at)).step_by(41) {
            for part in [&text[..at], &text[at..]] {
                check_limits(&VerifierLog::read(part, false, None));
                check_limits(&VerifierLog::read_saved(part));
            }
        }
    }
}

/// Time and memory grow with the text, not faster, whatever is repeated in it.
#[test]
fn a_large_hostile_log_is_read_in_a_moment() {
    let since = std::time::Instant::now();
    let image = super::returning(2);
    for piece in [
        "0: (15) if r1 == 0x0 goto pc+1\n",
        "0: (15) if r1 == 0x0 goto pc+1\nfrom 0 to 2: R0=1\n",
        "from 0 to 2: R0=1\n",
        "\nfrom ",
        "bad\n",
        "R1=pkt(r=1) fp-8=m fp-504=m ",
        "; a line\n",
        "12: (b7) r0 = ",
        "(",
        "subprog 0 (x) insns_self 1 stack 8\n",
        "Verification failed: x\nReason:\n  because\n",
        "-- BEGIN PROG LOAD LOG --\n",
        "\t0: (95) exit\n",
    ] {
        let text = piece.repeat((2 << 20) / piece.len());
        check_limits(&VerifierLog::read(&text, true, Some(&image)));
        check_limits(&VerifierLog::read_saved(&text));
    }
    assert!(since.elapsed().as_secs() < 60, "{:?}", since.elapsed());
}

proptest! {
    /// Logs of several kernels, cut on both sides, put together and garbled.
    #[test]
    fn pieces_of_real_logs_are_read(
        pieces in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u16>()), 0..4),
        spoiled in prop::collection::vec((any::<u16>(), any::<u8>()), 0..8),
    ) {
        if have_golden() {
            static LOGS: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(golden_texts);
            let mut bytes = Vec::new();
            for (which, from, to) in pieces {
                let log = LOGS[usize::from(which) % LOGS.len()].as_bytes();
                let at = |place: u16| usize::from(place) % (log.len() + 1);
                let (from, to) = (at(from).min(at(to)), at(from).max(at(to)));
                bytes.extend(&log[from..to]);
            }
            for (at, byte) in spoiled {
                let len = bytes.len();
                if let Some(spot) = bytes.get_mut(usize::from(at) % len.max(1)) {
                    *spot = byte;
                }
            }
            let text = String::from_utf8_lossy(&bytes);
            check_limits(&VerifierLog::read_saved(&text));
            let image = super::returning(2);
            for complete in [true, false] {
                check_limits(&VerifierLog::read(&text, complete, Some(&image)));
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read(text in any::<String>()) {
        let log = VerifierLog::read(&text, true, None);
        check_limits(&log);
        prop_assert_eq!(log.whole, text);
    }

    /// Pieces of real logs in any order, some of them garbled.
    #[test]
    fn any_mix_of_pieces_of_logs_is_read(
        pieces in prop::collection::vec((
            prop::sample::select(vec![
                "0: R1=ctx() R10=fp0\n", "0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2=pkt(r=0)\n",
                "4294967295: (95) exit\n", "99999999999: (95) exit\n", "12: (", "(", ")", "; R", "R2=",
                "from 3 to 5: R0=0 R10=fp0\n", "from 3 to 5: safe\n", "\nfrom ", "callee:\n",
                " frame1: R1=scalar(var_off=(0x0; 0xff)) R10=fp0\n", "frame", "frame9999999999999999999999: R1=1\n",
                "to caller at 5:\n", "Verification failed: A: B\n", "Reason:\n  because\n", "At:\n  insn 4\n",
                "subprog 0 (x) insns_self 1 stack 8\n", "12: (b7) r0 = 1  ;\n", "R2 offset is outside of the packet\n", "R0 !read_ok\n", "R", "R1",
                "invalid access to packet, off=18446744073709551615 size=18446744073709551615, R2(id=0,off=0,r=0)\n",
                "invalid access to map value, value_size=8 off=18446744073709551615 size=4\n",
                "invalid mem access '", "type= expected=\n", "umax=", "umax=0x", "=",
                "unreachable insn 4294967295\n", "last insn is not an exit or jmp\n",
                "processed 18446744073709551616 insns (limit 1000000)\n", "stack depth 1+\n", "\u{301}\u{0}é",
            ]),
            any::<u8>(),
        ), 0..40),
    ) {
        let mut text = String::new();
        for (piece, cut) in &pieces {
            let to = piece.floor_char_boundary(usize::from(*cut) % (2 * piece.len()));
            text.push_str(&piece[..to.max(piece.floor_char_boundary(piece.len() / 2))]);
        }
        let image = super::returning(2);
        for complete in [true, false] {
            let log = VerifierLog::read(&text, complete, Some(&image));
            check_limits(&log);
        }
        check_limits(&VerifierLog::read_saved(&text));
    }
}
