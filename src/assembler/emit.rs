//! A program in the forms that other tools take: hexadecimal, raw bytes, a C array; and
//! hexadecimal back to slots.
//!
//! Map references stay what they are in an image: indices (`BPF_PSEUDO_MAP_IDX`), which the
//! kernel resolves through the `fd_array` of the load (Linux 5.14). Whoever loads the bytes
//! creates the maps, in the order of the image.

use std::fmt::Write as _;

use super::{
    Contents, ProgramImage, encode,
    listing::{Line, lines, map_text, one_line},
};

/// The bytes as hexadecimal digits, one instruction a line: 16 digits, or 32 if it is wide.
pub fn hex(image: &ProgramImage) -> String {
    let mut text = String::new();
    for insn in image.insns() {
        let (first, second) = encode::encode(insn);
        push_hex(&mut text, &first);
        push_hex(&mut text, second.as_slice().as_flattened());
        text.push('\n');
    }
    text
}

/// Two digits for each of `bytes`.
pub fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(nibble)]));
        }
    }
}

/// The bytes themselves, 8 a slot, little endian.
pub fn raw(image: &ProgramImage) -> Vec<u8> {
    image.encode().concat()
}

/// A C array of `struct bpf_insn`, ready for `BPF_PROG_LOAD`, with the texts, the origins and the
/// maps as comments. It compiles alone.
pub fn c(image: &ProgramImage) -> String {
    let mut text = String::new();
    write_c(image, &mut text).expect("a string takes everything");
    text
}

fn write_c(image: &ProgramImage, out: &mut String) -> std::fmt::Result {
    let name = c_name(image.name());
    let (kind, slots) = (image.kind().name(), image.slot_count());
    let licence = comment(image.licence());
    writeln!(out, "/* {}: {kind}, {slots} slots, licence {licence}.", comment(image.name()))?;
    if image.frags() {
        writeln!(out, " * Load it with BPF_F_XDP_HAS_FRAGS.")?;
    }
    if !image.maps().is_empty() {
        writeln!(
            out,
            " * Create these maps and pass their descriptors in fd_array, in this order:"
        )?;
    }
    for (index, spec) in image.maps().iter().enumerate() {
        writeln!(out, " *   [{index}] {}", comment(&map_text(spec)))?;
    }
    if !image.contents().is_empty() {
        writeln!(out, " * {name}_map_N is what the value of map N must hold first.")?;
    }
    writeln!(out, " */\n#include <linux/bpf.h>\n")?;
    for Contents { map, bytes } in image.contents() {
        writeln!(out, "static const unsigned char {name}_map_{map}[{}] = {{", bytes.len())?;
        for row in bytes.chunks(16) {
            let row: Vec<String> = row.iter().map(|byte| format!("{byte:#04x}")).collect();
            writeln!(out, "\t{},", row.join(", "))?;
        }
        writeln!(out, "}};\n")?;
    }
    writeln!(out, "static const struct bpf_insn {name}[{slots}] = {{")?;
    for line in lines(image) {
        if line.begins_run {
            writeln!(out, "\t/* {} */", comment(&line.origin.to_string()))?;
        }
        write_c_line(&line, out)?;
    }
    writeln!(out, "}};")
}

fn write_c_line(line: &Line<'_>, out: &mut String) -> std::fmt::Result {
    let mut text = format!(" /* {:>4}: {} */", line.slot, comment(&line.text));
    for b in line.bytes.chunks_exact(8) {
        let off = i16::from_le_bytes([b[2], b[3]]);
        let imm = u32::from_le_bytes([b[4], b[5], b[6], b[7]]);
        let (code, dst, src) = (b[0], b[1] & 0x0f, b[1] >> 4);
        writeln!(out, "\t{{ {code:#04x}, {dst}, {src}, {off}, (int){imm:#010x} }},{text}")?;
        text.clear();
    }
    Ok(())
}

/// `name` as a C identifier.
fn c_name(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("prog_{}", name.chars().map(legal).collect::<String>())
}

/// `text` for the inside of a comment, which it can neither end nor begin again.
fn comment(text: &str) -> String {
    one_line(text).replace("*/", "*\\/").replace("/*", "/\\*")
}

/// Why text is not a program in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// Something that is neither a digit nor white space.
    #[error("line {line}, column {column}: {found:?} is not a hexadecimal digit")]
    Digit {
        /// Counted from 1.
        line: usize,
        /// Characters, counted from 1.
        column: usize,
        /// What is there.
        found: char,
    },
    /// The digits do not fill the last slot.
    #[error("{digits} hexadecimal digits are not a whole number of slots; a slot has 16")]
    Partial {
        /// How many there are in all.
        digits: usize,
    },
}

/// Slots from hexadecimal digits; white space is ignored, wherever it stands.
///
/// # Errors
///
/// A character that is no digit, or a last slot that is cut off.
pub fn slots_from_hex(text: &str) -> Result<Vec<[u8; 8]>, HexError> {
    let mut slots = Vec::new();
    let mut digits = 0_usize;
    let mut value = 0_u64;
    for (row, line) in text.lines().enumerate() {
        for (column, found) in line.chars().enumerate() {
            if found.is_whitespace() {
                continue;
            }
            let digit = found.to_digit(16).ok_or(HexError::Digit {
                line: row + 1,
                column: column + 1,
                found,
            })?;
            value = value << 4 | u64::from(digit);
            digits += 1;
            if digits.is_multiple_of(16) {
                slots.push(value.to_be_bytes());
            }
        }
    }
    if !digits.is_multiple_of(16) {
        return Err(HexError::Partial { digits });
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembler::{
        Alu, Assembler, Insn, MapKind, MapSpec, Origin, Phase, ProgramKind,
        Reg::R0,
        Reg::R1,
        Reg::R10,
        Size, Target,
        parse::{Assembled, assemble},
    };

    fn sample() -> ProgramImage {
        let mut asm = Assembler::new("7 strange.name", ProgramKind::Xdp);
        let map = asm.map(MapSpec {
            name: "a*/b".to_owned(),
            kind: MapKind::Array,
            key_bytes: 4,
            value_bytes: 8,
            entries_max: 1,
            flags: 0,
        });
        asm.origin(Origin::new(Phase::Confirm, "\"*/ int x; /* \\\" ??/ \n\u{7f} é"));
        asm.load_map_value(R1, map, 8);
        asm.emit(Size::B.store_imm(R10, -1, -1));
        asm.emit(Alu::Mov.imm(R0, i32::MIN));
        asm.emit(Insn::Exit);
        asm.finish(&Target::newest()).expect("a program")
    }

    #[test]
    fn hexadecimal_is_one_instruction_a_line_and_is_read_back() {
        let image = sample();
        let text = hex(&image);
        let want = "18610000000000000000000008000000\n720affffffffffff\n\
                    b700000000000080\n9500000000000000\n";
        assert_eq!(text, want);
        assert_eq!(slots_from_hex(&text), Ok(image.encode()));
        assert_eq!(slots_from_hex(&text.replace('\n', "")), Ok(image.encode()));
        assert_eq!(raw(&image), image.encode().concat());
    }

    #[test]
    fn bad_hexadecimal_is_named_with_its_place() {
        for (text, want) in [
            ("", Ok(vec![])),
            (" \n ", Ok(vec![])),
            ("95", Err(HexError::Partial { digits: 2 })),
            ("95000000 00000000\n950x", Err(HexError::Digit { line: 2, column: 4, found: 'x' })),
            ("é", Err(HexError::Digit { line: 1, column: 1, found: 'é' })),
        ] {
            assert_eq!(slots_from_hex(text), want, "{text:?}");
        }
    }

    /// Goal: no pattern can break out of a comment. Method: the compiler is asked.
    #[test]
    fn the_c_array_compiles_alone_whatever_the_pattern_says() {
        use std::{io::Write as _, process};

        let text = c(&sample());
        assert!(text.contains("prog_7_strange_name[5]"), "{text}");
        let full = ".map m array key 4 value 20 entries 1\n.data m 0 01ff\nr0 = map[m]\nexit";
        let full = assemble(full).and_then(Assembled::image).expect("a program");
        for text in [text, c(&full)] {
            let compiler = process::Command::new("cc")
                .args(["-fsyntax-only", "-Wall", "-Werror", "-Wno-unused-variable", "-xc", "-"])
                .stdin(process::Stdio::piped())
                .spawn();
            let Ok(mut compiler) = compiler else {
                eprintln!("skipped: there is no C compiler");
                return;
            };
            let input = compiler.stdin.take().expect("piped");
            { input }.write_all(text.as_bytes()).expect("the compiler reads");
            assert!(compiler.wait().expect("it ends").success(), "{text}");
        }
    }
}
