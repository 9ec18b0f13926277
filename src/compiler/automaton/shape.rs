//! Which form of code an automaton gets, and what that costs.
//!
//! The cost is that of the states alone, without entry and scope. It is exact for slots up to a few
//! dozen, and for what the verifier processes within a fifth on Linux 6.18 (the ratio of the two hardly depends on
//! the automaton: every state is explored about twice, as `codegen::states` argues).

use super::{Automaton, decide::Decision, skip::Skip};
use crate::{
    assembler::{KernelVersion, Target},
    compiler::{CompileError, estimate::PROCESSED_MAX, plan::Access},
};

/// Most slots of the code of all states for all bytes of a round.
const ROUND_SLOTS_MAX: usize = 16_384;
/// The same for all automata of one program: what they cost the verifier decides how many it can hold.
const ROUNDS_SLOTS_MAX: usize = 4 * ROUND_SLOTS_MAX;
/// Most slots of it where direct access leaves little over, and fewest that one of many automata may
/// have.
const REST_SLOTS_MAX: usize = 2_048;
/// Slots of a dispatcher besides its states, about.
const DISPATCHER_SLOTS: usize = 100;
/// Slots over which jumps reach.
const SHORT_JUMPS_SLOTS: u64 = 32_768;
/// Slots of a skip, about.
const SKIP_SLOTS: usize = 180;
/// Instructions of a skip that the verifier processes once more.
const SKIP_PROCESSED: u64 = 250;
/// How often kernels before 6.18 explore what later ones do once, at most: 6.12 was seen to do so three to four
/// times, with what nobody reads any more cleared wherever ways meet.
const EARLIER_TIMES: u64 = 5;
/// Slots of a function that takes a step, and of the loop that calls it, besides the states.
const STEP_SLOTS: usize = 60;
/// How often an instruction of the function is explored, at most.
const STEP_TIMES: u64 = 3;
/// What a round of the loop around it costs the verifier.
const ROUND_PROCESSED: u64 = 18;
/// What it may cost, if that is enough, so that the search for a literal has room in front of it.
const BESIDE_LITERAL_MAX: u64 = 590_000;
/// Rounds that are enough: old kernels take time that grows with the square of how many there are.
const ROUNDS_MAX: u64 = 4_096;
/// Frames that a counted loop must reach the end of, in bytes.
const COUNTED_BYTES_MIN: u64 = 9216;
/// The longest frames.
const FRAME_BYTES_MAX: u64 = 65_535;
/// What the verifier may be expected to process, of the million that it does: the estimate is
/// right within a fifth.
const EXPECTED_MAX: u64 = PROCESSED_MAX / 6 * 5;

/// The form of the code of one automaton.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Bytes that one round of the loop over the linear part reads; 0 if that part is copied to
    /// windows as everything else is.
    pub linear_round: u8,
    /// Bytes that one round of the loop over a window reads; 0 if there are no windows.
    pub window_round: u8,
    /// What is looked for before the automaton is followed.
    pub skip: Option<Skip>,
    /// How many rounds there may be, where they are counted because there is no `may_goto`; else 0.
    pub rounds_max: u32,
}

/// What code costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Slots of the program.
    pub slots: u64,
    /// Instructions that the verifier processes.
    pub processed: u64,
}

impl Shape {
    /// Choose for `automaton`, one of `together` in the program, whose bytes are reached by `access`.
    ///
    /// # Errors
    ///
    /// The target has no `may_goto`, or the automaton is too large for it, in slots or for the
    /// verifier.
    pub fn choose(
        automaton: &Automaton,
        together: usize,
        access: Access,
        target: &Target,
    ) -> Result<Self, CompileError> {
        let states = automaton.states.len();
        let what = || format!("an automaton of {states} states");
        let slots = Slots::of(automaton, target);
        if !target.may_goto {
            return slots.stepped(access, target).ok_or_else(|| {
                let Cost { processed, .. } = slots.step_cost(1, COUNTED_BYTES_MIN);
                let why = format!(
                    "Linux {} has no may_goto (6.9 has), and without it about {processed} instructions \
                     would be processed by the verifier for frames of {COUNTED_BYTES_MIN} bytes; the \
                     limit is {EXPECTED_MAX}",
                    target.version
                );
                CompileError::Target { what: what(), why }
            });
        }
        let skip = Skip::find(automaton);
        let form = |linear_round, window_round| Self {
            linear_round,
            window_round,
            skip: skip.clone(),
            rounds_max: 0,
        };
        let mut cost = Cost::default();
        // What is too large for the target with long rounds may not be with short ones.
        let share = ROUNDS_SLOTS_MAX / together.max(1);
        for slots_max in [share.clamp(REST_SLOTS_MAX, ROUND_SLOTS_MAX), REST_SLOTS_MAX, 0] {
            let round = slots.round(slots_max);
            let shapes = match access {
                Access::Direct { rest: false } => vec![form(round, 0)],
                // Copying costs little next to running an automaton for which the first is too large.
                Access::Direct { rest: true } => {
                    vec![form(round, slots.round(slots_max.min(REST_SLOTS_MAX))), form(0, round)]
                }
                Access::Windows => vec![form(0, round)],
            };
            for shape in shapes {
                cost = slots.cost(&shape, target);
                if cost.slots <= target.slots_max.into() && cost.processed <= EXPECTED_MAX {
                    return Ok(shape);
                }
            }
        }
        if cost.slots > target.slots_max.into() {
            return Err(CompileError::ProgramTooLarge {
                needed: usize::try_from(cost.slots).unwrap_or(usize::MAX),
                limit: usize::try_from(target.slots_max).unwrap_or(usize::MAX),
            });
        }
        let why = format!(
            "about {} instructions would be processed by the verifier; the limit is {EXPECTED_MAX}",
            cost.processed
        );
        Err(CompileError::Target { what: what(), why })
    }

    /// What code of this form costs for `automaton` on `target`.
    pub fn cost(&self, automaton: &Automaton, target: &Target) -> Cost {
        Slots::of(automaton, target).cost(self, target)
    }
}

/// How often `target` explores what Linux 6.18 does once, at most.
pub(in crate::compiler) fn times(target: &Target) -> u64 {
    if is_earlier(target) { EARLIER_TIMES } else { 1 }
}

/// Slots of the parts of a dispatcher.
struct Slots {
    states: usize,
    /// All states, for one byte.
    once: usize,
}

impl Slots {
    fn of(automaton: &Automaton, target: &Target) -> Self {
        // The byte is read, and for kernels before 6.18 a register cleared.
        let head = if is_earlier(target) && target.may_goto { 2 } else { 1 };
        let once = automaton.states.iter().map(|state| head + Decision::of(state).slots()).sum();
        Self { states: automaton.states.len(), once }
    }

    /// Bytes of a round that keep the code below so many slots.
    fn round(&self, slots_max: usize) -> u8 {
        [16u8, 8, 4, 2]
            .into_iter()
            .find(|&round| usize::from(round) * self.once <= slots_max)
            .unwrap_or(1)
    }

    /// A function that takes a step, and a loop that calls it: steps as long as they may be, and rounds
    /// for the longest frame or at least for an ordinary large one.
    fn stepped(&self, access: Access, target: &Target) -> Option<Shape> {
        let rounds = [32_u8, 16, 8, 4, 2, 1];
        rounds.into_iter().find_map(|round| {
            let code = self.step_cost(round, 0);
            let long = usize::from(round) * self.once > ROUND_SLOTS_MAX && round > 1;
            if long || code.slots > target.slots_max.into() {
                return None;
            }
            let bytes = |most: u64| {
                let left = most.checked_sub(code.processed)?;
                let whole = (left / ROUND_PROCESSED).saturating_sub(round.into());
                let bytes = (whole.min(ROUNDS_MAX) * u64::from(round)).min(FRAME_BYTES_MAX);
                let bytes = bytes.max(COUNTED_BYTES_MIN.min(whole * u64::from(round)));
                (bytes >= COUNTED_BYTES_MIN).then_some(bytes)
            };
            let bytes = bytes(BESIDE_LITERAL_MAX).or_else(|| bytes(EXPECTED_MAX))?;
            let rounds_max = u32::try_from(rounds_for(round, bytes)).ok()?;
            let windows = access == Access::Windows;
            let (linear_round, window_round) = if windows { (0, round) } else { (round, 0) };
            Some(Shape { linear_round, window_round, skip: None, rounds_max })
        })
    }

    /// The same, and a loop for frames of so many bytes.
    fn step_cost(&self, round: u8, bytes: u64) -> Cost {
        let tail = if round > 1 { 2 * self.states } else { 0 };
        let slots = STEP_SLOTS + usize::from(round) * self.once + 4 * self.states + tail;
        let slots = u64::try_from(slots).unwrap_or(u64::MAX / 4);
        let slots = if slots > SHORT_JUMPS_SLOTS { slots / 4 * 5 } else { slots };
        let loop_processed = rounds_for(round, bytes) * ROUND_PROCESSED;
        Cost { slots, processed: slots * STEP_TIMES + loop_processed }
    }

    fn cost(&self, shape: &Shape, target: &Target) -> Cost {
        if shape.rounds_max > 0 {
            let code = self.step_cost(shape.linear_round.max(shape.window_round), 0);
            let rounds = u64::from(shape.rounds_max) * ROUND_PROCESSED;
            return Cost { processed: code.processed + rounds, ..code };
        }
        let times = times(target);
        [shape.linear_round, shape.window_round]
            .into_iter()
            .filter(|&round| round > 0)
            .map(|round| {
                let tail = if round > 1 { 2 * self.states } else { 0 };
                // Trees at the head and at the tail, and the notes of the states between rounds.
                let skip = if shape.skip.is_some() { SKIP_SLOTS } else { 0 };
                let slots = DISPATCHER_SLOTS
                    + skip
                    + usize::from(round) * self.once
                    + 5 * self.states
                    + tail;
                let slots = u64::try_from(slots).unwrap_or(u64::MAX / 4);
                // Jumps that 16 bits do not hold take one slot more.
                let slots = if slots > SHORT_JUMPS_SLOTS { slots / 4 * 5 } else { slots };
                let again = if shape.skip.is_some() { SKIP_PROCESSED } else { 0 };
                Cost { slots, processed: times * (slots * 2 + again) }
            })
            .fold(Cost::default(), |a, b| Cost {
                slots: a.slots + b.slots,
                processed: a.processed + b.processed,
            })
    }
}

/// Does the verifier compare registers that nobody reads any more, while a loop is not explored to its
/// end? Linux 6.18 was seen not to; when that came is not known, and clearing them costs little.
pub(in crate::compiler) fn is_earlier(target: &Target) -> bool {
    target.version < KernelVersion::new(6, 18)
}

/// Rounds for so many bytes: whole ones, and one for each byte that is left.
fn rounds_for(round: u8, bytes: u64) -> u64 {
    if bytes == 0 { 0 } else { bytes.div_ceil(round.into()) + u64::from(round) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compiler::{
        automaton::{Limits, scanning},
        pattern::regex,
    };

    fn automaton(text: &str) -> Automaton {
        let hir = regex::parse(text.as_bytes(), false).expect("an expression");
        scanning(&hir, false, &Limits::default()).expect("within the limits")
    }

    #[test]
    fn what_a_target_cannot_hold_is_refused_with_both_numbers() {
        let large = automaton("[ip].{13}[qz]");
        let choose = |version: (u16, u16), slots_max| {
            let mut target = Target::of_version(KernelVersion::new(version.0, version.1));
            target.slots_max = slots_max;
            Shape::choose(&large, 1, Access::Windows, &target)
        };
        let shape = choose((7, 0), 1_000_000).expect("fits");
        assert!(shape.window_round >= 1);
        let error = choose((7, 0), 4096).expect_err("too many slots");
        assert!(matches!(error, CompileError::ProgramTooLarge { limit: 4096, .. }), "{error}");
        for (version, what) in [((6, 12), "the limit is 833330"), ((6, 1), "has no may_goto")] {
            let error = choose(version, 1_000_000).expect_err("too much for it").to_string();
            assert!(error.contains(what) && error.contains("states"), "{error}");
        }
    }

    #[test]
    fn rounds_are_shorter_where_the_verifier_explores_more() {
        let automaton = automaton("[ip].{7}[qz]");
        let round = |major, minor| {
            let target = Target::of_version(KernelVersion::new(major, minor));
            let shape = Shape::choose(&automaton, 1, Access::Windows, &target).expect("fits");
            (shape.cost(&automaton, &target).processed <= EXPECTED_MAX, shape.window_round)
        };
        let ((new, long), (old, short)) = (round(7, 0), round(6, 12));
        assert!(new && old && short <= long, "{short} {long}");
    }
}
