//! The loader against the running kernel.
//!
//! Without the right to load programs a test says so and passes; `KERNEL_TESTS=required` turns
//! every skip into a failure. Last run on Linux 5.10, 6.1, 6.12, 6.18 and 7.3.

use hardwire::{
    assembler::{
        Alu, Assembler, Insn, MapKind, MapSpec, ProgramImage, ProgramKind, Reg::R0, Target,
    },
    loader::{Capability, capability},
};

mod bad;
#[path = "../support/confined.rs"]
mod confined;
mod events;
mod links;
mod logs;
mod maps;
mod objects;
mod probes;
mod programs;
mod raw;
mod rights;
mod tc;
mod types;

fn skip(why: &str) {
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(!required, "KERNEL_TESTS=required, but: {why}");
    eprintln!("skipped: {why}");
}

/// May this process load and attach programs? Says why not.
fn may_load() -> bool {
    let missing = capability::missing(&Capability::ATTACH);
    if missing.is_empty() {
        return true;
    }
    skip(&format!("missing {missing:?}"));
    false
}

fn spec(name: &str, kind: MapKind, key: u32, value: u32, entries: u32) -> MapSpec {
    MapSpec {
        name: name.to_owned(),
        kind,
        key_bytes: key,
        value_bytes: value,
        entries_max: entries,
        flags: 0,
    }
}

/// A program of what `write` emits.
fn image(kind: ProgramKind, write: impl FnOnce(&mut Assembler)) -> ProgramImage {
    let mut asm = Assembler::new("test", kind);
    write(&mut asm);
    asm.finish(&Target::newest()).expect("assembles")
}

/// An XDP program that returns `verdict`.
fn returning(verdict: i32) -> ProgramImage {
    image(ProgramKind::Xdp, |asm| {
        asm.emit(Alu::Mov.imm(R0, verdict));
        asm.emit(Insn::exit());
    })
}
