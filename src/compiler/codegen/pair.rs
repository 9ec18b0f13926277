//! The pair-SWAR block: 8 positions in 7 instructions.
//!
//! For each of 8 neighbouring positions the block asks whether the two rarest bytes of the literal
//! stand where they would have to stand. `load ^ broadcast` is zero in the lanes where the byte is
//! right; `x & 0x7f..` then `+ 0x7f..` carries into bit 7 of exactly the lanes that are not zero,
//! and never into a neighbour. So after `acc | 0x7f..` the word is all ones unless a lane holds a
//! candidate. Bit 7 of the bytes is ignored and, when case is, bit 5 too: that makes more
//! candidates, never fewer, and every candidate is compared in full.
//!
//! Eight words share one branch. The candidate code stands out of line behind the scan.

use super::{
    Gen, broadcast,
    confirm::{Piece, low, pieces},
    frame::{LANE, LOW7, MASK, PAIR_A, PAIR_B, PTR},
    int, off,
};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label, Phase,
        Reg::{self, R0, R1, R3, R4, R10},
        Size, Target,
    },
    compiler::{
        analysis::{Pair, rarest_pair},
        gram_interval::GramInterval,
        lower::Needle,
        plan::COUNTED_LITERAL_BYTES_MAX,
    },
};

/// Words that share one branch.
const GROUP_WORDS: i32 = 8;
/// A pair further apart would make blocks need more bytes than it gains.
const PAIR_REACH: usize = 64;
/// Literals up to this length are compared in line for each position; longer ones once, shared.
const INLINE_BYTES_MAX: usize = 16;
/// A first piece of fewer bytes is there too often for the shared code, which starts a new block.
const FIRST_BYTES_MIN: u8 = 4;

/// Candidates: the first eight bytes. Free between the words of a block.
const FIRST: Reg = R4;
/// Candidates: what folds the first eight bytes, where case is ignored.
const FIRST_FOLD: Reg = R1;
/// Candidates: what folds the last eight bytes. Borrowed from the scan.
const SECOND_FOLD: Reg = PAIR_B;

/// One literal, ready to be searched.
pub(super) struct Sought<'a> {
    inline_bytes_max: usize,
    pub(super) pattern: &'a Needle,
    pub(super) pair: Pair,
    pub(super) pieces: Vec<Piece>,
    /// What is looked for before the pair is.
    pub(super) skip: Option<&'a GramInterval>,
    /// Where an occurrence leads, if it is no match of the pattern.
    pub(super) instead: Option<Label>,
}

impl<'a> Sought<'a> {
    pub(super) fn new(
        pattern: &'a Needle,
        skip: Option<&'a GramInterval>,
        target: &Target,
    ) -> Self {
        let pair = rarest_pair(pattern, PAIR_REACH);
        // The shared code restarts a block, which a counted loop must pay for round by round.
        let inline_bytes_max =
            if target.may_goto { INLINE_BYTES_MAX } else { COUNTED_LITERAL_BYTES_MAX };
        Self { inline_bytes_max, pattern, pair, pieces: pieces(pattern), skip, instead: None }
    }

    pub(super) fn len(&self) -> i32 {
        int(self.pattern.bytes.len())
    }

    /// Does the pair test need a mask of its own?
    pub(super) fn folds(&self) -> bool {
        self.pattern.fold[self.pair.first] != 0 || self.pattern.fold[self.pair.second] != 0
    }

    /// Do comparisons fold anything?
    fn any_fold(&self) -> bool {
        self.pattern.fold.iter().any(|&fold| fold != 0)
    }

    /// The second of two pieces of eight bytes: candidates keep it in a register.
    fn second_in_register(&self) -> Option<Piece> {
        match self.pieces[..] {
            [first, second] if first.size == Size::DW && !self.is_long() => Some(second),
            _ => None,
        }
    }

    /// Where it is kept: `r1` is free unless it folds the first piece.
    fn second_register(&self) -> Reg {
        if self.any_fold() { PAIR_A } else { R1 }
    }

    /// Is the rest of a candidate compared by the shared code?
    ///
    /// For a literal with a walk that code is there in any case. And where nothing leads back from a
    /// position to the next one, the verifier sees each position once instead of four times: so it is
    /// too for a literal that stands in front of an automaton.
    pub(super) fn is_long(&self) -> bool {
        let more = self.pattern.walk.is_some() || (self.instead.is_some() && self.pieces.len() > 1);
        let rare = more && self.pieces[0].size.bytes() >= FIRST_BYTES_MIN;
        rare || self.pattern.bytes.len() > self.inline_bytes_max
    }
}

/// What must hold of a candidate's position besides its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LaneCheck {
    /// Nothing: the block lies inside the pass.
    None,
    /// The block was moved back: `r3` is how many of its positions lie before the pass.
    NotBefore,
}

/// Where the candidates of a block go.
#[derive(Clone, Copy)]
pub(super) struct BlockExits {
    /// The literal is there; its position in the block is in the slot `LANE`.
    pub(super) hit: Label,
    /// The first piece of a long literal is there, or all of one with a walk; its position is in the
    /// slot `LANE`.
    pub(super) long: Label,
}

/// Out-of-line code of a block, emitted by [`Gen::candidates`].
pub(super) struct Pending {
    label: Label,
    back: Label,
    from: i32,
    words: i32,
    check: LaneCheck,
    exits: BlockExits,
}

impl Gen<'_> {
    /// Load the constants of the pair test. `MASK` only if the needle folds.
    pub(super) fn pair_constants(&mut self, needle: &Sought) {
        let (a, b) = (needle.pair.first, needle.pair.second);
        self.say_of(
            Phase::Scan,
            needle.pattern,
            format!(
                "rarest pair: byte {a} and byte {b} of \"{}\"",
                needle.pattern.bytes.escape_ascii()
            ),
        );
        let bytes = &needle.pattern.bytes;
        self.asm.emit(Insn::load_imm64(PAIR_A, broadcast(bytes[a])));
        self.asm.emit(Insn::load_imm64(PAIR_B, broadcast(bytes[b])));
        self.asm.emit(Insn::load_imm64(LOW7, broadcast(0x7f)));
        if needle.folds() {
            self.asm.emit(Insn::load_imm64(MASK, broadcast(0x5f)));
        }
    }

    /// One word: bit 7 of a lane of `dst` is clear where both bytes may be right.
    fn pair_word(&mut self, needle: &Sought, dst: Reg, at: i32) {
        let (a, b) = (int(needle.pair.first), int(needle.pair.second));
        self.asm.emit(Size::DW.load(dst, PTR, off(at + a)));
        if a == b {
            self.asm.emit(Alu::Xor.reg(dst, PAIR_A));
        } else {
            self.asm.emit(Size::DW.load(R1, PTR, off(at + b)));
            self.asm.emit(Alu::Xor.reg(dst, PAIR_A));
            self.asm.emit(Alu::Xor.reg(R1, PAIR_B));
            self.asm.emit(Alu::Or.reg(dst, R1));
        }
        self.asm.emit(Alu::And.reg(dst, if needle.folds() { MASK } else { LOW7 }));
        self.asm.emit(Alu::Add.reg(dst, LOW7));
    }

    /// Positions `from .. from + bytes` behind `PTR`. `r0`, `r1` and `r4` are lost.
    pub(super) fn pair_block(
        &mut self,
        needle: &Sought,
        from: i32,
        bytes: i32,
        check: LaneCheck,
        exits: BlockExits,
    ) -> Vec<Pending> {
        let mut pending = Vec::new();
        let mut at = from;
        while at < from + bytes {
            let words = GROUP_WORDS.min((from + bytes - at) / 8);
            for word in 0..words {
                let dst = if word == 0 { R0 } else { R4 };
                self.pair_word(needle, dst, at + 8 * word);
                if word > 0 {
                    self.asm.emit(Alu::And.reg(R0, R4));
                }
            }
            self.asm.emit(Alu::Or.reg(R0, LOW7));
            let (label, back) = (self.asm.label(), self.asm.label());
            self.emit_branch(Jmp::Ne.imm(R0, -1, label));
            self.asm.bind(back);
            pending.push(Pending { label, back, from: at, words, check, exits });
            at += 8 * words;
        }
        pending
    }

    /// The out-of-line code of blocks: each position's first piece, then what follows.
    pub(super) fn candidates(&mut self, needle: &Sought, pending: Vec<Pending>) {
        for group in pending {
            self.candidate_group(needle, &group);
        }
    }

    fn candidate_group(&mut self, needle: &Sought, group: &Pending) {
        let first = needle.pieces[0];
        let fast = needle.second_in_register();
        self.say_of(
            Phase::Confirm,
            needle.pattern,
            format!(
                "candidates for \"{}\" at +{}..+{}",
                needle.pattern.bytes.escape_ascii(),
                group.from,
                group.from + 8 * group.words
            ),
        );
        self.asm.bind(group.label);
        if first.size == Size::DW {
            self.asm.emit(Insn::load_imm64(FIRST, first.value));
            if first.fold != 0 {
                self.asm.emit(Insn::load_imm64(FIRST_FOLD, first.fold));
            }
        }
        if let Some(second) = fast {
            self.asm.emit(Insn::load_imm64(needle.second_register(), second.value));
            if second.fold != 0 {
                self.asm.emit(Insn::load_imm64(SECOND_FOLD, second.fold));
            }
        }
        let mut full = Vec::new();
        for lane in group.from..group.from + 8 * group.words {
            let (there, resume) = (self.asm.label(), self.asm.label());
            self.asm.emit(first.size.load(R0, PTR, off(lane)));
            if first.size == Size::DW {
                if first.fold != 0 {
                    self.asm.emit(Alu::Or.reg(R0, FIRST_FOLD));
                }
                self.emit_branch(Jmp::Eq.reg(R0, FIRST, there));
            } else {
                if first.fold != 0 {
                    self.asm.emit(Alu::Or.imm32(R0, low(first.fold)));
                }
                self.emit_branch(Jmp::Eq.imm32(R0, low(first.value), there));
            }
            self.asm.bind(resume);
            full.push((lane, there, resume));
        }
        self.restore(needle);
        self.goto(group.back);
        for (lane, there, resume) in full {
            self.candidate(needle, group, lane, there, resume);
        }
    }

    /// Give the registers that candidates borrowed from the scan their constants back.
    fn restore(&mut self, needle: &Sought) {
        if needle.second_in_register().is_some() && needle.any_fold() {
            let bytes = &needle.pattern.bytes;
            self.asm.emit(Insn::load_imm64(PAIR_A, broadcast(bytes[needle.pair.first])));
            self.asm.emit(Insn::load_imm64(PAIR_B, broadcast(bytes[needle.pair.second])));
        }
    }

    /// The first piece is at `lane`: check the position, compare the rest.
    fn candidate(
        &mut self,
        needle: &Sought,
        group: &Pending,
        lane: i32,
        there: Label,
        resume: Label,
    ) {
        self.asm.bind(there);
        if group.check == LaneCheck::NotBefore {
            self.emit_branch(Jmp::SGt.imm(R3, lane, resume));
        }
        if needle.is_long() {
            self.asm.emit(Size::W.store_imm(R10, LANE, lane + 1));
            self.goto(group.exits.long);
            return;
        }
        let walks = needle.pattern.walk.is_some();
        let confirmed = if walks { group.exits.long } else { group.exits.hit };
        if let Some(second) = needle.second_in_register() {
            let at = lane + int(second.at);
            self.asm.emit(Size::DW.load(R0, PTR, off(at)));
            if second.fold != 0 {
                self.asm.emit(Alu::Or.reg(R0, SECOND_FOLD));
            }
            self.emit_branch(Jmp::Ne.reg(R0, needle.second_register(), resume));
        } else {
            // Comparing eight bytes takes r1, which holds the fold of the first piece.
            let first = needle.pieces[0];
            let again = first.size == Size::DW && first.fold != 0 && needle.pieces.len() > 1;
            let fail = if again { self.asm.label() } else { resume };
            for &piece in &needle.pieces[1..] {
                self.compare(needle.pattern, piece, PTR, lane, fail);
            }
            if again {
                self.asm.emit(Size::W.store_imm(R10, LANE, lane + 1));
                self.goto(confirmed);
                self.asm.bind(fail);
                self.asm.emit(Insn::load_imm64(FIRST_FOLD, first.fold));
                self.goto(resume);
                return;
            }
        }
        self.asm.emit(Size::W.store_imm(R10, LANE, lane + 1));
        self.goto(confirmed);
    }
}
