//! The pcap writer: little-endian, Ethernet, version 2.4.

use super::{FRAME_BYTES_MAX, LinkType};
use std::io::{self, Write};
use std::time::Duration;

/// How fine the time stamps of a pcap file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Understood by every reader.
    Microseconds,
    /// Understood by libpcap from 1.5 and by Wireshark.
    Nanoseconds,
}

/// Writes Ethernet frames as a pcap file.
///
/// It writes to the underlying writer twice a frame: give it a `BufWriter`.
pub struct Writer<W> {
    writer: W,
    resolution: Resolution,
}

impl<W: Write> Writer<W> {
    /// Write the file header, with [`FRAME_BYTES_MAX`] as snap length.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn new(mut writer: W, resolution: Resolution) -> io::Result<Self> {
        let magic: u32 = match resolution {
            Resolution::Microseconds => 0xa1b2_c3d4,
            Resolution::Nanoseconds => 0xa1b2_3c4d,
        };
        let mut header = [0; 24];
        header[0..4].copy_from_slice(&magic.to_le_bytes());
        header[4..6].copy_from_slice(&2_u16.to_le_bytes());
        header[6..8].copy_from_slice(&4_u16.to_le_bytes());
        header[16..20].copy_from_slice(&FRAME_BYTES_MAX.to_le_bytes());
        header[20..24].copy_from_slice(&LinkType::ETHERNET.0.to_le_bytes());
        writer.write_all(&header)?;
        Ok(Self { writer, resolution })
    }

    /// Write a frame that was captured as a whole; `timestamp` is the time since 1970.
    ///
    /// # Errors
    ///
    /// As [`write_cut`](Self::write_cut).
    pub fn write(&mut self, data: &[u8], timestamp: Duration) -> io::Result<()> {
        let original_len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.write_cut(data, original_len, timestamp)
    }

    /// Write the captured bytes of a frame that had `original_len` bytes on the wire.
    ///
    /// # Errors
    ///
    /// Those of the writer; `InvalidInput`, before anything is written, if `data` is longer than
    /// [`FRAME_BYTES_MAX`] or `timestamp` does not fit into 32 bits of seconds (until 2106).
    pub fn write_cut(
        &mut self,
        data: &[u8],
        original_len: u32,
        timestamp: Duration,
    ) -> io::Result<()> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let captured = u32::try_from(data.len()).ok().filter(|len| *len <= FRAME_BYTES_MAX);
        let captured = captured.ok_or_else(|| {
            invalid(format!("a frame of {} bytes; the limit is {FRAME_BYTES_MAX}", data.len()))
        })?;
        let seconds = u32::try_from(timestamp.as_secs()).map_err(|_| {
            invalid(format!("{} seconds since 1970; pcap holds {}", timestamp.as_secs(), u32::MAX))
        })?;
        let fraction = match self.resolution {
            Resolution::Microseconds => timestamp.subsec_micros(),
            Resolution::Nanoseconds => timestamp.subsec_nanos(),
        };
        let mut header = [0; 16];
        let fields = [seconds, fraction, captured, original_len];
        for (place, field) in header.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        self.writer.write_all(&header)?;
        self.writer.write_all(data)
    }

    /// Flush and give the writer back.
    ///
    /// # Errors
    ///
    /// Those of flushing: bytes that a `BufWriter` still held may be lost.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.flush()?;
        Ok(self.writer)
    }
}
