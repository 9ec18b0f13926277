//! A subscription to changes of links: an interface that goes down, disappears, or loses its XDP
//! program to somebody else.
//!
//! The kernel drops notifications when the reader is slow, and says so; then
//! [`LinkEvent::Lost`] tells the reader to look for itself.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::error::{Malformed, NetlinkError, Operation};
use super::link::{Link, LinkHeader};
use super::message::{Message, Messages};
use super::socket::Socket;

/// `RTMGRP_LINK`: the mask of the multicast group `RTNLGRP_LINK`.
const GROUP_LINK: u32 = 1;

/// Most datagrams that one call takes from the socket, so that a flood cannot keep it for ever.
pub const DATAGRAMS_A_CALL_MAX: usize = 1_024;

/// Something happened to a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// It appeared or changed; this is its state afterwards.
    Changed(Box<Link>),
    /// It was deleted or moved to another network namespace.
    Gone {
        /// The index that it had.
        index: u32,
        /// The name that it had.
        name: String,
    },
    /// The kernel dropped notifications: ask for the state of what matters.
    Lost,
}

/// A subscription to the links of one network namespace.
#[derive(Debug)]
pub struct LinkWatch {
    socket: Socket,
    pending: VecDeque<LinkEvent>,
}

impl LinkWatch {
    /// Subscribe in the network namespace of the calling thread. What happens from now on is seen;
    /// look up a link *after* subscribing in order to miss nothing. No privilege is needed.
    ///
    /// # Errors
    ///
    /// As [`Socket::open`].
    pub fn open() -> Result<Self, NetlinkError> {
        let socket = Socket::open_with_groups(GROUP_LINK)?;
        Ok(Self { socket, pending: VecDeque::new() })
    }

    /// The next event if there is one now. Call it until it gives `None` before polling
    /// [`as_fd`](AsFd::as_fd) again: one datagram may hold several events.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`], or [`NetlinkError::Answer`] if a notification cannot be read.
    pub fn take(&mut self) -> Result<Option<LinkEvent>, NetlinkError> {
        let operation = Operation::new("watch links");
        for _ in 0..DATAGRAMS_A_CALL_MAX {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            let datagram = match self.socket.take_notifications(&operation) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Ok(None),
                Err(NetlinkError::System { errno: libc::ENOBUFS, .. }) => {
                    return Ok(Some(LinkEvent::Lost));
                }
                Err(error) => return Err(error),
            };
            for message in Messages::new(datagram) {
                let event = message.and_then(|message| event(&message));
                self.pending.extend(event.map_err(|e| NetlinkError::answer(&operation, e))?);
            }
        }
        Ok(self.pending.pop_front())
    }

    /// Wait at most `limit` for the next event; `None` if there was none. A signal does not end it.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn wait(&mut self, limit: Duration) -> Result<Option<LinkEvent>, NetlinkError> {
        // No deadline if it lies beyond what the clock can express.
        let deadline = Instant::now().checked_add(limit);
        loop {
            if let Some(event) = self.take()? {
                return Ok(Some(event));
            }
            let left = deadline.map_or(limit, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            // Rounded up, so that the last millisecond is not spent in a busy loop.
            let left = left.saturating_add(Duration::from_micros(999));
            match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => {
                    return Err(NetlinkError::system(&Operation::new("watch links"), errno));
                }
            }
        }
    }
}

impl AsFd for LinkWatch {
    /// Readable when there may be an event to [`take`](Self::take).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What a notification says, if it is about a link.
fn event(message: &Message<'_>) -> Result<Option<LinkEvent>, Malformed> {
    let is_gone = match message.header.kind {
        libc::RTM_NEWLINK => false,
        libc::RTM_DELLINK => true,
        _ => return Ok(None),
    };
    // A bridge announces with RTM_DELLINK of its own family that a port has left it.
    let (header, _) = LinkHeader::decode(message.payload)?;
    if header.family != 0 {
        return Ok(None);
    }
    let link = Link::decode(message.payload)?;
    Ok(Some(if is_gone {
        LinkEvent::Gone { index: link.index, name: link.name }
    } else {
        LinkEvent::Changed(Box::new(link))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::attribute::AttributeWriter;
    use crate::netlink::message::Header;

    fn event_of(kind: u16, family: u8, name: &str) -> Option<LinkEvent> {
        let mut payload = vec![family, 0, 0, 0];
        payload.extend(4u32.to_ne_bytes());
        payload.extend([0; 8]);
        let mut writer = AttributeWriter::new();
        writer.put_text(3, name);
        payload.extend(writer.finish().expect("a short name"));
        let header = Header { length: 0, kind, flags: 0, sequence: 0, port: 0 };
        event(&Message { header, payload: &payload }).expect("well-formed")
    }

    #[test]
    fn notifications_become_events_and_bridge_ports_do_not() {
        let gone = LinkEvent::Gone { index: 4, name: "veth0".into() };
        assert_eq!(event_of(libc::RTM_DELLINK, 0, "veth0"), Some(gone));
        let changed = event_of(libc::RTM_NEWLINK, 0, "veth0");
        assert!(matches!(changed, Some(LinkEvent::Changed(link)) if link.name == "veth0"));
        assert_eq!(event_of(libc::RTM_DELLINK, 7, "veth0"), None, "left a bridge");
        assert_eq!(event_of(libc::RTM_NEWADDR, 0, "veth0"), None, "not about a link");
    }
}
