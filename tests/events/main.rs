//! Programs with events and controls: what they tell is what the reference finds, and what is switched
//! while they run is obeyed. In the vm, and in the kernel by `BPF_PROG_TEST_RUN`.
//!
//! Kernel parts run when the process may load programs; a skip says so, and
//! `KERNEL_TESTS=required` turns it into a failure.

mod limits;
mod records;
mod side;
#[path = "../support/frames.rs"]
mod wire;
