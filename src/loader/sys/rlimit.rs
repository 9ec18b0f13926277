//! Locked memory, which kernels before 5.11 charge for maps and programs.

use std::io;

/// Raise `RLIMIT_MEMLOCK` as far as this process may: to no limit with `CAP_SYS_RESOURCE`, else to
/// the hard limit. Returns whether anything changed.
///
/// # Errors
///
/// The kernel's, if even reading the limit fails.
pub(crate) fn raise_memlock() -> io::Result<bool> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit` into a local.
    if unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut now) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let all = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    let hard = libc::rlimit { rlim_cur: now.rlim_max, rlim_max: now.rlim_max };
    for want in [all, hard] {
        if want.rlim_cur == now.rlim_cur {
            continue;
        }
        // SAFETY: the kernel reads one `rlimit` from a local.
        if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const want) } == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
