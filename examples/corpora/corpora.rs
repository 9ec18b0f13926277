//! The patterns of the shared corpora, as they are written there, alone and put together to sets.

use std::{collections::HashSet, error::Error, fs, path::Path};

use hardwire::compiler::{
    ir::Window,
    pattern::{Syntax, Written, file},
};
use serde::Deserialize;

/// Patterns in one set of regular expressions, or of those mixed with literals; and how many such sets.
const MIXED: [(usize, usize); 3] = [(10, 20), (100, 5), (1000, 1)];

/// What one program is to search for.
pub(crate) struct Subject {
    /// Which table it belongs to, and which row.
    pub(crate) kind: String,
    /// How it is called where it is shown.
    pub(crate) text: String,
    /// The patterns.
    pub(crate) patterns: Vec<Written>,
}

#[derive(Deserialize)]
struct Case {
    pattern: String,
    #[serde(default)]
    flags: String,
}

#[derive(Deserialize)]
struct CrateCase {
    group: String,
    name: String,
    patterns: Vec<String>,
    compiles: bool,
    case_insensitive: bool,
    unicode: bool,
}

#[derive(Deserialize)]
struct AhoCase {
    name: String,
    patterns_hex: Vec<String>,
    nocase: bool,
}

#[derive(Deserialize)]
struct Rule {
    contents: Vec<Content>,
}

#[derive(Deserialize)]
struct Content {
    hex: String,
    nocase: bool,
    offset: Option<u32>,
    depth: Option<u32>,
    distance: Option<i64>,
    within: Option<i64>,
}

/// Every pattern on its own, and the cases of two crates.
pub(crate) fn alone(folder: &Path) -> Result<Vec<Subject>, Box<dyn Error>> {
    let mut subjects = Vec::new();
    let mut each = |kind: &str, patterns: Vec<Written>| {
        subjects.extend(patterns.into_iter().map(|pattern| Subject {
            kind: kind.to_owned(),
            text: String::from_utf8_lossy(&pattern.text).into_owned(),
            patterns: vec![pattern],
        }));
    };
    each("literals/set_*.txt", literals(folder)?);
    each("rules: contents", contents(folder)?);
    each("regex/cases.jsonl", expressions(folder, "cases")?);
    each("regex/refuse.jsonl", expressions(folder, "refuse")?);
    of_crates(folder, &mut subjects)?;
    Ok(subjects)
}

/// Sets of the patterns that are `good`.
pub(crate) fn sets(
    folder: &Path,
    good: &HashSet<&Written>,
) -> Result<Vec<Subject>, Box<dyn Error>> {
    let known = |patterns: Vec<Written>| -> Vec<Written> {
        patterns.into_iter().filter(|pattern| good.contains(pattern)).collect()
    };
    let mut subjects = Vec::new();
    let mut whole = |patterns: Vec<Written>, what: &str| {
        let kind = format!("{} {what}", patterns.len());
        subjects.push(Subject { text: kind.clone(), kind, patterns });
    };
    for set in literal_sets(folder)? {
        whole(known(set), "literals");
    }
    let contents = known(contents(folder)?);
    for most in [100, 1000, usize::MAX] {
        let step = contents.len().div_ceil(most).max(1);
        whole(contents.iter().step_by(step).cloned().collect(), "contents of rules");
    }
    let expressions = known(expressions(folder, "cases")?);
    let literals = known(literals(folder)?);
    let pairs = expressions.iter().zip(literals.iter().cycle());
    let mixed: Vec<_> = pairs.flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    for (most, sets) in MIXED {
        let half = most / 2;
        together(&format!("{most} expressions"), &expressions, (most, sets), &mut subjects);
        let kind = format!("{half} expressions and {half} literals");
        together(&kind, &mixed, (most, sets), &mut subjects);
    }
    Ok(subjects)
}

/// Sets of `most` patterns: `sets` of them, evenly from all of `patterns`.
fn together(
    kind: &str,
    patterns: &[Written],
    (most, sets): (usize, usize),
    subjects: &mut Vec<Subject>,
) {
    let chunks = patterns.chunks_exact(most);
    let step = chunks.len().div_ceil(sets).max(1);
    for (number, set) in (1..).zip(chunks).step_by(step) {
        let texts = set.iter().map(|written| String::from_utf8_lossy(&written.text));
        let text = format!("{number}: {}", texts.collect::<Vec<_>>().join("  "));
        subjects.push(Subject { kind: kind.to_owned(), text, patterns: set.to_vec() });
    }
}

fn literal_sets(folder: &Path) -> Result<Vec<Vec<Written>>, Box<dyn Error>> {
    [10, 100, 1000, 2263]
        .into_iter()
        .map(|size| {
            let path = folder.join(format!("literals/set_{size}.txt"));
            let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let lines = file::parse(&text).map_err(|_| format!("{}: no set", path.display()))?;
            Ok(lines.into_iter().map(|line| line.pattern).collect())
        })
        .collect()
}

/// The literals of all sets, each once.
fn literals(folder: &Path) -> Result<Vec<Written>, Box<dyn Error>> {
    let mut seen = HashSet::new();
    let all = literal_sets(folder)?.into_iter().flatten();
    Ok(all.filter(|literal| seen.insert(literal.clone())).collect())
}

fn expressions(folder: &Path, name: &str) -> Result<Vec<Written>, Box<dyn Error>> {
    let cases: Vec<Case> = lines(&folder.join(format!("regex/{name}.jsonl")))?;
    Ok(cases.iter().map(written).collect())
}

fn written(Case { pattern, flags }: &Case) -> Written {
    let flags = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
    Written::new(Syntax::Regex, format!("{flags}{pattern}"))
}

/// The contents of rules, each once, where they say themselves where they lie.
fn contents(folder: &Path) -> Result<Vec<Written>, Box<dyn Error>> {
    let rules: Vec<Rule> = lines(&folder.join("rules/content_rules.jsonl"))?;
    let mut seen = HashSet::new();
    let contents = rules.iter().flat_map(|rule| &rule.contents).map(|content| {
        // What is relative to another content may lie anywhere.
        let relative = content.distance.is_some() || content.within.is_some();
        let window = if relative {
            Window::default()
        } else {
            Window { offset: content.offset.unwrap_or(0), depth: content.depth }
        };
        let written = Written::new(Syntax::Hex, content.hex.as_bytes());
        Written { ignore_case: content.nocase, window, ..written }
    });
    Ok(contents.filter(|written| seen.insert(written.clone())).collect())
}

/// The cases of two crates' own suites: some are sets.
fn of_crates(folder: &Path, subjects: &mut Vec<Subject>) -> Result<(), Box<dyn Error>> {
    let cases: Vec<CrateCase> = lines(&folder.join("regex/regex_crate.jsonl"))?;
    for case in cases.iter().filter(|case| case.compiles && !case.patterns.is_empty()) {
        let one = |pattern: &String| Written {
            ignore_case: case.case_insensitive,
            ..Written::new(Syntax::Regex, pattern.as_bytes())
        };
        let kind = if case.unicode { "with Unicode on" } else { "over bytes" };
        subjects.push(Subject {
            kind: format!("regex/regex_crate.jsonl, {kind}"),
            text: format!("{}/{}: {}", case.group, case.name, case.patterns.join("  ")),
            patterns: case.patterns.iter().map(one).collect(),
        });
    }
    let cases: Vec<AhoCase> = lines(&folder.join("regex/aho_corasick.jsonl"))?;
    for case in cases.iter().filter(|case| !case.patterns_hex.is_empty()) {
        let one = |hex: &String| Written {
            ignore_case: case.nocase,
            ..Written::new(Syntax::Hex, hex.as_bytes())
        };
        subjects.push(Subject {
            kind: "regex/aho_corasick.jsonl".to_owned(),
            text: format!("{}: {}", case.name, case.patterns_hex.join(" ")),
            patterns: case.patterns_hex.iter().map(one).collect(),
        });
    }
    Ok(())
}

fn lines<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<T>, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
