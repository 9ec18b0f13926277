//! From a function of an object to an image: the functions that it calls, directly or not, are put
//! behind it, and every reference is resolved.

use std::collections::{HashMap, VecDeque};

use super::{
    Function, Object, ObjectError,
    container::{Place, Relocation, Symbol, SymbolKind},
    extension::{Line, SourceLine},
    maps::{Described, kernel_name},
};
use crate::assembler::{
    self, Insn, Origin, Parts, Phase, ProgramImage, ProgramKind, check, encode, flow,
    image::Contents,
    insn::{Callee, Imm64},
    listing::one_line,
};

/// Most slots of a program, with all functions that it calls: what the kernel takes.
const SLOTS_MAX: usize = 1_000_000;

/// Most bytes of lines that a program keeps.
const TEXTS_BYTES_MAX: usize = 16 << 20;

/// A load of 64 bits gets an address.
const R_BPF_64_64: u32 = 1;
/// A call gets the distance of a function.
pub(super) const R_BPF_64_32: u32 = 10;

/// Bytes of a slot.
const SLOT_BYTES: u64 = 8;

pub(super) fn link(
    object: &Object<'_>,
    entry: &Function<'_>,
    kind: ProgramKind,
    frags: bool,
) -> Result<ProgramImage, ObjectError> {
    let mut linker = Linker {
        object,
        insns: Vec::new(),
        slots: 0,
        placed: HashMap::new(),
        waiting: VecDeque::new(),
        calls: Vec::new(),
        maps: Vec::new(),
        contents: Vec::new(),
        map_index: HashMap::new(),
        origins: Vec::new(),
        text_bytes: 0,
        functions: Vec::new(),
    };
    linker.place(entry)?;
    while let Some(number) = linker.waiting.pop_front() {
        linker.place(&object.functions[number])?;
    }
    linker.resolve_calls();
    linker.order_maps();
    let image = ProgramImage::from_parts(Parts {
        name: kernel_name(entry.name),
        kind,
        frags,
        insns: linker.insns,
        maps: linker.maps,
        contents: linker.contents,
        origins: linker.origins,
        functions: linker.functions,
        licence: object.licence().unwrap_or_default().to_owned(),
    });
    let structure = |source| ObjectError::Structure { program: entry.name.to_owned(), source };
    check::check(&image).map_err(structure)?;
    Ok(image)
}

/// A program while it is put together.
struct Linker<'a, 'o> {
    object: &'o Object<'a>,
    insns: Vec<Insn>,
    slots: usize,
    /// The first slot of functions, by section and offset.
    placed: HashMap<(usize, u64), usize>,
    /// Functions that are called, by number.
    waiting: VecDeque<usize>,
    /// Instruction, its slot, and the function that it means.
    calls: Vec<(usize, usize, (usize, u64))>,
    maps: Vec<assembler::MapSpec>,
    contents: Vec<Contents>,
    /// The index of a map, by its number in the object.
    map_index: HashMap<usize, i32>,
    origins: Vec<(usize, Origin)>,
    text_bytes: usize,
    functions: Vec<assembler::Function>,
}

impl Linker<'_, '_> {
    /// Append a function.
    fn place(&mut self, function: &Function<'_>) -> Result<(), ObjectError> {
        let section = &self.object.container.sections[function.number];
        let (from, to) = (function.from, function.to);
        let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        let bytes = range.and_then(|(from, to)| section.bytes.get(from..to)).unwrap_or_default();
        let got = self.slots + bytes.len() / 8;
        if got > SLOTS_MAX {
            return Err(ObjectError::Limit { what: "slots", got, limit: SLOTS_MAX });
        }
        if let Some(at) = self.object.extension.by_type_in(function.section, from, to) {
            let place = place(function.section, at.into());
            let what =
                "depends on the layout of the kernel's types (CO-RE), which is not resolved \
                        here"
                    .to_owned();
            return Err(ObjectError::Unsupported { place, what });
        }
        let insns = encode::decode_all(bytes.as_chunks::<8>().0).map_err(|source| {
            let at = from + SLOT_BYTES * u64::try_from(source.slot).expect("usize fits");
            ObjectError::Instruction { place: place(function.section, at), what: source.what }
        })?;
        self.placed.insert((function.number, from), self.slots);
        let first = u32::try_from(self.slots).expect("SLOTS_MAX");
        let is_entry = self.functions.is_empty();
        let name = if is_entry { "main" } else { function.name };
        self.functions.push(assembler::Function {
            name: name.to_owned(),
            slot: first,
            global: None,
        });
        let mut lines = LinesOf::new(self.object.extension.lines(function.section), function);
        let mut relocated = 0;
        let mut offset = from;
        for insn in insns {
            if let Some(mut origin) = lines.origin_at(offset) {
                self.text_bytes += origin.text.len();
                if self.text_bytes > TEXTS_BYTES_MAX {
                    origin = Origin::new(Phase::Text, "further lines are not kept");
                }
                self.origins.push((self.insns.len(), origin));
            }
            let relocation = self.object.container.relocation(function.number, offset);
            relocated += usize::from(relocation.is_some());
            let insn = match relocation {
                Some(relocation) => self.relocate(function, offset, insn, relocation)?,
                None => self.bare(function, offset, insn)?,
            };
            self.insns.push(insn);
            self.slots += usize::try_from(insn.slots()).expect("1 or 2");
            offset += SLOT_BYTES * u64::from(insn.slots());
        }
        self.all_relocated(function, relocated)
    }

    /// Was every relocation of the function met? One between two instructions is not.
    fn all_relocated(&self, function: &Function<'_>, met: usize) -> Result<(), ObjectError> {
        let all = self.object.container.relocations.get(&function.number);
        let all = all.map(Vec::as_slice).unwrap_or_default();
        let from = all.partition_point(|r| r.offset < function.from);
        let to = all.partition_point(|r| r.offset < function.to);
        if to - from == met {
            return Ok(());
        }
        let what = format!("function {:?} is relocated where no instruction is", function.name);
        Err(ObjectError::broken(what))
    }

    /// An instruction that names nothing, or only what is in its own section.
    fn bare(
        &mut self,
        function: &Function<'_>,
        offset: u64,
        insn: Insn,
    ) -> Result<Insn, ObjectError> {
        let unsupported = |what: &str| {
            let place = place(function.section, offset);
            Err(ObjectError::Unsupported { place, what: what.to_owned() })
        };
        if let Insn::Call(Callee::Kfunc { .. }) = insn {
            return unsupported("calls a kernel function by a number");
        }
        if let Insn::LoadImm64 { value, .. } = insn
            && !matches!(value, Imm64::Value(_) | Imm64::Function(_))
        {
            return unsupported("refers by number to what is not in the object");
        }
        let Some(distance) = flow::target_offset(&insn) else { return Ok(insn) };
        let next = i128::from(offset) + i128::from(SLOT_BYTES);
        let to = next + i128::from(distance) * i128::from(SLOT_BYTES);
        if is_call(&insn) {
            let target = u64::try_from(to).unwrap_or(u64::MAX);
            self.call(function, offset, (function.number, target))?;
        } else if to < i128::from(function.from) || to >= i128::from(function.to) {
            return unsupported("jumps out of its function");
        }
        Ok(insn)
    }

    /// An instruction that is to be filled in.
    fn relocate(
        &mut self,
        function: &Function<'_>,
        offset: u64,
        insn: Insn,
        relocation: &Relocation,
    ) -> Result<Insn, ObjectError> {
        let at = || place(function.section, offset);
        let unsupported = |what: String| Err(ObjectError::Unsupported { place: at(), what });
        let symbol = self.object.container.symbols[relocation.symbol];
        let name = self.object.symbol_name(relocation.symbol);
        let section = match symbol.place {
            Place::Section(section) => section,
            Place::Outside => {
                return unsupported(format!("needs {name:?}, which is not in the object"));
            }
            Place::Nowhere => return unsupported(format!("needs {name:?}, which has no place")),
        };
        match (relocation.kind, insn) {
            (R_BPF_64_32, Insn::Call(Callee::Local(distance))) => {
                // The distance counts from the slot behind the call, as if that were at the symbol.
                let target = function_offset(symbol.offset.wrapping_add(SLOT_BYTES), distance);
                self.call(function, offset, (section, target))?;
                Ok(insn)
            }
            (R_BPF_64_64, Insn::LoadImm64 { dst, value }) => {
                let addend = match value {
                    Imm64::Value(value) => value,
                    Imm64::Function(value) => u64::try_from(value).unwrap_or(u64::MAX),
                    Imm64::MapFd(_)
                    | Imm64::MapValue { .. }
                    | Imm64::BtfId { .. }
                    | Imm64::MapIndex(_)
                    | Imm64::MapIndexValue { .. } => {
                        return unsupported("is relocated and has a meaning already".to_owned());
                    }
                };
                // Of the two halves the first holds a number of bytes behind the symbol.
                let target = symbol.offset.wrapping_add(addend & u64::from(u32::MAX));
                if self.object.container.sections[section].is_code {
                    self.call(function, offset, (section, target))?;
                    return Ok(Insn::LoadImm64 { dst, value: Imm64::Function(0) });
                }
                let value = self.map_at(section, target, &symbol, name).map_err(|e| match e {
                    Some(e) => e,
                    None => ObjectError::Unsupported {
                        place: at(),
                        what: format!("refers to {name:?}, which is no map and no data"),
                    },
                })?;
                Ok(Insn::LoadImm64 { dst, value })
            }
            (R_BPF_64_32 | R_BPF_64_64, _) => {
                unsupported(format!("{insn} is relocated by type {}", relocation.kind))
            }
            (kind, _) => unsupported(format!("relocation of the unknown type {kind}")),
        }
    }

    /// Note that the instruction at `offset` means a function, which is placed later.
    fn call(
        &mut self,
        from: &Function<'_>,
        offset: u64,
        target: (usize, u64),
    ) -> Result<(), ObjectError> {
        let functions = &self.object.functions;
        let number =
            functions.binary_search_by_key(&target, |f| (f.number, f.from)).map_err(|_| {
                let what = format!(
                    "calls byte {} of section {}, where no function begins",
                    target.1, target.0
                );
                ObjectError::Unsupported { place: place(from.section, offset), what }
            })?;
        self.calls.push((self.insns.len(), self.slots, target));
        // Its place is not known yet, but that it has one.
        if let std::collections::hash_map::Entry::Vacant(entry) = self.placed.entry(target) {
            entry.insert(usize::MAX);
            self.waiting.push_back(number);
        }
        Ok(())
    }

    fn resolve_calls(&mut self) {
        for &(at, slot, target) in &self.calls {
            let to = i64::try_from(self.placed[&target]).expect("placed");
            let distance = to - (i64::try_from(slot).expect("SLOTS_MAX") + 1);
            let distance = i32::try_from(distance).expect("SLOTS_MAX");
            if let Insn::Call(Callee::Local(off))
            | Insn::LoadImm64 { value: Imm64::Function(off), .. } = &mut self.insns[at]
            {
                *off = distance;
            }
        }
    }

    /// Number the maps as they are in the object, not as they were met.
    fn order_maps(&mut self) {
        let mut met: Vec<(usize, i32)> = self.map_index.iter().map(|(&n, &i)| (n, i)).collect();
        met.sort_unstable();
        let mut new = vec![0; met.len()];
        for (to, &(_, from)) in met.iter().enumerate() {
            new[usize::try_from(from).expect("an index")] = to;
        }
        let mut maps: Vec<_> = new.iter().zip(self.maps.drain(..)).collect();
        maps.sort_by_key(|(to, _)| **to);
        self.maps = maps.into_iter().map(|(_, map)| map).collect();
        for contents in &mut self.contents {
            contents.map = new[contents.map];
        }
        self.contents.sort_by_key(|contents| contents.map);
        for insn in &mut self.insns {
            if let Insn::LoadImm64 {
                value: Imm64::MapIndex(index) | Imm64::MapIndexValue { index, .. },
                ..
            } = insn
            {
                let to = new[usize::try_from(*index).expect("an index")];
                *index = i32::try_from(to).expect("MAPS_MAX");
            }
        }
    }

    /// What a load of `target` in a section of maps or data loads. `Err(None)`: neither.
    fn map_at(
        &mut self,
        section: usize,
        target: u64,
        symbol: &Symbol<'_>,
        name: &str,
    ) -> Result<Imm64, Option<ObjectError>> {
        let maps = self.object.maps();
        // Data is one map, whatever byte of it is meant; other maps are met at their beginning.
        let at = maps.partition_point(|map| (map.section, map.offset) <= (section, target));
        let number = at.checked_sub(1).filter(|&number| maps[number].section == section);
        let number = number.ok_or(None)?;
        let map = &maps[number];
        let is_data = map.described == Described::Data;
        if !is_data && map.offset != target {
            let what = format!("{name:?} is byte {target} of its section, where no map begins");
            return Err(Some(ObjectError::broken(what)));
        }
        let beyond = target >= u64::from(map.value_bytes);
        if is_data && (beyond || symbol.kind == SymbolKind::Function) {
            let size = map.value_bytes;
            let what = format!("{name:?} is byte {target} of {size} in {:?}", map.name);
            return Err(Some(ObjectError::broken(what)));
        }
        let index = match self.map_index.get(&number) {
            Some(&index) => index,
            None => self.add_map(number).map_err(Some)?,
        };
        if is_data {
            let offset = i32::try_from(target).map_err(|_| None)?;
            return Ok(Imm64::MapIndexValue { index, offset });
        }
        Ok(Imm64::MapIndex(index))
    }

    fn add_map(&mut self, number: usize) -> Result<i32, ObjectError> {
        let map = &self.object.maps()[number];
        let unsupported = |what: &str| {
            let place = format!("map {:?}", map.name);
            Err(ObjectError::Unsupported { place, what: what.to_owned() })
        };
        let spec = map.spec()?;
        let relocated = self.object.container.relocations.get(&map.section);
        let index = self.maps.len();
        if map.described == Described::Data {
            if relocated.is_some_and(|list| !list.is_empty()) {
                return unsupported("its data holds addresses");
            }
            let section = &self.object.container.sections[map.section];
            if !section.bytes.is_empty() {
                self.contents.push(Contents { map: index, bytes: section.bytes.to_vec() });
            }
        }
        let index = i32::try_from(index).expect("MAPS_MAX");
        self.maps.push(spec);
        self.map_index.insert(number, index);
        Ok(index)
    }
}

/// Does `insn` mean a function?
fn is_call(insn: &Insn) -> bool {
    matches!(insn, Insn::Call(Callee::Local(_)) | Insn::LoadImm64 { value: Imm64::Function(_), .. })
}

/// `section+0x10`.
fn place(section: &str, offset: u64) -> String {
    format!("{}+{offset:#x}", one_line(section))
}

/// The byte `distance` slots behind `from`; beyond everything if there is no such byte.
fn function_offset(from: u64, distance: i32) -> u64 {
    from.checked_add_signed(i64::from(distance) * 8).unwrap_or(u64::MAX)
}

/// The lines of a function, one after the other.
struct LinesOf<'l, 'a> {
    rest: &'l [Line<'a>],
    fallback: Option<Origin>,
}

impl<'l, 'a> LinesOf<'l, 'a> {
    fn new(lines: &'l [Line<'a>], function: &Function<'_>) -> Self {
        // What was said of the bytes before is not about this function.
        let first = lines.partition_point(|line| u64::from(line.offset) < function.from);
        let text = format!("function {}", one_line(function.name));
        Self { rest: &lines[first..], fallback: Some(Origin::new(Phase::Text, text)) }
    }

    /// The origin that begins at `offset`, if one does.
    fn origin_at(&mut self, offset: u64) -> Option<Origin> {
        let until = self.rest.partition_point(|line| u64::from(line.offset) <= offset);
        let (met, rest) = self.rest.split_at(until);
        self.rest = rest;
        let fallback = self.fallback.take();
        met.last().map(|line| origin(&line.source)).or(fallback)
    }
}

/// A line as an origin. In our own objects lines are origins.
fn origin(line: &SourceLine<'_>) -> Origin {
    let text = line.to_string();
    if line.is_ours() {
        let phases = [
            Phase::Entry,
            Phase::Scope,
            Phase::Count,
            Phase::Scan,
            Phase::Bounds,
            Phase::Confirm,
            Phase::Report,
            Phase::Verdict,
        ];
        for phase in phases {
            let rest = text.strip_prefix(phase.name()).and_then(|rest| rest.strip_prefix(": "));
            if let Some(text) = rest {
                return Origin::new(phase, text);
            }
        }
    }
    Origin::new(Phase::Text, text)
}
