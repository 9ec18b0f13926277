//! Whatever the program, a run ends with a result or a trap, never a panic.

use proptest::prelude::*;

use super::spec;
use crate::{
    assembler::{Insn, MapKind, encode},
    vm::{Context, Machine, SkbFields, SkbHook},
};

/// Random slots, but with registers, opcodes and jump distances that often make sense.
fn slot() -> impl Strategy<Value = [u8; 8]> {
    let likely =
        (any::<u8>(), 0..11_u8, 0..11_u8, -6..6_i16, prop_oneof![-64..64_i32, any::<i32>()]);
    let likely = likely.prop_map(|(opcode, dst, src, off, imm): (u8, u8, u8, i16, i32)| {
        let ([o0, o1], [i0, i1, i2, i3]) = (off.to_le_bytes(), imm.to_le_bytes());
        [opcode, src << 4 | dst, o0, o1, i0, i1, i2, i3]
    });
    // A helper call with a plausible id, and a map reference, are otherwise too rare.
    let call = prop_oneof![
        Just(1_u8),
        Just(2),
        Just(5),
        Just(8),
        Just(23),
        Just(26),
        Just(188),
        Just(189)
    ];
    let call = call.prop_map(|id| [0x85, 0, 0, 0, id, 0, 0, 0]);
    prop_oneof![20 => likely, 1 => call, 1 => any::<[u8; 8]>()]
}

/// The instructions among `slots`.
fn insns(slots: &[[u8; 8]]) -> Vec<Insn> {
    let map = |n: u8| vec![[0x18, 0x51, 0, 0, n, 0, 0, 0], [0; 8]];
    let mut decoded = encode::decode_all(&map(0)).expect("a map reference");
    for (at, slot) in slots.iter().enumerate() {
        // Fields that must be zero are the most common reason not to decode.
        let zeroed = [slot[0], slot[1] & 0x0f, 0, 0, slot[4], slot[5], slot[6], slot[7]];
        let register = [slot[0], slot[1], slot[2], slot[3], 0, 0, 0, 0];
        let next = slots.get(at + 1).map(|next| [0, 0, 0, 0, next[4], next[5], next[6], next[7]]);
        let tries = [*slot, zeroed, register];
        decoded.extend(tries.into_iter().find_map(|slot| encode::decode(slot, next).ok()));
    }
    decoded
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_program_panics(
        slots in prop::collection::vec(slot(), 0..60),
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        linear in 0..120_usize,
    ) {
        let insns = insns(&slots);
        let maps = [
            spec(MapKind::Array, 4, 12, 1),
            spec(MapKind::LruHash, 3, 5, 2),
            spec(MapKind::RingBuf, 0, 0, 4096),
        ];
        let mut machine = Machine::from_insns(&insns, &maps).unwrap();
        machine.set_instruction_limit(5000);
        let cls = SkbFields { hook: SkbHook::SchedCls, ..SkbFields::default() };
        let mut memory = bytes.clone();
        for context in [
            Context::xdp(&bytes, linear, 1),
            Context::skb(&bytes, linear, SkbFields::default()),
            Context::skb(&bytes, linear, cls),
            Context::memory(&mut memory),
        ] {
            let plain = machine.run(context);
            prop_assert!(machine.executed() <= 5000);
            if let Err(trap) = plain {
                prop_assert!(!trap.to_string().contains('\n'));
            }
        }
    }

    #[test]
    fn a_trace_changes_nothing(slots in prop::collection::vec(slot(), 0..40)) {
        let insns = insns(&slots);
        let maps = [spec(MapKind::Array, 4, 12, 1)];
        let mut plain = Machine::from_insns(&insns, &maps).unwrap();
        plain.set_instruction_limit(300);
        let mut traced = plain.clone();
        let mut steps = 0;
        let (mut a, mut b) = ([1; 32], [1; 32]);
        let one = plain.run(Context::memory(&mut a));
        let two = traced.run_traced(Context::memory(&mut b), &mut |step| {
            steps += 1;
            let _ = step.to_string();
        });
        prop_assert_eq!(&one, &two);
        prop_assert_eq!(a, b);
        prop_assert_eq!(plain.executed(), traced.executed());
        // The last instruction, exit or the one that trapped, is no step, except at the limit.
        prop_assert!(steps + 1 >= plain.executed() && steps <= plain.executed());
    }
}
