use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::assembler::{
    Alu, Assembler, Branch, Insn, MapKind, MapSpec, Origin, Phase, Target, elf,
    insn::{
        Callee, Imm64,
        Reg::{R0, R1, R2},
    },
};

macro_rules! object {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/objects/", $name, ".o"))
    };
}

/// Objects made by clang (tests/objects), and what makes them.
const OBJECTS: [&[u8]; 5] =
    [object!("maps"), object!("legacy"), object!("calls"), object!("kernel"), object!("no_types")];

fn read(file: &[u8]) -> Object<'_> {
    Object::read(file).expect("an object")
}

fn names<'a>(functions: impl Iterator<Item = &'a Function<'a>>) -> Vec<(&'a str, &'a str)> {
    functions.map(|f| (f.section, f.name)).collect()
}

#[test]
fn programs_maps_data_and_licence_are_found() {
    let object = read(object!("maps"));
    assert_eq!(names(object.programs()), [("xdp", "by_port"), ("xdp.frags", "all")]);
    assert_eq!(names(object.functions().iter())[0], (".text", "count"));
    assert_eq!(object.licence(), Some("Dual MIT/GPL"));
    assert!(object.has_types());
    let maps: BTreeSet<_> = object
        .maps()
        .iter()
        .map(|m| (m.name, m.kind, m.key_bytes, m.value_bytes, m.entries_max, m.flags))
        .collect();
    let want = [
        (".bss", 2, 4, 16, 1, 0),
        (".data", 2, 4, 4, 1, 0),
        (".rodata", 2, 4, 4, 1, 0x80),
        ("counters", 6, 4, 8, 4, 0),
        ("seen", 1, 8, 8, 128, 1),
    ];
    assert_eq!(maps, BTreeSet::from(want));
}

#[test]
fn a_program_has_only_its_own_maps_and_what_they_hold() {
    let object = read(object!("maps"));
    let all = object.image(Some("all"), None).expect("links");
    assert_eq!((all.name(), all.kind(), all.frags()), ("all", ProgramKind::Xdp, true));
    let maps: Vec<_> = all.maps().iter().map(|m| m.name.as_str()).collect();
    assert_eq!(maps, [".bss", "counters"]);
    assert_eq!(all.contents(), []);
    assert_eq!(all.licence(), "Dual MIT/GPL");
    let functions: Vec<_> = all.functions().iter().map(|f| f.name.as_str()).collect();
    assert_eq!(functions, ["main", "count"]);

    let by_port = object.image(Some("by_port"), None).expect("links");
    assert!(!by_port.frags());
    let contents: Vec<_> = by_port
        .contents()
        .iter()
        .map(|c| (by_port.maps()[c.map].name.as_str(), c.bytes.as_slice()))
        .collect();
    let mut contents = contents;
    contents.sort_unstable();
    assert_eq!(contents, [(".data", &[40, 0, 0, 0][..]), (".rodata", &7000_u32.to_le_bytes())]);
    let text: Vec<_> = by_port.origins().iter().map(|o| o.text.as_str()).collect();
    assert!(text.iter().any(|t| t.starts_with("maps.c:") && t.ends_with("frames++;")), "{text:?}");
}

#[test]
fn functions_are_called_wherever_they_are() {
    let object = read(object!("calls"));
    assert_eq!(names(object.programs()), [("xdp", "first"), ("xdp", "second")]);
    for (name, functions) in [
        ("first", &["main", "each", "inner", "global_function"][..]),
        ("second", &["main", "inner", "global_function"]),
    ] {
        let image = object.image(Some(name), None).expect("links");
        let mut found: Vec<_> = image.functions().iter().map(|f| f.name.as_str()).collect();
        let starts: Vec<_> = image.functions().iter().map(|f| f.slot).collect();
        for insn in image.insns() {
            if let Insn::Call(Callee::Local(_)) = insn {
                assert!(crate::assembler::flow::target_offset(insn).is_some());
            }
        }
        assert!(starts.is_sorted());
        found.sort_unstable();
        let mut want = functions.to_vec();
        want.sort_unstable();
        assert_eq!(found, want, "{name}");
    }
}

#[test]
fn maps_of_before_libbpf_1_are_read_without_types_too() {
    for file in [&object!("legacy")[..], object!("no_types")] {
        let object = read(file);
        let image = object.image(None, None).expect("links");
        assert_eq!((image.kind(), image.name()), (ProgramKind::SocketFilter, "protocol"));
        let map = &image.maps()[0];
        assert_eq!(
            (map.name.as_str(), map.kind, map.entries_max),
            ("protocols", MapKind::Array, 256)
        );
        assert!(image.insns().iter().any(|insn| matches!(insn, Insn::LegacyLoad { .. })));
        let slots: usize = object.code().map(|section| section.slots.len()).sum();
        assert_eq!(slots, 13);
    }
    assert!(!read(object!("no_types")).has_types());
}

#[track_caller]
fn refused(file: &[u8], program: Option<&str>, want: &str) {
    let error = match Object::read(file) {
        Ok(object) => object.image(program, None).expect_err(want),
        Err(error) => error,
    };
    let text = error.to_string();
    assert!(text.contains(want) && !text.contains('\n'), "{text}");
}

#[test]
fn what_cannot_be_loaded_is_refused_with_its_place() {
    let kernel = object!("kernel");
    refused(kernel, Some("by_layout"), "tc+0x");
    refused(kernel, Some("by_layout"), "depends on the layout of the kernel's types (CO-RE)");
    refused(kernel, Some("by_name"), "\"bpf_get_unknown\", which is not in the object");
    refused(kernel, Some("other_type"), "section \"kprobe/do_nothing\", which is no type");
    refused(kernel, Some("none"), "no program is called \"none\"; there are:");
    refused(kernel, None, "4 programs, and none was chosen:");
    let object = read(kernel);
    let plain = object.image(Some("plain"), None).expect("needs nothing");
    assert_eq!(plain.insns().len(), 2);
    let as_socket = object.image(Some("other_type"), Some(ProgramKind::SocketFilter));
    assert_eq!(as_socket.expect("told what it is").kind(), ProgramKind::SocketFilter);
}

#[test]
fn what_is_no_object_is_refused_with_what_it_is() {
    let good = object!("maps");
    let with = |at: usize, byte: u8| {
        let mut file = good.to_vec();
        file[at] = byte;
        file
    };
    refused(b"", None, "does not begin like ELF");
    refused(b"\x7fELF", None, "unknown");
    refused(&good[..20], None, "cut off");
    refused(&good[..good.len() - 1], None, "section headers");
    refused(object!("big_endian"), None, "big endian");
    refused(&with(4, 1), None, "32 bits");
    refused(&with(5, 2), None, "big endian");
    refused(&with(18, 62), None, "machine 62");
    refused(&with(16, 2), None, "type 2");
    refused(&with(0x3c, 0), None, "section headers");
}

fn spec(name: &str, kind: MapKind) -> MapSpec {
    let (key_bytes, value_bytes) = if kind == MapKind::RingBuf { (0, 0) } else { (4, 8) };
    MapSpec { name: name.to_owned(), kind, key_bytes, value_bytes, entries_max: 4096, flags: 0 }
}

/// An image with all that an object can say.
fn image(kind: ProgramKind, frags: bool) -> ProgramImage {
    let mut asm = Assembler::new("whole", kind);
    asm.set_frags(frags);
    let maps = MapKind::ALL.iter().map(|&kind| asm.map(spec(&format!("map{}", kind.id()), kind)));
    let maps: Vec<_> = maps.collect();
    let (called, taken, deep) = (asm.label(), asm.label(), asm.label());
    asm.origin(Origin::new(Phase::Entry, "all maps"));
    // Not in the order of the maps.
    for map in maps.into_iter().rev() {
        asm.load_map(R1, map);
    }
    asm.origin(Origin::new(Phase::Confirm, "match \"GET \\x00\" at +0"));
    asm.emit(Insn::LoadImm64 { dst: R2, value: Imm64::Value(u64::MAX) });
    asm.emit(Branch::call(called));
    asm.emit(Branch::function_address(R2, taken));
    asm.emit(Insn::Exit);
    asm.function("called", called);
    asm.emit(Branch::call(deep));
    asm.emit(Insn::Exit);
    asm.function("taken", taken);
    asm.origin(Origin::new(Phase::Report, "a callback"));
    asm.emit(Alu::Mov.imm(R0, 0));
    asm.emit(Insn::Exit);
    asm.function("deep", deep);
    asm.emit(Alu::Mov.imm(R0, 1));
    asm.emit(Insn::Exit);
    asm.finish(&Target::newest()).expect("a program")
}

#[test]
fn what_we_write_is_read_as_the_same_image() {
    for kind in ProgramKind::ALL.iter().copied() {
        for frags in [false, kind == ProgramKind::Xdp] {
            let image = image(kind, frags);
            let file = elf::write(&image).expect("an object");
            let object = read(&file);
            assert_eq!(object.programs().count(), 1);
            same(&object.image(None, None).expect("links"), &image);
        }
    }
}

/// Equal but for origins that explain nothing.
#[track_caller]
fn same(one: &ProgramImage, other: &ProgramImage) {
    let origins = |image: &ProgramImage| {
        (0..image.insns().len()).map(|at| image.origin(at).clone()).collect::<Vec<_>>()
    };
    assert_eq!((one.name(), one.kind(), one.frags()), (other.name(), other.kind(), other.frags()));
    assert_eq!((one.insns(), one.maps()), (other.insns(), other.maps()));
    assert_eq!((one.functions(), one.licence()), (other.functions(), other.licence()));
    assert_eq!((one.contents(), origins(one)), (other.contents(), origins(other)));
}

#[test]
fn a_listing_names_what_is_filled_in() {
    let object = read(object!("maps"));
    let xdp = object.code().find(|section| section.name == "xdp").expect("there");
    let names: BTreeSet<_> = xdp.references.iter().map(|(_, name)| *name).collect();
    assert_eq!(names, BTreeSet::from(["bytes", "count", "frames", "port", "seen"]));
    assert_eq!(xdp.functions, [(0, "by_port")]);
    assert!(xdp.lines[0].1.to_string().starts_with("maps.c:"), "{:?}", xdp.lines[0]);
}

/// Everything that can be asked of an object.
fn exercise(file: &[u8]) {
    let Ok(object) = Object::read(file) else { return };
    let _ = (object.licence(), object.explained(), object.sections().count());
    for section in object.code() {
        assert!(section.slots.len() <= file.len() / 8);
    }
    let programs: Vec<_> = object.programs().take(8).map(|f| f.name).collect();
    for name in programs {
        for kind in [None, Some(ProgramKind::Xdp)] {
            if let Ok(image) = object.image(Some(name), kind) {
                // What can be read can be written, or is refused.
                let _ = elf::write(&image);
            }
        }
    }
}

#[test]
fn an_object_cut_anywhere_is_survived() {
    for file in OBJECTS {
        for to in 0..file.len() {
            exercise(&file[..to]);
        }
    }
}

#[test]
fn every_byte_of_an_object_may_be_wrong() {
    for file in OBJECTS {
        for at in 0..file.len() {
            for byte in [0xff, file[at] ^ 1] {
                let mut file = file.to_vec();
                file[at] = byte;
                exercise(&file);
            }
        }
    }
}

proptest! {
    #[test]
    fn hostile_objects_are_survived(
        which in 0..OBJECTS.len() + 1,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), 0..4_u8), 1..12),
    ) {
        let own;
        let mut file = match OBJECTS.get(which) {
            Some(file) => file.to_vec(),
            None => {
                own = elf::write(&image(ProgramKind::Xdp, true)).expect("an object");
                own
            }
        };
        for (at, value, width) in changes {
            let at = at.index(file.len());
            let width = (1 << width).min(file.len() - at);
            file[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        exercise(&file);
    }

    #[test]
    fn random_bytes_are_survived(mut file in prop::collection::vec(any::<u8>(), 64..512)) {
        exercise(&file);
        file[..20].copy_from_slice(&object!("maps")[..20]);
        exercise(&file);
    }
}
