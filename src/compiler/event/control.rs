//! What can be switched while a program runs: the one value of the map [`CONTROL_MAP`].
//!
//! A program with [`Options::controls`](crate::compiler::Options) reads it for every frame that gets
//! another verdict than `pass`, and before every event. All zeros, as the map is at first, switches
//! nothing on. Whoever changes it writes the whole value: reads it, changes a field, writes it back.
//! A frame that is decided meanwhile sees some of the new fields and some of the old.

/// Name of the map in the image.
pub const CONTROL_MAP: &str = "control";
/// Bytes of its value.
pub const CONTROL_BYTES: usize = 64;

/// Offset of [`Control::dry_run`], u32.
pub const DRY_RUN: i16 = 0;
/// Offset of [`Control::sample`], u32.
pub const SAMPLE: i16 = 4;
/// Offset of [`Control::rate`], u32.
pub const RATE: i16 = 8;
/// Offset of [`Control::limit_pps`], u32.
pub const LIMIT_PPS: i16 = 12;
/// Offset of [`Control::deadline_ns`], u64.
pub const DEADLINE: i16 = 16;
/// Offset of [`Control::epoch`], u64.
pub const EPOCH: i16 = 24;
/// Offset of [`Control::count`], u64.
pub const COUNT: i16 = 32;

/// What is switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Control {
    /// Let every frame pass, and count those that would not have
    /// ([`Counter::Spared`](super::Counter::Spared)).
    pub dry_run: bool,
    /// Make an event of the first of every so many matching frames of a CPU; 0 and 1: of each.
    pub sample: u32,
    /// Make at most so many events in a second of the clock, on all CPUs together; 0: any number.
    /// CPUs that meet at the turn of a second may make a few more.
    pub rate: u32,
    /// Matching frames of one source that pass in a second before the verdict is carried out; 0: none.
    /// Only in programs with [`Options::source_limit`](crate::compiler::Options).
    pub limit_pps: u32,
    /// From this time on every frame passes as in a dry run: `CLOCK_MONOTONIC`, in nanoseconds. 0:
    /// never.
    pub deadline_ns: u64,
    /// The second in which [`count`](Self::count) was counted. The program's own: write back what was
    /// read.
    pub epoch: u64,
    /// Events made in that second. The program's own, too.
    pub count: u64,
}

impl Control {
    /// Read a value; nothing if `bytes` is shorter than [`CONTROL_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; CONTROL_BYTES] = bytes.first_chunk()?;
        let word = |at: i16| {
            let at = index(at);
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let wide = |at: i16| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        Some(Self {
            dry_run: word(DRY_RUN) != 0,
            sample: word(SAMPLE),
            rate: word(RATE),
            limit_pps: word(LIMIT_PPS),
            deadline_ns: wide(DEADLINE),
            epoch: wide(EPOCH),
            count: wide(COUNT),
        })
    }

    /// The value as the map holds it.
    pub fn to_bytes(&self) -> [u8; CONTROL_BYTES] {
        let mut bytes = [0; CONTROL_BYTES];
        let mut put = |at: i16, field: &[u8]| {
            bytes[index(at)..index(at) + field.len()].copy_from_slice(field);
        };
        put(DRY_RUN, &u32::from(self.dry_run).to_le_bytes());
        put(SAMPLE, &self.sample.to_le_bytes());
        put(RATE, &self.rate.to_le_bytes());
        put(LIMIT_PPS, &self.limit_pps.to_le_bytes());
        put(DEADLINE, &self.deadline_ns.to_le_bytes());
        put(EPOCH, &self.epoch.to_le_bytes());
        put(COUNT, &self.count.to_le_bytes());
        bytes
    }
}

fn index(at: i16) -> usize {
    usize::from(at.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_back_and_all_zeros_switch_nothing_on() {
        let control = Control {
            dry_run: true,
            sample: 2,
            rate: 0x0102_0304,
            limit_pps: 4,
            deadline_ns: 0x0506_0708_090a_0b0c,
            epoch: 6,
            count: 7,
        };
        let bytes = control.to_bytes();
        assert_eq!(Control::from_bytes(&bytes), Some(control));
        assert_eq!(
            &bytes[..24],
            b"\x01\0\0\0\x02\0\0\0\x04\x03\x02\x01\x04\0\0\0\x0c\x0b\x0a\x09\x08\x07\x06\x05"
        );
        assert_eq!(Control::from_bytes(&[0; CONTROL_BYTES]), Some(Control::default()));
        assert_eq!(Control::from_bytes(&bytes[1..]), None);
    }
}
