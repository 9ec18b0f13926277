//! What the code for places costs, about.
//!
//! Slots are right within a tenth. What the verifier processes is fitted to what Linux 6.18 said of a
//! hundred expressions of real rules, of which none took a third more than is said here: every
//! instruction is explored once and, behind branches, again up to where all that is known is the
//! same. Small programs take up to half less.

use std::collections::BTreeSet;

use super::{Class, Counter, Exit, Jump, Parallel, Set, Step, mask};
use crate::{
    assembler::Target,
    compiler::{
        CompileError,
        automaton::{decide::Decision, shape::Cost},
        estimate::PROCESSED_MAX,
        plan::Access,
    },
};

/// Slots of a loop besides its classes and steps, about.
const LOOP_SLOTS: usize = 60;
/// Slots of a skip, about.
const SKIP_SLOTS: usize = 150;
/// How often the verifier comes by an instruction, times a hundred.
const PROCESSED_PERCENT: u64 = 145;
/// Instructions of a skip that the verifier processes once more.
const SKIP_PROCESSED: u64 = 350;
/// What the verifier may be expected to process, of the million that it does.
const EXPECTED_MAX: u64 = PROCESSED_MAX / 10 * 8;

impl Parallel {
    /// Can `target` hold the code, for bytes that are reached by `access`?
    ///
    /// # Errors
    ///
    /// The target has no `may_goto`, or a limit of it would be passed.
    pub fn fits(&self, access: Access, target: &Target) -> Result<(), CompileError> {
        let what = || format!("a search of {} words of places", self.slots());
        if !target.may_goto {
            let why = format!(
                "Linux {} has no may_goto (6.9 has), and without it the verifier would explore every \
                 byte of every frame",
                target.version
            );
            return Err(CompileError::Target { what: what(), why });
        }
        let cost = self.cost(access);
        if cost.slots > target.slots_max.into() {
            return Err(CompileError::ProgramTooLarge {
                needed: usize::try_from(cost.slots).unwrap_or(usize::MAX),
                limit: usize::try_from(target.slots_max).unwrap_or(usize::MAX),
            });
        }
        if cost.processed > EXPECTED_MAX {
            let why = format!(
                "about {} instructions would be processed by the verifier; the limit is {EXPECTED_MAX}",
                cost.processed
            );
            return Err(CompileError::Target { what: what(), why });
        }
        Ok(())
    }

    /// What the code costs for bytes that are reached by `access`.
    pub fn cost(&self, access: Access) -> Cost {
        let loops = if access == (Access::Direct { rest: true }) { 2 } else { 1 };
        let skip = if self.skip.is_some() { SKIP_SLOTS } else { 0 };
        let decision = Decision::of(&self.as_state()).slots();
        let classes: usize = self.classes.iter().map(|class| self.class_slots(class)).sum();
        let steps: usize = self.steps.iter().map(|step| self.step_slots(step)).sum();
        let slots = LOOP_SLOTS + skip + decision + classes + steps;
        let slots = loops * u64::try_from(slots).unwrap_or(u64::MAX / 1000);
        let again = if self.skip.is_some() { loops * SKIP_PROCESSED } else { 0 };
        Cost { slots, processed: slots * PROCESSED_PERCENT / 100 + again }
    }

    fn class_slots(&self, class: &Class) -> usize {
        let late: usize = class.late.iter().map(|&(_, bits)| 1 + branch(bits)).sum();
        if class.is_idle() || self.steps[class.step].found {
            return late + 1;
        }
        let word = |word: usize| match mask(&class.reads, word) {
            0 => 1,
            bits => 3 + and(bits),
        };
        let words: usize = (0..self.words).map(word).sum();
        let counters: usize = class.counted.iter().map(|&reads| if reads { 3 } else { 1 }).sum();
        let ignored = self.idle().is_some_and(|idle| class.ignores(idle));
        late + words + counters + usize::from(ignored) + 2
    }

    fn step_slots(&self, step: &Step) -> usize {
        let accepts: usize = step.accepts.iter().map(|&(_, bits)| 1 + branch(bits)).sum();
        let words: usize = (0..self.words).map(|word| self.word_slots(step, word)).sum();
        let counter = |counter: &Counter| if counter.up { 6 } else { 4 };
        let counters: usize = self.counters.iter().map(counter).sum();
        let exits: usize = step.exits.iter().map(exit_slots).sum();
        let left: BTreeSet<usize> = step.exits.iter().map(|exit| exit.counter).collect();
        let jumps: usize = step.jumps.iter().map(jump_slots).sum();
        let rest = self.slots() + 4;
        let begin = 2 * step.first.counts.len();
        accepts + words + counters + exits + 2 * left.len() + jumps + rest + begin + 3
    }

    fn word_slots(&self, step: &Step, word: usize) -> usize {
        let (linked, stays) = (mask(&self.links, word), mask(&step.stays, word));
        let carries = word.checked_sub(1).is_some_and(|below| mask(&self.links, below) >> 63 != 0);
        let moves = 1 + usize::from(linked & (u64::MAX >> 1) != 0);
        let stays = if stays == 0 { 0 } else { 2 + and(stays) };
        moves + stays + if carries { 3 } else { 0 } + or(mask(&step.first.bits, word)) + 1
    }
}

fn exit_slots(exit: &Exit) -> usize {
    let bounds = if exit.low == exit.high { 1 } else { 2 };
    bounds + exit.to.as_ref().map_or(1, set_slots)
}

fn jump_slots(jump: &Jump) -> usize {
    let from: usize = jump.from.iter().map(|&(_, bits)| 2 + and(bits)).sum();
    from + 1 + set_slots(&jump.to)
}

fn set_slots(set: &Set) -> usize {
    let bits: usize = set.bits.iter().map(|&(_, bits)| 2 + or(bits)).sum();
    bits + 3 * set.counts.len()
}

/// Slots of `reg &= bits`.
fn and(bits: u64) -> usize {
    match i32::try_from(bits.cast_signed()) {
        Ok(-1) => 0,
        Ok(_) => 1,
        Err(_) if u32::try_from(bits).is_ok() => 1,
        Err(_) => 3,
    }
}

/// Slots of `reg |= bits`.
fn or(bits: u64) -> usize {
    if bits == 0 { 0 } else { branch(bits) }
}

/// Slots of a branch on whether any of `bits` is set.
fn branch(bits: u64) -> usize {
    if i32::try_from(bits.cast_signed()).is_ok() { 1 } else { 3 }
}
