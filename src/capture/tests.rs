//! Captures that are well-formed, cut off at every byte, mutated, and written by others.

use super::*;
use proptest::prelude::*;
use std::io;
use std::path::Path;

/// What a frame of a test capture holds, without a borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    data: Vec<u8>,
    original_len: u32,
    timestamp: Option<Duration>,
}

fn seen(data: &[u8], original_len: u32, nanos: impl Into<Option<u64>>) -> Seen {
    let timestamp = nanos.into().map(Duration::from_nanos);
    Seen { data: data.to_vec(), original_len, timestamp }
}

/// All frames, and the error that stopped reading. Checks what holds for every input: numbers
/// ascend from 1, no frame is above the limit, and nothing comes after an error.
fn read_from(input: impl Read) -> (Vec<Seen>, Option<CaptureError>) {
    let mut frames = Vec::new();
    let mut reader = match Reader::new(input) {
        Ok(reader) => reader,
        Err(error) => return (frames, Some(error)),
    };
    loop {
        match reader.next_frame() {
            Ok(Some(Frame { number, data, original_len, timestamp })) => {
                assert_eq!(number, frames.len() as u64 + 1);
                assert!(data.len() <= size(FRAME_BYTES_MAX));
                frames.push(Seen { data: data.to_vec(), original_len, timestamp });
            }
            Ok(None) => return (frames, None),
            Err(error) => {
                assert!(matches!(reader.next_frame(), Ok(None)), "nothing follows an error");
                return (frames, Some(error));
            }
        }
    }
}

fn read(bytes: &[u8]) -> (Vec<Seen>, Option<String>) {
    let (frames, error) = read_from(bytes);
    (frames, error.map(|error| error.to_string()))
}

/// Writes numbers in the byte order of a capture.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        if self == Order::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        if self == Order::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn u32s(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }

    fn pcap_header(self, magic: u32, link_type: u32) -> Vec<u8> {
        let versions = [self.u16(2), self.u16(4)].concat();
        let rest = self.u32s(&[0, 0, 65535, link_type]);
        [&self.u32(magic)[..], &versions, &rest].concat()
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let bytes = self.u32(u32::try_from(body.len() + padding.len() + 12).unwrap());
        [&self.u32(kind)[..], &bytes, body, &padding, &bytes].concat()
    }

    fn section(self) -> Vec<u8> {
        let versions = [self.u16(1), self.u16(0)].concat();
        self.block(0x0a0d_0d0a, &[&self.u32(0x1a2b_3c4d)[..], &versions, &[0xff; 8]].concat())
    }

    fn interface(self, link_type: u16, snap_len: u32, options: &[u8]) -> Vec<u8> {
        let link_type = [self.u16(link_type), [0; 2]].concat();
        self.block(1, &[&link_type[..], &self.u32(snap_len), options].concat())
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
        let len = self.u16(u16::try_from(value.len()).unwrap());
        [&self.u16(code)[..], &len, value, &padding].concat()
    }

    fn enhanced(self, interface: u32, ticks: u64, data: &[u8], original_len: u32) -> Vec<u8> {
        let captured = u32::try_from(data.len()).unwrap();
        let (high, low) = (u32::try_from(ticks >> 32).unwrap(), ticks & 0xffff_ffff);
        let low = u32::try_from(low).unwrap();
        let head = self.u32s(&[interface, high, low, captured, original_len]);
        self.block(6, &[&head[..], data].concat())
    }

    fn obsolete(self, interface: u16, data: &[u8]) -> Vec<u8> {
        let captured = u32::try_from(data.len()).unwrap();
        let head = [self.u16(interface), self.u16(9)].concat();
        let rest = self.u32s(&[0, 5, captured, captured]);
        self.block(2, &[&head[..], &rest, data].concat())
    }

    fn simple(self, original_len: u32, data: &[u8]) -> Vec<u8> {
        self.block(3, &[&self.u32(original_len)[..], data].concat())
    }
}

const ORDERS: [Order; 2] = [Order::Little, Order::Big];

#[test]
fn pcap_is_read_in_both_byte_orders_and_both_resolutions() {
    for order in ORDERS {
        for (magic, nanos) in [(0xa1b2_c3d4, 1_000_007_000), (0xa1b2_3c4d, 1_000_000_007)] {
            let mut file = order.pcap_header(magic, 1);
            file.extend(order.u32s(&[1, 7, 3, 1500]));
            file.extend(b"abc");
            file.extend(order.u32s(&[1, 7, 0, 60]));
            let expected = vec![seen(b"abc", 1500, nanos), seen(b"", 60, nanos)];
            assert_eq!(read(&file), (expected, None), "{order:?} {magic:#x}");
        }
    }
}

/// Written by hand from the format's specification, not by the helpers above.
#[test]
#[rustfmt::skip] // One field per line.
fn a_pcapng_file_given_byte_by_byte_is_read() {
    let file = [
        0x0a, 0x0d, 0x0d, 0x0a, // section header
        28, 0, 0, 0,
        0x4d, 0x3c, 0x2b, 0x1a, // little-endian
        1, 0, 0, 0,             // version 1.0
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        28, 0, 0, 0,
        1, 0, 0, 0,             // interface description
        28, 0, 0, 0,
        1, 0, 0, 0,             // Ethernet
        0, 0, 0, 0,             // no snap length
        9, 0, 1, 0,             // if_tsresol
        9, 0, 0, 0,             // nanoseconds
        28, 0, 0, 0,
        6, 0, 0, 0,             // enhanced packet
        40, 0, 0, 0,
        0, 0, 0, 0,             // interface 0
        1, 0, 0, 0,             // 2^32 + 2 ticks
        2, 0, 0, 0,
        5, 0, 0, 0,             // captured
        6, 0, 0, 0,             // original
        b'h', b'e', b'l', b'l', b'o', 0, 0, 0,
        40, 0, 0, 0,
    ];
    assert_eq!(read(&file), (vec![seen(b"hello", 6, (1 << 32) + 2)], None));
}

#[test]
fn pcapng_sections_of_both_orders_and_all_packet_blocks_are_read_and_others_stepped_over() {
    let mut file = Vec::new();
    let mut expected = Vec::new();
    for order in ORDERS {
        file.extend(order.section());
        file.extend(order.block(0x0bad_cafe, &[7; 300_000]));
        file.extend(order.interface(1, 4, &[]));
        file.extend(order.interface(1, 0, &order.option(9, &[0x80])));
        file.extend(order.interface(113, 0, &[]));
        file.extend(order.block(5, &[0; 12])); // interface statistics
        file.extend(order.enhanced(0, 3, b"micro", 5));
        file.extend(order.enhanced(1, 3, b"seconds", 7));
        file.extend(order.obsolete(1, b"old"));
        file.extend(order.simple(9, b"nine")); // cut to the snap length
        file.extend(order.simple(3, b"two"));
        expected.extend([
            seen(b"micro", 5, 3_000),
            seen(b"seconds", 7, 3_000_000_000),
            seen(b"old", 3, 5_000_000_000),
            seen(b"nine", 9, None),
            seen(b"two", 3, None),
        ]);
    }
    assert_eq!(read(&file), (expected, None));
}

#[test]
fn pcapng_clocks() {
    // (what, if_tsresol, if_tsoffset, ticks, expected)
    let cases: &[(&str, u8, i64, u64, Duration)] = &[
        ("microseconds", 6, 0, 1_500_000, Duration::from_millis(1500)),
        ("seconds", 0, 0, u64::MAX, Duration::from_secs(u64::MAX)),
        ("finer than a nanosecond", 12, 0, 1_999, Duration::from_nanos(1)),
        ("a tick far below a nanosecond", 127, 0, u64::MAX, Duration::ZERO),
        ("binary halves", 0x81, 0, 3, Duration::from_millis(1500)),
        ("the finest binary tick", 0xff, 0, u64::MAX, Duration::ZERO),
        ("an offset", 6, 100, 1_000_000, Duration::from_secs(101)),
        ("an offset before 1970", 6, -2, 1_000_000, Duration::ZERO),
        ("an offset beyond the end of time", 0, 1, u64::MAX, Duration::MAX),
    ];
    for (what, resolution, offset, ticks, expected) in cases {
        for order in ORDERS {
            let mut options = order.option(9, &[*resolution]);
            let bytes = offset.to_le_bytes();
            let bytes = if order == Order::Big { offset.to_be_bytes() } else { bytes };
            options.extend(order.option(14, &bytes));
            let file = [
                order.section(),
                order.interface(1, 0, &options),
                order.enhanced(0, *ticks, b"", 0),
            ];
            let (frames, error) = read(&file.concat());
            assert_eq!(error, None, "{what}");
            assert_eq!(frames[0].timestamp, Some(*expected), "{what} {order:?}");
        }
    }
}

/// A pcap file of three frames, of 64, 0 and 5 bytes, and where each record ends.
fn small_pcap() -> (Vec<u8>, Vec<usize>) {
    let mut file = Vec::new();
    let mut ends = vec![];
    for (count, data) in [&[7; 64][..], &[], b"third"].iter().enumerate() {
        if count == 0 {
            Writer::new(&mut file, Resolution::Microseconds).unwrap();
            ends.push(file.len());
        }
        let mut one = Vec::new();
        let mut writer = Writer::new(&mut one, Resolution::Microseconds).unwrap();
        writer.write(data, Duration::from_secs(9)).unwrap();
        file.extend(&one[24..]);
        ends.push(file.len());
    }
    (file, ends)
}

/// A pcapng file of three frames, of 64, 0 and 5 bytes, and where each frame's block ends.
fn small_pcapng(order: Order) -> (Vec<u8>, Vec<usize>) {
    let mut file = [order.section(), order.interface(1, 0, &[])].concat();
    let mut ends = vec![file.len()];
    for data in [&[7; 64][..], &[], b"third"] {
        file.extend(order.enhanced(0, 0, data, 64));
        ends.push(file.len());
    }
    (file, ends)
}

#[test]
fn a_capture_cut_off_anywhere_gives_the_frames_before_and_one_error() {
    let pcapng = ORDERS.map(small_pcapng);
    for (file, ends) in [small_pcap()].into_iter().chain(pcapng) {
        for len in 1..=file.len() {
            let (frames, error) = read_from(&file[..len]);
            let whole = ends[1..].iter().filter(|end| **end <= len).count();
            assert_eq!(frames.len(), whole, "cut at {len}");
            match error {
                // Between two records nothing is missing; a pcapng interface may have no frame.
                None => assert!(ends.contains(&len) || len == 28, "cut at {len}"),
                Some(CaptureError::CutOff { at, needed, left, .. }) => {
                    assert_eq!(at.frames, whole as u64);
                    assert_eq!(at.offset + left, len as u64, "cut at {len}");
                    assert!(left < needed, "cut at {len}");
                }
                Some(CaptureError::NotACapture { .. }) => assert!(len < 4),
                Some(error) => panic!("cut at {len}: {error}"),
            }
        }
    }
}

#[test]
fn errors_say_what_where_and_after_which_frame() {
    let little = Order::Little;
    let (pcap, _) = small_pcap();
    let with = |at: usize, bytes: &[u8]| {
        let mut file = pcap.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let start = [little.section(), little.interface(1, 0, &[])].concat();
    let one = [start.clone(), little.enhanced(0, 0, b"ok", 2)].concat();
    let after_one = |block: Vec<u8>| [one.clone(), block].concat();
    let changed = |mut block: Vec<u8>, at: usize, bytes: &[u8]| {
        block[at..at + bytes.len()].copy_from_slice(bytes);
        after_one(block)
    };
    let epb = || little.enhanced(0, 0, b"data", 4);
    let corrupt = "at byte 84, after frame 1: the capture is corrupt: ";
    let cases: &[(&str, Vec<u8>, usize, String)] = &[
        ("empty", vec![], 0, "the capture is empty (0 bytes); an empty pcap file already has a header of 24 bytes".into()),
        ("text", b"GET / HTTP/1.1".into(), 0, "not a pcap or pcapng capture: it begins with 47 45 54 20 2f 20 48 54 \"GET / HT\"".into()),
        ("one byte", vec![0], 0, "not a pcap or pcapng capture: it begins with 00 \"\\x00\"".into()),
        ("gzip", b"\x1f\x8b\x08\x00rest".into(), 0, "not a pcap or pcapng capture: it begins with 1f 8b 08 00 72 65 73 74 \"\\x1f\\x8b\\x08\\x00rest\" (gzip-compressed; decompress it first)".into()),
        ("pcap of cooked frames", little.pcap_header(0xa1b2_c3d4, 113), 0, "the link type of the capture is LINUX_SLL (113); only ETHERNET (1) is supported".into()),
        ("pcap of radio frames", little.pcap_header(0xa1b2_c3d4, 127), 0, "the link type of the capture is IEEE802_11_RADIOTAP (127); only ETHERNET (1) is supported".into()),
        ("pcap of an unknown link", little.pcap_header(0xa1b2_c3d4, 4242), 0, "the link type of the capture is 4242 (no known name); only ETHERNET (1) is supported".into()),
        ("old pcap", with(6, &[3]), 0, "pcap version 2.3 is not supported; 2.4 is".into()),
        ("long frame", with(24 + 80 + 8, &[1, 0, 4, 0]), 1, "at byte 104, after frame 1: the frame claims 262145 captured bytes; the limit is 262144".into()),
        ("cut off", pcap[..pcap.len() - 1].into(), 2, "at byte 120, after frame 2: the capture is cut off: a frame needs 21 bytes, 20 are left".into()),
        ("no byte-order magic", with(0, b"\x0a\x0d\x0d\x0a"), 0, "at byte 0, before the first frame: the capture is corrupt: the section header has no byte-order magic but \"\\x00\\x00\\x00\\x00\"".into()),
        ("pcapng 2", { let mut file = one.clone(); file[12] = 2; file }, 0, "pcapng version 2.0 is not supported; 1.x is".into()),
        ("zeros behind", after_one(vec![0; 16]), 1, format!("{corrupt}a block of 0 bytes; the shortest has 12")),
        ("odd length", changed(epb(), 4, &[37]), 1, format!("{corrupt}a block of 37 bytes; lengths are multiples of 4")),
        ("short packet", after_one(little.block(6, &[0; 16])), 1, format!("{corrupt}a packet block of 28 bytes; the shortest has 32")),
        ("short simple packet", after_one(little.block(3, &[])), 1, format!("{corrupt}a simple packet block of 12 bytes; the shortest has 16")),
        ("short interface", after_one(little.block(1, &[0; 4])), 1, format!("{corrupt}an interface description of 16 bytes; the shortest has 20")),
        ("two lengths", changed(epb(), 32, &[40]), 1, format!("{corrupt}a block of type 0x6 has length 36 at its begin and 40 at its end")),
        ("two lengths, stepped over", changed(little.block(9, &[]), 8, &[8]), 1, format!("{corrupt}a block of type 0x9 has length 12 at its begin and 8 at its end")),
        ("no such interface", after_one(little.enhanced(1, 0, b"", 0)), 1, format!("{corrupt}a packet of interface 1; the section has described 1 so far")),
        ("more captured than there", changed(epb(), 20, &[5]), 1, format!("{corrupt}a packet block with room for 4 bytes claims 5 captured ones")),
        ("simple packet without interface", [little.section(), little.simple(1, b"x")].concat(), 0, "at byte 28, before the first frame: the capture is corrupt: a packet of interface 0; the section has described 0 so far".into()),
        ("long pcapng frame", changed(epb(), 20, &[0, 0, 5, 0]), 1, "at byte 84, after frame 1: the frame claims 327680 captured bytes; the limit is 262144".into()),
        ("long block", after_one(little.enhanced(0, 0, &[0; 8], 8)[..].to_vec()).iter().copied().enumerate().map(|(at, byte)| if at == 84 + 6 { 0x11 } else { byte }).collect(), 1, format!("{corrupt}a block of type 0x6 and 1114152 bytes; the limit is 1048576")),
        ("another link type", after_one([little.interface(113, 0, &[]), little.enhanced(1, 0, b"", 0)].concat()), 1, "frame 2: interface 1 of the capture has link type LINUX_SLL (113); only ETHERNET (1) is supported".into()),
        ("cut off in a stepped-over block", after_one(little.block(9, &[0; 8])[..19].to_vec()), 1, "at byte 84, after frame 1: the capture is cut off: a block needs 20 bytes, 19 are left".into()),
    ];
    for (what, file, frames, message) in cases {
        let (seen, error) = read(file);
        assert_eq!(error.as_ref(), Some(message), "{what}");
        assert_eq!(seen.len(), *frames, "{what}");
    }
}

#[test]
fn frames_up_to_the_limit_are_read_and_written_and_longer_ones_are_not_written() {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, Resolution::Nanoseconds).unwrap();
    let longest = vec![1; size(FRAME_BYTES_MAX)];
    writer.write(&longest, Duration::ZERO).unwrap();
    let error = writer.write(&vec![1; longest.len() + 1], Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "a frame of 262145 bytes; the limit is 262144");
    let error = writer.write(b"", Duration::from_secs(1 << 32)).unwrap_err();
    assert_eq!(error.to_string(), "4294967296 seconds since 1970; pcap holds 4294967295");
    assert_eq!(read(&file), (vec![seen(&longest, FRAME_BYTES_MAX, 0)], None));
}

/// A reader that gives one byte at a time, is interrupted before each, and fails at the end.
struct Reluctant<'a> {
    bytes: &'a [u8],
    interrupt: bool,
    fail: bool,
}

impl Read for Reluctant<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.bytes.is_empty() && self.fail {
            return Err(io::Error::other("the disk is gone"));
        }
        let take = self.bytes.len().min(1);
        self.bytes.read(&mut buffer[..take])
    }
}

#[test]
fn short_and_interrupted_reads_do_not_show_and_failures_keep_their_cause() {
    for (file, _) in [small_pcap(), small_pcapng(Order::Big)] {
        let (expected, _) = read(&file);
        for fail in [false, true] {
            let (frames, error) = read_from(Reluctant { bytes: &file, interrupt: false, fail });
            assert_eq!(frames, expected);
            match error {
                Some(CaptureError::Read { at, source }) if fail => {
                    assert_eq!(at, Position { offset: file.len() as u64, frames: 3 });
                    assert_eq!(source.to_string(), "the disk is gone");
                }
                error => assert!(error.is_none() && !fail, "{error:?}"),
            }
        }
    }
}

/// Records the largest buffer that it was asked to fill.
struct Measured<R> {
    reader: R,
    largest: usize,
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.largest = self.largest.max(buffer.len());
        self.reader.read(buffer)
    }
}

#[test]
fn memory_does_not_grow_with_the_lengths_that_a_capture_claims() {
    let little = Order::Little;
    let start = [little.section(), little.interface(1, 0, &[])].concat();
    // Blocks of 16 MiB and of nearly 4 GiB, of which as much follows as is ever read.
    for (kind, bytes) in [(9, 16 << 20), (9, 0xffff_fffc), (6, 0xffff_fffc), (1, 0xffff_fffc)] {
        let head = [start.clone(), little.u32s(&[kind, bytes])].concat();
        let reader = head.chain(io::repeat(0).take(20 << 20));
        let mut measured = Measured { reader, largest: 0 };
        let (frames, error) = read_from(&mut measured);
        assert!(frames.is_empty() && error.is_some());
        assert!(measured.largest <= size(BLOCK_BYTES_MAX), "{} bytes", measured.largest);
    }
    let mut file = little.section();
    let interface = little.interface(1, 0, &[]);
    file.extend(interface.repeat(size(INTERFACES_MAX)));
    assert_eq!(read(&file), (vec![], None));
    file.extend(interface);
    let (_, error) = read(&file);
    let message = "the capture is corrupt: more than 65536 interfaces in one section";
    assert!(error.unwrap().ends_with(message));
}

/// Frames with their captured bytes, bytes on the wire beyond them, and nanoseconds.
fn frames() -> impl Strategy<Value = Vec<(Vec<u8>, u16, u64)>> {
    let data = prop::collection::vec(any::<u8>(), 0..200);
    prop::collection::vec((data, any::<u16>(), 0..u64::from(u32::MAX) * 1_000_000_000), 0..12)
}

/// Any capture that the reader may meet, in any of the formats.
fn capture() -> impl Strategy<Value = Vec<u8>> {
    (frames(), 0..4_u8, any::<bool>()).prop_map(|(frames, format, odd)| {
        let order = if odd { Order::Big } else { Order::Little };
        if format == 0 {
            let resolution = if odd { Resolution::Microseconds } else { Resolution::Nanoseconds };
            let mut writer = Writer::new(Vec::new(), resolution).unwrap();
            for (data, _, nanos) in &frames {
                writer.write(data, Duration::from_nanos(*nanos)).unwrap();
            }
            return writer.finish().unwrap();
        }
        let mut file = [order.section(), order.interface(1, 0, &order.option(9, &[9]))].concat();
        for (data, more, nanos) in &frames {
            let len = u32::try_from(data.len()).unwrap();
            match more % 5 {
                0 => file.extend(order.simple(len, data)),
                1 => file.extend(order.obsolete(0, data)),
                2 => file.extend([order.block(77, data), order.section()].concat()),
                3 => file.extend(order.interface(1, 64, &order.option(2, data))),
                _ => file.extend(order.enhanced(0, *nanos, data, len + u32::from(*more))),
            }
        }
        file
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(frames in frames(), micro in any::<bool>()) {
        let resolution = if micro { Resolution::Microseconds } else { Resolution::Nanoseconds };
        let mut writer = Writer::new(Vec::new(), resolution).unwrap();
        let mut expected = Vec::new();
        for (data, more, nanos) in &frames {
            let original_len = u32::try_from(data.len()).unwrap() + u32::from(*more);
            writer.write_cut(data, original_len, Duration::from_nanos(*nanos)).unwrap();
            let kept = if micro { nanos / 1000 * 1000 } else { *nanos };
            expected.push(seen(data, original_len, kept));
        }
        prop_assert_eq!(read(&writer.finish().unwrap()), (expected, None));
    }

    /// Goal: no panic, no endless loop, no wrong answer in front of the damage.
    /// Method: mutated captures of all formats. Reading ends because each frame takes at least
    /// 16 bytes; frames that end before the first changed byte are those of the original.
    #[test]
    fn mutated_captures_end_and_keep_the_frames_before_the_damage(
        file in capture(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (original, _) = read(&file);
        let mut damaged = file.clone();
        for (at, byte) in &changes {
            damaged[at.index(file.len())] = *byte;
        }
        damaged.truncate(cut.index(file.len()) + 1);
        let same = file.iter().zip(&damaged).take_while(|(a, b)| a == b).count();
        let (undamaged, _) = read(&file[..same]);
        let (frames, _) = read(&damaged);
        prop_assert!(frames.len() * 16 <= damaged.len());
        prop_assert_eq!(&original[..undamaged.len()], &undamaged[..]);
        prop_assert_eq!(frames.get(..undamaged.len()), Some(&undamaged[..]));
    }

    #[test]
    fn arbitrary_bytes_behind_a_valid_start_end(
        start in 0..4_usize, bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let start = match start {
            0 => Order::Little.pcap_header(0xa1b2_c3d4, 1),
            1 => Order::Big.pcap_header(0xa1b2_3c4d, 1),
            2 => [Order::Big.section(), Order::Big.interface(1, 0, &[])].concat(),
            _ => Vec::new(),
        };
        read(&[start, bytes].concat());
    }
}

/// Frame counts of captures that other tools have written.
#[test]
fn captures_of_other_tools_are_read_to_their_end() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    if !corpora.is_dir() {
        eprintln!("skipped: no {}", corpora.display());
        return;
    }
    let count = |name: &str| {
        let file = std::fs::File::open(corpora.join(name)).expect("a readable file");
        let (frames, error) = read_from(file);
        assert!(error.is_none(), "{name}: {}", error.unwrap());
        frames.len()
    };
    assert_eq!(count("packets/traffic.pcap"), 12_000);
    assert_eq!(count("packets/synth.pcap"), 8_454);
    for entry in std::fs::read_dir(corpora.join("monitor")).expect("a folder").flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".pcap") {
            assert_ne!(count(&format!("monitor/{name}")), 0, "{name}");
        }
    }
}
