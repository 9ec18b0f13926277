//! Why an attachment failed, and what to do about it.

use std::io;

use crate::{
    loader::{
        ENOTSUPP,
        capability::{self, Capability, setcap},
    },
    netlink::{NetlinkError, TcDirection, XdpAttachment, XdpMode},
};

/// Why something could not be attached, replaced or detached.
///
/// `Display` is one line: what, on which interface, in which mode, why, and what is there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// By netlink.
    #[error("{error}{}", Found(*found))]
    Netlink {
        /// What the kernel answered.
        error: Box<NetlinkError>,
        /// The programs on the interface afterwards, if that is known.
        found: Option<XdpAttachment>,
    },
    /// By a bpf_link.
    #[error("{action} {interface} ({mode}): {}{}", describe(cause), Found(*found))]
    BpfLink {
        /// What was tried: `attach a bpf_link to`.
        action: &'static str,
        /// The interface.
        interface: String,
        /// The mode asked for.
        mode: XdpMode,
        /// The programs on the interface afterwards, if that is known.
        found: Option<XdpAttachment>,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// By a bpf_link of TCX.
    #[error("{action} {interface} ({direction}): {}", describe_tcx(cause))]
    Tcx {
        /// What was tried: `attach a bpf_link to`.
        action: &'static str,
        /// The interface.
        interface: String,
        /// Which way the frames go.
        direction: TcDirection,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// The kernel said that a link is detached, but it is not.
    #[error("detach the bpf_link from {interface}: reported as done, but still attached")]
    StillAttached {
        /// The interface.
        interface: String,
    },
    /// A descriptor could not be duplicated or a program not be asked about.
    #[error("cannot {action} program {program:?}")]
    Program {
        /// What was tried: `keep a descriptor of`.
        action: &'static str,
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A packet socket.
    #[error("cannot {action} {interface} with a packet socket: {}", describe(cause))]
    Packet {
        /// What was tried: `bind to`.
        action: &'static str,
        /// The interface.
        interface: String,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// A socket filter.
    #[error("cannot {action} a socket filter: {}", describe(cause))]
    Socket {
        /// `attach` or `detach`.
        action: &'static str,
        /// What the kernel answered.
        cause: io::Error,
    },
}

/// The programs found on an interface, as the end of a line.
struct Found(Option<XdpAttachment>);

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(found) if found.is_attached() => write!(f, "; attached now: {found}"),
            Some(_) | None => Ok(()),
        }
    }
}

/// The kernel gives no text with these: what they mean for a bpf_link or a socket filter.
fn describe(cause: &io::Error) -> String {
    let text = match cause.raw_os_error() {
        Some(libc::EBUSY) => "EBUSY: a program is already attached in this mode",
        Some(libc::EEXIST) => "EEXIST: native and generic programs cannot be attached together",
        Some(libc::EOPNOTSUPP | ENOTSUPP) => "EOPNOTSUPP: the driver does not have this mode",
        Some(libc::ERANGE) => "ERANGE: the peer's MTU is too large for a program without fragments",
        Some(libc::ENODEV) => "ENODEV: no such interface in this network namespace",
        Some(libc::ENOLINK) => "ENOLINK: the link is detached or its interface is gone",
        Some(libc::EPERM) => "EPERM: not permitted",
        Some(libc::ENOENT) => "ENOENT: there is none",
        Some(libc::ENOTSOCK) => "ENOTSOCK: not a socket",
        Some(libc::EINVAL) => "EINVAL: the driver does not take it in this mode",
        _ => return cause.to_string(),
    };
    text.to_owned()
}

/// What they mean for a place of many programs.
fn describe_tcx(cause: &io::Error) -> String {
    let text = match cause.raw_os_error() {
        Some(libc::EEXIST) => "EEXIST: this very program is there already",
        Some(libc::ERANGE) => "ERANGE: 64 programs are there already",
        Some(libc::EINVAL) => "EINVAL: no classifier, or the kernel has no TCX (Linux 6.6)",
        _ => return describe(cause),
    };
    text.to_owned()
}

impl LinkError {
    /// The error number, positive, if the kernel gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Netlink { error, .. } => error.errno(),
            Self::BpfLink { cause, .. }
            | Self::Tcx { cause, .. }
            | Self::Socket { cause, .. }
            | Self::Packet { cause, .. } => cause.raw_os_error(),
            Self::Program { source, .. } => source.raw_os_error(),
            Self::StillAttached { .. } => None,
        }
    }

    /// The programs found on the interface when this went wrong, if that is known.
    pub fn found(&self) -> Option<XdpAttachment> {
        match self {
            Self::Netlink { found, .. } | Self::BpfLink { found, .. } => *found,
            Self::StillAttached { .. }
            | Self::Tcx { .. }
            | Self::Program { .. }
            | Self::Socket { .. }
            | Self::Packet { .. } => None,
        }
    }

    /// One sentence of advice, or nothing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Netlink { error, found } => {
                let own = |errno| xdp_hint(errno, error.interface()?, found.as_ref());
                error.errno().and_then(own).or_else(|| error.hint().map(str::to_owned))
            }
            Self::BpfLink { interface, found, cause, action, .. } => match cause.raw_os_error()? {
                libc::EPERM if *action == REPLACE => {
                    Some("somebody else exchanged the program of this link: query".to_owned())
                }
                errno => xdp_hint(errno, interface, found.as_ref()),
            },
            Self::Tcx { action, cause, interface, .. } => match cause.raw_os_error()? {
                libc::EPERM if *action == REPLACE => {
                    Some("somebody else exchanged the program of this link: query".to_owned())
                }
                libc::EINVAL => Some("attach by netlink, which every kernel has".to_owned()),
                libc::EPERM => xdp_hint(libc::EPERM, interface, None),
                _ => None,
            },
            Self::Socket { cause, action } => match cause.raw_os_error()? {
                libc::EPERM => Some("the filter of this socket is locked (SO_LOCK_FILTER)".into()),
                libc::EINVAL if *action == "attach" => {
                    Some("compile the pattern for a socket filter".into())
                }
                _ => None,
            },
            Self::Packet { cause, .. } => match cause.raw_os_error()? {
                libc::EPERM => {
                    let rights = [Capability::NetRaw, Capability::Bpf];
                    Some(format!("run as root, or `{}`", setcap(&rights)))
                }
                libc::ENOPROTOOPT => Some("it takes Linux 4.20".to_owned()),
                libc::EAFNOSUPPORT => {
                    Some("this kernel was built without CONFIG_PACKET, or lacks its module".into())
                }
                _ => None,
            },
            Self::StillAttached { .. } | Self::Program { .. } => None,
        }
    }
}

/// What [`XdpLink::replace`](super::XdpLink::replace) calls itself in errors.
pub(super) const REPLACE: &str = "replace the program of the bpf_link on";

fn xdp_hint(errno: i32, interface: &str, found: Option<&XdpAttachment>) -> Option<String> {
    match errno {
        libc::EPERM => {
            let missing = capability::missing(&[Capability::Bpf, Capability::NetAdmin]);
            Some(if missing.is_empty() {
                "no capability is missing: does the interface belong to another user namespace?"
                    .to_owned()
            } else {
                format!("missing {}: `{}`", capability::list(&missing), setcap(&missing))
            })
        }
        libc::EBUSY | libc::EEXIST => {
            let (mode, id) = found?.modes().next()?;
            Some(format!(
                "program {id} is attached in {mode} mode: `bpftool prog show id {id}` says what it \
                 is; detach it (`hardwire detach {interface}`, or its bpf_link) or replace it in \
                 that mode"
            ))
        }
        libc::EOPNOTSUPP | ENOTSUPP => {
            Some("attach in generic mode, which works with every driver".to_owned())
        }
        libc::ERANGE => Some(
            "lower the peer's MTU, attach in generic mode, or load the program for fragments"
                .to_owned(),
        ),
        _ => None,
    }
}
