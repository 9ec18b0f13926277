//! The vm against the running kernel: the same program on the same bytes, in both, has the same
//! result, and leaves the same packet and the same map values behind.
//!
//! Without the right to load programs a test says so and passes; `KERNEL_TESTS=required` turns
//! every skip into a failure. Last run on Linux 6.18.

use hardwire::{
    assembler::{
        Alu, Insn, Jmp, MapSpec, Operand, Origin, Phase, ProgramImage, ProgramKind,
        Reg::{R0, R1, R2, R3, R9},
        Size, Width,
    },
    loader::{Capability, LoadOptions, Program, capability, test_run},
    vm::{Context, Machine},
};

mod arithmetic;
mod helpers;
mod maps;
mod quirks;
mod sockets;
mod tail_calls;

fn skip(why: &str) {
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(!required, "KERNEL_TESTS=required, but: {why}");
    eprintln!("skipped: {why}");
}

/// May this process load programs? Says why not.
fn may_load() -> bool {
    let missing = capability::missing(&Capability::ATTACH);
    if missing.is_empty() {
        return true;
    }
    skip(&format!("missing {missing:?}"));
    false
}

fn image(kind: ProgramKind, insns: Vec<Insn>, maps: Vec<MapSpec>) -> ProgramImage {
    ProgramImage::from_insns("test", kind, insns, maps, Origin::new(Phase::Text, "by hand"))
}

fn load(image: &ProgramImage) -> Program {
    Program::load(image, &LoadOptions::default()).unwrap_or_else(|error| {
        let log = error.verifier_log().map(ToString::to_string);
        panic!("{error}\n{}\n{:#?}", log.unwrap_or_default(), image.insns())
    })
}

/// `r9` = data, with `bytes` bytes proven readable; shorter packets end the program with 0.
fn packet(bytes: i32) -> Vec<Insn> {
    vec![
        Size::W.load(R9, R1, 0),
        Size::W.load(R2, R1, 4),
        Alu::Mov.reg(R3, R9),
        Alu::Add.imm(R3, bytes),
        Insn::Jump { cond: Jmp::Le, width: Width::W64, dst: R3, src: Operand::Reg(R2), off: 2 },
        Alu::Mov.imm(R0, 0),
        Insn::Exit,
    ]
}

/// The result and the packet afterwards of an XDP program in the kernel.
fn xdp_in_kernel(program: &Program, frame: &[u8]) -> (u32, Vec<u8>) {
    let ran = test_run::run(program, frame, 1, true).expect("runs");
    (ran.retval, ran.data_out.expect("was asked for"))
}

/// The same in the vm.
fn xdp_in_vm(machine: &mut Machine, frame: &[u8], linear_bytes: usize) -> (u32, Vec<u8>) {
    let r0 = machine.run(Context::xdp(frame, linear_bytes, 1)).expect("no trap");
    (low(r0), machine.packet())
}

/// What the kernel keeps of `r0`.
fn low(r0: u64) -> u32 {
    u32::try_from(r0 & 0xffff_ffff).unwrap()
}
