//! Each instruction on values where its definition in RFC 9669 has an edge.

use super::run;
use crate::assembler::{
    Alu, Insn, Jmp, Operand, Reg,
    Reg::{R0, R1, R2, R10},
    Size, Width,
    insn::{AtomicOp, Bits, Imm64, Swap},
};

const MIN64: u64 = 1 << 63;
const MIN32: u64 = 1 << 31;
/// -1 and -10 as 64-bit registers.
const M1: u64 = u64::MAX;
const M10: u64 = 10_u64.wrapping_neg();
/// -1 and -10 as 32-bit registers.
const W_M1: u64 = 0xffff_ffff;
const W_M10: u64 = 0xffff_fff6;
/// Bits above a 32-bit operand that must not matter.
const HIGH: u64 = 0xabcd_0000_0000_0000;

/// `r0` after `insn`, with `r0` = `dst` and `r1` = `src` before.
fn apply(insn: Insn, dst: u64, src: u64) -> u64 {
    run(&[Insn::load_imm64(R0, dst), Insn::load_imm64(R1, src), insn, Insn::Exit]).unwrap()
}

#[test]
fn arithmetic_follows_rfc_9669_at_its_edges() {
    use Alu::*;
    #[rustfmt::skip] // One case a line.
    let cases: &[(Alu, Width, u64, u64, u64)] = &[
        (Add, Width::W64, M1, 1, 0),
        (Add, Width::W32, HIGH | W_M1, HIGH | 1, 0),
        (Sub, Width::W64, 0, 1, M1),
        (Sub, Width::W32, HIGH, 1, W_M1),
        (Mul, Width::W64, 1 << 63, 3, 1 << 63),
        (Mul, Width::W32, HIGH | 0x4000_0001, 4, 4),
        (Div, Width::W64, M1, 2, M1 / 2),
        (Div, Width::W64, 5, 0, 0),
        (Div, Width::W32, HIGH | 7, HIGH | 2, 3),
        (Div, Width::W32, HIGH | 7, HIGH, 0),
        (SDiv, Width::W64, M10, 3, 3_u64.wrapping_neg()),
        (SDiv, Width::W64, M10, 0, 0),
        (SDiv, Width::W64, MIN64, M1, MIN64),
        (SDiv, Width::W32, HIGH | W_M10, 3, 0xffff_fffd),
        (SDiv, Width::W32, HIGH | W_M10, HIGH, 0),
        (SDiv, Width::W32, MIN32, W_M1, MIN32),
        (Mod, Width::W64, 17, 5, 2),
        (Mod, Width::W64, HIGH | 17, 0, HIGH | 17),
        (Mod, Width::W32, HIGH | 17, HIGH | 5, 2),
        (Mod, Width::W32, HIGH | 17, HIGH, 17),
        (SMod, Width::W64, M10, 3, M1),
        (SMod, Width::W64, 10, 3_u64.wrapping_neg(), 1),
        (SMod, Width::W64, M10, 0, M10),
        (SMod, Width::W64, MIN64, M1, 0),
        (SMod, Width::W32, HIGH | W_M10, 3, W_M1),
        (SMod, Width::W32, HIGH | W_M10, HIGH, W_M10),
        (SMod, Width::W32, MIN32, W_M1, 0),
        (Or, Width::W64, HIGH | 1, 2, HIGH | 3),
        (Or, Width::W32, HIGH | 1, 2, 3),
        (And, Width::W64, HIGH | 3, HIGH | 6, HIGH | 2),
        (And, Width::W32, HIGH | 3, HIGH | 6, 2),
        (Xor, Width::W64, HIGH | 3, 6, HIGH | 5),
        (Xor, Width::W32, HIGH | 3, 6, 5),
        (Lsh, Width::W64, 1, 63, MIN64),
        (Lsh, Width::W64, 1, 64, 1),
        (Lsh, Width::W32, HIGH | 1, 31, MIN32),
        (Lsh, Width::W32, HIGH | 1, 33, 2),
        (Rsh, Width::W64, MIN64, 63, 1),
        (Rsh, Width::W64, 2, 65, 1),
        (Rsh, Width::W32, HIGH | MIN32, 31, 1),
        (Rsh, Width::W32, HIGH | 4, 33, 2),
        (Arsh, Width::W64, MIN64, 63, M1),
        (Arsh, Width::W64, M10, 65, 5_u64.wrapping_neg()),
        (Arsh, Width::W32, HIGH | MIN32, 31, W_M1),
        (Arsh, Width::W32, HIGH | W_M10, 33, 0xffff_fffb),
        (Mov, Width::W64, 1, HIGH | 2, HIGH | 2),
        (Mov, Width::W32, 1, HIGH | 2, 2),
    ];
    for &(op, width, dst, src, want) in cases {
        let insn = Insn::Alu { op, width, dst: R0, src: Operand::Reg(R1) };
        assert_eq!(apply(insn, dst, src), want, "{op:?} {width:?} {dst:#x} {src:#x}");
        // The same with an immediate, where its sign extension gives the operand.
        if let Ok(imm) = i32::try_from(src.cast_signed()) {
            let insn = Insn::Alu { op, width, dst: R0, src: Operand::Imm(imm) };
            assert_eq!(apply(insn, dst, 0), want, "{op:?} {width:?} {dst:#x} imm {imm}");
        }
    }
}

#[test]
fn immediates_are_sign_extended_also_for_unsigned_operations() {
    assert_eq!(apply(Alu::Div.imm(R0, -1), M1, 0), 1);
    assert_eq!(apply(Alu::Mod.imm(R0, -1), 5, 0), 5);
    assert_eq!(apply(Alu::Mov.imm(R0, -1), 0, 0), M1);
    assert_eq!(apply(Alu::Mov.imm32(R0, -1), 0, 0), W_M1);
    assert_eq!(apply(Alu::And.imm(R0, i32::MIN), M1, 0), 0xffff_ffff_8000_0000);
}

#[test]
fn moves_extend_signs_and_swaps_truncate() {
    const V: u64 = 0x1122_3344_8566_87f8;
    let sx = |width, from| Insn::MovSx { width, from, dst: R0, src: R1 };
    let swap = |kind, bits| Insn::Swap { kind, bits, dst: R0 };
    #[rustfmt::skip] // One case a line.
    let cases = [
        (sx(Width::W64, Bits::B8), 0xffff_ffff_ffff_fff8),
        (sx(Width::W64, Bits::B16), 0xffff_ffff_ffff_87f8),
        (sx(Width::W64, Bits::B32), 0xffff_ffff_8566_87f8),
        (sx(Width::W32, Bits::B8), 0xffff_fff8),
        (sx(Width::W32, Bits::B16), 0xffff_87f8),
        (swap(Swap::Le, Bits::B16), 0x87f8),
        (swap(Swap::Le, Bits::B32), 0x8566_87f8),
        (swap(Swap::Le, Bits::B64), V),
        (swap(Swap::Be, Bits::B16), 0xf887),
        (swap(Swap::Be, Bits::B32), 0xf887_6685),
        (swap(Swap::Be, Bits::B64), 0xf887_6685_4433_2211),
        (swap(Swap::Bswap, Bits::B16), 0xf887),
        (swap(Swap::Bswap, Bits::B32), 0xf887_6685),
        (swap(Swap::Bswap, Bits::B64), 0xf887_6685_4433_2211),
        (Insn::Neg { width: Width::W64, dst: R0 }, V.wrapping_neg()),
        (Insn::Neg { width: Width::W32, dst: R0 }, 0x7a99_7808),
        (Insn::LoadImm64 { dst: R0, value: Imm64::Value(7) }, 7),
    ];
    for (insn, want) in cases {
        assert_eq!(apply(insn, V, V), want, "{insn:?}");
    }
    assert_eq!(apply(Insn::Neg { width: Width::W64, dst: R0 }, MIN64, 0), MIN64);
}

#[test]
fn jumps_compare_signed_and_unsigned_in_both_widths() {
    use Jmp::*;
    // (a, b), and the conditions that hold for them.
    let holds: &[(u64, u64, &[Jmp])] = &[
        (5, 5, &[Eq, Ge, Le, SGe, SLe, Set]),
        (4, 5, &[Ne, Lt, Le, SLt, SLe, Set]),
        (M1, 1, &[Ne, Gt, Ge, SLt, SLe, Set]),
        (1, M1, &[Ne, Lt, Le, SGt, SGe, Set]),
        (4, 2, &[Ne, Gt, Ge, SGt, SGe]),
    ];
    let all = [Eq, Gt, Ge, Set, Ne, SGt, SGe, Lt, Le, SLt, SLe];
    for &(a, b, holding) in holds {
        for cond in all {
            let want = u64::from(holding.contains(&cond));
            for (width, high) in [(Width::W64, 0), (Width::W32, HIGH)] {
                let imm = i32::try_from(b.cast_signed()).unwrap();
                for src in [Operand::Reg(R1), Operand::Imm(imm)] {
                    let got = run(&[
                        Insn::load_imm64(R2, a ^ high),
                        Insn::load_imm64(R1, b),
                        Alu::Mov.imm(R0, 1),
                        Insn::Jump { cond, width, dst: R2, src, off: 1 },
                        Alu::Mov.imm(R0, 0),
                        Insn::Exit,
                    ]);
                    assert_eq!(got.unwrap(), want, "{a:#x} {cond:?} {b:#x} {width:?} {src:?}");
                }
            }
        }
    }
}

#[test]
fn loads_and_stores_have_their_size_and_order() {
    let write = |insn| {
        vec![Size::DW.store_imm(R10, -8, 0), Insn::load_imm64(R1, 0x1122_3344_5566_8788), insn]
    };
    let read = |size: Size, signed| Insn::Load { size, signed, dst: R0, base: R10, off: -8 };
    let all = Size::DW.store(R10, -8, R1);
    #[rustfmt::skip] // One case a line.
    let cases = [
        (Size::B.store(R10, -8, R1), read(Size::DW, false), 0x88),
        (Size::H.store(R10, -8, R1), read(Size::DW, false), 0x8788),
        (Size::W.store(R10, -8, R1), read(Size::DW, false), 0x5566_8788),
        (Size::B.store_imm(R10, -8, -2), read(Size::DW, false), 0xfe),
        (Size::H.store_imm(R10, -8, -2), read(Size::DW, false), 0xfffe),
        (Size::W.store_imm(R10, -8, -2), read(Size::DW, false), 0xffff_fffe),
        (Size::DW.store_imm(R10, -8, -2), read(Size::DW, false), 0xffff_ffff_ffff_fffe),
        (Insn::StoreRelease { size: Size::W, base: R10, off: -8, src: R1 }, read(Size::DW, false), 0x5566_8788),
        (all, read(Size::B, false), 0x88),
        (all, read(Size::H, false), 0x8788),
        (all, read(Size::W, false), 0x5566_8788),
        (all, read(Size::DW, false), 0x1122_3344_5566_8788),
        (all, read(Size::B, true), 0xffff_ffff_ffff_ff88),
        (all, read(Size::H, true), 0xffff_ffff_ffff_8788),
        (all, read(Size::W, true), 0x5566_8788),
        (all, Insn::LoadAcquire { size: Size::B, dst: R0, base: R10, off: -8 }, 0x88),
        (all, Insn::LoadAcquire { size: Size::DW, dst: R0, base: R10, off: -8 }, 0x1122_3344_5566_8788),
    ];
    for (store, load, want) in cases {
        let mut program = write(store);
        program.extend([load, Insn::Exit]);
        assert_eq!(run(&program).unwrap(), want, "{store:?}; {load:?}");
    }
}

/// Memory, `r1` and `r0` after an atomic on memory `at` with `r1` = `src` and `r0` = `r0`.
fn atomic(op: AtomicOp, width: Width, at: u64, src: u64, r0: u64) -> (u64, u64, u64) {
    let result = |from: Reg| {
        let mut program = vec![
            Insn::load_imm64(R2, at),
            Size::DW.store(R10, -8, R2),
            Insn::load_imm64(R1, src),
            Insn::load_imm64(R0, r0),
            Insn::Atomic { op, width, base: R10, off: -8, src: R1 },
            Size::DW.load(R2, R10, -8),
        ];
        program.extend([Alu::Mov.reg(R0, from), Insn::Exit]);
        run(&program).unwrap()
    };
    (result(R2), result(R1), result(R0))
}

#[test]
fn atomics_change_memory_and_fetch_what_was_there() {
    use AtomicOp::*;
    const AT: u64 = 0x1111_2222_f000_000f;
    const SRC: u64 = 0xaaaa_bbbb_2000_0003;
    #[rustfmt::skip] // One case a line.
    let cases = [
        (Add { fetch: false }, Width::W64, 0, AT.wrapping_add(SRC), SRC, 0),
        (Add { fetch: true }, Width::W64, 0, AT.wrapping_add(SRC), AT, 0),
        (Add { fetch: true }, Width::W32, 0, 0x1111_2222_1000_0012, 0xf000_000f, 0),
        (Add { fetch: false }, Width::W32, 0, 0x1111_2222_1000_0012, SRC, 0),
        (Or { fetch: true }, Width::W64, 0, AT | SRC, AT, 0),
        (Or { fetch: false }, Width::W32, 0, 0x1111_2222_f000_000f, SRC, 0),
        (And { fetch: true }, Width::W64, 0, AT & SRC, AT, 0),
        (And { fetch: true }, Width::W32, 0, 0x1111_2222_2000_0003, 0xf000_000f, 0),
        (Xor { fetch: true }, Width::W64, 0, AT ^ SRC, AT, 0),
        (Xor { fetch: false }, Width::W32, 0, 0x1111_2222_d000_000c, SRC, 0),
        (Xchg, Width::W64, 5, SRC, AT, 5),
        (Xchg, Width::W32, 5, 0x1111_2222_2000_0003, 0xf000_000f, 5),
        (CmpXchg, Width::W64, AT, SRC, SRC, AT),
        (CmpXchg, Width::W64, 5, AT, SRC, AT),
        // The upper half of r0 does not take part, and is cleared.
        (CmpXchg, Width::W32, 0x9999_9999_f000_000f, 0x1111_2222_2000_0003, SRC, 0xf000_000f),
        (CmpXchg, Width::W32, 0x9999_9999_0000_000f, AT, SRC, 0xf000_000f),
    ];
    for (op, width, r0, memory, r1, r0_after) in cases {
        assert_eq!(atomic(op, width, AT, SRC, r0), (memory, r1, r0_after), "{op:?} {width:?}");
    }
}
