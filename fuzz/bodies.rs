//! What the fuzz targets do with the bytes that they are given: any bytes must be answered, and
//! what must hold of the answers is asserted. `tests/fuzz.rs` runs the same on random bytes and on
//! every input that once failed (`regressions`).
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo fuzz run decode --sanitizer none -- -max_total_time=300
//! ```
//!
//! Without a sanitizer it needs no nightly compiler, and there is no `unsafe` in these paths.

// Each target uses one of them.
#![allow(dead_code, reason = "one target, one body")]

use hardwire::{
    assembler::{
        Origin, Phase, ProgramImage, ProgramKind, check,
        disasm::{self, Code},
        dot, emit, encode,
        listing::Listing,
        parse::{self, Assembled},
    },
    loader::VerifierLog,
    vm::{Context, Machine},
};

/// Slots that are shown in every form; more of them only take longer.
const SLOTS_MAX: usize = 512;

/// Instructions that the vm may run.
const RUN_MAX: u64 = 4096;

/// Bytes are a program or are not, and survive as text in any case.
pub(crate) fn decode(bytes: &[u8]) {
    let slots = &bytes.as_chunks::<8>().0[..bytes.len().min(SLOTS_MAX * 8) / 8];
    let text = disasm::dump(slots);
    assert_eq!(parse::parse_slots(&text).as_deref(), Ok(slots), "{text}");
    let codes = disasm::disassemble(slots);
    for code in &codes {
        if let Code::Insn(insn) = code {
            assert_eq!(insn.to_string().parse(), Ok(*insn), "without its opcode");
        }
    }
    match encode::decode_all(slots) {
        Ok(insns) => {
            assert_eq!(encode::encode_all(&insns), slots);
            let kind = ProgramKind::Xdp;
            let origin = Origin::new(Phase::Text, "fuzz");
            show(&ProgramImage::from_insns("fuzz", kind, insns.clone(), Vec::new(), origin));
            if let Ok(mut machine) = Machine::from_insns(&insns, &[]) {
                machine.set_instruction_limit(RUN_MAX);
                let mut memory = [0x5a; 64];
                let _outcome = machine.run(Context::memory(&mut memory));
            }
        }
        Err(error) => {
            let at = |code: &Code| matches!(code, Code::Slot { .. });
            assert!(codes.iter().any(at), "{error}, and yet all are instructions");
            assert!(error.slot < slots.len());
        }
    }
}

/// Every form of an image that may be no program.
fn show(image: &ProgramImage) {
    let _verdict = check::check(image);
    for form in 0..8 {
        let [bytes, labels, slots] = [1, 2, 4].map(|bit| form & bit != 0);
        let text = Listing::new(image).bytes(bytes).labels(labels).slots(slots).to_string();
        assert_eq!(parse::parse_slots(&text), Ok(image.encode()), "{text}");
    }
    let hex = emit::slots_from_hex(&emit::hex(image)).expect("our own hexadecimal");
    assert_eq!(hex, image.encode());
    assert!(emit::c(image).ends_with("};\n"));
    assert!(dot::dot(image).ends_with("}\n"));
}

/// Text is a program or an error with its place; of a program nothing is lost in a listing.
pub(crate) fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let assembled = match parse::assemble(&text) {
        Ok(assembled) => assembled,
        Err(error) => {
            let lines = text.lines().count();
            assert!((1..=lines).contains(&error.line), "{error} of {lines} lines");
            assert!(error.column >= 1 && !error.to_string().contains('\n'), "{error}");
            return;
        }
    };
    let slots = assembled.slots();
    if slots.len() > SLOTS_MAX {
        return;
    }
    assert_eq!(parse::parse_slots(&disasm::dump(&slots)), Ok(slots.clone()));
    let Ok(image) = assembled.image() else { return };
    assert_eq!(image.encode(), slots);
    show(&image);
    let listing = Listing::new(&image).to_string();
    let again = parse::assemble(&listing).and_then(Assembled::image);
    let again = again.unwrap_or_else(|error| panic!("{error}:\n{listing}"));
    assert_eq!(Listing::new(&again).to_string(), listing);
    assert_eq!((again.maps(), again.contents()), (image.maps(), image.contents()));
}

/// A log is read, whatever it says; the first byte decides what is known beside it.
pub(crate) fn log(bytes: &[u8]) {
    let (known, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let text = String::from_utf8_lossy(rest);
    let image = parse::assemble("r0 = 0\nr1 = 0x5\nif r0 == 1 goto pc+1\nr0 = r9\nexit")
        .and_then(Assembled::image)
        .expect("a program");
    let saved = VerifierLog::read_saved(&text);
    let _kinds = (saved.is_of_success(), saved.is_of_something_else());
    let log = VerifierLog::read(&text, known & 1 != 0, (known & 2 != 0).then_some(&image));
    assert_eq!(log.whole, text);
    assert!(!log.reason.contains('\n'), "{:?}", log.reason);
    assert!(!log.to_string().contains('\n'), "{log}");
    for (name, words) in log.registers_in_words() {
        assert!(!name.contains('\n') && !words.contains('\n'), "{name}: {words}");
    }
}
