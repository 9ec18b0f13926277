//! Tail calls and ring buffers, which change where a program goes on and what there is room for.

use std::os::fd::{AsFd, AsRawFd};

use hardwire::{
    assembler::{
        Alu, Assembler, Branch, Helper, Insn, Jmp, MapKind, MapSpec, Operand, ProgramImage,
        ProgramKind,
        Reg::{R0, R1, R2, R3, R4, R6, R7, R8, R9, R10},
        Size, Target, Width,
        insn::Imm64,
    },
    loader::Update,
    vm::Machine,
};

use super::{image, load, may_load, packet, xdp_in_kernel, xdp_in_vm};

fn spec(kind: MapKind, bytes: u32, entries_max: u32) -> MapSpec {
    MapSpec {
        name: "m".to_owned(),
        kind,
        key_bytes: bytes,
        value_bytes: bytes,
        entries_max,
        flags: 0,
    }
}

const MAP: Imm64 = Imm64::MapIndex(0);

/// Counts in byte 0 of the packet, then tail calls what `u32 [4]` says; if that fails, the result is
/// 77. `in_function` makes the call in a function, and adds 1000 to the low byte of its result.
fn program(in_function: bool) -> ProgramImage {
    let mut asm = Assembler::new("test", ProgramKind::Xdp);
    let map = asm.map(spec(MapKind::ProgArray, 4, 3));
    let function = asm.label();
    let mut insns = vec![Alu::Mov.reg(R6, R1)];
    insns.extend(packet(64));
    insns.extend([
        Size::B.load(R7, R9, 0),
        Alu::Add.imm(R7, 1),
        Size::B.store(R9, 0, R7),
        Size::W.load(R8, R9, 4),
        Alu::Mov.reg(R1, R6),
        Alu::Mov.reg(R2, R8),
    ]);
    insns.into_iter().for_each(|insn| asm.emit(insn));
    if in_function {
        asm.emit(Branch::call(function));
        asm.emit(Alu::And.imm(R0, 0xff));
        asm.emit(Alu::Add.imm(R0, 1000));
        asm.emit(Insn::Exit);
        asm.function("deep", function);
    }
    asm.emit(Alu::Mov.reg(R3, R2));
    asm.load_map(R2, map);
    asm.emit(Insn::call(Helper::TailCall));
    asm.emit(Alu::Mov.imm(R0, 77));
    asm.emit(Insn::Exit);
    asm.finish(&Target::newest()).expect("assembles")
}

/// Counts in byte 3, and returns 5.
fn other() -> Vec<Insn> {
    let mut insns = packet(64);
    insns.extend([
        Size::B.load(R7, R9, 3),
        Alu::Add.imm(R7, 1),
        Size::B.store(R9, 3, R7),
        Alu::Mov.imm(R0, 5),
        Insn::Exit,
    ]);
    insns
}

/// Index 0 is the program itself, index 1 another one, index 2 empty, index 3 not there.
#[test]
fn tail_calls_go_where_the_kernels_do_and_as_often() {
    if !may_load() {
        return;
    }
    for in_function in [false, true] {
        let (first, second) = (program(in_function), image(ProgramKind::Xdp, other(), Vec::new()));
        let (kernel, called) = (load(&first), load(&second));
        let mut machine = Machine::new(&first).unwrap();
        for (index, program, image) in [(0_u32, &kernel, &first), (1, &called, &second)] {
            let fd = program.as_fd().as_raw_fd().to_ne_bytes();
            kernel.maps()[0].update(&index.to_ne_bytes(), &fd, Update::Any).unwrap();
            machine.set_tail_call(0, index, image.insns()).unwrap();
        }
        for index in [0_u32, 1, 2, 3, u32::MAX] {
            let mut frame = vec![0; 64];
            frame[4..8].copy_from_slice(&index.to_le_bytes());
            let want = xdp_in_kernel(&kernel, &frame);
            let got = xdp_in_vm(&mut machine, &frame, frame.len());
            assert_eq!(got, want, "index {index}, in a function: {in_function}");
        }
        // A program that is in its own map would never be freed.
        kernel.maps()[0].delete(&0_u32.to_ne_bytes()).unwrap();
    }
}

/// Puts `u16 [0]` (at most 255) bytes of the stack into the ring with flags `u32 [4]`.
fn output() -> Vec<Insn> {
    let mut insns = packet(64);
    insns.extend([Size::H.load(R6, R9, 0), Size::W.load(R7, R9, 4), Alu::And.imm(R6, 255)]);
    insns.extend((1..=32).map(|word| Size::DW.store_imm(R10, -8 * word, 7)));
    insns.extend([
        Insn::LoadImm64 { dst: R1, value: MAP },
        Alu::Mov.reg(R2, R10),
        Alu::Add.imm(R2, -256),
        Alu::Mov.reg(R3, R6),
        Alu::Mov.reg(R4, R7),
        Insn::call(Helper::RingbufOutput),
        Size::DW.store(R9, 8, R0),
        // Twice as much is reserved, too, if there is room for it.
        Insn::LoadImm64 { dst: R1, value: MAP },
        Alu::Mov.imm(R2, 200),
        Alu::Mov.imm(R3, 0),
        Insn::call(Helper::RingbufReserve),
        Size::DW.store_imm(R9, 16, 0),
        Insn::Jump { cond: Jmp::Eq, width: Width::W64, dst: R0, src: Operand::Imm(0), off: 4 },
        Size::DW.store_imm(R9, 16, 1),
        Alu::Mov.reg(R1, R0),
        Alu::Mov.imm(R2, 0),
        Insn::call(Helper::RingbufDiscard),
        Alu::Mov.imm(R0, 2),
        Insn::Exit,
    ]);
    insns
}

#[test]
fn a_ring_buffer_is_full_when_the_kernels_is() {
    if !may_load() {
        return;
    }
    for step in [0_u16, 1, 8, 55, 56, 57, 101, 255] {
        let image = image(ProgramKind::Xdp, output(), vec![spec(MapKind::RingBuf, 0, 4096)]);
        let kernel = load(&image);
        let mut machine = Machine::new(&image).unwrap();
        for round in 0..120_u16 {
            let mut frame = vec![0; 64];
            let length = if step == 0 { 0 } else { (round * 37 + step) % 256 };
            frame[..2].copy_from_slice(&length.to_le_bytes());
            // Flags: wake up, do not, both, and one that there is not.
            frame[4] = [0, 1, 2, 3, 4, 0][usize::from(round % 6)];
            let want = xdp_in_kernel(&kernel, &frame);
            let got = xdp_in_vm(&mut machine, &frame, frame.len());
            assert_eq!(got, want, "step {step}, round {round}");
        }
    }
}
