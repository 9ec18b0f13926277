//! Matches of an automaton: what a skip must not jump over. A quick way to see that something cannot be
//! waited for is a match without it.

use super::{Automaton, Next};

/// Longest match that is looked at.
const BYTES_MAX: usize = 64;
/// States on the way through which matches are made.
const WAYS_MAX: usize = 24;

/// Some of the shortest matches from `state` on: by each state, with each of a few choices of bytes.
pub(super) fn witnesses(automaton: &Automaton, state: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for choice in 0..CHOICES {
        let there = tree(automaton, state, choice);
        let ends: Vec<usize> = (0..automaton.states.len()).take(WAYS_MAX).collect();
        for by in ends {
            let Some(mut bytes) = path(&there, state, by) else { continue };
            let onward = tree(automaton, by, choice);
            let last = (0..automaton.states.len())
                .filter_map(|last| {
                    Some((path(&onward, by, last)?, last_byte(automaton, last, choice)?))
                })
                .min_by_key(|(bytes, _)| bytes.len());
            let Some((rest, byte)) = last else { continue };
            bytes.extend(rest);
            bytes.push(byte);
            if bytes.len() <= BYTES_MAX {
                found.push(bytes);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Ways to choose a byte of an arm.
const CHOICES: usize = 4;

/// One byte of those from `first` to `last`.
fn choose(first: u8, last: u8, choice: usize) -> u8 {
    match choice {
        0 => first,
        1 => last,
        2 => first + (last - first) / 2,
        _ => first + (last - first) / 3 * 2,
    }
}

/// The byte of `state` that completes a match, if it has one.
fn last_byte(automaton: &Automaton, state: usize, choice: usize) -> Option<u8> {
    arms(automaton, state).find_map(|(first, last, next)| match next {
        Next::MatchHere | Next::MatchBefore => Some(choose(first, last, choice)),
        Next::State(_) | Next::Dead => None,
    })
}

fn arms(automaton: &Automaton, state: usize) -> impl Iterator<Item = (u8, u8, Next)> + '_ {
    let arms = &automaton.states[state].arms;
    arms.iter().enumerate().map(move |(at, arm)| {
        let first = at.checked_sub(1).map_or(0, |before| arms[before].last + 1);
        (first, arm.last, arm.next)
    })
}

/// For each state the state before it on a shortest way from `from`, and the byte between.
fn tree(automaton: &Automaton, from: usize, choice: usize) -> Vec<Option<(usize, u8)>> {
    let mut there = vec![None; automaton.states.len()];
    let mut open = std::collections::VecDeque::from([from]);
    while let Some(state) = open.pop_front() {
        for (first, last, next) in arms(automaton, state) {
            if let Next::State(next) = next
                && next != from
                && there[next].is_none()
            {
                there[next] = Some((state, choose(first, last, choice)));
                open.push_back(next);
            }
        }
    }
    there
}

/// The bytes of the way to `to`.
fn path(there: &[Option<(usize, u8)>], from: usize, to: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut at = to;
    while at != from {
        let (before, byte) = there[at]?;
        bytes.push(byte);
        at = before;
    }
    bytes.reverse();
    Some(bytes)
}
