//! Everything small: every needle of up to four letters in every haystack of up to seven.

use hardwire::{
    assembler::Target,
    compiler::{
        Entry,
        ir::{Report, Scope},
    },
};

use super::support::{Side, TC, counted_loops, literal, matcher, udp_frame};

/// Every string over `alphabet` of at most `max_len` bytes, shortest first.
fn strings(alphabet: &[u8], max_len: usize) -> Vec<Vec<u8>> {
    let mut all = vec![vec![]];
    let mut last = all.clone();
    for _ in 0..max_len {
        last = last
            .iter()
            .flat_map(|s| alphabet.iter().map(move |&b| [s.as_slice(), &[b]].concat()))
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

fn needles() -> Vec<Vec<u8>> {
    strings(b"ab", 4).into_iter().filter(|n| !n.is_empty()).collect()
}

/// Goal: no off-by-one in cursor, bounds or restart logic.
/// Method: with two letters and short strings the space is small enough to visit completely, so
/// this is a proof for that space and not a sample.
fn every_needle(entry: Entry, target: &Target) {
    let haystacks = strings(b"ab", 7);
    for (number, needle) in needles().into_iter().enumerate() {
        let report = if number % 2 == 0 { Report::First } else { Report::All };
        let scope = match entry {
            Entry::Xdp | Entry::Tc(_) => Scope::Payload,
            Entry::SocketFilter => Scope::Raw,
        };
        let matcher = matcher(vec![literal(needle.clone())], scope, report);
        let mut side = Side::new(&matcher, entry, target);
        for haystack in &haystacks {
            let input = match entry {
                Entry::Xdp | Entry::Tc(_) => udp_frame(haystack),
                Entry::SocketFilter => haystack.clone(),
            };
            side.check(&input, || {
                format!("{} in {}", needle.escape_ascii(), haystack.escape_ascii())
            });
        }
    }
}

#[test]
fn every_small_needle_in_every_small_haystack_through_xdp() {
    every_needle(Entry::Xdp, &Target::newest());
}

#[test]
fn every_small_needle_in_every_small_haystack_through_a_socket_filter() {
    every_needle(Entry::SocketFilter, &Target::newest());
}

#[test]
fn every_small_needle_in_every_small_haystack_through_a_classifier() {
    every_needle(TC, &Target::newest());
}

#[test]
fn every_small_needle_in_every_small_haystack_with_counted_loops() {
    every_needle(Entry::Xdp, &counted_loops());
    every_needle(Entry::SocketFilter, &counted_loops());
}

#[test]
fn all_small_needles_at_once_are_found_exactly() {
    for entry in [Entry::Xdp, Entry::SocketFilter, TC] {
        for report in [Report::All, Report::First] {
            let scope = if entry == Entry::SocketFilter { Scope::Raw } else { Scope::Payload };
            let matcher = matcher(needles().into_iter().map(literal).collect(), scope, report);
            let mut side = Side::new(&matcher, entry, &Target::newest());
            for haystack in strings(b"ab", 7) {
                let input = match entry {
                    Entry::Xdp | Entry::Tc(_) => udp_frame(&haystack),
                    Entry::SocketFilter => haystack.clone(),
                };
                side.check(&input, || haystack.escape_ascii().to_string());
            }
        }
    }
}

/// Without a header in front the XDP scan cannot move its last block back: another way out.
#[test]
fn short_raw_frames_are_searched_whole() {
    for needle in ["x", "xy", "xyz", "wxyz", "vwxyz", "12345678", "123456789abcdef0123456789"] {
        let matcher = matcher(vec![literal(needle)], Scope::Raw, Report::All);
        let mut side = Side::new(&matcher, Entry::Xdp, &Target::newest());
        for len in 14..=100 {
            side.check(&vec![b'.'; len], || format!("{needle} not in {len} dots"));
            for at in 0..=len.saturating_sub(needle.len()) {
                let mut input = vec![b'.'; len];
                if at + needle.len() > len {
                    continue;
                }
                input[at..at + needle.len()].copy_from_slice(needle.as_bytes());
                side.check(&input, || format!("{needle} at {at} of {len}"));
            }
        }
    }
}
