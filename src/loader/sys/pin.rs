//! Pins: files of a bpffs that hold an object.

use std::{
    ffi::CString,
    io,
    mem::offset_of,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use super::call::{Command, bpf, bpf_fd, number};

/// `BPF_OBJ_PIN` and `BPF_OBJ_GET` up to `file_flags` (Linux 4.15).
#[repr(C)]
struct PinAttr {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

const _: () = assert!(size_of::<PinAttr>() == 16);
const _: () = assert!(offset_of!(PinAttr, bpf_fd) == 8);

fn text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a path with a NUL in it"))
}

/// Let a file at `path`, on a bpffs, hold the object (`BPF_OBJ_PIN`).
///
/// # Errors
///
/// `EEXIST`: there is such a file; `EPERM`: not a bpffs, a dot in the name, or no right;
/// `ENOENT`: no such directory.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = text(path)?;
    let mut attr =
        PinAttr { pathname: path.as_ptr() as u64, bpf_fd: number(object)?, file_flags: 0 };
    // SAFETY: layout asserted above; the kernel reads a string up to its NUL, which is borrowed
    // until we return.
    unsafe { bpf(Command::ObjPin, &mut attr) }.map(drop)
}

/// A descriptor of the object that the file at `path` holds (`BPF_OBJ_GET`).
///
/// # Errors
///
/// `ENOENT`: no such file; `EACCES`: a file of something else, or no right.
pub(crate) fn get(path: &Path) -> io::Result<OwnedFd> {
    let path = text(path)?;
    let mut attr = PinAttr { pathname: path.as_ptr() as u64, bpf_fd: 0, file_flags: 0 };
    // SAFETY: as in `pin`; the command returns a new descriptor.
    unsafe { bpf_fd(Command::ObjGet, &mut attr) }
}
