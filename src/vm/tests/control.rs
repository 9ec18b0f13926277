//! Calls, frames, loops, limits, and code that cannot run.

use super::{reason, run, run_on};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Operand,
        Reg::{R0, R1, R2, R3, R6, R10},
        Size, Width,
        insn::{Bits, Callee, Imm64, Swap},
    },
    vm::{Context, INSTRUCTION_LIMIT, MAY_GOTO_ROUNDS, Machine, SLOTS_MAX, SetupError, TrapReason},
};

fn local(off: i32) -> Insn {
    Insn::Call(Callee::Local(off))
}

#[test]
fn a_local_call_keeps_r6_to_r10_and_gives_each_frame_its_own_stack() {
    let got = run(&[
        Alu::Mov.imm(R6, 40),
        Size::DW.store_imm(R10, -8, 2),
        Alu::Mov.reg(R1, R10),
        local(4),
        Size::DW.load(R1, R10, -8), // what the callee wrote through r1
        Alu::Add.reg(R0, R1),
        Alu::Add.reg(R0, R6),
        Insn::Exit,
        // The callee: its own r6 and its own stack, zero at first.
        Alu::Mov.imm(R6, 1000),
        Size::DW.load(R0, R10, -8),
        Size::DW.store_imm(R10, -8, 77),
        Size::DW.store_imm(R1, -8, 3),
        Insn::Exit,
    ]);
    assert_eq!(got.unwrap(), 43);
}

#[test]
fn eight_frames_are_allowed_and_a_ninth_is_a_trap_with_both_numbers() {
    // r1 counts down; each level calls itself until it is 0.
    let nested = |calls| {
        run(&[
            Alu::Mov.imm(R0, 0),
            Alu::Mov.imm(R1, calls),
            local(1),
            Insn::Exit,
            Alu::Add.imm(R0, 1),
            Alu::Sub.imm(R1, 1),
            Insn::Jump { cond: Jmp::Eq, width: Width::W64, dst: R1, src: Operand::Imm(0), off: 1 },
            local(-4),
            Insn::Exit,
        ])
    };
    assert_eq!(nested(7).unwrap(), 7);
    let trap = nested(8).unwrap_err();
    assert_eq!(trap.reason, TrapReason::CallDepth { frames: 9, limit: 8 });
    assert_eq!(trap.slot, 7);
    assert_eq!(trap.to_string(), "slot 7: the call needs 9 frames, the limit is 8");
}

#[test]
fn a_function_gets_arguments_beyond_the_fifth() {
    let store = |off, value| Insn::StoreArgument { off, src: Operand::Imm(value) };
    let load = |dst, off| Insn::LoadArgument { dst, off };
    let program = [
        store(-8, 40),
        Insn::StoreArgument { off: -56, src: Operand::Reg(R2) },
        local(2),
        load(R1, 8), // the program has none
        Insn::Exit,
        load(R0, 8),
        load(R1, 56),
        Alu::Sub.reg(R0, R1),
        Insn::Exit,
    ];
    let mut memory = [0; 3];
    assert_eq!(run_on(&program, Context::memory(&mut memory)), Ok(37));
    for off in [-8, 0, 4, 64] {
        assert!(matches!(
            reason(&[load(R0, off), Insn::Exit], Context::memory(&mut [])),
            TrapReason::NotInIsa { .. }
        ));
    }
}

#[test]
fn callx_calls_a_function_by_its_address_and_a_helper_by_its_id() {
    let function = |off| Insn::LoadImm64 { dst: R3, value: Imm64::Function(off) };
    let callx = Insn::Call(Callee::Register(R3));
    let double = [Alu::Mov.reg(R0, R1), Alu::Add.reg(R0, R0), Insn::Exit];
    // Distances count from the slot behind the first half.
    let program = [&[Alu::Mov.imm(R1, 21), function(3), callx, Insn::Exit][..], &double].concat();
    assert_eq!(run(&program), Ok(42));
    let helper = [Alu::Mov.imm(R3, 8), callx, Insn::Exit];
    assert_eq!(run(&helper), Ok(0), "the number of the CPU");
    // An address that the program never took is no function, though an instruction starts there.
    let astray = [function(1), Alu::Add.imm(R3, 1), callx, Insn::Exit, Insn::Exit];
    let trap = run(&astray).unwrap_err();
    assert!(trap.to_string().contains("function at slot 3, which is neither"), "{trap}");
}

#[test]
fn the_instruction_limit_is_a_trap_with_both_numbers_and_counts_exactly() {
    let mut machine = Machine::from_insns(&[Insn::goto(-1)], &[]).unwrap();
    assert_eq!(machine.instruction_limit(), INSTRUCTION_LIMIT);
    machine.set_instruction_limit(1000);
    let trap = machine.run(Context::memory(&mut [])).unwrap_err();
    assert_eq!(trap.reason, TrapReason::InstructionLimit { executed: 1000, limit: 1000 });

    let three = [Alu::Mov.imm(R0, 1), Alu::Mov.imm(R0, 2), Insn::Exit];
    let mut machine = Machine::from_insns(&three, &[]).unwrap();
    machine.set_instruction_limit(3);
    assert_eq!(machine.run(Context::memory(&mut [])).unwrap(), 2);
    assert_eq!(machine.executed(), 3);
    machine.set_instruction_limit(2);
    let trap = machine.run(Context::memory(&mut [])).unwrap_err();
    assert_eq!(trap.to_string(), "slot 2: 2 instructions executed, the limit is 2");
    assert_eq!((machine.executed(), machine.executed_total()), (2, 5));
}

#[test]
fn may_goto_falls_through_its_rounds_and_then_jumps() {
    let program = [Insn::MayGoto { off: 1 }, Insn::goto(-2), Insn::Exit];
    let mut machine = Machine::from_insns(&program, &[]).unwrap();
    machine.run(Context::memory(&mut [])).unwrap();
    assert_eq!(machine.executed(), 2 * u64::from(MAY_GOTO_ROUNDS) + 2);
}

#[test]
fn wide_instructions_and_long_jumps_count_slots() {
    let got = run(&[
        Insn::GotoLong { off: 3 },
        Insn::load_imm64(R0, 1), // slots 1 and 2
        Insn::Exit,              // slot 3
        Insn::load_imm64(R0, 2), // slots 4 and 5
        Insn::GotoLong { off: -4 },
    ]);
    assert_eq!(got.unwrap(), 2);
}

#[test]
fn code_that_cannot_run_traps_only_when_it_is_reached() {
    let refusing: &[(Insn, &str)] = &[
        (Insn::goto(5), "slot 1: goes to slot 7, where no instruction starts"),
        (Insn::goto(-9), "slot 1: goes to slot -7, where no instruction starts"),
        (local(100), "slot 1: goes to slot 102, where no instruction starts"),
        (Alu::Mov.imm(R10, 1), "slot 1: writes r10, which is read-only"),
        (
            Insn::Call(Callee::Kfunc { btf_id: 7, module: 0 }),
            "slot 1: calls kernel function 7; there is no kernel here",
        ),
        (
            Insn::Call(Callee::Register(R3)),
            "slot 1: calls 0x0, which is neither a function of the program nor the id of a helper",
        ),
        (Insn::Call(Callee::Helper(6)), "slot 1: calls helper 6, which is not modelled"),
        (
            Insn::LoadImm64 { dst: R1, value: Imm64::MapFd(4) },
            "slot 1: refers to a map by descriptor 4, which means nothing outside the kernel",
        ),
        (
            Insn::LoadImm64 { dst: R1, value: Imm64::MapIndex(0) },
            "slot 1: refers to map 0; the program has 0",
        ),
        (
            Insn::LoadImm64 { dst: R1, value: Imm64::BtfId { id: 9, module_fd: 0 } },
            "slot 1: refers to kernel variable 9; there is no kernel here",
        ),
        (
            Insn::Swap { kind: Swap::Be, bits: Bits::B8, dst: R0 },
            "slot 1: byte order of 8 bits is not in the instruction set of the machine",
        ),
        (
            Insn::LegacyLoad { size: Size::W, index: None, imm: 0 },
            "slot 1: legacy packet access: only programs on a __sk_buff have it",
        ),
    ];
    for (insn, message) in refusing {
        let over = i16::try_from(insn.slots()).unwrap();
        assert_eq!(run(&[Insn::goto(over), *insn, Insn::Exit]), Ok(0), "{insn:?}");
        let trap = run(&[Alu::Mov.imm(R0, 1), *insn, Insn::Exit]).unwrap_err();
        assert_eq!(trap.to_string(), *message);
        assert_eq!(trap.registers[0], 1);
    }
}

#[test]
fn the_second_half_of_a_wide_instruction_is_no_target() {
    let program = [Insn::goto(1), Insn::load_imm64(R0, 1), Insn::Exit];
    let want = TrapReason::NoInstruction { target: 2 };
    assert_eq!(reason(&program, Context::memory(&mut [])), want);
}

#[test]
fn running_off_the_end_is_a_trap_and_so_is_an_empty_program() {
    assert_eq!(reason(&[], Context::memory(&mut [])), TrapReason::RanOffEnd);
    let trap = run(&[Alu::Mov.imm(R0, 1)]).unwrap_err();
    assert_eq!((trap.slot, trap.reason), (0, TrapReason::RanOffEnd));
    assert!(run(&[Insn::load_imm64(R0, 1)]).is_err());
}

#[test]
fn a_program_one_slot_too_long_is_refused_with_both_numbers() {
    let mut insns = vec![Insn::Exit; SLOTS_MAX];
    assert!(Machine::from_insns(&insns, &[]).is_ok());
    insns.push(Insn::Exit);
    let refused = Machine::from_insns(&insns, &[]).map(|_| ());
    let want = SetupError::TooManySlots { slots: SLOTS_MAX + 1, limit: SLOTS_MAX };
    assert_eq!(refused, Err(want));
}

#[test]
fn a_program_of_half_a_million_slots_takes_time_in_proportion_to_its_length() {
    let program = |slots: usize| {
        let mut insns = vec![Alu::Mov.imm(R0, 0)];
        while insns.len() < slots {
            insns.push(Alu::Add.imm(R0, 1));
            insns.push(Insn::Jump {
                cond: Jmp::Eq,
                width: Width::W64,
                dst: R0,
                src: Operand::Imm(-1),
                off: 10,
            });
        }
        insns.extend([Insn::Exit; 11]);
        insns
    };
    let least = |slots| {
        let insns = program(slots);
        let mut took = std::time::Duration::MAX;
        for _ in 0..5 {
            let start = std::time::Instant::now();
            let mut machine = Machine::from_insns(&insns, &[]).unwrap();
            let sum = machine.run(Context::memory(&mut [])).unwrap();
            took = took.min(start.elapsed());
            assert_eq!(usize::try_from(sum), Ok(slots / 2));
        }
        took
    };
    let (short, long) = (least(25_000), least(500_000));
    // Twenty times as long; 400 times as much if it were quadratic.
    assert!(long < 100 * short, "{short:?} for 25,000 slots, {long:?} for 500,000");
}

#[test]
fn a_million_slots_that_cannot_run_are_traps_when_they_are_reached() {
    let wrong = [
        Insn::goto(-2),
        Insn::goto(i16::MAX),
        local(i32::MIN),
        local(i32::MAX),
        Alu::Mov.imm(R10, 1),
        Insn::Call(Callee::Kfunc { btf_id: 1, module: 0 }),
        Insn::MayGoto { off: i16::MIN },
        Insn::Jump { cond: Jmp::Ne, width: Width::W32, dst: R0, src: Operand::Imm(0), off: -9 },
    ];
    for insn in wrong {
        let mut machine = Machine::from_insns(&vec![insn; SLOTS_MAX], &[]).unwrap();
        machine.set_instruction_limit(3_000_000);
        let trap = machine.run(Context::memory(&mut [])).unwrap_err();
        assert!(!trap.to_string().is_empty());
    }
}

#[test]
fn a_register_that_a_call_has_destroyed_is_named_as_such() {
    let program = [local(2), Size::B.load(R0, R1, 4), Insn::Exit, Insn::Exit];
    let trap = run(&program).unwrap_err();
    let text = "slot 1: read of 1 bytes at a register that a call has destroyed \
                (0xdeadc0dedeadc0e2), where 0 bytes are accessible";
    assert_eq!(trap.to_string(), text);
    let null = run(&[Size::B.load(R0, R1, 4), Insn::Exit]).unwrap_err();
    assert_eq!(null.to_string(), "slot 0: read of 1 bytes at 0x4, where 0 bytes are accessible");
}

#[test]
fn a_call_to_nowhere_leaves_the_frame_as_it_was() {
    let trap = run(&[local(5), Insn::Exit]).unwrap_err();
    let place = trap.places[10].as_deref();
    assert_eq!((trap.slot, place), (0, Some("stack[0]")));
}

#[test]
fn a_trace_names_slot_instruction_and_changed_registers() {
    let program = [
        Alu::Mov.imm(R2, 5),
        Size::DW.store(R10, -8, R2),
        Alu::Mov.reg(R0, R10),
        local(1),
        Insn::Exit,
        Insn::load_imm64(R0, 0x1234),
        Insn::Exit,
    ];
    let mut machine = Machine::from_insns(&program, &[]).unwrap();
    let mut lines = Vec::new();
    let mut slots = Vec::new();
    let r0 = machine.run_traced(Context::memory(&mut []), &mut |step| {
        slots.push(step.slot());
        lines.push(step.to_string());
    });
    assert_eq!(r0.unwrap(), 0x1234);
    assert_eq!(slots, [0, 1, 2, 3, 5, 7, 4]);
    assert!(lines[0].trim_start().starts_with("0: "), "{}", lines[0]);
    assert!(lines[0].ends_with(" r2=0x5"), "{}", lines[0]);
    assert!(lines[1].contains("*(u64 *)(r10 -8) = r2"), "{}", lines[1]);
    assert!(lines[1].ends_with(" stack[0]-8=0x5"), "{}", lines[1]);
    assert!(lines[2].ends_with("(stack[0])"), "{}", lines[2]);
    assert!(lines[4].contains("r0=0x1234"), "{}", lines[4]);
}
