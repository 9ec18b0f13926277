//! `BPF_PROG_LOAD` as any loader could call it: with other program types and licences than ours.

use std::{
    ffi::CStr,
    os::fd::{FromRawFd, OwnedFd},
};

/// `union bpf_attr` of `BPF_PROG_LOAD`, up to what Linux 4.17 knows.
#[repr(C)]
#[derive(Default)]
struct Attr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

const PROG_LOAD: i32 = 5;
/// The trace and the statistics.
const LOG_LEVEL: u32 = 1 | 4;

/// Load and unload a program; the verifier's log if it is refused.
#[allow(unsafe_code, reason = "the loader loads its own types only")]
pub(super) fn load(prog_type: u32, license: &CStr, slots: &[[u8; 8]]) -> Result<(), String> {
    let mut log = vec![0_u8; 1 << 20];
    let attr = Attr {
        prog_type,
        insn_cnt: u32::try_from(slots.len()).expect("a few"),
        insns: slots.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: LOG_LEVEL,
        log_size: u32::try_from(log.len()).expect("a megabyte"),
        log_buf: log.as_mut_ptr() as u64,
        ..Attr::default()
    };
    // SAFETY: the kernel reads `attr`, the slots and the licence, and writes the log, all of which
    // outlive the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attr, size_of::<Attr>()) };
    if let Ok(fd @ 0..) = i32::try_from(fd) {
        // SAFETY: a non-negative return is a new descriptor that nobody else owns.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
        return Ok(());
    }
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    Err(String::from_utf8_lossy(&log[..end]).into_owned())
}
