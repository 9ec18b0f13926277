//! XDP by netlink, with a guard.
//!
//! What is attached this way outlives the process, so the guard matters: dropping it detaches. A
//! detach names our program as the expected one, so that it never removes somebody else's.

use std::{mem, os::fd::AsFd};

use super::LinkError;
use crate::{
    loader::{Program, tails::Held},
    netlink::{Link, NetlinkError, OnOccupied, Socket, XdpAttachment, XdpMode},
};

/// How a detach ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detached {
    /// The program is off the interface; the kernel was asked.
    Done,
    /// The interface is gone from the network namespace, and the attachment with it. If it was not
    /// deleted but moved to another namespace, it took the program along, which runs on there: only
    /// a bpf_link ([`XdpLink`](super::XdpLink)) reaches it then.
    InterfaceGone,
}

/// A program of ours on an interface. Dropping it detaches.
#[derive(Debug)]
pub struct XdpNetlink {
    socket: Socket,
    link: Link,
    mode: XdpMode,
    /// Our own descriptors of what is attached: what a detach or replacement expects to find.
    program: Held,
    program_id: u32,
    attached: bool,
}

impl XdpNetlink {
    /// Attach `program` to `link` through `socket`, which decides about the network namespace.
    /// [`OnOccupied::Refuse`] is the way of a good guest.
    ///
    /// # Errors
    ///
    /// [`LinkError`], with what is attached now: occupied, no such mode, peer MTU, no right.
    pub fn attach(
        mut socket: Socket,
        link: &Link,
        program: &Program,
        mode: XdpMode,
        on_occupied: OnOccupied<'_>,
    ) -> Result<Self, LinkError> {
        let (fd, program_id) = own(program)?;
        if let Err(error) = socket.attach_xdp(link, program.as_fd(), mode, on_occupied) {
            return Err(explain(&mut socket, link, error));
        }
        let mut guard =
            Self { socket, link: link.clone(), mode, program: fd, program_id, attached: true };
        if mode == XdpMode::Auto {
            let found = guard.query()?;
            let ours = found.modes().find(|&(_, id)| id == program_id);
            guard.mode = ours.map_or(mode, |(mode, _)| mode);
        }
        Ok(guard)
    }

    /// The interface as it was when this was attached.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The mode it runs in: never [`XdpMode::Auto`], unless the program was gone at once.
    pub fn mode(&self) -> XdpMode {
        self.mode
    }

    /// The id of the program.
    pub fn program_id(&self) -> u32 {
        self.program_id
    }

    /// What is attached to the interface now.
    ///
    /// # Errors
    ///
    /// The interface is gone.
    pub fn query(&mut self) -> Result<XdpAttachment, LinkError> {
        self.socket
            .xdp(&self.link)
            .map_err(|error| LinkError::Netlink { error: Box::new(error), found: None })
    }

    /// Put `program` in the place of ours in one step: every packet meets the one or the other.
    ///
    /// # Errors
    ///
    /// [`LinkError`]; `EEXIST` if ours is not attached any more. What was attached stays.
    pub fn replace(&mut self, program: &Program) -> Result<(), LinkError> {
        let (fd, program_id) = own(program)?;
        let expected = OnOccupied::Replace(self.program.program.as_fd());
        let done = self.socket.attach_xdp(&self.link, program.as_fd(), self.mode, expected);
        if let Err(error) = done {
            return Err(explain(&mut self.socket, &self.link, error));
        }
        self.program = fd;
        self.program_id = program_id;
        Ok(())
    }

    /// Detach, and ask the kernel whether it is done.
    ///
    /// # Errors
    ///
    /// [`LinkError`]; `EEXIST` if somebody else's program is attached, which stays.
    pub fn detach(mut self) -> Result<Detached, LinkError> {
        self.attached = false;
        self.detach_now()
    }

    /// Leave the program where it is: it stays after the process has ended. Its tails, if it has
    /// any, do not: they go with the last [`Program`] or guard that has them, and then frames are
    /// counted as unsearched that they would have searched.
    pub fn keep(mut self) {
        self.attached = false;
    }

    fn detach_now(&mut self) -> Result<Detached, LinkError> {
        let expected = Some(self.program.program.as_fd());
        match self.socket.detach_xdp(&self.link, self.mode, expected) {
            Ok(()) => Ok(Detached::Done),
            Err(NetlinkError::UnknownIndex { .. } | NetlinkError::UnknownName { .. }) => {
                Ok(Detached::InterfaceGone)
            }
            Err(error) => Err(explain(&mut self.socket, &self.link, error)),
        }
    }
}

impl Drop for XdpNetlink {
    fn drop(&mut self) {
        if mem::take(&mut self.attached) {
            // Nobody is left to tell; `detach` is for those who want to know.
            let _ = self.detach_now();
        }
    }
}

/// Descriptors of our own and the id.
fn own(program: &Program) -> Result<(Held, u32), LinkError> {
    let fail = |action| {
        move |source| LinkError::Program { action, program: program.name().to_owned(), source }
    };
    let fd = program.held().map_err(fail("keep a descriptor of"))?;
    let info = program.info().map_err(fail("ask about"))?;
    Ok((fd, info.id))
}

/// `error`, and what is on the interface.
fn explain(socket: &mut Socket, link: &Link, error: NetlinkError) -> LinkError {
    LinkError::Netlink { error: Box::new(error), found: socket.xdp(link).ok() }
}
