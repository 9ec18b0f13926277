//! Who talks to whom: addresses, protocol and ports, from the first bytes of a frame.
//!
//! What is there is told, what is cut off is not: of a frame that ends behind its IP header the
//! addresses are known and the ports are not. No length is trusted and no input panics.
//!
//! It follows the rules by which a payload is found (at most two VLAN tags, IPv4 with options, at most
//! six IPv6 extension headers), but it is more forgiving: a frame that contradicts itself further on
//! still has addresses. It does not: look into tunnels, reassemble, or judge whether a frame is valid.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::LinkType;

/// Most VLAN tags that are looked behind, the one beside the bytes among them.
pub const VLAN_TAGS_MAX: usize = 2;
/// Most IPv6 extension headers that are looked behind.
pub const EXTENSION_HEADERS_MAX: usize = 6;

/// The type of an Ethernet frame with IPv4.
pub const ETHER_IPV4: u16 = 0x0800;
/// The type of an Ethernet frame with IPv6.
pub const ETHER_IPV6: u16 = 0x86dd;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

/// A VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// Its type: 0x8100, 0x88a8 or 0x9100.
    pub protocol: u16,
    /// Priority (3 bits), drop eligible (1), identifier (12).
    pub tag: u16,
}

impl Vlan {
    /// The identifier, 0 to 4095.
    pub const fn id(self) -> u16 {
        self.tag & 0x0fff
    }
}

/// The flags of a TCP segment. `Display` gives them as tcpdump does: `S.`, `P.`, `R`; none are `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(u8, &str); 8] = [
            (0x01, "F"),
            (0x02, "S"),
            (0x04, "R"),
            (0x08, "P"),
            (0x10, "."),
            (0x20, "U"),
            (0x40, "E"),
            (0x80, "W"),
        ];
        if self.0 == 0 {
            return f.write_str("none");
        }
        let mut set = LETTERS.iter().filter(|(bit, _)| self.0 & bit != 0);
        set.try_for_each(|(_, letter)| f.write_str(letter))
    }
}

/// What the first bytes of a frame tell of it. `None` is: it has none, or it is cut off before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Source and destination of an Ethernet frame.
    pub macs: Option<([u8; 6], [u8; 6])>,
    /// The VLAN tags, outermost first.
    pub vlans: [Option<Vlan>; VLAN_TAGS_MAX],
    /// The type behind the tags: 0x0800 is IPv4. A number below 0x600 is a length (IEEE 802.3).
    pub ether_type: Option<u16>,
    /// The source address.
    pub source: Option<IpAddr>,
    /// The destination address.
    pub destination: Option<IpAddr>,
    /// The protocol behind IPv4 options or IPv6 extension headers.
    pub protocol: Option<u8>,
    /// Source and destination port of TCP, UDP, UDP-Lite, SCTP and DCCP.
    pub ports: Option<(u16, u16)>,
    /// The flags of a TCP segment.
    pub tcp_flags: Option<TcpFlags>,
    /// Is it a fragment of an IP packet? Only a first one has ports.
    pub fragment: bool,
}

impl Flow {
    /// Read the first bytes of a frame. `vlan` is a tag that was taken out of them, as the kernel does
    /// with the outer one. Of other link types than Ethernet and raw IP nothing is known.
    pub fn of(bytes: &[u8], link_type: LinkType, vlan: Option<Vlan>) -> Self {
        let mut flow = Self { vlans: [vlan, None], ..Self::default() };
        match link_type {
            LinkType::ETHERNET => flow.ethernet(bytes, usize::from(vlan.is_some())),
            LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => match bytes.first() {
                Some(first) if first >> 4 == 4 => flow.ipv4(bytes),
                Some(first) if first >> 4 == 6 => flow.ipv6(bytes),
                _ => None,
            },
            _ => None,
        };
        flow
    }

    /// The name of what is known to be inside: `tcp`, `udp`, `icmp`, `arp`. Nothing for what has no
    /// name here; then [`protocol`](Self::protocol) and [`ether_type`](Self::ether_type) have numbers.
    pub fn protocol_name(&self) -> Option<&'static str> {
        match (self.protocol, self.ether_type) {
            (Some(protocol), _) => ip_protocol_name(protocol),
            (None, Some(ether_type)) => ether_type_name(ether_type),
            (None, None) => None,
        }
    }

    // Each step fills in what it finds and ends with `None` where the bytes do.

    fn ethernet(&mut self, bytes: &[u8], mut tags: usize) -> Option<()> {
        let destination = *bytes.first_chunk::<6>()?;
        self.macs = Some((*bytes.get(6..)?.first_chunk::<6>()?, destination));
        let mut at = 12;
        let ether_type = loop {
            let ether_type = u16_at(bytes, at)?;
            if !matches!(ether_type, 0x8100 | 0x88a8 | 0x9100) || tags == VLAN_TAGS_MAX {
                break ether_type;
            }
            self.vlans[tags] = Some(Vlan { protocol: ether_type, tag: u16_at(bytes, at + 2)? });
            tags += 1;
            at += 4;
        };
        self.ether_type = Some(ether_type);
        let packet = bytes.get(at + 2..)?;
        match ether_type {
            ETHER_IPV4 => self.ipv4(packet),
            ETHER_IPV6 => self.ipv6(packet),
            _ => None,
        }
    }

    fn ipv4(&mut self, packet: &[u8]) -> Option<()> {
        if packet.first()? >> 4 != 4 {
            return None;
        }
        self.ether_type = Some(ETHER_IPV4);
        // More-fragments, and the thirteen bits of the offset.
        let fragment = u16_at(packet, 6)? & 0x3fff;
        self.fragment = fragment != 0;
        self.protocol = Some(*packet.get(9)?);
        self.source = Some(Ipv4Addr::from(*packet.get(12..)?.first_chunk::<4>()?).into());
        self.destination = Some(Ipv4Addr::from(*packet.get(16..)?.first_chunk::<4>()?).into());
        let header = usize::from(packet[0] & 0x0f) * 4;
        if header < 20 || fragment & 0x1fff != 0 {
            return None;
        }
        self.transport(packet.get(header..)?)
    }

    fn ipv6(&mut self, packet: &[u8]) -> Option<()> {
        if packet.first()? >> 4 != 6 {
            return None;
        }
        self.ether_type = Some(ETHER_IPV6);
        let mut next = *packet.get(6)?;
        self.source = Some(Ipv6Addr::from(*packet.get(8..)?.first_chunk::<16>()?).into());
        self.destination = Some(Ipv6Addr::from(*packet.get(24..)?.first_chunk::<16>()?).into());
        let mut at = 40;
        for _ in 0..=EXTENSION_HEADERS_MAX {
            let unit: fn(usize) -> usize = match next {
                // Hop-by-hop options, routing, destination options: units of 8, the first not counted.
                0 | 43 | 60 => |count| (count + 1) * 8,
                FRAGMENT => |_| 8,
                // Units of 4, the first two not counted.
                AUTHENTICATION => |count| (count + 2) * 4,
                protocol => {
                    self.protocol = Some(protocol);
                    return self.transport(packet.get(at..)?);
                }
            };
            let is_fragment = next == FRAGMENT;
            next = *packet.get(at)?;
            if is_fragment {
                self.fragment = true;
                if u16_at(packet, at + 2)? & 0xfff8 != 0 {
                    self.protocol = Some(next);
                    return None;
                }
            }
            at += unit(usize::from(*packet.get(at + 1)?));
        }
        None
    }

    fn transport(&mut self, segment: &[u8]) -> Option<()> {
        let protocol = self.protocol?;
        if matches!(protocol, TCP | UDP | DCCP | SCTP | UDP_LITE) {
            self.ports = Some((u16_at(segment, 0)?, u16_at(segment, 2)?));
        }
        if protocol == TCP {
            self.tcp_flags = Some(TcpFlags(*segment.get(13)?));
        }
        Some(())
    }
}

/// The name of an IP protocol in small letters, if it is one that is seen.
pub const fn ip_protocol_name(protocol: u8) -> Option<&'static str> {
    Some(match protocol {
        ICMP => "icmp",
        2 => "igmp",
        4 => "ipip",
        TCP => "tcp",
        UDP => "udp",
        DCCP => "dccp",
        41 => "ipv6",
        FRAGMENT => "fragment",
        46 => "rsvp",
        47 => "gre",
        50 => "esp",
        AUTHENTICATION => "ah",
        58 => "icmpv6",
        59 => "none",
        88 => "eigrp",
        89 => "ospf",
        103 => "pim",
        112 => "vrrp",
        115 => "l2tp",
        SCTP => "sctp",
        UDP_LITE => "udplite",
        _ => return None,
    })
}

/// The name of an EtherType in small letters, if it is one that is seen.
pub const fn ether_type_name(ether_type: u16) -> Option<&'static str> {
    Some(match ether_type {
        ETHER_IPV4 => "ipv4",
        0x0806 => "arp",
        0x8035 => "rarp",
        0x8100 | 0x88a8 | 0x9100 => "vlan",
        ETHER_IPV6 => "ipv6",
        0x8809 => "lacp",
        0x8847 | 0x8848 => "mpls",
        0x8863 | 0x8864 => "pppoe",
        0x888e => "eapol",
        0x88cc => "lldp",
        0x88e5 => "macsec",
        0x88f7 => "ptp",
        _ => return None,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    const MACS: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);

    fn tcp4() -> Vec<u8> {
        let builder = PacketBuilder::ethernet2(MACS.0, MACS.1)
            .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
            .tcp(4242, 80, 1, 1000)
            .psh()
            .ack(7);
        let mut frame = Vec::new();
        builder.write(&mut frame, b"GET /admin").unwrap();
        frame
    }

    fn udp6() -> Vec<u8> {
        let builder =
            PacketBuilder::ethernet2(MACS.0, MACS.1).ipv6([0xfd; 16], [0xfe; 16], 64).udp(53, 5353);
        let mut frame = Vec::new();
        builder.write(&mut frame, b"query").unwrap();
        frame
    }

    /// Put `bytes` into a frame in front of the byte at `at`.
    fn with(mut frame: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
        frame.splice(at..at, bytes.iter().copied());
        frame
    }

    fn ethernet(frame: &[u8]) -> Flow {
        Flow::of(frame, LinkType::ETHERNET, None)
    }

    #[test]
    fn a_tcp_segment_has_all_of_it() {
        let flow = ethernet(&tcp4());
        assert_eq!(flow.macs, Some(MACS));
        assert_eq!(flow.source, Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(flow.destination, Some(IpAddr::from([192, 0, 2, 2])));
        assert_eq!((flow.ports, flow.protocol_name()), (Some((4242, 80)), Some("tcp")));
        assert_eq!(flow.tcp_flags.unwrap().to_string(), "P.");
        assert_eq!((flow.vlans, flow.fragment), ([None, None], false));
        // The same packet without its Ethernet header.
        for link_type in [LinkType::RAW, LinkType::IPV4] {
            let raw = Flow::of(&tcp4()[14..], link_type, None);
            assert_eq!(raw, Flow { macs: None, ..flow });
        }
        assert_eq!(Flow::of(&tcp4(), LinkType(113), None), Flow::default());
    }

    #[test]
    fn tags_in_the_bytes_and_beside_them_are_two_at_most() {
        let tag = |protocol, tag| Vlan { protocol, tag };
        let one = with(tcp4(), 12, &[0x81, 0, 0x20, 100]);
        let two = with(one.clone(), 12, &[0x88, 0xa8, 0, 7]);
        let three = with(two.clone(), 12, &[0x91, 0, 0, 9]);
        let inner = tag(0x8100, 0x2064);
        let outer = tag(0x88a8, 7);
        let cases = [
            ("none", tcp4(), None, [None, None], true),
            ("one", one.clone(), None, [Some(inner), None], true),
            ("two", two.clone(), None, [Some(outer), Some(inner)], true),
            ("one of two beside", one, Some(outer), [Some(outer), Some(inner)], true),
            ("beside alone", tcp4(), Some(outer), [Some(outer), None], true),
            ("three", three, None, [Some(tag(0x9100, 9)), Some(outer)], false),
            ("one of three beside", two, Some(inner), [Some(inner), Some(outer)], false),
        ];
        for (what, frame, beside, vlans, seen) in cases {
            let flow = Flow::of(&frame, LinkType::ETHERNET, beside);
            assert_eq!((flow.vlans, flow.ports.is_some()), (vlans, seen), "{what}");
        }
        assert_eq!(inner.id(), 100);
    }

    #[test]
    fn options_and_extension_headers_are_stepped_over() {
        let mut options = with(tcp4(), 34, &[1; 8]);
        options[14] = 0x47;
        assert_eq!(ethernet(&options).ports, Some((4242, 80)));

        // Hop-by-hop, AH (units of four), routing, six in all; the seventh is one too many.
        let mut frame = udp6();
        for (headers, seen) in (1..=7).zip([true, true, true, true, true, true, false]) {
            let next = frame[20];
            let kind = [0, 51, 43][headers % 3];
            let header = [next, if kind == 51 { 2 } else { 1 }];
            frame = with(frame, 54, &[header[0], header[1], 0, 0, 0, 0, 0, 0]);
            frame = with(frame, 62, &[0; 8]);
            frame[20] = kind;
            let flow = ethernet(&frame);
            assert_eq!(flow.ports, seen.then_some((53, 5353)), "{headers} headers");
            assert_eq!(flow.source, Some(IpAddr::from([0xfd; 16])));
        }
    }

    #[test]
    fn a_fragment_is_one_and_only_the_first_has_ports() {
        for (bits, fragment, seen) in [
            ([0x40, 0x00], false, true),
            ([0x20, 0x00], true, true),
            ([0x20, 0x01], true, false),
            ([0x00, 0x07], true, false),
        ] {
            let mut frame = tcp4();
            frame[20..22].copy_from_slice(&bits);
            let flow = ethernet(&frame);
            assert_eq!((flow.fragment, flow.ports.is_some()), (fragment, seen), "{bits:x?}");
            assert_eq!(flow.protocol_name(), Some("tcp"));
        }
        for (offset, seen) in [([0, 1], true), ([0, 8], false)] {
            let mut frame = with(udp6(), 54, &[17, 0, offset[0], offset[1], 0, 0, 0, 9]);
            frame[20] = 44;
            let flow = ethernet(&frame);
            assert_eq!((flow.fragment, flow.ports.is_some()), (true, seen));
            assert_eq!(flow.protocol_name(), Some("udp"));
        }
    }

    #[test]
    fn what_has_no_addresses_has_a_name_or_a_number() {
        for (ether_type, name) in [(0x0806, Some("arp")), (0x88cc, Some("lldp")), (0x1234, None)] {
            let mut frame = tcp4();
            frame[12..14].copy_from_slice(&u16::to_be_bytes(ether_type));
            let flow = ethernet(&frame);
            assert_eq!((flow.ether_type, flow.protocol_name()), (Some(ether_type), name));
            assert_eq!((flow.source, flow.protocol), (None, None));
        }
    }

    #[test]
    fn the_more_bytes_the_more_is_known_and_never_something_else() {
        for frame in [tcp4(), udp6(), with(tcp4(), 12, &[0x81, 0, 0, 1])] {
            let whole = ethernet(&frame);
            for end in 0..frame.len() {
                let cut = ethernet(&frame[..end]);
                let agrees = |known: bool, same: bool| !known || same;
                assert!(agrees(cut.macs.is_some(), cut.macs == whole.macs));
                assert!(agrees(cut.source.is_some(), cut.source == whole.source));
                assert!(agrees(cut.destination.is_some(), cut.destination == whole.destination));
                assert!(agrees(cut.protocol.is_some(), cut.protocol == whole.protocol));
                assert!(agrees(cut.ports.is_some(), cut.ports == whole.ports));
                assert!(agrees(cut.tcp_flags.is_some(), cut.tcp_flags == whole.tcp_flags));
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120),
            kind in 0_usize..4,
            tag in proptest::option::of((0_u16..=u16::MAX, 0_u16..=u16::MAX)),
        ) {
            let link_type = [LinkType::ETHERNET, LinkType::RAW, LinkType::IPV4, LinkType::IPV6][kind];
            let vlan = tag.map(|(protocol, tag)| Vlan { protocol, tag });
            let flow = Flow::of(&bytes, link_type, vlan);
            proptest::prop_assert!(flow.protocol_name().is_none_or(|name| !name.is_empty()));
        }

        #[test]
        fn no_damaged_frame_panics(at in 0_usize..60, byte in 0_u8..=255, end in 0_usize..80) {
            for mut frame in [tcp4(), udp6()] {
                if let Some(there) = frame.get_mut(at) {
                    *there = byte;
                }
                frame.truncate(end);
                ethernet(&frame);
            }
        }
    }
}
