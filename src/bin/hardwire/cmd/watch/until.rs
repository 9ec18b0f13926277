//! While packets are watched: deliver them, and notice why to stop.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use hardwire::netlink::{Link, LinkEvent, LinkWatch, NetlinkError, Socket};

use crate::cmd::attach::watch::{Signals, wait_for};
use crate::cmd::detach::of_netlink;
use crate::delivery::Delivery;
use crate::failure::Failure;
use crate::output::Output;

/// Longest time between two looks at the ring, in case that nobody wakes its reader.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A signal.
    Asked,
    /// The duration is over.
    Time,
    /// As many packets as were asked for.
    Count,
    /// There is no interface any more.
    InterfaceGone,
}

/// What may end it.
pub(super) struct Until<'a> {
    pub(super) signals: Signals,
    pub(super) changes: LinkWatch,
    pub(super) socket: Socket,
    pub(super) link: &'a Link,
    pub(super) duration: Option<Duration>,
}

impl Until<'_> {
    /// Deliver until there is a reason to stop.
    pub(super) fn watch(
        &mut self,
        delivery: &mut Delivery<'_>,
        output: &mut Output,
    ) -> Result<Stop, Failure> {
        let deadline = self.duration.and_then(|duration| Instant::now().checked_add(duration));
        let mut up = self.link.is_up();
        loop {
            let taken = delivery.take(output)?;
            if taken.enough {
                return Ok(Stop::Count);
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(Stop::Time);
            }
            let (rest, for_ring) =
                Delivery::rest(taken, left.unwrap_or(LOOK_EVERY).min(LOOK_EVERY));
            let fds = [self.signals.as_fd(), self.changes.as_fd(), delivery.as_fd()];
            wait_for(if for_ring { &fds } else { &fds[..2] }, rest)?;
            if self.signals.came()? {
                return Ok(Stop::Asked);
            }
            if let Some(stop) = self.look_at_interface(&mut up, output)? {
                return Ok(stop);
            }
        }
    }

    /// Is the interface still there, and up?
    fn look_at_interface(
        &mut self,
        up: &mut bool,
        output: &mut Output,
    ) -> Result<Option<Stop>, Failure> {
        let mut changed = false;
        while let Some(event) = self.changes.take().map_err(|error| of_netlink(&error))? {
            changed |= match event {
                LinkEvent::Changed(link) => link.index == self.link.index,
                LinkEvent::Gone { index, .. } => index == self.link.index,
                LinkEvent::Lost => true,
            };
        }
        if !changed {
            return Ok(None);
        }
        // An event tells what was; what is decides.
        let link = match self.socket.link_by_index(self.link.index) {
            Ok(link) => link,
            Err(NetlinkError::UnknownIndex { .. } | NetlinkError::UnknownName { .. }) => {
                return Ok(Some(Stop::InterfaceGone));
            }
            Err(error) => return Err(of_netlink(&error).into()),
        };
        if link.is_up() != *up {
            *up = link.is_up();
            let state = if *up { "up again" } else { "down and carries nothing" };
            output.flush_all()?;
            output.note(format!("{} is {state}", link.name));
        }
        Ok(None)
    }
}
