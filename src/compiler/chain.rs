//! One program, or several joined by tail calls where one would pass a limit of the target.
//!
//! What is searched is a list of parts: needles and automata. If one program for all of them is too
//! large, in slots or for the verifier, the list is cut into as few pieces as fit, and each becomes a
//! program with a plan of its own. Needles are sorted by length before that, longest first, because
//! a set is searched the faster the longer its shortest literal is. Conditions are looked at by the first
//! program alone: what they do not let through is not searched.
//!
//! A limit of slots is exact. What the verifier processes is an estimate, so a piece fits only if it is
//! expected to stay well below. Cutting goes in rounds: what the pieces of one cost says how much each
//! part weighs in the next, which has more of them. It ends when all fit or there are too many.
//!
//! It does not: cut a part (one automaton that is too large stays so), or know how the programs hand
//! over to each other (`codegen/chain` does).

use std::cmp::Reverse;

use super::{
    CompileError, Compiled, Entry, Estimate, Options,
    codegen::{self, Place},
    estimate::{self, Share},
    frequency::gate,
    ir::Matcher,
    lower::{Count, Lowered, Needle, Scan},
    plan::{self, COUNTED_PROCESSED_MAX, Plan},
};
use crate::assembler::{ProgramImage, Target};

/// Most programs of a chain: a tail call is refused once 33 were made (`MAX_TAIL_CALL_CNT` in
/// `include/linux/bpf.h`).
pub const PROGRAMS_MAX: usize = 34;

/// How much of a limit of the verifier a piece may be expected to use, in percent: the estimate can be
/// a third too low. Loops with a counter are estimated better.
const EXPECTED_PERCENT_MAX: u64 = 70;
const EXPECTED_PERCENT_COUNTED_MAX: u64 = 95;

/// Most slots of a program that can be cut. The verifier walks a whole function at the end of many of
/// its ways (`bpf_update_live_stack()` in `kernel/bpf/liveness.c`, Linux 6.18), so what it takes grows with
/// the square: 57,000 slots of a set took 0.3 s, 170,000 took 1.5 s, and several programs are verified
/// at once.
const QUICK_SLOTS_MAX: u64 = 200_000;
/// What the limit of slots is called.
const QUICK_SLOTS: &str = "slots that load within seconds";
/// About how many slots a literal of a large set needs.
const SLOTS_OF_A_LITERAL: u64 = 45;
/// The same of an expression that needs an automaton, at least.
const SLOTS_OF_AN_AUTOMATON: u64 = 2_500;

/// One program of a chain: what it searches, how, and at what cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it searches.
    pub lowered: Lowered,
    /// How it searches, and why so.
    pub plan: Plan,
    /// What it is expected to cost the verifier.
    pub estimate: Estimate,
}

/// What everything is compiled for.
#[derive(Clone, Copy)]
struct Job<'a> {
    matcher: &'a Matcher,
    entry: Entry,
    target: &'a Target,
    options: &'a Options,
    /// Are programs to stay so small that they load within seconds?
    quick: bool,
}

/// A program that was tried.
struct Tried {
    made: Result<(Piece, ProgramImage), CompileError>,
    /// How much it uses of what it may, of the limit that it is nearest to or past, in millionths.
    used: u64,
    /// That limit, if it is passed or will probably be.
    excess: Option<Share>,
}

/// All that may be used.
const WHOLE: u64 = 1_000_000;

/// A needle or an automaton, and about how much of the verifier's work it is.
struct Weighed<'a> {
    part: Sought<'a>,
    weight: u64,
}

#[derive(Clone, Copy)]
enum Sought<'a> {
    Needle(&'a Needle),
    Scan(&'a Scan),
}

/// Compile what `matcher` was lowered to.
///
/// # Errors
///
/// A part that this target cannot search; more programs than there may be.
pub(super) fn compile(
    matcher: &Matcher,
    lowered: Lowered,
    entry: Entry,
    target: &Target,
    options: &Options,
) -> Result<Compiled, CompileError> {
    let job = Job { matcher, entry, target, options, quick: true };
    let parts = lowered.parts();
    if options.programs_min > 1 && parts > 1 && target.tail_calls {
        return job.chain(&lowered, options.programs_min, "several were asked for");
    }
    let quick = |value| Share { name: QUICK_SLOTS, value, limit: QUICK_SLOTS_MAX };
    let expected = wide(lowered.needles.len()) * SLOTS_OF_A_LITERAL
        + wide(lowered.scans.len()) * SLOTS_OF_AN_AUTOMATON;
    if expected > QUICK_SLOTS_MAX && target.tail_calls {
        // Compiling that as one would only take time.
        return job.chain(&lowered, pieces(job.used(&quick(expected))), &why(&quick(expected)));
    }
    let place = Place { number: 0, count: 1, whole: &lowered };
    let Tried { made, used, excess } = job.attempt(lowered.clone(), place);
    let divisible = parts + usize::from(!lowered.counts.is_empty()) > 1;
    match excess.filter(|_| target.tail_calls && divisible && parts > 0) {
        None => made.map(|made| finished(vec![made])),
        Some(excess) => job.chain(&lowered, pieces(used), &why(&excess)),
    }
}

/// Why one program is not enough.
fn why(Share { name, value, limit }: &Share) -> String {
    format!("as one, {name} would be about {value} of at most {limit}")
}

/// How many pieces what uses so much needs at least.
fn pieces(used: u64) -> usize {
    usize::try_from(used.div_ceil(WHOLE)).unwrap_or(usize::MAX).max(2)
}

fn finished(made: Vec<(Piece, ProgramImage)>) -> Compiled {
    let mut made = made.into_iter();
    let (Piece { lowered, plan, estimate }, image) = made.next().expect("a first program");
    let (tails, images): (Vec<_>, Vec<_>) = made.unzip();
    let image = if tails.is_empty() { image } else { image.with_tails(images) };
    Compiled { image, lowered, plan, estimate, tails }
}

impl Job<'_> {
    fn attempt(&self, lowered: Lowered, place: Place<'_>) -> Tried {
        let refused = self.counted_excess(&lowered);
        let made = self.made(lowered, place);
        let shares = match (&made, refused) {
            (_, Some(share)) => vec![share],
            (Ok((piece, _)), None) => {
                let slots =
                    Share { name: QUICK_SLOTS, limit: QUICK_SLOTS_MAX, ..piece.estimate.slots };
                let mut shares = piece.estimate.shares().to_vec();
                shares.extend(self.quick.then_some(slots));
                shares
            }
            (Err(CompileError::ProgramTooLarge { needed, limit }), None) => {
                vec![Share { name: "slots", value: wide(*needed), limit: wide(*limit) }]
            }
            (Err(_), None) => Vec::new(),
        };
        let furthest = shares.into_iter().max_by_key(|share| self.used(share));
        let used = furthest.as_ref().map_or(0, |share| self.used(share));
        Tried { made, used, excess: furthest.filter(|_| used > WHOLE) }
    }

    fn made(
        &self,
        lowered: Lowered,
        place: Place<'_>,
    ) -> Result<(Piece, ProgramImage), CompileError> {
        let Self { matcher, entry, target, options, quick: _ } = *self;
        let plan = plan::choose(&lowered, entry, target, options)?;
        let image = codegen::generate(place, matcher, &lowered, entry, target, options, &plan)?;
        let estimate = Estimate::new(matcher, &lowered, entry, target, &plan, &image);
        Ok((Piece { lowered, plan, estimate }, image))
    }

    /// Loops with a counter are refused before there is a program.
    fn counted_excess(&self, lowered: &Lowered) -> Option<Share> {
        if self.target.may_goto {
            return None;
        }
        let gates = gate::gates(&lowered.counts, self.target.perfmon);
        let value =
            estimate::counted(lowered, &gates, (self.entry, self.target, self.options.strategy));
        (value > COUNTED_PROCESSED_MAX).then_some(Share {
            name: "processed",
            value,
            limit: COUNTED_PROCESSED_MAX,
        })
    }

    /// How much of what may be used `share` uses, in millionths.
    fn used(&self, share: &Share) -> u64 {
        share.value.saturating_mul(WHOLE).div_ceil(self.share_max(share).max(1))
    }

    /// How much of a limit a program may be expected to use.
    fn share_max(&self, share: &Share) -> u64 {
        let percent = match (share.name, self.target.may_goto) {
            ("slots" | QUICK_SLOTS, _) => 100,
            (_, true) => EXPECTED_PERCENT_MAX,
            (_, false) => EXPECTED_PERCENT_COUNTED_MAX,
        };
        share.limit.saturating_mul(percent) / 100
    }

    /// `count` programs, or as many more as it takes.
    fn chain(
        &self,
        whole: &Lowered,
        mut count: usize,
        why: &str,
    ) -> Result<Compiled, CompileError> {
        let mut job = *self;
        let mut parts = self.parts(whole);
        // Conditions may need a program of their own.
        let mut alone = false;
        loop {
            count = count.min(parts.len() + usize::from(alone));
            if count > PROGRAMS_MAX && job.quick {
                // Rather slow than not at all.
                job.quick = false;
                count = PROGRAMS_MAX;
            }
            if count > PROGRAMS_MAX {
                let patterns = self.matcher.patterns.len();
                let fit = patterns * PROGRAMS_MAX / count;
                return Err(CompileError::TooManyPrograms {
                    patterns,
                    needed: count,
                    limit: PROGRAMS_MAX,
                    fit,
                });
            }
            let mut groups = cut(&mut parts, count - usize::from(alone));
            if alone {
                groups.insert(0, &mut []);
            }
            let mut made = Vec::new();
            let (mut fit, mut used) = (true, 0);
            for (number, group) in groups.into_iter().enumerate() {
                let counts = if number == 0 { whole.counts.clone() } else { Vec::new() };
                let divisible = group.len() + usize::from(!counts.is_empty()) > 1;
                let place = Place { number, count, whole };
                let tried = job.attempt(gathered(group, counts), place);
                used += tried.used;
                rescale(group, tried.used);
                if divisible && tried.excess.is_some() {
                    fit = false;
                    alone |= group.len() == 1;
                } else {
                    made.push(tried.made?);
                }
            }
            if fit {
                for (number, (piece, _)) in (1..).zip(&mut made) {
                    let of = format!("; program {number} of {count}, joined by tail calls: {why}");
                    piece.plan.why.push_str(&of);
                }
                return Ok(finished(made));
            }
            count = pieces(used).max(count + 1);
        }
    }

    /// All parts, literals first and the longest in front.
    fn parts<'a>(&self, lowered: &'a Lowered) -> Vec<Weighed<'a>> {
        let mut needles: Vec<&Needle> = lowered.needles.iter().collect();
        needles.sort_by_key(|needle| Reverse(needle.bytes.len()));
        let needles = needles.into_iter().map(|needle| Weighed {
            part: Sought::Needle(needle),
            weight: self.weight_of_needle(needle),
        });
        let scans = lowered
            .scans
            .iter()
            .map(|scan| Weighed { part: Sought::Scan(scan), weight: weight_of_scan(scan) });
        needles.chain(scans).collect()
    }

    fn weight_of_needle(&self, needle: &Needle) -> u64 {
        let bytes = wide(needle.bytes.len());
        if !self.target.may_goto {
            return 300 + 100 * bytes.div_ceil(8).saturating_sub(2);
        }
        let automata = needle.walk.iter().flat_map(|walk| [&walk.before, &walk.after]).flatten();
        let states: usize = automata.map(|automaton| automaton.states.len()).sum();
        30 + 4 * bytes + 24 * wide(states)
    }
}

fn weight_of_scan(scan: &Scan) -> u64 {
    let places = scan.parallel.as_ref().map_or(0, |parallel| 40 * wide(parallel.slots()));
    500 + scan.automaton.as_ref().map_or(places, |a| 40 * wide(a.states.len()))
}

/// `parts` in `count` groups of about the same weight; none is empty.
///
/// # Panics
///
/// If there are fewer parts than groups, or no group.
fn cut<'a, 'b>(parts: &'a mut [Weighed<'b>], count: usize) -> Vec<&'a mut [Weighed<'b>]> {
    assert!(0 < count && count <= parts.len(), "a part for each group");
    let total: u64 = parts.iter().map(|part| part.weight).sum();
    let mut groups = Vec::new();
    let (mut rest, mut before) = (parts, 0_u64);
    for number in 1..count {
        let due = total.saturating_mul(wide(number)) / wide(count);
        let most = rest.len() - (count - number);
        let mut length = 0;
        while length < most && (length == 0 || before + rest[length].weight / 2 <= due) {
            before += rest[length].weight;
            length += 1;
        }
        let (group, behind) = rest.split_at_mut(length);
        groups.push(group);
        rest = behind;
    }
    groups.push(rest);
    groups
}

/// Let the parts of a group weigh together what it used.
fn rescale(group: &mut [Weighed<'_>], used: u64) {
    let total = group.iter().map(|part| part.weight).sum::<u64>().max(1);
    for part in group {
        let weight = u128::from(part.weight) * u128::from(used) / u128::from(total);
        part.weight = u64::try_from(weight).unwrap_or(WHOLE).clamp(1, 1000 * WHOLE);
    }
}

/// The parts of a group, as they stood before they were sorted.
fn gathered(group: &[Weighed<'_>], counts: Vec<Count>) -> Lowered {
    let mut lowered = Lowered { counts, ..Lowered::default() };
    for Weighed { part, .. } in group {
        match part {
            Sought::Needle(needle) => lowered.needles.push((*needle).clone()),
            Sought::Scan(scan) => lowered.scans.push((*scan).clone()),
        }
    }
    lowered.needles.sort_by_key(|needle| needle.index);
    lowered
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).expect("64 bits at most")
}
