//! Events as people and programs read them: a line with a piece of the bytes, or a line of JSON.
//!
//! Everything in an event but the numbers comes from a stranger. Bytes are printed as text only where
//! they are printable ASCII, names of interfaces with their control characters escaped.

pub(crate) mod capture;
mod json;
mod place;
mod snippet;
pub(crate) mod time;

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use hardwire::capture::LinkType;
use hardwire::capture::flow::{Flow, Vlan};
use hardwire::compiler::event::record::{Direction, Record};
use hardwire::compiler::ir::{Body, Verdict};

use crate::failure::printable;
use crate::options::{Named, ShowOptions};
use crate::output::Output;
use place::Start;
use time::Rfc3339;

/// What begins and ends a highlighted piece on a terminal.
const HIGHLIGHT: &str = "\x1b[1;31m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Most patterns that a line names; of the rest the number is told.
const PATTERNS_SHOWN_MAX: usize = 4;

/// An event, and what is known of it besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    /// What the program wrote.
    pub(crate) record: &'a Record<'a>,
    /// The name of the interface.
    pub(crate) interface: &'a str,
    /// What its frames begin with.
    pub(crate) link_type: LinkType,
    /// When it was, since 1970: [`time::WallClock`].
    pub(crate) time: Duration,
}

impl Event<'_> {
    fn flow(&self) -> Flow {
        let vlan = self.record.vlan.map(|(protocol, tag)| Vlan { protocol, tag });
        Flow::of(self.record.captured, self.link_type, vlan)
    }

    /// The bytes of the scope that were captured.
    fn scope(&self) -> &[u8] {
        self.record.captured.get(self.scope_start()..).unwrap_or(&[])
    }

    fn scope_start(&self) -> usize {
        usize::try_from(self.record.scope_start).unwrap_or(usize::MAX)
    }
}

/// A pattern that was found.
struct Found {
    /// Its position among the patterns.
    index: usize,
    id: u32,
    /// Exclusive end from the start of the scope; a condition has none.
    end: Option<u32>,
}

/// A pattern as it is shown.
struct Shown {
    id: u32,
    text: String,
    /// Are bytes counted, so that there is no place?
    condition: bool,
    start: Start,
}

/// Prints events.
pub(crate) struct Printer {
    patterns: Vec<Shown>,
    options: ShowOptions,
    json: bool,
    colors: bool,
    /// What is being put together, so that every event is written at once.
    text: String,
    comment: String,
}

impl Printer {
    /// A printer of events of a program for these patterns.
    pub(crate) fn new(named: &[Named], options: &ShowOptions, output: &Output) -> Self {
        Self::with(named, options, output.json(), output.colors())
    }

    /// The same, in JSON or not, in colour or not.
    pub(crate) fn with(named: &[Named], options: &ShowOptions, json: bool, colors: bool) -> Self {
        let shown = |named: &Named| Shown {
            id: named.pattern.id,
            text: named.text.clone(),
            condition: matches!(named.pattern.body, Body::Frequency(_)),
            start: Start::of(&named.pattern),
        };
        let patterns = named.iter().map(shown).collect();
        let options = options.clone();
        Self { patterns, options, json, colors, text: String::new(), comment: String::new() }
    }

    /// Print `event`: one `write_all`.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub(crate) fn print(&mut self, event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
        self.text.clear();
        let (flow, found, more) = (event.flow(), self.found(event), more(event.record));
        let mut text = std::mem::take(&mut self.text);
        if self.json {
            json::line(&mut text, event, &flow, &found, more);
        } else {
            self.line(&mut text, event, &flow, &found, more);
            let marks = self.marks(event, &found);
            if self.options.hexdump {
                let start = event.scope_start();
                let marks: Vec<_> = marks.iter().map(|m| m.start + start..m.end + start).collect();
                snippet::hexdump(&mut text, event.record.captured, &marks, self.colors);
            } else {
                let bytes_max = self.options.snippet;
                snippet::text(&mut text, event.scope(), &marks, bytes_max, self.colors);
            }
        }
        self.text = text;
        out.write_all(self.text.as_bytes())
    }

    /// What is said of `event` in a capture: which patterns, and where.
    pub(crate) fn comment(&mut self, event: &Event<'_>) -> &str {
        let (found, more) = (self.found(event), more(event.record));
        let mut comment = std::mem::take(&mut self.comment);
        comment.clear();
        self.name(&mut comment, event, &found, more, Paint(false));
        self.comment = comment;
        &self.comment
    }

    /// The patterns that were found; positions that no pattern has are left out.
    fn found(&self, event: &Event<'_>) -> Vec<Found> {
        let found = event.record.matches().into_iter().filter_map(|note| {
            let index = usize::try_from(note.index).ok()?;
            let pattern = self.patterns.get(index)?;
            let end = (!pattern.condition).then_some(note.end);
            Some(Found { index, id: pattern.id, end })
        });
        found.collect()
    }

    /// The places of the matches in the scope. Of a match whose start is not known, its last byte.
    fn marks(&mut self, event: &Event<'_>, found: &[Found]) -> Vec<Range<usize>> {
        let scope = event.scope();
        let mut marks = Vec::new();
        for found in found {
            let Some(end) = found.end.and_then(|end| usize::try_from(end).ok()) else { continue };
            if end <= scope.len() {
                let start = self.patterns[found.index].start.start(scope, end);
                marks.push(start.unwrap_or(end.saturating_sub(1))..end);
            }
        }
        marks
    }

    /// `TIME eth0 in 192.0.2.1:4242 > 192.0.2.2:80 tcp P. 74 bytes drop #1 "GET /admin" at byte 0`
    fn line(
        &mut self,
        to: &mut String,
        event: &Event<'_>,
        flow: &Flow,
        found: &[Found],
        more: u32,
    ) {
        let (record, paint) = (event.record, Paint(self.colors));
        let digits = if self.options.nanoseconds { 9 } else { 6 };
        let time = Rfc3339 { time: event.time, digits };
        let (dim, plain) = (paint.code(DIM), paint.code(PLAIN));
        let direction = match record.direction {
            Direction::Ingress => "in",
            Direction::Egress => "out",
        };
        let name = printable(event.interface);
        // A string takes everything that is written to it.
        let _ = write!(to, "{dim}{time}{plain} {name} {direction} {} ", Ends(flow));
        for vlan in flow.vlans.iter().flatten() {
            let _ = write!(to, "vlan {} ", vlan.id());
        }
        let _ = match (flow.protocol_name(), flow.protocol, flow.ether_type) {
            (Some(name), _, _) => write!(to, "{name} "),
            (None, Some(protocol), _) => write!(to, "protocol {protocol} "),
            (None, None, Some(ether_type)) => write!(to, "type {ether_type:#06x} "),
            (None, None, None) => Ok(()),
        };
        if let Some(flags) = flow.tcp_flags {
            let _ = write!(to, "{flags} ");
        }
        if flow.fragment {
            to.push_str("fragment ");
        }
        let verdict = record.verdict.name();
        let (open, close) = match record.verdict {
            Verdict::Pass => ("", ""),
            Verdict::Drop | Verdict::Abort | Verdict::Tx | Verdict::Redirect { .. } => {
                (paint.code(BOLD), paint.code(PLAIN))
            }
        };
        let spared = if record.spared { " (spared)" } else { "" };
        let _ = write!(to, "{} bytes {open}{verdict}{close}{spared} ", record.frame_bytes);
        self.name(to, event, found, more, paint);
        to.push('\n');
    }

    /// `#1 "GET /admin" at byte 0, #2 "[0-9]+" up to byte 7, 3 more`
    fn name(
        &mut self,
        to: &mut String,
        event: &Event<'_>,
        found: &[Found],
        more: u32,
        paint: Paint,
    ) {
        let mut separator = "";
        for found in found.iter().take(PATTERNS_SHOWN_MAX) {
            let pattern = &mut self.patterns[found.index];
            let (bold, plain) = (paint.code(BOLD), paint.code(PLAIN));
            let _ = write!(to, "{separator}#{} {bold}{}{plain}", pattern.id, pattern.text);
            separator = ", ";
            let Some(end) = found.end else { continue };
            let place = usize::try_from(end).ok();
            let _ = match place.and_then(|end| pattern.start.start(event.scope(), end)) {
                Some(start) => write!(to, " at byte {start}"),
                None => write!(to, " up to byte {end}"),
            };
        }
        let unnamed = found.len().saturating_sub(PATTERNS_SHOWN_MAX);
        let more = usize::try_from(more).unwrap_or(usize::MAX).saturating_add(unnamed);
        if more > 0 {
            let _ = write!(to, "{separator}{more} more");
        }
    }
}

/// How many occurrences were noted beyond those that are told.
fn more(record: &Record<'_>) -> u32 {
    let told = u32::try_from(record.notes().count()).unwrap_or(u32::MAX);
    record.noted.saturating_sub(told)
}

/// In colour?
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn code(self, code: &'static str) -> &'static str {
        if self.0 { code } else { "" }
    }
}

/// `192.0.2.1:4242 > 192.0.2.2:80`, or the Ethernet addresses of what has none of IP.
struct Ends<'a>(&'a Flow);

impl fmt::Display for Ends<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = self.0;
        let (source, destination) = (flow.source, flow.destination);
        if let (None, None, Some((source, destination))) = (source, destination, flow.macs) {
            return write!(f, "{} > {}", Mac(source), Mac(destination));
        }
        let ports = flow.ports.unzip();
        write!(f, "{} > {}", End(source, ports.0), End(destination, ports.1))
    }
}

struct Mac([u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

struct End(Option<IpAddr>, Option<u16>);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(IpAddr::V6(address)), Some(port)) => write!(f, "[{address}]:{port}"),
            (Some(address), Some(port)) => write!(f, "{address}:{port}"),
            (Some(address), None) => write!(f, "{address}"),
            (None, _) => f.write_str("?"),
        }
    }
}

#[cfg(test)]
mod tests;
