//! Can the walks from the occurrences of a literal read the same bytes over and over?
//!
//! A walk that always stops at the next occurrence of the literal reads no byte that the walk from
//! there reads: all walks together are linear in the scope. If it may go on past one occurrence
//! after the other (`x.*L` in `xLLLL`), they are quadratic, and a packet made for it would keep
//! the kernel busy.

use crate::compiler::automaton::{Automaton, Direction, Next};

use super::element::{Element, Unit};

/// May a walk pass any number of occurrences of `literal`?
pub(super) fn passes(automaton: &Automaton, literal: &[Element]) -> bool {
    let components = components(automaton);
    (0..automaton.states.len()).any(|state| {
        let over = behind(automaton, state, literal);
        over.iter().any(|&state_behind| components[state_behind] == components[state])
    })
}

/// The states in which `automaton` may be when it has read `literal` from `state` on.
fn behind(automaton: &Automaton, state: usize, literal: &[Element]) -> Vec<usize> {
    let mut units: Vec<Unit> = literal
        .iter()
        .filter_map(|element| match element {
            Element::Unit(unit) => Some(*unit),
            Element::Other(_) => None,
        })
        .collect();
    if automaton.direction == Direction::Backward {
        units.reverse();
    }
    let mut states = vec![state];
    for unit in units {
        let mut next = Vec::new();
        for state in states {
            for form in unit.bytes() {
                if let Next::State(state) = automaton.states[state].next(form)
                    && !next.contains(&state)
                {
                    next.push(state);
                }
            }
        }
        states = next;
    }
    states
}

/// States that a walk can go through one after the other, no component twice: how deep the verifier
/// may follow its code.
pub(super) fn depth(automaton: &Automaton) -> usize {
    let components = components(automaton);
    let count = components.iter().max().map_or(0, |last| last + 1);
    let mut members = vec![Vec::new(); count];
    for (state, &component) in components.iter().enumerate() {
        members[component].push(state);
    }
    // What a component leads to has been numbered before it.
    let mut depths = vec![0; count];
    for (component, states) in members.iter().enumerate() {
        let arms = states.iter().flat_map(|&state| &automaton.states[state].arms);
        let behind = arms.filter_map(|arm| match arm.next {
            Next::State(state) => Some(components[state]).filter(|next| *next != component),
            Next::Dead | Next::MatchBefore | Next::MatchHere => None,
        });
        depths[component] = states.len() + behind.map(|next| depths[next]).max().unwrap_or(0);
    }
    depths.into_iter().max().unwrap_or(0)
}

/// For each state the number of its strongly connected component (Tarjan's algorithm, with a stack
/// of its own: automata are deep). A state that does not lead to itself has a component alone.
fn components(automaton: &Automaton) -> Vec<usize> {
    let targets = |state: usize| {
        automaton.states[state].arms.iter().filter_map(|arm| match arm.next {
            Next::State(state) => Some(state),
            Next::Dead | Next::MatchBefore | Next::MatchHere => None,
        })
    };
    let count = automaton.states.len();
    let mut component = vec![usize::MAX; count];
    let mut index = vec![usize::MAX; count];
    let mut low = vec![0; count];
    let mut open = Vec::new();
    let (mut indices, mut components) = (0, 0);
    for root in 0..count {
        if index[root] != usize::MAX {
            continue;
        }
        let mut path = vec![(root, targets(root).collect::<Vec<_>>())];
        while let Some((state, pending)) = path.last_mut() {
            let state = *state;
            if index[state] == usize::MAX {
                index[state] = indices;
                low[state] = indices;
                indices += 1;
                open.push(state);
            }
            if let Some(target) = pending.pop() {
                if index[target] == usize::MAX {
                    path.push((target, targets(target).collect()));
                } else if component[target] == usize::MAX {
                    low[state] = low[state].min(index[target]);
                }
                continue;
            }
            if low[state] == index[state] {
                while let Some(member) = open.pop() {
                    component[member] = components;
                    if member == state {
                        break;
                    }
                }
                components += 1;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                low[*parent] = low[*parent].min(low[state]);
            }
        }
    }
    component
}
