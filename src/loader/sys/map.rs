//! Map commands.

use std::{
    ffi::CStr,
    io,
    mem::offset_of,
    os::fd::{BorrowedFd, OwnedFd},
};

use super::call::{Command, bpf, bpf_fd, length, number, wrong_length};

/// Bytes of a name in an attribute, with the final NUL.
pub(crate) const NAME_BYTES: usize = 16;

/// `BPF_MAP_CREATE` up to `map_name` (Linux 4.15).
#[repr(C)]
#[derive(Default)]
struct CreateAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; NAME_BYTES],
}

const _: () = assert!(size_of::<CreateAttr>() == 44);
const _: () = assert!(offset_of!(CreateAttr, map_flags) == 16);
const _: () = assert!(offset_of!(CreateAttr, map_name) == 28);

/// `BPF_MAP_*_ELEM` and `BPF_MAP_GET_NEXT_KEY`.
#[repr(C)]
#[derive(Default)]
struct ElemAttr {
    map_fd: u32,
    pad: u32,
    key: u64,
    /// `value`, or `next_key`.
    value: u64,
    flags: u64,
}

const _: () = assert!(size_of::<ElemAttr>() == 32);
const _: () = assert!(offset_of!(ElemAttr, key) == 8);
const _: () = assert!(offset_of!(ElemAttr, value) == 16);
const _: () = assert!(offset_of!(ElemAttr, flags) == 24);

/// `BPF_MAP_*_BATCH` (Linux 5.6).
#[repr(C)]
#[derive(Default)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

const _: () = assert!(size_of::<BatchAttr>() == 56);
const _: () = assert!(offset_of!(BatchAttr, count) == 32);
const _: () = assert!(offset_of!(BatchAttr, map_fd) == 36);
const _: () = assert!(offset_of!(BatchAttr, flags) == 48);

/// What the kernel believes about the sizes of a map: taken from the map itself, never from a
/// caller, because it decides how much the kernel reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Bytes of a key.
    pub(crate) key_bytes: usize,
    /// Bytes that one lookup writes: the value, or for a per-CPU map one slot of a multiple of
    /// eight bytes for each possible CPU.
    pub(crate) value_bytes: usize,
}

impl Layout {
    fn check_key(self, key: &[u8]) -> io::Result<()> {
        if key.len() == self.key_bytes {
            Ok(())
        } else {
            Err(wrong_length("key", key.len(), self.key_bytes))
        }
    }

    fn check_value(self, value: &[u8]) -> io::Result<()> {
        if value.len() == self.value_bytes {
            Ok(())
        } else {
            Err(wrong_length("value", value.len(), self.value_bytes))
        }
    }
}

/// Arguments of [`create`].
pub(crate) struct Create<'a> {
    /// `BPF_MAP_TYPE_*`.
    pub(crate) map_type: u32,
    pub(crate) key_bytes: u32,
    pub(crate) value_bytes: u32,
    pub(crate) entries_max: u32,
    pub(crate) flags: u32,
    pub(crate) name: &'a CStr,
}

/// Create a map (`BPF_MAP_CREATE`).
///
/// # Errors
///
/// - `EPERM`: no `CAP_BPF`, or before Linux 5.11 not enough `RLIMIT_MEMLOCK`;
/// - `EINVAL`: a size, flag or name that this type does not take, or an unknown type;
/// - `E2BIG`: a key, value or map larger than the kernel allows; `ENOMEM`.
pub(crate) fn create(args: &Create<'_>) -> io::Result<OwnedFd> {
    let mut attr = CreateAttr {
        map_type: args.map_type,
        key_size: args.key_bytes,
        value_size: args.value_bytes,
        max_entries: args.entries_max,
        map_flags: args.flags,
        map_name: name(args.name)?,
        ..CreateAttr::default()
    };
    // SAFETY: the layout is asserted above; the attribute holds no address.
    unsafe { bpf_fd(Command::MapCreate, &mut attr) }
}

/// A name as it stands in attributes.
pub(super) fn name(text: &CStr) -> io::Result<[u8; NAME_BYTES]> {
    let bytes = text.to_bytes_with_nul();
    let mut out = [0; NAME_BYTES];
    let Some(place) = out.get_mut(..bytes.len()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("name {text:?} is longer than {} bytes", NAME_BYTES - 1),
        ));
    };
    place.copy_from_slice(bytes);
    Ok(out)
}

/// Read the value of `key` into `value` (`BPF_MAP_LOOKUP_ELEM`).
///
/// # Errors
///
/// `ENOENT`: no such key; `InvalidInput` if a buffer has not the length that `layout` says.
pub(crate) fn lookup(
    map: BorrowedFd<'_>,
    layout: Layout,
    key: &[u8],
    value: &mut [u8],
) -> io::Result<()> {
    layout.check_key(key)?;
    layout.check_value(value)?;
    let mut attr = ElemAttr {
        map_fd: number(map)?,
        key: key.as_ptr() as u64,
        value: value.as_mut_ptr() as u64,
        ..ElemAttr::default()
    };
    // SAFETY: the kernel reads a key and writes a value; both buffers have the map's sizes
    // (checked above) and are borrowed until we return.
    unsafe { bpf(Command::MapLookup, &mut attr) }.map(drop)
}

/// Set the value of `key` (`BPF_MAP_UPDATE_ELEM`). `flags`: `BPF_ANY` 0, `BPF_NOEXIST` 1,
/// `BPF_EXIST` 2.
///
/// # Errors
///
/// `EEXIST`, `ENOENT` by `flags`; `E2BIG`: the map is full or the index too large.
pub(crate) fn update(
    map: BorrowedFd<'_>,
    layout: Layout,
    key: &[u8],
    value: &[u8],
    flags: u64,
) -> io::Result<()> {
    layout.check_key(key)?;
    layout.check_value(value)?;
    let mut attr = ElemAttr {
        map_fd: number(map)?,
        key: key.as_ptr() as u64,
        value: value.as_ptr() as u64,
        flags,
        ..ElemAttr::default()
    };
    // SAFETY: the kernel reads a key and a value; both have the map's sizes (checked above) and
    // are borrowed until we return.
    unsafe { bpf(Command::MapUpdate, &mut attr) }.map(drop)
}

/// Forbid further changes from user space (`BPF_MAP_FREEZE`, Linux 5.2).
///
/// # Errors
///
/// `EBUSY`: frozen already, or mapped for writing; `EPERM`.
pub(crate) fn freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = ElemAttr { map_fd: number(map)?, ..ElemAttr::default() };
    // SAFETY: the kernel reads the descriptor only; every address is zero.
    unsafe { bpf(Command::MapFreeze, &mut attr) }.map(drop)
}

/// Remove `key` (`BPF_MAP_DELETE_ELEM`).
///
/// # Errors
///
/// `ENOENT`: no such key; `EINVAL`: entries of this type cannot be removed.
pub(crate) fn delete(map: BorrowedFd<'_>, layout: Layout, key: &[u8]) -> io::Result<()> {
    layout.check_key(key)?;
    let mut attr =
        ElemAttr { map_fd: number(map)?, key: key.as_ptr() as u64, ..ElemAttr::default() };
    // SAFETY: the kernel reads a key, which has the map's size and is borrowed until we return.
    unsafe { bpf(Command::MapDelete, &mut attr) }.map(drop)
}

/// Write the key after `key` into `next`; the first one if `key` is `None` or not in the map
/// (`BPF_MAP_GET_NEXT_KEY`).
///
/// # Errors
///
/// `ENOENT`: that was the last.
pub(crate) fn next_key(
    map: BorrowedFd<'_>,
    layout: Layout,
    key: Option<&[u8]>,
    next: &mut [u8],
) -> io::Result<()> {
    key.map_or(Ok(()), |key| layout.check_key(key))?;
    layout.check_key(next)?;
    let mut attr = ElemAttr {
        map_fd: number(map)?,
        key: key.map_or(0, |key| key.as_ptr() as u64),
        value: next.as_mut_ptr() as u64,
        ..ElemAttr::default()
    };
    // SAFETY: the kernel reads a key (or none) and writes a key; both have the map's size and are
    // borrowed until we return.
    unsafe { bpf(Command::MapNextKey, &mut attr) }.map(drop)
}

/// Where a batch stopped, and how much it brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Entries read.
    pub(crate) count: usize,
    /// There is nothing behind them.
    pub(crate) end: bool,
}

/// Read many entries at once (`BPF_MAP_LOOKUP_BATCH`). `position` is empty for the first call and
/// holds the kernel's place afterwards.
///
/// # Errors
///
/// `ENOTSUPP` or `EINVAL`: this kernel has no batches for this type of map.
pub(crate) fn lookup_batch(
    map: BorrowedFd<'_>,
    layout: Layout,
    position: &mut Vec<u8>,
    keys: &mut [u8],
    values: &mut [u8],
) -> io::Result<Batch> {
    let room = keys.len() / layout.key_bytes.max(1);
    let want = (room * layout.key_bytes, room * layout.value_bytes);
    if (keys.len(), values.len()) != want {
        return Err(wrong_length("batch of values", values.len(), want.1));
    }
    // Hash maps keep their place in four bytes whatever the key size.
    let mut out = vec![0; layout.key_bytes.max(4)];
    if !position.is_empty() && position.len() != out.len() {
        return Err(wrong_length("position of a batch", position.len(), out.len()));
    }
    let mut attr = BatchAttr {
        in_batch: if position.is_empty() { 0 } else { position.as_ptr() as u64 },
        out_batch: out.as_mut_ptr() as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: length(room)?,
        map_fd: number(map)?,
        ..BatchAttr::default()
    };
    // SAFETY: the kernel writes at most `count` keys and values, for which there is room (checked
    // above), and a position, for which a key or four bytes are enough; all are borrowed until we
    // return.
    let result = unsafe { bpf(Command::MapLookupBatch, &mut attr) };
    let end = match result {
        Ok(_) => false,
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => true,
        Err(e) => return Err(e),
    };
    *position = out;
    let count = usize::try_from(attr.count).expect("u32 fits");
    Ok(Batch { count: count.min(room), end })
}
