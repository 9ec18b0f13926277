//! States that no sequence of bytes tells apart become one.
//!
//! The usual refinement of a partition: all states begin in one class; a class is split where its
//! states lead to different classes, until none is. Only states whose targets changed class are
//! looked at again, so that long chains cost little.

use std::collections::BTreeMap;

use super::build::{redirected, sources};
use super::{Automaton, Next, State};

/// The same language with the fewest states. Some may not be reachable.
pub(super) fn minimise(automaton: Automaton) -> Automaton {
    let Automaton { direction, states, start, behind } = automaton;
    let classes = Partition::new(&states).refined();
    let mut merged: Vec<Option<State>> = vec![None; states.len()];
    for (state, &class) in states.iter().zip(&classes) {
        merged[class]
            .get_or_insert_with(|| redirected(state, |target| Next::State(classes[target])));
    }
    let start = match start {
        Next::State(state) => Next::State(classes[state]),
        fixed @ (Next::Dead | Next::MatchBefore | Next::MatchHere) => fixed,
    };
    let behind = behind.map(|state| classes[state]);
    Automaton { direction, states: merged.into_iter().flatten().collect(), start, behind }
}

struct Partition<'s> {
    states: &'s [State],
    sources: Vec<Vec<usize>>,
    /// The class of each state.
    classes: Vec<usize>,
    /// How many states each class has.
    lens: Vec<usize>,
    /// How the states of a class look, if each target is replaced by its class. Holds for all of
    /// them but those that are to be looked at again.
    looks: Vec<Option<State>>,
}

impl<'s> Partition<'s> {
    fn new(states: &'s [State]) -> Self {
        let classes = vec![0; states.len()];
        let (lens, looks) = (vec![states.len()], vec![None]);
        Self { states, sources: sources(states), classes, lens, looks }
    }

    /// The class of each state; classes are numbered without gaps.
    fn refined(mut self) -> Vec<usize> {
        let mut pending: Vec<usize> = (0..self.states.len()).collect();
        while !pending.is_empty() {
            let moved = self.split(&pending);
            pending = moved.iter().flat_map(|&state| self.sources[state].iter().copied()).collect();
            pending.sort_unstable();
            pending.dedup();
        }
        self.classes
    }

    /// Look at the states of `pending` again; those that changed class.
    fn split(&mut self, pending: &[usize]) -> Vec<usize> {
        // By class, then by look.
        let mut groups: BTreeMap<usize, BTreeMap<State, Vec<usize>>> = BTreeMap::new();
        for &state in pending {
            let look = redirected(&self.states[state], |to| Next::State(self.classes[to]));
            let group = groups.entry(self.classes[state]).or_default();
            group.entry(look).or_default().push(state);
        }
        let mut moved = Vec::new();
        for (class, mut looks) in groups {
            let looked_at: usize = looks.values().map(Vec::len).sum();
            if looked_at < self.lens[class] {
                // Those that were not looked at stay, and with them those that look the same.
                let stays = self.looks[class].as_ref().expect("looked at in the first round");
                looks.remove(stays);
            } else {
                let stays = looks.iter().max_by_key(|(_, states)| states.len());
                let stays = stays.expect("a class in `groups` has states").0.clone();
                looks.remove(&stays);
                self.looks[class] = Some(stays);
            }
            for (look, states) in looks {
                let new = self.lens.len();
                self.lens[class] -= states.len();
                self.lens.push(states.len());
                self.looks.push(Some(look));
                for &state in &states {
                    self.classes[state] = new;
                }
                moved.extend(states);
            }
        }
        moved
    }
}
