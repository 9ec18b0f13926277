//! The newer format: sections of blocks, each with its length before and behind its content.
//!
//! Byte order and interfaces belong to a section; an interface gives the link type, the snap
//! length and the clock of its packets. Packet blocks are decoded here and not by the crate: the
//! obsolete one, which it does not know, has the layout of the enhanced one, and the length of a
//! simple packet depends on the snap length of its interface.

use super::{
    BLOCK_BYTES_MAX, CaptureError, FRAME_BYTES_MAX, Found, INTERFACES_MAX, LinkType, Position,
    at_end, size, source::Source, whole,
};
use pcap_parser::{
    OptionCode, parse_interfacedescriptionblock_be, parse_interfacedescriptionblock_le,
    parse_sectionheaderblock,
};
use std::io::Read;
use std::ops::Range;
use std::time::Duration;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Type, length, and the length again at the end.
const BLOCK_FRAME_BYTES: u32 = 12;
/// Type, length, byte-order magic: what has to be seen before a length can be trusted.
const SECTION_HEAD_BYTES: u32 = 12;
const SECTION_BYTES_MIN: u32 = 28;
const INTERFACE_BYTES_MIN: u32 = 20;
const SIMPLE_PACKET_HEAD_BYTES: u32 = 12;
const PACKET_HEAD_BYTES: u32 = 28;

/// Whether the input begins with a section header, whatever its byte order.
pub(super) fn recognise(head: &[u8]) -> bool {
    head.starts_with(&SECTION.to_be_bytes())
}

/// What the current section says about its blocks.
pub(super) struct Pcapng {
    big_endian: bool,
    interfaces: Vec<Interface>,
}

struct Interface {
    link_type: LinkType,
    /// Most bytes captured of a frame; 0 is no limit.
    snap_len: u32,
    clock: Clock,
}

/// The block that the input is at.
#[derive(Clone, Copy)]
struct Block {
    kind: u32,
    /// Whole length, in bytes: at least 12 and a multiple of 4.
    bytes: u32,
    at: Position,
}

impl Block {
    fn corrupt(self, what: String) -> CaptureError {
        CaptureError::Corrupt { at: self.at, what }
    }

    /// An error unless the block has the fields that every block of its kind has.
    fn at_least(self, what: &str, bytes: u32) -> Result<(), CaptureError> {
        if self.bytes < bytes {
            let claim = self.bytes;
            return Err(self.corrupt(format!("{what} of {claim} bytes; the shortest has {bytes}")));
        }
        Ok(())
    }
}

impl Pcapng {
    /// Read the first section header.
    pub(super) fn open<R: Read>(source: &mut Source<R>) -> Result<Self, CaptureError> {
        let mut format = Self { big_endian: false, interfaces: Vec::new() };
        let block = format.block(source, 0)?;
        format.section(source, block)?;
        Ok(format)
    }

    pub(super) fn next<R: Read>(
        &mut self,
        source: &mut Source<R>,
        frames: u64,
    ) -> Result<Option<Found>, CaptureError> {
        while !at_end(source, frames)? {
            let block = self.block(source, frames)?;
            match block.kind {
                SECTION => self.section(source, block)?,
                INTERFACE => self.interface(source, block)?,
                ENHANCED_PACKET | OBSOLETE_PACKET => return self.packet(source, block).map(Some),
                SIMPLE_PACKET => return self.simple_packet(source, block).map(Some),
                _ => self.step_over(source, block)?,
            }
        }
        Ok(None)
    }

    /// Read type and length of the block at hand; a section header also sets the byte order.
    fn block<R: Read>(
        &mut self,
        source: &mut Source<R>,
        frames: u64,
    ) -> Result<Block, CaptureError> {
        let at = Position { offset: source.offset(), frames };
        let head = whole(source, frames, "a block header", 8)?;
        let section = head.starts_with(&SECTION.to_be_bytes());
        if section {
            let head = whole(source, frames, "a section header", SECTION_HEAD_BYTES)?;
            self.big_endian = match head[8..] {
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                [0x4d, 0x3c, 0x2b, 0x1a] => false,
                _ => {
                    let found = head[8..].escape_ascii();
                    let what =
                        format!("the section header has no byte-order magic but \"{found}\"");
                    return Err(CaptureError::Corrupt { at, what });
                }
            };
        }
        let head = whole(source, frames, "a block header", 8)?;
        let (kind, bytes) = (self.u32_at(head, 0), self.u32_at(head, 4));
        let block = Block { kind, bytes, at };
        block.at_least("a block", BLOCK_FRAME_BYTES)?;
        if !bytes.is_multiple_of(4) {
            return Err(
                block.corrupt(format!("a block of {bytes} bytes; lengths are multiples of 4"))
            );
        }
        Ok(block)
    }

    /// The whole block, whose two lengths have been compared.
    fn content<'a, R: Read>(
        &self,
        source: &'a mut Source<R>,
        block: Block,
    ) -> Result<&'a [u8], CaptureError> {
        if block.bytes > BLOCK_BYTES_MAX {
            let (kind, bytes) = (block.kind, block.bytes);
            return Err(block.corrupt(format!(
                "a block of type {kind:#x} and {bytes} bytes; the limit is {BLOCK_BYTES_MAX}"
            )));
        }
        let content = whole(source, block.at.frames, "a block", block.bytes)?;
        let repeated = self.u32_at(content, content.len() - 4);
        same_length(block, repeated)?;
        Ok(content)
    }

    fn section<R: Read>(
        &mut self,
        source: &mut Source<R>,
        block: Block,
    ) -> Result<(), CaptureError> {
        block.at_least("a section header", SECTION_BYTES_MIN)?;
        let content = self.content(source, block)?;
        let (_, header) = parse_sectionheaderblock(content)
            .map_err(|_| block.corrupt("a malformed section header".to_owned()))?;
        let (major, minor) = (header.major_version, header.minor_version);
        if major != 1 {
            return Err(CaptureError::Version { format: "pcapng", major, minor, supported: "1.x" });
        }
        self.interfaces.clear();
        source.consume(size(block.bytes));
        Ok(())
    }

    fn interface<R: Read>(
        &mut self,
        source: &mut Source<R>,
        block: Block,
    ) -> Result<(), CaptureError> {
        block.at_least("an interface description", INTERFACE_BYTES_MIN)?;
        if self.interfaces.len() >= size(INTERFACES_MAX) {
            let limit = INTERFACES_MAX;
            return Err(block.corrupt(format!("more than {limit} interfaces in one section")));
        }
        let big_endian = self.big_endian;
        let content = self.content(source, block)?;
        let parse = if big_endian {
            parse_interfacedescriptionblock_be
        } else {
            parse_interfacedescriptionblock_le
        };
        let (_, description) = parse(content)
            .map_err(|_| block.corrupt("a malformed interface description".to_owned()))?;
        let mut clock = Clock { resolution: description.if_tsresol, offset_seconds: 0 };
        for option in &description.options {
            // The crate reads this one as little-endian in every section.
            if option.code == OptionCode::IfTsoffset
                && let Some(bytes) = option.value().first_chunk::<8>()
            {
                clock.offset_seconds = if big_endian {
                    i64::from_be_bytes(*bytes)
                } else {
                    i64::from_le_bytes(*bytes)
                };
            }
        }
        let link_type = LinkType(description.linktype.0.cast_unsigned());
        self.interfaces.push(Interface { link_type, snap_len: description.snaplen, clock });
        source.consume(size(block.bytes));
        Ok(())
    }

    /// An enhanced or obsolete packet. They differ in the width of the interface number only.
    fn packet<R: Read>(&self, source: &mut Source<R>, block: Block) -> Result<Found, CaptureError> {
        block.at_least("a packet block", PACKET_HEAD_BYTES + 4)?;
        let head = whole(source, block.at.frames, "a packet block", PACKET_HEAD_BYTES)?;
        let id = if block.kind == ENHANCED_PACKET {
            self.u32_at(head, 8)
        } else {
            self.u16_at(head, 8).into()
        };
        let ticks = u64::from(self.u32_at(head, 12)) << 32 | u64::from(self.u32_at(head, 16));
        let (captured, original_len) = (self.u32_at(head, 20), self.u32_at(head, 24));
        let timestamp = Some(self.ethernet(block, id)?.clock.time(ticks));
        let data = self.frame_bytes(source, block, PACKET_HEAD_BYTES, captured)?;
        Ok(Found { data, original_len, timestamp })
    }

    /// A simple packet: of interface 0, without a time and without a captured length.
    fn simple_packet<R: Read>(
        &self,
        source: &mut Source<R>,
        block: Block,
    ) -> Result<Found, CaptureError> {
        block.at_least("a simple packet block", SIMPLE_PACKET_HEAD_BYTES + 4)?;
        let head =
            whole(source, block.at.frames, "a simple packet block", SIMPLE_PACKET_HEAD_BYTES)?;
        let original_len = self.u32_at(head, 8);
        let captured = match self.ethernet(block, 0)?.snap_len {
            0 => original_len,
            snap_len => original_len.min(snap_len),
        };
        let data = self.frame_bytes(source, block, SIMPLE_PACKET_HEAD_BYTES, captured)?;
        Ok(Found { data, original_len, timestamp: None })
    }

    /// Check and consume a packet block; returns where its `captured` bytes are kept.
    fn frame_bytes<R: Read>(
        &self,
        source: &mut Source<R>,
        block: Block,
        head_bytes: u32,
        captured: u32,
    ) -> Result<Range<usize>, CaptureError> {
        if captured > FRAME_BYTES_MAX {
            return Err(CaptureError::FrameTooLong {
                at: block.at,
                captured,
                limit: FRAME_BYTES_MAX,
            });
        }
        let room = block.bytes - head_bytes - 4;
        if captured > room {
            return Err(block.corrupt(format!(
                "a packet block with room for {room} bytes claims {captured} captured ones"
            )));
        }
        self.content(source, block)?;
        let kept = source.consume(size(block.bytes));
        let start = kept.start + size(head_bytes);
        Ok(start..start + size(captured))
    }

    /// Interface `id`, if it exists and carries Ethernet frames.
    fn ethernet(&self, block: Block, id: u32) -> Result<&Interface, CaptureError> {
        let Some(interface) = self.interfaces.get(size(id)) else {
            let described = self.interfaces.len();
            return Err(block.corrupt(format!(
                "a packet of interface {id}; the section has described {described} so far"
            )));
        };
        if interface.link_type != LinkType::ETHERNET {
            let (frame, found) = (block.at.frames + 1, interface.link_type);
            return Err(CaptureError::InterfaceLinkType { frame, interface: id, found });
        }
        Ok(interface)
    }

    /// Step over a block of any length without keeping it.
    fn step_over<R: Read>(&self, source: &mut Source<R>, block: Block) -> Result<(), CaptureError> {
        let (at, needed) = (block.at, u64::from(block.bytes));
        let read_error = |source| CaptureError::Read { at, source };
        let passed = source.skip(needed - 4).map_err(read_error)?;
        let tail = source.peek(4).map_err(read_error)?;
        let Some(repeated) = tail.first_chunk::<4>() else {
            let left = passed + tail.len() as u64;
            return Err(CaptureError::CutOff { at, what: "a block", needed, left });
        };
        same_length(block, self.u32_at(repeated, 0))?;
        source.consume(4);
        Ok(())
    }

    fn u32_at(&self, bytes: &[u8], at: usize) -> u32 {
        let bytes = *bytes[at..].first_chunk().expect("the caller has checked the length");
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn u16_at(&self, bytes: &[u8], at: usize) -> u16 {
        let bytes = *bytes[at..].first_chunk().expect("the caller has checked the length");
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }
}

fn same_length(block: Block, repeated: u32) -> Result<(), CaptureError> {
    if repeated != block.bytes {
        let (kind, bytes) = (block.kind, block.bytes);
        return Err(block.corrupt(format!(
            "a block of type {kind:#x} has length {bytes} at its begin and {repeated} at its end"
        )));
    }
    Ok(())
}

/// How the time stamps of an interface count.
#[derive(Clone, Copy)]
struct Clock {
    /// `if_tsresol`: a tick is 10^-n seconds, or 2^-n if the highest bit is set.
    resolution: u8,
    /// `if_tsoffset`: added to every time stamp.
    offset_seconds: i64,
}

impl Clock {
    /// Time since 1970 of a time stamp; what lies before 1970 is 1970.
    fn time(self, ticks: u64) -> Duration {
        const NANOS: u128 = 1_000_000_000;
        let exponent = u32::from(self.resolution & 0x7f);
        let scaled = u128::from(ticks) * NANOS;
        let nanos = if self.resolution & 0x80 != 0 {
            scaled >> exponent
        } else {
            // From 10^39 on, which u128 does not hold, 2^64 ticks are far below a nanosecond.
            10_u128.checked_pow(exponent).map_or(0, |second| scaled / second)
        };
        // `nanos` is at most 2^64 seconds minus a tick, so both conversions hold.
        let seconds = u64::try_from(nanos / NANOS).unwrap_or(u64::MAX);
        let fraction = u32::try_from(nanos % NANOS).unwrap_or(0);
        match seconds.checked_add_signed(self.offset_seconds) {
            Some(seconds) => Duration::new(seconds, fraction),
            None if self.offset_seconds < 0 => Duration::ZERO,
            None => Duration::MAX,
        }
    }
}
