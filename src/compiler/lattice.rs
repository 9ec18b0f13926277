//! Short and close vectors of small integer lattices.
//!
//! Lenstra, Lenstra, Lovász (1982) with floating Gram-Schmidt coefficients, and Babai's nearest
//! plane. The basis itself stays integral, so whatever comes out *is* a vector of the lattice; that
//! it is a good one is not promised, and callers measure it. Every operation is exactly rounded,
//! so the result is the same on every machine.

use super::number::{dot, float, rounded};

/// Most coordinates of a vector.
pub(super) const DIMENSIONS_MAX: usize = 12;
/// Most swaps and reductions of one call; those made here need a few hundred.
const STEPS_MAX: usize = 4_000;
/// Lovász' constant: nearer to 1 is shorter and slower.
const DELTA: f64 = 0.99;

/// A vector; coordinates past the dimension of the lattice are zero.
pub(super) type Row = [i128; DIMENSIONS_MAX];

/// What the reduction knows of one row.
#[derive(Clone, Copy, Default)]
struct Orthogonal {
    /// The part of the row that is orthogonal to those before it.
    star: [f64; DIMENSIONS_MAX],
    /// Its squared length.
    norm: f64,
    /// How much of each row before is in the row.
    mu: [f64; DIMENSIONS_MAX],
}

/// A basis, reduced.
pub(super) struct Reduced {
    rows: Vec<Row>,
    orthogonal: Vec<Orthogonal>,
}

/// Reduce a basis of at most [`DIMENSIONS_MAX`] independent rows. `None` if that takes more than
/// [`STEPS_MAX`] steps or leaves 128 bits.
pub(super) fn reduce(mut rows: Vec<Row>) -> Option<Reduced> {
    let mut orthogonal = vec![Orthogonal::default(); rows.len()];
    let mut at = 0;
    for _ in 0..STEPS_MAX {
        if at == rows.len() {
            return Some(Reduced { rows, orthogonal });
        }
        size_reduce(&mut rows, &mut orthogonal, at)?;
        if at > 0 {
            let (before, this) = (orthogonal[at - 1], orthogonal[at]);
            let mu = this.mu[at - 1];
            if this.norm < (DELTA - mu * mu) * before.norm {
                rows.swap(at - 1, at);
                at -= 1;
                continue;
            }
        }
        at += 1;
    }
    None
}

/// Subtract multiples of the rows before from row `at` until less than half of each is left.
fn size_reduce(rows: &mut [Row], orthogonal: &mut [Orthogonal], at: usize) -> Option<()> {
    for _ in 0..STEPS_MAX {
        orthogonal[at] = project(&rows[at], &orthogonal[..at]);
        let mut changed = false;
        for before in (0..at).rev() {
            let times = orthogonal[at].mu[before].round();
            if times == 0.0 {
                continue;
            }
            changed = true;
            let row = rows[before];
            subtract(&mut rows[at], rounded(times), &row)?;
            let mu = orthogonal[before].mu;
            for (mine, its) in orthogonal[at].mu[..before].iter_mut().zip(mu) {
                *mine -= times * its;
            }
        }
        if !changed {
            return Some(());
        }
    }
    None
}

/// Split `row` into multiples of the orthogonal parts before it, and what is left.
fn project(row: &Row, before: &[Orthogonal]) -> Orthogonal {
    let mut result = Orthogonal { star: row.map(float), ..Orthogonal::default() };
    for (at, other) in before.iter().enumerate() {
        if other.norm > 0.0 {
            let mu = dot(&result.star, &other.star) / other.norm;
            result.mu[at] = mu;
            for (mine, its) in result.star.iter_mut().zip(other.star) {
                *mine -= mu * its;
            }
        }
    }
    result.norm = dot(&result.star, &result.star);
    result
}

impl Reduced {
    /// A vector of the lattice near `target`. `None` if it leaves 128 bits.
    pub(super) fn near(&self, target: &Row) -> Option<Row> {
        let mut left = *target;
        for (row, orthogonal) in self.rows.iter().zip(&self.orthogonal).rev() {
            if orthogonal.norm > 0.0 {
                let times = dot(&left.map(float), &orthogonal.star) / orthogonal.norm;
                subtract(&mut left, rounded(times), row)?;
            }
        }
        let mut near = *target;
        subtract(&mut near, 1, &left)?;
        Some(near)
    }
}

fn subtract(from: &mut Row, times: i128, row: &Row) -> Option<()> {
    for (mine, its) in from.iter_mut().zip(row) {
        *mine = mine.checked_sub(times.checked_mul(*its)?)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[i128]) -> Row {
        let mut row = [0; DIMENSIONS_MAX];
        row[..values.len()].copy_from_slice(values);
        row
    }

    /// Goal: the shortest vector of a lattice that hides it. The multiples of (1, 12) and of
    /// (0, 89) hold (7, -5), and nothing shorter than its length but (-8, -7) turned.
    #[test]
    fn a_reduced_basis_begins_with_a_short_vector() {
        let reduced = reduce(vec![row(&[0, 89]), row(&[1, 12])]).expect("reduces");
        let length = |r: &Row| r[0] * r[0] + r[1] * r[1];
        let shortest = (-100..=100)
            .flat_map(|a| (-20..=20).map(move |b| row(&[a, 12 * a + 89 * b])))
            .filter(|r| *r != row(&[]))
            .map(|r| length(&r))
            .min();
        assert_eq!(Some(length(&reduced.rows[0])), shortest);
    }

    #[test]
    fn a_near_vector_is_one_of_the_lattice_and_near() {
        let reduced = reduce(vec![row(&[0, 89]), row(&[1, 12])]).expect("reduces");
        for (x, y) in [(0, 0), (50, 50), (-1000, 3), (12345, -54321)] {
            let near = reduced.near(&row(&[x, y])).expect("in range");
            assert_eq!((near[1] - 12 * near[0]) % 89, 0, "{near:?} is in the lattice");
            assert!((near[0] - x).abs() <= 9 && (near[1] - y).abs() <= 9, "{near:?} near {x} {y}");
        }
    }

    /// Goal: numbers that leave 128 bits are refused, not wrapped.
    #[test]
    fn what_overflows_is_refused() {
        for (times, value) in [(i128::MAX, 2), (-2, i128::MAX), (i128::MIN, -1)] {
            assert_eq!(subtract(&mut row(&[0]), times, &row(&[value])), None, "{times} {value}");
        }
        assert_eq!(subtract(&mut row(&[i128::MIN]), 1, &row(&[1])), None, "the difference does");
        let huge = i128::MAX / 2;
        let reduced = reduce(vec![row(&[1, 0]), row(&[huge, 3])]);
        if let Some(reduced) = reduced {
            assert!(reduced.near(&row(&[huge, i128::MAX])).is_none_or(|near| near[1] % 3 == 0));
        }
    }
}
