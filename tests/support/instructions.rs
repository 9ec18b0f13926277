//! Every form of instruction, and the smallest programs with it. Shared by the test of texts on the
//! running kernel and by `examples/guest`, which tries what loads on booted ones.

use hardwire::assembler::{
    Alu, Insn, Jmp, KernelVersion, Operand, Origin, Phase, ProgramImage, ProgramKind,
    Reg::{R0, R1, R2, R6, R9, R10},
    Size, Width,
    insn::{AtomicOp, Bits, Callee, Swap},
};

const WIDTHS: [Width; 2] = [Width::W32, Width::W64];
const SIZES: [Size; 4] = [Size::B, Size::H, Size::W, Size::DW];
/// On the stack, written by the setup.
const OFF: i16 = -8;

/// A call of the function behind the mistake.
const CALL: Insn = Insn::Call(Callee::Local(3));

/// Registers and memory that the forms read.
fn setup() -> Vec<Insn> {
    vec![
        Alu::Mov.reg(R6, R1),
        Alu::Mov.imm(R1, 7),
        Alu::Mov.imm(R2, 3),
        Size::DW.store_imm(R10, OFF, 1),
        Alu::Mov.imm(R0, 1),
    ]
}

fn arithmetic(forms: &mut Vec<Insn>) {
    let all = [
        Alu::Add,
        Alu::Sub,
        Alu::Mul,
        Alu::Div,
        Alu::SDiv,
        Alu::Or,
        Alu::And,
        Alu::Lsh,
        Alu::Rsh,
        Alu::Mod,
        Alu::SMod,
        Alu::Xor,
        Alu::Mov,
        Alu::Arsh,
    ];
    for op in all {
        for width in WIDTHS {
            let alu = |src| Insn::Alu { op, width, dst: R1, src };
            forms.extend([alu(Operand::Reg(R2)), alu(Operand::Imm(5))]);
            if !matches!(op, Alu::Lsh | Alu::Rsh | Alu::Arsh) {
                forms.extend([alu(Operand::Imm(-5)), alu(Operand::Imm(i32::MIN))]);
            }
        }
    }
    for width in WIDTHS {
        forms.push(Insn::Neg { width, dst: R1 });
        for from in [Bits::B8, Bits::B16, Bits::B32] {
            if width == Width::W64 || from != Bits::B32 {
                forms.push(Insn::MovSx { width, from, dst: R1, src: R2 });
            }
        }
    }
    for kind in [Swap::Le, Swap::Be, Swap::Bswap] {
        forms.extend([Bits::B16, Bits::B32, Bits::B64].map(|bits| Insn::Swap {
            kind,
            bits,
            dst: R1,
        }));
    }
    for value in [0, 5, u64::MAX, 0x1122_3344_5566_7788] {
        forms.push(Insn::load_imm64(R1, value));
    }
    for (to, from) in [(0, 1), (1, 0)] {
        forms.push(Insn::AddrSpaceCast { dst: R1, src: R2, to, from });
    }
}

fn memory(forms: &mut Vec<Insn>) {
    for size in SIZES {
        forms.push(size.load(R1, R10, OFF));
        forms.push(size.store(R10, OFF, R2));
        forms.extend([7, -7].map(|imm| size.store_imm(R10, OFF, imm)));
        forms.push(Insn::LoadAcquire { size, dst: R1, base: R10, off: OFF });
        forms.push(Insn::StoreRelease { size, base: R10, off: OFF, src: R2 });
        if size != Size::DW {
            forms.push(Insn::Load { size, signed: true, dst: R1, base: R10, off: OFF });
            forms.push(Insn::LegacyLoad { size, index: None, imm: 12 });
            forms.push(Insn::LegacyLoad { size, index: Some(R2), imm: -4 });
            forms.push(Insn::LegacyLoad { size, index: Some(R2), imm: 4 });
        }
    }
    for width in WIDTHS {
        let fetching = [false, true].into_iter().flat_map(|fetch| {
            [
                AtomicOp::Add { fetch },
                AtomicOp::Or { fetch },
                AtomicOp::And { fetch },
                AtomicOp::Xor { fetch },
            ]
        });
        for op in fetching.chain([AtomicOp::Xchg, AtomicOp::CmpXchg]) {
            forms.push(Insn::Atomic { op, width, base: R10, off: OFF, src: R2 });
        }
    }
    forms.push(Insn::LoadArgument { dst: R1, off: 8 });
    forms.push(Insn::StoreArgument { off: -8, src: Operand::Reg(R2) });
    forms.push(Insn::StoreArgument { off: -8, src: Operand::Imm(-7) });
}

fn control(forms: &mut Vec<Insn>) {
    let all = [
        Jmp::Eq,
        Jmp::Gt,
        Jmp::Ge,
        Jmp::Set,
        Jmp::Ne,
        Jmp::SGt,
        Jmp::SGe,
        Jmp::Lt,
        Jmp::Le,
        Jmp::SLt,
        Jmp::SLe,
    ];
    for cond in all {
        for width in WIDTHS {
            for src in [Operand::Reg(R2), Operand::Imm(7), Operand::Imm(-7)] {
                forms.push(Insn::Jump { cond, width, dst: R1, src, off: 0 });
            }
        }
    }
    forms.extend([Insn::Goto { off: 0 }, Insn::GotoLong { off: 0 }, Insn::MayGoto { off: 0 }]);
    forms.push(Insn::GotoX { target: R1 });
    // get_prandom_u32, get_smp_processor_id and ktime_get_ns take nothing.
    forms.extend([7, 8, 5].map(|id| Insn::Call(Callee::Helper(id))));
    forms.push(CALL);
    forms.push(Insn::Exit);
}

/// The first mainline release that takes `insn`, if that is later than the oldest that we know.
pub(crate) fn since(insn: &Insn) -> Option<KernelVersion> {
    let (major, minor) = match *insn {
        Insn::LoadArgument { .. } | Insn::StoreArgument { .. } => (7, 2),
        Insn::GotoX { .. } => (6, 19),
        Insn::LoadAcquire { .. } | Insn::StoreRelease { .. } => (6, 15),
        Insn::MayGoto { .. } | Insn::AddrSpaceCast { .. } => (6, 9),
        Insn::Alu { op: Alu::SDiv | Alu::SMod, .. }
        | Insn::MovSx { .. }
        | Insn::Swap { kind: Swap::Bswap, .. }
        | Insn::Load { signed: true, .. }
        | Insn::GotoLong { .. } => (6, 6),
        Insn::Atomic { op: AtomicOp::Add { fetch: false }, .. } => return None,
        Insn::Atomic { .. } => (5, 12),
        Insn::Alu { .. }
        | Insn::Neg { .. }
        | Insn::Swap { .. }
        | Insn::LoadImm64 { .. }
        | Insn::Load { .. }
        | Insn::Store { .. }
        | Insn::LegacyLoad { .. }
        | Insn::Jump { .. }
        | Insn::Goto { .. }
        | Insn::Call(_)
        | Insn::Exit => return None,
    };
    Some(KernelVersion::new(major, minor))
}

/// Every form with operands of every kind.
pub(crate) fn forms() -> Vec<Insn> {
    let mut forms = Vec::new();
    arithmetic(&mut forms);
    memory(&mut forms);
    control(&mut forms);
    forms
}

/// A program that runs `form`, and its slot. With `mistake` it reads a register behind it that
/// nobody wrote: the verifier refuses it there, and its log says how it got there.
pub(crate) fn program(form: Insn, mistake: bool) -> (u32, ProgramImage) {
    let mut insns = setup();
    // A program ends where it exits, so the exit of a function is looked at.
    let returns = form == Insn::Exit;
    insns.push(if returns { CALL } else { form });
    let mut index = insns.len() - 1;
    let behind = if mistake { Alu::Mov.reg(R0, R9) } else { Alu::Mov.imm(R0, 0) };
    insns.extend([behind, Alu::Mov.imm(R0, 0), Insn::Exit]);
    if insns[index] == CALL {
        insns.extend([Alu::Mov.imm(R0, 1), Insn::Exit]);
        index = if returns { insns.len() - 1 } else { index };
    }
    let slot = insns[..index].iter().map(Insn::slots).sum();
    let origin = Origin::new(Phase::Text, "one form");
    let kind = ProgramKind::SocketFilter;
    (slot, ProgramImage::from_insns("form", kind, insns, Vec::new(), origin))
}
