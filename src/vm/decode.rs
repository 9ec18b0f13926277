//! From instructions to the form that runs: one [`Op`] of sixteen bytes an instruction.
//!
//! Everything that does not depend on values is decided here, once: the operation is one flat
//! number, a jump has the index of its target, and an immediate operand reads the register that is
//! always zero, so that the second operand is `registers[src] + imm` in every case. What cannot
//! run at all (a descriptor, a jump to no instruction, a write to the frame pointer) becomes an
//! operation that traps *when it is reached*, because a program may contain such code unreached.

use super::{forward::forward, trap::TrapReason};
use crate::assembler::{
    Helper, Insn, Reg, Size, Width,
    flow::target_offset,
    insn::{Alu, Bits, Callee, Imm64, Jmp, Operand, Swap},
};

const TAIL_CALL: i32 = Helper::TailCall.id();

/// The number of a register: an index that needs no check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[rustfmt::skip] // They are numbers.
pub(super) enum Index {
    R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10,
    /// Always holds zero; no instruction can name it.
    Zero,
}

impl Index {
    /// As an index, which the compiler knows to be below 12.
    #[inline(always)]
    pub(super) fn at(self) -> usize {
        self as usize
    }
}

/// One operation. The number is the operand width in bits; `Load`s are zero-extending unless `Sx`.
/// With `D` the destination operand is the value that was last set, with `S` the source operand,
/// whatever the register holds: see [`forward`](super::forward).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Code {
    Add64,
    Add64D,
    Add64S,
    Sub64,
    Sub64D,
    Sub64S,
    Mul64,
    Mul64D,
    Mul64S,
    Div64,
    SDiv64,
    Or64,
    Or64D,
    Or64S,
    And64,
    And64D,
    And64S,
    Lsh64,
    Lsh64D,
    Lsh64S,
    Rsh64,
    Rsh64D,
    Rsh64S,
    Mod64,
    SMod64,
    Xor64,
    Xor64D,
    Xor64S,
    Mov64,
    Mov64S,
    Arsh64,
    Neg64,
    Add32,
    Add32D,
    Add32S,
    Sub32,
    Mul32,
    Mul32D,
    Mul32S,
    Div32,
    SDiv32,
    Or32,
    Or32D,
    Or32S,
    And32,
    And32D,
    And32S,
    Lsh32,
    Lsh32D,
    Lsh32S,
    Rsh32,
    Rsh32D,
    Rsh32S,
    Mod32,
    SMod32,
    Xor32,
    Xor32D,
    Xor32S,
    Mov32,
    Mov32S,
    Arsh32,
    Neg32,
    MovSx8To64,
    MovSx16To64,
    MovSx32To64,
    MovSx8To32,
    MovSx16To32,
    Truncate16,
    Swap16,
    Swap32,
    Swap64,
    LoadImm64,
    Load8,
    Load8S,
    Load16,
    Load16S,
    Load32,
    Load32S,
    Load64,
    Load64S,
    LoadSx8,
    LoadSx16,
    LoadSx32,
    Store8,
    Store16,
    Store32,
    Store64,
    Eq64,
    Gt64,
    Ge64,
    Set64,
    Ne64,
    SGt64,
    SGe64,
    Lt64,
    Le64,
    SLt64,
    SLe64,
    Eq32,
    Gt32,
    Ge32,
    Set32,
    Ne32,
    SGt32,
    SGe32,
    Lt32,
    Le32,
    SLt32,
    SLe32,
    Goto,
    MayGoto,
    /// As those without `Then`, and with the condition on the value that comes next.
    Add64Then,
    Sub64Then,
    And64Then,
    Load8Then,
    Load16Then,
    Load32Then,
    Load64Then,
    /// Atomics, ordered accesses, legacy loads, arguments beyond the fifth: rare, and run from the [`Insn`] itself.
    Rare,
    /// A helper function with id `imm`.
    CallHelper,
    CallLocal,
    /// Helper 12, which does not return if it succeeds.
    TailCall,
    /// What `registers[src]` says: the address of a function, or the id of a helper.
    CallRegister,
    Exit,
    /// Traps with the refusal number `extra`.
    Refuse,
}

/// One instruction of a program that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub(super) code: Code,
    pub(super) dst: Index,
    pub(super) src: Index,
    /// Index of the target of a jump, offset of a store (sign-extended), or index of a refusal.
    pub(super) extra: u32,
    /// Added to `registers[src]`: the immediate, or the offset of a load.
    pub(super) imm: u64,
}

/// A program that runs.
#[derive(Clone, Debug)]
pub(super) struct Decoded {
    /// By instruction; behind the last one come the traps of running off the end and of jumps
    /// without a target. The last one is always a trap, so that no index is ever beyond.
    pub(super) ops: Vec<Op>,
    pub(super) insns: Vec<Insn>,
    /// The first slot of each instruction.
    pub(super) slots: Vec<u32>,
    /// Why an operation refuses, by [`Op::extra`].
    pub(super) refusals: Vec<Refusal>,
    /// Where the functions start whose addresses the program takes, ascending.
    functions: Vec<usize>,
}

/// An operation that traps.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// The slot to blame: the jump, not the place where nothing is.
    pub(super) slot: u32,
    pub(super) reason: TrapReason,
}

/// What decoding must know of the maps.
pub(super) trait MapPlaces {
    /// The address that `dst = &map` loads.
    fn object(&self, map: i32) -> Result<u64, TrapReason>;
    /// The address that `dst = &value[0] + offset` loads.
    fn value(&self, map: i32, offset: i32) -> Result<u64, TrapReason>;
    /// The address that stands for the function at `slot`.
    fn function(&self, slot: i64) -> u64;
}

fn sign_extended(imm: i32) -> u64 {
    i64::from(imm).cast_unsigned()
}

fn op(code: Code, dst: Reg) -> Op {
    Op { code, dst: index(dst), src: Index::Zero, extra: 0, imm: 0 }
}

fn index(reg: Reg) -> Index {
    match reg {
        Reg::R0 => Index::R0,
        Reg::R1 => Index::R1,
        Reg::R2 => Index::R2,
        Reg::R3 => Index::R3,
        Reg::R4 => Index::R4,
        Reg::R5 => Index::R5,
        Reg::R6 => Index::R6,
        Reg::R7 => Index::R7,
        Reg::R8 => Index::R8,
        Reg::R9 => Index::R9,
        Reg::R10 => Index::R10,
    }
}

/// Decode `insns`. Every operation can be executed; none can go anywhere but to another one.
pub(super) fn decode(insns: &[Insn], maps: &impl MapPlaces) -> Decoded {
    let mut slots = Vec::with_capacity(insns.len());
    // By slot: the instruction that starts there.
    let mut starts = Vec::with_capacity(insns.len());
    for (at, insn) in insns.iter().enumerate() {
        slots.push(number(starts.len()));
        starts.push(Some(number(at)));
        if insn.is_wide() {
            starts.push(None);
        }
    }
    let mut decoded = Decoded {
        ops: Vec::new(),
        insns: insns.to_vec(),
        slots,
        refusals: Vec::new(),
        functions: Vec::new(),
    };
    decoded.ops.reserve_exact(insns.len() + 1);
    let count = number(insns.len());
    // Where control may come from elsewhere than the operation before.
    let mut entered = vec![false; insns.len()];
    let mut stray = Vec::new();
    for (at, insn) in insns.iter().enumerate() {
        let slot = decoded.slots[at];
        let mut ready = match one(insn, slot, maps) {
            Ok(ready) => ready,
            Err(reason) => decoded.refuse(slot, reason),
        };
        if let Some(off) = target_offset(insn) {
            let target = i64::from(slot) + 1 + off;
            let start = usize::try_from(target).ok().and_then(|to| starts.get(to).copied());
            match start.flatten() {
                // The address of a function (wide) does not go there yet.
                Some(start) if insn.is_wide() => decoded.functions.push(position(start)),
                None if insn.is_wide() => {}
                Some(start) => {
                    entered[position(start)] = true;
                    ready.extra = start;
                }
                // Nothing else can come of it.
                None if matches!(ready.code, Code::Goto | Code::CallLocal) => {
                    ready = decoded.refuse(slot, TrapReason::NoInstruction { target });
                }
                None => {
                    stray.push((slot, target));
                    ready.extra = count + number(stray.len());
                }
            }
        }
        decoded.ops.push(ready);
    }
    let last = number(starts.len()).saturating_sub(1);
    let end = decoded.refuse(last, TrapReason::RanOffEnd);
    decoded.ops.push(end);
    for (slot, target) in stray {
        let trap = decoded.refuse(slot, TrapReason::NoInstruction { target });
        decoded.ops.push(trap);
    }
    decoded.functions.sort_unstable();
    decoded.functions.dedup();
    for function in &decoded.functions {
        entered[*function] = true;
    }
    forward(&mut decoded.ops, insns, &entered);
    decoded
}

impl Decoded {
    fn refuse(&mut self, slot: u32, reason: TrapReason) -> Op {
        let extra = number(self.refusals.len());
        self.refusals.push(Refusal { slot, reason });
        Op { code: Code::Refuse, dst: Index::Zero, src: Index::Zero, extra, imm: 0 }
    }

    /// The first slot of the operation with this index.
    pub(super) fn slot(&self, at: usize) -> u32 {
        match self.slots.get(at) {
            Some(slot) => *slot,
            // A trap behind the last instruction.
            None => self.slots.last().copied().unwrap_or(0),
        }
    }

    /// The operation at which the function at this slot starts, if the program takes its address.
    pub(super) fn function(&self, slot: u64) -> Option<usize> {
        let slot = u32::try_from(slot).ok()?;
        let at = self.slots.binary_search(&slot).ok()?;
        self.functions.binary_search(&at).is_ok().then_some(at)
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("a program has at most SLOTS_MAX slots")
}

fn position(number: u32) -> usize {
    usize::try_from(number).expect("addresses have 32 bits or more")
}

/// `insn` without its jump target.
fn one(insn: &Insn, slot: u32, maps: &impl MapPlaces) -> Result<Op, TrapReason> {
    if writes_frame_pointer(insn) {
        return Err(TrapReason::FramePointerWrite);
    }
    Ok(match *insn {
        Insn::Alu { op: alu, width, dst, src } => with_operand(op(alu_code(alu, width), dst), src),
        Insn::MovSx { width, from, dst, src } => {
            let code = match (width, from) {
                (Width::W64, Bits::B8) => Code::MovSx8To64,
                (Width::W64, Bits::B16) => Code::MovSx16To64,
                (Width::W64, Bits::B32) => Code::MovSx32To64,
                (Width::W32, Bits::B8) => Code::MovSx8To32,
                (Width::W32, Bits::B16) => Code::MovSx16To32,
                (Width::W32, Bits::B32) | (_, Bits::B64) => {
                    return Err(TrapReason::NotInIsa { what: "sign extension to its own width" });
                }
            };
            with_operand(op(code, dst), Operand::Reg(src))
        }
        Insn::Neg { width: Width::W64, dst } => op(Code::Neg64, dst),
        Insn::Neg { width: Width::W32, dst } => op(Code::Neg32, dst),
        Insn::Swap { kind, bits, dst } => op(swap_code(kind, bits)?, dst),
        Insn::LoadImm64 { dst, value } => {
            let imm = match value {
                Imm64::Value(value) => value,
                Imm64::MapIndex(map) => maps.object(map)?,
                Imm64::MapIndexValue { index, offset } => maps.value(index, offset)?,
                // Counted from the slot after the first half, like a local call.
                Imm64::Function(off) => maps.function(i64::from(slot) + 1 + i64::from(off)),
                Imm64::MapFd(fd) | Imm64::MapValue { fd, .. } => {
                    return Err(TrapReason::MapDescriptor { fd });
                }
                Imm64::BtfId { id, .. } => return Err(TrapReason::KernelVariable { btf_id: id }),
            };
            Op { imm, ..op(Code::LoadImm64, dst) }
        }
        Insn::Load { size, signed, dst, base, off } => {
            let code = match (size, signed) {
                (Size::B, false) => Code::Load8,
                (Size::H, false) => Code::Load16,
                (Size::W, false) => Code::Load32,
                (Size::DW, false) => Code::Load64,
                (Size::B, true) => Code::LoadSx8,
                (Size::H, true) => Code::LoadSx16,
                (Size::W, true) => Code::LoadSx32,
                (Size::DW, true) => {
                    return Err(TrapReason::NotInIsa { what: "sign extension to its own width" });
                }
            };
            Op { src: index(base), imm: sign_extended(off.into()), ..op(code, dst) }
        }
        Insn::Store { size, base, off, src } => {
            let code = match size {
                Size::B => Code::Store8,
                Size::H => Code::Store16,
                Size::W => Code::Store32,
                Size::DW => Code::Store64,
            };
            let ready = Op { extra: i32::from(off).cast_unsigned(), ..op(code, base) };
            with_operand(ready, src)
        }
        Insn::Jump { cond, width, dst, src, .. } => {
            with_operand(op(jump_code(cond, width), dst), src)
        }
        Insn::Goto { .. } | Insn::GotoLong { .. } => op(Code::Goto, Reg::R0),
        Insn::MayGoto { .. } => op(Code::MayGoto, Reg::R0),
        Insn::Atomic { .. } | Insn::LoadAcquire { .. } | Insn::StoreRelease { .. } => {
            op(Code::Rare, Reg::R0)
        }
        Insn::LegacyLoad { size: Size::DW, .. } => {
            return Err(TrapReason::NotInIsa { what: "legacy packet access of 8 bytes" });
        }
        Insn::LegacyLoad { .. } => op(Code::Rare, Reg::R0),
        Insn::AddrSpaceCast { .. } => {
            return Err(TrapReason::NotInIsa { what: "a cast between address spaces" });
        }
        Insn::LoadArgument { .. } | Insn::StoreArgument { .. } => op(Code::Rare, Reg::R0),
        Insn::GotoX { .. } => {
            return Err(TrapReason::NotInIsa { what: "gotox" });
        }
        Insn::Call(Callee::Helper(TAIL_CALL)) => op(Code::TailCall, Reg::R0),
        Insn::Call(Callee::Helper(id)) => {
            Op { imm: sign_extended(id), ..op(Code::CallHelper, Reg::R0) }
        }
        Insn::Call(Callee::Local(_)) => op(Code::CallLocal, Reg::R0),
        Insn::Call(Callee::Kfunc { btf_id, .. }) => return Err(TrapReason::Kfunc { btf_id }),
        Insn::Call(Callee::Register(register)) => {
            Op { src: index(register), ..op(Code::CallRegister, Reg::R0) }
        }
        Insn::Exit => op(Code::Exit, Reg::R0),
    })
}

fn with_operand(op: Op, src: Operand) -> Op {
    match src {
        Operand::Reg(src) => Op { src: index(src), imm: 0, ..op },
        Operand::Imm(imm) => Op { src: Index::Zero, imm: sign_extended(imm), ..op },
    }
}

/// Would `insn` change `r10`? The verifier refuses that.
fn writes_frame_pointer(insn: &Insn) -> bool {
    use crate::assembler::insn::AtomicOp;
    let written = match *insn {
        Insn::Alu { dst, .. }
        | Insn::MovSx { dst, .. }
        | Insn::AddrSpaceCast { dst, .. }
        | Insn::Neg { dst, .. }
        | Insn::Swap { dst, .. }
        | Insn::LoadImm64 { dst, .. }
        | Insn::Load { dst, .. }
        | Insn::LoadArgument { dst, .. }
        | Insn::LoadAcquire { dst, .. } => dst,
        Insn::Atomic { op, src, .. } => match op {
            AtomicOp::Add { fetch: true }
            | AtomicOp::Or { fetch: true }
            | AtomicOp::And { fetch: true }
            | AtomicOp::Xor { fetch: true }
            | AtomicOp::Xchg => src,
            AtomicOp::Add { fetch: false }
            | AtomicOp::Or { fetch: false }
            | AtomicOp::And { fetch: false }
            | AtomicOp::Xor { fetch: false }
            | AtomicOp::CmpXchg => return false,
        },
        Insn::Store { .. }
        | Insn::StoreArgument { .. }
        | Insn::StoreRelease { .. }
        | Insn::LegacyLoad { .. }
        | Insn::Jump { .. }
        | Insn::Goto { .. }
        | Insn::GotoLong { .. }
        | Insn::MayGoto { .. }
        | Insn::GotoX { .. }
        | Insn::Call(_)
        | Insn::Exit => return false,
    };
    written == Reg::R10
}

fn swap_code(kind: Swap, bits: Bits) -> Result<Code, TrapReason> {
    Ok(match (kind, bits) {
        // The machine is little endian, as every target of ours.
        // Their source operand is zero.
        (Swap::Le, Bits::B16) => Code::Truncate16,
        (Swap::Le, Bits::B32) => Code::Add32, // `+= 0`: truncates
        (Swap::Le, Bits::B64) => Code::Or64,  // `|= 0`
        (Swap::Be | Swap::Bswap, Bits::B16) => Code::Swap16,
        (Swap::Be | Swap::Bswap, Bits::B32) => Code::Swap32,
        (Swap::Be | Swap::Bswap, Bits::B64) => Code::Swap64,
        (_, Bits::B8) => return Err(TrapReason::NotInIsa { what: "byte order of 8 bits" }),
    })
}

fn alu_code(alu: Alu, width: Width) -> Code {
    let (wide, narrow) = match alu {
        Alu::Add => (Code::Add64, Code::Add32),
        Alu::Sub => (Code::Sub64, Code::Sub32),
        Alu::Mul => (Code::Mul64, Code::Mul32),
        Alu::Div => (Code::Div64, Code::Div32),
        Alu::SDiv => (Code::SDiv64, Code::SDiv32),
        Alu::Or => (Code::Or64, Code::Or32),
        Alu::And => (Code::And64, Code::And32),
        Alu::Lsh => (Code::Lsh64, Code::Lsh32),
        Alu::Rsh => (Code::Rsh64, Code::Rsh32),
        Alu::Mod => (Code::Mod64, Code::Mod32),
        Alu::SMod => (Code::SMod64, Code::SMod32),
        Alu::Xor => (Code::Xor64, Code::Xor32),
        Alu::Mov => (Code::Mov64, Code::Mov32),
        Alu::Arsh => (Code::Arsh64, Code::Arsh32),
    };
    match width {
        Width::W64 => wide,
        Width::W32 => narrow,
    }
}

fn jump_code(cond: Jmp, width: Width) -> Code {
    let (wide, narrow) = match cond {
        Jmp::Eq => (Code::Eq64, Code::Eq32),
        Jmp::Gt => (Code::Gt64, Code::Gt32),
        Jmp::Ge => (Code::Ge64, Code::Ge32),
        Jmp::Set => (Code::Set64, Code::Set32),
        Jmp::Ne => (Code::Ne64, Code::Ne32),
        Jmp::SGt => (Code::SGt64, Code::SGt32),
        Jmp::SGe => (Code::SGe64, Code::SGe32),
        Jmp::Lt => (Code::Lt64, Code::Lt32),
        Jmp::Le => (Code::Le64, Code::Le32),
        Jmp::SLt => (Code::SLt64, Code::SLt32),
        Jmp::SLe => (Code::SLe64, Code::SLe32),
    };
    match width {
        Width::W64 => wide,
        Width::W32 => narrow,
    }
}
