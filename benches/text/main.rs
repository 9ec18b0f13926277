//! Text of programs both ways: instructions a second, and whether twice the program takes twice
//! the time.
//!
//! ```text
//! cargo bench --bench text
//! ```
//!
//! Each figure is the best of several runs of one program. A bound that is missed is said, and the
//! exit status is 1.

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use hardwire::assembler::{
    Alu, Assembler, Branch, Helper, Insn, Jmp, MapKind, MapSpec, Origin, Phase, ProgramImage,
    ProgramKind, Reg, Size, Target, disasm, dot, emit, encode, listing::Listing, parse,
};

/// Slots of the smaller program; the larger one has ten times as many.
const SLOTS: usize = 50_000;

/// Instructions a second that assembling and disassembling must reach.
const PER_SECOND_MIN: f64 = 1e6;

/// How much longer an instruction of the larger program may take: caches are what they are.
const GROWTH_MAX: f64 = 3.0;

/// Runs of each, of which the best counts.
const RUNS: usize = 5;

/// A program of about this many slots that has something of everything that generated code has.
fn program(slots: usize) -> ProgramImage {
    let mut asm = Assembler::new("bench", ProgramKind::Xdp);
    let map = asm.map(MapSpec {
        name: "counters".to_owned(),
        kind: MapKind::PerCpuArray,
        key_bytes: 4,
        value_bytes: 8,
        entries_max: 64,
        flags: 0,
    });
    let mut label = asm.label();
    let mut number = 0_i32;
    while asm.len() < slots * 9 / 10 {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, ..] = number.to_le_bytes();
        let (r, s) = (Reg::ALL[usize::from(a % 10)], Reg::ALL[usize::from(b % 10)]);
        if asm.len().is_multiple_of(9) {
            asm.origin(Origin::of_pattern(Phase::Confirm, 1, format!("candidate {}", asm.len())));
        }
        asm.emit(Alu::Mov.reg(r, s));
        asm.emit(Alu::Add.imm(r, number));
        asm.emit(Size::W.load(s, r, i16::from(a)));
        asm.emit(Size::DW.store(Reg::R10, -8, s));
        asm.emit(Jmp::Ne.imm32(s, number, label));
        asm.emit(Jmp::Gt.reg(r, s, label));
        asm.emit(Alu::Xor.reg32(r, s));
        if a < 40 {
            asm.load_map(Reg::R1, map);
            asm.emit(Insn::call(Helper::MapLookupElem));
        } else if a < 80 {
            asm.emit(Insn::load_imm64(r, u64::from(number.cast_unsigned()) << 17));
            asm.emit(Branch::goto(label));
        }
        asm.bind(label);
        label = asm.label();
    }
    asm.bind(label);
    asm.emit(Alu::Mov.imm(Reg::R0, 0));
    asm.emit(Insn::Exit);
    asm.finish(&Target::newest()).expect("a program")
}

/// The best time of `work`.
fn best<T>(mut work: impl FnMut() -> T) -> Duration {
    let once = |_| {
        let started = Instant::now();
        black_box(work());
        started.elapsed()
    };
    (0..RUNS).map(once).min().expect("at least one run")
}

/// Everything that is measured: what, must it be fast, and how long it took.
fn measure(image: &ProgramImage) -> Vec<(&'static str, bool, Duration)> {
    let slots = image.encode();
    let raw = disasm::dump(&slots);
    let listing = Listing::new(image).to_string();
    let edited = Listing::new(image).labels(true).to_string();
    assert_eq!(parse::parse_slots(&raw).as_ref(), Ok(&slots), "bytes to text to bytes");
    let again = parse::assemble(&edited).and_then(parse::Assembled::image).expect("a listing");
    assert_eq!(Listing::new(&again).to_string(), listing, "text to image to text");
    vec![
        ("decode", true, best(|| encode::decode_all(&slots))),
        ("encode", true, best(|| image.encode())),
        ("disassemble: bytes to text", true, best(|| disasm::dump(&slots))),
        ("assemble: text to bytes", true, best(|| parse::parse_slots(&raw))),
        ("assemble a listing to an image", true, {
            best(|| parse::assemble(&edited).and_then(parse::Assembled::image))
        }),
        ("listing", false, best(|| Listing::new(image).to_string())),
        ("listing with labels, bytes, slots", false, {
            best(|| Listing::new(image).labels(true).bytes(true).slots(true).to_string())
        }),
        ("hex", false, best(|| emit::hex(image))),
        ("C", false, best(|| emit::c(image))),
        ("dot", false, best(|| dot::dot(image))),
    ]
}

fn main() -> ExitCode {
    let (small, large) = (program(SLOTS), program(SLOTS * 10));
    let count = |image: &ProgramImage| f64::from(u32::try_from(image.insns().len()).expect("few"));
    println!("millions of instructions a second, best of {RUNS}");
    println!("{:<36}{:>10}{:>12}{:>14}", "slots", small.slot_count(), large.slot_count(), "growth");
    let mut missed = 0;
    for (small_row, large_row) in measure(&small).into_iter().zip(measure(&large)) {
        let (what, must, time) = small_row;
        let rate = |image: &ProgramImage, time: Duration| count(image) / time.as_secs_f64();
        let (slow, fast) = (rate(&large, large_row.2), rate(&small, time));
        let growth = fast / slow;
        let verdict = match (must && slow < PER_SECOND_MIN, growth > GROWTH_MAX) {
            (true, _) => "  MISSED: a million a second",
            (false, true) => "  MISSED: not linear",
            (false, false) => "",
        };
        missed += usize::from(!verdict.is_empty());
        println!("{what:<36}{:>10.1}{:>12.1}{growth:>13.2}x{verdict}", fast / 1e6, slow / 1e6);
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
