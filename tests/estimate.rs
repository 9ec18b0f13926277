//! What `explain` says a program will cost, against what the verifier says it did.
//!
//! The estimate was fitted to Linux 6.18, so only there it is held to its promise; on other kernels
//! the test says how far off it is.

use hardwire::{
    assembler::{KernelVersion, Target},
    compiler::{
        self, Entry, Events, Options,
        ir::{Matcher, Pattern, Report, Scope, Verdict, Verdicts},
    },
    loader::{LoadOptions, Program, host},
};
use std::path::PathBuf;

/// The kernel that the coefficients come from.
const FITTED_TO: KernelVersion = KernelVersion::new(6, 18);
/// Largest error, as a part of what the verifier said.
const ERROR_MAX: f64 = 0.20;

const WORDS: &str = "GET /admin|/etc/passwd|union select all|<script>alert(|cmd.exe /c dir|User-Agent: \
sqlmap|powershell -enc|../../../../|\\x90\\x90\\x90\\x90|SELECT * FROM information_schema|wp-login.php|\
eval(base64_decode|Authorization: Basic|X-Forwarded-For|jndi:ldap://|/bin/sh -c|passwd|root|ab|#";

/// The sets of the shared corpora, if they are there, and one of our own.
fn sets() -> Vec<(String, Vec<Vec<u8>>)> {
    let own = WORDS.split('|').map(|word| word.as_bytes().to_vec()).collect();
    let mut sets = vec![("own words".to_owned(), own)];
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora/literals");
    for size in [10, 100, 1000, 2263] {
        match std::fs::read(folder.join(format!("set_{size}.txt"))) {
            Ok(text) => {
                let patterns = compiler::pattern::file::parse(&text);
                let literals = patterns.expect("a set of the corpora").into_iter();
                sets.push((
                    format!("set of {size}"),
                    literals
                        .map(|l| l.pattern.lower(1).expect("a literal"))
                        .map(|p| p.as_literal().expect("a literal").bytes.clone())
                        .collect(),
                ));
            }
            Err(_) => eprintln!("skipped: the corpora are not here"),
        }
    }
    sets
}

fn pattern(bytes: &[u8], ignore_case: bool) -> Pattern {
    Pattern::literal(0, bytes).ignoring_case(ignore_case)
}

/// Estimate and truth.
fn both(literals: &[Vec<u8>], ignore_case: bool, entry: Entry, scope: Scope) -> Option<(u64, u64)> {
    let mut patterns: Vec<Pattern> = literals.iter().map(|b| pattern(b, ignore_case)).collect();
    for (id, pattern) in (1..).zip(&mut patterns) {
        pattern.id = id;
    }
    let matcher = Matcher { patterns, scope, report: Report::All, verdicts: Verdicts::default() };
    let compiled = compiler::compile(&matcher, entry, &Target::newest(), &Options::default())
        .expect("compiles");
    let program = match Program::load(&compiled.image, &LoadOptions::default()) {
        Ok(program) => program,
        Err(error) => {
            let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
            assert!(!required, "KERNEL_TESTS=required, but {error}");
            eprintln!("skipped: {error}");
            return None;
        }
    };
    let truth = program.info().expect("its own program").verified_insns?;
    Some((compiled.estimate.processed.value, truth.into()))
}

/// A loop that is followed without an end would be told as one that no verifier takes, and cut up for it.
#[test]
fn no_entry_and_no_option_has_a_few_literals_searched_by_several_programs() {
    let patterns = (1..).zip(["needle", "haystack", "straw", "barn"]);
    let patterns = patterns.map(|(id, text)| Pattern::literal(id, text)).collect();
    let on_match = Verdict::Drop;
    let verdicts = Verdicts { on_match, ..Verdicts::default() };
    let matcher = Matcher { patterns, scope: Scope::Payload, report: Report::All, verdicts };
    let told =
        Options { events: Some(Events::default()), source_limit: true, ..Options::default() };
    for entry in Entry::ALL {
        for options in [Options::default(), told] {
            let compiled = compiler::compile(&matcher, entry, &Target::newest(), &options);
            let compiled = compiled.expect("compiles");
            assert!(compiled.tails.is_empty(), "{entry:?}: {}", compiled.plan.why);
            let nearest = compiled.estimate.nearest();
            assert!(nearest.ratio() < 0.1, "{entry:?}: {nearest:?}");
        }
    }
}

#[test]
fn the_estimate_is_within_a_fifth_of_what_the_verifier_says() {
    let running = host::version().expect("a version");
    let promised = (running.major, running.minor) == (FITTED_TO.major, FITTED_TO.minor);
    let mut asked = Vec::new();
    for (name, literals) in sets() {
        for entry in [Entry::Xdp, Entry::SocketFilter] {
            for scope in [Scope::Payload, Scope::Raw] {
                asked.push((
                    format!("{name} {entry:?} {scope:?}"),
                    literals.clone(),
                    false,
                    entry,
                    scope,
                ));
                // And its members one by one, some of them in either case.
                let step = literals.len().div_ceil(12);
                for (at, literal) in literals.iter().enumerate().step_by(step) {
                    let what = format!("{} {entry:?} {scope:?}", literal.escape_ascii());
                    asked.push((what, vec![literal.clone()], at % 3 == 0, entry, scope));
                }
            }
        }
    }
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (what, literals, ignore_case, entry, scope) in asked {
        let Some((estimate, truth)) = both(&literals, ignore_case, entry, scope) else { return };
        #[allow(clippy::cast_precision_loss, reason = "a ratio")]
        let error = estimate as f64 / truth as f64 - 1.0;
        compared += 1;
        if error.abs() > ERROR_MAX {
            wrong.push(format!("{what}: {estimate}, but {truth} ({:+.0} %)", error * 100.0));
        }
    }
    println!("{compared} compared on Linux {running}, {} off by more than a fifth", wrong.len());
    if promised {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    } else {
        println!("not promised there: {}", wrong.join("\n"));
    }
}
