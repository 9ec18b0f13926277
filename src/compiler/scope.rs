//! Which bytes of a frame are searched, told in the plainest words.
//!
//! This is the definition that generated code is held to, so it is written to be read and not to
//! be fast: one step a function, every check one comparison of numbers, no step shared with the
//! code generator. Lengths are judged by captured bytes alone.
//!
//! It does not: walk tunnels, MPLS or PPPoE, follow AH in IPv4, reassemble, or check sums.

use super::ir::Scope;
use std::ops::Range;

/// Most VLAN tags in front of a payload, wherever they are kept.
pub const VLAN_TAGS_MAX: u32 = 2;
/// Most IPv6 extension headers that are walked.
pub const EXTENSION_HEADERS_MAX: u32 = 6;

/// What a hook sees of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// All bytes as they came: XDP, and captures.
    Xdp,
    /// A socket buffer (packet sockets, tc), which keeps the outer VLAN tag apart from the bytes.
    Skb {
        /// Is there such a tag? (`vlan_present` and `vlan_tci` of `__sk_buff`.)
        vlan_tag: bool,
    },
}

/// The bytes of `input` that are in `scope`, or `None` if the input has no such scope.
///
/// An empty range is a scope too: a TCP segment without data has a payload of no bytes. The range
/// always lies within `input`.
pub fn scope_of(input: &[u8], scope: Scope, hook: Hook) -> Option<Range<usize>> {
    match scope {
        Scope::Payload => payload(input, hook),
        Scope::Packet | Scope::Raw => Some(0..input.len()),
    }
}

fn payload(frame: &[u8], hook: Hook) -> Option<Range<usize>> {
    let (ether_type, network) = ethernet(frame, hook)?;
    let (protocol, transport) = match ether_type {
        0x0800 => ipv4(frame, network)?,
        0x86dd => ipv6(frame, network)?,
        _ => return None,
    };
    match protocol {
        6 => tcp(frame, transport),
        17 => udp(frame, transport),
        _ => None,
    }
}

/// The EtherType behind the VLAN tags, and where its header begins.
fn ethernet(frame: &[u8], hook: Hook) -> Option<(u16, usize)> {
    let mut tags = match hook {
        Hook::Xdp | Hook::Skb { vlan_tag: false } => 0,
        Hook::Skb { vlan_tag: true } => 1,
    };
    let mut at = 12;
    loop {
        let ether_type = u16_at(frame, at)?;
        if !matches!(ether_type, 0x8100 | 0x88a8 | 0x9100) {
            return Some((ether_type, at + 2));
        }
        tags += 1;
        if tags > VLAN_TAGS_MAX {
            return None;
        }
        at += 4;
    }
}

/// The protocol of an unfragmented IPv4 packet, and its payload.
fn ipv4(frame: &[u8], start: usize) -> Option<(u8, Range<usize>)> {
    if start + 20 > frame.len() || frame[start] >> 4 != 4 {
        return None;
    }
    let header = usize::from(frame[start] & 0x0f) * 4;
    let total = usize::from(u16_at(frame, start + 2)?);
    if header < 20 || total < header || start + total > frame.len() {
        return None;
    }
    // More-fragments, and the thirteen bits of the offset.
    if u16_at(frame, start + 6)? & 0x3fff != 0 {
        return None;
    }
    Some((frame[start + 9], start + header..start + total))
}

/// The protocol of an unfragmented IPv6 packet, and what is behind its extension headers.
fn ipv6(frame: &[u8], start: usize) -> Option<(u8, Range<usize>)> {
    if start + 40 > frame.len() || frame[start] >> 4 != 6 {
        return None;
    }
    let length = usize::from(u16_at(frame, start + 4)?);
    let end = start + 40 + length;
    if length == 0 || end > frame.len() {
        return None;
    }
    let mut next = frame[start + 6];
    let mut at = start + 40;
    let mut walked = 0;
    loop {
        let unit = match next {
            // Hop-by-hop options, routing, destination options: units of 8, the first not counted.
            0 | 43 | 60 => |count: usize| (count + 1) * 8,
            // AH: units of 4, the first two not counted.
            51 => |count: usize| (count + 2) * 4,
            // All others, the fragment header (44) among them, are the payload's protocol.
            protocol => return Some((protocol, at..end)),
        };
        walked += 1;
        if walked > EXTENSION_HEADERS_MAX || at + 2 > end {
            return None;
        }
        next = frame[at];
        at += unit(usize::from(frame[at + 1]));
        if at > end {
            return None;
        }
    }
}

fn tcp(frame: &[u8], segment: Range<usize>) -> Option<Range<usize>> {
    if segment.len() < 20 {
        return None;
    }
    let header = usize::from(frame[segment.start + 12] >> 4) * 4;
    if header < 20 || header > segment.len() {
        return None;
    }
    Some(segment.start + header..segment.end)
}

fn udp(frame: &[u8], datagram: Range<usize>) -> Option<Range<usize>> {
    if datagram.len() < 8 {
        return None;
    }
    let length = usize::from(u16_at(frame, datagram.start + 4)?);
    if length < 8 || length > datagram.len() {
        return None;
    }
    Some(datagram.start + 8..datagram.start + length)
}

fn u16_at(frame: &[u8], at: usize) -> Option<u16> {
    let bytes = frame.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
