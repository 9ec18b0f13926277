//! The window multiply: one look at every few positions, three instructions each.
//!
//! A multiplication brings the first `stride` grams of a literal below a limit (`gram_interval`), so
//! of every `stride` neighbouring positions only one needs to be looked at: `load; *=; if <`. What
//! passes is compared with the exact products of the grams. A product that is none of them was a
//! false alarm, and the scan goes on behind it. One that is says where the literal would begin,
//! and from there on the pair test takes over for the rest of the pass: it knows how to end, how to
//! confirm and how to report, and near misses come in herds.
//!
//! Looked at at `p`, the gram at byte `j` of the literal stands for an occurrence at `p - j`. Block
//! positions are counted so that this is never before the block: the look with number `k` is at
//! `first + stride - 1 + k * stride` behind its start, and answers for the `stride` positions from
//! `k * stride` on.
//!
//! The verifier sees one loop with `may_goto`; what follows a look is explored once, because the
//! number of the look passes through a stack slot that it does not follow.

use super::{
    Gen,
    frame::{LANE, LOW7, MASK, PAIR_A, PTR},
    int, off,
    pair::Sought,
};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label, Phase,
        Reg::{self, R0, R4, R10},
        Size,
    },
    compiler::gram_interval::GramInterval,
};

/// What the products are multiplied by; borrowed from the pair test.
const MULTIPLIER: Reg = PAIR_A;
/// What they must be below; borrowed from the pair test.
const LIMIT: Reg = LOW7;
/// Positions that one block covers, at most.
const BLOCK_MAX: i32 = 240;

/// The looks of one block that may have found something: emitted by [`Gen::looked`].
pub(super) struct Looks {
    labels: Vec<Label>,
    /// Where the scan goes on.
    head: Label,
    /// Where the pair test begins.
    pairs: Label,
    /// The offset of the block: what `PTR` was made of.
    offset: Reg,
}

/// Positions of a block.
pub(super) fn block(skip: &GramInterval) -> i32 {
    let stride = int(skip.stride);
    BLOCK_MAX / stride * stride
}

/// Bytes that a block reads.
pub(super) fn need(skip: &GramInterval) -> i32 {
    block(skip) - 1 + int(skip.first) + 8
}

impl Gen<'_> {
    /// Load the constants of the looks.
    pub(super) fn multiply_constants(&mut self, needle: &Sought, skip: &GramInterval) {
        let (stride, bytes) = (skip.stride, skip.gram_bytes);
        let grams = &needle.pattern.bytes[skip.first..skip.first + stride + bytes - 1];
        self.say_of(
            Phase::Scan,
            needle.pattern,
            format!("{stride} grams of {bytes} bytes of \"{}\"", grams.escape_ascii()),
        );
        self.asm.emit(Insn::load_imm64(MULTIPLIER, skip.multiplier));
        self.asm.emit(Insn::load_imm64(LIMIT, skip.limit));
        if let Some(fold) = skip.fold {
            self.asm.emit(Insn::load_imm64(MASK, fold));
        }
    }

    /// The looks of one block behind `PTR`; `r0` is lost.
    pub(super) fn looks(
        &mut self,
        needle: &Sought,
        skip: &GramInterval,
        [head, pairs]: [Label; 2],
        offset: Reg,
    ) -> Looks {
        let stride = int(skip.stride);
        let text = format!("one look at every {stride} positions");
        self.say_of(Phase::Scan, needle.pattern, text);
        let mut labels = Vec::new();
        for look in 0..block(skip) / stride {
            let at = int(skip.first) + stride - 1 + look * stride;
            self.asm.emit(Size::DW.load(R0, PTR, off(at)));
            if skip.fold.is_some() {
                self.asm.emit(Alu::And.reg(R0, MASK));
            }
            self.asm.emit(Alu::Mul.reg(R0, MULTIPLIER));
            let label = self.asm.label();
            self.emit_branch(Jmp::Lt.reg(R0, LIMIT, label));
            labels.push(label);
        }
        Looks { labels, head, pairs, offset }
    }

    /// The out-of-line code of looks: is the product one of the literal's?
    pub(super) fn looked(&mut self, needle: &Sought, skip: &GramInterval, looks: Looks) {
        let stride = int(skip.stride);
        let check = self.asm.label();
        self.say_of(Phase::Confirm, needle.pattern, "which look it was");
        for (look, label) in (0..).zip(looks.labels) {
            self.asm.bind(label);
            self.asm.emit(Size::W.store_imm(R10, LANE, look * stride + 1));
            self.goto(check);
        }
        self.asm.bind(check);
        let mut found = Vec::new();
        for &(product, at) in &skip.products {
            self.say_of(Phase::Confirm, needle.pattern, format!("is it the gram at +{at}?"));
            let label = self.asm.label();
            self.asm.emit(Insn::load_imm64(R4, product));
            self.emit_branch(Jmp::Eq.reg(R0, R4, label));
            found.push((label, at));
        }
        self.say_of(Phase::Scan, needle.pattern, "none of them: on behind it");
        self.advance(looks.offset, stride - 1);
        self.goto(looks.head);
        for (label, at) in found {
            let text = format!("the gram at +{at} is there: pairs from where it would begin");
            self.say_of(Phase::Scan, needle.pattern, text);
            self.asm.bind(label);
            self.advance(looks.offset, stride - 2 - int(at - skip.first));
            self.goto(looks.pairs);
        }
    }
}
