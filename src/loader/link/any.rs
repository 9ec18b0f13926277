//! Links of any kind: those of anybody, as far as the kernel tells, and those that are pinned.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use crate::loader::{PinError, Program, pin, sys};

/// What the kernel says about a link of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// Its id, which `bpftool link show id` takes.
    pub id: u32,
    /// The kernel's number of its kind (`enum bpf_link_type`).
    pub kind: u32,
    /// The id of its program.
    pub program_id: u32,
    /// The interface of an XDP or TCX link, in its own network namespace; nothing if it is gone, the
    /// link was detached, or the link has no interface.
    pub interface: Option<u32>,
    /// The attach type of a TCX link (`enum bpf_attach_type`).
    pub attach_type: Option<u32>,
}

/// `BPF_LINK_TYPE_XDP`.
pub const XDP: u32 = 6;
/// `BPF_LINK_TYPE_TCX`.
pub const TCX: u32 = 11;

impl LinkInfo {
    /// Ask about the link behind `fd`.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub(super) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let info = sys::object::link_info(fd)?;
        let at_interface = matches!(info.link_type, XDP | TCX);
        Ok(Self {
            id: info.id,
            kind: info.link_type,
            program_id: info.prog_id,
            interface: (at_interface && info.ifindex != 0).then_some(info.ifindex),
            attach_type: (info.link_type == TCX).then_some(info.attach_type),
        })
    }

    /// The kernel's name of its kind, if it has an interface.
    pub const fn kind_name(&self) -> &'static str {
        match self.kind {
            XDP => "xdp",
            TCX => "tcx",
            _ => "other",
        }
    }
}

/// All links, ascending by id. Needs `CAP_SYS_ADMIN`; Linux 5.8.
///
/// # Errors
///
/// `PermissionDenied`; `InvalidInput` on an older kernel.
pub fn all() -> io::Result<Vec<LinkInfo>> {
    let mut links = Vec::new();
    let mut id = 0;
    loop {
        // Ascending ids end this loop: the kernel counts them with 31 bits.
        id = match sys::object::link_next_id(id) {
            Ok(next) => next,
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => return Ok(links),
            Err(e) => return Err(e),
        };
        // One that goes or comes just now is not in the list.
        let info = sys::object::link_by_id(id).and_then(|fd| LinkInfo::of(fd.as_fd()));
        links.extend(info.ok());
    }
}

/// A link that a pin holds, of whatever kind. Dropping it changes nothing.
#[derive(Debug)]
pub struct PinnedLink {
    fd: OwnedFd,
}

impl PinnedLink {
    /// The link that is pinned at `path`.
    ///
    /// # Errors
    ///
    /// There is none, or something else is pinned there.
    pub fn open(path: &Path) -> Result<Self, PinError> {
        pin::get(path, pin::Kind::Link).map(|fd| Self { fd })
    }

    /// What the kernel says about it.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn info(&self) -> io::Result<LinkInfo> {
        LinkInfo::of(self.as_fd())
    }

    /// Put `new` in the place of `old` in one step: every packet meets the one or the other.
    ///
    /// # Errors
    ///
    /// `EPERM` if the link runs another program than `old`, `ENOLINK` if it is detached or its
    /// interface is gone. What was attached stays.
    pub fn replace(&self, new: &Program, old: &Program) -> io::Result<()> {
        sys::link::update(self.as_fd(), new.as_fd(), Some(old.as_fd()))
    }

    /// Detach it, whoever else holds it (Linux 5.9).
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn detach(&self) -> io::Result<()> {
        sys::link::detach(self.as_fd())
    }
}

impl AsFd for PinnedLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
