//! An image as a relocatable ELF object, which other loaders take: libbpf (and with it `ip link`,
//! `bpftool`, `tc`), libxdp.
//!
//! What it holds: the first function in the section that says what kind of program it is (`xdp`,
//! `xdp.frags`, `socket`, `tc`), all others in `.text`, maps in `.maps` as BTF describes them, the
//! licence, BTF with functions and lines, symbols, and relocations where a map or another function
//! is meant.
//!
//! What it guarantees: the same image gives the same bytes. What it does not do: it neither reads
//! objects nor takes what an object has no way to say; see [`ElfError`].
//!
//! The format: the System V ABI, `Documentation/bpf/llvm_reloc.rst` and libbpf's conventions
//! (`Documentation/bpf/libbpf/program_types.rst`, `Documentation/bpf/btf.rst`, section 4).

mod code;
mod debug;
mod sections;

use std::collections::HashSet;

use super::{
    Contents, MapKind, MapSpec, ProgramImage, ProgramKind,
    btf::{Member, Placed, ProgramTypes, TypeId, Writer, identifier},
};
use code::Code;
use sections::{Kind, Sections, Symbol, SymbolKind};

/// Why an image cannot be written as an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// An instruction that an object has no way to say.
    #[error("slot {slot}: {what}")]
    Unsupported {
        /// The instruction.
        slot: u32,
        /// What it is.
        what: &'static str,
    },
    /// Functions become symbols of their own, so control cannot run or jump from one to another.
    #[error("slot {slot} jumps to slot {to}, which is in another function")]
    JumpToAnotherFunction {
        /// The jump.
        slot: u32,
        /// Where it goes.
        to: i64,
    },
    /// A map that the image does not have.
    #[error("slot {slot} refers to map {index} of {maps}")]
    NoMap {
        /// The instruction.
        slot: u32,
        /// The map.
        index: i32,
        /// How many there are.
        maps: usize,
    },
    /// What a map holds from the start is said by sections of data, which are not written here.
    #[error("map {map} holds {bytes} bytes from the start; objects with data are not written")]
    Contents {
        /// The map, by its index.
        map: usize,
        /// Bytes that it holds.
        bytes: usize,
    },
    /// Loaders make a perf event array as large as the machine needs it, but no other map.
    #[error("map {name:?} has one entry for each CPU, which an object has no way to say")]
    EntryPerCpu {
        /// The map.
        name: String,
    },
    /// What fills a program array is said by relocations of data, which are not written here.
    #[error("{programs} programs joined by tail calls; an object of one program is written")]
    Tails {
        /// How many there are.
        programs: usize,
    },
    /// Symbols have names of their own.
    #[error("two of the object's functions and maps are called {name:?}")]
    Name {
        /// The name, as it would stand in the object.
        name: String,
    },
}

/// Bytes of a pointer, which is what each member of a map's structure is.
const POINTER_BYTES: u32 = 8;

/// The members that say what a map is: a pointer to an array of as many elements as the number
/// that is meant (`__uint` of libbpf).
const MAP_MEMBERS: [&str; 5] = ["type", "key_size", "value_size", "max_entries", "map_flags"];

/// `MAP_MEMBERS` pointers.
const MAP_BYTES: u32 = 5 * POINTER_BYTES;

/// The section that says what kind of program it holds, in libbpf's words.
pub const fn section_name(kind: ProgramKind, frags: bool) -> &'static str {
    match (kind, frags) {
        (ProgramKind::SocketFilter, _) => "socket",
        (ProgramKind::SchedCls, _) => "tc",
        (ProgramKind::Xdp, false) => "xdp",
        (ProgramKind::Xdp, true) => "xdp.frags",
    }
}

/// `image` as an object.
///
/// # Errors
///
/// [`ElfError`]: what an object has no way to say, or two things with one name.
pub fn write(image: &ProgramImage) -> Result<Vec<u8>, ElfError> {
    if let Some(Contents { map, bytes }) = image.contents().first() {
        return Err(ElfError::Contents { map: *map, bytes: bytes.len() });
    }
    let per_cpu = |map: &&MapSpec| map.is_entry_per_cpu() && map.kind != MapKind::PerfEventArray;
    if let Some(map) = image.maps().iter().find(per_cpu) {
        return Err(ElfError::EntryPerCpu { name: map.name.clone() });
    }
    if !image.tails().is_empty() {
        return Err(ElfError::Tails { programs: 1 + image.tails().len() });
    }
    let mut types = ProgramTypes::of(image);
    let code = Code::of(image, types.functions())?;
    let maps: Vec<String> = image.maps().iter().map(|map| identifier(&map.name)).collect();
    names_differ(types.functions().iter().map(|f| &f.name).chain(&maps))?;
    write_map_types(types.writer(), image, &maps);

    let mut sections = Sections::new();
    let entry = sections.add(section_name(image.kind(), image.frags()), Kind::Code, code.entry);
    let text = (!code.text.is_empty()).then(|| sections.add(".text", Kind::Code, code.text));
    // Local symbols come before global ones.
    let mut functions = Vec::new();
    for (at, function) in types.functions().iter().enumerate().skip(1) {
        let symbol = code.ranges[at].symbol(&function.name, text.expect("has functions"));
        functions.push(sections.symbol(Symbol { global: false, ..symbol }));
    }
    functions.insert(0, sections.symbol(code.ranges[0].symbol(&types.functions()[0].name, entry)));
    let map_symbols = write_maps(&mut sections, &maps);
    for (section, relocations) in [(Some(entry), code.entry_links), (text, code.text_links)] {
        let Some(section) = section.filter(|_| !relocations.is_empty()) else { continue };
        let resolved = relocations.iter().map(|link| link.resolve(&functions, &map_symbols));
        sections.relocations(section, &resolved.collect::<Vec<_>>());
    }
    let mut licence = image.licence().split('\0').next().unwrap_or_default().as_bytes().to_vec();
    licence.push(0);
    let licence_bytes = u32::try_from(licence.len()).expect("a short text");
    let licence = sections.add("license", Kind::Data, licence);
    sections.symbol(Symbol {
        name: "_license".to_owned(),
        kind: SymbolKind::Object,
        section: licence,
        offset: 0,
        bytes: licence_bytes.into(),
        global: true,
    });
    let extension = debug::extension(&mut types, section_name(image.kind(), image.frags()));
    sections.add(".BTF", Kind::Types, types.btf());
    sections.add(".BTF.ext", Kind::Types, extension);
    Ok(sections.finish())
}

fn names_differ<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), ElfError> {
    let mut seen = HashSet::from(["_license"]);
    for name in names {
        if !seen.insert(name) {
            return Err(ElfError::Name { name: name.clone() });
        }
    }
    Ok(())
}

/// The section of maps: zeros, because all there is to know is in the types. Returns the symbols.
fn write_maps(sections: &mut Sections, names: &[String]) -> Vec<u32> {
    if names.is_empty() {
        return Vec::new();
    }
    let bytes = MAP_BYTES.saturating_mul(u32::try_from(names.len()).expect("few maps"));
    let zeros = vec![0; usize::try_from(bytes).expect("u32 fits")];
    let section = sections.add(".maps", Kind::Data, zeros);
    (0..)
        .zip(names)
        .map(|(at, name)| {
            sections.symbol(Symbol {
                name: name.clone(),
                kind: SymbolKind::Object,
                section,
                offset: u64::from(MAP_BYTES) * at,
                bytes: u64::from(MAP_BYTES),
                global: true,
            })
        })
        .collect()
}

/// The types of the maps and of the licence, and the sections that they are in.
fn write_map_types(writer: &mut Writer, image: &ProgramImage, names: &[String]) {
    let int = writer.int("int", 4, true);
    let mut placed = Vec::new();
    for ((spec, name), at) in image.maps().iter().zip(names).zip(0..) {
        let numbers =
            [spec.kind.id(), spec.key_bytes, spec.value_bytes, spec.entries_max, spec.flags];
        let members: Vec<Member<'_>> = MAP_MEMBERS
            .into_iter()
            .zip(numbers)
            .map(|(name, number)| Member { name, ty: number_type(writer, int, number) })
            .collect();
        let structure = writer.structure("", POINTER_BYTES, &members);
        let variable = writer.variable(name, structure, super::btf::Linkage::Global);
        placed.push(Placed { variable, offset: at * MAP_BYTES, bytes: MAP_BYTES });
    }
    if let Some(last) = placed.last() {
        writer.data_section(".maps", last.offset + last.bytes, &placed);
    }
    let char = writer.int("char", 1, true);
    let bytes = u32::try_from(image.licence().split('\0').next().map_or(0, str::len) + 1)
        .expect("a short text");
    let array = writer.array(char, int, bytes);
    let variable = writer.variable("_license", array, super::btf::Linkage::Global);
    writer.data_section("license", bytes, &[Placed { variable, offset: 0, bytes }]);
}

fn number_type(writer: &mut Writer, int: TypeId, number: u32) -> TypeId {
    let array = writer.array(int, int, number);
    writer.pointer(array)
}

#[cfg(test)]
mod tests;
