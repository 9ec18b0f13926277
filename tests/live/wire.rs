//! Packet sockets, and frames to send through them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use hardwire::netlink::{Link, Namespace};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

/// An `AF_PACKET` socket on one interface: sends whole Ethernet frames, and receives them if it
/// [`listens`](Self::listen).
pub(crate) struct PacketSocket {
    fd: OwnedFd,
    index: u32,
    offloads: bool,
}

/// What the sender tells the kernel about a frame (`struct virtio_net_hdr`).
#[derive(Clone, Copy, Default)]
pub(crate) struct Shape {
    /// Bytes that lie in the linear part of the socket buffer; the rest goes to fragments.
    pub(crate) linear: u16,
    /// Payload bytes of each segment of a super-packet, if it is one.
    pub(crate) segment: Option<Segment>,
}

/// How a super-packet would be cut.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) protocol: Protocol,
    pub(crate) bytes: u16,
    /// Where its TCP or UDP header begins.
    pub(crate) transport: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

impl PacketSocket {
    /// A socket that only sends.
    pub(crate) fn sender(namespace: &Namespace, link: &Link) -> Self {
        let fd = namespace
            .enter(|| {
                // Without a protocol it receives nothing.
                socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            })
            .expect("entered")
            .expect("opened");
        let this = Self { fd, index: link.index, offloads: false };
        this.bind(0);
        this
    }

    /// A sender whose frames carry a [`Shape`].
    pub(crate) fn shaping_sender(namespace: &Namespace, link: &Link) -> Self {
        let mut this = Self::sender(namespace, link);
        set_option(&this, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1);
        this.offloads = true;
        this
    }

    /// A socket that will receive what comes in through the interface, once it [`listens`](Self::listen):
    /// time to give it a filter, which then sees all that it receives.
    pub(crate) fn receiver(namespace: &Namespace, link: &Link) -> Self {
        let this = Self::sender(namespace, link);
        set_option(&this, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 64 << 20);
        set_option(&this, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1);
        let wait = TimeVal::new(0, 1_000);
        setsockopt(&this.fd, sockopt::ReceiveTimeout, &wait).expect("set");
        this
    }

    /// From now on receive what comes.
    pub(crate) fn listen(self) -> Self {
        self.bind(u16::try_from(libc::ETH_P_ALL).expect("3"));
        self
    }

    pub(crate) fn send(&self, frame: &[u8]) {
        assert!(!self.offloads, "a shaping sender");
        self.write(frame);
    }

    pub(crate) fn send_shaped(&self, frame: &[u8], shape: Shape) {
        assert!(self.offloads, "a plain sender");
        // flags, gso_type, hdr_len, gso_size, csum_start, csum_offset
        let mut header = [0_u8; 10];
        header[2..4].copy_from_slice(&shape.linear.to_ne_bytes());
        if let Some(Segment { protocol, bytes, transport }) = shape.segment {
            let (kind, checksum) = match protocol {
                Protocol::Tcp => (1, 16_u16),
                Protocol::Udp => (5, 6),
            };
            header[0] = 1; // VIRTIO_NET_HDR_F_NEEDS_CSUM
            header[1] = kind;
            header[4..6].copy_from_slice(&bytes.to_ne_bytes());
            header[6..8].copy_from_slice(&transport.to_ne_bytes());
            header[8..10].copy_from_slice(&checksum.to_ne_bytes());
        }
        self.write(&[&header, frame].concat());
    }

    fn write(&self, bytes: &[u8]) {
        let sent = send(self.fd.as_raw_fd(), bytes, MsgFlags::empty());
        assert_eq!(sent, Ok(bytes.len()), "a frame of {} bytes", bytes.len());
    }

    /// The next frame, if one comes within `limit`.
    pub(crate) fn receive(&self, limit: Duration) -> Option<Vec<u8>> {
        let start = Instant::now();
        let mut buffer = vec![0; 1 << 17];
        loop {
            match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(bytes) => {
                    buffer.truncate(bytes);
                    return Some(buffer);
                }
                Err(Errno::EAGAIN | Errno::EINTR) if start.elapsed() < limit => {}
                Err(Errno::EAGAIN | Errno::EINTR) => return None,
                Err(error) => panic!("receive: {error}"),
            }
        }
    }

    #[allow(unsafe_code, reason = "nix has no safe way to make an address of AF_PACKET")]
    fn bind(&self, protocol: u16) {
        let address = libc::sockaddr_ll {
            sll_family: u16::try_from(libc::AF_PACKET).expect("17"),
            sll_protocol: protocol.to_be(),
            sll_ifindex: i32::try_from(self.index).expect("an index"),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let bytes = u32::try_from(size_of_val(&address)).expect("20");
        // SAFETY: the kernel reads `bytes` bytes of `address`, which lives until the call returns.
        let done = unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), bytes) };
        assert_eq!(done, 0, "bind: {}", io::Error::last_os_error());
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Set an option that is an `int`.
#[allow(unsafe_code, reason = "nix knows few of the options of AF_PACKET and UDP")]
pub(crate) fn set_option(socket: &impl AsFd, level: i32, name: i32, value: i32) {
    let fd = socket.as_fd().as_raw_fd();
    let bytes = u32::try_from(size_of_val(&value)).expect("4");
    // SAFETY: the kernel reads `bytes` bytes of `value`, which lives until the call returns.
    let done = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), bytes) };
    assert_eq!(done, 0, "option {name} of level {level}: {}", io::Error::last_os_error());
}

/// An Ethernet header without VLAN tags, up to and with the EtherType of IPv4.
const ETHERNET: [u8; 14] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
/// Bytes of all headers of [`udp_frame`].
pub(crate) const UDP_HEADERS: usize = 42;
/// Bytes of all headers of [`tcp_frame`].
pub(crate) const TCP_HEADERS: usize = 54;

/// An Ethernet/IPv4/UDP frame to nobody in particular.
pub(crate) fn udp_frame(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).expect("fits IPv4");
    let mut frame = ipv4(17, length);
    frame.extend([0x30, 0x39, 0x00, 0x35]);
    frame.extend(length.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// An Ethernet/IPv4/TCP frame to nobody in particular.
pub(crate) fn tcp_frame(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 20).expect("fits IPv4");
    let mut frame = ipv4(6, length);
    frame.extend([0x30, 0x39, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff]);
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn ipv4(protocol: u8, length: u16) -> Vec<u8> {
    let mut frame = ETHERNET.to_vec();
    frame.extend([0x45, 0]);
    frame.extend((length + 20).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2]);
    frame
}

/// `frame` with VLAN tags of these types in front of its EtherType.
pub(crate) fn tagged(frame: &[u8], tags: &[u16]) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    for (tag, id) in tags.iter().zip(100_u16..) {
        out.extend(tag.to_be_bytes());
        out.extend(id.to_be_bytes());
    }
    out.extend(&frame[12..]);
    out
}

/// `len` bytes of harmless text.
pub(crate) fn text(len: usize) -> Vec<u8> {
    b"Accept: text/html; q=0.9, image/avif, the quick brown fox. "
        .iter()
        .copied()
        .cycle()
        .take(len)
        .collect()
}
