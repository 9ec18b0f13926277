//! Golden files of what is generated: a listing per strategy, and one program in every form. They
//! are reviewed like code; `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew, which is
//! refused under CI.
//!
//! And that they can be golden at all: the same patterns and target give the same bytes in every
//! run, in every process, whatever its environment is.

use std::{env, fs, path::PathBuf, process::Command};

use hardwire::{
    assembler::{ProgramImage, Target, dot, emit, listing::Listing, target::KernelVersion},
    compiler::{
        self, Entry, Events, Options,
        event::record::Direction,
        ir::{Matcher, Pattern, Report, Scope, Verdict, Verdicts},
    },
};

/// One golden listing.
struct Case {
    name: &'static str,
    literals: &'static [&'static str],
    ignore_case: bool,
    scope: Scope,
    report: Report,
    entry: Entry,
    /// The kernel, and whether the program may have `CAP_PERFMON`.
    target: ((u16, u16), bool),
    /// Drops what it finds, with events of 20 bytes and a limit for each source.
    told: bool,
    /// What the plan must say, so that each strategy has its file.
    strategy: &'static str,
}

/// Six literals of four bytes and more: too many to be searched one by one.
const SET: &[&str] = &["GET /", "POST", "/etc/passwd", "cmd.exe", "SELECT", "union"];

const PLAIN: Case = Case {
    name: "",
    literals: &["GET /"],
    ignore_case: false,
    scope: Scope::Raw,
    report: Report::First,
    entry: Entry::Xdp,
    target: ((6, 18), true),
    told: false,
    strategy: "pair-swar",
};

/// Long enough to be looked for at every few positions only.
const LONG: Case = Case { literals: &["GET /admin"], strategy: "window-multiply", ..PLAIN };

const CASES: &[Case] = &[
    Case { name: "pair", ..PLAIN },
    Case { name: "pair-payload", scope: Scope::Payload, ..PLAIN },
    Case { name: "pair-ignoring-case", ignore_case: true, ..PLAIN },
    Case { name: "pair-socket", entry: Entry::SocketFilter, ..PLAIN },
    Case { name: "pair-tc", entry: Entry::Tc(Direction::Egress), scope: Scope::Payload, ..PLAIN },
    Case { name: "pair-without-perfmon", target: ((6, 18), false), ..PLAIN },
    Case { name: "pair-5.10", target: ((5, 10), true), ..PLAIN },
    Case { name: "pair-two-all", literals: &["GET ", "x"], report: Report::All, ..PLAIN },
    Case { name: "told", told: true, scope: Scope::Payload, ..PLAIN },
    Case { name: "told-tc", told: true, entry: Entry::Tc(Direction::Ingress), ..PLAIN },
    Case { name: "told-5.10", told: true, target: ((5, 10), true), ..PLAIN },
    Case { name: "multiply", ..LONG },
    Case { name: "multiply-socket", entry: Entry::SocketFilter, ..LONG },
    Case { name: "fingerprint", literals: SET, strategy: "fingerprint", ..PLAIN },
    Case {
        name: "fingerprint-of-one",
        literals: &["<iframe src=\"http://198.51.100.7/"],
        strategy: "fingerprint",
        ..PLAIN
    },
    Case {
        name: "fingerprint-socket-all",
        literals: &["GET /", "/etc/passwd", "cmd.exe", "SELECT", "union"],
        report: Report::All,
        ignore_case: true,
        entry: Entry::SocketFilter,
        strategy: "fingerprint",
        ..PLAIN
    },
    Case {
        name: "set",
        literals: SET,
        report: Report::All,
        target: ((6, 18), false),
        strategy: "gram-set",
        ..PLAIN
    },
    Case {
        name: "mixed",
        target: ((6, 18), false),
        literals: &["GET /", "POST", "/etc/passwd", "cmd.exe", "SELECT", "union", "ab"],
        strategy: "mixed",
        ..PLAIN
    },
    Case { name: "nothing", literals: &[], strategy: "nothing", ..PLAIN },
];

fn compile(case: &Case) -> (ProgramImage, &'static str) {
    let pattern = |(index, text): (usize, &&str)| {
        let id = u32::try_from(index + 1).expect("few");
        Pattern::literal(id, text.as_bytes()).ignoring_case(case.ignore_case)
    };
    let matcher = Matcher {
        patterns: case.literals.iter().enumerate().map(pattern).collect(),
        scope: case.scope,
        report: case.report,
        verdicts: if case.told {
            Verdicts { on_match: Verdict::Drop, ..Verdicts::default() }
        } else {
            Verdicts::default()
        },
    };
    let options = Options {
        events: case.told.then_some(Events { snap: 20, ring_bytes: 1 << 20 }),
        source_limit: case.told,
        ..Options::default()
    };
    let ((major, minor), perfmon) = case.target;
    let target = Target { perfmon, ..Target::of_version(KernelVersion::new(major, minor)) };
    let compiled = compiler::compile(&matcher, case.entry, &target, &options);
    let compiled = compiled.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    (compiled.image, compiled.plan.strategy())
}

/// Compare with the file, or write it.
fn check(name: &str, got: &str, wrong: &mut Vec<String>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/listing").join(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        assert!(env::var_os("CI").is_none(), "UPDATE_GOLDEN is refused under CI");
        fs::write(&path, got).expect("a writable folder");
        return;
    }
    let want = fs::read_to_string(&path).unwrap_or_default();
    if want == got {
        return;
    }
    let differs = want.lines().zip(got.lines()).position(|(want, got)| want != got);
    let line = differs.unwrap_or(want.lines().count().min(got.lines().count()));
    let (was, is) = (want.lines().nth(line), got.lines().nth(line));
    wrong.push(format!("{name} line {}: was {was:?}, is {is:?}", line + 1));
}

#[test]
fn every_strategy_generates_what_was_reviewed() {
    let mut wrong = Vec::new();
    for case in CASES {
        let (image, strategy) = compile(case);
        assert_eq!(strategy, case.strategy, "{}", case.name);
        check(&format!("{}.s", case.name), &Listing::new(&image).to_string(), &mut wrong);
    }
    // The shortest of them in every form.
    let nothing = CASES.iter().find(|case| case.strategy == "nothing").expect("it is there");
    let (image, _) = compile(nothing);
    let labels = Listing::new(&image).labels(true).to_string();
    let all = Listing::new(&image).labels(true).slots(true).bytes(true).to_string();
    check("form-labels.s", &labels, &mut wrong);
    check("form-all.s", &all, &mut wrong);
    check("form.hex", &emit::hex(&image), &mut wrong);
    check("form.c", &emit::c(&image), &mut wrong);
    check("form.dot", &dot::dot(&image), &mut wrong);
    let rewrite = "UPDATE_GOLDEN=1 cargo test --test golden writes the files; review the diff";
    assert!(wrong.is_empty(), "{}\n{rewrite}", wrong.join("\n"));
}

#[test]
fn the_same_patterns_give_the_same_bytes_in_every_run() {
    for case in CASES {
        let first = compile(case).0;
        let elsewhere =
            std::thread::scope(|scope| scope.spawn(|| compile(case).0).join().expect("no panic"));
        assert_eq!(compile(case).0, first, "{}", case.name);
        assert_eq!(elsewhere, first, "{}: in another thread", case.name);
    }
}

/// Hash tables are seeded anew in each process, addresses and the environment differ.
#[test]
fn the_same_patterns_give_the_same_bytes_in_every_process() {
    for form in ["listing", "hex", "raw", "c", "json", "dot"] {
        let mut runs = Vec::new();
        for (folder, language) in [("/", "C"), ("/tmp", "de_DE.UTF-8"), ("/proc", "tr_TR.UTF-8")] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_hardwire"));
            command.args(["compile", "--target", "6.18", "--report", "all", "--emit", form]);
            for literal in SET {
                command.args(["-e", literal]);
            }
            command.env_clear().env("LANG", language).env("HOME", folder).current_dir(folder);
            let ran = command.output().expect("the binary starts");
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
            runs.push(ran.stdout);
        }
        assert!(!runs[0].is_empty());
        assert!(runs.iter().all(|run| *run == runs[0]), "{form} differs");
    }
}
