//! Comparing a candidate with the whole literal.

use super::{Gen, int, off};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label, Origin, Phase,
        Reg::{self, R0, R1},
        Size,
    },
    compiler::lower::Needle,
};

/// A piece of a literal that one load compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) at: usize,
    pub(super) size: Size,
    /// The bytes, with letters in lower case where case is ignored.
    pub(super) value: u64,
    /// What is or-ed into the loaded bytes before comparing: 0x20 at letters; 0 if nothing.
    pub(super) fold: u64,
}

/// Cut `pattern` into as few loads as possible; the last may overlap the one before.
pub(super) fn pieces(pattern: &Needle) -> Vec<Piece> {
    let len = pattern.bytes.len();
    let size = match len {
        0..=1 => Size::B,
        2..=3 => Size::H,
        4..=7 => Size::W,
        _ => Size::DW,
    };
    let step = usize::from(size.bytes());
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < len {
        let start = at.min(len - step);
        pieces.push(piece(pattern, start, size));
        at = start + step;
    }
    pieces
}

fn piece(pattern: &Needle, at: usize, size: Size) -> Piece {
    let (mut value, mut fold) = (0, 0);
    let range = at..at + usize::from(size.bytes());
    let bytes = pattern.bytes[range.clone()].iter().zip(&pattern.fold[range]);
    for (shift, (&byte, &bit)) in bytes.enumerate() {
        value |= u64::from(byte | bit) << (8 * shift);
        fold |= u64::from(bit) << (8 * shift);
    }
    Piece { at, size, value, fold }
}

/// The low half of a value of at most four bytes, as the immediate of a 32-bit compare.
pub(super) fn low(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

impl Gen<'_> {
    /// Compare `piece` with the bytes at `base + at`; continue if equal, else at `fail`. `r0` and,
    /// for eight bytes, `r1` are lost.
    pub(super) fn compare(
        &mut self,
        pattern: &Needle,
        piece: Piece,
        base: Reg,
        at: i32,
        fail: Label,
    ) {
        let end = piece.at + usize::from(piece.size.bytes());
        let text = pattern.bytes[piece.at..end].escape_ascii();
        let byte = u32::try_from(piece.at).expect("LITERAL_BYTES_MAX");
        self.asm.origin(
            Origin::of_pattern(
                Phase::Confirm,
                pattern.id,
                format!("match \"{text}\" at +{}", piece.at),
            )
            .at_byte(byte),
        );
        self.asm.emit(piece.size.load(R0, base, off(at + int(piece.at))));
        if piece.size == Size::DW {
            if piece.fold != 0 {
                self.asm.emit(Insn::load_imm64(R1, piece.fold));
                self.asm.emit(Alu::Or.reg(R0, R1));
            }
            self.asm.emit(Insn::load_imm64(R1, piece.value));
            self.emit_branch(Jmp::Ne.reg(R0, R1, fail));
        } else {
            if piece.fold != 0 {
                self.asm.emit(Alu::Or.imm32(R0, low(piece.fold)));
            }
            self.emit_branch(Jmp::Ne.imm32(R0, low(piece.value), fail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_every_length_exactly() {
        for len in 1..=40 {
            let bytes: Vec<u8> = (b'!'..).take(len).collect();
            let pattern = Needle::of_bytes(&bytes, false);
            let mut covered = vec![false; len];
            for piece in pieces(&pattern) {
                for at in 0..usize::from(piece.size.bytes()) {
                    let byte = u64::from(pattern.bytes[piece.at + at]);
                    assert_eq!(piece.value >> (8 * at) & 0xff, byte, "length {len}");
                    covered[piece.at + at] = true;
                }
            }
            assert!(covered.iter().all(|&c| c), "length {len}");
        }
    }

    #[test]
    fn only_letters_fold() {
        let pattern = Needle::of_bytes(b"A[{z", true);
        let [piece] = pieces(&pattern)[..] else { panic!("one piece") };
        assert_eq!(piece.fold.to_le_bytes()[..4], [0x20, 0, 0, 0x20]);
        assert_eq!(piece.value.to_le_bytes()[..4], *b"a[{z");
    }
}
