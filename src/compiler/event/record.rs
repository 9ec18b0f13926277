//! One event: what a program says of a matching frame, and the first bytes of that frame.
//!
//! All numbers are little-endian. [`HEADER_BYTES`] are fixed; then come [`Record::notes`], eight bytes
//! each, as many as the header says there is room for; then the captured bytes.
//!
//! A [`Record`] is a view of the bytes of a ring: it does not outlive them.

use crate::compiler::ir::Verdict;

/// Bytes before the notes.
pub const HEADER_BYTES: usize = 48;
/// Bytes of a note.
pub const NOTE_BYTES: usize = 8;
/// Most notes of one record: patterns found beyond are counted only ([`Record::noted`]).
pub const NOTES_MAX: usize = 8;
/// Most bytes of a frame in a record: the longest frame that is searched.
pub const CAPTURED_MAX: u32 = crate::compiler::ir::FRAME_BYTES_MAX;

/// Offset of [`Record::time_ns`], u64.
pub const TIME: i16 = 0;
/// Offset of [`Record::frame_bytes`], u32.
pub const FRAME_LENGTH: i16 = 8;
/// Offset of the number of captured bytes, u32.
pub const CAPTURED: i16 = 12;
/// Offset of [`Record::ifindex`], u32.
pub const IFINDEX: i16 = 16;
/// Offset of [`Record::scope_start`], u32.
pub const SCOPE_START: i16 = 20;
/// Offset of the verdict, u8: `enum xdp_action`, whatever the hook.
pub const VERDICT: i16 = 24;
/// Offset of the direction, u8: a [`Direction`].
pub const DIRECTION: i16 = 25;
/// Offset of the number of notes there is room for, u8: 1 to [`NOTES_MAX`].
pub const NOTE_ROOM: i16 = 26;
/// Offset of [`Record::spared`], u8.
pub const SPARED: i16 = 27;
/// Offset of [`Record::noted`], u32.
pub const NOTED: i16 = 28;
/// Offset of the type of the VLAN tag that the hook took out of the bytes, u16 in network byte
/// order as the kernel has it; 0 if there is none.
pub const VLAN_PROTOCOL: i16 = 32;
/// Offset of that tag, u16 in the byte order of the machine.
pub const VLAN_TAG: i16 = 34;
/// Offset of the CPU, u32.
pub const CPU: i16 = 36;
/// Offset of the number of the frame on that CPU ([`Counter::Frames`](super::Counter::Frames)), u64.
pub const FRAME: i16 = 40;

/// Which way a frame goes, seen from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Direction {
    /// Received.
    Ingress = 0,
    /// About to be sent.
    Egress = 1,
}

impl Direction {
    /// The byte that stands for it.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ingress => 0,
            Self::Egress => 1,
        }
    }

    /// As in machine formats.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// One occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// Position of the pattern in [`Matcher::patterns`](crate::compiler::ir::Matcher); its id is one
    /// more where ids count from 1 without gaps.
    pub index: u32,
    /// Exclusive end of the occurrence, from the start of the scope.
    pub end: u32,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When the verdict was made: `CLOCK_MONOTONIC`, in nanoseconds.
    pub time_ns: u64,
    /// Bytes of the frame as the hook saw it.
    pub frame_bytes: u32,
    /// The first bytes of the frame.
    pub captured: &'a [u8],
    /// The interface.
    pub ifindex: u32,
    /// Where the scope starts in the frame.
    pub scope_start: u32,
    /// What became of the frame. The interface of a redirect is not told: 0.
    pub verdict: Verdict,
    /// Which way it was going.
    pub direction: Direction,
    /// Did it pass only because of dry run, of a deadline or of its source's limit? Then
    /// [`verdict`](Self::verdict) is what it would have got.
    pub spared: bool,
    /// How many times a pattern, or a smaller end of one, was noted. [`notes`](Self::notes) are the
    /// first of them.
    pub noted: u32,
    notes: &'a [u8],
    /// The VLAN tag that the hook took out of the bytes: type (0x8100, 0x88a8) and tag.
    pub vlan: Option<(u16, u16)>,
    /// The CPU.
    pub cpu: u32,
    /// The number of the frame on that CPU, from 1.
    pub frame: u64,
}

/// Bytes that are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Fewer bytes than the record says it has.
    #[error("an event of {bytes} bytes: at least {needed} belong to it")]
    Short {
        /// What there is.
        bytes: usize,
        /// What there should be.
        needed: usize,
    },
    /// A field has a value that no program writes.
    #[error("an event says {what} {value}")]
    Field {
        /// Which.
        what: &'static str,
        /// What stands there.
        value: u64,
    },
}

impl<'a> Record<'a> {
    /// Read a record. Bytes behind it are ignored: rings round sizes up.
    ///
    /// # Errors
    ///
    /// [`RecordError`]: no bytes are trusted, wherever they come from.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let short = |needed| RecordError::Short { bytes: bytes.len(), needed };
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or_else(|| short(HEADER_BYTES))?;
        let byte = |at: i16| header[index(at)];
        let half = |at: i16| u16::from_le_bytes([byte(at), byte(at + 1)]);
        let word =
            |at: i16| u32::from_le_bytes([byte(at), byte(at + 1), byte(at + 2), byte(at + 3)]);
        let wide = |at: i16| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let field = |what, value: u64| RecordError::Field { what, value };
        let room = usize::from(byte(NOTE_ROOM));
        if room == 0 || room > NOTES_MAX {
            return Err(field("room for notes", u64::from(byte(NOTE_ROOM))));
        }
        let captured_len = word(CAPTURED);
        if captured_len > word(FRAME_LENGTH) || captured_len > CAPTURED_MAX {
            return Err(field("captured bytes", u64::from(captured_len)));
        }
        let notes_end = HEADER_BYTES + room * NOTE_BYTES;
        let end = notes_end + usize::try_from(captured_len).expect("u32 fits");
        let captured = bytes.get(notes_end..end).ok_or_else(|| short(end))?;
        let verdict = match byte(VERDICT) {
            0 => Verdict::Abort,
            1 => Verdict::Drop,
            2 => Verdict::Pass,
            3 => Verdict::Tx,
            4 => Verdict::Redirect { ifindex: 0 },
            other => return Err(field("verdict", u64::from(other))),
        };
        let direction = match byte(DIRECTION) {
            0 => Direction::Ingress,
            1 => Direction::Egress,
            other => return Err(field("direction", u64::from(other))),
        };
        let protocol = u16::from_be(half(VLAN_PROTOCOL));
        Ok(Self {
            time_ns: wide(TIME),
            frame_bytes: word(FRAME_LENGTH),
            captured,
            ifindex: word(IFINDEX),
            scope_start: word(SCOPE_START),
            verdict,
            direction,
            spared: byte(SPARED) != 0,
            noted: word(NOTED),
            notes: &bytes[HEADER_BYTES..notes_end],
            vlan: (protocol != 0).then(|| (protocol, half(VLAN_TAG))),
            cpu: word(CPU),
            frame: wide(FRAME),
        })
    }

    /// What was noted, in the order in which it was found. A pattern that comes twice was found again
    /// with a smaller end: the last one counts. [`matches`](Self::matches) has that done.
    pub fn notes(&self) -> impl Iterator<Item = Note> + 'a {
        let written = usize::try_from(self.noted).unwrap_or(usize::MAX);
        let (notes, _) = self.notes.as_chunks::<NOTE_BYTES>();
        notes.iter().take(written).map(|&[a, b, c, d, e, f, g, h]| Note {
            index: u32::from_le_bytes([a, b, c, d]),
            end: u32::from_le_bytes([e, f, g, h]),
        })
    }

    /// The patterns that were found, by position, each once with its smallest end.
    pub fn matches(&self) -> Vec<Note> {
        let mut all: Vec<Note> = Vec::with_capacity(NOTES_MAX);
        for note in self.notes() {
            match all.iter_mut().find(|there| there.index == note.index) {
                Some(there) => there.end = there.end.min(note.end),
                None => all.push(note),
            }
        }
        all.sort_by_key(|note| note.index);
        all
    }

    /// Is there more than [`notes`](Self::notes) tell?
    pub fn is_cut(&self) -> bool {
        usize::try_from(self.noted).is_ok_and(|noted| noted > self.notes.len() / NOTE_BYTES)
    }
}

fn index(at: i16) -> usize {
    usize::from(at.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(7_u64.to_le_bytes());
        bytes.extend(60_u32.to_le_bytes());
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(42_u32.to_le_bytes());
        bytes.extend([1, 1, 2, 1]);
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend([0x81, 0x00]);
        bytes.extend(100_u16.to_le_bytes());
        bytes.extend(5_u32.to_le_bytes());
        bytes.extend(9_u64.to_le_bytes());
        for note in [(4_u32, 30_u32), (4, 20)] {
            bytes.extend(note.0.to_le_bytes());
            bytes.extend(note.1.to_le_bytes());
        }
        bytes.extend(b"abcd and padding");
        bytes
    }

    #[test]
    fn a_record_reads_back_and_what_is_behind_it_is_ignored() {
        let bytes = sample();
        let record = Record::from_bytes(&bytes).unwrap();
        assert_eq!((record.time_ns, record.frame_bytes, record.ifindex), (7, 60, 3));
        assert_eq!((record.scope_start, record.cpu, record.frame), (42, 5, 9));
        assert_eq!((record.verdict, record.direction), (Verdict::Drop, Direction::Egress));
        assert_eq!((record.captured, record.vlan), (&b"abcd"[..], Some((0x8100, 100))));
        assert!(record.spared && record.is_cut());
        assert_eq!(record.matches(), [Note { index: 4, end: 20 }]);
    }

    #[test]
    fn no_prefix_and_no_damaged_byte_of_a_record_panics() {
        let bytes = sample();
        for end in 0..HEADER_BYTES + 2 * NOTE_BYTES + 4 {
            assert!(Record::from_bytes(&bytes[..end]).is_err(), "{end} bytes");
        }
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                if let Ok(record) = Record::from_bytes(&damaged) {
                    let _ = (record.matches(), record.is_cut());
                }
            }
        }
    }

    #[test]
    fn what_no_program_writes_is_an_error_with_its_value() {
        for (at, value, what) in [
            (VERDICT, 5, "verdict"),
            (DIRECTION, 2, "direction"),
            (NOTE_ROOM, 0, "room for notes"),
            (NOTE_ROOM, 9, "room for notes"),
            (CAPTURED, 61, "captured bytes"),
        ] {
            let mut bytes = sample();
            bytes[index(at)] = value;
            let value = u64::from(value);
            assert_eq!(Record::from_bytes(&bytes), Err(RecordError::Field { what, value }));
        }
    }
}
