//! Code that judges eight bytes at once, after the recipes of
//! [`frequency::lanes`](crate::compiler::frequency::lanes).

use super::{
    super::{Gen, broadcast, frame, off},
    Term, WORD,
};
use crate::{
    assembler::{
        Alu, Insn,
        Reg::{self, R0, R1, R5, R7, R8, R10},
        Size,
    },
    compiler::frequency::{
        ByteSet,
        lanes::{Lanes, Thresholds},
    },
};

/// One in every byte.
pub(super) const ONES: Reg = R7;
/// 0x7f in every byte.
pub(super) const LOW7: Reg = R8;
/// The value of a cube in every byte, or what is on its way into a result.
const VALUE: Reg = R5;

impl Gen<'_> {
    /// The constants of a recipe. Helpers take `VALUE`.
    pub(super) fn lane_constants(&mut self, lanes: &Lanes) {
        self.asm.emit(Insn::load_imm64(ONES, broadcast(1)));
        self.asm.emit(Insn::load_imm64(LOW7, broadcast(0x7f)));
        match lanes {
            Lanes::Cube { value, .. } => {
                self.asm.emit(Insn::load_imm64(VALUE, broadcast(*value)));
            }
            Lanes::Thresholds(_) | Lanes::Table => {}
        }
    }

    /// `dst` = one in the lane of every byte that counts (or does not, if the recipe is inverted), of
    /// the eight at `base + at`. `r0`, `r1` and perhaps `r5` are lost.
    pub(super) fn lanes(&mut self, lanes: &Lanes, dst: Reg, base: Reg, at: i32) {
        self.lanes_of(lanes, Size::DW, dst, base, at);
    }

    /// The same for one byte, in the lowest lane; the others are 0.
    pub(super) fn lane(&mut self, lanes: &Lanes, dst: Reg, base: Reg) {
        self.lanes_of(lanes, Size::B, dst, base, 0);
        self.asm.emit(Alu::And.imm(dst, 1));
    }

    fn lanes_of(&mut self, lanes: &Lanes, size: Size, dst: Reg, base: Reg, at: i32) {
        match lanes {
            Lanes::Cube { mask, value } => {
                self.asm.emit(size.load(dst, base, off(at)));
                self.cube(*mask, *value, dst);
            }
            Lanes::Thresholds(thresholds) => {
                self.asm.emit(size.load(R0, base, off(at)));
                self.thresholds(thresholds, dst);
            }
            Lanes::Table => {
                let bytes = if size == Size::DW { WORD } else { 1 };
                self.look_up(dst, base, at, bytes);
                return;
            }
        }
        self.asm.emit(Alu::Rsh.imm(dst, 7));
        self.asm.emit(Alu::And.reg(dst, ONES));
    }

    fn cube(&mut self, mask: u8, value: u8, dst: Reg) {
        if mask != 0xff {
            self.asm.emit(Insn::load_imm64(R1, broadcast(mask)));
            self.asm.emit(Alu::And.reg(dst, R1));
        }
        if value != 0 {
            self.asm.emit(Alu::Xor.reg(dst, VALUE));
        }
        if mask < 0x80 {
            self.asm.emit(Alu::Add.reg(dst, LOW7));
            return;
        }
        self.mov(R1, dst);
        self.asm.emit(Alu::And.reg(R1, LOW7));
        self.asm.emit(Alu::Add.reg(R1, LOW7));
        self.asm.emit(Alu::Or.reg(dst, R1));
    }

    /// Of the word in `r0`.
    fn thresholds(&mut self, thresholds: &Thresholds, dst: Reg) {
        let Thresholds { both, low, high, eighth, inverted: _ } = thresholds;
        self.mov(R1, R0);
        self.asm.emit(Alu::And.reg(R1, LOW7));
        let mut fresh = true;
        self.mix_thresholds(low, dst, &mut fresh);
        if low.is_empty() {
            self.mix_thresholds(high, dst, &mut fresh);
            if !high.is_empty() {
                self.asm.emit(Alu::And.reg(dst, R0));
            }
        } else if high.is_empty() {
            // What holds only where the eighth bit is clear.
            self.asm.emit(Alu::Or.reg(dst, R0));
            self.asm.emit(Alu::Xor.reg(dst, R0));
        } else {
            // Of two that exclude each other: low ^ ((low ^ high) & eighth).
            self.mix_thresholds(high, dst, &mut fresh);
            self.asm.emit(Alu::And.reg(dst, R0));
            self.mix_thresholds(low, dst, &mut fresh);
        }
        if *eighth {
            let alu = if std::mem::take(&mut fresh) { Alu::Mov } else { Alu::Xor };
            self.asm.emit(alu.reg(dst, R0));
        }
        self.mix_thresholds(both, dst, &mut fresh);
    }

    /// Mix thresholds on `r1` into `dst`, which holds nothing yet if it is `fresh`.
    fn mix_thresholds(&mut self, thresholds: &[u8], dst: Reg, fresh: &mut bool) {
        for &threshold in thresholds {
            let to = if *fresh { dst } else { VALUE };
            self.asm.emit(Insn::load_imm64(to, broadcast(0x80 - threshold)));
            self.asm.emit(Alu::Add.reg(to, R1));
            if !std::mem::take(fresh) {
                self.asm.emit(Alu::Xor.reg(dst, VALUE));
            }
        }
    }

    /// `dst` = the entries of `bytes` bytes, each in its lane.
    fn look_up(&mut self, dst: Reg, base: Reg, at: i32, bytes: i32) {
        for byte in 0..bytes {
            let to = if byte == 0 { dst } else { R0 };
            self.asm.emit(Size::B.load(to, base, off(at + byte)));
            self.asm.emit(Alu::Add.reg(to, R10));
            self.asm.emit(Size::B.load(to, to, frame::TABLE));
            if byte > 0 {
                self.asm.emit(Alu::Lsh.imm(R0, 8 * byte));
                self.asm.emit(Alu::Or.reg(dst, R0));
            }
        }
    }

    /// The table on the stack: for each of 256 bytes, does it count?
    pub(super) fn byte_table(&mut self, term: &Term) {
        let set: ByteSet = term.count.term.set;
        self.say_count(term.count, format!("a table of the {} bytes that count", set.len()));
        for word in 0..frame::TABLE_BYTES / 8 {
            let at = frame::TABLE + 8 * word;
            let mut entries = [0; 8];
            for (entry, byte) in entries.iter_mut().zip((0..=u8::MAX).skip(8 * usize_of(word))) {
                *entry = u8::from(set.contains(byte));
            }
            let entries = u64::from_le_bytes(entries);
            if let Ok(imm) = i32::try_from(entries) {
                self.asm.emit(Size::DW.store_imm(R10, at, imm));
            } else {
                self.asm.emit(Insn::load_imm64(R0, entries));
                self.asm.emit(Size::DW.store(R10, at, R0));
            }
        }
    }
}

fn usize_of(number: i16) -> usize {
    usize::try_from(number).expect("counted from 0")
}
