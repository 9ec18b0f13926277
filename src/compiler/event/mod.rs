//! What a generated program writes into its maps, and how to read it: one layout for the writer
//! (codegen) and the readers (vm, loader, command line).
//!
//! Map 0, `counters`, is a per-CPU array of one [`Counters`], behind which a
//! program with events keeps notes of the frame it is about. Map 1, `hits`, is a per-CPU array of
//! one [`Hit`] a pattern, in the order of [`Matcher::patterns`](super::ir::Matcher). Both hold
//! native little-endian 64-bit numbers. A program with events sends a [`Record`](record::Record) of
//! every matching frame through the map [`EVENTS_MAP`]. The map [`CONTROL_MAP`](control::CONTROL_MAP)
//! goes the other way. Further maps (scratch) hold no results.

pub mod control;
pub mod record;

use super::ir::Verdict;

/// Index of the map of counters in the image.
pub const COUNTERS_MAP: usize = 0;
/// Index of the map of hits in the image.
pub const HITS_MAP: usize = 1;

/// Name of the map through which events come: a ring buffer, or a perf event array.
pub const EVENTS_MAP: &str = "events";
/// Name of the map in which each CPU puts its record together.
pub const RECORD_MAP: &str = "record";
/// Name of the map of what sources sent lately.
pub const SOURCES_MAP: &str = "sources";

/// A field of [`Counters`], by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Counter {
    /// Frames seen.
    Frames = 0,
    /// Their bytes.
    Bytes = 1,
    /// Frames without the scope.
    OutOfScope = 2,
    /// Frames in scope that could not be searched whole and in which nothing was found.
    Unsearched = 3,
    /// Frames in which a pattern was found.
    Matched = 4,
    /// Frames searched whole in which none was found.
    Missed = 5,
    /// Frames that got the verdict `pass`.
    Pass = 6,
    /// Frames that got the verdict `drop`.
    Drop = 7,
    /// Frames that got the verdict `abort`.
    Abort = 8,
    /// Frames that got the verdict `tx`.
    Tx = 9,
    /// Frames that got the verdict `redirect`.
    Redirect = 10,
    /// Frames that passed although their verdict was another: dry run, or a deadline gone by. They
    /// are counted under `Pass`, too.
    Spared = 11,
    /// Frames that passed although their verdict was another, because their source is below its
    /// limit. They are counted under `Pass`, too.
    WithinLimit = 12,
    /// Frames of which an event was handed over.
    Events = 13,
    /// Frames of which there was no room for an event.
    EventsLost = 14,
    /// Frames of which no event was made, because of the sample or of the rate.
    EventsSkipped = 15,
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// Position in the record, in 64-bit words.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The counter of this verdict.
    pub const fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Drop => Self::Drop,
            Verdict::Abort => Self::Abort,
            Verdict::Tx => Self::Tx,
            Verdict::Redirect { .. } => Self::Redirect,
        }
    }
}

/// Bytes of a [`Counters`] record.
pub const COUNTERS_BYTES: usize = Counter::COUNT * 8;
/// Offset, behind the counters of a program with events, of the number of the frame that the notes
/// behind it are about, u64.
pub const NOTES_FRAME: i16 = 128;
/// Offset of how many notes there were, u64.
pub const NOTED: i16 = 136;
/// Offset of the first [`NOTES_MAX`](record::NOTES_MAX) of them: index and end, u32 each.
pub const NOTES: i16 = 144;
/// Bytes of the counters with the notes.
pub const COUNTERS_AND_NOTES_BYTES: usize = 144 + record::NOTES_MAX * record::NOTE_BYTES;
/// Bytes of a [`Hit`] record.
pub const HIT_BYTES: usize = 24;
/// Offset of [`Hit::hits`].
pub const HIT_HITS: i16 = 0;
/// Offset of [`Hit::frame`].
pub const HIT_FRAME: i16 = 8;
/// Offset of [`Hit::end`].
pub const HIT_END: i16 = 16;

/// The counters of one CPU, or a sum of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters([u64; Counter::COUNT]);

impl Counters {
    /// Read a record; nothing if `bytes` is shorter than [`COUNTERS_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut all = [0; Counter::COUNT];
        let (words, _) = bytes.get(..COUNTERS_BYTES)?.as_chunks::<8>();
        for (to, word) in all.iter_mut().zip(words) {
            *to = u64::from_le_bytes(*word);
        }
        Some(Self(all))
    }

    /// One counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter.index()]
    }

    /// Count one more.
    pub fn add(&mut self, counter: Counter, more: u64) {
        self.0[counter.index()] = self.0[counter.index()].wrapping_add(more);
    }

    /// Add what another CPU counted.
    pub fn merge(&mut self, other: &Self) {
        for (to, from) in self.0.iter_mut().zip(other.0) {
            *to = to.wrapping_add(from);
        }
    }

    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut all = *self;
        for (to, from) in all.0.iter_mut().zip(earlier.0) {
            *to = to.wrapping_sub(from);
        }
        all
    }
}

/// What one CPU noted of one pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hit {
    /// Frames in which the pattern was found.
    pub hits: u64,
    /// The value of [`Counter::Frames`] on this CPU when it was last found: tells whether the
    /// record is about the current frame.
    pub frame: u64,
    /// Exclusive end of the occurrence found in that frame, from the start of the scope.
    pub end: u64,
}

impl Hit {
    /// Read a record; nothing if `bytes` is shorter than [`HIT_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, _) = bytes.get(..HIT_BYTES)?.as_chunks::<8>();
        let word = |at: usize| u64::from_le_bytes(words[at]);
        Some(Self { hits: word(0), frame: word(1), end: word(2) })
    }
}
