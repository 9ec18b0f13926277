//! What ordinary traffic contains, as looks see it.

use std::collections::BTreeMap;

use super::{Look, folded, slot_of};
use crate::compiler::sample::TEXT;

/// What looks see in the sample of text: grams with the byte that is compared, and how often.
pub(super) struct Seen {
    grams: Vec<(u32, u8, u16)>,
    /// Positions of the sample.
    pub(super) positions: usize,
}

impl Seen {
    pub(super) fn new(look: Look, folds: bool) -> Self {
        let sample = if folds { folded(TEXT) } else { TEXT.to_vec() };
        let mut counts: BTreeMap<(u32, u8), u16> = BTreeMap::new();
        for window in sample.windows(look.span()) {
            *counts.entry((look.gram(window), window[look.check])).or_default() += 1;
        }
        let grams = counts.into_iter().map(|((gram, byte), count)| (gram, byte, count)).collect();
        Self { grams, positions: sample.len() }
    }

    /// Add to `cells` (slot times 256 plus byte) how often each is seen.
    pub(super) fn count(&self, multiplier: u32, bits: u32, cells: &mut [u16]) {
        for &(gram, byte, count) in &self.grams {
            let cell = slot_of(gram, multiplier, bits) * 256 + usize::from(byte);
            cells[cell] = cells[cell].saturating_add(count);
        }
    }

    /// Set to zero what [`count`](Self::count) has added to.
    pub(super) fn clear(&self, multiplier: u32, bits: u32, cells: &mut [u16]) {
        for &(gram, byte, _) in &self.grams {
            cells[slot_of(gram, multiplier, bits) * 256 + usize::from(byte)] = 0;
        }
    }
}
