//! Every access is checked over its whole range.

use super::{reason, run_on};
use crate::{
    assembler::{
        Alu, Insn,
        Reg::{R0, R1, R2, R10},
        Size, Width,
        insn::AtomicOp,
    },
    vm::{Access, Context, STACK_BYTES, TrapReason},
};

const SIZES: [Size; 4] = [Size::B, Size::H, Size::W, Size::DW];

/// Does a read, and does a write, of `size` at `base + off` work?
fn works(size: Size, setup: &[Insn], base: crate::assembler::Reg, off: i16) -> (bool, bool) {
    let mut data = [0xaa; 40];
    let mut attempt = |insn| {
        let mut program = setup.to_vec();
        program.extend([insn, Alu::Mov.imm(R0, 0), Insn::Exit]);
        match run_on(&program, Context::memory(&mut data)) {
            Ok(_) => true,
            Err(trap) => {
                let TrapReason::Memory { bytes, .. } = trap.reason else { panic!("{trap}") };
                assert_eq!(bytes, u64::from(size.bytes()));
                false
            }
        }
    };
    (attempt(size.load(R0, base, off)), attempt(size.store_imm(base, off, 1)))
}

#[test]
fn given_memory_is_accessible_to_its_last_byte_and_no_further() {
    for size in SIZES {
        for off in -10..50 {
            let inside = off >= 0 && off + i16::from(size.bytes()) <= 40;
            assert_eq!(works(size, &[], R1, off), (inside, inside), "{size:?} at {off}");
        }
    }
}

#[test]
fn a_stack_frame_is_512_bytes_below_r10() {
    for size in SIZES {
        for off in (-530..-490).chain(-10..20) {
            let inside = off >= -512 && off + i16::from(size.bytes()) <= 0;
            assert_eq!(works(size, &[], R10, off), (inside, inside), "{size:?} at {off}");
        }
    }
}

#[test]
fn null_small_numbers_and_wild_pointers_are_nobodys() {
    for address in [0, 1, 0xffff_ffff, 1 << 47, 0x7fff << 48, 0xffff << 48, u64::MAX] {
        for size in SIZES {
            let setup = [Insn::load_imm64(R2, address)];
            assert_eq!(works(size, &setup, R2, 0), (false, false), "{address:#x}");
        }
    }
}

#[test]
fn pointers_are_numbers_and_come_back_from_the_stack() {
    let mut data = [0, 0, 0, 7];
    let got = run_on(
        &[
            Alu::Add.imm(R1, 1000),
            Size::DW.store(R10, -16, R1),
            Size::DW.load(R2, R10, -16),
            Alu::Sub.imm(R2, 997),
            Size::B.load(R0, R2, 0),
            Insn::Exit,
        ],
        Context::memory(&mut data),
    );
    assert_eq!(got.unwrap(), 7);
}

#[test]
fn the_caller_gets_back_what_the_program_wrote_also_after_a_trap() {
    let mut data = [1, 2, 3];
    let write = Size::B.store_imm(R1, 1, 9);
    run_on(&[write, Insn::Exit], Context::memory(&mut data)).unwrap();
    assert_eq!(data, [1, 9, 3]);
    let off_end = Size::B.store_imm(R1, 0, 8);
    run_on(&[off_end], Context::memory(&mut data)).unwrap_err();
    assert_eq!(data, [8, 9, 3]);
}

#[test]
fn empty_memory_is_a_null_pointer_of_length_zero() {
    let sum = [Alu::Mov.reg(R0, R1), Alu::Or.reg(R0, R2), Insn::Exit];
    assert_eq!(run_on(&sum, Context::memory(&mut [])), Ok(0));
    let mut one = [0];
    assert_eq!(run_on(&[Alu::Mov.reg(R0, R2), Insn::Exit], Context::memory(&mut one)), Ok(1));
}

#[test]
fn the_stack_is_zero_at_the_start_of_every_run() {
    let program = [Size::DW.load(R0, R10, -8), Size::DW.store_imm(R10, -8, 1), Insn::Exit];
    let mut machine = crate::vm::Machine::from_insns(&program, &[]).unwrap();
    for _ in 0..2 {
        assert_eq!(machine.run(Context::memory(&mut [])), Ok(0));
    }
}

#[test]
fn a_memory_trap_says_what_where_and_how_much_there_is() {
    let mut data = [0; 62];
    let program = [Insn::Exit, Insn::Exit];
    assert!(run_on(&program, Context::memory(&mut data)).is_ok());
    let trap = run_on(&[Size::DW.load(R0, R1, 60)], Context::memory(&mut data)).unwrap_err();
    assert_eq!(
        trap.to_string(),
        "slot 0: read of 8 bytes at memory+60 (0x400000000003c), where 62 bytes are accessible"
    );
    let below = reason(&[Size::B.store_imm(R10, -513, 0)], Context::memory(&mut []));
    let TrapReason::Memory { access, place, available, .. } = below else { panic!("{below}") };
    assert_eq!((access, available), (Access::Write, STACK_BYTES));
    assert_eq!(place, "stack[0]-513");
}

#[test]
fn atomics_must_be_aligned() {
    let at = |off| Insn::Atomic {
        op: AtomicOp::Add { fetch: false },
        width: Width::W64,
        base: R10,
        off,
        src: R1,
    };
    assert!(run_on(&[at(-8), Insn::Exit], Context::memory(&mut [])).is_ok());
    let refused = reason(&[at(-12), Insn::Exit], Context::memory(&mut []));
    let TrapReason::Atomic { what, .. } = refused else { panic!("{refused}") };
    assert_eq!(what, "it is not aligned");
}
