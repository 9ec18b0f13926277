//! The `NETLINK_ROUTE` socket: one request, its whole answer, within named limits.
//!
//! A socket belongs to the network namespace in which its thread was when it was opened, for as long
//! as it lives and whoever uses it; see [`Namespace::socket`](super::Namespace::socket).
//!
//! Guarantees: only datagrams from the kernel (port 0) are read; an answer to an earlier request is
//! never taken for the present one; a signal does not interrupt an exchange; reading an answer ends
//! after [`ANSWER_MESSAGES_MAX`](super::answer::ANSWER_MESSAGES_MAX) messages,
//! [`ANSWER_BYTES_MAX`](super::answer::ANSWER_BYTES_MAX) bytes, or [`ANSWER_WAIT_MS_MAX`] milliseconds
//! without any. After an error of the last kind open a new socket: the rest of the answer may still
//! arrive on the old one, where it is skipped, but the kernel runs one dump a socket at a time.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockname,
    recvmsg, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::answer::{Answer, Collector, Object, limit};
use super::error::{NetlinkError, Operation};
use super::message::{Request, flag};

/// Longest datagram that is received. The kernel fills at most 32 KiB with a dump, but one link with
/// many virtual functions may need more.
pub const DATAGRAM_BYTES_MAX: usize = 4 << 20;
/// Longest wait for the next datagram of an answer. The kernel answers while the request is being
/// sent; this is reached only if an answer was lost.
pub const ANSWER_WAIT_MS_MAX: u64 = 5_000;
/// How often a list is read again because it changed while it was read.
pub const DUMP_ATTEMPTS_MAX: u32 = 8;

/// The port of the kernel itself.
const KERNEL_PORT: u32 = 0;
/// Size that the receive buffer starts with: what the kernel puts into a datagram of a dump.
const DATAGRAM_BYTES: usize = 32 << 10;
/// What is asked for as the socket's receive buffer; the kernel may grant less.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// Socket options that `nix` does not list, made with its own macro.
mod option {
    use nix::{setsockopt_impl, sockopt_impl};

    sockopt_impl!(
        /// Ask for extended acknowledgements: a sentence and an offset with the error number.
        ExtendedAck, SetOnly, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, bool
    );
    sockopt_impl!(
        /// Do not repeat the request in the acknowledgement of a failure.
        CapAck, SetOnly, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, bool
    );
}

/// A netlink socket of the `NETLINK_ROUTE` family.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    /// Number of the last request. Notifications carry 0, so 0 is never used.
    sequence: u32,
    /// Our port, which every answer to us carries.
    port: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Open a socket in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`]: too many descriptors (`EMFILE`, `ENFILE`), or a kernel or sandbox
    /// without rtnetlink (`EPROTONOSUPPORT`, `EPERM`). No privilege is needed to open and to list.
    pub fn open() -> Result<Self, NetlinkError> {
        Self::open_with_groups(0)
    }

    /// Open a socket that also receives the notifications of the multicast groups in this mask.
    pub(crate) fn open_with_groups(groups: u32) -> Result<Self, NetlinkError> {
        let operation = Operation::new("open a netlink socket");
        Self::open_raw(groups).map_err(|errno| NetlinkError::system(&operation, errno))
    }

    fn open_raw(groups: u32) -> Result<Self, Errno> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        // Since 4.12 and 4.3; without them errors have no text, which is no reason to fail.
        let _ = setsockopt(&fd, option::ExtendedAck, &true);
        let _ = setsockopt(&fd, option::CapAck, &true);
        setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER_BYTES)?;
        let wait_ms = i64::try_from(ANSWER_WAIT_MS_MAX).expect("a few seconds");
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::milliseconds(wait_ms))?;
        // Port 0 lets the kernel choose one.
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        let port = getsockname::<NetlinkAddr>(fd.as_raw_fd())?.pid();
        Ok(Self { fd, sequence: 0, port, buffer: vec![0; DATAGRAM_BYTES] })
    }

    /// Send a request that changes something, and wait for its acknowledgement.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`] with the kernel's errno and text; otherwise the exchange failed.
    pub fn change(&mut self, operation: &Operation, request: Request) -> Result<(), NetlinkError> {
        self.exchange(operation, request, flag::ACK).map(|_| ())
    }

    /// Send a request for one object and return the answer's first message.
    ///
    /// # Errors
    ///
    /// As [`change`](Self::change); [`NetlinkError::NoAnswer`] if there is only an acknowledgement.
    pub fn get(&mut self, operation: &Operation, request: Request) -> Result<Object, NetlinkError> {
        let answer = self.exchange(operation, request, flag::ACK)?;
        let first = answer.objects.into_iter().next();
        first.ok_or_else(|| NetlinkError::NoAnswer { operation: operation.clone() })
    }

    /// Send a request for a list and return all its messages.
    ///
    /// A list that changed while it was read may lack objects or have them twice, so it is read
    /// again, at most [`DUMP_ATTEMPTS_MAX`] times.
    ///
    /// # Errors
    ///
    /// As [`change`](Self::change); [`NetlinkError::Interrupted`] if it changed each time.
    pub fn dump(
        &mut self,
        operation: &Operation,
        request: Request,
    ) -> Result<Vec<Object>, NetlinkError> {
        for _ in 0..DUMP_ATTEMPTS_MAX {
            let answer = self.exchange(operation, request.clone(), flag::DUMP)?;
            if !answer.interrupted {
                return Ok(answer.objects);
            }
        }
        let operation = operation.clone();
        Err(NetlinkError::Interrupted { operation, attempts: DUMP_ATTEMPTS_MAX })
    }

    /// Send a request and collect messages up to the one that ends the answer.
    fn exchange(
        &mut self,
        operation: &Operation,
        request: Request,
        flags: u16,
    ) -> Result<Answer, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let bytes = request.encode(operation, flags, self.sequence)?;
        self.send(&bytes).map_err(|errno| NetlinkError::system(operation, errno))?;

        let mut collector = Collector::new(self.sequence, self.port);
        loop {
            let length = self.receive(operation)?;
            if collector.take(operation, &self.buffer[..length])? {
                return collector.finish(operation);
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        let kernel = NetlinkAddr::new(KERNEL_PORT, 0);
        loop {
            match sendto(self.fd.as_raw_fd(), bytes, &kernel, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Receive one datagram from the kernel into the buffer and return its length.
    fn receive(&mut self, operation: &Operation) -> Result<usize, NetlinkError> {
        let wait = Duration::from_millis(ANSWER_WAIT_MS_MAX);
        let deadline = Instant::now() + wait;
        loop {
            match self.receive_once(operation, MsgFlags::empty())? {
                Received::Datagram(length) => return Ok(length),
                Received::NotForUs | Received::Interrupted if Instant::now() < deadline => {}
                Received::NotForUs | Received::Interrupted | Received::Nothing => {
                    let operation = operation.clone();
                    return Err(NetlinkError::Timeout { operation, waited_ms: ANSWER_WAIT_MS_MAX });
                }
            }
        }
    }

    /// Receive at most one datagram. It is looked at before it is taken, so that a long one is
    /// never cut off.
    fn receive_once(
        &mut self,
        operation: &Operation,
        flags: MsgFlags,
    ) -> Result<Received, NetlinkError> {
        let look = flags | MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC;
        match self.receive_raw(look).and_then(|(length, sender)| {
            let fits = length <= DATAGRAM_BYTES_MAX;
            // Another process may send to our port; nothing that it says is from the kernel, and
            // its datagrams do not make the buffer grow.
            if sender == KERNEL_PORT && fits && self.buffer.len() < length {
                self.buffer.resize(length, 0);
            }
            self.receive_raw(flags | MsgFlags::MSG_TRUNC)
        }) {
            Ok((_, sender)) if sender != KERNEL_PORT => Ok(Received::NotForUs),
            Ok((length, _)) => {
                limit(operation, "bytes of a datagram", DATAGRAM_BYTES_MAX, length)?;
                Ok(Received::Datagram(length.min(self.buffer.len())))
            }
            Err(Errno::EINTR) => Ok(Received::Interrupted),
            Err(Errno::EAGAIN) => Ok(Received::Nothing),
            Err(errno) => Err(NetlinkError::system(operation, errno)),
        }
    }

    /// `recvmsg`: the length of the datagram and the port of its sender.
    fn receive_raw(&mut self, flags: MsgFlags) -> Result<(usize, u32), Errno> {
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let received = recvmsg::<NetlinkAddr>(self.fd.as_raw_fd(), &mut slices, None, flags)?;
        // An address that is missing is not the kernel's.
        let sender = received.address.map_or(u32::MAX, |address| address.pid());
        Ok((received.bytes, sender))
    }

    /// Take one datagram of notifications if there is one, without waiting.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`] with `ENOBUFS` if the kernel had to drop notifications.
    pub(crate) fn take_notifications(
        &mut self,
        operation: &Operation,
    ) -> Result<Option<&[u8]>, NetlinkError> {
        match self.receive_once(operation, MsgFlags::MSG_DONTWAIT)? {
            Received::Datagram(length) => Ok(Some(&self.buffer[..length])),
            Received::NotForUs | Received::Interrupted => Ok(Some(&[])),
            Received::Nothing => Ok(None),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What one call to `recvmsg` gave.
enum Received {
    Datagram(usize),
    NotForUs,
    Interrupted,
    Nothing,
}
