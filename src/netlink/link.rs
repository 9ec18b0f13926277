//! Links: what an interface is, looking one up, listing them.
//!
//! A [`Link`] is a snapshot; its index is what identifies the interface to the kernel, its name is
//! what messages show. Nothing here waits except [`Socket::wait_until_running`].

use std::time::{Duration, Instant};

use super::answer::Object;
use super::attribute::Attributes;
use super::error::{Malformed, NetlinkError, Operation};
use super::message::Request;
use super::socket::Socket;
use super::xdp::XdpAttachment;

/// Attributes of a link (`linux/if_link.h`).
pub(crate) const IFLA_XDP: u16 = 43;
const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
pub(super) const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
pub(super) const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
const IFLA_ALT_IFNAME: u16 = 53;
/// Nested in `IFLA_LINKINFO`.
pub(super) const INFO_KIND: u16 = 1;

pub(super) const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;

/// Longest interface name (`IFNAMSIZ` without the NUL).
pub const NAME_BYTES_MAX: usize = 15;
/// Longest alternative name of an interface (`ALTIFNAMSIZ` without the NUL).
pub const ALTERNATIVE_NAME_BYTES_MAX: usize = 127;
/// Longest time that [`Socket::wait_until_running`] and the like are asked to wait by this crate.
pub const READY_WAIT_MS_MAX: u64 = 5_000;
/// Time between two looks while waiting.
pub(crate) const READY_POLL_MS: u64 = 2;

/// Bytes of `struct ifinfomsg`.
const LINK_HEADER_BYTES: usize = 16;

/// `struct ifinfomsg`, as far as it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkHeader {
    /// `AF_UNSPEC`, or the family that the message is about (a bridge port, for instance).
    pub(crate) family: u8,
    /// `ARPHRD_*`; ignored in requests.
    pub(crate) hardware: u16,
    /// The interface; 0 if it has no index yet.
    pub(crate) index: u32,
    /// `IFF_*`.
    pub(crate) flags: u32,
    /// Which flags a request changes.
    pub(crate) change: u32,
}

impl LinkHeader {
    /// The header of a request about one interface.
    pub(crate) fn of(index: u32) -> Self {
        Self { index, ..Self::default() }
    }

    /// A request that begins with this header.
    pub(crate) fn request(self, kind: u16, flags: u16) -> Request {
        Request::new(kind, flags, &self.encode())
    }

    pub(super) fn encode(self) -> [u8; LINK_HEADER_BYTES] {
        let mut bytes = [0; LINK_HEADER_BYTES];
        bytes[0] = self.family;
        // Bytes 1 to 3 are padding and the hardware type, which the kernel ignores in requests.
        bytes[4..8].copy_from_slice(&self.index.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.flags.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.change.to_ne_bytes());
        bytes
    }

    /// Split a message into header and attributes.
    pub(crate) fn decode(payload: &[u8]) -> Result<(Self, Attributes<'_>), Malformed> {
        let Some((header, list)) = payload.split_first_chunk::<LINK_HEADER_BYTES>() else {
            let left = payload.len();
            return Err(Malformed::Header { at: 0, needed: LINK_HEADER_BYTES, left });
        };
        let [family, _, h0, h1, i0, i1, i2, i3, f0, f1, f2, f3, c0, c1, c2, c3] = *header;
        let header = Self {
            family,
            hardware: u16::from_ne_bytes([h0, h1]),
            index: u32::from_ne_bytes([i0, i1, i2, i3]),
            flags: u32::from_ne_bytes([f0, f1, f2, f3]),
            change: u32::from_ne_bytes([c0, c1, c2, c3]),
        };
        Ok((header, Attributes::new(list)))
    }
}

/// An interface as it was when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Number of the interface in its network namespace.
    pub index: u32,
    /// Its name; control characters and bytes that are not UTF-8 are shown as U+FFFD.
    pub name: String,
    /// Largest payload of a frame, in bytes.
    pub mtu: u32,
    /// `IFF_*`; see [`is_up`](Self::is_up) and the like.
    pub flags: u32,
    /// What its frames begin with, a number `ARPHRD_*` (`linux/if_arp.h`): 1 Ethernet, 772 loopback,
    /// 65,534 nothing in front of IP.
    pub hardware: u16,
    /// What made it: "veth", "bridge"; `None` for loopback and most hardware.
    pub kind: Option<String>,
    /// Hardware address: 6 bytes for Ethernet and loopback, other sizes or none elsewhere.
    pub address: Vec<u8>,
    /// Index of the interface it is stacked on or paired with, perhaps in another namespace.
    pub peer_index: Option<u32>,
    /// Frames received and sent so far.
    pub counts: LinkCounts,
    /// The XDP programs attached.
    pub xdp: XdpAttachment,
}

/// What an interface has counted since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Frames received.
    pub rx_frames: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames received and dropped.
    pub rx_dropped: u64,
    /// Frames dropped instead of being sent.
    pub tx_dropped: u64,
}

impl LinkCounts {
    /// Read the beginning of `struct rtnl_link_stats64`, which only ever grows at its end.
    fn decode(value: &[u8]) -> Self {
        let (words, _) = value.as_chunks::<8>();
        let word = |at: usize| words.get(at).copied().map_or(0, u64::from_ne_bytes);
        Self {
            rx_frames: word(0),
            tx_frames: word(1),
            rx_bytes: word(2),
            tx_bytes: word(3),
            rx_dropped: word(6),
            tx_dropped: word(7),
        }
    }
}

impl Link {
    /// Is it switched on?
    pub const fn is_up(&self) -> bool {
        self.flags & IFF_UP != 0
    }

    /// Can it carry frames now: on, and with a carrier?
    pub const fn is_running(&self) -> bool {
        self.flags & IFF_RUNNING != 0
    }

    /// Is it a loopback interface?
    pub const fn is_loopback(&self) -> bool {
        self.flags & IFF_LOOPBACK != 0
    }

    /// The Ethernet address, if its address has that form.
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.address.as_slice().try_into().ok()
    }

    /// Read the payload of an `RTM_NEWLINK` or `RTM_DELLINK` message.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if a length is wrong or the name is missing.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (header, attributes) = LinkHeader::decode(payload)?;
        let mut link = Self {
            index: header.index,
            name: String::new(),
            mtu: 0,
            flags: header.flags,
            hardware: header.hardware,
            kind: None,
            address: Vec::new(),
            peer_index: None,
            counts: LinkCounts::default(),
            xdp: XdpAttachment::default(),
        };
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                // The kernel allows escape sequences in names; a terminal must not get them.
                IFLA_IFNAME => link.name = attribute.text().replace(char::is_control, "\u{fffd}"),
                IFLA_MTU => link.mtu = attribute.u32()?,
                IFLA_ADDRESS => link.address = attribute.value.to_vec(),
                IFLA_LINK => link.peer_index = Some(attribute.u32()?).filter(|&index| index != 0),
                IFLA_LINKINFO => {
                    link.kind = attribute.nested().find(INFO_KIND)?.map(|kind| kind.text());
                }
                IFLA_STATS64 => link.counts = LinkCounts::decode(attribute.value),
                IFLA_XDP => link.xdp = XdpAttachment::decode(&attribute)?,
                _ => {}
            }
        }
        if link.name.is_empty() {
            return Err(Malformed::Missing { kind: IFLA_IFNAME });
        }
        Ok(link)
    }
}

impl Socket {
    /// The interface with this name or alternative name.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::BadName`] without asking the kernel, [`NetlinkError::UnknownName`].
    pub fn link_by_name(&mut self, name: &str) -> Result<Link, NetlinkError> {
        check_name(name, ALTERNATIVE_NAME_BYTES_MAX)?;
        let mut request = LinkHeader::default().request(libc::RTM_GETLINK, 0);
        let kind = if name.len() <= NAME_BYTES_MAX { IFLA_IFNAME } else { IFLA_ALT_IFNAME };
        request.attributes().put_text(kind, name);
        let operation = Operation::on("look up", name);
        match self.get(&operation, request) {
            Ok(object) => decode(&operation, &object),
            Err(NetlinkError::Refused { errno: libc::ENODEV, .. }) => {
                Err(NetlinkError::UnknownName { name: name.to_owned() })
            }
            Err(error) => Err(error),
        }
    }

    /// The interface with this index.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::UnknownIndex`].
    pub fn link_by_index(&mut self, index: u32) -> Result<Link, NetlinkError> {
        // 0 would ask for no interface in particular, and negative numbers are an error.
        if i32::try_from(index).is_ok_and(|index| index > 0) {
            let request = LinkHeader::of(index).request(libc::RTM_GETLINK, 0);
            let operation = Operation::new(format!("look up interface {index}"));
            match self.get(&operation, request) {
                Err(NetlinkError::Refused { errno: libc::ENODEV, .. }) => {}
                Err(error) => return Err(error),
                Ok(object) => return decode(&operation, &object),
            }
        }
        Err(NetlinkError::UnknownIndex { index })
    }

    /// All interfaces of the network namespace, in the kernel's order.
    ///
    /// # Errors
    ///
    /// As [`Socket::dump`].
    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let operation = Operation::new("list links");
        let request = LinkHeader::default().request(libc::RTM_GETLINK, 0);
        let objects = self.dump(&operation, request)?;
        objects
            .iter()
            .filter(|object| object.kind == libc::RTM_NEWLINK)
            .map(|object| decode(&operation, object))
            .collect()
    }

    /// Wait until an interface can carry frames, and return its new state. A veth runs only when
    /// both of its ends are up.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Timeout`] after `limit`; [`NetlinkError::UnknownIndex`] if it is gone.
    pub fn wait_until_running(
        &mut self,
        link: &Link,
        limit: Duration,
    ) -> Result<Link, NetlinkError> {
        let operation = Operation::on("wait for a carrier on", &link.name);
        wait(&operation, limit, || {
            let now = self.link_by_index(link.index)?;
            Ok(now.is_running().then_some(now))
        })
    }
}

/// Look every [`READY_POLL_MS`] until there is something, or `limit` has passed.
pub(crate) fn wait<T>(
    operation: &Operation,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, NetlinkError>,
) -> Result<T, NetlinkError> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() >= limit {
            let waited_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            return Err(NetlinkError::Timeout { operation: operation.clone(), waited_ms });
        }
        std::thread::sleep(Duration::from_millis(READY_POLL_MS));
    }
}

fn decode(operation: &Operation, object: &Object) -> Result<Link, NetlinkError> {
    Link::decode(&object.payload).map_err(|e| NetlinkError::answer(operation, e))
}

/// The kernel's rules for names (`dev_valid_name`), and two of ours: a `%` would make the kernel
/// choose a number, and a NUL would cut the name off.
pub(super) fn check_name(name: &str, bytes_max: usize) -> Result<(), NetlinkError> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > bytes_max {
        if bytes_max == NAME_BYTES_MAX { "longer than 15 bytes" } else { "longer than 127 bytes" }
    } else if name == "." || name == ".." {
        "this is a directory"
    } else if name
        .bytes()
        .any(|b| matches!(b, b'/' | b':' | b'%' | 0 | 0x0b) || b.is_ascii_whitespace())
    {
        "it contains white space, NUL, '/', ':' or '%'"
    } else {
        return Ok(());
    };
    Err(NetlinkError::BadName { name: name.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::netlink::attribute::AttributeWriter;

    fn payload(header: LinkHeader, fill: impl FnOnce(&mut AttributeWriter)) -> Vec<u8> {
        let mut writer = AttributeWriter::new();
        fill(&mut writer);
        [&header.encode()[..], &writer.finish().expect("short values")].concat()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_link_header_has_the_layout_of_ifinfomsg() {
        let header = LinkHeader { family: 1, hardware: 0, index: 2, flags: 3, change: 4 };
        assert_eq!(header.encode(), [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
        assert_eq!(LinkHeader::decode(&header.encode()).expect("whole").0, header);
    }

    #[test]
    fn a_link_is_read_from_its_attributes() {
        let header = LinkHeader { index: 7, flags: IFF_UP | IFF_RUNNING, ..LinkHeader::default() };
        let counts: Vec<u8> = (10u64..20).flat_map(u64::to_ne_bytes).collect();
        let bytes = payload(header, |list| {
            list.put_text(IFLA_IFNAME, "veth0").put_u32(IFLA_MTU, 9000);
            list.put(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]).put_u32(IFLA_LINK, 3);
            list.put(IFLA_STATS64, &counts).put(999, &[1]);
            list.nest(IFLA_LINKINFO, |info| {
                info.put_text(INFO_KIND, "veth");
            });
            list.nest(IFLA_XDP, |xdp| {
                xdp.put(2, &[1]).put_u32(4, 44);
            });
        });
        let link = Link::decode(&bytes).expect("well-formed");
        assert_eq!((link.index, link.name.as_str(), link.mtu), (7, "veth0", 9000));
        assert!(link.is_up() && link.is_running() && !link.is_loopback());
        assert_eq!(link.kind.as_deref(), Some("veth"));
        assert_eq!(link.mac(), Some([2, 0, 0, 0, 0, 1]));
        assert_eq!(link.peer_index, Some(3));
        assert_eq!(link.xdp.native, Some(44));
        assert_eq!((link.counts.rx_frames, link.counts.tx_dropped), (10, 17));
    }

    #[test]
    fn a_link_without_name_or_with_a_short_header_is_refused() {
        let nameless = payload(LinkHeader::of(1), |_| {});
        assert_eq!(Link::decode(&nameless), Err(Malformed::Missing { kind: IFLA_IFNAME }));
        let short = Malformed::Header { at: 0, needed: 16, left: 3 };
        assert_eq!(Link::decode(&[0; 3]), Err(short));
    }

    #[test]
    fn a_name_cannot_carry_escape_sequences_to_a_terminal() {
        let bytes = payload(LinkHeader::of(1), |list| {
            list.put(IFLA_IFNAME, b"e\x1b[31mh\xff\0");
        });
        assert_eq!(Link::decode(&bytes).expect("well-formed").name, "e\u{fffd}[31mh\u{fffd}");
    }

    #[test]
    fn names_follow_the_kernels_rules() {
        for good in ["lo", "eth0", "a-b_c.d@e", "123456789012345", "ä"] {
            assert!(check_name(good, NAME_BYTES_MAX).is_ok(), "{good:?}");
        }
        for bad in ["", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\x0bb", "a\0b", "eth%d"] {
            assert!(check_name(bad, NAME_BYTES_MAX).is_err(), "{bad:?}");
        }
        assert!(check_name("1234567890123456", NAME_BYTES_MAX).is_err());
        assert!(check_name("1234567890123456", ALTERNATIVE_NAME_BYTES_MAX).is_ok());
    }

    proptest! {
        #[test]
        fn hostile_links_never_panic(
            pieces in proptest::collection::vec(
                (prop_oneof![0u16..64, any::<u16>()], proptest::collection::vec(any::<u8>(), 0..24)),
                0..12),
            cut in 0usize..400,
        ) {
            let mut bytes = payload(LinkHeader::of(1), |list| {
                for (kind, value) in &pieces {
                    list.put(*kind, value);
                }
            });
            let _ = Link::decode(&bytes);
            bytes.truncate(cut);
            let _ = Link::decode(&bytes);
        }
    }
}
