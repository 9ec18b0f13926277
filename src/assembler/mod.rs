//! The BPF assembler: from instructions with labels to an immutable program image.
//!
//! What it guarantees: an [`Insn`] always has an encoding, an unresolved jump is another type
//! ([`Branch`]) and cannot reach the kernel, and a [`ProgramImage`] never changes once it exists.
//! What it does not do: it is not a verifier. [`check`] finds structural mistakes (a jump into the
//! middle of a wide instruction, a missing map), nothing about values.
//!
//! The instruction set is RFC 9669 plus what Linux adds (`may_goto`, `gotol`, pseudo loads,
//! load-acquire and store-release).

pub mod asm;
pub mod btf;
pub mod check;
pub mod disasm;
pub mod dot;
pub mod elf;
pub mod emit;
pub mod encode;
pub mod error;
pub mod flow;
pub mod helper;
pub mod image;
pub mod insn;
mod islands;
pub mod label;
pub mod listing;
pub mod map_spec;
mod names;
pub mod opcode;
pub mod origin;
pub mod parse;
mod relax;
pub mod target;

pub use asm::Assembler;
pub use error::{AsmError, DecodeError};
pub use helper::Helper;
pub use image::{Contents, Function, Parts, ProgramImage, ProgramKind};
pub use insn::{Alu, Branch, Insn, Jmp, Operand, Reg, Size, Width};
pub use label::Label;
pub use map_spec::{ENTRIES_PER_CPU, MapKind, MapSpec};
pub use origin::{Origin, Phase};
pub use target::{KernelVersion, Target};
