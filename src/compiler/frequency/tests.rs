use super::*;
use crate::compiler::ir::{Body, Pattern};

fn parse(text: &str) -> Result<Condition, CompileError> {
    Condition::parse(text.as_bytes(), false, Window::default())
}

#[track_caller]
fn condition(text: &str) -> Condition {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn set(bytes: &[u8]) -> ByteSet {
    bytes.iter().fold(ByteSet::EMPTY, |set, byte| set.or(&ByteSet::of(*byte)))
}

#[test]
fn bytes_are_written_in_many_ways() {
    let cases: &[(&str, ByteSet)] = &[
        ("a", ByteSet::of(b'a')),
        ("0", ByteSet::of(b'0')),
        ("=", ByteSet::of(b'=')),
        (">", ByteSet::of(b'>')),
        ("<", ByteSet::of(b'<')),
        ("]", ByteSet::of(b']')),
        ("0x00", ByteSet::of(0)),
        ("0Xff", ByteSet::of(0xff)),
        ("\\x7F", ByteSet::of(0x7f)),
        ("\\n", ByteSet::of(b'\n')),
        ("\\0", ByteSet::of(0)),
        ("\\\\", ByteSet::of(b'\\')),
        ("\\,", ByteSet::of(b',')),
        ("' '", ByteSet::of(b' ')),
        ("','", ByteSet::of(b',')),
        ("'''", ByteSet::of(b'\'')),
        ("'\\''", ByteSet::of(b'\'')),
        ("'\\t'", ByteSet::of(b'\t')),
        ("[a-c]", set(b"abc")),
        ("[a-c0-2_]", set(b"abc012_")),
        ("[-a]", set(b"-a")),
        ("[a-]", set(b"-a")),
        ("[a\\-c]", set(b"a-c")),
        ("[\\]\\[\\^]", set(b"][^")),
        ("[a^]", set(b"a^")),
        ("[, ]", set(b", ")),
        ("[\\d]", ByteSet::range(b'0'..=b'9')),
        ("[\\s]", set(b" \t\n\r\x0b\x0c")),
        ("[\\x80-\\xff]", ByteSet::range(0x80..=0xff)),
        ("[^\\x80-\\xff]", ByteSet::range(0..=0x7f)),
        ("[^a]", ByteSet::of(b'a').complement()),
    ];
    for (text, expected) in cases {
        let got = condition(&format!("{text}>=3"));
        assert_eq!(got.terms.len(), 1, "{text}");
        assert_eq!(got.terms[0].set, *expected, "{text}");
        assert_eq!((got.terms[0].least, got.terms[0].most), (3, None), "{text}");
        let again = condition(&got.to_string());
        assert_eq!(again, got, "{text} shown as {got}");
    }
}

#[test]
fn comparisons_windows_and_lists_are_read() {
    let term = |byte, span, least, most| Term { set: ByteSet::of(byte), span, least, most };
    let cases: &[(&str, &[Term])] = &[
        ("a>=2", &[term(b'a', Span::Scope, 2, None)]),
        ("a>2", &[term(b'a', Span::Scope, 3, None)]),
        ("a<=2", &[term(b'a', Span::Scope, 0, Some(2))]),
        ("a<2", &[term(b'a', Span::Scope, 0, Some(1))]),
        ("a=2", &[term(b'a', Span::Scope, 2, Some(2))]),
        ("a==2", &[term(b'a', Span::Scope, 2, Some(2))]),
        ("a=0", &[term(b'a', Span::Scope, 0, Some(0))]),
        ("  a  >=  2  in  64  ", &[term(b'a', Span::First(64), 2, None)]),
        ("a>=2in64", &[term(b'a', Span::First(64), 2, None)]),
        ("a>=2 in any 64", &[term(b'a', Span::Any(64), 2, None)]),
        ("a>=2 in any64", &[term(b'a', Span::Any(64), 2, None)]),
        ("a>=2 in 65535", &[term(b'a', Span::First(65535), 2, None)]),
        (
            "a>=2, 0x00>=8 in 64",
            &[term(b'a', Span::Scope, 2, None), term(0, Span::First(64), 8, None)],
        ),
        ("a>=2,a<=5", &[term(b'a', Span::Scope, 2, Some(5))]),
        ("a>=2,a>=3,a<=9,a<=7", &[term(b'a', Span::Scope, 3, Some(7))]),
        (
            "a>=2 in 8,a>=3",
            &[term(b'a', Span::First(8), 2, None), term(b'a', Span::Scope, 3, None)],
        ),
        (">>=2,<<9", &[term(b'>', Span::Scope, 2, None), term(b'<', Span::Scope, 0, Some(8))]),
    ];
    for (text, expected) in cases {
        let got = condition(text);
        assert_eq!(got.terms, *expected, "{text}");
        assert_eq!(condition(&got.to_string()), got, "{text} shown as {got}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let cases: &[(&str, &str, std::ops::Range<usize>)] = &[
        (",a>=2", "no term at byte 0", 0..1),
        ("a>=2,", "no term at byte 5", 5..5),
        ("a>=2,,b>=1", "no term at byte 5", 5..6),
        ("ab>=2", "b instead of a comparison at byte 1", 1..2),
        ("a", "end instead of a comparison at byte 1", 1..1),
        ("a!=2", "! instead of a comparison at byte 1", 1..2),
        ("a>=", "end instead of a number at byte 3", 3..3),
        ("a>=x", "x instead of a number at byte 3", 3..4),
        ("a=>2", "> instead of a number at byte 2", 2..3),
        ("a>=-1", "- instead of a number at byte 3", 3..4),
        ("a>=2 of 8", "unexpected o at byte 5", 5..6),
        ("a>=2 in", "end instead of a number at byte 7", 7..7),
        ("a>=2 in any", "end instead of a number at byte 11", 11..11),
        ("a>=2 in 0", "a window of 0 bytes at byte 5", 5..9),
        ("a>=2 in 65536", "a window of 65536 bytes at byte 8", 8..13),
        ("a>=2 in any 99999999999", "a number above 4294967295, the largest at byte 12", 12..23),
        ("\u{e9}>=2", "\u{e9} is not one byte at byte 0", 0..2),
        ("[a\u{e9}]>=2", "\u{e9} is not one byte at byte 2", 2..4),
        ("[a", "unclosed class at byte 0", 0..2),
        ("[]>=1", "a class without bytes at byte 0", 0..2),
        ("[^\\x00-\\xff]>=1", "a class without bytes at byte 0", 0..12),
        ("[z-a]>=1", "a range that ends (0x61) before it begins (0x7a) at byte 1", 1..4),
        ("0x0>=1", "bad byte 0x0> at byte 0", 0..4),
        ("\\xg0>=1", "bad byte \\xg0 at byte 0", 0..4),
        ("\\q>=1", "unknown escape \\q at byte 0", 0..2),
        ("'ab'>=1", "quotes without exactly one byte in them at byte 0", 0..4),
        ("'a", "quotes without exactly one byte in them at byte 0", 0..2),
        ("''>=1", "quotes without exactly one byte in them at byte 0", 0..2),
    ];
    for (text, message, span) in cases {
        let error = parse(text).expect_err(text);
        assert_eq!(error.to_string(), *message, "{text}");
        assert_eq!(error.span(), Some(span), "{text}");
        assert!(error.hint().is_some(), "{text}");
    }
    for text in ["", "  "] {
        assert_eq!(parse(text), Err(CompileError::Empty { what: "the condition" }));
    }
    let many = vec!["a>=1"; TERMS_MAX + 1].join(",");
    assert!(parse(&many).expect_err("too many").to_string().starts_with("more than 64 terms"));
}

#[test]
fn what_can_never_or_always_hold_is_refused_with_the_numbers() {
    let window = |offset, depth| Window { offset, depth };
    let all = Window::default();
    let cases: &[(&str, Window, &str)] = &[
        (
            "0x41>=10 in 4",
            all,
            "0x41>=10 in 4 can never hold: it counts in at most 4 bytes and asks for 10",
        ),
        (
            "a>=65536",
            all,
            "a>=65536 can never hold: it counts in at most 65535 bytes and asks for 65536",
        ),
        (
            "a>=9 in any 12",
            window(0, Some(8)),
            "a>=9 in any 12 can never hold: it counts in at most 8 bytes and asks for 9",
        ),
        (
            "a>=1",
            window(65535, None),
            "a>=1 can never hold: it counts in at most 0 bytes and asks for 1",
        ),
        ("a<0", all, "a<0 can never hold: no count is below 0"),
        ("a>=0", all, "a>=0 always holds: every count is at least 0"),
        ("a<=4 in 4", all, "a<=4 in 4 always holds: it counts in at most 4 bytes and allows 4"),
        (
            "a<=65535",
            all,
            "a<=65535 always holds: it counts in at most 65535 bytes and allows 65535",
        ),
        (
            "a>=5, a<=3",
            all,
            "a<=3 with a>=5 can never hold: the same count would be at least 5 and at most 3",
        ),
        (
            "a>=5 in 8, [a-z]<=3 in 16",
            all,
            "[a-z]<=3 in 16 with a>=5 in 8 can never hold: what counts 5 times here would count \
             there, where 3 are allowed",
        ),
        (
            "a<=3 in any 8, a>=4 in 8",
            all,
            "a>=4 in 8 with a<=3 in any 8 can never hold: what counts 4 times here would count \
             there, where 3 are allowed",
        ),
        (
            "a>=40 in 64, b>=30 in 64",
            all,
            "b>=30 in 64 with a>=40 in 64 can never hold: together they ask for 70 of at most 64 \
             bytes",
        ),
    ];
    for (text, window, message) in cases {
        let error = Condition::parse(text.as_bytes(), false, *window).expect_err(text);
        assert_eq!(error.to_string(), *message);
        assert!(error.span().is_some() && error.hint().is_some(), "{text}");
    }
    for text in [
        "a>=4 in 4",
        "a<=3 in 4",
        "a>=5, [a-z]<=5",
        "a>=5 in 16, a<=3 in 8",
        "a>=5, a<=3 in any 8",
        "a>=5 in any 8, a<=3 in 8",
        "a>=40 in 64, b>=24 in 64",
        "a>=40 in any 64, b>=30 in any 64",
        "[\\x00-\\xff]>=65535",
    ] {
        assert!(parse(text).is_ok(), "{text}");
    }
}

#[test]
fn conditions_of_one_matcher_that_contradict_each_other_are_found() {
    let pattern = |id, text: &str, offset| {
        let window = Window { offset, depth: None };
        let body = Body::Frequency(condition(text));
        Pattern { id, body, window }
    };
    let (a, b) = (pattern(1, "a>=5", 0), pattern(3, "[ab]<=4", 0));
    let found = conflict(&[a.clone(), Pattern::literal(2, "x"), b]).expect("contradictory");
    assert_eq!(found.ids, [1, 3]);
    assert_eq!(conflict(&[a, pattern(3, "[ab]<=4", 1)]), None, "other windows, other bytes");
}

/// Every term of a small space, against counting in every window by its definition.
#[test]
fn a_term_holds_where_counting_says_so() {
    for len in 0..=7u32 {
        for word in 0..1u32 << len {
            let bytes: Vec<u8> = (0..len).map(|at| b'a' + u8::from(word >> at & 1 == 1)).collect();
            let ones = |range: &[u8]| range.iter().filter(|byte| **byte == b'b').count();
            for n in 1..=9usize {
                let first = ones(&bytes[..bytes.len().min(n)]);
                let starts = 0..=bytes.len().saturating_sub(n);
                let windows: Vec<usize> =
                    starts.map(|at| ones(&bytes[at..bytes.len().min(at + n)])).collect();
                for k in 0..=8 {
                    let limit = u32::try_from(k).expect("small");
                    let holds = |span, least, most| {
                        Term { set: ByteSet::of(b'b'), span, least, most }.holds(&bytes)
                    };
                    let n = u32::try_from(n).expect("small");
                    let (prefix, any) = (Span::First(n), Span::Any(n));
                    assert_eq!(holds(Span::Scope, limit, None), ones(&bytes) >= k);
                    assert_eq!(holds(Span::Scope, 0, Some(limit)), ones(&bytes) <= k);
                    assert_eq!(holds(prefix, limit, None), first >= k);
                    assert_eq!(holds(prefix, 0, Some(limit)), first <= k);
                    assert_eq!(holds(any, limit, None), windows.iter().any(|&c| c >= k));
                    assert_eq!(holds(any, 0, Some(limit)), windows.iter().all(|&c| c <= k));
                }
            }
        }
    }
}

#[test]
fn letters_of_either_case_count_where_case_is_ignored() {
    let parse = |text: &str| Condition::parse(text.as_bytes(), true, Window::default());
    let got = parse("a>=2").expect("good");
    assert_eq!(got.terms[0].set, set(b"aA"));
    assert_eq!(parse("[^a]>=2").expect("good").terms[0].set, set(b"aA").complement());
    assert_eq!(parse("@>=2").expect("good").terms[0].set, ByteSet::of(b'@'));
}
