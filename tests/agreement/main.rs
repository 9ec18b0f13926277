//! The engines agree: the reference matcher, the generated program in the vm, and the generated
//! program in the kernel give the same outcome for the same bytes.
//!
//! Kernel parts run when the process may load programs; a skip says so, and
//! `KERNEL_TESTS=required` turns it into a failure.

mod borders;
mod chains;
mod exploding;
mod expressions;
mod frames;
mod frequency;
mod looks;
mod sets;
mod small;
mod support;
mod windows;
#[path = "../support/frames.rs"]
mod wire;
