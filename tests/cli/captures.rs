//! Captures that are made here, whole and damaged.

use std::time::Duration;

use etherparse::PacketBuilder;
use hardwire::capture::{Resolution, Writer};

use crate::File;

/// A UDP datagram in an Ethernet frame.
pub(crate) fn udp(payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .udp(1000, 2000);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).expect("a vector takes everything");
    frame
}

/// An ARP frame, which is out of scope.
pub(crate) fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 12];
    frame.extend([0x08, 0x06]);
    frame.extend([0; 28]);
    frame
}

/// The bytes of a pcap file with these frames.
pub(crate) fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Resolution::Nanoseconds).expect("a header");
    for (frame, second) in frames.iter().zip(0..) {
        writer.write(frame, Duration::from_secs(second)).expect("a frame");
    }
    bytes
}

/// A capture of four frames: `GET /admin`, `GET /`, ARP, and one of 13 bytes.
pub(crate) fn four() -> File {
    File::new("four.pcap", pcap(&[udp(b"GET /admin"), udp(b"GET /"), arp(), vec![1; 13]]))
}
