//! XDP by a bpf_link (Linux 5.9).
//!
//! The kernel detaches when the last descriptor is closed, also if the process is killed, and
//! refuses to let netlink change the interface meanwhile. The program is exchanged in one step.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use super::{LinkError, LinkInfo, XdpMode, error, keep};
use crate::{
    loader::{Program, sys, tails::Held},
    netlink::{Link, Socket, XdpAttachment},
};

/// A bpf_link that holds a program on an interface. Dropping it detaches, unless it is pinned.
#[derive(Debug)]
pub struct XdpLink {
    fd: OwnedFd,
    interface: String,
    mode: XdpMode,
    /// Our own descriptors of the program that the link runs: what a replacement expects to find.
    program: Held,
}

/// What the kernel says about a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpLinkInfo {
    /// Its id, which `bpftool link show id` takes.
    pub id: u32,
    /// The id of its program.
    pub program_id: u32,
    /// The interface; nothing if it is gone or the link was detached.
    pub interface: Option<u32>,
}

impl XdpLink {
    /// Attach `program` to `link` in the network namespace of the *calling thread*; `socket` only
    /// asks what is attached. A bpf_link never takes the place of another program.
    ///
    /// # Errors
    ///
    /// [`LinkError`], with what is attached now: occupied, no such mode, peer MTU, no right.
    pub fn attach(
        socket: &mut Socket,
        link: &Link,
        program: &Program,
        mode: XdpMode,
    ) -> Result<Self, LinkError> {
        let kept = keep(program)?;
        let flags = match mode {
            XdpMode::Auto => 0,
            XdpMode::Generic => 1 << 1,
            XdpMode::Native => 1 << 2,
            XdpMode::Offload => 1 << 3,
        };
        let created = sys::link::create(program.as_fd(), link.index, sys::link::XDP, flags);
        let found = socket.xdp(link).ok();
        let fd = created.map_err(|cause| LinkError::BpfLink {
            action: "attach a bpf_link to",
            interface: link.name.clone(),
            mode,
            found,
            cause,
        })?;
        let mut this = Self { fd, interface: link.name.clone(), mode, program: kept };
        if mode == XdpMode::Auto {
            this.mode = this.found_mode(found).unwrap_or(mode);
        }
        Ok(this)
    }

    fn found_mode(&self, found: Option<XdpAttachment>) -> Option<XdpMode> {
        let id = self.info().ok()?.program_id;
        found?.modes().find(|&(_, found)| found == id).map(|(mode, _)| mode)
    }

    /// The mode it runs in: [`XdpMode::Auto`] only if the kernel could not be asked.
    pub fn mode(&self) -> XdpMode {
        self.mode
    }

    /// What the kernel says about the link.
    ///
    /// # Errors
    ///
    /// [`LinkError::BpfLink`].
    pub fn info(&self) -> Result<XdpLinkInfo, LinkError> {
        let info = LinkInfo::of(self.as_fd())
            .map_err(|cause| self.fail("ask about the bpf_link on", cause))?;
        let LinkInfo { id, program_id, interface, .. } = info;
        Ok(XdpLinkInfo { id, program_id, interface })
    }

    /// Put `program` in the place of the present one in one step: every packet meets the one or
    /// the other.
    ///
    /// # Errors
    ///
    /// [`LinkError::BpfLink`]: `EPERM` if the link runs another program than the one we put there,
    /// `ENOLINK` if it is detached or the interface is gone. What was attached stays.
    pub fn replace(&mut self, program: &Program) -> Result<(), LinkError> {
        let kept = keep(program)?;
        sys::link::update(self.as_fd(), program.as_fd(), Some(self.program.program.as_fd()))
            .map_err(|cause| self.fail(error::REPLACE, cause))?;
        self.program = kept;
        Ok(())
    }

    /// Detach now, even if others hold the link, and ask the kernel whether it is done.
    ///
    /// # Errors
    ///
    /// [`LinkError::BpfLink`], [`LinkError::StillAttached`].
    pub fn detach(self) -> Result<(), LinkError> {
        sys::link::detach(self.as_fd())
            .map_err(|cause| self.fail("detach the bpf_link from", cause))?;
        if self.info()?.interface.is_some() {
            return Err(LinkError::StillAttached { interface: self.interface });
        }
        Ok(())
    }

    fn fail(&self, action: &'static str, cause: io::Error) -> LinkError {
        LinkError::BpfLink {
            action,
            interface: self.interface.clone(),
            mode: self.mode,
            found: None,
            cause,
        }
    }
}

impl AsFd for XdpLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
