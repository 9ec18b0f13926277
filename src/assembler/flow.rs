//! Where control goes from an instruction.

use super::{
    Insn, ProgramImage,
    insn::{Callee, Imm64},
};

/// How control leaves an instruction. Distances count in slots from the next instruction, those of
/// a function address from its second half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the next.
    Next,
    /// To the next; what is so far away is called, or its address taken.
    Call(i64),
    /// To what is so far away, or to the next.
    Branch(i64),
    /// To what is so far away.
    Jump(i64),
    /// To where nobody can say, or out of the function.
    End,
}

/// How control leaves `insn`.
pub fn way(insn: &Insn) -> Way {
    match *insn {
        Insn::Jump { off, .. } | Insn::MayGoto { off } => Way::Branch(off.into()),
        Insn::Goto { off } => Way::Jump(off.into()),
        Insn::GotoLong { off } => Way::Jump(off.into()),
        Insn::GotoX { .. } | Insn::Exit => Way::End,
        Insn::Call(Callee::Local(off)) | Insn::LoadImm64 { value: Imm64::Function(off), .. } => {
            Way::Call(off.into())
        }
        Insn::Alu { .. }
        | Insn::MovSx { .. }
        | Insn::AddrSpaceCast { .. }
        | Insn::Neg { .. }
        | Insn::Swap { .. }
        | Insn::LoadImm64 { .. }
        | Insn::Load { .. }
        | Insn::Store { .. }
        | Insn::LoadArgument { .. }
        | Insn::StoreArgument { .. }
        | Insn::Atomic { .. }
        | Insn::LoadAcquire { .. }
        | Insn::StoreRelease { .. }
        | Insn::LegacyLoad { .. }
        | Insn::Call(_) => Way::Next,
    }
}

/// Slots from the next instruction to what `insn` names, if it names a place.
pub fn target_offset(insn: &Insn) -> Option<i64> {
    match way(insn) {
        Way::Call(off) | Way::Branch(off) | Way::Jump(off) => Some(off),
        Way::Next | Way::End => None,
    }
}

/// The slot that number `index` of `image` names, whether or not an instruction starts there.
pub(super) fn target_slot(image: &ProgramImage, index: usize) -> Option<u32> {
    let next = i64::from(image.slot_of(index)) + 1;
    u32::try_from(next + target_offset(image.insns().get(index)?)?).ok()
}

/// The instruction that number `index` of `image` names, by number; nothing if it names none or
/// names what is none.
pub fn target(image: &ProgramImage, index: usize) -> Option<usize> {
    target_slot(image, index).and_then(|slot| starts_at(image, slot))
}

/// The instruction that begins at `slot`.
pub(super) fn starts_at(image: &ProgramImage, slot: u32) -> Option<usize> {
    image.index_at(slot).filter(|&index| image.slot_of(index) == slot)
}
