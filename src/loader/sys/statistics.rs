//! The clock that measures programs.

use std::{io, os::fd::OwnedFd};

use super::call::{Command, bpf_fd};

/// `BPF_ENABLE_STATS` (Linux 5.8).
#[repr(C)]
struct EnableAttr {
    kind: u32,
}

const _: () = assert!(size_of::<EnableAttr>() == 4);

/// `BPF_STATS_RUN_TIME` of `enum bpf_stats_type`.
const RUN_TIME: u32 = 0;

/// Have the kernel measure how often and how long programs run, until the descriptor is closed.
///
/// # Errors
///
/// `EPERM`: no `CAP_SYS_ADMIN`; `EINVAL`: the kernel cannot.
pub(crate) fn enable() -> io::Result<OwnedFd> {
    let mut attr = EnableAttr { kind: RUN_TIME };
    // SAFETY: layout asserted above; the attribute holds no address; the command returns a new
    // descriptor.
    unsafe { bpf_fd(Command::EnableStats, &mut attr) }
}
