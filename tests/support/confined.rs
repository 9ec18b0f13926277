//! Children of a test with fewer rights than the test, or on what looks like another kernel.
//!
//! Everything is done between `fork` and `exec` with system calls that every Linux has: no test
//! depends on a tool that has to be installed first. It takes the rights of root.

#![allow(unsafe_code, reason = "nix has few of these calls, and they happen in a child of a test")]

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

/// Numbers of capabilities (`linux/capability.h`).
#[allow(dead_code, reason = "each test binary uses some of these")]
pub(crate) const CAP_NET_ADMIN: u32 = 12;
/// See above.
#[allow(dead_code, reason = "each test binary uses some of these")]
pub(crate) const CAP_NET_RAW: u32 = 13;
/// See above.
#[allow(dead_code, reason = "each test binary uses some of these")]
pub(crate) const CAP_PERFMON: u32 = 38;
/// See above.
pub(crate) const CAP_BPF: u32 = 39;

/// Run `command` as `user` with these capabilities and no others.
#[allow(dead_code, reason = "each test binary uses some of these")]
pub(crate) fn as_user_with(command: &mut Command, user: u32, capabilities: &'static [u32]) {
    before_exec(command, move || {
        // SAFETY: no pointer is followed.
        check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) })?;
        // SAFETY: with no groups no pointer is followed.
        check(unsafe { libc::setgroups(0, ptr::null()) })?;
        // SAFETY: no pointer is followed.
        check(unsafe { libc::setresgid(user, user, user) })?;
        // SAFETY: no pointer is followed.
        check(unsafe { libc::setresuid(user, user, user) })?;
        set_capabilities(mask(capabilities), mask(capabilities))?;
        for capability in capabilities {
            let raise = libc::PR_CAP_AMBIENT_RAISE;
            // SAFETY: no pointer is followed.
            check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, *capability, 0, 0) })?;
        }
        Ok(())
    });
}

/// Run `command` as root whose bounding set has only these capabilities.
#[allow(dead_code, reason = "each test binary uses some of these")]
pub(crate) fn bounded_to(command: &mut Command, capabilities: &'static [u32]) {
    before_exec(command, move || {
        for capability in (0..64).filter(|it| !capabilities.contains(it)) {
            // SAFETY: no pointer is followed.
            let dropped = check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) });
            // Numbers behind the last capability of this kernel.
            dropped.or_else(|e| {
                if e.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(e) }
            })?;
        }
        // What is inheritable would pass the bounding set.
        set_capabilities(u64::MAX, 0)
    });
}

/// Run `command` on a kernel whose system call `number` fails with `errno`.
#[allow(dead_code, reason = "each test binary uses some of these")]
pub(crate) fn with_failing_call(command: &mut Command, number: i64, errno: i32) {
    const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    let number = u32::try_from(number).expect("a system call");
    let errno = errno.unsigned_abs();
    let insn = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        insn(LOAD_WORD, 0, 0, 0), // the number of the call
        insn(IF_EQUAL, 0, 1, number),
        insn(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno),
        insn(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    before_exec(command, move || {
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).expect("four"),
            filter: filter.as_mut_ptr(),
        };
        let mode = libc::SECCOMP_MODE_FILTER;
        // SAFETY: the kernel reads the program and its instructions, which outlive the call.
        check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) })
    });
}

/// Run `command` where `folder` is empty, if there is such a folder.
#[allow(dead_code, reason = "each test binary uses some of these")]
pub(crate) fn with_empty(command: &mut Command, folder: &str) {
    let folder = CString::new(folder).expect("no NUL");
    before_exec(command, move || {
        // SAFETY: no pointer is followed.
        check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        let (none, root) = (ptr::null(), c"/".as_ptr());
        // SAFETY: the kernel reads the strings up to their NULs.
        check(unsafe { libc::mount(none, root, ptr::null(), private, ptr::null()) })?;
        let kind = c"tmpfs".as_ptr();
        // SAFETY: the kernel reads the strings up to their NULs.
        let done = check(unsafe { libc::mount(kind, folder.as_ptr(), kind, 0, ptr::null()) });
        done.or_else(|e| if e.raw_os_error() == Some(libc::ENOENT) { Ok(()) } else { Err(e) })
    });
}

fn before_exec(
    command: &mut Command,
    code: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: what is passed here makes system calls and allocates nothing.
    unsafe { command.pre_exec(code) };
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn mask(capabilities: &[u32]) -> u64 {
    capabilities.iter().fold(0, |mask, capability| mask | 1 << capability)
}

/// Lower the permitted and effective capabilities to `allowed`, and set the inheritable ones.
fn set_capabilities(allowed: u64, inheritable: u64) -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let mut words = [[0_u32; 3]; 2];
    let mut now = [[0_u32; 3]; 2];
    // SAFETY: the kernel reads two words and writes six, which are borrowed for the call.
    let done = unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), now.as_mut_ptr()) };
    check(if done < 0 { -1 } else { 0 })?;
    for (half, (word, now)) in words.iter_mut().zip(&now).enumerate() {
        let of = |mask: u64| u32::try_from(mask >> (32 * half) & 0xffff_ffff).unwrap_or(0);
        // Effective, permitted, inheritable.
        *word = [now[1] & of(allowed), now[1] & of(allowed), of(inheritable)];
    }
    // SAFETY: the kernel reads two words and six, which are borrowed for the call.
    let done = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), words.as_ptr()) };
    check(if done < 0 { -1 } else { 0 })
}
