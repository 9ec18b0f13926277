//! Mounts that nobody else sees.

use std::fs;
use std::path::Path;
use std::thread;

use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};

/// Run `test` on a thread of its own, which alone sees what it mounts, with its children; give it a folder
/// where a bpffs is mounted, and one where none is. Needs `CAP_SYS_ADMIN`.
pub(crate) fn with_bpffs<T: Send>(test: impl FnOnce(&Path, &Path) -> T + Send) -> T {
    let ended = thread::scope(|scope| scope.spawn(|| mounted(test)).join());
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn mounted<T>(test: impl FnOnce(&Path, &Path) -> T) -> T {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    let (none, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    mount(none, "/", none, private, none).expect("private mounts");
    let folder = tempfile::tempdir().expect("a folder");
    let (bpffs, bare) = (folder.path().join("bpf"), folder.path().join("bare"));
    for path in [&bpffs, &bare] {
        fs::create_dir(path).expect("a folder");
    }
    mount(Some("bpf"), &bpffs, Some("bpf"), MsFlags::empty(), none).expect("a bpffs");
    let result = test(&bpffs, &bare);
    umount(&bpffs).expect("not in use");
    result
}
