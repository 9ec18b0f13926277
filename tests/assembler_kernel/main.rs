//! The assembler against the kernel: our text of instructions is the verifier's, and jumps over
//! islands are accepted and land where they should.
//!
//! Method for the texts: each program ends in an instruction that reads a register nobody wrote,
//! so the verifier rejects it there and says how it got there, one line an instruction.

mod forms;
#[path = "../support/instructions.rs"]
mod instructions;
mod loaded;

use std::collections::BTreeMap;

use hardwire::{
    assembler::{
        Alu, Assembler, Branch, Insn, Jmp, Origin, Phase, ProgramImage, ProgramKind,
        Reg::{R0, R1, R2},
        Size, Target,
        disasm::Code,
        parse::parse,
        target::KernelVersion,
    },
    loader::{Capability, LoadOptions, Program, capability, test_run},
};

/// Programs in our text: what they show, and the text. Everything before `r0 = r9` is visited.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "arithmetic, 64 bits",
        "r1 = 7\n r2 = r1\n r2 += 5\n r2 += r1\n r2 -= -5\n r2 -= r1\n r2 *= 3\n r2 *= r1\n r2 /= 3
         r2 /= r1\n r2 |= 255\n r2 |= r1\n r2 &= 2147483647\n r2 &= r1\n r2 <<= 3\n r1 = 3
         r2 <<= r1\n r2 >>= 63\n r2 >>= r1\n r2 %= 3\n r2 %= r1\n r2 ^= -2147483648\n r2 ^= r1
         r2 s>>= 3\n r2 s>>= r1\n r2 = -r2\n r1 = 0x1122334455667788\n r1 = 0x5
         r1 = 0xffffffffffffffff",
    ),
    (
        "arithmetic, 32 bits",
        "w1 = 7\n w2 = w1\n w2 += 5\n w2 += w1\n w2 -= -5\n w2 -= w1\n w2 *= 3\n w2 *= w1\n w2 /= 3
         w2 /= w1\n w2 |= 255\n w2 |= w1\n w2 &= 2147483647\n w2 &= w1\n w2 <<= 3\n w1 = 3
         w2 <<= w1\n w2 >>= 31\n w2 >>= w1\n w2 %= 3\n w2 %= w1\n w2 ^= -2147483648\n w2 ^= w1
         w2 s>>= 3\n w2 s>>= w1\n w2 = -w2",
    ),
    (
        "signed division and extension",
        "r1 = 7\n r2 = -9\n r2 s/= 2\n r2 s/= r1\n r2 s%= 3\n r2 s%= r1\n w2 s/= 2\n w2 s/= w1
         w2 s%= 3\n w2 s%= w1\n r2 = (s8)r1\n r2 = (s16)r1\n r2 = (s32)r1\n w2 = (s8)w1
         w2 = (s16)w1",
    ),
    (
        "byte order",
        "r1 = 7\n r1 = be16 r1\n r1 = be32 r1\n r1 = be64 r1\n r1 = le16 r1\n r1 = le32 r1
         r1 = le64 r1",
    ),
    ("unconditional swaps", "r1 = 7\n r1 = bswap16 r1\n r1 = bswap32 r1\n r1 = bswap64 r1"),
    (
        "loads and stores",
        "r2 = 7\n *(u64 *)(r10 -8) = r2\n *(u32 *)(r10 -8) = r2\n *(u16 *)(r10 -8) = r2
         *(u8 *)(r10 -8) = r2\n *(u64 *)(r10 -8) = -7\n *(u32 *)(r10 -8) = 2147483647
         *(u16 *)(r10 -8) = 7\n *(u8 *)(r10 -8) = 0\n r3 = *(u64 *)(r10 -8)
         r3 = *(u32 *)(r10 -8)\n r3 = *(u16 *)(r10 -8)\n r3 = *(u8 *)(r10 -1)\n r4 = r10
         r4 += -8\n r3 = *(u8 *)(r4 +0)\n r3 = *(u16 *)(r4 +6)\n r3 = *(u32 *)(r1 +0)",
    ),
    (
        "sign-extending loads",
        "*(u64 *)(r10 -8) = -7\n r3 = *(s8 *)(r10 -8)\n r3 = *(s16 *)(r10 -8)
         r3 = *(s32 *)(r10 -8)",
    ),
    (
        "atomic operations without a result",
        "*(u64 *)(r10 -8) = 1\n r2 = 7\n lock *(u64 *)(r10 -8) += r2\n lock *(u32 *)(r10 -8) += r2",
    ),
    (
        "atomic operations of Linux 5.12",
        "*(u64 *)(r10 -8) = 1\n r2 = 7\n lock *(u64 *)(r10 -8) |= r2\n lock *(u64 *)(r10 -8) &= r2
         lock *(u64 *)(r10 -8) ^= r2\n lock *(u32 *)(r10 -8) |= r2\n lock *(u32 *)(r10 -8) &= r2
         lock *(u32 *)(r10 -8) ^= r2
         r2 = atomic64_fetch_add((u64 *)(r10 -8), r2)\n r2 = atomic_fetch_add((u32 *)(r10 -8), r2)
         r2 = atomic64_fetch_or((u64 *)(r10 -8), r2)\n r2 = atomic_fetch_or((u32 *)(r10 -8), r2)
         r2 = atomic64_fetch_and((u64 *)(r10 -8), r2)\n r2 = atomic_fetch_and((u32 *)(r10 -8), r2)
         r2 = atomic64_fetch_xor((u64 *)(r10 -8), r2)\n r2 = atomic_fetch_xor((u32 *)(r10 -8), r2)
         r2 = atomic64_xchg((u64 *)(r10 -8), r2)\n r2 = atomic_xchg((u32 *)(r10 -8), r2)
         r0 = 1
         r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r2)
         r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r2)",
    ),
    (
        "acquire and release",
        "*(u64 *)(r10 -8) = 1\n r1 = load_acquire((u64 *)(r10 -8))
         r1 = load_acquire((u32 *)(r10 -8))\n r1 = load_acquire((u16 *)(r10 -8))
         r1 = load_acquire((u8 *)(r10 -8))\n r2 = 7\n store_release((u64 *)(r10 -8), r2)
         store_release((u32 *)(r10 -8), r2)\n store_release((u16 *)(r10 -8), r2)
         store_release((u8 *)(r10 -8), r2)",
    ),
    (
        "jumps, 64 bits",
        "r1 = 7\n r2 = 8\n goto pc+0\n if r1 == 0x7 goto pc+0\n if r1 != r2 goto pc+0
         if r1 > 0x7 goto pc+0\n if r1 >= r2 goto pc+0\n if r1 < 0xffffffff goto pc+0
         if r1 <= r2 goto pc+0\n if r1 & 0x7 goto pc+0\n if r1 s> r2 goto pc+0
         if r1 s>= 0x80000000 goto pc+0\n if r1 s< r2 goto pc+0\n if r1 s<= 0x7 goto pc+0",
    ),
    (
        "jumps, 32 bits",
        "w1 = 7\n w2 = 8\n if w1 == 0x7 goto pc+0\n if w1 != w2 goto pc+0\n if w1 > 0x7 goto pc+0
         if w1 >= w2 goto pc+0\n if w1 < 0xffffffff goto pc+0\n if w1 <= w2 goto pc+0
         if w1 & w2 goto pc+0\n if w1 s> w2 goto pc+0\n if w1 s>= 0x80000000 goto pc+0
         if w1 s< w2 goto pc+0\n if w1 s<= 0x7 goto pc+0",
    ),
    ("backward and forward", "goto pc+2\n w1 = 1\n goto pc+1\n goto pc-3\n w2 = 2"),
    ("long jumps", "gotol pc+2\n w1 = 1\n gotol pc+1\n gotol pc-3\n w2 = 2"),
    ("may_goto", "w1 = 1\n may_goto pc+0\n may_goto pc+0"),
    (
        "legacy packet access",
        "r6 = r1\n r0 = *(u8 *)skb[12]\n r0 = *(u16 *)skb[12]\n r0 = *(u32 *)skb[12]\n r7 = 1
         r0 = *(u8 *)skb[r7 + -4]\n r0 = *(u16 *)skb[r7 + 4]\n r0 = *(u32 *)skb[r7 + 4]",
    ),
    (
        "helper functions",
        "r6 = r1\n call bpf_ktime_get_ns#5\n call bpf_get_smp_processor_id#8
         call bpf_get_prandom_u32#7\n r1 = r6\n r2 = 0\n r3 = r10\n r3 += -8\n r4 = 4
         call bpf_skb_load_bytes#26",
    ),
    ("a local function", "call pc+3"),
];

/// What every program ends with: the mistake, and a function for `call pc+3`.
const END: &str = "\n r0 = r9\n r0 = 0\n exit\n r0 = 1\n exit";

fn skip(why: &str) {
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(!required, "KERNEL_TESTS=required, but: {why}");
    eprintln!("skipped: {why}");
}

/// The instructions of `log` by slot, as text with opcode and without register states.
fn traced(log: &str) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for line in log.lines() {
        let Some((slot, text)) = line.split_once(": ") else { continue };
        let Ok(slot) = slot.parse() else { continue };
        if text.starts_with('(') {
            found.insert(slot, text.split(';').next().unwrap_or_default().trim_end().to_owned());
        }
    }
    found
}

fn may_load() -> bool {
    let missing = capability::missing(&Capability::ATTACH);
    if !missing.is_empty() {
        skip(&format!("missing {missing:?}"));
    }
    missing.is_empty()
}

/// A program for 5.10 that jumps about 100,000 slots forward and back: the first byte of the
/// packet says which of the two ways is taken.
#[test]
fn the_verifier_accepts_islands_and_jumps_over_them_land() {
    if !may_load() {
        return;
    }
    let mut asm = Assembler::new("islands", ProgramKind::Xdp);
    let (far, near, end, short) = (asm.label(), asm.label(), asm.label(), asm.label());
    asm.emit(Size::W.load(R2, R1, 4));
    asm.emit(Size::W.load(R1, R1, 0));
    asm.emit(Alu::Mov.reg(R0, R1));
    asm.emit(Alu::Add.imm(R0, 1));
    asm.emit(Jmp::Gt.reg(R0, R2, short));
    asm.emit(Size::B.load(R1, R1, 0));
    asm.emit(Alu::Mov.imm(R0, 0));
    asm.emit(Jmp::Eq.imm(R1, 1, far));
    asm.bind(near);
    for _ in 0..100_000 {
        asm.emit(Alu::Add.imm(R0, 1));
    }
    asm.emit(Branch::goto(end));
    asm.bind(far);
    asm.emit(Alu::Mov.imm(R0, 7));
    asm.emit(Branch::goto(near));
    asm.bind(short);
    asm.emit(Alu::Mov.imm(R0, 0));
    asm.bind(end);
    asm.emit(Insn::Exit);
    let image = asm.finish(&Target::of_version(KernelVersion::OLDEST)).expect("islands help");
    assert!(!image.insns().iter().any(|i| matches!(i, Insn::GotoLong { .. })), "no gotol");
    let program = Program::load(&image, &LoadOptions::default()).expect("it loads");
    for (first, retval) in [(0, 100_000), (1, 100_007)] {
        let mut packet = [0; 64];
        packet[0] = first;
        let ran = test_run::run(&program, &packet, 1, false).expect("it runs");
        assert_eq!(ran.retval, retval, "first byte {first}");
    }
}

#[test]
fn every_form_reads_as_in_the_trace_of_the_verifier() {
    if !may_load() {
        return;
    }
    let mut wrong = Vec::new();
    for (what, text) in PROGRAMS {
        // A function that nobody calls is refused, so it is there only for the one who does.
        let end = if text.contains("call pc") { END } else { "\n r0 = r9\n exit" };
        let text = format!("{text}{end}");
        let codes = parse(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
        let insns = codes.iter().map(|code| match code {
            Code::Insn(insn) => *insn,
            Code::Slot { .. } => panic!("{what}: a raw slot"),
        });
        let kind = ProgramKind::SocketFilter;
        let origin = Origin::new(Phase::Text, *what);
        let image = ProgramImage::from_insns("text", kind, insns.collect(), Vec::new(), origin);
        let Err(error) = Program::load(&image, &LoadOptions::default()) else {
            panic!("{what}: it must not load");
        };
        let log = &error.verifier_log().unwrap_or_else(|| panic!("{what}: {error}")).whole;
        if log.contains("unknown opcode") || log.contains("reserved fields") {
            eprintln!("skipped: {what}: this kernel does not have them: {error}");
            continue;
        }
        let theirs = traced(log);
        let mut seen_end = false;
        for (index, code) in codes.iter().enumerate() {
            let (slot, ours) = (image.slot_of(index), code.to_string());
            match theirs.get(&slot) {
                Some(theirs) if *theirs == ours => {}
                Some(theirs) => wrong.push(format!("{what}: ours {ours}, the kernel's {theirs}")),
                None if seen_end && !text.contains("call pc") => {}
                None if ours == "(b7) r0 = 0" || ours == "(95) exit" => {}
                None => wrong.push(format!("{what}: slot {slot} was not visited: {ours}\n{log}")),
            }
            seen_end |= ours == "(bf) r0 = r9";
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
