//! A BPF machine that runs a program image on bytes, without a kernel.
//!
//! It computes what the kernel computes for a program that the verifier accepts: the whole
//! instruction set of RFC 9669 with the Linux additions, the helpers of
//! [`Helper`](crate::assembler::Helper), every kind of map that a [`MapSpec`] can name, tail calls,
//! `xdp_md` and `__sk_buff`. What the verifier would refuse is a [`Trap`] when it is reached, if it
//! shows in values: an access outside its bytes, a zero-sized copy, a ninth frame. What cannot run
//! here (kernel functions, kernel variables, map descriptors) is a trap that says so. `callx` calls
//! a function whose address the program took, or a helper by its id, as other machines do; kernels
//! refuse it.
//!
//! It is not a verifier: reading a register or stack byte that was never written gives 0, and
//! misaligned stack accesses work, each frame has its 512 bytes (the kernel counts nested frames
//! together), and `may_goto` counts rounds, not time. Every run has an instruction limit and no
//! other effect than on the machine's own maps; there is no clock, no randomness and no I/O.
//!
//! [`MapSpec`]: crate::assembler::MapSpec

mod alu;
mod context;
mod decode;
mod execute;
mod forward;
mod helpers;
mod machine;
mod maps;
mod memory;
mod rare;
mod ringbuf;
mod trace;
mod trap;

pub use context::{Context, SkbFields, SkbHook, VlanTag};
pub use machine::{
    INSTRUCTION_LIMIT, MAY_GOTO_ROUNDS, Machine, PROGRAMS_MAX, SLOTS_MAX, TAIL_CALLS_MAX,
};
pub use maps::{KEY_BYTES_MAX, MAP_BYTES_MAX, MAPS_MAX, Maps, SetupError};
pub use memory::{Access, FRAMES_MAX, STACK_BYTES};
pub use trace::Step;
pub use trap::{Trap, TrapReason};

#[cfg(test)]
mod tests;
