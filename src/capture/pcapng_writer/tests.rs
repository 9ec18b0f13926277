use super::*;
use crate::capture::Reader;

fn sample() -> Writer<Vec<u8>> {
    let mut writer = Writer::new(Vec::new(), "test 1");
    let eth0 = Interface {
        snap_len: 64,
        description: "xdp",
        ..Interface::new("eth0", LinkType::ETHERNET)
    };
    let eth0 = writer.interface(&eth0).unwrap();
    writer
        .packet(&Packet {
            original_len: 60,
            direction: Some(Direction::Outbound),
            verdict: Some(Verdict::Xdp(1)),
            comment: "abcde",
            ..Packet::new(eth0, Duration::new(4, 5), b"\xaa\xbb\xcc")
        })
        .unwrap();
    writer
}

/// Goal: every byte is where the format wants it. Written from the specification, not pasted.
#[test]
fn the_bytes_are_those_of_the_specification() {
    let mut writer = sample();
    let counted = Statistics { received: Some(9), dropped: Some(2), ..Statistics::default() };
    writer.statistics(InterfaceId(0), Duration::from_nanos(7), &counted).unwrap();
    let bytes = writer.finish().unwrap();
    let mut expected: Vec<u8> = Vec::new();
    let mut put = |bytes: &[u8]| expected.extend(bytes);
    put(b"\x0a\x0d\x0d\x0a\x38\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0");
    put(&[0xff; 8]);
    put(b"\x03\0\x05\0Linux\0\0\0\x04\0\x06\0test 1\0\0\0\0\0\0\x38\0\0\0");
    put(b"\x01\0\0\0\x30\0\0\0\x01\0\0\0\x40\0\0\0");
    put(b"\x02\0\x04\0eth0\x03\0\x03\0xdp\0\x09\0\x01\0\x09\0\0\0\0\0\0\0\x30\0\0\0");
    put(b"\x06\0\0\0\x4c\0\0\0\0\0\0\0\0\0\0\0\x05\x28\x6b\xee");
    put(b"\x03\0\0\0\x3c\0\0\0\xaa\xbb\xcc\0");
    put(b"\x01\0\x05\0abcde\0\0\0\x02\0\x04\0\x02\0\0\0");
    put(b"\x07\0\x09\0\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x4c\0\0\0");
    put(b"\x05\0\0\0\x34\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0");
    put(b"\x04\0\x08\0\x09\0\0\0\0\0\0\0\x05\0\x08\0\x02\0\0\0\0\0\0\0\0\0\0\0\x34\0\0\0");
    assert_eq!(bytes, expected);
}

#[test]
fn our_reader_reads_back_every_length_with_its_time() {
    let mut writer = Writer::new(Vec::new(), "hardwire");
    let eth0 = writer.interface(&Interface::new("eth0", LinkType::ETHERNET)).unwrap();
    let eth1 = writer.interface(&Interface::new("eth1", LinkType::ETHERNET)).unwrap();
    let lengths = [0, 1, 2, 3, 4, 5, 60, 1514, 65_535, 262_144];
    let time = |at: usize| Duration::new(1_800_000_000 + at as u64, 123_456_789);
    for (at, bytes) in lengths.into_iter().enumerate() {
        let interface = if at % 2 == 0 { eth0 } else { eth1 };
        let comment = "x".repeat(at);
        let data = vec![u8::try_from(at).unwrap(); bytes];
        let packet = Packet { comment: &comment, ..Packet::new(interface, time(at), &data) };
        writer.packet(&packet).unwrap();
    }
    let all = Statistics {
        start: Some(time(0)),
        end: Some(time(9)),
        received: Some(100),
        dropped: Some(1),
        accepted: Some(11),
        delivered: Some(10),
    };
    writer.statistics(eth1, time(10), &all).unwrap();
    let file = writer.finish().unwrap();
    let mut reader = Reader::new(file.as_slice()).unwrap();
    for (at, bytes) in lengths.into_iter().enumerate() {
        let frame = reader.next_frame().unwrap().unwrap();
        assert_eq!((frame.data.len(), frame.timestamp), (bytes, Some(time(at))));
        assert!(frame.data.iter().all(|byte| usize::from(*byte) == at));
    }
    assert_eq!(reader.next_frame().unwrap(), None);
}

#[test]
fn long_texts_are_cut_between_characters_and_empty_ones_left_out() {
    let mut writer = Writer::new(Vec::new(), "");
    let name = "\u{e9}".repeat(TEXT_BYTES_MAX);
    let id = writer.interface(&Interface::new(&name, LinkType::RAW)).unwrap();
    let comment = "a".to_owned() + &name;
    writer.packet(&Packet { comment: &comment, ..Packet::new(id, Duration::ZERO, b"") }).unwrap();
    let file = writer.finish().unwrap();
    assert_eq!(whole_blocks(&file).0, file.len());
    assert!(String::from_utf8_lossy(&file[100..4000]).chars().all(|c| c == '\u{e9}'));
    // Two texts of at most 4096 bytes; the one with a letter in front ends a character earlier.
    assert_eq!(file.len(), 44 + (20 + 4 + 4096 + 8 + 4) + (32 + 4 + 4096 + 4));
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_no_trace() {
    let mut writer = sample();
    let before = writer.buffer.len();
    let id = InterfaceId(0);
    let long = vec![0; 262_145];
    let cases = [
        (
            Packet::new(id, Duration::ZERO, &long),
            "a packet of 262145 bytes; a capture takes 262144",
        ),
        (
            Packet::new(InterfaceId(1), Duration::ZERO, b""),
            "a packet of interface 1; the capture has described 1",
        ),
        (
            Packet::new(id, Duration::from_secs(18_446_744_074), b""),
            "a packet of 18446744074 seconds since 1970; a capture takes 18446744073 (until 2554)",
        ),
    ];
    for (packet, message) in cases {
        assert_eq!(writer.packet(&packet).unwrap_err().to_string(), message);
    }
    assert_eq!((writer.buffer.len(), writer.written().packets), (before, 1));
}

/// Takes so many bytes, a few at a time, and fails then.
struct Full {
    taken: Vec<u8>,
    room: usize,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(1000).min(self.room - self.taken.len())];
        if bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.taken.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Goal: wherever the disk is full, what is on it up to the place that is told can be read whole, and
/// with more room the rest follows where it ended.
#[test]
fn a_full_disk_leaves_whole_blocks_and_says_where_the_last_one_ends() {
    let fill = |room: usize| {
        let mut writer = Writer::new(Full { taken: Vec::new(), room }, "hardwire");
        let id = writer.interface(&Interface::new("eth0", LinkType::ETHERNET)).unwrap();
        for _ in 0..4000 {
            writer.packet(&Packet::new(id, Duration::ZERO, &[7; 100]))?;
        }
        writer.flush().map(|()| writer)
    };
    let whole = fill(usize::MAX).unwrap().finish().unwrap().taken;
    for room in [0, 27, 28, 50, 100, 101, 229, 230, 231, 262_143, 262_144, whole.len() - 1] {
        let Err(WriteError::Output { at, source }) = fill(room) else { panic!("{room}") };
        assert_eq!((at.bytes, source.kind()), (room as u64, io::ErrorKind::StorageFull));
        let end = usize::try_from(at.whole_bytes).unwrap();
        assert_eq!(whole_blocks(&whole[..room]).0, end);
        if end >= 28 {
            let mut reader = Reader::new(&whole[..end]).unwrap();
            while reader.next_frame().unwrap().is_some() {}
        }
    }

    let mut writer = Writer::new(Full { taken: Vec::new(), room: 333 }, "hardwire");
    let id = writer.interface(&Interface::new("eth0", LinkType::ETHERNET)).unwrap();
    for number in 0..9 {
        writer.packet(&Packet::new(id, Duration::from_secs(number), b"abc")).unwrap();
    }
    assert!(writer.flush().is_err() && writer.flush().is_err());
    writer.get_mut().room = usize::MAX;
    let file = writer.finish().unwrap().taken;
    let mut reader = Reader::new(file.as_slice()).unwrap();
    for number in 0..9 {
        let frame = reader.next_frame().unwrap().unwrap();
        assert_eq!(frame.timestamp, Some(Duration::from_secs(number)));
    }
    assert_eq!(reader.next_frame().unwrap(), None);
}

/// Goal: an output that never takes anything does not fill the memory.
#[test]
fn the_buffer_is_bounded_even_if_errors_are_ignored() {
    let mut writer = Writer::new(Full { taken: Vec::new(), room: 0 }, "hardwire");
    let id = writer.interface(&Interface::new("eth0", LinkType::ETHERNET)).unwrap();
    let refused = (0..1000)
        .filter(|_| writer.packet(&Packet::new(id, Duration::ZERO, &[0; 1500])).is_err())
        .count();
    assert!(refused > 500 && writer.buffer.len() < BUFFER_BYTES + 4096);
}
