//! Timing many subjects on the same bytes, in rounds, so that the noise of a shared machine hits
//! all alike and the minimum of many tries is what none of it was in.

use std::{collections::HashMap, error::Error};

use crate::{
    class::Class,
    engine::Engine,
    subject::Subject,
    text::{self, COLD_PACKETS, Text},
};

/// Runs before the length of a try is chosen.
const TRIAL_RUNS: u32 = 30;
/// Fewest and most runs of one try.
const RUNS: (f64, f64) = (5.0, 20_000.0);

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Times that everything is measured.
    pub(crate) passes: usize,
    /// Warm tries of one pass.
    pub(crate) warm_rounds: usize,
    /// Tries of each cold packet of one pass.
    pub(crate) cold_rounds: usize,
    /// Nanoseconds of one warm try: long enough for fractions of a nanosecond a run, short enough
    /// to fit between two interruptions.
    pub(crate) try_ns: f64,
}

/// Nanoseconds a packet, the floor subtracted.
pub(crate) type Times = Vec<(Engine, f64)>;

/// One kind of packets, and the least times of all subjects on them so far, in their order.
pub(crate) struct Cell {
    pub(crate) text: Text,
    pub(crate) bytes: usize,
    packet: Vec<u8>,
    packets: Vec<Vec<u8>>,
    warm: Vec<f64>,
    cold: Vec<f64>,
}

impl Cell {
    /// Nothing is known yet about so many `subjects` that look for `class`.
    pub(crate) fn new(text: Text, class: &Class, bytes: usize, subjects: usize) -> Self {
        Self {
            text,
            bytes,
            packet: text::warm(text, class, bytes),
            packets: text::cold(text, class, bytes),
            warm: vec![f64::INFINITY; subjects],
            cold: vec![f64::INFINITY; subjects],
        }
    }

    /// Are these packets without a match for everybody, as they must be?
    pub(crate) fn check(&self, subjects: &[Subject<'_>]) -> Result<(), Box<dyn Error>> {
        let searching =
            |s: &&Subject<'_>| s.engine.floor().is_some() && s.engine.searches(self.text);
        for subject in subjects.iter().filter(searching) {
            for packet in self.packets.iter().chain([&self.packet]) {
                if subject.finds(&subject.engine.dress(packet))? {
                    let (engine, text) = (subject.engine.name(), self.text.name());
                    let bytes = self.bytes;
                    return Err(format!("{engine} finds something in {bytes} {text} bytes").into());
                }
            }
        }
        Ok(())
    }

    /// The same packet again and again.
    pub(crate) fn measure_warm(
        &mut self,
        subjects: &[Subject<'_>],
        effort: Effort,
    ) -> Result<(), Box<dyn Error>> {
        let mut tries = Vec::new();
        let searching = |(_, s): &(usize, &Subject<'_>)| s.engine.searches(self.text);
        for (at, subject) in subjects.iter().enumerate().filter(searching) {
            let packet = subject.engine.dress(&self.packet);
            let trial = subject.time(&packet, TRIAL_RUNS)?;
            let runs = (effort.try_ns / trial.max(1.0)).clamp(RUNS.0, RUNS.1);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            tries.push((at, subject, packet, runs as u32));
        }
        for round in 0..effort.warm_rounds {
            // Everybody follows everybody: what one leaves in the caches is not always for the
            // same.
            for nth in (0..tries.len()).map(|nth| (nth + round) % tries.len()) {
                let (at, subject, packet, runs) = &tries[nth];
                self.warm[*at] = self.warm[*at].min(subject.time(packet, *runs)?);
            }
        }
        Ok(())
    }

    /// Each of many packets once, then all again: the best round counts.
    pub(crate) fn measure_cold(
        &mut self,
        subjects: &[Subject<'_>],
        effort: Effort,
    ) -> Result<(), Box<dyn Error>> {
        let between = subjects.iter().find(|s| s.engine == Engine::EmptyXdp);
        let between = between.and_then(Subject::program);
        let dress = |engine: Engine| self.packets.iter().map(|s| engine.dress(s)).collect();
        let sets: Vec<Vec<Vec<u8>>> = subjects.iter().map(|s| dress(s.engine)).collect();
        let mut each = [0.0; COLD_PACKETS];
        for _ in 0..effort.cold_rounds {
            for ((subject, packets), best) in subjects.iter().zip(&sets).zip(&mut self.cold) {
                if !subject.engine.searches(self.text) {
                    continue;
                }
                subject.time_each(packets, between, &mut each)?;
                *best = best.min(mean_without_spikes(&mut each));
            }
        }
        Ok(())
    }

    /// What the warm measurements gave.
    pub(crate) fn warm(&self, subjects: &[Subject<'_>]) -> Times {
        let times: Times = subjects.iter().map(|s| s.engine).zip(self.warm.clone()).collect();
        // A loop around nothing is faster than what a loop costs around something.
        over_the_floor(&times.into_iter().filter(|(e, _)| *e != Engine::Nothing).collect())
    }

    /// What the cold measurements gave.
    pub(crate) fn cold(&self, subjects: &[Subject<'_>]) -> Times {
        over_the_floor(&subjects.iter().map(|s| s.engine).zip(self.cold.clone()).collect())
    }
}

/// The mean of a round without its longest sixteenth, where the interruptions are.
///
/// Not the least time of each packet: clocks tick in steps (10 ns on the machine at hand), so the
/// least of many readings is wrong by up to a step, and only a mean knows what lies between.
fn mean_without_spikes(each: &mut [f64; COLD_PACKETS]) -> f64 {
    const COUNTED: u32 = 240;
    const _: () = assert!(COUNTED as usize == COLD_PACKETS - COLD_PACKETS / 16);
    each.sort_by(f64::total_cmp);
    each[..COLD_PACKETS - COLD_PACKETS / 16].iter().sum::<f64>() / f64::from(COUNTED)
}

/// Subtract from each time that of doing nothing in the same way, and drop the latter.
pub(crate) fn over_the_floor(times: &Times) -> Times {
    let all: HashMap<Engine, f64> = times.iter().copied().collect();
    times
        .iter()
        .filter_map(|&(engine, ns)| {
            let over = ns - all.get(&engine.floor()?).copied().unwrap_or(0.0);
            over.is_finite().then_some((engine, over))
        })
        .collect()
}
