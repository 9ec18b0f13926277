use super::*;
use std::ops::Range;

#[test]
fn an_expression_loses_its_groups_and_keeps_its_meaning() {
    let cases: &[(&str, &[u8], bool, &str)] = &[
        ("nothing", b"", false, "(?:)"),
        ("a literal", b"a(b)(?:c)(?P<n>d)", false, "(?-u:abcd)"),
        ("an alternative", b"(a)|(b)", false, "(?-u:[a-b])"),
        ("alternative characters", "\u{e9}|a".as_bytes(), false, "(?:\u{e9}|a)"),
        ("case", b"a1", true, "(?-u:[Aa]1)"),
        ("case by flag", b"(?i:a)b", false, "(?-u:[Aa]b)"),
        ("not UTF-8", b"a\xff", false, "(?-u:a\\xFF)"),
        ("not UTF-8 in a class", b"[\xfe\xff]", false, "(?-u:[\\xFE-\\xFF])"),
        ("UTF-8 is its bytes", "\u{e9}".as_bytes(), false, "(?-u:\\xC3\\xA9)"),
        ("escapes of other dialects that do no harm", b"\\/\\-\\:\\\"\\ \\]]", false, "/-:\" ]]"),
    ];
    for (what, text, ignore_case, want) in cases {
        let hir = parse(text, *ignore_case).unwrap_or_else(|error| panic!("{what}: {error}"));
        let want = without_groups(
            &regex_syntax::ParserBuilder::new()
                .utf8(false)
                .unicode(false)
                .build()
                .parse(want)
                .expect("a good expectation"),
        );
        assert_eq!(hir, want, "{what}");
    }
}

#[test]
fn what_cannot_be_compiled_is_refused_with_its_place_and_a_way_out() {
    let cases: &[(&[u8], &str, Range<usize>)] = &[
        (b"a(?=b)", "a finite automaton cannot hold the look-ahead (?=…) at byte 1", 1..4),
        (b"a(?!b)", "a finite automaton cannot hold the look-ahead (?!…) at byte 1", 1..4),
        (b"(?<=b)", "a finite automaton cannot hold the look-behind (?<=…) at byte 0", 0..4),
        (b"\xff(?<!b)", "a finite automaton cannot hold the look-behind (?<!…) at byte 1", 1..5),
        (b"(a)\\1", "a finite automaton cannot hold the back-reference \\1 at byte 3", 3..5),
        (
            b"(?P<a>b)(?P=a)",
            "a finite automaton cannot hold a back-reference (?P=…) at byte 8",
            8..11,
        ),
        (b"(?>a)", "a finite automaton cannot hold the atomic group (?>…) at byte 0", 0..3),
        (b"(?#a)", "there are no comments (?#…) at byte 0", 0..3),
        (b"(?|a)", "there are no groups (?|…) that share numbers at byte 0", 0..3),
        (b"(?1)", "a finite automaton cannot hold recursion at byte 0", 0..3),
        (b"(?q)", "unknown flag in (?q at byte 2", 2..3),
        (b"a\\Z", "unknown escape \\Z at byte 1", 1..3),
        (b"\\0", "octal escapes are not supported at byte 0", 0..2),
        (b"[\\<]", "\\< is an assertion, which a class cannot hold at byte 1", 1..3),
        (b"a\\x2my", "bad escape at byte 1", 1..5),
        (b"a\\", "an escape with nothing behind it at byte 1", 1..2),
        (b"{a}", "a repetition of nothing at byte 0", 0..0),
        (b"a*{b", "a bad repetition at byte 2", 2..3),
        (b"(*UTF8)a", "there are no verbs (*…) at byte 1", 1..1),
        (b"*a", "the repetition * has nothing to repeat at byte 0", 0..0),
        (b"a{3,2}", "a repetition whose least count is above its most at byte 1", 1..6),
        (b"[z-a]", "a range that ends before it begins at byte 1", 1..4),
        (b"[a", "a class that is not closed at byte 0", 0..1),
        (b"(a", "a group that is not closed at byte 0", 0..1),
        (b"a)", "a parenthesis that closes nothing at byte 1", 1..2),
        (b"\\pL", "the Unicode class \\pL is not supported: patterns match bytes at byte 0", 0..3),
        (
            "[\u{e9}]".as_bytes(),
            "\u{e9} is more than one byte, and a class holds single bytes at byte 1",
            1..3,
        ),
        (b"a(?u).", ". with the flag u is not supported: patterns match bytes at byte 5", 5..6),
        (
            b"(?u:[^a])",
            "[^a] with the flag u is not supported: patterns match bytes at byte 4",
            4..8,
        ),
        (b"(?iu:k)", "k with the flag u is not supported: patterns match bytes at byte 5", 5..6),
        (
            b"(?u:\\xff)",
            "\\xff with the flag u is not supported: patterns match bytes at byte 4",
            4..8,
        ),
        (b"(?i", "unknown flag in (?i at byte 3", 3..3),
    ];
    let mut wrong = Vec::new();
    for (text, message, span) in cases {
        let shown = text.escape_ascii();
        let error = parse(text, false).expect_err(&shown.to_string());
        if error.to_string() != *message || error.span() != Some(span) || error.hint().is_none() {
            wrong.push(format!("{shown}: {error}, {:?}, {:?}", error.span(), error.hint()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn limits_are_told_with_both_numbers() {
    let error = parse(b"(?:ab){1000}{1000}", false).expect_err("two million");
    assert_eq!(
        error.to_string(),
        "the regular expression, with its repetitions written out, has 2000000 positions; the \
         limit is 65536"
    );
    let deep = |levels: usize| "(".repeat(levels) + "a" + &")".repeat(levels);
    assert!(parse(deep(250).as_bytes(), false).is_ok());
    let error = parse(deep(251).as_bytes(), false).expect_err("one level more");
    assert_eq!(error.to_string(), "nesting 251 levels deep; the limit is 250 at byte 250");
    let long = "a".repeat(TEXT_BYTES_MAX + 1);
    let error = parse(long.as_bytes(), false).expect_err("one byte more");
    assert_eq!(error.to_string(), "the regular expression has 65537 bytes; the limit is 65536");
    assert!(parse(&vec![b'a'; TEXT_BYTES_MAX], false).is_ok());
    assert!(parse(b"a{65536}", false).is_ok());
}

#[test]
fn the_flag_u_is_taken_where_it_changes_nothing() {
    let same = [
        ("(?-u)\\w", "\\w"),
        ("(?u)ab", "ab"),
        ("(?iu:do)", "(?i:do)"),
        ("(?u:a(?-u).)", "a."),
        ("(?u:\u{e9})", "\u{e9}"),
        ("(?u:\\b)^(?-u:X)", "\\b^X"),
        ("(?:(?u:\\b)|(?s-u:.))+", "(?:\\b|(?s:.))+"),
    ];
    for (text, want) in same {
        assert_eq!(parse(text.as_bytes(), false), parse(want.as_bytes(), false), "{text}");
        assert!(parse(text.as_bytes(), false).is_ok(), "{text}");
    }
    assert_eq!(ascii_boundary(b"\xff(?u:\\b)"), Some(5..7));
    assert_eq!(ascii_boundary(b"(?u:a)\\b"), None);
}
