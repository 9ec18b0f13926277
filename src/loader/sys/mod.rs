//! The kernel's door: `bpf(2)`, three socket options, two resource limits and `membarrier(2)`. With
//! `netlink/socket.rs`, the only code that may contain `unsafe`.
//!
//! # Safety
//!
//! Every function here is safe to call. Four rules make that true:
//!
//! 1. attributes are `#[repr(C)]` structs without implicit padding whose size and offsets are
//!    asserted at compile time against `include/uapi/linux/bpf.h`;
//! 2. a pointer inside an attribute is always derived from a borrow that the wrapper holds for the
//!    whole call, and every buffer is checked to be as long as the kernel will believe it is;
//! 3. a descriptor returned by the kernel becomes an [`OwnedFd`](std::os::fd::OwnedFd) before
//!    anything else can fail;
//! 4. descriptor 0 never enters an attribute: several commands read 0 as "none", so the kernel
//!    would silently do something else. What the kernel hands out as 0 is moved up, what a caller
//!    gives as 0 is refused.
//!
//! What is not here: any opinion on what an error means. Errors are the kernel's, as
//! [`io::Error`](std::io::Error); the modules above know what they were doing.
#![allow(unsafe_code, reason = "the one place where the crate enters the kernel")]

pub(crate) mod barrier;
pub(crate) mod btf;
mod call;
pub(crate) mod link;
pub(crate) mod map;
pub(crate) mod mapping;
pub(crate) mod object;
pub(crate) mod perf;
pub(crate) mod pin;
pub(crate) mod program;
pub(crate) mod ring;
pub(crate) mod rlimit;
pub(crate) mod sockopt;
pub(crate) mod statistics;

/// `ENOTSUPP`, which the kernel returns from several bpf commands although user space has no name
/// for it (`include/linux/errno.h`).
pub(crate) const ENOTSUPP: i32 = 524;
