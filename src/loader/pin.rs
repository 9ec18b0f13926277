//! Pins: files on a bpffs that hold an object of the kernel without any process.
//!
//! A pin is a reference like a descriptor: an object is there as long as anything holds it, and
//! removing the file gives the reference back. A pinned program array counts as in use, so its tail
//! calls stay. It does not: mount a bpffs, or choose where things lie.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use super::sys;

/// What a descriptor stands for, as the kernel calls it in `/proc/self/fd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `bpf-prog`.
    Program,
    /// `bpf-map`.
    Map,
    /// `bpf_link`.
    Link,
}

impl Kind {
    /// The kernel's word, and the older one for links.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Program => &["anon_inode:bpf-prog"],
            Self::Map => &["anon_inode:bpf-map"],
            Self::Link => &["anon_inode:bpf_link", "anon_inode:bpf-link"],
        }
    }

    /// For messages.
    const fn noun(self) -> &'static str {
        match self {
            Self::Program => "a program",
            Self::Map => "a map",
            Self::Link => "a bpf_link",
        }
    }
}

/// A pin could not be made or opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct PinError {
    /// `pin something as` or `open`.
    pub action: &'static str,
    /// The file.
    pub path: PathBuf,
    /// The kernel's answer.
    pub source: io::Error,
}

impl PinError {
    /// One sentence of advice, or nothing.
    pub fn hint(&self) -> Option<&'static str> {
        match self.source.raw_os_error()? {
            libc::EPERM | libc::EACCES => {
                Some("pins need a bpffs, a name without dots, and CAP_BPF: run as root")
            }
            libc::EEXIST => Some("there is something of that name already"),
            _ => None,
        }
    }
}

/// Let a file at `path` hold `object`.
///
/// # Errors
///
/// `EEXIST`, `ENOENT` for the directory, `EPERM` where there is no bpffs or no right.
pub fn pin(object: &impl AsFd, path: &Path) -> Result<(), PinError> {
    sys::pin::pin(object.as_fd(), path).map_err(|source| PinError {
        action: "pin something as",
        path: path.to_owned(),
        source,
    })
}

/// The object that the file at `path` holds, if it is of this kind.
///
/// # Errors
///
/// No such file, no right, an object of another kind.
pub(super) fn get(path: &Path, kind: Kind) -> Result<OwnedFd, PinError> {
    let fail = |source| PinError { action: "open", path: path.to_owned(), source };
    let fd = sys::pin::get(path).map_err(fail)?;
    // Commands read a descriptor of another kind as what they expect, so it is asked for here.
    let name = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).map_err(fail)?;
    if kind.names().iter().any(|known| name.as_os_str() == *known) {
        return Ok(fd);
    }
    let what = format!("it holds {}, not {}", name.display(), kind.noun());
    Err(fail(io::Error::new(io::ErrorKind::InvalidData, what)))
}
