//! Packet captures: pcap and pcapng, read without trusting a single length in them, and written.
//! And what the first bytes of a frame tell of it ([`flow`]).
//!
//! [`Reader`] recognises the format by the first bytes: pcap in both byte orders and both time
//! resolutions; pcapng with any number of sections and interfaces, in either byte order, with
//! enhanced, simple and obsolete packet blocks, other blocks being stepped over.
//!
//! The headers are decoded by the `pcap-parser` crate. Its streaming readers are not used: they
//! drop the cause of a read error, want the whole first block in one `read`, fail on blocks
//! larger than their buffer even when those are only skipped, and take a length that contradicts
//! its block for a reason to read on. So the framing, and with it every limit, is here.
//!
//! Guarantees: every frame before a damaged place is handed out, then one error says what is
//! wrong, at which byte and after which frame; memory is bounded by [`BLOCK_BYTES_MAX`] and
//! [`INTERFACES_MAX`], whatever the input claims; no input panics or is read forever.
//!
//! It does not: resynchronise behind damage, decompress, or read link types other than Ethernet.

mod error;
pub mod flow;
mod link_type;
mod pcap;
mod pcapng;
pub mod pcapng_writer;
mod source;
mod write;

#[cfg(test)]
mod tests;

pub use error::{CaptureError, Position};
pub use flow::Flow;
pub use link_type::LinkType;
pub use write::{Resolution, Writer};

use source::Source;
use std::io::Read;
use std::ops::Range;
use std::time::Duration;

/// Longest frame that is read, in captured bytes: libpcap's own limit for Ethernet.
pub const FRAME_BYTES_MAX: u32 = 256 * 1024;

/// Longest pcapng block that is looked into, in bytes: a frame with three times as many bytes of
/// options. Blocks that are only stepped over may have any length.
pub const BLOCK_BYTES_MAX: u32 = 4 * FRAME_BYTES_MAX;

/// Most interfaces in one pcapng section; the reader keeps a few bytes for each.
pub const INTERFACES_MAX: u32 = 65_536;

/// One frame of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its number in the capture, from 1, across sections and interfaces.
    pub number: u64,
    /// The captured bytes; fewer than `original_len` if the capture had a snap length.
    pub data: &'a [u8],
    /// Length of the frame on the wire, in bytes, as the capture says.
    pub original_len: u32,
    /// Time since 1970-01-01 00:00 UTC; `None` for pcapng's simple packets, which have no time.
    pub timestamp: Option<Duration>,
}

/// Reads the frames of a capture, one at a time, from anything that can be read.
///
/// The reader buffers; wrapping the input in a `BufReader` gains nothing.
///
/// ```
/// use hardwire::capture::{Reader, Resolution, Writer};
/// use std::time::Duration;
///
/// let mut file = Vec::new();
/// let mut writer = Writer::new(&mut file, Resolution::Nanoseconds)?;
/// writer.write(b"fourteen bytes", Duration::from_secs(1))?;
///
/// let mut reader = Reader::new(file.as_slice())?;
/// while let Some(frame) = reader.next_frame()? {
///     assert_eq!((frame.number, frame.data), (1, &b"fourteen bytes"[..]));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reader<R> {
    source: Source<R>,
    format: Format,
    frames: u64,
    /// The end was reached or an error was returned.
    finished: bool,
}

enum Format {
    Pcap(pcap::Pcap),
    Pcapng(pcapng::Pcapng),
}

/// A frame whose bytes are still in the source's buffer.
struct Found {
    data: Range<usize>,
    original_len: u32,
    timestamp: Option<Duration>,
}

impl<R: Read> Reader<R> {
    /// Recognise the format and read the header.
    ///
    /// # Errors
    ///
    /// The input is empty, not a capture, of an unsupported version, cut off within the header,
    /// or cannot be read; or it is a pcap file of another link type than Ethernet.
    pub fn new(reader: R) -> Result<Self, CaptureError> {
        let mut source = Source::new(reader);
        let start = Position { offset: 0, frames: 0 };
        let head = source.peek(8).map_err(|source| CaptureError::Read { at: start, source })?;
        if head.is_empty() {
            return Err(CaptureError::Empty);
        }
        let format = if pcap::recognise(head) {
            Format::Pcap(pcap::Pcap::open(&mut source)?)
        } else if pcapng::recognise(head) {
            Format::Pcapng(pcapng::Pcapng::open(&mut source)?)
        } else {
            return Err(error::not_a_capture(head));
        };
        Ok(Self { source, format, frames: 0, finished: false })
    }

    /// The next frame, or `None` behind the last one and after an error.
    ///
    /// # Errors
    ///
    /// The capture is damaged or cut off here, the frame is above [`FRAME_BYTES_MAX`], its
    /// interface has another link type than Ethernet, or the input cannot be read.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        if self.finished {
            return Ok(None);
        }
        let found = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.source, self.frames),
            Format::Pcapng(pcapng) => pcapng.next(&mut self.source, self.frames),
        };
        let Ok(Some(Found { data, original_len, timestamp })) = found else {
            self.finished = true;
            return found.map(|_| None);
        };
        self.frames += 1;
        let data = self.source.kept(data);
        Ok(Some(Frame { number: self.frames, data, original_len, timestamp }))
    }
}

/// The window of `bytes` bytes, which begins with the record `what`, or why it is not there.
fn whole<'a, R: Read>(
    source: &'a mut Source<R>,
    frames: u64,
    what: &'static str,
    bytes: u32,
) -> Result<&'a [u8], CaptureError> {
    let at = Position { offset: source.offset(), frames };
    let bytes = size(bytes);
    let window = source.peek(bytes).map_err(|source| CaptureError::Read { at, source })?;
    if window.len() < bytes {
        let (needed, left) = (bytes as u64, window.len() as u64);
        return Err(CaptureError::CutOff { at, what, needed, left });
    }
    Ok(window)
}

/// Whether anything follows.
fn at_end<R: Read>(source: &mut Source<R>, frames: u64) -> Result<bool, CaptureError> {
    let at = Position { offset: source.offset(), frames };
    let next = source.peek(1).map_err(|source| CaptureError::Read { at, source })?;
    Ok(next.is_empty())
}

fn size(bytes: u32) -> usize {
    usize::try_from(bytes).expect("Linux has no 16-bit machines")
}
