//! Network namespaces without a name: held by a descriptor, gone with it.
//!
//! Nothing is mounted and nothing is written to `/run/netns`. The kernel removes a namespace, and
//! the virtual interfaces in it, when no descriptor, socket or thread refers to it any more; that
//! happens shortly after the last one is closed, also when the process is killed.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

use super::error::{NetlinkError, Operation};
use super::socket::Socket;

/// The network namespace of the thread that opens this.
const OF_THIS_THREAD: &str = "/proc/thread-self/ns/net";

/// A network namespace.
#[derive(Debug)]
pub struct Namespace {
    fd: OwnedFd,
}

impl Namespace {
    /// Create an empty network namespace. Needs `CAP_SYS_ADMIN`.
    ///
    /// A thread of its own unshares, so the caller stays where it is.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`]: `EPERM`, or `ENOSPC` at the limit of namespaces.
    pub fn create() -> Result<Self, NetlinkError> {
        let operation = Operation::new("create a network namespace");
        let created = on_thread(&operation, || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            open(Path::new(OF_THIS_THREAD))
        })?;
        created.map(|fd| Self { fd }).map_err(|errno| NetlinkError::system(&operation, errno))
    }

    /// The network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`]: `ENOENT` without `/proc`.
    pub fn current() -> Result<Self, NetlinkError> {
        Self::at(Path::new(OF_THIS_THREAD))
    }

    /// The network namespace at a path such as `/proc/PID/ns/net` or `/run/netns/NAME`. Whether it
    /// is one shows when it is entered.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`]: `ENOENT`, `EACCES`.
    pub fn at(path: &Path) -> Result<Self, NetlinkError> {
        let operation = Operation::new(format!("open network namespace {}", path.display()));
        open(path).map(|fd| Self { fd }).map_err(|errno| NetlinkError::system(&operation, errno))
    }

    /// Run `inside` on a fresh thread that is in this namespace, and return its value. A panic of
    /// `inside` is passed on. Needs `CAP_SYS_ADMIN`.
    ///
    /// A socket opened by `inside` belongs to this namespace for as long as it lives, on whatever
    /// thread it is used later, and keeps the namespace alive.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`]: `EPERM`; `EINVAL` if this is not a network namespace; `EAGAIN` if
    /// no thread can be started.
    pub fn enter<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> Result<T, NetlinkError> {
        let operation = Operation::new("enter a network namespace");
        let entered = on_thread(&operation, || {
            setns(&self.fd, CloneFlags::CLONE_NEWNET)?;
            Ok(inside())
        })?;
        entered.map_err(|errno| NetlinkError::system(&operation, errno))
    }

    /// Open a netlink socket that belongs to this namespace.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter) and [`Socket::open`].
    pub fn socket(&self) -> Result<Socket, NetlinkError> {
        self.enter(Socket::open)?
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn open(path: &Path) -> Result<OwnedFd, Errno> {
    match File::open(path) {
        Ok(file) => Ok(file.into()),
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EINVAL))),
    }
}

/// Run `work` on a thread that ends before this returns, so that what it does to itself stays its
/// own.
fn on_thread<T: Send>(
    operation: &Operation,
    work: impl FnOnce() -> Result<T, Errno> + Send,
) -> Result<Result<T, Errno>, NetlinkError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|error| {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EAGAIN));
                NetlinkError::system(operation, errno)
            })?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}
