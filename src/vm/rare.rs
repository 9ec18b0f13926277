//! Operations too rare to be worth a number of their own: atomics, ordered accesses and legacy
//! packet access. There is one CPU and no concurrency, so ordering means nothing here.

use super::{
    alu::{low8, low16, low32},
    context::Fields,
    machine::{CLOBBERED, Registers, World},
    memory::{Access, address, region, split},
    trap::TrapReason,
};
use crate::assembler::{Insn, Operand, Reg, Size, Width, insn::AtomicOp};

/// Lowest offset of a legacy load that means a header (`include/uapi/linux/filter.h`).
const SKF_LL_OFF: i32 = -0x20_0000;

/// Arguments beyond the fifth that a function may have (`MAX_BPF_FUNC_ARGS` less the registers).
pub(super) const ARGUMENTS_MAX: usize = 7;

fn get(registers: &Registers, reg: Reg) -> u64 {
    registers[usize::from(reg.number())]
}

fn set(registers: &mut Registers, reg: Reg, value: u64) {
    registers[usize::from(reg.number())] = value;
}

impl World {
    /// Execute an instruction that has no code of its own, at this depth of calls. `false` ends the
    /// program with 0.
    #[cold]
    pub(super) fn rare(
        &mut self,
        insn: &Insn,
        depth: usize,
        registers: &mut Registers,
    ) -> Result<bool, TrapReason> {
        match *insn {
            Insn::Atomic { op, width, base, off, src } => {
                let to = get(registers, base).wrapping_add(offset(off));
                self.atomic(op, width, to, src, registers)?;
            }
            Insn::LoadAcquire { size, dst, base, off } => {
                let from = get(registers, base).wrapping_add(offset(off));
                self.allow_atomic(from, size.bytes())?;
                set(registers, dst, self.read(from, size)?);
            }
            Insn::StoreRelease { size, base, off, src } => {
                let to = get(registers, base).wrapping_add(offset(off));
                self.allow_atomic(to, size.bytes())?;
                self.write(to, size, get(registers, src))?;
            }
            Insn::LegacyLoad { size, index, imm } => {
                let index = index.map_or(0, |index| get(registers, index));
                return self.legacy_load(size, index.wrapping_add(sign(imm)), registers);
            }
            Insn::LoadArgument { dst, off } => {
                let value = self.arguments[depth][argument(off)?];
                set(registers, dst, value);
            }
            Insn::StoreArgument { off, src } => {
                let value = match src {
                    Operand::Reg(src) => get(registers, src),
                    Operand::Imm(imm) => sign(imm),
                };
                self.arguments[depth + 1][argument(off.wrapping_neg())?] = value;
            }
            Insn::Alu { .. }
            | Insn::MovSx { .. }
            | Insn::AddrSpaceCast { .. }
            | Insn::Neg { .. }
            | Insn::Swap { .. }
            | Insn::LoadImm64 { .. }
            | Insn::Load { .. }
            | Insn::Store { .. }
            | Insn::Jump { .. }
            | Insn::Goto { .. }
            | Insn::GotoLong { .. }
            | Insn::MayGoto { .. }
            | Insn::GotoX { .. }
            | Insn::Call(_)
            | Insn::Exit => unreachable!("decoded to a code of its own"),
        }
        Ok(true)
    }

    /// The verifier refuses atomics on packets and contexts, and misaligned ones.
    fn allow_atomic(&self, at: u64, bytes: u8) -> Result<(), TrapReason> {
        let what = match split(at).0 {
            region::PACKET => "packet memory does not allow it",
            region::CONTEXT => "the context does not allow it",
            _ if !at.is_multiple_of(u64::from(bytes)) => "it is not aligned",
            _ => return Ok(()),
        };
        Err(TrapReason::Atomic { place: self.memory.describe(at), what })
    }

    /// Old values are zero-extended, as RFC 9669 says. A kernel may leave the upper half of `r0`
    /// behind a successful 32-bit compare and exchange: `tests/vm_kernel/quirks.rs` tells when.
    fn atomic(
        &mut self,
        op: AtomicOp,
        width: Width,
        at: u64,
        src: Reg,
        registers: &mut Registers,
    ) -> Result<(), TrapReason> {
        let size = match width {
            Width::W32 => Size::W,
            Width::W64 => Size::DW,
        };
        self.allow_atomic(at, size.bytes())?;
        let old = self.read(at, size)?;
        let operand = get(registers, src);
        let (new, fetch_into) = match op {
            AtomicOp::Add { fetch } => (old.wrapping_add(operand), fetch.then_some(src)),
            AtomicOp::Or { fetch } => (old | operand, fetch.then_some(src)),
            AtomicOp::And { fetch } => (old & operand, fetch.then_some(src)),
            AtomicOp::Xor { fetch } => (old ^ operand, fetch.then_some(src)),
            AtomicOp::Xchg => (operand, Some(src)),
            AtomicOp::CmpXchg => {
                let expected = match width {
                    Width::W32 => low32(get(registers, Reg::R0)).into(),
                    Width::W64 => get(registers, Reg::R0),
                };
                (if old == expected { operand } else { old }, Some(Reg::R0))
            }
        };
        self.write(at, size, new)?;
        if let Some(reg) = fetch_into {
            set(registers, reg, old);
        }
        Ok(())
    }

    fn read(&self, at: u64, size: Size) -> Result<u64, TrapReason> {
        let memory = &self.memory;
        let value = match size {
            Size::B => memory.load(at).map(u8::from_le_bytes).map(u64::from),
            Size::H => memory.load(at).map(u16::from_le_bytes).map(u64::from),
            Size::W => memory.load(at).map(u32::from_le_bytes).map(u64::from),
            Size::DW => memory.load(at).map(u64::from_le_bytes),
        };
        value.ok_or_else(|| memory.refusal(Access::Read, at, size.bytes().into()))
    }

    fn write(&mut self, at: u64, size: Size, value: u64) -> Result<(), TrapReason> {
        let memory = &mut self.memory;
        let stored = match size {
            Size::B => memory.store(at, low8(value).to_le_bytes()),
            Size::H => memory.store(at, low16(value).to_le_bytes()),
            Size::W => memory.store(at, low32(value).to_le_bytes()),
            Size::DW => memory.store(at, value.to_le_bytes()),
        };
        stored.ok_or_else(|| memory.refusal(Access::Write, at, size.bytes().into()))
    }

    /// `r0` = the bytes at `index` of the packet, big endian. Bytes that are not there end the
    /// program (`bpf_gen_ld_abs` in `net/core/filter.c`). The offsets from [`SKF_LL_OFF`] to -1
    /// count from headers of which only the kernel knows where they are; they trap.
    fn legacy_load(
        &self,
        size: Size,
        index: u64,
        registers: &mut Registers,
    ) -> Result<bool, TrapReason> {
        if !matches!(self.fields, Fields::Skb(_)) {
            return Err(TrapReason::LegacyLoad { what: "only programs on a __sk_buff have it" });
        }
        if get(registers, Reg::R6) != address(region::CONTEXT, 0) {
            return Err(TrapReason::LegacyLoad { what: "r6 must hold the context" });
        }
        // The helper behind it takes a 32-bit signed offset.
        let start = match low32(index).cast_signed() {
            ..SKF_LL_OFF => return Ok(false),
            SKF_LL_OFF..0 => {
                return Err(TrapReason::LegacyLoad { what: "negative offsets are not modelled" });
            }
            start @ 0.. => start.cast_unsigned(),
        };
        let Some(bytes) = self.memory.packet(start.into(), size.bytes().into()) else {
            return Ok(false);
        };
        let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        set(registers, Reg::R0, value);
        // The kernel makes a call of it.
        registers[1..=5].fill(CLOBBERED);
        Ok(true)
    }
}

/// Which of the arguments beyond the fifth is `off` bytes from `r11`: 8 for the first of them.
fn argument(off: i16) -> Result<usize, TrapReason> {
    let slots = usize::try_from(off).ok().filter(|off| off.is_multiple_of(8));
    let index = slots.and_then(|off| (off / 8).checked_sub(1));
    index
        .filter(|index| *index < ARGUMENTS_MAX)
        .ok_or(TrapReason::NotInIsa { what: "an argument beyond the twelfth, or none" })
}

fn offset(off: i16) -> u64 {
    i64::from(off).cast_unsigned()
}

fn sign(imm: i32) -> u64 {
    i64::from(imm).cast_unsigned()
}
