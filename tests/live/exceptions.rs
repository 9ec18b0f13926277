//! Counting the kernel's tracepoint `xdp_exception`, which `abort` promises.

use std::fs;
use std::io;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const EVENT: &str = "events/xdp/xdp_exception/id";
/// Where tracefs belongs; the folder is there even if nothing is mounted.
const FOLDER: &str = "/sys/kernel/tracing";

/// Words of `struct perf_event_attr` up to what Linux 3.12 knows (`PERF_ATTR_SIZE_VER3`).
type Attr = [u64; 12];
const PERF_TYPE_TRACEPOINT: u64 = 2;
/// `_IOW('$', 6, char *)`.
const SET_FILTER: libc::c_ulong = 0x4008_2406;

/// Counts the exceptions of one program, on all CPUs.
pub(crate) struct Exceptions(Vec<fs::File>);

impl Exceptions {
    /// From now on; an error where tracepoints cannot be counted.
    pub(crate) fn of_program(id: u32) -> io::Result<Self> {
        let event = event_number()?;
        let filter = std::ffi::CString::new(format!("prog_id == {id}")).expect("no NUL");
        let cpus = std::thread::available_parallelism()?.get();
        let opened: io::Result<Vec<_>> = (0..cpus).map(|cpu| open(event, cpu, &filter)).collect();
        opened.map(Self)
    }

    pub(crate) fn count(&self) -> u64 {
        let of = |mut file: &fs::File| {
            let mut bytes = [0; 8];
            file.read_exact(&mut bytes).expect("a counter");
            u64::from_ne_bytes(bytes)
        };
        self.0.iter().map(of).sum()
    }
}

/// The number of the tracepoint. It is told by tracefs, which nobody may have mounted: then it is
/// mounted where only one thread sees it, and goes with that.
fn event_number() -> io::Result<u64> {
    let read = || fs::read_to_string(format!("{FOLDER}/{EVENT}"));
    let mounted = move || {
        unshare(CloneFlags::CLONE_NEWNS)?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
        mount(Some("tracefs"), FOLDER, Some("tracefs"), MsFlags::empty(), None::<&str>)?;
        read()
    };
    let text = read().or_else(|_| std::thread::spawn(mounted).join().expect("no panic"))?;
    text.trim().parse().map_err(io::Error::other)
}

#[allow(unsafe_code, reason = "no crate of ours opens perf events")]
fn open(event: u64, cpu: usize, filter: &std::ffi::CStr) -> io::Result<fs::File> {
    // type and size, config
    let mut attr = Attr::default();
    attr[0] = PERF_TYPE_TRACEPOINT | (size_of::<Attr>() as u64) << 32;
    attr[1] = event;
    // SAFETY: the kernel reads `attr`, whose size is in its first word.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, attr.as_ptr(), -1, cpu, -1, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).expect("a descriptor is an int");
    // SAFETY: a non-negative return is a new descriptor that nobody else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the kernel reads the string up to its NUL.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), SET_FILTER, filter.as_ptr()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(fd.into())
}
