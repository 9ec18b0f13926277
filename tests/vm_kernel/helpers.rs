//! Helper functions, given their arguments by the packet.

use hardwire::{
    assembler::{
        Alu, Assembler, Helper, Insn, Jmp, Operand, ProgramImage, ProgramKind,
        Reg::{R0, R1, R2, R3, R4, R6, R7, R8, R9, R10},
        Size, Target, Width,
    },
    vm::{Context, Machine},
};

use super::{image, load, low, may_load, packet, xdp_in_kernel, xdp_in_vm};

/// Linear bytes of a long frame in a test run (`xdp_test_run_setup`, 4 KiB pages).
const LINEAR_BYTES: usize = 3520;
/// Bytes that the program copies at most.
const COPY_BYTES: i32 = 32;

fn frags(insns: &[Insn]) -> ProgramImage {
    let mut asm = Assembler::new("test", ProgramKind::Xdp);
    asm.set_frags(true);
    for insn in insns {
        asm.emit(*insn);
    }
    asm.finish(&Target::newest()).expect("assembles")
}

/// Copies `u32 [4]` bytes at offset `u32 [0]` of the frame, and puts result, bytes and frame length
/// into the frame from byte 8 on.
fn copies() -> Vec<Insn> {
    let mut insns = vec![Alu::Mov.reg(R6, R1)];
    insns.extend(packet(64));
    insns.extend([Size::W.load(R7, R9, 0), Size::W.load(R8, R9, 4)]);
    for at in 0..4 {
        insns.push(Size::DW.store_imm(R10, -8 * (at + 1), 0x5a5a_5a5a));
    }
    insns.extend([
        // 1 to 32 bytes.
        Alu::And.imm(R8, COPY_BYTES - 1),
        Alu::Add.imm(R8, 1),
        Alu::Mov.reg(R1, R6),
        Alu::Mov.reg(R2, R7),
        Alu::Mov.reg(R3, R10),
        Alu::Add.imm(R3, -COPY_BYTES),
        Alu::Mov.reg(R4, R8),
        Insn::call(Helper::XdpLoadBytes),
        Size::DW.store(R9, 8, R0),
    ]);
    for at in 0..4 {
        insns.push(Size::DW.load(R0, R10, -8 * (at + 1)));
        insns.push(Size::DW.store(R9, 16 + 8 * at, R0));
    }
    insns.extend([
        Alu::Mov.reg(R1, R6),
        Insn::call(Helper::XdpGetBuffLen),
        Size::DW.store(R9, 48, R0),
        Insn::Exit,
    ]);
    insns
}

#[test]
fn xdp_load_bytes_and_the_frame_length_are_the_kernels() {
    if !may_load() {
        return;
    }
    let image = frags(&copies());
    let kernel = load(&image);
    let mut machine = Machine::new(&image).unwrap();
    for bytes in [64_u32, 100, 3519, 3520, 3521, 9000, 60_000, 65_535] {
        let offsets = [0, 1, 40, 3_400, 3_500, 3_519, 3_520, 3_521, 7_616, 0xffff, 0x1_0000];
        let from_end = (0..40).map(|back| bytes - back);
        let far = [0x7fff_ffff, 0x8000_0000, u32::MAX];
        for offset in offsets.into_iter().chain(from_end).chain(far) {
            for length in [1_u32, 2, 15, 32] {
                let mut frame: Vec<u8> =
                    (0..bytes).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
                frame[..4].copy_from_slice(&offset.to_le_bytes());
                frame[4..8].copy_from_slice(&(length - 1).to_le_bytes());
                let (want, packet) = xdp_in_kernel(&kernel, &frame);
                let got = xdp_in_vm(&mut machine, &frame, LINEAR_BYTES);
                assert_eq!(got.0, want, "{bytes} bytes, {length} at {offset:#x}");
                assert_eq!(got.1, packet, "{bytes} bytes, {length} at {offset:#x}");
            }
        }
    }
}

#[test]
fn redirect_returns_what_the_kernels_does() {
    if !may_load() {
        return;
    }
    for flags in [0, 1, 2, -1] {
        let insns = vec![
            Alu::Mov.imm(R1, 1),
            Alu::Mov.imm(R2, flags),
            Insn::call(Helper::Redirect),
            Insn::Exit,
        ];
        let image = image(ProgramKind::Xdp, insns, Vec::new());
        let mut machine = Machine::new(&image).unwrap();
        let frame = [0; 64];
        let want = xdp_in_kernel(&load(&image), &frame);
        assert_eq!(xdp_in_vm(&mut machine, &frame, 64), want, "flags {flags}");
    }
}

#[test]
fn data_ends_where_the_kernels_does_and_a_local_call_works() {
    if !may_load() {
        return;
    }
    // The length of the linear part, by way of a function.
    let insns = [
        Size::W.load(R2, R1, 4),
        Size::W.load(R1, R1, 0),
        Alu::Mov.imm(R6, 1000),
        Insn::Call(hardwire::assembler::insn::Callee::Local(2)),
        Alu::Add.reg(R0, R6),
        Insn::Exit,
        Alu::Mov.reg(R0, R2),
        Alu::Sub.reg(R0, R1),
        Alu::Mov.imm(R6, 5),
        Insn::Jump { cond: Jmp::Ne, width: Width::W64, dst: R0, src: Operand::Imm(64), off: 1 },
        Alu::Mov.imm(R0, 65),
        Insn::Exit,
    ];
    let image = frags(&insns);
    let kernel = load(&image);
    let mut machine = Machine::new(&image).unwrap();
    for bytes in [14, 63, 64, 65, 3519, 3520, 3521, 20_000] {
        let frame = vec![0; bytes];
        let (want, _) = xdp_in_kernel(&kernel, &frame);
        let got = machine.run(Context::xdp(&frame, LINEAR_BYTES, 1)).unwrap();
        assert_eq!(low(got), want, "{bytes} bytes");
    }
}
