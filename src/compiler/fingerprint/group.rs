//! Which literals go into which table.
//!
//! Tables are made one after the other. For each, every way to look and every stride is tried with a
//! few multipliers, and the one is taken after which the whole search is expected to cost least: its
//! own walk, and a guess at what the literals without a place will cost. The costs are
//! nanoseconds for 1,500 bytes, from measurements; only their ratios matter.

use super::{
    Look, Table, Word,
    cover::{Cells, Cover, Shape, cover},
    folded,
    text::Seen,
};
use crate::compiler::number::{count, float, rounded};

/// How literals are to be searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Walks with a table.
    pub tables: Vec<Table>,
    /// Literals that are better searched alone; ascending.
    pub alone: Vec<usize>,
}

/// Bytes that costs are counted for.
const BYTES: f64 = 1500.0;
/// One look, with its share of the loop around it.
const LOOK: f64 = 0.30;
/// Before the first look and behind the last.
const AROUND: f64 = 5.0;
/// What setting bit 5 adds to a look.
const FOLD: f64 = 0.10;
/// Filling a table of 512 bytes.
const FILL: f64 = 20.0;
/// A false alarm, mostly a mispredicted branch and then some of the tree.
const FALSE_ALARM: f64 = 30.0;
/// Byte values that a byte of traffic that is no text is likely to have: between printable and all.
const VALUES: f64 = 140.0;
/// Grams of two bytes that such traffic is likely to have.
const PAIRS: f64 = 10_000.0;
/// Keys for which a table is tried, as a multiple of its slots: some slots serve several.
const KEYS_OF_SLOTS: f64 = 3.0;
/// Keys that a table of literals that are not known yet is expected to hold, likewise; with a stride,
/// and if every position is looked at.
const KEYS_EXPECTED: (f64, f64) = (0.85, 1.5);
/// What a literal costs that finds no place, as a multiple of one that does. It is more awkward: shorter,
/// or of grams whose slots others need.
const MORE_AWKWARD: f64 = 2.0;
/// A table has to hold this part of what is left, or so many.
const PART_MIN: (f64, f64) = (0.2, 200.0);
/// Strides up to this are tried; a block has to hold several looks, and short packets blocks.
const STRIDE_MAX: usize = 60;
/// Attempts at one shape.
const TRIES: (usize, usize) = (3, 200);
/// Attempts at one shape for one literal, of which nearly every one succeeds.
const TRIES_OF_ONE: usize = 12;
/// Fewest bytes of a literal for which a table of its own is tried: of one this long its stride makes
/// up for its looks, which take more than twice as long as those of a multiplication.
const ONE_BYTES_MIN: usize = 22;
/// Grams that may be hashed for one shape; and for one that after these few looks no good.
const WORK: (usize, usize) = (300_000, 30_000);
/// Literals from which on less is tried, and by how much.
const MANY: usize = 1_200;
const MANY_LESS: usize = 8;
/// How much more than the best so far looks no good.
const NO_GOOD: f64 = 1.15;
/// How much of what the sample of text contains may be used, attempt by attempt.
const SEEN_MAX: [u16; 3] = [0, 3, u16::MAX];

/// One attempt's result.
struct Best {
    total: f64,
    shape: Shape,
    cover: Cover,
}

/// Plan the search of `words`. Of a table of 512 slots, `usable` from the first on can be used. `alone`
/// says what searching one literal by itself costs, in nanoseconds for 1,500 bytes.
pub fn plan(words: &[Word<'_>], usable: usize, alone: impl Fn(usize) -> f64) -> Plan {
    let mut plan = Plan::default();
    if matches!(words, [one] if one.bytes.len() < ONE_BYTES_MIN) && alone(0) < f64::INFINITY {
        plan.alone.push(0);
        return plan;
    }
    let mut left: Vec<usize> = (0..words.len()).collect();
    let mut cells = Cells::new();
    while !left.is_empty() {
        let single: f64 = left.iter().map(|&word| alone(word)).sum();
        let folds = left.iter().any(|&word| words[word].ignore_case);
        let bytes: Vec<Vec<u8>> = words
            .iter()
            .map(|word| if folds { folded(word.bytes) } else { word.bytes.to_vec() })
            .collect();
        let mut round = Round { bytes, left, folds, usable, single, best: None, alone: &alone };
        round.search(&mut cells);
        let Round { left: all, best, .. } = round;
        match best {
            Some(best) if best.total < single => {
                left = all;
                left.retain(|word| best.cover.placed.binary_search(word).is_err());
                plan.tables.push(table(best, folds));
            }
            Some(_) | None => {
                plan.alone = all;
                break;
            }
        }
    }
    plan
}

fn table(best: Best, folds: bool) -> Table {
    Table {
        look: best.shape.look,
        stride: best.shape.stride,
        bits: best.shape.bits,
        multiplier: best.cover.multiplier,
        folds,
        signed: best.shape.signed,
        slots: best.cover.slots,
    }
}

/// The search for one table.
struct Round<'a, F> {
    bytes: Vec<Vec<u8>>,
    left: Vec<usize>,
    folds: bool,
    usable: usize,
    /// What it costs to search all that is left literal by literal.
    single: f64,
    best: Option<Best>,
    alone: &'a F,
}

impl<F: Fn(usize) -> f64> Round<'_, F> {
    fn search(&mut self, cells: &mut Cells) {
        let len = |word: &usize| self.bytes[*word].len();
        let longest = self.left.iter().map(len).max().unwrap_or(0);
        let shortest = self.left.iter().map(len).min().unwrap_or(0);
        let mut looks = vec![
            Look { gram_bytes: 2, check: 2 },
            Look { gram_bytes: 4, check: 3 },
            Look { gram_bytes: 2, check: 1 },
        ];
        if shortest == 1 {
            looks.push(Look { gram_bytes: 1, check: 0 });
        }
        let seen: Vec<Seen> = looks.iter().map(|&look| Seen::new(look, self.folds)).collect();
        // Large strides first: what costs more than a table that was found is not tried.
        for stride in (1..=longest.min(STRIDE_MAX)).rev() {
            for (&look, seen) in looks.iter().zip(&seen) {
                for signed in [true, false] {
                    self.stride(stride, look, signed, seen, cells);
                }
            }
        }
    }

    /// Try one stride of one look.
    fn stride(&mut self, stride: usize, look: Look, signed: bool, seen: &Seen, cells: &mut Cells) {
        let fits = |word: usize| {
            let bytes = &self.bytes[word];
            if bytes.len() + 1 < stride + look.span() {
                return false;
            }
            // Comparing without sign is for literals that cannot do otherwise.
            signed == bytes[look.check..].iter().any(|&byte| byte < 0x80) || !signed
        };
        let candidates: Vec<usize> = self.left.iter().copied().filter(|&word| fits(word)).collect();
        let needs_unsigned = || {
            let high = |&word: &usize| self.bytes[word][look.check..].iter().all(|&b| b >= 0x80);
            candidates.iter().any(high)
        };
        if candidates.len() < self.part_min() || !signed && !needs_unsigned() {
            return;
        }
        let keys = candidates.len() * stride;
        if stride > 1 && count(keys) > KEYS_OF_SLOTS * count(self.usable) {
            return;
        }
        let grams: usize =
            candidates.iter().map(|&word| self.bytes[word].len() + 1 - look.span()).sum();
        // Of several thousand literals more attempts would gain little, and take seconds.
        let many = if self.left.len() > MANY { MANY_LESS } else { 1 };
        let tries = |work: usize| (work / many / (grams + 1_500)).clamp(TRIES.0, TRIES.1);
        let most = if candidates.len() == 1 { TRIES_OF_ONE } else { TRIES.1 };
        let tries = (tries(WORK.0).min(most), tries(WORK.1).min(most));
        for bits in 7..=9 {
            let usable = self.usable.min(1 << bits);
            if bits < 9 && count(keys) > KEYS_EXPECTED.0 * count(usable) {
                continue;
            }
            let shape = Shape { look, stride, bits, usable, signed, seen_max: 0 };
            self.shape(&shape, &candidates, tries, seen, cells);
        }
    }

    /// Fewest literals that a table is made for.
    fn part_min(&self) -> usize {
        let part = (PART_MIN.0 * count(self.left.len())).min(PART_MIN.1).ceil();
        usize::try_from(rounded(part)).unwrap_or(1).max(1)
    }

    fn shape(
        &mut self,
        shape: &Shape,
        candidates: &[usize],
        tries: (usize, usize),
        seen: &Seen,
        cells: &mut Cells,
    ) {
        let others: Vec<usize> =
            self.left.iter().copied().filter(|w| candidates.binary_search(w).is_err()).collect();
        let least = self.cost(shape, 0, 0.0) + self.guess(&others);
        let bound = |best: &Option<Best>| best.as_ref().map_or(f64::INFINITY, |best| best.total);
        let mut numbers = Numbers(0x5eed);
        let mut best_of_shape = f64::INFINITY;
        for attempt in 0..tries.0 {
            let bound_now = bound(&self.best).min(self.single);
            if attempt >= tries.1 && best_of_shape > bound_now * NO_GOOD {
                return;
            }
            if least >= bound_now * 0.99 {
                return;
            }
            let multiplier = numbers.next() | 1;
            let shape = Shape { seen_max: SEEN_MAX[attempt % SEEN_MAX.len()], ..*shape };
            let cover = cover(&self.bytes, candidates, &shape, multiplier, seen, cells);
            if cover.placed.len() < self.part_min() {
                continue;
            }
            let seen = float(cover.seen.into()) / count(seen.positions);
            let mut rest = others.clone();
            rest.extend(&cover.left);
            let own = self.cost(&shape, cover.slots.len(), seen);
            let alike = MORE_AWKWARD * own / count(cover.placed.len());
            let total =
                own + self.guess(&rest).max(alike * count(rest.len())).min(self.apart(&rest));
            best_of_shape = best_of_shape.min(total);
            if total < bound(&self.best) {
                self.best = Some(Best { total, shape, cover });
            }
        }
    }

    /// One walk with a table.
    fn cost(&self, shape: &Shape, used: usize, seen: f64) -> f64 {
        let looks = BYTES / count(shape.stride);
        let look = LOOK + if self.folds { FOLD } else { 0.0 };
        let size = count(1 << shape.bits);
        let filled = if shape.signed { count(used) / size } else { 1.0 };
        let Look { gram_bytes, check } = shape.look;
        let alarms = match (gram_bytes, check) {
            (1, _) => count(used) / VALUES,
            // What is compared was hashed too.
            (2, 0 | 1) => (count(used) / PAIRS).max(filled / VALUES),
            _ => filled / VALUES,
        };
        looks * (look + alarms.max(seen) * FALSE_ALARM) + FILL * size / 512.0 + AROUND
    }

    /// What literals will cost that are not in this table.
    fn guess(&self, words: &[usize]) -> f64 {
        let Some(shortest) = words.iter().map(|&word| self.bytes[word].len()).min() else {
            return 0.0;
        };
        let look = Look { gram_bytes: 2, check: if shortest > 2 { 2 } else { 1 } };
        let slots = count(self.usable);
        let strides = (shortest + 1).saturating_sub(look.span()).max(1);
        let holds = |&s: &usize| count(words.len() * s) <= KEYS_EXPECTED.0 * slots;
        let stride = (1..=strides).rev().find(holds).unwrap_or(1);
        let keys = slots * if stride > 1 { KEYS_EXPECTED.0 } else { KEYS_EXPECTED.1 };
        let shape = Shape { look, stride, bits: 9, usable: self.usable, signed: true, seen_max: 0 };
        let walks = (count(words.len() * stride) / keys).max(1.0);
        let used = (words.len() * stride).min(self.usable);
        self.apart(words).min(walks * self.cost(&shape, used, 0.0))
    }

    /// What it costs to search `words` one by one.
    fn apart(&self, words: &[usize]) -> f64 {
        words.iter().map(|&word| (self.alone)(word)).sum()
    }
}

/// Numbers that look random and are always the same (`splitmix64`).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from(z >> 32).expect("32 bits")
    }
}
