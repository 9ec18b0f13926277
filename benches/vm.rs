//! The vm beside the interpreter of `rbpf`, on the same programs and the same bytes, in one run.
//!
//! ```text
//! cargo bench --bench vm                a few seconds: a table and the bound
//! cargo bench --bench vm -- --json      one line a program on standard output
//! ```
//!
//! The programs keep to what both machines run alike: plain memory at `r1`, no helpers. Both must
//! give the same result before either is timed; then they take turns, and the least of many tries
//! counts, so that the noise of the machine hits both alike. The bound is a factor of three.

use std::{
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

use hardwire::{
    assembler::{encode, parse},
    vm::{Context, Machine},
};
use serde_json::json;

/// How much faster than `rbpf` the vm must be on every program.
const BOUND: f64 = 3.0;
/// Turns that each machine gets.
const TURNS: u32 = 60;
/// A turn lasts at least this long.
const TURN: Duration = Duration::from_millis(5);
/// Bytes of the memory that programs get.
const MEMORY_BYTES: usize = 1500;
/// Enough for every run here.
const LIMIT: u64 = 100_000_000;

/// A program as text, and what it is.
struct Case {
    name: &'static str,
    text: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        name: "matcher: eight bytes at a time, then confirm",
        // Does "/etc/passwd" occur? A byte equal to '/' is a zero byte of the word xor "////////".
        text: "
            r6 = r1
            r7 = 0
            r8 = 0x2f2f2f2f2f2f2f2f ll
            r9 = 0x0101010101010101 ll
            r3 = 0x8080808080808080 ll
        block:
            r2 = *(u64 *)(r6 +0)
            r2 ^= r8
            r4 = r2
            r4 -= r9
            r2 ^= -1
            r4 &= r2
            r4 &= r3
            if r4 == 0x0 goto next
            r5 = 0
        candidate:
            r1 = r6
            r1 += r5
            r0 = *(u64 *)(r1 +0)
            r2 = 0x7361702f6374652f ll
            if r0 != r2 goto miss
            r0 = *(u32 *)(r1 +7)
            if w0 == 0x64777373 goto found
        miss:
            r5 += 1
            if r5 < 0x8 goto candidate
        next:
            r6 += 8
            r7 += 8
            if r7 < 0x5d0 goto block
            r0 = 0
            exit
        found:
            r0 = 1
            exit",
    },
    Case {
        name: "matcher: byte by byte",
        text: "
            r6 = r1
            r7 = 0
        position:
            r2 = *(u8 *)(r6 +0)
            if r2 != 0x2f goto next
            r2 = *(u8 *)(r6 +1)
            if r2 != 0x65 goto next
            r2 = *(u8 *)(r6 +2)
            if r2 != 0x74 goto next
            r2 = *(u8 *)(r6 +3)
            if r2 != 0x63 goto next
            r0 = 1
            exit
        next:
            r6 += 1
            r7 += 1
            if r7 < 0x5d8 goto position
            r0 = 0
            exit",
    },
    Case {
        name: "arithmetic: xorshift and multiply, 64 and 32 bits",
        text: "
            r0 = 1
            r1 = 0x9e3779b97f4a7c15 ll
            r2 = 5000
        again:
            r3 = r1
            r3 <<= 13
            r1 ^= r3
            r3 = r1
            r3 >>= 7
            r1 ^= r3
            r3 = r1
            r3 <<= 17
            r1 ^= r3
            w3 += w1
            w3 *= 16777619
            w3 ^= w0
            r0 += r3
            r0 *= 31
            r2 -= 1
            if r2 != 0x0 goto again
            exit",
    },
    Case {
        name: "memory: sums kept in memory and on the stack",
        text: "
            r6 = r1
            r7 = 0
            *(u64 *)(r10 -8) = r7
        again:
            r2 = *(u8 *)(r6 +0)
            r3 = *(u16 *)(r6 +2)
            r4 = *(u32 *)(r6 +4)
            r2 += r3
            r2 += r4
            *(u32 *)(r6 +0) = r2
            r5 = *(u64 *)(r10 -8)
            r5 += r2
            *(u64 *)(r10 -8) = r5
            *(u8 *)(r10 -16) = r5
            r6 += 8
            r7 += 8
            if r7 < 0x5d0 goto again
            r0 = *(u64 *)(r10 -8)
            exit",
    },
];

/// Words in which '/' is about as frequent as in a request line.
fn memory() -> Vec<u8> {
    b"GET /index/page.html HTTP/1.1 accept text/html, and a good deal of prose between. "
        .iter()
        .copied()
        .cycle()
        .take(MEMORY_BYTES)
        .collect()
}

/// Nanoseconds of one call of `run`, of one turn.
fn turn(run: &mut dyn FnMut() -> u64) -> f64 {
    let start = Instant::now();
    let mut calls = 0_u32;
    while start.elapsed() < TURN {
        std::hint::black_box(run());
        calls += 1;
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

/// What one program took: instructions, and nanoseconds in the vm and in `rbpf`.
struct Figures {
    executed: u64,
    ours: f64,
    theirs: f64,
}

fn measure(case: &Case) -> Result<Figures, Box<dyn Error>> {
    let slots = parse::parse_slots(case.text)?;
    let bytes: Vec<u8> = slots.concat();
    let mut machine = Machine::from_insns(&encode::decode_all(&slots)?, &[])?;
    machine.set_instruction_limit(LIMIT);
    let rbpf = rbpf::EbpfVmRaw::new(Some(&bytes))?;

    let (mut left, mut right) = (memory(), memory());
    let (one, two) = (machine.run(Context::memory(&mut left))?, rbpf.execute_program(&mut right)?);
    if one != two || left != right {
        return Err(format!("{}: {one:#x} here, {two:#x} in rbpf", case.name).into());
    }
    let executed = machine.executed();
    let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..TURNS {
        let mut run = || machine.run(Context::memory(&mut left)).expect("ran before");
        ours = ours.min(turn(&mut run));
        let mut run = || rbpf.execute_program(&mut right).expect("ran before");
        theirs = theirs.min(turn(&mut run));
    }
    Ok(Figures { executed, ours, theirs })
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let json = std::env::args().any(|argument| argument == "--json");
    let mut worst = f64::INFINITY;
    if !json {
        println!(
            "{:<52}{:>9}{:>9}{:>9}{:>8}",
            "nanoseconds an instruction", "executed", "vm", "rbpf", "ratio"
        );
    }
    for case in &CASES {
        let Figures { executed, ours, theirs } = measure(case)?;
        let ratio = theirs / ours;
        worst = worst.min(ratio);
        let count = f64::from(u32::try_from(executed)?);
        let (ours, theirs) = (ours / count, theirs / count);
        if json {
            let line = json!({
                "program": case.name, "executed": executed,
                "vm_ns": ours, "rbpf_ns": theirs, "ratio": ratio,
            });
            println!("{line}");
        } else {
            println!("{:<52}{executed:>9}{ours:>9.2}{theirs:>9.2}{ratio:>7.1}x", case.name);
        }
    }
    let kept = worst >= BOUND;
    if !json {
        let verdict = if kept { "ok" } else { "MISSED" };
        println!("at least {BOUND}x as fast as rbpf: worst {worst:.1}x  {verdict}");
    }
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
