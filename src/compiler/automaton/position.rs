//! The places of an expression where a byte is read, what may follow each, and which of them make
//! others superfluous.
//!
//! A place is *above* another if whatever leads from the other to a match has led from the one to a
//! match before, or does so at the same time. Of two such places in which a search may be at once,
//! only the upper one need be remembered, because a search ends with the first match. Without that,
//! `[^\n]{100}` behind something that occurs often would have a state for every set of counts; with
//! it one for every count.
//!
//! It is found along chains of places that read the same bytes, which is where counts come from: in
//! `x{9,}` the later places are above the earlier ones, since the rest can be read again; in
//! `x{9}` too, if a match ends behind it; in `x{0,9}` the earlier ones, since they can do all that the
//! later ones can.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::look::LookSet;
use regex_automata::util::primitives::StateID;

use super::build::BuildError;

/// Something that follows: a place, or a match, if what is looked for around here holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Item {
    /// [`LookSet::bits`].
    looks: u32,
    /// A place, or [`MATCH`].
    target: u32,
}

const MATCH: u32 = u32::MAX;

impl Item {
    /// The place that follows; `None` for a match.
    pub(super) fn place(self) -> Option<usize> {
        let place = usize::try_from(self.target).expect("Linux has no 16-bit machines");
        (self.target != MATCH).then_some(place)
    }

    /// What must hold here.
    pub(super) fn looks(self) -> LookSet {
        LookSet { bits: self.looks }
    }

    pub(super) fn is_certain_match(self) -> bool {
        self == Self { looks: 0, target: MATCH }
    }
}

/// Where in a chain a place is: of two of one group the one of higher rank is above the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rank {
    pub(super) group: usize,
    pub(super) rank: usize,
}

/// The places of an expression.
pub(super) struct Positions {
    /// The bytes that are read at each place, ascending.
    pub(super) bytes: Vec<Vec<RangeInclusive<u8>>>,
    /// What follows each place.
    pub(super) follow: Vec<Vec<Item>>,
    /// What a search begins with.
    pub(super) first: Vec<Item>,
    /// For places that are above or below others.
    pub(super) ranks: Vec<Option<Rank>>,
}

impl Positions {
    /// The places of `nfa`.
    ///
    /// # Errors
    ///
    /// There are more than `limit` pairs of places that may follow one another.
    pub(super) fn new(nfa: &NFA, limit: usize) -> Result<Self, BuildError> {
        // A state of the library that reads is a place for each state that it leads to.
        let mut bytes: Vec<Vec<RangeInclusive<u8>>> = Vec::new();
        let mut behind: Vec<StateID> = Vec::new();
        let mut places: Vec<Vec<u32>> = vec![Vec::new(); nfa.states().len()];
        for (number, state) in nfa.states().iter().enumerate() {
            for (range, next) in transitions(state) {
                let known =
                    places[number].iter().copied().find(|place| behind[index(*place)] == next);
                let place = known.unwrap_or_else(|| {
                    bytes.push(Vec::new());
                    behind.push(next);
                    let place = u32::try_from(behind.len() - 1).expect("the library counts in u32");
                    places[number].push(place);
                    place
                });
                bytes[index(place)].push(range);
            }
        }
        let first = closure(nfa, &places, nfa.start_anchored());
        let mut follow = Vec::with_capacity(behind.len());
        let mut pairs = 0;
        for next in behind {
            let items = closure(nfa, &places, next);
            pairs += items.len();
            if pairs > limit {
                return Err(BuildError::Work { what: "writing its repetitions out", limit });
            }
            follow.push(items);
        }
        let mut positions = Self { ranks: vec![None; bytes.len()], bytes, follow, first };
        positions.rank();
        Ok(positions)
    }

    /// The same for an expression of which every match begins with one of these matches: those of at
    /// most `bytes` bytes that matches, and what is left of longer ones, have.
    pub(super) fn prefix(&self, bytes: usize) -> Self {
        let certain = Item { looks: 0, target: MATCH };
        let mut follow = vec![Vec::new(); self.bytes.len()];
        let mut met = vec![false; self.bytes.len()];
        let mut level: Vec<usize> = self.first.iter().filter_map(|item| item.place()).collect();
        for depth in 1..=bytes {
            let mut next = Vec::new();
            for place in level {
                if std::mem::replace(&mut met[place], true) {
                    continue;
                }
                if depth == bytes {
                    follow[place].push(certain);
                } else {
                    follow[place].clone_from(&self.follow[place]);
                    next.extend(self.follow[place].iter().filter_map(|item| item.place()));
                }
            }
            level = next;
        }
        let ranks = vec![None; self.bytes.len()];
        Self { bytes: self.bytes.clone(), follow, first: self.first.clone(), ranks }
    }

    fn rank(&mut self) {
        let next = self.chains();
        let count = self.bytes.len();
        // Is the place behind it in the chain above it, or below?
        let (mut later, mut earlier) = (vec![false; count], vec![false; count]);
        for place in (0..count).rev() {
            let Some(behind) = next[place] else { continue };
            // What is above the place behind: the one after that, if that has been found.
            let two_behind = next[behind].filter(|_| later[behind]);
            later[place] = self.covers(behind, place, two_behind.map(|above| (behind, above)));
            let two_behind = next[behind].filter(|_| earlier[behind]);
            earlier[place] = self.covers(place, behind, two_behind.map(|below| (below, behind)));
        }
        let mut is_behind = vec![false; count];
        next.iter().flatten().for_each(|&place| is_behind[place] = true);
        let mut groups = 0;
        for head in (0..count).filter(|place| !is_behind[*place]) {
            let mut at = head;
            while let Some(second) = next[at] {
                let up = later[at];
                if !up && !earlier[at] {
                    at = second;
                    continue;
                }
                let mut run = vec![at];
                while let Some(behind) =
                    next[at].filter(|_| if up { later[at] } else { earlier[at] })
                {
                    run.push(behind);
                    at = behind;
                }
                let len = run.len();
                for (rank, place) in run.into_iter().enumerate() {
                    let rank = if up { rank } else { len - rank };
                    // A place where two runs meet belongs to the first.
                    self.ranks[place].get_or_insert(Rank { group: groups, rank });
                }
                groups += 1;
            }
        }
    }

    /// For each place the one behind it that reads the same bytes; no place is behind two.
    fn chains(&self) -> Vec<Option<usize>> {
        let mut taken = vec![false; self.bytes.len()];
        let mut next = vec![None; self.bytes.len()];
        for (place, next) in next.iter_mut().enumerate() {
            let candidate = |item: &Item| {
                let behind = item.place().filter(|_| item.looks == 0)?;
                let chained =
                    behind > place && !taken[behind] && self.bytes[behind] == self.bytes[place];
                chained.then_some(behind)
            };
            *next = self.follow[place].iter().filter_map(candidate).min();
            if let Some(behind) = *next {
                taken[behind] = true;
            }
        }
        next
    }

    /// Is all that follows `lower` also behind `upper`, if in `known` the first is below the second?
    /// They read the same bytes.
    fn covers(&self, upper: usize, lower: usize, known: Option<(usize, usize)>) -> bool {
        let follows = |item: Item| self.follow[upper].binary_search(&item).is_ok();
        let certain = |target| follows(Item { looks: 0, target });
        if certain(MATCH) {
            return true;
        }
        self.follow[lower].iter().all(|&item| {
            let above = known.filter(|(below, _)| item.place() == Some(*below));
            follows(item)
                || certain(item.target)
                || above.is_some_and(|(_, above)| u32::try_from(above).is_ok_and(certain))
        })
    }
}

fn index(place: u32) -> usize {
    usize::try_from(place).expect("Linux has no 16-bit machines")
}

/// The bytes that `state` reads, and where they lead.
fn transitions(state: &State) -> Vec<(RangeInclusive<u8>, StateID)> {
    match state {
        State::ByteRange { trans } => vec![(trans.start..=trans.end, trans.next)],
        State::Sparse(sparse) => {
            sparse.transitions.iter().map(|trans| (trans.start..=trans.end, trans.next)).collect()
        }
        State::Dense(dense) => (0..=u8::MAX)
            .zip(dense.transitions.iter())
            .filter(|(_, next)| **next != StateID::ZERO)
            .map(|(byte, next)| (byte..=byte, *next))
            .collect(),
        State::Look { .. }
        | State::Union { .. }
        | State::BinaryUnion { .. }
        | State::Capture { .. }
        | State::Fail
        | State::Match { .. } => Vec::new(),
    }
}

/// What is reached from `start` without reading, ascending. What is reached without a condition is
/// not told again with one.
fn closure(nfa: &NFA, places: &[Vec<u32>], start: StateID) -> Vec<Item> {
    let mut items = BTreeSet::new();
    let mut visited = BTreeSet::new();
    let mut pending = vec![(start, LookSet::empty())];
    while let Some((number, looks)) = pending.pop() {
        if !visited.insert((number, looks.bits)) {
            continue;
        }
        match nfa.state(number) {
            State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => {
                let place = |&target| Item { looks: looks.bits, target };
                items.extend(places[number.as_usize()].iter().map(place));
            }
            State::Look { look, next } => pending.push((*next, looks.insert(*look))),
            State::Union { alternates } => {
                pending.extend(alternates.iter().map(|next| (*next, looks)));
            }
            State::BinaryUnion { alt1, alt2 } => {
                pending.extend([(*alt1, looks), (*alt2, looks)]);
            }
            State::Capture { next, .. } => pending.push((*next, looks)),
            State::Fail => {}
            State::Match { .. } => {
                items.insert(Item { looks: looks.bits, target: MATCH });
            }
        }
    }
    let certain = |item: &Item| items.contains(&Item { looks: 0, ..*item });
    items.iter().filter(|item| item.looks == 0 || !certain(item)).copied().collect()
}
