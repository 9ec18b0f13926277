//! One step: from what was read to what is pending.
//!
//! `r0`, `r1` and `r4` are lost; [`BASE`] and all else stays.

use super::{BASE, Course, Gen};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label,
        Reg::{self, R0, R1, R4},
        Size,
    },
    compiler::automaton::parallel::{Exit, Jump, Set, Step, mask},
};

impl Gen<'_> {
    /// What is pending behind a byte of which something was read; to `here` if a match ends there.
    pub(super) fn step(&mut self, course: &Course, step: &Step, here: Label) {
        for &(word, bits) in &step.accepts {
            self.asm.emit(Size::DW.load(R1, BASE, course.read(word)));
            self.leave_if_any(R1, bits, here);
        }
        for word in 0..course.parallel.words {
            self.shift(course, step, word);
        }
        for counter in 0..course.parallel.counters.len() {
            self.advance_counter(course, step, counter);
        }
        for counter in 0..course.parallel.counters.len() {
            let exits: Vec<&Exit> =
                step.exits.iter().filter(|exit| exit.counter == counter).collect();
            self.leave_counter(course, &exits, counter, here);
        }
        self.jumps(course, &step.jumps);
    }

    /// A word of what is pending: what moves to the next bit, what stays, what begins.
    fn shift(&mut self, course: &Course, step: &Step, word: usize) {
        let links = &course.parallel.links;
        let (linked, stays) = (mask(links, word), mask(&step.stays, word));
        let first = mask(&step.first.bits, word);
        let below = word.checked_sub(1).filter(|&below| mask(links, below) >> 63 != 0);
        let at = course.pending(word);
        let moves = linked & (u64::MAX >> 1) != 0;
        if !moves && stays == 0 && below.is_none() {
            self.put(at, first);
            return;
        }
        if moves || stays != 0 {
            self.asm.emit(Size::DW.load(R1, BASE, course.read(word)));
        }
        match (moves, stays) {
            (true, 0) => self.asm.emit(Alu::Lsh.imm(R1, 1)),
            (true, _) => {
                self.mov(R4, R1);
                self.and(R4, stays, R0);
                self.asm.emit(Alu::Lsh.imm(R1, 1));
                self.asm.emit(Alu::Or.reg(R1, R4));
            }
            (false, 0) => self.set_imm(R1, 0),
            (false, _) => self.and(R1, stays, R0),
        }
        if let Some(below) = below {
            self.asm.emit(Size::DW.load(R0, BASE, course.read(below)));
            self.asm.emit(Alu::Rsh.imm(R0, 63));
            self.asm.emit(Alu::Or.reg(R1, R0));
        }
        self.or(R1, first, R0);
        self.asm.emit(Size::DW.store(BASE, at, R1));
    }

    /// A counter one byte further on.
    fn advance_counter(&mut self, course: &Course, step: &Step, number: usize) {
        let counter = course.parallel.counters[number];
        let (none, last) = (self.asm.label(), counter.last.cast_signed());
        let slot = course.counter(number);
        self.asm.emit(Size::DW.load(R1, BASE, course.read(slot)));
        self.emit_branch(Jmp::Eq.imm(R1, 0, none));
        if counter.up {
            self.add(R1, 1);
            self.emit_branch(Jmp::Le.imm(R1, last, none));
            self.set_imm(R1, if counter.stays { last } else { 0 });
        } else {
            self.add(R1, -1);
        }
        self.asm.bind(none);
        if let Some(&(_, least)) = step.first.counts.iter().find(|(at, _)| *at == number) {
            let enough = self.asm.label();
            self.emit_branch(Jmp::Ge.imm(R1, least.cast_signed(), enough));
            self.set_imm(R1, least.cast_signed());
            self.asm.bind(enough);
        }
        self.asm.emit(Size::DW.store(BASE, course.pending(slot), R1));
    }

    /// What follows the place at which a counter was when the byte was read.
    fn leave_counter(&mut self, course: &Course, exits: &[&Exit], number: usize, here: Label) {
        if exits.is_empty() {
            return;
        }
        let none = self.asm.label();
        let last = course.parallel.counters[number].last;
        self.asm.emit(Size::DW.load(R1, BASE, course.read(course.counter(number))));
        self.emit_branch(Jmp::Eq.imm(R1, 0, none));
        for exit in exits {
            let not = self.asm.label();
            let (low, high) = (exit.low.cast_signed(), exit.high.cast_signed());
            if low == high {
                self.emit_branch(Jmp::Ne.imm(R1, low, not));
            } else {
                if exit.low > 1 {
                    self.emit_branch(Jmp::Lt.imm(R1, low, not));
                }
                if exit.high < last {
                    self.emit_branch(Jmp::Gt.imm(R1, high, not));
                }
            }
            match &exit.to {
                Some(set) => self.also_pending(course, set),
                None => self.goto(here),
            }
            self.asm.bind(not);
        }
        self.asm.bind(none);
    }

    /// What follows bits other than by a link: first for those whose bits are in one word.
    fn jumps(&mut self, course: &Course, jumps: &[Jump]) {
        for word in 0..course.parallel.words {
            let single = |jump: &&Jump| matches!(&jump.from[..], [(at, _)] if *at == word);
            let of_word: Vec<&Jump> = jumps.iter().filter(single).collect();
            if of_word.is_empty() {
                continue;
            }
            let none = self.asm.label();
            self.asm.emit(Size::DW.load(R1, BASE, course.read(word)));
            let all = of_word.iter().fold(0, |all, jump| all | jump.from[0].1);
            if of_word.len() > 2 {
                self.mov(R0, R1);
                self.and(R0, all, R4);
                self.emit_branch(Jmp::Eq.imm(R0, 0, none));
            }
            for jump in of_word {
                let not = self.asm.label();
                self.mov(R0, R1);
                self.and(R0, jump.from[0].1, R4);
                self.emit_branch(Jmp::Eq.imm(R0, 0, not));
                self.also_pending(course, &jump.to);
                self.asm.bind(not);
            }
            self.asm.bind(none);
        }
        for jump in jumps.iter().filter(|jump| jump.from.len() > 1) {
            let not = self.asm.label();
            for (number, &(word, bits)) in jump.from.iter().enumerate() {
                let to = if number == 0 { R0 } else { R1 };
                self.asm.emit(Size::DW.load(to, BASE, course.read(word)));
                self.and(to, bits, R4);
                if number > 0 {
                    self.asm.emit(Alu::Or.reg(R0, R1));
                }
            }
            self.emit_branch(Jmp::Eq.imm(R0, 0, not));
            self.also_pending(course, &jump.to);
            self.asm.bind(not);
        }
    }

    /// `set` is pending, too. `r0` and `r4` are lost.
    fn also_pending(&mut self, course: &Course, set: &Set) {
        for &(word, bits) in &set.bits {
            let at = course.pending(word);
            self.asm.emit(Size::DW.load(R4, BASE, at));
            self.or(R4, bits, R0);
            self.asm.emit(Size::DW.store(BASE, at, R4));
        }
        for &(counter, value) in &set.counts {
            let (at, enough) = (course.pending(course.counter(counter)), self.asm.label());
            self.asm.emit(Size::DW.load(R4, BASE, at));
            self.emit_branch(Jmp::Ge.imm(R4, value.cast_signed(), enough));
            self.asm.emit(Size::DW.store_imm(BASE, at, value.cast_signed()));
            self.asm.bind(enough);
        }
    }

    /// `*(u64 *)(BASE + at) = value`. `r1` is lost.
    pub(super) fn put(&mut self, at: i16, value: u64) {
        if let Some(value) = extended(value) {
            self.asm.emit(Size::DW.store_imm(BASE, at, value));
        } else {
            self.asm.emit(Insn::load_imm64(R1, value));
            self.asm.emit(Size::DW.store(BASE, at, R1));
        }
    }

    /// `reg &= mask`. `temp` is lost.
    pub(super) fn and(&mut self, reg: Reg, mask: u64, temp: Reg) {
        if let Some(mask) = extended(mask) {
            if mask != -1 {
                self.asm.emit(Alu::And.imm(reg, mask));
            }
        } else if let Ok(low) = u32::try_from(mask) {
            self.asm.emit(Alu::And.imm32(reg, low.cast_signed()));
        } else {
            self.asm.emit(Insn::load_imm64(temp, mask));
            self.asm.emit(Alu::And.reg(reg, temp));
        }
    }

    /// `reg |= bits`. `temp` is lost.
    fn or(&mut self, reg: Reg, bits: u64, temp: Reg) {
        match extended(bits) {
            Some(0) => {}
            Some(bits) => self.asm.emit(Alu::Or.imm(reg, bits)),
            None => {
                self.asm.emit(Insn::load_imm64(temp, bits));
                self.asm.emit(Alu::Or.reg(reg, temp));
            }
        }
    }

    /// To `label` if any of `bits` is set in `reg`. `r4` is lost.
    pub(super) fn leave_if_any(&mut self, reg: Reg, bits: u64, label: Label) {
        if let Some(bits) = extended(bits) {
            self.emit_branch(Jmp::Set.imm(reg, bits, label));
        } else {
            self.asm.emit(Insn::load_imm64(R4, bits));
            self.emit_branch(Jmp::Set.reg(reg, R4, label));
        }
    }
}

/// `value` as the immediate that becomes it when its sign is extended.
fn extended(value: u64) -> Option<i32> {
    i32::try_from(value.cast_signed()).ok()
}
