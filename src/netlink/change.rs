//! Changing links: on and off, MTU, veth pairs, moving between namespaces, deleting.
//!
//! Everything here needs `CAP_NET_ADMIN` in the network namespace of the socket.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::error::{NetlinkError, Operation};
use super::link::{
    IFF_UP, IFLA_IFNAME, IFLA_LINKINFO, IFLA_MTU, INFO_KIND, Link, LinkHeader, NAME_BYTES_MAX,
    check_name,
};
use super::message::flag;
use super::socket::Socket;

const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
/// Nested in `IFLA_LINKINFO`.
const INFO_DATA: u16 = 2;
/// Nested in `INFO_DATA` of a veth.
const VETH_INFO_PEER: u16 = 1;
/// Nested in `AF_INET6` of `IFLA_AF_SPEC`.
const INET6_ADDR_GEN_MODE: u16 = 8;
const ADDR_GEN_MODE_NONE: u8 = 1;

const IFF_NOARP: u32 = 0x80;

/// A veth pair to create.
#[derive(Clone, Copy, Debug)]
pub struct Veth<'a> {
    /// Name of the end in the socket's network namespace.
    pub name: &'a str,
    /// Name of the other end.
    pub peer_name: &'a str,
    /// Where the other end goes; `None` is the socket's network namespace.
    pub peer_namespace: Option<BorrowedFd<'a>>,
    /// Largest payload of a frame, in bytes, of both ends; `None` is the kernel's 1,500.
    pub mtu: Option<u32>,
}

impl Socket {
    /// Switch an interface on.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`], for instance with `EPERM`.
    pub fn set_up(&mut self, link: &Link) -> Result<(), NetlinkError> {
        let header = LinkHeader { flags: IFF_UP, change: IFF_UP, ..LinkHeader::of(link.index) };
        let operation = Operation::on("set up", &link.name);
        self.change(&operation, header.request(libc::RTM_SETLINK, 0))
    }

    /// Switch an interface off.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`].
    pub fn set_down(&mut self, link: &Link) -> Result<(), NetlinkError> {
        let header = LinkHeader { change: IFF_UP, ..LinkHeader::of(link.index) };
        let operation = Operation::on("set down", &link.name);
        self.change(&operation, header.request(libc::RTM_SETLINK, 0))
    }

    /// Let an interface ask nobody for hardware addresses, neither by ARP nor by IPv6 neighbour
    /// discovery, and join no multicast groups for its IPv6 addresses. It then needs
    /// [`set_neighbour`](Self::set_neighbour) for every host.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`].
    pub fn set_no_arp(&mut self, link: &Link) -> Result<(), NetlinkError> {
        let header =
            LinkHeader { flags: IFF_NOARP, change: IFF_NOARP, ..LinkHeader::of(link.index) };
        let operation = Operation::on("switch off ARP of", &link.name);
        self.change(&operation, header.request(libc::RTM_SETLINK, 0))
    }

    /// Set the largest payload of a frame, in bytes.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]: `EINVAL` if the driver cannot, with its limits in the text.
    pub fn set_mtu(&mut self, link: &Link, mtu: u32) -> Result<(), NetlinkError> {
        let mut request = LinkHeader::of(link.index).request(libc::RTM_SETLINK, 0);
        request.attributes().put_u32(IFLA_MTU, mtu);
        self.change(
            &Operation::on("set MTU of", &link.name).detail(format!("{mtu} bytes")),
            request,
        )
    }

    /// Let an interface have no automatic IPv6 addresses, so that it sends no router solicitations
    /// and no duplicate address detection when it comes up.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]: `EAFNOSUPPORT` on a kernel without IPv6.
    pub fn set_no_automatic_ipv6(&mut self, link: &Link) -> Result<(), NetlinkError> {
        let mut request = LinkHeader::of(link.index).request(libc::RTM_SETLINK, 0);
        request.attributes().nest(IFLA_AF_SPEC, |families| {
            let inet6 = u16::try_from(libc::AF_INET6).expect("the family is 10");
            families.nest(inet6, |inet6| {
                inet6.put(INET6_ADDR_GEN_MODE, &[ADDR_GEN_MODE_NONE]);
            });
        });
        self.change(&Operation::on("switch off automatic IPv6 addresses of", &link.name), request)
    }

    /// Create a veth pair. Both ends are down.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::BadName`]; [`NetlinkError::Refused`]: `EEXIST` if a name is taken,
    /// `EOPNOTSUPP` if the kernel has no veth driver.
    pub fn create_veth(&mut self, veth: Veth<'_>) -> Result<(), NetlinkError> {
        check_name(veth.name, NAME_BYTES_MAX)?;
        check_name(veth.peer_name, NAME_BYTES_MAX)?;
        let flags = flag::CREATE | flag::EXCLUSIVE;
        let mut request = LinkHeader::default().request(libc::RTM_NEWLINK, flags);
        let attributes = request.attributes();
        attributes.put_text(IFLA_IFNAME, veth.name);
        if let Some(mtu) = veth.mtu {
            attributes.put_u32(IFLA_MTU, mtu);
        }
        attributes.nest(IFLA_LINKINFO, |info| {
            info.put_text(INFO_KIND, "veth").nest(INFO_DATA, |of_veth| {
                let header = LinkHeader::default().encode();
                of_veth.nest_after(VETH_INFO_PEER, &header, |peer| {
                    peer.put_text(IFLA_IFNAME, veth.peer_name);
                    if let Some(mtu) = veth.mtu {
                        peer.put_u32(IFLA_MTU, mtu);
                    }
                    if let Some(namespace) = veth.peer_namespace {
                        peer.put_i32(IFLA_NET_NS_FD, namespace.as_raw_fd());
                    }
                });
            });
        });
        let operation =
            Operation::on("create veth pair", veth.name).detail(format!("peer {}", veth.peer_name));
        self.change(&operation, request)
    }

    /// Delete an interface; of a veth pair both ends go.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]: `ENODEV` if it is gone, `EOPNOTSUPP` if it is not a virtual one.
    pub fn delete_link(&mut self, link: &Link) -> Result<(), NetlinkError> {
        let request = LinkHeader::of(link.index).request(libc::RTM_DELLINK, 0);
        self.change(&Operation::on("delete", &link.name), request)
    }

    /// Move an interface to another network namespace, where it may get another index. It loses its
    /// addresses and is down there.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]: `EEXIST` if the name is taken there, `EINVAL` if it cannot move.
    pub fn move_link(
        &mut self,
        link: &Link,
        namespace: BorrowedFd<'_>,
    ) -> Result<(), NetlinkError> {
        let mut request = LinkHeader::of(link.index).request(libc::RTM_SETLINK, 0);
        request.attributes().put_i32(IFLA_NET_NS_FD, namespace.as_raw_fd());
        self.change(&Operation::on("move to another network namespace", &link.name), request)
    }
}
