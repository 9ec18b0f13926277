//! Map operations, given by the packet, one after the other on maps that start empty.

use hardwire::{
    assembler::{
        Alu, Helper, Insn, Jmp, MapKind, MapSpec, Operand, ProgramKind,
        Reg::{R0, R1, R2, R3, R4, R6, R7, R8, R9, R10},
        Size, Width,
        insn::Imm64,
    },
    vm::Machine,
};
use proptest::prelude::*;

use super::{image, load, may_load, packet, xdp_in_kernel, xdp_in_vm};

/// Updates key `u32 [0]` with value `u64 [8]` under flags `u64 [16]`, then looks it up and counts
/// one up. Into the packet: result at 24, was it found at 32, the value found at 40.
fn program() -> Vec<Insn> {
    let map = Insn::LoadImm64 { dst: R1, value: Imm64::MapIndex(0) };
    let mut insns = packet(64);
    insns.extend([
        Size::W.load(R6, R9, 0),
        Size::DW.load(R7, R9, 8),
        Size::DW.load(R8, R9, 16),
        Size::W.store(R10, -4, R6),
        Size::DW.store(R10, -16, R7),
        map,
        Alu::Mov.reg(R2, R10),
        Alu::Add.imm(R2, -4),
        Alu::Mov.reg(R3, R10),
        Alu::Add.imm(R3, -16),
        Alu::Mov.reg(R4, R8),
        Insn::call(Helper::MapUpdateElem),
        Size::DW.store(R9, 24, R0),
        map,
        Alu::Mov.reg(R2, R10),
        Alu::Add.imm(R2, -4),
        Insn::call(Helper::MapLookupElem),
        Insn::Jump { cond: Jmp::Eq, width: Width::W64, dst: R0, src: Operand::Imm(0), off: 5 },
        Size::DW.store_imm(R9, 32, 1),
        Size::DW.load(R1, R0, 0),
        Size::DW.store(R9, 40, R1),
        Alu::Add.imm(R1, 1),
        Size::DW.store(R0, 0, R1),
        Alu::Mov.imm(R0, 2),
        Insn::Exit,
    ]);
    insns
}

/// LRU eviction is approximate in the kernel, so that kind gets room for all keys.
fn spec(kind: MapKind) -> MapSpec {
    let entries_max = if kind == MapKind::LruHash { 1024 } else { 3 };
    let name = "m".to_owned();
    MapSpec { name, kind, key_bytes: 4, value_bytes: 8, entries_max, flags: 0 }
}

fn operation() -> impl Strategy<Value = [u64; 3]> {
    let key = prop_oneof![8 => 0..6_u64, 1 => Just(0xffff_ffff)];
    let flags = prop_oneof![8 => 0..6_u64, 1 => Just(1 << 32), 1 => any::<u64>()];
    (key, any::<u64>(), flags).prop_map(|(key, value, flags)| [key, value, flags])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn map_updates_and_lookups_are_the_kernels(
        operations in prop::collection::vec(operation(), 1..40),
    ) {
        if !may_load() {
            return Ok(());
        }
        let kinds = [MapKind::Array, MapKind::PerCpuArray, MapKind::Hash, MapKind::LruHash];
        for kind in kinds {
            let image = image(ProgramKind::Xdp, program(), vec![spec(kind)]);
            let kernel = load(&image);
            let mut machine = Machine::new(&image).unwrap();
            for words in &operations {
                // A per-CPU value is that of the CPU it happens to run on: only results count.
                let words = [words[0], if kind.is_per_cpu() { 0 } else { words[1] }, words[2]];
                let mut frame: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                frame.resize(64, 0);
                let (mut want, mut got) =
                    (xdp_in_kernel(&kernel, &frame), xdp_in_vm(&mut machine, &frame, 64));
                if kind.is_per_cpu() {
                    want.1.truncate(40);
                    got.1.truncate(40);
                }
                prop_assert_eq!(got, want, "{:?} {:x?}", kind, words);
            }
            if !kind.is_per_cpu() {
                let mut left = Vec::new();
                for key in kernel.maps()[0].keys().unwrap() {
                    let values = kernel.maps()[0].lookup(&key).unwrap().unwrap();
                    left.push((key, values.entry(0).next().unwrap().to_vec()));
                }
                left.sort();
                let maps = machine.maps();
                let mut ours: Vec<_> =
                    maps.entries(0).into_iter().map(|(key, value)| (key, value.to_vec())).collect();
                ours.sort();
                prop_assert_eq!(ours, left);
            }
        }
    }
}
