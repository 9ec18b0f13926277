//! The figures as tables for people, on a terminal and in the README.

use std::{error::Error, fs, path::Path};

use crate::{
    bounds, class,
    engine::{Engine, Home},
    live,
    report::{Cache, Report},
    speed,
    text::{SIZES, Text},
};

/// Columns of the names of engines and programs.
const NAME: usize = 38;
/// Bytes of the table in the README.
const LONGEST: usize = SIZES[SIZES.len() - 1];
/// Between these lines the README has what was measured.
const MARKS: [&str; 2] = ["<!-- bench -->\n", "<!-- /bench -->\n"];

/// Everything.
pub(crate) fn all(report: &Report) -> String {
    let mut out = head(report);
    for class in report.classes() {
        for cache in Cache::ALL {
            all_sizes(report, class, cache, &mut out);
        }
    }
    long_packets(report, &mut out);
    programs(report, |_| true, &mut out);
    sets(report, &mut out);
    bounds::print(report, &mut out);
    speed::print(report, &mut out);
    out
}

/// What stands in the README: how the bounds are met, the longest packets of all classes, the forms
/// of some.
pub(crate) fn readme(report: &Report) -> String {
    let mut out = head(report);
    speed::print(report, &mut out);
    let title = format!("{LONGEST} bytes searched");
    out += &format!("\n{title:<NAME$}{:>32}{:>32}\n{:<NAME$}", "warm", "cold", "");
    for text in Cache::ALL.iter().flat_map(|_| Text::ALL) {
        out += &format!("{:>8}", short(text));
    }
    out += "\n";
    for class in report.classes() {
        out += &format!("{class}: {}\n", title_of(class));
        for engine in Engine::ALL {
            if matches!(engine, Engine::Hardwire | Engine::HardwireLiteral)
                || !matches!(engine.home(), Home::Ours(_))
            {
                let figures = Cache::ALL
                    .iter()
                    .flat_map(|&cache| Text::ALL.map(|text| (text, LONGEST, cache)));
                row(report, class, engine, figures, &mut out);
            }
        }
    }
    forms(report, &mut out);
    programs(report, |cost| cost == Engine::Hardwire.name(), &mut out);
    sets(report, &mut out);
    out
}

/// Put [`readme`] between its marks in the README.
pub(crate) fn into_readme(report: &Report) -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&path)?;
    let [open, close] = MARKS;
    let (before, rest) = text.split_once(open).ok_or("README.md has no <!-- bench -->")?;
    let (_, after) = rest.split_once(close).ok_or("README.md has no <!-- /bench -->")?;
    let table = readme(report);
    fs::write(&path, format!("{before}{open}```text\n{table}```\n{close}{after}"))?;
    Ok(())
}

fn head(report: &Report) -> String {
    let machine = &report.machine;
    format!(
        "{} (at {})\nnanoseconds a packet over a program that does nothing; nothing matches\n",
        machine.machine, machine.commit
    )
}

fn title_of(name: &str) -> String {
    let class = class::all().into_iter().find(|class| class.name == name);
    class.map_or_else(String::new, |class| class.title)
}

const fn short(text: Text) -> &'static str {
    match text {
        Text::Prose => "prose",
        Text::Random => "random",
        Text::Ascii => "ascii",
        Text::Adversarial => "advers.",
    }
}

fn row(
    report: &Report,
    class: &str,
    engine: Engine,
    places: impl Iterator<Item = (Text, usize, Cache)>,
    out: &mut String,
) {
    let figures: Vec<Option<f64>> =
        places.map(|(text, bytes, cache)| report.ns(class, engine, text, bytes, cache)).collect();
    if figures.iter().all(Option::is_none) {
        return;
    }
    *out += &format!("  {:<1$}", engine.title(), NAME - 2);
    for ns in figures {
        *out += &ns.map_or_else(|| format!("{:>8}", "-"), |ns| format!("{ns:>8.1}"));
    }
    *out += "\n";
}

fn all_sizes(report: &Report, class: &str, cache: Cache, out: &mut String) {
    let title = format!("{class} {} {}", title_of(class), cache.name());
    *out += &format!("\n{title}\n{:<NAME$}", "");
    for text in Text::ALL {
        *out += &format!("{:>24}", text.name());
    }
    *out += &format!("\n{:<NAME$}", "");
    for bytes in Text::ALL.iter().flat_map(|_| SIZES) {
        *out += &format!("{bytes:>8}");
    }
    *out += "\n";
    for engine in Engine::ALL {
        let places = Text::ALL.into_iter().flat_map(|text| SIZES.map(|bytes| (text, bytes, cache)));
        row(report, class, engine, places, out);
    }
}

/// What else a program of ours can be, and what that costs, over prose.
fn forms(report: &Report, out: &mut String) {
    const SHOWN: [&str; 4] = ["literal-11", "set-100", "set-1000", "regex-http"];
    *out += &format!("\n{:<NAME$}{:>24}{:>24}\n{:<NAME$}", "forms, over prose", "warm", "cold", "");
    for bytes in Cache::ALL.iter().flat_map(|_| SIZES) {
        *out += &format!("{bytes:>8}");
    }
    *out += "\n";
    for class in report.classes().into_iter().filter(|class| SHOWN.contains(class)) {
        *out += &format!("{class}\n");
        for engine in Engine::ALL.into_iter().filter(|e| matches!(e.home(), Home::Ours(_))) {
            let places =
                Cache::ALL.iter().flat_map(|&cache| SIZES.map(|bytes| (Text::Prose, bytes, cache)));
            row(report, class, engine, places, out);
        }
    }
    long_packets(report, out);
}

fn long_packets(report: &Report, out: &mut String) {
    let [short, long] = live::SIZES;
    let title = "long packets, prose, warm";
    let mut lines = String::new();
    for class in report.classes() {
        for engine in [Engine::HardwireAttached, Engine::HardwireSocket] {
            let of = |bytes| report.ns(class, engine, Text::Prose, bytes, Cache::Warm);
            if let (Some(short), Some(long)) = (of(short), of(long)) {
                let how = if engine == Engine::HardwireSocket { ", live UDP" } else { "" };
                let title = format!("{class} {}{how}", engine.name());
                lines += &format!("{title:<NAME$}{short:>8.1}{long:>8.0}\n");
            }
        }
    }
    if !lines.is_empty() {
        *out += &format!("\n{title:<NAME$}{short:>8}{long:>8}\n{lines}");
    }
}

fn programs(report: &Report, shown: impl Fn(&str) -> bool, out: &mut String) {
    let (slots, processed) = ("slots", "processed");
    *out += &format!(
        "\n{:<46}{slots:>8}{processed:>11}{:>12}{:>9}\n",
        "programs", "compile ms", "load ms"
    );
    for cost in report.costs.iter().filter(|cost| shown(&cost.engine)) {
        let title = format!("{} {}", cost.class, cost.engine);
        let processed = cost.processed.map_or_else(|| "-".to_owned(), |n| n.to_string());
        *out += &format!(
            "{title:<46}{:>8}{processed:>11}{:>12.1}{:>9.1}\n",
            cost.slots, cost.compile_ms, cost.load_ms
        );
    }
}

fn sets(report: &Report, out: &mut String) {
    if report.sets.is_empty() {
        return;
    }
    *out += &format!(
        "\n{:<46}{:>8}{:>11}{:>12}{:>9}{:>9}\n",
        "random literals of 8 to 16 bytes",
        "slots",
        "processed",
        "compile ms",
        "load ms",
        "peak MB"
    );
    for set in &report.sets {
        let processed = set.processed.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let load = set.load_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
        *out += &format!(
            "{:<46}{:>8}{processed:>11}{:>12.1}{load:>9}{:>9.1}\n",
            set.literals, set.slots, set.compile_ms, set.peak_mb
        );
    }
}
