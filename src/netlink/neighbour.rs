//! Permanent neighbour entries, so that a link carries frames without ARP and neighbour discovery.

use std::net::IpAddr;

use super::address::{family_of, ip_octets};
use super::error::{NetlinkError, Operation};
use super::link::Link;
use super::message::{Request, flag};
use super::socket::Socket;

const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u16 = 0x80;

/// Bytes of `struct ndmsg`.
const NEIGHBOUR_HEADER_BYTES: usize = 12;

impl Socket {
    /// Tell an interface which hardware address has `ip`, permanently. An older entry is replaced.
    /// Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]: `EINVAL` for a hardware address of the wrong size. An interface
    /// that is down takes the entry too, but forgets all entries when it goes down.
    pub fn set_neighbour(
        &mut self,
        link: &Link,
        ip: IpAddr,
        hardware_address: &[u8],
    ) -> Result<(), NetlinkError> {
        let (family, _) = family_of(ip);
        let mut header = [0; NEIGHBOUR_HEADER_BYTES];
        header[0] = u8::try_from(family).expect("address families are below 256");
        header[4..8].copy_from_slice(&link.index.to_ne_bytes());
        header[8..10].copy_from_slice(&NUD_PERMANENT.to_ne_bytes());
        let mut request = Request::new(libc::RTM_NEWNEIGH, flag::CREATE | flag::REPLACE, &header);
        request.attributes().put(NDA_DST, &ip_octets(ip)).put(NDA_LLADDR, hardware_address);
        self.change(&Operation::on(format!("set neighbour {ip} of"), &link.name), request)
    }
}
