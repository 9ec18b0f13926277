//! Structural checks of a whole image: things that are wrong whatever the values are. Not a
//! verifier: nothing is said about registers or memory.

use std::collections::HashSet;

use super::{AsmError, Insn, ProgramImage, flow::target_offset, insn::Imm64};

/// Check that every jump, call and map reference of `image` has a target, and that control cannot
/// run off the end.
///
/// # Errors
///
/// [`AsmError::Structure`] with the slot and what is wrong there.
pub fn check(image: &ProgramImage) -> Result<(), AsmError> {
    let starts: HashSet<u32> = (0..image.insns().len()).map(|i| image.slot_of(i)).collect();
    for (index, insn) in image.insns().iter().enumerate() {
        let slot = image.slot_of(index);
        let fail = |what: String| Err(AsmError::Structure { slot, what });
        let next = i64::from(slot) + i64::from(insn.slots());
        if let Some(off) = target_offset(insn) {
            // A function address counts from the slot after the first half.
            let from = if insn.is_wide() { next - 1 } else { next };
            let to = from + off;
            if !u32::try_from(to).is_ok_and(|to| starts.contains(&to)) {
                return fail(format!("jumps to slot {to}, where no instruction starts"));
            }
        }
        if let Insn::LoadImm64 {
            value: Imm64::MapIndex(map) | Imm64::MapIndexValue { index: map, .. },
            ..
        } = insn
            && usize::try_from(*map).map_or(true, |map| map >= image.maps().len())
        {
            return fail(format!("refers to map {map} of {}", image.maps().len()));
        }
    }
    match image.insns().last() {
        None => Err(AsmError::Structure { slot: 0, what: "the program is empty".to_owned() }),
        Some(Insn::Exit | Insn::Goto { .. } | Insn::GotoLong { .. } | Insn::GotoX { .. }) => Ok(()),
        Some(_) => Err(AsmError::Structure {
            slot: image.slot_count() - 1,
            what: "control runs off the end; the last instruction must be exit or goto".to_owned(),
        }),
    }
}
