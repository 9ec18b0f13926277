//! From places to states: a state is the set of items that may come next.
//!
//! Subsets as usual, but for three things that the question allows, which asks for the first match
//! and nothing behind it: a set with a match in it is no state, places that others make superfluous
//! are left out of it ([`Positions::ranks`]), and look-around is kept as a condition until the byte
//! behind it has been seen.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::rc::Rc;

use regex_automata::util::look::{LookMatcher, LookSet};

use super::build::{BuildError, Limits, merged};
use super::position::{Item, Positions};
use super::{Direction, Next, State};

/// A byte on either side of a position, as far as look-around tells bytes apart. `None` is the edge
/// of the scope.
pub(super) type Side = Option<u8>;

/// A set of items, and what stood in front of it if that matters.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Set {
    items: Rc<[Item]>,
    before: Side,
}

/// States as they are met.
pub(super) struct Subsets<'p> {
    positions: &'p Positions,
    direction: Direction,
    /// May a match begin behind every byte?
    anywhere: bool,
    limits: &'p Limits,
    /// Bytes that nothing tells apart.
    classes: Vec<RangeInclusive<u8>>,
    known: HashMap<Set, Next>,
    /// The set of each state; `None` for those that are ours.
    sets: Vec<Option<Set>>,
    pub(super) states: Vec<State>,
    /// Items put into sets so far.
    steps: usize,
    /// For each group of ranks the highest one in the set that is being made.
    highest: Vec<usize>,
}

impl<'p> Subsets<'p> {
    pub(super) fn new(
        positions: &'p Positions,
        direction: Direction,
        anywhere: bool,
        limits: &'p Limits,
    ) -> Self {
        let groups = positions.ranks.iter().flatten().map(|rank| rank.group + 1).max();
        Self {
            positions,
            direction,
            anywhere,
            limits,
            classes: classes(positions),
            known: HashMap::new(),
            sets: Vec::new(),
            states: Vec::new(),
            steps: 0,
            highest: vec![0; groups.unwrap_or(0)],
        }
    }

    /// Where a search begins that has just read `byte`, or nothing.
    pub(super) fn enter(&mut self, byte: Option<u8>) -> Result<Next, BuildError> {
        self.goal(self.positions.first.clone(), byte)
    }

    /// A state of ours that reads one byte and enters.
    pub(super) fn enter_behind_every_byte(&mut self) -> Result<usize, BuildError> {
        let mut arms = Vec::new();
        for byte in 0..=u8::MAX {
            arms.push((byte, self.enter(Some(byte))?));
        }
        self.states.push(State { arms: merged(arms.into_iter()), match_at_end: false });
        self.sets.push(None);
        Ok(self.states.len() - 1)
    }

    /// Follow all states to where they lead.
    pub(super) fn complete(&mut self) -> Result<(), BuildError> {
        let mut at = 0;
        while at < self.states.len() {
            if let Some(set) = self.sets[at].take() {
                let mut arms = Vec::new();
                for class in self.classes.clone() {
                    arms.push((*class.end(), self.read(&set, *class.start())?));
                }
                self.states[at].arms = merged(arms.into_iter());
            }
            at += 1;
        }
        Ok(())
    }

    fn read(&mut self, set: &Set, byte: u8) -> Result<Next, BuildError> {
        let mut items = Vec::new();
        for item in &*set.items {
            if !holds(item.looks(), self.direction, set.before, Some(byte)) {
                continue;
            }
            let Some(place) = item.place() else { return Ok(Next::MatchBefore) };
            if self.positions.bytes[place].iter().any(|range| range.contains(&byte)) {
                items.extend(&self.positions.follow[place]);
            }
        }
        if self.anywhere {
            items.extend(&self.positions.first);
        }
        self.goal(items, Some(byte))
    }

    /// Where a search goes on that has just read `before`, and of which `items` may come next.
    fn goal(&mut self, items: Vec<Item>, before: Option<u8>) -> Result<Next, BuildError> {
        self.steps += items.len();
        if self.steps > self.limits.steps {
            let limit = self.limits.steps;
            return Err(BuildError::Work { what: "making its automaton deterministic", limit });
        }
        if items.iter().any(|item| item.is_certain_match()) {
            return Ok(Next::MatchHere);
        }
        let items = self.reduced(items);
        if items.is_empty() {
            return Ok(Next::Dead);
        }
        let looks = items.iter().any(|item| !item.looks().is_empty());
        let before = if looks { before.map(side) } else { None };
        let set = Set { items: items.into(), before };
        if let Some(&known) = self.known.get(&set) {
            return Ok(known);
        }
        let ends = |item: &Item| {
            item.place().is_none() && holds(item.looks(), self.direction, set.before, None)
        };
        let match_at_end = set.items.iter().any(ends);
        let next = Next::State(self.states.len());
        self.states.push(State { arms: Vec::new(), match_at_end });
        self.sets.push(Some(set.clone()));
        self.known.insert(set, next);
        let (states, limit) = (self.states.len(), self.limits.raw_states);
        if states > limit {
            return Err(BuildError::States { states, limit });
        }
        Ok(next)
    }

    /// Each item once, without those below others.
    fn reduced(&mut self, mut items: Vec<Item>) -> Vec<Item> {
        items.sort_unstable();
        items.dedup();
        let ranks = &self.positions.ranks;
        let rank = |item: &Item| item.place().and_then(|place| ranks[place]);
        for item in items.iter().filter(|item| item.looks().is_empty()) {
            if let Some(rank) = rank(item) {
                // Ranks begin with 0, so that this is one more.
                let highest = &mut self.highest[rank.group];
                *highest = (*highest).max(rank.rank + 1);
            }
        }
        let stays = |item: &Item| {
            rank(item).is_none_or(|rank| {
                let highest = self.highest[rank.group];
                rank.rank + 1 > highest || (rank.rank + 1 == highest && item.looks().is_empty())
            })
        };
        let kept = items.iter().filter(|item| stays(item)).copied().collect();
        for item in &items {
            if let Some(rank) = rank(item) {
                self.highest[rank.group] = 0;
            }
        }
        kept
    }
}

/// Ranges of bytes that no place and no look-around tells apart.
pub(super) fn classes(positions: &Positions) -> Vec<RangeInclusive<u8>> {
    let mut begins = [false; 257];
    let mut cut = |range: &RangeInclusive<u8>| {
        begins[usize::from(*range.start())] = true;
        begins[usize::from(*range.end()) + 1] = true;
    };
    positions.bytes.iter().flatten().for_each(&mut cut);
    let items = positions.follow.iter().flatten().chain(&positions.first);
    if items.into_iter().any(|item| !item.looks().is_empty()) {
        let kinds =
            [b'\n'..=b'\n', b'\r'..=b'\r', b'0'..=b'9', b'A'..=b'Z', b'_'..=b'_', b'a'..=b'z'];
        kinds.iter().for_each(&mut cut);
    }
    let mut classes = Vec::new();
    let mut first = 0;
    for byte in 0..=u8::MAX {
        if begins[usize::from(byte) + 1] || byte == u8::MAX {
            classes.push(first..=byte);
            first = byte.saturating_add(1);
        }
    }
    classes
}

/// A byte that look-around takes for the same.
pub(super) fn side(byte: u8) -> u8 {
    match byte {
        b'\n' | b'\r' => byte,
        b'_' => b'a',
        _ if byte.is_ascii_alphanumeric() => b'a',
        _ => b' ',
    }
}

/// Do all of `looks` hold between the byte that was read last and the one that is read next?
pub(super) fn holds(looks: LookSet, direction: Direction, last: Side, next: Side) -> bool {
    if looks.is_empty() {
        return true;
    }
    let (before, after) = match direction {
        Direction::Forward => (last, next),
        Direction::Backward => (next, last),
    };
    let around: Vec<u8> = before.into_iter().chain(after).collect();
    let at = usize::from(before.is_some());
    looks.iter().all(|look| {
        // The library turns what is looked for around when it turns the expression around. Here both
        // sides are known, and are asked as they stand.
        let look = if direction == Direction::Backward { look.reversed() } else { look };
        LookMatcher::new().matches(look, &around, at)
    })
}
