//! Run counts and run times of programs, which the kernel measures on request only.

use std::{io, os::fd::OwnedFd};

use super::sys;

/// The kernel measures how often and how long every program runs, as long as this lives; reading
/// the clock twice a run costs some tens of nanoseconds each.
#[derive(Debug)]
pub struct RunStatistics {
    #[expect(dead_code, reason = "held, not used")]
    fd: OwnedFd,
}

impl RunStatistics {
    /// Switch it on (Linux 5.8). Needs `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    ///
    /// `PermissionDenied`; `InvalidInput` on an older kernel.
    pub fn enable() -> io::Result<Self> {
        sys::statistics::enable().map(|fd| Self { fd })
    }
}
