//! Choosing how to search, and saying why. A plan is a value: `explain`, the listing and tests
//! show it.

use std::collections::BTreeSet;

use crate::assembler::{KernelVersion, Target};

use super::{
    CompileError, Entry, Options,
    automaton::{
        parallel::Parallel,
        shape::{Shape, is_earlier},
    },
    codegen::usable_slots,
    estimate,
    fingerprint::{self, Table, Word},
    frequency::gate::{self, Gate},
    gram_interval::{self, GramInterval},
    lower::{Lowered, Needle, Scan},
    strategy::Strategy,
};

/// How the bytes are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// XDP: loads straight from the linear part of the frame; what lies in fragments is copied
    /// window by window if `rest`, else counted as unsearched.
    Direct {
        /// Are fragments searched too?
        rest: bool,
    },
    /// Windows of the packet are copied to scratch memory by a helper function and searched there.
    Windows,
}

/// Bytes of a gram: what a set looks at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gram {
    /// One byte.
    One,
    /// Two bytes.
    Two,
    /// Four bytes.
    Four,
}

impl Gram {
    /// The longest gram that a literal of `len` bytes has.
    pub const fn of_len(len: usize) -> Self {
        match len {
            0 | 1 => Self::One,
            2 | 3 => Self::Two,
            _ => Self::Four,
        }
    }

    /// Its bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// One walk over the scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pass {
    /// One literal by its rarest pair of bytes, eight positions at a time.
    Pair {
        /// Position in [`Lowered::needles`].
        needle: usize,
        /// The test that looks at fewer positions, before the pair test takes over; `None` where the
        /// literal is too short for it or the target has no `may_goto`.
        skip: Option<GramInterval>,
    },
    /// Many literals by a table of fingerprints on the stack, which numbers them by their position in
    /// [`Lowered::needles`].
    Fingerprints(Box<Table>),
    /// Many literals by their first gram: a bit table, then a comparison tree, then each literal.
    Set {
        /// What is looked at.
        gram: Gram,
        /// Positions in [`Lowered::needles`].
        needles: Vec<usize>,
    },
    /// One automaton, every byte of the scope.
    States {
        /// Position in [`Lowered::scans`].
        scan: usize,
        /// The form of its code.
        shape: Shape,
        /// How the literal that it requires is looked for first, as in [`Pass::Pair`]; `None` if it
        /// requires none, and reads from the start.
        required: Option<Option<GramInterval>>,
    },
    /// The places of one expression, every byte of the scope.
    Parallel {
        /// Position in [`Lowered::scans`].
        scan: usize,
        /// As in [`Pass::States`].
        required: Option<Option<GramInterval>>,
    },
}

impl Pass {
    /// Does its table take all of the stack, so that functions have none?
    pub(super) fn fills_stack(&self) -> bool {
        match self {
            Self::Fingerprints(table) => table.bits == 9,
            Self::Pair { .. } | Self::Set { .. } | Self::States { .. } | Self::Parallel { .. } => {
                false
            }
        }
    }
}

/// What will be generated, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How the bytes are reached.
    pub access: Access,
    /// The terms of conditions, in the order in which they are looked at: before everything else.
    pub gates: Vec<Gate>,
    /// The walks, in order.
    pub passes: Vec<Pass>,
    /// One line, shown by `hardwire explain`.
    pub why: String,
}

/// Groups up to this size are searched literal by literal: each such pass costs about 100 ns per
/// 1,500 bytes, a set pass about 500 ns whatever its size.
const PAIRS_MAX: usize = 4;

/// Longest literal on targets without `may_goto`, in bytes: there every position of a block compares
/// it on its own, and the verifier explores that in every round.
pub(super) const COUNTED_LITERAL_BYTES_MAX: usize = 64;
/// Rounds of a counted loop over a set: 64 positions each, and one for each candidate. Old kernels take
/// time that grows with the square of it.
pub(super) const COUNTED_SET_ROUNDS: i32 = 4_096;
/// Most instructions that loops with a counter may be expected to cost the verifier, of the million
/// that it processes; the estimate is right within a tenth where it is near.
pub(super) const COUNTED_PROCESSED_MAX: u64 = 950_000;

impl Plan {
    /// The strategy that makes the same sets again.
    pub(super) fn forced_sets(&self, lowered: &Lowered) -> Option<Strategy> {
        let (sets, _) = by_grams(lowered, (true, true), None);
        let made = self.passes.iter().filter(|pass| matches!(pass, Pass::Set { .. })).count();
        if made == sets.len() { None } else { Some(Strategy::GramSet) }
    }

    /// A short name of the strategy: `pair-swar`, `window-multiply`, `fingerprint`, `gram-set`,
    /// `dispatcher`, `bit-parallel` or `mixed`.
    pub fn strategy(&self) -> &'static str {
        let name = |pass: &Pass| match pass {
            Pass::Pair { skip: None, .. } => "pair-swar",
            Pass::Pair { skip: Some(_), .. } => "window-multiply",
            Pass::Fingerprints(_) => "fingerprint",
            Pass::Set { .. } => "gram-set",
            Pass::States { .. } => "dispatcher",
            Pass::Parallel { .. } => "bit-parallel",
        };
        match &self.passes[..] {
            [] if !self.gates.is_empty() => "frequency",
            [] => "nothing",
            [first, rest @ ..] if rest.iter().all(|p| name(p) == name(first)) => name(first),
            _ => "mixed",
        }
    }
}

/// Choose.
///
/// # Errors
///
/// [`CompileError::Target`] if this target cannot search so many patterns, or one of them at all.
pub fn choose(
    lowered: &Lowered,
    entry: Entry,
    target: &Target,
    options: &Options,
) -> Result<Plan, CompileError> {
    if !target.bounded_loops && !target.may_goto {
        let version = target.version;
        let why = if target.perfmon {
            format!("every search is a loop, and Linux {version} has none (5.3 has bounded loops)")
        } else {
            format!(
                "every search is a loop, and without CAP_PERFMON Linux {version} takes none (with it \
                 5.3 takes loops with a counter; 6.9 has may_goto, which needs no capability)"
            )
        };
        return Err(CompileError::Target { what: "a search".to_owned(), why });
    }
    let access = match entry {
        Entry::SocketFilter => Access::Windows,
        Entry::Xdp if target.perfmon || !target.xdp_frags => {
            // Scanning fragments in counted loops would cost the verifier a million instructions.
            Access::Direct { rest: target.xdp_frags && target.may_goto && options.fragments }
        }
        // In counted loops windows reach further than the linear part, which often has no payload.
        Entry::Tc(_) if target.perfmon && target.may_goto => Access::Direct { rest: true },
        Entry::Xdp | Entry::Tc(_) => Access::Windows,
    };
    if access == (Access::Direct { rest: false }) && !target.perfmon {
        return Err(CompileError::Target {
            what: format!("XDP on Linux {} without CAP_PERFMON", target.version),
            why: "it needs CAP_PERFMON, or Linux 5.18 for bpf_xdp_load_bytes".to_owned(),
        });
    }
    let gates = gate::gates(&lowered.counts, target.perfmon);
    if !target.may_goto {
        counted_limits(lowered, &gates, entry, target, options.strategy)?;
    }
    let mut passes = literals(lowered, access, target, options)?;
    for (scan, part) in lowered.scans.iter().enumerate() {
        let skip = |needle| if target.may_goto { gram_interval::find(needle) } else { None };
        let required = part.required.as_ref().map(skip);
        let shape = part.automaton.as_ref();
        let shape = shape.map(|it| Shape::choose(it, lowered.scans.len(), access, target));
        let fits = part.parallel.as_ref().map(|places| places.fits(access, target));
        let sooner =
            |shape: &Shape| part.parallel.as_ref().is_some_and(|it| faster(it, shape, part));
        passes.push(match (shape, fits) {
            (Some(Ok(shape)), Some(Ok(()))) if sooner(&shape) => Pass::Parallel { scan, required },
            (Some(Ok(shape)), _) => Pass::States { scan, shape, required },
            (_, Some(Ok(()))) => Pass::Parallel { scan, required },
            (Some(Err(error)), _) | (None, Some(Err(error))) => return Err(error),
            (None, None) => unreachable!("a scan has an automaton, or places"),
        });
    }
    let needs_functions = |pass: &Pass| matches!(pass, Pass::Set { .. } | Pass::States { .. });
    if passes.iter().any(needs_functions) && !target.may_goto && target.version < GLOBAL_FUNCTIONS {
        return Err(CompileError::Target {
            what: "a set, a long literal or an automaton".to_owned(),
            why: format!(
                "without may_goto it needs global functions, which Linux {GLOBAL_FUNCTIONS} has and \
                 {} has not",
                target.version
            ),
        });
    }
    let why = why(access, &gates, &passes, target, options);
    Ok(Plan { access, gates, passes, why })
}

/// The kernel that verifies a global function once and for itself.
const GLOBAL_FUNCTIONS: KernelVersion = KernelVersion::new(5, 6);

/// Most words and counters of places that are faster than an automaton of [`SLOW_STATES`].
const FAST_PLACES: usize = 4;
/// An automaton of so many states takes three nanoseconds a byte: every compare of them is guessed wrong.
const SLOW_STATES: usize = 1500;

/// Are the places of an expression a faster search than its automaton, which the target could hold?
fn faster(places: &Parallel, shape: &Shape, scan: &Scan) -> bool {
    let states = scan.automaton.as_ref().map_or(0, |automaton| automaton.states.len());
    // What can be skipped is not looked for in large automata.
    (places.skip.is_some() && shape.skip.is_none())
        || (states >= SLOW_STATES && places.slots() <= FAST_PLACES)
}

/// A pass for one needle.
fn alone(
    lowered: &Lowered,
    number: usize,
    target: &Target,
    strategy: Option<Strategy>,
) -> Result<Pass, CompileError> {
    let needle = &lowered.needles[number];
    let skip = || target.may_goto.then(|| gram_interval::find(needle)).flatten();
    let skip = match strategy {
        Some(Strategy::PairSwar) => None,
        Some(strategy @ Strategy::WindowMultiply) => {
            let Some(skip) = skip() else {
                let (id, bytes) = (needle.id, needle.bytes.len());
                let why = if target.may_goto {
                    format!(
                        "no multiplier brings the grams of its {bytes} bytes close enough together \
                         (literals of nine bytes and more mostly have one)"
                    )
                } else {
                    format!("it needs may_goto, and Linux {} has none", target.version)
                };
                return Err(CompileError::Strategy { strategy, id, why });
            };
            Some(skip)
        }
        Some(
            Strategy::Fingerprint
            | Strategy::GramSet
            | Strategy::InnerLiteral
            | Strategy::Dispatcher
            | Strategy::BitParallel,
        )
        | None => skip(),
    };
    Ok(Pass::Pair { needle: number, skip })
}

/// What a strategy asks of a target.
fn needs(target: &Target, windows: bool, strategy: Strategy) -> Result<(), CompileError> {
    if !target.may_goto || windows {
        return Ok(());
    }
    Err(CompileError::Target {
        what: format!("strategy {strategy}"),
        why: format!(
            "for XDP with may_goto it needs bpf_xdp_load_bytes (5.18), and Linux {} has it not",
            target.version
        ),
    })
}

/// The walks of literals.
fn literals(
    lowered: &Lowered,
    access: Access,
    target: &Target,
    options: &Options,
) -> Result<Vec<Pass>, CompileError> {
    let windows = access != Access::Direct { rest: false };
    let tables = target.may_goto && target.perfmon;
    match options.strategy {
        None if tables => return fingerprints(lowered, windows, target, options),
        Some(Strategy::Fingerprint) if tables => {
            return fingerprints(lowered, windows, target, options);
        }
        Some(Strategy::Fingerprint) => {
            let what = format!("strategy {}", Strategy::Fingerprint);
            let why = format!(
                "it needs may_goto (Linux 6.9) and CAP_PERFMON, and Linux {} has not both",
                target.version
            );
            return Err(CompileError::Target { what, why });
        }
        Some(_) | None => {}
    }
    let mut passes = Vec::new();
    let counted = !target.may_goto;
    let (sets, single) = by_grams(lowered, (counted || windows, counted), options.strategy);
    for (gram, needles) in sets {
        needs(target, windows, Strategy::GramSet)?;
        passes.push(Pass::Set { gram, needles });
    }
    for needle in single {
        passes.push(alone(lowered, needle, target, options.strategy)?);
    }
    Ok(passes)
}

/// Longest literal that is searched by pairs where loops are counted, if nothing says how: in either case
/// each piece of it costs the verifier twice as much.
fn counted_bytes_max(needle: &Needle) -> usize {
    if needle.ignore_case { COUNTED_LITERAL_BYTES_MAX / 2 } else { COUNTED_LITERAL_BYTES_MAX }
}

/// Sets of needles by the longest gram that they have, and needles that are searched alone. `can`: does
/// the target search sets, if none is asked for? `counted`: does it count loops, so that a long literal is
/// better searched as a set of one?
pub(super) fn by_grams(
    lowered: &Lowered,
    (can, counted): (bool, bool),
    strategy: Option<Strategy>,
) -> (Vec<(Gram, Vec<usize>)>, Vec<usize>) {
    let (mut sets, mut single) = (Vec::new(), Vec::new());
    let (masked, plain): (Vec<usize>, Vec<usize>) =
        (0..lowered.needles.len()).partition(|&i| lowered.needles[i].is_masked());
    for gram in [Gram::Four, Gram::Two, Gram::One] {
        let has = |&i: &usize| Gram::of_len(lowered.needles[i].bytes.len()) == gram;
        let group: Vec<usize> = plain.iter().copied().filter(has).collect();
        let together = match strategy {
            None => group.len() > PAIRS_MAX && can,
            Some(strategy) => strategy == Strategy::GramSet && !group.is_empty(),
        };
        if together {
            sets.push((gram, group));
            continue;
        }
        let long =
            |&i: &usize| lowered.needles[i].bytes.len() > counted_bytes_max(&lowered.needles[i]);
        let (long, short): (Vec<usize>, Vec<usize>) =
            group.into_iter().partition(|at| counted && strategy.is_none() && long(at));
        if !long.is_empty() {
            sets.push((gram, long));
        }
        single.extend(short);
    }
    single.extend(masked);
    (sets, single)
}

/// Tables for all literals that are better searched together, and walks for the others.
fn fingerprints(
    lowered: &Lowered,
    windows: bool,
    target: &Target,
    options: &Options,
) -> Result<Vec<Pass>, CompileError> {
    let needles = &lowered.needles;
    // Tables hold whole bytes. Looks that see the same gram at several places of a literal cannot be
    // told apart, and each would have a copy of the literal's walk.
    let bytes_max = if is_earlier(target) { EARLIER_BYTES_MAX } else { usize::MAX };
    let fits = |&at: &usize| {
        let needle = &needles[at];
        !needle.is_masked()
            && needle.bytes.len() <= bytes_max
            && (needle.walk.is_none() || !repeats_itself(&needle.bytes))
    };
    let (together, apart): (Vec<usize>, Vec<usize>) = (0..needles.len()).partition(fits);
    let word =
        |&at: &usize| Word { bytes: &needles[at].bytes, ignore_case: needles[at].ignore_case };
    let words: Vec<Word<'_>> = together.iter().map(word).collect();
    let forced = options.strategy == Some(Strategy::Fingerprint);
    let alone_ns = |word: usize| {
        if forced { f64::INFINITY } else { alone_ns(words[word].bytes.len()) }
    };
    let walks = needles.iter().any(|needle| needle.walk.is_some());
    let usable = usable_slots(options.counters, windows, walks);
    let plan = fingerprint::plan(&words, usable, alone_ns);
    let mut passes: Vec<Pass> = (plan.tables.into_iter())
        .map(|table| Pass::Fingerprints(Box::new(table.renumbered(&together))))
        .collect();
    let mut apart: Vec<usize> =
        plan.alone.into_iter().map(|word| together[word]).chain(apart).collect();
    apart.sort_unstable();
    for needle in apart {
        passes.push(alone(lowered, needle, target, options.strategy)?);
    }
    Ok(passes)
}

/// Longest literal in a table before Linux 6.18: those kernels explore a literal once for each place in it
/// that a look may see, and 6.12 was seen to refuse one of 700 bytes.
const EARLIER_BYTES_MAX: usize = 64;

/// Does a gram of the shortest look of a table, in whatever case, come twice in `bytes`?
fn repeats_itself(bytes: &[u8]) -> bool {
    const GRAM: usize = 4;
    let mut seen = BTreeSet::new();
    !bytes.to_ascii_lowercase().windows(GRAM).all(|gram| seen.insert(gram.to_vec()))
}

/// What the walk for one literal of `bytes` costs, in nanoseconds for 1,500 bytes, where a look at a
/// table costs what `fingerprint` says.
const fn alone_ns(bytes: usize) -> f64 {
    match bytes {
        0..=10 => 72.0,
        11..=15 => 45.0,
        _ => 37.0,
    }
}

/// All literals that are looked for.
pub(super) fn searched(lowered: &Lowered) -> impl Iterator<Item = &Needle> {
    let required = lowered.scans.iter().filter_map(|scan| scan.required.as_ref());
    lowered.needles.iter().chain(required)
}

/// What loops with a counter can hold.
fn counted_limits(
    lowered: &Lowered,
    gates: &[Gate],
    entry: Entry,
    target: &Target,
    strategy: Option<Strategy>,
) -> Result<(), CompileError> {
    let refuse = |what: String, limit: String| {
        let why =
            format!("Linux {} has no may_goto (6.9 has), and without it {limit}", target.version);
        Err(CompileError::Target { what, why })
    };
    if let Some(needle) = lowered.needles.iter().find(|needle| needle.walk.is_some()) {
        return refuse(
            format!("pattern {}, an expression around a literal,", needle.id),
            "no walk from a literal can be followed".to_owned(),
        );
    }
    let (_, single) = by_grams(lowered, (true, true), strategy);
    let mut single = single.iter().map(|&at| &lowered.needles[at]);
    if let Some(long) = single.find(|p| p.bytes.len() > COUNTED_LITERAL_BYTES_MAX) {
        let limit = format!("the limit is {COUNTED_LITERAL_BYTES_MAX} bytes for a search by pairs");
        return refuse(format!("pattern {} of {} bytes", long.id, long.bytes.len()), limit);
    }
    let cost = estimate::counted(lowered, gates, (entry, target, strategy));
    if cost > COUNTED_PROCESSED_MAX {
        let patterns = lowered.parts();
        let what = match (patterns, gates.len()) {
            (0, terms) => format!("conditions of {terms} terms"),
            (1, 0) => "this pattern (1 in all)".to_owned(),
            (_, 0) => format!("this set ({patterns} in all)"),
            (_, terms) => format!("{patterns} patterns with conditions of {terms} terms"),
        };
        let limit = format!(
            "about {cost} instructions would be processed by the verifier; the limit is \
             {COUNTED_PROCESSED_MAX} (shorter or fewer patterns need less)"
        );
        return refuse(what, limit);
    }
    Ok(())
}

fn why(
    access: Access,
    gates: &[Gate],
    passes: &[Pass],
    target: &Target,
    options: &Options,
) -> String {
    let pairs = passes.iter().filter(|p| matches!(p, Pass::Pair { skip: None, .. })).count();
    let in_sets: usize = passes
        .iter()
        .map(|p| match p {
            Pass::Set { needles, .. } => needles.len(),
            Pass::Fingerprints(_)
            | Pass::Pair { .. }
            | Pass::States { .. }
            | Pass::Parallel { .. } => 0,
        })
        .sum();
    let mut parts = Vec::new();
    match gates {
        [] => {}
        [_] => parts.push("bytes are counted for 1 term first".to_owned()),
        _ => {
            parts.push(format!("bytes are counted for {} terms first, cheapest first", gates.len()))
        }
    }
    let looks = passes.iter().filter(|p| matches!(p, Pass::Pair { skip: Some(_), .. })).count();
    let s = |n: usize| if n == 1 { "literal" } else { "literals" };
    if pairs > 0 {
        parts.push(format!("{pairs} {} by the rarest pair of bytes", s(pairs)));
    }
    if looks > 0 {
        parts.push(format!("{looks} {} by a multiplication at every few positions", s(looks)));
    }
    for pass in passes {
        if let Pass::Fingerprints(table) = pass {
            let (words, stride) = (table.words().len(), table.stride);
            let every = if stride == 1 { String::new() } else { format!(" {stride}th") };
            let slots = table.slots.len();
            parts.push(format!(
                "{words} {} by a table of {slots} fingerprints at every{every} position",
                s(words)
            ));
        }
    }
    if in_sets > 0 {
        parts.push(format!("{in_sets} literals by a bit table of their first bytes and a tree"));
    }
    let scans = passes.iter().filter(|p| matches!(p, Pass::States { .. })).count();
    if scans > 0 {
        let automata = if scans == 1 { "automaton" } else { "automata" };
        parts.push(format!("{scans} {automata} byte by byte"));
    }
    let places = passes.iter().filter(|p| matches!(p, Pass::Parallel { .. })).count();
    if places > 0 {
        let expressions = if places == 1 { "expression" } else { "expressions" };
        let asked = options.strategy.is_some();
        let because =
            if asked { "" } else { ", because the automaton would be too large, or slower" };
        parts.push(format!("{places} {expressions} by all places at once, byte by byte{because}"));
    }
    let behind = passes.iter().filter(|pass| {
        matches!(
            pass,
            Pass::States { required: Some(_), .. } | Pass::Parallel { required: Some(_), .. }
        )
    });
    match behind.count() {
        0 => {}
        count => parts.push(format!("{count} of them only if a literal that it needs is there")),
    }
    if parts.is_empty() {
        parts.push("nothing to search".to_owned());
    }
    parts.push(match access {
        Access::Direct { rest: true } => {
            "linear part read directly, fragments through scratch windows".to_owned()
        }
        Access::Direct { rest: false } => "linear part read directly".to_owned(),
        Access::Windows => "windows copied to scratch memory".to_owned(),
    });
    let loops = if target.may_goto {
        "may_goto loops"
    } else {
        "loops with a counter (this target has no may_goto)"
    };
    parts.push(loops.to_owned());
    parts.join("; ")
}
