//! Link commands.

use std::{
    io,
    mem::offset_of,
    os::fd::{BorrowedFd, OwnedFd},
};

use super::call::{Command, bpf, bpf_fd, number};

/// `BPF_LINK_CREATE` up to `flags` (Linux 5.7; XDP 5.9).
#[repr(C)]
struct CreateAttr {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

const _: () = assert!(size_of::<CreateAttr>() == 16);
const _: () = assert!(offset_of!(CreateAttr, flags) == 12);

/// `BPF_LINK_UPDATE`.
#[repr(C)]
#[derive(Default)]
struct UpdateAttr {
    link_fd: u32,
    new_prog_fd: u32,
    flags: u32,
    old_prog_fd: u32,
}

const _: () = assert!(size_of::<UpdateAttr>() == 16);
const _: () = assert!(offset_of!(UpdateAttr, old_prog_fd) == 12);

/// `BPF_LINK_DETACH` (Linux 5.9).
#[repr(C)]
struct DetachAttr {
    link_fd: u32,
}

const _: () = assert!(size_of::<DetachAttr>() == 4);

/// `BPF_XDP` of `enum bpf_attach_type`.
pub(crate) const XDP: u32 = 37;
/// `BPF_F_REPLACE`: update only if the old program is the given one.
const F_REPLACE: u32 = 1 << 2;

/// Attach `program` to an interface (`BPF_LINK_CREATE`).
///
/// # Errors
///
/// `EBUSY`: a program is attached in this mode; `EEXIST`: one is attached in another mode;
/// `EOPNOTSUPP`: the driver has not this mode; `ENODEV`: no such interface; `EPERM`.
pub(crate) fn create(
    program: BorrowedFd<'_>,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
) -> io::Result<OwnedFd> {
    let mut attr = CreateAttr { prog_fd: number(program)?, target_ifindex, attach_type, flags };
    // SAFETY: layout asserted above; the attribute holds no address.
    unsafe { bpf_fd(Command::LinkCreate, &mut attr) }
}

/// Exchange the program of a link in one step (`BPF_LINK_UPDATE`).
///
/// # Errors
///
/// `EPERM`: the link's program is not `old`; `ENOLINK`: the link is detached; `EINVAL`: a program
/// of another type.
pub(crate) fn update(
    link: BorrowedFd<'_>,
    new: BorrowedFd<'_>,
    old: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut attr =
        UpdateAttr { link_fd: number(link)?, new_prog_fd: number(new)?, ..UpdateAttr::default() };
    if let Some(old) = old {
        attr.flags = F_REPLACE;
        attr.old_prog_fd = number(old)?;
    }
    // SAFETY: layout asserted above; the attribute holds no address.
    unsafe { bpf(Command::LinkUpdate, &mut attr) }.map(drop)
}

/// Detach a link although others may hold it (`BPF_LINK_DETACH`).
///
/// # Errors
///
/// `EOPNOTSUPP`: links of this type cannot be detached.
pub(crate) fn detach(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = DetachAttr { link_fd: number(link)? };
    // SAFETY: layout asserted above; the attribute holds no address.
    unsafe { bpf(Command::LinkDetach, &mut attr) }.map(drop)
}
