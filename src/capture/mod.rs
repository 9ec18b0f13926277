//! Packet captures: pcap and pcapng, read without trusting a single length in them.
