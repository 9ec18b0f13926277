//! Program commands: load and test run.

use std::{
    ffi::CStr,
    io,
    mem::offset_of,
    os::fd::{BorrowedFd, OwnedFd},
};

use super::{
    call::{Command, bpf, bpf_fd, length, number},
    map::{NAME_BYTES, name},
};

/// `BPF_PROG_LOAD`, up to and including `log_true_size` (Linux 6.4). Older kernels accept the
/// trailing fields as long as they are zero.
#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; NAME_BYTES],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
    attach_prog_fd: u32,
    core_relo_cnt: u32,
    fd_array: u64,
    core_relos: u64,
    core_relo_rec_size: u32,
    log_true_size: u32,
}

const _: () = assert!(size_of::<LoadAttr>() == 144);
const _: () = assert!(offset_of!(LoadAttr, log_buf) == 32);
const _: () = assert!(offset_of!(LoadAttr, prog_flags) == 44);
const _: () = assert!(offset_of!(LoadAttr, prog_name) == 48);
const _: () = assert!(offset_of!(LoadAttr, expected_attach_type) == 68);
const _: () = assert!(offset_of!(LoadAttr, func_info) == 80);
const _: () = assert!(offset_of!(LoadAttr, attach_prog_fd) == 112);
const _: () = assert!(offset_of!(LoadAttr, fd_array) == 120);
const _: () = assert!(offset_of!(LoadAttr, log_true_size) == 140);

/// `BPF_PROG_TEST_RUN`, up to and including `batch_size` (Linux 5.18).
#[repr(C)]
#[derive(Default)]
struct TestRunAttr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    pad: u32,
}

const _: () = assert!(size_of::<TestRunAttr>() == 80);
const _: () = assert!(offset_of!(TestRunAttr, data_in) == 16);
const _: () = assert!(offset_of!(TestRunAttr, duration) == 36);
const _: () = assert!(offset_of!(TestRunAttr, ctx_in) == 48);
const _: () = assert!(offset_of!(TestRunAttr, batch_size) == 72);

/// Where the verifier writes.
pub(crate) struct Log<'a> {
    /// Bits: 1 the trace of a rejection, 2 everything, 4 statistics.
    pub(crate) level: u32,
    /// At least 128 bytes.
    pub(crate) buffer: &'a mut [u8],
}

/// `struct bpf_line_info`: slot, offsets of file name and text among the strings of the BTF, line
/// and column.
pub(crate) type LineRecord = [u32; 4];

/// `struct bpf_func_info`: slot, and type id in the BTF.
pub(crate) type FunctionRecord = [u32; 2];

/// What a program says about itself.
#[derive(Clone, Copy)]
pub(crate) struct Types<'a> {
    /// What [`btf::load`](super::btf::load) returned.
    pub(crate) btf: BorrowedFd<'a>,
    /// Ascending; the first is at slot 0.
    pub(crate) functions: &'a [FunctionRecord],
    /// Strictly ascending; every function begins with one.
    pub(crate) lines: &'a [LineRecord],
}

/// The function of the kernel that a program is for: tracing and LSM programs name it when loaded.
#[derive(Clone, Copy, Default)]
pub(crate) struct AttachTo {
    /// `BPF_TRACE_FENTRY`, `BPF_LSM_MAC` and so on.
    pub(crate) attach_type: u32,
    /// The function's type in the kernel's BTF.
    pub(crate) btf_id: u32,
}

/// Arguments of [`load`].
pub(crate) struct Load<'a> {
    /// `BPF_PROG_TYPE_*`.
    pub(crate) prog_type: u32,
    /// Encoded slots, in order, with descriptors where maps are.
    pub(crate) slots: &'a [[u8; 8]],
    /// Decides whether GPL-only helpers are allowed.
    pub(crate) license: &'a CStr,
    /// `BPF_F_*`.
    pub(crate) flags: u32,
    /// Letters, digits, `_` and `.`.
    pub(crate) name: &'a CStr,
    /// What the program says about itself.
    pub(crate) types: Option<Types<'a>>,
    /// Zeros for programs that are attached later, to whatever it may be.
    pub(crate) attach_to: AttachTo,
    /// `None` asks for no log.
    pub(crate) log: Option<Log<'a>>,
}

/// What a load brought.
pub(crate) struct Loaded {
    pub(crate) program: io::Result<OwnedFd>,
    /// Bytes that the whole log needs, with its NUL; 0 before Linux 6.4.
    pub(crate) log_bytes: u32,
}

/// Verify and load a program (`BPF_PROG_LOAD`).
///
/// # Errors
///
/// - `EACCES`, `EINVAL`, `EFAULT` and others: the verifier rejected the program; see the log;
/// - `EPERM`: needs `CAP_BPF`, and `CAP_NET_ADMIN` or `CAP_PERFMON` by type, or before Linux 5.11
///   not enough `RLIMIT_MEMLOCK`;
/// - `ENOSPC`: the log buffer was too small; the program may still be valid;
/// - `E2BIG`: more slots than these privileges allow, or more instructions to process than the
///   verifier does.
pub(crate) fn load(args: &mut Load<'_>) -> Loaded {
    let mut attr = match load_attr(args) {
        Ok(attr) => attr,
        Err(e) => return Loaded { program: Err(e), log_bytes: 0 },
    };
    if let Some(log) = &mut args.log {
        match length(log.buffer.len()) {
            Ok(log_size) => attr.log_size = log_size,
            Err(e) => return Loaded { program: Err(e), log_bytes: 0 },
        }
        attr.log_level = log.level;
        attr.log_buf = log.buffer.as_mut_ptr() as u64;
    }
    // SAFETY: `attr` is a prefix of `union bpf_attr` (asserted above). It points at slots, licence,
    // name and the records of functions and lines (as many as counted, of the sizes named), which
    // the kernel only reads, and at the log, of which it writes at most `log_size` bytes; the
    // borrows in `args` live until we return.
    let program = unsafe { bpf_fd(Command::ProgLoad, &mut attr) };
    Loaded { program, log_bytes: attr.log_true_size }
}

fn load_attr(args: &Load<'_>) -> io::Result<LoadAttr> {
    let mut attr = LoadAttr {
        prog_type: args.prog_type,
        insn_cnt: length(args.slots.len())?,
        insns: args.slots.as_ptr() as u64,
        license: args.license.as_ptr() as u64,
        prog_flags: args.flags,
        prog_name: name(args.name)?,
        expected_attach_type: args.attach_to.attach_type,
        attach_btf_id: args.attach_to.btf_id,
        ..LoadAttr::default()
    };
    if let Some(types) = &args.types {
        attr.prog_btf_fd = number(types.btf)?;
        attr.func_info_rec_size = length(size_of::<FunctionRecord>())?;
        attr.func_info = types.functions.as_ptr() as u64;
        attr.func_info_cnt = length(types.functions.len())?;
        attr.line_info_rec_size = length(size_of::<LineRecord>())?;
        attr.line_info = types.lines.as_ptr() as u64;
        attr.line_info_cnt = length(types.lines.len())?;
    }
    Ok(attr)
}

/// Arguments of [`test_run`].
pub(crate) struct TestRun<'a> {
    /// The packet.
    pub(crate) data: &'a [u8],
    /// Where the packet goes afterwards; `None` if it is not wanted.
    pub(crate) data_out: Option<&'a mut [u8]>,
    /// How often to run it.
    pub(crate) repeat: u32,
}

/// What a test run brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestRan {
    /// What the program returned the last time.
    pub(crate) retval: u32,
    /// Nanoseconds of one run, the mean of all.
    pub(crate) duration_ns: u32,
    /// Bytes of the packet afterwards; may be more than there was room for.
    pub(crate) data_bytes: u32,
}

/// Run a program on a packet (`BPF_PROG_TEST_RUN`).
///
/// # Errors
///
/// `EINVAL`: a packet shorter than 14 bytes or longer than the kernel allows; `ENOSPC`: `data_out`
/// is too small; `ENOTSUPP`: not for this program type; `EINTR`: signals kept arriving.
pub(crate) fn test_run(program: BorrowedFd<'_>, args: TestRun<'_>) -> io::Result<TestRan> {
    let mut attr = TestRunAttr {
        prog_fd: number(program)?,
        data_size_in: length(args.data.len())?,
        data_in: args.data.as_ptr() as u64,
        repeat: args.repeat,
        ..TestRunAttr::default()
    };
    if let Some(out) = args.data_out {
        attr.data_size_out = length(out.len())?;
        attr.data_out = out.as_mut_ptr() as u64;
    }
    // SAFETY: the kernel reads `data` and writes at most `data_size_out` bytes of `data_out` (none
    // if its address is 0); the borrows in `args` live until we return.
    unsafe { bpf(Command::ProgTestRun, &mut attr) }?;
    Ok(TestRan { retval: attr.retval, duration_ns: attr.duration, data_bytes: attr.data_size_out })
}

/// The packets become frames of their own (`BPF_F_TEST_XDP_LIVE_FRAMES`, Linux 5.18).
const F_TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;

/// Run an XDP program on `repeat` frames that are then really passed, sent or redirected
/// (`BPF_PROG_TEST_RUN`), `batch` at a time.
///
/// # Errors
///
/// `EINVAL`: a kernel before 5.18, a frame too short or too long, a batch of more than 256; `EINTR`:
/// a signal, and nobody knows how many frames were sent.
pub(crate) fn test_run_live(
    program: BorrowedFd<'_>,
    data: &[u8],
    repeat: u32,
    batch: u32,
) -> io::Result<()> {
    let mut attr = TestRunAttr {
        prog_fd: number(program)?,
        data_size_in: length(data.len())?,
        data_in: data.as_ptr() as u64,
        repeat,
        flags: F_TEST_XDP_LIVE_FRAMES,
        batch_size: batch,
        ..TestRunAttr::default()
    };
    // SAFETY: the kernel reads `data`, which is borrowed until we return, and writes nothing back but
    // the attribute.
    unsafe { bpf(Command::ProgTestRun, &mut attr) }.map(drop)
}
