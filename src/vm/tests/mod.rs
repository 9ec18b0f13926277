//! Tests of the machine. Expectations are from RFC 9669 and the kernel's sources, not from our
//! output.

mod conformance;
mod contexts;
mod control;
mod helpers;
mod isa;
mod maps;
mod memory;
mod random;
mod ringbuf;
mod tail_calls;

use crate::{
    assembler::{Insn, MapKind, MapSpec},
    vm::{Context, Machine, Trap, TrapReason},
};

/// Run `insns` on no memory.
fn run(insns: &[Insn]) -> Result<u64, Trap> {
    run_on(insns, Context::memory(&mut []))
}

/// Run `insns` once on `context`, without maps.
fn run_on(insns: &[Insn], context: Context<'_>) -> Result<u64, Trap> {
    Machine::from_insns(insns, &[]).unwrap().run(context)
}

/// The reason why `insns` trap on `context`.
fn reason(insns: &[Insn], context: Context<'_>) -> TrapReason {
    run_on(insns, context).expect_err("should trap").reason
}

fn spec(kind: MapKind, key_bytes: u32, value_bytes: u32, entries_max: u32) -> MapSpec {
    MapSpec { name: "m".to_owned(), kind, key_bytes, value_bytes, entries_max, flags: 0 }
}
