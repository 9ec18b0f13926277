//! From the places of an expression to bits, counters and what moves them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use regex_syntax::hir::Hir;

use super::chain::Chain;
use super::{Bits, Class, Exit, Jump, Parallel, Set, Start, Step, WORDS_MAX};
use crate::compiler::automaton::{
    Direction, Next,
    build::{BuildError, Limits, finish, merged, positions},
    determinise::{self, Side, Subsets},
    position::{Item, Positions},
    skip::Skip,
};

/// What look-around tells apart: bytes that stand for their kind, and the edge of the scope.
const KINDS: [Side; 5] = [Some(b'\n'), Some(b'\r'), Some(b'a'), Some(b' '), None];
/// The kind of bytes if nothing asks for it.
const PLAIN: Side = KINDS[3];
/// Any kind, as bits.
const ANY: u8 = 0b1_1111;
/// The edge of the scope, as a bit.
const EDGE: u8 = 0b1_0000;
/// Most pairs of places that may follow one another.
const PAIRS_MAX: usize = 1 << 20;
/// How many bytes of a match are looked at to find out what can be skipped.
const PREFIX: usize = 3;
/// Most states of an automaton for that.
const PREFIX_STATES: usize = 512;

/// A place whose byte may come next, or a match, if the byte that comes next is of one of some kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Wait {
    /// `None` is a match.
    pub(super) place: Option<usize>,
    /// Bits of positions in [`KINDS`].
    sides: u8,
}

impl Wait {
    /// Whatever comes next?
    pub(super) fn is_certain(&self) -> bool {
        self.sides == ANY
    }
}

/// What follows a place, or starts a search, behind a byte of a known kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Follow {
    /// A match ends here.
    pub(super) found: bool,
    /// Ascending; none if a match ends here.
    pub(super) pending: Vec<Wait>,
}

impl Follow {
    fn of(items: &[Item], before: Side) -> Self {
        let mut waits: BTreeMap<Option<usize>, u8> = BTreeMap::new();
        for item in items {
            let holds = |(_, side): &(usize, &Side)| {
                determinise::holds(item.looks(), Direction::Forward, before, **side)
            };
            let holding = KINDS.iter().enumerate().filter(holds);
            let sides: u8 = holding.map(|(kind, _)| 1 << kind).sum();
            if sides != 0 {
                *waits.entry(item.place()).or_default() |= sides;
            }
        }
        if waits.get(&None) == Some(&ANY) {
            return Self { found: true, pending: Vec::new() };
        }
        let pending = waits.into_iter().map(|(place, sides)| Wait { place, sides }).collect();
        Self { found: false, pending }
    }
}

/// The places of `hir`, which may be pending at once; chains of `counted_min` and more are counted
/// ([`COUNTED_MIN`](super::COUNTED_MIN) is right but for tests).
///
/// # Errors
///
/// There are too many of them.
pub fn parallel(hir: &Hir, counted_min: usize) -> Result<Parallel, BuildError> {
    let limits = Limits { steps: PAIRS_MAX, ..Limits::default() };
    let positions = positions(hir, Direction::Forward, &limits)?;
    Builder::new(&positions, counted_min)?.finish()
}

/// What is being built.
struct Builder<'p> {
    positions: &'p Positions,
    /// The kinds of bytes that are told apart.
    kinds: Vec<Side>,
    /// By kind, then place.
    follows: Vec<Vec<Follow>>,
    /// By kind.
    firsts: Vec<Follow>,
    start: Follow,
    chains: Vec<Chain>,
    /// By place: which chain, and the number there.
    counted: Vec<Option<(usize, u32)>>,
    /// The place whose bit is the next one.
    link: Vec<Option<usize>>,
    bits: HashMap<Wait, usize>,
    words: usize,
}

impl<'p> Builder<'p> {
    fn new(positions: &'p Positions, counted_min: usize) -> Result<Self, BuildError> {
        let mut items = positions.follow.iter().flatten().chain(&positions.first);
        let kinds =
            if items.any(|item| !item.looks().is_empty()) { &KINDS[..4] } else { &[PLAIN][..] };
        let follows: Vec<Vec<Follow>> = kinds
            .iter()
            .map(|&kind| positions.follow.iter().map(|items| Follow::of(items, kind)).collect())
            .collect();
        let firsts = kinds.iter().map(|&kind| Follow::of(&positions.first, kind)).collect();
        let start = Follow::of(&positions.first, None);
        let (chains, counted) = Chain::all(positions, &follows, counted_min);
        let link = vec![None; positions.bytes.len()];
        let (kinds, bits) = (kinds.to_vec(), HashMap::new());
        let mut builder = Self {
            positions,
            kinds,
            follows,
            firsts,
            start,
            chains,
            counted,
            link,
            bits,
            words: 0,
        };
        builder.number()?;
        Ok(builder)
    }

    /// Give a bit to everything that may be pending and is not counted.
    fn number(&mut self) -> Result<(), BuildError> {
        let all = self.follows.iter().flatten().chain(&self.firsts).chain([&self.start]);
        let counted = |wait: &Wait| {
            wait.is_certain() && wait.place.is_some_and(|place| self.counted[place].is_some())
        };
        let needed: BTreeSet<Wait> =
            all.flat_map(|f| &f.pending).copied().filter(|wait| !counted(wait)).collect();
        self.link_places(&needed);
        let mut linked = vec![false; self.link.len()];
        self.link.iter().flatten().for_each(|&place| linked[place] = true);
        let mut free = 0;
        let mut bits = HashMap::new();
        let mut give = |wait: Wait, free: &mut usize| {
            bits.insert(wait, *free);
            *free += 1;
        };
        // Matches stand in front, where no bit is shifted to: `None` is the least.
        for &wait in &needed {
            match wait.place {
                None => give(wait, &mut free),
                Some(place) if wait.is_certain() && linked[place] => {}
                Some(place) => {
                    give(wait, &mut free);
                    let mut next = self.link[place].filter(|_| wait.is_certain());
                    while let Some(place) = next {
                        give(Wait { place: Some(place), sides: ANY }, &mut free);
                        next = self.link[place];
                    }
                    // What is shifted out of a chain ends here.
                    free += 1;
                }
            }
        }
        self.words = free.div_ceil(64);
        self.bits = bits;
        let (places, limit) = (self.words + self.chains.len(), WORDS_MAX);
        if places > limit {
            return Err(BuildError::Places { words: places, limit });
        }
        Ok(())
    }

    /// Choose for each place that has a bit the one whose bit is the next one; none is chosen twice.
    fn link_places(&mut self, needed: &BTreeSet<Wait>) {
        let mut taken = vec![false; self.link.len()];
        for place in 0..self.link.len() {
            if !needed.contains(&Wait { place: Some(place), sides: ANY }) {
                continue;
            }
            let candidate = |item: &Item| {
                let next = item.place().filter(|_| item.looks().is_empty())?;
                (next > place && !taken[next] && self.counted[next].is_none()).then_some(next)
            };
            // A match behind it makes all else that follows superfluous.
            let ends = self.follows.iter().all(|follow| follow[place].found);
            let next = self.positions.follow[place].iter().filter_map(candidate).min();
            let next = next
                .filter(|&next| !ends && needed.contains(&Wait { place: Some(next), sides: ANY }));
            if let Some(next) = next {
                taken[next] = true;
            }
            self.link[place] = next;
        }
    }

    fn set(&self, waits: impl IntoIterator<Item = Wait>) -> Set {
        let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
        let mut bits = Vec::new();
        for wait in waits {
            let counted = wait.place.filter(|_| wait.is_certain());
            match counted.and_then(|place| self.counted[place]) {
                Some((chain, value)) => {
                    let least = counts.entry(chain).or_default();
                    *least = value.max(*least);
                }
                None => bits.push(self.bits[&wait]),
            }
        }
        Set { bits: gathered(bits), counts: counts.into_iter().collect() }
    }

    fn finish(self) -> Result<Parallel, BuildError> {
        let (arms, classes) = self.classes();
        let steps = (0..self.kinds.len()).map(|step| self.step(step)).collect();
        let start = match &self.start {
            Follow { found: true, .. } => Start::Match,
            Follow { found: false, pending } => Start::Pending(self.set(pending.iter().copied())),
        };
        let links = self.bits.iter().filter(|(wait, _)| {
            wait.is_certain() && wait.place.is_some_and(|place| self.link[place].is_some())
        });
        let links = gathered(links.map(|(_, &bit)| bit));
        let ends = |(wait, _): &(&Wait, &usize)| wait.place.is_none() && wait.sides & EDGE != 0;
        let at_end = gathered(self.bits.iter().filter(ends).map(|(_, &bit)| bit));
        Ok(Parallel {
            words: self.words,
            counters: self.chains.iter().map(|chain| chain.counter).collect(),
            arms,
            classes,
            steps,
            links,
            start,
            at_end,
            skip: skip(self.positions),
        })
    }

    /// The classes, and where each byte finds its own.
    fn classes(&self) -> (Vec<super::Arm>, Vec<Class>) {
        let mut classes: Vec<Class> = Vec::new();
        let mut known: HashMap<Class, usize> = HashMap::new();
        let mut arms = Vec::new();
        for range in determinise::classes(self.positions) {
            let class = self.class(*range.start());
            let number = *known.entry(class).or_insert_with_key(|class| {
                classes.push(class.clone());
                classes.len() - 1
            });
            arms.push((*range.end(), Next::State(number)));
        }
        (merged(arms.into_iter()), classes)
    }

    fn class(&self, byte: u8) -> Class {
        let side = Some(determinise::side(byte));
        let kind = KINDS.iter().position(|kind| *kind == side).expect("every byte has a kind");
        let step = self.kinds.iter().position(|kind| *kind == side).unwrap_or(0);
        let reads =
            |place: usize| self.positions.bytes[place].iter().any(|range| range.contains(&byte));
        let holds = |wait: &Wait| wait.sides >> kind & 1 == 1;
        let now = || self.bits.iter().filter(|(wait, _)| holds(wait));
        let late = now().filter(|(wait, _)| wait.place.is_none());
        let read = now().filter(|(wait, _)| wait.place.is_some_and(reads));
        Class {
            step,
            late: gathered(late.map(|(_, &bit)| bit)),
            reads: gathered(read.map(|(_, &bit)| bit)),
            counted: self.chains.iter().map(|chain| reads(chain.places[0])).collect(),
        }
    }

    fn step(&self, step: usize) -> Step {
        let (mut accepts, mut stays) = (Vec::new(), Vec::new());
        let mut jumps: BTreeMap<Set, Vec<usize>> = BTreeMap::new();
        for (wait, &bit) in &self.bits {
            let Some(place) = wait.place else { continue };
            let Follow { found, pending } = &self.follows[step][place];
            if *found {
                accepts.push(bit);
                continue;
            }
            let itself = Wait { place: Some(place), sides: ANY };
            let linked = self.link[place].filter(|_| wait.is_certain());
            let linked = linked.map(|next| Wait { place: Some(next), sides: ANY });
            let mut rest = Vec::new();
            for &next in pending {
                if next == itself && next == *wait {
                    stays.push(bit);
                } else if Some(next) != linked {
                    rest.push(next);
                }
            }
            if !rest.is_empty() {
                jumps.entry(self.set(rest)).or_default().push(bit);
            }
        }
        let jumps = jumps.into_iter().map(|(to, from)| Jump { from: gathered(from), to });
        let mut exits = Vec::new();
        for (counter, chain) in self.chains.iter().enumerate() {
            for stretch in chain.stretches(&self.follows[step]) {
                let Follow { found, pending } = stretch.follow;
                let to = (!found).then(|| self.set(pending));
                exits.push(Exit { counter, low: stretch.low, high: stretch.high, to });
            }
        }
        let Follow { found, pending } = &self.firsts[step];
        Step {
            found: *found,
            accepts: gathered(accepts),
            stays: gathered(stays),
            jumps: jumps.collect(),
            exits,
            first: self.set(pending.iter().copied()),
        }
    }
}

/// Bits by word.
fn gathered(bits: impl IntoIterator<Item = usize>) -> Bits {
    let mut words: BTreeMap<usize, u64> = BTreeMap::new();
    for bit in bits {
        *words.entry(bit / 64).or_default() |= 1 << (bit % 64);
    }
    words.into_iter().collect()
}

/// What must come before anything can be read that a match begins with, beyond what a search begins
/// with anyway. Found for an automaton that takes the first few bytes of a match for one: nothing of
/// it was read where it is in the state in which it began, and it is there behind what is skipped.
fn skip(positions: &Positions) -> Option<Skip> {
    if positions.first.iter().any(|item| !item.looks().is_empty()) {
        return None;
    }
    let limits = Limits {
        states: PREFIX_STATES,
        raw_states: 4 * PREFIX_STATES,
        steps: 1 << 20,
        ..Limits::default()
    };
    (1..=PREFIX).rev().find_map(|bytes| {
        let prefix = positions.prefix(bytes);
        let mut subsets = Subsets::new(&prefix, Direction::Forward, true, &limits);
        let start = subsets.enter(None).ok()?;
        let automaton = finish(subsets, Direction::Forward, start, None, &limits).ok()?;
        let Next::State(start) = automaton.start else { return None };
        let mut skip = Skip::find(&automaton)?;
        if skip.state != start || !skip.entries.contains(&start) {
            return None;
        }
        // Of its states only this one is ours.
        skip.entries = vec![0];
        skip.state = 0;
        Some(skip)
    })
}
