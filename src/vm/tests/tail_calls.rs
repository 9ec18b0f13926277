//! Tail calls: what is handed on, when they fail, and how traps name what they led to.

use super::spec;
use crate::{
    assembler::{
        Alu, Helper, Insn, MapKind,
        Reg::{R0, R1, R2, R3, R6, R10},
        Size,
        insn::{Callee, Imm64},
    },
    vm::{Context, Machine, PROGRAMS_MAX, STACK_BYTES, SetupError, TAIL_CALLS_MAX, TrapReason},
};

const ARRAY: Insn = Insn::LoadImm64 { dst: R2, value: Imm64::MapIndex(0) };

/// Tail call `index`; if that fails, return `otherwise`.
fn tail_call(index: i32, otherwise: i32) -> Vec<Insn> {
    vec![
        ARRAY,
        Alu::Mov.imm(R3, index),
        Insn::call(Helper::TailCall),
        Alu::Mov.imm(R0, otherwise),
        Insn::Exit,
    ]
}

fn machine(insns: &[Insn]) -> Machine {
    Machine::from_insns(insns, &[spec(MapKind::ProgArray, 4, 4, 4)]).unwrap()
}

fn run(machine: &mut Machine) -> u64 {
    machine.run(Context::xdp(&[1, 2, 3], 3, 1)).unwrap()
}

#[test]
fn a_tail_call_goes_to_the_program_and_does_not_come_back() {
    let mut machine = machine(&tail_call(2, 7));
    assert_eq!(machine.set_tail_call(0, 2, &[Alu::Mov.imm(R0, 9), Insn::Exit]), Ok(1));
    assert_eq!(run(&mut machine), 9);
    assert_eq!(machine.executed(), 5);
}

#[test]
fn a_tail_call_to_nothing_goes_on_behind_it() {
    for index in [1, 4, -1] {
        let mut machine = machine(&tail_call(index, 7));
        machine.set_tail_call(0, 2, &[Insn::Exit]).unwrap();
        assert_eq!(run(&mut machine), 7);
    }
}

#[test]
fn the_context_is_handed_on_and_the_stack_is_a_new_one() {
    let first = [&[Size::DW.store_imm(R10, -8, 5), Alu::Mov.imm(R6, 6)][..], &tail_call(0, 0)];
    let mut machine = machine(&first.concat());
    let second = [Size::W.load(R1, R1, 0), Size::B.load(R0, R1, 1), Insn::Exit];
    machine.set_tail_call(0, 0, &second).unwrap();
    assert_eq!(run(&mut machine), 2);
    let second = [Size::DW.load(R0, R10, -8), Insn::Exit];
    machine.set_tail_call(0, 0, &second).unwrap();
    assert_eq!(run(&mut machine), 0);
}

#[test]
fn a_tail_call_in_a_function_comes_back_to_its_caller() {
    let main =
        [Alu::Mov.imm(R6, 30), Insn::Call(Callee::Local(2)), Alu::Add.reg(R0, R6), Insn::Exit];
    let mut machine = machine(&[&main[..], &tail_call(0, 0)].concat());
    machine.set_tail_call(0, 0, &[Alu::Mov.imm(R0, 12), Alu::Mov.imm(R6, 0), Insn::Exit]).unwrap();
    assert_eq!(run(&mut machine), 42);
}

#[test]
fn each_program_has_eight_frames_however_many_wait_for_it() {
    // r1 is the context; six functions deep, then a tail call to itself.
    let down = |insns: &[Insn]| [insns, &[Insn::Call(Callee::Local(1)), Insn::Exit]].concat();
    let nested = (0..6).fold(Vec::new(), |insns, _| down(&insns));
    let program = [&nested[..], &tail_call(0, 3)].concat();
    let mut machine = machine(&program);
    machine.set_tail_call(0, 0, &program).unwrap();
    assert_eq!(run(&mut machine), 3);
    let nested = (0..8).fold(Vec::new(), |insns, _| down(&insns));
    let deeper = [&nested[..], &tail_call(0, 3)].concat();
    machine.set_tail_call(0, 0, &deeper).unwrap();
    let trap = machine.run(Context::xdp(&[], 0, 1)).unwrap_err();
    assert_eq!(trap.reason, TrapReason::CallDepth { frames: 9, limit: 8 });
}

#[test]
fn as_many_tail_calls_as_in_the_kernel() {
    // Counts in the packet's only writable place that survives: a map value.
    let counter = spec(MapKind::Array, 4, 8, 1);
    let value = Insn::LoadImm64 { dst: R6, value: Imm64::MapIndexValue { index: 1, offset: 0 } };
    let count = [value, Size::DW.load(R0, R6, 0), Alu::Add.imm(R0, 1), Size::DW.store(R6, 0, R0)];
    let program = [&count[..], &tail_call(0, 99)].concat();
    let maps = [spec(MapKind::ProgArray, 4, 4, 1), counter];
    let mut machine = Machine::from_insns(&program, &maps).unwrap();
    machine.set_tail_call(0, 0, &program).unwrap();
    assert_eq!(run(&mut machine), 99);
    let counted = machine.maps().at(1, 0).unwrap();
    assert_eq!(counted, u64::from(TAIL_CALLS_MAX + 1).to_le_bytes());
}

#[test]
fn traps_and_traces_name_the_program() {
    let mut machine = machine(&tail_call(0, 0));
    let second = [Alu::Mov.imm(R0, 1), Size::B.load(R0, R10, 0), Insn::Exit];
    machine.set_tail_call(0, 0, &second).unwrap();
    let mut steps = Vec::new();
    let trap = machine
        .run_traced(Context::xdp(&[], 0, 1), &mut |step| steps.push((step.program(), step.slot())))
        .unwrap_err();
    assert_eq!((trap.program, trap.slot), (1, 1));
    let text = trap.to_string();
    assert!(text.starts_with("program 1, slot 1: read of 1 bytes at stack[0] "), "{text}");
    assert_eq!(steps, [(0, 0), (0, 2), (0, 3), (1, 0)]);
    let TrapReason::Memory { available, .. } = trap.reason else { panic!("{trap}") };
    assert_eq!(available, STACK_BYTES);
}

#[test]
fn arguments_that_the_verifier_refuses_are_traps() {
    let not_an_array = [Alu::Mov.reg(R2, R1), Insn::call(Helper::TailCall), Insn::Exit];
    let not_the_context = [&[Alu::Mov.imm(R1, 0)][..], &tail_call(0, 0)].concat();
    for (program, argument) in [(&not_an_array[..], 2), (&not_the_context, 1)] {
        let trap = machine(program).run(Context::xdp(&[], 0, 1)).unwrap_err();
        let TrapReason::HelperArgument { argument: got, helper, .. } = trap.reason else {
            panic!("{trap}")
        };
        assert_eq!((helper, got), ("tail_call", argument));
    }
}

#[test]
fn programs_go_into_program_arrays_only_and_not_without_end() {
    let maps = [spec(MapKind::ProgArray, 4, 4, 4), spec(MapKind::Array, 4, 4, 4)];
    let mut machine = Machine::from_insns(&[Insn::Exit], &maps).unwrap();
    let exit = [Insn::Exit];
    let refused = |result: Result<usize, SetupError>| result.unwrap_err().to_string();
    let text = refused(machine.set_tail_call(0, 4, &exit));
    assert_eq!(text, "map 0 (m) takes no program at index 4: it has 4 entries");
    let text = refused(machine.set_tail_call(1, 0, &exit));
    assert_eq!(text, "map 1 (m) takes no program at index 0: its kind is array");
    let text = refused(machine.set_tail_call(2, 0, &exit));
    assert_eq!(text, "there is no map 2; the program has 2");
    for number in 1..PROGRAMS_MAX {
        assert_eq!(machine.set_tail_call(0, 0, &exit), Ok(number));
    }
    let full = machine.set_tail_call(0, 0, &exit);
    assert_eq!(full, Err(SetupError::TooManyPrograms { limit: PROGRAMS_MAX }));
}
