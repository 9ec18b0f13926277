//! The classes: what is searched for, who searches, and what the answers must be.
//!
//! Each has an oracle that shares nothing with any engine, and the number of planted packets that
//! match is part of its definition: if a change of the packets, the oracle or an engine moves it, the
//! run ends.

use std::{collections::HashMap, fs, path::Path};

use hardwire::compiler::pattern::{Syntax, Written};

use crate::{
    engine::Engine::{self, *},
    rules,
};

/// Bytes `e` that the class `count` asks for.
pub(crate) const COUNT: usize = 200;
/// The byte that is counted.
pub(crate) const COUNTED: u8 = b'e';

/// One class of matchers.
pub(crate) struct Class {
    /// As in the machine format.
    pub(crate) name: &'static str,
    /// What is searched for, for people.
    pub(crate) title: String,
    /// What Hardwire is given.
    pub(crate) patterns: Vec<Written>,
    /// The same for the peers that take regexes.
    pub(crate) regex: Option<String>,
    /// A literal that is timed alone on the same packets.
    pub(crate) alone: Option<&'static [u8]>,
    /// Byte strings that match, to be planted.
    pub(crate) hits: Vec<Vec<u8>>,
    /// Byte strings that nearly match: what the adversarial text repeats. All different, and none
    /// empty.
    pub(crate) nears: Vec<Vec<u8>>,
    /// How many of the planted packets match; `None` for what is not of this repository.
    pub(crate) matching: Option<usize>,
    /// Who searches.
    pub(crate) engines: Vec<Engine>,
    oracle: Oracle,
}

/// The obvious way to tell what matches.
enum Oracle {
    /// One of these literals occurs, by its first four bytes in lower case.
    Literals { by_start: HashMap<[u8; 4], Vec<Vec<u8>>>, ignore_case: bool },
    /// A match begins at this place.
    Begins(fn(&[u8]) -> bool),
    /// [`COUNT`] times [`COUNTED`].
    Count,
    /// What the regex of the class says; for a set of all kinds, which has no obvious way.
    Regex(regex::bytes::Regex),
}

impl Class {
    /// Does `packet` match?
    pub(crate) fn matches(&self, packet: &[u8]) -> bool {
        match &self.oracle {
            Oracle::Literals { by_start, ignore_case } => (0..packet.len()).any(|at| {
                let rest = &packet[at..];
                let Some(start) = rest.first_chunk::<4>() else { return false };
                let same = |literal: &Vec<u8>| match rest.get(..literal.len()) {
                    Some(bytes) if *ignore_case => bytes.eq_ignore_ascii_case(literal),
                    Some(bytes) => bytes == literal,
                    None => false,
                };
                by_start
                    .get(&start.map(|b| b.to_ascii_lowercase()))
                    .is_some_and(|l| l.iter().any(same))
            }),
            Oracle::Begins(at) => (0..packet.len()).any(|from| at(&packet[from..])),
            Oracle::Count => packet.iter().filter(|&&b| b == COUNTED).count() >= COUNT,
            Oracle::Regex(regex) => regex.is_match(packet),
        }
    }

    /// Is a number of bytes asked for, and no pattern?
    pub(crate) fn counts(&self) -> bool {
        matches!(self.oracle, Oracle::Count)
    }

    /// Is case ignored?
    pub(crate) fn ignores_case(&self) -> bool {
        matches!(self.oracle, Oracle::Literals { ignore_case: true, .. })
    }
}

/// What Hardwire is measured in besides.
const FORMS: [Engine; 5] =
    [Hardwire, HardwireAttached, HardwirePayload, HardwireSocket, HardwireSocketAttached];

/// All classes; those of the issue first.
pub(crate) fn all() -> Vec<Class> {
    let mut classes = vec![
        literal("literal-8", b"<script>", Some(192)),
        literal("literal-11", b"/etc/passwd", Some(192)),
        literal("literal-16", b"union select all", Some(192)),
        literal("literal-32", b"<iframe src=\"http://198.51.100.7/", Some(192)),
        set("set-10", rules::random(10, 8, 16), false, Some(192)),
        set("set-100", rules::random(100, 8, 16), false, Some(192)),
        set("set-1000", rules::random(1000, 8, 16), false, Some(192)),
        set("set-1000-min16", rules::random(1000, 16, 24), false, Some(192)),
        regex_http(),
        regex_noprefix(),
        count(),
        nocase("literal-8-nocase", b"<script>", Some(384)),
        nocase("literal-11-nocase", b"/etc/passwd", Some(384)),
        nocase("literal-16-nocase", b"union select all", Some(384)),
        set("set-10-nocase", rules::random(10, 8, 16), true, Some(384)),
        set("set-100-nocase", rules::random(100, 8, 16), true, Some(385)),
        set("set-10-short", rules::random(10, 4, 7), false, Some(192)),
        set("set-100-short", rules::random(100, 4, 7), false, Some(192)),
        set(
            "rules-literal",
            rules::LITERALS.map(|l| l.as_bytes().to_vec()).to_vec(),
            false,
            Some(213),
        ),
        rules_mixed(),
        regex_inner(),
    ];
    classes.extend(shared());
    classes
}

fn literals(all: Vec<Vec<u8>>, ignore_case: bool, matching: Option<usize>) -> Class {
    let mut by_start: HashMap<_, Vec<_>> = HashMap::new();
    for literal in &all {
        let start = literal.first_chunk::<4>().expect("at least four bytes");
        by_start.entry(start.map(|b| b.to_ascii_lowercase())).or_default().push(literal.clone());
    }
    Class {
        name: "",
        title: format!("{} literals", all.len()),
        patterns: all.iter().map(|literal| written(literal, ignore_case)).collect(),
        regex: None,
        alone: None,
        nears: all.iter().map(|literal| literal[..literal.len() - 1].to_vec()).collect(),
        hits: all,
        matching,
        engines: FORMS.to_vec(),
        oracle: Oracle::Literals { by_start, ignore_case },
    }
}

/// `literal` with its last byte wrong, in several ways.
fn with_wrong_ends(literal: &[u8]) -> Vec<Vec<u8>> {
    let wrong = |mixed_in: u8| {
        let mut near = literal.to_vec();
        *near.last_mut().expect("not empty") ^= mixed_in;
        near
    };
    (1..=7).map(wrong).collect()
}

/// `literal` as it is written for Hardwire.
pub(crate) fn written(literal: &[u8], ignore_case: bool) -> Written {
    let text: String = literal.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    Written { ignore_case, ..Written::new(Syntax::Literal, text) }
}

fn literal(name: &'static str, literal: &[u8], matching: Option<usize>) -> Class {
    let class = literals(vec![literal.to_vec()], false, matching);
    let peers = [Memmem, Memchr, MapArray, MapArrayByHand, Strnstr];
    Class {
        name,
        title: format!("\"{}\"", literal.escape_ascii()),
        nears: with_wrong_ends(literal),
        engines: FORMS.into_iter().chain(peers).collect(),
        ..class
    }
}

/// Its case-sensitive form is timed on the same packets.
fn nocase(name: &'static str, literal: &'static [u8], matching: Option<usize>) -> Class {
    let class = literals(vec![literal.to_vec()], true, matching);
    Class {
        name,
        title: format!("\"{}\" in either case", literal.escape_ascii()),
        alone: Some(literal),
        nears: with_wrong_ends(literal),
        regex: Some(format!("(?i-u){}", regex::escape(&String::from_utf8_lossy(literal)))),
        engines: vec![
            Hardwire,
            HardwireLiteral,
            HardwireAttached,
            AhoCorasickDfa,
            AhoCorasick,
            Regex,
        ],
        ..class
    }
}

fn set(name: &'static str, all: Vec<Vec<u8>>, ignore_case: bool, matching: Option<usize>) -> Class {
    let bounds = |f: fn(usize, usize) -> usize| all.iter().map(Vec::len).reduce(f).unwrap_or(0);
    let (shortest, longest) = (bounds(usize::min), bounds(usize::max));
    let case = if ignore_case { " in either case" } else { "" };
    let title = format!("{} literals of {shortest} to {longest} bytes{case}", all.len());
    let engines = FORMS.into_iter().chain([HardwireAll, AhoCorasickDfa, AhoCorasick]).collect();
    Class { name, title, engines, ..literals(all, ignore_case, matching) }
}

fn regex(
    name: &'static str,
    regex: &str,
    oracle: fn(&[u8]) -> bool,
    matching: Option<usize>,
) -> Class {
    Class {
        name,
        title: format!("/{regex}/"),
        patterns: vec![Written::new(Syntax::Regex, regex)],
        regex: Some(format!("(?-u){regex}")),
        alone: None,
        hits: Vec::new(),
        nears: Vec::new(),
        matching,
        engines: FORMS.into_iter().chain([Regex]).collect(),
        oracle: Oracle::Begins(oracle),
    }
}

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn regex_http() -> Class {
    fn begins(bytes: &[u8]) -> bool {
        let Some(path) = bytes.strip_prefix(b"GET /") else { return false };
        let letters = path.iter().take_while(|b| b.is_ascii_lowercase()).count();
        let version = path[letters..].strip_prefix(b" HTTP/1.");
        letters > 0 && version.is_some_and(|v| matches!(v.first(), Some(b'0' | b'1')))
    }
    Class {
        hits: texts(&["GET /a HTTP/1.0", "GET /index HTTP/1.1", "GET /abcdefghijklmnop HTTP/1.1"]),
        // As in the study: the whole but for its last byte.
        nears: texts(&[
            "GET /abcdefghij HTTP/1.",
            "GET /wxyz HTTP/1.",
            "GET /q HTTP/1.",
            "GET /longerthantheothers HTTP/1.",
        ]),
        ..regex("regex-http", r"GET /[a-z]+ HTTP/1\.[01]", begins, Some(254))
    }
}

/// A point in time in the notations of logs: 19 bytes, each of which may be several, so that no
/// literal is required, and some twenty states. What one literal costs beside it is told by
/// `<script>`, which is found by the scan that the study compared with.
fn regex_noprefix() -> Class {
    fn begins(bytes: &[u8]) -> bool {
        const SHAPE: &[u8; 19] = b"0000-00-00T00:00:00";
        bytes.len() >= SHAPE.len()
            && SHAPE.iter().zip(bytes).all(|(shape, byte)| match shape {
                b'-' => b"-/.".contains(byte),
                b'T' => b" T".contains(byte),
                b':' => b":.".contains(byte),
                _ => byte.is_ascii_digit(),
            })
    }
    let text = r"[0-9]{4}[-/.][0-9]{2}[-/.][0-9]{2}[ T][0-9]{2}[:.][0-9]{2}[:.][0-9]{2}";
    let class = regex("regex-noprefix", text, begins, Some(423));
    Class {
        alone: Some(b"<script>"),
        hits: texts(&["2024-02-29T23:59:59", "1999/12/31 00.00.00", "2025.01.01T12:30.15"]),
        nears: texts(&[
            "2024-02-29T23:59:5x",
            "1999/12/31 00.00.0 ",
            "2025.01.01T12:30-15",
            "20250101T123015",
        ]),
        engines: class.engines.iter().copied().chain([HardwireLiteral]).collect(),
        ..class
    }
}

/// Beside it the literal that it must hold, alone.
fn regex_inner() -> Class {
    fn begins(bytes: &[u8]) -> bool {
        let upper = bytes.iter().take_while(|b| b.is_ascii_uppercase()).count();
        let Some(path) = bytes[upper..].strip_prefix(b" /") else { return false };
        let of_name = |b: &&u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let name = path.iter().take_while(of_name).count();
        (3..=8).contains(&upper) && (1..=30).contains(&name) && path[name..].starts_with(b".cgi")
    }
    let class = regex("regex-inner", r"[A-Z]{3,8} /[a-z0-9_]{1,30}\.cgi", begins, Some(291));
    Class {
        alone: Some(b".cgi"),
        hits: texts(&[
            "GET /a.cgi",
            "OPTIONS /index_page.cgi",
            "POST /a_name_of_thirty_bytes_0123456.cgi",
        ]),
        // As in the study: each makes the walk go back eleven bytes.
        nears: texts(&["GE /index_page.cgi ", "G /a.cgi ", "GET //x.cgi ", "XX /0123456789.cgi "]),
        engines: class.engines.iter().copied().chain([HardwireLiteral]).collect(),
        ..class
    }
}

fn count() -> Class {
    Class {
        name: "count",
        title: format!("{COUNT} times {:?} and more", char::from(COUNTED)),
        patterns: vec![Written::new(
            Syntax::Frequency,
            format!("{}>={COUNT}", char::from(COUNTED)),
        )],
        regex: None,
        alone: None,
        hits: Vec::new(),
        nears: Vec::new(),
        matching: Some(24),
        engines: FORMS.into_iter().chain([RustCount, MemchrCount]).collect(),
        oracle: Oracle::Count,
    }
}

fn rules_mixed() -> Class {
    let all = rules::mixed();
    let regexes: Vec<&str> = all.iter().map(|rule| rule.regex.as_str()).collect();
    let text = format!("(?s-u){}", regexes.join("|"));
    Class {
        name: "rules-mixed",
        title: format!("{} rules: literals, some in either case, hex strings, regexes", all.len()),
        patterns: all.iter().map(|rule| rule.written.clone()).collect(),
        oracle: Oracle::Regex(regex::bytes::Regex::new(&text).expect("a regex of this file")),
        regex: Some(text),
        alone: None,
        nears: all.iter().map(|rule| rule.hit[..rule.hit.len() - 1].to_vec()).collect(),
        hits: all.into_iter().map(|rule| rule.hit).collect(),
        matching: Some(270),
        engines: FORMS.into_iter().chain([HardwireAll, Regex]).collect(),
    }
}

/// Literals of real rules, where the shared corpora are; without the few that ordinary text holds.
fn shared() -> Option<Class> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora/literals/set_1000.txt");
    let text = fs::read(path).ok()?;
    let parse = |line: &[u8]| hardwire::compiler::pattern::literal::parse(line).ok();
    let lines = text.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    let all: Vec<Vec<u8>> =
        lines.filter_map(parse).filter(|l| l.len() >= 4 && crate::text::is_rare(l)).collect();
    let mut class = set("rules-shared", all, false, None);
    // No timed packet holds a NUL.
    class.nears.retain(|near| !near.contains(&0));
    Some(class)
}
