//! Running an automaton over bytes, as generated code does.

use std::ops::Range;

use super::{Automaton, Direction, Next, State};

impl Automaton {
    /// The smallest end of a match inside `window`, of an automaton that finds matches wherever they
    /// begin. `scope` is what anchors and look-around see; a window outside of it has no match.
    ///
    /// # Panics
    ///
    /// If the automaton was built to begin where this window does not.
    pub fn scan(&self, scope: &[u8], window: Range<usize>) -> Option<usize> {
        let Some(last) = window.start.checked_sub(1) else {
            assert!(self.behind.is_none(), "an automaton that begins at the start of the scope");
            return self.follow(self.start, scope, 0, window);
        };
        let behind = self.behind.expect("an automaton that begins inside the scope");
        let next = self.states[behind].next(*scope.get(last)?);
        self.follow(next, scope, window.start, window)
    }

    /// The first match that is met from `at` on, in the direction of the automaton: its end, or
    /// backwards its start. What is read stays inside `bounds`, but for the one byte behind them
    /// that look-around sees.
    pub fn walk(&self, scope: &[u8], at: usize, bounds: Range<usize>) -> Option<usize> {
        self.follow(self.start, scope, at, bounds)
    }

    fn follow(
        &self,
        mut next: Next,
        scope: &[u8],
        mut at: usize,
        bounds: Range<usize>,
    ) -> Option<usize> {
        let end = bounds.end.min(scope.len());
        if at < bounds.start || at > end {
            return None;
        }
        loop {
            let state = match next {
                Next::State(state) => &self.states[state],
                Next::Dead => return None,
                Next::MatchHere => return Some(at),
                Next::MatchBefore => return Some(self.one_back(at)),
            };
            let (byte, inside) = match self.direction {
                Direction::Forward => (scope.get(at), at < end),
                Direction::Backward => {
                    (at.checked_sub(1).map(|before| &scope[before]), at > bounds.start)
                }
            };
            let Some(&byte) = byte else {
                return state.match_at_end.then_some(at);
            };
            if !inside {
                return Self::ends_in_front_of(state, byte).then_some(at);
            }
            next = state.next(byte);
            at = match self.direction {
                Direction::Forward => at + 1,
                Direction::Backward => at - 1,
            };
        }
    }

    /// The byte behind the window is seen, but nothing may end behind it.
    fn ends_in_front_of(state: &State, byte: u8) -> bool {
        match state.next(byte) {
            Next::MatchBefore => true,
            Next::State(_) | Next::Dead | Next::MatchHere => false,
        }
    }

    fn one_back(&self, at: usize) -> usize {
        match self.direction {
            Direction::Forward => at - 1,
            Direction::Backward => at + 1,
        }
    }
}
