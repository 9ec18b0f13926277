//! Memory that is shared with the kernel.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

/// Bytes of a page.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: no pointer is followed.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).ok().filter(|bytes| bytes.is_power_of_two()).unwrap_or(4096)
}

/// A part of a descriptor's memory. Dropping it unmaps.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory belongs to no thread; what is shared in it is accessed by atomics only.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Map `bytes` bytes of `fd` from `offset` on, shared; to be written to only if `writable`.
    ///
    /// # Errors
    ///
    /// `EPERM`: the kernel keeps this part for itself; `EINVAL`: no such part; `ENOMEM`.
    pub(super) fn new(
        fd: BorrowedFd<'_>,
        offset: usize,
        bytes: usize,
        writable: bool,
    ) -> io::Result<Self> {
        let offset = libc::off_t::try_from(offset).map_err(|_| too_large(offset))?;
        let access = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        // SAFETY: the kernel chooses the place, so nothing that is mapped is replaced.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                access,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        Ok(Self { start, bytes })
    }

    /// The address of `len` bytes at `at`.
    ///
    /// # Panics
    ///
    /// If they are not all inside, or `at` is no multiple of `align`.
    fn place(&self, at: usize, len: usize, align: usize) -> NonNull<u8> {
        let end = at.checked_add(len).expect("places in a mapping do not overflow");
        assert!(end <= self.bytes && at.is_multiple_of(align), "{len} bytes at {at} of a mapping");
        // SAFETY: inside the mapping, as was just asserted.
        unsafe { self.start.add(at) }
    }

    /// The 64-bit number at `at`, which the other side stores with release semantics.
    pub(super) fn load_u64(&self, at: usize) -> u64 {
        let place = self.place(at, 8, 8).cast::<AtomicU64>();
        // SAFETY: inside the mapping and aligned, as `place` asserts; mapped as long as `self`.
        unsafe { place.as_ref() }.load(Ordering::Acquire)
    }

    /// The 32-bit number at `at`, which the other side stores with release semantics.
    pub(super) fn load_u32(&self, at: usize) -> u32 {
        let place = self.place(at, 4, 4).cast::<AtomicU32>();
        // SAFETY: inside the mapping and aligned, as `place` asserts; mapped as long as `self`.
        unsafe { place.as_ref() }.load(Ordering::Acquire)
    }

    /// Store a number at `at`; the other side sees it after everything that was done before. The
    /// mapping must be a writable one.
    pub(super) fn store_u64(&self, at: usize, value: u64) {
        let place = self.place(at, 8, 8).cast::<AtomicU64>();
        // SAFETY: inside the mapping and aligned, as `place` asserts; mapped as long as `self`.
        unsafe { place.as_ref() }.store(value, Ordering::Release);
    }

    /// The bytes from `at` on.
    ///
    /// # Safety
    ///
    /// Nobody may write to them while the slice lives.
    pub(super) unsafe fn bytes(&self, at: usize, len: usize) -> &[u8] {
        let place = self.place(at, len, 1);
        // SAFETY: inside the mapping, as `place` asserts; nobody writes, as the caller vouches.
        unsafe { std::slice::from_raw_parts(place.as_ptr(), len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, and nothing borrows from it any more.
        let _ = unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

fn too_large(offset: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("no mapping has an offset of {offset}"))
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::AsFd};

    use super::*;

    #[test]
    fn a_mapping_is_read_inside_and_nowhere_else() {
        let page = page_bytes();
        let file = tempfile::tempfile().unwrap();
        file.set_len(page as u64).unwrap();
        let mapping = Mapping::new(file.as_fd(), 0, page, true).unwrap();
        mapping.store_u64(page - 8, 0x1122_3344_5566_7788);
        assert_eq!(mapping.load_u64(page - 8), 0x1122_3344_5566_7788);
        assert_eq!(mapping.load_u32(page - 8).to_ne_bytes()[0], 0x88);
        // SAFETY: nobody else has this file.
        assert_eq!(unsafe { mapping.bytes(page - 8, 8) }[7], 0x11);
        for (at, why) in [(page - 4, "over the end"), (page, "behind it"), (12, "not aligned")] {
            let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                mapping.load_u64(at);
            }));
            assert!(read.is_err(), "{why}");
        }
        let null = File::open("/dev/null").unwrap();
        assert!(Mapping::new(null.as_fd(), 0, page, true).is_err());
    }
}
