//! What is asked of each class, against whom, and what came of it.

use crate::{
    engine::Engine::{self, *},
    report::{Cache, Report},
    text::{SIZES, Text},
};

/// Searched bytes that are spoken of.
const BYTES: usize = SIZES[SIZES.len() - 1];

/// What is asked of the ratio of two times.
#[derive(Clone, Copy)]
enum Asked {
    /// The peer takes so many times as long, and more: warm, cold.
    Faster(f64, f64),
    /// We take so many times as long as the peer, and less.
    Within(f64),
}

impl Asked {
    const fn limit(self, cache: Cache) -> f64 {
        match (self, cache) {
            (Self::Faster(warm, _), Cache::Warm) => warm,
            (Self::Faster(_, cold), Cache::Cold) => cold,
            (Self::Within(limit), _) => limit,
        }
    }

    fn ratio(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Self::Faster(..) => theirs / ours,
            Self::Within(_) => ours / theirs,
        }
    }

    fn holds(self, ratio: f64, cache: Cache) -> bool {
        match self {
            Self::Faster(..) => ratio >= self.limit(cache),
            Self::Within(_) => ratio <= self.limit(cache),
        }
    }
}

const ORDINARY: &[Text] = &Text::ORDINARY;
const ADVERSARIAL: &[Text] = &[Text::Adversarial];

/// The table of the issue: class, what is asked, of whom, on what.
const ASKED: [(&str, Asked, Engine, &[Text]); 15] = {
    use Asked::{Faster, Within};
    [
        ("literal-8", Faster(1.25, 1.25), Memmem, ORDINARY),
        ("literal-11", Faster(1.6, 1.6), Memmem, ORDINARY),
        ("literal-11", Within(2.5), Memchr, ORDINARY),
        ("literal-16", Within(2.0), Memchr, ORDINARY),
        ("literal-32", Within(1.3), Memchr, ORDINARY),
        ("set-10", Faster(15.0, 12.0), AhoCorasickDfa, ORDINARY),
        ("set-10", Within(1.3), AhoCorasick, ORDINARY),
        ("set-100", Faster(10.0, 10.0), AhoCorasickDfa, ORDINARY),
        ("set-1000", Faster(2.2, 2.0), AhoCorasickDfa, ORDINARY),
        ("set-1000-min16", Faster(5.0, 2.0), AhoCorasickDfa, ORDINARY),
        ("regex-http", Within(1.6), Regex, ORDINARY),
        ("regex-http", Faster(5.0, 5.0), Regex, ADVERSARIAL),
        ("regex-inner", Within(1.4), HardwireLiteral, ORDINARY),
        ("regex-noprefix", Within(3.5), HardwireLiteral, ORDINARY),
        ("count", Faster(5.0, 5.0), RustCount, ORDINARY),
    ]
};

/// Milliseconds that loading the linear form may take, by class.
const LOAD_MS_MAX: [(&str, f64); 8] = [
    ("literal-8", 10.0),
    ("literal-11", 10.0),
    ("literal-16", 10.0),
    ("literal-32", 10.0),
    ("set-10", 50.0),
    ("set-100", 50.0),
    ("set-1000", 300.0),
    ("set-1000-min16", 300.0),
];

/// Append what was asked, the ratio on every text, and whether all of them hold.
pub(crate) fn print(report: &Report, out: &mut String) {
    *out += &format!("\n{:<58}{:>28}{:>28}\n", "ratios at 1500 bytes", "warm", "cold");
    *out += &format!("{:<58}", "");
    for _ in Cache::ALL {
        *out += &format!("{:>9}{:>9}{:>10}", "prose", "random", "ascii");
    }
    *out += "\n";
    let classes = report.classes();
    for (class, asked, peer, texts) in ASKED.into_iter().filter(|row| classes.contains(&row.0)) {
        let (mut all, mut missing) = (true, false);
        let mut cells = String::new();
        for cache in Cache::ALL {
            for (nth, text) in Text::ORDINARY.into_iter().enumerate() {
                // What nobody but an adversary sends has one figure.
                let text = if texts.len() == 1 { texts[0] } else { text };
                let ns = |engine| report.ns(class, engine, text, BYTES, cache);
                let width = if nth == 2 { 10 } else { 9 };
                let cell = match (ns(Hardwire), ns(peer)) {
                    _ if nth >= texts.len() => String::new(),
                    (Some(ours), Some(theirs)) => {
                        let ratio = asked.ratio(ours, theirs);
                        all &= asked.holds(ratio, cache);
                        let mark = if asked.holds(ratio, cache) { ' ' } else { '!' };
                        format!("{ratio:.2}x{mark}")
                    }
                    _ => {
                        missing = true;
                        "- ".to_owned()
                    }
                };
                cells += &format!("{cell:>width$}");
            }
        }
        let verdict = match (missing, all) {
            (true, _) => "not measured",
            (false, true) => "met",
            (false, false) => "MISSED",
        };
        *out += &format!("{:<58}{cells}  {verdict}\n", sentence(class, asked, peer, texts));
    }
    loads(report, out);
}

fn sentence(class: &str, asked: Asked, peer: Engine, texts: &[Text]) -> String {
    let peer = match class {
        "regex-inner" => "its literal alone",
        "regex-noprefix" => "a literal of 8 bytes",
        _ => peer.name(),
    };
    let text = if texts.len() == 1 { ", adversarial" } else { "" };
    match asked {
        #[allow(clippy::float_cmp, reason = "constants of the table above")]
        Asked::Faster(warm, cold) if warm == cold => {
            format!("{class}: {warm}x faster than {peer}{text}")
        }
        Asked::Faster(warm, cold) => {
            format!("{class}: {warm}x, cold {cold}x faster than {peer}{text}")
        }
        Asked::Within(limit) => format!("{class}: within {limit}x of {peer}{text}"),
    }
}

/// Loading, compiling, memory.
fn loads(report: &Report, out: &mut String) {
    let mut line = |what: String, value: Option<f64>, limit: f64, unit: &str| {
        let (value, verdict) = match value {
            Some(value) if value <= limit => (format!("{value:.1} {unit}"), "met"),
            Some(value) => (format!("{value:.1} {unit}"), "MISSED"),
            None => ("-".to_owned(), "not measured"),
        };
        let limit = format!("<= {limit} {unit}");
        *out += &format!("{what:<58}{limit:>28}{value:>28}  {verdict}\n");
    };
    let classes = report.classes();
    for (class, limit) in LOAD_MS_MAX.into_iter().filter(|(class, _)| classes.contains(class)) {
        let of_class = |c: &&crate::report::Cost| c.class == class && c.engine == Hardwire.name();
        let cost = report.costs.iter().find(of_class);
        line(format!("{class}: load, linear form"), cost.map(|c| c.load_ms), limit, "ms");
    }
    if report.sets.is_empty() {
        return;
    }
    let most = report.sets.iter().find(|set| set.literals == 10_000);
    line("10,000 literals: load".to_owned(), most.and_then(|s| s.load_ms), 3_000.0, "ms");
    line("10,000 literals: compile".to_owned(), most.map(|s| s.compile_ms), 2_000.0, "ms");
    line("10,000 literals: memory".to_owned(), most.map(|s| s.peak_mb), 500.0, "MB");
}
