//! Counters as Prometheus reads them: the text format 0.0.4, and a listener that serves it.
//!
//! [`exposition`] is a function of its arguments. Every family has HELP and TYPE, every counter ends in
//! `_total`, and units are bytes and seconds. Labels are `name` (of the attachment), `interface`, `hook`,
//! and for patterns `id` and `pattern`.

mod http;
pub(crate) mod listener;

use std::fmt::Write as _;
use std::time::Duration;

use hardwire::compiler::event::{Counter, Counters};

/// What the answer is, in the words of HTTP.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Characters of a pattern in a label: enough to know it again, and short in every sample.
const PATTERN_CHARS_MAX: usize = 64;

/// What was counted by one attachment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// The name of the attachment.
    pub(crate) name: String,
    /// The name of the interface.
    pub(crate) interface: String,
    /// Where it is attached: `xdp`, `ingress`, `egress`, `socket`.
    pub(crate) hook: String,
    /// The counters.
    pub(crate) counters: Counters,
    /// Id, text and hits of each pattern.
    pub(crate) patterns: Vec<PatternHits>,
    /// How often the program ran, and for how long altogether; known while the kernel's statistics
    /// are on.
    pub(crate) runs: Option<(u64, Duration)>,
}

/// The frames in which a pattern was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PatternHits {
    /// Its id.
    pub(crate) id: u32,
    /// Its text; any characters.
    pub(crate) text: String,
    /// How many frames.
    pub(crate) hits: u64,
}

/// A family of one counter for each attachment.
struct Family {
    name: &'static str,
    help: &'static str,
    /// The label that tells its samples apart, and for each value the counter.
    label: &'static str,
    of: &'static [(&'static str, Counter)],
}

const FAMILIES: &[Family] = &[
    Family {
        name: "hardwire_frames_total",
        help: "Frames that the program saw.",
        label: "",
        of: &[("", Counter::Frames)],
    },
    Family {
        name: "hardwire_bytes_total",
        help: "Bytes of the frames that the program saw.",
        label: "",
        of: &[("", Counter::Bytes)],
    },
    Family {
        name: "hardwire_outcomes_total",
        help: "Frames by what the search came to; unsearched: in scope, but not searched whole.",
        label: "outcome",
        of: &[
            ("matched", Counter::Matched),
            ("missed", Counter::Missed),
            ("out_of_scope", Counter::OutOfScope),
            ("unsearched", Counter::Unsearched),
        ],
    },
    Family {
        name: "hardwire_verdicts_total",
        help: "Frames by verdict.",
        label: "verdict",
        of: &[
            ("pass", Counter::Pass),
            ("drop", Counter::Drop),
            ("abort", Counter::Abort),
            ("tx", Counter::Tx),
            ("redirect", Counter::Redirect),
        ],
    },
    Family {
        name: "hardwire_spared_total",
        help: "Frames that passed although their verdict was another, and why.",
        label: "reason",
        of: &[("dry_run", Counter::Spared), ("within_limit", Counter::WithinLimit)],
    },
    Family {
        name: "hardwire_events_total",
        help: "Matching frames by what became of their event.",
        label: "outcome",
        of: &[
            ("delivered", Counter::Events),
            ("lost", Counter::EventsLost),
            ("skipped", Counter::EventsSkipped),
        ],
    },
];

/// The counters of all attachments.
pub(crate) fn exposition(samples: &[Sample]) -> String {
    let mut text = String::new();
    // A string takes everything that is written to it.
    let _ = writeln!(
        text,
        "# HELP hardwire_build_info The version of Hardwire.\n# TYPE hardwire_build_info gauge\n\
         hardwire_build_info{{version=\"{}\"}} 1",
        env!("CARGO_PKG_VERSION")
    );
    let labels: Vec<String> = samples.iter().map(labels).collect();
    for family in FAMILIES {
        head(&mut text, family.name, "counter", family.help);
        for (sample, labels) in samples.iter().zip(&labels) {
            for (value, counter) in family.of {
                let count = sample.counters.get(*counter);
                let _ = write!(text, "{}{{{labels}", family.name);
                if !family.label.is_empty() {
                    let _ = write!(text, ",{}=\"{value}\"", family.label);
                }
                let _ = writeln!(text, "}} {count}");
            }
        }
    }
    head(
        &mut text,
        "hardwire_pattern_hits_total",
        "counter",
        "Frames in which the pattern was found; exact with --report all.",
    );
    for (sample, labels) in samples.iter().zip(&labels) {
        for pattern in &sample.patterns {
            let (id, hits) = (pattern.id, pattern.hits);
            let name = escaped(&shortened(&pattern.text));
            let _ = writeln!(
                text,
                "hardwire_pattern_hits_total{{{labels},id=\"{id}\",pattern=\"{name}\"}} {hits}"
            );
        }
    }
    runs(&mut text, samples, &labels);
    text
}

/// The counter of events that came and that no output took: for a service, behind
/// [`exposition`].
pub(crate) fn unwritten(events: u64) -> String {
    let mut text = String::new();
    let name = "hardwire_unwritten_events_total";
    head(
        &mut text,
        name,
        "counter",
        "Events that were delivered, and that an output did not take.",
    );
    // A string takes everything that is written to it.
    let _ = writeln!(text, "{name} {events}");
    text
}

fn runs(text: &mut String, samples: &[Sample], labels: &[String]) {
    let known = || {
        let with_labels = samples.iter().zip(labels);
        with_labels.filter_map(|(sample, labels)| Some((sample.runs?, labels)))
    };
    if known().next().is_none() {
        return;
    }
    let help = "How often the program ran while the kernel kept statistics.";
    head(text, "hardwire_runs_total", "counter", help);
    for ((count, _), labels) in known() {
        let _ = writeln!(text, "hardwire_runs_total{{{labels}}} {count}");
    }
    let help = "Time that the program took while the kernel kept statistics.";
    head(text, "hardwire_run_seconds_total", "counter", help);
    for ((_, time), labels) in known() {
        let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
        let _ = writeln!(text, "hardwire_run_seconds_total{{{labels}}} {seconds}.{nanos:09}");
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn labels(sample: &Sample) -> String {
    let (name, interface) = (escaped(&sample.name), escaped(&sample.interface));
    format!("name=\"{name}\",interface=\"{interface}\",hook=\"{}\"", escaped(&sample.hook))
}

/// The value of a label between its quotes.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            // Legal in the format, but obeyed by the terminal of whoever looks at it.
            control if control.is_control() => text.push('\u{fffd}'),
            other => text.push(other),
        }
    }
    text
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= PATTERN_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(PATTERN_CHARS_MAX - 3).collect::<String>() + "..."
}

#[cfg(test)]
mod tests;
