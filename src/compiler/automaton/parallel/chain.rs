//! Which chains of places become a number.
//!
//! The places of a group of ranks ([`Positions::ranks`]) that read the same bytes and follow one
//! another: of several that are pending only the highest matters, so its number says it all. What
//! follows them besides each other must be the same for long stretches of them, or there would be more
//! compares than bits.

use super::{Counter, build::Follow};
use crate::compiler::automaton::position::{Item, Positions};

/// Most stretches of places with the same exits, for each kind of byte.
const STRETCHES_MAX: usize = 6;

/// A chain of places.
pub(super) struct Chain {
    /// The places, in the order in which bytes are read there.
    pub(super) places: Vec<usize>,
    pub(super) counter: Counter,
}

/// Places of a chain, and what follows them besides the next one.
pub(super) struct Stretch {
    pub(super) low: u32,
    pub(super) high: u32,
    pub(super) follow: Follow,
}

impl Chain {
    /// The chains of at least `least` places, and for each place where in which of them it is.
    pub(super) fn all(
        positions: &Positions,
        follows: &[Vec<Follow>],
        least: usize,
    ) -> (Vec<Self>, Vec<Option<(usize, u32)>>) {
        let groups = positions.ranks.iter().flatten().map(|rank| rank.group + 1).max();
        let mut members: Vec<Vec<(usize, usize)>> = vec![Vec::new(); groups.unwrap_or(0)];
        for (place, rank) in positions.ranks.iter().enumerate() {
            if let Some(rank) = rank {
                members[rank.group].push((rank.rank, place));
            }
        }
        let (mut chains, mut at) = (Vec::new(), vec![None; positions.bytes.len()]);
        for mut members in members.into_iter().filter(|members| members.len() >= least.max(2)) {
            members.sort_unstable();
            let places: Vec<usize> = members.into_iter().map(|(_, place)| place).collect();
            let Some(chain) = Self::of(places, positions) else { continue };
            let few = |follow: &Vec<Follow>| chain.stretches(follow).len() <= STRETCHES_MAX;
            if !follows.iter().all(few) {
                continue;
            }
            for (index, &place) in chain.places.iter().enumerate() {
                at[place] = Some((chains.len(), chain.value(index)));
            }
            chains.push(chain);
        }
        (chains, at)
    }

    /// `places` by ascending rank.
    fn of(mut places: Vec<usize>, positions: &Positions) -> Option<Self> {
        let certain = |from: usize, to: usize| {
            let leads = |item: &Item| item.looks().is_empty() && item.place() == Some(to);
            positions.follow[from].iter().any(leads)
        };
        let linked = |places: &[usize]| {
            let same = |pair: &[usize]| positions.bytes[pair[0]] == positions.bytes[pair[1]];
            places
                .windows(2)
                .all(|pair| pair[0] < pair[1] && certain(pair[0], pair[1]) && same(pair))
        };
        let up = linked(&places);
        if !up {
            places.reverse();
            if !linked(&places) {
                return None;
            }
        }
        let last = *places.last()?;
        let stays = up && certain(last, last);
        let counter = Counter { last: u32::try_from(places.len()).ok()?, up, stays };
        Some(Self { places, counter })
    }

    /// The number that stands for the place at `index`.
    fn value(&self, index: usize) -> u32 {
        let index = u32::try_from(index).expect("as many as `last`, which is one");
        if self.counter.up { index + 1 } else { self.counter.last - index }
    }

    /// The exits of all places, by number, ascending. Those of a kind of byte, given by place.
    pub(super) fn stretches(&self, follows: &[Follow]) -> Vec<Stretch> {
        let mut all: Vec<Stretch> = Vec::new();
        let mut indices: Vec<usize> = (0..self.places.len()).collect();
        if !self.counter.up {
            indices.reverse();
        }
        for index in indices {
            let (value, follow) = (self.value(index), self.exits(index, follows));
            match all.last_mut() {
                Some(stretch) if stretch.follow == follow => stretch.high = value,
                Some(_) | None => all.push(Stretch { low: value, high: value, follow }),
            }
        }
        all.retain(|stretch| stretch.follow.found || !stretch.follow.pending.is_empty());
        all
    }

    /// What follows a place, but for the next one and what that makes superfluous.
    fn exits(&self, index: usize, follows: &[Follow]) -> Follow {
        let follow = &follows[self.places[index]];
        if follow.found {
            return Follow { found: true, pending: Vec::new() };
        }
        let next = self.counter.next(self.value(index));
        let superfluous = |place: usize| {
            self.places.binary_search(&place).is_ok_and(|index| self.value(index) <= next)
        };
        let pending = follow.pending.iter().copied();
        let pending = pending
            .filter(|pending| !(pending.is_certain() && pending.place.is_some_and(superfluous)));
        Follow { found: false, pending: pending.collect() }
    }
}
