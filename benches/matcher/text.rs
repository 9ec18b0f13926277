//! What is searched: timed packets, which hold no match, and planted packets.
//!
//! Everything is made from fixed seeds, so that two runs time the same bytes. No timed packet holds a
//! NUL, because one of the peers (`bpf_strnstr`) ends its search there.

use crate::{
    class::{COUNT, COUNTED, Class},
    rules::Numbers,
};

/// Searched bytes of the timed packets.
pub(crate) const SIZES: [usize; 3] = [64, 256, 1500];

/// Distinct packets of a cold measurement: more than a branch predictor learns by heart.
pub(crate) const COLD_PACKETS: usize = 256;

/// The kinds of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// An HTTP request header, then English prose (the opening of *A Tale of Two Cities*).
    Prose,
    /// Uniform bytes, NUL excepted.
    Random,
    /// Uniform printable bytes.
    Ascii,
    /// What nearly matches, again and again.
    Adversarial,
}

impl Text {
    pub(crate) const ALL: [Self; 4] = [Self::Prose, Self::Random, Self::Ascii, Self::Adversarial];
    /// Those that nobody made to be slow.
    pub(crate) const ORDINARY: [Self; 3] = [Self::Prose, Self::Random, Self::Ascii];

    /// As in the machine format.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Prose => "prose",
            Self::Random => "random",
            Self::Ascii => "ascii",
            Self::Adversarial => "adversarial",
        }
    }
}

const PROSE: &str = "GET /products/catalog/index.php?id=1423&sort=price&lang=en HTTP/1.1\r\n\
Host: www.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n\
Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n\
Referer: https://www.example.com/start/page\r\nConnection: keep-alive\r\n\
Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark\r\n\
Upgrade-Insecure-Requests: 1\r\n\r\n\
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age \
of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season \
of Light, it was the season of Darkness, it was the spring of hope, it was the winter of \
despair, we had everything before us, we had nothing before us, we were all going direct to \
Heaven, we were all going direct the other way - in short, the period was so far like the \
present period, that some of its noisiest authorities insisted on its being received, for good \
or for evil, in the superlative degree of comparison only. There were a king with a large jaw \
and a queen with a plain face, on the throne of England; there were a king with a large jaw and \
a queen with a fair face, on the throne of France. In both countries it was clearer than crystal \
to the lords of the State preserves of loaves and fishes, that things in general were settled \
for ever. ";

/// The packet of a warm measurement: `bytes` of `text` without a match.
pub(crate) fn warm(text: Text, class: &Class, bytes: usize) -> Vec<u8> {
    let mut numbers = Numbers(7);
    let packet = match text {
        Text::Prose => checked(PROSE.bytes().cycle().take(bytes).collect(), class),
        Text::Random | Text::Ascii => random(text, &mut numbers, class, bytes),
        Text::Adversarial => near_misses(&mut numbers, class, 0, 0, bytes),
    };
    packet.unwrap_or_else(|| panic!("{}: the {} packet matches", class.name, text.name()))
}

/// [`COLD_PACKETS`] distinct packets of the same kind.
pub(crate) fn cold(text: Text, class: &Class, bytes: usize) -> Vec<Vec<u8>> {
    let mut numbers = Numbers(11);
    let words: Vec<&str> = PROSE.split_inclusive(' ').collect();
    let packet = |nth| match text {
        Text::Prose => try_often(|| {
            let mut packet = Vec::new();
            while packet.len() < bytes {
                packet.extend(words[numbers.below(words.len())].bytes());
            }
            packet.truncate(bytes);
            checked(packet, class)
        }),
        Text::Random | Text::Ascii => random(text, &mut numbers, class, bytes),
        Text::Adversarial => near_misses(&mut numbers, class, nth, nth % 16, bytes),
    };
    let packets: Option<Vec<_>> = (0..COLD_PACKETS).map(packet).collect();
    packets.unwrap_or_else(|| panic!("{}: {} packets match", class.name, text.name()))
}

/// `packet`, if it is what it is meant to be: a full scan for everybody.
fn checked(packet: Vec<u8>, class: &Class) -> Option<Vec<u8>> {
    (!packet.contains(&0) && !class.matches(&packet)).then_some(packet)
}

/// The first packet that is good; a short literal occurs in some by chance.
fn try_often(packet: impl FnMut() -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    const TRIES: usize = 100;
    std::iter::repeat_with(packet).take(TRIES).flatten().next()
}

fn random(text: Text, numbers: &mut Numbers, class: &Class, bytes: usize) -> Option<Vec<u8>> {
    try_often(|| {
        let mut byte = || if text == Text::Ascii { numbers.printable() } else { numbers.byte() };
        checked((0..bytes).map(|_| byte()).collect(), class)
    })
}

/// The nth packet of near misses, without its first `skipped` bytes: of one pattern the same one
/// again and again, of a set one after the other.
fn near_misses(
    numbers: &mut Numbers,
    class: &Class,
    nth: usize,
    skipped: usize,
    bytes: usize,
) -> Option<Vec<u8>> {
    if class.counts() {
        return checked(with_counted(numbers, bytes, COUNT - 1, nth == 0), class);
    }
    let many = class.patterns.len() > 1;
    let nears = &class.nears;
    // The start moves by a prime, so that each packet begins elsewhere.
    let mut near = nth.wrapping_mul(if many { 61 } else { 1 }) % nears.len();
    let mut packet = Vec::new();
    let mut left_out = 0;
    while packet.len() < skipped + bytes {
        let before = packet.len();
        packet.extend(&nears[near]);
        // Two that stand side by side can be a match.
        if class.matches(&packet[before.saturating_sub(256)..]) {
            packet.truncate(before);
            left_out += 1;
            if left_out > nears.len() || !many {
                return None;
            }
        } else {
            left_out = 0;
        }
        near = if many { (near + 1) % nears.len() } else { near };
    }
    checked(packet[skipped..skipped + bytes].to_vec(), class)
}

/// `bytes` with so many of what is counted, in front or anywhere.
fn with_counted(numbers: &mut Numbers, bytes: usize, count: usize, in_front: bool) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..bytes)
        .map(|at| {
            if at < count { COUNTED } else { COUNTED + 1 + u8::try_from(at % 9).expect("below 9") }
        })
        .collect();
    if !in_front {
        for at in (1..bytes).rev() {
            packet.swap(at, numbers.below(at + 1));
        }
    }
    packet
}

/// Is `literal` none that the timed packets are full of?
pub(crate) fn is_rare(literal: &[u8]) -> bool {
    !PROSE.as_bytes().windows(literal.len()).any(|window| window == literal)
}

/// Packets on which an engine is checked before it is timed: what matches, planted at both ends and
/// at many places; the same with one byte wrong or in the other case; and the timed kinds themselves.
pub(crate) fn planted(class: &Class) -> Vec<Vec<u8>> {
    let mut numbers = Numbers(23);
    let mut packets = Vec::new();
    for bytes in SIZES {
        let fitting: Vec<_> = class.hits.iter().filter(|hit| hit.len() + 2 <= bytes).collect();
        for text in Text::ALL {
            let plain = warm(text, class, bytes);
            if class.counts() {
                let counts = [0, 1, COUNT - 1, COUNT, COUNT + 1, bytes];
                packets.extend(counts.map(|count| with_counted(&mut numbers, bytes, count, false)));
                packets.push(plain);
                continue;
            }
            for nth in 0..16 {
                let hit = fitting[numbers.below(fitting.len())];
                let last = bytes - hit.len();
                let at = match nth {
                    0 | 1 => nth,
                    2 | 3 => last + 2 - nth,
                    _ => numbers.below(last + 1),
                };
                let mut packet = plain.clone();
                packet[at..at + hit.len()].copy_from_slice(hit);
                let mut near = packet.clone();
                near[at + numbers.below(hit.len())] ^= 1;
                let mut other_case = packet.clone();
                for byte in &mut other_case[at..at + hit.len()] {
                    *byte = match *byte {
                        b'a'..=b'z' => byte.to_ascii_uppercase(),
                        other => other.to_ascii_lowercase(),
                    };
                }
                packets.extend([packet, near, other_case]);
            }
            packets.push(plain);
        }
    }
    packets
}
