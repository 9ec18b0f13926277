//! Types and lines: what a program says about itself reaches the kernel, and comes back from it.

use hardwire::{
    assembler::{
        Alu, Branch, Insn, Jmp, Origin, Phase, ProgramImage, ProgramKind,
        Reg::{R0, R1, R2, R3, R6},
        Size,
        insn::Imm64,
    },
    compiler::{self, Entry, Options, ir},
    loader::{LoadOptions, Program, features},
};

use super::{image, may_load};

/// Loads `GET ` without a bounds check, in a function of its own.
fn broken() -> ProgramImage {
    image(ProgramKind::Xdp, |asm| {
        let (look, miss) = (asm.label(), asm.label());
        asm.origin(Origin::new(Phase::Entry, "context"));
        asm.emit(Insn::LoadImm64 { dst: R6, value: Imm64::Value(1) });
        asm.emit(Branch::call(look));
        asm.emit(Insn::Exit);
        asm.function("look", look);
        asm.origin(Origin::of_pattern(Phase::Confirm, 1, "; R1=match \"GET \" at +0"));
        asm.emit(Size::W.load(R2, R1, 0));
        asm.emit(Size::W.load(R3, R2, 0));
        asm.emit(Jmp::Ne.imm32(R3, 0x2054_4547, miss));
        asm.bind(miss);
        asm.origin(Origin::new(Phase::Verdict, "pass"));
        asm.emit(Alu::Mov.imm(R0, 2));
        asm.emit(Insn::Exit);
    })
}

#[test]
fn the_verifier_speaks_of_the_pattern_and_its_log_is_read_all_the_same() {
    if !may_load() || !features::PROGRAM_TYPES.support().is_yes() {
        return;
    }
    let e = Program::load(&broken(), &LoadOptions::default()).expect_err("no bounds check");
    let with = e.verifier_log().expect("a log");
    for line in ["; entry: context", "; confirm: ; R1=match \"GET \" at +0"] {
        assert!(with.whole.contains(line), "{line}:\n{}", with.whole);
    }
    let options = LoadOptions { without_types: true, ..LoadOptions::default() };
    let e = Program::load(&broken(), &options).expect_err("no bounds check");
    let without = e.verifier_log().expect("a log");
    assert!(!without.whole.contains("\n; "), "{}", without.whole);
    assert_eq!(
        (with.slot, &with.insn, &with.origin, &with.registers, &with.reason, &with.explanation),
        (
            without.slot,
            &without.insn,
            &without.origin,
            &without.registers,
            &without.reason,
            &without.explanation
        )
    );
    assert_eq!(with.slot, Some(5));
}

#[test]
fn functions_and_lines_are_known_to_the_kernel() {
    if !may_load() || !features::PROGRAM_TYPES.support().is_yes() {
        return;
    }
    for kind in [ProgramKind::Xdp, ProgramKind::SocketFilter, ProgramKind::SchedCls] {
        let image = image(kind, |asm| {
            let (one, two) = (asm.label(), asm.label());
            asm.emit(Branch::call(one));
            asm.emit(Branch::call(two));
            asm.origin(Origin::new(Phase::Verdict, "é\0 \n"));
            asm.emit(Insn::Exit);
            for (name, label) in [("one", one), ("", two)] {
                asm.function(name, label);
                asm.emit(Alu::Mov.imm(R0, 2));
                asm.emit(Insn::Exit);
            }
        });
        let program = Program::load(&image, &LoadOptions::default()).expect("loads");
        assert!(program.without_types().is_none(), "{:?}", program.without_types());
        let info = program.info().expect("known");
        assert_ne!(info.btf_id, 0);
        assert_eq!((info.functions, info.lines), (3, 4), "{kind:?}");
        let options = LoadOptions { without_types: true, ..LoadOptions::default() };
        let info = Program::load(&image, &options).expect("loads").info().expect("known");
        assert_eq!((info.btf_id, info.functions, info.lines), (0, 0, 0));
    }
}

/// Goal: no pattern makes types that the kernel refuses.
#[test]
fn compiled_programs_of_every_kind_carry_their_lines() {
    if !may_load() || !features::PROGRAM_TYPES.support().is_yes() {
        return;
    }
    let target = features::target().expect("probed");
    let patterns: [&[&[u8]]; 4] = [
        &[b"GET /admin"],
        &[b"\0\"\\\n; R1=\xff\x80"],
        &[&[b'x'; 200]],
        &[b"one", b"three", b"\n"],
    ];
    for literals in patterns {
        for entry in [Entry::Xdp, Entry::SocketFilter] {
            let matcher = ir::Matcher {
                patterns: (1..)
                    .zip(literals)
                    .map(|(id, bytes)| ir::Pattern::literal(id, *bytes))
                    .collect(),
                scope: ir::Scope::Payload,
                report: ir::Report::First,
                verdicts: ir::Verdicts::default(),
            };
            let compiled =
                compiler::compile(&matcher, entry, &target, &Options::default()).expect("compiles");
            let program = Program::load(&compiled.image, &LoadOptions::default()).expect("loads");
            assert!(program.without_types().is_none(), "{literals:?}");
            assert!(program.info().expect("known").lines > 10);
        }
    }
}
