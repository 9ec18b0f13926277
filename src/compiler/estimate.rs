//! What a program will cost the verifier, guessed before it is loaded.
//!
//! The verifier explores ways, not instructions. Which ways there are the shape of the program tells
//! (`explore`), as long as the verifier's states are alike wherever ways meet; how often
//! they are not is a weight for each kind of code, between one and two mostly. The weights were fitted to
//! what Linux 6.18 said of 2,504 programs for patterns of real rules, alone and in sets of up to 2,263.
//! Of those alone nearly all are within a fifth, of sets too, but for expressions with walks through
//! windows (half too low to a quarter too high) and conditions (the same); without the search of
//! fragments some short literals cost twice what is guessed, which is no more than 5,000.
//! Other kernels differ by more.
//!
//! Loops with a counter are explored round by round; for those the estimate is of its own kind.

use std::collections::BTreeMap;

use super::{
    Entry,
    automaton::shape::{self, Shape},
    codegen::WINDOW_BYTES,
    explore::{Explored, Save, explore},
    frequency::gate::{self, Gate},
    ir::{Matcher, Scope},
    lower::{Lowered, Needle, Scan},
    number::{count, dot, float, rounded},
    plan::{Access, COUNTED_SET_ROUNDS, Gram, Pass, Plan, by_grams, searched},
    strategy::Strategy,
};
use crate::assembler::{Phase, ProgramImage, Target};

/// Most instructions that the verifier processes (`BPF_COMPLEXITY_LIMIT_INSNS` in
/// `kernel/bpf/verifier.c`, since Linux 5.2).
pub const PROCESSED_MAX: u64 = 1_000_000;
/// Most branches that may wait to be explored (`BPF_COMPLEXITY_LIMIT_JMP_SEQ` in
/// `kernel/bpf/verifier.c`).
pub const PENDING_MAX: u64 = 8_192;
/// Literals past this many bytes are confirmed by code of their own.
const SHORT_BYTES_MAX: usize = 16;
/// From so many on by four pieces of eight bytes and more.
const LONGER_BYTES_MIN: usize = 25;
/// How many steps of the verifier are followed: past its limit it does not matter how far.
const EXPLORED_MAX: u64 = 2 * PROCESSED_MAX;

/// What a program is expected to cost the verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Slots of the program; exact.
    pub slots: Share,
    /// Instructions that the verifier processes.
    pub processed: Share,
    /// Branches that wait to be explored, at the worst moment.
    pub pending: Share,
}

/// How much of a limit is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// What it is of.
    pub name: &'static str,
    /// What is used.
    pub value: u64,
    /// What may be.
    pub limit: u64,
}

impl Share {
    /// 1.0 is all of it.
    pub fn ratio(&self) -> f64 {
        float(self.value.into()) / float(self.limit.into())
    }
}

impl Estimate {
    /// Guess for the program `image` that was made of `plan`.
    pub(super) fn new(
        matcher: &Matcher,
        lowered: &Lowered,
        entry: Entry,
        target: &Target,
        plan: &Plan,
        image: &ProgramImage,
    ) -> Self {
        let save = if target.may_goto { Save::AsItDoes } else { Save::Everywhere };
        let explored = explore(image, save, EXPLORED_MAX);
        let pending = explored.waiting_max as u64;
        let processed = if target.may_goto {
            explored_once(matcher, lowered, target, plan, image, &explored)
        } else {
            counted(lowered, &plan.gates, (entry, target, plan.forced_sets(lowered)))
        };
        let slots = u64::from(image.slot_count());
        Self {
            slots: Share { name: "slots", value: slots, limit: u64::from(target.slots_max) },
            processed: Share { name: "processed", value: processed, limit: PROCESSED_MAX },
            pending: Share { name: "pending", value: pending, limit: PENDING_MAX },
        }
    }

    /// All of them.
    pub fn shares(&self) -> [Share; 3] {
        [self.slots, self.processed, self.pending]
    }

    /// The limit that is nearest to being reached.
    pub fn nearest(&self) -> Share {
        let [first, rest @ ..] = self.shares();
        rest.into_iter().fold(first, |a, b| if b.ratio() > a.ratio() { b } else { a })
    }
}

/// What the verifier does besides following every way once: states that differ make it come again.
struct Weights {
    /// What every program costs besides; and, beside it, if there are headers to walk through.
    base: f64,
    payload: f64,
    /// Passes after the first, tables, gram sets.
    passes: f64,
    tables: f64,
    sets: f64,
    /// Terms of conditions.
    terms: f64,
    /// How often it comes by an instruction that counts, for each time that the shape of the program
    /// tells.
    counts: f64,
    /// The same for the instructions of each [`Part`]: those that scan, those that confirm, the rest.
    parts: [[f64; 3]; PARTS],
}

/// XDP that goes on with windows where the linear part ends.
const DIRECT_AND_REST: Weights = Weights {
    base: 120.00,
    payload: 47.90,
    passes: 0.00,
    tables: 964.87,
    sets: 249.67,
    terms: 1.90,
    counts: 0.96,
    parts: [
        [1.46, 1.38, 1.08],  // Frame
        [1.20, 0.62, 0.39],  // Table
        [7.04, 1.25, 0.67],  // TableWalk
        [1.23, 1.10, 0.16],  // Short
        [0.94, 1.05, 0.76],  // Inline
        [1.20, 1.20, 1.20],  // Long
        [1.39, 1.57, 1.29],  // Walk
        [1.12, 1.20, 0.34],  // States
        [1.29, 2.17, 1.21],  // Set
        [0.12, 1.46, 1.73],  // InlineLooks
        [2.87, 0.30, 16.16], // LongLooks
        [2.58, 0.27, 14.54], // LongerLooks
        [0.72, 1.75, 4.20],  // WalkLooks
        [1.00, 2.49, 0.00],  // Behind
        [0.97, 2.37, 0.52],  // BehindLooks
        [1.51, 1.96, 1.28],  // Places
    ],
};
/// XDP that searches the linear part alone.
const DIRECT: Weights = Weights {
    base: 25.14,
    payload: 0.00,
    passes: 0.00,
    tables: 815.89,
    sets: 0.00,
    terms: 513.42,
    counts: 0.00,
    parts: [
        [0.41, 0.00, 0.50],  // Frame
        [1.20, 1.06, 1.48],  // Table
        [1.33, 2.30, 1.36],  // TableWalk
        [3.07, 1.05, 0.00],  // Short
        [1.40, 1.77, 1.38],  // Inline
        [1.20, 1.20, 1.20],  // Long
        [4.97, 0.47, 2.11],  // Walk
        [1.15, 1.20, 1.97],  // States
        [1.20, 1.20, 1.20],  // Set
        [0.87, 1.25, 15.03], // InlineLooks
        [0.06, 2.52, 1.16],  // LongLooks
        [0.06, 2.52, 1.16],  // LongerLooks
        [4.97, 0.00, 0.00],  // WalkLooks
        [0.96, 3.04, 1.28],  // Behind
        [1.07, 2.59, 1.26],  // BehindLooks
        [1.20, 1.20, 1.20],  // Places
    ],
};
/// Windows only.
const WINDOWS: Weights = Weights {
    base: 31.94,
    payload: 395.35,
    passes: 14.20,
    tables: 868.13,
    sets: 768.63,
    terms: 1042.71,
    counts: 0.11,
    parts: [
        [0.85, 1.70, 0.53], // Frame
        [1.20, 0.93, 0.00], // Table
        [0.63, 2.25, 2.08], // TableWalk
        [1.08, 1.05, 0.97], // Short
        [0.98, 1.03, 1.10], // Inline
        [1.20, 1.20, 1.20], // Long
        [0.00, 1.80, 0.00], // Walk
        [1.15, 1.20, 0.98], // States
        [1.27, 2.22, 1.29], // Set
        [0.30, 2.45, 0.97], // InlineLooks
        [1.84, 1.79, 2.28], // LongLooks
        [1.84, 1.79, 2.28], // LongerLooks
        [0.00, 2.19, 4.10], // WalkLooks
        [0.99, 1.95, 1.03], // Behind
        [1.01, 2.46, 1.33], // BehindLooks
        [1.52, 0.84, 1.38], // Places
    ],
};

/// Without `CAP_PERFMON` states must be equal to be pruned, which they are a little later.
const WITHOUT_PERFMON: f64 = 2.6;

/// What an instruction belongs to. Where a pattern is searched in several ways, the last one counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Nothing below. Here those that scan are apart, those that check bounds and report, and the rest.
    Frame,
    /// A literal in a table of fingerprints, without a walk and with one.
    Table,
    TableWalk,
    /// A literal by the pair test: of eight bytes, of sixteen, longer.
    Short,
    Inline,
    Long,
    /// With a walk.
    Walk,
    /// An automaton.
    States,
    /// A literal in a gram set.
    Set,
    /// As above, behind looks at every few positions; longer ones are confirmed by more pieces, but in
    /// fewer states.
    InlineLooks,
    LongLooks,
    LongerLooks,
    WalkLooks,
    /// An automaton behind a literal that it requires, by the pair test or by looks.
    Behind,
    BehindLooks,
    /// All places of an expression.
    Places,
}

const PARTS: usize = 16;

impl Part {
    const ALL: [Self; PARTS] = [
        Self::Frame,
        Self::Table,
        Self::TableWalk,
        Self::Short,
        Self::Inline,
        Self::Long,
        Self::Walk,
        Self::States,
        Self::Set,
        Self::InlineLooks,
        Self::LongLooks,
        Self::LongerLooks,
        Self::WalkLooks,
        Self::Behind,
        Self::BehindLooks,
        Self::Places,
    ];

    fn of_pass(lowered: &Lowered, pass: &Pass) -> Vec<(u32, Self)> {
        let needle = |at: usize| &lowered.needles[at];
        let either = |walk: bool, [with, without]: [Self; 2]| if walk { with } else { without };
        match pass {
            Pass::Pair { needle: at, skip } => {
                let needle = needle(*at);
                let [short, inline, long, walk] = match skip {
                    None => [Self::Short, Self::Inline, Self::Long, Self::Walk],
                    Some(_) => {
                        [Self::InlineLooks, Self::InlineLooks, Self::LongLooks, Self::WalkLooks]
                    }
                };
                let part = match needle.bytes.len() {
                    _ if needle.walk.is_some() => walk,
                    0..=8 => short,
                    9..=SHORT_BYTES_MAX => inline,
                    LONGER_BYTES_MIN.. if skip.is_some() => Self::LongerLooks,
                    _ => long,
                };
                vec![(needle.id, part)]
            }
            Pass::Fingerprints(table) => {
                let part = |at| {
                    let walk = needle(at).walk.is_some();
                    (needle(at).id, either(walk, [Self::TableWalk, Self::Table]))
                };
                table.words().into_iter().map(part).collect()
            }
            Pass::Set { needles, .. } => {
                needles.iter().map(|&at| (needle(at).id, Self::Set)).collect()
            }
            Pass::States { scan, required, .. } => {
                let part = match required {
                    None => Self::States,
                    Some(None) => Self::Behind,
                    Some(Some(_)) => Self::BehindLooks,
                };
                vec![(lowered.scans[*scan].id, part)]
            }
            Pass::Parallel { scan, .. } => vec![(lowered.scans[*scan].id, Self::Places)],
        }
    }

    /// Is it followed more often on kernels that compare registers which nobody reads any more?
    fn is_states(self) -> bool {
        matches!(self, Self::States | Self::Behind | Self::BehindLooks)
    }
}

/// Loops with `may_goto`: every place is explored a few times, whatever the packet.
fn explored_once(
    matcher: &Matcher,
    lowered: &Lowered,
    target: &Target,
    plan: &Plan,
    image: &ProgramImage,
    explored: &Explored,
) -> u64 {
    let weights = match plan.access {
        Access::Direct { rest: true } => &DIRECT_AND_REST,
        Access::Direct { rest: false } => &DIRECT,
        Access::Windows => &WINDOWS,
    };
    let mut parts: BTreeMap<u32, Part> = BTreeMap::new();
    for (id, part) in plan.passes.iter().flat_map(|pass| Part::of_pass(lowered, pass)) {
        let known = parts.entry(id).or_insert(part);
        *known = part.max(*known);
    }
    let passes =
        |wanted: fn(&Pass) -> bool| count(plan.passes.iter().filter(|p| wanted(p)).count());
    let mut sum = weights.base
        + if matcher.scope == Scope::Payload { weights.payload } else { 0.0 }
        + weights.passes * count(plan.passes.len().saturating_sub(1))
        + weights.tables * passes(|pass| matches!(pass, Pass::Fingerprints(_)))
        + weights.sets * passes(|pass| matches!(pass, Pass::Set { .. }))
        + weights.terms * count(plan.gates.len());
    let mut visited: BTreeMap<Part, [f64; 3]> = BTreeMap::new();
    for (at, &visits) in explored.visits.iter().enumerate() {
        let origin = image.origin(at);
        let part = origin.pattern.and_then(|id| parts.get(&id).copied()).unwrap_or(Part::Frame);
        let column = match (part, origin.phase) {
            (_, Phase::Scan) => 0,
            (Part::Frame, Phase::Bounds | Phase::Report | Phase::Confirm) | (_, Phase::Confirm) => {
                1
            }
            (_, _) => 2,
        };
        let times = if part.is_states() { shape::times(target) } else { 1 };
        let visits = float((u64::from(visits) * times).into());
        if origin.phase == Phase::Count {
            sum += weights.counts * visits;
        } else {
            visited.entry(part).or_insert([0.0; 3])[column] += visits;
        }
    }
    for (part, weights) in Part::ALL.iter().zip(&weights.parts) {
        sum += visited.get(part).map_or(0.0, |visited| dot(weights, visited));
    }
    let sum = if target.perfmon { sum } else { sum * WITHOUT_PERFMON };
    // Every instruction is reached, or the verifier would refuse the program.
    u64::try_from(rounded(sum)).unwrap_or(0).max(image.insns().len() as u64)
}

/// What a set costs where loops are counted: its rounds, its looks; and each literal of it.
const SET_PROCESSED: u64 = (COUNTED_SET_ROUNDS.unsigned_abs() as u64 + 1) * 18 + 3_000;
const SET_LITERAL: u64 = 120;
const SET_PIECE: u64 = 15;

/// Loops with a counter: every round of every block is explored, and in it every position compares
/// all eight-byte pieces.
pub(super) fn counted(
    lowered: &Lowered,
    gates: &[Gate],
    (entry, target, strategy): (Entry, &Target, Option<Strategy>),
) -> u64 {
    let reach = match entry {
        Entry::Xdp => gate::COUNTED_BYTES,
        // The first one is come to in two ways.
        Entry::SocketFilter | Entry::Tc(_) => (gate::COUNTED_WINDOWS + 1) * WINDOW_BYTES,
    };
    let reach = u64::from(reach.unsigned_abs());
    let conditions = gate::counted_cost(gates, &lowered.counts, reach);
    let base = match entry {
        _ if searched(lowered).next().is_none() => 1_000,
        Entry::Xdp => 1_000,
        Entry::SocketFilter | Entry::Tc(_) => 85_000,
    };
    let one = |pattern: &Needle| {
        let (two_pieces, more_each) = match (entry, pattern.ignore_case) {
            (Entry::Xdp, false) => (195_000, 70_000),
            (Entry::Xdp, true) => (207_000, 121_000),
            (Entry::SocketFilter | Entry::Tc(_), false) => (257_000, 98_000),
            (Entry::SocketFilter | Entry::Tc(_), true) => (270_000, 208_000),
        };
        two_pieces + more_each * (pattern.bytes.len().div_ceil(8).saturating_sub(2) as u64)
    };
    let access = if entry == Entry::Xdp { Access::Direct { rest: false } } else { Access::Windows };
    let automaton = |scan: &Scan| {
        // What is refused is so by itself, whatever is beside it.
        let automaton = scan.automaton.as_ref()?;
        let shape = Shape::choose(automaton, lowered.scans.len(), access, target).ok()?;
        Some(shape.cost(automaton, target).processed)
    };
    let automata: u64 = lowered.scans.iter().filter_map(automaton).sum();
    let (sets, single) = by_grams(lowered, (true, true), strategy);
    let in_set = |&at: &usize| {
        SET_LITERAL + SET_PIECE * (lowered.needles[at].bytes.len().div_ceil(8) as u64)
    };
    let set =
        |(_, needles): &(Gram, Vec<usize>)| SET_PROCESSED + needles.iter().map(in_set).sum::<u64>();
    let required = lowered.scans.iter().filter_map(|scan| scan.required.as_ref());
    let alone = single.iter().map(|&at| &lowered.needles[at]).chain(required);
    base + conditions + alone.map(one).sum::<u64>() + automata + sets.iter().map(set).sum::<u64>()
}
