//! What can be skipped without following the automaton: stretches in which nothing can begin.
//!
//! While an automaton waits for something it goes to and fro between a few states. A skip names
//! bytes (or two neighbours) without which those states cannot be left; a program looks for these, eight
//! positions at a time, and follows the automaton only from where it finds them.
//!
//! Which of the states it is in by then is not known, but need not be: after a few bytes, the same
//! whatever the state was before, all of them are in one ([`Skip::back`]). So the program goes so many
//! bytes back, enters the automaton in any of the states, and is right when it comes to the bytes
//! that were found. That nothing else can happen is checked here state by state: see `Cluster`.
//!
//! A skip never changes an answer; how much it saves is guessed from a sample of ordinary packets.

use std::collections::{BTreeSet, HashSet};

use super::{Automaton, Next, witness::witnesses};
use crate::compiler::{number::rounded, sample};

/// Most bytes that are read once more behind a skip: fewer than one look covers, so that every skip
/// moves on.
const BACK_MAX: u8 = 7;
/// Automata with more states are followed byte by byte.
const STATES_MAX: usize = 512;
/// Most states among which a stretch may be skipped.
const CLUSTER_MAX: usize = 128;
/// Most steps of states that finding a skip may take.
const STEPS_MAX: usize = 1_000_000;
/// Most classes that are tried.
const CLASSES_MAX: usize = 160;
/// Most pairs of classes that are tried.
const PAIRS_MAX: usize = 400;
/// Farthest distance of two bytes that are looked for together.
const GAP_MAX: u8 = 4;
/// Most registers that a look has for constants.
pub const CONSTANTS_MAX: usize = 5;
/// How much of the time of following the automaton a skip may be expected to take.
const WORTH: f64 = 0.8;

/// Nanoseconds for 1,500 bytes, measured: to look for one class, for two single bytes in a row, for
/// two classes in a row, to follow an automaton.
const LOOK_NS: f64 = 90.0;
const LOOK_BYTES_NS: f64 = 100.0;
const LOOK_PAIR_NS: f64 = 150.0;
const FOLLOW_NS: f64 = 250.0;
/// Nanoseconds for one place that is found, and for one change of state: half of it is mispredicted.
const FOUND_NS: f64 = 10.0;
const CHANGE_NS: f64 = 2.5;
/// What all of the above is for.
const SEARCHED_BYTES: f64 = 1500.0;

/// Bytes between two bounds once some bits are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class {
    /// The bits that count: 0x7f, or 0x5f for letters in either case.
    pub mask: u8,
    /// The first byte.
    pub first: u8,
    /// The last byte.
    pub last: u8,
}

impl Class {
    /// Does `byte` belong to it?
    pub const fn holds(self, byte: u8) -> bool {
        let bits = byte & self.mask;
        self.first <= bits && bits <= self.last
    }

    /// What a look at it keeps in registers, in eight copies: the mask and the byte; or the mask, and
    /// what is added to reach bit 7 from the first byte on, and behind the last.
    pub fn constants(&self) -> Vec<u8> {
        if self.is_byte() {
            vec![self.mask, self.first]
        } else {
            vec![self.mask, 0x80 - self.first, 0x7f - self.last]
        }
    }

    /// Is it one byte, but for the bits that do not count?
    pub const fn is_byte(self) -> bool {
        self.first == self.last
    }
}

/// A stretch that may be skipped, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Skip {
    /// What must stand where the stretch ends.
    pub class: Class,
    /// What must stand so many bytes further on.
    pub then: Option<(u8, Class)>,
    /// The states in which a stretch may begin.
    pub entries: Vec<usize>,
    /// The state in which the automaton is entered behind a stretch.
    pub state: usize,
    /// Bytes in front of that place that are read once more.
    pub back: u8,
    /// Does no match end with the scope in a state in which a stretch can end?
    pub silent: bool,
    /// Such places in 1,500 bytes of ordinary packets, about.
    pub found: u16,
}

impl Skip {
    /// Find the best for `automaton`; `None` if following it is about as fast.
    pub fn find(automaton: &Automaton) -> Option<Self> {
        if automaton.states.len() > STATES_MAX {
            return None;
        }
        let visits = Visits::new(automaton)?;
        let follow = FOLLOW_NS + CHANGE_NS * visits.changes;
        let table = Table::new(automaton);
        let mut best = (follow * WORTH, None);
        let all = classes(automaton);
        for &state in &visits.favourites {
            let witnesses = witnesses(automaton, state);
            let seen = |&class: &Class| (class, Seen::of(class, &witnesses));
            let classes: Vec<(Class, Seen)> = all.iter().map(seen).collect();
            if let Some((cost, skip)) = one(&table, state, &classes)
                && cost < best.0
            {
                best = (cost, Some(skip));
            }
            if let Some((cost, skip)) = two(&table, state, &classes, best.0) {
                best = (cost, Some(skip));
            }
        }
        best.1
    }

    /// Bytes behind a position that a look at it reads, besides the position's own.
    pub fn reach(&self) -> u8 {
        self.then.map_or(0, |(gap, _)| gap)
    }
}

/// What an automaton does on ordinary packets.
struct Visits {
    /// The states in which it is most of the time.
    favourites: Vec<usize>,
    /// How often it leaves a state for another, in 1,500 bytes.
    changes: f64,
}

impl Visits {
    fn new(automaton: &Automaton) -> Option<Self> {
        let start = match (automaton.start, automaton.behind) {
            (Next::State(start), _) | (_, Some(start)) => start,
            (Next::Dead | Next::MatchBefore | Next::MatchHere, None) => return None,
        };
        let mut visits = vec![0u32; automaton.states.len()];
        let (mut state, mut changes) = (start, 0u32);
        for &byte in sample::TEXT {
            visits[state] += 1;
            let next = match automaton.states[state].next(byte) {
                Next::State(next) => next,
                Next::Dead | Next::MatchBefore | Next::MatchHere => start,
            };
            changes += u32::from(next != state);
            state = next;
        }
        let mut favourites: Vec<usize> = (0..visits.len()).collect();
        favourites.sort_by_key(|&state| std::cmp::Reverse(visits[state]));
        favourites.truncate(2);
        Some(Self { favourites, changes: f64::from(changes) * scale() })
    }
}

/// From the sample to 1,500 bytes.
fn scale() -> f64 {
    SEARCHED_BYTES / f64::from(u32::try_from(sample::TEXT.len()).expect("a small text"))
}

/// Where a class stands in the sample, as bits.
struct Seen {
    sample: Vec<u64>,
    /// In each of some matches.
    matches: Vec<u64>,
}

impl Seen {
    fn of(class: Class, witnesses: &[Vec<u8>]) -> Self {
        let bits = |bytes: &Vec<u8>| {
            let held = bytes.iter().enumerate().filter(|(_, byte)| class.holds(**byte));
            held.fold(0, |bits, (at, _)| bits | 1 << at)
        };
        let matches = witnesses.iter().map(bits).collect();
        let mut words = vec![0; sample::TEXT.len() / 64 + 2];
        for (at, _) in sample::TEXT.iter().enumerate().filter(|(_, byte)| class.holds(**byte)) {
            words[at / 64] |= 1 << (at % 64);
        }
        Self { sample: words, matches }
    }

    fn count(&self) -> u32 {
        self.sample.iter().map(|word| word.count_ones()).sum()
    }

    /// Is it in every match, as far as they are known? With the other class `gap` bytes further on.
    fn is_needed(&self, then: Option<(u8, &Self)>) -> bool {
        match then {
            None => self.matches.iter().all(|&bits| bits != 0),
            Some((gap, then)) => {
                self.matches.iter().zip(&then.matches).all(|(bits, later)| bits & later >> gap != 0)
            }
        }
    }

    /// How often the other class stands `gap` bytes further on.
    fn count_with(&self, then: &Self, gap: u8) -> u32 {
        let later = then.sample.windows(2).map(|w| w[0] >> gap | w[1] << (64 - gap));
        self.sample.iter().zip(later).map(|(word, later)| (word & later).count_ones()).sum()
    }
}

/// From a count in the sample to one in 1,500 bytes. What the sample does not hold may occur all the
/// same: wide classes sooner.
fn expected(count: u32, class: Class, then: Option<Class>) -> f64 {
    let width = |class: Class| f64::from(class.last - class.first + 1) / 256.0;
    f64::from(count) * scale() + 8.0 * width(class) * then.map_or(1.0, width)
}

/// Classes that the automaton tells from their neighbours.
fn classes(automaton: &Automaton) -> Vec<Class> {
    let (mut firsts, mut lasts) = (BTreeSet::from([0]), BTreeSet::from([0x7f]));
    for arm in automaton.states.iter().flat_map(|state| &state.arms) {
        if arm.last < 0x7f {
            lasts.insert(arm.last);
            firsts.insert(arm.last + 1);
        }
    }
    let mut classes = Vec::new();
    for &first in &firsts {
        for &last in lasts.range(first..) {
            classes.push(Class { mask: 0x7f, first, last });
            if first >= b'A' && last <= b'Z' {
                classes.push(Class { mask: 0x5f, first, last });
            }
        }
    }
    classes.sort_by_key(|class| class.last - class.first);
    classes.truncate(CLASSES_MAX);
    classes
}

/// What ends a stretch.
#[derive(Clone, Copy)]
struct Wanted {
    class: Class,
    then: Option<(u8, Class)>,
}

/// The best skip to one class.
fn one(table: &Table, state: usize, classes: &[(Class, Seen)]) -> Option<(f64, Skip)> {
    let mut weighed: Vec<(f64, Class)> = classes
        .iter()
        .filter(|(_, seen)| seen.is_needed(None))
        .map(|(class, seen)| (expected(seen.count(), *class, None), *class))
        .collect();
    weighed.sort_by(|a, b| a.0.total_cmp(&b.0));
    weighed.into_iter().find_map(|(found, class)| {
        let skip = table.skip(state, Wanted { class, then: None }, found)?;
        Some((LOOK_NS + FOUND_NS * found, skip))
    })
}

/// The best skip to two bytes at a distance that costs less than `limit`.
fn two(table: &Table, state: usize, classes: &[(Class, Seen)], limit: f64) -> Option<(f64, Skip)> {
    let mut pairs = Vec::new();
    if limit <= LOOK_BYTES_NS {
        return None;
    }
    for (class, seen) in classes {
        for (then, later) in classes {
            let bytes = class.is_byte() && then.is_byte() && class.mask == then.mask;
            let look = if bytes { LOOK_BYTES_NS } else { LOOK_PAIR_NS };
            for gap in 1..=GAP_MAX {
                if !seen.is_needed(Some((gap, later))) {
                    continue;
                }
                let count = seen.count_with(later, gap);
                let found = expected(count, *class, Some(*then));
                let cost = look + FOUND_NS * found;
                if cost < limit && constants(*class, *then) <= CONSTANTS_MAX {
                    let wanted = Wanted { class: *class, then: Some((gap, *then)) };
                    pairs.push((cost, found, wanted));
                }
            }
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    pairs
        .into_iter()
        .take(PAIRS_MAX)
        .find_map(|(cost, found, wanted)| Some((cost, table.skip(state, wanted, found)?)))
}

/// How many constants a look at both classes takes.
fn constants(class: Class, then: Class) -> usize {
    let (first, second) = (class.constants(), then.constants());
    first.len() + second.iter().filter(|constant| !first.contains(constant)).count()
}

/// Where bytes lead, for one byte of each kind that the automaton tells apart.
struct Table {
    /// A byte, and by state where it leads.
    rows: Vec<(u8, Vec<Next>)>,
    /// By state: does a match end with the scope?
    final_states: Vec<bool>,
    /// Steps that may still be taken.
    steps: std::cell::Cell<usize>,
}

impl Table {
    fn new(automaton: &Automaton) -> Self {
        // Classes end where arms do, but ignore bits: so every byte with its three relatives.
        let mut ends = vec![false; 256];
        for arm in automaton.states.iter().flat_map(|state| &state.arms) {
            for relative in [0, 0x20, 0x80, 0xa0] {
                let (last, first) = (arm.last ^ relative, arm.last.wrapping_add(1) ^ relative);
                for at in [last, first, last.wrapping_sub(1), first.wrapping_sub(1)] {
                    ends[usize::from(at)] = true;
                }
            }
        }
        for edge in [0x1f, 0x20, 0x3f, 0x40, 0x5f, 0x60, 0x7f, 0x80, 0x9f, 0xbf, 0xdf, 0xff, 0] {
            ends[edge] = true;
        }
        let rows = (0..=255)
            .filter(|&byte: &u8| ends[usize::from(byte)])
            .map(|byte| (byte, automaton.states.iter().map(|s| s.next(byte)).collect()))
            .collect();
        let final_states = automaton.states.iter().map(|state| state.match_at_end).collect();
        Self { rows, final_states, steps: std::cell::Cell::new(STEPS_MAX) }
    }

    /// Take a step for each byte; `None` if too many were taken.
    fn step(&self) -> Option<()> {
        self.steps.set(self.steps.get().checked_sub(self.rows.len())?);
        Some(())
    }

    /// The skip from `state` to what is wanted, if it is right.
    fn skip(&self, state: usize, wanted: Wanted, found: f64) -> Option<Skip> {
        let cluster = Cluster::new(self, state, wanted)?;
        let back = cluster.back()?;
        let entries = cluster.entries();
        let silent = cluster.places.iter().all(|&(state, _)| !self.final_states[state]);
        let found = u16::try_from(rounded(found)).unwrap_or(u16::MAX);
        let Wanted { class, then } = wanted;
        Some(Skip { class, then, entries, state, back, silent, found })
    }
}

/// Where the automaton can be, and which of the bytes before may be the first of the two that end the
/// stretch, the last in bit 0.
type Place = (usize, u8);

/// The places that are not left before what is wanted has been read.
struct Cluster<'a> {
    table: &'a Table,
    state: usize,
    wanted: Wanted,
    places: HashSet<Place>,
}

impl<'a> Cluster<'a> {
    /// `None` if a match, or a dead end, can be reached without; or if it has too many places.
    fn new(table: &'a Table, state: usize, wanted: Wanted) -> Option<Self> {
        let mut cluster = Self { table, state, wanted, places: HashSet::new() };
        // Of bytes in front of the stretch nothing is known: with them no two are complete.
        let mut open: Vec<Place> = vec![(state, 0)];
        while let Some(place) = open.pop() {
            if !cluster.places.insert(place) {
                continue;
            }
            if cluster.places.len() > CLUSTER_MAX {
                return None;
            }
            table.step()?;
            for &(byte, ref row) in &table.rows {
                if !cluster.ends(place.1, byte) {
                    let Next::State(next) = row[place.0] else { return None };
                    open.push((next, cluster.push(place.1, byte)));
                }
            }
        }
        Some(cluster)
    }

    /// Does `byte` end the stretch?
    fn ends(&self, before: u8, byte: u8) -> bool {
        match self.wanted.then {
            None => self.wanted.class.holds(byte),
            Some((gap, then)) => before >> (gap - 1) & 1 == 1 && then.holds(byte),
        }
    }

    /// `before`, for the byte behind `byte`.
    fn push(&self, before: u8, byte: u8) -> u8 {
        match self.wanted.then {
            None => 0,
            Some((gap, _)) => {
                (before << 1 | u8::from(self.wanted.class.holds(byte))) & ((1 << gap) - 1)
            }
        }
    }

    /// The states in which a stretch may begin.
    fn entries(&self) -> Vec<usize> {
        let states: BTreeSet<usize> = self.places.iter().map(|&(state, _)| state).collect();
        let stays = |state: usize| {
            self.table.rows.iter().all(|&(byte, ref row)| match row[state] {
                Next::State(next) => {
                    self.ends(0, byte) || self.places.contains(&(next, self.push(0, byte)))
                }
                Next::Dead | Next::MatchBefore | Next::MatchHere => self.ends(0, byte),
            })
        };
        states.into_iter().filter(|&state| stays(state)).collect()
    }

    /// After how many bytes of a stretch is the state the same as if it had begun in `state`?
    fn back(&self) -> Option<u8> {
        let mut apart: HashSet<(usize, usize, u8)> = self
            .places
            .iter()
            .filter(|(at, _)| *at != self.state)
            .map(|&(at, before)| (at, self.state, before))
            .collect();
        for back in 0..=BACK_MAX {
            if apart.is_empty() {
                return Some(back);
            }
            let mut next = HashSet::new();
            for &(at, other, before) in &apart {
                self.table.step()?;
                for &(byte, ref row) in &self.table.rows {
                    if self.ends(before, byte) {
                        continue;
                    }
                    // A match on the way would be one that is not there.
                    let (Next::State(a), Next::State(b)) = (row[at], row[other]) else {
                        return None;
                    };
                    if a != b {
                        next.insert((a, b, self.push(before, byte)));
                    }
                }
            }
            apart = next;
        }
        None
    }
}
