//! What can be wrong with a capture, in one line each.

use super::link_type::LinkType;
use std::fmt;
use std::io;

/// A capture that cannot be read (any further).
///
/// `Display` is one line and never repeats its `source()`. Frames that precede the damage have
/// already been handed out when one of these appears.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The input has no bytes at all.
    #[error("the capture is empty (0 bytes); an empty pcap file already has a header of 24 bytes")]
    Empty,
    /// The input does not begin like a capture.
    #[error("not a pcap or pcapng capture: it begins with {first}{}", Advice(*.advice))]
    NotACapture {
        /// The first bytes, as hex and text.
        first: String,
        /// What the input is instead and what to do about it, if it was recognised.
        advice: Option<&'static str>,
    },
    /// A format version that nobody writes today, whose fields mean something else.
    #[error("{format} version {major}.{minor} is not supported; {supported} is")]
    Version {
        /// `pcap` or `pcapng`.
        format: &'static str,
        /// Major version in the file.
        major: u16,
        /// Minor version in the file.
        minor: u16,
        /// What is read instead.
        supported: &'static str,
    },
    /// A pcap file of something else than Ethernet frames.
    #[error("the link type of the capture is {found}; only {} is supported", LinkType::ETHERNET)]
    LinkType {
        /// The link type in the file header.
        found: LinkType,
    },
    /// A pcapng frame of an interface that does not carry Ethernet frames.
    #[error(
        "frame {frame}: interface {interface} of the capture has link type {found}; only {} is supported",
        LinkType::ETHERNET
    )]
    InterfaceLinkType {
        /// The frame, counted from 1.
        frame: u64,
        /// The interface within its section, counted from 0.
        interface: u32,
        /// The link type of that interface.
        found: LinkType,
    },
    /// A frame above the limit: corrupt, or not something a network carries.
    #[error("{at}: the frame claims {captured} captured bytes; the limit is {limit}")]
    FrameTooLong {
        /// Where its record begins.
        at: Position,
        /// The claim, in bytes.
        captured: u32,
        /// [`FRAME_BYTES_MAX`](super::FRAME_BYTES_MAX).
        limit: u32,
    },
    /// The input ends inside a record.
    #[error("{at}: the capture is cut off: {what} needs {needed} bytes, {left} are left")]
    CutOff {
        /// Where the record begins.
        at: Position,
        /// The record: "a frame", "a block".
        what: &'static str,
        /// Its whole length as far as it is known, in bytes.
        needed: u64,
        /// What the input still has, in bytes.
        left: u64,
    },
    /// A record contradicts itself or what came before.
    #[error("{at}: the capture is corrupt: {what}")]
    Corrupt {
        /// Where the record begins.
        at: Position,
        /// The contradiction, with its numbers.
        what: String,
    },
    /// The input could not be read.
    #[error("{at}: cannot read the capture")]
    Read {
        /// How far reading came.
        at: Position,
        /// What the reader said.
        source: io::Error,
    },
}

impl CaptureError {
    /// One sentence of advice.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "record it again: `tcpdump -i IFACE -w FILE`",
            Self::NotACapture { advice: Some(_), .. } => "pcap and pcapng files are read",
            Self::NotACapture { advice: None, .. } => {
                "record one with `tcpdump -i IFACE -w FILE`, or save it from Wireshark"
            }
            Self::Version { .. } => "convert it: `tcpdump -r OLD -w NEW`",
            Self::LinkType { .. } => {
                "record on one Ethernet interface: `tcpdump -i eth0 -w FILE` (`-i any` and other \
                 kinds of interface give frames without an Ethernet header)"
            }
            Self::InterfaceLinkType { .. } => {
                "keep only the frames of its Ethernet interfaces, for example with Wireshark"
            }
            Self::FrameTooLong { .. } | Self::Corrupt { .. } => {
                "what is behind this place cannot be trusted: record it again"
            }
            Self::CutOff { .. } => "was it copied while it was being written?",
            Self::Read { .. } => "name a file that can be read",
        }
    }
}

/// A place in a capture: "at byte 4242, after frame 17".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Bytes from the start of the input.
    pub offset: u64,
    /// How many frames precede it.
    pub frames: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frames {
            0 => write!(f, "at byte {}, before the first frame", self.offset),
            frames => write!(f, "at byte {}, after frame {frames}", self.offset),
        }
    }
}

struct Advice(Option<&'static str>);

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |advice| write!(f, " ({advice})"))
    }
}

/// What inputs that are not captures usually are: prefix, and what to do.
const MISTAKEN: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "gzip-compressed; decompress it first"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed; decompress it first"),
    (b"\xfd7zXZ\0", "xz-compressed; decompress it first"),
    (b"BZh", "bzip2-compressed; decompress it first"),
    (b"\x04\x22\x4d\x18", "lz4-compressed; decompress it first"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"snoop\0\0\0", "a Solaris snoop capture; convert it to pcap first"),
    (b"RTSS", "a Windows Network Monitor capture; convert it to pcap first"),
    (b"GMBU", "a Windows Network Monitor capture; convert it to pcap first"),
    (b"\xa1\xb2\xcd\x34", "a pcap variant of patched kernels; convert it to pcap first"),
    (b"\x34\xcd\xb2\xa1", "a pcap variant of patched kernels; convert it to pcap first"),
    (b"\x7fELF", "an ELF object"),
    (b"{", "text, perhaps JSON"),
    (b"[", "text, perhaps JSON"),
];

/// The error for an input that begins with `head` (not empty, at most 8 bytes are shown).
pub(super) fn not_a_capture(head: &[u8]) -> CaptureError {
    let shown = &head[..head.len().min(8)];
    let hex: Vec<String> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    let first = format!("{} \"{}\"", hex.join(" "), shown.escape_ascii());
    let advice = MISTAKEN.iter().find(|(prefix, _)| head.starts_with(prefix));
    CaptureError::NotACapture { first, advice: advice.map(|(_, advice)| *advice) }
}
