//! Frames that are made here: an Ethernet, an IPv4 and a UDP header around given bytes.
//!
//! Checksums stay zero; nothing that looks for a payload reads them.

/// Bytes in front of the payload.
pub(crate) const HEADER_BYTES: usize = ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES;

/// Most bytes of a payload: what the IPv4 total length can say.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 65_535 - IPV4_BYTES - UDP_BYTES;

const ETHERNET_BYTES: usize = 14;
const IPV4_BYTES: usize = 20;
const UDP_BYTES: usize = 8;

/// A frame with the first [`PAYLOAD_BYTES_MAX`] bytes of `payload`.
pub(crate) fn udp(payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(PAYLOAD_BYTES_MAX)];
    let length = |bytes: usize| u16::try_from(bytes).expect("at most PAYLOAD_BYTES_MAX");
    let udp_bytes = UDP_BYTES + payload.len();

    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
    frame.extend(0x0800_u16.to_be_bytes());
    frame.extend([0x45, 0]);
    frame.extend(length(IPV4_BYTES + udp_bytes).to_be_bytes());
    // Identification, no fragment, time to live, UDP, checksum, 192.0.2.1 to 192.0.2.2.
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    frame.extend(9_u16.to_be_bytes());
    frame.extend(9_u16.to_be_bytes());
    frame.extend(length(udp_bytes).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardwire::compiler::ir::Scope;
    use hardwire::compiler::scope::{Hook, scope_of};

    #[test]
    fn the_payload_of_a_made_frame_is_what_was_put_into_it() {
        for bytes in [0, 1, 1472, 9000, PAYLOAD_BYTES_MAX] {
            let payload = vec![7; bytes];
            let frame = udp(&payload);
            let found = scope_of(&frame, Scope::Payload, Hook::Xdp).expect("a UDP frame");
            assert_eq!(found, HEADER_BYTES..HEADER_BYTES + bytes);
        }
    }
}
