//! Run a loaded program on bytes of ours (`BPF_PROG_TEST_RUN`).
//!
//! Real code of the real program, in the kernel, without an interface. Its results are exact, its
//! times are means over `repeat` runs with 1 ns resolution and a floor of about 25 ns. For socket
//! filters the kernel strips the first 14 bytes.

use std::os::fd::AsFd;

use super::{
    Program, TestRunError,
    sys::{self, ENOTSUPP},
};

/// Fewest bytes of a packet: an Ethernet header (`ETH_HLEN`).
pub const PACKET_BYTES_MIN: usize = 14;

/// Bytes by which a program may lengthen the packet. The kernel gives XDP 256 bytes of headroom.
const GROWTH_BYTES_MAX: usize = 512;

/// What a run brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// What the program returned the last time.
    pub retval: u32,
    /// Nanoseconds of one run, the mean of all.
    pub duration_ns: u32,
    /// The packet afterwards, if it was asked for.
    pub data_out: Option<Vec<u8>>,
}

/// Run `program` `repeat` times on `data` (0 counts as 1).
///
/// # Errors
///
/// A packet shorter than [`PACKET_BYTES_MIN`] or longer than the kernel takes, a program type that
/// cannot be run, signals that keep arriving.
pub fn run(
    program: &Program,
    data: &[u8],
    repeat: u32,
    data_out: bool,
) -> Result<TestRun, TestRunError> {
    let bytes = data.len();
    if bytes < PACKET_BYTES_MIN {
        return Err(TestRunError::TooShort { bytes, limit: PACKET_BYTES_MIN });
    }
    let mut out = data_out.then(|| vec![0; bytes + GROWTH_BYTES_MAX]);
    let args = sys::program::TestRun { data, data_out: out.as_deref_mut(), repeat };
    let ran = sys::program::test_run(program.as_fd(), args).map_err(|source| {
        match source.raw_os_error() {
            Some(libc::EINVAL | libc::E2BIG | libc::EMSGSIZE | libc::ENOMEM) => {
                TestRunError::PacketSize { bytes, source }
            }
            Some(libc::ENOSPC) => TestRunError::Grew { bytes, room: GROWTH_BYTES_MAX },
            Some(ENOTSUPP | libc::EOPNOTSUPP) => {
                TestRunError::NotRunnable { prog_type: program.prog_type() }
            }
            _ => TestRunError::Kernel { bytes, source },
        }
    })?;
    if let Some(out) = &mut out {
        out.truncate(usize::try_from(ran.data_bytes).expect("u32 fits"));
    }
    Ok(TestRun { retval: ran.retval, duration_ns: ran.duration_ns, data_out: out })
}

/// Most frames of a batch of [`send`] (`TEST_XDP_MAX_BATCH` in `net/bpf/test_run.c`).
pub const BATCH_FRAMES_MAX: u32 = 256;

/// Run an XDP program on `frames` copies of `data`, and let the kernel do with each what the program
/// says: what is redirected leaves, millions a second. A generator of traffic, in the network namespace
/// of the calling thread. Linux 5.18.
///
/// # Errors
///
/// A frame shorter than [`PACKET_BYTES_MIN`] or longer than a page holds; an older kernel; a signal.
pub fn send(program: &Program, data: &[u8], frames: u32) -> Result<(), TestRunError> {
    let bytes = data.len();
    if bytes < PACKET_BYTES_MIN {
        return Err(TestRunError::TooShort { bytes, limit: PACKET_BYTES_MIN });
    }
    let sent = sys::program::test_run_live(program.as_fd(), data, frames, BATCH_FRAMES_MAX);
    sent.map_err(|source| match source.raw_os_error() {
        Some(ENOTSUPP | libc::EOPNOTSUPP) => {
            TestRunError::NotRunnable { prog_type: program.prog_type() }
        }
        _ => TestRunError::Kernel { bytes, source },
    })
}
