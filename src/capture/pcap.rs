//! The classic format: a file header, then records of a header and a frame.

use super::{
    CaptureError, FRAME_BYTES_MAX, Found, LinkType, Position, at_end, size, source::Source, whole,
};
use pcap_parser::{parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header};
use std::io::Read;
use std::time::Duration;

const FILE_HEADER_BYTES: u32 = 24;
const RECORD_HEADER_BYTES: u32 = 16;

/// The upper bits of the link type field hold the length of a frame check sequence.
const LINK_TYPE_BITS: u32 = 0x03ff_ffff;

/// Whether the input begins with a pcap magic number: microseconds or nanoseconds, either order.
pub(super) fn recognise(head: &[u8]) -> bool {
    let magic = head.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
    matches!(magic, Some(0xa1b2_c3d4 | 0xa1b2_3c4d | 0xd4c3_b2a1 | 0x4d3c_b2a1))
}

/// What the file header says about the records.
pub(super) struct Pcap {
    big_endian: bool,
    nanoseconds: bool,
}

impl Pcap {
    pub(super) fn open<R: Read>(source: &mut Source<R>) -> Result<Self, CaptureError> {
        let window = whole(source, 0, "the file header", FILE_HEADER_BYTES)?;
        let (_, header) = parse_pcap_header(window).expect("24 bytes with a known magic number");
        let (major, minor) = (header.version_major, header.version_minor);
        // Up to 2.3 the two lengths of a record may be swapped; nobody can tell which files.
        if (major, minor) != (2, 4) {
            return Err(CaptureError::Version { format: "pcap", major, minor, supported: "2.4" });
        }
        let found = LinkType(header.network.0.cast_unsigned() & LINK_TYPE_BITS);
        if found != LinkType::ETHERNET {
            return Err(CaptureError::LinkType { found });
        }
        let format = Self {
            big_endian: header.is_bigendian(),
            nanoseconds: header.is_nanosecond_precision(),
        };
        source.consume(size(FILE_HEADER_BYTES));
        Ok(format)
    }

    pub(super) fn next<R: Read>(
        &self,
        source: &mut Source<R>,
        frames: u64,
    ) -> Result<Option<Found>, CaptureError> {
        if at_end(source, frames)? {
            return Ok(None);
        }
        let at = Position { offset: source.offset(), frames };
        let header = whole(source, frames, "a frame header", RECORD_HEADER_BYTES)?;
        let captured = self.captured_len(header);
        if captured > FRAME_BYTES_MAX {
            return Err(CaptureError::FrameTooLong { at, captured, limit: FRAME_BYTES_MAX });
        }
        let bytes = RECORD_HEADER_BYTES + captured;
        let record = whole(source, frames, "a frame", bytes)?;
        let parse = if self.big_endian { parse_pcap_frame_be } else { parse_pcap_frame };
        let (_, block) = parse(record).expect("the record is there as a whole");
        let (original_len, seconds, fraction) = (block.origlen, block.ts_sec, block.ts_usec);

        let kept = source.consume(size(bytes));
        let data = kept.start + size(RECORD_HEADER_BYTES)..kept.end;
        let timestamp = Some(self.timestamp(seconds, fraction));
        Ok(Some(Found { data, original_len, timestamp }))
    }

    /// The captured length in a record header, which is needed before the record is there.
    fn captured_len(&self, header: &[u8]) -> u32 {
        let bytes = *header[8..].first_chunk::<4>().expect("a header of 16 bytes");
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// Fractions of a second and more are carried, as other readers do.
    fn timestamp(&self, seconds: u32, fraction: u32) -> Duration {
        let fraction = u64::from(fraction);
        let fraction = if self.nanoseconds {
            Duration::from_nanos(fraction)
        } else {
            Duration::from_micros(fraction)
        };
        Duration::from_secs(seconds.into()) + fraction
    }
}
