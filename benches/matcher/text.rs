//! What is searched for, and in what: literals, timed packets, planted packets.
//!
//! Everything is made from fixed seeds, so that two runs time the same bytes. No packet holds a
//! NUL, because one of the peers (`bpf_strnstr`) ends its search there.

/// The literals, with the class that they stand for.
pub(crate) const LITERALS: [(&str, &[u8]); 3] = [
    ("literal-8", b"<script>"),
    ("literal-11", b"/etc/passwd"),
    ("literal-16", b"union select all"),
];

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
    /// The literal with its last byte wrong, again and again.
    Adversarial,
}

impl Text {
    pub(crate) const ALL: [Self; 3] = [Self::Prose, Self::Random, Self::Adversarial];

    /// As in the machine format.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Prose => "prose",
            Self::Random => "random",
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

/// A small generator (splitmix64): the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is small.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("usize fits");
        usize::try_from(self.next() % limit).expect("below a usize")
    }

    /// Any byte but NUL.
    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(255) + 1).expect("1 to 255")
    }
}

/// The packet of a warm measurement: `bytes` of `text` without `literal`.
pub(crate) fn warm(text: Text, literal: &[u8], bytes: usize) -> Vec<u8> {
    let packet = match text {
        Text::Prose => PROSE.bytes().cycle().take(bytes).collect(),
        Text::Random => random(&mut Numbers(7), bytes),
        Text::Adversarial => near_misses(literal, 1, 0, bytes),
    };
    checked(packet, literal)
}

/// [`COLD_PACKETS`] distinct packets of the same kind.
pub(crate) fn cold(text: Text, literal: &[u8], bytes: usize) -> Vec<Vec<u8>> {
    let mut numbers = Numbers(11);
    let words: Vec<&str> = PROSE.split_inclusive(' ').collect();
    (0..COLD_PACKETS)
        .map(|nth| {
            let packet = match text {
                Text::Prose => {
                    let mut packet = Vec::new();
                    while packet.len() < bytes {
                        packet.extend(words[numbers.below(words.len())].bytes());
                    }
                    packet.truncate(bytes);
                    packet
                }
                Text::Random => random(&mut numbers, bytes),
                Text::Adversarial => {
                    let wrong = u8::try_from(nth % 7 + 1).expect("1 to 7");
                    near_misses(literal, wrong, nth % literal.len(), bytes)
                }
            };
            checked(packet, literal)
        })
        .collect()
}

fn random(numbers: &mut Numbers, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| numbers.byte()).collect()
}

/// `literal` with `wrong` (1 to 31) mixed into its last byte, repeated, from byte `from` on.
fn near_misses(literal: &[u8], wrong: u8, from: usize, bytes: usize) -> Vec<u8> {
    let mut near = literal.to_vec();
    *near.last_mut().expect("no literal is empty") ^= wrong;
    near.iter().copied().cycle().skip(from).take(bytes).collect()
}

/// `packet`, if it is what it is meant to be: a full scan for everybody.
fn checked(packet: Vec<u8>, literal: &[u8]) -> Vec<u8> {
    assert!(!occurs(literal, &packet, true), "a timed packet holds the literal");
    assert!(!packet.contains(&0), "a timed packet holds a NUL");
    packet
}

/// Does `literal` occur in `packet`? The obvious way.
pub(crate) fn occurs(literal: &[u8], packet: &[u8], ignore_case: bool) -> bool {
    packet.windows(literal.len()).any(|window| {
        if ignore_case { window.eq_ignore_ascii_case(literal) } else { window == literal }
    })
}

/// Packets on which an engine is checked before it is timed: `literal` planted at both ends and at
/// many places, the same with one byte wrong or in the other case, and the timed kinds themselves.
pub(crate) fn planted(literal: &[u8]) -> Vec<Vec<u8>> {
    let mut numbers = Numbers(23);
    let mut packets = Vec::new();
    for bytes in SIZES {
        for text in Text::ALL {
            let plain = warm(text, literal, bytes);
            let last = bytes - literal.len();
            let mut places = vec![0, 1, last - 1, last];
            places.extend((0..12).map(|_| numbers.below(last + 1)));
            for at in places {
                let mut hit = plain.clone();
                hit[at..at + literal.len()].copy_from_slice(literal);
                let mut near = hit.clone();
                near[at + numbers.below(literal.len())] ^= 1;
                let mut other_case = hit.clone();
                for byte in &mut other_case[at..at + literal.len()] {
                    *byte = match *byte {
                        b'a'..=b'z' => byte.to_ascii_uppercase(),
                        other => other.to_ascii_lowercase(),
                    };
                }
                packets.extend([hit, near, other_case]);
            }
            packets.push(plain);
        }
    }
    packets
}
