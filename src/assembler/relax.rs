//! From labels to offsets. Jumps have 16 bits; what does not reach is widened.
//!
//! Method: every jump starts short. A pass computes all addresses with the current forms and
//! widens each jump that does not reach; a form never shrinks again, so the passes end, at the
//! latest when everything is wide.
//!
//! A widened conditional jump is the negated condition over a `gotol`; for `if a & b`, which has
//! no negation, and for `may_goto` the jump goes to the `gotol` and a `goto` skips it. A target
//! without `gotol` gets [`islands`](super::islands) instead.
//!
//! The kernel replaces some instructions by longer sequences *after* it has read our offsets, and
//! refuses a program whose jumps then no longer fit ("cannot be patched due to 16-bit range"). So
//! the distance that decides counts each such instruction at its patched length.

use super::{
    AsmError, Insn, Target,
    asm::{Item, index},
    flow::target_offset,
    insn::{Branch, BranchKind, Callee, Imm64},
    islands::{Islands, Places, within},
};

/// What the program became.
pub(super) struct Laid {
    pub(super) insns: Vec<Insn>,
    /// For each instruction, the emitted item it comes from.
    pub(super) item_of: Vec<usize>,
    /// For each item (and the end), its first slot.
    pub(super) slot_of_item: Vec<u32>,
}

/// Slots that a jump reaches in each direction, from the slot after it.
const REACH: i64 = 32_767;

/// Slots that `may_goto` has after the kernel has patched it: a count on the stack, since 6.15
/// also the time. Source: `do_misc_fixups()` in `kernel/bpf/verifier.c`; the study measured 12.
const MAY_GOTO_PATCHED: i64 = 12;
/// Slots that a helper call may have after inlining (map lookups are the longest in use).
const CALL_PATCHED: i64 = 10;
/// Slots that a context load may have after conversion.
const LOAD_PATCHED: i64 = 1;

/// Form of an item in the layout.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Short,
    Wide,
}

pub(super) fn lay_out(
    items: &[Item],
    bound: &[Option<usize>],
    target: &Target,
) -> Result<Laid, AsmError> {
    lay_out_within(REACH, items, bound, target)
}

/// [`lay_out`] with jumps that reach less far, which a test can see everything of.
pub(super) fn lay_out_within(
    reach: i64,
    items: &[Item],
    bound: &[Option<usize>],
    target: &Target,
) -> Result<Laid, AsmError> {
    let mut targets = vec![0; items.len()];
    for (at, item) in items.iter().enumerate() {
        if let Item::Branch(branch) = item {
            targets[at] =
                bound[index(branch.target)].ok_or(AsmError::UnboundLabel { index: at })?;
        }
    }
    let mut forms = vec![Form::Short; items.len()];
    if !target.gotol {
        let islands = Islands::place(reach, items, &targets)?;
        return emit(items, &targets, &forms, &islands);
    }
    let none = Islands::none(items.len());
    loop {
        let places = none.places(items, |at| patched_slots(&items[at], forms[at]));
        let mut changed = false;
        for (at, item) in items.iter().enumerate() {
            let Item::Branch(branch) = item else { continue };
            if forms[at] == Form::Wide || !has_short_offset(branch.kind) {
                continue;
            }
            if !within(reach, places.span_of_jump(at, places.items[targets[at]])) {
                forms[at] = Form::Wide;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    emit(items, &targets, &forms, &none)
}

fn emit(
    items: &[Item],
    targets: &[usize],
    forms: &[Form],
    islands: &Islands,
) -> Result<Laid, AsmError> {
    let real = islands.places(items, |at| real_slots(&items[at], forms[at]));
    check_fixed_offsets(items, &real)?;
    let mut insns = Vec::with_capacity(items.len());
    let mut item_of = Vec::with_capacity(items.len());
    for at in 0..=items.len() {
        emit_islands(at, targets, islands, &real, &mut insns, &mut item_of)?;
        let before = insns.len();
        match items.get(at) {
            None => break,
            Some(Item::Insn(insn)) => insns.push(*insn),
            Some(Item::Branch(branch)) => {
                let to = match islands.hop_of_item(at) {
                    Some(island) => real.islands[island],
                    None => real.items[targets[at]],
                };
                let distance = to - real.ends[at];
                resolve(branch, forms[at], distance, &mut insns)
                    .ok_or(AsmError::OutOfRange { slot: slot(real.items[at])?, distance })?;
            }
        }
        item_of.extend(std::iter::repeat_n(at, insns.len() - before));
    }
    let slot_of_item = real.items.iter().map(|&a| slot(a)).collect::<Result<_, _>>()?;
    Ok(Laid { insns, item_of, slot_of_item })
}

/// An [`Insn`] with an offset of its own was emitted for the short form of everything it crosses.
/// If something there was widened it would land elsewhere.
fn check_fixed_offsets(items: &[Item], real: &Places) -> Result<(), AsmError> {
    let mut short = None;
    for (at, item) in items.iter().enumerate() {
        let Item::Insn(insn) = item else { continue };
        let Some(off) = target_offset(insn) else { continue };
        let none =
            || Islands::none(items.len()).places(items, |at| real_slots(&items[at], Form::Short));
        let short = short.get_or_insert_with(none);
        // The offset of a function address counts from its second half.
        let from = |places: &Places| places.items[at] + 1;
        let meant = short.items.binary_search(&(from(short) + off));
        if meant.is_ok_and(|target| real.items[target] - from(real) != off) {
            let what = format!("`{insn}` crosses a jump that was widened; it needs a label");
            return Err(AsmError::Structure { slot: slot(real.items[at])?, what });
        }
    }
    Ok(())
}

/// The islands before item `at`, and the `goto` over them if control would fall into them.
fn emit_islands(
    at: usize,
    targets: &[usize],
    islands: &Islands,
    real: &Places,
    insns: &mut Vec<Insn>,
    item_of: &mut Vec<usize>,
) -> Result<(), AsmError> {
    let here = islands.before(at);
    let jump = |from: i64, to: i64| {
        let distance = to - (from + 1);
        let off = i16::try_from(distance);
        off.map(Insn::goto).or(Err(AsmError::OutOfRange { slot: slot(from)?, distance }))
    };
    if let (Some(&first), true) = (here.first(), islands.needs_skip(at)) {
        insns.push(jump(real.islands[first] - 1, real.items[at])?);
        item_of.push(islands.owner(first));
    }
    for &island in here {
        let to = match islands.hop_of_island(island) {
            Some(next) => real.islands[next],
            None => real.items[targets[islands.owner(island)]],
        };
        insns.push(jump(real.islands[island], to)?);
        item_of.push(islands.owner(island));
    }
    Ok(())
}

/// The instructions of `branch`; nothing if `distance` does not fit after all.
fn resolve(branch: &Branch, form: Form, distance: i64, out: &mut Vec<Insn>) -> Option<()> {
    let long = i32::try_from(distance).ok()?;
    match (branch.kind, form) {
        (BranchKind::Call, _) => out.push(Insn::Call(Callee::Local(long))),
        (BranchKind::FunctionAddress { dst }, _) => {
            // Offsets of a function address count from the slot after the first half.
            out.push(Insn::LoadImm64 { dst, value: Imm64::Function(long.checked_add(1)?) });
        }
        (BranchKind::Always, Form::Wide) => out.push(Insn::GotoLong { off: long }),
        (BranchKind::Always, Form::Short) => {
            out.push(Insn::Goto { off: i16::try_from(distance).ok()? });
        }
        (BranchKind::MayGoto, Form::Short) => {
            out.push(Insn::MayGoto { off: i16::try_from(distance).ok()? });
        }
        (BranchKind::MayGoto, Form::Wide) => {
            out.push(Insn::MayGoto { off: 1 });
            out.push(Insn::Goto { off: 1 });
            out.push(Insn::GotoLong { off: long });
        }
        (BranchKind::Cond { cond, width, dst, src }, Form::Short) => {
            let off = i16::try_from(distance).ok()?;
            out.push(Insn::Jump { cond, width, dst, src, off });
        }
        (BranchKind::Cond { cond, width, dst, src }, Form::Wide) => {
            if let Some(cond) = cond.negated() {
                out.push(Insn::Jump { cond, width, dst, src, off: 1 });
            } else {
                out.push(Insn::Jump { cond, width, dst, src, off: 1 });
                out.push(Insn::Goto { off: 1 });
            }
            out.push(Insn::GotoLong { off: long });
        }
    }
    Some(())
}

pub(super) fn has_short_offset(kind: BranchKind) -> bool {
    match kind {
        BranchKind::Cond { .. } | BranchKind::Always | BranchKind::MayGoto => true,
        BranchKind::Call | BranchKind::FunctionAddress { .. } => false,
    }
}

fn real_slots(item: &Item, form: Form) -> i64 {
    match item {
        Item::Insn(insn) => i64::from(insn.slots()),
        Item::Branch(branch) => match (branch.kind, form) {
            (BranchKind::FunctionAddress { .. }, _) => 2,
            (BranchKind::Call | BranchKind::Always, _) | (_, Form::Short) => 1,
            (BranchKind::MayGoto, Form::Wide) => 3,
            (BranchKind::Cond { cond, .. }, Form::Wide) => {
                if cond.negated().is_some() {
                    2
                } else {
                    3
                }
            }
        },
    }
}

/// Slots of `item` with a short jump, after the kernel has patched it.
pub(super) fn patched_slots_short(item: &Item) -> i64 {
    patched_slots(item, Form::Short)
}

fn patched_slots(item: &Item, form: Form) -> i64 {
    let more = match item {
        Item::Insn(Insn::Call(_)) => CALL_PATCHED,
        Item::Insn(Insn::Load { .. }) => LOAD_PATCHED,
        Item::Branch(Branch { kind: BranchKind::MayGoto, .. }) => MAY_GOTO_PATCHED,
        Item::Insn(_) | Item::Branch(_) => 0,
    };
    real_slots(item, form) + more
}

pub(super) fn slot(address: i64) -> Result<u32, AsmError> {
    u32::try_from(address).map_err(|_| AsmError::TooLarge {
        needed: usize::try_from(address).unwrap_or(usize::MAX),
        limit: u32::MAX,
    })
}

#[cfg(test)]
mod tests {
    use crate::assembler::{
        Alu, AsmError, Assembler, Branch, Insn, Jmp, ProgramKind, Reg::R0, Target,
        target::KernelVersion,
    };

    /// A jump over `between` one-slot instructions.
    fn over(between: usize, target: &Target) -> Result<Vec<Insn>, AsmError> {
        let mut asm = Assembler::new("t", ProgramKind::Xdp);
        let end = asm.label();
        asm.emit(Alu::Mov.imm(R0, 2));
        asm.emit(Jmp::Eq.imm(R0, 2, end));
        for _ in 0..between {
            asm.emit(Alu::Add.imm(R0, 1));
        }
        asm.bind(end);
        asm.emit(Insn::Exit);
        asm.finish(target).map(|image| image.insns().to_vec())
    }

    #[test]
    fn a_jump_at_the_reach_is_short_and_one_past_it_is_widened() {
        let new = Target::newest();
        let insns = over(32767, &new).expect("in reach");
        assert!(matches!(insns[1], Insn::Jump { cond: Jmp::Eq, off: 32767, .. }));
        let insns = over(32768, &new).expect("widened");
        assert!(matches!(insns[1], Insn::Jump { cond: Jmp::Ne, off: 1, .. }));
        assert_eq!(insns[2], Insn::GotoLong { off: 32768 });
    }

    #[test]
    fn without_gotol_a_jump_one_past_the_reach_goes_over_an_island() {
        let old = Target::of_version(KernelVersion::OLDEST);
        assert_eq!(over(32767, &old).map(|insns| insns.len()), Ok(32770), "nothing is added");
        let insns = over(32768, &old).expect("an island");
        assert_eq!(insns.len(), 32773, "an island and the goto over it");
        let Insn::Jump { cond: Jmp::Eq, off, .. } = insns[1] else { panic!("{:?}", insns[1]) };
        let island = 2 + usize::try_from(off).expect("forward");
        assert_eq!(insns[island - 1], Insn::goto(1));
        let Insn::Goto { off } = insns[island] else { panic!("{:?}", insns[island]) };
        let end = island + 1 + usize::try_from(off).expect("forward");
        assert_eq!((end, insns[end]), (32772, Insn::Exit));
    }

    #[test]
    fn a_wide_may_goto_and_a_wide_bit_test_keep_their_meaning() {
        let mut asm = Assembler::new("t", ProgramKind::Xdp);
        let end = asm.label();
        asm.emit(Alu::Mov.imm(R0, 2));
        asm.emit(Branch::may_goto(end));
        asm.emit(Jmp::Set.imm(R0, 1, end));
        for _ in 0..40_000 {
            asm.emit(Alu::Add.imm(R0, 1));
        }
        asm.bind(end);
        asm.emit(Insn::Exit);
        let image = asm.finish(&Target::newest()).expect("fits");
        let insns = image.insns();
        assert_eq!(insns[1], Insn::MayGoto { off: 1 });
        assert_eq!(insns[2], Insn::Goto { off: 1 });
        assert_eq!(insns[3], Insn::GotoLong { off: 40_003 });
        assert!(matches!(insns[4], Insn::Jump { cond: Jmp::Set, off: 1, .. }));
        assert_eq!(insns[5], Insn::Goto { off: 1 });
        assert_eq!(insns[6], Insn::GotoLong { off: 40_000 });
    }

    #[test]
    fn an_offset_that_was_given_never_lands_elsewhere() {
        for (version, inside) in [(KernelVersion::NEWEST, true), (KernelVersion::OLDEST, false)] {
            let mut asm = Assembler::new("t", ProgramKind::Xdp);
            let end = asm.label();
            asm.emit(Insn::goto(0));
            asm.emit(Insn::goto(1));
            asm.emit(Jmp::Eq.imm(R0, 2, end));
            asm.emit(Insn::goto(0));
            for _ in 0..40_000 {
                asm.emit(Alu::Add.imm(R0, 1));
            }
            asm.bind(end);
            asm.emit(Insn::Exit);
            let got = asm.finish(&Target::of_version(version)).map(|_| ());
            let what = "`goto pc+1` crosses a jump that was widened; it needs a label".to_owned();
            let want = if inside { Err(AsmError::Structure { slot: 1, what }) } else { Ok(()) };
            assert_eq!(got, want, "{version}");
        }
    }

    #[test]
    fn an_unbound_label_is_named() {
        let mut asm = Assembler::new("t", ProgramKind::Xdp);
        let never = asm.label();
        asm.emit(Branch::goto(never));
        let got = asm.finish(&Target::newest()).map(|_| ());
        assert_eq!(got, Err(AsmError::UnboundLabel { index: 0 }));
    }
}
