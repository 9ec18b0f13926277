//! Sockets: the options that attach and detach a filter, those of packet sockets, and the one that tells
//! a network namespace.

use std::{
    ffi::c_int,
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// A value of which the kernel may read every byte.
trait Plain {}

impl Plain for c_int {}
impl Plain for libc::packet_mreq {}

/// Set an option.
fn set<T: Plain>(
    socket: BorrowedFd<'_>,
    (level, option): (c_int, c_int),
    value: &T,
) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<T>()).expect("a few bytes");
    // SAFETY: the kernel reads `len` bytes of `value`, which is borrowed for the call and has no
    // padding.
    let ret = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), len)
    };
    if ret == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Make `program` the socket's filter; replaces the one there is (`SO_ATTACH_BPF`).
///
/// # Errors
///
/// `EPERM`: the filter is locked; `EINVAL`: not a program of type `SOCKET_FILTER`; `ENOTSOCK`.
pub(crate) fn attach_bpf(socket: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, (libc::SOL_SOCKET, libc::SO_ATTACH_BPF), &program.as_raw_fd())
}

/// Remove the socket's filter (`SO_DETACH_BPF`).
///
/// # Errors
///
/// `ENOENT`: there is none; `EPERM`: it is locked.
pub(crate) fn detach_bpf(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, (libc::SOL_SOCKET, libc::SO_DETACH_BPF), &0)
}

/// A packet socket shall not see what the machine sends (`PACKET_IGNORE_OUTGOING`, Linux 4.20).
///
/// # Errors
///
/// `ENOPROTOOPT`: an older kernel, or not a packet socket.
pub(crate) fn ignore_outgoing(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, (libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING), &1)
}

/// The interface shall take frames for others, too, as long as this packet socket is open
/// (`PACKET_ADD_MEMBERSHIP`).
///
/// # Errors
///
/// `ENODEV`: no such interface.
pub(crate) fn be_promiscuous(socket: BorrowedFd<'_>, ifindex: c_int) -> io::Result<()> {
    let membership = libc::packet_mreq {
        mr_ifindex: ifindex,
        mr_type: libc::c_ushort::try_from(libc::PACKET_MR_PROMISC).expect("1"),
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set(socket, (libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP), &membership)
}

/// From now on a packet socket receives the frames of one interface, of all protocols.
///
/// # Errors
///
/// `ENODEV`: no such interface; `ENETDOWN`: it is switched off (it is bound all the same).
pub(crate) fn bind_packet(socket: BorrowedFd<'_>, ifindex: c_int) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::sa_family_t::try_from(libc::AF_PACKET).expect("17"),
        sll_protocol: u16::try_from(libc::ETH_P_ALL).expect("3").to_be(),
        sll_ifindex: ifindex,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let len = libc::socklen_t::try_from(size_of_val(&address)).expect("twenty");
    // SAFETY: the kernel reads `len` bytes of a local that outlives the call.
    let ret = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) };
    if ret == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The number of the socket's network namespace, which no other one has had or will have before the
/// next boot (`SO_NETNS_COOKIE`, Linux 5.14).
///
/// # Errors
///
/// `ENOPROTOOPT`: an older kernel.
pub(crate) fn netns_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut len = libc::socklen_t::try_from(size_of::<u64>()).expect("eight");
    // SAFETY: the kernel writes at most `len` bytes of `cookie` and a length; both are locals that
    // outlive the call.
    let ret = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    };
    if ret == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}

/// `include/uapi/asm-generic/socket.h`; the libc crate does not have it for every libc.
const SO_NETNS_COOKIE: c_int = 71;
