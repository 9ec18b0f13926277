//! What the tests share: namespaces or a visible skip, programs to attach, and what is open.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use hardwire::netlink::link::READY_WAIT_MS_MAX;
use hardwire::netlink::{Namespace, Socket, Veth};

pub(crate) const WAIT: Duration = Duration::from_millis(READY_WAIT_MS_MAX);

/// The tests of this file run one at a time, so that one can compare the descriptors of the process
/// before and after.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub(crate) fn skip(why: &str) {
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(!required, "KERNEL_TESTS=required, but: {why}");
    eprintln!("skipped: {why}");
}

/// A namespace, or a visible skip if this process may not make one.
pub(crate) fn namespace() -> Option<Namespace> {
    match Namespace::create() {
        Ok(namespace) => Some(namespace),
        Err(error) if error.errno() == Some(libc::EPERM) => {
            skip(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn veth<'a>(name: &'a str, peer_name: &'a str) -> Veth<'a> {
    Veth { name, peer_name, peer_namespace: None, mtu: None }
}

pub(crate) fn link_names(socket: &mut Socket) -> Vec<String> {
    socket.links().expect("links").into_iter().map(|link| link.name).collect()
}

/// `union bpf_attr` as 32-bit words; what is not set is zero, as the kernel demands.
type Attr = [u32; 20];

/// A descriptor made by bpf(2).
#[allow(unsafe_code, reason = "netlink takes any XDP program; loading one here keeps rooms apart")]
fn bpf(command: i32, attr: &Attr) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads `attr`, which is borrowed for the call, and what it points at, for
    // which the callers below vouch.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_ptr(), size_of::<Attr>()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).expect("a descriptor is an int");
    // SAFETY: a non-negative return is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The two words of a pointer in a 64-bit field.
fn words<T>(at: *const T) -> [u32; 2] {
    let bytes = (at as u64).to_ne_bytes();
    let (words, _) = bytes.as_chunks::<4>();
    [u32::from_ne_bytes(words[0]), u32::from_ne_bytes(words[1])]
}

/// Load `r0 = 2; exit` (XDP_PASS) as a program of this type.
pub(crate) fn load_program(prog_type: u32, prog_flags: u32) -> io::Result<OwnedFd> {
    const BPF_PROG_LOAD: i32 = 5;
    let insns: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 2, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
    let license = c"GPL";
    let mut attr = Attr::default();
    attr[0] = prog_type;
    attr[1] = 2; // instructions
    attr[2..4].copy_from_slice(&words(insns.as_ptr()));
    attr[4..6].copy_from_slice(&words(license.as_ptr()));
    attr[11] = prog_flags;
    // Both outlive the call and are only read.
    bpf(BPF_PROG_LOAD, &attr)
}

/// Attach an XDP program by bpf_link to an interface of the calling thread's namespace.
pub(crate) fn link_program(program: BorrowedFd<'_>, index: u32) -> io::Result<OwnedFd> {
    const BPF_LINK_CREATE: i32 = 28;
    const BPF_XDP: u32 = 37;
    let mut attr = Attr::default();
    attr[0] = u32::try_from(program.as_raw_fd()).expect("not negative");
    attr[1] = index;
    attr[2] = BPF_XDP;
    bpf(BPF_LINK_CREATE, &attr)
}

/// Let the calling thread, and no other, give up all its privileges for good.
#[allow(unsafe_code, reason = "the C library changes all threads, a test needs only its own")]
pub(crate) fn become_nobody() {
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: takes three integers and changes only the credentials of this thread.
    let result = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

pub(crate) const SOCKET_FILTER: u32 = 1;
pub(crate) const XDP: u32 = 6;
/// `BPF_F_XDP_HAS_FRAGS`: the program can take frames of several buffers.
pub(crate) const HAS_FRAGS: u32 = 1 << 5;

pub(crate) fn xdp_program() -> Option<OwnedFd> {
    match load_program(XDP, 0) {
        Ok(program) => Some(program),
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            skip(&format!("load an XDP program: {error}"));
            None
        }
        Err(error) => panic!("load an XDP program: {error}"),
    }
}
