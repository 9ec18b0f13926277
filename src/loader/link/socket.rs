//! Socket filters by `SO_ATTACH_BPF`.
//!
//! The filter belongs to the socket: it survives the program's descriptor and goes with the last
//! descriptor of the socket, so there is no guard. Any socket takes one; on a UDP socket it sees
//! the UDP header first, on `AF_PACKET` the Ethernet header.

use std::os::fd::AsFd;

use super::LinkError;
use crate::loader::{Program, sys::sockopt};

/// Make `program` the filter of `socket`; an earlier one is replaced. Packets that are already
/// queued stay. Keep `program` as long as the filter if it has [`tails`](Program::tails).
///
/// # Errors
///
/// [`LinkError::Socket`]: not a socket filter, a locked filter, not a socket.
pub fn attach(socket: &impl AsFd, program: &Program) -> Result<(), LinkError> {
    sockopt::attach_bpf(socket.as_fd(), program.as_fd())
        .map_err(|cause| LinkError::Socket { action: "attach", cause })
}

/// Remove the filter of `socket`.
///
/// # Errors
///
/// [`LinkError::Socket`]: there is none (`ENOENT`), or it is locked.
pub fn detach(socket: &impl AsFd) -> Result<(), LinkError> {
    sockopt::detach_bpf(socket.as_fd())
        .map_err(|cause| LinkError::Socket { action: "detach", cause })
}
