//! `.BTF.ext`: which type each function has, and which line explains which instructions, by section
//! and byte (`Documentation/bpf/btf.rst`, section 4.2).

use crate::assembler::btf::{FunctionInfo, LineInfo, MAGIC, ProgramTypes, VERSION};

/// Bytes of the header, up to `line_info_len`: without relocations by type (CO-RE), as before they
/// existed.
const HEADER_BYTES: u32 = 24;

/// Bytes of `struct bpf_func_info` and `struct bpf_line_info`.
const FUNCTION_BYTES: u32 = 8;
const LINE_BYTES: u32 = 16;

/// The section, for a program whose first function is in the section called `entry`.
pub(super) fn extension(types: &mut ProgramTypes, entry: &str) -> Vec<u8> {
    let names = [entry, ".text"].map(|name| types.writer().string(name));
    let text_start = types.functions().get(1).map_or(u32::MAX, |function| function.slot);
    let function = |at: u32, f: &FunctionInfo| vec![at, f.ty.number()];
    let line = |at: u32, l: &LineInfo| vec![at, l.file, l.text, l.line_column];
    let functions =
        records(FUNCTION_BYTES, names, text_start, types.functions(), |f| f.slot, function);
    let lines = records(LINE_BYTES, names, text_start, types.lines(), |l| l.slot, line);
    let length = |words: &[u32]| 4 * u32::try_from(words.len()).expect("fewer than 2^30 words");

    let mut bytes = MAGIC.to_le_bytes().to_vec();
    bytes.extend([VERSION, 0]);
    let header = [HEADER_BYTES, 0, length(&functions), length(&functions), length(&lines)];
    for word in header.into_iter().chain(functions).chain(lines) {
        bytes.extend(word.to_le_bytes());
    }
    bytes
}

/// The size of a record, and then for each of both sections its name, a count, and the records.
fn records<T>(
    record_bytes: u32,
    names: [u32; 2],
    text_start: u32,
    all: &[T],
    slot: impl Fn(&T) -> u32,
    words: impl Fn(u32, &T) -> Vec<u32>,
) -> Vec<u32> {
    let (entry, text) = all.split_at(all.partition_point(|one| slot(one) < text_start));
    let mut out = vec![record_bytes];
    for (name, part, start) in [(names[0], entry, 0), (names[1], text, text_start)] {
        if part.is_empty() {
            continue;
        }
        out.extend([name, u32::try_from(part.len()).expect("fewer than slots")]);
        for one in part {
            // Here places are counted in bytes.
            out.extend(words((slot(one) - start) * 8, one));
        }
    }
    out
}
