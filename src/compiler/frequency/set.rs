//! A set of byte values.

use std::fmt;
use std::ops::RangeInclusive;

/// A set of byte values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// No byte.
    pub const EMPTY: Self = Self([0; 4]);
    /// Every byte.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// One byte.
    pub fn of(byte: u8) -> Self {
        Self::range(byte..=byte)
    }

    /// All from one to another, both with it; none if the first is the larger.
    pub fn range(range: RangeInclusive<u8>) -> Self {
        let mut set = Self::EMPTY;
        for byte in range {
            set.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
        set
    }

    /// Is `byte` one of them?
    pub fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// What is in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    /// What is not in it.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// Is all of it in `other`, too?
    pub fn is_within(&self, other: &Self) -> bool {
        self.and(other) == *self
    }

    /// With every ASCII letter also the other case of it.
    #[must_use]
    pub fn in_either_case(&self) -> Self {
        let letters = self.bytes().filter(u8::is_ascii_alphabetic);
        letters.fold(*self, |set, letter| set.or(&Self::of(letter ^ 0x20)))
    }

    /// The bytes, ascending.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|byte| self.contains(*byte))
    }

    fn with(&self, other: &Self, join: fn(u64, u64) -> u64) -> Self {
        let mut words = self.0;
        for (word, other) in words.iter_mut().zip(other.0) {
            *word = join(*word, other);
        }
        Self(words)
    }

    /// The longest runs of neighbours, ascending.
    pub(super) fn runs(&self) -> Vec<RangeInclusive<u8>> {
        let mut runs: Vec<RangeInclusive<u8>> = Vec::new();
        for byte in self.bytes() {
            match runs.last_mut() {
                Some(run) if *run.end() + 1 == byte => *run = *run.start()..=byte,
                _ => runs.push(byte..=byte),
            }
        }
        runs
    }
}

/// A byte so that it stands for itself, in a class and outside of one.
fn write_byte(f: &mut fmt::Formatter<'_>, byte: u8) -> fmt::Result {
    if byte.is_ascii_alphanumeric() || b"./:;_!?@#$%&*+(){}|~\"`".contains(&byte) {
        write!(f, "{}", char::from(byte))
    } else {
        write!(f, "\\x{byte:02x}")
    }
}

impl fmt::Display for ByteSet {
    /// As it could be written: `a`, `\x00`, `[a-z0-9]`, `[^\x0a]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len() == 1 {
            return self.bytes().try_for_each(|byte| write_byte(f, byte));
        }
        let most = self.len() > 128 && *self != Self::ALL;
        let shown = if most { self.complement() } else { *self };
        write!(f, "[{}", if most { "^" } else { "" })?;
        for run in shown.runs() {
            write_byte(f, *run.start())?;
            if run.len() > 2 {
                write!(f, "-")?;
            }
            if run.len() > 1 {
                write_byte(f, *run.end())?;
            }
        }
        write!(f, "]")
    }
}
