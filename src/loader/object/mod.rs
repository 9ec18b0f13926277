//! Relocatable BPF objects, as compilers and [`assembler::elf`](crate::assembler::elf) write them:
//! what is in one, and a program of it as an image.
//!
//! What it guarantees: any bytes give an object or an error, in time and memory that grow no faster
//! than the file; a program that is returned has every reference resolved. What it does not do: it
//! asks the kernel nothing, so programs that depend on the layout of the kernel's types (CO-RE) or
//! on its functions and variables by name are refused, with the place; nothing is pinned.
//!
//! A program is a function outside of `.text`, with all functions that it calls, directly or not,
//! wherever they are. Data sections become arrays of one entry.

mod container;
mod error;
mod extension;
mod link;
mod maps;
mod types;

pub use container::FILE_BYTES_MAX;
pub use error::ObjectError;
pub use extension::SourceLine;
pub use maps::{Described, ObjectMap};

use std::collections::HashSet;

use crate::assembler::{ProgramImage, ProgramKind, listing::one_line};
use container::{Container, Place, Relocation, SymbolKind};
use extension::Extension;
use types::Types;

/// An object that was read. It borrows the bytes of the file.
#[derive(Debug)]
pub struct Object<'a> {
    container: Container<'a>,
    has_types: bool,
    extension: Extension<'a>,
    maps: Vec<ObjectMap<'a>>,
    /// By section and offset; no two begin at the same place.
    functions: Vec<Function<'a>>,
}

/// A function of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// The name of its section.
    pub section: &'a str,
    /// Its slots.
    pub slots: usize,
    /// Can it be loaded as a program, or is it only called by others?
    pub is_program: bool,
    number: usize,
    from: u64,
    to: u64,
}

/// A section with instructions.
#[derive(Clone, Debug)]
pub struct CodeSection<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its slots.
    pub slots: Vec<[u8; 8]>,
    /// The functions in it: first slot and name.
    pub functions: Vec<(usize, &'a str)>,
    /// Lines of source: first slot, and line.
    pub lines: Vec<(usize, SourceLine<'a>)>,
    /// What is filled in when it is loaded: slot, and the name of what is meant.
    pub references: Vec<(usize, &'a str)>,
}

impl<'a> Object<'a> {
    /// Read an object.
    ///
    /// # Errors
    ///
    /// [`ObjectError`]: no BPF object, or one that contradicts itself.
    pub fn read(file: &'a [u8]) -> Result<Self, ObjectError> {
        let container = Container::read(file)?;
        let types = container.section(".BTF").map(|(_, section)| Types::read(section.bytes));
        let types = types.transpose()?;
        let extension = match (&types, container.section(".BTF.ext")) {
            (Some(types), Some((_, section))) => Extension::read(section.bytes, types)?,
            _ => Extension::default(),
        };
        let maps = maps::read(&container, types.as_ref())?;
        let functions = functions(&container)?;
        Ok(Self { container, has_types: types.is_some(), extension, maps, functions })
    }

    /// Names and sizes in bytes of all sections.
    pub fn sections(&self) -> impl Iterator<Item = (&'a str, usize)> {
        self.container.sections.iter().skip(1).map(|section| (section.name, section.size))
    }

    /// All functions, by section and place.
    pub fn functions(&self) -> &[Function<'a>] {
        &self.functions
    }

    /// The functions that can be loaded as programs.
    pub fn programs(&self) -> impl Iterator<Item = &Function<'a>> {
        self.functions.iter().filter(|function| function.is_program)
    }

    /// All maps, and the data sections that become maps.
    pub fn maps(&self) -> &[ObjectMap<'a>] {
        &self.maps
    }

    /// What decides about GPL-only helpers; nothing if it is not said, or no text.
    pub fn licence(&self) -> Option<&'a str> {
        let (_, section) = self.container.section("license")?;
        let end = section.bytes.iter().position(|&b| b == 0).unwrap_or(section.bytes.len());
        str::from_utf8(section.bytes.get(..end.min(128))?).ok()
    }

    /// Does it carry types (BTF)?
    pub fn has_types(&self) -> bool {
        self.has_types
    }

    /// How many functions have a type, how many lines explain instructions, and how many places
    /// depend on the layout of the kernel's types.
    pub fn explained(&self) -> (usize, usize, usize) {
        let lines = self.extension.lines.values().map(Vec::len).sum();
        let by_type = self.extension.by_type.values().map(Vec::len).sum();
        (self.extension.functions, lines, by_type)
    }

    /// The sections with instructions, for listings. Nothing is resolved.
    pub fn code(&self) -> impl Iterator<Item = CodeSection<'a>> {
        let sections = self.container.sections.iter().enumerate();
        sections.filter(|(_, section)| section.is_code && !section.bytes.is_empty()).map(
            |(number, section)| {
                let slot = |offset: u64| usize::try_from(offset / 8).unwrap_or(usize::MAX);
                let first = self.functions.partition_point(|f| f.number < number);
                let here = self.functions[first..].iter().take_while(|f| f.number == number);
                let relocations = self.container.relocations.get(&number);
                let lines = self.extension.lines(section.name).iter();
                CodeSection {
                    name: section.name,
                    slots: section.bytes.as_chunks::<8>().0.to_vec(),
                    functions: here.map(|f: &Function<'a>| (slot(f.from), f.name)).collect(),
                    lines: lines.map(|line| (slot(line.offset.into()), line.source)).collect(),
                    references: relocations
                        .into_iter()
                        .flatten()
                        .map(|r| (slot(r.offset), self.meaning(section.bytes, r)))
                        .collect(),
                }
            },
        )
    }

    /// One program as an image, with all functions that it calls. `program` may be left away if
    /// there is only one; `kind` is taken from the name of its section if it is left away.
    ///
    /// # Errors
    ///
    /// [`ObjectError`]: no such program, or one that this loader cannot resolve.
    pub fn image(
        &self,
        program: Option<&str>,
        kind: Option<ProgramKind>,
    ) -> Result<ProgramImage, ObjectError> {
        let known = || self.programs().map(|p| one_line(p.name).into_owned()).collect();
        let mut programs = self.programs();
        let function = match program {
            Some(name) => programs
                .find(|function| function.name == name)
                .ok_or_else(|| ObjectError::NoProgram { name: name.to_owned(), known: known() })?,
            None => match (programs.next(), programs.next()) {
                (Some(only), None) => only,
                _ => return Err(ObjectError::Choice { known: known() }),
            },
        };
        let (by_section, frags) = kind_of(function.section).unzip();
        let kind = kind.or(by_section).ok_or_else(|| ObjectError::ProgramType {
            program: function.name.to_owned(),
            section: function.section.to_owned(),
        })?;
        link::link(self, function, kind, frags.unwrap_or(false))
    }

    /// The name of what a relocation means: of the function or map, if it is one's beginning, else
    /// of the symbol.
    fn meaning(&self, code: &[u8], relocation: &Relocation) -> &'a str {
        let name = self.symbol_name(relocation.symbol);
        let Some(symbol) = self.container.symbols.get(relocation.symbol) else { return name };
        let Place::Section(section) = symbol.place else { return name };
        let at = usize::try_from(relocation.offset).ok().and_then(|at| at.checked_add(4));
        let Some(imm) = at.and_then(|at| types::u32_at(code, at)) else { return name };
        let call = u64::from(imm.wrapping_add(1)).wrapping_mul(8) & 0xffff_ffff;
        let behind = if relocation.kind == link::R_BPF_64_32 { call } else { imm.into() };
        let target = (section, symbol.offset.wrapping_add(behind));
        if let Ok(at) = self.functions.binary_search_by_key(&target, |f| (f.number, f.from)) {
            return self.functions[at].name;
        }
        match self.maps.binary_search_by_key(&target, |map| (map.section, map.offset)) {
            Ok(at) if self.maps[at].described != Described::Data => self.maps[at].name,
            Ok(_) | Err(_) => name,
        }
    }

    /// What a symbol is called: a section, if it has no name of its own.
    fn symbol_name(&self, symbol: usize) -> &'a str {
        let Some(symbol) = self.container.symbols.get(symbol) else { return "?" };
        match symbol.place {
            Place::Section(section) if symbol.name.is_empty() => {
                self.container.sections.get(section).map_or("?", |section| section.name)
            }
            Place::Section(_) | Place::Outside | Place::Nowhere => symbol.name,
        }
    }
}

/// The program type that a section's name stands for, and whether it reads fragments
/// (`Documentation/bpf/libbpf/program_types.rst`). Only what is loaded here.
fn kind_of(section: &str) -> Option<(ProgramKind, bool)> {
    let is = |name: &str| {
        section.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // Those of device and CPU maps have an attach type of their own.
    let of_map = section.ends_with("/devmap") || section.ends_with("/cpumap");
    match section {
        _ if is("xdp.frags") && !of_map => Some((ProgramKind::Xdp, true)),
        _ if is("xdp") && !of_map => Some((ProgramKind::Xdp, false)),
        _ if is("socket") => Some((ProgramKind::SocketFilter, false)),
        "tcx/ingress" | "tcx/egress" => Some((ProgramKind::SchedCls, false)),
        _ if is("tc") || is("classifier") => Some((ProgramKind::SchedCls, false)),
        _ => None,
    }
}

/// The functions: what symbols say, and a section of code without any as one function.
fn functions<'a>(container: &Container<'a>) -> Result<Vec<Function<'a>>, ObjectError> {
    let mut all = Vec::new();
    for symbol in &container.symbols {
        let Place::Section(number) = symbol.place else { continue };
        if symbol.kind != SymbolKind::Function {
            continue;
        }
        let section = &container.sections[number];
        let size = u64::try_from(section.bytes.len()).expect("usize fits");
        let to = symbol.offset.saturating_add(symbol.bytes);
        if !section.is_code || to > size || !symbol.offset.is_multiple_of(8) || to % 8 != 0 {
            return Err(ObjectError::broken(format!(
                "function {:?} at bytes {}..{to} of section {:?}, which has {size} of code",
                symbol.name, symbol.offset, section.name
            )));
        }
        all.push((symbol.is_local, function(container, symbol.name, number, symbol.offset, to)));
    }
    let with_symbols: HashSet<usize> = all.iter().map(|(_, f)| f.number).collect();
    for (number, section) in container.sections.iter().enumerate() {
        let size = u64::try_from(section.bytes.len() / 8 * 8).expect("usize fits");
        if section.is_code && size > 0 && !with_symbols.contains(&number) {
            all.push((false, function(container, section.name, number, 0, size)));
        }
    }
    // Of several names for one place the one that others see.
    all.sort_by_key(|(local, function)| (function.number, function.from, *local));
    all.dedup_by_key(|(_, function)| (function.number, function.from));
    let has_entry = all.iter().any(|(_, f)| f.section != ".text");
    let of = |(local, function): (bool, Function<'a>)| Function {
        is_program: !local && (function.section != ".text" || !has_entry),
        ..function
    };
    let mut functions: Vec<_> = all.into_iter().map(of).collect();
    // A symbol without a size ends where the next one begins.
    for at in 0..functions.len() {
        let Function { number, from, to, .. } = functions[at];
        if from == to {
            let next = functions.get(at + 1).filter(|next| next.number == number);
            let size = container.sections[number].bytes.len() / 8 * 8;
            let to = next.map_or(u64::try_from(size).expect("usize fits"), |next| next.from);
            functions[at].to = to;
            functions[at].slots = slots_between(from, to);
        }
    }
    Ok(functions)
}

fn slots_between(from: u64, to: u64) -> usize {
    usize::try_from((to - from) / 8).expect("inside of a section")
}

fn function<'a>(
    container: &Container<'a>,
    name: &'a str,
    number: usize,
    from: u64,
    to: u64,
) -> Function<'a> {
    let section = container.sections[number].name;
    Function { name, section, slots: slots_between(from, to), is_program: false, number, from, to }
}

#[cfg(test)]
mod tests;
