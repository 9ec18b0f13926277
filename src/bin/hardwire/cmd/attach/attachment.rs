//! One attachment, made in either way.

use std::fmt;
use std::os::fd::AsFd;

use hardwire::attachment::{Error, Place};
use hardwire::loader::Program;
use hardwire::loader::link::{LinkError, TcNetlink, TcxLink, XdpLink, XdpNetlink};
use hardwire::netlink::{Link, OnOccupied, Socket, TcDirection, XdpMode};

/// What to do if there is a program already.
pub(super) enum Occupied {
    /// Leave it alone.
    Refuse,
    /// Take its place, whatever it is.
    Overwrite,
    /// Take its place if it is this one.
    Replace {
        /// Its id.
        id: u32,
        /// The program itself: what the kernel compares.
        program: Box<Program>,
    },
}

/// Where on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// XDP has one program a mode.
    Xdp(XdpMode),
    /// Classifiers share their place.
    Tc(TcDirection),
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xdp(mode) => write!(f, "in {mode} mode"),
            Self::Tc(direction) => write!(f, "on {direction}"),
        }
    }
}

impl Spot {
    /// As in machine formats: where, and in which mode, if it has modes.
    pub(super) fn words(self) -> (&'static str, Option<String>) {
        match self {
            Self::Xdp(mode) => ("xdp", Some(mode.to_string())),
            Self::Tc(direction) => (direction.name(), None),
        }
    }
}

/// Our program on an interface. Dropping it detaches.
pub(super) enum Attachment {
    /// Held by a bpf_link.
    Link(XdpLink),
    /// Set by rtnetlink.
    Netlink(Box<XdpNetlink>),
    /// A classifier held by a bpf_link.
    Tcx(TcxLink),
    /// A classifier set by rtnetlink.
    Clsact(Box<TcNetlink>),
}

impl Attachment {
    pub(super) fn by_link(
        socket: &mut Socket,
        link: &Link,
        program: &Program,
        mode: XdpMode,
    ) -> Result<Self, LinkError> {
        XdpLink::attach(socket, link, program, mode).map(Self::Link)
    }

    pub(super) fn by_netlink(
        link: &Link,
        program: &Program,
        mode: XdpMode,
        occupied: &Occupied,
    ) -> Result<Self, LinkError> {
        let socket = open()?;
        let (on_occupied, mode) = match occupied {
            Occupied::Refuse => (OnOccupied::Refuse, mode),
            // The kernel replaces within one mode only: the one that is in use.
            Occupied::Overwrite => {
                let only = link.xdp.modes().next().map(|(mode, _)| mode);
                (OnOccupied::Overwrite, pick(mode, only))
            }
            Occupied::Replace { id, program } => {
                let its = link.xdp.modes().find(|(_, found)| found == id).map(|(mode, _)| mode);
                (OnOccupied::Replace(program.as_fd()), pick(mode, its))
            }
        };
        let attached = XdpNetlink::attach(socket, link, program, mode, on_occupied)?;
        Ok(Self::Netlink(Box::new(attached)))
    }

    /// A classifier. Nobody's place is taken by it.
    pub(super) fn classifier(
        by_link: bool,
        link: &Link,
        program: &Program,
        direction: TcDirection,
    ) -> Result<Self, LinkError> {
        if by_link {
            return TcxLink::attach(link, program, direction).map(Self::Tcx);
        }
        let attached = TcNetlink::attach(open()?, link, program, direction)?;
        Ok(Self::Clsact(Box::new(attached)))
    }

    /// Where the program runs.
    pub(super) fn spot(&self) -> Spot {
        match self {
            Self::Link(link) => Spot::Xdp(link.mode()),
            Self::Netlink(netlink) => Spot::Xdp(netlink.mode()),
            Self::Tcx(link) => Spot::Tc(link.direction()),
            Self::Clsact(netlink) => Spot::Tc(netlink.filter().direction),
        }
    }

    /// `link` or `netlink`.
    pub(super) fn via(&self) -> &'static str {
        match self {
            Self::Link(_) | Self::Tcx(_) => "link",
            Self::Netlink(_) | Self::Clsact(_) => "netlink",
        }
    }

    /// Leave it where it is, and let `place` hold what that takes.
    pub(super) fn stay(self, place: Place) -> Result<(), Error> {
        match self {
            Self::Link(link) => place.keep_link(&link),
            Self::Tcx(link) => place.keep_link(&link),
            Self::Netlink(netlink) => {
                place.keep();
                netlink.keep();
                Ok(())
            }
            Self::Clsact(netlink) => {
                place.keep();
                netlink.keep();
                Ok(())
            }
        }
    }

    /// Detach and make sure of it; if the interface is `gone`, there is nothing to detach from.
    pub(super) fn detach(self, gone: bool) -> Result<(), LinkError> {
        match self {
            Self::Link(_) | Self::Tcx(_) if gone => Ok(()),
            Self::Link(link) => link.detach(),
            Self::Tcx(link) => link.detach(),
            Self::Netlink(netlink) => netlink.detach().map(|_| ()),
            Self::Clsact(netlink) => netlink.detach().map(|_| ()),
        }
    }
}

fn open() -> Result<Socket, LinkError> {
    Socket::open().map_err(|error| LinkError::Netlink { error: Box::new(error), found: None })
}

/// The mode that was asked for; if that is `auto`, the one in use.
fn pick(asked: XdpMode, in_use: Option<XdpMode>) -> XdpMode {
    match asked {
        XdpMode::Auto => in_use.unwrap_or(asked),
        XdpMode::Generic | XdpMode::Native | XdpMode::Offload => asked,
    }
}
