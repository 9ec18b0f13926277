//! Generic receive offload, switched on.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

/// Let an interface of the calling thread's namespace receive in batches (GRO); a veth then polls
/// with and without a program.
#[allow(unsafe_code, reason = "nix does not know SIOCETHTOOL")]
pub(crate) fn set_gro(interface: &str) {
    const SIOCETHTOOL: u32 = 0x8946;
    const ETHTOOL_SGRO: u32 = 0x2c;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("any socket");
    // struct ethtool_value
    let mut value = [ETHTOOL_SGRO, 1];
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    let data = libc::__c_anonymous_ifr_ifru { ifru_data: value.as_mut_ptr().cast() };
    let request = libc::ifreq { ifr_name: name, ifr_ifru: data };
    // SAFETY: the kernel reads the request and the two words it points at; both outlive the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL.into(), &raw const request) };
    assert_eq!(done, 0, "GRO of {interface}: {}", io::Error::last_os_error());
}
