//! An instruction trace that a person can follow: one line an instruction, with the registers that
//! it changed and, for pointers, where they point.

use std::fmt;

use super::{
    machine::Registers,
    memory::{Memory, region, split},
};
use crate::assembler::Insn;

/// Is told about each instruction. `ENABLED` is a constant, so that a run nobody watches pays
/// nothing.
pub(super) trait Observe {
    const ENABLED: bool;
    fn step(&mut self, step: &Step<'_>);
}

/// Watches nothing.
pub(super) struct Silent;

impl Observe for Silent {
    const ENABLED: bool = false;
    fn step(&mut self, _: &Step<'_>) {}
}

/// Hands each step on.
pub(super) struct Tracing<'a>(pub(super) &'a mut dyn FnMut(&Step<'_>));

impl Observe for Tracing<'_> {
    const ENABLED: bool = true;
    fn step(&mut self, step: &Step<'_>) {
        (self.0)(step);
    }
}

/// One executed instruction. `Display` is one line without its end: slot, instruction, and what it
/// changed.
#[derive(Debug)]
pub struct Step<'a> {
    pub(super) slot: usize,
    pub(super) insn: &'a Insn,
    pub(super) before: &'a Registers,
    pub(super) after: &'a Registers,
    pub(super) depth: usize,
    pub(super) memory: &'a Memory,
}

impl Step<'_> {
    /// The slot of the instruction.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// The instruction.
    pub fn insn(&self) -> &Insn {
        self.insn
    }

    /// Number and new value of each register that it changed.
    pub fn changes(&self) -> impl Iterator<Item = (usize, u64)> {
        let pairs = self.before.iter().zip(self.after).take(11).enumerate();
        pairs
            .filter(|(_, (before, after))| before != after)
            .map(|(number, (_, now))| (number, *now))
    }

    /// How many local calls it is inside of, afterwards.
    pub fn depth(&self) -> usize {
        self.depth
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.insn.to_string();
        write!(f, "{:>5}: {:indent$}{text:<44}", self.slot, "", indent = 2 * self.depth)?;
        for (number, now) in self.changes() {
            write!(f, " r{number}={now:#x}")?;
            let (region, _) = split(now);
            if (region::STACK..region::VALUES + 64).contains(&region) {
                write!(f, " ({})", self.memory.describe(now))?;
            }
        }
        Ok(())
    }
}
