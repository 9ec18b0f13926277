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
/// Most slots of it where direct access leaves little over.
const REST_SLOTS_MAX: usize = 2_048;
/// Slots of a dispatcher besides its states, about.
const DISPATCHER_SLOTS: usize = 100;
/// Slots over which jumps reach.
const SHORT_JUMPS_SLOTS: u64 = 32_768;
/// Slots of a skip, about.
const SKIP_SLOTS: usize = 180;
/// Instructions of a skip that the verifier processes once more.
const SKIP_PROCESSED: u64 = 250;
/// How often kernels before 6.18 explore what later ones do once, at most: 6.12 was seen to do so 5 to 15
/// times, the more the larger the automaton. They compare registers that nobody reads any more.
const EARLIER_TIMES: u64 = 16;
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
    /// Choose for `automaton`, whose bytes are reached by `access`.
    ///
    /// # Errors
    ///
    /// The target has no `may_goto`, or the automaton is too large for it, in slots or for the
    /// verifier.
    pub fn choose(
        automaton: &Automaton,
        access: Access,
        target: &Target,
    ) -> Result<Self, CompileError> {
        let states = automaton.states.len();
        let what = || format!("an automaton of {states} states");
        if !target.may_goto {
            let why = format!(
                "Linux {} has no may_goto (6.9 has), and without it the verifier would explore every \
                 byte of every frame",
                target.version
            );
            return Err(CompileError::Target { what: what(), why });
        }
        let slots = Slots::of(automaton);
        let skip = Skip::find(automaton);
        let form =
            |linear_round, window_round| Self { linear_round, window_round, skip: skip.clone() };
        let mut cost = Cost::default();
        // What is too large for the target with long rounds may not be with short ones.
        for slots_max in [ROUND_SLOTS_MAX, REST_SLOTS_MAX, 0] {
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
        Slots::of(automaton).cost(self, target)
    }
}

/// Slots of the parts of a dispatcher.
struct Slots {
    states: usize,
    /// All states, for one byte.
    once: usize,
}

impl Slots {
    fn of(automaton: &Automaton) -> Self {
        let once = automaton.states.iter().map(|state| 1 + Decision::of(state).slots()).sum();
        Self { states: automaton.states.len(), once }
    }

    /// Bytes of a round that keep the code below so many slots.
    fn round(&self, slots_max: usize) -> u8 {
        [16u8, 8, 4, 2]
            .into_iter()
            .find(|&round| usize::from(round) * self.once <= slots_max)
            .unwrap_or(1)
    }

    fn cost(&self, shape: &Shape, target: &Target) -> Cost {
        let times = if target.version < KernelVersion::new(6, 18) { EARLIER_TIMES } else { 1 };
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
        let large = automaton("[ip].{12}[qz]");
        let choose = |version: (u16, u16), slots_max| {
            let mut target = Target::of_version(KernelVersion::new(version.0, version.1));
            target.slots_max = slots_max;
            Shape::choose(&large, Access::Windows, &target)
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
            let shape = Shape::choose(&automaton, Access::Windows, &target).expect("fits");
            (shape.cost(&automaton, &target).processed <= EXPECTED_MAX, shape.window_round)
        };
        let ((new, long), (old, short)) = (round(7, 0), round(6, 12));
        assert!(new && old && short <= long, "{short} {long}");
    }
}
