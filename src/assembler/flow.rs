//! Where control goes from an instruction.

use super::{
    Insn, ProgramImage,
    insn::{Callee, Imm64},
    listing::goes_to,
};

/// How control leaves an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the next.
    Next,
    /// To the next; what it names is called, or its address taken.
    Call,
    /// To what it names, or to the next.
    Branch,
    /// To what it names.
    Jump,
    /// To where nobody can say, or out of the function.
    End,
}

/// How control leaves `insn`.
pub fn way(insn: &Insn) -> Way {
    match insn {
        Insn::Jump { .. } | Insn::MayGoto { .. } => Way::Branch,
        Insn::Goto { .. } | Insn::GotoLong { .. } => Way::Jump,
        Insn::GotoX { .. } | Insn::Exit => Way::End,
        Insn::Call(Callee::Local(_)) | Insn::LoadImm64 { value: Imm64::Function(_), .. } => {
            Way::Call
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

/// The instruction that number `index` of `image` names, by number; nothing if it names none or
/// names what is none.
pub fn target(image: &ProgramImage, index: usize) -> Option<usize> {
    let insn = image.insns().get(index)?;
    goes_to(image, index, insn).and_then(|slot| starts_at(image, slot))
}

/// The instruction that begins at `slot`.
pub(super) fn starts_at(image: &ProgramImage, slot: u32) -> Option<usize> {
    image.index_at(slot).filter(|&index| image.slot_of(index) == slot)
}
