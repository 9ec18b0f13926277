//! A sieve in front of the tree of slots: most false alarms end here.
//!
//! A false alarm costs more than it looks: the tree over some hundred slots is eight branches that
//! nobody can predict, each in code that was not run lately. But the slot is only the upper part of a
//! product, and the bits below it tell most grams apart that share a slot. So for every slot there is
//! a byte that says which values of the next three bits a literal has: a short tree finds four words
//! of eight such bytes, masks choose the word without a branch, and one bit of it decides.
//!
//! Verifier cost: straight code, explored once for each group of slots, since nothing that differs
//! between groups is used behind it.

use super::{BEGIN, Scan, Set};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label, Phase,
        Reg::{R0, R1, R4, R5},
    },
    compiler::{codegen::Gen, fingerprint::Slot, number::small},
};

/// Bits of the product below the slot that are looked at.
const MORE: u32 = 3;
/// Slots of a group: four words, a byte for each slot.
const GROUP: usize = 32;
/// Fewest slots that a sieve is worth: fewer have a short tree anyway.
const SLOTS_MIN: usize = 64;

/// Neighbouring slots: where they are judged, and the words that do it.
struct Group<'a> {
    number: usize,
    slots: &'a [Slot],
    words: [u64; 4],
}

impl Gen<'_> {
    /// The look at `PTR` may have found something: which slot is it? Goes to the label of the slot, or
    /// where the scan goes on.
    pub(super) fn which_slot(&mut self, set: &Set, scan: &Scan, labels: &[(u32, Label)]) {
        if labels.len() < SLOTS_MIN {
            self.slot_number(set, 0);
            self.say(Phase::Scan, "tree of slots");
            self.tree(labels, scan.resume);
            return;
        }
        self.say(Phase::Confirm, "sieve: the slot, and the three bits below it");
        self.product_bits(set, 0, set.table.bits + MORE);
        self.mov(R1, R0);
        self.asm.emit(Alu::And.imm(R1, 63));
        // All ones where bits 3 and 4 of the slot are set: which word it is.
        for (mask, bit) in [(R5, 3), (BEGIN, 4)] {
            self.mov(mask, R0);
            self.asm.emit(Alu::Lsh.imm(mask, 63 - (bit + MORE.cast_signed())));
            self.asm.emit(Alu::Arsh.imm(mask, 63));
        }
        self.asm.emit(Alu::Rsh.imm(R0, 5 + MORE.cast_signed()));
        let groups = set.groups();
        let judges: Vec<(u32, Label)> =
            groups.iter().map(|group| (small(group.number), self.asm.label())).collect();
        self.tree(&judges, scan.resume);
        let mut labels = labels;
        for (group, (_, judge)) in groups.iter().zip(judges) {
            self.say(Phase::Confirm, "sieve: one of four words");
            self.asm.bind(judge);
            self.chosen_word(group.words);
            self.asm.emit(Alu::Rsh.reg(R4, R1));
            let passed = self.asm.label();
            self.emit_branch(Jmp::Set.imm(R4, 1, passed));
            self.goto(scan.resume);
            self.asm.bind(passed);
            self.slot_number(set, 0);
            let (mine, others) = labels.split_at(group.slots.len());
            self.tree(mine, scan.resume);
            labels = others;
        }
    }

    /// `r4` = one of `words`, as the masks in `r5` and [`BEGIN`] say. `r0` is lost.
    fn chosen_word(&mut self, words: [u64; 4]) {
        let [a, b, c, d] = words;
        self.asm.emit(Insn::load_imm64(R4, a ^ b ^ c ^ d));
        self.asm.emit(Alu::And.reg(R4, R5));
        self.asm.emit(Insn::load_imm64(R0, a ^ c));
        self.asm.emit(Alu::Xor.reg(R4, R0));
        self.asm.emit(Alu::And.reg(R4, BEGIN));
        self.asm.emit(Insn::load_imm64(R0, a ^ b));
        self.asm.emit(Alu::And.reg(R0, R5));
        self.asm.emit(Alu::Xor.reg(R4, R0));
        self.asm.emit(Insn::load_imm64(R0, a));
        self.asm.emit(Alu::Xor.reg(R4, R0));
    }
}

impl Set<'_> {
    /// The slots in use, in groups of neighbours; ascending.
    fn groups(&self) -> Vec<Group<'_>> {
        let slots = self.table.slots.chunk_by(|a, b| a.number / GROUP == b.number / GROUP);
        slots
            .map(|slots| {
                let mut words = [0_u64; 4];
                for slot in slots {
                    for member in &slot.members {
                        let bytes = &self.needles[member.word].bytes[member.at..];
                        let bit = slot.number % 8 * 8 + self.table.below_slot(bytes, MORE);
                        words[slot.number % GROUP / 8] |= 1 << bit;
                    }
                }
                Group { number: slots[0].number / GROUP, slots, words }
            })
            .collect()
    }
}
