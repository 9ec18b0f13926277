//! The bodies of the fuzz targets on random bytes, on bytes that are nearly right, and on every
//! input that once failed.

#[path = "../fuzz/bodies.rs"]
mod bodies;

use std::{fs, path::Path};

use proptest::prelude::*;

/// Lines as they stand in texts and logs.
const LINES: &[&str] = &[
    ".program p xdp frags",
    ".program \"a b\" socket_filter",
    ".map m array key 4 value 8 entries 1",
    ".map \"\\u{3b}\" hash key 1 value 40 entries 3 flags 0x1",
    ".data m 0x0 0001020304050607",
    ".licence \"MIT\"",
    ".function f",
    ".function \"f\"",
    "; scan: words [pattern 1, byte 2]",
    "; text: ",
    ";verdict: [pattern 5]",
    "a:",
    "b: r1 = map[m]",
    "r2 = map[1][0]+4",
    "r1 = 0x1122334455667788",
    "(18) r1 = 5",
    "if r1 == 0xffffffff goto a",
    "if w1 s> -1 goto pc+0",
    "goto b",
    "gotol pc-1",
    "may_goto pc+1",
    "gotox r3",
    "call f",
    "call bpf_map_lookup_elem#1",
    "call bpf_dynptr_from_xdp#70000",
    "callx r1",
    "r3 = subprog[f]",
    "lock *(u64 *)(r10 -8) += r2",
    "r2 = atomic_fetch_add((u32 *)(r10 -8), r2)",
    "*(u64 *)(r11 -8) = 1",
    "r0 = *(u8 *)skb[r2 + -4]",
    ".slot 0x18010000050000ff",
    "(c2) nospec",
    "exit",
    "0: (bf) r6 = r1",
    "0: R1=ctx() R10=fp0",
    "from 3 to 5: R0=inv(id=0,umax_value=255) R10=fp0 fp-8=????mmmm",
    "5: (71) r0 = *(u8 *)(r1 +0)",
    "; match \"GET\" @ pattern:1",
    "R1 invalid mem access 'scalar'",
    "invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)",
    "processed 12 insns (limit 1000000) max_states_per_insn 0 total_states 1",
    "verification time 18446744073709551615 usec",
    "back-edge from insn 5 to 1",
];

fn lines() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        12 => prop::sample::select(LINES).prop_map(str::to_owned),
        1 => any::<String>(),
        // A line that is cut, or that lost a character.
        2 => (prop::sample::select(LINES), any::<prop::sample::Index>(), any::<bool>()).prop_map(
            |(line, at, rest)| {
                let at = line.char_indices().nth(at.index(line.chars().count())).map_or(0, |c| c.0);
                if rest { line[at..].to_owned() } else { line[..at].to_owned() }
            }
        ),
    ];
    prop::collection::vec(line, 0..30).prop_map(|lines| lines.join("\n"))
}

/// Eight bytes that are often an instruction.
fn slot() -> impl Strategy<Value = [u8; 8]> {
    let small = prop_oneof![Just(0_u8), Just(1), Just(0xff), any::<u8>()];
    (any::<u8>(), any::<u8>(), prop::array::uniform6(small)).prop_map(|(op, registers, rest)| {
        let mut slot = [op, registers, 0, 0, 0, 0, 0, 0];
        slot[2..].copy_from_slice(&rest);
        slot
    })
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        bodies::decode(&bytes);
    }

    #[test]
    fn instructions_are_decoded_or_refused(slots in prop::collection::vec(slot(), 0..40)) {
        bodies::decode(slots.as_flattened());
    }

    #[test]
    fn any_text_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        bodies::text(&bytes);
    }

    #[test]
    fn lines_are_read_or_refused(text in lines()) {
        bodies::text(text.as_bytes());
    }

    #[test]
    fn any_log_is_read(known in any::<u8>(), text in lines()) {
        let mut bytes = vec![known];
        bytes.extend(text.as_bytes());
        bodies::log(&bytes);
    }
}

#[test]
fn what_once_failed_does_not_fail_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions");
    for (name, body) in
        [("decode", bodies::decode as fn(&[u8])), ("text", bodies::text), ("log", bodies::log)]
    {
        let files = fs::read_dir(folder.join(name)).into_iter().flatten();
        for file in files {
            let path = file.expect("a readable folder").path();
            eprintln!("{}", path.display());
            body(&fs::read(&path).expect("a readable file"));
        }
    }
}
