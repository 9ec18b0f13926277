//! Timing a program and one that does nothing in turns, so that noise hits both.

use hardwire::assembler::{Alu, Assembler, Insn, ProgramImage, Reg, Target};
use hardwire::loader::{Program, test_run};

use super::packets::Packets;
use crate::failure::{Failure, Problem};

/// Rounds over all packets, once each.
const COLD_ROUNDS_MAX: u32 = 8;

/// How much to measure.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// Measurements of each kind.
    pub(super) tries: u32,
    /// Runs of a warm one.
    pub(super) runs: u32,
}

/// Nanoseconds of one run.
pub(super) struct Measured {
    /// Over the empty program, the packet known by heart.
    pub(super) warm: u32,
    /// The empty program itself.
    pub(super) floor: u32,
    /// Over the empty program, each packet new.
    pub(super) cold: f64,
    /// The empty program itself.
    pub(super) cold_floor: f64,
}

/// A program that does nothing: what entering and leaving costs.
pub(super) fn empty(like: &ProgramImage) -> Result<ProgramImage, Failure> {
    let mut asm = Assembler::new("empty", like.kind());
    // Without it the kernel refuses frames of several buffers.
    asm.set_frags(like.frags());
    asm.emit(Alu::Mov.imm(Reg::R0, 2));
    asm.emit(Insn::exit());
    Ok(asm.finish(&Target::newest()).map_err(|error| Problem::of(&error))?)
}

/// Measure `program` and `empty` over `packets`.
pub(super) fn measure(
    program: &Program,
    empty: &Program,
    packets: &Packets,
    effort: Effort,
) -> Result<Measured, Failure> {
    let (warm, floor) = warm(program, empty, packets, effort)?;
    let (cold, cold_floor) = cold(program, empty, packets, effort)?;
    // The floors are measured too, so a fast program can come out below them.
    Ok(Measured {
        warm: warm.saturating_sub(floor),
        floor,
        cold: (cold - cold_floor).max(0.0),
        cold_floor,
    })
}

/// One packet again and again, or a few of a capture: the mean of the best of each.
fn warm(
    program: &Program,
    empty: &Program,
    packets: &Packets,
    effort: Effort,
) -> Result<(u32, u32), Failure> {
    let samples = u32::try_from(packets.samples().count()).expect("at most SAMPLES_MAX");
    let tries = (effort.tries / samples).max(effort.tries.min(3));
    let (mut sum, mut floors) = (0, 0);
    for packet in packets.samples() {
        let (mut best, mut floor) = (u32::MAX, u32::MAX);
        for _ in 0..tries {
            best = best.min(run(program, packet, effort.runs)?);
            floor = floor.min(run(empty, packet, effort.runs)?);
        }
        sum += best;
        floors += floor;
    }
    Ok((sum / samples, floors / samples))
}

/// All packets in turn, once each, for several rounds; the mean.
fn cold(
    program: &Program,
    empty: &Program,
    packets: &Packets,
    effort: Effort,
) -> Result<(f64, f64), Failure> {
    let given = packets.given();
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..effort.tries.min(COLD_ROUNDS_MAX) {
        for (program, rounds) in [program, empty].into_iter().zip(&mut rounds) {
            let round: Result<Vec<u32>, Failure> =
                given.iter().map(|packet| run(program, packet, 1)).collect();
            rounds.push(round?);
        }
    }
    let mean_of = |rounds: Vec<Vec<u32>>| match packets.frames() {
        // They differ in length, so the longest times are not those that were interrupted.
        Some(_) => mean(&rounds.into_iter().reduce(least).unwrap_or_default()),
        // The clock ticks in steps: only a mean knows what lies between.
        None => rounds.into_iter().map(mean_without_spikes).fold(f64::INFINITY, f64::min),
    };
    let [program, empty] = rounds.map(mean_of);
    Ok((program, empty))
}

/// Of each packet the lesser time.
fn least(mut one: Vec<u32>, other: Vec<u32>) -> Vec<u32> {
    for (one, other) in one.iter_mut().zip(other) {
        *one = (*one).min(other);
    }
    one
}

/// The mean without the longest sixteenth, where the interruptions are.
fn mean_without_spikes(mut each: Vec<u32>) -> f64 {
    each.sort_unstable();
    each.truncate(each.len() - each.len() / 16);
    mean(&each)
}

fn mean(each: &[u32]) -> f64 {
    let count = u32::try_from(each.len()).expect("at most FRAMES_MAX");
    each.iter().map(|&ns| f64::from(ns)).sum::<f64>() / f64::from(count.max(1))
}

fn run(program: &Program, packet: &[u8], runs: u32) -> Result<u32, Failure> {
    let ran = test_run::run(program, packet, runs, false)
        .map_err(|error| Problem::of(&error).hint_if(error.hint()))?;
    Ok(ran.duration_ns)
}
