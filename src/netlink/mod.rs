//! rtnetlink: links, addresses, XDP attachment, network namespaces, and the kernel's own error
//! texts.
//!
//! A [`Socket`] speaks to the kernel; its methods are grouped by what they change:
//!
//! - [`message`] and [`attribute`] are the wire format: they build requests and read answers, and
//!   treat every length in an answer as a claim to be checked;
//! - [`socket`] sends one request, [`answer`] collects its whole answer, within named limits;
//! - [`link`] looks up and lists interfaces, [`change`] creates, changes and deletes them, [`xdp`]
//!   attaches programs to them, [`tc`] classifiers, [`address`] and [`neighbour`] give them addresses, [`watch`] tells when they change;
//! - [`namespace`] makes network namespaces that vanish with the process, [`lab`] joins two of them
//!   by a veth pair for tests and demonstrations;
//! - [`error`] is what can go wrong, with the kernel's extended acknowledgement.
//!
//! Programs are plain descriptors here: this room knows nothing of BPF, contains no `unsafe`, and
//! never runs `ip`.
//!
//! ```no_run
//! use std::net::UdpSocket;
//!
//! use hardwire::netlink::{Lab, LinkEvent, LinkWatch};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut lab = Lab::new("hw")?;
//! let mut watch = lab.server.enter(LinkWatch::open)??;
//! let server = lab.server.enter(|| UdpSocket::bind("192.0.2.2:7"))??;
//! lab.client.enter(|| UdpSocket::bind("192.0.2.1:0")?.send_to(b"hello", "192.0.2.2:7"))??;
//! println!("{} bytes arrived", server.recv(&mut [0; 16])?);
//! println!("attached: {}", lab.server.netlink.xdp(&lab.server.link)?);
//! if let Some(LinkEvent::Gone { name, .. }) = watch.take()? {
//!     println!("{name} is gone");
//! }
//! # Ok(())
//! # }
//! ```

pub mod address;
pub mod answer;
pub mod attribute;
pub mod change;
pub mod error;
pub mod lab;
pub mod link;
pub mod message;
pub mod namespace;
pub mod neighbour;
pub mod socket;
pub mod tc;
pub mod watch;
pub mod xdp;

pub use address::InterfaceAddress;
pub use change::Veth;
pub use error::{Malformed, NetlinkError, Operation};
pub use lab::Lab;
pub use link::{Link, LinkCounts};
pub use namespace::Namespace;
pub use socket::Socket;
pub use tc::{Clsact, TcDirection, TcFilter};
pub use watch::{LinkEvent, LinkWatch};
pub use xdp::{OnOccupied, XdpAttachment, XdpMode};
