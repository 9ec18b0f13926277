//! netlink against the running kernel, in network namespaces of its own.
//!
//! Without the right to create namespaces a test says so and passes; `KERNEL_TESTS=required` turns
//! that into a failure. Last run on Linux 6.18.

mod helpers;
mod links;
#[path = "../support/descriptors.rs"]
mod open;
mod xdp;
