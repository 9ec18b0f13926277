//! An event as one line of JSON. The keys are stable, and all are always there: what is not known is
//! null.

use std::fmt;
use std::net::IpAddr;

use hardwire::capture::Flow;
use serde::{Serialize, Serializer};

use super::{Event, Found};
use crate::show::time::Rfc3339;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(serialize_with = "displayed")]
    time: Rfc3339,
    ns: u64,
    interface: &'a str,
    direction: &'static str,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    sport: Option<u16>,
    dport: Option<u16>,
    protocol: Option<Protocol>,
    vlan: Vec<u16>,
    bytes: u32,
    captured: usize,
    verdict: &'static str,
    spared: bool,
    matches: Vec<Match>,
    more: u32,
    scope_start: u32,
    #[serde(serialize_with = "displayed")]
    snippet: Hex<'a>,
}

#[derive(Serialize)]
struct Match {
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<u32>,
}

/// A protocol by its name, or by its number where it has none here.
#[derive(Serialize)]
#[serde(untagged)]
enum Protocol {
    Name(&'static str),
    Number(u16),
}

fn protocol(flow: &Flow) -> Option<Protocol> {
    let number = flow.protocol.map(u16::from).or(flow.ether_type)?;
    Some(flow.protocol_name().map_or(Protocol::Number(number), Protocol::Name))
}

/// Bytes as hex digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: [char; 16] =
            ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let digit = |nibble: u8| DIGITS[usize::from(nibble)];
        self.0.iter().try_for_each(|byte| {
            f.write_str(digit(byte >> 4).encode_utf8(&mut [0; 4]))?;
            f.write_str(digit(byte & 15).encode_utf8(&mut [0; 4]))
        })
    }
}

fn displayed<S: Serializer>(what: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(what)
}

/// Append the line of `event`.
pub(super) fn line(to: &mut String, event: &Event<'_>, flow: &Flow, found: &[Found], more: u32) {
    let record = event.record;
    let line = Line {
        time: Rfc3339 { time: event.time, digits: 9 },
        ns: u64::try_from(event.time.as_nanos()).unwrap_or(u64::MAX),
        interface: event.interface,
        direction: record.direction.name(),
        src: flow.source,
        dst: flow.destination,
        sport: flow.ports.map(|(source, _)| source),
        dport: flow.ports.map(|(_, destination)| destination),
        protocol: protocol(flow),
        vlan: flow.vlans.iter().flatten().map(|vlan| vlan.id()).collect(),
        bytes: record.frame_bytes,
        captured: record.captured.len(),
        verdict: record.verdict.name(),
        spared: record.spared,
        matches: found.iter().map(|found| Match { id: found.id, end: found.end }).collect(),
        more,
        scope_start: record.scope_start,
        snippet: Hex(record.captured),
    };
    to.push_str(&serde_json::to_string(&line).expect("numbers and texts"));
    to.push('\n');
}
