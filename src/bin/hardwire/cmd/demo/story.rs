//! How the demo is told: numbered steps for people, or their findings as one JSON value.

use std::fmt::Display;
use std::io::Write;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::Ending;
use crate::failure::{Failure, printable};
use crate::output::{Output, Paint};

/// Columns in front of the text of a step: its number and its name.
const INDENT_COLUMNS: usize = 13;

/// Columns of that text.
const TEXT_COLUMNS: usize = 84;

/// What the demo has shown so far.
pub(super) struct Story<'a> {
    output: &'a mut Output,
    steps: Vec<Step>,
}

/// One step, and whether what it shows is true.
struct Step {
    name: &'static str,
    ok: bool,
    fields: Vec<(&'static str, Value)>,
}

impl<'a> Story<'a> {
    /// Nothing is shown yet.
    pub(super) fn new(output: &'a mut Output) -> Self {
        Self { output, steps: Vec::new() }
    }

    /// A line outside the steps.
    pub(super) fn headline(&mut self, text: impl Display) -> Result<(), Failure> {
        let text = self.output.paint(Paint::Bold, text);
        self.line("", text)
    }

    /// Begin the next step, with what it is about in a few sentences.
    pub(super) fn begin(&mut self, name: &'static str, text: &str) -> Result<(), Failure> {
        self.steps.push(Step { name, ok: true, fields: Vec::new() });
        let mut lines = wrapped(text).into_iter();
        let label = self.output.paint(Paint::Bold, format!("{:>2} {name:<9}", self.steps.len()));
        self.line(&label, format!(" {}", lines.next().unwrap_or_default()))?;
        lines.try_for_each(|line| self.say(line))
    }

    /// A line as it is.
    pub(super) fn say(&mut self, text: impl Display) -> Result<(), Failure> {
        self.line(&" ".repeat(INDENT_COLUMNS), text)
    }

    /// Some sentences more.
    pub(super) fn explain(&mut self, text: &str) -> Result<(), Failure> {
        wrapped(text).into_iter().try_for_each(|line| self.say(line))
    }

    /// A line of origins in a listing.
    pub(super) fn reason(&mut self, text: impl Display) -> Result<(), Failure> {
        let text = self.output.paint(Paint::Green, text);
        self.say(text)
    }

    /// Claim `text`, which is true if `ok`.
    pub(super) fn claim(&mut self, ok: bool, text: impl Display) -> Result<(), Failure> {
        if let Some(step) = self.steps.last_mut() {
            step.ok &= ok;
        }
        let text = if ok {
            format!("{} {text}", self.output.paint(Paint::Green, "✓"))
        } else {
            format!("{} {text}", self.output.paint(Paint::Red, "✗ NOT TRUE:"))
        };
        self.say(text)
    }

    /// A mark for one of several things: as it should be, or not.
    pub(super) fn mark(&self, good: bool, text: &str) -> String {
        self.output.paint(if good { Paint::Green } else { Paint::Red }, text)
    }

    /// A finding of this step, for machines.
    pub(super) fn finding(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(step) = self.steps.last_mut() {
            step.fields.push((key, value.into()));
        }
    }

    /// Was everything true so far?
    pub(super) fn is_true(&self) -> bool {
        self.steps.iter().all(|step| step.ok)
    }

    fn line(&mut self, label: &str, text: impl Display) -> Result<(), Failure> {
        if self.output.json() {
            return Ok(());
        }
        writeln!(self.output, "{label}{text}")?;
        // Somebody watches: a step shows when it happens.
        self.output.flush_all()
    }

    /// Tell the findings and how it ended. `told` is how far the telling came.
    pub(super) fn finish(mut self, told: Result<(), Failure>) -> Result<Ending, Failure> {
        if let Err(Failure::Problems(problems)) = &told {
            let error: Vec<_> = problems.iter().map(|p| p.headline()).collect();
            if self.steps.is_empty() {
                self.steps.push(Step { name: "start", ok: false, fields: Vec::new() });
            }
            self.finding("error", error.join("; "));
            if let Some(step) = self.steps.last_mut() {
                step.ok = false;
            }
        }
        let ok = told.is_ok() && self.is_true();
        if self.output.json() {
            let findings = Findings { ok, steps: &self.steps };
            self.output.json_line(&findings)?;
        }
        told?;
        Ok(if ok { Ending::Done } else { Ending::No })
    }
}

/// `{"ok":…,"steps":[…]}`.
#[derive(serde::Serialize)]
struct Findings<'a> {
    ok: bool,
    steps: &'a [Step],
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", self.name)?;
        map.serialize_entry("ok", &self.ok)?;
        for (key, value) in &self.fields {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// `text` in lines of at most [`TEXT_COLUMNS`], unless a word is longer.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= TEXT_COLUMNS {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Bytes of a pattern in quotes.
pub(super) fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", printable(&String::from_utf8_lossy(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_wrapped_between_words() {
        let long = "x".repeat(TEXT_COLUMNS - 2);
        assert_eq!(wrapped("a b"), ["a b"]);
        assert_eq!(wrapped(&format!("{long} b c")), [format!("{long} b"), "c".to_owned()]);
        assert_eq!(wrapped(&format!("a {long}{long}")), ["a".to_owned(), long.repeat(2)]);
        assert_eq!(wrapped(""), [""]);
    }
}
