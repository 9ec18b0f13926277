//! The figures: as lines for machines, or as tables and bounds for people.

use std::{
    error::Error,
    fs,
    io::{self, Write},
};

use hardwire::loader::host;
use serde::Serialize;

use crate::{
    bounds,
    measure::Times,
    subject::{Cost, Engine, Subject},
    text::{LITERALS, SIZES, Text},
};

/// How well the branch predictor knows the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    /// By heart.
    Warm,
    /// Not at all.
    Cold,
}

impl Cache {
    pub(crate) const ALL: [Self; 2] = [Self::Warm, Self::Cold];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) class: &'static str,
    pub(crate) engine: Engine,
    pub(crate) text: Text,
    pub(crate) bytes: usize,
    pub(crate) cache: Cache,
    /// Nanoseconds a packet.
    pub(crate) ns: f64,
}

/// The line of a [`Row`]; the order of its fields is that of the format.
#[derive(Serialize)]
struct Line {
    class: &'static str,
    engine: &'static str,
    text: &'static str,
    bytes: usize,
    cache: &'static str,
    ns: f64,
}

/// All measurements of one run.
pub(crate) struct Report {
    json: bool,
    machine: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) costs: Vec<(&'static str, Engine, Cost)>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Result<Self, Box<dyn Error>> {
        let machine = format!("Linux {}, {}", host::release()?, processor());
        Ok(Self { json, machine, rows: Vec::new(), costs: Vec::new() })
    }

    /// Note what a program costs before it sees a packet.
    pub(crate) fn cost(&mut self, class: &'static str, subject: &Subject<'_>) {
        self.costs.extend(subject.cost.map(|cost| (class, subject.engine, cost)));
    }

    /// Note measurements; for machines, print them at once.
    pub(crate) fn times(
        &mut self,
        class: &'static str,
        text: Text,
        bytes: usize,
        cache: Cache,
        times: &Times,
    ) {
        for &(engine, ns) in times {
            self.rows.push(Row { class, engine, text, bytes, cache, ns });
            if self.json && !engine.only_for_people() {
                let line = Line {
                    class,
                    engine: engine.name(),
                    text: text.name(),
                    bytes,
                    cache: cache.name(),
                    ns: (ns * 10.0).round() / 10.0,
                };
                let line = serde_json::to_string(&line).expect("names and numbers");
                // A reader that has seen enough is no failure.
                let _ = writeln!(io::stdout(), "{line}");
            }
        }
    }

    /// The figure for these circumstances, if it was measured.
    pub(crate) fn ns(
        &self,
        class: &str,
        engine: Engine,
        text: Text,
        bytes: usize,
        cache: Cache,
    ) -> Option<f64> {
        self.rows
            .iter()
            .find(|row| {
                (row.class, row.engine, row.text, row.bytes, row.cache)
                    == (class, engine, text, bytes, cache)
            })
            .map(|row| row.ns)
    }

    /// For people, print everything.
    pub(crate) fn finish(&self) {
        if self.json {
            return;
        }
        let mut out = String::new();
        out += &format!("{}\n", self.machine);
        out +=
            "nanoseconds a packet over a program that does nothing; no packet holds the literal\n";
        for (class, literal) in LITERALS {
            for cache in Cache::ALL {
                self.table(&mut out, class, literal, cache);
            }
        }
        self.long_packets(&mut out);
        self.verifier(&mut out);
        bounds::print(self, &mut out);
        let _ = io::stdout().write_all(out.as_bytes());
    }

    fn table(&self, out: &mut String, class: &str, literal: &[u8], cache: Cache) {
        let title = format!("{class} {:?} {}", literal.escape_ascii().to_string(), cache.name());
        *out += &format!("\n{title:<40}");
        for text in Text::ALL {
            *out += &format!("{:>24}", text.name());
        }
        *out += &format!("\n{:<40}", "");
        for bytes in Text::ALL.iter().flat_map(|_| SIZES) {
            *out += &format!("{bytes:>8}");
        }
        *out += "\n";
        for engine in Engine::SHOWN {
            let figures: Vec<Option<f64>> = Text::ALL
                .into_iter()
                .flat_map(|text| SIZES.map(|bytes| self.ns(class, engine, text, bytes, cache)))
                .collect();
            if figures.iter().all(Option::is_none) {
                continue;
            }
            *out += &format!("{:<40}", engine.title());
            for ns in figures {
                *out += &ns.map_or_else(|| format!("{:>8}", "-"), |ns| format!("{ns:>8.1}"));
            }
            *out += "\n";
        }
    }

    fn long_packets(&self, out: &mut String) {
        let [short, long] = crate::live::SIZES;
        *out += &format!("\n{:<40}{short:>8}{long:>8}\n", "long packets, prose, warm");
        for (class, _) in LITERALS {
            for engine in [Engine::HardwireAttached, Engine::HardwireSocket] {
                let of = |bytes| self.ns(class, engine, Text::Prose, bytes, Cache::Warm);
                if let (Some(short), Some(long)) = (of(short), of(long)) {
                    let how = if engine == Engine::HardwireSocket { ", live UDP" } else { "" };
                    let title = format!("{class} {}{how}", engine.name());
                    *out += &format!("{title:<40}{short:>8.1}{long:>8.0}\n");
                }
            }
        }
    }

    fn verifier(&self, out: &mut String) {
        *out += &format!("\n{:<40}{:>8}{:>11}{:>9}\n", "programs", "slots", "processed", "load ms");
        for (class, engine, cost) in &self.costs {
            if engine.floor().is_none() {
                continue;
            }
            let title = format!("{class} {}", engine.name());
            let processed = cost.processed.map_or_else(|| "-".to_owned(), |n| n.to_string());
            *out += &format!("{title:<40}{:>8}{processed:>11}{:>9.1}\n", cost.slots, cost.load_ms);
        }
    }
}

/// Name and number of the processors.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map_or("?", |(_, value)| value.trim())
    };
    let count = text.lines().filter(|line| line.starts_with("processor")).count();
    format!(
        "{count} x {} (family {} model {}, {} MHz)",
        field("model name"),
        field("cpu family"),
        field("model"),
        field("cpu MHz")
    )
}
