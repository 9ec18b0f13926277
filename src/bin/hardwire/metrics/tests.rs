use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// Names and values of labels.
type Labels = Vec<(String, String)>;

/// What a parser of the format makes of a text: the samples by name and labels.
///
/// Written from <https://prometheus.io/docs/instrumenting/exposition_formats/>.
fn parse(text: &str) -> Result<BTreeMap<(String, Labels), f64>, String> {
    let mut kinds = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut samples = BTreeMap::new();
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    for line in text.lines() {
        let wrong = |what: &str| Err(format!("{what}: {line}"));
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let parts = (words.next(), words.next(), words.next());
            let (Some(word), Some(name), Some(rest)) = parts else { return wrong("a comment") };
            let fresh = match word {
                "HELP" => helped.insert(name.to_owned()),
                "TYPE" if ["counter", "gauge"].contains(&rest) => {
                    kinds.insert(name.to_owned(), rest.to_owned()).is_none()
                }
                _ => return wrong("a comment"),
            };
            if !fresh || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return wrong("a name, once");
            }
            continue;
        }
        let Some((name, rest)) = line.split_once('{') else { return wrong("labels") };
        if !kinds.contains_key(name) || !helped.contains(name) {
            return wrong("TYPE and HELP come first");
        }
        if kinds[name] == "counter" && !name.ends_with("_total") {
            return wrong("a counter is a total");
        }
        let (labels, value) = labels_of(rest).map_err(|what| format!("{what}: {line}"))?;
        let Ok(value) = value.parse::<f64>() else { return wrong("a number") };
        if samples.insert((name.to_owned(), labels), value).is_some() {
            return wrong("twice");
        }
    }
    Ok(samples)
}

/// The labels in front of `} `, and what is behind it.
fn labels_of(text: &str) -> Result<(Labels, &str), String> {
    let mut labels = Vec::new();
    let mut rest = text;
    loop {
        let (name, behind) = rest.split_once("=\"").ok_or("a label")?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            return Err(format!("the label {name}"));
        }
        let mut value = String::new();
        let mut characters = behind.char_indices();
        rest = loop {
            match characters.next().ok_or("the end of a label")? {
                (at, '"') => break &behind[at + 1..],
                (_, '\\') => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c @ ('\\' | '"'))) => value.push(c),
                    _ => return Err("an escape".to_owned()),
                },
                (_, c) => value.push(c),
            }
        };
        labels.push((name.to_owned(), value));
        if let Some(value) = rest.strip_prefix("} ") {
            return Ok((labels, value));
        }
        rest = rest.strip_prefix(',').ok_or("a comma between labels")?;
    }
}

fn sample(name: &str, patterns: &[(u32, &str)]) -> Sample {
    let mut counters = Counters::default();
    counters.add(Counter::Frames, 12);
    counters.add(Counter::Matched, u64::MAX);
    counters.add(Counter::EventsLost, 3);
    let hits = |(id, text): &(u32, &str)| PatternHits {
        id: *id,
        text: (*text).to_owned(),
        hits: u64::from(*id) * 10,
    };
    Sample {
        name: name.to_owned(),
        interface: "eth0".to_owned(),
        hook: "xdp".to_owned(),
        counters,
        patterns: patterns.iter().map(hits).collect(),
        runs: None,
    }
}

#[test]
fn the_text_is_what_the_format_asks_for_whatever_names_contain() {
    let long = "x".repeat(500);
    let nasty =
        sample("a\"b\\c\nd", &[(1, "GET \"/\\x00\"\n"), (2, &long), (3, "\u{e9}"), (4, "")]);
    let other = Sample { runs: Some((7, Duration::from_nanos(1_000_000_005))), ..sample("b", &[]) };
    let text = exposition(&[nasty, other]);
    let samples = parse(&text).unwrap_or_else(|wrong| panic!("{wrong}"));
    let find = |name: &str, labels: &[(&str, &str)]| -> Option<f64> {
        let has = |all: &[(String, String)]| {
            labels.iter().all(|(k, v)| all.iter().any(|(name, value)| name == k && value == v))
        };
        samples.iter().find(|((n, all), _)| n == name && has(all)).map(|(_, value)| *value)
    };
    let name = ("name", "a\"b\\c\nd");
    assert_eq!(find("hardwire_frames_total", &[name, ("hook", "xdp")]), Some(12.0));
    assert_eq!(find("hardwire_events_total", &[name, ("outcome", "lost")]), Some(3.0));
    let hits = |id| find("hardwire_pattern_hits_total", &[name, ("id", id)]);
    assert_eq!([hits("1"), hits("2"), hits("5")], [Some(10.0), Some(20.0), None]);
    let text_of_one = ("pattern", "GET \"/\\x00\"\n");
    assert_eq!(find("hardwire_pattern_hits_total", &[text_of_one]), Some(10.0));
    assert_eq!(find("hardwire_run_seconds_total", &[("name", "b")]), Some(1.000_000_005));
    assert_eq!(find("hardwire_runs_total", &[name]), None);
    assert!(text.contains(" 18446744073709551615\n") && text.lines().all(|l| l.len() < 300));
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn no_attachments_and_the_families_without_samples_are_legal() {
    let samples = parse(&exposition(&[])).expect("legal");
    assert_eq!(samples.len(), 1);
    assert!(!exposition(&[]).contains("hardwire_runs_total"));
}
