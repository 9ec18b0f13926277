//! Waiting until every CPU has done something else than it did before.

use std::io;

/// `MEMBARRIER_CMD_GLOBAL` of `include/uapi/linux/membarrier.h`.
const GLOBAL: libc::c_int = 1;

/// Wait for a grace period: what ran in the kernel without being interrupted when this was called, a
/// program on a frame for instance, is over. The command is `synchronize_rcu()`
/// (`kernel/sched/membarrier.c`).
///
/// # Errors
///
/// `EINVAL`: a kernel with CPUs that are not to be disturbed (`nohz_full`); `ENOSYS`.
pub(crate) fn global() -> io::Result<()> {
    // SAFETY: the call takes three numbers and follows no pointer.
    let ret = unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) };
    if ret == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
