//! Programs: load, ask about, run.

use hardwire::{
    assembler::{
        Alu, Assembler, Helper, Insn, Jmp, MapKind, Origin, Phase, ProgramImage, ProgramKind,
        Reg::{R0, R1, R2, R3, R4, R10},
        Size, Target,
        insn::Imm64,
    },
    loader::{LoadError, LoadOptions, Program, TestRunError, features, test_run},
};

use super::{image, may_load, returning, spec};

#[test]
fn a_program_counts_in_its_maps_and_returns_its_verdict() {
    if !may_load() {
        return;
    }
    let image = counting();
    let before = image.clone();
    let program =
        Program::load(&image, &LoadOptions { log: true, ..LoadOptions::default() }).expect("loads");
    assert_eq!(image, before, "loading patches a copy");

    let run = test_run::run(&program, &[7; 60], 5, true).expect("runs");
    assert_eq!(run.retval, 2);
    assert_eq!(run.data_out, Some(vec![7; 60]));
    let counts = program.maps()[0].read_array().expect("read");
    let sum: u64 = counts.entry(0).map(|v| u64::from_ne_bytes(v.try_into().expect("8"))).sum();
    assert_eq!(sum, 5);
    let bytes = program.maps()[1].lookup(&[0; 4]).expect("read").expect("there");
    assert_eq!(bytes.value()[8..], 60_u64.to_ne_bytes());

    let info = program.info().expect("known");
    assert_eq!((info.name.as_str(), info.prog_type), ("test", 6));
    assert_eq!(info.map_ids.len(), 2);
    assert_eq!(info.tag_hex().len(), 16);
    assert!(info.verified_insns.is_none_or(|n| n > 10));
    assert!(program.stats().expect("asked for").processed.expect("said") > 10);
    assert!(!program.xlated().expect("known").is_empty());
    let same = Program::by_id(info.id).expect("found");
    assert_eq!(same.info().expect("known").tag, info.tag);
    assert!(Program::ids().expect("root").contains(&info.id));
}

/// Counts packets in a per-CPU array by lookup and notes their bytes in an array by direct pointer.
fn counting() -> ProgramImage {
    image(ProgramKind::Xdp, |asm| {
        let packets = asm.map(spec("packets", MapKind::PerCpuArray, 4, 8, 1));
        let bytes = asm.map(spec("bytes", MapKind::Array, 4, 16, 1));
        let out = asm.label();
        asm.emit(Size::W.load(R2, R1, 0));
        asm.emit(Size::W.load(R3, R1, 4));
        asm.emit(Alu::Sub.reg(R3, R2));
        asm.load_map_value(R1, bytes, 8);
        asm.emit(Size::DW.store(R1, 0, R3));
        asm.emit(Size::W.store_imm(R10, -4, 0));
        asm.emit(Alu::Mov.reg(R2, R10));
        asm.emit(Alu::Add.imm(R2, -4));
        asm.load_map(R1, packets);
        asm.emit(Insn::call(Helper::MapLookupElem));
        asm.emit(Jmp::Eq.imm(R0, 0, out));
        asm.emit(Size::DW.load(R1, R0, 0));
        asm.emit(Alu::Add.imm(R1, 1));
        asm.emit(Size::DW.store(R0, 0, R1));
        asm.bind(out);
        asm.emit(Alu::Mov.imm(R0, 2));
        asm.emit(Insn::exit());
    })
}

#[test]
fn what_cannot_be_run_is_refused_with_numbers() {
    if !may_load() {
        return;
    }
    let program = Program::load(&returning(1), &LoadOptions::default()).expect("loads");
    let e = test_run::run(&program, &[0; 13], 1, false).expect_err("short");
    assert_eq!(e.to_string(), "BPF_PROG_TEST_RUN takes packets of 14 bytes and more, not 13");
    assert_eq!(test_run::run(&program, &[0; 14], 1, false).expect("runs").retval, 1);
    let e = test_run::run(&program, &[0; 200_000], 1, false).expect_err("long");
    assert!(matches!(e, TestRunError::PacketSize { bytes: 200_000, .. }), "{e:?}");
    assert!(e.hint().is_some());
}

#[test]
fn a_socket_filter_sees_the_packet_behind_fourteen_bytes() {
    if !may_load() {
        return;
    }
    let image = image(ProgramKind::SocketFilter, |asm| {
        let out = asm.label();
        asm.emit(Alu::Mov.imm(R2, 0));
        asm.emit(Alu::Mov.reg(R3, R10));
        asm.emit(Alu::Add.imm(R3, -8));
        asm.emit(Alu::Mov.imm(R4, 1));
        asm.emit(Insn::call(Helper::SkbLoadBytes));
        asm.emit(Jmp::Ne.imm(R0, 0, out));
        asm.emit(Size::B.load(R0, R10, -8));
        asm.emit(Insn::exit());
        asm.bind(out);
        asm.emit(Alu::Mov.imm(R0, 0x100));
        asm.emit(Insn::exit());
    });
    let program = Program::load(&image, &LoadOptions::default()).expect("loads");
    let packet: Vec<u8> = (0..60).collect();
    assert_eq!(test_run::run(&program, &packet, 1, false).expect("runs").retval, 14);
    assert_eq!(test_run::run(&program, &packet[..14], 1, false).expect("runs").retval, 0x100);
}

#[test]
fn a_program_with_fragments_takes_a_packet_of_sixty_thousand_bytes() {
    if !may_load() {
        return;
    }
    if !features::XDP_FRAGS.support().is_yes() {
        eprintln!("skipped: this kernel has no XDP fragments");
        return;
    }
    let mut asm = Assembler::new("frags", ProgramKind::Xdp);
    asm.set_frags(true);
    asm.emit(Insn::call(Helper::XdpGetBuffLen));
    asm.emit(Insn::exit());
    let image = asm.finish(&Target::newest()).expect("assembles");
    let program = Program::load(&image, &LoadOptions::default()).expect("loads");
    assert!(program.frags());
    assert_eq!(test_run::run(&program, &[0; 60_000], 1, false).expect("runs").retval, 60_000);
}

#[test]
fn a_large_valid_program_loads_although_its_trace_would_not_fit() {
    if !may_load() {
        return;
    }
    let image = image(ProgramKind::Xdp, |asm| {
        asm.emit(Alu::Mov.imm(R0, 0));
        for _ in 0..100_000 {
            asm.emit(Alu::Add.imm(R0, 1));
        }
        asm.emit(Insn::exit());
    });
    let program =
        Program::load(&image, &LoadOptions { log: true, ..LoadOptions::default() }).expect("loads");
    assert_eq!(test_run::run(&program, &[0; 14], 1, false).expect("runs").retval, 100_000);
    assert_eq!(program.stats().expect("asked for").processed, Some(100_002));
}

#[test]
fn an_image_that_no_kernel_loads_is_refused_before_the_kernel_is_asked() {
    let text = |insn, name: &str| {
        let insns = vec![Alu::Mov.imm(R0, 0), insn, Insn::exit()];
        let origin = Origin::new(Phase::Text, "by hand");
        ProgramImage::from_insns(name, ProgramKind::Xdp, insns, Vec::new(), origin)
    };
    let load = |value| Insn::LoadImm64 { dst: R1, value };
    for (image, want) in [
        (text(load(Imm64::MapIndex(3)), "x"), "program \"x\": slot 1: refers to map 3 of 0"),
        (text(load(Imm64::MapIndex(-1)), "x"), "program \"x\": slot 1: refers to map -1 of 0"),
        (text(load(Imm64::MapFd(5)), "x"), "program \"x\": slot 1: holds a descriptor"),
        (text(Insn::exit(), "a space"), "program \"a space\": a name has at most 15 letters"),
    ] {
        let e = Program::load(&image, &LoadOptions::default()).expect_err("refused");
        assert!(matches!(e, LoadError::Image { .. }));
        assert!(e.to_string().starts_with(want), "{e}");
    }
}
