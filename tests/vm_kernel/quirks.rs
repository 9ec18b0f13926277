//! Where the kernel does not do what the instruction set says. The vm does what it says.

use hardwire::{
    assembler::{
        Alu, Insn, Jmp, Operand, ProgramKind,
        Reg::{R0, R1, R2, R3, R9, R10},
        Size, Width,
        insn::AtomicOp,
    },
    vm::Machine,
};

use super::{image, load, may_load, packet, xdp_in_kernel, xdp_in_vm};

/// Exchanges the word that is `u64 [16]` in the packet for `u64 [24]` if its low half is that of
/// `r0`, which is `u64 [0]`; on one of two paths, by `u64 [8]`. Puts `r0` back.
fn exchange_on_two_paths() -> Vec<Insn> {
    let exchange =
        Insn::Atomic { op: AtomicOp::CmpXchg, width: Width::W32, base: R10, off: -8, src: R3 };
    let mut insns = packet(64);
    insns.extend([
        Size::DW.load(R0, R9, 0),
        Size::DW.load(R1, R9, 8),
        Size::DW.load(R2, R9, 16),
        Size::DW.load(R3, R9, 24),
        Size::DW.store(R10, -8, R2),
        Insn::Jump { cond: Jmp::Ne, width: Width::W64, dst: R1, src: Operand::Imm(0), off: 2 },
        exchange,
        Insn::goto(1),
        exchange,
        Size::DW.store(R9, 0, R0),
        Alu::Mov.imm(R0, 2),
        Insn::Exit,
    ]);
    insns
}

/// RFC 9669 has a 32-bit compare and exchange put the zero-extended old value into `r0`, whether or
/// not they are equal. On x86 the instruction behind it loads `eax` only if they are *not* equal,
/// so the verifier puts `w0 = w0` behind those whose `r0` is then read as 64 bits
/// (`opt_subreg_zext_lo32_rnd_hi32` in `kernel/bpf/verifier.c`). It learns which are read so by
/// walking on from each; but if two paths meet, the second is not walked on (its state is one that
/// is known to be safe), and on Linux 6.18 nothing marks *its* exchange: a successful one leaves the
/// upper half of `r0` as it was. `w0 = w0` behind the exchange, written by hand, is safe everywhere.
#[test]
fn a_compare_and_exchange_of_32_bits_clears_the_upper_half_of_r0_unless_its_path_was_pruned() {
    if !may_load() {
        return;
    }
    let image = image(ProgramKind::Xdp, exchange_on_two_paths(), Vec::new());
    let kernel = load(&image);
    let mut machine = Machine::new(&image).unwrap();
    let [old, equal, other] = [5, 0xffff_ffff_0000_0005_u64, 0xffff_ffff_0000_0006];
    for (path, expected) in [(0, equal), (0, other), (1, equal), (1, other)] {
        let words: [u64; 8] = [expected, path, old, 9, 0, 0, 0, 0];
        let frame: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let (_, ours) = xdp_in_vm(&mut machine, &frame, frame.len());
        let (_, theirs) = xdp_in_kernel(&kernel, &frame);
        assert_eq!(ours[..8], old.to_le_bytes(), "path {path}, {expected:#x}");
        if path == 1 && theirs[..8] == equal.to_le_bytes() {
            eprintln!("this kernel does not extend the exchange of a pruned path");
        } else {
            assert_eq!(theirs, ours, "path {path}, {expected:#x}");
        }
    }
}

/// `r0` is the old value of a word of the stack, by an atomic operation that brings it: `u64 [16]` of
/// the packet on one path, 0 on the other, by `u64 [8]`. Puts 1 or 2 at `[0]`, if it is 0 or not.
fn fetch_behind_two_paths() -> Vec<Insn> {
    let fetch = AtomicOp::Add { fetch: true };
    let jump = |cond, dst, src, off| Insn::Jump { cond, width: Width::W64, dst, src, off };
    vec![
        Size::W.load(R9, R1, 0),
        Size::W.load(R2, R1, 4),
        Alu::Mov.reg(R3, R9),
        Alu::Add.imm(R3, 64),
        // Too short: to the end. The other way round, the verifier keeps no state where the paths
        // meet.
        jump(Jmp::Gt, R3, Operand::Reg(R2), 11),
        Size::DW.load(R1, R9, 8),
        Size::DW.load(R2, R9, 16),
        Size::DW.store(R10, -8, R2),
        Alu::Mov.imm(R0, 7),
        jump(Jmp::Ne, R1, Operand::Imm(0), 1),
        Size::DW.store(R10, -8, R1),
        Insn::Atomic { op: fetch, width: Width::W64, base: R10, off: -8, src: R0 },
        jump(Jmp::Eq, R0, Operand::Imm(0), 2),
        Size::DW.store_imm(R9, 0, 2),
        Insn::goto(1),
        Size::DW.store_imm(R9, 0, 1),
        Alu::Mov.imm(R0, 2),
        Insn::Exit,
    ]
}

/// The verifier knows what a word of the stack holds, so it knows what an atomic operation brings
/// from there, and walks only one way at a condition on it. That is only right for states in which
/// the word holds the same, which it has to remember (precision, `backtrack_insn`). On Linux 6.18
/// it does not remember it for atomic operations that fetch, and takes for granted on one path what
/// it has learned on the other; the way not walked is replaced by one that never ends or, as here,
/// removed. Found by `tests/differential`; programs that fetch from their stack are rare, and ours
/// do not.
#[test]
fn what_an_atomic_fetch_brings_from_the_stack_decides_conditions_unless_the_verifier_mixed_it_up() {
    if !may_load() {
        return;
    }
    let image = image(ProgramKind::Xdp, fetch_behind_two_paths(), Vec::new());
    let kernel = load(&image);
    let mut machine = Machine::new(&image).unwrap();
    for (path, word, want) in [(0, 5, 1), (1, 5, 2), (1, 0, 1)] {
        let words: [u64; 8] = [0, path, word, 0, 0, 0, 0, 0];
        let frame: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let (_, ours) = xdp_in_vm(&mut machine, &frame, frame.len());
        let (_, theirs) = xdp_in_kernel(&kernel, &frame);
        assert_eq!(ours[0], want, "path {path}, {word}");
        if path == 1 && theirs[0] != want {
            eprintln!("this kernel decides a condition on an atomic fetch by another path");
        } else {
            assert_eq!(theirs, ours, "path {path}, {word}");
        }
    }
}
