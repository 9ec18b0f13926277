//! Socket filters: copies, legacy loads and fields of the `__sk_buff`. A test run takes the first
//! 14 bytes off and leaves the rest linear.

use hardwire::{
    assembler::{
        Alu, Helper, Insn, ProgramKind, Reg,
        Reg::{R0, R1, R2, R3, R4, R6, R7, R10},
        Size,
    },
    loader::test_run,
    vm::{Context, Machine, SkbFields},
};

use super::{image, load, low, may_load};

const ETHERNET_BYTES: usize = 14;

/// An Ethernet header of IPv4 and `bytes` more.
fn frame(bytes: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend((0..bytes).map(|n| u8::try_from(n * 7 % 251 + 1).unwrap()));
    frame
}

/// Run in both; equal results.
fn agree(insns: &[Insn], frame: &[u8]) {
    let image = image(ProgramKind::SocketFilter, insns.to_vec(), Vec::new());
    let kernel = test_run::run(&load(&image), frame, 1, false).expect("runs").retval;
    // A test run's device is the loopback interface of the namespace, which has index 1.
    let fields = SkbFields { protocol: 0x0800, ifindex: 1, ..SkbFields::default() };
    let packet = &frame[ETHERNET_BYTES..];
    let mut machine = Machine::new(&image).unwrap();
    let ours = machine.run(Context::skb(packet, packet.len(), fields)).expect("no trap");
    assert_eq!(low(ours), kernel, "{insns:#?} on {} bytes", packet.len());
}

#[test]
fn legacy_loads_are_the_kernels() {
    if !may_load() {
        return;
    }
    let load = |size, index: Option<Reg>, imm: i32| {
        [
            Alu::Mov.reg(R6, R1),
            Alu::Mov.imm(R7, 10),
            Alu::Mov.imm(R0, 99),
            Insn::LegacyLoad { size, index, imm },
            Alu::Add.imm(R0, 1),
            Insn::Exit,
        ]
    };
    let frame = frame(40);
    for size in [Size::B, Size::H, Size::W] {
        for imm in (0..5).chain(30..55).chain([i32::MAX, i32::MIN, -0x20_0001]) {
            agree(&load(size, None, imm), &frame);
            agree(&load(size, Some(R7), imm.saturating_sub(10)), &frame);
        }
    }
}

#[test]
fn skb_load_bytes_is_the_kernels() {
    if !may_load() {
        return;
    }
    let frame = frame(40);
    for offset in (0..4).chain(24..44).chain([0xffff, i32::MAX, i32::MIN, -1]) {
        for length in [1, 2, 7, 16] {
            let copy = |last: &[Insn]| {
                let mut insns = vec![
                    Size::DW.store_imm(R10, -16, -1),
                    Size::DW.store_imm(R10, -8, -1),
                    Alu::Mov.imm(R2, offset),
                    Alu::Mov.reg(R3, R10),
                    Alu::Add.imm(R3, -16),
                    Alu::Mov.imm(R4, length),
                    Insn::call(Helper::SkbLoadBytes),
                ];
                insns.extend(last);
                insns.push(Insn::Exit);
                insns
            };
            agree(&copy(&[]), &frame);
            for word in [-16, -12, -8, -4] {
                agree(&copy(&[Size::W.load(R0, R10, word)]), &frame);
            }
        }
    }
}

#[test]
fn the_fields_that_we_model_are_the_kernels() {
    if !may_load() {
        return;
    }
    // len, mark, queue_mapping, protocol, vlan_*, priority, ifindex, tc_index, cb, napi_id.
    // Not pkt_type: the made packet is for nobody here, so the kernel says PACKET_OTHERHOST.
    let fields = [0, 8, 12, 16, 20, 24, 28, 32, 40, 44, 48, 52, 56, 60, 64, 84];
    for bytes in [40, 41, 1000] {
        for off in fields {
            agree(&[Size::W.load(R0, R1, off), Insn::Exit], &frame(bytes));
            for (size, step) in [(Size::H, 2), (Size::B, 1)] {
                for within in (0..4).step_by(step) {
                    agree(&[size.load(R0, R1, off + within), Insn::Exit], &frame(bytes));
                }
            }
        }
    }
}
