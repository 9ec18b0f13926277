//! Random programs, all of which the verifier takes, in the kernel and in the vm: the same results,
//! packets and map values. This is the short run; `scripts/differential` is the long one.
//!
//! Without the right to load programs the test says so and passes; `KERNEL_TESTS=required` turns
//! that into a failure. Last run on Linux 6.18.

use std::collections::BTreeSet;

use hardwire::{
    assembler::{Insn, Operand},
    loader::{Capability, capability},
};

mod compare;
mod program;
mod random;
mod statement;

use random::Random;
use statement::{Isa, Tree};

const SEED: u64 = 0x6861_7264_7769_7265;
const PROGRAMS: u64 = 5000;

#[test]
fn random_programs_give_the_same_in_the_kernel_and_in_the_vm() {
    let missing = capability::missing(&Capability::ATTACH);
    if !missing.is_empty() {
        let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
        assert!(!required, "KERNEL_TESTS=required, but: missing {missing:?}");
        eprintln!("skipped: missing {missing:?}");
        return;
    }
    let isa = compare::isa();
    for index in 0..PROGRAMS {
        match compare::check(SEED, index, isa) {
            Ok(None) => {}
            // It could hide what it is there to find.
            Ok(Some(why)) => panic!("program {index} is refused: {why}"),
            Err(difference) => panic!("{difference}"),
        }
    }
}

/// The form of an instruction: what it does, without registers and numbers.
fn form(insn: &Insn) -> String {
    let kind = |src: &Operand| if matches!(src, Operand::Reg(_)) { "register" } else { "number" };
    match insn {
        Insn::Alu { op, width, src, .. } => format!("{op:?} {width:?} {}", kind(src)),
        Insn::Jump { cond, width, src, .. } => format!("if {cond:?} {width:?} {}", kind(src)),
        Insn::MovSx { width, from, .. } => format!("movsx {width:?} {from:?}"),
        Insn::Swap { kind, bits, .. } => format!("{kind:?} {bits:?}"),
        Insn::Neg { width, .. } => format!("neg {width:?}"),
        Insn::Load { size, signed, .. } => format!("load {size:?} {signed}"),
        Insn::Store { size, src, .. } => format!("store {size:?} {}", kind(src)),
        Insn::Atomic { op, width, .. } => format!("{op:?} {width:?}"),
        Insn::LoadAcquire { size, .. } => format!("acquire {size:?}"),
        Insn::StoreRelease { size, .. } => format!("release {size:?}"),
        Insn::Call(callee) => format!("call {callee:?}").split('(').next().unwrap().to_owned(),
        Insn::LoadImm64 { .. } => "wide".to_owned(),
        Insn::Goto { .. } => "goto".to_owned(),
        Insn::GotoLong { .. } => "gotol".to_owned(),
        Insn::MayGoto { .. } => "may_goto".to_owned(),
        Insn::Exit => "exit".to_owned(),
        Insn::AddrSpaceCast { .. }
        | Insn::LoadArgument { .. }
        | Insn::StoreArgument { .. }
        | Insn::LegacyLoad { .. }
        | Insn::GotoX { .. } => panic!("is not made here: {insn}"),
    }
}

#[test]
fn every_form_that_the_verifier_takes_occurs() {
    let isa = Isa { v4: true, may_goto: true, ordered: true };
    let mut forms = BTreeSet::new();
    for index in 0..3000 {
        let tree = Tree::random(&mut Random::new(SEED, index), isa);
        forms.extend(program::image(&tree).insns().iter().map(form));
    }
    // 14 operations and 11 conditions in two widths with two operands; 5 sign extensions, 9 swaps,
    // 2 negations; 4 loads and 3 signed ones, 4 stores with two operands; 10 atomic operations in
    // two widths, 4 ordered loads and stores each; helper and local calls, goto, gotol, may_goto,
    // wide loads, exit.
    let want = 4 * (14 + 11) + 5 + 9 + 2 + 4 + 3 + 8 + 2 * 10 + 4 + 4 + 2 + 5;
    assert_eq!(forms.len(), want, "{forms:#?}");
}
