//! Perf events that carry what programs hand over (`PERF_COUNT_SW_BPF_OUTPUT`), and their shared
//! memory (`include/uapi/linux/perf_event.h`).
//!
//! A page of metadata, which holds both positions and which we write to, then the records. These
//! are mapped once: one that goes over the end is in two pieces.

use std::{
    io,
    mem::offset_of,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use super::mapping::{Mapping, page_bytes};

const TYPE_SOFTWARE: u32 = 1;
const COUNT_SW_BPF_OUTPUT: u64 = 10;
const SAMPLE_RAW: u64 = 1 << 10;
const FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;
/// `_IO('$', 0)`, `_IO('$', 1)`.
const IOC_ENABLE: libc::c_ulong = 0x2400;

/// Places in the page of metadata (`struct perf_event_mmap_page`).
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

/// `struct perf_event_attr` as it was first (`PERF_ATTR_SIZE_VER0`).
#[repr(C)]
#[derive(Default)]
struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
}

const _: () = assert!(size_of::<Attr>() == 64);
const _: () = assert!(offset_of!(Attr, sample_type) == 24);
const _: () = assert!(offset_of!(Attr, wakeup_events) == 48);

/// One CPU's event and its memory.
#[derive(Debug)]
pub(crate) struct PerfRing {
    fd: OwnedFd,
    memory: Mapping,
    page: usize,
    /// Bytes of all records.
    bytes: u64,
}

impl PerfRing {
    /// Open an event for what programs hand over on `cpu`, with room for `bytes` bytes, a power of
    /// two of whole pages.
    ///
    /// # Errors
    ///
    /// `EACCES`, `EPERM`: no `CAP_PERFMON`; `ENODEV`: the CPU is offline; `EPERM` from the mapping:
    /// more than `/proc/sys/kernel/perf_event_mlock_kb`.
    pub(crate) fn open(cpu: u32, bytes: usize) -> io::Result<Self> {
        let page = page_bytes();
        if !bytes.is_power_of_two() || !bytes.is_multiple_of(page) {
            let what = format!("{bytes} bytes are no power of two of whole pages");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let cpu = libc::c_int::try_from(cpu)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("CPU {cpu}")))?;
        let attr = Attr {
            kind: TYPE_SOFTWARE,
            size: 64,
            config: COUNT_SW_BPF_OUTPUT,
            sample_period: 1,
            sample_type: SAMPLE_RAW,
            wakeup_events: 1,
            ..Attr::default()
        };
        // SAFETY: the kernel reads `size` bytes of a local whose layout is asserted above.
        let raw = unsafe {
            let (everybody, no_group): (libc::pid_t, libc::c_int) = (-1, -1);
            let attr = &raw const attr;
            libc::syscall(
                libc::SYS_perf_event_open,
                attr,
                everybody,
                cpu,
                no_group,
                FLAG_FD_CLOEXEC,
            )
        };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        let raw = libc::c_int::try_from(raw).expect("a descriptor is an int");
        // SAFETY: a new descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let memory = Mapping::new(fd.as_fd(), 0, page + bytes, true)?;
        // SAFETY: no pointer is followed.
        if unsafe { libc::ioctl(fd.as_raw_fd(), IOC_ENABLE, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { fd, memory, page, bytes: bytes as u64 })
    }

    /// Bytes written and not read yet.
    pub(crate) fn used(&self) -> u64 {
        self.memory.load_u64(DATA_HEAD).wrapping_sub(self.memory.load_u64(DATA_TAIL))
    }

    /// Call `each` with what was written and not read: the second piece goes on where the first
    /// ends. It says how many of these bytes are done with; they are given back. `None`: the
    /// positions are impossible.
    pub(crate) fn read<R>(&mut self, each: impl FnOnce(&[u8], &[u8]) -> (usize, R)) -> Option<R> {
        let head = self.memory.load_u64(DATA_HEAD);
        let tail = self.memory.load_u64(DATA_TAIL);
        let used = head.wrapping_sub(tail);
        if used > self.bytes {
            return None;
        }
        let from = tail & (self.bytes - 1);
        let first = used.min(self.bytes - from);
        let size = |bytes: u64| usize::try_from(bytes).expect("below the size of the ring");
        // SAFETY: the kernel has written what is below the head, and does not write there again
        // before the tail is moved, below; the memory belongs to our descriptor alone.
        let first_piece = unsafe { self.memory.bytes(self.page + size(from), size(first)) };
        // SAFETY: as above.
        let second_piece = unsafe { self.memory.bytes(self.page, size(used - first)) };
        let (done, result) = each(first_piece, second_piece);
        let done = (done as u64).min(used);
        self.memory.store_u64(DATA_TAIL, tail.wrapping_add(done));
        Some(result)
    }
}

impl AsFd for PerfRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
