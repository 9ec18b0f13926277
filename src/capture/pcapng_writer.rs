//! The pcapng writer: one section, little-endian, any number of interfaces, nanoseconds, comments.
//!
//! Blocks are put together in a buffer of its own and written many at a time, whole ones only. If the
//! output fails in between (a full disk), [`WriteError`] says how many bytes it took and where the last
//! whole block ends, so that a file can be cut there; a file that is not cut has at most one block that
//! is not whole, its last, behind which nothing follows.
//!
//! It does not: compress, rotate, or read a clock.
//!
//! <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html>

use std::io::{self, Write};
use std::time::Duration;

use super::{FRAME_BYTES_MAX, LinkType};

const SECTION: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// `if_tsresol`: ticks of 10^-9 seconds.
const NANOSECONDS: u8 = 9;

/// Bytes of blocks that are kept until they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// Most bytes of one text (comment, name) in a capture; longer ones are cut.
pub const TEXT_BYTES_MAX: usize = 4096;

/// Writes a capture.
///
/// ```
/// use hardwire::capture::LinkType;
/// use hardwire::capture::pcapng_writer::{Interface, Packet, Writer};
/// use std::time::Duration;
///
/// let mut writer = Writer::new(Vec::new(), "example 1.0");
/// let eth0 = writer.interface(&Interface::new("eth0", LinkType::ETHERNET))?;
/// writer.packet(&Packet {
///     comment: "#1 \"GET /admin\" at byte 0",
///     ..Packet::new(eth0, Duration::from_secs(1), b"fourteen bytes")
/// })?;
/// let file = writer.finish()?;
/// # assert_eq!(file.len() % 4, 0);
/// # Ok::<(), hardwire::capture::pcapng_writer::WriteError>(())
/// ```
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
    /// Blocks that the output has not taken, and of the first perhaps a part that it has.
    buffer: Vec<u8>,
    /// Bytes of the buffer that the output has taken.
    taken: usize,
    written: Written,
    interfaces: u32,
}

/// How far the output has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes that the output took.
    pub bytes: u64,
    /// Where among them the last whole block ends.
    pub whole_bytes: u64,
    /// Packets that were handed over, those that are still in the buffer among them.
    pub packets: u64,
    /// Packets of which the output took the whole block.
    pub whole_packets: u64,
}

/// Which interface of this capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceId(u32);

/// What is said of an interface.
#[derive(Clone, Copy, Debug)]
pub struct Interface<'a> {
    /// Its name.
    pub name: &'a str,
    /// What its frames begin with.
    pub link_type: LinkType,
    /// Most bytes captured of a frame; 0 is no limit.
    pub snap_len: u32,
    /// More words about it: what is attached there. May be empty.
    pub description: &'a str,
}

impl<'a> Interface<'a> {
    /// An interface without a limit and without words.
    pub const fn new(name: &'a str, link_type: LinkType) -> Self {
        Self { name, link_type, snap_len: 0, description: "" }
    }
}

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Received.
    Inbound,
    /// Sent.
    Outbound,
}

/// What a program said of a packet (`epb_verdict`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A number of `TC_ACT_…`.
    Tc(u64),
    /// A number of `enum xdp_action`.
    Xdp(u64),
}

/// One packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Where it was seen.
    pub interface: InterfaceId,
    /// When, since 1970-01-01 00:00 UTC.
    pub time: Duration,
    /// The captured bytes, at most [`FRAME_BYTES_MAX`].
    pub data: &'a [u8],
    /// Bytes of the packet itself.
    pub original_len: u32,
    /// Which way it went, if that is known.
    pub direction: Option<Direction>,
    /// What became of it, if a program said so.
    pub verdict: Option<Verdict>,
    /// Words about it; may be empty.
    pub comment: &'a str,
}

impl<'a> Packet<'a> {
    /// A packet that was captured whole, and nothing said about it.
    pub fn new(interface: InterfaceId, time: Duration, data: &'a [u8]) -> Self {
        let original_len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let (direction, verdict) = (None, None);
        Self { interface, time, data, original_len, direction, verdict, comment: "" }
    }
}

/// What was counted on an interface. Each is left out if it is not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// When counting began, since 1970.
    pub start: Option<Duration>,
    /// When it ended, since 1970.
    pub end: Option<Duration>,
    /// Packets that the interface received (`isb_ifrecv`).
    pub received: Option<u64>,
    /// Packets that are missing here for lack of room: what readers show as dropped (`isb_ifdrop`).
    pub dropped: Option<u64>,
    /// Packets that the filter took (`isb_filteraccept`).
    pub accepted: Option<u64>,
    /// Packets that were handed over (`isb_usrdeliv`).
    pub delivered: Option<u64>,
}

/// The output did not take a capture, or a packet does not fit into one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The output failed.
    #[error(
        "cannot write the capture: {} bytes were written, {} of them are whole blocks",
        at.bytes, at.whole_bytes
    )]
    Output {
        /// How far it came.
        at: Written,
        /// Why.
        source: io::Error,
    },
    /// A frame above the limit.
    #[error("a packet of {bytes} bytes; a capture takes {limit}")]
    TooLong {
        /// What it has.
        bytes: usize,
        /// [`FRAME_BYTES_MAX`].
        limit: u32,
    },
    /// A time that 64 bits of nanoseconds do not hold.
    #[error("a packet of {seconds} seconds since 1970; a capture takes 18446744073 (until 2554)")]
    Time {
        /// The time.
        seconds: u64,
    },
    /// An interface that was not described to this writer.
    #[error("a packet of interface {interface}; the capture has described {described}")]
    Interface {
        /// Which.
        interface: u32,
        /// How many there are.
        described: u32,
    },
}

impl<W: Write> Writer<W> {
    /// Begin a capture that says it was written by `application`. Nothing is written yet.
    pub fn new(sink: W, application: &str) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES + BUFFER_BYTES / 4);
        let mut writer =
            Self { sink, buffer, taken: 0, written: Written::default(), interfaces: 0 };
        let mut block = Block::begin(&mut writer.buffer, SECTION);
        block.u32(BYTE_ORDER_MAGIC);
        // Version 1.0, and a length of the section that is not told (-1).
        block.u32(1);
        block.u64(u64::MAX);
        block.text(3, "Linux");
        block.text(4, application);
        block.end();
        writer
    }

    /// Describe one more interface.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn interface(&mut self, interface: &Interface<'_>) -> Result<InterfaceId, WriteError> {
        self.make_room()?;
        let mut block = Block::begin(&mut self.buffer, INTERFACE);
        // Link types of pcapng have 16 bits, and 16 reserved ones behind them.
        block.u32(interface.link_type.0 & 0xffff);
        block.u32(interface.snap_len);
        block.text(2, interface.name);
        block.text(3, interface.description);
        block.option(9, &[NANOSECONDS]);
        block.end();
        let id = InterfaceId(self.interfaces);
        self.interfaces += 1;
        Ok(id)
    }

    /// Write one packet.
    ///
    /// # Errors
    ///
    /// Those of the output; and, before anything of it is written, a packet that does not fit: of more
    /// than [`FRAME_BYTES_MAX`] bytes, after the year 2554, or of an interface of another capture.
    pub fn packet(&mut self, packet: &Packet<'_>) -> Result<(), WriteError> {
        let bytes = packet.data.len();
        let captured = u32::try_from(bytes).ok().filter(|bytes| *bytes <= FRAME_BYTES_MAX);
        let captured = captured.ok_or(WriteError::TooLong { bytes, limit: FRAME_BYTES_MAX })?;
        let ticks = ticks(packet.time)?;
        let id = self.described(packet.interface)?;

        self.make_room()?;
        let mut block = Block::begin(&mut self.buffer, ENHANCED_PACKET);
        block.u32(id);
        block.time(ticks);
        block.u32(captured);
        block.u32(packet.original_len.max(captured));
        block.padded(packet.data);
        block.text(1, packet.comment);
        if let Some(direction) = packet.direction {
            let flags: u32 = match direction {
                Direction::Inbound => 1,
                Direction::Outbound => 2,
            };
            block.option(2, &flags.to_le_bytes());
        }
        if let Some(verdict) = packet.verdict {
            let (kind, number) = match verdict {
                Verdict::Tc(number) => (1, number),
                Verdict::Xdp(number) => (2, number),
            };
            let mut value = [kind; 9];
            value[1..].copy_from_slice(&number.to_le_bytes());
            block.option(7, &value);
        }
        block.end();
        self.written.packets += 1;
        Ok(())
    }

    /// Write what was counted on `interface` until `time`. Belongs at the end of a capture.
    ///
    /// # Errors
    ///
    /// As [`packet`](Self::packet).
    pub fn statistics(
        &mut self,
        interface: InterfaceId,
        time: Duration,
        statistics: &Statistics,
    ) -> Result<(), WriteError> {
        let id = self.described(interface)?;
        let Statistics { start, end, received, dropped, accepted, delivered } = statistics;
        let (now, start, end) =
            (ticks(time)?, start.map(ticks).transpose()?, end.map(ticks).transpose()?);
        self.make_room()?;
        let mut block = Block::begin(&mut self.buffer, STATISTICS);
        block.u32(id);
        block.time(now);
        for (code, ticks) in [(2, start), (3, end)] {
            if let Some(ticks) = ticks {
                block.option(code, &halves(ticks));
            }
        }
        for (code, count) in [(4, received), (5, dropped), (6, accepted), (8, delivered)] {
            if let Some(count) = count {
                block.option(code, &count.to_le_bytes());
            }
        }
        block.end();
        Ok(())
    }

    /// How far the output has come.
    pub fn written(&self) -> Written {
        self.written
    }

    /// What the capture is written to.
    pub fn get_ref(&self) -> &W {
        &self.sink
    }

    /// What the capture is written to: to cut a file behind its last whole block after an error.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.sink
    }

    /// Write everything there is, so that a reader of the output sees it.
    ///
    /// # Errors
    ///
    /// Those of the output. What it did not take is kept, and written with the next call.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.write_buffer()?;
        let at = self.written;
        self.sink.flush().map_err(|source| WriteError::Output { at, source })
    }

    /// Write everything there is and give the output back.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.flush()?;
        Ok(self.sink)
    }

    fn described(&self, interface: InterfaceId) -> Result<u32, WriteError> {
        let (InterfaceId(interface), described) = (interface, self.interfaces);
        if interface >= described {
            return Err(WriteError::Interface { interface, described });
        }
        Ok(interface)
    }

    /// Room for one more block. Before it is put together, so that a block that is refused for an
    /// error of the output is not in the capture, and the buffer never grows past its size and a block.
    fn make_room(&mut self) -> Result<(), WriteError> {
        if self.buffer.len() < BUFFER_BYTES {
            return Ok(());
        }
        self.write_buffer()
    }

    fn write_buffer(&mut self) -> Result<(), WriteError> {
        let mut result = Ok(());
        while result.is_ok() && self.taken < self.buffer.len() {
            match self.sink.write(&self.buffer[self.taken..]) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.taken += bytes;
                    self.written.bytes += as_u64(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => result = Err(error),
            }
        }
        let (whole, packets) = whole_blocks(&self.buffer[..self.taken]);
        self.written.whole_packets += packets;
        self.written.whole_bytes = self.written.bytes - as_u64(self.taken - whole);
        // Of a block that was taken in part the begin is kept: where it ends is said there.
        self.buffer.drain(..whole);
        self.taken -= whole;
        let at = self.written;
        result.map_err(|source| WriteError::Output { at, source })
    }
}

/// How many of these bytes are whole blocks, and how many of those are packets. They begin with one.
fn whole_blocks(bytes: &[u8]) -> (usize, u64) {
    let (mut at, mut packets) = (0, 0);
    while let Some([a, b, c, d, length @ ..]) =
        bytes.get(at..).and_then(|rest| rest.first_chunk::<8>())
    {
        let length =
            usize::try_from(u32::from_le_bytes(*length)).expect("Linux has no 16-bit machines");
        if at + length > bytes.len() {
            break;
        }
        packets += u64::from(u32::from_le_bytes([*a, *b, *c, *d]) == ENHANCED_PACKET);
        at += length;
    }
    (at, packets)
}

/// A block that is being put together at the end of a buffer.
struct Block<'a> {
    buffer: &'a mut Vec<u8>,
    start: usize,
    options: bool,
}

impl<'a> Block<'a> {
    fn begin(buffer: &'a mut Vec<u8>, kind: u32) -> Self {
        let start = buffer.len();
        buffer.extend(kind.to_le_bytes());
        buffer.extend([0; 4]);
        Self { buffer, start, options: false }
    }

    fn u32(&mut self, value: u32) {
        self.buffer.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.buffer.extend(value.to_le_bytes());
    }

    fn time(&mut self, ticks: u64) {
        self.buffer.extend(halves(ticks));
    }

    /// `bytes`, and zeros up to the next multiple of four.
    fn padded(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
        let zeros = bytes.len().next_multiple_of(4) - bytes.len();
        self.buffer.extend(&[0; 3][..zeros]);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let bytes = u16::try_from(value.len()).expect("numbers, and texts of TEXT_BYTES_MAX");
        self.buffer.extend(code.to_le_bytes());
        self.buffer.extend(bytes.to_le_bytes());
        self.padded(value);
        self.options = true;
    }

    /// A text of at most [`TEXT_BYTES_MAX`] bytes; an empty one is left out.
    fn text(&mut self, code: u16, text: &str) {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        if !text.is_empty() {
            self.option(code, text.as_bytes());
        }
    }

    fn end(self) {
        if self.options {
            // The end of options: code 0, length 0.
            self.buffer.extend([0; 4]);
        }
        let bytes = self.buffer.len() + 4 - self.start;
        let bytes = u32::try_from(bytes).expect("a frame and a few texts").to_le_bytes();
        self.buffer.extend(bytes);
        self.buffer[self.start + 4..self.start + 8].copy_from_slice(&bytes);
    }
}

/// A time as it stands in blocks: the upper half first, each half little-endian.
fn halves(ticks: u64) -> [u8; 8] {
    ticks.rotate_left(32).to_le_bytes()
}

fn ticks(time: Duration) -> Result<u64, WriteError> {
    u64::try_from(time.as_nanos()).map_err(|_| WriteError::Time { seconds: time.as_secs() })
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("usize has at most 64 bits")
}

#[cfg(test)]
mod tests;
