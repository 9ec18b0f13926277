//! Facts about the running machine that the kernel shows as files.

use std::{
    fs, io,
    num::NonZeroUsize,
    os::{
        fd::AsFd,
        unix::{fs::MetadataExt, net::UnixDatagram},
    },
    sync::OnceLock,
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};

use super::sys;
use crate::assembler::KernelVersion;

/// Most CPUs that a list may name; the kernel's own bound is 8192 (`CONFIG_NR_CPUS`).
const CPUS_MAX: usize = 65_536;

/// Nanoseconds in a second.
const NANOS: i128 = 1_000_000_000;

/// The clock that programs read (`bpf_ktime_get_ns()`), since the boot of the machine: `CLOCK_MONOTONIC`
/// without the offset of this process's time namespace (Linux 5.6).
///
/// # Errors
///
/// Those of `clock_gettime`; a sandbox may forbid it.
pub fn ktime() -> io::Result<Duration> {
    static OFFSET: OnceLock<i128> = OnceLock::new();
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    let now = i128::from(now.tv_sec()) * NANOS + i128::from(now.tv_nsec());
    let since_boot = now - OFFSET.get_or_init(time_namespace_offset);
    let nanos = u64::try_from(since_boot.max(0)).unwrap_or(u64::MAX);
    Ok(Duration::from_nanos(nanos))
}

/// Nanoseconds that this process sees `CLOCK_MONOTONIC` ahead of the machine's. The kernel shows the
/// offsets of the namespace that children get: those of another are not known, and mostly none.
fn time_namespace_offset() -> i128 {
    let own = fs::read_link("/proc/self/ns/time").ok();
    let of_children = fs::read_link("/proc/self/ns/time_for_children").ok();
    if own.is_none() || own != of_children {
        return 0;
    }
    fs::read_to_string("/proc/self/timens_offsets")
        .ok()
        .and_then(|text| monotonic_offset(&text))
        .unwrap_or(0)
}

/// The offset in a file like `monotonic 100 5`.
fn monotonic_offset(text: &str) -> Option<i128> {
    let line = text.lines().find_map(|line| line.strip_prefix("monotonic"))?;
    let mut numbers = line.split_whitespace().map(str::parse::<i64>);
    let (seconds, nanos) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(i128::from(seconds) * NANOS + i128::from(nanos))
}

/// The release of the running kernel, as `uname -r` prints it.
///
/// # Errors
///
/// If `/proc` is not mounted.
pub fn release() -> io::Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|e| at(e, "osrelease"))?;
    Ok(text.trim_end().to_owned())
}

/// The version of the running kernel. For messages and for checking probes; what the kernel can do
/// is [`features`](super::features)' business, because vendors backport.
///
/// # Errors
///
/// If the release cannot be read or begins with no version.
pub fn version() -> io::Result<KernelVersion> {
    release()?.parse().map_err(|e: String| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// How many CPUs could ever run: the number of values of a per-CPU map entry.
///
/// # Errors
///
/// If `/sys` is not mounted or the list is malformed. There is no guess: the kernel writes this
/// many values into a buffer of ours.
pub fn possible_cpus() -> io::Result<NonZeroUsize> {
    possible(count_cpus)
}

/// The number of the last CPU that could ever run, plus one: entries of an array that
/// `bpf_get_smp_processor_id()` indexes. More than [`possible_cpus`] where numbers are left out.
///
/// # Errors
///
/// As [`possible_cpus`].
pub fn cpu_numbers() -> io::Result<u32> {
    let numbers = possible(|list| Some(cpu_ranges(list)?.last()?.1 + 1))?;
    Ok(u32::try_from(numbers).expect("at most CPUS_MAX"))
}

/// The numbers of the CPUs that run now, ascending.
///
/// # Errors
///
/// As [`possible_cpus`].
pub fn online_cpus() -> io::Result<Vec<u32>> {
    const PATH: &str = "/sys/devices/system/cpu/online";
    let text = fs::read_to_string(PATH).map_err(|e| at(e, PATH))?;
    let numbers = cpu_ranges(text.trim_end()).map(|ranges| {
        let numbers = ranges.into_iter().flat_map(|(first, last)| first..=last);
        numbers.map(|cpu| u32::try_from(cpu).expect("at most CPUS_MAX")).collect()
    });
    numbers
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{PATH} holds {text:?}")))
}

const POSSIBLE_CPUS: &str = "/sys/devices/system/cpu/possible";

fn possible<T>(read: impl FnOnce(&str) -> Option<T>) -> io::Result<T> {
    let text = fs::read_to_string(POSSIBLE_CPUS).map_err(|e| at(e, POSSIBLE_CPUS))?;
    read(text.trim_end()).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{POSSIBLE_CPUS} holds {text:?}"))
    })
}

/// Which network namespace it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkNamespace {
    /// The number of its file: what `lsns` and `ls -l /proc/PID/ns/net` print. It may be given to
    /// another namespace when this one is gone.
    pub inode: u64,
    /// Its number since the boot, never given again. Linux 5.14.
    pub cookie: Option<u64>,
}

/// The network namespace of the calling thread.
///
/// # Errors
///
/// If `/proc` is not mounted.
pub fn network_namespace() -> io::Result<NetworkNamespace> {
    const PATH: &str = "/proc/thread-self/ns/net";
    let inode = fs::metadata(PATH).map_err(|e| at(e, PATH))?.ino();
    // Any socket knows where it is.
    let cookie = UnixDatagram::unbound().and_then(|s| sys::sockopt::netns_cookie(s.as_fd())).ok();
    Ok(NetworkNamespace { inode, cookie })
}

/// How many CPUs a list such as `0-3,8` names.
fn count_cpus(list: &str) -> Option<NonZeroUsize> {
    NonZeroUsize::new(cpu_ranges(list)?.iter().map(|(first, last)| last - first + 1).sum())
}

/// The ranges of a list such as `0-3,8`, first and last, in their order.
fn cpu_ranges(list: &str) -> Option<Vec<(usize, usize)>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last && last < CPUS_MAX).then_some((first, last))
    };
    let mut ranges = list.split(',').map(range).collect::<Option<Vec<_>>>()?;
    ranges.sort_unstable();
    Some(ranges)
}

fn at(err: io::Error, path: &str) -> io::Error {
    io::Error::new(err.kind(), format!("{path}: {err}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_are_counted_not_spanned() {
        for (list, want) in [
            ("0", Some(1)),
            ("0-1", Some(2)),
            ("0-3,8", Some(5)),
            ("0,2-5,7", Some(6)),
            ("", None),
            ("3-1", None),
            ("0-", None),
            ("a", None),
            ("0-99999999", None),
        ] {
            assert_eq!(count_cpus(list).map(NonZeroUsize::get), want, "{list:?}");
        }
    }

    #[test]
    fn the_offset_of_a_time_namespace_is_read() {
        let text = "monotonic      100000       250\nboottime            7         0\n";
        assert_eq!(monotonic_offset(text), Some(100_000_000_000_250));
        assert_eq!(monotonic_offset("monotonic -5 0\n"), Some(-5_000_000_000));
        for text in ["", "monotonic\n", "monotonic x y\n", "boottime 1 2\n"] {
            assert_eq!(monotonic_offset(text), None, "{text:?}");
        }
        assert!(ktime().expect("the clock") > Duration::ZERO);
    }
}
