use super::*;
use clap::{Args as _, Command, FromArgMatches as _};
use hardwire::compiler::event::record;
use hardwire::compiler::pattern::{Syntax, Written};

/// A record of a TCP segment with `GET /admin`, in which the first pattern ends at `end`.
pub(super) fn sample(end: u32) -> Vec<u8> {
    let mut frame: Vec<u8> = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, 0, 50, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    frame.extend([0x10, 0x92, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0, 0, 0, 0, 0, 0]);
    frame.extend(b"GET /admin");
    of_frame(&frame, &[(0, end)], 1, 54)
}

fn of_frame(frame: &[u8], notes: &[(u32, u32)], noted: u32, scope_start: u32) -> Vec<u8> {
    let mut bytes = vec![0; record::HEADER_BYTES];
    let mut put = |at: i16, value: &[u8]| {
        let at = usize::from(at.unsigned_abs());
        bytes[at..at + value.len()].copy_from_slice(value);
    };
    let length = u32::try_from(frame.len()).expect("short");
    put(record::FRAME_LENGTH, &length.to_le_bytes());
    put(record::CAPTURED, &length.to_le_bytes());
    put(record::IFINDEX, &3_u32.to_le_bytes());
    put(record::SCOPE_START, &scope_start.to_le_bytes());
    put(record::VERDICT, &[1]);
    put(record::NOTE_ROOM, &[u8::try_from(notes.len()).expect("few")]);
    put(record::NOTED, &noted.to_le_bytes());
    for (index, end) in notes {
        bytes.extend(index.to_le_bytes());
        bytes.extend(end.to_le_bytes());
    }
    bytes.extend(frame);
    bytes
}

/// An event with this record.
pub(super) fn shown<'a>(record: &'a Record<'a>) -> Event<'a> {
    let time = Duration::new(1_700_000_000, 123_456_789);
    Event { record, interface: "eth0", link_type: LinkType::ETHERNET, time }
}

fn named(patterns: &[(Syntax, &str)]) -> Vec<Named> {
    let name = |((syntax, text), id): (&(Syntax, &str), u32)| {
        let written = Written::new(*syntax, *text);
        let pattern = written.lower(id).expect("a good pattern");
        Named { pattern, place: "-e".to_owned(), text: format!("\"{text}\""), written }
    };
    patterns.iter().zip(1..).map(name).collect()
}

fn options(line: &[&str]) -> ShowOptions {
    let command = ShowOptions::augment_args(Command::new("test")).no_binary_name(true);
    let matches = command.try_get_matches_from(line).expect("legal");
    ShowOptions::from_arg_matches(&matches).expect("legal")
}

fn printed(bytes: &[u8], patterns: &[(Syntax, &str)], line: &[&str], json: bool) -> String {
    let record = Record::from_bytes(bytes).expect("a record");
    let mut printer = Printer::with(&named(patterns), &options(line), json, false);
    let mut out = Vec::new();
    printer.print(&shown(&record), &mut out).expect("memory");
    String::from_utf8(out).expect("text")
}

const GET: &[(Syntax, &str)] = &[(Syntax::Literal, "/admin")];

#[test]
fn a_line_says_who_what_and_where_and_the_match_is_marked() {
    let expected = "2023-11-14T22:13:20.123456Z eth0 in 192.0.2.1:4242 > 192.0.2.2:80 tcp P. \
                    64 bytes drop #1 \"/admin\" at byte 4\n    GET [/admin]\n";
    assert_eq!(printed(&sample(10), GET, &[], false), expected);
    let ns = printed(&sample(10), GET, &["--nanoseconds", "--snippet", "0"], false);
    assert_eq!(ns, expected.replace("456Z", "456789Z").replace("    GET [/admin]\n", ""));
    let dump = printed(&sample(10), GET, &["-X"], false);
    let row = "    0030  00 00 00 00 00 00 47 45  54 20 2f 61 64 6d 69 6e  ......GET /admin\n";
    assert!(dump.contains(row) && dump.lines().count() == 6, "{dump}");
}

#[test]
fn json_has_every_key_whatever_is_known() {
    let got = printed(&sample(10), GET, &[], true);
    let expected = concat!(
        r#"{"time":"2023-11-14T22:13:20.123456789Z","ns":1700000000123456789,"#,
        r#""interface":"eth0","direction":"ingress","src":"192.0.2.1","dst":"192.0.2.2","#,
        r#""sport":4242,"dport":80,"protocol":"tcp","vlan":[],"bytes":64,"captured":64,"#,
        r#""verdict":"drop","spared":false,"matches":[{"id":1,"end":10}],"more":0,"#,
        r#""scope_start":54,"snippet":""#,
    );
    let rest = got.strip_prefix(expected).unwrap_or_else(|| panic!("{got}"));
    assert_eq!(rest.len(), 2 * 64 + "\"}\n".len());
    assert!(rest.ends_with("474554202f61646d696e\"}\n"));

    let keys = |line: &str| -> Vec<String> {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        value.as_object().expect("an object").keys().cloned().collect()
    };
    let nothing = of_frame(b"", &[(0, 0)], 1, 0);
    assert_eq!(keys(&printed(&nothing, GET, &[], true)), keys(&got));
}

/// Goal: whatever was found, however it is written and wherever it lies, is told right.
#[test]
fn patterns_are_named_with_the_place_that_is_known() {
    let frame = b"............GET /admin";
    let patterns = &[
        (Syntax::Literal, "GET"),
        (Syntax::Regex, "/[a-z]+n"),
        (Syntax::Frequency, "a>=1"),
        (Syntax::Regex, "a.{3000,}b"),
        (Syntax::Literal, "x"),
        (Syntax::Literal, "y"),
    ];
    for (notes, noted, expected) in [
        (&[(0, 15), (1, 22)][..], 2, "#1 \"GET\" at byte 12, #2 \"/[a-z]+n\" at byte 16"),
        (&[(2, 0)], 1, "#3 \"a>=1\""),
        (&[(3, 9)], 1, "#4 \"a.{3000,}b\" up to byte 9"),
        (&[(0, 5000)], 3, "#1 \"GET\" at byte 4997, 2 more"),
        (&[(1, 5000)], 1, "#2 \"/[a-z]+n\" up to byte 5000"),
        (&[(0, 20), (0, 15)], 2, "#1 \"GET\" at byte 12"),
        (&[(99, 20), (0, 15)], 2, "#1 \"GET\" at byte 12"),
        (
            &[(0, 15), (1, 22), (2, 0), (4, 1), (5, 1)],
            9,
            "#1 \"GET\" at byte 12, #2 \"/[a-z]+n\" at byte 16, #3 \"a>=1\", #5 \"x\" at byte 0, \
             5 more",
        ),
    ] {
        let bytes = of_frame(frame, notes, noted, 0);
        let record = Record::from_bytes(&bytes).expect("a record");
        let mut printer = Printer::with(&named(patterns), &options(&[]), false, false);
        assert_eq!(printer.comment(&shown(&record)), expected);
        assert!(printed(&bytes, patterns, &[], false).lines().next().unwrap().ends_with(expected));
    }
}

#[test]
fn frames_without_addresses_tags_and_fragments_are_told_apart() {
    let whole = sample(10);
    let frame = &whole[record::HEADER_BYTES + record::NOTE_BYTES..];
    let edit = |at: usize, bytes: &[u8]| {
        let mut frame = frame.to_vec();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let tagged = [&frame[..12], &[0x81, 0, 0, 100], &frame[12..]].concat();
    for (frame, expected) in [
        (edit(12, &[8, 6]), " 02:00:00:00:00:01 > 02:00:00:00:00:02 arp 64 bytes "),
        (edit(12, &[0x12, 0x34]), " 02:00:00:00:00:02 type 0x1234 64 bytes "),
        (edit(23, &[250]), " 192.0.2.1 > 192.0.2.2 protocol 250 64 bytes "),
        (edit(20, &[0, 9]), " 192.0.2.1 > 192.0.2.2 tcp fragment 64 bytes "),
        (tagged, " 192.0.2.2:80 vlan 100 tcp P. 68 bytes "),
        (frame[..10].to_vec(), " in ? > ? 10 bytes "),
        (frame[..34].to_vec(), " 192.0.2.1 > 192.0.2.2 tcp 34 bytes "),
    ] {
        let line = printed(&of_frame(&frame, &[(0, 0)], 0, 0), GET, &[], false);
        assert!(line.contains(expected), "{line} has no {expected}");
    }
}

/// Goal: no byte of a stranger reaches a terminal as anything but a printable character.
#[test]
fn no_record_panics_and_nothing_a_terminal_obeys_is_printed() {
    let mut random = 1_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u8::try_from(random >> 56).expect("a byte")
    };
    let patterns =
        &[(Syntax::Literal, "GET"), (Syntax::Regex, "[a-z]+n"), (Syntax::Frequency, "a>=1")];
    let named = named(patterns);
    for round in 0..3000 {
        let mut bytes = sample(10);
        for _ in 0..round % 7 + 1 {
            let at = usize::from(next()) % bytes.len();
            bytes[at] = next();
        }
        let Ok(record) = Record::from_bytes(&bytes) else { continue };
        let event = Event { interface: "e\x1b[2J\n", ..shown(&record) };
        for (line, json) in [(&[][..], false), (&["-X"], false), (&[], true)] {
            let mut out = Vec::new();
            let mut printer = Printer::with(&named, &options(line), json, false);
            printer.print(&event, &mut out).expect("memory");
            assert!(out.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
            assert!(!json || out.iter().filter(|byte| **byte == b'\n').count() == 1);
        }
    }
}
