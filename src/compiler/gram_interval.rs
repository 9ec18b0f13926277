//! A multiplication that brings neighbouring grams of a literal together.
//!
//! If a literal occurs at some position, then of any `stride` neighbouring positions exactly one is
//! where one of its first `stride` grams (runs of `gram_bytes` bytes) stands. So it is enough to look
//! at every `stride`-th position of the packet, if all those grams can be recognised at once. A
//! multiplier does that: all of them times it, modulo 2^64, lie below `limit`, and few others do.
//!
//! Such a multiplier is a lattice vector: the products of the grams with all multipliers, modulo a
//! power of two, form a lattice, and one near `(t, t, …)` for a small `t` is what is wanted. By
//! counting, `8 * gram_bytes / stride` bits of selectivity are to be had; lattice reduction gets
//! within about one bit of that.
//!
//! The search for it may end anywhere; what is returned has been checked gram by gram.

use super::{
    lattice::{self, DIMENSIONS_MAX, Reduced, Row},
    lower::Needle,
    number::{count, float, rounded, small},
    sample,
};

/// A test that every `stride`-th position of a text that holds the literal passes once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GramInterval {
    /// What eight loaded bytes are multiplied by, modulo 2^64. Its low bits are zero where the gram
    /// is shorter than eight bytes, so that the bytes behind the gram do not count.
    pub multiplier: u64,
    /// Products of grams are below this.
    pub limit: u64,
    /// Distance of the positions that are looked at, in bytes, and number of grams.
    pub stride: usize,
    /// Bytes of a gram, at most 8.
    pub gram_bytes: usize,
    /// Where in the literal the first gram begins.
    pub first: usize,
    /// What the loaded bytes are and-ed with first, if case is ignored.
    pub fold: Option<u64>,
    /// The product of each different gram, and the last place in the literal where it stands; the
    /// last places first.
    pub products: Vec<(u64, usize)>,
    /// Candidates that are none, expected in 1,500 bytes of random or of sample text, whichever has
    /// more, times a thousand.
    pub false_per_mille: u32,
}

/// Largest stride: one coordinate of the lattice is the multiplier.
const STRIDE_MAX: usize = DIMENSIONS_MAX - 2;
const STRIDE_MIN: usize = 4;
const GRAM_BYTES_MIN: usize = 4;
/// Places in the literal that are tried for the first gram.
const PLACES: usize = 5;
/// How many of the promising strides are tried.
const TRIES_MAX: usize = 3;

/// Costs are counted in instructions for 1,500 bytes.
const TEXT_BYTES: f64 = 1500.0;
/// A false alarm, as instructions: it makes the branch predictor lose its way through the loop, which
/// was measured to take 7 ns with packets that it has learnt and 40 ns with others.
const FALSE_COST: f64 = 1000.0;
/// The pair test for eight positions: 7.6 instructions, which take as long as this many of the looks.
const PAIR_COST: f64 = 8.6;
/// A new loop, its constants, and the bytes at the end for which the pair test is needed anyway.
const EXTRA_COST: f64 = 150.0;

/// The cheapest test for `pattern`, or `None` if testing pairs of bytes is cheaper.
pub fn find(pattern: &Needle) -> Option<GramInterval> {
    let plain = pattern.plain();
    let len = plain.len();
    let folds = pattern.ignore_case && pattern.bytes.iter().any(u8::is_ascii_alphabetic);
    let fold = folds.then_some(u64::from_le_bytes([!0x20; 8]));
    let mut shapes: Vec<(f64, Shape)> = Vec::new();
    for stride in STRIDE_MIN..=STRIDE_MAX {
        let Some(gram_bytes) = (len + 1).checked_sub(stride).map(|bytes| bytes.min(8)) else {
            continue;
        };
        if gram_bytes < GRAM_BYTES_MIN {
            continue;
        }
        let shape = Shape { stride, gram_bytes, fold };
        let bits = count(8 * gram_bytes) / count(stride);
        shapes.push((shape.cost(1.4 * (-bits).exp2()), shape));
    }
    shapes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut best: Option<(f64, GramInterval)> = None;
    for (_, shape) in shapes.iter().take(TRIES_MAX) {
        let spare = len + 1 - shape.stride - shape.gram_bytes;
        let mut places: Vec<usize> =
            (0..PLACES).map(|nth| plain.start + spare * nth / (PLACES - 1)).collect();
        places.dedup();
        for first in places {
            let handed_over = shape.handed_over(pattern, first);
            if best.as_ref().is_some_and(|(least, _)| shape.cost(0.0) + handed_over >= *least) {
                continue;
            }
            let Some((rate, interval)) = shape.interval(pattern, first) else { continue };
            let cost = shape.cost(rate) + handed_over;
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, interval));
            }
        }
    }
    let pairs = TEXT_BYTES / 8.0 * (PAIR_COST + if folds { 0.2 } else { 0.0 });
    best.filter(|(cost, _)| *cost < pairs).map(|(_, interval)| interval)
}

/// How a test may be made.
#[derive(Clone, Copy, Debug)]
struct Shape {
    stride: usize,
    gram_bytes: usize,
    fold: Option<u64>,
}

impl Shape {
    /// What 1,500 bytes cost, if so many looks are false alarms.
    fn cost(&self, false_rate: f64) -> f64 {
        let probes = TEXT_BYTES / count(self.stride);
        let probe = if self.fold.is_some() { 4.0 } else { 3.0 };
        EXTRA_COST + probes * (probe + false_rate * FALSE_COST)
    }

    /// What it costs that text holds grams of the literal although it does not hold the literal: the
    /// first that is looked at hands over to the pair test, for half of the bytes on average.
    fn handed_over(&self, pattern: &Needle, first: usize) -> f64 {
        let Self { stride, gram_bytes, fold } = *self;
        let masked = |bytes: &[u8]| load(bytes) & fold.unwrap_or(!0);
        let mut grams: Vec<u64> =
            (first..first + stride).map(|at| masked(&pattern.bytes[at..at + gram_bytes])).collect();
        grams.sort_unstable();
        let windows = sample::TEXT.windows(gram_bytes);
        let seen = windows.filter(|bytes| grams.binary_search(&masked(bytes)).is_ok()).count();
        let expected = count(seen) / count(sample::TEXT.len()) * TEXT_BYTES / count(stride);
        expected.min(1.0) / 2.0 * TEXT_BYTES / 8.0 * PAIR_COST
    }

    /// The best multiplier for the grams from `first` on, and how often anything else passes.
    fn interval(&self, pattern: &Needle, first: usize) -> Option<(f64, GramInterval)> {
        let Self { stride, gram_bytes, fold } = *self;
        let grams: Vec<u64> = (first..first + stride)
            .map(|at| load(&pattern.bytes[at..at + gram_bytes]) & fold.unwrap_or(!0))
            .collect();
        let bits = small(8 * gram_bytes);
        let unused = 64 - bits;
        let (multiplier, largest) = below(&grams, bits)?;
        // Both are below 2^bits, so nothing is lost.
        let multiplier = low(multiplier) << unused;
        let limit = (low(largest) << unused).checked_add(1)?;
        let product = |gram: u64| gram.wrapping_mul(multiplier);
        let mut products: Vec<(u64, usize)> = Vec::new();
        for (at, &gram) in grams.iter().enumerate().rev() {
            let product = product(gram);
            if product >= limit {
                return None; // would miss it; the lattice promises that this cannot be
            }
            if products.iter().all(|&(other, _)| other != product) {
                products.push((product, first + at));
            }
        }
        // Products are multiples of this, so that many fewer are possible.
        let step = multiplier.trailing_zeros();
        if step >= 64 {
            return None;
        }
        let random = (float((limit >> step).into()) + 1.0) / float((u64::MAX >> step).into());
        // Grams that are really there are no false alarms.
        let alarm = |eight: &[u8]| {
            let product = product(load(eight) & fold.unwrap_or(!0));
            product < limit && products.iter().all(|&(known, _)| known != product)
        };
        let text = sample::TEXT.windows(8).filter(|eight| alarm(eight)).count();
        let text = count(text) / count(sample::TEXT.len() - 7);
        let rate = random.max(text);
        let expected = rate * TEXT_BYTES / count(stride) * 1000.0;
        let false_per_mille = u32::try_from(rounded(expected)).unwrap_or(u32::MAX);
        let interval = GramInterval {
            multiplier,
            limit,
            stride,
            gram_bytes,
            first,
            fold,
            products,
            false_per_mille,
        };
        Some((rate, interval))
    }
}

/// A multiplier whose products with `grams`, modulo 2^bits, are all small, and the largest of them.
fn below(grams: &[u64], bits: u32) -> Option<(u128, u128)> {
    let reduced = reduce(grams, bits)?;
    let mut best: Option<(u128, u128)> = None;
    for quarter in 4..4 * bits {
        // Ask for products around a half of 2^(bits - quarter/4).
        let center = (1_u128 << (bits - quarter / 4)) / 8 * u128::from(7 - quarter % 4) / 2;
        let Some(multiplier) = around(&reduced, grams.len(), bits, center) else { continue };
        let largest = products(grams, multiplier, bits).max()?;
        if best.is_none_or(|(_, least)| largest < least) {
            best = Some((multiplier, largest));
        }
    }
    best
}

fn products(grams: &[u64], multiplier: u128, bits: u32) -> impl Iterator<Item = u128> {
    let modulus = 1_u128 << bits;
    grams.iter().map(move |&gram| u128::from(gram).wrapping_mul(multiplier) % modulus)
}

/// The lattice of all products of `grams`, each scaled up so that the last coordinate, the
/// multiplier itself, weighs next to nothing.
fn reduce(grams: &[u64], bits: u32) -> Option<Reduced> {
    let scale = scale(grams.len(), bits);
    let mut rows: Vec<Row> = Vec::with_capacity(grams.len() + 1);
    for at in 0..grams.len() {
        let mut row = [0; DIMENSIONS_MAX];
        row[at] = scale << bits;
        rows.push(row);
    }
    let mut row = [0; DIMENSIONS_MAX];
    for (coordinate, &gram) in row.iter_mut().zip(grams) {
        *coordinate = scale * i128::from(gram);
    }
    row[grams.len()] = 1;
    rows.push(row);
    lattice::reduce(rows)
}

/// Large enough that the multiplier, below 2^bits, is small beside products that are scaled.
fn scale(values: usize, bits: u32) -> i128 {
    1 << (bits / small(values) + 12)
}

/// A multiplier, not zero, whose `count` products lie around `center`.
fn around(reduced: &Reduced, count: usize, bits: u32, center: u128) -> Option<u128> {
    let scale = scale(count, bits);
    let mut target = [0; DIMENSIONS_MAX];
    for coordinate in &mut target[..count] {
        *coordinate = scale.checked_mul(i128::try_from(center).ok()?)?;
    }
    let near = reduced.near(&target)?;
    let multiplier = near[count].rem_euclid(1 << bits);
    u128::try_from(multiplier).ok().filter(|multiplier| *multiplier != 0)
}

/// Bytes as a number, the first lowest; at most eight.
fn load(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(eight)
}

fn low(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(bytes: &[u8], ignore_case: bool) -> Needle {
        Needle::of_bytes(bytes, ignore_case)
    }

    /// Goal: the promise itself. Whatever stands around an occurrence, exactly the looks that
    /// could see one of the grams say so, and say which gram.
    #[test]
    fn every_gram_passes_whatever_stands_behind_it() {
        let source = b"union select all from users; /etc/passwd\x00\xff\xfe\x80";
        for from in 0..source.len() - 9 {
            for len in 9..=(source.len() - from).min(30) {
                for ignore_case in [false, true] {
                    let pattern = pattern(&source[from..from + len], ignore_case);
                    let Some(found) = find(&pattern) else { continue };
                    assert!(found.first + found.stride + found.gram_bytes <= len + 1);
                    for at in found.first..found.first + found.stride {
                        let mut bytes = [0xa5; 8];
                        let gram = &pattern.bytes[at..at + found.gram_bytes];
                        bytes[..found.gram_bytes].copy_from_slice(gram);
                        let loaded = load(&bytes) & found.fold.unwrap_or(!0);
                        let product = loaded.wrapping_mul(found.multiplier);
                        assert!(product < found.limit, "{found:?}");
                        let known = found.products.iter().find(|known| known.0 == product);
                        assert!(known.is_some_and(|known| known.1 >= at), "{found:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn literals_of_ten_to_sixteen_bytes_are_worth_it_and_short_ones_are_not() {
        for word in ["/etc/passwd", "union select all", "User-Agent: sqlmap", "cmd.exe /c dir"] {
            let found = find(&pattern(word.as_bytes(), false)).expect(word);
            assert!(found.stride >= 5 && found.false_per_mille < 1500, "{word}: {found:?}");
        }
        for word in ["a", "GET", "passwd", "<html>"] {
            assert_eq!(find(&pattern(word.as_bytes(), false)), None, "{word}");
        }
    }

    #[test]
    fn the_same_literal_gives_the_same_test() {
        let pattern = pattern(b"union select all", true);
        assert_eq!(find(&pattern), find(&pattern));
    }
}
