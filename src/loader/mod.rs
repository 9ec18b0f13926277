//! The loader: from a [`ProgramImage`](crate::assembler::ProgramImage) to a program in the kernel,
//! and from there to an interface or a socket.
//!
//! What it guarantees: an image is never changed (descriptors are patched into a copy); every
//! descriptor is owned from the moment it exists; what was attached by a guard is detached by it,
//! and a detach is believed only after the kernel has been asked; whatever the verifier says is
//! kept whole and is read into slot, origin and reason. `unsafe` is confined to `sys`.
//! What it does not do: it never mounts, changes a sysctl or attaches anything it was not told to,
//! and it does not know what a program is for.

mod barrier;
pub mod btf;
pub mod capability;
pub mod error;
pub mod events;
pub mod features;
pub mod host;
pub mod link;
pub mod map;
mod memlock;
pub mod object;
pub mod perf_buffer;
pub mod pin;
pub mod program;
pub mod ringbuf;
pub mod statistics;
mod sys;
mod tails;
pub mod test_run;
pub mod verifier_log;
pub mod xlated;

pub use barrier::wait_for_programs;
pub use capability::{Capabilities, Capability};
pub use error::{LoadError, MapError, TestRunError};
pub use events::{ReadError, Reader};
pub use link::{LinkError, XdpLink, XdpNetlink};
pub use map::{Map, Update, Values};
pub use object::{Object, ObjectError};
pub use pin::PinError;
pub use program::{LoadOptions, NoTypes, Program, ProgramInfo};
pub use statistics::RunStatistics;
pub use test_run::TestRun;
pub use verifier_log::{VerifierLog, VerifierStats};

use sys::ENOTSUPP;
