//! Types: loading BTF.

use std::{io, mem::offset_of, os::fd::OwnedFd};

use super::call::{Command, bpf_fd, length};

/// `BPF_BTF_LOAD`, up to and including `btf_log_true_size` (Linux 6.4; only written).
#[repr(C)]
#[derive(Default)]
struct BtfAttr {
    btf: u64,
    btf_log_buf: u64,
    btf_size: u32,
    btf_log_size: u32,
    btf_log_level: u32,
    btf_log_true_size: u32,
}

const _: () = assert!(size_of::<BtfAttr>() == 32);
const _: () = assert!(offset_of!(BtfAttr, btf_size) == 16);
const _: () = assert!(offset_of!(BtfAttr, btf_log_level) == 24);

/// Load types (`BPF_BTF_LOAD`).
///
/// # Errors
///
/// `EPERM`: needs `CAP_BPF`; `EINVAL`: malformed, or a kind of type that this kernel does not know.
pub(crate) fn load(types: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = BtfAttr {
        btf: types.as_ptr() as u64,
        btf_size: length(types.len())?,
        ..BtfAttr::default()
    };
    // SAFETY: `attr` is a prefix of `union bpf_attr` (asserted above), whose last field is zero as
    // older kernels ask of what they do not know. The kernel reads `btf_size` bytes of `types`,
    // which is borrowed until we return, and writes no log.
    unsafe { bpf_fd(Command::BtfLoad, &mut attr) }
}
