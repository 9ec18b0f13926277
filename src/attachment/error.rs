//! What can go wrong with an attachment that stays.

use std::{io, path::PathBuf};

use super::elsewhere;
use crate::{
    loader::{LoadError, MapError, PinError},
    netlink::NetlinkError,
};

/// Why an attachment could not be made, found, changed or removed.
///
/// `Display` is one line and never repeats its `source()`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No bpffs is mounted there.
    #[error("no bpffs is mounted at {}", path.display())]
    NoBpffs {
        /// Where it should be.
        path: PathBuf,
    },
    /// A bpffs could not be mounted.
    #[error("cannot mount a bpffs at {}", path.display())]
    Mount {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Too long, or empty.
    #[error("{name:?} cannot name an attachment: it takes 1 to {limit} bytes with escapes")]
    Name {
        /// The name.
        name: String,
        /// Most bytes.
        limit: usize,
    },
    /// There is an attachment of that name.
    #[error("there is an attachment called {name}")]
    Exists {
        /// The name.
        name: String,
        /// Where the bpffs is mounted that has it.
        bpffs: PathBuf,
    },
    /// No attachment of that name or on that interface.
    #[error("no attachment is called {wanted}, and none is on an interface of that name")]
    Unknown {
        /// What was asked for.
        wanted: String,
    },
    /// An interface with more than one attachment.
    #[error("{wanted} has {} attachments: {}", names.len(), names.join(", "))]
    Ambiguous {
        /// The interface.
        wanted: String,
        /// What is attached to it.
        names: Vec<String>,
    },
    /// The name of one attachment, and the interface of others.
    #[error(
        "{wanted} is an attachment on {interface}, and an interface with {}", names.join(", ")
    )]
    NameOfInterface {
        /// What was asked for.
        wanted: String,
        /// The interface of the attachment with this name.
        interface: String,
        /// The attachments on the interface with this name.
        names: Vec<String>,
    },
    /// Somebody else is changing it.
    #[error("another process has been changing {name} for {seconds} s")]
    Busy {
        /// The attachment.
        name: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Its program does not run, or another one does.
    #[error("{name} {state}")]
    State {
        /// The attachment.
        name: String,
        /// What is the matter, as a predicate: `is an orphan: …`.
        state: String,
        /// What to do.
        hint: String,
    },
    /// A file or directory of the bpffs.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `make`, `remove`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The kernel did not do what was asked of a link or a program.
    #[error("cannot {action} {name}")]
    Kernel {
        /// `exchange the program of`, …
        action: &'static str,
        /// The attachment.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// Something in the directory is not what it should be.
    #[error("{what}")]
    Unreadable {
        /// What.
        what: String,
        /// Why.
        source: Option<io::Error>,
    },
    /// The kernel said that something is detached, but it is not.
    #[error("detach {name}: reported as done, but still attached")]
    StillAttached {
        /// The attachment.
        name: String,
    },
    /// A map.
    #[error(transparent)]
    Map(#[from] MapError),
    /// A pin.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A program.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The interface.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

impl Error {
    /// One sentence of advice, or nothing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoBpffs { path } => Some(format!(
                "--mount-bpffs mounts one, or `mount -t bpf bpf {}`; --bpffs names another place",
                path.display()
            )),
            Self::Mount { .. } => {
                Some("it takes CAP_SYS_ADMIN, and a directory that is there".into())
            }
            Self::Name { .. } => None,
            Self::Exists { name, bpffs } => {
                let words = name.clone() + &elsewhere(bpffs);
                Some(format!(
                    "`hardwire show {words}` says what it is; --replace takes its place, `hardwire \
                     detach {words}` removes it, --name gives this one another name"
                ))
            }
            Self::Unknown { .. } => Some("`hardwire list` shows what there is".to_owned()),
            Self::Ambiguous { .. } => Some("say which one by its name".to_owned()),
            Self::NameOfInterface { interface, .. } => Some(format!(
                "say {interface} for the one, and the name of the other for that; `detach` takes --at \
                 for what is on the interface"
            )),
            Self::Busy { .. } => Some("try again, or see what that process waits for".to_owned()),
            Self::State { hint, .. } => Some(hint.clone()),
            Self::File { source, .. } => (source.kind() == io::ErrorKind::PermissionDenied)
                .then(|| "a bpffs belongs to root, as a rule: run as root".to_owned()),
            Self::Kernel { source, .. } => match source.raw_os_error()? {
                libc::EPERM => Some(
                    "it runs another program than the one pinned here, or CAP_NET_ADMIN is missing"
                        .to_owned(),
                ),
                libc::ENOLINK => Some("its interface is gone: `hardwire clean`".to_owned()),
                _ => None,
            },
            Self::Unreadable { .. } => {
                Some("it may be of another version of Hardwire, or not Hardwire's".to_owned())
            }
            Self::StillAttached { .. } => None,
            Self::Map(error) => error.hint(),
            Self::Pin(error) => error.hint().map(str::to_owned),
            Self::Load(error) => error.hint(),
            Self::Netlink(error) => error.hint().map(str::to_owned),
        }
    }
}
