//! What an attachment is, in words: who attached what, where, and which patterns it looks for.
//!
//! A bpffs takes objects of BPF and nothing else, so the description is JSON in an array map that no
//! program refers to, frozen when it has been written. It is for people and for commands that come
//! later; the patterns themselves are in the code of the program, and nothing in the kernel reads
//! this.

use serde::{Deserialize, Serialize};

use super::Error;
use crate::{
    assembler::{MapKind, MapSpec},
    compiler::{
        Events, Options,
        ir::{Matcher, Report, Scope, Verdict, Verdicts, Window},
        pattern::{Syntax, Written},
    },
    loader::{Map, Update, host::NetworkNamespace},
    netlink::TcDirection,
};

/// The name of the map, and of its pin.
pub const NAME: &str = "description";
/// Bytes of one value; as many follow each other as the text needs.
const CHUNK_BYTES: u32 = 4096;
/// Most bytes of a description: more than the largest set of patterns needs.
pub const BYTES_MAX: usize = 256 << 20;
/// `BPF_F_RDONLY_PROG`: no program writes into it.
const F_RDONLY_PROG: u32 = 1 << 7;

/// Where in the way of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// XDP: before the stack, received frames only.
    Xdp,
    /// tc, received packets.
    Ingress,
    /// tc, packets that are sent.
    Egress,
}

impl Hook {
    /// As on the command line, and at the end of names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// Which way frames go that a classifier sees; nothing for XDP.
    pub const fn direction(self) -> Option<TcDirection> {
        match self {
            Self::Xdp => None,
            Self::Ingress => Some(TcDirection::Ingress),
            Self::Egress => Some(TcDirection::Egress),
        }
    }
}

/// What holds the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// A bpf_link, which is pinned.
    Link,
    /// The interface itself, by rtnetlink.
    Netlink,
}

impl Via {
    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Netlink => "netlink",
        }
    }
}

/// A pattern as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PatternText {
    /// `literal`, `hex`, `regex` or `frequency`.
    pub syntax: String,
    /// The text. Bytes that are not UTF-8 stand as `\xNN`, which means the same.
    pub text: String,
    /// Do ASCII letters match in either case?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// First byte of the scope that may belong to an occurrence.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: u32,
    /// Length of the window in bytes, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl PatternText {
    /// `written` as a description holds it.
    pub fn of(written: &Written) -> Self {
        let syntax = match written.syntax {
            Syntax::Literal => "literal",
            Syntax::Hex => "hex",
            Syntax::Regex => "regex",
            Syntax::Frequency => "frequency",
        };
        let mut text = String::new();
        for chunk in written.text.utf8_chunks() {
            text += chunk.valid();
            text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        }
        let Window { offset, depth } = written.window;
        Self { syntax: syntax.into(), text, ignore_case: written.ignore_case, offset, depth }
    }

    /// What was written; nothing if it is of a syntax that this version does not know.
    pub fn written(&self) -> Option<Written> {
        let syntax = match self.syntax.as_str() {
            "literal" => Syntax::Literal,
            "hex" => Syntax::Hex,
            "regex" => Syntax::Regex,
            "frequency" => Syntax::Frequency,
            _ => return None,
        };
        Some(Written {
            syntax,
            text: self.text.clone().into_bytes(),
            ignore_case: self.ignore_case,
            window: Window { offset: self.offset, depth: self.depth },
        })
    }
}

/// Events as they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsText {
    /// Bytes of the frame that come with an event, at most.
    pub snap: u32,
    /// Bytes of the ring buffer.
    pub ring_bytes: u32,
}

/// What an attachment is. The id of a pattern is its place in the list, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The version of Hardwire that made it.
    pub version: String,
    /// The interface, as it was called then.
    pub interface: String,
    /// Its index in its network namespace.
    pub ifindex: u32,
    /// The number of the file of the network namespace.
    pub netns: u64,
    /// The number of the network namespace since the boot. Linux 5.14.
    #[serde(default)]
    pub netns_cookie: Option<u64>,
    /// Where in the way of a packet.
    pub hook: Hook,
    /// What holds the program.
    pub via: Via,
    /// The mode that was asked for.
    pub mode: String,
    /// Which bytes are searched.
    pub scope: String,
    /// How much is reported of a frame.
    pub report: String,
    /// The verdict for a frame in which a pattern was found: `redirect:3` with the index.
    pub on_match: String,
    /// The verdict for a frame in which none was found.
    pub on_miss: String,
    /// The verdict for a frame without the scope.
    pub out_of_scope: String,
    /// The patterns.
    pub patterns: Vec<PatternText>,
    /// Slots of all programs together.
    pub slots: u64,
    /// When this program was attached, in seconds since 1970.
    pub created: u64,
    /// Its events, if it makes any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventsText>,
    /// Can matching frames of one source be limited?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub source_limit: bool,
    /// Was there no clsact qdisc before, so that it goes with the last filter?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub makes_qdisc: bool,
    /// Did a service make it, so that the next one may take it over?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub service: bool,
    /// The generation whose counts this one goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<u32>,
}

impl Description {
    /// The verdicts; nothing if one is of a kind that this version does not know.
    pub fn verdicts(&self) -> Option<Verdicts> {
        Some(Verdicts {
            on_match: verdict(&self.on_match)?,
            on_miss: verdict(&self.on_miss)?,
            out_of_scope: verdict(&self.out_of_scope)?,
        })
    }

    /// Where it looks; nothing if this version does not know it.
    pub fn scope(&self) -> Option<Scope> {
        [Scope::Payload, Scope::Packet, Scope::Raw].into_iter().find(|s| s.name() == self.scope)
    }

    /// How much it says; nothing if this version does not know it.
    pub fn report(&self) -> Option<Report> {
        [Report::First, Report::All].into_iter().find(|report| report_name(*report) == self.report)
    }

    /// Was it attached in this network namespace? By the number that is never given twice, where
    /// both have one.
    pub fn is_in(&self, here: &NetworkNamespace) -> bool {
        match (self.netns_cookie, here.cookie) {
            (Some(there), Some(here)) => there == here,
            (None, _) | (_, None) => self.netns == here.inode,
        }
    }

    /// Fill in what `options` say about events and limits.
    pub fn set_options(&mut self, options: &Options) {
        self.events =
            options.events.map(|Events { snap, ring_bytes }| EventsText { snap, ring_bytes });
        self.source_limit = options.source_limit;
    }

    /// `options` as its program was compiled with, as far as they are described. What stays is always
    /// made to be controlled.
    #[must_use]
    pub fn options(&self, options: Options) -> Options {
        let events = self.events.map(|EventsText { snap, ring_bytes }| Events { snap, ring_bytes });
        Options { events, controls: true, source_limit: self.source_limit, ..options }
    }

    /// Fill in what `matcher` says about search and verdicts.
    pub fn set_matcher(&mut self, matcher: &Matcher) {
        self.scope = matcher.scope.name().to_owned();
        self.report = report_name(matcher.report).to_owned();
        self.on_match = verdict_text(matcher.verdicts.on_match);
        self.on_miss = verdict_text(matcher.verdicts.on_miss);
        self.out_of_scope = verdict_text(matcher.verdicts.out_of_scope);
    }

    /// A map that holds it, frozen where the kernel can (Linux 5.2).
    pub(super) fn to_map(&self) -> Result<Map, Error> {
        let text = serde_json::to_vec(self).map_err(|error| Error::Unreadable {
            what: "a description cannot be written".to_owned(),
            source: Some(error.into()),
        })?;
        let chunk = usize::try_from(CHUNK_BYTES).expect("u32 fits");
        let too_long = || Error::Unreadable {
            what: format!("a description of {} bytes; at most {BYTES_MAX}", text.len()),
            source: None,
        };
        if text.len() > BYTES_MAX {
            return Err(too_long());
        }
        let spec = MapSpec {
            name: NAME.to_owned(),
            kind: MapKind::Array,
            key_bytes: 4,
            value_bytes: CHUNK_BYTES,
            entries_max: u32::try_from(text.len().div_ceil(chunk)).map_err(|_| too_long())?,
            flags: F_RDONLY_PROG,
        };
        let map = Map::create(&spec)?;
        for (index, part) in (0_u32..).zip(text.chunks(chunk)) {
            let mut value = vec![0; chunk];
            value[..part.len()].copy_from_slice(part);
            map.update(&index.to_ne_bytes(), &value, Update::Any)?;
        }
        map.freeze()?;
        Ok(map)
    }

    /// Read it back.
    pub(super) fn from_map(map: &Map) -> Result<Self, Error> {
        let values = map.read_array()?;
        let mut text: Vec<u8> = values.all().flatten().copied().collect();
        text.truncate(text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        serde_json::from_slice(&text).map_err(|error| Error::Unreadable {
            what: "its description cannot be read".to_owned(),
            source: Some(error.into()),
        })
    }
}

const fn report_name(report: Report) -> &'static str {
    match report {
        Report::First => "first",
        Report::All => "all",
    }
}

fn verdict_text(verdict: Verdict) -> String {
    match verdict {
        Verdict::Redirect { ifindex } => format!("redirect:{ifindex}"),
        Verdict::Pass | Verdict::Drop | Verdict::Abort | Verdict::Tx => verdict.name().to_owned(),
    }
}

fn verdict(text: &str) -> Option<Verdict> {
    if let Some(index) = text.strip_prefix("redirect:") {
        return index.parse().ok().map(|ifindex| Verdict::Redirect { ifindex });
    }
    let plain = [Verdict::Pass, Verdict::Drop, Verdict::Abort, Verdict::Tx];
    plain.into_iter().find(|verdict| verdict.name() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_comes_back_as_it_was_written_or_means_the_same() {
        for (written, text) in [
            (Written::new(Syntax::Literal, "GET \\x00"), "GET \\x00"),
            (Written::new(Syntax::Hex, "DE AD ??"), "DE AD ??"),
            (Written { ignore_case: true, ..Written::new(Syntax::Regex, "a+") }, "a+"),
            (Written::new(Syntax::Literal, b"\xffa".to_vec()), "\\xffa"),
        ] {
            let described = PatternText::of(&written);
            assert_eq!(described.text, text);
            let back = described.written().expect("a known syntax");
            let body = |written: &Written| written.lower(1).expect("good").body;
            assert_eq!(body(&back), body(&written));
        }
        let newer = PatternText {
            syntax: "rule".into(),
            ..PatternText::of(&Written::new(Syntax::Hex, ""))
        };
        assert_eq!(newer.written(), None);
    }

    #[test]
    fn verdicts_come_back_with_their_interface() {
        let redirect = Verdict::Redirect { ifindex: 7 };
        for known in [Verdict::Pass, Verdict::Drop, Verdict::Abort, Verdict::Tx, redirect] {
            assert_eq!(verdict(&verdict_text(known)), Some(known));
        }
        for unknown in ["", "redirect", "redirect:", "redirect:eth0", "queue"] {
            assert_eq!(verdict(unknown), None, "{unknown}");
        }
    }
}
