//! `xdp_md` and `__sk_buff`. Offsets from `include/uapi/linux/bpf.h`; which loads are legal from
//! `xdp_is_valid_access` and `bpf_skb_is_valid_access`.

use super::{reason, run_on};
use crate::{
    assembler::{
        Alu, Insn, Reg,
        Reg::{R0, R1, R2, R3, R6},
        Size, Width,
        insn::AtomicOp,
    },
    vm::{Context, Machine, SkbFields, SkbHook, TrapReason, VlanTag},
};

const FRAME: [u8; 20] =
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29];

fn field(size: Size, off: i16, context: Context<'_>) -> Result<u64, TrapReason> {
    run_on(&[size.load(R0, R1, off), Insn::Exit], context).map_err(|trap| trap.reason)
}

fn skb(fields: SkbFields) -> Context<'static> {
    Context::skb(&FRAME, 16, fields)
}

fn cls() -> SkbFields {
    SkbFields { hook: SkbHook::SchedCls, ..SkbFields::default() }
}

/// `r2` = data, `r3` = data_end.
fn pointers(data: i16, data_end: i16) -> [Insn; 2] {
    [Size::W.load(R2, R1, data), Size::W.load(R3, R1, data_end)]
}

#[test]
fn data_and_data_end_span_the_linear_part_exactly() {
    for (xdp, data, data_end) in [(true, 0, 4), (false, 76, 80)] {
        let context = |linear| {
            if xdp { Context::xdp(&FRAME, linear, 3) } else { Context::skb(&FRAME, linear, cls()) }
        };
        // (linear bytes asked for, linear bytes there are)
        for (asked, linear) in [(0, 0), (1, 1), (16, 16), (20, 20), (1000, 20)] {
            let run = |insn: Insn| {
                let mut program = pointers(data, data_end).to_vec();
                program.extend([insn, Insn::Exit]);
                run_on(&program, context(asked))
            };
            let mut length = pointers(data, data_end).to_vec();
            length.extend([Alu::Mov.reg(R0, R3), Alu::Sub.reg(R0, R2), Insn::Exit]);
            assert_eq!(run_on(&length, context(asked)), Ok(linear));
            for size in [Size::B, Size::H, Size::W, Size::DW] {
                let bytes = i64::from(size.bytes());
                for off in -9..30_i16 {
                    let inside = off >= 0 && i64::from(off) + bytes <= linear.cast_signed();
                    let read = run(size.load(R0, R2, off));
                    assert_eq!(read.is_ok(), inside, "{size:?} at {off} of {linear}");
                    assert_eq!(run(size.store_imm(R2, off, 1)).is_ok(), inside);
                    // The same byte, counted from data_end.
                    let back = off - i16::try_from(linear).unwrap();
                    assert_eq!(run(size.load(R0, R3, back)), read);
                }
            }
        }
    }
}

#[test]
fn xdp_md_is_read_in_aligned_fields_of_four_bytes() {
    let context = || Context::xdp(&FRAME, 20, 3).with_rx_queue(5);
    let data = field(Size::W, 0, context()).unwrap();
    assert_eq!(field(Size::W, 4, context()), Ok(data + 20));
    assert_eq!(field(Size::W, 8, context()), Ok(data), "no metadata: data_meta is data");
    assert_eq!(field(Size::W, 12, context()), Ok(3));
    assert_eq!(field(Size::W, 16, context()), Ok(5));
    assert!(data > u64::from(u32::MAX), "a pointer, though the field has four bytes");
    for (size, off) in [
        (Size::W, 20), // egress_ifindex: device map programs only
        (Size::W, 24),
        (Size::W, -4),
        (Size::W, 2),
        (Size::DW, 0),
        (Size::H, 12),
        (Size::B, 12),
    ] {
        let refused = field(size, off, context());
        assert!(matches!(refused, Err(TrapReason::Context { .. } | TrapReason::Memory { .. })));
    }
}

#[test]
fn sk_buff_fields_are_at_their_offsets_and_in_their_byte_order() {
    let fields = SkbFields {
        hook: SkbHook::SocketFilter,
        vlan: Some(VlanTag { tpid: 0x88a8, tci: 0x2abc }),
        protocol: 0x0800,
        ifindex: 7,
        ingress_ifindex: 6,
        pkt_type: 3,
        mark: 0x1234_5678,
        priority: 9,
        queue_mapping: 11,
        hash: 13,
    };
    #[rustfmt::skip] // One field a line.
    let cases: &[(Size, i16, u64)] = &[
        (Size::W, 0, 20),
        (Size::W, 4, 3),
        (Size::W, 8, 0x1234_5678),
        (Size::H, 8, 0x5678),
        (Size::H, 10, 0x1234),
        (Size::B, 9, 0x56),
        (Size::B, 11, 0x12),
        (Size::W, 12, 11),
        (Size::W, 16, 0x0008),
        // The kernel's field has two bytes, so every load of two gets both.
        (Size::H, 16, 0x0008),
        (Size::H, 18, 0x0008),
        (Size::B, 16, 0x08),
        (Size::B, 17, 0),
        (Size::B, 18, 0),
        (Size::B, 7, 3),
        (Size::W, 20, 1),
        (Size::W, 24, 0x2abc),
        (Size::W, 28, 0xa888),
        (Size::W, 32, 9),
        (Size::W, 36, 6),
        (Size::W, 40, 7),
        (Size::W, 44, 0),
        (Size::W, 48, 0),
        (Size::W, 64, 0),
        (Size::W, 68, 13),
    ];
    for &(size, off, want) in cases {
        assert_eq!(field(size, off, skb(fields)), Ok(want), "{size:?} at {off}");
    }
    let untagged = SkbFields { vlan: None, ..fields };
    for off in [20, 24, 28] {
        assert_eq!(field(Size::W, off, skb(untagged)), Ok(0), "at {off}");
    }
}

#[test]
fn sk_buff_fields_that_the_kernel_refuses_are_refused() {
    let filter = SkbFields::default();
    // (fields, size, offset): direct access on a socket, misaligned, too wide, wrong program type.
    let cases = [
        (filter, Size::W, 76),
        (filter, Size::W, 80),
        (cls(), Size::H, 76),
        (cls(), Size::H, 82),
        (filter, Size::DW, 8),
        (filter, Size::W, 2),
        (filter, Size::H, 1),
        (filter, Size::W, 72),
        (filter, Size::W, 88),
        (filter, Size::W, 140),
        (filter, Size::DW, 152),
        (filter, Size::W, 192),
        (filter, Size::W, 30_000),
        (filter, Size::W, -4),
    ];
    for (fields, size, off) in cases {
        assert!(field(size, off, skb(fields)).is_err(), "{fields:?} {size:?} at {off}");
    }
}

#[test]
fn contexts_are_read_only_and_their_pointers_are_not_sign_extended() {
    let contexts = || [Context::xdp(&FRAME, 20, 3), skb(SkbFields::default()), skb(cls())];
    let atomic = Insn::Atomic {
        op: AtomicOp::Add { fetch: false },
        width: Width::W32,
        base: R1,
        off: 8,
        src: R2,
    };
    for insn in [Size::W.store_imm(R1, 8, 1), Size::DW.store(R1, 48, R2), atomic] {
        for context in contexts() {
            let refused = reason(&[insn, Insn::Exit], context);
            assert!(
                matches!(refused, TrapReason::Context { .. } | TrapReason::Atomic { .. }),
                "{refused}"
            );
        }
    }
    let signed = |off| Insn::Load { size: Size::W, signed: true, dst: R0, base: R1, off };
    assert!(run_on(&[signed(0), Insn::Exit], Context::xdp(&FRAME, 20, 3)).is_err());
    let marked = SkbFields { mark: 0x8000_0000, ..SkbFields::default() };
    assert_eq!(run_on(&[signed(8), Insn::Exit], skb(marked)), Ok(0xffff_ffff_8000_0000));
}

#[test]
fn a_program_may_write_into_the_linear_part() {
    let program = [
        Size::W.load(R2, R1, 0),
        Size::H.store_imm(R2, 18, 0x0201),
        Alu::Mov.imm(R0, 3),
        Insn::Exit,
    ];
    let mut machine = Machine::from_insns(&program, &[]).unwrap();
    assert_eq!(machine.run(Context::xdp(&FRAME, 20, 1)), Ok(3));
    assert_eq!(machine.packet()[..18], FRAME[..18]);
    assert_eq!(machine.packet()[18..], [1, 2]);
}

#[test]
fn legacy_loads_are_big_endian_and_end_the_program_outside_the_packet() {
    let load = |size, index: Option<Reg>, imm| {
        let program = [
            Alu::Mov.reg(R6, R1),
            Alu::Mov.imm(R2, 4),
            Alu::Mov.imm(R0, 99),
            Insn::LegacyLoad { size, index, imm },
            Alu::Add.imm(R0, 1),
            Insn::Exit,
        ];
        run_on(&program, skb(SkbFields::default()))
    };
    assert_eq!(load(Size::B, None, 0), Ok(10 + 1));
    assert_eq!(load(Size::H, None, 1), Ok(0x0b0c + 1));
    assert_eq!(load(Size::W, Some(R2), 1), Ok(0x0f10_1112 + 1));
    // Bytes 16 to 19 are not linear.
    assert_eq!(load(Size::W, None, 16), Ok(0x1a1b_1c1d + 1));
    for (size, imm) in [(Size::W, 17), (Size::H, 19), (Size::B, 20), (Size::B, i32::MAX)] {
        assert_eq!(load(size, None, imm), Ok(0), "{size:?} at {imm}: the program ends with 0");
    }
    assert_eq!(load(Size::B, None, -0x20_0001), Ok(0), "no header there either");
    assert!(load(Size::B, None, -0x20_0000).is_err());
    assert!(load(Size::B, None, -1).is_err());
    assert!(load(Size::B, Some(R2), -5).is_err());
    let without_r6 = [Insn::LegacyLoad { size: Size::B, index: None, imm: 0 }, Insn::Exit];
    assert!(run_on(&without_r6, skb(SkbFields::default())).is_err());
}
