//! Maps: what programs see (`kernel/bpf/arraymap.c`, `hashtab.c`) and what callers read.

use super::spec;
use crate::{
    assembler::{
        Alu, Helper, Insn, Jmp, MapKind, MapSpec, Operand,
        Reg::{R0, R1, R2, R3, R4, R10},
        Size, Width,
        insn::{AtomicOp, Imm64},
    },
    vm::{Context, MAP_BYTES_MAX, MAPS_MAX, Machine, SetupError, TrapReason},
};

const E2BIG: u64 = 7_u64.wrapping_neg();
const ENOENT: u64 = 2_u64.wrapping_neg();
const EEXIST: u64 = 17_u64.wrapping_neg();
const EINVAL: u64 = 22_u64.wrapping_neg();
const ANY: i32 = 0;
const NOEXIST: i32 = 1;
const EXIST: i32 = 2;

fn map(index: i32) -> Insn {
    Insn::LoadImm64 { dst: R1, value: Imm64::MapIndex(index) }
}

/// `r1` = map 0, `r2` = &key on the stack; 8 slots, counting the wide one twice.
fn with_key(key: i32) -> Vec<Insn> {
    vec![Size::W.store_imm(R10, -4, key), map(0), Alu::Mov.reg(R2, R10), Alu::Add.imm(R2, -4)]
}

/// Add 1 to the value of `key` if it is there; `r0` is 1 then.
fn count(key: i32) -> Vec<Insn> {
    let mut program = with_key(key);
    program.extend([
        Insn::call(Helper::MapLookupElem),
        Insn::Jump { cond: Jmp::Eq, width: Width::W64, dst: R0, src: Operand::Imm(0), off: 3 },
        Alu::Mov.imm(R1, 1),
        Insn::Atomic {
            op: AtomicOp::Add { fetch: false },
            width: Width::W64,
            base: R0,
            off: 0,
            src: R1,
        },
        Alu::Mov.imm(R0, 1),
        Insn::Exit,
    ]);
    program
}

/// Set the 8-byte value of `key`; `r0` is the helper's result.
fn update(key: i32, value: i32, flags: i32) -> Vec<Insn> {
    let mut program = with_key(key);
    program.extend([
        Size::DW.store_imm(R10, -16, value),
        Alu::Mov.reg(R3, R10),
        Alu::Add.imm(R3, -16),
        Alu::Mov.imm(R4, flags),
        Insn::call(Helper::MapUpdateElem),
        Insn::Exit,
    ]);
    program
}

/// Run each of `steps` on the same map: machines are made anew and the values carried over.
fn results(spec: &MapSpec, steps: &[Vec<Insn>]) -> Vec<u64> {
    let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut results = Vec::new();
    for step in steps {
        let mut machine = Machine::from_insns(step, std::slice::from_ref(spec)).unwrap();
        for (key, value) in &entries {
            assert!(machine.set_map_value(0, key, value));
        }
        results.push(machine.run(Context::memory(&mut [])).unwrap());
        entries = machine.maps().entries(0).into_iter().map(|(k, v)| (k, v.to_vec())).collect();
    }
    results
}

#[test]
fn counters_add_up_from_run_to_run_until_they_are_reset() {
    for kind in [MapKind::Array, MapKind::PerCpuArray] {
        let maps = [spec(kind, 4, 16, 3)];
        let mut machine = Machine::from_insns(&count(2), &maps).unwrap();
        for _ in 0..5 {
            assert_eq!(machine.run(Context::memory(&mut [])), Ok(1));
        }
        let want = [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(machine.maps().at(0, 2), Some(&want[..]));
        assert_eq!(machine.maps().value(0, &[2, 0, 0, 0]), Some(&want[..]));
        assert_eq!(machine.maps().at(0, 1), Some(&[0; 16][..]));
        assert_eq!(machine.maps().at(0, 3), None);
        assert_eq!(machine.maps().at(1, 0), None);
        assert_eq!(machine.maps().value(0, &[2]), None);
        machine.reset_maps();
        assert_eq!(machine.maps().at(0, 2), Some(&[0; 16][..]));
    }
}

#[test]
fn a_lookup_beyond_an_array_or_of_an_unknown_key_gives_null() {
    for key in [3, -1] {
        assert_eq!(results(&spec(MapKind::Array, 4, 8, 3), &[count(key)]), [0]);
        assert_eq!(results(&spec(MapKind::Hash, 4, 8, 3), &[count(key)]), [0]);
    }
}

#[test]
fn updates_follow_their_flags_as_in_the_kernel() {
    use MapKind::*;
    let step = update;
    #[rustfmt::skip] // One step a column: (kind, steps, results).
    let cases: [(_, &[_], &[u64]); 5] = [
        (Array, &[step(0, 1, ANY), step(1, 1, EXIST), step(2, 1, ANY), step(0, 1, NOEXIST), step(2, 1, NOEXIST), step(0, 1, 3), step(0, 1, 4), step(0, 1, -1)],
                &[0, 0, E2BIG, EEXIST, E2BIG, EINVAL, EINVAL, EINVAL]),
        (PerCpuArray, &[step(0, 1, ANY), step(2, 1, EXIST), step(1, 1, NOEXIST)], &[0, E2BIG, EEXIST]),
        (Hash, &[step(7, 1, EXIST), step(7, 1, NOEXIST), step(7, 2, NOEXIST), step(7, 2, EXIST), step(8, 2, ANY), step(9, 2, ANY), step(8, 3, ANY), step(7, 1, 3), step(7, 1, 4)],
               &[ENOENT, 0, EEXIST, 0, 0, E2BIG, 0, EINVAL, EINVAL]),
        (PerCpuHash, &[step(7, 1, EXIST), step(7, 1, ANY), step(7, 1, 4), step(8, 1, ANY), step(9, 1, ANY)], &[ENOENT, 0, EINVAL, 0, E2BIG]),
        (LruHash, &[step(7, 1, EXIST), step(7, 1, ANY), step(8, 1, ANY), step(9, 1, NOEXIST), step(8, 1, NOEXIST), step(7, 1, EXIST), step(9, 1, 4)],
                  &[ENOENT, 0, 0, 0, EEXIST, ENOENT, EINVAL]),
    ];
    for (kind, steps, want) in cases {
        assert_eq!(results(&spec(kind, 4, 8, 2), steps), *want, "{kind:?}");
    }
}

#[test]
fn a_full_lru_hash_evicts_what_was_used_least_recently() {
    let mut machine = Machine::from_insns(&count(1), &[spec(MapKind::LruHash, 4, 8, 2)]).unwrap();
    let key = |n: u8| [n, 0, 0, 0];
    assert!(machine.set_map_value(0, &key(1), &[0; 8]));
    assert!(machine.set_map_value(0, &key(2), &[0; 8]));
    assert_eq!(machine.run(Context::memory(&mut [])), Ok(1), "the program looks up 1");
    assert!(machine.set_map_value(0, &key(3), &[0; 8]));
    let keys: Vec<_> = machine.maps().entries(0).into_iter().map(|(key, _)| key[0]).collect();
    assert_eq!(keys, [1, 3]);
}

#[test]
fn a_value_ends_where_its_spec_says_and_its_neighbour_is_out_of_reach() {
    // Three values of 12 bytes, which lie 16 bytes apart in the kernel.
    let read = |size: Size, off: i16| {
        let mut program = with_key(1);
        program.extend([Insn::call(Helper::MapLookupElem), size.load(R0, R0, off), Insn::Exit]);
        let mut machine = Machine::from_insns(&program, &[spec(MapKind::Array, 4, 12, 3)]).unwrap();
        machine.run(Context::memory(&mut []))
    };
    for size in [Size::B, Size::H, Size::W, Size::DW] {
        for off in -40..60_i16 {
            let inside = off >= 0 && off + i16::from(size.bytes()) <= 12;
            let got = read(size, off);
            assert_eq!(got.is_ok(), inside, "{size:?} at {off}: {got:?}");
        }
    }
}

#[test]
fn a_direct_value_pointer_reaches_the_value_of_a_single_entry_array() {
    let direct = |spec: MapSpec, offset| {
        let program = [
            Insn::LoadImm64 { dst: R1, value: Imm64::MapIndexValue { index: 0, offset } },
            Size::B.store_imm(R1, 0, 7),
            Alu::Mov.imm(R0, 1),
            Insn::Exit,
        ];
        let mut machine = Machine::from_insns(&program, &[spec]).unwrap();
        let ran = machine.run(Context::memory(&mut [])).map_err(|trap| trap.reason);
        let value = machine.maps().at(0, 0).map(<[u8]>::to_vec);
        ran.map(|_| value.unwrap())
    };
    assert_eq!(direct(spec(MapKind::Array, 4, 3, 1), 2), Ok(vec![0, 0, 7]));
    for offset in [3, -1] {
        let want = TrapReason::MapValueOffset { map: 0, offset, value_bytes: 3 };
        assert_eq!(direct(spec(MapKind::Array, 4, 3, 1), offset), Err(want));
    }
    for refused in [spec(MapKind::Array, 4, 3, 2), spec(MapKind::PerCpuArray, 4, 3, 1)] {
        assert!(matches!(direct(refused, 0), Err(TrapReason::MapKind { map: 0, .. })));
    }
}

#[test]
fn helpers_take_maps_and_readable_keys_only() {
    let lookup = |insns: &[Insn], spec: MapSpec| {
        let mut program = insns.to_vec();
        program.extend([Insn::call(Helper::MapLookupElem), Insn::Exit]);
        let mut machine = Machine::from_insns(&program, &[spec]).unwrap();
        machine.run(Context::memory(&mut [])).expect_err("should trap").reason
    };
    let array = || spec(MapKind::Array, 4, 8, 1);
    let no_map = lookup(&[Alu::Mov.reg(R1, R10)], array());
    assert!(matches!(no_map, TrapReason::HelperArgument { argument: 1, .. }), "{no_map}");
    let inside_map = lookup(&[map(0), Alu::Add.imm(R1, 1)], array());
    assert!(matches!(inside_map, TrapReason::HelperArgument { argument: 1, .. }), "{inside_map}");
    let no_key = lookup(&[map(0), Alu::Mov.reg(R2, R10), Alu::Add.imm(R2, -3)], array());
    assert!(matches!(no_key, TrapReason::Memory { bytes: 4, .. }), "{no_key}");
    for kind in [MapKind::RingBuf, MapKind::ProgArray] {
        let refused = lookup(&with_key(0), spec(kind, 0, 0, 4096));
        let TrapReason::MapKind { kind: name, .. } = &refused else { panic!("{refused}") };
        assert_eq!(*name, kind.name());
    }
}

#[test]
fn map_objects_have_no_bytes() {
    let program = [map(0), Size::B.load(R0, R1, 0), Insn::Exit];
    let mut machine = Machine::from_insns(&program, &[spec(MapKind::Array, 4, 8, 1)]).unwrap();
    let trap = machine.run(Context::memory(&mut [])).unwrap_err();
    assert!(trap.to_string().contains("at map 0 "), "{trap}");
}

#[test]
fn specs_that_no_kernel_takes_are_refused_by_name_and_size() {
    let make = |specs: &[MapSpec]| Machine::from_insns(&[Insn::Exit], specs).map(|_| ());
    for bad in [
        spec(MapKind::Array, 8, 8, 1),
        spec(MapKind::Array, 4, 0, 1),
        spec(MapKind::PerCpuArray, 4, 8, 0),
        spec(MapKind::Hash, 0, 8, 1),
        spec(MapKind::Hash, 513, 8, 1),
    ] {
        assert!(matches!(make(&[bad]), Err(SetupError::MapSpec { map: 0, .. })));
    }
    let half = || spec(MapKind::Array, 4, 1 << 16, 1 << 13);
    assert_eq!(make(&[half(), half()]), Ok(()));
    let more = make(&[half(), half(), spec(MapKind::Hash, 4, 1, 1)]);
    let want = SetupError::MapsTooLarge { bytes: MAP_BYTES_MAX + 8, limit: MAP_BYTES_MAX };
    assert_eq!(more, Err(want));
    let many = vec![spec(MapKind::Array, 4, 8, 1); MAPS_MAX + 1];
    let want = SetupError::TooManyMaps { maps: MAPS_MAX + 1, limit: MAPS_MAX };
    assert_eq!(make(&many), Err(want));
    assert_eq!(make(&many[1..]), Ok(()));
}

#[test]
fn a_deleted_key_is_gone_and_its_room_is_free() {
    let delete = |key| {
        let mut program = with_key(key);
        program.extend([Insn::call(Helper::MapDeleteElem), Insn::Exit]);
        program
    };
    for kind in [MapKind::Hash, MapKind::PerCpuHash] {
        let full = [update(1, 10, ANY), update(2, 20, ANY), update(3, 30, ANY)];
        let rest = [delete(1), delete(1), count(1), update(3, 30, ANY), count(3)];
        let got = results(&spec(kind, 4, 8, 2), &[&full[..], &rest].concat());
        assert_eq!(got, [0, 0, E2BIG, 0, ENOENT, 0, 0, 1], "{kind:?}");
    }
    assert_eq!(results(&spec(MapKind::Array, 4, 8, 2), &[delete(1)]), [EINVAL]);
}
