//! The directory of all attachments, and one lock for each of them.
//!
//! A lock is a `flock` on the directory of an attachment: it goes with the process, however that
//! ends, and so tells work in progress from what somebody left behind.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};

use super::{Error, name};

/// Where a bpffs is mounted, as a rule.
pub const BPFFS: &str = "/sys/fs/bpf";
/// The directory in it that is ours.
const DIRECTORY: &str = "hardwire";
/// How long somebody else's work on an attachment is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often a directory that vanishes under our hands is made anew.
const ATTEMPTS: u32 = 100;

/// What a command line of `hardwire` needs to mean the attachments of `bpffs`: ` --bpffs PATH`, or
/// nothing where a bpffs is mounted as a rule.
pub fn elsewhere(bpffs: &Path) -> String {
    if bpffs == Path::new(BPFFS) { String::new() } else { format!(" --bpffs {}", bpffs.display()) }
}

/// The attachments of one bpffs.
#[derive(Clone, Debug)]
pub struct Root {
    path: PathBuf,
    steps: fn(&str),
}

/// A directory that only we change.
#[derive(Debug)]
pub(super) struct Lock {
    #[expect(dead_code, reason = "held, not used")]
    held: Flock<File>,
}

impl Root {
    /// The attachments of the bpffs that is mounted at `bpffs`.
    ///
    /// # Errors
    ///
    /// [`Error::NoBpffs`]. Nothing is mounted or made.
    pub fn open(bpffs: &Path) -> Result<Self, Error> {
        let found = statfs(bpffs).is_ok_and(|fs| fs.filesystem_type() == BPF_FS_MAGIC);
        if !found {
            return Err(Error::NoBpffs { path: bpffs.to_owned() });
        }
        Ok(Self { path: bpffs.join(DIRECTORY), steps: |_| {} })
    }

    /// The same; if no bpffs is mounted there, mount one, as systemd does.
    ///
    /// # Errors
    ///
    /// [`Error::Mount`].
    pub fn open_or_mount(bpffs: &Path) -> Result<Self, Error> {
        if let Ok(root) = Self::open(bpffs) {
            return Ok(root);
        }
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("bpf"), bpffs, Some("bpf"), flags, Some("mode=700"))
            .map_err(|errno| Error::Mount { path: bpffs.to_owned(), source: errno.into() })?;
        Self::open(bpffs)
    }

    /// The same; `steps` is called with a name before each change to the system. Tests end the
    /// process there.
    #[must_use]
    pub fn with_steps(self, steps: fn(&str)) -> Self {
        Self { steps, ..self }
    }

    /// The directory of all attachments. It is there once something has been attached.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn step(&self, name: &str) {
        (self.steps)(name);
    }

    /// The directory of an attachment.
    pub(super) fn directory(&self, name: &str) -> Result<PathBuf, Error> {
        let encoded = name::encode(name)
            .ok_or_else(|| Error::Name { name: name.to_owned(), limit: name::ENCODED_BYTES_MAX })?;
        Ok(self.path.join(encoded))
    }

    /// The names of all attachments, whatever state they are in, and of what is no attachment.
    pub(super) fn names(&self) -> Result<(Vec<String>, Vec<PathBuf>), Error> {
        let (mut names, mut foreign) = (Vec::new(), Vec::new());
        for path in entries(&self.path)? {
            let file_name = path.file_name().and_then(|name| name.to_str());
            match file_name.and_then(name::decode).filter(|_| path.is_dir()) {
                Some(name) => names.push(name),
                None => foreign.push(path),
            }
        }
        names.sort();
        foreign.sort();
        Ok((names, foreign))
    }

    /// Make the directory of a new attachment, and lock it.
    pub(super) fn make(&self, name: &str) -> Result<(PathBuf, Lock), Error> {
        let path = self.directory(name)?;
        make_directory(&self.path, true)?;
        for _ in 0..ATTEMPTS {
            self.step("make the directory");
            make_directory(&path, true)?;
            self.step("lock the directory");
            // Whoever cleans up may have taken it for an orphan in between.
            let Some(lock) = self.lock(name)? else { continue };
            if entries(&path)?.is_empty() {
                return Ok((path, lock));
            }
            let bpffs = self.path.parent().unwrap_or(&self.path).to_owned();
            return Err(Error::Exists { name: name.to_owned(), bpffs });
        }
        Err(Error::Busy { name: name.to_owned(), seconds: 0 })
    }

    /// Lock an attachment, and wait for whoever has it; nothing if it is not there (any more).
    pub(super) fn lock(&self, name: &str) -> Result<Option<Lock>, Error> {
        let started = Instant::now();
        loop {
            match self.try_lock(name)? {
                Tried::Locked(lock) => return Ok(Some(lock)),
                Tried::Gone => return Ok(None),
                Tried::Busy if started.elapsed() < PATIENCE => thread::sleep(LOOK_EVERY),
                Tried::Busy => {
                    let seconds = PATIENCE.as_secs();
                    return Err(Error::Busy { name: name.to_owned(), seconds });
                }
            }
        }
    }

    /// Lock an attachment unless somebody else has.
    pub(super) fn try_lock(&self, name: &str) -> Result<Tried, Error> {
        let path = self.directory(name)?;
        let fail = |source| Error::File { action: "lock", path: path.clone(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tried::Gone),
            Err(error) => return Err(fail(error)),
        };
        let ours = file.metadata().map_err(fail)?.ino();
        let held = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => held,
            Err((_, nix::errno::Errno::EWOULDBLOCK | nix::errno::Errno::EINTR)) => {
                return Ok(Tried::Busy);
            }
            Err((_, errno)) => return Err(fail(errno.into())),
        };
        // What was locked may have been removed and made anew meanwhile.
        let there = fs::metadata(&path).is_ok_and(|now| now.ino() == ours);
        Ok(if there { Tried::Locked(Lock { held }) } else { Tried::Gone })
    }
}

/// The right to read the events of one program of an attachment, which one process has at a time: two
/// readers of a ring would take events from each other, and see some of them both.
#[derive(Debug)]
pub struct Listening {
    #[expect(dead_code, reason = "held, not used")]
    held: Flock<File>,
}

impl Listening {
    /// Take the right for the program whose pins are in `directory`; nothing if somebody has it.
    pub(super) fn of(directory: &Path) -> Result<Option<Self>, Error> {
        let fail = |source| Error::File { action: "lock", path: directory.to_owned(), source };
        let file = File::open(directory).map_err(fail)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Some(Self { held })),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(fail(errno.into())),
        }
    }
}

/// What came of an attempt to lock.
pub(super) enum Tried {
    /// It is ours until the lock is dropped.
    Locked(Lock),
    /// It is not there.
    Gone,
    /// Somebody else has it.
    Busy,
}

/// Make a directory for us alone; whether it may be there already.
pub(super) fn make_directory(path: &Path, may_exist: bool) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if may_exist && error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => {
            result.map_err(|source| Error::File { action: "make", path: path.to_owned(), source })
        }
    }
}

/// What is in a directory; nothing if there is none.
pub(super) fn entries(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let fail = |source| Error::File { action: "list", path: path.to_owned(), source };
    let read = match fs::read_dir(path) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut paths = Vec::new();
    for entry in read {
        paths.push(entry.map_err(fail)?.path());
    }
    paths.sort();
    Ok(paths)
}
