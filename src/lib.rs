//! Hardwire compiles byte patterns into specialised eBPF programs and runs them in the Linux
//! kernel: *the pattern is the program*.
//!
//! The rooms, and who may import whom, are listed in `ARCHITECTURE.md`; a test enforces the list.

pub mod assembler;
pub mod attachment;
pub mod capture;
pub mod compiler;
pub mod engine;
pub mod loader;
pub mod netlink;
pub mod vm;

/// The example of the README is compiled and run with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
