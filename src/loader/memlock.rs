//! Locked memory on kernels before 5.11: they charge maps and programs to `RLIMIT_MEMLOCK`, whose
//! default is too small, and answer `EPERM`, the same as for a missing capability.

use std::io;

use super::{host, sys::rlimit};
use crate::assembler::KernelVersion;

/// The first release that charges maps and programs to the memory cgroup instead.
const CGROUP_CHARGED: KernelVersion = KernelVersion::new(5, 11);

/// May an `EPERM` of this kernel mean that locked memory ran out? If so, raise the limit; the
/// result says whether another try makes sense.
///
/// The version only decides whether a limit of our own process is touched, not what is supported.
pub(super) fn raised_after(err: &io::Error) -> bool {
    err.raw_os_error() == Some(libc::EPERM)
        && host::version().is_ok_and(|version| version < CGROUP_CHARGED)
        && rlimit::raise_memlock().unwrap_or(false)
}

/// Do `what`; if that fails for lack of locked memory, raise the limit and do it once more.
pub(super) fn with<T>(mut what: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match what() {
        Err(err) if raised_after(&err) => what(),
        result => result,
    }
}
