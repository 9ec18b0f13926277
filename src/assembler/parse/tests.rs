//! What is read, what is refused and where, and that nothing is lost on the way there and back.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::assembler::{
    Alu, Assembler, Branch, Contents, Jmp, MapKind, MapSpec, Operand, Origin, Phase, ProgramImage,
    ProgramKind, Size, Target, Width,
    disasm::{disassemble, dump},
    emit::slots_from_hex,
    insn::{
        Callee, Imm64,
        Reg::{R0, R1, R2, R3, R10},
    },
    listing::Listing,
};

#[rustfmt::skip] // One text per line.
#[test]
fn texts_beyond_the_kernels_mean_what_they_say() {
    let wide = |value| Insn::LoadImm64 { dst: R1, value };
    for (text, insn) in [
        ("r1 = 5",                     Alu::Mov.imm(R1, 5)),
        ("r1 = 0x5",                   Insn::load_imm64(R1, 5)),
        ("(b7) r1 = 0x5",              Alu::Mov.imm(R1, 5)),
        ("(18) r1 = 5",                Insn::load_imm64(R1, 5)),
        ("r1 = 5 ll",                  Insn::load_imm64(R1, 5)),
        ("r1 = -1 ll",                 Insn::load_imm64(R1, u64::MAX)),
        ("r1 = -0x10",                 Alu::Mov.imm(R1, -16)),
        ("r1 = 4294967295",            Insn::load_imm64(R1, 0xffff_ffff)),
        ("r1 = 0xffffffffffffffff",    Insn::load_imm64(R1, u64::MAX)),
        ("w1 = 0xffffffff",            Alu::Mov.imm32(R1, -1)),
        ("w1 = 0b101 # five",          Alu::Mov.imm32(R1, 5)),
        ("r1 += 0o17 // fifteen",      Alu::Add.imm(R1, 15)),
        ("  12:   (07)r1+=15;x",       Alu::Add.imm(R1, 15)),
        ("> 12: r1 -= r2",             Alu::Sub.reg(R1, R2)),
        ("a: 3: b: r1 -= r2",          Alu::Sub.reg(R1, R2)),
        ("r3 = *(u32*)(r2)",           Size::W.load(R3, R2, 0)),
        ("r3 = *(u32 *)(r2 + 4)",      Size::W.load(R3, R2, 4)),
        ("*(u8 *)(r10 - 1) = 0xff",    Size::B.store_imm(R10, -1, 255)),
        ("if r1 == 0xffffffff goto +1", Insn::Jump { cond: Jmp::Eq, width: Width::W64, dst: R1, src: Operand::Imm(-1), off: 1 }),
        ("if r1 s< -1 goto pc-1",      Insn::Jump { cond: Jmp::SLt, width: Width::W64, dst: R1, src: Operand::Imm(-1), off: -1 }),
        ("call pc-3#bpf_prog_0123456789abcdef_sub", Insn::Call(Callee::Local(-3))),
        ("call pc+3#0xffffffffc0001000", Insn::Call(Callee::Local(3))),
        ("r1 = map[id:5]",             wide(Imm64::MapFd(5))),
        ("r1 = map[id:5][0]+8",        wide(Imm64::MapValue { fd: 5, offset: 8 })),
        ("me: goto me",                Insn::goto(-1)),
        ("call bpf_map_lookup_elem",   Insn::Call(Callee::Helper(1))),
        ("call 1",                     Insn::Call(Callee::Helper(1))),
        ("call unknown#4000",          Insn::Call(Callee::Helper(4000))),
        ("me: call me",                Insn::Call(Callee::Local(-1))),
        ("me: r1 = subprog[me]",       wide(Imm64::Function(-1))),
        ("r1 = map[idx:1]",            wide(Imm64::MapIndex(1))),
        ("r1 = map[idx:1]+4",          wide(Imm64::MapIndexValue { index: 1, offset: 4 })),
        ("r1 = map[1][0]",             wide(Imm64::MapIndexValue { index: 1, offset: 0 })),
        ("call bpf_map_lookup_elem#212928", Insn::Call(Callee::Helper(1))),
        ("call bpf_dynptr_from_xdp#97531", Insn::Call(Callee::Kfunc { btf_id: 97531, module: 0 })),
        ("call kernel-function#9 module[2]", Insn::Call(Callee::Kfunc { btf_id: 9, module: 2 })),
        ("(0d) gotox r1",              Insn::GotoX { target: R1 }),
        ("r1 = addr_space_cast(r2, 0, 1)", Insn::AddrSpaceCast { dst: R1, src: R2, to: 0, from: 1 }),
        ("r1 = *(u64 *)(r11 +8)",      Insn::LoadArgument { dst: R1, off: 8 }),
        ("*(u64 *)(r11 - 16) = r2",    Insn::StoreArgument { off: -16, src: Operand::Reg(R2) }),
        ("*(u64 *)(r11 -8) = -1",      Insn::StoreArgument { off: -8, src: Operand::Imm(-1) }),
        ("r0 = *(u8 *)skb[r1 - 4]",    Insn::LegacyLoad { size: Size::B, index: Some(R1), imm: -4 }),
    ] {
        assert_eq!(text.parse(), Ok(insn), "{text}");
    }
}

#[rustfmt::skip] // One text per line.
#[test]
fn errors_name_the_place_and_what_was_expected() {
    for (text, line, column, what) in [
        ("exit\n  foo r1",             2, 3,  "expected an instruction, found `foo`"),
        ("r1",                         1, 3,  "expected `=` or an operator such as `+=`, found the end of the line"),
        ("r11 = 1",                    1, 1,  "expected an instruction, found `r11`"),
        ("r1 = w2",                    1, 6,  "expected a register r0 to r10, found `w2`"),
        ("r1 = r2 r3",                 1, 9,  "expected the end of the line, found `r3`"),
        ("w1 += 4294967296",           1, 7,  "expected a number in -2147483648..=4294967295, found 4294967296"),
        ("r1 += 0xffffffff",           1, 7,  "expected a number in -2147483648..=2147483647, which is extended to 64 bits with its sign, found 4294967295"),
        ("r1 = 18446744073709551616",  1, 6,  "expected a number of at most 64 bits, found 18446744073709551616"),
        ("r1 = 0xg",                   1, 6,  "expected a number, found `0xg`"),
        ("r1 = -r2",                   1, 7,  "expected `r1` once more, found `r2`"),
        ("r1 = be16 r2",               1, 11, "expected `r1` once more, found `r2`"),
        ("w1 = (s32)w2",               1, 11, "expected (s8) or (s16) for a 32-bit register, found (s32)"),
        ("r1 = *(u33 *)(r2 +0)",       1, 8,  "expected a type (u8 u16 u32 u64 s8 s16 s32), found `u33`"),
        ("r1 = *(s64 *)(r2 +0)",       1, 8,  "expected a type (u8 u16 u32 u64 s8 s16 s32), found `s64`"),
        ("r1 = *(u32 *)(r2 +32768)",   1, 18, "expected a number in -32768..=32767, found 32768"),
        ("r1 = *(u8 *)skb[0]",         1, 7,  "expected `r0 =` and u8, u16 or u32 for legacy packet access"),
        ("lock *(u8 *)(r1 +0) += r2",  1, 7,  "expected u32 or u64 for an atomic operation, found u8"),
        ("r2 = atomic64_xchg((u32 *)(r1 +0), r2)", 1, 20, "expected the size of the operation, found u32"),
        ("r2 = atomic64_xchg((u64 *)(r1 +0), r3)", 1, 36, "expected `r2` once more, found `r3`"),
        ("if r1 = 2 goto pc+1",        1, 7,  "expected a condition (== != > >= < <= s> s>= s< s<= &), found `=`"),
        ("if r1 == 2",                 1, 11, "expected `goto`, found the end of the line"),
        ("goto 5",                     1, 6,  "expected a label or pc+N, found `5`"),
        ("goto pc+32768",              1, 6,  "the target is 32768 slots away; goto, may_goto and if reach -32768..=32767, gotol and call 32 bits"),
        ("exit\ngoto nowhere",         2, 6,  "expected a label of this program, found `nowhere`, bound nowhere"),
        ("a: exit\na: exit",           2, 1,  "the label `a` is bound a second time"),
        ("r1: exit",                   1, 1,  "expected a label, found `r1`, which has a meaning already"),
        ("(07) r1 = 5",                1, 1,  "expected an instruction with opcode (07), found `r1 = 5`, which has (b7)"),
        ("(zz) r1 = 5",                1, 2,  "expected an opcode of two hexadecimal digits, found `zz`"),
        ("call bpf_redirect#1",        1, 6,  "expected the helper function `bpf_map_lookup_elem#1`, found `bpf_redirect#1`; a kernel function is written kernel-function#1"),
        ("r1 = map[is:5]",             1, 10, "expected the index of a map, a map declared above, or `fd:` and a descriptor, found `is`"),
        ("call pc+1#",                 1, 11, "expected the name of the function, found the end of the line"),
        ("(07) nospec",                1, 1,  "expected no opcode in front of a raw slot"),
        ("r1 = &(void *)(r2)",         1, 6,  "expected a register or a number, found `&`"),
        ("r1 = map[fd:m]",             1, 13, "expected the index of a map, a map declared above, or `fd:` and a descriptor, found `m`"),
        ("call bpf_dynptr_from_xdp",   1, 6,  "`bpf_dynptr_from_xdp` is a kernel function, whose number differs from kernel to kernel: write `bpf_dynptr_from_xdp#NUMBER`"),
        ("call bpf_map_lookup_elm",    1, 6,  "expected a helper or kernel function, found `bpf_map_lookup_elm`, which is neither"),
        ("call bpf_lookup#4000",       1, 6,  "expected a helper or kernel function, found `bpf_lookup`; a kernel function with another name is written kernel-function#4000"),
        ("r1 = *(u64 *)(r11 +4)",      1, 19, "expected one of +8, +16, +24 … behind r11, found 4"),
        ("*(u64 *)(r11 +8) = r1",      1, 14, "expected one of -8, -16, -24 … behind r11, found 8"),
        ("r1 = *(u32 *)(r11 +8)",      1, 15, "expected a register r0 to r10, found `r11`"),
        ("r1 = addr_space_cast(r2, 0, 65536)", 1, 29, "expected a number in 0..=65535, found 65536"),
        ("gotox 5",                    1, 7,  "expected a register r0 to r10, found `5`"),
        (".foo",                       1, 1,  "expected a directive (.program .map .data .licence .function .slot), found `.`"),
        (".data m 0 00",               1, 7,  "expected a map that was declared above, found `m`"),
        (".map m array key 4 value 2 entries 1\n.data m 1 0011", 2, 7, "2 bytes from 1 on do not fit a value of 2"),
        (".map m array key 4 value 2 entries 1\n.data m 0 001", 2, 11, "expected bytes, two hexadecimal digits each, found `001`"),
        (".map m array key 4 value 0xffffffff entries 1\n.data m 0 00", 2, 7, "maps hold 4294967295 bytes at first; the limit is 67108864"),
        (".licence GPL\n.licence MIT",  2, 10, "a second .licence: a text is one program"),
        (".program x what",            1, 12, "expected a program type (socket_filter sched_cls xdp), found `what`"),
        (".program x xdp frag",        1, 16, "expected the end of the line, found `frag`"),
        (".program x xdp\n.program y xdp", 2, 10, "a second .program: a text is one program"),
        (".map",                       1, 5,  "expected a name, in quotes if it has more than letters and digits, found the end of the line"),
        (".map m arr",                 1, 8,  "expected a map type (array percpu_array hash percpu_hash lru_hash ringbuf prog_array perf_event_array), found `arr`"),
        (".map m array key 4",         1, 19, "expected `value`, found the end of the line"),
        (".map m array key -4",        1, 18, "expected a number in 0..=4294967295, found -4"),
        (".map m array key 4 value 8 entries 1 flag 2", 1, 38, "expected `flags`, found `flag`"),
        (".map \"a\\u{110000}",         1, 9,  "expected `u{` and the number of a character in hexadecimal, `}`, found `u`"),
        (".map \"a",                    1, 8,  "expected `\"`, found the end of the line"),
        (".function bpf_x",            1, 11, "expected a label, found `bpf_x`, which has a meaning already"),
        ("exit\n.function a",          2, 11, "the function `a` has no instruction"),
        (".function a\n.function b",   2, 11, "two functions begin at one instruction"),
        (".function a\nexit\na: exit", 3, 1,  "the label `a` is bound a second time"),
        (".slot 0x1ffffffffffffffff",  1, 7,  "expected a number of at most 64 bits, found 0x1ffffffffffffffff"),
        ("\u{e9}\u{1b} = 1",           1, 1,  "expected an instruction, found `\u{e9}`"),
        ("r1 \u{1b}",                  1, 4,  "expected `=` or an operator such as `+=`, found `\\u{1b}`"),
    ] {
        let want = ParseError { line, column, what: what.to_owned() };
        assert_eq!(parse(text), Err(want), "{text}");
    }
}

#[test]
fn labels_count_wide_instructions_as_two_slots() {
    let text = "
        ; a comment
        start:  r1 = 0x1122334455667788
                if r1 == 0 goto end
                call twice
                gotol start
        end:    exit
        twice:
        again:  r0 = map[0]    # two more
                may_goto again
                exit
    ";
    let insns: Vec<String> = parse(text).expect("a program").iter().map(Code::to_string).collect();
    assert_eq!(
        insns,
        [
            "(18) r1 = 0x1122334455667788",
            "(15) if r1 == 0x0 goto pc+2",
            "(85) call pc+2",
            "(06) gotol pc-5",
            "(95) exit",
            "(18) r0 = map[0]",
            "(e5) may_goto pc-3",
            "(95) exit",
        ]
    );
}

#[test]
fn a_listing_in_every_form_is_read_back_to_the_same_bytes() {
    let mut asm = Assembler::new("all", ProgramKind::Xdp);
    let map = asm.map(MapSpec {
        name: "m".to_owned(),
        kind: MapKind::Array,
        key_bytes: 4,
        value_bytes: 8,
        entries_max: 1,
        flags: 0,
    });
    let (back, sub) = (asm.here(), asm.label());
    asm.origin(Origin::new(Phase::Text, "goto nowhere; a: \"quoted\"\nexit"));
    asm.load_map(R1, map);
    asm.load_map_value(R2, map, 4);
    asm.emit(Branch::function_address(R3, sub));
    asm.emit(Jmp::Ne.imm32(R1, -1, back));
    asm.emit(Branch::call(sub));
    asm.emit(Branch::may_goto(back));
    asm.emit(Insn::Exit);
    for name in ["bpf_redirect", "twice", "twice", "r1"] {
        let label = asm.label();
        asm.function(name, label);
        asm.emit(Alu::Mov.imm(R0, 1));
        asm.emit(Insn::Exit);
    }
    asm.bind(sub);
    asm.emit(Insn::Exit);
    let image = asm.finish(&Target::newest()).expect("a program");
    check_listings(&image);
}

/// Every form of the listing of `image` is read to the same bytes, and to an image with the same
/// listing.
#[track_caller]
fn check_listings(image: &ProgramImage) {
    let want = Listing::new(image).to_string();
    for form in 0..8 {
        let [bytes, labels, slots] = [1, 2, 4].map(|bit| form & bit != 0);
        let text = Listing::new(image).bytes(bytes).labels(labels).slots(slots).to_string();
        assert_eq!(parse_slots(&text), Ok(image.encode()), "{text}");
        let again = assemble(&text).and_then(Assembled::image).expect("a listing");
        assert_eq!(Listing::new(&again).to_string(), want);
        assert_eq!((again.maps(), again.kind()), (image.maps(), image.kind()));
        assert_eq!((again.name(), again.frags()), (image.name(), image.frags()));
        assert_eq!(again.functions(), image.functions());
        assert_eq!((again.contents(), again.licence()), (image.contents(), image.licence()));
    }
}

#[test]
fn directives_say_what_instructions_do_not() {
    let text = "
        .program get.4 socket_filter
        .map counters percpu_array key 4, value 8, entries 0x40
        .map \"odd \\u{3b} name\" hash key 8 value 16 entries 10 flags 0x1
        .map counters array key 4 value 2 entries 1
        .data counters 0x4 00ff
        .data 2 0 abcd
        .data counters 0x6 11
        .licence \"Dual MIT\\u{2f}GPL\"
        ; entry: look
        .function start
        r1 = map[counters]
        r2 = map[1]
        ; confirm: \"GET \" [pattern 3, byte 4]
        r3 = map[counters][0]+4
        call twice
        exit
        .function twice
        r0 = 2
        exit
    ";
    let image = assemble(text).and_then(Assembled::image).expect("a program");
    assert_eq!((image.name(), image.kind()), ("get.4", ProgramKind::SocketFilter));
    assert_eq!(image.maps()[0].entries_max, 64);
    assert_eq!((image.maps()[1].name.as_str(), image.maps()[1].flags), ("odd ; name", 1));
    let functions: Vec<_> = image.functions().iter().map(|f| (f.name.as_str(), f.slot)).collect();
    assert_eq!(functions, [("start", 0), ("twice", 8)]);
    let first = Contents { map: 0, bytes: vec![0, 0, 0, 0, 0, 0xff, 0x11, 0] };
    let third = Contents { map: 2, bytes: vec![0xab, 0xcd] };
    assert_eq!(image.contents(), [first, third]);
    assert_eq!(image.licence(), "Dual MIT/GPL");
    assert_eq!(*image.origin(0), Origin::new(Phase::Entry, "look"));
    let confirm = Origin::of_pattern(Phase::Confirm, 3, "\"GET \"").at_byte(4);
    assert_eq!(*image.origin(2), confirm);
    let third = Insn::LoadImm64 { dst: R3, value: Imm64::MapIndexValue { index: 0, offset: 4 } };
    assert_eq!(image.insns()[2], third);
    check_listings(&image);
}

#[test]
fn an_image_has_no_raw_slots_and_only_maps_that_are_declared() {
    for (text, line, what) in [
        (
            "exit\n.slot 0x1",
            2,
            "a raw slot is no instruction; as hex or raw bytes it can be written",
        ),
        ("r1 = map[0]", 1, "map 0 is not declared; 0 are, with .map"),
        ("r1 = map[-1]", 1, "map -1 is not declared; 0 are, with .map"),
    ] {
        let got = assemble(text).expect("text").image();
        assert_eq!(got, Err(ParseError { line, column: 1, what: what.to_owned() }), "{text}");
    }
}

/// Any bytes, as many as the largest program has slots; and a text without an end.
#[test]
fn a_million_slots_survive_and_a_text_beyond_all_programs_is_refused() {
    let mut number = 1_u64;
    let slots: Vec<[u8; 8]> = std::iter::repeat_with(|| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (number >> 7).to_le_bytes()
    })
    .take(1_000_000)
    .collect();
    assert!(parse_slots(&dump(&slots)) == Ok(slots), "a million slots");

    let text = "\n".repeat(program::LINES_MAX + 1);
    let error = parse(&text).expect_err("too long");
    assert_eq!(
        error.to_string(),
        "line 4194305, column 1: the text has more than 4194304 lines, the limit"
    );
}

#[test]
fn a_text_has_a_limited_number_of_maps() {
    let map = |at: usize| format!(".map m{at} array key 4 value 1 entries 1\n.data m{at} 0 ff\n");
    let text: String = (0..program::MAPS_MAX).map(map).collect();
    let assembled = assemble(&format!("{text}exit")).expect("as many as there may be");
    assert_eq!(assembled.maps.len(), program::MAPS_MAX);
    let error = assemble(&format!("{text}{}exit", map(program::MAPS_MAX))).expect_err("one more");
    assert_eq!(
        error.to_string(),
        "line 2049, column 6: the text has more than 1024 maps, the limit"
    );
}

#[test]
fn what_only_loaded_programs_have_is_bytes() {
    let slots = parse_slots("(c2) nospec\n(bf) r1 = &(void __percpu *)(r2)").expect("text");
    assert_eq!(slots, [[0xc2, 0, 0, 0, 0, 0, 0, 0], [0xbf, 0x21, 0xff, 0xff, 0, 0, 0, 0]]);
}

#[test]
fn kernel_functions_are_called_by_name_where_somebody_knows_their_numbers() {
    let number = |name: &str| (name == "bpf_strnstr" || name == "mine").then_some(4711);
    let codes = assemble_with("call bpf_strnstr\ncall mine\nmine: exit", &number).expect("text");
    let kfunc = Insn::Call(Callee::Kfunc { btf_id: 4711, module: 0 });
    assert_eq!(codes.codes[0], Code::Insn(kfunc));
    assert_eq!(codes.codes[1], Code::Insn(Insn::Call(Callee::Local(0))), "a label comes first");
}

/// Every program of the shared corpora, if they are there.
#[test]
fn the_corpora_survive_as_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora/isa");
    let Ok(llvm) = std::fs::read_to_string(folder.join("insn_llvm.tsv")) else {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    };
    let conformance = std::fs::read_to_string(folder.join("bpf_conformance.jsonl")).expect("both");
    let mut programs: Vec<String> =
        llvm.lines().filter_map(|line| Some(line.split('\t').next()?.to_owned())).collect();
    for line in conformance.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("JSON lines");
        for key in ["raw_hex", "assembled_hex"] {
            programs.extend(case[key].as_str().map(str::to_owned));
        }
    }
    assert!(programs.len() > 3000, "{} programs", programs.len());
    let mut unknown = 0;
    for hex in programs {
        let slots = slots_from_hex(&hex).expect("hexadecimal");
        check_survival(&slots);
        unknown += disassemble(&slots).iter().filter(|c| matches!(c, Code::Slot { .. })).count();
    }
    eprintln!("{unknown} slots are not instructions");
}

/// Bytes to text to the same bytes, with and without what helps the reader.
#[track_caller]
fn check_survival(slots: &[[u8; 8]]) {
    let text = dump(slots);
    assert_eq!(parse_slots(&text).as_deref(), Ok(slots), "{text}");
    for code in disassemble(slots) {
        if let Code::Insn(insn) = code {
            assert_eq!(insn.to_string().parse(), Ok(insn), "without opcode: {insn}");
        }
    }
}

/// Bytes that are often instructions: few of the reserved fields are set.
fn slots() -> impl Strategy<Value = Vec<[u8; 8]>> {
    let slot = (any::<u8>(), any::<u8>(), any::<i16>(), any::<i32>(), 0..8_u8, 0..0x120_i32);
    let slot = slot.prop_map(|(op, regs, off, imm, zero, small)| {
        let off = if zero & 1 != 0 { 0 } else { off };
        let imm = [imm, 0, small, imm][usize::from(zero >> 1)];
        let ([o0, o1], [i0, i1, i2, i3]) = (off.to_le_bytes(), imm.to_le_bytes());
        let regs = if zero == 3 { regs & 0x0f } else { regs };
        [op, regs, o0, o1, i0, i1, i2, i3]
    });
    prop::collection::vec(slot, 0..40)
}

/// Text that is often nearly a program.
fn text() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "r1",
        "w2",
        "r10",
        "=",
        "+=",
        "s>>=",
        "-",
        "+",
        "5",
        "0x",
        "0xff",
        "ll",
        "exit",
        "goto",
        "if",
        "==",
        "s>",
        "&",
        "pc",
        "pc+1",
        "call",
        "bpf_redirect",
        "#",
        "lock",
        "*",
        "(",
        ")",
        "u8",
        "s16",
        "u64",
        "skb",
        "[",
        "]",
        "map",
        "fd:",
        "btf",
        "id",
        ":",
        "subprog",
        "be16",
        "(s8)",
        "atomic64_xchg",
        "atomic_cmpxchg",
        ",",
        "load_acquire",
        "store_release",
        ".slot",
        "a:",
        "7:",
        "(bf)",
        "(18)",
        ">",
        ";",
        "//",
        "\n",
        "\u{e9}",
        "\t",
        "kernel-function#",
        "",
        "99999999999999999999",
        "module",
        "callx",
        "may_goto",
        "gotol",
    ];
    let word = prop_oneof![
        9 => prop::sample::select(WORDS).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    let spaced = prop::collection::vec((word, any::<bool>()), 0..30);
    spaced.prop_map(|words| {
        words.iter().map(|(w, space)| if *space { format!("{w} ") } else { w.clone() }).collect()
    })
}

proptest! {
    #[test]
    fn any_bytes_survive_as_text(slots in prop::collection::vec(any::<[u8; 8]>(), 0..40)) {
        check_survival(&slots);
    }

    #[test]
    fn bytes_that_are_often_instructions_survive_as_text(slots in slots()) {
        check_survival(&slots);
    }

    #[test]
    fn no_text_panics_and_what_is_read_can_be_printed(text in text()) {
        match parse_slots(&text) {
            Ok(slots) => check_survival(&slots),
            Err(error) => {
                prop_assert!(error.line >= 1 && error.column >= 1);
                prop_assert!(!error.to_string().contains('\n'), "{}", error);
            }
        }
    }

    #[test]
    fn no_characters_panic(text in any::<String>()) {
        let _outcome = parse(&text);
    }
}
