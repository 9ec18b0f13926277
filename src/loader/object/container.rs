//! The container: sections, symbols and relocations, all lengths checked, nothing copied.
//!
//! goblin reads the structures; what they claim is checked here. Sections may not share bytes of
//! the file, so that work in proportion to the sections is work in proportion to the file.

use std::collections::BTreeMap;

use goblin::{
    container::{Container as Width, Ctx, Endian},
    elf::{Elf, RelocSection, SectionHeader, Symtab, header, section_header},
};

use super::ObjectError;

/// Most bytes of an object.
pub const FILE_BYTES_MAX: usize = 64 << 20;

/// Most symbols, and most relocations of code and data together.
const SYMBOLS_MAX: usize = 1 << 18;
const RELOCATIONS_MAX: usize = 1 << 20;

/// Most bytes of a name.
const NAME_BYTES_MAX: usize = 512;

const MACHINE_BPF: u16 = 247;

/// A section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    /// What it holds; nothing if it is only room.
    pub(super) bytes: &'a [u8],
    /// How large it is.
    pub(super) size: usize,
    pub(super) is_code: bool,
    /// Takes room in the running program, and is no code.
    pub(super) is_data: bool,
    pub(super) is_writable: bool,
}

/// Where a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Somewhere else: whoever loads the object must know.
    Outside,
    /// In this section.
    Section(usize),
    /// In none: an absolute number, a file name, what a linker would place.
    Nowhere,
}

/// What a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SymbolKind {
    Function,
    Section,
    Other,
}

/// A symbol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol<'a> {
    pub(super) name: &'a str,
    pub(super) kind: SymbolKind,
    pub(super) is_local: bool,
    pub(super) place: Place,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// A place that is to be filled in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relocation {
    pub(super) offset: u64,
    pub(super) kind: u32,
    pub(super) symbol: usize,
}

/// An object's parts.
#[derive(Debug)]
pub(super) struct Container<'a> {
    /// By number; the first one is no section.
    pub(super) sections: Vec<Section<'a>>,
    pub(super) symbols: Vec<Symbol<'a>>,
    /// By the number of the section that they change, by offset.
    pub(super) relocations: BTreeMap<usize, Vec<Relocation>>,
}

const CTX: Ctx = Ctx { container: Width::Big, le: Endian::Little };

impl<'a> Container<'a> {
    pub(super) fn read(file: &'a [u8]) -> Result<Self, ObjectError> {
        if file.len() > FILE_BYTES_MAX {
            let (what, got, limit) = ("bytes in an object", file.len(), FILE_BYTES_MAX);
            return Err(ObjectError::Limit { what, got, limit });
        }
        let headers = section_headers(file)?;
        let names = headers.1;
        let headers = headers.0;
        let names = strings(file, headers.get(names), "of sections")?;
        let sections = headers
            .iter()
            .enumerate()
            .map(|(number, header)| section(file, number, header, names))
            .collect::<Result<Vec<_>, _>>()?;
        let symbols = symbols(file, &headers)?;
        let relocations = relocations(file, &headers, &sections, symbols.len())?;
        Ok(Self { sections, symbols, relocations })
    }

    /// The section with this name.
    pub(super) fn section(&self, name: &str) -> Option<(usize, &Section<'a>)> {
        self.sections.iter().enumerate().skip(1).find(|(_, section)| section.name == name)
    }

    /// The relocation of the byte at `offset` of a section.
    pub(super) fn relocation(&self, section: usize, offset: u64) -> Option<&Relocation> {
        let all = self.relocations.get(&section)?;
        all.binary_search_by_key(&offset, |r| r.offset).ok().map(|at| &all[at])
    }
}

/// The section headers, and which of them holds their names.
fn section_headers(file: &[u8]) -> Result<(Vec<SectionHeader>, usize), ObjectError> {
    let other = |what: String| ObjectError::Other { what };
    if !file.starts_with(header::ELFMAG) {
        return Err(other("it does not begin like ELF".to_owned()));
    }
    match (file.get(header::EI_CLASS), file.get(header::EI_DATA)) {
        (Some(&header::ELFCLASS64), Some(&header::ELFDATA2LSB)) => {}
        (Some(&header::ELFCLASS32), _) => return Err(other("it has 32 bits".to_owned())),
        (_, Some(&header::ELFDATA2MSB)) => return Err(other("it is big endian".to_owned())),
        _ => return Err(other("its width and byte order are unknown".to_owned())),
    }
    let header = Elf::parse_header(file)
        .map_err(|_| ObjectError::broken(format!("a header cut off at byte {}", file.len())))?;
    if header.e_machine != MACHINE_BPF {
        return Err(other(format!(
            "it is for machine {}, and BPF is {MACHINE_BPF}",
            header.e_machine
        )));
    }
    if header.e_type != header::ET_REL {
        return Err(other(format!("it is of type {}, and an object is 1", header.e_type)));
    }
    let (count, from) = (usize::from(header.e_shnum), usize::try_from(header.e_shoff));
    let ok = count > 0 && usize::from(header.e_shentsize) == SectionHeader::size(CTX);
    let from = from.ok().filter(|_| ok);
    let headers = from.and_then(|from| SectionHeader::parse(file, from, count, CTX).ok());
    let headers = headers.filter(|headers| headers.len() == count);
    let headers = headers.ok_or_else(|| {
        let (at, size) = (header.e_shoff, file.len());
        ObjectError::broken(format!("{count} section headers at byte {at} of {size}"))
    })?;
    let taken = headers.iter().filter(|h| h.sh_type != section_header::SHT_NOBITS);
    let taken = taken.fold(0_u64, |sum, h| sum.saturating_add(h.sh_size));
    let size = u64::try_from(file.len()).expect("usize fits");
    if taken > size {
        let what = format!("sections of {taken} bytes in a file of {size}");
        return Err(ObjectError::broken(what));
    }
    Ok((headers, usize::from(header.e_shstrndx)))
}

/// The bytes of a section in the file.
fn content<'a>(
    file: &'a [u8],
    number: usize,
    header: &SectionHeader,
) -> Result<&'a [u8], ObjectError> {
    if matches!(header.sh_type, section_header::SHT_NOBITS | section_header::SHT_NULL) {
        return Ok(&[]);
    }
    let (from, size) = (header.sh_offset, header.sh_size);
    let range = usize::try_from(from).ok().zip(usize::try_from(from.saturating_add(size)).ok());
    range.and_then(|(from, to)| file.get(from..to)).ok_or_else(|| {
        let file = file.len();
        ObjectError::broken(format!("section {number} has {size} bytes at {from} of {file}"))
    })
}

/// The bytes of a table of strings.
fn strings<'a>(
    file: &'a [u8],
    header: Option<&SectionHeader>,
    of: &str,
) -> Result<&'a [u8], ObjectError> {
    let is_table = |header: &&SectionHeader| header.sh_type == section_header::SHT_STRTAB;
    match header.filter(is_table) {
        Some(header) => content(file, 0, header),
        None => Err(ObjectError::broken(format!("no table of the names {of}"))),
    }
}

/// The string at `offset`, up to its NUL.
fn string(table: &[u8], offset: usize) -> Result<&str, ObjectError> {
    let rest = table.get(offset..).unwrap_or_default();
    let rest = &rest[..rest.len().min(NAME_BYTES_MAX + 1)];
    let end = rest.iter().position(|&b| b == 0);
    end.and_then(|end| str::from_utf8(&rest[..end]).ok()).ok_or_else(|| {
        let what = format!("no name of at most {NAME_BYTES_MAX} bytes at {offset} of its table");
        ObjectError::broken(what)
    })
}

fn section<'a>(
    file: &'a [u8],
    number: usize,
    header: &SectionHeader,
    names: &'a [u8],
) -> Result<Section<'a>, ObjectError> {
    let size = usize::try_from(header.sh_size).unwrap_or(usize::MAX);
    let flag = |flag: u32| header.sh_flags & u64::from(flag) != 0;
    let is_room = header.sh_type == section_header::SHT_NOBITS;
    let is_bits = header.sh_type == section_header::SHT_PROGBITS;
    let is_code = is_bits && flag(section_header::SHF_EXECINSTR);
    let is_data = (is_bits || is_room) && flag(section_header::SHF_ALLOC) && !is_code;
    let bytes = content(file, number, header)?;
    let name = string(names, header.sh_name)?;
    if flag(section_header::SHF_COMPRESSED) && (is_code || is_data || name.starts_with(".BTF")) {
        let (place, what) = (format!("section {name:?}"), "is compressed".to_owned());
        return Err(ObjectError::Unsupported { place, what });
    }
    let is_writable = flag(section_header::SHF_WRITE);
    Ok(Section { name, bytes, size, is_code, is_data, is_writable })
}

fn symbols<'a>(file: &'a [u8], headers: &[SectionHeader]) -> Result<Vec<Symbol<'a>>, ObjectError> {
    let tables =
        || headers.iter().enumerate().filter(|(_, h)| h.sh_type == section_header::SHT_SYMTAB);
    let Some((number, header)) = tables().next() else { return Ok(Vec::new()) };
    if tables().count() > 1 {
        return Err(ObjectError::broken("more than one table of symbols"));
    }
    let bytes = content(file, number, header)?;
    let names = usize::try_from(header.sh_link).ok().and_then(|link| headers.get(link));
    let names = strings(file, names, "of symbols")?;
    let count = bytes.len() / goblin::elf::sym::sym64::SIZEOF_SYM;
    if count > SYMBOLS_MAX {
        return Err(ObjectError::Limit { what: "symbols", got: count, limit: SYMBOLS_MAX });
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    let table = Symtab::parse(bytes, 0, count, CTX)
        .map_err(|_| ObjectError::broken("a table of symbols that cannot be read"))?;
    let symbol = |symbol: goblin::elf::Sym| {
        let number = symbol.st_shndx;
        let place = if number == 0 {
            Place::Outside
        } else if number < headers.len() {
            Place::Section(number)
        } else {
            Place::Nowhere
        };
        Ok(Symbol {
            name: string(names, symbol.st_name)?,
            kind: match symbol.st_type() {
                goblin::elf::sym::STT_FUNC => SymbolKind::Function,
                goblin::elf::sym::STT_SECTION => SymbolKind::Section,
                _ => SymbolKind::Other,
            },
            is_local: symbol.st_bind() == goblin::elf::sym::STB_LOCAL,
            place,
            offset: symbol.st_value,
            bytes: symbol.st_size,
        })
    };
    table.iter().map(symbol).collect()
}

fn relocations(
    file: &[u8],
    headers: &[SectionHeader],
    sections: &[Section<'_>],
    symbols: usize,
) -> Result<BTreeMap<usize, Vec<Relocation>>, ObjectError> {
    let mut all: BTreeMap<usize, Vec<Relocation>> = BTreeMap::new();
    let mut count = 0;
    for (number, header) in headers.iter().enumerate() {
        let is_rela = header.sh_type == section_header::SHT_RELA;
        if !is_rela && header.sh_type != section_header::SHT_REL {
            continue;
        }
        let of = usize::try_from(header.sh_info).unwrap_or(usize::MAX);
        let Some(section) = sections.get(of) else {
            let what = format!("section {number} relocates section {of} of {}", sections.len());
            return Err(ObjectError::broken(what));
        };
        // What is not loaded, as information for debuggers, has relocations too.
        if !section.is_code && !section.is_data {
            continue;
        }
        if is_rela {
            let place = format!("section {:?}", section.name);
            let what = "its relocations carry addends, which BPF does not have".to_owned();
            return Err(ObjectError::Unsupported { place, what });
        }
        let bytes = content(file, number, header)?;
        count += bytes.len() / goblin::elf::reloc::reloc64::SIZEOF_REL;
        if count > RELOCATIONS_MAX {
            let (what, limit) = ("relocations", RELOCATIONS_MAX);
            return Err(ObjectError::Limit { what, got: count, limit });
        }
        let table = RelocSection::parse(bytes, 0, bytes.len(), false, CTX).map_err(|_| {
            ObjectError::broken(format!("relocations in section {number} that cannot be read"))
        })?;
        let list = all.entry(of).or_default();
        for relocation in &table {
            if relocation.r_sym >= symbols {
                let what =
                    format!("section {number} names symbol {} of {symbols}", relocation.r_sym);
                return Err(ObjectError::broken(what));
            }
            list.push(Relocation {
                offset: relocation.r_offset,
                kind: relocation.r_type,
                symbol: relocation.r_sym,
            });
        }
    }
    for (of, list) in &mut all {
        list.sort_by_key(|relocation| relocation.offset);
        if let Some(twice) = list.windows(2).find(|pair| pair[0].offset == pair[1].offset) {
            let (at, name) = (twice[0].offset, sections[*of].name);
            return Err(ObjectError::broken(format!("byte {at} of {name:?} is relocated twice")));
        }
    }
    Ok(all)
}
