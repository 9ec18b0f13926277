//! What the targets `elf` and `btf` do with the bytes that they are given: any bytes are an object
//! or an error, and what is read of one can be asked for, linked and written again.

// Each target uses one of them.
#![allow(dead_code, reason = "one target, one body")]

use hardwire::{
    assembler::{
        Alu, Assembler, Insn, MapKind, MapSpec, Origin, Phase, ProgramImage, ProgramKind, Reg,
        Target, elf,
    },
    loader::Object,
};

/// Bytes are an object or are not.
pub(crate) fn elf(bytes: &[u8]) {
    let object = match Object::read(bytes) {
        Ok(object) => object,
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "{error}");
            return;
        }
    };
    let _told = (object.licence(), object.explained(), object.sections().count());
    for section in object.code() {
        assert!(section.slots.len() <= bytes.len() / 8);
        assert!(section.lines.iter().all(|(_, line)| !line.to_string().contains('\n')));
    }
    // Of many programs the first few say as much.
    for program in object.programs().take(8) {
        for kind in [None, Some(ProgramKind::SocketFilter)] {
            match object.image(Some(program.name), kind) {
                Ok(image) => written_again(&image),
                Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
            }
        }
    }
}

/// What can be written is read as the same program.
fn written_again(image: &ProgramImage) {
    let Ok(bytes) = elf::write(image) else { return };
    let object = Object::read(&bytes).expect("our own object");
    let again = object.image(None, None).expect("our own program");
    assert_eq!((again.insns(), again.kind()), (image.insns(), image.kind()));
    // Names become identifiers.
    let bare = |image: &ProgramImage| {
        let unnamed = |map: &MapSpec| MapSpec { name: String::new(), ..map.clone() };
        image.maps().iter().map(unnamed).collect::<Vec<_>>()
    };
    assert_eq!(bare(&again), bare(image));
}

/// The types and lines of an object are replaced by these bytes.
pub(crate) fn btf(bytes: &[u8]) {
    let mut asm = Assembler::new("fuzz", ProgramKind::Xdp);
    let spec = MapSpec {
        name: "map".to_owned(),
        kind: MapKind::Array,
        key_bytes: 4,
        value_bytes: 8,
        entries_max: 1,
        flags: 0,
    };
    let map = asm.map(spec);
    asm.origin(Origin::new(Phase::Entry, "fuzz"));
    asm.load_map(Reg::R1, map);
    asm.emit(Alu::Mov.imm(Reg::R0, 0));
    asm.emit(Insn::Exit);
    let image = asm.finish(&Target::newest()).expect("a program");
    let mut object = elf::write(&image).expect("an object");
    // `.BTF` and `.BTF.ext` begin with the same three bytes; one bit says which of them is meant.
    let starts: Vec<_> =
        object.windows(3).enumerate().filter(|(_, w)| *w == [0x9f, 0xeb, 1]).collect();
    let starts: Vec<usize> = starts.into_iter().map(|(at, _)| at).collect();
    let (which, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let at = starts[usize::from(*which) % starts.len()];
    for (to, from) in object[at..].iter_mut().zip(rest) {
        *to = *from;
    }
    elf(&object);
}
