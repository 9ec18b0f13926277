use goblin::elf::Elf;

use super::*;
use crate::assembler::{
    Alu, Assembler, Branch, Helper, Insn, MapKind, MapSpec, Origin, Parts, Phase, Target,
    insn::{
        Callee, Imm64,
        Reg::{R0, R1, R2},
    },
};

fn spec(name: &str) -> MapSpec {
    MapSpec {
        name: name.to_owned(),
        kind: MapKind::PerCpuArray,
        key_bytes: 4,
        value_bytes: 8,
        entries_max: 16,
        flags: 0,
    }
}

/// Two maps, a function that is called, and one whose address is taken.
fn image() -> ProgramImage {
    let mut asm = Assembler::new("two.maps", ProgramKind::Xdp);
    let (first, second) = (asm.map(spec("first")), asm.map(spec("second")));
    let (called, taken) = (asm.label(), asm.label());
    asm.origin(Origin::new(Phase::Entry, "maps"));
    asm.load_map(R1, second);
    asm.load_map(R2, first);
    asm.emit(Branch::call(called));
    asm.emit(Branch::function_address(R2, taken));
    asm.emit(Insn::call(Helper::KtimeGetNs));
    asm.emit(Insn::Exit);
    asm.function("called", called);
    asm.origin(Origin::new(Phase::Report, "a map again"));
    asm.emit(Alu::Mov.imm(R0, 0));
    asm.load_map(R1, first);
    asm.emit(Insn::Exit);
    asm.function("taken", taken);
    asm.emit(Alu::Mov.imm(R0, 0));
    asm.emit(Insn::Exit);
    asm.finish(&Target::newest()).expect("a program")
}

fn section<'a>(elf: &Elf<'_>, bytes: &'a [u8], name: &str) -> &'a [u8] {
    let header = elf
        .section_headers
        .iter()
        .find(|h| elf.shdr_strtab.get_at(h.sh_name) == Some(name))
        .unwrap_or_else(|| panic!("no section {name}"));
    &bytes[header.file_range().expect("has bytes")]
}

#[test]
fn every_reference_is_a_relocation_to_a_symbol() {
    let bytes = write(&image()).expect("an object");
    let elf = Elf::parse(&bytes).expect("an object");
    assert_eq!((elf.header.e_type, elf.header.e_machine), (1, 247));
    let found: Vec<_> = elf
        .shdr_relocs
        .iter()
        .flat_map(|(section, relocations)| {
            let of = &elf.section_headers[elf.section_headers[*section].sh_info as usize];
            let of = elf.shdr_strtab.get_at(of.sh_name).expect("named");
            relocations.iter().map(move |r| (of, r.r_offset, r.r_type, r.r_sym))
        })
        .map(|(of, at, kind, symbol)| {
            let symbol = elf.syms.get(symbol).expect("there");
            (of, at, kind, elf.strtab.get_at(symbol.st_name).expect("named"))
        })
        .collect();
    let want = [
        ("xdp", 0, 1, "second"),
        ("xdp", 16, 1, "first"),
        ("xdp", 32, 10, "called"),
        ("xdp", 40, 1, "taken"),
        (".text", 8, 1, "first"),
    ];
    assert_eq!(found, want);
    let code = section(&elf, &bytes, "xdp");
    assert_eq!(code.len(), 9 * 8);
    assert_eq!(code[..8], [0x18, 1, 0, 0, 0, 0, 0, 0], "no descriptor, no index");
    assert_eq!(code[32..40], [0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff], "a call of -1");
    assert_eq!(section(&elf, &bytes, "license"), b"GPL\0");
    assert_eq!(section(&elf, &bytes, ".maps").len(), 80);
}

#[test]
fn symbols_say_where_functions_and_maps_are_and_local_ones_come_first() {
    let bytes = write(&image()).expect("an object");
    let elf = Elf::parse(&bytes).expect("an object");
    let symbols: Vec<_> = elf
        .syms
        .iter()
        .skip(1)
        .map(|s| (elf.strtab.get_at(s.st_name).expect("named"), s.st_bind(), s.st_value, s.st_size))
        .collect();
    let want = [
        ("called", 0, 0, 32),
        ("taken", 0, 32, 16),
        ("two_maps", 1, 0, 72),
        ("first", 1, 0, 40),
        ("second", 1, 40, 40),
        ("_license", 1, 0, 4),
    ];
    assert_eq!(symbols, want);
    let table = elf.section_headers.iter().find(|h| h.sh_type == 2).expect("a table");
    assert_eq!(table.sh_info, 3, "the first global one");
}

#[test]
fn lines_and_functions_are_counted_from_their_section() {
    let bytes = write(&image()).expect("an object");
    let elf = Elf::parse(&bytes).expect("an object");
    let extension = section(&elf, &bytes, ".BTF.ext");
    let words: Vec<u32> = extension[8..]
        .chunks_exact(4)
        .map(|w| u32::from_le_bytes(w.try_into().expect("4")))
        .collect();
    let (functions, lines) = words[4..].split_at(1 + 2 + 2 + 2 + 4);
    assert_eq!(words[..4], [0, 44, 44, 4 * u32::try_from(lines.len()).expect("few")]);
    // The size of a record; then for each section its name, a count, and byte and type of each.
    assert_eq!((functions[0], functions[2], functions[3]), (8, 1, 0));
    assert_eq!((functions[6], functions[7], functions[9]), (2, 0, 32));
    assert_eq!((lines[0], lines[2], lines[3], lines[6]), (16, 1, 0, 1 << 10));
    assert_eq!((lines[8], lines[9], lines[13]), (2, 0, 32));
}

#[test]
fn the_same_image_gives_the_same_bytes() {
    assert_eq!(write(&image()), write(&image()));
}

#[test]
fn the_section_says_what_kind_of_program_it_is() {
    for (kind, frags, want) in [
        (ProgramKind::Xdp, false, "xdp"),
        (ProgramKind::Xdp, true, "xdp.frags"),
        (ProgramKind::SocketFilter, false, "socket"),
        (ProgramKind::SchedCls, false, "tc"),
    ] {
        let mut asm = Assembler::new("t", kind);
        asm.set_frags(frags);
        asm.emit(Alu::Mov.imm(R0, 0));
        asm.emit(Insn::Exit);
        let bytes = write(&asm.finish(&Target::newest()).expect("a program")).expect("an object");
        let elf = Elf::parse(&bytes).expect("an object");
        assert_eq!(section(&elf, &bytes, want).len(), 16);
        assert!(elf.section_headers.len() == 7, "no section for maps or functions");
    }
}

#[test]
fn what_a_map_holds_from_the_start_is_not_forgotten_silently() {
    let parts = Parts {
        name: "t".to_owned(),
        kind: ProgramKind::Xdp,
        frags: false,
        insns: vec![Insn::Exit],
        maps: vec![spec("m")],
        contents: vec![Contents { map: 0, bytes: vec![1; 8] }],
        origins: vec![(0, Origin::new(Phase::Text, "t"))],
        functions: Vec::new(),
        licence: "GPL".to_owned(),
    };
    let error = write(&ProgramImage::from_parts(parts)).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "map 0 holds 8 bytes from the start; objects with data are not written"
    );
}

#[track_caller]
fn refused(insns: &[Insn], maps: &[&str], want: &str) {
    let maps = maps.iter().map(|name| spec(name)).collect();
    let origin = Origin::new(Phase::Text, "t");
    let image = ProgramImage::from_insns("t", ProgramKind::Xdp, insns.to_vec(), maps, origin);
    let error = write(&image).expect_err(want).to_string();
    assert!(error.contains(want), "{error}");
}

#[test]
fn what_an_object_cannot_say_is_refused_with_its_place() {
    let load = |value| Insn::LoadImm64 { dst: R1, value };
    let call = |off| Insn::Call(Callee::Local(off));
    refused(&[load(Imm64::MapFd(3)), Insn::Exit], &[], "slot 0: a descriptor");
    refused(&[Insn::Exit, load(Imm64::MapIndex(2))], &["m"], "slot 1 refers to map 2 of 1");
    refused(&[load(Imm64::MapIndex(-1))], &["m"], "map -1 of 1");
    refused(&[load(Imm64::MapIndexValue { index: 0, offset: 0 })], &["m"], "a byte of a map");
    refused(&[load(Imm64::BtfId { id: 1, module_fd: 0 })], &[], "a type id");
    let kfunc = Insn::Call(Callee::Kfunc { btf_id: 7, module: 0 });
    refused(&[Insn::Exit, kfunc], &[], "slot 1: a kernel function");
    refused(&[call(-1), Insn::Exit], &[], "slot 0: calls what is no function, or");
    refused(&[call(i32::MAX), Insn::Exit], &[], "slot 0: calls what is no function");
    let crossing = [call(1), Insn::Goto { off: 0 }, Insn::Exit];
    refused(&crossing, &[], "slot 1 jumps to slot 2, which is in another function");
    refused(&[Insn::Goto { off: -9 }], &[], "slot 0 jumps to slot -8");
    refused(&[Insn::Exit], &["same", "same"], "called \"same\"");
    refused(&[Insn::Exit], &["t"], "called \"t\"");
}
