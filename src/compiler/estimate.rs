//! What a program will cost the verifier, guessed before it is loaded.
//!
//! The verifier explores ways, not instructions: how often it comes by depends on what it knows of
//! each register then, and only it knows that. But programs of one strategy look alike, so what
//! they cost is nearly linear in how many instructions scan and confirm. The coefficients were fitted
//! to what Linux 6.18 said of some twenty-seven hundred programs, so that the largest relative error is
//! least; there it is below a fifth. Of random sets a quarter was further off, from a quarter too
//! low (many literals that begin alike) to twice too high (binary literals of hundreds of bytes
//! beside a set). Other kernels differ by more.
//!
//! Loops with a counter are explored round by round; for those the estimate is of its own kind.

use super::{
    Entry,
    automaton::shape::Shape,
    codegen::WINDOW_BYTES,
    frequency::gate::{self, Gate},
    ir::{Matcher, Report, Scope, Window},
    lower::{Lowered, Needle, Scan},
    number::{count, dot, float, rounded},
    plan::{Access, COUNTED_SET_ROUNDS, Gram, Pass, Plan, by_grams, searched},
    strategy::Strategy,
};
use crate::assembler::{
    Insn, Phase, ProgramImage, Target,
    flow::{self, Way},
};

/// Most instructions that the verifier processes (`BPF_COMPLEXITY_LIMIT_INSNS` in
/// `kernel/bpf/verifier.c`, since Linux 5.2).
pub const PROCESSED_MAX: u64 = 1_000_000;
/// Most branches that may wait to be explored (`BPF_COMPLEXITY_LIMIT_JMP_SEQ` in
/// `kernel/bpf/verifier.c`).
pub const PENDING_MAX: u64 = 8_192;
/// Literals past this many bytes are confirmed by code of their own.
const SHORT_BYTES_MAX: usize = 16;

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
        let processed = if target.may_goto {
            explored_once(matcher, lowered, entry, target, plan, image)
        } else {
            counted(lowered, &plan.gates, (entry, target, plan.forced_sets(lowered)))
        };
        let slots = u64::from(image.slot_count());
        Self {
            slots: Share { name: "slots", value: slots, limit: u64::from(target.slots_max) },
            processed: Share { name: "processed", value: processed, limit: PROCESSED_MAX },
            pending: Share { name: "pending", value: pending(image), limit: PENDING_MAX },
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

/// What literals cost: a constant, the walk to the payload, then of literals by pairs and of
/// literals by looks how many, how many in a payload; instructions that scan, that confirm; literals
/// by pairs and by looks if any ignores case; literals by looks if one is long; several; windows.
const LITERALS_XDP: [f64; 13] = [
    1942.67, 1275.72, -6301.03, -4847.76, 914.22, 1029.11, 2.84, 8.19, -1157.29, -1104.88, 268.59,
    0.0, 301.66,
];
const LITERALS_SOCKET: [f64; 13] = [
    49.38, 1505.20, -2026.27, -1155.40, -940.17, -895.45, 4.75, 8.25, 0.0, -1502.97, 485.03,
    -2793.82, -3.56,
];
/// What sets cost: the walk to the payload, sets, literals beside them, those in a payload;
/// instructions that scan, that confirm; literals of sets, those if any ignores case, those if all
/// are reported.
const SETS_XDP: [f64; 9] = [504.28, -143.75, -1994.18, 1568.69, 5.35, 4.51, 22.63, -2.63, 13.00];
const SETS_SOCKET: [f64; 9] =
    [695.18, -1456.10, -2566.98, -88.74, 12.67, 3.12, 60.03, -0.43, 56.24];
/// What is around automata: a constant, the walk to the payload.
const STATES: [f64; 2] = [100.0, 1300.0];
/// What a search for the literal that an automaton requires costs, on XDP and on sockets.
const REQUIRED_DIRECT: f64 = 8_000.0;
const REQUIRED_WINDOWS: f64 = 6_300.0;
/// What an instruction that counts costs: some blocks are come to by more than one way.
const COUNTS_DIRECT: f64 = 1.25;
const COUNTS_WINDOWS: f64 = 2.1;
/// What tables of fingerprints cost: a constant, the walk to the payload, tables, literals beside them,
/// those in a payload; instructions that scan, that confirm, that check bounds, that report; tables in
/// a payload. Fitted to 98 programs for sets of 3 to 2,263 literals.
const FINGERPRINTS_XDP: [f64; 10] =
    [674.48, 703.53, 520.28, 2188.04, 1524.81, 3.33, 1.2, 1.66, 4.83, -56.96];
const FINGERPRINTS_SOCKET: [f64; 10] =
    [312.69, 669.82, 120.98, 474.76, -832.97, 4.35, 0.61, 3.0, 5.56, 13.63];
/// What a table costs less if it is of one literal: there is only one way behind it.
const ONE_IN_TABLE_XDP: f64 = 1_100.0;
const ONE_IN_TABLE_SOCKET: f64 = 350.0;
/// Without `CAP_PERFMON` states must be equal to be pruned, which they are a little later.
const WITHOUT_PERFMON: f64 = 2.6;

/// Loops with `may_goto`: every place is explored a few times, whatever the packet.
fn explored_once(
    matcher: &Matcher,
    lowered: &Lowered,
    entry: Entry,
    target: &Target,
    plan: &Plan,
    image: &ProgramImage,
) -> u64 {
    let of_scans = |id: u32| lowered.scans.iter().any(|scan| scan.id == id);
    let phase = |phase: Phase| {
        let counts = |&at: &usize| {
            let origin = image.origin(at);
            origin.phase == phase && !origin.pattern.is_some_and(of_scans)
        };
        count((0..image.insns().len()).filter(counts).count())
    };
    let passes =
        |wanted: fn(&Pass) -> bool| count(plan.passes.iter().filter(|p| wanted(p)).count());
    let pairs = passes(|pass| matches!(pass, Pass::Pair { skip: None, .. }));
    let looks = passes(|pass| matches!(pass, Pass::Pair { skip: Some(_), .. }));
    let sets = passes(|pass| matches!(pass, Pass::Set { .. }));
    let tables = passes(|pass| matches!(pass, Pass::Fingerprints(_)));
    let flag = |holds: bool| if holds { 1.0 } else { 0.0 };
    let any = |holds: fn(&Needle) -> bool| flag(lowered.needles.iter().any(holds));
    let (scan, confirm) = (phase(Phase::Scan), phase(Phase::Confirm));
    let payload = flag(matcher.scope == Scope::Payload);
    let folds = any(|pattern| pattern.ignore_case);
    let direct = entry == Entry::Xdp && plan.access != Access::Windows;
    let states: u64 =
        plan.passes.iter().map(|pass| states_cost(lowered, pass, plan.access, target)).sum();
    let sum = if lowered.needles.is_empty() {
        dot(&STATES, &[1.0, payload])
    } else if tables > 0.0 {
        let weights = if direct { FINGERPRINTS_XDP } else { FINGERPRINTS_SOCKET };
        let (bounds, report) = (phase(Phase::Bounds), phase(Phase::Report));
        let alone = pairs + looks;
        let one = if direct { ONE_IN_TABLE_XDP } else { ONE_IN_TABLE_SOCKET };
        let less = if lowered.needles.len() == 1 { one } else { 0.0 };
        dot(
            &weights,
            &[
                1.0,
                payload,
                tables,
                alone,
                alone * payload,
                scan,
                confirm,
                bounds,
                report,
                tables * payload,
            ],
        ) - less
    } else if sets > 0.0 {
        let weights = if direct { SETS_XDP } else { SETS_SOCKET };
        let inside = count(lowered.needles.len()) - pairs - looks;
        let all = flag(matcher.report == Report::All);
        let single = pairs + looks;
        dot(
            &weights,
            &[
                payload,
                sets,
                single,
                single * payload,
                scan,
                confirm,
                inside,
                folds * inside,
                all * inside,
            ],
        )
    } else {
        let weights = if direct { LITERALS_XDP } else { LITERALS_SOCKET };
        let long = any(|pattern| pattern.bytes.len() > SHORT_BYTES_MAX);
        let windows =
            count(lowered.needles.iter().filter(|p| p.window != Window::default()).count());
        dot(
            &weights,
            &[
                1.0,
                payload,
                pairs,
                looks,
                pairs * payload,
                looks * payload,
                scan,
                confirm,
                folds * pairs,
                folds * looks,
                long * looks,
                flag(lowered.needles.len() > 1),
                windows,
            ],
        )
    };
    let sum = sum + count(usize::try_from(states).unwrap_or(usize::MAX));
    let (counts, required) =
        if direct { (COUNTS_DIRECT, REQUIRED_DIRECT) } else { (COUNTS_WINDOWS, REQUIRED_WINDOWS) };
    let asks: fn(&Pass) -> bool = |pass| match pass {
        Pass::States { required, .. } | Pass::Parallel { required, .. } => required.is_some(),
        Pass::Pair { .. } | Pass::Fingerprints(_) | Pass::Set { .. } => false,
    };
    let sum = sum + required * passes(asks) + counts * phase(Phase::Count);
    let sum = if target.perfmon { sum } else { sum * WITHOUT_PERFMON };
    // Every instruction is reached, or the verifier would refuse the program.
    u64::try_from(rounded(sum)).unwrap_or(0).max(image.insns().len() as u64)
}

/// What the automaton of `pass` costs, if it has one.
fn states_cost(lowered: &Lowered, pass: &Pass, access: Access, target: &Target) -> u64 {
    match pass {
        Pass::Pair { .. } | Pass::Fingerprints(_) | Pass::Set { .. } => 0,
        Pass::States { scan, shape, .. } => {
            let automaton = lowered.scans[*scan].automaton.as_ref();
            automaton.map_or(0, |automaton| shape.cost(automaton, target).processed)
        }
        Pass::Parallel { scan, .. } => {
            let parallel = lowered.scans[*scan].parallel.as_ref();
            parallel.map_or(0, |parallel| parallel.cost(access).processed)
        }
    }
}

/// What a set costs where loops are counted: its rounds, its looks; and each literal of it.
const SET_PROCESSED: u64 = COUNTED_SET_ROUNDS.unsigned_abs() as u64 * 18 + 3_000;
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
        Entry::SocketFilter => (gate::COUNTED_WINDOWS + 1) * WINDOW_BYTES,
    };
    let reach = u64::from(reach.unsigned_abs());
    let conditions = gate::counted_cost(gates, &lowered.counts, reach);
    let base = match entry {
        _ if searched(lowered).next().is_none() => 1_000,
        Entry::Xdp => 1_000,
        Entry::SocketFilter => 85_000,
    };
    let one = |pattern: &Needle| {
        let (two_pieces, more_each) = match (entry, pattern.ignore_case) {
            (Entry::Xdp, false) => (195_000, 70_000),
            (Entry::Xdp, true) => (207_000, 121_000),
            (Entry::SocketFilter, false) => (257_000, 98_000),
            (Entry::SocketFilter, true) => (270_000, 208_000),
        };
        two_pieces + more_each * (pattern.bytes.len().div_ceil(8).saturating_sub(2) as u64)
    };
    let access = if entry == Entry::Xdp { Access::Direct { rest: false } } else { Access::Windows };
    let automaton = |scan: &Scan| {
        // What is refused is so by itself, whatever is beside it.
        let automaton = scan.automaton.as_ref()?;
        let shape = Shape::choose(automaton, access, target).ok()?;
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

/// Most branches that wait at once, if every instruction is explored once: the verifier goes on with
/// the next instruction and comes back for where a branch leads to. `may_goto` waits for nothing,
/// because it explores its way out first.
fn pending(image: &ProgramImage) -> u64 {
    let insns = image.insns();
    let mut seen = vec![false; insns.len()];
    let mut waiting: Vec<usize> =
        image.functions().iter().filter_map(|f| image.index_at(f.slot)).collect();
    if waiting.is_empty() {
        waiting.push(0);
    }
    let functions = waiting.len();
    let mut most = 0;
    while let Some(start) = waiting.pop() {
        let mut at = start;
        while at < insns.len() && !std::mem::replace(&mut seen[at], true) {
            match (flow::way(&insns[at]), flow::target(image, at)) {
                (Way::Branch(_), Some(to)) if !matches!(insns[at], Insn::MayGoto { .. }) => {
                    waiting.push(to);
                    at += 1;
                }
                (Way::Branch(_), Some(to)) => {
                    waiting.push(at + 1);
                    at = to;
                }
                (Way::Jump(_), Some(to)) => at = to,
                (Way::Jump(_) | Way::End, _) => break,
                (Way::Next | Way::Call(_) | Way::Branch(_), _) => at += 1,
            }
            most = most.max(waiting.len());
        }
    }
    most.saturating_sub(functions.saturating_sub(1)) as u64
}
