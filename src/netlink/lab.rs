//! Two hosts and a cable: a pair of anonymous network namespaces joined by a veth pair.
//!
//! For demonstrations and tests that need live traffic and must not touch the system. Addresses are
//! from the ranges reserved for documentation. The neighbours are permanent entries, and ARP,
//! neighbour discovery, multicast reports and automatic IPv6 addresses are off, so that no frame is
//! on the wire that nobody sent: counters can be compared with what was sent.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsFd;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;

use super::change::Veth;
use super::error::{NetlinkError, Operation};
use super::link::{Link, READY_WAIT_MS_MAX, wait};
use super::namespace::Namespace;
use super::socket::Socket;

/// Longest prefix of the names of a lab's interfaces: number, process and side follow it.
pub const PREFIX_BYTES_MAX: usize = 4;

/// Time after which a probe that has not arrived is taken for lost.
const PROBE_WAIT: Duration = Duration::from_millis(20);

const IPV4_PREFIX_BITS: u8 = 24;
const IPV6_PREFIX_BITS: u8 = 64;

/// One side of a [`Lab`].
#[derive(Debug)]
pub struct Host {
    /// Its network namespace; open sockets in it with [`Namespace::enter`].
    pub namespace: Namespace,
    /// A netlink socket in its namespace.
    pub netlink: Socket,
    /// Its end of the cable, as it was when the lab was ready.
    pub link: Link,
    /// Its IPv4 address, of `192.0.2.0/24`.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address, of `2001:db8::/64`.
    pub ipv6: Ipv6Addr,
}

impl Host {
    /// Run `inside` on a thread in this host's namespace; see [`Namespace::enter`].
    ///
    /// # Errors
    ///
    /// As [`Namespace::enter`].
    pub fn enter<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> Result<T, NetlinkError> {
        self.namespace.enter(inside)
    }

    /// Switch `lo` on and the end of the cable, and give it its addresses.
    fn configure(&mut self) -> Result<(), NetlinkError> {
        let Self { netlink, link, ipv4, ipv6, .. } = self;
        let loopback = netlink.link_by_name("lo")?;
        netlink.set_up(&loopback)?;
        netlink.set_no_arp(link)?;
        netlink.add_address(link, IpAddr::V4(*ipv4), IPV4_PREFIX_BITS)?;
        match netlink.set_no_automatic_ipv6(link) {
            Ok(()) => {}
            // The kernel was built or booted without IPv6: the lab has IPv4 only.
            Err(error) if error.errno() == Some(libc::EAFNOSUPPORT) => return netlink.set_up(link),
            Err(error) => return Err(error),
        }
        netlink.set_up(link)?;
        netlink.add_address(link, IpAddr::V6(*ipv6), IPV6_PREFIX_BITS)
    }

    /// Wait for the carrier and make the other host known.
    fn connect(&mut self, other: &Link, ips: [IpAddr; 2]) -> Result<(), NetlinkError> {
        let limit = Duration::from_millis(READY_WAIT_MS_MAX);
        self.link = self.netlink.wait_until_running(&self.link, limit)?;
        self.netlink.wait_until_addresses_usable(&self.link, limit)?;
        let own = self.netlink.addresses(&self.link)?;
        for ip in ips {
            if own.iter().any(|address| address.ip.is_ipv4() == ip.is_ipv4()) {
                self.netlink.set_neighbour(&self.link, ip, &other.address)?;
            }
        }
        Ok(())
    }
}

/// Two hosts and a cable.
#[derive(Debug)]
pub struct Lab {
    /// The side where tests usually send, `192.0.2.1` and `2001:db8::1`.
    pub client: Host,
    /// The side where programs are usually attached, `192.0.2.2` and `2001:db8::2`.
    pub server: Host,
}

impl Lab {
    /// Build the lab and wait until it carries frames. Needs `CAP_SYS_ADMIN` and `CAP_NET_ADMIN`.
    ///
    /// The interfaces are named after `prefix`, the process and a counter, so that they are unique
    /// on the host although nobody else sees them.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::BadName`] if `prefix` is longer than [`PREFIX_BYTES_MAX`] or cannot begin a
    /// name; otherwise whatever step failed. Nothing is left behind.
    pub fn new(prefix: &str) -> Result<Self, NetlinkError> {
        if prefix.len() > PREFIX_BYTES_MAX {
            let why = "a prefix has at most 4 bytes";
            return Err(NetlinkError::BadName { name: prefix.to_owned(), why });
        }
        let [client_name, server_name] = unique_names(prefix);
        let client_space = Namespace::create()?;
        let server_space = Namespace::create()?;
        let mut netlink = client_space.socket()?;
        netlink.create_veth(Veth {
            name: &client_name,
            peer_name: &server_name,
            peer_namespace: Some(server_space.as_fd()),
            mtu: None,
        })?;
        let mut client = host(client_space, netlink, &client_name, 1)?;
        let netlink = server_space.socket()?;
        let mut server = host(server_space, netlink, &server_name, 2)?;

        client.configure()?;
        server.configure()?;
        let mut lab = Self { client, server };
        lab.wait_until_carrying()?;
        Ok(lab)
    }

    /// Wait until a frame sent at each end arrives at the other, and note what the links counted
    /// until then. Each end gets to know the other again: an interface that is switched off forgets
    /// its neighbours (and its IPv6 addresses, which stay away).
    ///
    /// A carrier is not enough: the kernel tells it before it exchanges the queue that drops
    /// everything for one that sends, and then the first frame is lost without a trace.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Timeout`], for instance if a program drops what is sent.
    pub fn wait_until_carrying(&mut self) -> Result<(), NetlinkError> {
        let limit = Duration::from_millis(READY_WAIT_MS_MAX);
        let Self { client, server } = self;
        client.connect(&server.link, [server.ipv4.into(), server.ipv6.into()])?;
        server.connect(&client.link, [client.ipv4.into(), client.ipv6.into()])?;
        probe(&self.client, &self.server, limit)?;
        probe(&self.server, &self.client, limit)?;
        for host in [&mut self.client, &mut self.server] {
            host.link = host.netlink.link_by_index(host.link.index)?;
        }
        Ok(())
    }
}

/// Send datagrams until the last one sent has arrived; so none is underway afterwards.
fn probe(from: &Host, to: &Host, limit: Duration) -> Result<(), NetlinkError> {
    let operation = Operation::on("wait for a frame on", &to.link.name);
    let failed = |error: io::Error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
        NetlinkError::system(&operation, errno)
    };
    let bind = |host: &Host| host.enter(|| UdpSocket::bind((host.ipv4, 0)))?.map_err(failed);
    let (sender, receiver) = (bind(from)?, bind(to)?);
    receiver.set_read_timeout(Some(PROBE_WAIT)).map_err(failed)?;
    let address = receiver.local_addr().map_err(failed)?;
    let mut sent = 0_u32;
    wait(&operation, limit, || {
        sent += 1;
        // A link that is not ready yet may also refuse it.
        let _ = sender.send_to(&sent.to_ne_bytes(), address);
        let mut number = [0; size_of::<u32>()];
        loop {
            match receiver.recv(&mut number) {
                Ok(_) if number == sent.to_ne_bytes() => return Ok(Some(())),
                Ok(_) => {} // an earlier one, which was late
                Err(_) => return Ok(None),
            }
        }
    })
}

impl Drop for Lab {
    /// Cut the cable now; the namespaces go when the last socket in them is closed.
    fn drop(&mut self) {
        // Nothing can be done about a failure: the pair then goes with the namespaces.
        let _ = self.client.netlink.delete_link(&self.client.link);
    }
}

fn host(
    namespace: Namespace,
    mut netlink: Socket,
    name: &str,
    number: u8,
) -> Result<Host, NetlinkError> {
    let link = netlink.link_by_name(name)?;
    let ipv4 = Ipv4Addr::new(192, 0, 2, number);
    let ipv6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into());
    Ok(Host { namespace, netlink, link, ipv4, ipv6 })
}

/// Names of the two ends: prefix, a counter, the process, and the side. With a prefix of four bytes
/// and the largest process number (22 bits) this is 15 bytes.
fn unique_names(prefix: &str) -> [String; 2] {
    static LABS: AtomicU32 = AtomicU32::new(0);
    let lab = LABS.fetch_add(1, Ordering::Relaxed) % 0x1000;
    let process = process::id();
    ["c", "s"].map(|side| format!("{prefix}{lab:03x}{process:x}{side}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit() {
        let first = unique_names("hard");
        let second = unique_names("hard");
        assert_ne!(first, second);
        for name in first.iter().chain(&second) {
            assert!(name.len() <= crate::netlink::link::NAME_BYTES_MAX, "{name}");
        }
        let error = Lab::new("toolong").expect_err("a long prefix");
        assert!(error.to_string().contains("at most 4 bytes"), "{error}");
    }
}
