//! A packet socket that shows frames to a program, and keeps none.
//!
//! The filter is in place before the socket is bound, so the program sees every frame from the first
//! on, and nothing that it refuses was ever in the queue. Binding to an interface changes nothing
//! about it; promiscuous mode, if it is asked for, goes with the socket.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::LinkError;
use crate::{
    loader::{Program, sys::sockopt, tails::Held},
    netlink::Link,
};

/// What a [`PacketSocket`] shows its filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketOptions {
    /// Frames for other machines, too, as far as they get here.
    pub promiscuous: bool,
    /// Only what is received. Loopback needs it: there every frame is sent and received.
    pub received_only: bool,
}

/// A packet socket with a program as its filter, bound to one interface.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    #[allow(dead_code, reason = "the programs that the filter goes on in live as long as it")]
    program: Held,
}

impl PacketSocket {
    /// Show all frames of `link`, an interface of the calling thread's network namespace, to
    /// `program`. What it keeps waits in the socket; most programs for this keep nothing and tell of
    /// it in another way.
    ///
    /// # Errors
    ///
    /// [`LinkError::Packet`]: no `CAP_NET_RAW`, no such interface, an old kernel for
    /// `received_only`; [`LinkError::Socket`]: not a socket filter. An interface that is switched off
    /// is no error: frames come when it is switched on.
    pub fn open(link: &Link, program: &Program, options: PacketOptions) -> Result<Self, LinkError> {
        let fail =
            |action| move |cause| LinkError::Packet { action, interface: link.name.clone(), cause };
        let index = i32::try_from(link.index)
            .map_err(|_| fail("bind to")(io::Error::from_raw_os_error(libc::ENODEV)))?;
        let held = program.held().map_err(|source| LinkError::Program {
            action: "keep a descriptor of",
            program: program.name().to_owned(),
            source,
        })?;
        // Without a protocol it receives nothing.
        let fd = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            .map_err(|errno| fail("open")(errno.into()))?;
        super::socket::attach(&fd, program)?;
        if options.received_only {
            sockopt::ignore_outgoing(fd.as_fd()).map_err(fail("see only what is received of"))?;
        }
        match sockopt::bind_packet(fd.as_fd(), index) {
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
            bound => bound.map_err(fail("bind to"))?,
        }
        if options.promiscuous {
            sockopt::be_promiscuous(fd.as_fd(), index).map_err(fail("see frames for others on"))?;
        }
        Ok(Self { fd, program: held })
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
