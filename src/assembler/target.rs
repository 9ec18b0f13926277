//! What a kernel can run, as a value. `loader::features` measures it on a running kernel;
//! [`Target::of_version`] assumes the mainline release.

use std::{fmt, str::FromStr};

/// A kernel release, without the patch level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KernelVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

impl KernelVersion {
    /// The oldest kernel that generated code was tried on. Older ones down to 5.3, which brought
    /// bounded loops, may take it; nobody looked.
    pub const OLDEST: Self = Self { major: 5, minor: 10 };
    /// The newest kernel that Hardwire was tried on.
    pub const NEWEST: Self = Self { major: 7, minor: 3 };

    /// A release by its two numbers.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for KernelVersion {
    type Err = String;

    /// Reads `6.18`, `6.18.4` or `6.18.44-anything`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a kernel version; write it as 6.12");
        let mut parts = text.split('.');
        let mut number = |first: bool| -> Result<u16, String> {
            let part = parts.next().ok_or_else(wrong)?;
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            if first && end != part.len() {
                return Err(wrong());
            }
            part[..end].parse().map_err(|_| wrong())
        };
        Ok(Self { major: number(true)?, minor: number(false)? })
    }
}

/// What the generated code may use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The release this stands for; for messages only.
    pub version: KernelVersion,
    /// Loops at all, as far as the verifier can follow them round by round. Linux 5.3.
    pub bounded_loops: bool,
    /// `may_goto`: loops that need no proof of their length. Linux 6.9.
    pub may_goto: bool,
    /// `gotol`: 32-bit jump offsets. Linux 6.6.
    pub gotol: bool,
    /// Multi-buffer XDP: `bpf_xdp_load_bytes`, `bpf_xdp_get_buff_len`, `BPF_F_XDP_HAS_FRAGS`.
    /// Linux 5.18.
    pub xdp_frags: bool,
    /// Pointer arithmetic with variables, as the verifier allows it with `CAP_PERFMON` (or
    /// `CAP_SYS_ADMIN`). Without it the direct scan is refused.
    pub perfmon: bool,
    /// Tail calls in programs that have functions, so that a search may be several programs.
    /// Linux 5.10, where programs become machine code.
    pub tail_calls: bool,
    /// Ring buffers. Linux 5.8.
    pub ringbuf: bool,
    /// Atomic operations that return the old value. Linux 5.12.
    pub atomic_fetch: bool,
    /// Most instructions a program may have on this target, in slots of 8 bytes.
    ///
    /// 4096 without `CAP_BPF`, one million with it since Linux 5.2. This bounds the *program*; the
    /// verifier separately bounds the instructions it will *process*.
    ///
    /// Source: `BPF_MAXINSNS` in `include/uapi/linux/bpf_common.h` and
    /// `BPF_COMPLEXITY_LIMIT_INSNS` in `include/linux/bpf.h`.
    pub slots_max: u32,
}

impl Target {
    /// A mainline kernel of this release with the privileges of root.
    pub fn of_version(version: KernelVersion) -> Self {
        let since = |major, minor| version >= KernelVersion::new(major, minor);
        Self {
            version,
            bounded_loops: since(5, 3),
            may_goto: since(6, 9),
            gotol: since(6, 6),
            xdp_frags: since(5, 18),
            perfmon: true,
            tail_calls: since(5, 10),
            ringbuf: since(5, 8),
            atomic_fetch: since(5, 12),
            slots_max: if since(5, 2) { 1_000_000 } else { 4096 },
        }
    }

    /// The newest kernel that Hardwire knows.
    pub fn newest() -> Self {
        Self::of_version(KernelVersion::NEWEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_a_release_string() {
        for (text, want) in [
            ("6.18", Ok((6, 18))),
            ("5.10.223-amd64", Ok((5, 10))),
            ("6.1-rc3", Ok((6, 1))),
            ("6", Err(())),
            ("six.1", Err(())),
            ("6x.1", Err(())),
            ("", Err(())),
            ("6.99999999", Err(())),
        ] {
            let got = text.parse::<KernelVersion>().map(|v| (v.major, v.minor)).map_err(|_| ());
            assert_eq!(got, want, "{text:?}");
        }
    }
}
