//! Fingerprint tables: how many literals are looked for at once, or a long one in long strides.
//!
//! A look at position `p` of the packet hashes the gram that begins there to a slot of a small table
//! and compares the byte that is in the slot with the one that stands at `p + check`. If they are
//! equal, one of the literals of that slot may be around `p`. A byte of packet is compared with its
//! sign, a byte of the table without, so a slot that holds 0xff is equal to nothing: only slots in
//! use give false alarms.
//!
//! Only every `stride`-th position is looked at. So of each literal there is, for each remainder
//! modulo `stride`, one gram in the table whose place in the literal has that remainder: however an
//! occurrence lies, exactly one of them is looked at. Which of several possible grams it is, is a
//! matching (`cover`): every slot can hold one byte only, and grams that ordinary text contains
//! cost time (`text`). Literals that find no place in one table go into another, which is one more
//! walk over the packet (`group`).
//!
//! Everything here is a function of the literals: searches are limited by counts, never by a clock.

mod cover;
mod group;
mod text;

pub use group::{Plan, plan};

/// A literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// Its bytes; at least one.
    pub bytes: &'a [u8],
    /// Do ASCII letters match in either case?
    pub ignore_case: bool,
}

/// What one look reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Bytes that are hashed: 1, 2 or 4.
    pub gram_bytes: usize,
    /// Which byte is compared, counted from the position that is looked at.
    pub check: usize,
}

impl Look {
    /// Bytes that it reads.
    pub const fn span(self) -> usize {
        if self.gram_bytes > self.check { self.gram_bytes } else { self.check + 1 }
    }

    /// The gram at the start of `bytes`.
    fn gram(self, bytes: &[u8]) -> u32 {
        let mut gram = [0; 4];
        gram[..self.gram_bytes].copy_from_slice(&bytes[..self.gram_bytes]);
        u32::from_le_bytes(gram)
    }
}

/// A literal of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Which: position in what [`plan`] was given.
    pub word: usize,
    /// Where in it the gram begins.
    pub at: usize,
}

/// A slot in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its number.
    pub number: usize,
    /// The byte it holds.
    pub byte: u8,
    /// The literals that may be there if a look finds it.
    pub members: Vec<Member>,
}

/// One table, for one walk over the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What a look reads.
    pub look: Look,
    /// Every so many positions there is a look.
    pub stride: usize,
    /// Binary logarithm of its slots: 7 to 9.
    pub bits: u32,
    /// What grams are multiplied by; the upper [`bits`](Self::bits) of the 32-bit product are the
    /// slot.
    pub multiplier: u32,
    /// Is bit 5 of every byte set before it is looked at, because some literal ignores case?
    pub folds: bool,
    /// Is the packet's byte compared with its sign? If not, literals may consist of bytes from 0x80
    /// on, and empty slots give false alarms too.
    pub signed: bool,
    /// The slots in use, in ascending order.
    pub slots: Vec<Slot>,
}

/// What an empty slot holds where bytes are compared without sign: never a byte of UTF-8.
const EMPTY_UNSIGNED: u8 = 0xf5;
/// What an empty slot holds where bytes are compared with their sign.
const EMPTY: u8 = 0xff;

impl Table {
    /// All its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![if self.signed { EMPTY } else { EMPTY_UNSIGNED }; 1 << self.bits];
        for slot in &self.slots {
            bytes[slot.number] = slot.byte;
        }
        bytes
    }

    /// The `more` bits that follow the slot in the product of the gram at the start of `bytes`, which
    /// are at least a gram.
    pub fn below_slot(&self, bytes: &[u8], more: u32) -> usize {
        let gram = &bytes[..self.look.gram_bytes];
        let gram = if self.folds { self.look.gram(&folded(gram)) } else { self.look.gram(gram) };
        slot_of(gram, self.multiplier, self.bits + more) % (1 << more)
    }

    /// The same, with other numbers for the literals: `numbers[n]` instead of `n`, in the same order.
    #[must_use]
    pub fn renumbered(mut self, numbers: &[usize]) -> Self {
        for member in self.slots.iter_mut().flat_map(|slot| &mut slot.members) {
            member.word = numbers[member.word];
        }
        self
    }

    /// The literals, each once, in ascending order.
    pub fn words(&self) -> Vec<usize> {
        let members = self.slots.iter().flat_map(|slot| &slot.members);
        let mut words: Vec<usize> = members.map(|member| member.word).collect();
        words.sort_unstable();
        words.dedup();
        words
    }
}

/// The slot of a gram.
fn slot_of(gram: u32, multiplier: u32, bits: u32) -> usize {
    usize::try_from(gram.wrapping_mul(multiplier) >> (32 - bits)).expect("at most 12 bits")
}

/// What bit 5 set in every byte makes of `bytes`: letters in one case, and no byte above 0x7f below.
fn folded(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte | 0x20).collect()
}

#[cfg(test)]
mod tests;
