//! Asking about objects: information by descriptor, descriptors by id.

use std::{
    io,
    mem::offset_of,
    os::fd::{BorrowedFd, OwnedFd},
};

use super::call::{Command, bpf, bpf_fd, length, number};

/// `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoAttr {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

const _: () = assert!(size_of::<InfoAttr>() == 16);
const _: () = assert!(offset_of!(InfoAttr, info) == 8);

/// `BPF_*_GET_NEXT_ID` and `BPF_*_GET_FD_BY_ID`.
#[repr(C)]
#[derive(Default)]
struct IdAttr {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

const _: () = assert!(size_of::<IdAttr>() == 12);

/// `struct bpf_prog_info` (Linux 5.16). Fields that an older kernel does not know stay zero.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub(crate) struct ProgInfo {
    pub(crate) prog_type: u32,
    pub(crate) id: u32,
    pub(crate) tag: [u8; 8],
    pub(crate) jited_prog_len: u32,
    pub(crate) xlated_prog_len: u32,
    jited_prog_insns: u64,
    xlated_prog_insns: u64,
    pub(crate) load_time: u64,
    pub(crate) created_by_uid: u32,
    pub(crate) nr_map_ids: u32,
    map_ids: u64,
    pub(crate) name: [u8; 16],
    ifindex: u32,
    flags: u32,
    netns_dev: u64,
    netns_ino: u64,
    nr_jited_ksyms: u32,
    nr_jited_func_lens: u32,
    jited_ksyms: u64,
    jited_func_lens: u64,
    pub(crate) btf_id: u32,
    func_info_rec_size: u32,
    func_info: u64,
    pub(crate) nr_func_info: u32,
    pub(crate) nr_line_info: u32,
    line_info: u64,
    jited_line_info: u64,
    nr_jited_line_info: u32,
    line_info_rec_size: u32,
    jited_line_info_rec_size: u32,
    nr_prog_tags: u32,
    prog_tags: u64,
    pub(crate) run_time_ns: u64,
    pub(crate) run_cnt: u64,
    pub(crate) recursion_misses: u64,
    pub(crate) verified_insns: u32,
    attach_btf_obj_id: u32,
    attach_btf_id: u32,
    pad: u32,
}

const _: () = assert!(size_of::<ProgInfo>() == 232);
const _: () = assert!(offset_of!(ProgInfo, xlated_prog_insns) == 32);
const _: () = assert!(offset_of!(ProgInfo, map_ids) == 56);
const _: () = assert!(offset_of!(ProgInfo, name) == 64);
const _: () = assert!(offset_of!(ProgInfo, jited_ksyms) == 112);
const _: () = assert!(offset_of!(ProgInfo, line_info) == 152);
const _: () = assert!(offset_of!(ProgInfo, run_time_ns) == 192);
const _: () = assert!(offset_of!(ProgInfo, verified_insns) == 216);

/// `struct bpf_map_info` up to `name`.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub(crate) struct MapInfo {
    pub(crate) map_type: u32,
    pub(crate) id: u32,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) map_flags: u32,
    pub(crate) name: [u8; 16],
}

const _: () = assert!(size_of::<MapInfo>() == 40);
const _: () = assert!(offset_of!(MapInfo, name) == 24);

/// `struct bpf_link_info` up to what links to an interface have (XDP: Linux 5.9). Of other links the
/// fields behind `pad` mean something else.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkInfo {
    pub(crate) link_type: u32,
    pub(crate) id: u32,
    pub(crate) prog_id: u32,
    pad: u32,
    pub(crate) ifindex: u32,
    pub(crate) attach_type: u32,
}

const _: () = assert!(size_of::<LinkInfo>() == 24);
const _: () = assert!(offset_of!(LinkInfo, ifindex) == 16);

/// Fill `info` from the object behind `fd`.
///
/// # Safety
///
/// Every byte pattern must be a valid `T`, `T` must be a prefix of the kernel's structure for this
/// object, and addresses in `info` must be valid for as many bytes as the counts beside them say.
unsafe fn info<T>(fd: BorrowedFd<'_>, info: &mut T) -> io::Result<()> {
    let mut attr = InfoAttr {
        bpf_fd: number(fd)?,
        info_len: length(size_of::<T>())?,
        info: std::ptr::from_mut(info) as u64,
    };
    // SAFETY: the kernel writes at most `info_len` bytes of `info`, which is borrowed; the caller
    // vouches for what `info` points at.
    unsafe { bpf(Command::ObjectInfo, &mut attr) }.map(drop)
}

/// What the kernel says about a program (`BPF_OBJ_GET_INFO_BY_FD`).
pub(crate) fn prog_info(fd: BorrowedFd<'_>) -> io::Result<ProgInfo> {
    let mut out = ProgInfo::default();
    // SAFETY: plain integers, layout asserted above, all counts and addresses zero.
    unsafe { info(fd, &mut out) }?;
    Ok(out)
}

/// The instructions of a program as the verifier left them, in slots. Empty where the
/// kernel hides them (no `CAP_PERFMON`, hardened JIT).
pub(crate) fn prog_insns(fd: BorrowedFd<'_>) -> io::Result<Vec<[u8; 8]>> {
    let bytes = prog_info(fd)?.xlated_prog_len;
    let mut slots = vec![[0; 8]; usize::try_from(bytes / 8).expect("u32 fits")];
    let mut ask = ProgInfo {
        xlated_prog_len: bytes / 8 * 8,
        xlated_prog_insns: slots.as_mut_ptr() as u64,
        ..ProgInfo::default()
    };
    // SAFETY: the kernel writes at most `xlated_prog_len` bytes at `xlated_prog_insns`, which is
    // the length of `slots`; every other count is zero.
    unsafe { info(fd, &mut ask) }?;
    if ask.xlated_prog_insns == 0 || ask.xlated_prog_len == 0 {
        slots.clear();
    }
    Ok(slots)
}

/// The machine code of a program.
pub(crate) struct ProgCode {
    /// How many bytes there are; 0 if the program is interpreted, or this process may not know.
    pub(crate) told_bytes: u32,
    /// The bytes of all functions; empty where the kernel hides them.
    pub(crate) bytes: Vec<u8>,
    /// Where each function stands; empty where addresses are hidden.
    pub(crate) addresses: Vec<u64>,
    /// Bytes of each function.
    pub(crate) lengths: Vec<u32>,
}

/// The machine code of a program, as far as the kernel shows it.
pub(crate) fn prog_code(fd: BorrowedFd<'_>) -> io::Result<ProgCode> {
    let told = prog_info(fd)?;
    let count = |number: u32| usize::try_from(number).expect("u32 fits");
    let mut bytes = vec![0_u8; count(told.jited_prog_len)];
    let mut addresses = vec![0_u64; count(told.nr_jited_ksyms)];
    let mut lengths = vec![0_u32; count(told.nr_jited_func_lens)];
    let mut ask = ProgInfo {
        jited_prog_len: told.jited_prog_len,
        jited_prog_insns: bytes.as_mut_ptr() as u64,
        nr_jited_ksyms: told.nr_jited_ksyms,
        jited_ksyms: addresses.as_mut_ptr() as u64,
        nr_jited_func_lens: told.nr_jited_func_lens,
        jited_func_lens: lengths.as_mut_ptr() as u64,
        ..ProgInfo::default()
    };
    // SAFETY: the kernel writes at most as many bytes, addresses and lengths as the counts beside
    // their addresses say, which are the lengths of the vectors; every other count is zero.
    unsafe { info(fd, &mut ask) }?;
    if ask.jited_prog_insns == 0 || ask.jited_prog_len != told.jited_prog_len {
        bytes.clear();
    }
    if ask.jited_ksyms == 0 || ask.nr_jited_ksyms != told.nr_jited_ksyms {
        addresses.clear();
    }
    if ask.jited_func_lens == 0 || ask.nr_jited_func_lens != told.nr_jited_func_lens {
        lengths.clear();
    }
    Ok(ProgCode { told_bytes: told.jited_prog_len, bytes, addresses, lengths })
}

/// The ids of the maps of a program, in the kernel's order.
pub(crate) fn prog_map_ids(fd: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let count = prog_info(fd)?.nr_map_ids;
    let mut ids = vec![0_u32; usize::try_from(count).expect("u32 fits")];
    let mut ask =
        ProgInfo { nr_map_ids: count, map_ids: ids.as_mut_ptr() as u64, ..ProgInfo::default() };
    // SAFETY: the kernel writes at most `nr_map_ids` ids at `map_ids`, which is the length of
    // `ids`; every other count is zero.
    unsafe { info(fd, &mut ask) }?;
    Ok(ids)
}

/// What the kernel says about a map.
pub(crate) fn map_info(fd: BorrowedFd<'_>) -> io::Result<MapInfo> {
    let mut out = MapInfo::default();
    // SAFETY: plain integers, layout asserted above.
    unsafe { info(fd, &mut out) }?;
    Ok(out)
}

/// What the kernel says about a link.
pub(crate) fn link_info(fd: BorrowedFd<'_>) -> io::Result<LinkInfo> {
    let mut out = LinkInfo::default();
    // SAFETY: plain integers, layout asserted above; where a kind of link has an address in the
    // structure, it and the length beside it are zero.
    unsafe { info(fd, &mut out) }?;
    Ok(out)
}

/// A descriptor of the program with this id (`BPF_PROG_GET_FD_BY_ID`, needs `CAP_SYS_ADMIN`).
///
/// # Errors
///
/// `ENOENT`: no such program; `EPERM`.
pub(crate) fn prog_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut attr = IdAttr { id, ..IdAttr::default() };
    // SAFETY: layout asserted above; the attribute holds no address.
    unsafe { bpf_fd(Command::ProgFdById, &mut attr) }
}

/// The smallest program id above `id` (`BPF_PROG_GET_NEXT_ID`, needs `CAP_SYS_ADMIN`).
///
/// # Errors
///
/// `ENOENT`: there is none; `EPERM`.
pub(crate) fn prog_next_id(id: u32) -> io::Result<u32> {
    let mut attr = IdAttr { id, ..IdAttr::default() };
    // SAFETY: layout asserted above; the attribute holds no address.
    unsafe { bpf(Command::ProgNextId, &mut attr) }?;
    Ok(attr.next_id)
}

/// A descriptor of the map with this id (`BPF_MAP_GET_FD_BY_ID`, needs `CAP_SYS_ADMIN`).
///
/// # Errors
///
/// `ENOENT`: no such map; `EPERM`.
pub(crate) fn map_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut attr = IdAttr { id, ..IdAttr::default() };
    // SAFETY: layout asserted above; the attribute holds no address.
    unsafe { bpf_fd(Command::MapFdById, &mut attr) }
}

/// A descriptor of the link with this id (`BPF_LINK_GET_FD_BY_ID`, Linux 5.8, needs
/// `CAP_SYS_ADMIN`).
///
/// # Errors
///
/// `ENOENT`: no such link; `EAGAIN`: it is just being made; `EPERM`.
pub(crate) fn link_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut attr = IdAttr { id, ..IdAttr::default() };
    // SAFETY: layout asserted above; the attribute holds no address.
    unsafe { bpf_fd(Command::LinkFdById, &mut attr) }
}

/// The smallest map id above `id` (`BPF_MAP_GET_NEXT_ID`, needs `CAP_SYS_ADMIN`).
///
/// # Errors
///
/// `ENOENT`: there is none; `EPERM`.
pub(crate) fn map_next_id(id: u32) -> io::Result<u32> {
    let mut attr = IdAttr { id, ..IdAttr::default() };
    // SAFETY: layout asserted above; the attribute holds no address.
    unsafe { bpf(Command::MapNextId, &mut attr) }?;
    Ok(attr.next_id)
}

/// The smallest link id above `id` (`BPF_LINK_GET_NEXT_ID`, Linux 5.8, needs `CAP_SYS_ADMIN`).
///
/// # Errors
///
/// `ENOENT`: there is none; `EPERM`.
pub(crate) fn link_next_id(id: u32) -> io::Result<u32> {
    let mut attr = IdAttr { id, ..IdAttr::default() };
    // SAFETY: layout asserted above; the attribute holds no address.
    unsafe { bpf(Command::LinkNextId, &mut attr) }?;
    Ok(attr.next_id)
}
