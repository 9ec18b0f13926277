//! The system call itself, its retries, and how descriptors go in and come out.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

/// Calls of one command before a temporary failure is believed.
///
/// `EAGAIN` means that a signal arrived while the verifier ran, `EINTR` the same during a test
/// run. Ten signals in a row mean that somebody wants the process's attention.
pub(super) const ATTEMPTS: u32 = 10;

/// Commands of `bpf(2)` (`enum bpf_cmd`).
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Command {
    MapCreate = 0,
    MapLookup = 1,
    MapUpdate = 2,
    MapDelete = 3,
    MapNextKey = 4,
    ProgLoad = 5,
    ObjPin = 6,
    ObjGet = 7,
    ProgTestRun = 10,
    ProgNextId = 11,
    MapNextId = 12,
    ProgFdById = 13,
    MapFdById = 14,
    ObjectInfo = 15,
    ProgQuery = 16,
    BtfLoad = 18,
    MapFreeze = 22,
    MapLookupBatch = 24,
    LinkCreate = 28,
    LinkUpdate = 29,
    LinkFdById = 30,
    LinkNextId = 31,
    EnableStats = 32,
    LinkDetach = 34,
}

/// Call `bpf(2)`; retries `EAGAIN` and `EINTR` at most [`ATTEMPTS`] times.
///
/// # Safety
///
/// `attr` must be a prefix of `union bpf_attr` for `command`, without padding, and every address
/// in it must be valid for what the command does with it until this returns.
pub(super) unsafe fn bpf<T>(command: Command, attr: &mut T) -> io::Result<i32> {
    let mut attempt = 1;
    loop {
        // SAFETY: the caller vouches for `attr`; its size is passed along, so the kernel neither
        // reads nor writes beyond it.
        let ret = unsafe {
            libc::syscall(libc::SYS_bpf, command as u32, std::ptr::from_mut(attr), size_of::<T>())
        };
        if ret >= 0 {
            return Ok(i32::try_from(ret).expect("bpf(2) returns an int"));
        }
        let err = io::Error::last_os_error();
        let temporary = matches!(err.raw_os_error(), Some(libc::EAGAIN | libc::EINTR));
        if !temporary || attempt == ATTEMPTS {
            return Err(err);
        }
        attempt += 1;
    }
}

/// Call `bpf(2)` for a command that returns a new descriptor.
///
/// # Safety
///
/// As [`bpf`], and `command` must return a descriptor.
pub(super) unsafe fn bpf_fd<T>(command: Command, attr: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: passed on to the caller.
    let ret = unsafe { bpf(command, attr) }?;
    // SAFETY: a non-negative return of such a command is a new descriptor that nobody else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(ret) };
    above_zero(fd)
}

/// `fd` itself, or a duplicate of it if it is 0.
///
/// A process that was started without standard input gets 0 for its first descriptor.
fn above_zero(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() != 0 {
        return Ok(fd);
    }
    // SAFETY: `fd` is open; the call creates a descriptor of 3 or more, or fails.
    let dup = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) };
    if dup < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(dup) })
}

/// The number of `fd` for an attribute; refuses 0.
pub(super) fn number(fd: BorrowedFd<'_>) -> io::Result<u32> {
    let raw: RawFd = fd.as_raw_fd();
    match u32::try_from(raw) {
        Ok(number) if number != 0 => Ok(number),
        Ok(_) | Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("descriptor {raw} cannot be given to bpf(2)"),
        )),
    }
}

/// A length for an attribute.
pub(super) fn length(len: usize) -> io::Result<u32> {
    u32::try_from(len).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{len} bytes; bpf(2) counts 32 bits"))
    })
}

/// An error of ours in the same clothes: a buffer has not the length that the kernel assumes.
pub(super) fn wrong_length(what: &str, got: usize, want: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{what} of {got} bytes; the map has {want}"),
    )
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn descriptor_zero_is_refused_and_others_pass() {
        // SAFETY: only its number is looked at.
        let zero = unsafe { BorrowedFd::borrow_raw(0) };
        assert_eq!(number(zero).map_err(|e| e.kind()), Err(io::ErrorKind::InvalidInput));
        let file = std::fs::File::open("/dev/null").expect("always there");
        let want = u32::try_from(file.as_raw_fd()).expect("open");
        assert_eq!(number(file.as_fd()).ok(), Some(want));
    }
}
