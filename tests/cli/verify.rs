//! `verify`: what is told of programs that a kernel takes, of such that it rejects, and of the logs
//! of others.
//!
//! `tests/golden/verify` keeps what is told of each log in `tests/golden/verifier_log`, by kernel.
//! `UPDATE_GOLDEN=1 cargo test --test cli verify` rewrites it; review the diff like any other change.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::{File, may_attach, run, run_with};

/// A program that checks for 12 bytes and reads 16.
const BAD: &str = "\
r2 = *(u32 *)(r1 +0)
r3 = *(u32 *)(r1 +4)
r4 = r2
r4 += 12
if r4 > r3 goto short
r0 = *(u64 *)(r2 +8)
short:
r0 = 2
exit
";

fn golden(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder)
}

/// The logs that are kept, without what is known about them: kernel and program, and the text.
fn logs() -> Vec<(String, String, String)> {
    let mut paths: Vec<_> = fs::read_dir(golden("verifier_log"))
        .expect("kept")
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let (kernel, program) = name.split_once('-').expect("kernel and program");
        let file = fs::read_to_string(path).expect("text");
        let (_, log) = file.split_once("---\n").expect("a head");
        (kernel.to_owned(), program.to_owned(), log.to_owned())
    };
    paths.iter().map(read).collect()
}

#[test]
fn every_kept_log_is_explained_as_recorded() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    assert!(!(update && std::env::var_os("CI").is_some()), "CI never rewrites expectations");
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for (kernel, program, log) in logs() {
        let got = run_with(&["verify", "--read-log", "-"], log).clean();
        let all = told.entry(kernel).or_default();
        writeln!(all, "== {program}\n{got}").expect("a string");
    }
    assert!(told.len() >= 5);
    for (kernel, got) in told {
        let path = golden("verify").join(format!("{kernel}.txt"));
        if update {
            fs::create_dir_all(golden("verify")).expect("made");
            fs::write(&path, got).expect("written");
            continue;
        }
        let want = fs::read_to_string(&path).unwrap_or_default();
        let different = got.lines().zip(want.lines()).find(|(got, want)| got != want);
        assert!(
            got == want,
            "{}: {different:?}\nto accept: UPDATE_GOLDEN=1 cargo test --test cli verify",
            path.display()
        );
    }
}

#[test]
fn a_rejected_program_is_told_with_cause_advice_path_and_surroundings() {
    if !may_attach() {
        return;
    }
    let file = File::new("bad.txt", BAD);
    let got = run(["verify", "--asm", file.name()]);
    got.complains(1, &["the verifier rejected", "slot 5", "compare r2 + 16 with data_end first"]);
    for part in [
        "rejected at slot 5\n",
        "  cause      r2 is a packet pointer with 12 bytes proven readable, this needs bytes 8 to 15\n",
        "  try        compare r2 + 16 with data_end first\n",
        "  verifier   invalid access to packet, off=8 size=8, R2(id=0,off=8,r=12)",
        "  r2         a packet pointer, 0..12 bytes proven readable, the load needs 16\n",
        "  path       slot 4: if r4 > r3 goto pc+1: not taken\n",
        "        4: (2d) if r4 > r3 goto pc+1\n",
        "  >     5: (79) r0 = *(u64 *)(r2 +8)\n",
        "        7: (95) exit\n",
        "6 instructions were processed until then\n",
    ] {
        assert!(got.out.contains(part), "no {part:?} in {}", got.out);
    }
    assert!(!got.out.contains("the verifier's log"), "{}", got.out);

    let full = run_with(&["verify", "--asm", "-", "--log", "full"], BAD);
    assert_eq!(full.code, 1);
    assert!(full.out.contains("the verifier's log\n0: R1=ctx() R10=fp0\n"), "{}", full.out);

    let args = ["verify", "--asm", file.name()];
    let json = run(args.iter().chain(&["--log", "json"]));
    assert_eq!((json.code, json.err.as_str()), (1, ""));
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((&json["accepted"], &json["slot"]), (&false.into(), &5.into()));
    assert_eq!(json["path"][0]["slot"], 4);
    assert_eq!(json["path"][0]["taken"], false);
    assert_eq!(json["window"].as_array().map(Vec::len), Some(8));
    let words = json["registers_in_words"]["r2"].as_str().expect("words");
    assert!(words.starts_with("a packet pointer"), "{words}");
    assert!(json["log"].as_str().is_some_and(|log| log.starts_with("0: R1=ctx()")));
    assert!(json["advice"].is_string() && json["explanation"].is_string());
    let plain: Value = serde_json::from_str(&run(args.iter().chain(&["--json"])).out).unwrap();
    assert_eq!(plain["log"], Value::Null);
}

#[test]
fn an_accepted_program_is_told_with_what_it_costs() {
    if !may_attach() {
        return;
    }
    let good = BAD.replace("12", "16");
    for (args, text) in [
        (&["verify", "--asm", "-"][..], good.as_str()),
        (&["verify", "-e", "GET /admin"], ""),
        (&["verify", "-e", "GET /admin", "--type", "socket"], ""),
        (&["verify", "--asm", "-", "--type", "socket"], "r0 = 0\nexit\n"),
        (&["verify", "--asm", "-"], run(["compile", "-e", "GET /admin"]).clean().as_str()),
    ] {
        let got = run_with(args, text).clean();
        assert!(got.starts_with("accepted"), "{args:?}: {got}");
        for row in ["slots  ", "processed  ", "states  ", "stack  ", "time  ", "machine code "] {
            assert!(got.contains(&format!("\n  {row}")), "no {row:?} in {got}");
        }
        let json = run_with(&[args, &["--json"]].concat(), text).clean();
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["accepted"], true);
        for key in ["slots", "processed", "processed_max", "states", "load_ms", "verify_ms"] {
            assert!(json[key].is_number(), "no {key} in {json}");
        }
        assert!(json["stack_bytes"].is_array() && json["jited_bytes"].is_number());
    }
}

#[test]
fn logs_are_read_from_files_and_from_what_loaders_print() {
    let (_, _, log) = logs().into_iter().find(|log| log.1 == "bounds-check-too-short").unwrap();
    let want = run_with(&["verify", "--read-log", "-"], &log).clean();
    let file = File::new("saved.log", &log);
    assert_eq!(run(["verify", "--read-log", file.name()]).clean(), want);
    let libbpf = format!(
        "libbpf: prog 'x': BPF program load failed: Permission denied\n\
         libbpf: prog 'x': -- BEGIN PROG LOAD LOG --\n{log}libbpf: prog 'x': -- END PROG LOAD LOG --\n\
         libbpf: prog 'x': failed to load: -13\n"
    );
    assert_eq!(run_with(&["verify", "--read-log", "-"], libbpf).clean(), want);
    let full = run_with(&["verify", "--read-log", "-", "--log", "full"], &log).clean();
    assert!(full.starts_with(&want) && full.contains(log.trim_end()), "{full}");
    assert_eq!(run_with(&["verify", "--read-log", "-"], &full).clean(), want, "our own words");
    run_with(&["verify", "--read-log", "-"], &want)
        .complains(1, &["what `hardwire verify` said of a log", "verify --log"]);
    let json = run_with(&["verify", "--read-log", "-", "--json"], &log).clean();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["accepted"], &json["complete"]), (&false.into(), &true.into()));

    // Escape sequences are for nobody's terminal.
    let coloured = log.replace("invalid access", "\x1b[31minvalid access");
    let got = run_with(&["verify", "--read-log", "-", "--log", "full"], coloured);
    assert!(!got.out.contains('\x1b'), "{}", got.out);

    let success = "0: (b7) r0 = 2\n1: (95) exit\nverification time 12 usec\nstack depth 0\n\
                   processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 \
                   peak_states 0 mark_read 0\n";
    let got = run_with(&["verify", "--read-log", "-"], success).clean();
    assert!(got.starts_with("accepted") && got.contains("2 instructions of at most"), "{got}");
}

#[test]
fn what_is_no_log_or_not_all_of_one_is_told_as_such() {
    let read = ["verify", "--read-log", "-"];
    for text in ["", "\n", "hello\n", "{\"accepted\":true}", "\u{0}\u{1}"] {
        run_with(&read, text).complains(1, &["no log of the BPF verifier", "save what the loader"]);
    }
    run_with(&read, b"\xff\xfe\xff").complains(1, &["no log of the BPF verifier"]);
    run(["verify", "--read-log", "/"]).complains(1, &["cannot read /", "name a file"]);
    run(["verify", "--read-log", "/nonexistent"]).complains(1, &["cannot open", "/nonexistent"]);
    let (_, _, log) = logs().into_iter().find(|log| log.1 == "bounds-check-too-short").unwrap();
    let cut = &log[..log.find("verification time").expect("its end")];
    let got = run_with(&read, cut);
    assert_eq!(got.code, 0, "{got:?}");
    assert!(got.err.contains("warning: -: the log has no end"), "{}", got.err);
    assert!(got.out.contains("compare r2 + 16"), "{}", got.out);
}

#[test]
fn what_to_verify_is_one_thing() {
    for args in [
        &["verify", "--asm", "x", "-e", "a"][..],
        &["verify", "--asm", "x", "--read-log", "y"],
        &["verify", "--read-log", "x", "-i"],
        &["verify", "--read-log", "x", "--type", "socket"],
        &["verify", "--asm", "x", "--target", "6.1"],
        &["verify", "--log", "much", "-e", "a"],
    ] {
        assert_eq!(run(args).code, 2, "{args:?}");
    }
    run_with(&["verify", "--asm", "-"], "").complains(1, &["no instruction", "exit"]);
    run_with(&["verify", "--asm", "-"], "r0 <> 1\n").complains(1, &["line 1", "disasm"]);
    run_with(&["verify", "--asm", "-"], ".slot 0xffffffffffffffff\n")
        .complains(1, &["line 1", "a raw slot is no instruction", "instructions only"]);
    run_with(&["verify", "--asm", "-"], "r1 = map[0]\nexit\n")
        .complains(1, &["line 1", "map 0 is not declared", ".map"]);
}

/// The blocks of the README: the program, and what was said about it.
#[test]
fn the_readme_shows_what_verify_says() {
    let readme =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("text");
    let block = |begin: &str| {
        let from = readme.find(begin).expect("in the README");
        readme[from..].split("```").next().expect("a block").to_owned()
    };
    if !may_attach() {
        return;
    }
    let got = run_with(&["verify", "--asm", "-"], block(".program get xdp"));
    got.complains(1, &["the verifier rejected"]);
    let shown = block("rejected at slot 6");
    // The kernel's own words differ between releases.
    let ours = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with("  verifier ")).map(str::to_owned).collect()
    };
    assert_eq!(ours(&got.out), ours(&shown));
}
