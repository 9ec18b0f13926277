//! How common each byte is in network payloads: a rough order, from text, markup and binary
//! protocols together. It steers which bytes of a pattern are looked for first; a wrong guess costs
//! time, never a match.

/// Bytes by how common they are, most common first. Bytes not listed are rare.
///
/// Letter order: the usual frequency order of English; digits and punctuation placed by how often
/// HTTP headers, markup and JSON use them; 0x00, 0xff and 0x01 because binary protocols pad and
/// count with them.
const COMMON: &[u8] = b"\x00 etaoinsrhldcumpf\x01gw./-\"=\n\r01,:b2yv<>\xff3_54k6879;TSAEC\tNPIRDO\
MHLxGFU&BW()%jq?'z+\x02\x04\x08\x80VK*#Y{}XQJZ[]!\x03\x10\x20@\\|^$~`\x05\x06\x07\x0c\x40\xc0\xe0\xf0\xfe";

#[allow(clippy::cast_possible_truncation, reason = "a position below 255, in a const fn")]
const fn ranks() -> [u8; 256] {
    let mut ranks = [0; 256];
    let mut at = 0;
    while at < COMMON.len() {
        let byte = COMMON[at] as usize;
        if ranks[byte] == 0 {
            // The list is shorter than 255, so this does not wrap and stays above 0.
            ranks[byte] = 255 - at as u8;
        }
        at += 1;
    }
    ranks
}

static RANKS: [u8; 256] = ranks();

/// 0 for a rare byte, up to 255 for the most common.
pub fn rank(byte: u8) -> u8 {
    RANKS[usize::from(byte)]
}
