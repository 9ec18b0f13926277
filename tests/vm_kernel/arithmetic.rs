//! Random programs of arithmetic, stack accesses, atomics and forward jumps, on random registers.

use hardwire::{
    assembler::{
        Alu, Insn, Jmp, Operand, ProgramKind, Reg,
        Reg::{R0, R8, R9, R10},
        Size, Width,
        insn::{AtomicOp, Bits, Swap},
    },
    vm::Machine,
};
use proptest::prelude::*;

use super::{image, load, may_load, packet, xdp_in_kernel, xdp_in_vm};

/// Registers that programs calculate with; `r9` is the packet.
const SCALARS: [Reg; 9] = [R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5, Reg::R6, Reg::R7, R8];
/// Stack words that programs use, below `r10`.
const WORDS: i16 = 4;
const FRAME_BYTES: usize = 8 * 9 + 8 * 4;

fn scalar() -> impl Strategy<Value = Reg> {
    prop::sample::select(SCALARS.to_vec())
}

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![Just(Width::W32), Just(Width::W64)]
}

/// Immediates and packet words where arithmetic has its edges.
fn edge() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..70_u64,
        (0..70_u64).prop_map(u64::wrapping_neg),
        (0..64_u32).prop_map(|bit| 1 << bit),
        (0..64_u32).prop_map(|bit| (1_u64 << bit).wrapping_sub(1)),
        Just(0xffff_ffff),
        Just(0x8000_0000_ffff_ffff),
    ]
}

fn immediate() -> impl Strategy<Value = i32> {
    edge().prop_map(|value| {
        let [a, b, c, d, ..] = value.to_le_bytes();
        i32::from_le_bytes([a, b, c, d])
    })
}

/// The verifier refuses constants that divide by zero or shift too far.
fn alu() -> impl Strategy<Value = Insn> {
    use Alu::*;
    let all = [Add, Sub, Mul, Div, SDiv, Or, And, Lsh, Rsh, Mod, SMod, Xor, Mov, Arsh];
    let operand = prop_oneof![scalar().prop_map(Operand::Reg), immediate().prop_map(Operand::Imm)];
    (prop::sample::select(all.to_vec()), width(), scalar(), operand).prop_map(
        |(op, width, dst, src)| {
            let bits = if width == Width::W32 { 31 } else { 63 };
            let src = match (op, src) {
                (Div | SDiv | Mod | SMod, Operand::Imm(0)) => Operand::Imm(-1),
                (Lsh | Rsh | Arsh, Operand::Imm(imm)) => Operand::Imm(imm & bits),
                (_, src) => src,
            };
            Insn::Alu { op, width, dst, src }
        },
    )
}

fn unary() -> impl Strategy<Value = Insn> {
    let moves = [
        (Width::W32, Bits::B8),
        (Width::W32, Bits::B16),
        (Width::W64, Bits::B8),
        (Width::W64, Bits::B16),
        (Width::W64, Bits::B32),
    ];
    let kinds = [Swap::Le, Swap::Be, Swap::Bswap];
    let bits = [Bits::B16, Bits::B32, Bits::B64];
    prop_oneof![
        (prop::sample::select(moves.to_vec()), scalar(), scalar())
            .prop_map(|((width, from), dst, src)| Insn::MovSx { width, from, dst, src }),
        (width(), scalar()).prop_map(|(width, dst)| Insn::Neg { width, dst }),
        (prop::sample::select(kinds.to_vec()), prop::sample::select(bits.to_vec()), scalar())
            .prop_map(|(kind, bits, dst)| Insn::Swap { kind, bits, dst }),
        (scalar(), edge()).prop_map(|(dst, value)| Insn::load_imm64(dst, value)),
    ]
}

fn memory() -> impl Strategy<Value = Insn> {
    let size = prop::sample::select(vec![Size::B, Size::H, Size::W, Size::DW]);
    // A place of that size, aligned, in the words below r10.
    let place = (size, 0..64_i16).prop_map(|(size, n)| {
        let bytes = i16::from(size.bytes());
        (size, -8 * WORDS + n % (8 * WORDS / bytes) * bytes)
    });
    (place, scalar(), 0..6_u8, immediate()).prop_map(|((size, off), reg, what, imm)| match what {
        0 => size.load(reg, R10, off),
        1 if size != Size::DW => Insn::Load { size, signed: true, dst: reg, base: R10, off },
        2 => size.store_imm(R10, off, imm),
        3 => Insn::LoadAcquire { size, dst: reg, base: R10, off },
        4 => Insn::StoreRelease { size, base: R10, off, src: reg },
        _ => size.store(R10, off, reg),
    })
}

fn atomic() -> impl Strategy<Value = Vec<Insn>> {
    let ops = prop_oneof![
        any::<bool>().prop_map(|fetch| AtomicOp::Add { fetch }),
        any::<bool>().prop_map(|fetch| AtomicOp::Or { fetch }),
        any::<bool>().prop_map(|fetch| AtomicOp::And { fetch }),
        any::<bool>().prop_map(|fetch| AtomicOp::Xor { fetch }),
        Just(AtomicOp::Xchg),
        Just(AtomicOp::CmpXchg),
    ];
    (ops, width(), 0..WORDS, any::<bool>(), scalar()).prop_map(|(op, width, word, high, src)| {
        // Not every kernel clears the upper half of r0 itself: see `quirks`.
        let clear = op == AtomicOp::CmpXchg && width == Width::W32;
        let high = i16::from(high && width == Width::W32);
        let atomic = Insn::Atomic { op, width, base: R10, off: 4 * high - 8 * (word + 1), src };
        [atomic, Alu::Mov.reg32(R0, R0)][..=usize::from(clear)].to_vec()
    })
}

/// A jump over a few instructions; [`program`] turns instructions into slots.
fn jump() -> impl Strategy<Value = Insn> {
    use Jmp::*;
    let all = [Eq, Gt, Ge, Set, Ne, SGt, SGe, Lt, Le, SLt, SLe];
    let operand = prop_oneof![scalar().prop_map(Operand::Reg), immediate().prop_map(Operand::Imm)];
    (prop::sample::select(all.to_vec()), width(), scalar(), operand, 1..6_i16)
        .prop_map(|(cond, width, dst, src, off)| Insn::Jump { cond, width, dst, src, off })
}

fn body() -> impl Strategy<Value = Vec<Insn>> {
    let calculation = prop_oneof![6 => alu(), 2 => unary(), 3 => memory()].prop_map(|i| vec![i]);
    let calculation = prop_oneof![11 => calculation, 2 => atomic()];
    // Few jumps: each doubles what the verifier walks.
    let stretch = (prop::collection::vec(calculation, 1..16), jump());
    prop::collection::vec(stretch, 1..6).prop_map(|stretches| {
        stretches
            .into_iter()
            .flat_map(|(insns, jump)| [vec![jump], insns.concat()].concat())
            .collect()
    })
}

/// Registers and stack words from the packet, `body`, and all of them back into the packet.
fn program(body: &[Insn]) -> Vec<Insn> {
    let frame = i16::try_from(FRAME_BYTES).unwrap();
    let mut insns = packet(frame.into());
    let words = (0..WORDS).map(|word| (72 + 8 * word, -8 * (word + 1)));
    for (at, on_stack) in words.clone() {
        insns.extend([Size::DW.load(R0, R9, at), Size::DW.store(R10, on_stack, R0)]);
    }
    let registers = || SCALARS.into_iter().zip((0..).step_by(8));
    insns.extend(registers().map(|(reg, at)| Size::DW.load(reg, R9, at)));
    for (n, insn) in body.iter().enumerate() {
        if let Insn::Jump { cond, width, dst, src, off } = *insn {
            let over = body[n + 1..].iter().take(usize::try_from(off).unwrap());
            let off = over.map(|insn| i16::try_from(insn.slots()).unwrap()).sum();
            insns.push(Insn::Jump { cond, width, dst, src, off });
        } else {
            insns.push(*insn);
        }
    }
    insns.extend(registers().map(|(reg, at)| Size::DW.store(R9, at, reg)));
    for (at, on_stack) in words {
        insns.extend([Size::DW.load(R8, R10, on_stack), Size::DW.store(R9, at, R8)]);
    }
    insns.push(Insn::Exit);
    insns
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_arithmetic_is_the_kernels(
        body in body(),
        packets in prop::collection::vec(prop::collection::vec(edge(), FRAME_BYTES / 8), 8),
    ) {
        if !may_load() {
            return Ok(());
        }
        let image = image(ProgramKind::Xdp, program(&body), Vec::new());
        let kernel = load(&image);
        let mut machine = Machine::new(&image).unwrap();
        for words in packets {
            let frame: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let want = xdp_in_kernel(&kernel, &frame);
            prop_assert_eq!(xdp_in_vm(&mut machine, &frame, frame.len()), want);
        }
    }
}
