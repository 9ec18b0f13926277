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

/// `BPF_PROG_QUERY` (places of many programs: Linux 6.6).
#[repr(C)]
#[derive(Default)]
struct QueryAttr {
    target_ifindex: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    count: u32,
    pad: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

const _: () = assert!(size_of::<QueryAttr>() == 64);
const _: () = assert!(offset_of!(QueryAttr, count) == 24);
const _: () = assert!(offset_of!(QueryAttr, link_ids) == 40);

/// `BPF_XDP` of `enum bpf_attach_type`.
pub(crate) const XDP: u32 = 37;
/// `BPF_TCX_INGRESS`.
pub(crate) const TCX_INGRESS: u32 = 46;
/// `BPF_TCX_EGRESS`.
pub(crate) const TCX_EGRESS: u32 = 47;
/// Programs that one place can hold (`BPF_MPROG_MAX` in `include/linux/bpf_mprog.h`).
const PROGRAMS_MAX: usize = 64;
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

/// The programs at a place of many, in the order in which they run, each with the id of its link or 0
/// (`BPF_PROG_QUERY`).
///
/// # Errors
///
/// `EINVAL`: the kernel has no such places; `ENODEV`: no such interface; `EPERM`.
pub(crate) fn query(target_ifindex: u32, attach_type: u32) -> io::Result<Vec<(u32, u32)>> {
    let mut programs = [0_u32; PROGRAMS_MAX];
    let mut links = [0_u32; PROGRAMS_MAX];
    let mut attr = QueryAttr {
        target_ifindex,
        attach_type,
        prog_ids: programs.as_mut_ptr() as u64,
        link_ids: links.as_mut_ptr() as u64,
        count: 64,
        ..QueryAttr::default()
    };
    // SAFETY: layout asserted above; the kernel writes at most `count` numbers of four bytes to each
    // of the two arrays, which have that many and live until we return.
    unsafe { bpf(Command::ProgQuery, &mut attr) }?;
    let count = usize::try_from(attr.count).unwrap_or(usize::MAX);
    Ok(programs.into_iter().zip(links).take(count).collect())
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
