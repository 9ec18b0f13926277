//! The instructions of an image as an object holds them: the first function in one section, all
//! others in another, and a relocation wherever a map or a function is meant.

use super::{
    ElfError,
    sections::{Relocation, Symbol, SymbolKind},
};
use crate::assembler::{
    Insn, ProgramImage,
    btf::FunctionInfo,
    encode,
    flow::target_offset,
    insn::{Callee, Imm64},
};

/// Bytes of a slot.
const SLOT_BYTES: u64 = 8;

/// A load of 64 bits gets an address.
const R_BPF_64_64: u32 = 1;
/// A call gets the distance of a function.
const R_BPF_64_32: u32 = 10;

/// What a relocation points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    /// The function with this number.
    Function(usize),
    /// The map with this index.
    Map(usize),
}

/// A relocation whose symbol is not known yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    offset: u64,
    kind: u32,
    aim: Aim,
}

impl Link {
    /// The relocation, given the symbols of functions and maps.
    pub(super) fn resolve(&self, functions: &[u32], maps: &[u32]) -> Relocation {
        let symbol = match self.aim {
            Aim::Function(number) => functions[number],
            Aim::Map(index) => maps[index],
        };
        Relocation { offset: self.offset, kind: self.kind, symbol }
    }
}

/// Where a function is in its section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    offset: u64,
    bytes: u64,
}

impl Range {
    pub(super) fn symbol(self, name: &str, section: u16) -> Symbol {
        Symbol {
            name: name.to_owned(),
            kind: SymbolKind::Function,
            section,
            offset: self.offset,
            bytes: self.bytes,
            global: true,
        }
    }
}

/// The two sections of code.
pub(super) struct Code {
    pub(super) entry: Vec<u8>,
    pub(super) text: Vec<u8>,
    pub(super) entry_links: Vec<Link>,
    pub(super) text_links: Vec<Link>,
    /// By the number of the function.
    pub(super) ranges: Vec<Range>,
}

impl Code {
    pub(super) fn of(image: &ProgramImage, functions: &[FunctionInfo]) -> Result<Self, ElfError> {
        let ends: Vec<u32> =
            functions.iter().skip(1).map(|f| f.slot).chain([image.slot_count()]).collect();
        let text_start = ends[0];
        let ranges = functions
            .iter()
            .zip(&ends)
            .map(|(function, &end)| {
                let base = if function.slot < text_start { 0 } else { text_start };
                Range {
                    offset: u64::from(function.slot.saturating_sub(base)) * SLOT_BYTES,
                    bytes: u64::from(end.saturating_sub(function.slot)) * SLOT_BYTES,
                }
            })
            .collect();
        let mut code = Self {
            entry: Vec::new(),
            text: Vec::new(),
            entry_links: Vec::new(),
            text_links: Vec::new(),
            ranges,
        };
        let mut inside = Inside { functions, ends: &ends, number: 0 };
        for (index, insn) in image.insns().iter().enumerate() {
            let slot = image.slot_of(index);
            inside.advance(slot);
            let (insn, link) = inside.link(image, slot, insn)?;
            let (bytes, links) = if slot < text_start {
                (&mut code.entry, &mut code.entry_links)
            } else {
                (&mut code.text, &mut code.text_links)
            };
            if let Some((kind, aim)) = link {
                let offset = u64::try_from(bytes.len()).expect("usize fits");
                links.push(Link { offset, kind, aim });
            }
            let (first, second) = encode::encode(&insn);
            bytes.extend(first.into_iter().chain(second.into_iter().flatten()));
        }
        Ok(code)
    }
}

/// The function that instructions are being written of.
struct Inside<'a> {
    functions: &'a [FunctionInfo],
    ends: &'a [u32],
    number: usize,
}

impl Inside<'_> {
    fn advance(&mut self, slot: u32) {
        while slot >= self.ends[self.number] && self.number + 1 < self.ends.len() {
            self.number += 1;
        }
    }

    /// `insn` as it stands in the object, and what its relocation is.
    fn link(
        &self,
        image: &ProgramImage,
        slot: u32,
        insn: &Insn,
    ) -> Result<(Insn, Option<(u32, Aim)>), ElfError> {
        let unsupported = |what| Err(ElfError::Unsupported { slot, what });
        let to = target_offset(insn).map(|off| i64::from(slot) + 1 + off);
        match *insn {
            Insn::LoadImm64 { dst, value } => match value {
                Imm64::Value(_) => Ok((*insn, None)),
                Imm64::MapIndex(index) => {
                    let maps = image.maps().len();
                    let map = usize::try_from(index).ok().filter(|&map| map < maps);
                    let map = map.ok_or(ElfError::NoMap { slot, index, maps })?;
                    let bare = Insn::LoadImm64 { dst, value: Imm64::Value(0) };
                    Ok((bare, Some((R_BPF_64_64, Aim::Map(map)))))
                }
                Imm64::Function(_) => {
                    let bare = Insn::LoadImm64 { dst, value: Imm64::Function(0) };
                    Ok((bare, Some((R_BPF_64_64, self.function(slot, to)?))))
                }
                Imm64::MapIndexValue { .. } => {
                    unsupported("an object has no name for a byte of a map's value")
                }
                Imm64::MapFd(_) | Imm64::MapValue { .. } => {
                    unsupported("a descriptor means nothing in an object")
                }
                Imm64::BtfId { .. } => {
                    unsupported("a type id of the running kernel means nothing in an object")
                }
            },
            Insn::Call(Callee::Local(_)) => {
                // The distance counts from the slot behind the call, as if the function were here.
                let bare = Insn::Call(Callee::Local(-1));
                Ok((bare, Some((R_BPF_64_32, self.function(slot, to)?))))
            }
            Insn::Call(Callee::Kfunc { .. }) => {
                unsupported("a kernel function has no name here, only the running kernel's number")
            }
            Insn::GotoX { .. } => unsupported("a jump through a table, which is not in the image"),
            Insn::Jump { .. }
            | Insn::Goto { .. }
            | Insn::GotoLong { .. }
            | Insn::MayGoto { .. } => {
                let from = i64::from(self.functions[self.number].slot);
                let inside = from..i64::from(self.ends[self.number]);
                match to {
                    Some(to) if !inside.contains(&to) => {
                        Err(ElfError::JumpToAnotherFunction { slot, to })
                    }
                    Some(_) | None => Ok((*insn, None)),
                }
            }
            Insn::Alu { .. }
            | Insn::MovSx { .. }
            | Insn::AddrSpaceCast { .. }
            | Insn::Neg { .. }
            | Insn::Swap { .. }
            | Insn::Load { .. }
            | Insn::Store { .. }
            | Insn::LoadArgument { .. }
            | Insn::StoreArgument { .. }
            | Insn::Atomic { .. }
            | Insn::LoadAcquire { .. }
            | Insn::StoreRelease { .. }
            | Insn::LegacyLoad { .. }
            | Insn::Call(Callee::Helper(_) | Callee::Register(_))
            | Insn::Exit => Ok((*insn, None)),
        }
    }

    /// The function at `to`.
    fn function(&self, slot: u32, to: Option<i64>) -> Result<Aim, ElfError> {
        let number = to.and_then(|to| u32::try_from(to).ok()).and_then(|to| {
            let number = self.functions.binary_search_by_key(&to, |f| f.slot).ok()?;
            (number > 0).then_some(number)
        });
        let what = "calls what is no function, or the program's first one";
        number.map(Aim::Function).ok_or(ElfError::Unsupported { slot, what })
    }
}
