//! Between whole numbers and floating ones, for what is weighed and not counted: here stand the only
//! casts of the compiler.

/// How many, as a factor.
pub(super) fn count(number: usize) -> f64 {
    f64::from(small(number))
}

/// How many, in 32 bits.
pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Near `value`: 53 bits of it.
#[allow(clippy::cast_precision_loss, reason = "what is weighed needs no more")]
pub(super) fn float(value: i128) -> f64 {
    value as f64
}

/// `value` rounded; what does not fit becomes the nearest that does.
#[allow(clippy::cast_possible_truncation, reason = "such a cast saturates")]
pub(super) fn rounded(value: f64) -> i128 {
    value.round() as i128
}

/// The sum of the products.
pub(super) fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
