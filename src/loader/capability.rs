//! What this process may do: its effective capabilities.

use std::{fmt, fs, io};

/// A capability that some part of Hardwire needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capability {
    /// Attach XDP, load XDP and tc programs.
    NetAdmin,
    /// Open `AF_PACKET` sockets.
    NetRaw,
    /// Everything; covers `CAP_BPF` and `CAP_PERFMON`.
    SysAdmin,
    /// Loops and variable packet offsets; tracing. Linux 5.8.
    Perfmon,
    /// Create maps, load programs. Linux 5.8.
    Bpf,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::NetAdmin, Self::NetRaw, Self::SysAdmin, Self::Perfmon, Self::Bpf];

    /// What attaching a program with the fast scan needs.
    pub const ATTACH: [Self; 3] = [Self::Bpf, Self::NetAdmin, Self::Perfmon];

    /// The bit number (`include/uapi/linux/capability.h`).
    pub const fn bit(self) -> u32 {
        match self {
            Self::NetAdmin => 12,
            Self::NetRaw => 13,
            Self::SysAdmin => 21,
            Self::Perfmon => 38,
            Self::Bpf => 39,
        }
    }

    /// The kernel's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of effective capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Those of this process.
    ///
    /// # Errors
    ///
    /// If `/proc/self/status` cannot be read or has no line `CapEff`.
    pub fn of_process() -> io::Result<Self> {
        const PATH: &str = "/proc/self/status";
        let text = fs::read_to_string(PATH)?;
        Self::from_status(&text).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{PATH} has no line CapEff"))
        })
    }

    fn from_status(status: &str) -> Option<Self> {
        let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(hex.trim(), 16).ok().map(Self)
    }

    /// Is this very capability in the set?
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability.bit()) != 0
    }

    /// May the process do what `capability` stands for? `CAP_SYS_ADMIN` covers `CAP_BPF` and
    /// `CAP_PERFMON` (`bpf_capable()` and `perfmon_capable()` in `include/linux/capability.h`).
    pub const fn covers(self, capability: Capability) -> bool {
        let by_admin = match capability {
            Capability::Bpf | Capability::Perfmon => self.has(Capability::SysAdmin),
            Capability::NetAdmin | Capability::NetRaw | Capability::SysAdmin => false,
        };
        by_admin || self.has(capability)
    }

    /// Those of `wanted` that the process lacks.
    pub fn missing(self, wanted: &[Capability]) -> Vec<Capability> {
        wanted.iter().copied().filter(|&c| !self.covers(c)).collect()
    }
}

/// Those of `wanted` that this process lacks; none if that cannot be read.
pub fn missing(wanted: &[Capability]) -> Vec<Capability> {
    Capabilities::of_process().map(|have| have.missing(wanted)).unwrap_or_default()
}

/// The line that gives the binary `capabilities`:
/// `setcap cap_bpf,cap_net_admin+ep $(which hardwire)`.
pub fn setcap(capabilities: &[Capability]) -> String {
    let names: Vec<_> = capabilities.iter().map(|c| c.name().to_ascii_lowercase()).collect();
    format!("setcap {}+ep $(which hardwire)", names.join(","))
}

/// `CAP_BPF and CAP_NET_ADMIN`, for messages.
pub(super) fn list(capabilities: &[Capability]) -> String {
    match capabilities {
        [] => "nothing that is known to be needed".to_owned(),
        [one] => one.name().to_owned(),
        [most @ .., last] => {
            let most: Vec<_> = most.iter().map(|c| c.name()).collect();
            format!("{} and {last}", most.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_file_is_read_and_sys_admin_covers_bpf_but_not_networking() {
        let read = |hex: &str| {
            Capabilities::from_status(&format!("Name:\tx\nCapEff:\t{hex}\nCapBnd:\t0\n"))
                .expect("well formed")
        };
        let all = read("000001ffffffffff");
        assert_eq!(all.missing(&Capability::ALL), []);
        let none = read("0000000000000000");
        assert_eq!(none.missing(&Capability::ATTACH), Capability::ATTACH);
        let admin = read(&format!("{:016x}", 1_u64 << 21));
        assert_eq!(admin.missing(&Capability::ATTACH), [Capability::NetAdmin]);
        let bpf = read(&format!("{:016x}", 1_u64 << 39 | 1 << 12));
        assert_eq!(bpf.missing(&Capability::ATTACH), [Capability::Perfmon]);
        for hostile in ["", "CapEff:", "CapEff:\tzz", "CapEff: 11112222333344445"] {
            assert_eq!(Capabilities::from_status(hostile), None, "{hostile:?}");
        }
    }

    #[test]
    fn the_setcap_line_is_one_that_works() {
        assert_eq!(
            setcap(&Capability::ATTACH),
            "setcap cap_bpf,cap_net_admin,cap_perfmon+ep $(which hardwire)"
        );
        assert_eq!(list(&Capability::ATTACH), "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
    }
}
