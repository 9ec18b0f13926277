//! Many literals at once: look at the first bytes of every position.
//!
//! A 2,048-bit table on the stack, filled with immediates, says whether any literal may begin with
//! the gram at a position; a binary tree of compares over the grams finds which; each literal of
//! that gram is then compared in full. Without `CAP_PERFMON` the verifier refuses reads of the
//! stack at a variable offset, and the tree is asked at every position.
//!
//! If any literal ignores case, bit 5 of all gram bytes is ignored: more candidates, never fewer.
//!
//! Verifier cost: the tree and the comparisons are explored once, because every way into the tree
//! passes through a stack slot that makes the position unknown again.

use std::collections::BTreeMap;

use super::{
    Gen, PassExits, WINDOW_BYTES,
    confirm::pieces,
    frame::{self, INNER, LAUNDER, OFF, PTR, TABLE},
    int, off,
    walk::{Source, WalkExits},
    windows::Walk,
};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label, Phase,
        Reg::{R0, R1, R2, R3, R4, R5, R6, R10},
        Size,
    },
    compiler::{
        lower::{self as way, Needle},
        plan::{Access, Gram},
    },
};

/// Positions of one round.
const BLOCK: i32 = 8;
/// Knuth's multiplicative hash constant, 2^32 divided by the golden ratio.
pub(super) const MULTIPLIER: u32 = 0x9e37_79b1;
/// The hash keeps 11 bits: 5 select a word of the table, 6 a bit of it.
const HASH_BITS: u32 = 11;

/// Grams, and the literals that begin with each.
pub(super) struct Grams<'a> {
    size: Size,
    fold: u32,
    pub(super) literals: BTreeMap<u32, Vec<&'a Needle>>,
}

impl<'a> Grams<'a> {
    pub(super) fn new(patterns: &'a [Needle], gram: Gram, members: &[usize]) -> Self {
        let size = match gram {
            Gram::One => Size::B,
            Gram::Two => Size::H,
            Gram::Four => Size::W,
        };
        let ignore_case = members.iter().any(|&i| patterns[i].ignore_case);
        let mut bytes = [0; 4];
        if ignore_case {
            bytes[..gram.bytes()].fill(0x20);
        }
        let fold = u32::from_le_bytes(bytes);
        let mut literals: BTreeMap<u32, Vec<_>> = BTreeMap::new();
        for &index in members {
            let mut bytes = [0; 4];
            bytes[..gram.bytes()].copy_from_slice(&patterns[index].bytes[..gram.bytes()]);
            let key = u32::from_le_bytes(bytes) | fold;
            literals.entry(key).or_default().push(&patterns[index]);
        }
        Self { size, fold, literals }
    }

    /// Bytes of a gram.
    pub(super) fn bytes(&self) -> i32 {
        self.size.bytes().into()
    }

    /// The longest literal, in bytes.
    pub(super) fn longest(&self) -> i32 {
        let all = self.literals.values().flatten();
        int(all.map(|needle| needle.bytes.len()).max().unwrap_or(0))
    }

    /// The bit table of 2^`bits` bits.
    fn table(&self, bits: u32) -> Vec<u64> {
        let mut table = vec![0; 1 << (bits - 6)];
        for gram in self.literals.keys() {
            let hash = gram.wrapping_mul(MULTIPLIER);
            let word = usize::try_from(hash >> (38 - bits)).expect("5 bits");
            // A 64-bit shift uses the low 6 bits of its count.
            table[word] |= 1u64 << (hash >> (32 - bits) & 63);
        }
        table
    }
}

impl Gen<'_> {
    /// A pass over all literals of one gram size.
    pub(super) fn set(&mut self, gram: Gram, members: &[usize], first: bool, exits: PassExits) {
        let lowered = self.lowered;
        let grams = Grams::new(&lowered.needles, gram, members);
        let walk = Walk {
            shortest: int(gram.bytes()),
            end_slot: frame::END,
            window: self.asm.label(),
            inner: self.asm.label(),
            next: self.asm.label(),
            exits,
        };
        let filtered = self.target.perfmon;
        if filtered {
            self.fill_table_of(&grams, HASH_BITS, TABLE);
        }
        self.load_slot(OFF, frame::START);
        let ready = self.asm.label();
        if self.access == Access::Windows && first {
            self.reuse_first_window(frame::END);
            self.goto(ready);
        } else if self.access != Access::Windows {
            self.find_scratch(exits.lost);
        }
        self.windows(&walk, !(self.access == Access::Windows && first));
        self.asm.bind(ready);
        self.say(Phase::Scan, format!("{BLOCK} positions: may a literal begin here?"));
        let dead = [R0, R1, R2, R4, R5, R6];
        self.inner_head(&walk, BLOCK, 0, &dead);
        let hits = self.probes(&grams, filtered);
        if filtered {
            self.add(INNER, BLOCK);
            self.goto(walk.inner);
        }
        self.next_window(&walk);
        self.lookup(&grams, &walk, hits);
    }

    /// The table of 2^`bits` bits, at `table` in the stack.
    pub(super) fn fill_table_of(&mut self, grams: &Grams, bits: u32, table: i16) {
        self.say(
            Phase::Scan,
            format!("bit table of {} grams of {} bytes", grams.literals.len(), grams.size.bytes()),
        );
        for (word, &value) in grams.table(bits).iter().enumerate() {
            let at = table + off(int(word * 8));
            if let Ok(imm) = i32::try_from(value.cast_signed()) {
                self.asm.emit(Size::DW.store_imm(R10, at, imm));
            } else {
                self.asm.emit(Insn::load_imm64(R0, value));
                self.asm.emit(Size::DW.store(R10, at, R0));
            }
        }
    }

    /// `r0` = the folded gram at `PTR + at`.
    pub(super) fn gram(&mut self, grams: &Grams, at: i32) {
        self.asm.emit(grams.size.load(R0, PTR, off(at)));
        if grams.fold != 0 {
            self.asm.emit(Alu::Or.imm32(R0, grams.fold.cast_signed()));
        }
    }

    /// Ask the table for each position of a block; the labels are where a possible one goes.
    fn probes(&mut self, grams: &Grams, filtered: bool) -> Vec<(i32, Label)> {
        let mut hits = Vec::new();
        for at in 0..BLOCK {
            let hit = self.asm.label();
            if filtered {
                self.probe_table(grams, at, (HASH_BITS, TABLE), hit);
            } else if at == 0 {
                self.goto(hit);
            }
            if filtered || at == 0 {
                hits.push((at, hit));
            }
        }
        hits
    }

    /// To `hit` if the table of so many bits, at this place in the stack, has the gram at `PTR + at`.
    pub(super) fn probe_table(
        &mut self,
        grams: &Grams,
        at: i32,
        (bits, table): (u32, i16),
        hit: Label,
    ) {
        self.gram(grams, at);
        self.asm.emit(Alu::Mul.imm32(R0, MULTIPLIER.cast_signed()));
        self.mov(R1, R0);
        self.asm.emit(Alu::Rsh.imm32(R1, 32 - bits.cast_signed()));
        self.asm.emit(Alu::Rsh.imm32(R0, 38 - bits.cast_signed()));
        self.asm.emit(Alu::Lsh.imm(R0, 3));
        self.asm.emit(Alu::Add.reg(R0, R10));
        self.asm.emit(Size::DW.load(R0, R0, table));
        self.asm.emit(Alu::Rsh.reg(R0, R1));
        self.emit_branch(Jmp::Set.imm(R0, 1, hit));
    }

    /// A position may begin a literal: which?
    fn lookup(&mut self, grams: &Grams, walk: &Walk, hits: Vec<(i32, Label)>) {
        let (tree, miss) = (self.asm.label(), self.asm.label());
        self.say(Phase::Scan, "a literal may begin here");
        for (at, hit) in hits {
            self.asm.bind(hit);
            if at > 0 {
                self.add(INNER, at);
            }
            self.goto(tree);
        }
        self.asm.bind(tree);
        self.store_slot(LAUNDER, INNER);
        self.load_slot(INNER, LAUNDER);
        self.emit_branch(Jmp::Gt.imm(INNER, WINDOW_BYTES, walk.exits.lost));
        self.load_pointer(PTR, frame::SCRATCH);
        self.asm.emit(Alu::Add.reg(PTR, INNER));
        self.gram(grams, 0);
        self.by_gram(grams, miss, miss, |generator, needle| generator.member(needle, walk.exits));
        self.say(Phase::Scan, "no literal, or none of these: go on");
        self.asm.bind(miss);
        self.load_slot(INNER, LAUNDER);
        self.add(INNER, 1);
        self.goto(walk.inner);
    }

    /// By the gram in `r0` to its literals, each generated by `one`, and behind them to `then`; to `miss`
    /// if no literal has it.
    pub(super) fn by_gram(
        &mut self,
        grams: &Grams,
        miss: Label,
        then: Label,
        mut one: impl FnMut(&mut Self, &Needle),
    ) {
        let leaves: Vec<(u32, Label)> =
            grams.literals.keys().map(|gram| (*gram, self.asm.label())).collect();
        self.say(Phase::Scan, "tree of grams");
        self.tree(&leaves, miss);
        for (literals, (_, label)) in grams.literals.values().zip(leaves) {
            self.asm.bind(label);
            for needle in literals {
                one(self, needle);
            }
            self.goto(then);
        }
    }

    /// Compare `r0` with all grams.
    pub(super) fn tree(&mut self, leaves: &[(u32, Label)], miss: Label) {
        // Up to three compares in a row are as good as one more level.
        if leaves.len() <= 3 {
            for &(gram, label) in leaves {
                self.emit_branch(Jmp::Eq.imm32(R0, gram.cast_signed(), label));
            }
            self.goto(miss);
            return;
        }
        let (low, high) = leaves.split_at(leaves.len() / 2);
        let right = self.asm.label();
        self.emit_branch(Jmp::Ge.imm32(R0, high[0].0.cast_signed(), right));
        self.tree(low, miss);
        self.asm.bind(right);
        self.tree(high, miss);
    }

    /// Compare one literal at `PTR`, and note it.
    fn member(&mut self, pattern: &Needle, exits: PassExits) {
        let next = self.asm.label();
        let len = int(pattern.bytes.len());
        self.say_of(Phase::Bounds, pattern, format!("{len} bytes left, inside the window"));
        self.load_slot(R1, frame::WIN);
        self.load_slot(R3, LAUNDER);
        self.asm.emit(Alu::Sub.reg(R1, R3));
        self.emit_branch(Jmp::SLt.imm(R1, len, next));
        if pattern.window.offset > 0 || pattern.window.depth.is_some() {
            self.member_position();
            if pattern.window.offset > 0 {
                let offset = bound(u64::from(pattern.window.offset));
                self.emit_branch(Jmp::SLt.imm(R2, offset, next));
            }
            if let Some(end) = pattern.window.end() {
                self.emit_branch(Jmp::SGt.imm(R2, bound(end) - len, next));
            }
        }
        for piece in pieces(pattern) {
            self.compare(pattern, piece, PTR, 0, next);
        }
        if let Some(walk) = &pattern.walk {
            self.member_walk(pattern, walk, exits);
            self.asm.bind(next);
            return;
        }
        self.say_of(Phase::Report, pattern, "found");
        if self.counters.is_some() {
            self.member_position();
            self.add(R2, len);
        }
        self.found(pattern.index, next);
        self.asm.bind(next);
    }

    /// A literal with a walk is there. Whatever comes of it, others may begin here too.
    fn member_walk(&mut self, pattern: &Needle, walk: &way::Walk, exits: PassExits) {
        let back = self.asm.label();
        self.load_slot(R2, LAUNDER);
        self.asm.emit(Alu::Add.reg(R2, OFF));
        self.store_slot(frame::AT, R2);
        let ends = WalkExits { next: back, done: back, lost: exits.lost };
        self.judge(pattern, walk, Source::Window, ends);
        self.say_of(Phase::Scan, pattern, "others may begin here too");
        self.asm.bind(back);
        self.back_in_window();
        self.add(INNER, -1);
        self.store_slot(LAUNDER, INNER);
        self.load_slot(INNER, LAUNDER);
        self.emit_branch(Jmp::Gt.imm(INNER, WINDOW_BYTES, exits.lost));
        self.load_pointer(PTR, frame::SCRATCH);
        self.asm.emit(Alu::Add.reg(PTR, INNER));
    }

    /// `r2` = where the candidate begins, from the start of the scope; `r0`, `r3` are lost.
    fn member_position(&mut self) {
        self.load_slot(R2, LAUNDER);
        self.asm.emit(Alu::Add.reg(R2, OFF));
        self.load_slot(R0, frame::START);
        self.asm.emit(Alu::Sub.reg(R2, R0));
    }
}

/// A window bound as an immediate: beyond every frame is far enough.
fn bound(value: u64) -> i32 {
    const FAR: u64 = 1 << 20;
    i32::try_from(value.min(FAR)).expect("at most FAR")
}
