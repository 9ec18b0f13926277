//! Attachments: one kind a file.
//!
//! | kind | made by | when the process ends |
//! |---|---|---|
//! | [`XdpNetlink`] | rtnetlink, any kernel | it **stays**, unless the guard was dropped |
//! | [`XdpLink`] | a bpf_link, Linux 5.9 | it goes with the last descriptor |
//! | [`TcxLink`] | a bpf_link, Linux 6.6 | it goes with the last descriptor |
//! | [`TcNetlink`] | a filter at clsact by rtnetlink, any kernel | it **stays**, unless the guard was dropped |
//! | [`socket`] | `SO_ATTACH_BPF` | it goes with the socket |
//! | [`PacketSocket`] | the same, on a socket of its own that sees an interface | it goes with the socket |
//!
//! A guard detaches when it is dropped, and then nobody hears of a failure; `detach` does the same
//! and reports. Nothing here takes the place of a program that it was not told to replace.

pub mod any;
mod error;
mod packet;
pub mod socket;
mod tc_netlink;
mod tcx_link;
mod xdp_link;
mod xdp_netlink;

pub use any::{LinkInfo, PinnedLink};
pub use error::LinkError;
pub use packet::{PacketOptions, PacketSocket};
pub use tc_netlink::TcNetlink;
pub use tcx_link::{TcxLink, TcxProgram, tcx_programs};
pub use xdp_link::{XdpLink, XdpLinkInfo};
pub use xdp_netlink::{Detached, XdpNetlink};

pub use crate::netlink::{OnOccupied, TcDirection, XdpMode};

use crate::loader::{Program, tails::Held};

/// Descriptors of our own.
fn keep(program: &Program) -> Result<Held, LinkError> {
    program.held().map_err(|source| LinkError::Program {
        action: "keep a descriptor of",
        program: program.name().to_owned(),
        source,
    })
}
