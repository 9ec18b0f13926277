//! The configuration of the service: what may stand in the file, and where it is wrong.
//!
//! Every key is known or an error, every error has a line and a column and says what is allowed. What
//! takes more than the text (patterns, interfaces) is looked at in [`wanted`](super::wanted), with the
//! places that are kept here.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use clap::ValueEnum;
use hardwire::attachment::{BPFFS, Hook};
use hardwire::compiler::event::record::CAPTURED_MAX;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::cmd::attach::ModeWord;
use crate::failure::Problem;
use crate::metrics::listener;
use crate::options::question::{VerdictWord, verdict};
use crate::options::{ReportWord, ScopeWord};

/// Most bytes of a configuration.
pub(super) const BYTES_MAX: usize = 16 << 20;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Config {
    /// Where the bpffs is.
    #[serde(default = "bpffs")]
    pub(super) bpffs: PathBuf,
    /// Mount it if it is not there.
    #[serde(default)]
    pub(super) mount_bpffs: bool,
    /// Where events and counters go.
    #[serde(default)]
    pub(super) output: Output,
    /// What is attached.
    #[serde(default)]
    pub(super) attach: Vec<Spanned<Attach>>,
}

fn bpffs() -> PathBuf {
    PathBuf::from(BPFFS)
}

/// `[output]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Output {
    /// Events as JSON Lines: a file that is appended to, or `-`.
    pub(super) events: Option<Spanned<PathBuf>>,
    /// Events as packets: a pcapng file that is appended to.
    pub(super) capture: Option<Spanned<PathBuf>>,
    /// Where Prometheus may ask.
    #[serde(default, deserialize_with = "address")]
    pub(super) prometheus: Option<SocketAddr>,
}

impl Output {
    /// Does anything take events?
    pub(super) fn takes_events(&self) -> bool {
        self.events.is_some() || self.capture.is_some()
    }
}

/// `[[attach]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Attach {
    /// Its name; `INTERFACE-HOOK` if there is none.
    pub(super) name: Option<Spanned<String>>,
    /// The interface.
    pub(super) interface: Spanned<String>,
    /// Where in the way of a packet.
    #[serde(default, deserialize_with = "hook")]
    pub(super) hook: Option<Hook>,
    /// For XDP.
    #[serde(default, deserialize_with = "word")]
    pub(super) mode: Option<ModeWord>,
    /// Which bytes are searched.
    #[serde(default, rename = "in", deserialize_with = "word")]
    pub(super) scope: Option<ScopeWord>,
    /// How much is told of a frame.
    #[serde(default, deserialize_with = "word")]
    pub(super) report: Option<ReportWord>,
    /// For frames in which a pattern was found.
    #[serde(default)]
    pub(super) on_match: Verdict,
    /// For frames in which none was found.
    #[serde(default)]
    pub(super) on_miss: Verdict,
    /// For frames without the scope.
    #[serde(default)]
    pub(super) out_of_scope: Verdict,
    /// Count what would have been done, and do nothing.
    #[serde(default)]
    pub(super) dry_run: bool,
    /// Matching frames of a source that pass in a second.
    #[serde(default, deserialize_with = "limit_pps")]
    pub(super) limit_pps: Option<u32>,
    /// Whether and how events are made.
    #[serde(default)]
    pub(super) events: Events,
    /// The patterns, in the order of their ids.
    #[serde(default)]
    pub(super) patterns: Vec<Spanned<PatternEntry>>,
    /// Files of them, which follow.
    #[serde(default)]
    pub(super) pattern_files: Vec<Spanned<PathBuf>>,
}

/// A verdict, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// What.
    pub(super) word: VerdictWord,
    /// Bytes of the file; empty where nothing was said.
    pub(super) span: Range<usize>,
}

impl Default for Verdict {
    fn default() -> Self {
        let word = VerdictWord::Plain(hardwire::compiler::ir::Verdict::Pass);
        Self { word, span: 0..0 }
    }
}

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Spanned::<Word>::deserialize(deserializer)?;
        let span = text.span();
        Ok(Self { word: text.into_inner().0, span })
    }
}

/// The word inside, so that an error is at its place.
struct Word(VerdictWord);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        verdict(&text).map(Self).map_err(|what| de::Error::custom(format!("{text:?}: {what}")))
    }
}

/// `events`: yes, no, or how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Events {
    /// If there is an output for them.
    #[default]
    IfWanted,
    /// None.
    Off,
    /// In this way.
    How(EventsTable),
}

/// `[attach.events]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct EventsTable {
    /// Bytes of the frame that come with one.
    #[serde(default, deserialize_with = "snap")]
    pub(super) snap: Option<u32>,
    /// One of so many.
    #[serde(default, deserialize_with = "one_of")]
    pub(super) sample: Option<u32>,
    /// At most so many a second.
    #[serde(default, deserialize_with = "rate")]
    pub(super) rate: Option<u32>,
}

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoolOrTable;
        impl<'de> Visitor<'de> for BoolOrTable {
            type Value = Events;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or a table of snap, sample and rate")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Events, E> {
                Ok(if on { Events::How(EventsTable::default()) } else { Events::Off })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Events, A::Error> {
                EventsTable::deserialize(MapAccessDeserializer::new(map)).map(Events::How)
            }
        }
        deserializer.deserialize_any(BoolOrTable)
    }
}

/// One of `patterns`: a line as in a file of patterns, or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternEntry {
    /// `"GET /admin"`, `"re:…"`, `"hex:…"`.
    Line(String),
    /// With options.
    Table(PatternTable),
}

/// A pattern with options.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PatternTable {
    /// A literal with escapes.
    pub(super) literal: Option<String>,
    /// A hex string.
    pub(super) hex: Option<String>,
    /// An expression.
    pub(super) regex: Option<String>,
    /// A condition.
    pub(super) frequency: Option<String>,
    /// Do ASCII letters match in either case?
    #[serde(default)]
    pub(super) ignore_case: bool,
    /// First byte of the scope that may belong to an occurrence.
    #[serde(default)]
    pub(super) offset: u32,
    /// Length of the window.
    pub(super) depth: Option<u32>,
}

impl<'de> Deserialize<'de> for PatternEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LineOrTable;
        impl<'de> Visitor<'de> for LineOrTable {
            type Value = PatternEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pattern (\"GET /admin\", \"re:…\", \"hex:…\") or a table of one")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PatternEntry, E> {
                Ok(PatternEntry::Line(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PatternEntry, A::Error> {
                let table = PatternTable::deserialize(MapAccessDeserializer::new(map))?;
                let given = [&table.literal, &table.hex, &table.regex, &table.frequency];
                if given.into_iter().flatten().count() != 1 {
                    let what =
                        "one of literal, hex, regex and frequency is a pattern, and exactly one";
                    return Err(de::Error::custom(what));
                }
                Ok(PatternEntry::Table(table))
            }
        }
        deserializer.deserialize_any(LineOrTable)
    }
}

/// One of the words that the command line has for the same.
fn word<'de, D: Deserializer<'de>, T: ValueEnum>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    T::from_str(&text, false).map(Some).map_err(|_| {
        let words: Vec<_> = T::value_variants()
            .iter()
            .filter_map(|word| Some(word.to_possible_value()?.get_name().to_owned()))
            .collect();
        de::Error::custom(format!("{text:?} is none of {}", words.join(", ")))
    })
}

fn hook<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Hook>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let all = [Hook::Xdp, Hook::Ingress, Hook::Egress];
    let found = all.into_iter().find(|hook| hook.name() == text);
    found.map(Some).ok_or_else(|| {
        de::Error::custom(format!("{text:?} is none of {}", all.map(Hook::name).join(", ")))
    })
}

/// A number from `least` to `most`.
fn number<'de, D: Deserializer<'de>>(
    deserializer: D,
    range: std::ops::RangeInclusive<u32>,
) -> Result<Option<u32>, D::Error> {
    let number = i64::deserialize(deserializer)?;
    u32::try_from(number).ok().filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        de::Error::custom(format!("{number} is not within {least} to {most}"))
    })
}

fn limit_pps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    number(deserializer, 1..=u32::MAX)
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    number(deserializer, 1..=u32::MAX)
}

fn one_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    number(deserializer, 1..=u32::MAX)
}

fn snap<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    number(deserializer, 0..=CAPTURED_MAX)
}

/// A port on loopback as a number or a text, or an address with one.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    struct PortOrText(PhantomData<()>);
    impl Visitor<'_> for PortOrText {
        type Value = SocketAddr;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a port (9464) or an address with one (\"192.0.2.1:9464\")")
        }

        fn visit_i64<E: de::Error>(self, port: i64) -> Result<SocketAddr, E> {
            self.visit_str(&port.to_string())
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<SocketAddr, E> {
            listener::address(text).map_err(|what| E::custom(format!("{text:?}: {what}")))
        }
    }
    deserializer.deserialize_any(PortOrText(PhantomData)).map(Some)
}

/// The text of a configuration, for places in it.
#[derive(Debug)]
pub(super) struct Text {
    /// Its name.
    pub(super) name: String,
    text: String,
}

impl Text {
    /// A text of this name.
    pub(super) fn new(name: String, text: String) -> Self {
        Self { name, text }
    }

    /// What it says.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub(super) fn parse(&self) -> Result<Config, Problem> {
        toml::from_str(&self.text).map_err(|error: toml::de::Error| {
            let lines: Vec<&str> = error.message().lines().collect();
            let problem = Problem::new(lines.join(", "));
            match error.span() {
                Some(span) => self.problem(problem, &span),
                None => problem.at(self.name.clone()),
            }
        })
    }

    /// `problem`, at this place.
    pub(super) fn problem(&self, problem: Problem, span: &Range<usize>) -> Problem {
        problem.at(self.place(span))
    }

    /// `FILE line 7 column 3`.
    pub(super) fn place(&self, span: &Range<usize>) -> String {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &self.text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        format!("{} line {line} column {column}", self.name)
    }
}
