//! Classifiers by netlink: a filter at a clsact qdisc, with a guard.
//!
//! What is attached this way outlives the process, so the guard matters: dropping it detaches. The
//! qdisc goes with the filter if we made it and nothing else hangs there; one that was there stays.

use std::{mem, os::fd::AsFd};

use super::{Detached, LinkError, TcDirection, keep};
use crate::{
    loader::{Program, tails::Held},
    netlink::{Clsact, Link, NetlinkError, Socket, TcFilter, tc},
};

/// A classifier of ours on an interface. Dropping it detaches.
#[derive(Debug)]
pub struct TcNetlink {
    socket: Socket,
    link: Link,
    filter: TcFilter,
    made_qdisc: bool,
    #[allow(dead_code, reason = "the programs that it goes on in live as long as this")]
    program: Held,
    attached: bool,
}

impl TcNetlink {
    /// Attach `program` to `link` through `socket`, which decides about the network namespace: behind
    /// the filters that are there, unless they have a larger preference than
    /// [`PREFERENCE`](tc::PREFERENCE). A clsact qdisc is made if there is none.
    ///
    /// # Errors
    ///
    /// [`LinkError::Netlink`]: the kernel has no clsact or no bpf filters, another qdisc is in its
    /// place, no right. Nothing stays then.
    pub fn attach(
        mut socket: Socket,
        link: &Link,
        program: &Program,
        direction: TcDirection,
    ) -> Result<Self, LinkError> {
        let kept = keep(program)?;
        let made_qdisc = socket.add_clsact(link, direction).map_err(of_netlink)? == Clsact::Made;
        let how = (program.name(), tc::PREFERENCE);
        let filter = match socket.attach_tc(link, direction, program.as_fd(), how) {
            Ok(filter) => filter,
            Err(error) => {
                if made_qdisc {
                    // The first error is the one to know.
                    let _ = remove_empty(&mut socket, link);
                }
                return Err(of_netlink(error));
            }
        };
        Ok(Self { socket, link: link.clone(), filter, made_qdisc, program: kept, attached: true })
    }

    /// The interface as it was when this was attached.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The filter: preference and handle are what `tc filter` takes.
    pub fn filter(&self) -> &TcFilter {
        &self.filter
    }

    /// Was there no clsact qdisc before?
    pub fn made_qdisc(&self) -> bool {
        self.made_qdisc
    }

    /// The filters of this direction now, in the order in which they run.
    ///
    /// # Errors
    ///
    /// The interface is gone.
    pub fn query(&mut self) -> Result<Vec<TcFilter>, LinkError> {
        self.socket.tc_filters(&self.link, self.filter.direction).map_err(of_netlink)
    }

    /// Put `program` in the place of ours in one step: every frame meets the one or the other.
    ///
    /// # Errors
    ///
    /// [`LinkError::Netlink`]: ours is not there any more. What was attached stays.
    pub fn replace(&mut self, program: &Program) -> Result<(), LinkError> {
        let kept = keep(program)?;
        let replaced = self.socket.replace_tc(&self.link, &self.filter, program.as_fd());
        self.filter = replaced.map_err(of_netlink)?;
        self.program = kept;
        Ok(())
    }

    /// Detach, and ask the kernel whether it is done. The qdisc goes too if we made it and nothing else
    /// hangs there.
    ///
    /// # Errors
    ///
    /// [`LinkError::Netlink`]: somebody else's program is in our place, which stays.
    pub fn detach(mut self) -> Result<Detached, LinkError> {
        self.attached = false;
        self.detach_now()
    }

    /// Leave the program where it is: it stays after the process has ended. Its tails, if it has any, do
    /// not: they go with the last [`Program`] or guard that has them.
    pub fn keep(mut self) {
        self.attached = false;
    }

    fn detach_now(&mut self) -> Result<Detached, LinkError> {
        let gone = |socket: &mut Socket, link: &Link| {
            matches!(socket.link_by_index(link.index), Err(NetlinkError::UnknownIndex { .. }))
        };
        let detached = self.socket.detach_tc(&self.link, &self.filter);
        let detached = detached.and_then(|()| {
            if self.made_qdisc { remove_empty(&mut self.socket, &self.link) } else { Ok(()) }
        });
        match detached {
            Ok(()) => Ok(Detached::Done),
            Err(_) if gone(&mut self.socket, &self.link) => Ok(Detached::InterfaceGone),
            Err(error) => Err(of_netlink(error)),
        }
    }
}

impl Drop for TcNetlink {
    fn drop(&mut self) {
        if mem::take(&mut self.attached) {
            // Nobody is left to tell; `detach` is for those who want to know.
            let _ = self.detach_now();
        }
    }
}

/// Remove the clsact qdisc if no filter of either direction is left.
fn remove_empty(socket: &mut Socket, link: &Link) -> Result<(), NetlinkError> {
    for direction in [TcDirection::Ingress, TcDirection::Egress] {
        if !socket.tc_filters(link, direction)?.is_empty() {
            return Ok(());
        }
    }
    socket.delete_clsact(link)
}

fn of_netlink(error: NetlinkError) -> LinkError {
    LinkError::Netlink { error: Box::new(error), found: None }
}
