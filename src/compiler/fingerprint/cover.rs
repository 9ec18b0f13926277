//! Placing literals in one table.
//!
//! A *key* is a literal and a remainder; its *choices* are the grams of the literal at places with
//! that remainder, each a *cell*: a slot and the byte it would have to hold. A slot holds one byte,
//! so it serves one cell, but any number of keys. First the cells that serve most keys are
//! taken (greedy set cover); what is left is matched by augmenting paths: a key takes a slot from
//! its users if all of them find another. A literal of which a key finds no place is left out whole.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Look, Member, Slot, slot_of, text::Seen};

/// How a table is to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) look: Look,
    pub(super) stride: usize,
    pub(super) bits: u32,
    /// Slots from this number on cannot be used.
    pub(super) usable: usize,
    pub(super) signed: bool,
    /// Cells that the sample of text contains more often are only used where a key has no other.
    pub(super) seen_max: u16,
}

/// Literals in a table.
#[derive(Clone, Debug)]
pub(super) struct Cover {
    pub(super) multiplier: u32,
    pub(super) slots: Vec<Slot>,
    /// Literals with a place, and those without; ascending.
    pub(super) placed: Vec<usize>,
    pub(super) left: Vec<usize>,
    /// Looks of the sample of text that raise a false alarm.
    pub(super) seen: u32,
}

/// How long a chain of keys may be that make room for each other.
const DEPTH_MAX: u32 = 6;
/// Keys that one slot may have for it to be taken from them.
const USERS_MAX: usize = 3;
/// Slots that are asked for room for one key.
const VISITS_MAX: u32 = 400;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Choice {
    cell: u32,
    at: u32,
}

impl Choice {
    fn slot(self) -> usize {
        usize::try_from(self.cell >> 8).expect("at most 9 bits")
    }

    fn byte(self) -> u8 {
        self.cell.to_le_bytes()[0]
    }
}

/// One attempt at a table.
struct Placing {
    /// Which literal each key belongs to: position in the list of candidates.
    words: Vec<u32>,
    /// Where the choices of each key begin; one more at the end.
    starts: Vec<usize>,
    choices: Vec<Choice>,
    /// The choice of each key, or `NONE`.
    taken: Vec<u32>,
    users: Vec<Vec<u32>>,
    visited: Vec<u32>,
    stamp: u32,
    visits: u32,
    undo: Vec<(u32, u32)>,
}

/// Memory that attempts share: cells of the sample of text.
pub(super) struct Cells(Vec<u16>);

impl Cells {
    pub(super) fn new() -> Self {
        Self(vec![0; 512 * 256])
    }
}

/// Place as many of `candidates` as possible; `words` are the bytes of all literals, folded if the
/// looks fold.
pub(super) fn cover(
    words: &[Vec<u8>],
    candidates: &[usize],
    shape: &Shape,
    multiplier: u32,
    seen: &Seen,
    cells: &mut Cells,
) -> Cover {
    seen.count(multiplier, shape.bits, &mut cells.0);
    let (mut placing, mut lost) = Placing::new(words, candidates, shape, multiplier, &cells.0);
    placing.greedy(&cells.0);
    placing.match_rest(&mut lost);
    let cover = placing.finish(candidates, &lost, multiplier, &cells.0);
    seen.clear(multiplier, shape.bits, &mut cells.0);
    cover
}

impl Placing {
    /// The keys and their choices, and which candidates cannot be placed because a key has none.
    fn new(
        words: &[Vec<u8>],
        candidates: &[usize],
        shape: &Shape,
        multiplier: u32,
        cells: &[u16],
    ) -> (Self, Vec<bool>) {
        let mut placing = Self {
            words: Vec::new(),
            starts: vec![0],
            choices: Vec::new(),
            taken: Vec::new(),
            users: vec![Vec::new(); 1 << shape.bits],
            visited: vec![0; 1 << shape.bits],
            stamp: 0,
            visits: 0,
            undo: Vec::new(),
        };
        let mut lost = vec![false; candidates.len()];
        for (number, &candidate) in candidates.iter().enumerate() {
            let keys = placing.starts.len();
            let choices = placing.choices.len();
            for remainder in 0..shape.stride {
                if !placing.add_key(&words[candidate], remainder, shape, multiplier, cells) {
                    lost[number] = true;
                    placing.starts.truncate(keys);
                    placing.choices.truncate(choices);
                    placing.words.truncate(keys - 1);
                    break;
                }
                placing.words.push(u32::try_from(number).expect("PATTERNS_MAX"));
            }
        }
        placing.taken = vec![NONE; placing.words.len()];
        (placing, lost)
    }

    /// The choices of one key; none is no key.
    fn add_key(
        &mut self,
        word: &[u8],
        remainder: usize,
        shape: &Shape,
        multiplier: u32,
        cells: &[u16],
    ) -> bool {
        let look = shape.look;
        let start = self.choices.len();
        let mut least = u16::MAX;
        let mut at = remainder;
        while at + look.span() <= word.len() {
            let byte = word[at + look.check];
            let slot = slot_of(look.gram(&word[at..]), multiplier, shape.bits);
            if slot < shape.usable && (!shape.signed || byte < 0x80) {
                let cell = slot * 256 + usize::from(byte);
                least = least.min(cells[cell]);
                let cell = u32::try_from(cell).expect("17 bits");
                if self.choices[start..].iter().all(|other| other.cell != cell) {
                    self.choices
                        .push(Choice { cell, at: u32::try_from(at).expect("LITERAL_BYTES_MAX") });
                }
            }
            at += shape.stride;
        }
        let limit = shape.seen_max.max(least);
        let mut kept = self.choices.split_off(start);
        let seen = |choice: &Choice| cells[index(choice.cell)];
        kept.retain(|choice| seen(choice) <= limit);
        kept.sort_by_key(seen);
        self.choices.extend(kept);
        self.starts.push(self.choices.len());
        self.choices.len() > start
    }

    fn choices_of(&self, key: usize) -> std::ops::Range<usize> {
        self.starts[key]..self.starts[key + 1]
    }

    /// Take cells, those first that serve most keys without a place, as long as one serves two.
    fn greedy(&mut self, cells: &[u16]) {
        let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(self.choices.len());
        for key in 0..self.words.len() {
            for choice in self.choices_of(key) {
                pairs.push((self.choices[choice].cell, int(key)));
            }
        }
        pairs.sort_unstable();
        let mut heap = BinaryHeap::new();
        let mut start = 0;
        for group in pairs.chunk_by(|a, b| a.0 == b.0) {
            if group.len() > 1 {
                let cell = group[0].0;
                let seen = cells[index(cell)];
                heap.push((group.len(), Reverse(seen), Reverse(cell), start));
            }
            start += group.len();
        }
        while let Some((served, seen, Reverse(cell), start)) = heap.pop() {
            let group = || pairs[start..].iter().take_while(|pair| pair.0 == cell);
            let free = |key: u32| self.taken[index(key)] == NONE;
            let now = group().filter(|pair| free(pair.1)).count();
            let slot = index(cell >> 8);
            if now < 2 || !self.users[slot].is_empty() {
                continue;
            }
            if now < served {
                heap.push((now, seen, Reverse(cell), start));
                continue;
            }
            for &(_, key) in group() {
                if self.taken[index(key)] == NONE {
                    let mut choices = self.choices_of(index(key));
                    let choice = choices.find(|&c| self.choices[c].cell == cell);
                    self.take(key, int(choice.expect("it is one of its cells")));
                }
            }
        }
    }

    /// Match the keys that the greedy cover has left, those with the fewest choices first.
    fn match_rest(&mut self, lost: &mut [bool]) {
        let mut rest: Vec<u32> =
            (0..self.words.len()).filter(|&k| self.taken[k] == NONE).map(int).collect();
        rest.sort_by_key(|&key| self.choices_of(index(key)).len());
        for key in rest {
            let word = index(self.words[index(key)]);
            if lost[word] {
                continue;
            }
            self.stamp += 1;
            self.visits = 0;
            self.undo.clear();
            if !self.place(key, DEPTH_MAX) {
                lost[word] = true;
                self.leave_out(key);
            }
        }
    }

    fn take(&mut self, key: u32, choice: u32) {
        let slot = self.choices[index(choice)].slot();
        self.users[slot].push(key);
        self.undo.push((key, self.taken[index(key)]));
        self.taken[index(key)] = choice;
    }

    fn release(&mut self, key: u32) {
        let choice = self.taken[index(key)];
        if choice != NONE {
            let slot = self.choices[index(choice)].slot();
            self.users[slot].retain(|&user| user != key);
            self.undo.push((key, choice));
            self.taken[index(key)] = NONE;
        }
    }

    /// What the slot holds.
    fn held(&self, slot: usize) -> Option<u8> {
        let user = *self.users[slot].first()?;
        Some(self.choices[index(self.taken[index(user)])].byte())
    }

    /// Go back to where `undo` was `mark` long.
    fn roll_back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            let (key, before) = self.undo.pop().expect("longer than mark");
            let now = self.taken[index(key)];
            if now != NONE {
                let slot = self.choices[index(now)].slot();
                self.users[slot].retain(|&user| user != key);
            }
            if before != NONE {
                let slot = self.choices[index(before)].slot();
                self.users[slot].push(key);
            }
            self.taken[index(key)] = before;
        }
    }

    /// Find a place for `key`, by making others move if need be.
    fn place(&mut self, key: u32, depth: u32) -> bool {
        let choices = self.choices_of(index(key));
        let holds = |choice: &usize| {
            let wanted = self.choices[*choice];
            self.held(wanted.slot()) == Some(wanted.byte())
        };
        let is_free = |choice: &usize| self.users[self.choices[*choice].slot()].is_empty();
        let there = choices.clone().find(holds).or_else(|| choices.clone().find(is_free));
        if let Some(choice) = there {
            self.take(key, int(choice));
            return true;
        }
        if depth == 0 {
            return false;
        }
        for choice in choices {
            let slot = self.choices[choice].slot();
            if self.visited[slot] == self.stamp || self.visits >= VISITS_MAX {
                continue;
            }
            self.visited[slot] = self.stamp;
            self.visits += 1;
            let users = self.users[slot].clone();
            if users.len() > USERS_MAX {
                continue;
            }
            let mark = self.undo.len();
            for &user in &users {
                self.release(user);
            }
            self.take(key, int(choice));
            if users.iter().all(|&user| self.place(user, depth - 1)) {
                return true;
            }
            self.roll_back(mark);
        }
        false
    }

    /// All keys of the word that `key` belongs to lose their places.
    fn leave_out(&mut self, key: u32) {
        let word = self.words[index(key)];
        let first = self.words.partition_point(|&w| w < word);
        for key in first..self.words.len() {
            if self.words[key] != word {
                break;
            }
            self.release(int(key));
        }
    }

    fn finish(&self, candidates: &[usize], lost: &[bool], multiplier: u32, cells: &[u16]) -> Cover {
        let mut slots = Vec::new();
        let mut seen = 0;
        for (number, users) in self.users.iter().enumerate() {
            let Some(byte) = self.held(number) else { continue };
            let member = |&user: &u32| Member {
                word: candidates[index(self.words[index(user)])],
                at: index(self.choices[index(self.taken[index(user)])].at),
            };
            let mut members: Vec<Member> = users.iter().map(member).collect();
            members.sort_unstable();
            seen += u32::from(cells[number * 256 + usize::from(byte)]);
            slots.push(Slot { number, byte, members });
        }
        let of = |wanted: bool| {
            let all = candidates.iter().zip(lost);
            all.filter(|&(_, &lost)| lost == wanted).map(|(&word, _)| word).collect()
        };
        Cover { multiplier, slots, placed: of(false), left: of(true), seen }
    }
}

fn int(number: usize) -> u32 {
    u32::try_from(number).expect("PATTERNS_MAX times LITERAL_BYTES_MAX")
}

fn index(number: u32) -> usize {
    usize::try_from(number).expect("32 bits")
}
