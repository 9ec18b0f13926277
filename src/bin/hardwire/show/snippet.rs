//! Captured bytes as text and as a hexdump, with the matches in them highlighted: by colour, or by
//! brackets in text and carets below a hexdump.
//!
//! The bytes are a stranger's: what is not printable ASCII is a dot, so nothing reaches a terminal
//! that it would obey.

use std::fmt::Write as _;
use std::ops::Range;

use super::{HIGHLIGHT, PLAIN};

/// Bytes of a row of a hexdump.
const ROW_BYTES: usize = 16;
/// Bytes that are shown in front of a match.
const LEAD_BYTES: usize = 16;
const INDENT: &str = "    ";

fn printable(byte: u8) -> char {
    if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' }
}

fn marked(marks: &[Range<usize>], at: usize) -> bool {
    marks.iter().any(|mark| mark.contains(&at))
}

/// One line of at most `bytes_max` of `bytes` around the first of `marks`.
pub(super) fn text(
    to: &mut String,
    bytes: &[u8],
    marks: &[Range<usize>],
    bytes_max: usize,
    colors: bool,
) {
    let first = marks.iter().map(|mark| mark.start).min().unwrap_or(0);
    // As much in front of the match as fits, but not more than is needed to fill the line.
    let start = first.saturating_sub(LEAD_BYTES.min(bytes_max / 2));
    let start = start.min(bytes.len().saturating_sub(bytes_max));
    let end = bytes.len().min(start + bytes_max);
    if start >= end {
        return;
    }
    let (open, close) = if colors { (HIGHLIGHT, PLAIN) } else { ("[", "]") };
    to.push_str(INDENT);
    to.push_str(if start > 0 { "..." } else { "" });
    let mut inside = false;
    for (at, byte) in bytes.iter().enumerate().take(end).skip(start) {
        let now = marked(marks, at);
        if now != inside {
            to.push_str(if now { open } else { close });
            inside = now;
        }
        to.push(printable(*byte));
    }
    to.push_str(if inside { close } else { "" });
    to.push_str(if end < bytes.len() { "...\n" } else { "\n" });
}

/// Rows of sixteen of `bytes`.
pub(super) fn hexdump(to: &mut String, bytes: &[u8], marks: &[Range<usize>], colors: bool) {
    for (row, chunk) in bytes.chunks(ROW_BYTES).enumerate() {
        let start = row * ROW_BYTES;
        // A string takes everything that is written to it.
        let _ = write!(to, "{INDENT}{start:04x} ");
        let mut carets = String::new();
        let mut shown =
            |to: &mut String, at: usize, text: std::fmt::Arguments<'_>, width: usize| {
                let now = marked(marks, at);
                let (open, close) = if now && colors { (HIGHLIGHT, PLAIN) } else { ("", "") };
                let _ = write!(to, "{open}{text}{close}");
                let sign = if now { '^' } else { ' ' };
                carets.extend(std::iter::repeat_n(sign, width));
                carets.len()
            };
        let mut gaps = Vec::new();
        for column in 0..ROW_BYTES {
            let gap = if column == ROW_BYTES / 2 { "  " } else { " " };
            gaps.push(gap);
            to.push_str(gap);
            match chunk.get(column) {
                Some(byte) => shown(to, start + column, format_args!("{byte:02x}"), 2),
                None => shown(to, usize::MAX, format_args!("  "), 2),
            };
        }
        to.push_str("  ");
        for (column, byte) in chunk.iter().enumerate() {
            shown(to, start + column, format_args!("{}", printable(*byte)), 1);
        }
        to.push('\n');
        if !colors && carets.contains('^') {
            underline(to, &carets, &gaps);
        }
    }
}

/// A line with the carets of one row below its hex digits and its text.
fn underline(to: &mut String, carets: &str, gaps: &[&str]) {
    let mut line = format!("{INDENT}     ");
    let (digits, text) = carets.split_at(2 * gaps.len());
    for (column, gap) in gaps.iter().enumerate() {
        line.push_str(gap);
        line.push_str(&digits[2 * column..2 * column + 2]);
    }
    line.push_str("  ");
    line.push_str(text);
    to.push_str(line.trim_end());
    to.push('\n');
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "one mark is a list of marks, too")]
mod tests {
    use super::*;

    fn line(bytes: &[u8], marks: &[Range<usize>], bytes_max: usize, colors: bool) -> String {
        let mut to = String::new();
        text(&mut to, bytes, marks, bytes_max, colors);
        to
    }

    #[test]
    fn text_is_cut_around_the_match_and_dots_stand_for_what_is_not_printable() {
        let long = [b'a'; 100];
        for (bytes, marks, bytes_max, expected) in [
            (&b"GET /admin\r\n\x1b[31m"[..], &[0..10][..], 72, "    [GET /admin]...[31m\n"),
            (b"abc", &[], 72, "    abc\n"),
            (b"abc", &[1..2], 0, ""),
            (b"", &[0..0], 72, ""),
            (b"abcdef", &[1..3, 2..4], 72, "    a[bcd]ef\n"),
            (b"abcdef", &[0..1, 5..6], 72, "    [a]bcde[f]\n"),
            (&long, &[50..52], 10, "    ...aaaaa[aa]aaa...\n"),
            (&long, &[99..100], 10, "    ...aaaaaaaaa[a]\n"),
            (&long, &[90..190], 10, "    ...aaaaa[aaaaa]...\n"),
            (b"abc", &[7..9], 72, "    abc\n"),
        ] {
            assert_eq!(line(bytes, marks, bytes_max, false), expected);
        }
        assert_eq!(line(b"abc", &[1..2], 9, true), format!("    a{HIGHLIGHT}b{PLAIN}c\n"));
        let all: Vec<u8> = (0..=255).collect();
        let shown = line(&all, &[0..256], 256, false);
        assert!(shown.trim_end().chars().all(|c| matches!(c, ' '..='~')));
    }

    #[test]
    fn a_hexdump_has_carets_below_the_match_or_colours_in_it() {
        let bytes: Vec<u8> = b"0123456789abcdefGET\n".to_vec();
        let mut to = String::new();
        hexdump(&mut to, &bytes, &[14..17], false);
        let expected =
            "    0000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef
                                                     ^^ ^^                ^^
    0010  47 45 54 0a                                       GET.
          ^^                                                ^
";
        assert_eq!(to, expected);
        let mut colored = String::new();
        hexdump(&mut colored, &bytes, &[14..17], true);
        let plain = colored.replace(HIGHLIGHT, "").replace(PLAIN, "");
        let without_carets: Vec<_> = expected.lines().filter(|line| !line.contains('^')).collect();
        assert_eq!(plain.lines().collect::<Vec<_>>(), without_carets);
        assert_eq!(colored.matches(HIGHLIGHT).count(), 6);
    }
}
