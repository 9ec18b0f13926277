//! The socket options that attach and detach a socket filter, and tell a network namespace.

use std::{
    ffi::c_int,
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Set an integer option at level `SOL_SOCKET`.
fn set(socket: BorrowedFd<'_>, option: c_int, value: c_int) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<c_int>()).expect("four");
    // SAFETY: the kernel reads `len` bytes of `value`, a local that outlives the call.
    let ret = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            len,
        )
    };
    if ret == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Make `program` the socket's filter; replaces the one there is (`SO_ATTACH_BPF`).
///
/// # Errors
///
/// `EPERM`: the filter is locked; `EINVAL`: not a program of type `SOCKET_FILTER`; `ENOTSOCK`.
pub(crate) fn attach_bpf(socket: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SO_ATTACH_BPF, program.as_raw_fd())
}

/// Remove the socket's filter (`SO_DETACH_BPF`).
///
/// # Errors
///
/// `ENOENT`: there is none; `EPERM`: it is locked.
pub(crate) fn detach_bpf(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SO_DETACH_BPF, 0)
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
