//! Literals that are long enough to be looked for at every few positions only: wherever they stand,
//! among pieces of themselves, none is stepped over.

use hardwire::{
    assembler::Target,
    compiler::{
        Entry,
        gram_interval::find,
        ir::{Pattern, Report, Scope, Window},
        lower::Needle,
    },
};

use super::support::{Side, TC, literal, matcher, tcp_frame};

const SOURCE: &[u8] = b"union select all from information_schema.tables where 1=1";

/// Literals of many lengths: words, a period of two, a run, and bytes with the high bit set.
fn literals() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (8..=24).map(|len| SOURCE[..len].to_vec()).collect();
    all.extend([30, 41, 57].map(|len| SOURCE[..len].to_vec()));
    all.push(b"abababababababab".to_vec());
    all.push(b"aaaaaaaaaaaaaaaa".to_vec());
    all.push((0..14_u8).map(|i| 0x80 | i.wrapping_mul(37)).collect());
    all
}

/// `len` bytes made of pieces of `of`, none of them the whole.
fn pieces(of: &[u8], len: usize, mut seed: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let from = (seed >> 33) % of.len();
        let to = from + 1 + (seed >> 45) % (of.len() - from);
        bytes.extend(&of[from..to]);
        bytes.push(b'.'); // or pieces of a run would make a run
    }
    bytes.truncate(len);
    bytes
}

fn swap_case(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|b| if b.is_ascii_alphabetic() { b ^ 0x20 } else { *b }).collect()
}

fn needle(pattern: &Pattern) -> Needle {
    let literal = pattern.as_literal().expect("a literal");
    Needle::of_literal(0, pattern.id, literal, pattern.window)
}

#[test]
fn a_literal_among_its_own_pieces_is_found_wherever_it_stands() {
    let mut looked_for = 0;
    for bytes in literals() {
        for ignore_case in [false, true] {
            let pattern = literal(bytes.clone()).ignoring_case(ignore_case);
            looked_for += usize::from(find(&needle(&pattern)).is_some());
            let matcher = matcher(vec![pattern], Scope::Payload, Report::All);
            let hit = if ignore_case { swap_case(&bytes) } else { bytes.clone() };
            for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
                let mut side = Side::new(&matcher, entry, &Target::newest());
                for (seed, len) in [(1, 600), (2, 239), (3, 262), (4, 900)] {
                    let noise = pieces(&bytes, len, seed);
                    side.check(&tcp_frame(&noise), || format!("pieces only, {len} bytes"));
                    for at in (0..=len - hit.len()).step_by(13).chain([len - hit.len()]) {
                        for background in [&noise, &vec![b'.'; len]] {
                            let mut payload = background.clone();
                            payload[at..at + hit.len()].copy_from_slice(&hit);
                            side.check(&tcp_frame(&payload), || {
                                format!("{} at {at} of {len}", hit.escape_ascii())
                            });
                        }
                    }
                }
            }
        }
    }
    assert!(looked_for > 30, "{looked_for} literals only were worth a look");
}

#[test]
fn looks_keep_to_the_window_of_the_pattern() {
    let bytes = &SOURCE[..16];
    assert!(find(&needle(&literal(bytes))).is_some());
    for (offset, depth) in [(0, Some(300)), (100, None), (250, Some(400)), (3, Some(16))] {
        let pattern = literal(bytes).within(Window { offset, depth });
        let matcher = matcher(vec![pattern], Scope::Payload, Report::All);
        let newest = Target::newest();
        let windows_alone = Target { perfmon: false, ..newest.clone() };
        for (entry, target) in [
            (Entry::Xdp, &newest),
            (Entry::Xdp, &windows_alone),
            (Entry::SocketFilter, &newest),
            (TC, &newest),
        ] {
            let mut side = Side::new(&matcher, entry, target);
            for at in 0..700 - bytes.len() {
                let near = at % 7 == 0
                    || [0, 3, 100, 250, 284, 300, 634, 650]
                        .iter()
                        .any(|edge: &usize| edge.abs_diff(at) < 4);
                if near {
                    let mut payload = vec![b'x'; 700];
                    payload[at..at + bytes.len()].copy_from_slice(bytes);
                    side.check(&tcp_frame(&payload), || format!("{offset}+{depth:?}: at {at}"));
                }
            }
        }
    }
}
