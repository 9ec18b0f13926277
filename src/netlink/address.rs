//! IP addresses of interfaces: add, delete, list.

use std::net::IpAddr;
use std::time::Duration;

use super::attribute::Attributes;
use super::error::{Malformed, NetlinkError, Operation};
use super::link::{Link, wait};
use super::message::{Request, flag};
use super::socket::Socket;

/// Attributes of an address (`linux/if_addr.h`).
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
/// Flags in `IFA_FLAGS` and, as far as they fit, in the header.
const IFA_F_NODAD: u32 = 0x02;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;

/// Bytes of `struct ifaddrmsg`.
const ADDRESS_HEADER_BYTES: usize = 8;

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// Index of the interface.
    pub index: u32,
    /// The address.
    pub ip: IpAddr,
    /// Length of the network prefix, in bits.
    pub prefix_bits: u8,
    /// IPv6: is duplicate address detection still running, or did it fail? Then the address cannot
    /// be used.
    pub tentative: bool,
}

impl InterfaceAddress {
    /// Read the payload of an `RTM_NEWADDR` message; `None` if it is not an IP address.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if a length is wrong or the address is missing.
    pub fn decode(payload: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some((header, list)) = payload.split_first_chunk::<ADDRESS_HEADER_BYTES>() else {
            let left = payload.len();
            return Err(Malformed::Header { at: 0, needed: ADDRESS_HEADER_BYTES, left });
        };
        let [family, prefix_bits, header_flags, _, i0, i1, i2, i3] = *header;
        let mut flags = u32::from(header_flags);
        let mut local = None;
        let mut address = None;
        for attribute in Attributes::new(list) {
            let attribute = attribute?;
            match attribute.kind {
                IFA_LOCAL => local = Some(attribute),
                IFA_ADDRESS => address = Some(attribute),
                IFA_FLAGS => flags = attribute.u32()?,
                _ => {}
            }
        }
        // On a point-to-point link IFA_ADDRESS is the other side; IPv6 often has no IFA_LOCAL.
        let found = local.or(address).ok_or(Malformed::Missing { kind: IFA_ADDRESS })?;
        let ip = match i32::from(family) {
            libc::AF_INET => IpAddr::from(found.array::<4>()?),
            libc::AF_INET6 => IpAddr::from(found.array::<16>()?),
            _ => return Ok(None),
        };
        let tentative = flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0;
        let index = u32::from_ne_bytes([i0, i1, i2, i3]);
        Ok(Some(Self { index, ip, prefix_bits, tentative }))
    }
}

impl Socket {
    /// Give an interface an address. Needs `CAP_NET_ADMIN`.
    ///
    /// An IPv6 address is usable at once: duplicate address detection is not done.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::BadPrefix`]; [`NetlinkError::Refused`]: `EEXIST` if it is there already.
    pub fn add_address(
        &mut self,
        link: &Link,
        ip: IpAddr,
        prefix_bits: u8,
    ) -> Result<(), NetlinkError> {
        let flags = flag::CREATE | flag::EXCLUSIVE;
        let mut request = address_request(libc::RTM_NEWADDR, flags, link, ip, prefix_bits)?;
        if ip.is_ipv6() {
            request.attributes().put_u32(IFA_FLAGS, IFA_F_NODAD);
        }
        self.change(&Operation::on(format!("add {ip}/{prefix_bits} to"), &link.name), request)
    }

    /// Take an address from an interface.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::BadPrefix`]; [`NetlinkError::Refused`]: `EADDRNOTAVAIL` if it is not there.
    pub fn delete_address(
        &mut self,
        link: &Link,
        ip: IpAddr,
        prefix_bits: u8,
    ) -> Result<(), NetlinkError> {
        let request = address_request(libc::RTM_DELADDR, 0, link, ip, prefix_bits)?;
        self.change(&Operation::on(format!("delete {ip}/{prefix_bits} from"), &link.name), request)
    }

    /// The addresses of an interface.
    ///
    /// # Errors
    ///
    /// As [`Socket::dump`].
    pub fn addresses(&mut self, link: &Link) -> Result<Vec<InterfaceAddress>, NetlinkError> {
        let operation = Operation::on("list addresses of", &link.name);
        let header = address_header(libc::AF_UNSPEC, 0, 0);
        let request = Request::new(libc::RTM_GETADDR, 0, &header);
        let mut found = Vec::new();
        // Without strict checking the kernel ignores an index in the request and lists everything.
        for object in self.dump(&operation, request)? {
            let address = InterfaceAddress::decode(&object.payload)
                .map_err(|e| NetlinkError::answer(&operation, e))?;
            found.extend(address.filter(|address| address.index == link.index));
        }
        Ok(found)
    }

    /// Wait until no address of an interface is tentative.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Timeout`] after `limit`.
    pub fn wait_until_addresses_usable(
        &mut self,
        link: &Link,
        limit: Duration,
    ) -> Result<(), NetlinkError> {
        let operation = Operation::on("wait for duplicate address detection on", &link.name);
        wait(&operation, limit, || {
            let all_usable = !self.addresses(link)?.iter().any(|address| address.tentative);
            Ok(all_usable.then_some(()))
        })
    }
}

fn address_header(family: i32, prefix_bits: u8, index: u32) -> [u8; ADDRESS_HEADER_BYTES] {
    let family = u8::try_from(family).expect("address families are below 256");
    let [i0, i1, i2, i3] = index.to_ne_bytes();
    // Flags and scope stay 0: global scope, and flags go into their attribute.
    [family, prefix_bits, 0, 0, i0, i1, i2, i3]
}

fn address_request(
    kind: u16,
    flags: u16,
    link: &Link,
    ip: IpAddr,
    prefix_bits: u8,
) -> Result<Request, NetlinkError> {
    let (family, limit) = family_of(ip);
    if prefix_bits > limit {
        return Err(NetlinkError::BadPrefix { ip, prefix_bits, limit });
    }
    let header = address_header(family, prefix_bits, link.index);
    let mut request = Request::new(kind, flags, &header);
    let octets = ip_octets(ip);
    request.attributes().put(IFA_LOCAL, &octets).put(IFA_ADDRESS, &octets);
    Ok(request)
}

/// Address family and longest prefix in bits.
pub(crate) fn family_of(ip: IpAddr) -> (i32, u8) {
    match ip {
        IpAddr::V4(_) => (libc::AF_INET, 32),
        IpAddr::V6(_) => (libc::AF_INET6, 128),
    }
}

/// The address in network byte order.
pub(crate) fn ip_octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::netlink::attribute::AttributeWriter;

    fn payload(family: i32, prefix_bits: u8, parts: &[(u16, &[u8])]) -> Vec<u8> {
        let mut writer = AttributeWriter::new();
        for (kind, value) in parts {
            writer.put(*kind, value);
        }
        let list = writer.finish().expect("short values");
        [&address_header(family, prefix_bits, 5)[..], &list].concat()
    }

    #[test]
    fn addresses_read_from_their_attributes() {
        let v6 = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let tentative = IFA_F_TENTATIVE.to_ne_bytes();
        let (inet, inet6) = (libc::AF_INET, libc::AF_INET6);
        let at = |ip: &str, prefix_bits, tentative| {
            let ip = ip.parse().expect("an address");
            Some(InterfaceAddress { index: 5, ip, prefix_bits, tentative })
        };
        // (what, payload, address)
        let cases = [
            (
                "IPv4",
                payload(inet, 24, &[(1, &[192, 0, 2, 1]), (2, &[192, 0, 2, 1])]),
                at("192.0.2.1", 24, false),
            ),
            (
                "point to point: the local side",
                payload(inet, 32, &[(1, &[192, 0, 2, 9]), (2, &[192, 0, 2, 1])]),
                at("192.0.2.1", 32, false),
            ),
            ("IPv6", payload(inet6, 64, &[(1, &v6)]), at("2001:db8::1", 64, false)),
            (
                "tentative IPv6",
                payload(inet6, 64, &[(1, &v6), (8, &tentative)]),
                at("2001:db8::1", 64, true),
            ),
            ("another family", payload(7, 0, &[(1, &[1])]), None),
        ];
        for (what, bytes, expected) in cases {
            assert_eq!(InterfaceAddress::decode(&bytes), Ok(expected), "{what}");
        }
        let missing = payload(inet, 24, &[]);
        assert!(InterfaceAddress::decode(&missing).is_err());
        let short = payload(inet, 24, &[(1, &[192, 0])]);
        assert!(InterfaceAddress::decode(&short).is_err());
    }

    proptest! {
        #[test]
        fn hostile_addresses_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = InterfaceAddress::decode(&bytes);
        }
    }
}
