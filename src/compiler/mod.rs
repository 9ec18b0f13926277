//! From patterns to programs.
//!
//! The way is one: pattern text → [`ir::Matcher`] → plan → code → [`ProgramImage`]. Nothing here
//! does I/O, reads a clock or asks a kernel; what the kernel can do arrives as a
//! [`Target`](crate::assembler::Target).
//!
//! [`ProgramImage`]: crate::assembler::ProgramImage

pub mod error;
pub mod event;
pub mod ir;
pub mod pattern;
pub mod reference;
pub mod scope;

pub use error::CompileError;
