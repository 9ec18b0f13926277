//! An instruction trace that a person can follow: one line an instruction, with the registers and
//! the memory that it changed and, for pointers, where they point.

use std::fmt;

use super::{
    machine::{CLOBBERED, Registers},
    memory::{Memory, widen},
};
use crate::assembler::{
    Helper, Insn, Reg, Width,
    insn::{AtomicOp, Callee},
};

/// Most bytes of memory that a line shows.
const SHOWN_BYTES_MAX: usize = 16;

/// Is told about each instruction. `ENABLED` is a constant, so that a run nobody watches pays
/// nothing.
pub(super) trait Observe {
    const ENABLED: bool;
    fn step(&mut self, step: &Step<'_>);
}

/// Watches nothing.
pub(super) struct Silent;

impl Observe for Silent {
    const ENABLED: bool = false;
    fn step(&mut self, _: &Step<'_>) {}
}

/// Hands each step on.
pub(super) struct Tracing<'a>(pub(super) &'a mut dyn FnMut(&Step<'_>));

impl Observe for Tracing<'_> {
    const ENABLED: bool = true;
    fn step(&mut self, step: &Step<'_>) {
        (self.0)(step);
    }
}

/// One executed instruction. `Display` is one line without its end: slot, instruction, and what it
/// changed.
#[derive(Debug)]
pub struct Step<'a> {
    pub(super) program: usize,
    pub(super) slot: u32,
    pub(super) insn: &'a Insn,
    pub(super) before: &'a Registers,
    pub(super) after: &'a Registers,
    pub(super) depth: usize,
    pub(super) memory: &'a Memory,
}

impl Step<'_> {
    /// The program: 0 unless it was [tail called](super::Machine::set_tail_call).
    pub fn program(&self) -> usize {
        self.program
    }

    /// The slot of the instruction.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// The instruction.
    pub fn insn(&self) -> &Insn {
        self.insn
    }

    /// Number and new value of each register that it changed. Those that a call leaves without a
    /// value that a program may read are not among them.
    pub fn changes(&self) -> impl Iterator<Item = (usize, u64)> {
        let pairs = self.before.iter().zip(self.after).take(11).enumerate();
        pairs
            .filter(|(_, (before, after))| before != after && **after != CLOBBERED)
            .map(|(number, (_, now))| (number, *now))
    }

    /// Address and bytes of the memory that it wrote, as they are now. What helpers write into
    /// maps and rings is not among it.
    pub fn written(&self) -> Option<(u64, &[u8])> {
        let register = |reg: Reg| self.before[usize::from(reg.number())];
        let at = |base, off: i16| register(base).wrapping_add(i64::from(off).cast_unsigned());
        let (address, length) = match *self.insn {
            Insn::Store { size, base, off, .. } | Insn::StoreRelease { size, base, off, .. } => {
                (at(base, off), size.bytes().into())
            }
            Insn::Atomic { op, width, base, off, .. } => {
                if op == AtomicOp::CmpXchg && self.failed_exchange(width) {
                    return None;
                }
                (at(base, off), if width == Width::W32 { 4 } else { 8 })
            }
            Insn::Call(Callee::Helper(id)) => match Helper::from_id(id)? {
                Helper::XdpLoadBytes | Helper::SkbLoadBytes => {
                    (register(Reg::R3), register(Reg::R4))
                }
                Helper::MapLookupElem
                | Helper::MapUpdateElem
                | Helper::MapDeleteElem
                | Helper::KtimeGetNs
                | Helper::GetSmpProcessorId
                | Helper::TailCall
                | Helper::Redirect
                | Helper::SkbPullData
                | Helper::RingbufOutput
                | Helper::RingbufReserve
                | Helper::RingbufSubmit
                | Helper::RingbufDiscard
                | Helper::PerfEventOutput
                | Helper::XdpGetBuffLen => return None,
            },
            Insn::Alu { .. }
            | Insn::MovSx { .. }
            | Insn::AddrSpaceCast { .. }
            | Insn::Neg { .. }
            | Insn::Swap { .. }
            | Insn::LoadImm64 { .. }
            | Insn::Load { .. }
            | Insn::LoadArgument { .. }
            | Insn::StoreArgument { .. }
            | Insn::LoadAcquire { .. }
            | Insn::LegacyLoad { .. }
            | Insn::Jump { .. }
            | Insn::Goto { .. }
            | Insn::GotoLong { .. }
            | Insn::MayGoto { .. }
            | Insn::GotoX { .. }
            | Insn::Call(_)
            | Insn::Exit => return None,
        };
        Some((address, self.memory.bytes(address, length)?))
    }

    /// Did a compare and exchange find another value than `r0` had?
    fn failed_exchange(&self, width: Width) -> bool {
        let mask = if width == Width::W32 { u32::MAX.into() } else { u64::MAX };
        (self.before[0] ^ self.after[0]) & mask != 0
    }

    /// How many local calls it is inside of, afterwards.
    pub fn depth(&self) -> usize {
        self.depth
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.insn.to_string();
        write!(f, "{:>5}: {:indent$}{text:<44}", self.slot, "", indent = 2 * self.depth)?;
        for (number, now) in self.changes() {
            write!(f, " r{number}={now:#x}")?;
            if let Some(place) = self.memory.place(now) {
                write!(f, " ({place})")?;
            }
        }
        if let Some((address, bytes)) = self.written() {
            write!(f, " {}=", self.memory.describe(address))?;
            match bytes.len() {
                // Little endian, as the register that was stored.
                ..=8 => {
                    let value =
                        bytes.iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
                    write!(f, "{value:#x}")?;
                }
                length => {
                    let shown = &bytes[..length.min(SHOWN_BYTES_MAX)];
                    shown.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                    if length > SHOWN_BYTES_MAX {
                        write!(f, "... ({} bytes)", widen(length))?;
                    }
                }
            }
        }
        Ok(())
    }
}
