//! Helper functions: results, error numbers, and arguments that the verifier refuses.

use super::run_on;
use crate::{
    assembler::{
        Alu, Helper, Insn,
        Reg::{R0, R1, R2, R3, R4, R5, R6, R10},
        Size,
    },
    vm::{Context, Machine, SkbFields, SkbHook, Trap, TrapReason},
};

const FRAME: [u8; 20] =
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29];
const EFAULT: u64 = 14_u64.wrapping_neg();
const EINVAL: u64 = 22_u64.wrapping_neg();

fn cls() -> SkbFields {
    SkbFields { hook: SkbHook::SchedCls, ..SkbFields::default() }
}

/// Copy `length` bytes at `offset` to `r10-16`, which held ones; the result, and the first bytes
/// of the buffer.
fn copy(
    helper: Helper,
    offset: u64,
    length: u64,
    context: impl Fn() -> Context<'static>,
) -> Result<(u64, [u8; 8]), Trap> {
    let after = |last: [Insn; 2]| {
        let mut program = vec![
            Size::DW.store_imm(R10, -16, -1),
            Size::DW.store_imm(R10, -8, -1),
            Insn::load_imm64(R2, offset),
            Alu::Mov.reg(R3, R10),
            Alu::Add.imm(R3, -16),
            Insn::load_imm64(R4, length),
            Insn::call(helper),
        ];
        program.extend(last);
        run_on(&program, context())
    };
    let result = after([Insn::Exit, Insn::Exit])?;
    let buffer = after([Size::DW.load(R0, R10, -16), Insn::Exit])?;
    Ok((result, buffer.to_le_bytes()))
}

#[test]
fn load_bytes_copies_across_the_end_of_the_linear_part() {
    for linear in [0, 3, 5, 20] {
        let xdp = move || Context::xdp(&FRAME, linear, 1);
        let skb = move || Context::skb(&FRAME, linear, SkbFields::default());
        let want = (0, [12, 13, 14, 15, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(copy(Helper::XdpLoadBytes, 2, 4, xdp).unwrap(), want);
        assert_eq!(copy(Helper::SkbLoadBytes, 2, 4, skb).unwrap(), want);
    }
}

#[test]
fn load_bytes_fails_outside_the_packet_with_the_kernels_numbers() {
    let ones = [0xff; 8];
    let zeroed = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    let last = [26, 27, 28, 29, 0xff, 0xff, 0xff, 0xff];
    #[rustfmt::skip] // One case a line.
    let cases = [
        // offset, what the skb helper gives, what the XDP helper gives
        (16, (0, last), (0, last)),
        (17, (EFAULT, zeroed), (EINVAL, ones)),
        (20, (EFAULT, zeroed), (EINVAL, ones)),
        (0xffff, (EFAULT, zeroed), (EINVAL, ones)),
        (0x1_0000, (EFAULT, zeroed), (EFAULT, ones)),
        (0x7fff_ffff, (EFAULT, zeroed), (EFAULT, ones)),
        (0x8000_0000, (EFAULT, zeroed), (EFAULT, ones)),
        (0xffff_ffff, (EFAULT, zeroed), (EFAULT, ones)),
        // The offset is a u32: higher bits do not count.
        (0x1_0000_0010, (0, last), (0, last)),
    ];
    for (offset, skb, xdp) in cases {
        let filter = || Context::skb(&FRAME, 8, SkbFields::default());
        assert_eq!(copy(Helper::SkbLoadBytes, offset, 4, filter).unwrap(), skb, "{offset:#x}");
        let frame = || Context::xdp(&FRAME, 8, 1);
        assert_eq!(copy(Helper::XdpLoadBytes, offset, 4, frame).unwrap(), xdp, "{offset:#x}");
    }
}

#[test]
fn load_bytes_refuses_sizes_and_buffers_that_the_verifier_refuses() {
    let skb = || Context::skb(&FRAME, 20, SkbFields::default());
    for (length, argument) in [(0, true), (1 << 29, true), (u64::MAX, true), (17, false)] {
        let trap = copy(Helper::SkbLoadBytes, 0, length, skb).unwrap_err();
        if let TrapReason::HelperArgument { argument: 4, value, .. } = trap.reason {
            assert!(argument && value == length);
        } else {
            assert!(matches!(trap.reason, TrapReason::Memory { bytes, .. } if bytes == length));
            assert!(!argument);
        }
    }
    assert_eq!(copy(Helper::SkbLoadBytes, 0, 16, skb).unwrap().0, 0);
}

#[test]
fn helpers_of_other_program_types_and_wrong_contexts_are_traps() {
    let contexts = [
        (Context::xdp(&FRAME, 20, 1), [true, false, false, false]),
        (Context::skb(&FRAME, 20, SkbFields::default()), [false, true, true, true]),
        (Context::skb(&FRAME, 20, cls()), [false, true, true, false]),
        (Context::memory(&mut []), [true, true, true, true]),
    ];
    let helpers =
        [Helper::SkbLoadBytes, Helper::XdpLoadBytes, Helper::XdpGetBuffLen, Helper::Redirect];
    for (context, refused) in contexts {
        let mut memory = [0];
        for (helper, refused) in helpers.into_iter().zip(refused) {
            let again = Context { bytes: again(&context, &mut memory), fields: context.fields };
            let got = run_on(&[Insn::call(helper), Insn::Exit], again);
            let unavailable = matches!(
                got.map_err(|trap| trap.reason),
                Err(TrapReason::HelperNotAvailable { .. })
            );
            assert_eq!(unavailable, refused, "{} on {}", helper.name(), context.fields.name());
        }
    }
    let not_context = [Alu::Add.imm(R1, 4), Insn::call(Helper::XdpGetBuffLen), Insn::Exit];
    let trap = run_on(&not_context, Context::xdp(&FRAME, 20, 1)).unwrap_err();
    assert!(matches!(trap.reason, TrapReason::HelperArgument { argument: 1, .. }), "{trap}");
}

fn again<'a>(context: &Context<'a>, memory: &'a mut [u8]) -> crate::vm::context::Bytes<'a> {
    use crate::vm::context::Bytes;
    match &context.bytes {
        Bytes::Packet { bytes, linear } => Bytes::Packet { bytes, linear: *linear },
        Bytes::Memory(_) => Bytes::Memory(memory),
    }
}

#[test]
fn redirect_returns_the_verdict_and_is_remembered_for_one_run() {
    let redirect = |ifindex, flags| {
        vec![
            Alu::Mov.imm(R1, ifindex),
            Alu::Mov.imm(R2, flags),
            Insn::call(Helper::Redirect),
            Insn::Exit,
        ]
    };
    let run = |flags, context| {
        let mut machine = Machine::from_insns(&redirect(42, flags), &[]).unwrap();
        let verdict = machine.run(context).unwrap();
        (verdict, machine.redirected_to())
    };
    assert_eq!(run(0, Context::xdp(&FRAME, 20, 1)), (4, Some(42)));
    assert_eq!(run(1, Context::xdp(&FRAME, 20, 1)), (0, None), "flags abort");
    assert_eq!(run(0, Context::skb(&FRAME, 20, cls())), (7, Some(42)));
    assert_eq!(run(1, Context::skb(&FRAME, 20, cls())), (7, Some(42)), "BPF_F_INGRESS");
    assert_eq!(run(2, Context::skb(&FRAME, 20, cls())), (2, None));
}

#[test]
fn the_frame_length_counts_fragments_time_stands_and_the_cpu_is_the_first() {
    let call = |helper| [Insn::call(helper), Insn::Exit];
    let length = call(Helper::XdpGetBuffLen);
    assert_eq!(run_on(&length, Context::xdp(&FRAME, 8, 1)), Ok(20));
    assert_eq!(run_on(&call(Helper::GetSmpProcessorId), Context::memory(&mut [])), Ok(0));
    let mut machine = Machine::from_insns(&call(Helper::KtimeGetNs), &[]).unwrap();
    machine.set_ktime_ns(123_456_789_012);
    assert_eq!(machine.run(Context::memory(&mut [])), Ok(123_456_789_012));
}

#[test]
fn a_call_clobbers_r1_to_r5_and_nothing_else() {
    for register in [R1, R2, R3, R4, R5] {
        let program = [
            Alu::Mov.imm(R6, 7),
            Alu::Mov.imm(register, 5),
            Insn::call(Helper::KtimeGetNs),
            Size::B.load(R0, register, 0),
            Insn::Exit,
        ];
        let trap = run_on(&program, Context::memory(&mut [])).unwrap_err();
        assert_eq!(trap.slot, 3);
        assert_eq!(trap.registers[6], 7);
    }
}

#[test]
fn a_trace_shows_what_was_written_and_not_what_a_call_destroyed() {
    let program = [
        Alu::Mov.reg(R3, R10),
        Alu::Add.imm(R3, -18),
        Alu::Mov.imm(R2, 2),
        Alu::Mov.imm(R4, 18),
        Insn::call(Helper::XdpLoadBytes),
        Size::W.store_imm(R10, -18, 0x1234),
        Insn::Exit,
    ];
    let mut lines = Vec::new();
    let mut machine = Machine::from_insns(&program, &[]).unwrap();
    machine
        .run_traced(Context::xdp(&FRAME, 20, 1), &mut |step| lines.push(step.to_string()))
        .unwrap();
    let copied = " stack[0]-18=0c0d0e0f101112131415161718191a1b... (18 bytes)";
    assert!(lines[4].ends_with(copied), "{}", lines[4]);
    assert!(!lines[4].contains("dead"), "{}", lines[4]);
    assert!(lines[5].ends_with(" stack[0]-18=0x1234"), "{}", lines[5]);
}
