//! Classifiers by a bpf_link (TCX, Linux 6.6).
//!
//! The kernel detaches when the last descriptor is closed, also if the process is killed. Many programs
//! share a place: ours goes behind those that are there, and nobody's place is taken. The program is
//! exchanged in one step.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use super::{LinkError, LinkInfo, TcDirection, keep};
use crate::{
    loader::{Program, sys, tails::Held},
    netlink::Link,
};

/// A bpf_link that holds a classifier on an interface. Dropping it detaches, unless something else
/// holds the link: a pin does.
#[derive(Debug)]
pub struct TcxLink {
    fd: OwnedFd,
    interface: String,
    direction: TcDirection,
    /// Our own descriptors of the program that the link runs: what a replacement expects to find.
    program: Held,
}

/// One of the programs at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcxProgram {
    /// Its id, which `bpftool prog show id` takes.
    pub program_id: u32,
    /// The id of the link that holds it; nothing if none does.
    pub link_id: Option<u32>,
}

const fn attach_type(direction: TcDirection) -> u32 {
    match direction {
        TcDirection::Ingress => sys::link::TCX_INGRESS,
        TcDirection::Egress => sys::link::TCX_EGRESS,
    }
}

/// The programs that TCX has at `link`, in the order in which they run: those of links, and those that
/// were attached without one. Filters of clsact run behind all of them and are not listed.
///
/// # Errors
///
/// [`LinkError::Tcx`]: `EINVAL` if this kernel has no TCX.
pub fn tcx_programs(link: &Link, direction: TcDirection) -> Result<Vec<TcxProgram>, LinkError> {
    let action = "list the programs of";
    let found = sys::link::query(link.index, attach_type(direction)).map_err(|cause| {
        LinkError::Tcx { action, interface: link.name.clone(), direction, cause }
    })?;
    let one = |(program_id, link_id)| TcxProgram {
        program_id,
        link_id: (link_id != 0).then_some(link_id),
    };
    Ok(found.into_iter().map(one).collect())
}

impl TcxLink {
    /// Attach `program` to `link` in the network namespace of the *calling thread*, behind what is
    /// there.
    ///
    /// # Errors
    ///
    /// [`LinkError::Tcx`]: `EINVAL` if this kernel has no TCX, or for a program of another type;
    /// `EEXIST` if this very program is there already; `ERANGE` if 64 are; no right.
    pub fn attach(
        link: &Link,
        program: &Program,
        direction: TcDirection,
    ) -> Result<Self, LinkError> {
        let kept = keep(program)?;
        let place = attach_type(direction);
        let fd = sys::link::create(program.as_fd(), link.index, place, 0).map_err(|cause| {
            let action = "attach a bpf_link to";
            LinkError::Tcx { action, interface: link.name.clone(), direction, cause }
        })?;
        Ok(Self { fd, interface: link.name.clone(), direction, program: kept })
    }

    /// Which way the frames go that it sees.
    pub fn direction(&self) -> TcDirection {
        self.direction
    }

    /// What the kernel says about the link.
    ///
    /// # Errors
    ///
    /// [`LinkError::Tcx`].
    pub fn info(&self) -> Result<LinkInfo, LinkError> {
        LinkInfo::of(self.as_fd()).map_err(|cause| self.fail("ask about the bpf_link on", cause))
    }

    /// Put `program` in the place of the present one in one step: every frame meets the one or the
    /// other.
    ///
    /// # Errors
    ///
    /// [`LinkError::Tcx`]: `EPERM` if the link runs another program than the one we put there, `ENOLINK`
    /// if it is detached or the interface is gone. What was attached stays.
    pub fn replace(&mut self, program: &Program) -> Result<(), LinkError> {
        let kept = keep(program)?;
        sys::link::update(self.as_fd(), program.as_fd(), Some(self.program.program.as_fd()))
            .map_err(|cause| self.fail(super::error::REPLACE, cause))?;
        self.program = kept;
        Ok(())
    }

    /// Detach now, even if others hold the link, and ask the kernel whether it is done.
    ///
    /// # Errors
    ///
    /// [`LinkError::Tcx`], [`LinkError::StillAttached`].
    pub fn detach(self) -> Result<(), LinkError> {
        sys::link::detach(self.as_fd())
            .map_err(|cause| self.fail("detach the bpf_link from", cause))?;
        if self.info()?.interface.is_some() {
            return Err(LinkError::StillAttached { interface: self.interface });
        }
        Ok(())
    }

    fn fail(&self, action: &'static str, cause: io::Error) -> LinkError {
        let (interface, direction) = (self.interface.clone(), self.direction);
        LinkError::Tcx { action, interface, direction, cause }
    }
}

impl AsFd for TcxLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
