//! Ring buffers: what a reader gets, and what fits (`kernel/bpf/ringbuf.c`).

use super::spec;
use crate::{
    assembler::{
        Alu, Helper, Insn, Jmp, MapKind, Operand,
        Reg::{R0, R1, R2, R3, R4, R6, R7, R10},
        Size, Width,
        insn::Imm64,
    },
    vm::{Context, Machine, SetupError, TrapReason},
};

const EAGAIN: u64 = 11_u64.wrapping_neg();
const EINVAL: u64 = 22_u64.wrapping_neg();
const RING: Insn = Insn::LoadImm64 { dst: R1, value: Imm64::MapIndex(0) };

fn machine(insns: &[Insn]) -> Machine {
    Machine::from_insns(insns, &[spec(MapKind::RingBuf, 0, 0, 4096)]).unwrap()
}

fn run(machine: &mut Machine) -> u64 {
    machine.run(Context::memory(&mut [])).unwrap()
}

/// Put `length` bytes of the stack, of which the last is 9, into the ring.
fn output(length: i16, flags: i32) -> Vec<Insn> {
    vec![
        Size::B.store_imm(R10, -1, 9),
        RING,
        Alu::Mov.reg(R2, R10),
        Alu::Add.imm(R2, (-length).into()),
        Alu::Mov.imm(R3, length.into()),
        Alu::Mov.imm(R4, flags),
        Insn::call(Helper::RingbufOutput),
        Insn::Exit,
    ]
}

/// Reserve 8 bytes, or exit with 5; `r0` is the record.
fn reserve() -> Vec<Insn> {
    vec![
        RING,
        Alu::Mov.imm(R2, 8),
        Alu::Mov.imm(R3, 0),
        Insn::call(Helper::RingbufReserve),
        Insn::Jump { cond: Jmp::Ne, width: Width::W64, dst: R0, src: Operand::Imm(0), off: 2 },
        Alu::Mov.imm(R0, 5),
        Insn::Exit,
    ]
}

fn finish(record: crate::assembler::Reg, helper: Helper) -> Vec<Insn> {
    vec![Alu::Mov.reg(R1, record), Alu::Mov.imm(R2, 0), Insn::call(helper)]
}

#[test]
fn records_arrive_in_order_and_are_taken_once() {
    let mut machine = machine(&output(3, 0));
    for _ in 0..2 {
        assert_eq!(run(&mut machine), 0);
    }
    assert_eq!(machine.take_records(0), [[0, 0, 9], [0, 0, 9]]);
    assert!(machine.take_records(0).is_empty());
    assert!(machine.take_records(1).is_empty(), "there is no such map");
}

#[test]
fn a_record_takes_eight_bytes_more_rounded_up_and_the_last_byte_stays_free() {
    // 4096 / (100 + 8, rounded up) = 36.6; 4096 / 64 = 64, one of which does not fit.
    for (length, fit) in [(100, 36), (56, 63)] {
        let mut machine = machine(&output(length, 0));
        for _ in 0..fit {
            assert_eq!(run(&mut machine), 0);
        }
        assert_eq!(run(&mut machine), EAGAIN);
        assert_eq!(machine.take_records(0).len(), fit);
        assert_eq!(run(&mut machine), 0, "there is room again");
        machine.reset_maps();
        assert!(machine.take_records(0).is_empty());
    }
}

#[test]
fn wakeup_flags_are_allowed_and_others_are_not() {
    for (flags, want) in [(1, 0), (2, 0), (3, 0), (4, EINVAL), (-1, EINVAL)] {
        assert_eq!(run(&mut machine(&output(1, flags))), want, "{flags}");
    }
}

#[test]
fn a_reserved_record_counts_when_it_is_submitted_and_keeps_its_place() {
    let write = |record, value| Size::DW.store_imm(record, 0, value);
    let program = [
        &reserve()[..],
        &[Alu::Mov.reg(R6, R0)],
        &reserve(),
        &[Alu::Mov.reg(R7, R0), write(R7, 2)],
        &finish(R7, Helper::RingbufSubmit),
        &[write(R6, 1)],
        &finish(R6, Helper::RingbufSubmit),
        &reserve(),
        &[Alu::Mov.reg(R6, R0)],
        &finish(R6, Helper::RingbufDiscard),
        &[Alu::Mov.imm(R0, 0), Insn::Exit],
    ];
    let mut machine = machine(&program.concat());
    assert_eq!(run(&mut machine), 0);
    let record = |value: u64| value.to_le_bytes().to_vec();
    assert_eq!(machine.take_records(0), [record(1), record(2)]);
}

#[test]
fn a_record_is_as_long_as_asked_for_and_gone_when_it_is_finished() {
    let beyond = [&reserve()[..], &[Size::B.load(R0, R0, 8), Insn::Exit]].concat();
    let trap = machine(&beyond).run(Context::memory(&mut [])).unwrap_err();
    let TrapReason::Memory { place, available, .. } = &trap.reason else { panic!("{trap}") };
    assert_eq!((place.as_str(), *available), ("record+8", 8));
    let twice = finish(R6, Helper::RingbufSubmit);
    let program = [&reserve()[..], &[Alu::Mov.reg(R6, R0)], &twice, &twice].concat();
    let trap = machine(&program).run(Context::memory(&mut [])).unwrap_err();
    assert!(trap.to_string().contains("not the start of a reserved record"), "{trap}");
    let after = [Size::B.load(R0, R6, 0), Insn::Exit];
    let program = [&reserve()[..], &[Alu::Mov.reg(R6, R0)], &twice, &after].concat();
    let trap = machine(&program).run(Context::memory(&mut [])).unwrap_err();
    assert!(matches!(trap.reason, TrapReason::Memory { available: 0, .. }), "{trap}");
}

#[test]
fn a_ring_buffer_has_a_power_of_two_of_pages() {
    for bytes in [0, 1, 2048, 4097, 12288] {
        let refused = Machine::from_insns(&[Insn::Exit], &[spec(MapKind::RingBuf, 0, 0, bytes)]);
        assert!(matches!(refused, Err(SetupError::MapSpec { .. })), "{bytes}");
    }
}
