//! The figures: noted, printed as lines for machines, kept in a file for each machine.

use std::{
    error::Error,
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use hardwire::loader::host;
use serde::{Deserialize, Serialize};

use crate::{engine::Engine, measure::Times, subject::Subject, text::Text};

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

/// One line of a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    Time(Time),
    Cost(Cost),
    Set(Set),
    Machine(Machine),
}

/// One measurement; the order of the fields is that of the machine format.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Time {
    pub(crate) class: String,
    pub(crate) engine: String,
    pub(crate) text: String,
    pub(crate) bytes: usize,
    pub(crate) cache: String,
    /// Nanoseconds a packet.
    pub(crate) ns: f64,
}

/// What a program costs before it sees a packet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cost {
    pub(crate) class: String,
    pub(crate) engine: String,
    pub(crate) slots: u32,
    pub(crate) processed: Option<u32>,
    pub(crate) compile_ms: f64,
    pub(crate) load_ms: f64,
}

/// What it costs to come from so many literals to a loaded program.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Set {
    pub(crate) literals: usize,
    pub(crate) compile_ms: f64,
    /// Most memory that a process used that did nothing else, in megabytes.
    pub(crate) peak_mb: f64,
    pub(crate) slots: u32,
    /// `None` if it was not loaded.
    pub(crate) processed: Option<u32>,
    /// `None` if it was not loaded.
    pub(crate) load_ms: Option<f64>,
}

/// Where and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    pub(crate) machine: String,
    pub(crate) commit: String,
}

/// All figures of one machine.
pub(crate) struct Report {
    /// Print each measurement as a line?
    json: bool,
    pub(crate) machine: Machine,
    pub(crate) times: Vec<Time>,
    pub(crate) costs: Vec<Cost>,
    pub(crate) sets: Vec<Set>,
}

impl Report {
    /// Nothing yet.
    pub(crate) fn new(json: bool) -> Result<Self, Box<dyn Error>> {
        let machine = format!("Linux {}, {}", host::release()?, processor());
        let machine = Machine { machine, commit: commit() };
        Ok(Self { json, machine, times: Vec::new(), costs: Vec::new(), sets: Vec::new() })
    }

    /// What is recorded in `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut report = Self::new(false)?;
        for (number, line) in (1..).zip(text.lines()) {
            match serde_json::from_str(line) {
                Ok(Line::Time(time)) => report.times.push(time),
                Ok(Line::Cost(cost)) => report.costs.push(cost),
                Ok(Line::Set(set)) => report.sets.push(set),
                Ok(Line::Machine(machine)) => report.machine = machine,
                Err(error) => {
                    return Err(format!("{} line {number}: {error}", path.display()).into());
                }
            }
        }
        Ok(report)
    }

    /// Write everything to the record of this machine; what was not measured now, stays.
    pub(crate) fn record(&self) -> Result<PathBuf, Box<dyn Error>> {
        let path = record_path()?;
        let mut old = match fs::exists(&path)? {
            true => Self::read(&path)?,
            false => Self::new(false)?,
        };
        old.times.retain(|old| self.times.iter().all(|new| new.class != old.class));
        old.costs.retain(|old| self.costs.iter().all(|new| new.class != old.class));
        old.sets.retain(|old| self.sets.iter().all(|new| new.literals != old.literals));
        let lines = [Line::Machine(self.machine.clone())]
            .into_iter()
            .chain(old.times.into_iter().chain(self.times.iter().cloned()).map(Line::Time))
            .chain(old.costs.into_iter().chain(self.costs.iter().cloned()).map(Line::Cost))
            .chain(old.sets.into_iter().chain(self.sets.iter().cloned()).map(Line::Set));
        let mut text = String::new();
        for line in lines {
            text += &serde_json::to_string(&line)?;
            text.push('\n');
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Note what a program costs before it sees a packet.
    pub(crate) fn cost(&mut self, class: &str, subject: &Subject<'_>) {
        let Some(cost) = subject.cost.filter(|_| subject.engine.floor().is_some()) else { return };
        self.costs.push(Cost {
            class: class.to_owned(),
            engine: subject.engine.name().to_owned(),
            slots: cost.slots,
            processed: cost.processed,
            compile_ms: tenths(cost.compile_ms),
            load_ms: tenths(cost.load_ms),
        });
    }

    /// Note measurements; for machines, print them at once.
    pub(crate) fn times(
        &mut self,
        class: &str,
        text: Text,
        bytes: usize,
        cache: Cache,
        times: &Times,
    ) {
        for &(engine, ns) in times {
            let time = Time {
                class: class.to_owned(),
                engine: engine.name().to_owned(),
                text: text.name().to_owned(),
                bytes,
                cache: cache.name().to_owned(),
                ns: tenths(ns),
            };
            if self.json {
                let line = serde_json::to_string(&time).expect("names and numbers");
                // A reader that has seen enough is no failure.
                let _ = writeln!(io::stdout(), "{line}");
            }
            self.times.push(time);
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
        let wanted = (class, engine.name(), text.name(), bytes, cache.name());
        self.times
            .iter()
            .find(|t| (&*t.class, &*t.engine, &*t.text, t.bytes, &*t.cache) == wanted)
            .map(|time| time.ns)
    }

    /// The classes that were measured, in that order.
    pub(crate) fn classes(&self) -> Vec<&str> {
        let mut classes: Vec<&str> = Vec::new();
        for time in &self.times {
            if !classes.contains(&time.class.as_str()) {
                classes.push(&time.class);
            }
        }
        classes
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The record of this machine: its processor and kernel are the name.
pub(crate) fn record_path() -> Result<PathBuf, Box<dyn Error>> {
    let processor = processor();
    // Without their number and their clock.
    let model = processor.split_once(" x ").map_or(&*processor, |(_, model)| model);
    let model = model.split(',').next().unwrap_or(model);
    let name = format!("{model}-linux-{}", host::release()?);
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = name.chars().map(|c| legal(c).to_ascii_lowercase()).collect();
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/record");
    Ok(folder.join(parts.join("-") + ".jsonl"))
}

/// What was measured, if git knows.
fn commit() -> String {
    let arguments = ["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "--short", "HEAD"];
    match Command::new("git").args(arguments).output() {
        Ok(told) if told.status.success() => {
            String::from_utf8_lossy(&told.stdout).trim().to_owned()
        }
        Ok(_) | Err(_) => "unknown".to_owned(),
    }
}

/// Name and number of the processors.
fn processor() -> String {
    let text = match fs::read_to_string("/proc/cpuinfo") {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => format!("model name : {error}"),
    };
    let field = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map_or("?", |(_, value)| value.trim())
    };
    let count = text.lines().filter(|line| line.starts_with("processor")).count();
    let (family, model, mhz) = (field("cpu family"), field("model"), field("cpu MHz"));
    format!("{count} x {} (family {family} model {model}, {mhz} MHz)", field("model name"))
}
