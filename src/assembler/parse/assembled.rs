//! What text came to.

use super::{Code, ParseError, encode};
use crate::assembler::{
    Contents, Function, MapSpec, Origin, ProgramImage, ProgramKind, image,
    insn::{Imm64, Insn},
};

/// A program that was read from text.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The instructions, in which raw slots may stand.
    pub codes: Vec<Code>,
    /// Its name, type and whether it reads fragments, if a directive says so.
    pub program: Option<(String, ProgramKind, bool)>,
    /// The maps that were declared.
    pub maps: Vec<MapSpec>,
    /// What they hold at first.
    pub contents: Vec<Contents>,
    /// The licence, if a directive names one.
    pub licence: Option<String>,
    pub(super) functions: Vec<Function>,
    pub(super) origins: Vec<Origin>,
    pub(super) origin_of: Vec<u32>,
    pub(super) lines: Vec<u32>,
}

impl Assembled {
    /// The slots, little endian. Map references are what was written.
    pub fn slots(&self) -> Vec<[u8; 8]> {
        let mut slots = Vec::with_capacity(self.codes.len());
        for code in &self.codes {
            match code {
                Code::Insn(insn) => {
                    let (first, second) = encode::encode(insn);
                    slots.push(first);
                    slots.extend(second);
                }
                Code::Slot { bytes, .. } => slots.push(*bytes),
            }
        }
        slots
    }

    /// The program as an image; without a directive it is an XDP program called `text`. No
    /// structural check is made; see [`check`](crate::assembler::check::check).
    ///
    /// # Errors
    ///
    /// An image has instructions and maps only: a raw slot, or an index without a map.
    pub fn image(self) -> Result<ProgramImage, ParseError> {
        let mut insns = Vec::with_capacity(self.codes.len());
        for (code, &line) in self.codes.iter().zip(&self.lines) {
            insns.push(insn(code, self.maps.len()).map_err(|what| ParseError {
                line: usize::try_from(line).expect("u32 fits"),
                column: 1,
                what,
            })?);
        }
        let (slots, slot_count) = image::slots_of(&insns);
        let text = || ("text".to_owned(), ProgramKind::Xdp, false);
        let (name, kind, frags) = self.program.unwrap_or_else(text);
        let mut functions = self.functions;
        if functions.first().is_none_or(|first| first.slot != 0) {
            functions.insert(0, Function { name: "main".to_owned(), slot: 0, global: None });
        }
        Ok(ProgramImage {
            name,
            kind,
            frags,
            insns,
            slots,
            slot_count,
            origin_of: self.origin_of,
            origins: self.origins,
            maps: self.maps,
            functions,
            contents: self.contents,
            licence: self.licence.map_or(image::LICENCE.into(), Into::into),
            tails: Vec::new(),
        })
    }
}

/// `code` as an instruction of an image with this many maps.
fn insn(code: &Code, maps: usize) -> Result<Insn, String> {
    let Code::Insn(insn) = code else {
        return Err("a raw slot is no instruction; as hex or raw bytes it can be written".into());
    };
    if let Insn::LoadImm64 {
        value: Imm64::MapIndex(index) | Imm64::MapIndexValue { index, .. },
        ..
    } = insn
        && !usize::try_from(*index).is_ok_and(|index| index < maps)
    {
        return Err(format!("map {index} is not declared; {maps} are, with .map"));
    }
    Ok(*insn)
}
