//! What the code for places costs, about.
//!
//! Slots are right within a tenth. What the verifier processes is fitted to what Linux 6.18 said of the
//! expressions of real rules; every instruction is explored once and, behind branches, again up to
//! where all that is known is the same.

use super::{Jump, Parallel, Set, Step, mask};
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
const LOOP_SLOTS: usize = 90;
/// Slots of a skip, about.
const SKIP_SLOTS: usize = 180;
/// How often the verifier comes by an instruction, times a hundred.
const PROCESSED_PERCENT: u64 = 250;
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
        Cost { slots, processed: slots * PROCESSED_PERCENT / 100 }
    }

    fn class_slots(&self, class: &super::Class) -> usize {
        if class.is_idle() {
            return 1 + 4 * class.late.len();
        }
        let word = |word: usize| if mask(&class.reads, word) == 0 { 1 } else { 6 };
        let words: usize = (0..self.words).map(word).sum();
        let counters: usize = class.counted.iter().map(|&reads| if reads { 3 } else { 1 }).sum();
        3 + 4 * class.late.len() + words + counters
    }

    fn step_slots(&self, step: &Step) -> usize {
        let to = |set: &Set| 5 * set.bits.len() + 3 * set.counts.len();
        let jump = |jump: &Jump| 1 + 5 * jump.from.len() + to(&jump.to);
        let jumps: usize = step.jumps.iter().map(jump).sum();
        let exits: usize = step.exits.iter().map(|exit| 2 + exit.to.as_ref().map_or(1, to)).sum();
        4 * step.accepts.len()
            + 7 * self.words
            + 10 * self.counters.len()
            + jumps
            + exits
            + 3 * self.slots()
    }
}
